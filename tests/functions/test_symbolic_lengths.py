"""Ordering and running results of rows whose length is symbolic: one graph for every length."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import sample

POINTS, HEIGHTS = np.array([-1.0, 0.0, 2.0]), np.array([1.0, 3.0, -1.0])
FUNCTIONS = {
    "sort": lambda x: (np.sort(x), np.argsort(x, kind="stable")),
    "cumsum": lambda x: (np.cumsum(x), np.cumprod(x), np.maximum.accumulate(x)),
    "cumulative_sum": lambda x: np.cumulative_sum(x, include_initial=True),
    "search": lambda x: (np.searchsorted(POINTS, x), np.digitize(x, [-1.0, 0.5])),
    "searched": lambda x: np.searchsorted(np.sort(x), POINTS),
    "isin": lambda x: np.isin(x, POINTS),
    "nansum": lambda x: (np.nansum(x), np.nanmean(np.append(x, 1.0))),
    "histogram": lambda x: np.histogram(x, 5, range=(-1, 1)),
    "edges": lambda x: np.histogram(x, [-2, 0, 1]),
    "bincount": lambda x: np.bincount(np.abs(x).astype(int), x, minlength=20),
    "ediff1d": lambda x: np.ediff1d(x, to_end=0),
    "trapezoid": lambda x: np.trapezoid(x),
    "unwrap": lambda x: np.unwrap(x * 5) if len(x) else x,
    "interp": lambda x: np.interp(x, POINTS, HEIGHTS),
    "convolve": lambda x: np.convolve(x, POINTS) if len(x) else x,
    "fmax": lambda x: np.fmax.accumulate(x),
    "piecewise": lambda x: np.piecewise(x, [x < 0], [1, lambda x: x * 2]),
    "resize": lambda x: np.resize(x, (2, 3)),
    "flat": lambda x: x.flat[:2],
    "packbits": lambda x: np.packbits(x > 0),
    "vander": lambda x: np.vander(x, 3),
    "i0": lambda x: np.i0(x),
    "nonempty": lambda x: (np.median(x), np.quantile(x, 0.3), np.ptp(x), np.cov(np.append(x, 1.0))),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_graph_for_every_length(name):
    function = FUNCTIONS[name]
    compiled = graphc.compile(function)
    for length in (5, 7, 8, 1, 2, 0, 40):
        if name == "nonempty" and length == 0:
            continue
        x = sample((length,))
        found, expected = compiled(x), function(x)
        found = found if isinstance(found, tuple) else (found,)
        expected = expected if isinstance(expected, tuple) else (expected,)
        for actual, wanted in zip(found, expected, strict=True):
            assert np.asarray(actual).dtype == np.asarray(wanted).dtype
            np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-12)
    assert len(compiled.specializations) <= 6


@pytest.mark.parametrize("function", [np.cumsum, np.cumprod, np.sort, np.maximum.accumulate])
def test_gradients_of_every_length(function):
    gradient = graphc.grad(lambda x: np.sum(function(x) * function(x)))
    compiled = graphc.compile(gradient)
    for length in (5, 7, 9, 1, 0):
        x = sample((length,))
        fresh = graphc.compile(lambda x: gradient(x))(x)
        np.testing.assert_allclose(compiled(x), fresh, rtol=1e-12)


def test_two_lengths_that_are_equal():
    """Sizes that are separate symbols, and equal in each call."""
    functions = [
        lambda x, y: np.interp(0.5, np.sort(x), y),
        lambda x, y: np.lexsort((x, y)),
        lambda x, y: np.searchsorted(np.sort(x), 0.1, sorter=np.argsort(y * 0, kind="stable")),
        lambda x, y: np.histogram(x, 4, range=(-1, 1), weights=y)[0],
        lambda x, y: np.where(np.putmask(x, y > 0, 1.0) is None, x, x),
        lambda x, y: np.quantile(x, 0.5, method="inverted_cdf", weights=np.abs(y)),
    ]
    for function in functions:
        compiled = graphc.compile(function)
        for left, right in ((5, 5), (6, 5), (7, 7), (8, 8)):
            x, y = sample((left,)), sample((right,), seed=1)
            if left != right:
                with pytest.raises((ValueError, TypeError)):
                    compiled(x, y)
                continue
            expected = function(x.copy(), y)
            np.testing.assert_allclose(compiled(x, y), expected)
