"""Questions, parts of complex numbers, comparisons of arrays, and norms against NumPy."""

import numpy as np
import pytest

from tests.trace.arrays import DTYPES, sample
from tests.trace.harness import same


@pytest.mark.parametrize("dtype", DTYPES)
def test_questions(dtype):
    def f(x):
        return (
            np.shape(x), np.ndim(x), np.size(x), np.size(x, 1), np.iscomplexobj(x), np.isrealobj(x),
            np.isscalar(x), np.isscalar(x[0, 0]), np.result_type(x, 1.0),
            np.result_type(x, x.sum()),
            np.can_cast(x.dtype, np.float32), np.promote_types(x.dtype, np.float32),
            np.issubdtype(x.dtype, np.floating), isinstance(x, np.ndarray), x.dtype == np.float64,
            isinstance(x[0, 0], np.floating), isinstance(x[0, 0], np.generic),
            np.min_scalar_type(3),
        )  # fmt: skip

    same(f, sample((3, 4), dtype))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int32"])
def test_parts(dtype):
    x = sample((3, 4), dtype)
    same(lambda x: (np.real(x), np.imag(x), np.conj(x), np.angle(x), np.iscomplex(x)), x)
    same(lambda x: (np.isreal(x), np.angle(x, deg=True), x.real.sum(), x[0, 0].imag), x, ulps=8)
    same(lambda x: (np.real(x[0, 0]), np.imag(x[0, 0]), np.angle(x[0, 0])), x)


def test_parts_are_views():
    def write(x):
        x.real = 3
        x.imag[0] = 1
        x.real[1] += 1
        return x.real

    same(write, sample((3, 4), "complex128"))
    same(lambda x: (np.real(x), np.imag(x)), 2.5)
    same(lambda x: (np.real(x), np.imag(x), x.conjugate()), 2.5 + 1j)


def test_comparisons():
    x = np.array([1.0, np.nan, np.inf, 2.0])
    y = np.array([1.0 + 1e-9, np.nan, np.inf, 2.1])
    same(lambda x, y: (np.isclose(x, y), np.isclose(x, y, equal_nan=True)), x, y)
    same(lambda x, y: np.isclose(x[0], y[0], rtol=1e-12, atol=0.0), x, y)
    same(lambda x, y: (np.allclose(x, y), np.allclose(x[:1], y[:1])), x, y)
    same(lambda x, y: (np.array_equal(x, y), np.array_equal(x, x, equal_nan=True)), x, y)
    same(lambda x, y: np.array_equal(x, y[:2]), x, y)
    same(lambda x: np.isclose(x, 2), np.array([1, 2]))


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int32"])
def test_norms(dtype):
    x = sample((3, 4), dtype)
    norm = np.linalg.norm
    same(
        lambda x: (norm(x), norm(x[0]), norm(x, axis=0), norm(x, axis=1, keepdims=True)), x, ulps=16
    )
    same(lambda x: [norm(x[0], ord) for ord in (0, 1, 2, 3, np.inf, -np.inf)], x, ulps=16)
    same(lambda x: [norm(x, ord) for ord in (None, "fro", 1, -1, np.inf, -np.inf)], x, ulps=16)
    same(lambda x: (norm(x, 1, axis=0), norm(x, keepdims=True), norm(x, axis=(0, 1))), x, ulps=16)
    same(lambda x: np.linalg.vector_norm(x, axis=1), x, ulps=16)
    same(lambda x: norm(x, "nuclear"), x)
