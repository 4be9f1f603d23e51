"""where, clip, round, take and triangles against NumPy."""

import numpy as np
import pytest

from graphc.errors import UnsupportedError
from tests.trace.arrays import DTYPES, sample
from tests.trace.harness import same, traced


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(dtype):
    x, y, m = sample((3, 4), dtype), sample((3, 4), dtype, 1), sample((3, 4), "bool")
    same(lambda m, x, y: np.where(m, x, y), m, x, y)
    same(lambda m, x, y: np.where(m, x, 0), m, x, y)
    same(lambda m, x, y: np.where(m, 1, y[0]), m, x, y)
    same(lambda m, x, y: np.where(m[:, :1], x, y[:1]), m, x, y)
    same(lambda m, x, y: np.where(x, x, y.astype(np.float32)), m, x, y)


def test_where_of_numbers():
    x = sample((3,), "float32")
    same(lambda x: (np.where(x > 0, 1, 0), np.where(x > 0, 1.0, 0), np.where(x > 0, x, 1.0)), x)
    same(lambda x: (np.where(x[0] > 0, x[1], 2.0), np.where(x.sum() > 0, 1, 2)), x)
    same(lambda x, a: (np.where(x > a, a, x), np.where(True, a, 2)), x, 0.5)
    same(lambda x: np.where([True, False, True], x, -x), x)
    same(lambda x: np.where(x > 0, x), x)
    same(lambda x, y: np.where(x > 0, x, y), x, sample((2,)))


def test_where_keeps_no_nan():
    same(lambda x: np.where(x > 0, np.log(x), 0), np.array([1.0, 0.0, -1.0]))


def test_where_with_one_argument():
    with pytest.raises(UnsupportedError, match=r"np\.where\(mask, x, 0\)"):
        traced(lambda x: np.where(x > 0), sample((3,)))


def test_select():
    x = sample((5,))
    same(lambda x: np.select([x < -1, x < 1], [x, x * 2], default=9), x)
    same(lambda x: np.select([x < -1], [1]), x)


@pytest.mark.parametrize("dtype", ["int32", "uint8", "float32", "float64", "bool"])
def test_clip(dtype):
    x = sample((3, 4), dtype)
    same(lambda x: (np.clip(x, 1, 3), np.clip(x, None, 2), np.clip(x, 1, None)), x)
    same(lambda x: (np.clip(x, min=1), np.clip(x, max=2), np.clip(x, min=1, max=3)), x)
    same(lambda x: (np.clip(x, 0.5, 1.5), x.clip(1, 2), x.clip(max=2), x.clip(1)), x)


def test_clip_more():
    x = sample((3, 4))
    same(lambda x: (np.clip(x, x[0], 1), np.clip(x, 2, 1), np.clip(x, None, None)), x)
    same(lambda x, a: (np.clip(x, -a, a), np.clip(a, 0, 1), np.clip(x[0, 0], 0, 1)), x, 0.7)
    same(lambda x: np.clip(x, -1, 1, out=x), x)
    same(lambda x: np.clip(x, 0.0, 1.0), np.array([np.nan, 2.0, -np.inf, -0.0]))
    same(lambda x: np.clip(x, 0, np.nan), x)
    same(lambda x: np.clip(x, -1000, 1000), sample((4,), "uint8"))
    same(lambda x: np.clip(x, 1, 1000), sample((4,), "uint8"))
    same(lambda x: np.clip(x, 1), x)
    same(lambda x: np.clip(x, 0, 1, max=3), x)
    same(lambda x, low: np.clip(x, low, 1), x, sample((3,)))


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64", "complex128"])
def test_round(dtype):
    x = sample((3, 4), dtype) * np.asarray(10, dtype)
    same(lambda x: (np.round(x), np.round(x, 1), np.round(x, -1), np.around(x, 2), x.round(1)), x)
    same(lambda x: (np.round(x[0, 0], 1), np.round(np.mean(x)), x[:0].round()), x)


def test_round_ties_and_numbers():
    same(lambda x: np.round(x), np.array([0.5, 1.5, 2.5, -0.5, np.nan, np.inf]))
    same(lambda x: (np.round(x), np.round(x, 2), np.round([x, 2.7])), 2.345)


@pytest.mark.parametrize("mode", ["raise", "wrap", "clip"])
def test_take(mode):
    x, i = sample((3, 4)), np.array([[0, 2], [1, -1]])
    same(lambda x, i: np.take(x, i, mode=mode), x, i)
    same(lambda x, i: np.take(x, i, axis=0, mode=mode), x, i)
    same(lambda x, i: np.take(x, i, axis=-1, mode=mode), x, i)
    same(lambda x, i: (x.take(i[0, 0], axis=1, mode=mode), np.take(x[0], i[0, 1])), x, i)
    same(lambda x, i: np.take(x, i + 2, axis=0, mode=mode), x, i)
    same(lambda x: (np.take(x, 1, mode=mode), np.take(x, [0, 1], 1), x.take(2)), x)


@pytest.mark.parametrize("columns", [1, 2])
def test_take_what_was_just_reduced(columns):
    x = np.arange(16.0 * columns).reshape(16, columns)

    def backwards(x):
        mean = np.var(x, axis=0)
        return mean[np.arange(columns)[::-1]], mean[np.arange(columns)] * 2

    same(backwards, x)
    same(lambda x: backwards(x)[0], x)
    same(lambda x: x.sum(axis=0)[np.arange(columns)], x)


def test_take_along_axis():
    x = sample((3, 4))
    i = np.array([[0, 1], [2, 3], [-1, 0]])
    same(lambda x, i: np.take_along_axis(x, i, axis=1), x, i)
    same(lambda x, i: np.take_along_axis(x, i[:1], axis=1), x, i)
    same(lambda x, i: np.take_along_axis(x, np.argmax(x, 1)[:, None], 1), x, i)
    same(lambda x, i: np.take_along_axis(x, i[0], axis=None), x, i)
    same(lambda x, i: np.take_along_axis(x, i[0], axis=0), x, i)
    same(lambda x, i: np.put_along_axis(x, i, 5.0, axis=1), x, i)


def test_triangles():
    for shape in [(3, 3), (2, 4), (4, 2), (2, 3, 3), (3,)]:
        for k in (-1, 0, 2):
            same(lambda x: (np.tril(x, k), np.triu(x, k)), sample(shape))
    same(lambda x: np.tril(x), sample((3, 3), "bool"))


def test_copyto():
    x, y = sample((3, 4)), sample((3, 4), seed=1)
    same(lambda x, y: np.copyto(x, y), x, y)
    same(lambda x, y: np.copyto(x, y[0], where=x > 0), x, y)
    same(lambda x, y: np.copyto(x, 1), x, y)
    same(lambda x: np.copyto(x, 1.5), sample((3,), "int32"))
    same(lambda x, y: np.copyto(x, y), sample((3,), "int32"), sample((3,)))


def test_nan_to_num():
    x = np.array([np.nan, np.inf, -np.inf, 1.5, -0.0])
    same(lambda x: (np.nan_to_num(x), np.nan_to_num(x, nan=3, posinf=1, neginf=-1)), x)
    same(lambda x: np.nan_to_num(x, copy=False), x)
    same(lambda x: (np.nan_to_num(x), np.nan_to_num(x[0])), x.astype(np.float32))
    same(lambda x: np.nan_to_num(x), np.array([1, 2]))
