"""Running results and the methods of ufuncs against NumPy, and their gradients."""

import numpy as np
import pytest

import graphc
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same

RUNNING = [np.cumsum, np.cumprod, np.nancumsum, np.nancumprod]
NAMES = [function.__name__ for function in RUNNING]
BINARY = sorted(
    {
        ufunc.__name__: ufunc
        for ufunc in vars(np).values()
        if isinstance(ufunc, np.ufunc) and ufunc.nin == 2 and ufunc.nout == 1
    }
)
WRONG_IN_NUMPY = {"arctan2", "power"}
"""NumPy 2.4 on AVX-512: reduce along a contiguous axis is not what accumulate ends with."""
NOT_COVERED = {"matvec", "vecmat", "vecdot", "matmul"}


@pytest.mark.parametrize("function", RUNNING, ids=NAMES)
def test_shapes_and_axes(function):
    for shape in shapes():
        for axis in [None, *range(-len(shape), len(shape))]:
            same(lambda x: function(x, axis=axis), sample(shape), ulps=16)
    for x in strided().values():
        same(lambda x: (function(x), function(x, 0), function(x[1:, ::-1], 1)), x, ulps=16)
    same(lambda x: function(x, 2), sample((3, 4)))


@pytest.mark.parametrize("function", RUNNING, ids=NAMES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(function, dtype):
    x = sample((3, 4), dtype)
    same(lambda x: (function(x), function(x, axis=1)), x, ulps=16)
    same(lambda x: function(x, dtype=np.float32), x, ulps=16)
    if np.dtype(dtype).kind in "fc":
        y = np.where(x.real > 1, np.nan, x).astype(dtype)
        same(lambda x: (function(x, 0), function(x)), y, ulps=16)


def test_out_and_methods():
    def function(x, out):
        np.cumsum(x, axis=1, out=out)
        return x.cumsum(), x.cumprod(0), x[0, 0].cumsum()

    same(function, sample((3, 4)), np.zeros((3, 4)), ulps=16)
    same(lambda x, out: np.cumsum(x, out=out), sample((4,)), np.zeros(3))


@pytest.mark.parametrize("function", [np.cumulative_sum, np.cumulative_prod])
def test_with_the_initial_value(function):
    for include in (False, True):
        same(lambda x: function(x, include_initial=include), sample((5,)))
        same(lambda x: function(x, axis=1, include_initial=include), sample((2, 3)))
        same(lambda x: function(x, include_initial=include), sample((0,)))
        same(lambda x: function(x, include_initial=include), sample((3,), "int32"))
    same(lambda x: function(x), sample((2, 3)))


@pytest.mark.parametrize("size", [1, 100, 16384, 70001, 300000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
def test_long_rows(size, dtype):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(2, size)) + 1).astype(dtype)
    found, largest = graphc.compile(lambda x: (np.cumsum(x, 1), np.maximum.accumulate(x, 1)))(x)
    tolerance = 0 if dtype == "int64" else 64 * np.finfo(x.dtype).eps
    exact = np.cumsum(x.astype("complex128" if dtype[0] == "c" else "float64"), 1)
    own = np.abs(np.cumsum(x, 1) - exact).max()
    np.testing.assert_allclose(found, exact, rtol=tolerance, atol=2 * own)
    np.testing.assert_array_equal(largest, np.maximum.accumulate(x, 1))


@pytest.mark.parametrize("shape", [(1000, 300), (300, 1000), (50, 40, 30), (200000, 2)])
def test_compiled_axes(shape):
    x = np.random.default_rng(0).integers(-5, 5, shape)
    for axis in range(len(shape)):
        found = graphc.compile(lambda x, axis=axis: np.cumsum(x, axis))(x)
        np.testing.assert_array_equal(found, np.cumsum(x, axis))


def test_threads_do_not_change_results():
    x = np.random.default_rng(0).normal(size=200000).astype(np.float32)
    one = graphc.compile(np.cumsum, threads=1)(x)
    two = graphc.compile(lambda x: np.cumsum(x), threads=2)(x)
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("name", BINARY)
def test_accumulate_and_reduce(name):
    if name in NOT_COVERED:
        with pytest.raises(RuntimeError, match="signature"):
            graphc.compile(lambda x: getattr(np, name).accumulate(x))(sample((3, 3)))
        return
    ufunc = getattr(np, name)
    tried = 0
    for dtype in ("float64", "int64", "bool", "complex128"):
        x = sample((4, 3), dtype)
        if name in ("power", "left_shift", "right_shift") and dtype == "int64":
            x = np.abs(x) % 3
        try:
            if ufunc.accumulate(x).dtype == np.float16:
                continue
        except TypeError:
            continue
        tried += 1
        for axis in (0, 1):
            same(lambda x: ufunc.accumulate(x, axis), x, ulps=64)
            if name in WRONG_IN_NUMPY:
                found = graphc.compile(lambda x: ufunc.reduce(x, axis))(x)
                np.testing.assert_allclose(found, np.take(ufunc.accumulate(x, axis), -1, axis))
            else:
                same(lambda x: ufunc.reduce(x, axis), x, ulps=64)
        if name in WRONG_IN_NUMPY:
            continue
        same(lambda x: ufunc.reduce(x, axis=-1, keepdims=True), x, ulps=64)
        same(lambda x: ufunc.reduce(x, axis=None), x, ulps=256)
        same(lambda x: ufunc.reduce(x, axis=(0, 1)), x, ulps=256)
        same(lambda x: ufunc.reduce(x[:0]), x)
        same(lambda x: ufunc.accumulate(x[:0]), x)
        same(lambda x: ufunc.reduce(x, where=np.arange(4)[:, None] != 1), x, ulps=64)
        same(lambda x: ufunc.reduceat(x, [0, 2, 1, 3]), x, ulps=64)
        same(lambda x: ufunc.reduceat(x, [2, 0], axis=1), x, ulps=64)
    assert tried or name == "ldexp"


def test_reduce_with_initial():
    x = sample((4, 3))
    mask = np.array([True, False, True])
    for ufunc in (np.hypot, np.fmax, np.logaddexp, np.subtract):
        same(lambda x: ufunc.reduce(x, initial=2.0), x, ulps=16)
        same(lambda x, m: ufunc.reduce(x, axis=1, initial=2.0, where=m), x, mask, ulps=16)


def test_reduce_with_a_dtype():
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum, np.logical_and, np.hypot):
        for dtype in ("float32", "float64"):
            if ufunc is not np.logical_and:
                same(lambda x: ufunc.reduce(x, axis=1, dtype=dtype), sample((3, 4)), ulps=16)
                same(lambda x: ufunc.accumulate(x, axis=1, dtype=dtype), sample((3, 4)), ulps=16)
    same(lambda x: np.logical_and.reduce(x, dtype=bool), sample((3, 4)))
    same(lambda x, out: np.maximum.reduce(x, axis=0, out=out), sample((3, 4)), np.zeros(4))
    same(lambda x, out: np.hypot.reduce(x, axis=0, out=out), sample((3, 4)), np.zeros(4))
    same(lambda x, out: np.hypot.accumulate(x, out=out), sample((3, 4)), np.zeros((3, 4)))


