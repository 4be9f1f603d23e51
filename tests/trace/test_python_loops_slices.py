"""Python loops that take and write slices at their position."""

import numpy as np
import pytest

import graphc
from tests.trace.loop_checks import agrees, differences, normal


def mini_batches(xs, ys, w):
    for _ in range(3):
        for i in range(20):
            x, y = xs[i * 4 : (i + 1) * 4], ys[i * 4 : (i + 1) * 4]
            w = w - 0.05 * x.T @ (x @ w - y)
    return w


def sliding(x):
    y = np.zeros(100)
    for t in range(2, 98):
        y[t] = x[t - 2 : t + 3].mean() + np.sin(x[t : t + 1].sum())
    return y


def blocks(x):
    y = np.zeros((60, 4))
    for t in range(20):
        y[3 * t : 3 * t + 3] = np.tanh(x[3 * t : 3 * t + 3]) + x[2 * t : 2 * t + 3]
        y[3 * t + 1 : 3 * t + 2, 1:3] *= 2
    return y


def columns(x):
    y = x * 0
    for t in range(15):
        y[:, 4 * t : 4 * t + 4] = np.tanh(x[:, 4 * t : 4 * t + 4]) * t + x[:, 59 - t : 60 - t]
    return y.T


@pytest.mark.parametrize(
    ("function", "args", "loops"),
    [
        (mini_batches, (normal(80, 3), normal(80), np.zeros(3)), 3),
        (sliding, (normal(100),), 1),
        (blocks, (normal(60, 4),), 1),
        (columns, (normal(3, 60),), 1),
    ],
)
def test_slices_at_the_position(function, args, loops):
    agrees(function, *args, loops=loops)
    gradient = graphc.grad(lambda x: (function(x, *args[1:]) ** 2).sum())(args[0])
    expected = differences(lambda x: (function(x, *args[1:]) ** 2).sum(), args[0])
    np.testing.assert_allclose(gradient, expected, rtol=1e-4, atol=1e-6)


def test_slices_that_leave_the_array_are_numpys():
    def ragged(x):
        s = 0.0
        for t in range(20):
            s = s * 0.5 + np.sin(x[3 * t : 3 * t + 3]).sum() + x[t - 3 : t].sum()
        return s

    agrees(ragged, normal(58), loops=0)
