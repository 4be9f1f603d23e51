"""Reductions against NumPy: every axis, keepdims, dtype, where, initial and out."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same

REDUCTIONS = [
    np.sum,
    np.prod,
    np.mean,
    np.var,
    np.std,
    np.max,
    np.min,
    np.ptp,
    np.argmax,
    np.argmin,
    np.any,
    np.all,
    np.count_nonzero,
]
NAMES = [function.__name__ for function in REDUCTIONS]
SINGLE_AXIS = (np.argmax, np.argmin)


def axes_of(function, rank):
    yield None
    yield from range(-rank, rank)
    if rank >= 2 and function not in SINGLE_AXIS:
        yield (0, -1)
        yield ()


@pytest.mark.parametrize("function", REDUCTIONS, ids=NAMES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_shapes_and_axes(function, keepdims):
    for shape in shapes():
        for axis in axes_of(function, len(shape)):
            same(lambda x: function(x, axis=axis, keepdims=keepdims), sample(shape))


@pytest.mark.parametrize("function", REDUCTIONS, ids=NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(function, dtype):
    x = sample((3, 4), dtype)
    if dtype == "bool" and function is np.ptp:
        with pytest.raises(TypeError):
            graphc.compile(lambda x: function(x))(x)
        return
    same(lambda x: function(x), x)
    same(lambda x: function(x, axis=1), x)


@pytest.mark.parametrize("function", REDUCTIONS, ids=NAMES)
def test_strides(function):
    for x in strided().values():
        same(lambda x: (function(x), function(x, axis=0), function(x[1:, ::-1], axis=1)), x)


@pytest.mark.parametrize("function", [np.sum, np.prod, np.mean, np.var, np.std])
def test_result_dtype(function):
    for dtype in ("float32", "float64", "complex128"):
        same(lambda x: function(x, dtype=dtype), sample((3, 4), "float32"))
        same(lambda x: function(x, axis=0, dtype=np.dtype(dtype)), sample((3, 4), "int32"))
    same(lambda x: np.sum(x, dtype=np.int32), sample((5,), "int64"))
    same(lambda x: np.mean(x, dtype=int), sample((5,), "int64"))
    same(lambda x: np.sum(x, dtype=float), sample((5,), "bool"))


@pytest.mark.parametrize("function", [np.var, np.std])
def test_degrees_of_freedom(function):
    x = sample((3, 4))
    same(lambda x: (function(x, ddof=1), function(x, axis=1, ddof=2, keepdims=True)), x)
    same(lambda x: function(x, correction=1), x)
    same(lambda x: function(x, axis=0, ddof=3), x)
    same(lambda x, d: function(x, axis=0, ddof=d), x, 0.5)
    same(lambda x: function(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), x)


def test_where_and_initial():
    x, mask = sample((3, 4)), sample((3, 4), "bool")
    same(lambda x, m: (np.sum(x, where=m), np.sum(x, axis=1, where=m, initial=3)), x, mask)
    same(lambda x, m: (np.prod(x, axis=0, where=m), np.prod(x, initial=2.5)), x, mask)
    same(lambda x, m: (np.mean(x, where=m), np.mean(x, axis=1, where=m)), x, mask)
    same(lambda x, m: (np.var(x, where=m), np.std(x, axis=1, where=m, ddof=1)), x, mask)
    same(lambda x, m: np.max(x, axis=1, where=m, initial=-9), x, mask)
    same(lambda x, m: np.min(x, where=m[0], initial=9), x, mask)
    same(lambda x, m: (np.any(x > 1, where=m), np.all(x > 1, axis=0, where=m)), x, mask)
    same(lambda x: (np.max(x, axis=0, initial=0), np.max(x, axis=0, initial=-100)), x)
    same(lambda x: np.max(x, initial=2.0), sample((0,)))
    same(lambda x: np.max(x, axis=0, initial=2.0), sample((0, 3)))


def test_out():
    x = sample((3, 4))

    def into(function):
        def write(x, out):
            result = function(x, axis=0, out=out)
            return result, result is out

        return write

    for function in (np.sum, np.prod, np.mean, np.var, np.max, np.min):
        same(into(function), x, np.zeros(4))
        same(into(function), x, np.zeros(8)[::2])
    same(into(np.argmax), x, np.zeros(4, np.int64))
    same(into(np.any), x, np.zeros(4, bool))
    same(into(np.sum), x, np.zeros(4, np.int32))
    same(into(np.sum), x, np.zeros(3))


def test_specials():
    x = np.array([[1.0, np.nan, 3.0], [np.inf, -np.inf, 0.0], [-0.0, 0.0, 2.0]])
    for function in REDUCTIONS:
        same(lambda x: (function(x), function(x, axis=0), function(x, axis=1)), x)


def test_ties():
    x = np.array([[1, 3, 3], [3, 1, 3]])
    same(lambda x: (np.argmax(x), np.argmin(x), np.argmax(x, axis=0), np.argmin(x, axis=1)), x)


def test_mistakes():
    x = sample((3, 4))
    for function in REDUCTIONS:
        same(lambda x: function(x, axis=2), x)
        same(lambda x: function(x, axis=-3), x)
    same(lambda x: np.sum(x, axis=(0, 0)), x)
    same(lambda x: np.max(x, where=x > 0), x)
    same(lambda x: np.argmax(x, axis=(0, 1)), x)
    same(lambda x: np.var(x, ddof=1, correction=1), x)


def test_of_numbers_and_lists():
    same(lambda x: (np.sum(x), np.mean(x), np.max(x), np.var(x)), 2.5)
    same(lambda x: (np.sum(x), np.mean(x), np.argmax(x), np.all(x)), np.float32(2.5))
    same(lambda x, y: (np.sum([x, y]), np.max([x, y, 1]), np.mean((x, y))), 2.5, np.float32(1))
    same(lambda x: (np.sum([x, x], axis=0), np.max([x, -x], axis=0)), sample((3,), "float32"))


def test_ufunc_reduce():
    x = sample((3, 4))
    same(lambda x: (np.add.reduce(x), np.multiply.reduce(x, axis=1)), x)
    same(lambda x: (np.maximum.reduce(x), np.minimum.reduce(x, axis=None)), x)
    same(lambda x: (np.logical_and.reduce(x > 0), np.logical_or.reduce(x > 0, axis=1)), x)


def test_average():
    x, w = sample((3, 4)), np.abs(sample((4,), seed=1))
    same(lambda x: (np.average(x), np.average(x, axis=1)), x)
    same(lambda x, w: np.average(x, axis=1, weights=w), x, w)
    same(lambda x, w: np.average(x[0], weights=w, returned=True), x, w)
    same(lambda x: np.average(x, axis=0, returned=True), x)
    same(lambda x, w: np.average(x, weights=w), x, w)


def test_an_average_of_weights_that_sum_to_zero():
    average = graphc.compile(lambda x, w: np.average(x, weights=w))
    with pytest.raises(ZeroDivisionError, match="sum to zero") as caught:
        average(np.ones(2), np.array([1.0, -1.0]))
    assert isinstance(caught.value, graphc.DivisionError)
    assert caught.value.location.file == __file__
    assert average(np.ones(2), np.array([1.0, 2.0])) == 1
    rows = graphc.compile(lambda x, w: np.average(x, axis=1, weights=w))
    with pytest.raises(ZeroDivisionError):
        rows(np.ones((2, 2)), np.array([[1.0, -1.0], [1.0, 1.0]]))
    with pytest.raises(ZeroDivisionError):
        average(np.zeros(0), np.zeros(0))
    gradient = graphc.grad(lambda w: np.average(np.array([1.0, 3.0]), weights=w))
    np.testing.assert_allclose(gradient(np.array([1.0, 1.0])), [-0.5, 0.5])