def test_reduceat_at_traced_indices():
    x, index = sample((6, 3)), np.array([0, 4, 1, 5])
    for ufunc in (np.add, np.multiply, np.maximum, np.minimum):
        same(lambda x, i: ufunc.reduceat(x, i), x, index, ulps=16)
        same(lambda x, i: ufunc.reduceat(x.T, i, axis=1), x, index, ulps=16)
    same(lambda x: np.add.reduceat(x, [0, 6]), x)
    same(lambda x, i: np.add.reduceat(x, i), x, np.array([0.5]))
    same(lambda x: np.add.reduceat(x, np.arange(100) % 5), x, ulps=16)


def test_mistakes():
    same(lambda x: np.sin.accumulate(x), sample((3,)))
    same(lambda x: np.divmod.accumulate(x), sample((3,)))
    same(lambda x: np.add.accumulate(x), np.array(1.0))
    with pytest.raises(NotImplementedError, match=r"np.power.at"):
        graphc.compile(lambda x: np.power.at(x, [0], 2.0))(sample((3,)))


@pytest.mark.parametrize("name", ["multiply", "maximum", "minimum", "add", "subtract"])
def test_at(name):
    ufunc = getattr(np, name)

    def function(x, i, v):
        ufunc.at(x, i, v)
        ufunc.at(x, (slice(None), [0, 0]), 0.5)
        ufunc.at(x[1:], 0, 3.0)

    same(function, sample((4, 3)), np.array([0, 2, 0, -1]), sample((4, 3), seed=2))
    same(lambda x: np.bitwise_or.at(x, [0, 0, 1], [1, 2, 4]), np.array([8, 0, 1]))
    same(lambda x: ufunc.at(x, [9], 1.0), sample((4,)))
    x, v = sample((3,)), np.array([0.5, 0.0, 2.0, 3.0])

    def total(v):
        y = x * 1.0
        ufunc.at(y, np.array([0, 0, 1, 1]), v)
        return np.sum(y * np.array([1.0, 2.0, 3.0]))

    steps = [np.where(np.arange(4) == k, 1e-6, 0) for k in range(4)]
    numbers = [(total(v + step) - total(v - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(graphc.grad(total)(v), numbers, atol=1e-8)


@pytest.mark.parametrize("axis", [0, 1])
def test_gradients(axis):
    x = np.array([[0.5, 0.0, 2.0], [-1.0, 3.0, 0.0], [2.0, 1.5, -0.5]])
    for function in (np.cumsum, np.cumprod, np.maximum.accumulate, np.logaddexp.accumulate):
        weights = sample((3, 3), seed=3)

        def total(x, function=function, weights=weights):
            return np.sum(function(x, axis=axis) * weights)

        def moved(k, step, x=x, total=total):
            y = x.copy()
            y.flat[k] += step
            return total(y)

        found = graphc.grad(total)(x)
        numbers = [(moved(k, 1e-6) - moved(k, -1e-6)) / 2e-6 for k in range(9)]
        if function is np.maximum.accumulate:
            numbers = np.reshape(numbers, (3, 3))
            assert np.sum(np.abs(found - numbers) > 1e-6) <= 1
            continue
        np.testing.assert_allclose(found.ravel(), numbers, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("length", [0, 1])
def test_reduceat_beyond_the_end(length):
    reduceat = graphc.compile(lambda x, k: np.add.reduceat(x, k))
    for _ in range(2):
        with pytest.raises(IndexError):
            reduceat(np.ones(length), np.array([0, 1]))
    static = graphc.compile(lambda x: np.add.reduceat(x, [0, 1]))
    static(np.ones(5)), static(np.ones(4))  # the length is symbolic now
    with pytest.raises(IndexError):
        static(np.ones(length))
