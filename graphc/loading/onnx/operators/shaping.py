"""Shapes: asked for, changed, joined, cut; arrays made of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.dtypes import numpy_dtype
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import (
    LARGE,
    counted,
    full,
    integer,
    lift,
    product,
    sizes,
    sizes_array,
    static,
)

Shape = tuple[Any, ...]


@operator("Constant")
def constant(node: Node) -> Any:
    """What the node's attribute says; weights among constants stay arrays of their own."""
    attributes = node.attributes
    if "value" in attributes:
        return attributes["value"]
    for name, dtype in (("float", np.float32), ("int", np.int64)):
        if f"value_{name}" in attributes:
            return np.asarray(attributes[f"value_{name}"], dtype)
        if f"value_{name}s" in attributes:
            return np.asarray(attributes[f"value_{name}s"], dtype)
    raise node.refusal("a constant without a value that is a tensor or numbers")


@operator("Shape", shapes=True)
def shape_of(node: Node, x: Any) -> Any:
    """The sizes of an array from one axis up to another."""
    start, end = node.get("start", 0), node.get("end")
    return sizes_array(tuple(x.shape)[slice(start, end)])


@operator("Size", shapes=True)
def size_of(node: Node, x: Any) -> Any:
    """How many elements an array has."""
    return sizes_array((product(x.shape),)).reshape(())


@operator("Reshape", static=(1,), shapes=True)
def reshape(node: Node, x: Any, shape: Any) -> Any:
    """Other sizes: 0 for what it was, -1 for what is left."""
    wanted = sizes(shape, "the shape")
    if not node.get("allowzero", 0):
        wanted = tuple(
            x.shape[axis] if type(size) is int and size == 0 else size
            for axis, size in enumerate(wanted)
        )
    return x.reshape(wanted)


@operator("Flatten")
def flatten(node: Node, x: Any) -> Any:
    """Two axes: those before `axis` joined, and the others."""
    axis = int(node.number("axis", 1))
    if not -x.ndim <= axis <= x.ndim:
        raise node.refusal(f"axis {axis} of an array of {x.ndim} axes")
    axis = axis + x.ndim if axis < 0 else axis
    return x.reshape((product(x.shape[:axis]), product(x.shape[axis:])))


@operator("Squeeze", static=(1,), shapes=True)
def squeeze(node: Node, x: Any, axes: Any = None) -> Any:
    """Without axes of size 1."""
    found = node.get("axes") if axes is None else sizes(axes, "axes")
    if found is None:
        found = tuple(axis for axis, size in enumerate(x.shape) if size == 1)
    return np.squeeze(x, axis=tuple(int(axis) for axis in found))


@operator("Unsqueeze", static=(1,), shapes=True)
def unsqueeze(node: Node, x: Any, axes: Any = None) -> Any:
    """With more axes, of size 1."""
    found = node.get("axes") if axes is None else sizes(axes, "axes")
    return np.expand_dims(x, tuple(int(axis) for axis in found))


@operator("Transpose")
def transpose(node: Node, x: Any) -> Any:
    """Axes in another order, reversed by default."""
    return np.transpose(x, node.get("perm"))


@operator("Concat", shapes=True)
def concat(node: Node, *operands: Any) -> Any:
    """Arrays one after another."""
    return np.concatenate(operands, axis=int(node.number("axis", 1)))


