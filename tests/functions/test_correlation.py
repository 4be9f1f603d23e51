"""Convolutions, covariances and sliding windows against NumPy, and their gradients."""

import numpy as np
import pytest

import graphc
from tests.functions.test_differences import check_gradient
from tests.trace.arrays import DTYPES, sample
from tests.trace.harness import same


@pytest.mark.parametrize("function", [np.convolve, np.correlate])
@pytest.mark.parametrize("mode", ["full", "same", "valid"])
def test_modes(function, mode):
    for n in (1, 2, 5, 6):
        for m in (1, 2, 3, 5, 8):
            a, v = sample((n,)), sample((m,), seed=3)
            same(lambda a, v: function(a, v, mode), a, v, ulps=16)
            same(lambda a, v: function(a, v, mode), a + 1j * a[::-1], v * (1 - 2j), ulps=16)
    for dtype in DTYPES:
        same(lambda a, v: function(a, v, mode=mode), sample((6,), dtype), sample((3,), "int32"))
    same(lambda a: function(a[::-2], [1, 2, 3], mode), sample((9,)), ulps=16)
    same(lambda a: function(a, 2.0, mode), sample((4,)))
    weights = sample((12,), seed=9)

    def total(v, a):
        found = function(a, v, mode)
        return np.sum(found * weights[: found.shape[0]])

    a, v = sample((7,)), sample((3,), seed=3)
    check_gradient(lambda v: total(v, a), v)
    check_gradient(lambda a: total(v, a), a)


def test_mistakes():
    x = sample((4,))
    for function in (np.convolve, np.correlate):
        same(lambda x: function(x, x[:0]), x)
        same(lambda x: function(x.reshape(2, 2), x), x)
        same(lambda x: function(x, x, "middle"), x)


def test_long_sequences():
    rng = np.random.default_rng(0)
    for n, m in ((30000, 60), (5000, 1), (200, 200)):
        a, v = rng.normal(size=n).astype("float32"), rng.normal(size=m).astype("float32")
        for mode in ("full", "valid"):
            found = graphc.compile(lambda a, v, mode=mode: np.convolve(a, v, mode))(a, v)
            exact = np.convolve(a.astype(float), v.astype(float), mode)
            np.testing.assert_allclose(found, exact, rtol=1e-5, atol=1e-4)


def test_cov():
    x, y = sample((3, 6)), sample((3, 6), seed=2)
    weights = np.array([1, 2, 1, 0, 3, 1])
    worth = np.array([0.5, 1.0, 2.0, 1.0, 0.1, 1.0])
    same(lambda x: (np.cov(x), np.cov(x, rowvar=False), np.cov(x, bias=True)), x, ulps=32)
    same(lambda x, y: (np.cov(x, y), np.cov(x[0], y[0]), np.cov(x[0])), x, y, ulps=32)
    same(lambda x, w: np.cov(x, fweights=w), x, weights, ulps=32)
    same(lambda x, w: np.cov(x, aweights=w, ddof=0), x, worth, ulps=32)
    same(lambda x, w, v: np.cov(x, fweights=w, aweights=v), x, weights, worth, ulps=32)
    same(lambda x: np.cov(x, ddof=2, dtype=np.float32), x, ulps=32)
    same(lambda x: np.cov(x[:, :1]), x)
    same(lambda x: np.cov(x + 1j * x[::-1]), x, ulps=32)
    same(np.cov, sample((3, 6), "int32"), ulps=32)
    same(lambda x: np.cov(x, ddof=0.5), x)
    same(lambda x: np.cov(x[None]), x)
    check_gradient(lambda x: np.sum(np.cov(x) ** 2), x)


def test_corrcoef():
    x, y = sample((3, 6)), sample((3, 6), seed=2)
    same(lambda x, y: (np.corrcoef(x), np.corrcoef(x, y, rowvar=False)), x, y, ulps=64)
    same(lambda x: np.corrcoef(x + 1j * x[::-1]), x, ulps=64)
    same(lambda x: np.corrcoef(x[0]), x, ulps=64)


def test_windows():
    view = np.lib.stride_tricks.sliding_window_view
    x = sample((5, 6))
    for width, axis in ((2, 0), (3, -1), ((2, 3), None), ((2, 2), (1, 1)), ((1, 4), (0, 1))):
        same(lambda x: view(x, width, axis), x)
        same(lambda x: view(x, width, axis).sum(-1), x)
    same(lambda x: view(x, 7, 0), x)
    same(lambda x: view(x, 2), x)
    same(lambda x: view(x, -1, 0), x)
    check_gradient(lambda x: np.sum(np.median(view(x, 3, 0), -1)), x)

    def write(x):
        view(x, 2, 0)[0] = 1

    same(write, x)
    found = graphc.compile(lambda x: view(x, (2, 2)).max((-1, -2)))(x)
    np.testing.assert_array_equal(found, view(x, (2, 2)).max((-1, -2)))
