"""Reductions over the axes in the attribute ``axes`` (sorted, not kept); of no axes: the operand.

``sum`` is in `graphc.ops.arrays.shape`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Reduction
from graphc.ops.arrays.creation import INT64, iota
from graphc.ops.arrays.shape import (
    broadcast_to,
    full,
    infer_reduction,
    inverse,
    keep_axes,
    reshape,
    sum_,
    transpose,
)
from graphc.ops.arrays.slicing import concatenate, slice_
from graphc.ops.batching import batch_reduction
from graphc.ops.elementwise.compare import equal
from graphc.ops.elementwise.pointwise import cast, divide, masked_multiply, multiply, select
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type, product

Types = tuple[Type, ...]
Attributes = dict[str, Any]
ReductionVjp = Callable[[Node, Value], Value]


def _reduction(
    name: str,
    evaluate: Callable[[np.ndarray, tuple[int, ...]], Any],
    combine: str,
    *,
    kinds: str,
    has_identity: bool = True,
    result: np.dtype | None = None,
    vjp: ReductionVjp | None = None,
) -> Op:
    """Register a reduction; ``vjp(node, cotangent)`` gives the operand's cotangent."""

    def infer(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
        (reduced,) = infer_reduction(types, attrs, regions)
        operand = types[0]
        assert isinstance(reduced, TensorType)
        assert isinstance(operand, TensorType)
        if operand.dtype.kind not in kinds:
            raise DTypeError(f"{name} does not take {operand}")
        if not has_identity and product(tuple(operand.shape[axis] for axis in attrs["axes"])) == 0:
            raise ShapeError(f"{name} of {operand} over axes {attrs['axes']}: there is no element")
        return (reduced if result is None else reduced.with_dtype(result),)

    def rule(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
        (g,) = cotangents
        assert g is not None
        assert vjp is not None
        return (vjp(node, g),)

    return register(
        Op(
            name,
            infer,
            lambda driver, node, arrays: (np.asarray(evaluate(arrays[0], node["axes"])),),
            rule if vjp is not None else None,
            Reduction(combine),
            attributes={"axes": "ints"},
            batch=batch_reduction,
        )
    )


# --- product --------------------------------------------------------------------------------------


def _product_vjp(node: Node, cotangent: Value) -> Value:
    """Each element gets the product of the others, so zeros are exact, to any order."""
    (x,), axes = node.inputs, node["axes"]
    kept = tuple(axis for axis in range(x.ndim) if axis not in axes)
    order = (*kept, *axes)
    rest = tuple(x.shape[axis] for axis in kept)
    length = product(tuple(x.shape[axis] for axis in axes))
    rows = reshape(transpose(x, order), (*rest, length))
    if isinstance(length, int):
        forward = _products_before(rows, length)
        backward = _flip_last(_products_before(_flip_last(rows), length))
        others = multiply(forward, backward)
    else:
        others = _products_without(rows, length)
    moved = tuple(x.shape[axis] for axis in order)
    others = transpose(reshape(others, moved), inverse(order))
    return masked_multiply(keep_axes(cotangent, axes, x.shape), others)


def _flip_last(x: Value) -> Value:
    last = x.ndim - 1
    start = (*(0,) * last, x.shape[last] - 1 if x.shape[last] != 0 else 0)
    return slice_(x, start, x.shape, (*(1,) * last, -1))


def _shifted(x: Value, length: int, distance: int) -> Value:
    """`x` moved by `distance` along its last axis, ones in front."""
    ones = full(x.tensor.with_shape((*x.shape[:-1], distance)), 1)
    kept = slice_(x, (0,) * x.ndim, (*x.shape[:-1], length - distance), (1,) * x.ndim)
    return concatenate((ones, kept), x.ndim - 1)


def _products_before(x: Value, length: int) -> Value:
    """The product of the elements before each, along the last axis, in log2(length) steps."""
    if length < 2:
        return full(x.tensor, 1)
    products, distance = _shifted(x, length, 1), 1
    while distance < length:
        products = multiply(products, _shifted(products, length, distance))
        distance *= 2
    return products


def _products_without(x: Value, length: Size) -> Value:
    """The product of the others of each along the last axis, when its length is symbolic."""
    square = (*x.shape, length)
    row = broadcast_to(reshape(iota(length), (length, 1)), square)
    column = broadcast_to(iota(length), square)
    repeated = broadcast_to(reshape(x, (*x.shape[:-1], 1, length)), square)
    others = select(equal(row, column), full(repeated.tensor, 1), repeated)
    return prod(others, (len(square) - 1,))


PROD = _reduction(
    "prod",
    lambda x, axes: np.prod(x, axis=axes, dtype=x.dtype),
    "multiply",
    kinds="biufc",
    vjp=_product_vjp,
)


def prod(x: Value, axes: Sequence[int]) -> Value:
    """The product over `axes`, in the operand's dtype; of no axes, `x` itself."""
    return make(PROD, (x,), {"axes": tuple(axes)}).out() if axes else x


# --- largest and smallest -------------------------------------------------------------------------


def _extreme_vjp(node: Node, cotangent: Value) -> Value:
    """The cotangent in even shares to the elements tied; NaN to all where the result is NaN."""
    (x,), axes = node.inputs, node["axes"]
    tied = cast(equal(x, keep_axes(node.out(), axes, x.shape)), x.dtype)
    count = keep_axes(sum_(tied, axes), axes, x.shape)
    return masked_multiply(keep_axes(cotangent, axes, x.shape), divide(tied, count))


MAX = _reduction(
    "max",
    lambda x, axes: np.max(x, axis=axes),
    "maximum",
    kinds="biufc",
    has_identity=False,
    vjp=_extreme_vjp,
)
MIN = _reduction(
    "min",
    lambda x, axes: np.min(x, axis=axes),
    "minimum",
    kinds="biufc",
    has_identity=False,
    vjp=_extreme_vjp,
)


def max_(x: Value, axes: Sequence[int]) -> Value:
    """The largest over `axes`; NaN where there is one.

    Raises:
        ShapeError: there is no element to reduce.
    """
    return make(MAX, (x,), {"axes": tuple(axes)}).out() if axes else x


def min_(x: Value, axes: Sequence[int]) -> Value:
    """The smallest over `axes`; NaN where there is one.

    Raises:
        ShapeError: there is no element to reduce.
    """
    return make(MIN, (x,), {"axes": tuple(axes)}).out() if axes else x


# --- positions of the largest and smallest --------------------------------------------------------


def _position(function: Callable[..., Any]) -> Callable[[np.ndarray, tuple[int, ...]], Any]:
    """``argmax`` or ``argmin`` in the flattened reduced axes."""

    def evaluate(x: np.ndarray, axes: tuple[int, ...]) -> Any:
        kept = [axis for axis in range(x.ndim) if axis not in axes]
        moved = np.transpose(x, [*kept, *axes])
        rest = moved.shape[: len(kept)]
        count = int(np.prod(moved.shape[len(kept) :], dtype=np.int64))
        return function(moved.reshape((*rest, count)), axis=-1).astype(INT64)

    return evaluate


ARGMAX = _reduction(
    "argmax", _position(np.argmax), "argmax", kinds="biufc", has_identity=False, result=INT64
)
ARGMIN = _reduction(
    "argmin", _position(np.argmin), "argmin", kinds="biufc", has_identity=False, result=INT64
)


def argmax(x: Value, axes: Sequence[int]) -> Value:
    """The int64 position of the largest in the flattened `axes`: the first, or the first NaN.

    Raises:
        ShapeError: there is no element to reduce.
    """
    return make(ARGMAX, (x,), {"axes": tuple(axes)}).out()


def argmin(x: Value, axes: Sequence[int]) -> Value:
    """The int64 position of the smallest in the flattened `axes`: the first, or the first NaN.

    Raises:
        ShapeError: there is no element to reduce.
    """
    return make(ARGMIN, (x,), {"axes": tuple(axes)}).out()


# --- any and all, of bool -------------------------------------------------------------------------

ANY = _reduction("any", lambda x, axes: np.any(x, axis=axes), "or", kinds="b")
ALL = _reduction("all", lambda x, axes: np.all(x, axis=axes), "and", kinds="b")


def any_(x: Value, axes: Sequence[int]) -> Value:
    """Whether any element of a bool `x` over `axes` is True; of no axes, `x` itself."""
    return make(ANY, (x,), {"axes": tuple(axes)}).out() if axes else x


def all_(x: Value, axes: Sequence[int]) -> Value:
    """Whether all elements of a bool `x` over `axes` are True; of no axes, `x` itself."""
    return make(ALL, (x,), {"axes": tuple(axes)}).out() if axes else x
