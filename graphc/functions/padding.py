"""``np.pad``: axis after axis, so that corners are padded from what the axes before gave."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import as_array, known_argument, resized, sliced, taken
from graphc.functions.creation import laid_out, linspace
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, holds_traced, value_of
from graphc.trace.dispatch import implements
from graphc.trace.ufuncs import is_fortran
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import Shape

Pair = tuple[int, int]
OPTIONS: dict[str, str] = {
    **dict.fromkeys(("empty", "edge", "wrap"), ""),
    "constant": "constant_values",
    "linear_ramp": "end_values",
    **dict.fromkeys(("maximum", "mean", "median", "minimum"), "stat_length"),
    **dict.fromkeys(("reflect", "symmetric"), "reflect_type"),
}
"""The modes, and the one option that each takes."""
STATISTICS: dict[str, Callable[..., Any]] = {
    "maximum": np.max,
    "mean": np.mean,
    "median": np.median,
    "minimum": np.min,
}


@implements(np.pad)
def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> TracedArray:
    """`numpy.pad`, in every mode but a function of the user's.

    Raises:
        UnsupportedError: the mode is a function: NumPy calls it for each row, to write it in place.
    """
    x = as_array(array)
    widths = _widths(pad_width, x.ndim)
    if callable(mode):
        raise UnsupportedError(
            "np.pad with a function as its mode",
            hint="Pad with zeros, and write the edges: y = np.pad(x, 1); y[0] = ...",
        )
    if mode not in OPTIONS:
        raise ValueError(f"mode '{mode}' is not supported")
    surplus = set(kwargs) - {OPTIONS[mode]}
    if surplus:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {surplus}")
    value = _padded(x.value, widths, mode, kwargs.get(OPTIONS[mode]))
    return laid_out(value, "F" if is_fortran(x) else "C")


def _padded(x: Value, widths: list[Pair], mode: str, option: Any) -> Value:
    if mode == "empty":
        return _embedded(x, widths)
    if mode == "constant":
        return _constant(x, widths, 0 if option is None else option)
    sizes = [active().static(size) for size in x.shape]
    if 0 in sizes:
        for axis, (size, pair) in enumerate(zip(sizes, widths, strict=True)):
            if size == 0 and any(pair):
                raise ValueError(
                    f"can't extend empty axis {axis} using modes other than 'constant' or 'empty'"
                )
        return _embedded(x, widths)
    if mode == "linear_ramp":
        return _ramps(x, widths, 0 if option is None else option)
    if mode in STATISTICS:
        return _statistics(x, widths, mode, option)
    for axis, pair in enumerate(widths):
        if not any(pair):
            continue
        if option == "odd" and sizes[axis] > 1:
            x = _reflected(x, axis, pair, with_edge=mode == "symmetric")
            continue
        source = np.pad(np.arange(sizes[axis]), pair, mode=mode)  # type: ignore[call-overload]
        x = taken(x, ops.constant(source), axis)
    return x


# --- arguments ------------------------------------------------------------------------------------


def _widths(pad_width: Any, rank: int) -> list[Pair]:
    if isinstance(pad_width, dict):
        pairs = [(0, 0)] * rank
        for axis, width in pad_width.items():
            pairs[axis] = width if isinstance(width, tuple) else (width, width)
        pad_width = pairs
    if holds_traced(pad_width) and array_like(pad_width).dtype.kind in "fc":
        raise TypeError("`pad_width` must be of integral type.")
    known = known_argument(pad_width, "np.pad by a traced width", "Pass Python ints.")
    if known.dtype.kind != "i":
        raise TypeError("`pad_width` must be of integral type.")
    return _counts(known, rank)


def _counts(known: np.ndarray, rank: int) -> list[Pair]:
    """Counts for both sides of each axis."""
    pairs = np.broadcast_to(known.ravel() if known.size == 1 else known, (rank, 2))
    if (pairs < 0).any():
        raise ValueError("index can't contain negative values")
    return [(int(before), int(after)) for before, after in pairs]


def _each(x: Any, rank: int) -> list[tuple[Any, Any]]:
    """Values for both sides of each axis, as 0-d arrays; Python numbers are of NumPy's dtypes."""
    value = array_like(x).value
    if value.tensor.size == 1:
        value = ops.reshape(value, ())
    pairs: Any = np.broadcast_to(fresh_array(value), (rank, 2))
    return [(pairs[axis, 0], pairs[axis, 1]) for axis in range(rank)]


