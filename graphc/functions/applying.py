"""The user's functions applied to rows and pieces; choices; arrays put together from blocks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.functions.common import BOOL, INT64, as_array, deliver, promoted, rank_of
from graphc.functions.selection import bounded
from graphc.trace.context import active
from graphc.trace.convert import (
    array_like,
    as_shape,
    broadcast_shapes,
    normalized_axis,
    value_of,
)
from graphc.trace.dispatch import implements
from graphc.trace.loop import traced_scan
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import TensorType, product


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Any, axis: Any, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """`numpy.apply_along_axis`: the function is traced once, and runs as a loop over the rows."""
    x = as_array(arr)
    place = normalized_axis(axis, x.ndim)
    order = (*(k for k in range(x.ndim) if k != place), place)
    rows = ops.transpose(x.value, order)
    outer = rows.shape[:-1]
    if not active().holds(">", product(outer), 0):
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    if not outer:
        found = as_array(func1d(fresh_array(rows), *args, **kwargs)).value
    else:
        flat = fresh_array(ops.reshape(rows, (product(outer), rows.shape[-1])))

        def body(carry: Any, row: Any) -> tuple[Any, Any]:
            return carry, as_array(func1d(row, *args, **kwargs))

        _, stacked = traced_scan(body, None, flat)
        found = stacked.value
        found = ops.reshape(found, (*outer, *found.shape[1:]))
    lead, inner = len(outer), found.ndim - len(outer)
    back = [*range(place), *range(lead, lead + inner), *range(place, lead)]
    return fresh_array(ops.transpose(found, back))


@implements(np.apply_over_axes)
def apply_over_axes(func: Any, a: Any, axes: Any) -> Any:
    """`numpy.apply_over_axes`."""
    value: Any = as_array(a)
    rank = value.ndim
    for axis in axes if isinstance(axes, tuple | list) else (axes,):
        place = rank + axis if axis < 0 else axis
        found: Any = as_array(func(value, place))
        if found.ndim != rank:
            found = np.expand_dims(found, place)
            if found.ndim != rank:
                raise ValueError("function is not returning an array of the correct shape")
        value = found
    return value


@implements(np.piecewise)
def piecewise(x: Any, condlist: Any, funclist: Any, *args: Any, **kw: Any) -> TracedArray:
    """`numpy.piecewise`: each function works on the elements that its condition selects."""
    array: Any = as_array(x)
    conditions = _conditions(array, condlist)
    if len(conditions) == len(funclist) - 1:
        covered = conditions[0]
        for condition in conditions[1:]:
            covered = np.logical_or(covered, condition)
        conditions.append(np.logical_not(covered))
    elif len(conditions) != len(funclist):
        count = len(conditions)
        raise ValueError(
            f"with {count} condition(s), either {count} or {count + 1} functions are expected"
        )
    result: Any = fresh_array(ops.zeros(array.value.tensor))
    for condition, function in zip(conditions, funclist, strict=True):
        if isinstance(function, Callable):  # type: ignore[arg-type]
            result[condition] = function(array[condition], *args, **kw)
        else:
            result[condition] = function
    return result  # type: ignore[no-any-return]


def _conditions(x: Any, condlist: Any) -> list[Any]:
    """The conditions, one by one; a single one need not be in a list."""
    first = condlist if rank_of(condlist) == 0 else condlist[0]
    if (not isinstance(first, list | np.ndarray) and x.ndim) or rank_of(condlist) == 0:
        condlist = [condlist]
    elif not isinstance(condlist, list | tuple):
        condlist = [condlist[k] for k in range(active().static(condlist.value.shape[0]))]
    values = [value_of(condition, BOOL) for condition in condlist]
    return [fresh_array(ops.broadcast_to(value, x.value.shape)) for value in values]


OUTSIDE = "invalid entry in choice array"


@implements(np.choose)
def choose(a: Any, choices: Any, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.choose`."""
    picks = value_of(a)
    if picks.dtype.kind not in "iub":
        raise TypeError(
            f"Cannot cast array data from {picks.dtype!r} to dtype('int64') according to the rule "
            "'safe'"
        )
    if isinstance(choices, np.ndarray):
        array: Any = as_array(choices)
        choices = [array[k] for k in range(active().static(array.value.shape[0]))]
    if not len(choices):
        raise ValueError("invalid entry in choice array")
    dtype = promoted(*(array_like(choice) for choice in choices))
    values = [value_of(choice, dtype) for choice in choices]
    shape = broadcast_shapes(picks.shape, *(value.shape for value in values))
    picks = ops.cast(picks, INT64)
    if mode == "raise":
        good = ops.logical_and(
            ops.greater_equal(picks, ops.full_like(picks, 0)),
            ops.less(picks, ops.full_like(picks, len(values))),
        )
        picks = ops.require(picks, good, OUTSIDE)
    else:
        picks = bounded(picks, len(values), mode)
    picks = ops.broadcast_to(picks, shape)
    found = ops.broadcast_to(values[-1], shape)
    for number in range(len(values) - 2, -1, -1):
        here = ops.equal(picks, ops.full_like(picks, number))
        found = ops.select(here, ops.broadcast_to(values[number], shape), found)
    return deliver(found, out)


# --- blocks ---------------------------------------------------------------------------------------


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        if isinstance(arrays, tuple):
            raise TypeError(
                "arrays is a tuple. Only lists can be used to arrange blocks, and np.block does "
                "not allow implicit conversion from tuple to ndarray."
            )
        return 0
    if not arrays:
        raise ValueError("List at arrays cannot be empty")
    depths = {_depth(item) for item in arrays}
    if len(depths) != 1:
        raise ValueError("List depths are mismatched.")
    return depths.pop() + 1


def _rank(arrays: Any) -> int:
    if isinstance(arrays, list):
        return max(map(_rank, arrays))
    return array_like(arrays).value.ndim


@implements(np.block)
def block(arrays: Any) -> Any:
    """`numpy.block`."""
    depth = _depth(arrays)
    rank = max(depth, _rank(arrays))

    def joined(item: Any, level: int) -> Any:
        if isinstance(item, list):
            return np.concatenate([joined(part, level - 1) for part in item], axis=-level)
        x = as_array(item)
        return x.reshaped((*(1,) * (rank - x.ndim), *x.value.shape))

    found = joined(arrays, depth)
    return np.copy(found) if depth == 0 else found


@implements(np.resize)
def resize(a: Any, new_shape: Any) -> TracedArray:
    """`numpy.resize`: the elements over and over."""
    shape = as_shape(new_shape)
    if any(active().holds("<", size, 0) for size in shape):
        raise ValueError("all elements of `new_shape` must be non-negative")
    x = as_array(a).value
    row = ops.reshape(x, (x.tensor.size,))
    total = product(shape)
    if not active().holds(">", row.shape[0], 0) or not active().holds(">", total, 0):
        return fresh_array(ops.zeros(TensorType(x.dtype, shape)))
    index = ops.iota(total)
    length = ops.broadcast_to(ops.size_value(row.shape[0]), index.shape)
    return fresh_array(ops.reshape(ops.gather(row, (ops.remainder(index, length),), (0,)), shape))
