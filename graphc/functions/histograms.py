"""Histograms, and counts of integers: a bin for each element, then a scatter of ones or weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import FLOAT64, INT64, as_array, rank_of, same_shape
from graphc.functions.differences import diff
from graphc.functions.ordering import searchsorted
from graphc.ir import Value
from graphc.trace.context import active, user_location
from graphc.trace.convert import array_like, is_weak, python_type, value_of
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.sizes import TracedSize, as_size
from graphc.trace.values import TracedArray, fresh_array, is_traced
from graphc.types import DTYPES, Size, TensorType, is_inexact, supported_dtype

NOT_MONOTONIC = "`bins` must increase monotonically, when an array"
UNSIGNED = {DTYPES[f"int{bits}"]: DTYPES[f"uint{bits}"] for bits in (8, 16, 32, 64)}


def counted(places: Value, weights: Value, length: Size) -> Value:
    """The weights of each place below `length` added up; places outside it count nowhere."""
    extent = ops.broadcast_to(ops.size_value(length), places.shape)
    inside = ops.logical_and(
        ops.greater_equal(places, ops.full_like(places, 0)), ops.less(places, extent)
    )
    kept = ops.select(inside, weights, ops.full_like(weights, 0))
    places = ops.select(inside, places, ops.full_like(places, 0))
    zeros = ops.zeros(TensorType(weights.dtype, (length,)))
    if not active().holds(">", length, 0):
        return zeros
    return ops.scatter_add(zeros, kept, (places,), (0,))


# --- bincount -------------------------------------------------------------------------------------

NEGATIVE = "'list' argument must have no negative elements"
TOO_LARGE = (
    "np.bincount of a traced array has minlength bins: an element is not below it. Pass the number "
    "of bins that the largest element needs as minlength"
)


@implements(np.bincount)
def bincount(x: Any, /, weights: Any = None, minlength: Any = 0) -> TracedArray:
    """`numpy.bincount`; of a traced array the result has `minlength` bins, which must suffice.

    Raises:
        UnsupportedError: the array is traced and no `minlength` is given.
        DomainError: when the code runs, an element is negative, or not below `minlength`.
    """
    array = as_array(x)
    if array.dtype.kind not in "iub":
        raise TypeError(
            f"Cannot cast array data from {array.dtype!r} to dtype('int64') according to the rule "
            "'safe'"
        )
    if array.ndim != 1:
        depth = "too deep" if array.ndim else "of too small depth"
        raise ValueError(f"object {depth} for desired array")
    least = as_size(minlength)
    if least is None:
        least = minlength.__index__()
    if active().holds("<", least, 0):
        raise ValueError("'minlength' must not be negative")
    places = ops.cast(array.value, INT64)
    known = known_array(places)
    empty = not active().holds(">", places.shape[0], 0)
    if known is not None and len(known):
        if known.min() < 0:
            raise ValueError(NEGATIVE)
        needed = int(known.max()) + 1
        least = needed if active().holds("<", least, needed) else least
    elif not active().holds(">", least, 0) and not empty:
        raise UnsupportedError(
            "np.bincount of a traced array has a length that depends on data",
            location=user_location(),
            hint="Give the number of bins: np.bincount(x, minlength=10). Each element must be "
            "below it.",
        )
    else:
        positive = ops.greater_equal(places, ops.full_like(places, 0))
        extent = ops.broadcast_to(ops.size_value(least), places.shape)
        places = ops.require(places, positive, NEGATIVE)
        places = ops.require(places, ops.less(places, extent), TOO_LARGE)
    if weights is None:
        return fresh_array(counted(places, ops.full_like(places, 1), least))
    worth = as_array(weights)
    if worth.dtype.kind == "c":
        raise TypeError(
            f"Cannot cast array data from {worth.dtype!r} to dtype('float64') according to the "
            "rule 'safe'"
        )
    if not same_shape(worth.value.shape, places.shape):
        raise ValueError("The weights and list don't have the same length.")
    if empty:
        # NumPy counts nothing in int64, with weights too.
        return fresh_array(ops.zeros(TensorType(INT64, (least,))))
    return fresh_array(counted(places, ops.cast(worth.value, FLOAT64), least))


# --- edges ----------------------------------------------------------------------------------------


def _is_static(x: Any) -> bool:
    return not is_traced(x) and not hasattr(x, "value")


def _outer_edges(a: Any, range_: Any) -> tuple[Any, Any]:
    """The first and last edge: from the range, else from the data."""
    if range_ is not None:
        first, last = range_
        if _is_static(first) and _is_static(last):
            if first > last:
                raise ValueError("max must be larger than min in range parameter.")
            if not (np.isfinite(first) and np.isfinite(last)):
                raise ValueError(f"supplied range of [{first}, {last}] is not finite")
            return (first - 0.5, last + 0.5) if first == last else (first, last)
    elif not active().holds(">", a.value.tensor.size, 0):
        return 0, 1
    else:
        first, last = np.min(a), np.max(a)
    finite = np.logical_and(np.isfinite(first), np.isfinite(last))
    ordered = np.logical_and(finite, np.less_equal(first, last))
    kind = FLOAT64 if not is_inexact(value_of(first).dtype) else value_of(first).dtype
    same = np.equal(first, last)
    checked = []
    for edge, moved in ((first, np.subtract(first, 0.5)), (last, np.add(last, 0.5))):
        value = value_of(np.where(same, moved, edge), kind)
        problem = "the range of a histogram is not finite, or its max is less than its min"
        checked.append(array_like(fresh_array(ops.require(value, value_of(ordered), problem)))[()])
    return checked[0], checked[1]


def _kind(x: Any) -> Any:
    """What promotion needs of `x`: a number of its kind if it is weak, else its dtype."""
    return python_type(x)(1) if is_weak(x) else array_like(x).dtype


def _bin_edges(a: Any, bins: Any, range_: Any) -> tuple[Any, Any]:
    """The edges of bins, and for bins of equal width (first, last, how many) of them."""
    if isinstance(bins, str):
        raise UnsupportedError(
            f"a histogram with bins={bins!r} has a number of bins that depends on data",
            location=user_location(),
            hint="Give the number of bins, or their edges.",
        )
    if rank_of(bins) > 0:
        edges: Any = as_array(bins)
        if edges.ndim != 1:
            raise ValueError("`bins` must be 1d, when an array")
        known = known_array(edges.value)
        if known is not None:
            if np.any(known[:-1] > known[1:]):
                raise ValueError(NOT_MONOTONIC)
            return edges, None
        rising = np.all(edges[:-1] <= edges[1:])
        return fresh_array(ops.require(edges.value, value_of(rising), NOT_MONOTONIC)), None
    count = bins if type(bins) is TracedSize else None
    if count is None:
        try:
            count = bins.__index__()
        except AttributeError:
            raise TypeError("`bins` must be an integer, a string, or an array") from None
    if count < 1:
        raise ValueError("`bins` must be positive, when an integer")
    first, last = _outer_edges(a, range_)
    given = (first, last) if range_ is None else range_
    kind = np.result_type(*(_kind(x) for x in given), a.dtype)
    if kind.kind in "iub":
        kind = np.result_type(kind, float)
    edges = np.linspace(first, last, count + 1, endpoint=True, dtype=supported_dtype(kind))
    edges = edges if hasattr(edges, "value") else fresh_array(ops.constant(edges))
    return edges, (first, last, count)


@implements(np.histogram_bin_edges)
def histogram_bin_edges(a: Any, bins: Any = 10, range: Any = None, weights: Any = None) -> Any:
    """`numpy.histogram_bin_edges`, of a number of bins or of edges."""
    x = as_array(a)
    return _bin_edges(x.reshaped((x.value.tensor.size,)), bins, range)[0]


# --- histograms -----------------------------------------------------------------------------------


def _difference(a: Any, b: Any) -> Any:
    """``a - b`` where a is not less, without overflow: of integers as an unsigned one."""
    kind = np.result_type(*(x.dtype if hasattr(x, "dtype") else x for x in (a, b)))
    wide = UNSIGNED.get(kind)
    if wide is None:
        return np.subtract(a, b, dtype=supported_dtype(kind))
    left, right = (ops.cast(value_of(x, kind), wide) for x in (a, b))
    return fresh_array(ops.subtract(left, ops.broadcast_to(right, left.shape)))


def _uniform_places(a: Any, edges: Any, uniform: tuple[Any, Any, Any]) -> Value:
    """The bin of each element, in NumPy's own steps; outside the range a bin that is none."""
    first, last, count = uniform
    inside = np.logical_and(a >= first, a <= last)
    a = a.astype(edges.dtype)
    share = _difference(a, first) / _difference(last, first) * count
    place: Any = np.where(inside, share, 0).astype(INT64)
    place = np.minimum(np.maximum(place, 0), count)
    place = np.where(place == count, place - 1, place)
    place = np.where(a < edges[place], place - 1, place)
    place = np.maximum(place, 0)
    grow = np.logical_and(a >= edges[place + 1], place != count - 1)
    place = np.where(grow, place + 1, place)
    return value_of(np.where(inside, place, -1))


