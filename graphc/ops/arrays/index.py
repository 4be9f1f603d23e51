"""Indexing by integer arrays, and writes: gather, scatter, scatter_add and update.

Index arrays are int64 of one shape S, one for each axis in the attribute ``axes``. Negative indices
count from the end; an index out of bounds raises OutOfBoundsError when it runs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, OutOfBoundsError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Tangents, Value, make
from graphc.loops import Checked, Element, Expr, Index, Read, Template
from graphc.ops.arrays.creation import INT64, iota
from graphc.ops.arrays.shape import broadcast_to, full, full_like, reshape, transpose, zeros
from graphc.ops.arrays.slicing import check_place, slice_, slices
from graphc.ops.batching import spread_all
from graphc.ops.elementwise.compare import equal
from graphc.ops.elementwise.pointwise import select
from graphc.ops.registry import register
from graphc.types import Dim, Shape, Size, TensorType, Type, product, shape_text

Types = tuple[Type, ...]
Attributes = dict[str, Any]


def _indexed_shape(name: str, base: Type, indices: Types, axes: tuple[int, ...]) -> Shape:
    """The shape of ``base[indices]``: the indices' shape, then the axes that are not indexed.

    Raises:
        ShapeError, DTypeError: the indices or axes are not as they must be.
    """
    assert isinstance(base, TensorType)
    if not indices or len(indices) != len(axes):
        raise ShapeError(f"{name}: {len(indices)} index arrays for axes {axes}")
    if len(set(axes)) != len(axes) or not all(0 <= axis < base.ndim for axis in axes):
        raise ShapeError(f"{name}: {axes} are not axes of {base}")
    first = indices[0]
    for index in indices:
        assert isinstance(index, TensorType)
        assert isinstance(first, TensorType)
        if index.dtype != INT64:
            raise DTypeError(f"{name}: indices are int64, not {index.dtype.name}")
        if index.shape != first.shape:
            raise ShapeError(f"{name}: index arrays {first} and {index} differ in shape")
    assert isinstance(first, TensorType)
    rest = tuple(size for axis, size in enumerate(base.shape) if axis not in axes)
    return (*first.shape, *rest)


def front_first(axes: Sequence[int], ndim: int) -> tuple[int, ...]:
    """The permutation that brings `axes` to the front."""
    return (*axes, *(axis for axis in range(ndim) if axis not in axes))


def checked_index(
    name: str, shape: tuple[int, ...], axes: Sequence[int], indices: list[Any]
) -> Any:
    """The index arrays as a NumPy index.

    Raises:
        OutOfBoundsError: an index outside its axis.
    """
    for axis, index in zip(axes, indices, strict=True):
        extent = shape[axis]
        outside = (index < -extent) | (index >= extent)
        if np.any(outside):
            worst = np.asarray(index)[outside].flat[0]
            raise OutOfBoundsError(
                f"{name}: index {worst} is out of bounds for axis {axis} with size {extent}"
            )
    return tuple(indices)


def _example_indices(indices: Sequence[Mapped], size: Size) -> list[Value]:
    """Index arrays with an axis of examples, the number of the example before them."""
    spread = spread_all(indices, size)
    shape = spread[0].shape
    example = broadcast_to(reshape(iota(size), (size, *(1,) * (len(shape) - 1))), shape)
    return [example, *spread]


def _further_on(axes: Sequence[int]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)


# --- gather: attr axes ----------------------------------------------------------------------------


def _infer_gather(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    base = types[0]
    assert isinstance(base, TensorType)
    return (base.with_shape(_indexed_shape("gather", base, types[1:], attrs["axes"])),)


def _evaluate_gather(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    x, *indices = arrays
    axes = node["axes"]
    front = np.transpose(x, front_first(axes, x.ndim))
    return (np.asarray(front[checked_index("gather", x.shape, axes, indices)]),)


def _gather_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    x, *indices = node.inputs
    placed = scatter_add(zeros(g.tensor.with_shape(x.shape)), g, indices, node["axes"])
    return (placed, *(None for _ in indices))


def _gather_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    (x, x_mapped), *indices = operands
    axes = node["axes"]
    if not x_mapped:
        return ((gather(x, spread_all(indices, size), axes), True),)
    if any(mapped for _, mapped in indices):
        found = gather(x, _example_indices(indices, size), (0, *_further_on(axes)))
        return ((found, True),)
    # The axis of examples comes out after those of the indices.
    found = gather(x, [index for index, _ in indices], _further_on(axes))
    return ((_brought_forward(found, indices[0][0].ndim), True),)


def _brought_forward(x: Value, axis: int) -> Value:
    return transpose(x, (axis, *(k for k in range(x.ndim) if k != axis)))


def _gather_element(node: Node, index: Index, read: Read) -> Expr:
    x, *indices = node.inputs
    axes = node["axes"]
    lead, rest = index[: indices[0].ndim], list(index[indices[0].ndim :])
    source: list[Size] = []
    for axis, extent in enumerate(x.shape):
        if axis in axes:
            position = read(1 + axes.index(axis), lead)
            source.append(Dim.symbol(Checked(position, extent)))
        else:
            source.append(rest.pop(0))
    return read(0, tuple(source))


GATHER = register(
    Op(
        "gather",
        _infer_gather,
        _evaluate_gather,
        _gather_vjp,
        Element(_gather_element),
        attributes={"axes": "ints"},
        batch=_gather_batch,
    )
)


def gather(x: Value, indices: Sequence[Value], axes: Sequence[int]) -> Value:
    """The elements of `x` at `indices` along `axes`: shape S, then the other axes of x in order.

    Raises:
        ShapeError, DTypeError: the indices are not int64 of one shape, one an axis.
        OutOfBoundsError: at run time, an index outside its axis.
    """
    return make(GATHER, (x, *indices), {"axes": tuple(axes)}).out()


# --- scatter_add and scatter: attr axes; operands base, values, indices ---------------------------


def infer_scatter(name: str, types: Types, axes: tuple[int, ...]) -> Types:
    """The type of a base that values are written into.

    Raises:
        ShapeError, DTypeError: the values or indices do not fit it.
    """
    base, values, *indices = types
    assert isinstance(base, TensorType)
    assert isinstance(values, TensorType)
    shape = _indexed_shape(name, base, tuple(indices), axes)
    if values.shape != shape:
        raise ShapeError(f"{name}: values {values} do not have shape {shape_text(shape)}")
    if values.dtype != base.dtype:
        raise DTypeError(f"{name} does not take dtypes ({base.dtype.name}, {values.dtype.name})")
    return (base,)


def _scatter_jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    """Both are linear in base and values together, whatever indices repeat."""
    base, values, *indices = node.inputs
    by_base, by_values = tangents[:2]
    moved = (
        zeros(base.tensor) if by_base is None else by_base,
        zeros(values.tensor) if by_values is None else by_values,
    )
    return (make(node.op, (*moved, *indices), dict(node.attrs)).out(),)


def batch_scatter(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """The rule of ops that write at index arrays: examples are one more indexed axis, or a rest."""
    indices, axes = operands[2:], node["axes"]
    base, values = spread_all(operands[:2], size)
    if any(mapped for _, mapped in indices):
        places, axes = _example_indices(indices, size), (0, *_further_on(axes))
    else:
        places, axes = [index for index, _ in indices], _further_on(axes)
        rank = places[0].ndim
        values = transpose(values, (*range(1, rank + 1), 0, *range(rank + 1, values.ndim)))
    attrs = {**dict(node.attrs), "axes": axes}
    return ((make(node.op, (base, values, *places), attrs).out(), True),)


def _front_copy(name: str, node: Node, arrays: list[Any]) -> tuple[Any, Any, Any]:
    """A copy of the base, a view of it with the indexed axes in front, and the index."""
    base, _, *indices = arrays
    index = checked_index(name, base.shape, node["axes"], indices)
    result = np.array(base)
    return result, np.transpose(result, front_first(node["axes"], base.ndim)), index


def _evaluate_scatter_add(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    result, front, index = _front_copy("scatter_add", node, arrays)
    np.add.at(front, index, arrays[1])
    return (result,)


def _scatter_add_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    _, _, *indices = node.inputs
    return (g, gather(g, indices, node["axes"]), *(None for _ in indices))


SCATTER_ADD = register(
    Op(
        "scatter_add",
        lambda types, attrs, regions: infer_scatter("scatter_add", types, attrs["axes"]),
        _evaluate_scatter_add,
        _scatter_add_vjp,
        Template("scatter_add"),
        attributes={"axes": "ints"},
        jvp=_scatter_jvp,
        batch=batch_scatter,
    )
)


def scatter_add(base: Value, values: Value, indices: Sequence[Value], axes: Sequence[int]) -> Value:
    """`base` with `values` added at `indices` along `axes`; repeated indices add up.

    Raises:
        ShapeError, DTypeError: values are not of the shape and dtype that `gather` would give.
        OutOfBoundsError: at run time, an index outside its axis.
    """
    return make(SCATTER_ADD, (base, values, *indices), {"axes": tuple(axes)}).out()


def _evaluate_scatter(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    result, front, index = _front_copy("scatter", node, arrays)
    front[index] = arrays[1]
    return (result,)


def _winners(x: Value, indices: Sequence[Value], axes: Sequence[int]) -> Value:
    """For each index, whether its write is the last at its place: bool of the indices' shape."""
    space = tuple(x.shape[axis] for axis in axes)
    all_axes = tuple(range(len(axes)))
    shape = indices[0].shape
    order = reshape(iota(product(shape)), shape)
    last = scatter(full(TensorType(INT64, space), -1), order, indices, all_axes)
    return equal(gather(last, indices, all_axes), order)


