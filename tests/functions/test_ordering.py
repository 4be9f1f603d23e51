"""Sorts and searches against NumPy: dtypes, axes, NaN, ties, empty rows, in place."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same, traced

ALL_DTYPES = [
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float32", "float64", "complex64", "complex128"),
]
SPECIAL = np.array([2.0, np.nan, -0.0, np.inf, 0.0, -np.inf, 2.0, -1.5, np.nan, 0.0])
PARTS = [-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan]


def edges_of(dtype, length, seed=0):
    """Numbers of `dtype` with its extremes, ties and, for floats, NaN among them."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.random(length) < 0.5
    if kind in "iu":
        limits = np.iinfo(dtype)
        wide = rng.integers(limits.min, limits.max, length, dtype, endpoint=True)
        return np.where(rng.random(length) < 0.3, rng.integers(0, 3, length).astype(dtype), wide)
    values = rng.choice(SPECIAL, length) * rng.choice([1, 1, 1e-40, 1e30], length)
    if kind == "c":
        result = np.empty(length, dtype)
        result.real, result.imag = rng.choice(PARTS, length), rng.choice(PARTS, length)
        return result
    return values.astype(dtype)


def parts(x):
    return x.view(f"f{x.itemsize // 2}") if x.dtype.kind == "c" else x


@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_compiled_sorts_are_stable_and_exact(dtype):
    def both(x):
        return np.sort(x), np.argsort(x)

    compiled = graphc.compile(both)
    for length in (1, 2, 16, 47, 49, 95, 96, 97, 1000):
        x = edges_of(dtype, length, length)
        values, order = compiled(x)
        np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))
        expected = x[order]
        np.testing.assert_array_equal(parts(values), parts(expected))
        if values.dtype.kind in "fc":
            zero = parts(expected) == 0
            signs = np.signbit(parts(values)), np.signbit(parts(expected))
            np.testing.assert_array_equal(signs[0][zero], signs[1][zero])


@pytest.mark.parametrize("shape", [(3000, 5), (3, 70000), (2, 3, 100), (0, 5), (5, 0), (1, 1)])
def test_compiled_rows_in_chunks(shape):
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    for axis in range(-1, len(shape)):
        compiled = graphc.compile(lambda x, axis=axis: (np.sort(x, axis), np.argsort(x, axis)))
        values, order = compiled(x)
        np.testing.assert_array_equal(values, np.sort(x, axis))
        np.testing.assert_array_equal(order, np.argsort(x, axis, kind="stable"))