# --- modes ----------------------------------------------------------------------------------------


def _embedded(x: Value, widths: list[Pair]) -> Value:
    return ops.embed(x, _padded_shape(x, widths), tuple(a for a, _ in widths), (1,) * x.ndim)


def _padded_shape(x: Value, widths: list[Pair]) -> Shape:
    return tuple(size + a + b for size, (a, b) in zip(x.shape, widths, strict=True))


def _constant(x: Value, widths: list[Pair], fill: Any) -> Value:
    if type(fill) in (int, float, bool) and fill == 0:
        return _embedded(x, widths)
    if array_like(fill).value.ndim:
        for axis, (pair, values) in enumerate(zip(widths, _each(fill, x.ndim), strict=True)):
            sides = [_filled(x, axis, *side) for side in zip(pair, values, strict=True)]
            x = _between(x, axis, *sides)
        return x
    base = ops.broadcast_to(ops.cast(array_like(fill).value, x.dtype), _padded_shape(x, widths))
    return ops.update(base, x, tuple(a for a, _ in widths), (1,) * x.ndim)


def _filled(x: Value, axis: int, width: int, value: Any) -> Value:
    return ops.broadcast_to(value_of(value, x.dtype), resized(x.shape, axis, width))


def _between(x: Value, axis: int, left: Value, right: Value) -> Value:
    parts = [ops.cast(part, x.dtype) for part in (left, x, right)]
    held = [part for part in parts if part.shape[axis] != 0]
    return ops.concatenate(held, axis) if len(held) > 1 else x


def _part(x: Value, axis: int, start: int, count: int) -> Any:
    return fresh_array(sliced(x, axis, start, count))


def _ramps(x: Value, widths: list[Pair], ends: Any) -> Value:
    for axis, (pair, values) in enumerate(zip(widths, _each(ends, x.ndim), strict=True)):
        last = active().static(x.shape[axis]) - 1
        sides = []
        for place, width, end in zip((0, last), pair, values, strict=True):
            edge = np.squeeze(_part(x, axis, place, 1), axis)
            sides.append(linspace(end, edge, width, endpoint=False, dtype=x.dtype, axis=axis))
        left, right = sides
        x = _between(x, axis, left.value, np.flip(right, axis).value)
    return x


def _statistics(x: Value, widths: list[Pair], mode: str, lengths: Any) -> Value:
    statistic = STATISTICS[mode]
    if lengths is None:
        counts: Any = [(None, None)] * x.ndim
    else:
        known = np.round(known_argument(lengths, "np.pad by a traced stat_length", "")).astype(int)
        counts = _counts(known, x.ndim)
    for axis, (pair, both) in enumerate(zip(widths, counts, strict=True)):
        size = active().static(x.shape[axis])
        first, second = (size if count is None else min(size, count) for count in both)
        if 0 in (first, second) and mode in ("maximum", "minimum"):
            raise ValueError("stat_length of 0 yields no value for padding")
        sides = []
        for start, count, width in ((0, first, pair[0]), (size - second, second, pair[1])):
            found = statistic(_part(x, axis, start, count), axis=axis, keepdims=True)
            if x.dtype.kind in "iu":
                found = np.round(found)
            shape = resized(x.shape, axis, width)
            sides.append(ops.broadcast_to(ops.cast(found.value, x.dtype), shape))
        x = _between(x, axis, *sides)
    return x


def _reflected(x: Value, axis: int, pair: Pair, with_edge: bool) -> Value:
    """One axis with odd reflections, again and again until the pads are full."""
    period = active().static(x.shape[axis])
    before, after = pair
    while before > 0 or after > 0:
        length = active().static(x.shape[axis])
        if with_edge:
            chunk = length // period * period
        else:
            chunk = (length - 1) // (period - 1) * (period - 1)
        first, second = min(chunk, before), min(chunk, after)
        near = 0 if with_edge else 1
        left = _odd(x, axis, near, first, edge=0)
        right = _odd(x, axis, length - near - second, second, edge=length - 1)
        x = _between(x, axis, left, right)
        before, after = before - first, after - second
    return x


def _odd(x: Value, axis: int, start: int, count: int, edge: int) -> Value:
    """`count` elements from `start` on, reflected at the element `edge`."""
    chunk: Any = np.flip(_part(x, axis, start, count), axis)
    found: Any = 2 * _part(x, axis, edge, 1) - chunk
    return found.value  # type: ignore[no-any-return]
