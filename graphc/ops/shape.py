"""Ops that place elements: constants, positions, views by index arithmetic, and their transposes.

``sum`` is here rather than in `graphc.ops.reduce`: it and ``broadcast_to`` are each other's
derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import (
    Const,
    Element,
    Expr,
    Index,
    IndexMap,
    Position,
    Read,
    Reduction,
    Select,
    compare,
)
from graphc.ops.registry import register
from graphc.types import DTYPES, Shape, Size, TensorType, Type, product, shape_text

INT64 = DTYPES["int64"]
Types = tuple[Type, ...]
Attributes = dict[str, Any]


def _tensor(types: Types, position: int = 0) -> TensorType:
    type_ = types[position]
    assert isinstance(type_, TensorType)
    return type_


# --- constant: attrs data (bytes, C order), dtype, shape ------------------------------------------


def _constant_array(node: Node) -> np.ndarray:
    return np.frombuffer(node["data"], dtype=node["dtype"]).reshape(node["shape"])


def _constant_element(node: Node, index: Index, read: Read) -> Expr:
    array = _constant_array(node)
    if array.size == 1:
        return Const(array.item(), array.dtype)
    raise NotImplementedError("a constant of several elements is a buffer")


CONSTANT = register(
    Op(
        "constant",
        infer=lambda types, attrs, regions: (TensorType(attrs["dtype"], attrs["shape"]),),
        evaluate=lambda driver, node, arrays: (_constant_array(node),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(_constant_element, cheap=True),
    )
)


def constant(array: Any, dtype: np.dtype | None = None) -> Value:
    """A constant; keyed by type and bits, so 0.0 and -0.0 differ."""
    data = np.asarray(array, dtype=dtype, order="C")
    attrs = {"data": data.tobytes(), "dtype": data.dtype, "shape": data.shape}
    return make(CONSTANT, attrs=attrs).out()


def full(type_: TensorType, value: Any) -> Value:
    """An array of `type_` with every element `value`."""
    return broadcast_to(constant(value, type_.dtype), type_.shape)


def zeros(type_: TensorType) -> Value:
    """An array of `type_` with every element 0."""
    return full(type_, 0)


def full_like(x: Value, value: Any) -> Value:
    """An array of the type of `x` with every element `value`."""
    return full(x.tensor, value)


# --- iota: the int64 positions 0, 1, ..., size - 1; attr size -------------------------------------

IOTA = register(
    Op(
        "iota",
        infer=lambda types, attrs, regions: (TensorType(INT64, (attrs["size"],)),),
        evaluate=lambda driver, node, arrays: (np.arange(node["size"], dtype=INT64),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(lambda node, index, read: Position(index[0], INT64), cheap=True),
    )
)


def iota(size: Size) -> Value:
    """``0, 1, ..., size - 1`` as int64."""
    return make(IOTA, attrs={"size": size}).out()


# --- size: a symbolic size as an int64 scalar; attr size ------------------------------------------

SIZE = register(
    Op(
        "size",
        infer=lambda types, attrs, regions: (TensorType(INT64, ()),),
        evaluate=lambda driver, node, arrays: (np.asarray(node["size"], dtype=INT64),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(lambda node, index, read: Position(node["size"], INT64), cheap=True),
    )
)


def size_value(size: Size) -> Value:
    """A size as a 0-d int64 value."""
    if isinstance(size, int):
        return constant(size, INT64)
    return make(SIZE, attrs={"size": size}).out()


# --- broadcast_to: attr shape; NumPy's rule, aligned at the last axis -----------------------------


def _infer_broadcast(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, shape = _tensor(types), attrs["shape"]
    lead = len(shape) - operand.ndim
    fits = lead >= 0 and all(
        size in (1, target) for size, target in zip(operand.shape, shape[lead:], strict=True)
    )
    if not fits:
        raise ShapeError(f"cannot broadcast {operand} to shape {shape_text(shape)}")
    return (operand.with_shape(shape),)


def expanded_axes(shape: Shape, target: Shape) -> tuple[int, ...]:
    """The axes of `target` along which `shape` is repeated."""
    lead = len(target) - len(shape)
    return tuple(
        axis
        for axis, size in enumerate(target)
        if axis < lead or (shape[axis - lead] == 1 and size != 1)
    )


def _broadcast_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    shape = node.inputs[0].shape
    return (reshape(sum_(cotangent, expanded_axes(shape, cotangent.shape)), shape),)


def _broadcast_source(node: Node, index: Index) -> Index:
    operand, target = node.inputs[0].shape, node.types[0].shape  # type: ignore[union-attr]
    lead = len(target) - len(operand)
    return tuple(
        0 if size == 1 else position for size, position in zip(operand, index[lead:], strict=True)
    )


BROADCAST = register(
    Op(
        "broadcast_to",
        infer=_infer_broadcast,
        evaluate=lambda driver, node, arrays: (np.broadcast_to(arrays[0], node["shape"]),),
        vjp=_broadcast_vjp,
        lower=IndexMap(_broadcast_source),
    )
)


def broadcast_to(x: Value, shape: Shape) -> Value:
    """`x` repeated along new and size-1 axes."""
    return x if x.shape == shape else make(BROADCAST, (x,), {"shape": tuple(shape)}).out()


# --- sum: attr axes, sorted, not kept -------------------------------------------------------------


def infer_reduction(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    """The operand's type without the axes in ``axes``."""
    operand, axes = _tensor(types), attrs["axes"]
    if list(axes) != sorted(set(axes)) or not all(0 <= axis < operand.ndim for axis in axes):
        raise ShapeError(f"axes {axes} are not sorted axes of {operand}")
    kept = tuple(size for axis, size in enumerate(operand.shape) if axis not in axes)
    return (operand.with_shape(kept),)


