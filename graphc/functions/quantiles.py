"""Medians and quantiles: a sort, and what lies at a place between two of its elements.

The methods are those of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The
American Statistician 50, 1996, under NumPy's names; the places are computed in NumPy's own steps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from graphc import ops
from graphc.errors import OutOfBoundsError
from graphc.functions.common import FLOAT64, INT64, as_array, deliver, same_shape
from graphc.functions.reductions import NO_VALUE, given
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, normalized_axes, value_of
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.values import TracedArray, fresh_array, scalar
from graphc.types import Shape, Size, floordiv, is_inexact, mod, product

Place: TypeAlias = Callable[[Any, Any], Any]


def _boundary(index: Any, keeps: Callable[[Any, Any], Any]) -> Any:
    before = np.floor(index)
    chosen = np.where(keeps(index - before, before), before, before + 1)
    return np.maximum(chosen, 0).astype(INT64)


def _between(alpha: float, beta: float) -> Place:
    return lambda n, q: n * q + (alpha + q * (1 - alpha - beta)) - 1


DISCRETE: dict[str, Place] = {
    "inverted_cdf": lambda n, q: _boundary(n * q - 1, lambda gamma, _: gamma == 0),
    "closest_observation": lambda n, q: _boundary(
        n * q - 1 - 0.5, lambda gamma, before: (gamma == 0) & (before % 2 == 1)
    ),
    "lower": lambda n, q: np.floor((n - 1) * q).astype(INT64),
    "higher": lambda n, q: np.ceil((n - 1) * q).astype(INT64),
    "nearest": lambda n, q: np.round((n - 1) * q).astype(INT64),
}
"""Where the element lies that a method takes."""

CONTINUOUS: dict[str, Place] = {
    "averaged_inverted_cdf": lambda n, q: n * q - 1,
    "interpolated_inverted_cdf": _between(0, 1),
    "hazen": _between(0.5, 0.5),
    "weibull": _between(0, 0),
    "linear": lambda n, q: (n - 1) * q,
    "median_unbiased": _between(1 / 3.0, 1 / 3.0),
    "normal_unbiased": _between(3 / 8.0, 3 / 8.0),
    "midpoint": lambda n, q: 0.5 * (np.floor((n - 1) * q) + np.ceil((n - 1) * q)),
}
"""Where between two elements the value lies that a method makes of them."""


def _share(method: str, place: Any, before: Any) -> Any:
    """The share of the later of two elements."""
    gamma = place - before
    if method == "averaged_inverted_cdf":
        return np.where(gamma == 0, 0.5, 1.0)
    if method == "midpoint":
        return np.where(place % 1 == 0, 0.0, 0.5)
    return gamma


# --- rows -----------------------------------------------------------------------------------------


def _rows(a: Any, axis: Any) -> tuple[Value, tuple[int, ...]]:
    """`a` with the axes to reduce joined as the last one, and those axes."""
    x = as_array(a).value
    axes = normalized_axes(axis, x.ndim)
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    moved = ops.transpose(x, (*kept, *axes))
    count = product(tuple(x.shape[k] for k in axes))
    return ops.reshape(moved, (*(x.shape[k] for k in kept), count)), axes


def _delivered(
    value: Value, lead: int, x: Any, axes: tuple[int, ...], keepdims: Any, out: Any
) -> Any:
    """A result with `lead` axes in front, the reduced axes as size 1 behind them if wanted."""
    if not given(keepdims, False):
        return deliver(value, out)
    shape = as_array(x).value.shape
    rest = tuple(1 if k in axes else size for k, size in enumerate(shape))
    value = ops.reshape(value, (*value.shape[:lead], *rest))
    return deliver(value, out) if value.ndim or out is not None else fresh_array(value)


def _at(rows: Value, places: Value) -> Value:
    """The elements at `places` of every row: the places' axes first."""
    return ops.gather(rows, (places,), (rows.ndim - 1,))


