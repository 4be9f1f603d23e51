"""Differences and sums along an axis: diff, gradient, trapezoid, unwrap; and what lies between."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.functions.common import (
    BOOL,
    FLOAT64,
    array_or_scalar,
    as_array,
    promoted,
    rank_of,
    same_shape,
    sliced,
    static_int,
)
from graphc.functions.reductions import NO_VALUE
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, is_weak, normalized_axes, normalized_axis, value_of
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import DTYPES, is_inexact

COMPLEX128 = DTYPES["complex128"]


def _edge(x: Any, like: TracedArray, axis: int) -> TracedArray:
    """What `numpy.diff` puts before or behind: a scalar as one element of each row."""
    edge = as_array(x)
    if edge.ndim:
        return edge
    shape = tuple(1 if k == axis else size for k, size in enumerate(like.value.shape))
    return fresh_array(ops.broadcast_to(edge.value, shape))


@implements(np.diff)
def diff(
    a: Any, n: Any = 1, axis: Any = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE
) -> Any:
    """`numpy.diff`."""
    order = static_int(n, "the order of a difference")
    if order == 0:
        return a
    if order < 0:
        raise ValueError(f"order must be non-negative but got {order!r}")
    x = as_array(a)
    if x.ndim == 0:
        raise ValueError("diff requires input that is at least one dimensional")
    place = normalized_axis(axis, x.ndim)
    parts = [x]
    if prepend is not NO_VALUE:
        parts.insert(0, _edge(prepend, x, place))
    if append is not NO_VALUE:
        parts.append(_edge(append, x, place))
    if len(parts) > 1:
        x = np.concatenate(parts, place)  # type: ignore[assignment]
    value = x.value
    for _ in range(order):
        value = _difference(value, place)
    return fresh_array(value)


def _difference(x: Value, axis: int) -> Value:
    length = x.shape[axis]
    if not active().holds(">", length, 0):
        return x
    later, earlier = sliced(x, axis, 1, length - 1), sliced(x, axis, 0, length - 1)
    return ops.not_equal(later, earlier) if x.dtype == BOOL else ops.subtract(later, earlier)


@implements(np.ediff1d)
def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """`numpy.ediff1d`."""
    x = as_array(ary)
    flat = x.reshaped((x.value.tensor.size,))
    parts: list[Any] = [flat[1:] - flat[:-1]]
    for name, edge in (("to_begin", to_begin), ("to_end", to_end)):
        if edge is None:
            continue
        added = as_array(edge)
        weak = edge if is_weak(edge) else added
        if not np.can_cast(promoted(weak), x.dtype, "same_kind"):
            raise TypeError(
                f"dtype of `{name}` must be compatible with input `ary` under the `same_kind` rule."
            )
        row = ops.reshape(ops.cast(added.value, x.dtype), (added.value.tensor.size,))
        parts.insert(0 if name == "to_begin" else len(parts), fresh_array(row))
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


# --- gradient -------------------------------------------------------------------------------------


def _spacings(f: TracedArray, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """For each axis the distance between neighbours: a number, or an array of them."""
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and rank_of(varargs[0]) == 0:
        return [varargs[0]] * len(axes)
    if len(varargs) != len(axes):
        raise TypeError("invalid number of arguments")
    found: list[Any] = []
    for given, axis in zip(varargs, axes, strict=True):
        if rank_of(given) == 0:
            found.append(given)
            continue
        places: Any = as_array(given)
        if places.ndim != 1:
            raise ValueError("distances must be either scalars or 1d")
        if places.shape[0] != f.shape[axis]:
            raise ValueError(
                "when 1d, distances must match the length of the corresponding dimension"
            )
        if places.dtype.kind in "iu":
            places = places.astype(FLOAT64)
        steps = diff(places)
        known = known_array(steps.value)
        uniform = known is not None and len(known) and (known == known[0]).all()
        found.append(known[0] if known is not None and uniform else steps)
    return found


@implements(np.gradient)
def gradient(f: Any, *varargs: Any, axis: Any = None, edge_order: int = 1) -> Any:
    """`numpy.gradient`: central differences, one-sided ones at the edges."""
    x: Any = as_array(f)
    axes = normalized_axes(axis, x.ndim)
    if axis is not None:
        axes = tuple(k % x.ndim for k in (axis if isinstance(axis, tuple | list) else (axis,)))
    spacings = _spacings(x, varargs, axes)
    if edge_order > 2:
        raise ValueError("'edge_order' greater than 2 not supported")
    if x.dtype.kind in "iu":
        x = x.astype(FLOAT64)
    kind = x.dtype if is_inexact(x.dtype) else FLOAT64
    found = []
    for place, spacing in zip(axes, spacings, strict=True):
        if x.shape[place] < edge_order + 1:
            raise ValueError(
                "Shape of array too small to calculate a numerical gradient, at least (edge_order "
                "+ 1) elements are required."
            )
        found.append(_gradient_along(x, place, spacing, edge_order, kind))
    return found[0] if len(found) == 1 else tuple(found)


def _gradient_along(f: Any, axis: int, spacing: Any, edge_order: int, kind: np.dtype) -> Any:
    def part(start: Any, stop: Any) -> Any:
        return f[(slice(None),) * axis + (slice(start, stop),)]

    uniform = rank_of(spacing) == 0
    column = (-1, *(1,) * (f.ndim - axis - 1))
    if uniform:
        middle = (part(2, None) - part(None, -2)) / (2.0 * spacing)
    else:
        one, two = spacing[:-1], spacing[1:]
        before = -(two) / (one * (one + two))
        here = (two - one) / (one * two)
        after = one / (two * (one + two))
        before, here, after = (c.reshape(column) for c in (before, here, after))
        middle = before * part(None, -2) + here * part(1, -1) + after * part(2, None)

    def at(k: int) -> Any:
        return spacing if uniform else spacing[k]

    if edge_order == 1:
        first = (part(1, 2) - part(0, 1)) / at(0)
        last = (part(-1, None) - part(-2, -1)) / at(-1)
    else:
        a, b, c = _edge_weights(spacing, uniform, at, False)
        first = a * part(0, 1) + b * part(1, 2) + c * part(2, 3)
        a, b, c = _edge_weights(spacing, uniform, at, True)
        last = a * part(-3, -2) + b * part(-2, -1) + c * part(-1, None)
    return np.concatenate([p.astype(kind) for p in (first, middle, last)], axis)


def _edge_weights(spacing: Any, uniform: bool, at: Any, last: bool) -> tuple[Any, Any, Any]:
    """The weights of three elements in a difference at the first, or the last, of them."""
    if uniform:
        if last:
            return 0.5 / spacing, -2.0 / spacing, 1.5 / spacing
        return -1.5 / spacing, 2.0 / spacing, -0.5 / spacing
    one, two = (at(-2), at(-1)) if last else (at(0), at(1))
    if last:
        return (
            two / (one * (one + two)),
            -(two + one) / (one * two),
            (2.0 * two + one) / (two * (one + two)),
        )
    return (
        -(2.0 * one + two) / (one * (one + two)),
        (one + two) / (one * two),
        -one / (two * (one + two)),
    )


# --- sums -----------------------------------------------------------------------------------------


@implements(np.trapezoid)
def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    """`numpy.trapezoid`."""
    values: Any = as_array(y)
    place = normalized_axis(axis, values.ndim)
    steps = dx
    if x is not None:
        points: Any = as_array(x)
        if points.ndim == 1:
            steps = diff(points).reshape((-1, *(1,) * (values.ndim - place - 1)))
        else:
            steps = diff(points, axis=axis)
    lead = (slice(None),) * place
    later, earlier = values[(*lead, slice(1, None))], values[(*lead, slice(None, -1))]
    return np.sum(steps * (later + earlier) / 2.0, axis=place)


@implements(np.unwrap)
def unwrap(p: Any, discont: Any = None, axis: Any = -1, *, period: Any = 2 * np.pi) -> Any:
    """`numpy.unwrap`, in NumPy's own steps."""
    x: Any = as_array(p)
    place = normalized_axis(axis, x.ndim)
    steps: Any = diff(x, axis=place)
    limit = period / 2 if discont is None else discont
    kind = promoted(steps, period)
    if kind.kind in "iu":
        high, rest = divmod(period, 2)
        ambiguous = rest == 0
    else:
        high, ambiguous = period / 2, True
    wrapped: Any = np.mod(steps + high, period) - high
    if ambiguous:
        wrapped = np.where((wrapped == -high) & (steps > 0), high, wrapped).astype(wrapped.dtype)
    correction: Any = wrapped - steps
    small = np.abs(steps) < limit
    correction = np.where(small, 0, correction).astype(correction.dtype)
    lead = (slice(None),) * place
    later = x[(*lead, slice(1, None))] + np.cumsum(correction, axis=place)
    first = x[(*lead, slice(None, 1))]
    return np.concatenate([first.astype(kind), later.astype(kind)], place)