def keep_axes(x: Value, axes: Sequence[int], shape: Shape) -> Value:
    """`x`, reduced over `axes`, broadcast back to `shape`."""
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    return broadcast_to(reshape(x, kept), shape)


def _sum_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    return (keep_axes(cotangent, node["axes"], node.inputs[0].shape),)


SUM = register(
    Op(
        "sum",
        infer=infer_reduction,
        evaluate=lambda driver, node, arrays: (
            np.sum(arrays[0], axis=node["axes"], dtype=arrays[0].dtype),
        ),
        vjp=_sum_vjp,
        lower=Reduction("add"),
    )
)


def sum_(x: Value, axes: Sequence[int]) -> Value:
    """The sum over `axes`, in the operand's dtype; of no axes, `x` itself."""
    return make(SUM, (x,), {"axes": tuple(axes)}).out() if axes else x


# --- reshape: attr shape; C order -----------------------------------------------------------------


def _infer_reshape(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, shape = _tensor(types), attrs["shape"]
    if product(operand.shape) != product(shape):
        raise ShapeError(f"cannot reshape {operand} into shape {shape_text(shape)}")
    return (operand.with_shape(shape),)


def _reshape_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    return (reshape(cotangent, node.inputs[0].shape),)


def _reshape_source(node: Node, index: Index) -> Index:
    """Axes are matched in groups of equal products, so that unchanged axes need no division."""
    operand, target = node.inputs[0].shape, node.types[0].shape  # type: ignore[union-attr]
    if product(operand) == 0:
        return (0,) * len(operand)
    source: list[Size] = []
    taken = given = 0
    while given < len(operand):
        start_taken, start_given = taken, given
        given += 1
        have, want = operand[start_given], product(())
        while have != want:
            if taken < len(target) and not _covers(want, have):
                want = want * target[taken]
                taken += 1
            elif given < len(operand):
                have = have * operand[given]
                given += 1
            else:
                want = want * target[taken]
                taken += 1
        flat: Size = 0
        for position, size in zip(index[start_taken:taken], target[start_taken:taken], strict=True):
            flat = flat * size + position
        source.extend(_unflatten(flat, operand[start_given:given]))
    return tuple(source)


def _covers(want: Size, have: Size) -> bool:
    """Whether more of the operand must be taken before more of the target."""
    return isinstance(want, int) and isinstance(have, int) and want > have


def _unflatten(flat: Size, shape: Shape) -> list[Size]:
    positions: list[Size] = []
    for axis in range(len(shape) - 1, 0, -1):
        size = shape[axis]
        positions.append(flat % size if size != 1 else 0)
        flat = flat // size
    positions.append(flat if shape[0] != 1 else 0)
    return positions[::-1]


RESHAPE = register(
    Op(
        "reshape",
        infer=_infer_reshape,
        evaluate=lambda driver, node, arrays: (np.reshape(arrays[0], node["shape"]),),
        vjp=_reshape_vjp,
        lower=IndexMap(_reshape_source),
    )
)


def reshape(x: Value, shape: Shape) -> Value:
    """The same elements in C order under another shape of the same size (no -1)."""
    return x if x.shape == tuple(shape) else make(RESHAPE, (x,), {"shape": tuple(shape)}).out()


# --- transpose: attr axes, a permutation ----------------------------------------------------------


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _transpose_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    return (transpose(cotangent, inverse(node["axes"])),)


TRANSPOSE = register(
    Op(
        "transpose",
        infer=lambda types, attrs, regions: (
            _tensor(types).with_shape(tuple(_tensor(types).shape[axis] for axis in attrs["axes"])),
        ),
        evaluate=lambda driver, node, arrays: (np.transpose(arrays[0], node["axes"]),),
        vjp=_transpose_vjp,
        lower=IndexMap(
            lambda node, index: tuple(index[position] for position in inverse(node["axes"]))
        ),
    )
)


def transpose(x: Value, axes: Sequence[int]) -> Value:
    """Axes permuted: axis k of the result is axis ``axes[k]`` of `x`."""
    if tuple(axes) == tuple(range(x.ndim)):
        return x
    return make(TRANSPOSE, (x,), {"axes": tuple(axes)}).out()


# --- slice: attrs start, size, step, each a tuple of one entry an axis ----------------------------


def _infer_slice(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand = _tensor(types)
    for extent, start, size, step in zip(
        operand.shape, attrs["start"], attrs["size"], attrs["step"], strict=True
    ):
        if all(isinstance(item, int) for item in (extent, start, size)) and size > 0:
            last = start + (size - 1) * step
            if not (0 <= start < extent and 0 <= last < extent):
                raise ShapeError(f"slice {start}:{last} is outside an axis of size {extent}")
    return (operand.with_shape(attrs["size"]),)


def _slices(node: Node) -> tuple[slice, ...]:
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
        evaluate=lambda driver, node, arrays: (arrays[0][_slices(node)],),
        vjp=_slice_vjp,
        lower=IndexMap(
            lambda node, index: tuple(
                start + step * position
                for start, step, position in zip(node["start"], node["step"], index, strict=True)
            )
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


def _embed_array(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    result = np.zeros(node["shape"], dtype=arrays[0].dtype)
    result[_slices(node)] = arrays[0]
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
        source.append(offset // stride)
        if size == extent and stride == 1:
            continue
        inside.append(compare("greater_equal", offset, 0))
        inside.append(compare("less", offset, (size - 1) * stride + 1))
        if stride != 1:
            inside.append(compare("equal", offset % stride, 0))
    value = read(0, tuple(source))
    zero = Const(0, tensor.dtype)
    for condition in reversed(inside):
        value = Select(condition, value, zero, tensor.dtype)
    return value


EMBED = register(
    Op(
        "embed",
        infer=lambda types, attrs, regions: (_tensor(types).with_shape(attrs["shape"]),),
        evaluate=_embed_array,
        vjp=_embed_vjp,
        lower=Element(_embed_element),
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
    operands, axis = [_tensor(types, k) for k in range(len(types))], attrs["axis"]
    total: Size = 0
    for operand in operands:
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


def _concatenate_element(node: Node, index: Index, read: Read) -> Expr:
    axis = node["axis"]
    offsets: list[Size] = [0]
    for operand in node.inputs:
        offsets.append(offsets[-1] + operand.shape[axis])

    def element(k: int) -> Expr:
        return read(k, (*index[:axis], index[axis] - offsets[k], *index[axis + 1 :]))

    last = len(node.inputs) - 1
    value = element(last)
    for k in range(last - 1, -1, -1):
        before_next = compare("less", index[axis], offsets[k + 1])
        value = Select(before_next, element(k), value, value.dtype)
    return value


CONCATENATE = register(
    Op(
        "concatenate",
        infer=_infer_concatenate,
        evaluate=lambda driver, node, arrays: (np.concatenate(arrays, axis=node["axis"]),),
        vjp=_concatenate_vjp,
        lower=Element(_concatenate_element),
    )
)


def concatenate(operands: Sequence[Value], axis: int) -> Value:
    """Operands of one dtype joined along `axis` (not negative)."""
    return make(CONCATENATE, tuple(operands), {"axis": axis}).out()
