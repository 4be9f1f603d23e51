"""Running results along one axis: cumulate, and the linear recurrence that its derivative needs.

Both take the attributes ``axis`` and ``reverse``: from the last element back to the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Value, make
from graphc.loops import Template
from graphc.ops.arrays.creation import iota, size_value
from graphc.ops.arrays.index import scatter_add
from graphc.ops.arrays.shape import (
    Attributes,
    Types,
    broadcast_to,
    full_like,
    only,
    reshape,
    zeros,
)
from graphc.ops.arrays.slicing import embed, slice_
from graphc.ops.batching import spread_all
from graphc.ops.elementwise.compare import equal, isnan, logical_and, logical_not, logical_or
from graphc.ops.elementwise.pointwise import masked_multiply, select
from graphc.ops.registry import register
from graphc.types import Shape, Size, TensorType

COMBINES = {
    "add": (np.add, "iufc"),
    "multiply": (np.multiply, "iufc"),
    "maximum": (np.maximum, "biufc"),
    "minimum": (np.minimum, "biufc"),
    "and": (np.bitwise_and, "biu"),
    "or": (np.bitwise_or, "biu"),
}
"""How an element joins what came before it: the ufunc of that meaning, the kinds that it takes."""


def _check_axis(name: str, operand: TensorType, attrs: Attributes) -> None:
    if not 0 <= attrs["axis"] < operand.ndim:
        raise ShapeError(f"{name}: {operand} has no axis {attrs['axis']}")


def _turned(x: Any, node: Node) -> Any:
    return np.flip(x, node["axis"]) if node["reverse"] else x


# --- cumulate: attrs combine, axis, reverse -------------------------------------------------------


def _infer_cumulate(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand = only(types)
    _check_axis("cumulate", operand, attrs)
    combine = attrs["combine"]
    if combine not in COMBINES or operand.dtype.kind not in COMBINES[combine][1]:
        raise DTypeError(f"cumulate with {combine} does not take {operand}")
    return (operand,)


def _evaluate_cumulate(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    ufunc, _ = COMBINES[node["combine"]]
    x = _turned(arrays[0], node)
    found = ufunc.accumulate(x, axis=node["axis"], dtype=x.dtype)
    return (_turned(found, node),)


def _cumulate_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    rules = {"add": _sum_vjp, "multiply": _product_vjp}
    return (rules.get(node["combine"], _extreme_vjp)(node, g),)


def _sum_vjp(node: Node, g: Value) -> Value:
    return cumulate(g, "add", node["axis"], not node["reverse"])


def _product_vjp(node: Node, g: Value) -> Value:
    """Each element has the product before it, times what its successors make of it.

    That is ``s[k] = g[k] + x[k + 1] * s[k + 1]``: nothing is divided by, so zeros are exact.
    """
    (x,), axis, reverse = node.inputs, node["axis"], node["reverse"]
    ones = full_like(x, 1)
    before = select(_is_first(node), ones, shifted(node.out(), axis, reverse))
    after = shifted(x, axis, not reverse)
    return masked_multiply(recurrence(after, g, axis, not reverse), before)


def _extreme_vjp(node: Node, g: Value) -> Value:
    """To the element that was the largest, or smallest, so far: of equal ones the first."""
    (x,), axis, reverse = node.inputs, node["axis"], node["reverse"]
    result = node.out()
    before = shifted(result, axis, reverse)
    kept = equal(result, before)
    if x.dtype.kind in "fc":
        kept = logical_or(kept, logical_and(isnan(result), isnan(before)))
    place, first = _positions(axis, x.shape), _first(node)
    new = logical_or(logical_not(kept), _is_first(node))
    started = select(new, place, first)
    held = cumulate(started, "minimum" if reverse else "maximum", axis, reverse)
    indices = [held if k == axis else _positions(k, x.shape) for k in range(x.ndim)]
    return scatter_add(zeros(g.tensor), g, indices, tuple(range(x.ndim)))


def _first(node: Node) -> Value:
    """The position along the axis at which the running result starts, for every element."""
    shape = node.inputs[0].shape
    place = shape[node["axis"]] - 1 if node["reverse"] else 0
    return broadcast_to(size_value(place), shape)


def _is_first(node: Node) -> Value:
    return equal(_positions(node["axis"], node.inputs[0].shape), _first(node))


def _positions(axis: int, shape: Shape) -> Value:
    column = (shape[axis], *(1 for _ in shape[axis + 1 :]))
    return broadcast_to(reshape(iota(shape[axis]), column), shape)


def shifted(x: Value, axis: int, reverse: bool) -> Value:
    """`x` one place on along `axis` (back, if `reverse`), with 0 in the place left."""
    longer = tuple(size + 1 if k == axis else size for k, size in enumerate(x.shape))
    later = tuple(int(k == axis) for k in range(x.ndim))
    steps, start = (1,) * x.ndim, (0,) * x.ndim
    moved = embed(x, longer, start if reverse else later, steps)
    return slice_(moved, later if reverse else start, x.shape, steps)


def _batch_along_axis(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    attrs = {**dict(node.attrs), "axis": node["axis"] + 1}
    return ((make(node.op, spread_all(operands, size), attrs).out(), True),)


CUMULATE = register(
    Op(
        "cumulate",
        _infer_cumulate,
        _evaluate_cumulate,
        _cumulate_vjp,
        Template("cumulate"),
        batch=_batch_along_axis,
        attributes={"combine": "str", "axis": "int", "reverse": "bool"},
    )
)


def cumulate(x: Value, combine: str, axis: int, reverse: bool = False) -> Value:
    """Along `axis`, each element combined with all before it (after it, if `reverse`).

    Raises:
        ShapeError: `x` has no such axis.
        DTypeError: `combine` is none of `COMBINES` or does not take the dtype.
    """
    attrs = {"combine": combine, "axis": axis, "reverse": reverse}
    return make(CUMULATE, (x,), attrs).out()


# --- recurrence: operands factors, terms; attrs axis, reverse -------------------------------------


def _infer_recurrence(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    factors, terms = types
    assert isinstance(terms, TensorType)
    _check_axis("recurrence", terms, attrs)
    if factors != terms or terms.dtype.kind not in "fc":
        raise DTypeError(f"recurrence does not take {factors} and {terms}")
    return (terms,)


def _evaluate_recurrence(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    factors, terms = (np.moveaxis(_turned(x, node), node["axis"], 0) for x in arrays)
    result = np.array(terms)
    for k in range(1, len(result)):
        held = result[k - 1]
        result[k] += np.where(held == 0, np.zeros_like(held), factors[k] * held)
    return (_turned(np.moveaxis(result, 0, node["axis"]), node),)


def _recurrence_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """Of the terms ``s[k] = g[k] + factors[k + 1] * s[k + 1]``; of a factor s times what it met."""
    (g,) = cotangents
    assert g is not None
    factors, axis, reverse = node.inputs[0], node["axis"], node["reverse"]
    by_terms = recurrence(shifted(factors, axis, not reverse), g, axis, not reverse)
    before = shifted(node.out(), axis, reverse)
    return masked_multiply(by_terms, before), by_terms


RECURRENCE = register(
    Op(
        "recurrence",
        _infer_recurrence,
        _evaluate_recurrence,
        _recurrence_vjp,
        Template("recurrence"),
        batch=_batch_along_axis,
        attributes={"axis": "int", "reverse": "bool"},
    )
)


def recurrence(factors: Value, terms: Value, axis: int, reverse: bool = False) -> Value:
    """``y[k] = terms[k] + factors[k] * y[k - 1]`` along `axis`; the first is ``terms[0]``.

    The product is 0 where ``y[k - 1]`` is, whatever the factor: a zero cotangent wins. The first
    factor (the last, if `reverse`) is not read.

    Raises:
        ShapeError, DTypeError: the operands are not floating and of one type, with such an axis.
    """
    return make(RECURRENCE, (factors, terms), {"axis": axis, "reverse": reverse}).out()
