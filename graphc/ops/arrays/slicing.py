"""Slices, and what puts elements in their place: embed, concatenate.

A place is three tuples of one entry an axis: elements ``start + step * i`` for i below ``size``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Tangents, Value, make
from graphc.loops import Const, Element, Expr, Index, IndexMap, Read, Select, compare
from graphc.ops.arrays.shape import Attributes, Types, only, zeros
from graphc.ops.batching import spread_all
from graphc.ops.registry import register
from graphc.types import Shape, Size, TensorType, shape_text


def check_place(name: str, base: TensorType, attrs: Attributes) -> None:
    """Raise ShapeError unless start, size and step lie within `base`, as far as sizes are known."""
    start, size, step = attrs["start"], attrs["size"], attrs["step"]
    if not len(start) == len(size) == len(step) == base.ndim:
        raise ShapeError(f"{name}: start, size and step do not fit {base}")
    for extent, first, count, stride in zip(base.shape, start, size, step, strict=True):
        if stride == 0:
            raise ShapeError(f"{name}: a step is 0")
        if all(isinstance(item, int) for item in (extent, first, count)) and count > 0:
            last = first + (count - 1) * stride
            if not (0 <= first < extent and 0 <= last < extent):
                raise ShapeError(f"{name} {first}:{last} is outside an axis of size {extent}")


# --- slice: attrs start, size, step, each a tuple of one entry an axis ----------------------------


def _infer_slice(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand = only(types)
    check_place("slice", operand, attrs)
    return (operand.with_shape(attrs["size"]),)


def slices(node: Node) -> tuple[slice, ...]:
    """NumPy slices of a node with start, size and step."""
    slices = []
    for start, size, step in zip(node["start"], node["size"], node["step"], strict=True):
        stop = start + size * step
        slices.append(slice(start, None if stop < 0 else stop, step) if size else slice(0, 0))
    return tuple(slices)


def _slice_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    shape = node.inputs[0].shape
    return (embed(cotangent, shape, node["start"], node["step"]),)


SLICE = register(
    Op(
        "slice",
        infer=_infer_slice,
        evaluate=lambda driver, node, arrays: (arrays[0][slices(node)],),
        vjp=_slice_vjp,
        lower=IndexMap(
            lambda node, index: tuple(
                start + step * position
                for start, step, position in zip(node["start"], node["step"], index, strict=True)
            )
        ),
        attributes={"start": "sizes", "size": "shape", "step": "ints"},
        batch=lambda driver, node, operands, size: (
            (
                slice_(
                    operands[0][0], (0, *node["start"]), (size, *node["size"]), (1, *node["step"])
                ),
                True,
            ),
        ),
    )
)


def slice_(x: Value, start: Shape, size: Shape, step: Sequence[int]) -> Value:
    """Elements ``start + step * i`` for i below `size`, on each axis; step may be negative."""
    if tuple(size) == x.shape and all(s == 1 for s in step) and all(s == 0 for s in start):
        return x
    attrs = {"start": tuple(start), "size": tuple(size), "step": tuple(step)}
    return make(SLICE, (x,), attrs).out()


def flip(x: Value, axes: Sequence[int]) -> Value:
    """`x` with the order along `axes` reversed."""
    start = tuple(size - 1 if axis in axes else 0 for axis, size in enumerate(x.shape))
    step = tuple(-1 if axis in axes else 1 for axis in range(x.ndim))
    return slice_(x, start, x.shape, step)


# --- embed: zeros of a shape with x at start + step * i; the transpose of slice -------------------


def _infer_embed(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand = only(types)
    result = operand.with_shape(attrs["shape"])
    check_place("embed", result, attrs)
    if operand.shape != attrs["size"]:
        raise ShapeError(f"embed: {operand} is not of shape {shape_text(attrs['size'])}")
    return (result,)


def _embed_array(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    result = np.zeros(node["shape"], dtype=arrays[0].dtype)
    result[slices(node)] = arrays[0]
    return (result,)


def _embed_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    return (slice_(cotangent, node["start"], node["size"], node["step"]),)


def _embed_element(node: Node, index: Index, read: Read) -> Expr:
    tensor = node.types[0]
    assert isinstance(tensor, TensorType)
    source, inside = [], []
    for position, extent, start, size, step in zip(
        index, node["shape"], node["start"], node["size"], node["step"], strict=True
    ):
        offset = (position - start) * (1 if step > 0 else -1)
        stride = abs(step)
        source.append(0 if size == 1 else offset // stride)
        if size == extent and stride == 1:
            continue
        inside.append(compare("greater_equal", offset, 0))
        inside.append(compare("less", offset, (size - 1) * stride + 1))
        if stride != 1:
            inside.append(compare("equal", offset % stride, 0))
    zero = Const(0, tensor.dtype)
    if any(isinstance(condition, Const) and not condition.value for condition in inside):
        return zero
    value = read(0, tuple(source))
    for condition in reversed(inside):
        value = Select(condition, value, zero, tensor.dtype)
    return value


EMBED = register(
    Op(
        "embed",
        infer=_infer_embed,
        evaluate=_embed_array,
        vjp=_embed_vjp,
        lower=Element(_embed_element),
        attributes={"shape": "shape", "start": "sizes", "size": "shape", "step": "ints"},
        batch=lambda driver, node, operands, size: (
            (
                embed(
                    operands[0][0], (size, *node["shape"]), (0, *node["start"]), (1, *node["step"])
                ),
                True,
            ),
        ),
    )
)


def embed(x: Value, shape: Shape, start: Shape, step: Sequence[int]) -> Value:
    """Zeros of `shape` with `x` at positions ``start + step * i`` of each axis."""
    if x.shape == tuple(shape) and all(s == 1 for s in step):
        return x
    attrs = {"shape": tuple(shape), "start": tuple(start), "size": x.shape, "step": tuple(step)}
    return make(EMBED, (x,), attrs).out()


# --- concatenate: attr axis; operands share the other sizes ---------------------------------------


def _infer_concatenate(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operands, axis = [only((type_,)) for type_ in types], attrs["axis"]
    if not operands or not 0 <= axis < operands[0].ndim:
        raise ShapeError(f"cannot concatenate {len(operands)} operands along axis {axis}")
    total: Size = 0
    for operand in operands:
        if operand.dtype != operands[0].dtype:
            raise DTypeError(f"concatenate: dtypes of {operands[0]} and {operand} differ")
        rest = operand.shape[:axis] + operand.shape[axis + 1 :]
        if rest != operands[0].shape[:axis] + operands[0].shape[axis + 1 :]:
            raise ShapeError(f"cannot concatenate {operands[0]} and {operand} along axis {axis}")
        total = total + operand.shape[axis]
    shape = operands[0].shape
    return (operands[0].with_shape((*shape[:axis], total, *shape[axis + 1 :])),)


def _concatenate_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    axis, offset, parts = node["axis"], 0, []
    for operand in node.inputs:
        start = tuple(offset if k == axis else 0 for k in range(operand.ndim))
        parts.append(slice_(cotangent, start, operand.shape, (1,) * operand.ndim))
        offset = offset + operand.shape[axis]
    return tuple(parts)


def _concatenate_jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    parts = [
        zeros(primal.tensor) if tangent is None else tangent
        for primal, tangent in zip(node.inputs, tangents, strict=True)
    ]
    return (concatenate(parts, node["axis"]),)


def _concatenate_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    return ((concatenate(spread_all(operands, size), node["axis"] + 1), True),)


CHAIN = 16
"""Operands that are told apart one after another; more are halved, as Python nests no 100 `if`."""


def _concatenate_element(node: Node, index: Index, read: Read) -> Expr:
    axis = node["axis"]
    offsets: list[Size] = [0]
    for operand in node.inputs:
        offsets.append(offsets[-1] + operand.shape[axis])

    def element(k: int) -> Expr:
        inside = 0 if node.inputs[k].shape[axis] == 1 else index[axis] - offsets[k]
        return read(k, (*index[:axis], inside, *index[axis + 1 :]))

    place = index[axis]
    if isinstance(place, int):
        for k, end in enumerate(offsets[1:]):
            if not isinstance(end, int):
                break
            if place < end:
                return element(k)

    def chosen(first: int, end: int) -> Expr:
        """The element among the operands from `first` to before `end`."""
        if end - first == 1:
            return element(first)
        middle = first + 1 if end - first <= CHAIN else (first + end) // 2
        value = chosen(middle, end)
        before = compare("less", place, offsets[middle])
        return Select(before, chosen(first, middle), value, value.dtype)

    return chosen(0, len(node.inputs))


CONCATENATE = register(
    Op(
        "concatenate",
        infer=_infer_concatenate,
        evaluate=lambda driver, node, arrays: (np.concatenate(arrays, axis=node["axis"]),),
        vjp=_concatenate_vjp,
        lower=Element(_concatenate_element),
        attributes={"axis": "int"},
        jvp=_concatenate_jvp,
        batch=_concatenate_batch,
    )
)


def concatenate(operands: Sequence[Value], axis: int) -> Value:
    """Operands of one dtype joined along `axis` (not negative).

    Slices that lie side by side in one value are taken as one slice: the rows of a loop's results
    are joined again in one piece, and so is their gradient.
    """
    joined: list[Value] = []
    for operand in operands:
        whole = _side_by_side(joined[-1], operand, axis) if joined else None
        if whole is None:
            joined.append(operand)
        else:
            joined[-1] = whole
    if len(joined) == 1:
        return joined[0]
    return make(CONCATENATE, tuple(joined), {"axis": axis}).out()


def _side_by_side(left: Value, right: Value, axis: int) -> Value | None:
    """The slice that `left` and `right` are the two parts of; None if they are not."""
    first, second = _slice_below(left), _slice_below(right)
    if first is None or second is None or first.inputs != second.inputs:
        return None
    ones = (1,) * left.ndim
    if first["step"] != ones or second["step"] != ones:
        return None
    met = tuple(
        start + size if k == axis else start
        for k, (start, size) in enumerate(zip(first["start"], first["size"], strict=True))
    )
    others = (*left.shape[:axis], *left.shape[axis + 1 :])
    if second["start"] != met or others != (*right.shape[:axis], *right.shape[axis + 1 :]):
        return None
    size = tuple(n + right.shape[axis] if k == axis else n for k, n in enumerate(left.shape))
    return slice_(first.inputs[0], first["start"], size, ones)


def _slice_below(value: Value) -> Node | None:
    """The slice that `value` is, maybe reshaped and back."""
    node = value.node
    while node.op.name == "reshape":
        node = node.inputs[0].node
    return node if node.op is SLICE and node.types[0] == value.type else None
