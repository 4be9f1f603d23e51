"""Sorting, and searching in what is sorted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import (
    BOOL,
    INT64,
    array_or_scalar,
    as_array,
    promoted,
    same_shape,
    sequence_of_arrays,
    static_int,
)
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, normalized_axis, value_of
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.ufuncs import assign, shaped_like
from graphc.trace.values import TracedArray, TracedScalar, fresh_array, is_traced
from graphc.types import DTYPES

KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def along_last(x: Value, axis: int, function: Callable[[Value], Value]) -> Value:
    """`function`, which works along the last axis, along `axis`."""
    last = x.ndim - 1
    if axis == last:
        return function(x)
    order = (*(k for k in range(x.ndim) if k != axis), axis)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return ops.transpose(function(ops.transpose(x, order)), back)


def _check_options(name: str, kind: Any, order: Any, stable: Any) -> None:
    if order is not None:
        raise ValueError("Cannot specify order when the array has no fields.")
    if kind is not None and stable is not None:
        raise ValueError("`kind` and `stable` parameters can't be provided at the same time. ")
    if kind is not None and (not isinstance(kind, str) or not _is_kind(kind)):
        raise ValueError(f"sort kind must be one of 'quick', 'heap', or 'stable' (got {kind!r})")


def _is_kind(kind: str) -> bool:
    return any(known.startswith(kind.lower()[:1]) for known in KINDS) if kind else False


def flattened(a: Any, axis: Any) -> tuple[TracedArray, int]:
    """`a` as an array and the axis to work along: of all elements in one row, if that is None."""
    x = as_array(a)
    if axis is None:
        return x.reshaped((x.value.tensor.size,)), 0
    return x, normalized_axis(axis, x.ndim)


@implements(np.sort)
def sort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> TracedArray:
    """`numpy.sort`; always stable."""
    _check_options("sort", kind, order, stable)
    x, place = flattened(a, axis)
    return shaped_like(along_last(x.value, place, ops.sort), [x])


@implements(np.argsort)
def argsort(
    a: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> TracedArray:
    """`numpy.argsort`; always stable, so equal elements are in the order that they were in."""
    _check_options("argsort", kind, order, stable)
    x = as_array(a)
    if x.ndim == 0:
        x = x.reshaped((1,))
    x, place = flattened(x, axis)
    return fresh_array(along_last(x.value, place, ops.argsort))


@implements(np.sort_complex)
def sort_complex(a: Any) -> TracedArray:
    """`numpy.sort_complex`."""
    result = sort(a)
    if result.dtype.kind == "c":
        return result
    narrow = result.dtype.name in ("int8", "uint8", "int16", "uint16")
    return fresh_array(ops.cast(result.value, DTYPES["complex64" if narrow else "complex128"]))


def _check_kth(kth: Any, x: Value, axis: int) -> None:
    if is_traced(kth) and active().values is None:
        raise UnsupportedError(
            "np.partition by a traced position", hint="Pass kth as a Python int, or use np.sort."
        )
    length = x.shape[axis]
    empty = not active().holds(">", x.tensor.size, 0)
    for position in np.atleast_1d(np.asarray(kth)).ravel():
        if np.asarray(position).dtype.kind not in "iu":
            raise TypeError("Partition index must be integer")
        if empty:
            continue
        low = active().holds(">=", int(position) + length, 0)
        if not (low and active().holds("<", int(position), length)):
            raise ValueError(f"kth(={position}) out of bounds ({length})")


@implements(np.partition)
def partition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> TracedArray:
    """`numpy.partition`, by a whole sort: a digit sort costs little more than a selection."""
    x, place = flattened(a, axis)
    _check_kth(kth, x.value, place)
    return sort(x, place, order=order)


@implements(np.argpartition)
def argpartition(
    a: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> TracedArray:
    """`numpy.argpartition`, by a whole argsort."""
    x, place = flattened(a, axis)
    _check_kth(kth, x.value, place)
    return argsort(x, place, order=order)


@implements(np.lexsort)
def lexsort(keys: Any, axis: Any = -1) -> TracedArray:
    """`numpy.lexsort`: stable sorts, one a key, the last key last."""
    parts = sequence_of_arrays(keys, "lexsort")
    if not parts:
        raise TypeError("need sequence of keys with len > 0 in lexsort")
    if any(not same_shape(part.value.shape, parts[0].value.shape) for part in parts):
        raise ValueError("all keys need to be the same shape")
    if parts[0].ndim == 0:
        return fresh_array(ops.constant(0, INT64))
    place = normalized_axis(axis, parts[0].ndim)
    order: Any = argsort(parts[0], place)
    for part in parts[1:]:
        by_part: Any = argsort(np.take_along_axis(part, order, place), place)
        order = np.take_along_axis(order, by_part, place)
    return order  # type: ignore[no-any-return]


# --- searches -------------------------------------------------------------------------------------

SORTER_OUT_OF_RANGE = "Sorter index out of range."
NOT_MONOTONIC = "bins must be monotonically increasing or decreasing"


def _is_right(side: Any) -> bool:
    if not isinstance(side, str) or not side or side[0].lower() not in "lr":
        raise ValueError(f"search side must be one of 'left' or 'right' (got {side!r})")
    return side[0].lower() == "r"


@implements(np.searchsorted)
def searchsorted(a: Any, v: Any, side: Any = "left", sorter: Any = None) -> Any:
    """`numpy.searchsorted`."""
    after = _is_right(side)
    row = as_array(a).value
    if row.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    dtype = promoted(fresh_array(row), v)
    if sorter is not None:
        order = as_array(sorter)
        if order.dtype.kind not in "iub":
            raise TypeError("sorter must only contain integers")
        if not same_shape(order.value.shape, row.shape):
            raise ValueError("sorter.size must equal a.size")
        row = ops.gather(row, (_in_range(order.value, row.shape[0]),), (0,))
    values = value_of(v, dtype)
    return array_or_scalar(ops.search(ops.cast(row, dtype), values, after))


def _in_range(order: Value, length: Any) -> Value:
    places = ops.cast(order, INT64)
    extent = ops.broadcast_to(ops.size_value(length), places.shape)
    inside = ops.logical_and(
        ops.greater_equal(places, ops.full_like(places, 0)), ops.less(places, extent)
    )
    return ops.require(places, inside, SORTER_OUT_OF_RANGE)


@implements(np.digitize)
def digitize(x: Any, bins: Any, right: bool = False) -> Any:
    """`numpy.digitize`; that the bins are monotonic is checked when the code runs."""
    values, edges = array_like(x), as_array(bins)
    if values.dtype.kind == "c":
        raise TypeError("x may not be complex")
    if edges.ndim != 1:
        raise ValueError("object of too small depth for desired array")
    side = "left" if right else "right"
    known = known_array(edges.value)
    if known is not None and len(known):
        rising = bool(np.all(known[:-1] <= known[1:]))
        if not rising and not np.all(known[:-1] >= known[1:]):
            raise ValueError(NOT_MONOTONIC)
        return searchsorted(edges, values, side) if rising else _falling(edges, values, side)
    length = edges.value.shape[0]
    if not active().holds(">", length, 1):
        return searchsorted(edges, values, side)
    array: Any = edges
    steps: Any = array[1:] >= array[:-1]
    back: Any = array[1:] <= array[:-1]
    up, down = np.all(steps), np.all(back)
    up_place, down_place = searchsorted(edges, values, side), _falling(edges, values, side)
    chosen = np.where(up, up_place, down_place)
    fits = value_of(np.logical_or(up, down), BOOL)
    return array_or_scalar(ops.require(value_of(chosen), fits, NOT_MONOTONIC))


def _falling(edges: Any, values: Any, side: str) -> Any:
    return len_of(edges) - searchsorted(edges[::-1], values, side)


def len_of(x: Any) -> Any:
    """The length of `x`, symbolic or not."""
    return x.shape[0]


@implements(np.isin)
def isin(
    element: Any,
    test_elements: Any,
    assume_unique: bool = False,
    invert: bool = False,
    *,
    kind: Any = None,
) -> Any:
    """`numpy.isin`, by a search in the sorted test elements."""
    if kind not in (None, "sort", "table"):
        raise ValueError(f"Invalid kind: '{kind}'. Please use None, 'sort' or 'table'.")
    x, tests = as_array(element), as_array(test_elements)
    dtype = promoted(x, tests)
    values = ops.cast(x.value, dtype)
    row = ops.cast(ops.reshape(tests.value, (tests.value.tensor.size,)), dtype)
    if not active().holds(">", row.shape[0], 0):
        return fresh_array(ops.full(values.tensor.with_dtype(BOOL), invert))
    row = ops.sort(row)
    last = ops.broadcast_to(ops.size_value(row.shape[0] - 1), values.shape)
    place = ops.minimum(ops.search(row, values, False), last)
    found = ops.equal(ops.gather(row, (place,), (0,)), values)
    return fresh_array(ops.logical_not(found) if invert else found)


# --- methods --------------------------------------------------------------------------------------


def sort_in_place(
    self: Any, axis: Any = -1, kind: Any = None, order: Any = None, *, stable: Any = None
) -> None:
    """`numpy.ndarray.sort`."""
    if type(self) is TracedScalar:
        raise np.exceptions.AxisError(static_int(axis, "an axis"), 0)
    assign(self, sort(self, axis.__index__(), kind, order, stable=stable))


def partition_in_place(
    self: Any, kth: Any, axis: Any = -1, kind: str = "introselect", order: Any = None
) -> None:
    """`numpy.ndarray.partition`."""
    assign(self, partition(self, kth, axis.__index__(), kind, order))