def _scatter_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    base, values, *indices = node.inputs
    axes = node["axes"]
    won = _winners(base, indices, axes)
    won = reshape(won, (*won.shape, *(1 for _ in range(values.ndim - won.ndim))))
    taken = gather(g, indices, axes)
    return (
        scatter(g, zeros(taken.tensor), indices, axes),
        select(broadcast_to(won, values.shape), taken, full_like(taken, 0)),
        *(None for _ in indices),
    )


SCATTER = register(
    Op(
        "scatter",
        lambda types, attrs, regions: infer_scatter("scatter", types, attrs["axes"]),
        _evaluate_scatter,
        _scatter_vjp,
        Template("scatter"),
        attributes={"axes": "ints"},
        jvp=_scatter_jvp,
        batch=batch_scatter,
    )
)


def scatter(base: Value, values: Value, indices: Sequence[Value], axes: Sequence[int]) -> Value:
    """`base` with `values` written at `indices` along `axes`; of repeated indices the last wins.

    Raises:
        ShapeError, DTypeError: values are not of the shape and dtype that `gather` would give.
        OutOfBoundsError: at run time, an index outside its axis.
    """
    return make(SCATTER, (base, values, *indices), {"axes": tuple(axes)}).out()


# --- update: attrs start, size, step; writes to a basic slice -------------------------------------


