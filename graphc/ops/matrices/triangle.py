"""Parts of matrices: the identity, triangles and diagonals, over the last two axes."""

from __future__ import annotations

import numpy as np

from graphc.ir import Value
from graphc.ops.arrays.creation import iota
from graphc.ops.arrays.shape import broadcast_to, full_like, reshape, sum_
from graphc.ops.elementwise.compare import equal, greater
from graphc.ops.elementwise.complex_ import conjugate, real, to_complex
from graphc.ops.elementwise.pointwise import add, cast, select
from graphc.ops.matrices.products import matrix_transpose
from graphc.types import Shape, Size


def _row_and_column(shape: Shape) -> tuple[Value, Value]:
    """The int64 number of each element's row, and of its column."""
    rows, columns = shape[-2:]
    row = broadcast_to(reshape(iota(rows), (rows, 1)), shape)
    return row, broadcast_to(iota(columns), shape)


def on_diagonal(shape: Shape) -> Value:
    """A bool array of `shape`: whether an element is on its matrix's diagonal."""
    row, column = _row_and_column(shape)
    return equal(row, column)


def identity(batch: Shape, size: Size, dtype: np.dtype) -> Value:
    """Identity matrices of shape (*batch, size, size)."""
    return cast(on_diagonal((*batch, size, size)), dtype)


def diagonal_only(x: Value) -> Value:
    """`x` with zeros off the diagonal."""
    return select(on_diagonal(x.shape), x, full_like(x, 0))


def strictly_lower(x: Value) -> Value:
    """`x` with zeros on and above the diagonal."""
    return select(greater(*_row_and_column(x.shape)), x, full_like(x, 0))


def lower(x: Value) -> Value:
    """`x` with zeros above the diagonal."""
    row, column = _row_and_column(x.shape)
    return select(greater(column, row), full_like(x, 0), x)


def upper(x: Value) -> Value:
    """`x` with zeros below the diagonal."""
    return select(greater(*_row_and_column(x.shape)), full_like(x, 0), x)


def diagonal(x: Value) -> Value:
    """The diagonals of square matrices."""
    return sum_(diagonal_only(x), (x.ndim - 1,))


def with_diagonal(x: Value) -> Value:
    """Square matrices with `x` along their diagonals, zeros elsewhere."""
    shape = (*x.shape, x.shape[-1])
    return diagonal_only(broadcast_to(reshape(x, (*x.shape, 1)), shape))


def adjoint(x: Value) -> Value:
    """The conjugate transpose."""
    return conjugate(matrix_transpose(x))


def real_part(x: Value) -> Value:
    """`x` without its imaginary part, in its own dtype."""
    return to_complex(real(x)) if x.dtype.kind == "c" else x


def hermitian_cotangent(x: Value, is_lower: bool) -> Value:
    """The cotangent of a triangle, given that of the Hermitian matrix that is read from it.

    The element below the diagonal stands for itself and, conjugated, for the one above.
    """
    both = add(x, adjoint(x))
    strict = (
        strictly_lower(both)
        if is_lower
        else matrix_transpose(strictly_lower(matrix_transpose(both)))
    )
    return add(strict, diagonal_only(real_part(x)))