def _along(rows: Value, places: Value) -> Value:
    """The element of each row at its own of `places`, whose last axes are those of the rows."""
    lead = places.ndim - (rows.ndim - 1)
    shape = places.shape
    indices = [
        ops.broadcast_to(
            ops.reshape(ops.iota(size), (size, *(1 for _ in range(rows.ndim - 2 - k)))), shape
        )
        for k, size in enumerate(rows.shape[:-1])
    ]
    assert lead >= 0
    return ops.gather(rows, (*indices, places), tuple(range(rows.ndim)))


def _part(rows: Value, start: Size, count: int) -> Value:
    last = rows.ndim - 1
    begin = (*(0,) * last, start)
    return ops.slice_(rows, begin, (*rows.shape[:-1], count), (1,) * rows.ndim)


# --- medians --------------------------------------------------------------------------------------


@implements(np.median)
def median(
    a: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: Any = NO_VALUE,
) -> Any:
    """`numpy.median`; NaN of what holds NaN."""
    rows, axes = _rows(a, axis)
    length = rows.shape[-1]
    if not active().holds(">", length, 0):
        found = np.mean(fresh_array(rows), axis=-1)
        return _delivered(found.value, 0, a, axes, keepdims, out)
    rows = ops.sort(rows)
    even = active().holds("==", mod(length, 2), 0)
    half = floordiv(length, 2)
    middle: Any = fresh_array(_part(rows, half - 1, 2) if even else _part(rows, half, 1))
    found = np.mean(middle, axis=-1).value
    if is_inexact(rows.dtype):
        last = ops.reshape(_part(rows, length - 1, 1), found.shape)
        found = ops.select(ops.isnan(last), last, found)
    return _delivered(found, 0, a, axes, keepdims, out)


def _valid(rows: Value) -> Value:
    """How many elements of each row are not NaN."""
    if not is_inexact(rows.dtype):
        return ops.broadcast_to(ops.size_value(rows.shape[-1]), rows.shape[:-1])
    known = ops.cast(ops.logical_not(ops.isnan(rows)), INT64)
    return ops.sum_(known, (rows.ndim - 1,))


