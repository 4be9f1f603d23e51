"""Writes to parts of arrays, next to each other and to what reads between them."""

import random

import numpy as np
import pytest

import graphc

SLICES = ["[:2]", "[2:4]", "[1:3]", "[::2]", "[1::2]", "[-2:]", "[:, :1]", "[:, 1:]", "[:1, 1:]"]


def program(seed):
    """Lines that write to parts of `v`, and the results."""
    choice = random.Random(seed)
    lines = [choice.choice(["v = x", "v = x * 2", "v = a + b", "v = x.copy()"])]
    results = ["v"]
    for number in range(choice.randint(2, 4)):
        part = choice.choice(SLICES)
        value = choice.choice(["np.sin(a)", "np.cos(b)", "v", "(a * b)", "(a + b)"]) + part
        lines.append(f"v{part} {choice.choice(['=', '+=', '*='])} {value} * 2")
        if choice.random() < 0.4:
            lines.append(f"w{number} = {choice.choice(['v * 2', 'v.copy()', 'v.sum(axis=0)'])}")
            results.append(f"w{number}")
        if choice.random() < 0.2:
            lines.append("v = v.copy()")
    return "".join(f"    {line}\n" for line in [*lines, f"return {', '.join(results)}"])


def check(source, sizes):
    namespace = {"np": np}
    exec(f"def f(x, a, b):\n{source}", namespace)
    compiled = graphc.compile(namespace["f"])
    for size in sizes:
        arrays = list(np.random.default_rng(size).normal(size=(3, *size)))
        given = [array.copy() for array in arrays]
        expected, found = namespace["f"](*arrays), compiled(*given)
        pairs = zip([expected, arrays], [found, given], strict=True)
        for one, other in pairs:
            for left, right in zip(one, other, strict=True):
                np.testing.assert_allclose(right, left, rtol=1e-13, err_msg=source)


@pytest.mark.parametrize("seed", range(16))
def test_writes_to_parts_and_reads_between_them(seed):
    check(program(seed), [(5, 3), (4, 7)] if seed % 4 == 0 else [(4, 3)])


def kernels(function, *shapes):
    compiled = graphc.compile(function)
    return [kernel.name for _, kernel in compiled.lower(*map(np.ones, shapes)).kernels]


def test_writes_to_other_parts_with_nothing_between_are_one_kernel():
    def f(x, a):
        x[:2] = np.sin(a)
        x[2:4] = np.cos(a)
        x[4::2] = a[:1]

    def even_and_odd(x, a):
        x[::2] = np.sin(a)
        x[1::2] = np.cos(a)

    assert kernels(f, (6, 3), (2, 3))[0] == "sin_cos_update"
    assert kernels(even_and_odd, (4, 3), (2, 3)) == ["sin_cos_update"]


def test_what_one_kernel_makes_is_stored_before_a_part_of_it_is_replaced():
    def f(a, b):
        v = a + b
        v[:, :1] *= 2
        return v

    a, b = np.random.default_rng(0).normal(size=(2, 5, 3))
    np.testing.assert_allclose(graphc.compile(f)(a, b), f(a, b), rtol=1e-15)
