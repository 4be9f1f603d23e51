"""Matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Template
from graphc.ops.registry import register
from graphc.ops.shape import transpose
from graphc.types import TensorType, Type


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


MATMUL = register(
    Op(
        "matmul",
        _infer_matmul,
        lambda driver, node, arrays: (np.matmul(*arrays),),
        _matmul_vjp,
        Template("matmul"),
    )
)


def matmul(a: Value, b: Value) -> Value:
    """``a @ b`` of (*batch, m, k) and (*batch, k, n), one dtype; of bool, any of both.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: the dtypes differ.
    """
    return make(MATMUL, (a, b)).out()
