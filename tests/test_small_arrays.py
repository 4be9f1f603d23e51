"""Small arrays put together and read apart: scalar code, of a length that follows the program's."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import graphc

START = np.array([1.0, 1.2, 0.8])
STEP = 0.01


def lorenz(y):
    return np.array([10 * (y[1] - y[0]), y[0] * (28 - y[2]) - y[1], y[0] * y[1] - 8 / 3 * y[2]])


def written(y):
    slopes = np.empty(3)
    slopes[0] = 10 * (y[1] - y[0])
    slopes[1] = y[0] * (28 - y[2]) - y[1]
    slopes[2] = y[0] * y[1] - 8 / 3 * y[2]
    return slopes


def runge_kutta(y, h, f=lorenz):
    a = f(y)
    b = f(y + h / 2 * a)
    c = f(y + h / 2 * b)
    d = f(y + h * c)
    return y + h / 6 * (a + 2 * b + 2 * c + d)


def many_steps(y, h):
    for _ in range(50):
        y = runge_kutta(y, h)
    return y


def nested(y, h):
    turn = np.array([[y[0], -y[1]], [y[1], y[0]]])
    both = turn * h + turn.T
    return np.array([both[0, 0] * y[0] + both[0, 1], both[1, 0], both[1, 1] + y[2]])


def halves(y, h):
    """Parts of three elements, whose own elements are parts."""
    state = np.concatenate([y, -y])
    for _ in range(3):
        where, speed = state[:3], state[3:]
        slopes = np.concatenate([speed, -where / np.sqrt(np.sum(where * where)) ** 3])
        state = state + h * slopes
    return state[:3] * state[5]


def corners(y, h):
    """A cut in the middle of what is read: the whole is read instead."""
    joined = np.concatenate([y[:1] * y[1:2], y[1:] + h]) * h + y
    return joined[1:] * joined[:-1] + joined[:1]


def swapped(y, h):
    for _ in range(4):
        y = runge_kutta(y, h)
        y = y[[1, 2, 0]] + y * h
    return y


def chosen(y, h):
    for _ in range(4):
        y = np.where(y > 0.5, np.stack([y[2], y[0] * h, y[1]]), y[::-1])
    return y


def by_parts(y, h):
    for _ in range(4):
        y = y.copy()
        y[0] += h * y[1]
        y[1:] -= h * y[0] * y[:2]
    return y


PROGRAMS = [
    runge_kutta,
    lambda y, h: runge_kutta(y, h, written),
    many_steps,
    nested,
    halves,
    corners,
    swapped,
    chosen,
    by_parts,
]


def slope(function: Callable[..., Any], y: np.ndarray) -> np.ndarray:
    """The gradient of the sum of sines by central differences."""
    steps = 1e-6 * np.eye(len(y))
    return np.array(
        [np.sum(np.sin(function(y + s, STEP)) - np.sin(function(y - s, STEP))) for s in steps]
    ) / (2e-6)


@pytest.mark.parametrize("program", PROGRAMS)
def test_values_gradients_and_examples(program):
    def loss(y, h):
        return np.sum(np.sin(program(y, h)))

    rows = np.stack([START, START * 1.1, START - 0.3])
    np.testing.assert_allclose(graphc.compile(program)(START, STEP), program(START, STEP), 1e-12)
    gradient = graphc.compile(graphc.grad(loss))(START, STEP)
    np.testing.assert_allclose(gradient, slope(program, START), 1e-5, 1e-7)
    mapped = graphc.compile(lambda rows, h: graphc.vmap(lambda y: program(y, h))(rows))
    np.testing.assert_allclose(mapped(rows, STEP), [program(y, STEP) for y in rows], 1e-12)
    gradients = graphc.compile(
        lambda rows, h: graphc.vmap(lambda y: graphc.grad(loss)(y, h))(rows)
    )(rows, STEP)
    np.testing.assert_allclose(gradients[0], gradient, 1e-9)


def kernels(function: Callable[..., Any], *args: Any) -> list[str]:
    return [kernel.name for _, kernel in graphc.compile(function).lower(*args).kernels]


def test_a_step_is_scalar_code_in_one_kernel():
    text = str(graphc.compile(runge_kutta).lower(START, STEP).source)
    assert len(kernels(runge_kutta, START, STEP)) == 1
    assert " if " not in text
    assert len(text) < 6000


def test_a_gradient_is_a_few_kernels():
    def loss(y, h):
        return np.sum(runge_kutta(y, h) ** 2)

    assert len(kernels(graphc.grad(loss), START, STEP)) <= 3


STATEMENTS = {
    "array": "y = y + h * np.array([y[1] - y[0], y[0] * y[2], y[0] - y[1]])",
    "stack": "y = np.stack([y[2] * h, y[0] + y[1], np.sin(y[1])]) + y",
    "parts": "y = np.concatenate([y[:1] * y[1:2], y[1:] + h]) * h + y",
    "matrix": "m = np.array([[y[0], -y[1]], [y[1], y[0]]]); m = m * h + m.T; "
    "y = np.array([m[0, 0] * y[0] + m[0, 1], m[1, 0], m[1, 1] + y[2]])",
    "empty": "q = np.empty(3); q[0] = y[1] * h; q[1] = y[2] - y[0]; q[2] = y[1]; y = y + h * q",
    "take": "y = y[[1, 2, 0]] * h + y * y[[2, 0, 1]]",
    "array and take": "y = y * np.array([y[1], y[2] * h, y[0]]); y = y[[1, 2, 0]] + y * h",
    "roll": "y = np.roll(y, 1) * np.roll(y, -1) + y * h",
    "flip": "y = y + h * y[::-1] * np.roll(y, 1)",
    "select": "y = np.where(y > h, y[::-1] * h, y + y[0])",
    "sum": "y = y + h * y / np.sqrt(np.sum(y * y)) * y[0]",
}


def repeated(statement: str, count: int) -> Callable[..., Any]:
    """A function of `count` such statements."""
    lines = ["def program(y, h):", *[f"    {statement}"] * count, "    return y"]
    name = f"<{count} of {statement}>"
    linecache.cache[name] = (0, None, [f"{line}\n" for line in lines], name)
    namespace: dict[str, Any] = {"np": np}
    exec(compile("\n".join(lines), name, "exec"), namespace)
    return namespace["program"]


@pytest.mark.parametrize("statement", STATEMENTS.values(), ids=STATEMENTS.keys())
@pytest.mark.parametrize("gradient", [False, True])
def test_the_source_grows_with_the_program(statement, gradient):
    def length(count):
        function = repeated(statement, count)

        def loss(y, h):
            return np.sum(function(y, h))

        form = graphc.compile(graphc.grad(loss) if gradient else function)
        return len(str(form.lower(START, STEP).source))

    assert length(16) < 3 * length(8)
    assert length(16) < 16 * (5000 if gradient else 2500)


def shifted(y, h, k):
    """A loop with small kernels that are given the same memory one after another."""
    for _ in range(5):
        y = y + h * y[(np.arange(3) + k) % 3]
        y = y + h * np.pad(y[1:] - y[:-1], (1, 0))
        q = np.empty(3)
        q[0] = y[1] * h
        q[1] = y[2] - y[0]
        q[2] = y[0] * y[1]
        y = np.tanh(y + h * q)
    return y


def test_kernels_in_a_linked_body_share_memory():
    np.testing.assert_allclose(
        graphc.compile(shifted)(START, 0.3, 1), shifted(START, 0.3, 1), 1e-12
    )
