"""Random short loops that write rows: compiled gradients and finite differences, a program a seed.

Their bodies are many small kernels, which are linked into one function: what one kernel says of its
buffers must not hold for the next.
"""

import linecache
import random

import numpy as np
import pytest

import graphc

STATEMENTS = (
    "b[i + 1] = b[i] * x",
    "b[i] *= 0.5",
    "b[i] += x",
    "b[i + 1] += b[i]",
    "b[i + 1] = np.sin(b[i])",
    "b[i] = b[i + 1] - x",
    "x = x * 0.9 + b[i] * 0.1",
    "b[i], b[i + 1] = b[i + 1].copy(), b[i].copy()",
    "b[:, 0] *= 0.9",
    "b[i + 1] -= b[i] * b[0]",
    "b[1:] += 0.1 * b[:-1]",
)


def program(seed):
    rng = random.Random(seed)
    turns, width = rng.randint(4, 6), rng.choice([1, 2, 3])
    body = rng.sample(STATEMENTS, rng.randint(2, 4))
    lines = [
        "def program(x):",
        f"    b = np.zeros(({turns + 1}, {width}))",
        "    b[0] = x",
        f"    for i in range({turns}):",
        *(f"        {statement}" for statement in body),
        "    return (b**2).sum()",
    ]
    text = "\n".join(lines)
    file = f"<rows {seed}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    namespace = {"np": np}
    exec(compile(text, file, "exec"), namespace)
    return namespace["program"], np.linspace(0.5, 0.9, width), text


# 20 and 28 were wrong while kernels put in one function shared their alias scopes.
@pytest.mark.parametrize("seed", [*range(24), 28])
def test_gradients(seed):
    function, x, text = program(seed)
    step = 1e-6
    differences = [
        (function(x + step * axis) - function(x - step * axis)) / (2 * step)
        for axis in np.eye(len(x))
    ]
    found = graphc.grad(function)(x.copy())
    np.testing.assert_allclose(found, differences, rtol=1e-5, atol=1e-7, err_msg=text)


def test_rows_that_are_written_twice():
    def function(x):
        b = np.zeros((6, 2))
        b[0] = x
        for i in range(5):
            b[i + 1] = b[i] * x
            b[i] *= 2
        return (b**2).sum()

    found = graphc.grad(function)(np.array([1.5, 0.5]))
    np.testing.assert_allclose(found, [3370.705, 7.084], rtol=1e-4)