# --- interpolation --------------------------------------------------------------------------------


@implements(np.interp)
def interp(
    x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: Any = None
) -> Any:
    """`numpy.interp`: a binary search for each point; differentiable by all three arrays."""
    values = array_like(fp)
    kind = COMPLEX128 if values.dtype.kind == "c" else FLOAT64
    points, places, heights = value_of(x, FLOAT64), value_of(xp, FLOAT64), value_of(fp, kind)
    if period is not None:
        left = right = None
    if places.ndim != 1 or heights.ndim != 1:
        if period is None:
            raise ValueError("object too deep for desired array")
        raise ValueError("Data points must be 1-D sequences")
    if not same_shape(places.shape, heights.shape):
        raise ValueError("fp and xp are not of the same length")
    if not active().holds(">", places.shape[0], 0):
        raise ValueError("array of sample points is empty")
    if period is not None:
        points, places, heights = _periodic(points, places, heights, period)
    return array_or_scalar(_interpolated(points, places, heights, left, right))


def _periodic(x: Value, xp: Value, fp: Value, period: Any) -> tuple[Value, Value, Value]:
    """All points in one period, sorted, with their neighbours from the next ones."""
    if is_weak(period) and not hasattr(period, "value"):
        if period == 0:
            raise ValueError("period must be a non-zero value")
        period = abs(period)
    else:
        period = np.abs(period)
    points: Any = np.mod(fresh_array(x), period)
    places: Any = np.mod(fresh_array(xp), period)
    order = ops.argsort(places.value)
    sorted_places: Any = fresh_array(ops.gather(places.value, (order,), (0,)))
    heights: Any = fresh_array(ops.gather(fp, (order,), (0,)))
    wide = np.concatenate((sorted_places[-1:] - period, sorted_places, sorted_places[:1] + period))
    around = np.concatenate((heights[-1:], heights, heights[:1]))
    return value_of(points), value_of(wide), value_of(around)


