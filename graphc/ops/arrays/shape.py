"""Broadcasting, sums, reshapes and transposes: views by index arithmetic, and their transposes.

``sum`` is here rather than in `graphc.ops.reductions.reduce`: it and ``broadcast_to`` are each
other's derivative.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Value, make
from graphc.loops import Index, IndexMap, Reduction
from graphc.ops.arrays.creation import constant
from graphc.ops.registry import register
from graphc.types import Shape, Size, TensorType, Type, product, shape_text

Types = tuple[Type, ...]
Attributes = dict[str, Any]


def only(types: Types) -> TensorType:
    """The type of the one operand, which is no token.

    Raises:
        ShapeError: there are other operands.
    """
    if len(types) != 1 or not isinstance(types[0], TensorType):
        raise ShapeError(f"expected one array, not ({', '.join(map(str, types))})")
    return types[0]


# --- full: a broadcast constant -------------------------------------------------------------------


def full(type_: TensorType, value: Any) -> Value:
    """An array of `type_` with every element `value`."""
    return broadcast_to(constant(value, type_.dtype), type_.shape)


def zeros(type_: TensorType) -> Value:
    """An array of `type_` with every element 0."""
    return full(type_, 0)


def full_like(x: Value, value: Any) -> Value:
    """An array of the type of `x` with every element `value`."""
    return full(x.tensor, value)


# --- broadcast_to: attr shape; NumPy's rule, aligned at the last axis -----------------------------


def _infer_broadcast(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, shape = only(types), attrs["shape"]
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


def _broadcast_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    ((x, _),), shape = operands, node["shape"]
    added = len(shape) - (x.ndim - 1)
    aligned = reshape(x, (size, *(1,) * added, *x.shape[1:]))
    return ((broadcast_to(aligned, (size, *shape)), True),)


BROADCAST = register(
    Op(
        "broadcast_to",
        infer=_infer_broadcast,
        evaluate=lambda driver, node, arrays: (np.broadcast_to(arrays[0], node["shape"]),),
        vjp=_broadcast_vjp,
        lower=IndexMap(_broadcast_source),
        attributes={"shape": "shape"},
        batch=_broadcast_batch,
    )
)


def broadcast_to(x: Value, shape: Shape) -> Value:
    """`x` repeated along new and size-1 axes."""
    return x if x.shape == shape else make(BROADCAST, (x,), {"shape": tuple(shape)}).out()


def spread(x: Value, size: Size) -> Value:
    """`x` repeated `size` times along a new first axis."""
    return broadcast_to(x, (size, *x.shape))


# --- sum: attr axes, sorted, not kept -------------------------------------------------------------


def infer_reduction(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    """The operand's type without the axes in ``axes``."""
    operand, axes = only(types), attrs["axes"]
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


def _sum_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    ((x, _),) = operands
    return ((sum_(x, tuple(axis + 1 for axis in node["axes"])), True),)


SUM = register(
    Op(
        "sum",
        infer=infer_reduction,
        evaluate=lambda driver, node, arrays: (
            np.sum(arrays[0], axis=node["axes"], dtype=arrays[0].dtype),
        ),
        vjp=_sum_vjp,
        lower=Reduction("add"),
        attributes={"axes": "ints"},
        batch=_sum_batch,
    )
)


def sum_(x: Value, axes: Sequence[int]) -> Value:
    """The sum over `axes`, in the operand's dtype; of no axes, `x` itself."""
    return make(SUM, (x,), {"axes": tuple(axes)}).out() if axes else x


# --- reshape: attr shape; C order -----------------------------------------------------------------


def _infer_reshape(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, shape = only(types), attrs["shape"]
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
        attributes={"shape": "shape"},
        batch=lambda driver, node, operands, size: (
            (reshape(operands[0][0], (size, *node["shape"])), True),
        ),
    )
)


def reshape(x: Value, shape: Shape) -> Value:
    """The same elements in C order under another shape of the same size (no -1)."""
    return x if x.shape == tuple(shape) else make(RESHAPE, (x,), {"shape": tuple(shape)}).out()


# --- transpose: attr axes, a permutation ----------------------------------------------------------


def inverse(axes: Sequence[int]) -> tuple[int, ...]:
    """The permutation that undoes `axes`."""
    return tuple(sorted(range(len(axes)), key=axes.__getitem__))


def _infer_transpose(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, axes = only(types), attrs["axes"]
    if sorted(axes) != list(range(operand.ndim)):
        raise ShapeError(f"axes {axes} are not a permutation of the axes of {operand}")
    return (operand.with_shape(tuple(operand.shape[axis] for axis in axes)),)


def _transpose_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (cotangent,) = cotangents
    assert cotangent is not None
    return (transpose(cotangent, inverse(node["axes"])),)


TRANSPOSE = register(
    Op(
        "transpose",
        infer=_infer_transpose,
        evaluate=lambda driver, node, arrays: (np.transpose(arrays[0], node["axes"]),),
        vjp=_transpose_vjp,
        lower=IndexMap(
            lambda node, index: tuple(index[position] for position in inverse(node["axes"]))
        ),
        attributes={"axes": "ints"},
        batch=lambda driver, node, operands, size: (
            (transpose(operands[0][0], (0, *(axis + 1 for axis in node["axes"]))), True),
        ),
    )
)


def transpose(x: Value, axes: Sequence[int]) -> Value:
    """Axes permuted: axis k of the result is axis ``axes[k]`` of `x`."""
    if tuple(axes) == tuple(range(x.ndim)):
        return x
    return make(TRANSPOSE, (x,), {"axes": tuple(axes)}).out()
