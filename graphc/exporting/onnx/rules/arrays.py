"""Constants, shapes, slices and windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from graphc.exporting.onnx.rules.forms import first_type, passed
from graphc.exporting.onnx.tensors import INT64, PADDED, Tensor, where, wider
from graphc.exporting.onnx.walker import Rule, Walker
from graphc.ir import Node
from graphc.ops.arrays.creation import constant_array
from graphc.types import Shape, Size

FIRST = int(np.iinfo(np.int64).min)
"""Where a slice ends that goes back to the first element: before it, however long the axis."""


# --- places: start, size and step of each axis ----------------------------------------------------


def sliced(
    walker: Walker, x: Tensor, start: Shape, size: Shape, step: Sequence[int], shape: Shape
) -> Tensor:
    """Elements ``start + step * i`` for i below `size` of each axis of `x`, which has `shape`."""
    axes = [
        axis
        for axis, extent in enumerate(shape)
        if (start[axis], size[axis], step[axis]) != (0, extent, 1)
    ]
    if not axes:
        return x
    ends = [_end(walker, start[axis], size[axis], step[axis]) for axis in axes]
    numbers = [end for end in ends if isinstance(end, int)]
    if len(numbers) == len(ends):
        end = walker.builder.integers(numbers)
    else:
        rows = [walker.builder.integers([e]) if isinstance(e, int) else e for e in ends]
        end = rows[0].op("Concat", *rows[1:], axis=0)
    return x.op(
        "Slice",
        walker.sizes.row([start[axis] for axis in axes]),
        end,
        walker.builder.integers(axes),
        walker.builder.integers([step[axis] for axis in axes]),
    )


def _end(walker: Walker, start: Size, size: Size, step: int) -> int | Tensor:
    """The place behind the last element; of a slice backwards, one before the first is `FIRST`."""
    if size == 0:
        return start if isinstance(start, int) else walker.sizes.of(start)
    end = start + size * step
    if isinstance(end, int):
        return end if end >= 0 else FIRST
    found = walker.sizes.of(end)
    return found if step > 0 else where(found < 0, walker.builder.integers([FIRST]), found)


def placed(
    walker: Walker,
    base: Tensor,
    value: Tensor,
    start: Shape,
    size: Shape,
    step: Sequence[int],
    shape: Shape,
    axis: int = 0,
) -> Tensor:
    """`base` of `shape` with `value` of shape `size` at a place: axis by axis from `axis` on."""
    while axis < len(shape) and (start[axis], size[axis], step[axis]) == (0, shape[axis], 1):
        axis += 1
    if axis == len(shape):
        return value
    ones = (1,) * len(shape)
    alone = tuple(start[k] if k == axis else 0 for k in range(len(shape)))
    steps = tuple(step[k] if k == axis else 1 for k in range(len(shape)))
    rows = tuple(size[k] if k == axis else n for k, n in enumerate(shape))
    inner = sliced(walker, base, alone, rows, steps, shape)
    value = placed(walker, inner, value, start, size, step, rows, axis + 1)
    if abs(step[axis]) != 1:
        return _spread(walker, base, value, rows, axis, start[axis], step[axis])
    first = start[axis]
    if step[axis] < 0:
        value = sliced(walker, value, _at(axis, rows, rows[axis] - 1), rows, steps, rows)
        first = start[axis] - rows[axis] + 1
    behind = first + rows[axis]
    before = sliced(walker, base, (0,) * len(shape), _with(shape, axis, first), ones, shape)
    rest = _with(shape, axis, shape[axis] - behind)
    after = sliced(walker, base, _at(axis, shape, behind), rest, ones, shape)
    parts = [
        part
        for part, length in ((before, first), (value, rows[axis]), (after, rest[axis]))
        if length != 0
    ]
    return parts[0].op("Concat", *parts[1:], axis=axis) if len(parts) > 1 else parts[0]


def _spread(
    walker: Walker, base: Tensor, value: Tensor, rows: Shape, axis: int, start: Size, step: int
) -> Tensor:
    """`value` written at every `step`-th place of one axis: no place twice."""
    column = tuple(rows[axis] if k == axis else 1 for k in range(len(rows)))
    place = walker.numbers(rows[axis]) * walker.builder.number(step, INT64)
    place = walker.reshaped(place + walker.sizes.scalar(start), column)
    return base.op("ScatterElements", walker.expanded(place, rows), value, axis=axis)


def _at(axis: int, shape: Shape, place: Size) -> Shape:
    return tuple(place if k == axis else 0 for k in range(len(shape)))


def _with(shape: Shape, axis: int, size: Size) -> Shape:
    return tuple(size if k == axis else n for k, n in enumerate(shape))


def padded(walker: Walker, x: Tensor, low: Shape, high: Shape) -> Tensor:
    """Zeros around `x`; negative sizes leave elements out."""
    wide = wider(x.dtype, PADDED)
    return x.cast(wide).op("Pad", walker.sizes.row((*low, *high))).cast(x.dtype)


def _slice(walker: Walker, node: Node) -> Tensor:
    x = node.inputs[0]
    place = (node["start"], node["size"], node["step"])
    return sliced(walker, walker.value(x), *place, x.shape)


def _update(walker: Walker, node: Node) -> Tensor:
    base, value = walker.values(node)
    place = (node["start"], node["size"], node["step"])
    return placed(walker, base, value, *place, node.inputs[0].shape)


def _embed(walker: Walker, node: Node) -> Tensor:
    x, type_ = walker.value(node.inputs[0]), first_type(node)
    start, size, step = node["start"], node["size"], node["step"]
    if all(s == 1 for s in step):
        high = tuple(n - a - k for n, a, k in zip(type_.shape, start, size, strict=True))
        return padded(walker, x, start, high)
    return placed(walker, walker.filled(0, type_), x, start, size, step, type_.shape)


# --- windows: rows of the wanted length in a flat array that is a little longer or shorter -------


def _skew(walker: Walker, node: Node) -> Tensor:
    """Columns of c + w elements, read c + w - 1 at a time: each begins one place further back."""
    x = node.inputs[0]
    *lead, count, width = x.shape
    turned = _columns(walker, walker.value(x), x.ndim)
    none = (0,) * x.ndim
    longer = padded(walker, turned, none, (*none[:-1], width))
    flat = walker.reshaped(longer, (*lead, width * (count + width)))
    kept = sliced(
        walker,
        flat,
        (0,) * (len(lead) + 1),
        (*lead, width * (count + width - 1)),
        (1,) * (len(lead) + 1),
        (*lead, width * (count + width)),
    )
    return _columns(walker, walker.reshaped(kept, (*lead, width, count + width - 1)), x.ndim)


def _unskew(walker: Walker, node: Node) -> Tensor:
    """Columns of n elements, read n + 1 at a time: each begins one place further on."""
    x = node.inputs[0]
    *lead, length, width = x.shape
    turned = _columns(walker, walker.value(x), x.ndim)
    flat = walker.reshaped(turned, (*lead, width * length))
    none = (0,) * (len(lead) + 1)
    longer = padded(walker, flat, none, (*none[:-1], width))
    rows = walker.reshaped(longer, (*lead, width, length + 1))
    shape = (*lead, width, length + 1)
    size = (*lead, width, length - width + 1)
    return _columns(walker, sliced(walker, rows, (0,) * x.ndim, size, (1,) * x.ndim, shape), x.ndim)


def _columns(walker: Walker, x: Tensor, rank: int) -> Tensor:
    return x.op("Transpose", perm=[*range(rank - 2), rank - 1, rank - 2])


def _concatenate(walker: Walker, node: Node) -> Tensor:
    first, *others = walker.values(node)
    return first.op("Concat", *others, axis=node["axis"])


def _constant(walker: Walker, node: Node) -> Tensor:
    return walker.builder.constant(constant_array(node))


def _layout(walker: Walker, node: Node) -> Tensor:
    return walker.arranged(*walker.view(node.out()))


def _broadcast(walker: Walker, node: Node) -> Tensor:
    return walker.expanded(walker.value(node.inputs[0]), node["shape"])


RULES: Mapping[str, Rule] = {
    "constant": _constant,
    "iota": lambda walker, node: walker.numbers(node["size"]),
    "size": lambda walker, node: walker.sizes.scalar(node["size"]),
    "broadcast_to": _broadcast,
    "reshape": _layout,
    "transpose": _layout,
    "slice": _slice,
    "embed": _embed,
    "update": _update,
    "concatenate": _concatenate,
    "skew": _skew,
    "unskew": _unskew,
    **dict.fromkeys(("mark", "stop_gradient", "closed_over", "barrier"), passed),
}
