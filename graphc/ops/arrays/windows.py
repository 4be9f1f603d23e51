"""Windows that slide along an axis: unskew, a view, and skew, its transpose.

``unskew`` reads ``x[..., i + j, j]`` for the window i and its element j; of a row that is broadcast
along the last axis, these are all its windows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Const, Element, Expr, Index, IndexMap, Read, Select, compare
from graphc.ops.arrays.shape import Attributes, Types, broadcast_to, only, reshape
from graphc.ops.batching import batch_leading
from graphc.ops.registry import register


def _sizes(types: Types, name: str) -> tuple[Any, Any, Any]:
    operand = only(types)
    if operand.ndim < 2:
        raise ShapeError(f"{name}: {operand} has no two axes")
    return operand, operand.shape[-2], operand.shape[-1]


def _infer_unskew(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, length, width = _sizes(types, "unskew")
    count = length - width + 1
    if isinstance(count, int) and count < 0:
        raise ShapeError(f"unskew: {operand} is narrower than it is long")
    return (operand.with_shape((*operand.shape[:-2], count, width)),)


def _infer_skew(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, count, width = _sizes(types, "skew")
    return (operand.with_shape((*operand.shape[:-2], count + width - 1, width)),)


def _evaluate_unskew(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    (x,) = arrays
    width = x.shape[-1]
    count = x.shape[-2] - width + 1
    place = np.arange(count)[:, None] + np.arange(width)
    return (x[..., place, np.arange(width)],)


def _evaluate_skew(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    (x,) = arrays
    count, width = x.shape[-2:]
    result = np.zeros((*x.shape[:-2], count + width - 1, width), x.dtype)
    place = np.arange(count)[:, None] + np.arange(width)
    result[..., place, np.arange(width)] = x
    return (result,)


def _unskew_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    return (skew(g),)


def _skew_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    return (unskew(g),)


def _skew_element(node: Node, index: Index, read: Read) -> Expr:
    *lead, place, offset = index
    count, dtype = node.inputs[0].shape[-2], node.inputs[0].dtype
    window = place - offset
    value: Expr = read(0, (*lead, window, offset))
    zero = Const(0, dtype)
    value = Select(compare("less", window, count), value, zero, dtype)
    return Select(compare("greater_equal", window, 0), value, zero, dtype)


UNSKEW = register(
    Op(
        "unskew",
        _infer_unskew,
        _evaluate_unskew,
        _unskew_vjp,
        IndexMap(lambda node, index: (*index[:-2], index[-2] + index[-1], index[-1])),
        batch=batch_leading,
    )
)
SKEW = register(
    Op(
        "skew",
        _infer_skew,
        _evaluate_skew,
        _skew_vjp,
        Element(_skew_element),
        batch=batch_leading,
    )
)


def unskew(x: Value) -> Value:
    """``x[..., i + j, j]``: from shape (..., n, w) to (..., n - w + 1, w).

    Raises:
        ShapeError: `x` has fewer than two axes, or w - 1 is more than n.
    """
    return make(UNSKEW, (x,)).out()


def skew(x: Value) -> Value:
    """``x[..., k - j, j]``, 0 outside: from shape (..., m, w) to (..., m + w - 1, w).

    Raises:
        ShapeError: `x` has fewer than two axes.
    """
    return make(SKEW, (x,)).out()


def windows(x: Value, width: Any) -> Value:
    """All windows of `width` elements along the last axis, as a new last axis: a view."""
    wide = (*x.shape, width)
    return unskew(broadcast_to(reshape(x, (*x.shape, 1)), wide))
