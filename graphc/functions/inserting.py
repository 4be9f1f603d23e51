"""Elements put in between others, and taken out: insert and delete."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import OutOfBoundsError
from graphc.functions.common import (
    INT64,
    as_array,
    known_argument,
    known_or_none,
    rank_of,
    resized,
    sliced,
    taken,
)
from graphc.functions.creation import array, laid_out
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, holds_traced, normalized_axis
from graphc.trace.dispatch import implements
from graphc.trace.sizes import TracedSize
from graphc.trace.ufuncs import assign, is_fortran
from graphc.trace.values import TracedArray, fresh_array, scalar
from graphc.types import Size


def _row_or_axis(arr: Any, axis: Any) -> tuple[TracedArray, int, str]:
    """The array, ravelled if there is no axis; the axis; and the memory order of the result."""
    x = as_array(arr)
    order = "F" if is_fortran(x) else "C"
    if axis is not None:
        return x, normalized_axis(axis, x.ndim), order
    return (x if x.ndim == 1 else x.raveled()), 0, order


def _one_position(obj: Any) -> Any:
    """`obj`, if it is one traced position, as a traced scalar; else None."""
    if not holds_traced(obj) or type(obj) in (TracedSize, list, tuple) or isinstance(obj, slice):
        return None
    value = array_like(obj).value
    one = value.shape in ((), (1,)) and value.dtype.kind in "iu"
    return scalar(ops.cast(ops.reshape(value, ()), INT64)) if one else None


def _known_or_traced(obj: Any) -> Any:
    """Positions as a NumPy array where they are known, else as a traced one."""
    known = known_or_none(obj)
    return as_array(obj) if known is None else known


def _checked(position: Any, extent: Size, limit: Any, axis: int) -> Any:
    """A traced position from the front, below `limit`; checked when the code runs."""
    size: Any = scalar(ops.size_value(extent))
    inside: Any = np.logical_and(position >= -size, position < limit)
    problem = f"index is out of bounds for axis {axis} with size {extent}"
    value = ops.require(position.value, inside.value, problem, OutOfBoundsError)
    return np.where(position < 0, scalar(value) + size, scalar(value))


def _static_position(obj: Any, extent: Size, limit: Size, axis: int) -> Size:
    place = int(obj)
    trace = active()
    low = trace.holds(">=", extent + place, 0)
    if not (low and trace.holds("<", place, limit)):
        raise OutOfBoundsError(
            f"index {obj} is out of bounds for axis {axis} with size {trace.hint(extent)}"
        )
    return extent + place if place < 0 else int(place)


def _counted(count: Size) -> Any:
    return fresh_array(ops.iota(count))


# --- delete ---------------------------------------------------------------------------------------

REPEATED = (
    "Pass the positions as a list of ints, as in np.delete(x, [0, 2]); or keep the shape and "
    "choose with np.where."
)


@implements(np.delete)
def delete(arr: Any, obj: Any, axis: Any = None) -> TracedArray:
    """`numpy.delete`, at positions known while tracing, or at one that is traced.

    Raises:
        UnsupportedError: several positions are traced: they may repeat.
    """
    x, place, order = _row_or_axis(arr, axis)
    value = x.value
    extent = value.shape[place]
    position = _one_position(obj)
    if position is not None:
        if not active().holds(">", extent, 0):
            raise OutOfBoundsError(f"index is out of bounds for axis {place} with size 0")
        start = _checked(position, extent, scalar(ops.size_value(extent)), place)
        index = _counted(extent - 1)
        return laid_out(taken(value, (index + (index >= start)).value, place), order)
    known = obj if isinstance(obj, slice) else _known_positions(obj, "np.delete", REPEATED)
    if not isinstance(known, slice) and known.size == 1 and known.dtype.kind in "iu":
        at = _static_position(known.item(), extent, extent, place)
        parts = (
            sliced(value, place, 0, at),
            sliced(value, place, at + 1, extent - at - 1),
        )
        return laid_out(ops.concatenate(parts, place), order)
    length = active().static(extent)
    keep = np.ones(length, bool)
    if not isinstance(known, slice) and known.dtype == bool and known.shape != (length,):
        raise ValueError(
            "boolean array argument obj to delete must be one dimensional and match the axis "
            f"length of {length}"
        )
    try:
        keep[known if isinstance(known, slice) else (known,)] = False
    except IndexError as error:
        raise OutOfBoundsError(str(error)) from None
    return laid_out(taken(value, ops.constant(np.flatnonzero(keep)), place), order)


def _known_positions(obj: Any, name: str, hint: str) -> np.ndarray:
    known = known_argument(obj, f"{name} at several traced positions", hint)
    if known.size == 0 and not isinstance(obj, np.ndarray):
        known = known.astype(np.int64)
    return known


# --- insert ---------------------------------------------------------------------------------------


@implements(np.insert)
def insert(arr: Any, obj: Any, values: Any, axis: Any = None) -> TracedArray:
    """`numpy.insert`, at positions known while tracing, or at traced ones."""
    x, place, order = _row_or_axis(arr, axis)
    value = x.value
    extent = value.shape[place]
    if isinstance(obj, slice):
        obj = np.arange(*obj.indices(active().static(extent)), dtype=np.int64)
    position = _one_position(obj)
    if position is not None:
        new = (_one_block if rank_of(obj) == 0 else _block)(values, x, place)
        start = _checked(position, extent, scalar(ops.size_value(extent + 1)), place)
        return laid_out(_spread(value, new, start + _counted(new.shape[place]), place), order)
    index: Any = _known_or_traced(obj)
    if index.dtype == bool:
        if index.ndim != 1:
            raise ValueError("boolean array argument obj to insert must be one dimensional")
        index = np.flatnonzero(known_argument(index, "np.insert at a traced mask", REPEATED))
    elif index.ndim > 1:
        raise ValueError("index array argument obj to insert must be one dimensional or scalar")
    if type(index) is np.ndarray and index.size == 1:
        if index.dtype.kind not in "iu":
            raise TypeError("slice indices must be integers or None or have an __index__ method")
        at = _static_position(index.item(), extent, extent + 1, place)
        block = _one_block(values, x, place) if index.ndim == 0 else _block(values, x, place)
        parts = (
            sliced(value, place, 0, at),
            block,
            sliced(value, place, at, extent - at),
        )
        return laid_out(ops.concatenate(parts, place), order)
    if type(index) is np.ndarray and index.size == 0 and not isinstance(obj, np.ndarray):
        index = index.astype(np.int64)
    if index.dtype.kind not in "iu":
        raise OutOfBoundsError("arrays used as indices must be of integer (or boolean) type")
    index = fresh_array(ops.cast(as_array(index).value, INT64))
    count = index.value.shape[0]
    target = fresh_array(ops.zeros(x.type.with_shape(resized(value.shape, place, count))))
    assign(target, values)
    size: Any = scalar(ops.size_value(extent))
    index = np.where(index < 0, index + size, index)
    sequence: Any = np.argsort(index, kind="stable")
    index[sequence] += _counted(count)
    return laid_out(_spread(value, target.value, index, place), order)


def _one_block(values: Any, x: TracedArray, axis: int) -> Value:
    """What is inserted at one position that is a number: the first axis of `values` runs there."""
    given: Any = array(values, x.dtype, copy=None, ndmin=x.ndim)
    return _block(np.moveaxis(given, 0, axis), x, axis)


def _block(values: Any, x: TracedArray, axis: int) -> Value:
    given = as_array(values).value
    if given.ndim < x.ndim:
        given = ops.reshape(given, (1,) * (x.ndim - given.ndim) + given.shape)
    target = fresh_array(
        ops.zeros(x.type.with_shape(resized(x.value.shape, axis, given.shape[axis - x.ndim])))
    )
    assign(target, fresh_array(given))
    return target.value


def _spread(x: Value, new: Value, at: Any, axis: int) -> Value:
    """`x` with `new` put in, so that its elements are at positions `at` of the result."""
    extent, count = x.shape[axis], new.shape[axis]
    both = ops.concatenate((x, new), axis)
    source: Any = fresh_array(ops.full(ops.iota(extent + count).tensor, 0))
    occupied: Any = fresh_array(ops.full(ops.iota(extent + count).tensor, 0))
    occupied[at] = 1
    source[...] = np.cumsum(1 - occupied) - 1
    source[at] = _counted(count) + scalar(ops.size_value(extent))
    return taken(both, source.value, axis)
