"""Elements in another order, or repeated: flip, roll, tile, repeat."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import as_array, like_method, sliced, static_int, taken
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import (
    array_like,
    holds_traced,
    normalized_axes,
    normalized_axis,
    value_of,
)
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import Size


@implements(np.flip)
def flip(m: Any, axis: Any = None) -> Any:
    """`numpy.flip`: a view."""
    x = as_array(m)
    axes = normalized_axes(axis, x.ndim)
    return x[tuple(slice(None, None, -1 if k in axes else None) for k in range(x.ndim))]


@implements(np.fliplr)
def fliplr(m: Any) -> Any:
    """`numpy.fliplr`."""
    if as_array(m).ndim < 2:
        raise ValueError("Input must be >= 2-d.")
    return flip(m, 1)


@implements(np.flipud)
def flipud(m: Any) -> Any:
    """`numpy.flipud`."""
    if as_array(m).ndim < 1:
        raise ValueError("Input must be >= 1-d.")
    return flip(m, 0)


@implements(np.rot90)
def rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> Any:
    """`numpy.rot90`: a view."""
    x = as_array(m)
    first, second = (normalized_axis(axis, x.ndim) for axis in axes)
    if first == second:
        raise ValueError("Axes must be different.")
    turns = k % 4
    if turns == 0:
        return x[...]
    if turns == 2:
        return flip(flip(x, first), second)
    if turns == 1:
        return np.swapaxes(flip(x, second), first, second)
    return flip(np.swapaxes(x, first, second), second)


# --- roll -----------------------------------------------------------------------------------------


def _rolled(x: Value, shift: Any, axis: int) -> Value:
    extent = x.shape[axis]
    if active().holds("==", extent, 0):
        return x
    if holds_traced(shift):
        size = ops.size_value(extent)
        distance = ops.remainder(value_of(shift, size.dtype), size)
        place = ops.subtract(ops.iota(extent), ops.broadcast_to(distance, (extent,)))
        return taken(x, place, axis)
    forward = _distance(shift.__index__(), extent)
    if forward in (0, extent):
        return x
    tail = sliced(x, axis, extent - forward, forward)
    return ops.concatenate((tail, sliced(x, axis, 0, extent - forward)), axis)


def _distance(shift: int, extent: Size) -> Size:
    """How far elements move forward, from 0 to `extent`."""
    trace = active()
    if shift >= 0 and trace.holds("<=", shift, extent):
        return shift
    if shift < 0 and trace.holds("<=", -shift, extent):
        return extent + shift
    return shift % trace.static(extent)


@implements(np.roll)
def roll(a: Any, shift: Any, axis: Any = None) -> TracedArray:
    """`numpy.roll`."""
    x = as_array(a)
    if axis is None:
        flat = ops.reshape(x.value, (x.value.tensor.size,))
        return fresh_array(ops.reshape(_rolled(flat, shift, 0), x.value.shape))
    axes = list(axis) if isinstance(axis, tuple | list) else [axis]
    shifts = list(shift) if isinstance(shift, tuple | list) else [shift]
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    if len(axes) == 1:
        axes = axes * len(shifts)
    if len(axes) != len(shifts):
        raise ValueError("'shift' and 'axis' should be scalars or 1D sequences")
    value = x.value
    for item, distance in zip(axes, shifts, strict=True):
        value = _rolled(value, distance, normalized_axis(item, x.ndim))
    return fresh_array(value)


# --- repetition -----------------------------------------------------------------------------------


@implements(np.tile)
def tile(A: Any, reps: Any) -> TracedArray:
    """`numpy.tile`: a copy."""
    counts = list(reps) if isinstance(reps, tuple | list) else [reps]
    times = [static_int(count, "the count of np.tile") for count in counts]
    x = as_array(A).value
    rank = max(x.ndim, len(times))
    shape = (1,) * (rank - x.ndim) + x.shape
    times = [1] * (rank - len(times)) + times
    thin: list[Size] = []
    wide: list[Size] = []
    for size, count in zip(shape, times, strict=True):
        thin += [1, size]
        wide += [count, size]
    spread = ops.broadcast_to(ops.reshape(x, tuple(thin)), tuple(wide))
    final = tuple(size * count for size, count in zip(shape, times, strict=True))
    return fresh_array(ops.reshape(spread, final))


@implements(np.repeat)
@like_method
def repeat(a: Any, repeats: Any, axis: Any = None) -> Any:
    """`numpy.repeat`, with counts known while tracing."""
    x = as_array(a)
    if axis is None:
        x, axis = x.reshaped((x.value.tensor.size,)), 0
    place = normalized_axis(axis, x.ndim)
    value = x.value
    counts = _static_counts(repeats)
    if counts.size == 1:
        count = int(counts.reshape(()))
        if count < 0:
            raise ValueError("repeats may not contain negative values.")
        before, size, after = value.shape[:place], value.shape[place], value.shape[place + 1 :]
        column = ops.reshape(value, (*before, size, 1, *after))
        wide = ops.broadcast_to(column, (*before, size, count, *after))
        return fresh_array(ops.reshape(wide, (*before, size * count, *after)))
    source = np.repeat(np.arange(active().static(value.shape[place])), counts)
    return fresh_array(taken(value, ops.constant(source), place))


def _static_counts(repeats: Any) -> np.ndarray:
    if hasattr(repeats, "__index__") and not isinstance(repeats, np.ndarray):
        return np.asarray(static_int(repeats, "the count of np.repeat"))
    counts = known_array(array_like(repeats).value)
    if counts is None:
        raise UnsupportedError(
            "np.repeat with traced counts has a shape that depends on data",
            hint="Pass the counts as Python ints.",
        )
    return counts
