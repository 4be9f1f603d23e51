"""Polynomials and window functions against NumPy."""

import numpy as np
import pytest
import scipy.special

import graphc
from tests.functions.test_differences import check_gradient
from tests.trace.arrays import DTYPES, sample
from tests.trace.harness import same, traced

P, Q = sample((4,)), sample((6,), seed=2)


def test_values():
    x = sample((3, 4))
    same(np.polyval, P, x)
    same(lambda p: np.polyval(p, 0.5), P)
    same(lambda x: np.polyval([3, 0, 1], x), x)
    same(lambda x: np.polyval([3, 0, 1], x), 2.0)
    for dtype in DTYPES:
        if dtype != "bool":
            same(lambda x: np.polyval([3, 0, 1], x), sample((4,), dtype))
    same(np.polyval, P[:0], x)
    check_gradient(lambda p: np.sum(np.polyval(p, x)), P)


def test_arithmetic():
    for function in (np.polyadd, np.polysub, np.polymul):
        same(function, P, Q, ulps=16)
        same(function, Q, P, ulps=16)
        same(lambda p: function(p, 2.0), P)
        same(lambda p: function(p, [1, 2]), sample((3,), "int64") + 9)
    with pytest.raises(ValueError, match=r"np\.convolve"):
        graphc.compile(np.polymul)(np.array([0.0, 1.0]), P)


def test_calculus():
    for m in (0, 1, 2, 5):
        same(lambda p: np.polyder(p, m), P)
        same(lambda p: np.polyint(p, m), P)
    same(lambda p: (np.polyint(p, 2, [3, 4]), np.polyint(p, 1, 7.0), np.polyint(p, 2, 1)), P)
    same(lambda p: np.polyder(p), sample((4,), "int64"))
    same(lambda p: np.polyder(p, -1), P)
    same(lambda p: np.polyint(p, 3, [1, 2]), P)


def test_roots():
    same(np.poly, P, ulps=64)
    same(np.poly, P[:1])
    same(np.poly, P[:0])
    same(np.poly, np.array([1, 2, 3]))
    with pytest.raises(NotImplementedError, match="complex roots"):
        graphc.compile(np.poly)(P + 1j)
    with pytest.raises(NotImplementedError, match="depends on data"):
        graphc.compile(np.roots)(P)


def test_vander():
    for dtype in DTYPES:
        same(lambda x: np.vander(x), sample((4,), dtype))
    for n in (0, 1, 2, 6):
        same(lambda x: (np.vander(x, n), np.vander(x, n, increasing=True)), P, ulps=16)
    same(lambda x: np.vander(x.reshape(2, 2)), P)
    check_gradient(lambda x: np.sum(np.vander(x) ** 2), P)


def test_bessel():
    x = np.array([-30.0, -8.0, -0.1, 0.0, 1.0, 7.9, 8.0, 8.1, 50.0, np.inf, np.nan])
    same(np.i0, x, ulps=16)
    same(np.i0, x.astype("float32"), ulps=64)
    same(np.i0, np.array([0, 1, 9]), ulps=16)
    same(np.i0, 1.5)
    same(np.i0, x + 1j)
    found = graphc.compile(np.i0)(x[:9])
    np.testing.assert_allclose(found, scipy.special.i0(x[:9]), rtol=1e-14)
    check_gradient(lambda x: np.sum(np.log(np.i0(x))), np.array([-9.0, -2.0, 0.5, 12.0]))


def test_windows():
    for function in (np.bartlett, np.blackman, np.hamming, np.hanning):
        same(lambda x: x * function(5), sample((5,)))
        compiled = graphc.compile(lambda x: function(len(x)) * x)
        for length in (4, 7, 1):
            x = sample((length,))
            np.testing.assert_allclose(compiled(x), function(length) * x)
    same(lambda x: np.kaiser(5, 14) * x, sample((5,)))
    for count in (0, 1, 2, 9):
        same(lambda b: np.kaiser(count, b), 3.5, ulps=64)


@pytest.mark.parametrize(
    "fit",
    [
        lambda x, y: np.polyfit(x, y, 3),
        lambda x, y: np.polyfit(x, y, 1, w=np.abs(y)),
        lambda x, y: np.polyfit(x, y, 2, full=True),
        lambda x, y: np.polyfit(x, y, 2, cov=True),
        lambda x, y: np.polyfit(x, y, 2, cov="unscaled"),
        lambda x, y: np.polyfit(x, np.stack([y, x], 1), 2, cov=True),
        lambda x, y: np.polyfit(x, y[:-1], 2),
        lambda x, y: np.polyfit(x, y, -1),
        lambda x, y: np.polyfit(x[:2], y[:2], 1, cov=True),
        lambda x, y: np.polyfit(x[:0], y[:0], 1),
    ],
)
def test_polyfit(fit):
    x, y = sample((12,)), sample((12,), seed=1)
    try:
        wanted = fit(x, y)
    except (TypeError, ValueError) as error:
        with pytest.raises(type(error)):
            traced(fit, x, y)
        return
    found = traced(fit, x, y)
    for a, b in zip(*(v if isinstance(v, tuple) else (v,) for v in (found, wanted)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12)
