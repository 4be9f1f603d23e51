"""Creation functions against NumPy: values, dtypes, layout, and buffers that are filled."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, strided
from tests.trace.harness import same


@pytest.mark.parametrize("function", [np.zeros, np.ones, np.empty])
def test_filled(function):
    def make(x):
        buffer = function(x.shape)
        buffer[...] = x
        return buffer, function(3).shape, function((2, 3), np.int32).dtype, function(()).shape

    same(make, sample((3, 4)))
    same(make, sample((0,)))


def test_zeros_ones_full():
    same(lambda: (np.zeros(3), np.zeros((2, 3), dtype=np.float32), np.zeros((), bool)))
    same(lambda: (np.ones(3), np.ones([2, 2], "int32"), np.ones((2, 0), complex)))
    same(lambda: (np.full(3, 2), np.full((2, 2), 1.5), np.full(2, True), np.full(2, 2, "uint8")))
    same(lambda x: (np.full((2, 4), x), np.full(4, x[0]), np.full(2, x[1], np.int32)), sample((4,)))
    same(lambda x: np.full((2, 2), x), 2.5)
    same(lambda x: np.full((2, 2), x, dtype=np.float32), np.float64(0.1))
    same(lambda: np.zeros((2, 3), order="F").ravel("K"))
    same(lambda: np.zeros(-1))
    same(lambda: np.full(2, 300, np.uint8))


@pytest.mark.parametrize("dtype", DTYPES)
def test_like(dtype):
    def make(x):
        return (
            np.zeros_like(x),
            np.ones_like(x),
            np.full_like(x, 1),
            np.zeros_like(x, dtype=np.float32),
            np.ones_like(x, shape=(2, 5)),
            np.full_like(x, 2, dtype=int, shape=3),
            np.empty_like(x).dtype,
            np.empty_like(x).shape,
        )

    same(make, sample((3, 4), dtype))
    same(make, sample((), dtype))
    same(make, sample((3, 4), dtype)[0, 0])


def test_like_of_numbers_and_layouts():
    same(lambda x: (np.zeros_like(x), np.ones_like(x), np.full_like(x, 2.7)), 3.5)
    same(lambda x: (np.zeros_like([x, 1]), np.zeros_like(3)), 3.5)
    for x in strided().values():
        same(lambda x: np.ones_like(x).ravel("K"), x)


def test_array_and_asarray():
    a, b = sample((3,)), sample((3,), "float32")
    same(lambda a, b: (np.array([a, b]), np.array((a[0], b[1], 2)), np.array([[a[0]], [1]])), a, b)
    same(lambda a, b: (np.array([a, b], dtype=np.float32), np.asarray([b, b])), a, b)
    same(lambda a: (np.array(a, dtype=int), np.array(a, ndmin=3), np.asarray(a, np.float32)), a)
    same(lambda x: (np.array(x), np.asarray(x), np.array([x, 2])), 2.5)
    same(lambda x: (np.array(x), np.asarray(x), np.array([x, 2])), np.float32(2.5))
    same(lambda: (np.array([1, 2]), np.array([[1.0, 2], [3, 4]]), np.array([]), np.array(5)))
    same(lambda a: np.array([[a, a], [a, a]]), a)
    same(lambda a: np.array([a, a[:2]]), a)
    same(lambda a: np.array([True, a[0] > 0]), a)
    same(lambda a: np.array([1, a[0]], dtype=np.int8), np.array([2, 3]))


def test_copies_and_identity():
    def f(x):
        y, z = np.asarray(x), np.array(x)
        w, v = np.copy(x), np.array(x, copy=None)
        y[0] = 5
        z[1] = 6
        w[2] = 7
        v[3] = 8
        return y is x, y, z, w, v, np.array(x, copy=False), np.asarray(x, copy=True)

    same(f, sample((4,)))
    same(lambda x: np.array(x, dtype=np.float32, copy=False), sample((4,)))

    def contiguous(x):
        y = np.ascontiguousarray(x)
        y[0] = 3
        return y

    for x in strided().values():
        same(contiguous, x)
    same(lambda x: np.ascontiguousarray(x), 2.5)
    for order in "CFKA":
        for x in strided().values():
            same(lambda x: np.array(x, order=order).ravel("K"), x)
            same(lambda x: np.copy(x, order=order).ravel("K"), x)


def test_arange():
    same(lambda: (np.arange(5), np.arange(2, 7), np.arange(2, 9, 3), np.arange(9, 2, -3)))
    same(lambda: (np.arange(0), np.arange(5, 2), np.arange(3, dtype=np.float32)))
    same(lambda: (np.arange(0, 1, 0.25), np.arange(3.0), np.arange(2, 3, 0.1), np.arange(-3)))
    same(lambda x: x[np.arange(len(x))] + np.arange(x.shape[0]), sample((4,)))
    same(lambda: np.arange(3, 1, 0))


def test_linspace():
    same(lambda: (np.linspace(0, 1, 5), np.linspace(0, 1, 5, endpoint=False), np.linspace(2, 3)))
    same(lambda a, b: (np.linspace(a, b, 7), np.linspace(a, b, 4, endpoint=False)), 0.1, 2.3)
    same(lambda a, b: np.linspace(a, b, 4), sample((3,)), sample((3,), seed=1))
    same(lambda a, b: np.linspace(a, b, 4, axis=-1), sample((3,)), sample((3,), seed=1))
    same(lambda a: (np.linspace(a, a, 3), np.linspace(a, 5, 1), np.linspace(a, 5, 0)), 1.5)
    same(lambda a: np.linspace(0, a, 6, dtype=int), 9.7)
    same(lambda a: np.linspace(0, a, 6, retstep=True), 9.7)
    same(lambda a: np.linspace(0, a, 6), np.float32(9.7))
    same(lambda a: np.linspace(0, a, -1), 9.7)


def test_eye_and_grids():
    same(lambda: (np.eye(3), np.eye(2, 4, 1), np.eye(3, k=-1, dtype=int), np.identity(3)))
    same(lambda y: np.eye(10)[y], np.array([3, 1, 9]))
    same(lambda: (np.tri(3), np.tri(2, 4, 1, dtype=bool), np.indices((2, 3))))
    same(lambda x, y: np.meshgrid(x, y), sample((3,)), sample((2,)))
    same(lambda x, y: np.meshgrid(x, y, indexing="ij"), sample((3,)), sample((2,)))
    same(lambda x, y: np.meshgrid(x, y, x, sparse=True), sample((3,)), sample((2,)))


def test_static_functions_of_numpy():
    same(lambda x: (np.hanning(4) * x, np.pi * x, np.logspace(0, 1, 4) + x), sample((4,)))
    same(lambda x: x * np.float32(3) + np.int64(2), sample((4,), "float32"))
    same(lambda x: x.astype(np.float32) + np.finfo(np.float32).eps, sample((4,)))


def test_geometric_ranges():
    same(lambda x: np.geomspace(x, 1000.0, 4), 1.0, ulps=8)
    same(lambda x: np.geomspace(x, -256.0, 9), -1.0, ulps=8)
    same(lambda x: np.geomspace(x, x * 8, 4, endpoint=False, axis=-1), np.array([1.0, 2]), ulps=8)
    same(lambda x: np.geomspace(x, 1000, 4, dtype=int), 1.0)
    same(lambda x: np.geomspace(x, x * 1000, 4), 1j, ulps=16)
    same(lambda x: np.logspace(x, 2, 5), 0.5, ulps=8)
    same(lambda x: np.logspace(x, x + 1, 3, base=np.array([2.0, 3])), np.array([1.0, 2]), ulps=8)
    with pytest.raises(ValueError, match="include zero"):
        graphc.compile(lambda x: np.geomspace(x, 1.0))(0.0)


def test_of_functions_and_finite_arrays():
    same(lambda x: np.fromfunction(lambda i, j: i * x[0] + j, (3, 3)), sample((3,)))
    same(lambda x: np.fromfunction(lambda i: i, (3,), dtype=int) * x, sample((3,)))
    same(lambda x: np.asarray_chkfinite(x), sample((3,)))
    same(lambda x: np.asarray_chkfinite(x), np.array([1.0, np.nan]))
    same(lambda x: np.asfortranarray(x).strides, sample((3, 4)))
