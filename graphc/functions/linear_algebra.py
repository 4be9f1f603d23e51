"""Equations, factors, eigenvalues and singular values of matrices: `numpy.linalg`.

As NumPy does, everything is computed in float64 or complex128, and float32 results are rounded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import LinAlgError, ShapeError, UnsupportedError
from graphc.functions.common import FLOAT64, INT64, array_or_scalar, as_array
from graphc.ir import Value
from graphc.ops.matrices.factor import cholesky as cholesky_factor
from graphc.ops.matrices.factor import qr as qr_factors
from graphc.ops.matrices.least_squares import lstsq as least_squares
from graphc.ops.matrices.least_squares import pseudo_inverse
from graphc.ops.matrices.solve import inverse_matrix
from graphc.ops.matrices.solve import slogdet as sign_and_logarithm
from graphc.ops.matrices.solve import solve as solved
from graphc.ops.matrices.spectral import eig as eigen
from graphc.ops.matrices.spectral import eigh as hermitian_eigen
from graphc.ops.matrices.spectral import eigvals as eigenvalues
from graphc.ops.matrices.spectral import eigvalsh as hermitian_eigenvalues
from graphc.ops.matrices.spectral import svd as singular
from graphc.ops.matrices.spectral import svdvals as singular_only
from graphc.ops.matrices.triangle import adjoint, diagonal_only, strictly_lower
from graphc.trace.context import active
from graphc.trace.convert import broadcast_shapes, same_size, value_of
from graphc.trace.dispatch import implements
from graphc.trace.values import fresh_array
from graphc.types import DTYPES, Shape, Size, is_inexact, product, real_dtype

_ONE = np.eye(1)
EighResult: Any = type(np.linalg.eigh(_ONE))
EigResult: Any = type(np.linalg.eig(_ONE))
SVDResult: Any = type(np.linalg.svd(_ONE))
QRResult: Any = type(np.linalg.qr(_ONE))
SlogdetResult: Any = type(np.linalg.slogdet(_ONE))


# --- operands and results -------------------------------------------------------------------------


def double(*operands: Value) -> Any:
    """The operands in the dtype to compute in, then the dtype of the results, as NumPy has them."""
    kinds = {value.dtype.name for value in operands}
    single = kinds <= {"float32", "complex64"}
    if any(value.dtype.kind == "c" for value in operands):
        working, result = "complex128", "complex64" if single else "complex128"
    else:
        working, result = "float64", "float32" if single else "float64"
    return *(ops.cast(value, DTYPES[working]) for value in operands), DTYPES[result]


def need_matrices(x: Value) -> Value:
    """`x`, which has two or more axes.

    Raises:
        LinAlgError: in NumPy's words.
    """
    if x.ndim < 2:
        raise LinAlgError(
            f"{x.ndim}-dimensional array given. Array must be at least two-dimensional"
        )
    return x


def need_square(x: Value) -> Value:
    """`x`, whose last two axes are of one size.

    Raises:
        LinAlgError: in NumPy's words.
    """
    need_matrices(x)
    if not same_size(x.shape[-2], x.shape[-1]):
        raise LinAlgError(f"Last 2 dimensions of the array must be square, not {x.tensor}")
    return x


def smaller_size(x: Value) -> Size:
    """The smaller of the last two sizes."""
    m: Size
    n: Size
    m, n = x.shape[-2:]
    return m if active().holds("<=", m, n) else n


def _real(dtype: np.dtype) -> np.dtype:
    return real_dtype(dtype) if dtype.kind == "c" else dtype


def _square(a: Any) -> Value:
    return need_square(as_array(a).value)


def _batched(name: str, *operands: Value) -> list[Value]:
    """Matrices with their batch axes broadcast."""
    try:
        batch = broadcast_shapes(*(x.shape[:-2] for x in operands))
    except ShapeError:
        types = " and ".join(str(x.tensor) for x in operands)
        raise ShapeError(f"{name}: the batch axes of {types} do not fit") from None
    return [ops.broadcast_to(x, (*batch, *x.shape[-2:])) for x in operands]


# --- equations and determinants -------------------------------------------------------------------


@implements(np.linalg.solve)
def solve(a: Any, b: Any) -> Any:
    """`numpy.linalg.solve`."""
    left, right = _square(a), as_array(b).value
    left, right, dtype = double(left, right)
    if right.ndim == 0:
        raise ShapeError(f"solve: {right.tensor} has too few axes: it takes vectors or matrices")
    is_vector = right.ndim == 1
    if is_vector:
        right = ops.reshape(right, (*right.shape, 1))
    if not same_size(left.shape[-1], right.shape[-2]):
        raise ShapeError(f"solve: {left.tensor} and {right.tensor} do not fit")
    x = ops.cast(solved(*_batched("solve", left, right)), dtype)
    return fresh_array(ops.reshape(x, x.shape[:-1]) if is_vector else x)


@implements(np.linalg.inv)
def inv(a: Any) -> Any:
    """`numpy.linalg.inv`."""
    matrix, dtype = double(_square(a))
    return fresh_array(ops.cast(inverse_matrix(matrix), dtype))


@implements(np.linalg.det)
def det(a: Any) -> Any:
    """`numpy.linalg.det`."""
    matrix, dtype = double(_square(a))
    sign, logarithm = sign_and_logarithm(matrix)
    modulus = ops.exp(logarithm)
    if matrix.dtype.kind == "c":
        modulus = ops.to_complex(modulus)
    return array_or_scalar(ops.cast(ops.multiply(sign, modulus), dtype))


@implements(np.linalg.slogdet)
def slogdet(a: Any) -> Any:
    """`numpy.linalg.slogdet`."""
    matrix, dtype = double(_square(a))
    sign, logarithm = sign_and_logarithm(matrix)
    return SlogdetResult(
        array_or_scalar(ops.cast(sign, dtype)),
        array_or_scalar(ops.cast(logarithm, _real(dtype))),
    )


# --- factors --------------------------------------------------------------------------------------


@implements(np.linalg.cholesky)
def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """`numpy.linalg.cholesky`."""
    matrix, dtype = double(_square(a))
    factor = cholesky_factor(adjoint(matrix) if upper else matrix)
    return fresh_array(ops.cast(adjoint(factor) if upper else factor, dtype))


@implements(np.linalg.qr)
def qr(a: Any, mode: str = "reduced") -> Any:
    """`numpy.linalg.qr`.

    Raises:
        UnsupportedError: mode ``raw`` or ``economic``.
    """
    if mode in ("raw", "economic", "e"):
        raise UnsupportedError(
            f"np.linalg.qr with mode={mode!r} gives LAPACK's own form of the factors",
            hint="Use mode='reduced', 'complete' or 'r'.",
        )
    mode = "reduced" if mode in ("full", "f") else mode
    if mode not in ("reduced", "complete", "r"):
        raise ValueError(f"Unrecognized mode '{mode}'")
    matrix, dtype = double(need_matrices(as_array(a).value))
    factors = qr_factors(matrix, mode, smaller_size(matrix))
    results = [fresh_array(ops.cast(factor, dtype)) for factor in factors]
    return results[0] if mode == "r" else QRResult(*results)


# --- eigenvalues ----------------------------------------------------------------------------------


def _is_lower(UPLO: str) -> bool:
    if UPLO.upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    return UPLO.upper() == "L"


@implements(np.linalg.eigh)
def eigh(a: Any, UPLO: str = "L") -> Any:
    """`numpy.linalg.eigh`."""
    lower = _is_lower(UPLO)
    matrix, dtype = double(_square(a))
    values, vectors = hermitian_eigen(matrix, lower=lower)
    return EighResult(
        fresh_array(ops.cast(values, _real(dtype))), fresh_array(ops.cast(vectors, dtype))
    )


@implements(np.linalg.eigvalsh)
def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """`numpy.linalg.eigvalsh`."""
    lower = _is_lower(UPLO)
    matrix, dtype = double(_square(a))
    return fresh_array(ops.cast(hermitian_eigenvalues(matrix, lower=lower), _real(dtype)))


def _complex_matrix(name: str, a: Any) -> tuple[Value, np.dtype]:
    matrix, dtype = double(_square(a))
    if dtype.kind != "c":
        raise UnsupportedError(
            f"np.linalg.{name} of a real matrix is real or complex, which depends on data",
            hint=f"Write np.linalg.{name}(a.astype(complex)), or np.linalg.eigh for a symmetric "
            "matrix.",
        )
    return matrix, dtype


@implements(np.linalg.eig)
def eig(a: Any) -> Any:
    """`numpy.linalg.eig` of complex matrices.

    Raises:
        UnsupportedError: of a real matrix, whose results may be real or complex.
    """
    matrix, dtype = _complex_matrix("eig", a)
    return EigResult(*(fresh_array(ops.cast(found, dtype)) for found in eigen(matrix)))


@implements(np.linalg.eigvals)
def eigvals(a: Any) -> Any:
    """`numpy.linalg.eigvals` of complex matrices.

    Raises:
        UnsupportedError: of a real matrix, whose results may be real or complex.
    """
    matrix, dtype = _complex_matrix("eigvals", a)
    return fresh_array(ops.cast(eigenvalues(matrix), dtype))


# --- singular values ------------------------------------------------------------------------------


def singular_values(x: Value) -> Value:
    """The singular values of matrices, in the dtype that NumPy gives."""
    matrix, dtype = double(need_matrices(x))
    return ops.cast(singular_only(matrix, smaller_size(matrix)), _real(dtype))


def hermitian_values(x: Value) -> Value:
    """The singular values of Hermitian matrices, by their eigenvalues."""
    matrix, dtype = double(need_square(x))
    values = ops.absolute(hermitian_eigenvalues(matrix))
    return ops.cast(_taken(values, _descending(values)), _real(dtype))


def _descending(x: Value) -> Value:
    """The int64 positions along the last axis that put `x` in descending order."""
    shape = (*x.shape, x.shape[-1])
    mine = ops.broadcast_to(ops.reshape(x, (*x.shape, 1)), shape)
    other = ops.broadcast_to(ops.reshape(x, (*x.shape[:-1], 1, x.shape[-1])), shape)
    row = ops.broadcast_to(ops.reshape(ops.iota(shape[-1]), (shape[-1], 1)), shape)
    column = ops.broadcast_to(ops.iota(shape[-1]), shape)
    first = ops.logical_and(ops.equal(other, mine), ops.greater(column, row))
    before = ops.logical_or(ops.greater(other, mine), first)
    place = ops.sum_(ops.cast(before, INT64), (len(shape) - 1,))
    # position[j] = the k whose place is j
    wanted = ops.equal(ops.broadcast_to(ops.reshape(place, (*x.shape, 1)), shape), column)
    source = ops.select(wanted, row, ops.full_like(row, 0))
    return ops.sum_(source, (len(shape) - 2,))


def _taken(x: Value, positions: Value) -> Value:
    """``np.take_along_axis`` over the last axis."""
    index: list[Value] = []
    for axis, size in enumerate(x.shape[:-1]):
        column = (*(1 for _ in range(axis)), size, *(1 for _ in range(x.ndim - axis - 1)))
        index.append(ops.broadcast_to(ops.reshape(ops.iota(size), column), x.shape))
    return ops.gather(x, (*index, positions), tuple(range(x.ndim)))


def _hermitian_svd(a: Any, compute_uv: bool) -> Any:
    """By eigenvalues: the singular values are their moduli, the signs go to the right vectors."""
    if not compute_uv:
        return fresh_array(hermitian_values(as_array(a).value))
    matrix, dtype = double(_square(a))
    values, vectors = hermitian_eigen(matrix)
    order = _descending(ops.absolute(values))
    values = _taken(values, order)
    rows = ops.broadcast_to(
        ops.reshape(order, (*order.shape[:-1], 1, order.shape[-1])), vectors.shape
    )
    vectors = _taken(vectors, rows)
    signs = ops.copysign(ops.full_like(values, 1), values)
    signs = ops.to_complex(signs) if vectors.dtype.kind == "c" else signs
    signs = ops.broadcast_to(
        ops.reshape(signs, (*signs.shape[:-1], 1, signs.shape[-1])), vectors.shape
    )
    right = adjoint(ops.multiply(vectors, signs))
    return SVDResult(
        fresh_array(ops.cast(vectors, dtype)),
        fresh_array(ops.cast(ops.absolute(values), _real(dtype))),
        fresh_array(ops.cast(right, dtype)),
    )


@implements(np.linalg.svd)
def svd(
    a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False
) -> Any:
    """`numpy.linalg.svd`."""
    if hermitian:
        return _hermitian_svd(a, compute_uv)
    x = need_matrices(as_array(a).value)
    if not compute_uv:
        return fresh_array(singular_values(x))
    matrix, dtype = double(x)
    u, s, vh = singular(matrix, full=bool(full_matrices), k=smaller_size(matrix))
    return SVDResult(
        fresh_array(ops.cast(u, dtype)),
        fresh_array(ops.cast(s, _real(dtype))),
        fresh_array(ops.cast(vh, dtype)),
    )


@implements(np.linalg.svdvals)
def svdvals(x: Any, /) -> Any:
    """`numpy.linalg.svdvals`."""
    return fresh_array(singular_values(as_array(x).value))


_NO_VALUE = object()


def _tolerance(rcond: Any, batch: Shape) -> Value:
    """A relative tolerance as a float64 for each matrix."""
    return ops.broadcast_to(ops.cast(value_of(rcond, None), FLOAT64), batch)


@implements(np.linalg.pinv)
def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = _NO_VALUE) -> Any:
    """`numpy.linalg.pinv`: by least squares, of the same rank."""
    given = need_matrices(as_array(a).value)
    matrix, dtype = double(given)
    if rcond is not None and rtol is not _NO_VALUE:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if rcond is None and rtol is None:
        sizes = [active().static(size) for size in matrix.shape[-2:]]
        rcond = max(sizes) * float(np.finfo(given.dtype).eps)
    elif rcond is None:
        rcond = 1e-15 if rtol is _NO_VALUE else rtol
    if not is_inexact(given.dtype) and active().holds("==", product(given.shape[-2:]), 0):
        flipped = (*given.shape[:-2], given.shape[-1], given.shape[-2])
        return fresh_array(ops.zeros(given.tensor.with_shape(flipped)))
    if hermitian:
        strict = strictly_lower(need_square(matrix))
        matrix = ops.add(ops.add(strict, adjoint(strict)), diagonal_only(matrix))
    tolerance = _tolerance(rcond, matrix.shape[:-2])
    return fresh_array(ops.cast(pseudo_inverse(matrix, tolerance, smaller_size(matrix)), dtype))


RANK_DECIDES = (
    "the residuals of np.linalg.lstsq are empty where the rank is less than the number of columns: "
    "their shape depends on data, and this matrix is of less than full rank"
)


@implements(np.linalg.lstsq)
def lstsq(a: Any, b: Any, rcond: Any = None) -> Any:
    """`numpy.linalg.lstsq`.

    The residuals, where they are used, need a matrix of full rank: a DomainError else.
    """
    left, right = as_array(a).value, as_array(b).value
    is_vector = right.ndim == 1
    if is_vector:
        right = ops.reshape(right, (*right.shape, 1))
    for x in (left, right):
        if x.ndim != 2:
            raise LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    if not same_size(left.shape[0], right.shape[0]):
        raise LinAlgError("Incompatible dimensions")
    left, right, dtype = double(left, right)
    m, n = left.shape
    real = _real(dtype)
    if rcond is None:
        sizes = [active().static(size) for size in (m, n)]
        rcond = float(np.finfo(np.float64).eps) * max(sizes)
    k = smaller_size(left)
    x, rank, values = least_squares(left, right, _tolerance(rcond, ()), k)
    if active().holds("<=", m, n):
        residuals = ops.zeros(x.tensor.with_dtype(real).with_shape((0,)))
    else:
        rest = ops.subtract(right, ops.matmul(left, x))
        squares = ops.square(ops.real(rest))
        if rest.dtype.kind == "c":
            squares = ops.add(squares, ops.square(ops.imag(rest)))
        total = ops.cast(ops.sum_(squares, (0,)), real)
        full = ops.equal(rank, ops.cast(ops.size_value(n), INT64))
        full = ops.broadcast_to(full, total.shape)
        residuals = ops.require(total, full, RANK_DECIDES)
    x = ops.cast(x, dtype)
    return (
        fresh_array(ops.reshape(x, x.shape[:-1]) if is_vector else x),
        fresh_array(residuals),
        array_or_scalar(ops.cast(rank, DTYPES["int32"])),
        fresh_array(ops.cast(values, real)),
    )
