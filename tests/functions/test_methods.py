"""The methods of arrays and NumPy scalars against NumPy's."""

import numpy as np
import pytest

import graphc
from graphc.errors import TraceError, UnsupportedError
from tests.trace.arrays import DTYPES, sample
from tests.trace.harness import same, traced


def test_array_methods():
    def f(x):
        return (
            x.sum(), x.sum(0), x.sum(axis=1, keepdims=True), x.mean(), x.var(ddof=1), x.std(0),
            x.prod(), x.max(), x.min(1), x.argmax(), x.argmin(0), x.any(), x.all(axis=0),
            x.clip(-1, 1), x.round(1), x.dot(x.T), x.reshape(2, 6), x.reshape((4, 3)), x.ravel(),
            x.flatten(), x.transpose(), x.transpose(1, 0), x.swapaxes(0, 1), x[None].squeeze(),
            x.astype(np.float32), x.astype("int32"), x.astype(bool), x.copy(), x.conj(),
            x.conjugate(), x.take([0, 1]), x.repeat(2, axis=0), x.diagonal(), x.T.shape,
            x.size, x.ndim, x.nbytes, x.itemsize, x.dtype, x.real, x.imag, len(x),
        )  # fmt: skip

    same(f, sample((3, 4)))


@pytest.mark.parametrize("dtype", DTYPES)
def test_scalar_methods(dtype):
    def f(x):
        return (
            x.sum(), x.mean(), x.reshape(1, 1), x.ravel(), x.squeeze(), x.transpose(), x.T,
            x.astype(np.float32), x.copy(), x.conj(), x.all(), x.any(), x.shape, x.ndim, x.size,
            x.dtype, x.flatten(), x.real, x.imag, x[()], x[None], x[...],
        )  # fmt: skip

    same(f, sample((3,), dtype)[1])
    same(lambda x: f(x[1]), sample((3,), dtype))


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_astype(source, target):
    x = abs(sample((3, 4), source)) if source == "float64" else sample((3, 4), source)
    if source in ("float32", "float64", "complex128") and target == "uint8":
        x = np.abs(x).astype(source)
    same(lambda x: (x.astype(target), x[0, 0].astype(target), x.sum().astype(target)), x)


def test_astype_options():
    x = sample((3, 4))
    same(lambda x: x.astype(np.int32, casting="safe"), x)
    same(lambda x: x.astype(np.float32, casting="same_kind"), x)
    same(lambda x: (x.astype(np.float64) is x, x.astype(np.float64, copy=False) is x), x)
    same(lambda x: (x.astype(float), x.astype(int), x.astype(bool), x.astype(complex)), x)
    same(lambda x: x.T.astype(np.float32).ravel("K"), x)


def test_fill_and_item():
    same(lambda x: x.fill(3), sample((3, 4)))
    same(lambda x: x[1:].fill(x[0, 0]), sample((3, 4)))
    for method in ("item", "tolist"):
        with pytest.raises(TraceError, match=method):
            traced(lambda x: getattr(x, method)(), sample((3,))[:1])


@pytest.mark.parametrize("name", ["tobytes", "byteswap", "resize", "setflags"])
def test_refused(name):
    with pytest.raises(UnsupportedError, match=rf"ndarray\.{name}"):
        traced(lambda x: getattr(x, name)(), sample((3,)))


def test_refused_attributes():
    for name in ("flags", "base", "data", "ctypes"):
        with pytest.raises(UnsupportedError, match=name):
            traced(lambda x: getattr(x, name), sample((3,)))
    with pytest.raises(UnsupportedError, match="astype"):
        traced(lambda x: x.view(np.int64), sample((3,)))
    same(lambda x: hasattr(x, "no_such_thing"), sample((3,)))


@pytest.mark.parametrize(
    "function",
    [np.nonzero, np.flatnonzero, np.argwhere, np.unique, np.bincount],
    ids=lambda f: f.__name__,
)
def test_shapes_that_depend_on_data(function):
    with pytest.raises(UnsupportedError, match="depends on data") as caught:
        traced(lambda x: function(x), np.array([1, 0, 2]))
    assert "lambda x: function(x)" in str(caught.value)


def test_unknown_function():
    with pytest.raises(UnsupportedError, match=r"np\.require is not covered"):
        traced(lambda x: np.require(x), sample((3,)))
    with pytest.raises(UnsupportedError, match="mode='raw'"):
        traced(lambda x: np.linalg.qr(x, "raw"), sample((3, 3)))


def reshaped_in_place(x):
    y = x + 1
    z = y
    y.shape = (2, 3)
    z[0] = 7
    w = x[1:5]
    w.shape = 2, -1
    w[1] = 0
    return y, z.shape, w, x


def reshaped_in_a_loop(x):
    total = np.zeros(3)
    for turn in range(20):
        y = x * turn
        y.shape = (2, 3)
        total += y[1]
    return total


def test_assignment_to_shape():
    same(reshaped_in_place, sample((6,)))
    x = sample((6,))
    np.testing.assert_allclose(
        graphc.compile(reshaped_in_a_loop)(x.copy()), reshaped_in_a_loop(x), rtol=1e-14
    )
    same(lambda x: setattr(x * 1, "shape", (4,)), x)


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("shape", (2, 3), "y = y.reshape"),
        ("dtype", np.int64, "astype"),
        ("strides", (8,), "slices"),
    ],
)
def test_assignments_that_are_refused(name, value, hint):
    with pytest.raises(UnsupportedError, match=hint) as caught:
        traced(lambda x: setattr(x, name, value), sample((6,)))
    assert caught.value.location.file == __file__
    with pytest.raises(UnsupportedError, match=r"y = y\.reshape"):
        traced(lambda x: setattr(x.reshape(2, 3).T, "shape", (6,)), sample((6,)))