@operator("Split", static=(1,), shapes=True)
def split(node: Node, x: Any, lengths: Any = None) -> Any:
    """Parts of given sizes, or equal ones."""
    axis = int(node.number("axis", 0)) % x.ndim
    parts: Shape
    if lengths is not None or node.get("split") is not None:
        parts = node.get("split") if lengths is None else sizes(lengths, "split")
    else:
        count = int(node.number("num_outputs", len(node.outputs)))
        length = -(-x.shape[axis] // count)
        parts = (length,) * (count - 1) + (x.shape[axis] - length * (count - 1),)
    found, start = [], 0
    for length in parts:
        part = [slice(None)] * x.ndim
        part[axis] = slice(start, start + length)
        found.append(x[tuple(part)])
        start = start + length
    return tuple(found)


@operator("Slice", static=(1, 2, 3, 4), shapes=True)
def slice_(
    node: Node, x: Any, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Any:
    """From starts to ends by steps; beyond an end as much as there is."""
    first = node.get("starts") if starts is None else sizes(starts, "starts")
    last = node.get("ends") if ends is None else sizes(ends, "ends")
    places = node.get("axes") if axes is None else sizes(axes, "axes")
    places = range(len(first)) if places is None else places
    strides = (1,) * len(first) if steps is None else sizes(steps, "steps")
    part = [slice(None)] * x.ndim
    for axis, start, stop, step in zip(places, first, last, strides, strict=True):
        size, step = x.shape[int(axis)], int(step)
        if step == 0:
            raise node.refusal("a step of 0")
        if step < 0 and type(stop) is int and stop < 0 and stop < -size:
            stop = None
        part[int(axis)] = slice(_bounded(start), None if stop is None else _bounded(stop), step)
    return x[tuple(part)]


def _bounded(place: Any) -> Any:
    """INT_MAX for the end, in either width, is beyond every array; so is half of it."""
    return max(-(2**62), min(2**62, place)) if type(place) is int else place


@operator("Pad", static=(1, 3))
def pad(node: Node, x: Any, pads: Any = None, value: Any = None, axes: Any = None) -> Any:
    """Elements before and after each axis, or taken away where the number is negative."""
    around = node.get("pads") if pads is None else sizes(pads, "pads")
    fill = node.get("value", 0.0) if value is None else value
    places = range(x.ndim) if axes is None else [int(a) % x.ndim for a in sizes(axes, "axes")]
    before, after = [0] * x.ndim, [0] * x.ndim
    for k, axis in enumerate(places):
        before[axis], after[axis] = around[k], around[len(around) // 2 + k]
    cut = tuple(
        slice(max(0, -low), size - max(0, -high))
        for low, high, size in zip(before, after, x.shape, strict=True)
    )
    if any(low < 0 or high < 0 for low, high in zip(before, after, strict=True)):
        x = x[cut]
    widths = [(max(0, low), max(0, high)) for low, high in zip(before, after, strict=True)]
    mode = node.get("mode", "constant")
    x = lift(x)
    if mode == "constant":
        return np.pad(x, widths, constant_values=fill if value is None else fill.reshape(()))
    if mode not in ("edge", "reflect", "wrap"):
        raise node.refusal(f"mode {mode!r} is not supported")
    return np.pad(x, widths, mode=mode)


@operator("Expand", static=(1,), shapes=True)
def expand(node: Node, x: Any, shape: Any) -> Any:
    """Broadcast to a shape, and by it."""
    wanted = sizes(shape, "the shape")
    rank = max(x.ndim, len(wanted))
    own, other = (1,) * (rank - x.ndim) + tuple(x.shape), (1,) * (rank - len(wanted)) + wanted
    joined = tuple(b if type(a) is int and a == 1 else a for a, b in zip(own, other, strict=True))
    if not any(size == 0 for size in joined) and _is_large(joined):
        x = lift(x)
    return np.broadcast_to(x, joined)


def _is_large(shape: Shape) -> bool:
    return any(type(size) is not int for size in shape) or product(shape) > LARGE


@operator("Tile", static=(1,))
def tile(node: Node, x: Any, repeats: Any) -> Any:
    """Repeated along each axis."""
    return np.tile(lift(x), sizes(repeats, "repeats"))


@operator("ConstantOfShape", static=(0,), shapes=True)
def constant_of_shape(node: Node, shape: Any) -> Any:
    """An array of one value."""
    value = node.get("value", np.zeros(1, np.float32))
    return full(sizes(shape, "the shape"), value.reshape(-1)[0], value.dtype)


@operator("EyeLike")
def eye_like(node: Node, x: Any) -> Any:
    """Ones on a diagonal."""
    dtype = numpy_dtype(node.get("dtype"), node.label) if "dtype" in node.attributes else x.dtype
    rows, columns = x.shape
    places = counted(columns) - counted(rows)[:, None]
    return (places == int(node.number("k", 0))).astype(dtype)


@operator("Range", static=(0, 1, 2), shapes=True)
def range_(node: Node, start: Any, limit: Any, delta: Any) -> Any:
    """Numbers from one to another; counted while tracing."""
    if any(static(x, "a bound").dtype == object for x in (start, limit, delta)):
        first, last, step = (integer(x, "a bound") for x in (start, limit, delta))
        if step != 1:
            raise node.refusal("a step other than 1 between symbolic sizes is not supported")
        return counted(last - first) + first
    first, last, step = (static(x, "a bound").reshape(()) for x in (start, limit, delta))
    count = max(0, int(np.ceil((last - first).astype(np.float64) / step)))
    if count > LARGE:
        return counted(count).astype(first.dtype) * step + first
    found = first + np.arange(count).astype(first.dtype) * step
    return found.astype(first.dtype)


@operator("DepthToSpace")
def depth_to_space(node: Node, x: Any) -> Any:
    """Channels laid out as blocks of pixels."""
    block = int(node.number("blocksize", 1))
    n, c, h, w = x.shape
    if node.get("mode", "DCR") == "DCR":
        parts = x.reshape((n, block, block, c // (block * block), h, w))
        parts = np.transpose(parts, (0, 3, 4, 1, 5, 2))
    else:
        parts = x.reshape((n, c // (block * block), block, block, h, w))
        parts = np.transpose(parts, (0, 1, 4, 2, 5, 3))
    return parts.reshape((n, c // (block * block), h * block, w * block))


@operator("SpaceToDepth")
def space_to_depth(node: Node, x: Any) -> Any:
    """Blocks of pixels laid out as channels."""
    if node.get("mode", "DCR") != "DCR":
        return _space_to_depth_crd(node, x)
    block = int(node.number("blocksize", 1))
    n, c, h, w = x.shape
    parts = x.reshape((n, c, h // block, block, w // block, block))
    parts = np.transpose(parts, (0, 3, 5, 1, 2, 4))
    return parts.reshape((n, c * block * block, h // block, w // block))


def _space_to_depth_crd(node: Node, x: Any) -> Any:
    block = int(node.number("blocksize", 1))
    n, c, h, w = x.shape
    parts = x.reshape((n, c, h // block, block, w // block, block))
    parts = np.transpose(parts, (0, 1, 3, 5, 2, 4))
    return parts.reshape((n, c * block * block, h // block, w // block))


@operator("Trilu", static=(1,))
def trilu(node: Node, x: Any, k: Any = None) -> Any:
    """The upper or the lower triangle; zeros elsewhere."""
    shift = 0 if k is None else int(integer(k, "k"))
    rows, columns = x.shape[-2:]
    places = counted(columns) - counted(rows)[:, None]
    kept = places >= shift if node.get("upper", 1) else places <= shift
    return np.where(kept, x, np.zeros((), x.dtype))


@operator("CenterCropPad", static=(1,))
def center_crop_pad(node: Node, x: Any, shape: Any) -> Any:
    """The middle of an array, or zeros around it, so that its axes have given sizes."""
    wanted = sizes(shape, "the shape")
    axes = node.get("axes") or tuple(range(x.ndim))
    for axis, size in zip((axis % x.ndim for axis in axes), wanted, strict=True):
        have = x.shape[axis]
        if size < have:
            start = (have - size) // 2
            part = [slice(None)] * x.ndim
            part[axis] = slice(start, start + size)
            x = x[tuple(part)]
        elif size > have:
            widths = [(0, 0)] * x.ndim
            widths[axis] = ((size - have) // 2, size - have - (size - have) // 2)
            x = np.pad(x, widths)
    return x


@operator("OptionalHasElement", "OptionalGetElement")
def of_optional(node: Node, x: Any = None) -> Any:
    """Of a tensor: it is there, or it is left out."""
    if node.operator == "OptionalHasElement":
        return np.asarray(x is not None)
    if x is None:
        raise node.refusal("the element of an optional that has none")
    return x