def _searched_places(a: Any, edges: Any) -> Value:
    """The bin of each element among any edges; the last bin holds its right edge, too."""
    found: Any = searchsorted(edges, a, "right")
    last = edges.shape[0] - 1
    found = np.where(np.equal(a, edges[-1:]), last, found)
    place: Any = found - 1
    return value_of(np.where(np.logical_or(np.isnan(a), a > edges[-1:]), -1, place))


@implements(np.histogram)
def histogram(
    a: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """`numpy.histogram`, of a static number of bins or of edges."""
    x: Any = as_array(a)
    w = None if weights is None else as_array(weights)
    if w is not None and not same_shape(w.value.shape, x.value.shape):
        raise ValueError("weights should have the same shape as a.")
    if x.dtype.kind == "b":
        x = fresh_array(ops.cast(x.value, DTYPES["uint8"]))
    x = x.reshaped((x.value.tensor.size,))
    edges, uniform = _bin_edges(x, bins, range)
    place = _searched_places(x, edges) if uniform is None else _uniform_places(x, edges, uniform)
    count = edges.value.shape[0] - 1
    if w is None:
        worth = ops.full(TensorType(INT64, place.shape), 1)
    else:
        worth = ops.reshape(w.value, place.shape)
    found: Any = fresh_array(counted(place, worth, count))
    if density:
        widths = diff(edges).astype(FLOAT64)
        return found / widths / np.sum(found), edges
    return found, edges


# --- of several dimensions ------------------------------------------------------------------------


def _columns(sample: Any) -> list[Any]:
    """A sample as one row of coordinates an axis."""
    if isinstance(sample, tuple | list):
        rows: Any = np.atleast_2d(as_array(sample))
        return [rows[k] for k in _range(rows.value.shape[0])]
    x: Any = as_array(sample)
    if x.ndim != 2:
        x = np.atleast_2d(x).T
    return [x[:, k] for k in _range(x.value.shape[1])]


def _range(size: Size) -> range:
    return range(active().static(size))


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """`numpy.histogramdd`, of static numbers of bins or of edges."""
    columns = _columns(sample)
    each = _each(bins, len(columns))
    if range is None:
        range = (None,) * len(columns)
    elif len(range) != len(columns):
        raise ValueError("range argument must have one entry per dimension")
    edges, places, counts = [], [], []
    for column, wanted, bounds in zip(columns, each, range, strict=True):
        if rank_of(wanted) == 0:
            first, last = _outer_edges(column, bounds)
            line = _bin_edges(column, wanted, (first, last))[0].astype(FLOAT64)
        else:
            line = _bin_edges(column, wanted, None)[0]
        edges.append(line)
        places.append(_searched_places(column, line))
        counts.append(line.value.shape[0] - 1)
    flat = ops.full_like(places[0], 0)
    outside = ops.full(TensorType(DTYPES["bool"], flat.shape), False)
    for place, count in zip(places, counts, strict=True):
        extent = ops.broadcast_to(ops.size_value(count), flat.shape)
        flat = ops.add(ops.multiply(flat, extent), place)
        below, above = ops.less(place, ops.full_like(place, 0)), ops.greater_equal(place, extent)
        outside = ops.logical_or(outside, ops.logical_or(below, above))
    flat = ops.select(outside, ops.full_like(flat, -1), flat)
    worth = ops.full(TensorType(FLOAT64, flat.shape), 1)
    if weights is not None:
        worth = ops.cast(as_array(weights).value, FLOAT64)
    total: Size = 1
    for count in counts:
        total = total * count
    found: Any = fresh_array(ops.reshape(counted(flat, worth, total), tuple(counts)))
    if density:
        whole = np.sum(found)
        for axis, line in enumerate(edges):
            found = found / diff(line).reshape((-1, *(1,) * (len(edges) - axis - 1)))
        found = found / whole
    return found, edges


def _each(bins: Any, count: int) -> list[Any]:
    """The bins of every dimension."""
    if not isinstance(bins, list | tuple) and rank_of(bins) == 0:
        return [bins] * count
    if len(bins) != count:
        raise ValueError("The dimension of bins must be equal to the dimension of the sample x.")
    return list(bins)


@implements(np.histogram2d)
def histogram2d(
    x: Any, y: Any, bins: Any = 10, range: Any = None, density: Any = None, weights: Any = None
) -> Any:
    """`numpy.histogram2d`."""
    if not same_shape(as_array(x).value.shape[:1], as_array(y).value.shape[:1]):
        raise ValueError("x and y must have the same length.")
    count = len(bins) if isinstance(bins, list | tuple) or rank_of(bins) else 1
    if count not in (1, 2):
        bins = [as_array(bins), as_array(bins)]
    found, edges = histogramdd([x, y], bins, range, density, weights)
    return found, edges[0], edges[1]