def _interpolated(x: Value, xp: Value, fp: Value, left: Any, right: Any) -> Value:
    kind, length = fp.dtype, xp.shape[0]
    first, last = (sliced(fp, 0, k, 1) for k in (0, length - 1))
    low = first if left is None else ops.reshape(value_of(left, kind), (1,))
    high = last if right is None else ops.reshape(value_of(right, kind), (1,))
    shape = x.shape

    def spread(one: Value) -> Value:
        return ops.broadcast_to(ops.reshape(one, ()), shape)

    def chosen(condition: Value, then: Value, otherwise: Value) -> Value:
        return ops.select(condition, then, otherwise)

    if not active().holds(">", length, 1):
        found = spread(first)
    else:
        one = ops.full(x.tensor.with_dtype(DTYPES["int64"]), 1)
        most = ops.broadcast_to(ops.size_value(length - 2), shape)
        at = ops.subtract(ops.search(xp, x, True), one)
        at = ops.minimum(ops.maximum(at, ops.full_like(at, 0)), most)
        found = _between(x, xp, fp, at, ops.add(at, one))
    end, start = spread(sliced(xp, 0, length - 1, 1)), spread(sliced(xp, 0, 0, 1))
    found = chosen(ops.equal(x, end), spread(last), found)
    found = chosen(ops.greater(x, end), spread(high), found)
    found = chosen(ops.less(x, start), spread(low), found)
    if not active().holds(">", length, 1):
        return found
    unknown = ops.cast(x, kind) if kind != x.dtype else x
    return chosen(ops.isnan(x), unknown, found)


def _between(x: Value, xp: Value, fp: Value, at: Value, after: Value) -> Value:
    """On the line through two points; where that is NaN, what NumPy tries next."""
    kind = fp.dtype
    x0, x1 = (ops.gather(xp, (k,), (0,)) for k in (at, after))
    y0, y1 = (ops.gather(fp, (k,), (0,)) for k in (at, after))
    wide = (lambda v: ops.cast(v, kind)) if kind.kind == "c" else (lambda v: v)
    slope = ops.divide(ops.subtract(y1, y0), wide(ops.subtract(x1, x0)))
    found = ops.add(ops.multiply(slope, wide(ops.subtract(x, x0))), y0)
    other = ops.add(ops.multiply(slope, wide(ops.subtract(x, x1))), y1)
    found = ops.select(ops.isnan(found), other, found)
    flat = ops.logical_and(ops.isnan(found), ops.logical_or(ops.equal(y0, y1), ops.equal(x, x0)))
    return ops.select(flat, y0, found)


# --- special functions of one variable ------------------------------------------------------------


@implements(np.sinc)
def sinc(x: Any) -> Any:
    """`numpy.sinc`: ``sin(pi x) / (pi x)``, 1 at 0, with all derivatives there."""
    array = array_like(x)
    if not is_inexact(array.dtype):
        array = array_or_scalar(ops.cast(array.value, FLOAT64))
    y: Any = np.multiply(array, np.pi)
    zero = np.equal(y, 0)
    safe = np.where(zero, 1, y)
    # Around 0 the function is 1 - y**2 / 6: what it is written with there makes its derivatives.
    found = np.where(zero, 1 - y * y / 6, np.sin(safe) / safe).astype(array.dtype)
    as_it_was = array.value.ndim or type(array) is TracedArray
    return found if as_it_was else array_or_scalar(value_of(found))
