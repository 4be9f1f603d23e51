"""What ops on matrices by LAPACK share: checks, names of routines, columns in scratch.

Operands are (*batch, rows, columns), all of one batch. LAPACK stores matrices by columns: a scratch
buffer of shape (columns, rows) holds one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, LinAlgError, ShapeError
from graphc.ir import Node
from graphc.loops import Buffer, Const, Expr, Index, Select, compare
from graphc.loops_program import ProgramBuilder
from graphc.types import DTYPES, Size, TensorType, Type

LETTERS = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
"""The letter that a routine's name begins with, by dtype."""

BOOL, INT32, INT64 = DTYPES["bool"], DTYPES["int32"], DTYPES["int64"]
BLOCK = 64
"""Columns that LAPACK works on at once, at most: its workspaces are so many vectors."""


def matrices(name: str, *types: Type) -> tuple[TensorType, ...]:
    """`types` as arrays of matrices, of one inexact dtype and one batch.

    Raises:
        ShapeError, DTypeError: they are not.
    """
    found: list[TensorType] = []
    for type_ in types:
        assert isinstance(type_, TensorType)
        if type_.ndim < 2 or (found and type_.shape[:-2] != found[0].shape[:-2]):
            raise ShapeError(f"{name}: {', '.join(map(str, types))} are not matrices of one batch")
        if type_.dtype.name not in LETTERS or (found and type_.dtype != found[0].dtype):
            raise DTypeError(f"{name} does not take {', '.join(map(str, types))}")
        found.append(type_)
    return tuple(found)


def square(name: str, type_: Type) -> TensorType:
    """`type_` as an array of square matrices.

    Raises:
        ShapeError, DTypeError: it is none.
    """
    (matrix,) = matrices(name, type_)
    if matrix.shape[-1] != matrix.shape[-2]:
        raise ShapeError(f"{name}: {matrix} is not an array of square matrices")
    return matrix


def by_numpy(function: Callable[..., Any], *operands: Any, **options: Any) -> tuple[Any, ...]:
    """The results of a function of `numpy.linalg`, as a tuple.

    Raises:
        LinAlgError: as NumPy's function raises it.
    """
    try:
        found = function(*operands, **options)
    except np.linalg.LinAlgError as error:
        raise LinAlgError(str(error)) from None
    return tuple(found) if isinstance(found, tuple) else (found,)


def columns(builder: ProgramBuilder, node: Node, operand: int, name: str) -> Buffer:
    """A copy by columns of the operand's matrix."""
    value = node.inputs[operand]
    rows, count = value.shape[-2:]
    made = builder.scratch(name, value.dtype, (count, rows))
    builder.add(
        *builder.nest(
            (rows, count),
            lambda index: [
                builder.store(made, (index[1], index[0]), builder.element(operand, index))
            ],
        )
    )
    return made


def deliver(
    builder: ProgramBuilder,
    output: int,
    source: Buffer,
    shape: tuple[Size, Size],
    keep: str = "all",
) -> None:
    """Store the matrix in `source`, by columns, as a result: ``all``, its ``lower`` or ``upper``.

    Elements outside of the triangle are 0.
    """

    def value(index: Index) -> Expr:
        row, column = index
        found = builder.load(source, column, row)
        if keep == "all":
            return found
        outside = compare("less", row, column) if keep == "lower" else compare("less", column, row)
        return Select(outside, Const(0, source.dtype), found, source.dtype)

    builder.add(*builder.nest(shape, lambda index: [builder.result(output, index, value(index))]))


def deliver_vector(builder: ProgramBuilder, output: int, source: Buffer, size: Size) -> None:
    """Store a vector as a result."""
    builder.add(
        *builder.nest(
            (size,),
            lambda index: [builder.result(output, index, builder.load(source, *index))],
        )
    )


def number(builder: ProgramBuilder, name: str, value: complex, dtype: np.dtype) -> Buffer:
    """A scratch buffer with one number, to pass by reference."""
    made = builder.scratch(name, dtype, (1,))
    builder.add(builder.store(made, (0,), Const(value, dtype)))
    return made
