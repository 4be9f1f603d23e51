"""Reading and writing at index arrays. ONNX's ops count negative indices from the end, too.

An index that is out of bounds stops ONNX Runtime's ops with an error, as it does here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.tensors import BOOL, INT32, INT64, Tensor, where
from graphc.exporting.onnx.walker import Rule, Walker, refusal
from graphc.ir import Node, Value
from graphc.ops.arrays.index import front_first
from graphc.ops.arrays.shape import inverse
from graphc.types import TensorType, product


def _turned(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    if axes == tuple(range(len(axes))):
        return x
    return x.op("Transpose", perm=list(axes))


def _places(walker: Walker, indices: tuple[Value, ...]) -> Tensor:
    """The index arrays side by side along a new last axis."""
    rank = indices[0].ndim
    columns = [walker.builder.unsqueezed(walker.value(index), [rank]) for index in indices]
    return columns[0].op("Concat", *columns[1:], axis=rank) if len(columns) > 1 else columns[0]


def _gather(walker: Walker, node: Node) -> Tensor:
    base, *indices = node.inputs
    x, axes = walker.value(base), node["axes"]
    if len(axes) > 1:
        front = _turned(x, front_first(axes, base.ndim))
        return front.op("GatherND", _places(walker, tuple(indices)))
    (axis,) = axes
    found = x.op("Gather", walker.value(indices[0]), axis=axis)
    # ONNX puts the axes of the indices in the place of the axis, graphc in front.
    rank = indices[0].ndim
    rest = base.ndim - 1
    return _turned(
        found, (*range(axis, axis + rank), *range(axis), *range(axis + rank, rest + rank))
    )


def _written(walker: Walker, node: Node) -> tuple[Tensor, Tensor, Tensor, tuple[int, ...]]:
    """The base with the indexed axes in front, the values, the places, and the way back."""
    base, values, *indices = node.inputs
    order = front_first(node["axes"], base.ndim)
    front = _turned(walker.value(base), order)
    return front, walker.value(values), _places(walker, tuple(indices)), inverse(order)


def _scatter_add(walker: Walker, node: Node) -> Tensor:
    walker.builder.need(16, "ScatterND that adds")
    front, values, places, back = _written(walker, node)
    if front.dtype == BOOL:
        added = front.cast(INT32).op("ScatterND", places, values.cast(INT32), reduction="add")
        return _turned(added.cast(BOOL), back)
    return _turned(front.op("ScatterND", places, values, reduction="add"), back)


def _scatter(walker: Walker, node: Node) -> Tensor:
    """Of writes to one place ONNX lets any win: the last is found by the largest of numbers."""
    front, values, places, back = _written(walker, node)
    base, value, *indices = node.inputs
    shape = indices[0].shape
    count = product(shape)
    if count == 1:
        return _turned(front.op("ScatterND", places, values), back)
    walker.builder.need(18, "ScatterND with the largest")
    axes = node["axes"]
    space = tuple(base.shape[axis] for axis in axes)
    rest = tuple(base.shape[axis] for axis in range(base.ndim) if axis not in axes)
    numbers = walker.reshaped(walker.numbers(count), shape)
    nobody = walker.filled(-1, TensorType(INT64, space))
    last = nobody.op("ScatterND", places, numbers, reduction="max")
    # One row more, so that there is one to read where nothing is written.
    row = walker.reshaped(values, (count, *rest))
    spare = walker.filled(0, TensorType(value.dtype, (1, *rest)))
    taken = row.op("Concat", spare, axis=0).op("Gather", last, axis=0)
    hit = walker.reshaped(last >= 0, (*space, *(1 for _ in rest)))
    return _turned(where(hit, taken, front), back)


def _scatter_reduce(walker: Walker, node: Node) -> Tensor:
    combine = node["combine"]
    front, values, places, back = _written(walker, node)
    dtype = front.dtype
    if combine in ("and", "or") and dtype != BOOL:
        raise refusal(node, f"its ScatterND does not combine integers by bitwise {combine}")
    kind = {"multiply": "mul", "maximum": "max", "or": "max"}.get(combine, "min")
    walker.builder.need(16 if kind == "mul" else 18, f"ScatterND with {kind}")
    if dtype == BOOL:
        front, values = front.cast(INT32), values.cast(INT32)
    found = front.op("ScatterND", places, values, reduction=kind)
    if dtype.kind == "f" and kind != "mul":
        found = _with_nan(front, values, places, kind)
    return _turned(found.cast(dtype), back)


def _with_nan(front: Tensor, values: Tensor, places: Tensor, kind: str) -> Tensor:
    """The largest or smallest, NaN where there is one: what NaN does in ONNX is not said."""
    worst = -np.inf if kind == "max" else np.inf
    known, clean = (where(x.is_nan(), worst, x) for x in (front, values))
    found = known.op("ScatterND", places, clean, reduction=kind)
    missing = front.is_nan().cast(INT32)
    missing = missing.op("ScatterND", places, values.is_nan().cast(INT32), reduction="max")
    return where(missing.cast(BOOL), np.nan, found)


RULES: Mapping[str, Rule] = {
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "scatter_reduce": _scatter_reduce,
}