def test_every_axis_and_shape():
    for shape in shapes():
        for axis in [None, *range(-len(shape), len(shape))]:
            same(lambda x: np.sort(x, axis=axis), sample(shape))
            same(lambda x: np.argsort(x, axis=axis, kind="stable"), sample(shape))
    for x in strided().values():
        same(lambda x: (np.sort(x, 0), np.argsort(x[::-1], 0, kind="stable")), x)
    same(lambda x: np.sort(x, axis=2), sample((3, 4)))
    same(np.sort, np.array(1.0))
    same(np.argsort, np.array(1.0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    x = sample((3, 4), dtype)
    same(lambda x: (np.sort(x), x.argsort(kind="stable"), np.sort_complex(x)), x)
    same(lambda x: np.sort(x, kind="heapsort"), x)


def test_options():
    x = sample((6,))
    same(lambda x: np.sort(x, stable=True), x)
    same(lambda x: np.sort(x, kind="nonsense"), x)
    same(lambda x: np.sort(x, order="f"), x)
    same(lambda x: np.sort(x, kind="stable", stable=True), x)


def test_in_place():
    def function(x, y):
        x.sort()
        y[1:].sort(axis=0)
        x[::2].sort()
        return x.sort(axis=0)

    same(function, sample((4, 5)), sample((4, 5), seed=1))


def check_partition(x, kth, axis):
    got, order = traced(lambda x: (np.partition(x, kth, axis), np.argpartition(x, kth, axis)), x)
    np.testing.assert_array_equal(np.sort(got, axis), np.sort(x, axis))
    flat = x.ravel() if axis is None else x
    place = -1 if axis is None else axis
    np.testing.assert_array_equal(np.take_along_axis(flat, order, place), got)
    for k in np.atleast_1d(kth):
        whole = np.sort(x, axis)
        np.testing.assert_array_equal(np.take(got, k, place), np.take(whole, k, place))


@pytest.mark.parametrize("kth", [0, -1, 2, (1, 3)])
def test_partition(kth):
    for axis in (-1, 0, None):
        check_partition(sample((4, 5)), kth, axis)
    same(lambda x: np.partition(x, 9), sample((4, 5)))
    same(lambda x: x.partition(7), sample((5,)))


def test_lexsort():
    a, b = sample((2, 30), "uint8"), sample((2, 30), "uint8", 1)
    same(lambda a, b: (np.lexsort((a, b)), np.lexsort((a, b), axis=0)), a, b)
    same(lambda a: np.lexsort(a), a)
    same(lambda a, b: np.lexsort((a, b[0])), a, b)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("dtype", ALL_DTYPES)
def test_searches(dtype, side):
    row = np.sort(edges_of(dtype, 50))
    values = edges_of(dtype, 100, 1).reshape(4, 25)
    found = graphc.compile(lambda a, v: np.searchsorted(a, v, side))(row, values)
    np.testing.assert_array_equal(found, np.searchsorted(row, values, side))
    same(lambda a, v: a.searchsorted(v, side=side), row, values[0, 0])


def test_searches_of_no_values():
    graph = graphc.compile(np.searchsorted)
    row = np.arange(5.0)
    for shape in ((0,), (3, 4), (0, 4), (3, 0), (2, 6), (6, 5)):
        for values in (np.ones(shape), np.ones((*shape, 2))[..., 0]):
            np.testing.assert_array_equal(graph(row, values), np.searchsorted(row, values))


def test_searches_of_every_length():
    for length in (*range(9), 16, 17, 31, 33):
        row = np.arange(length) * 2.0
        values = np.arange(-1.0, 2 * length + 1)
        same(np.searchsorted, row, values)
    graph = graphc.compile(np.searchsorted)
    for length in (7, 8, 9, 0, 1, 20):
        row = np.arange(length) * 2.0
        np.testing.assert_array_equal(graph(row, row + 1), np.searchsorted(row, row + 1))


def test_search_options():
    x, order = sample((9,)), np.argsort(sample((9,)))
    same(lambda x, o, v: np.searchsorted(x, v, sorter=o), x, order, sample((4,), seed=2))
    same(lambda x, v: np.searchsorted(x, v), np.array([1, 5, 9]), 5.5)
    same(lambda x: np.searchsorted(x, 5), np.array([1, 5, 9], "uint8"))
    same(lambda x: np.searchsorted(x, 1.0, "middle"), x)
    same(lambda x: np.searchsorted(x.reshape(3, 3), 1.0), x)
    same(lambda x, o: np.searchsorted(x, 1.0, sorter=o), x, order[:5])
    same(lambda x, o: np.searchsorted(x, 1.0, sorter=o), x, order + 5)


def test_digitize():
    x, bins = sample((3, 5)), np.array([-1.0, 0.0, 0.5, 2.0])
    for right in (False, True):
        same(lambda x: np.digitize(x, [-1.0, 0.0, 0.5, 2.0], right), x)
        same(lambda x: np.digitize(x, [2, 1, 1, -1], right), x)
        for edges in (bins, bins[::-1].copy(), bins[:1], bins[:0], bins * 0):
            same(lambda x, b: np.digitize(x, b, right=right), x, edges)
    same(np.digitize, x, np.array([0.0, 1.0, 0.5]))
    same(lambda x: np.digitize(x, [0.0, 1.0, 0.5]), x)
    same(np.digitize, x + 1j, bins)


def test_isin():
    x, tests = sample((3, 5), "int64"), np.array([1, 3, 3])
    same(np.isin, x, tests)
    same(lambda x, t: np.isin(x, t, invert=True), x, tests)
    same(lambda x: np.isin(x, []), x)
    same(lambda x: np.isin(x, [1.5, 2]), x)
    same(np.isin, np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))


def test_gradients():
    x = sample((3, 6))

    def total(x):
        return np.sum(np.sort(x, axis=0) ** 2 * np.arange(18.0).reshape(3, 6))

    graphc.grad(total)(x)
    weights = np.arange(18.0).reshape(3, 6)
    expected = np.empty_like(x)
    order = np.argsort(x, axis=0)
    np.put_along_axis(expected, order, 2 * np.sort(x, axis=0) * weights, 0)
    np.testing.assert_allclose(graphc.grad(total)(x), expected)


@pytest.mark.parametrize("kth", [0, 1, -1, [0, 5]])
@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 2)])
def test_partitions_of_nothing(shape, kth):
    same(lambda x: (np.partition(x, kth), np.argpartition(x, kth)), np.zeros(shape))
    same(lambda x: np.partition(x, kth, axis=None), np.zeros(shape))
