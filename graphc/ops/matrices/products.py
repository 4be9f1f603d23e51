"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Value, make
from graphc.loops import Template
from graphc.ops.arrays.shape import reshape, transpose
from graphc.ops.batching import spread_all
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type


def _infer_matmul(
    types: tuple[Type, ...], attrs: dict[str, Any], regions: tuple[Graph, ...]
) -> tuple[Type, ...]:
    a, b = types
    assert isinstance(a, TensorType)
    assert isinstance(b, TensorType)
    fits = a.ndim == b.ndim >= 2 and a.shape[:-2] == b.shape[:-2] and a.shape[-1] == b.shape[-2]
    if not fits:
        raise ShapeError(f"matmul: {a} and {b} do not fit: wanted (..., m, k) and (..., k, n)")
    if a.dtype != b.dtype:
        raise DTypeError(f"matmul does not take dtypes ({a.dtype.name}, {b.dtype.name})")
    return (a.with_shape((*a.shape[:-1], b.shape[-1])),)


def matrix_transpose(x: Value) -> Value:
    """`x` with its last two axes exchanged."""
    batch: Sequence[int] = range(x.ndim - 2)
    return transpose(x, (*batch, x.ndim - 1, x.ndim - 2))


def _matmul_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    a, b = node.inputs
    return matmul(g, matrix_transpose(b)), matmul(matrix_transpose(a), g)


def _matmul_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One product of all rows where one operand is a matrix for all examples, else a batch."""
    (a, a_mapped), (b, b_mapped) = operands
    if a_mapped and not b_mapped and b.ndim == 2:
        rows = reshape(a, (size * a.shape[1], a.shape[2]))
        found = matmul(rows, b)
        return ((reshape(found, (size, a.shape[1], b.shape[1])), True),)
    if b_mapped and not a_mapped and a.ndim == 2:
        columns = transpose(b, (0, 2, 1))
        rows = reshape(columns, (size * b.shape[2], b.shape[1]))
        found = reshape(matmul(rows, matrix_transpose(a)), (size, b.shape[2], a.shape[0]))
        return ((transpose(found, (0, 2, 1)), True),)
    return ((matmul(*spread_all(operands, size)), True),)


MATMUL = register(
    Op(
        "matmul",
        _infer_matmul,
        lambda driver, node, arrays: (np.matmul(*arrays),),
        _matmul_vjp,
        Template("matmul"),
        batch=_matmul_batch,
    )
)


def matmul(a: Value, b: Value) -> Value:
    """``a @ b`` of (*batch, m, k) and (*batch, k, n), one dtype; of bool, any of both.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.
    """
    return make(MATMUL, (a, b)).out()
