"""Python loops whose number of turns is symbolic."""

import numpy as np
import pytest

import graphc
from graphc.trace.trees import leaves
from tests.trace.loop_checks import differences, normal

WEIGHTS = normal(3, 4), normal(4, 4) / 3


def sequence(xs, h):
    ys = np.zeros((len(xs), len(h)))
    for t in range(len(xs)):
        h = np.tanh(xs[t] @ WEIGHTS[0] + h @ WEIGHTS[1])
        ys[t] = h * 2
    return ys, h


def scanned_rows(xs, h):
    for k, row in enumerate(xs):
        h = np.tanh(row @ WEIGHTS[0] + h @ WEIGHTS[1] / (k + 1))
    return h, k


def counted(xs, n):
    x = xs[0]
    for i in range(1, n):
        x = 0.5 * np.sin(x) + np.cos(0.01 * x) * 0.001 * i
    return x, i


@pytest.mark.parametrize(
    ("function", "make"),
    [
        (sequence, lambda n: (normal(n, 3), np.zeros(4))),
        (scanned_rows, lambda n: (normal(n, 3), np.zeros(4))),
        (counted, lambda n: (np.ones((1, 3)), 40 * n)),
    ],
)
def test_later_sizes_compile_nothing(function, make):
    compiled = graphc.compile(function)
    counts = []
    for n in (40, 50, 60, 7, 90):
        args = make(n)
        for wanted, found in zip(leaves(function(*args)), leaves(compiled(*args)), strict=True):
            assert type(found) is type(wanted)
            np.testing.assert_allclose(found, wanted, rtol=1e-9)
        counts.append(len(compiled.specializations))
    assert counts == [1, 2, 2, 2, 2]
    for n in (3, 1):
        args = make(n)
        for wanted, found in zip(leaves(function(*args)), leaves(compiled(*args)), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-9)


def test_short_loops_of_several_lengths_are_one_form():
    def smoothed(x):
        y = np.zeros_like(x)
        for i in range(len(x)):
            y[i] = y[i - 1] * 0.5 + x[i]
        return y

    compiled = graphc.compile(smoothed)
    for n in (8, 9, 10, 7, 30):
        x = normal(n)
        np.testing.assert_allclose(compiled(x), smoothed(x), rtol=1e-12)
    assert len(compiled.specializations) == 2


def test_gradients_of_a_symbolic_number_of_turns():
    def loss(xs):
        return (sequence(xs, np.zeros(4))[0] ** 2).sum()

    gradient = graphc.compile(graphc.grad(loss))
    for n in (30, 40, 50):
        xs = normal(n, 3)
        np.testing.assert_allclose(gradient(xs), differences(loss, xs), rtol=1e-5, atol=1e-6)
    assert len(gradient.specializations) == 2
