"""Medians, quantiles and reductions without NaN against NumPy."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same

METHODS = [
    *("linear", "lower", "higher", "nearest", "midpoint", "inverted_cdf"),
    *("averaged_inverted_cdf", "closest_observation", "interpolated_inverted_cdf", "hazen"),
    *("weibull", "median_unbiased", "normal_unbiased"),
]
REDUCTIONS = [
    *(np.nansum, np.nanprod, np.nanmean, np.nanvar, np.nanstd, np.nanmax, np.nanmin),
    *(np.nanargmax, np.nanargmin, np.nanmedian, np.median),
]
NAMES = [function.__name__ for function in REDUCTIONS]
POSITIONS = (np.nanargmax, np.nanargmin)


def holed(shape, dtype="float64", whole_row=False):
    x = sample(shape, dtype)
    if x.dtype.kind in "fc" and x.size > 2:
        x = np.where(sample(shape, seed=5) > 1.5, np.nan, x).astype(dtype)
        if whole_row and x.ndim > 1:
            x[0] = np.nan
    return x


@pytest.mark.parametrize("function", REDUCTIONS, ids=NAMES)
def test_shapes_and_axes(function):
    for shape in shapes():
        for axis in [None, *range(-len(shape), len(shape))]:
            same(lambda x: function(x, axis=axis), holed(shape), ulps=8)
            same(lambda x: function(x, axis=axis, keepdims=True), sample(shape), ulps=8)
        if len(shape) > 1 and function not in POSITIONS:
            same(lambda x: function(x, axis=(0, -1)), holed(shape), ulps=8)
    for x in strided().values():
        same(lambda x: (function(x), function(x[::-1], 0)), x, ulps=8)
    same(lambda x: function(x, axis=1), holed((4, 5), whole_row=True))
    same(lambda x: function(x, axis=2), sample((3, 4)))


@pytest.mark.parametrize("function", REDUCTIONS, ids=NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(function, dtype):
    x = holed((3, 4), dtype)
    if dtype == "complex128" and function in (np.nanmedian, np.median):
        x = sample((3, 4), dtype)
    same(lambda x: function(x), x, ulps=16)
    same(lambda x: function(x, axis=1), x, ulps=16)


def test_options_of_reductions():
    x, out, mask = holed((3, 4)), np.zeros(4), np.array([True, False, True, True])
    same(lambda x: (np.nanvar(x, ddof=1), np.nanstd(x, axis=0, correction=1)), x)
    same(lambda x: np.nanvar(x, axis=0, ddof=3), x)
    same(lambda x, m: np.nanmean(x, axis=1, where=m), x, mask)
    same(lambda x, m: np.nanvar(x, axis=1, where=m), x, mask)
    same(lambda x, m: np.nanmax(x, axis=1, where=m, initial=-9.0), x, mask)
    same(lambda x: np.nansum(x, axis=1, initial=2.0, dtype=np.float32), x)
    same(lambda x, out: np.nanmean(x, axis=0, out=out), x, out)
    same(lambda x, out: np.median(x, axis=0, out=out), x, out)
    same(lambda x: np.nanmean(x, dtype=int), x)
    same(lambda x: np.nanvar(x, mean=np.nanmean(x, 0, keepdims=True), axis=0), x)
    same(lambda x: np.nanmax(x * np.nan, initial=1.0), x)


@pytest.mark.parametrize("function", [np.quantile, np.nanquantile])
@pytest.mark.parametrize("method", METHODS)
def test_methods(function, method):
    order = [0.0, 0.1, 0.25, 1 / 3, 0.5, 0.75, 0.9, 1.0]
    for shape in [(1,), (2,), (7,), (8,), (3, 5)]:
        x = sample(shape)
        for q in (0.3, 0.5, 1.0, order):
            same(lambda x: function(x, q, method=method), x)
            same(lambda x: function(x, q, axis=0, method=method), x)
        same(lambda x, q: function(x, q, axis=-1, method=method), x, np.array(order))
        same(lambda x, q: function(x, q, method=method), x, 0.4)
    y = holed((4, 6), whole_row=True)
    same(lambda x: function(x, order, axis=1, method=method, keepdims=True), y)
    same(lambda x: function(x, 0.7, axis=0, method=method), y)
    same(lambda x: function(x, 0.7, method=method), np.array([3, 1, 2, 2, 9]))
    same(lambda x: function(x, 0.7, method=method), sample((6,), "float32"))
    same(lambda x: function(x, [0.7, 0.2], method=method), sample((6,), "float32"))


@pytest.mark.parametrize("function", [np.percentile, np.nanpercentile])
def test_percentiles(function):
    x = holed((4, 5, 6))
    for axis in (None, 0, -1, (0, 2)):
        same(lambda x: function(x, [5, 50, 99.9], axis=axis), x)
        same(lambda x: function(x, 30, axis=axis, keepdims=True), x)
    same(lambda x, q: function(x, q), x, np.array([[10.0, 20.0], [30.0, 40.0]]))
    same(lambda x: function(x, 101), x)
    same(lambda x, q: function(x, q), x, np.array([50.0, 101.0]))
    same(lambda x: function(x, 50, method="nonsense"), x)
    same(lambda x: function(x + 1j, 50), x)
    same(lambda x, out: function(x, 50, axis=0, out=out), x, np.zeros((5, 6)))
    same(lambda x: (np.quantile(x, 0), np.quantile(x, 1)), np.array([3, 1, 2]))
    same(lambda x: np.quantile(x, 0.5), np.array([True, False]))


@pytest.mark.parametrize("function", [np.quantile, np.nanquantile])
def test_weights(function):
    x, w = sample((4, 5)), np.abs(sample((4, 5), seed=4))
    for q in (0.0, 0.3, 1.0, [0.2, 0.5]):
        for axis in (None, 0, 1):
            same(
                lambda x, w: function(x, q, axis=axis, method="inverted_cdf", weights=w),
                x,
                w,
            )
    if function is np.quantile:  # NumPy 2.4 raises IndexError in nanquantile
        same(lambda x, w: function(x, 0.5, axis=1, method="inverted_cdf", weights=w), x, w[0])
    same(lambda x, w: function(x, 0.5, method="inverted_cdf", weights=w), x, w[0])
    same(lambda x, w: function(x, 0.5, method="linear", weights=w), x, w)
    same(lambda x, w: function(x, 0.5, method="inverted_cdf", weights=w), x, -w)
    w[:, 0] = 0
    same(lambda x, w: function(x, 0.0, axis=1, method="inverted_cdf", weights=w), x, w)


def test_compiled():
    x = holed((50, 41), "float32")

    def function(x):
        return np.median(x, 1), np.nanmedian(x, 0), np.nanpercentile(x, [5, 50], axis=1)

    found, expected = graphc.compile(function)(x), function(x)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)
    with pytest.raises(ValueError, match="All-NaN"):
        graphc.compile(lambda x: np.nanargmax(x, 1))(holed((4, 5), whole_row=True))


def test_symbolic_lengths():
    compiled = graphc.compile(lambda x: (np.median(x), np.quantile(x, 0.3), np.nanmedian(x)))
    for length in (5, 6, 7, 8, 1):
        x = sample((length,))
        np.testing.assert_allclose(
            compiled(x), (np.median(x), np.quantile(x, 0.3), np.nanmedian(x)), rtol=1e-14
        )


def test_gradients():
    x = sample((3, 5))

    def total(x):
        return np.sum(np.median(x, 1)) + np.sum(np.quantile(x, [0.2, 0.6], axis=0) ** 2)

    found = graphc.grad(total)(x)
    for k in range(15):
        ahead, behind = x.copy(), x.copy()
        ahead.flat[k] += 1e-6
        behind.flat[k] -= 1e-6
        number = (total(ahead) - total(behind)) / 2e-6
        np.testing.assert_allclose(found.flat[k], number, atol=1e-7)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0)])
@pytest.mark.parametrize("dtype", ["float64", "float32", "int64"])
def test_quantiles_of_nothing(shape, dtype):
    x = np.zeros(shape, dtype)
    axis = shape.index(0)
    for q in (10, [10, 50]):
        with pytest.raises(IndexError):
            graphc.compile(lambda x, q=q: np.percentile(x, q, axis=axis))(x)
        with pytest.raises(IndexError):
            np.percentile(x, q, axis=axis)
        if len(shape) > 1:
            same(lambda x, q=q: np.percentile(x, q, axis=1 - axis), x)
        with np.errstate(all="ignore"):
            same(lambda x, q=q: np.nanpercentile(x, q, axis=axis), x)