def _infer_update(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    base, value = types
    assert isinstance(base, TensorType)
    assert isinstance(value, TensorType)
    check_place("update", base, attrs)
    if value.shape != attrs["size"]:
        raise ShapeError(f"update: {value} is not of shape {shape_text(attrs['size'])}")
    if value.dtype != base.dtype:
        raise DTypeError(f"update does not take dtypes ({base.dtype.name}, {value.dtype.name})")
    return (base,)


def _evaluate_update(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    result = np.array(arrays[0])
    result[slices(node)] = arrays[1]
    return (result,)


def _update_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    start, size, step = node["start"], node["size"], node["step"]
    kept = update(g, zeros(g.tensor.with_shape(size)), start, step)
    return (kept, slice_(g, start, size, step))


def _update_jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    base, value = (
        zeros(primal.tensor) if tangent is None else tangent
        for primal, tangent in zip(node.inputs, tangents, strict=True)
    )
    return (update(base, value, node["start"], node["step"]),)


def _update_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    base, value = spread_all(operands, size)
    return ((update(base, value, (0, *node["start"]), (1, *node["step"])), True),)


UPDATE = register(
    Op(
        "update",
        _infer_update,
        _evaluate_update,
        _update_vjp,
        Template("update"),
        attributes={"start": "sizes", "size": "shape", "step": "ints"},
        jvp=_update_jvp,
        batch=_update_batch,
    )
)


def update(base: Value, value: Value, start: Shape, step: Sequence[int]) -> Value:
    """`base` with `value` written at positions ``start + step * i`` of each axis.

    Raises:
        ShapeError, DTypeError: the value does not fit there.
    """
    if value.shape == base.shape and all(s == 1 for s in step) and value.dtype == base.dtype:
        return value
    attrs = {"start": tuple(start), "size": value.shape, "step": tuple(step)}
    return make(UPDATE, (base, value), attrs).out()
