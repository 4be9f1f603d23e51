"""Differences, sums along an axis and interpolation against NumPy, and their gradients."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same


def numeric(total, x):
    found = np.empty_like(x)
    for k in range(x.size):
        ahead, behind = x.copy(), x.copy()
        ahead.flat[k] += 1e-6
        behind.flat[k] -= 1e-6
        found.flat[k] = (total(ahead) - total(behind)) / 2e-6
    return found


def check_gradient(total, x):
    np.testing.assert_allclose(graphc.grad(total)(x), numeric(total, x), rtol=1e-6, atol=1e-7)


def test_diff():
    for shape in shapes():
        for axis in range(-len(shape), len(shape)):
            for n in (0, 1, 2, 5):
                same(lambda x: np.diff(x, n, axis), sample(shape))
    for dtype in DTYPES:
        same(lambda x: (np.diff(x), np.diff(x, axis=0)), sample((3, 4), dtype))
    for x in strided().values():
        same(lambda x: np.diff(x[::-1], axis=0, prepend=0, append=x[:2]), x)
    same(lambda x: np.diff(x, prepend=5), sample((4,), "int32"))
    same(np.diff, np.array(1.0))
    same(lambda x: np.diff(x, -1), sample((3,)))


def test_ediff1d():
    x = sample((3, 4))
    same(np.ediff1d, x)
    same(lambda x: np.ediff1d(x, to_end=[1, 2], to_begin=0), x)
    same(lambda x, y: np.ediff1d(x, to_end=y), x, sample((2,)))
    same(lambda x: np.ediff1d(x, to_end=0.5), sample((3,), "int64"))
    same(np.ediff1d, sample((0,)))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order):
    x, y = sample((6,)), np.array([0.0, 1.0, 1.5, 3.5, 4.0, 6.0])
    same(lambda f: np.gradient(f, edge_order=edge_order), x)
    same(lambda f: np.gradient(f, 2.0, edge_order=edge_order), x)
    same(lambda f, h: np.gradient(f, h, edge_order=edge_order), x, 0.5)
    same(lambda f, y: np.gradient(f, y, edge_order=edge_order), x, y)
    same(lambda f: np.gradient(f, [0, 1, 2, 3, 4, 5], edge_order=edge_order), x)
    f = sample((6, 5))
    same(lambda f: np.gradient(f, edge_order=edge_order), f)
    same(lambda f, y: np.gradient(f, y, 0.5, edge_order=edge_order), f, y)
    same(lambda f: np.gradient(f, 0.5, axis=-1, edge_order=edge_order), f)
    same(lambda f: np.gradient(f, axis=(1, 0), edge_order=edge_order), f)
    for dtype in ("int32", "float32", "complex128", "uint8"):
        same(lambda f: np.gradient(f, edge_order=edge_order), sample((5,), dtype))
    same(lambda f: np.gradient(f, edge_order=edge_order), sample((edge_order,)))
    same(lambda f: np.gradient(f, edge_order=edge_order), sample((edge_order + 1,)))
    same(lambda f: np.gradient(f, edge_order=3), x)
    same(lambda f: np.gradient(f, 1.0, 2.0), x)
    same(lambda f, y: np.gradient(f, y[:-1]), x, y)
    check_gradient(lambda f: np.sum(np.gradient(f, y, edge_order=edge_order) ** 2), x)


def test_trapezoid():
    x = sample((4, 5))
    same(np.trapezoid, x)
    same(lambda y: (np.trapezoid(y, dx=0.1, axis=0), np.trapezoid(y[0])), x)
    same(lambda y, x: np.trapezoid(y, x), x, np.arange(5.0) ** 2)
    same(lambda y, x: np.trapezoid(y, x, axis=0), x, np.arange(20.0).reshape(4, 5) ** 2)
    same(lambda y: np.trapezoid(y, [1, 2, 4, 8], axis=0), x)
    same(np.trapezoid, sample((5,), "int64"))
    same(np.trapezoid, sample((1,)))
    check_gradient(lambda y: np.sum(np.trapezoid(y, axis=0) ** 2), x)


def test_unwrap():
    x = sample((3, 8)) * 3
    same(np.unwrap, x)
    same(lambda p: np.unwrap(p, axis=0), x)
    same(lambda p: np.unwrap(p, discont=4.0), x)
    same(lambda p: np.unwrap(p, period=4), np.array([0, 1, 2, -1, 0, 2, 0]))
    same(lambda p: np.unwrap(p, period=5), np.array([0, 1, 2, -1, 0, 2, 0]))
    same(lambda p: np.unwrap(p, period=4.0), np.array([0.0, 2.0, 0.0, -2.0]))
    same(np.unwrap, sample((4,), "float32"))


def test_interp():
    xp, fp = np.array([0.0, 1.0, 2.5, 4.0]), np.array([1.0, -1.0, 3.0, 2.0])
    x = np.array([-1.0, 0.0, 0.5, 1.0, 2.0, 2.5, 3.9, 4.0, 5.0, np.nan, np.inf, -np.inf])
    same(np.interp, x, xp, fp)
    same(lambda x, xp, fp: np.interp(x, xp, fp, left=-9, right=9), x, xp, fp)
    same(lambda x, xp, fp: np.interp(x, xp, fp * (1 + 2j)), x, xp, fp)
    same(lambda x, xp, fp: np.interp(x, xp, fp, period=3.0), x[:9], xp, fp)
    same(lambda x, xp, fp: np.interp(x, xp, fp, period=-360), x[:9] * 100, xp * 90, fp)
    same(lambda x: np.interp(x, [0, 1, 2], [5, 6, 9]), 0.25)
    same(lambda x: np.interp(x, [0, 1, 2], [5, 6, 9]), sample((3, 4)))
    same(np.interp, x, xp[:1], fp[:1])
    same(np.interp, x, np.array([0.0, 0.0, 1.0, 1.0]), fp)
    same(np.interp, x, xp, np.array([1.0, np.inf, np.inf, 2.0]))
    same(np.interp, x, xp, np.array([1.0, np.nan, 1.0, 2.0]))
    same(np.interp, x, xp[:0], fp[:0])
    same(np.interp, x, xp, fp[:3])
    same(lambda x, xp, fp: np.interp(x, xp, fp, period=0), x, xp, fp)
    inside = np.array([0.3, 0.9, 2.2, 3.7])
    check_gradient(lambda x: np.sum(np.interp(x, xp, fp) ** 2), inside)
    check_gradient(lambda f: np.sum(np.interp(inside, xp, f) ** 2), fp)
    check_gradient(lambda p: np.sum(np.interp(inside, p, fp) ** 2), xp)


def test_sinc():
    x = np.array([-1.5, -1.0, 0.0, 0.3, 1.0, np.nan])
    same(np.sinc, x)
    same(np.sinc, 0.0)
    same(np.sinc, 0.3)
    same(np.sinc, sample((3,), "int64"))
    same(np.sinc, x.astype("float32"))
    same(np.sinc, x + 0.5j)
    second = graphc.grad(graphc.grad(lambda x: np.sinc(x)))
    np.testing.assert_allclose(second(0.0), -(np.pi**2) / 3)
    check_gradient(lambda x: np.sum(np.sinc(x)), np.array([-0.7, 0.2, 1.4]))


def test_compiled():
    x = sample((40, 30))

    def function(x):
        points = np.interp(x, np.arange(10.0), np.arange(10.0) ** 2)
        return np.gradient(x), np.unwrap(x, axis=0), np.diff(x, 2, prepend=1.0), points

    found, expected = graphc.compile(function)(x), function(x)
    for actual, wanted in zip((*found[0], *found[1:]), (*expected[0], *expected[1:]), strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12, atol=1e-12)
