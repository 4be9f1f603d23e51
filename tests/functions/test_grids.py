"""Grids and arrays written with brackets: np.mgrid, np.ogrid, np.r_, np.c_."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import sample
from tests.trace.harness import same, traced


def escape_times(x):
    rows, columns = np.ogrid[-1.4:1.4:6j, -2:0.8:5j]
    c = columns + rows * 1j
    z = c
    times = 9 + np.zeros(z.shape, dtype=int)
    for turn in range(9):
        z = z**2 + c
        far = z * np.conj(z) > 4
        now = far & (times == 9)
        times[now] = turn
        z[far] = 2
    return times * x


def test_a_grid_can_be_written_by_a_traced_mask():
    def write(x):
        grid = np.mgrid[0:3, 0:4][0] * 1.0
        grid[x > 0] = 5
        return grid

    same(write, sample((3, 4)))
    x = np.ones(())
    assert np.array_equal(graphc.compile(escape_times)(x), escape_times(x))


def test_grids():
    same(lambda x: np.mgrid[0 : x.shape[0] : 0.5] + x.sum(), sample((3,)))
    same(lambda x: np.ogrid[0 : x.shape[0], : x.shape[1]], sample((3, 4)))


def test_a_grid_of_traced_bounds():
    with pytest.raises(graphc.UnsupportedError, match="depends on data"):
        traced(lambda x: np.mgrid[0 : x[0]], sample((3,)))


JOINED = [
    lambda x, a: np.r_[x[1:], x, x[-2:]],
    lambda x, a: np.c_[x, x],
    lambda x, a: np.r_["0,2", x, x],
    lambda x, a: np.r_["1,2", x, x],
    lambda x, a: np.r_["0,2,0", x, x],
    lambda x, a: np.r_["1,3,0", x, a[0]],
    lambda x, a: np.r_["-1", a, a],
    lambda x, a: np.r_["0,3,-1", a, x[None]],
    lambda x, a: np.r_[1:4, x],
    lambda x, a: np.r_[0:1:3j, x],
    lambda x, a: np.c_[x, 1:4],
    lambda x, a: np.c_[a.T, x],
    lambda x, a: np.r_[x, 0, [1.0, 2]],
    lambda x, a: np.r_[x.astype("f4"), 0.5, 2],
    lambda x, a: np.r_[x.sum(), x[0]],
    lambda x, a: np.r_[a, a],
    lambda x, a: np.r_[0 : len(x), x],
    lambda x, a: np.r_[x],
    lambda x, a: np.c_[np.int32(1), x[0]],
]


@pytest.mark.parametrize("function", JOINED)
def test_r_and_c(function):
    same(function, sample((3,)), sample((2, 3), seed=1))


def test_a_matrix_is_refused():
    with pytest.raises(graphc.UnsupportedError, match="makes a matrix"):
        traced(lambda x: np.r_["r", x], sample((3,)))
    for f in (lambda x: np.r_["z", x], lambda x: np.r_[x, "0"]):
        with pytest.raises(ValueError, match="directive"):
            traced(f, sample((3,)))
