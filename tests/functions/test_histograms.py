"""Histograms and counts against NumPy."""

import numpy as np
import pytest

import graphc
from tests.functions.test_differences import check_gradient
from tests.trace.arrays import sample
from tests.trace.harness import same


def test_bincount():
    x, w = np.array([0, 1, 1, 3, 2, 1]), sample((6,))
    same(lambda x: np.bincount(x, minlength=4), x)
    same(lambda x: np.bincount(x, minlength=9), x)
    same(lambda x, w: np.bincount(x, w, 5), x, w)
    same(lambda x: np.bincount(x, minlength=4), x.astype("uint8"))
    same(lambda x, w: (np.bincount(x, minlength=4), np.bincount(x, w[:0])), x[:0], w)
    same(lambda w: np.bincount([0, 2, 2, 1, 5, 0], w), w)
    same(lambda w: np.bincount(np.array([0, 2, 2]), w[:3], 2), w)
    same(lambda x: np.bincount(x, minlength=4), x - 1)
    same(lambda x: np.bincount(x * 1.0, minlength=4), x)
    same(lambda x: np.bincount(x[None], minlength=4), x)
    same(lambda x, w: np.bincount(x, w[1:], minlength=4), x, w)
    same(lambda x: np.bincount(x, minlength=-4), x)
    with pytest.raises(NotImplementedError, match="minlength=10"):
        graphc.compile(lambda x: np.bincount(x))(x)
    with pytest.raises(ValueError, match="not below"):
        graphc.compile(lambda x: np.bincount(x, minlength=3))(x)
    check_gradient(lambda w: np.sum(np.bincount([0, 2, 2, 1, 5, 0], w) ** 2), w)


DATA = [
    sample((3, 40)),
    np.round(sample((50,)) * 4) / 4,
    sample((30,), "int32"),
    sample((30,), "uint8"),
    sample((30,), "float32"),
    np.array([2.0, 2.0]),
    np.array([1.0]),
]


@pytest.mark.parametrize("x", DATA, ids=lambda x: str(x.dtype))
def test_bins(x):
    for bins in (1, 3, 10, 37):
        same(lambda x: np.histogram(x, bins), x)
        same(lambda x: np.histogram(x, bins, range=(-1, 1.5)), x)
        same(lambda x: np.histogram(x, bins, density=True), x)
    for edges in ([-1, 0, 0.5, 2], [0, 0, 1], np.linspace(-1, 1, 9)):
        same(lambda x: np.histogram(x, edges), x)
        same(lambda x, e: np.histogram(x, e, density=True), x, np.asarray(edges, float))
    w = np.abs(sample(x.shape, seed=8))
    same(lambda x, w: np.histogram(x, 4, weights=w), x, w)
    same(lambda x, w: np.histogram(x, [-1, 0, 1], weights=w), x, w)
    same(lambda x: np.histogram_bin_edges(x, 5), x)
    same(lambda x, low, high: np.histogram(x, 5, range=(low, high)), x, -1.0, 1.0)


def test_exact_counts_at_edges():
    x = np.random.default_rng(0).integers(0, 100, 5000) / 10
    for bins in (7, 10, 99, 100):
        same(lambda x: np.histogram(x, bins), x)
        same(lambda x: np.histogram(x, bins, range=(0.1, 9.7)), x)


def test_mistakes():
    x = sample((5,))
    same(lambda x: np.histogram(x, 0), x)
    same(lambda x: np.histogram(x, 2.5), x)
    same(lambda x: np.histogram(x, [2, 1]), x)
    same(lambda x, e: np.histogram(x, e), x, np.array([2.0, 1.0]))
    same(lambda x: np.histogram(x, range=(2, 1)), x)
    same(lambda x: np.histogram(x, range=(0, np.inf)), x)
    same(lambda x: np.histogram(x, weights=[1, 2]), x)
    same(lambda x: np.histogram(x), x * np.nan)
    same(lambda x: np.histogram(x), x[:0])
    with pytest.raises(NotImplementedError, match="number of bins"):
        graphc.compile(lambda x: np.histogram(x, "auto"))(x)


def test_several_dimensions():
    x, y = sample((60,)), sample((60,), seed=3)
    same(lambda x, y: np.histogram2d(x, y), x, y)
    same(lambda x, y: np.histogram2d(x, y, (3, 4), density=True), x, y)
    same(lambda x, y: np.histogram2d(x, y, [[-1, 0, 1], 5], range=[(0, 1), (-1, 1)]), x, y)
    same(lambda x, y: np.histogram2d(x, y, [-2, 0, 0.5, 3], weights=np.abs(x)), x, y)
    same(lambda x: np.histogramdd(x, 3), sample((40, 3)))
    same(lambda x: np.histogramdd(x, (2, 3, 4)), sample((40, 3)))
    same(lambda x: np.histogramdd(x, (2, 3)), sample((40, 3)))
    same(lambda x, y: np.histogram2d(x, y[1:]), x, y)


def test_compiled():
    x = sample((5000,), "float32")

    def function(x):
        return (
            *np.histogram(x, 20),
            *np.histogram2d(x, x * x, 5),
            np.bincount(x.astype(int) + 20, minlength=50),
        )

    found, expected = graphc.compile(function)(x), function(x)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-6)