@implements(np.nanmedian)
def nanmedian(
    a: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    keepdims: Any = NO_VALUE,
) -> Any:
    """`numpy.nanmedian`: of each row, the median of what is not NaN."""
    rows, axes = _rows(a, axis)
    if not is_inexact(rows.dtype) or not active().holds(">", rows.shape[-1], 0):
        return median(a, axis, out, keepdims=keepdims)
    rows = ops.sort(rows)
    count: Any = fresh_array(_valid(rows))
    low = _along(rows, np.maximum((count - 1) // 2, 0).value)
    high = _along(rows, np.minimum(count // 2, _last(rows)).value)
    half = ops.full_like(low, 2)
    mean = ops.divide(ops.add(low, high), half)
    found = ops.select(value_of(count % 2 == 1), low, mean)
    return _delivered(found, 0, a, axes, keepdims, out)


def _last(rows: Value) -> Any:
    return scalar(ops.size_value(rows.shape[-1] - 1))


# --- quantiles ------------------------------------------------------------------------------------


def _order(q: Any, limit: int, name: str) -> tuple[Any, bool]:
    """`q` as a static array where it is known, else traced; and whether it is a Python number."""
    weak = type(q) in (int, float)
    array = array_like(q)
    known = known_array(array.value)
    if array.value.ndim > 2:
        raise ValueError("q must be a scalar or 1d")
    order: Any = array if known is None else known
    if known is not None:
        if not np.all((known >= 0) & (known <= limit)):
            raise ValueError(f"{name} must be in the range [0, {limit}]")
    else:
        inside: Any = np.logical_and(order >= 0, order <= limit)
        problem = f"{name} must be in the range [0, {limit}]"
        order = fresh_array(ops.require(order.value, inside.value, problem))
    return (order if limit == 1 else np.true_divide(order, limit)), weak


def _constant(x: Any) -> Any:
    return x if hasattr(x, "value") else fresh_array(ops.constant(np.asarray(x)))


def _quantiles(rows: Value, count: Any, q: Any, weak: bool, method: str) -> Value:
    """The quantiles of sorted rows, of which `count` elements count: an int, or one a row."""
    if method not in DISCRETE and method not in CONTINUOUS:
        raise ValueError(f"{method!r} is not a valid method. Use one of: {METHODS}")
    each = hasattr(count, "ndim") and count.ndim > 0
    traced = hasattr(count, "value") or hasattr(q, "value")
    if traced and q.dtype.kind != "f":
        q = q.astype(FLOAT64)
    if each:
        q = _constant(q).reshape((*q.shape, *(1 for _ in count.shape)))
    place = (DISCRETE.get(method) or CONTINUOUS[method])(count, q)
    take = _along if each else _at
    lead = value_of(_constant(place)).ndim - (rows.ndim - 1 if each else 0)
    whole = method == "linear" and np.dtype(place.dtype).kind in "iu"
    if method in DISCRETE or whole:
        bounded = np.minimum(place, np.maximum(count - 1, 0)) if traced else place
        return take(rows, ops.cast(value_of(_constant(bounded)), INT64))
    before = np.floor(place)
    above, below = place >= count - 1, place < 0
    first = np.where(above, count - 1, np.where(below, 0, before))
    second = np.where(above, count - 1, np.where(below, 0, before + 1))
    gamma = _constant(_share(method, place, before))
    low, high = (fresh_array(take(rows, _position(_constant(p), rows))) for p in (first, second))
    if weak:
        gamma = gamma.astype(low.dtype) if is_inexact(low.dtype) else gamma
    else:
        gamma = gamma.astype(place.dtype)
    shape = (*gamma.value.shape[:lead], *(1 for _ in range(rows.ndim - 1)))
    share: Any = gamma if each else fresh_array(ops.reshape(gamma.value, shape))
    gap: Any = np.subtract(high, low)
    late, early = np.subtract(high, gap * (1 - share)), np.add(low, gap * share)
    return value_of(np.where(share >= 0.5, late, early))


def _position(place: Any, rows: Value) -> Value:
    """A place as an index: what is NaN, or before the first element of an empty row, as 0."""
    value = ops.cast(place.value, INT64) if place.dtype.kind in "iu" else None
    if value is None:
        known = ops.logical_not(ops.isnan(place.value))
        value = ops.cast(ops.select(known, place.value, ops.full_like(place.value, 0)), INT64)
    zero = ops.full_like(value, 0)
    last = ops.broadcast_to(ops.size_value(rows.shape[-1] - 1), value.shape)
    return ops.minimum(ops.maximum(value, zero), last)


METHODS = [*DISCRETE, *CONTINUOUS]


def _length(rows: Value) -> Any:
    size = rows.shape[-1]
    return size if isinstance(size, int) else scalar(ops.cast(ops.size_value(size), FLOAT64))


def _quantile(
    a: Any,
    q: Any,
    axis: Any,
    out: Any,
    method: str,
    keepdims: Any,
    weights: Any,
    limit: int,
    skip_nan: bool,
) -> Any:
    x = as_array(a)
    if x.dtype.kind == "c":
        raise TypeError("a must be an array of real numbers")
    order, weak = _order(q, limit, "Quantiles" if limit == 1 else "Percentiles")
    if weights is not None and method != "inverted_cdf":
        raise ValueError(f"Only method 'inverted_cdf' supports weights. Got: {method}.")
    rows, axes = _rows(x, axis)
    lead = len(order.shape)
    if skip_nan and not active().holds(">", x.value.tensor.size, 0):
        return np.nanmean(x, axis=axis, out=out, keepdims=given(keepdims, False))
    if not active().holds(">", rows.shape[-1], 0):
        raise OutOfBoundsError("index -1 is out of bounds for axis 0 with size 0")
    if weights is not None:
        found = _weighted(rows, _weight_rows(weights, x, axis, axes), order, skip_nan)
        result = _delivered(found, lead, x, axes, keepdims, out)
        return result if result.ndim else fresh_array(result.value)
    rows = ops.sort(rows)
    if skip_nan and is_inexact(rows.dtype):
        count: Any = fresh_array(_valid(rows))
        found = _quantiles(rows, count, order, weak, method)
        empty = ops.broadcast_to(value_of(count == 0), found.shape)
        found = ops.select(empty, ops.full_like(found, np.nan), found)
    else:
        found = _quantiles(rows, _length(rows), order, weak, method)
        found = _or_nan(found, rows)
    return _delivered(found, lead, x, axes, keepdims, out)


def _or_nan(found: Value, rows: Value) -> Value:
    """`found`, but NaN for the rows that end in NaN."""
    if not is_inexact(rows.dtype):
        return found
    last = ops.reshape(_part(rows, rows.shape[-1] - 1, 1), rows.shape[:-1])
    last = ops.broadcast_to(ops.cast(last, found.dtype), found.shape)
    return ops.select(ops.isnan(last), last, found)


# --- weights --------------------------------------------------------------------------------------

NEGATIVE_WEIGHT = "Weights must be non-negative."
BAD_WEIGHTS = "Weights included NaN, inf or were all zero."


def _weight_rows(weights: Any, x: TracedArray, axis: Any, axes: tuple[int, ...]) -> Value:
    w = as_array(weights)
    if not same_shape(w.value.shape, x.value.shape):
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        given_axes = [k % x.ndim for k in (axis if isinstance(axis, tuple | list) else (axis,))]
        if not same_shape(w.value.shape, tuple(x.value.shape[k] for k in given_axes)):
            raise ValueError(
                "Shape of weights must be consistent with shape of a along specified axis."
            )
        order = tuple(sorted(range(len(given_axes)), key=given_axes.__getitem__))
        kept: Shape = tuple(s if k in axes else 1 for k, s in enumerate(x.value.shape))
        spread = ops.reshape(ops.transpose(w.value, order), kept)
        w = fresh_array(ops.broadcast_to(spread, x.value.shape))
    rows, _ = _rows(w, axis)
    bad = ops.less(rows, ops.full_like(rows, 0))
    return ops.require(rows, ops.logical_not(bad), NEGATIVE_WEIGHT)


def _weighted(rows: Value, weights: Value, q: Any, skip_nan: bool) -> Value:
    """The inverse of the weighted distribution: the first element whose share reaches `q`."""
    if skip_nan and is_inexact(rows.dtype):
        weights = ops.select(ops.isnan(rows), ops.full_like(weights, 0), weights)
    order = ops.argsort(rows)
    shares: Any = fresh_array(ops.cast(_reordered(weights, order), FLOAT64))
    rows = _reordered(rows, order)
    shares = np.cumsum(shares, axis=-1)
    shares = shares / shares[..., -1:]
    q = _constant(q)
    if q.dtype.kind == "f":
        shares = shares.astype(q.dtype)
    good = ops.logical_not(ops.isnan(shares[..., -1:].value))
    shares = fresh_array(ops.require(shares.value, good, BAD_WEIGHTS))
    shares = np.where(shares == 0, -1, shares)
    wanted = q.reshape((*q.shape, *(1 for _ in range(rows.ndim))))
    place = np.minimum(np.sum(shares < wanted, axis=-1), _last(rows))
    found = _along(rows, place.value)
    return found if skip_nan else _or_nan(found, rows)


def _reordered(x: Value, order: Value) -> Value:
    taken: Any = np.take_along_axis(fresh_array(x), fresh_array(order), -1)  # type: ignore[arg-type]
    value: Value = taken.value
    return value


# --- NumPy's four ---------------------------------------------------------------------------------


@implements(np.quantile)
def quantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.quantile`, by every method."""
    return _quantile(a, q, axis, out, method, keepdims, weights, 1, False)


@implements(np.percentile)
def percentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = False,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.percentile`, by every method."""
    return _quantile(a, q, axis, out, method, keepdims, weights, 100, False)


@implements(np.nanquantile)
def nanquantile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = NO_VALUE,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.nanquantile`: of each row, the quantile of what is not NaN."""
    return _quantile(a, q, axis, out, method, keepdims, weights, 1, True)


@implements(np.nanpercentile)
def nanpercentile(
    a: Any,
    q: Any,
    axis: Any = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: Any = NO_VALUE,
    *,
    weights: Any = None,
) -> Any:
    """`numpy.nanpercentile`: of each row, the percentile of what is not NaN."""
    return _quantile(a, q, axis, out, method, keepdims, weights, 100, True)
