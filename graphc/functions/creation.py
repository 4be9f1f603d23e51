"""Functions that make arrays: array, zeros, full, arange, linspace, eye and the like."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import TraceError
from graphc.functions.common import (
    FLOAT64,
    INT64,
    along,
    array_or_scalar,
    as_array,
    default_dtype,
    makes_arrays,
    positions,
    promoted,
    rank_of,
)
from graphc.ir import Value
from graphc.trace.context import active, user_location
from graphc.trace.convert import array_like, as_dtype, as_shape, is_weak, value_of
from graphc.trace.dispatch import implements
from graphc.trace.sizes import TracedSize, as_size
from graphc.trace.ufuncs import in_order, is_fortran, memory_order
from graphc.trace.values import TracedArray, fresh_array, is_traced
from graphc.trace.views import is_contiguous
from graphc.types import Size, TensorType, floordiv, is_inexact


def _checked_shape(shape: Any) -> tuple[Size, ...]:
    sizes = as_shape(shape)
    trace = active()
    if any(trace.holds("<", size, 0) for size in sizes):
        raise ValueError("negative dimensions are not allowed")
    return sizes


def laid_out(value: Value, order: Any, like: Any = None) -> TracedArray:
    """A fresh array in memory order `order`; for ``K`` and ``A``, in the order of `like`."""
    known = type(like) is TracedArray
    if order == "F" or (order == "A" and known and is_fortran(like)):
        return in_order(value, tuple(reversed(range(value.ndim))))
    return in_order(value, memory_order(like)) if order == "K" and known else fresh_array(value)


@makes_arrays(np.array)
def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> TracedArray:
    """`numpy.array`."""
    source = as_array(object)
    target = source.dtype if dtype is None else as_dtype(dtype)
    wrong_order = order == "C" and not is_contiguous(source.shape_hint, source.steps)
    if order == "F" and source.ndim > 1 and not is_fortran(source):
        wrong_order = True
    must_copy = source is not object or target != source.dtype or wrong_order
    if copy is False and must_copy:
        raise ValueError("Unable to avoid copy while creating an array as requested.")
    if copy or must_copy:
        cast = value_of(object, target) if is_weak(object) else ops.cast(source.value, target)
        source = laid_out(cast, order, source)
    if source.ndim < ndmin:
        source = source.reshaped((1,) * (ndmin - source.ndim) + source.value.shape)
    return source


@makes_arrays(np.asarray, np.asanyarray)
def asarray(
    a: Any, dtype: Any = None, order: Any = None, *, device: Any = None, copy: Any = None
) -> TracedArray:
    """`numpy.asarray`: an array of the wanted dtype is returned itself."""
    return array(a, dtype, copy=copy, order=order or "K")


@makes_arrays(np.ascontiguousarray)
def ascontiguousarray(a: Any, dtype: Any = None, *, like: Any = None) -> TracedArray:
    """`numpy.ascontiguousarray`."""
    return array(a, dtype, copy=None, order="C", ndmin=1)


@makes_arrays(np.asfortranarray)
def asfortranarray(a: Any, dtype: Any = None, *, like: Any = None) -> TracedArray:
    """`numpy.asfortranarray`."""
    return array(a, dtype, copy=None, order="F", ndmin=1)


@makes_arrays(np.asarray_chkfinite)
def asarray_chkfinite(a: Any, dtype: Any = None, order: Any = None) -> TracedArray:
    """`numpy.asarray_chkfinite`.

    Raises:
        DomainError: at run time, an element is infinite or NaN.
    """
    x = asarray(a, dtype, order)
    if not is_inexact(x.dtype):
        return x
    problem = "array must not contain infs or NaNs"
    return laid_out(ops.require(x.value, ops.isfinite(x.value), problem), "K", x)


@implements(np.copy)
def copy(a: Any, order: str = "K", subok: bool = False) -> TracedArray:
    """`numpy.copy`."""
    return array(a, order=order)


@makes_arrays(np.zeros, np.empty)
def zeros(
    shape: Any, dtype: Any = float, order: str = "C", *, device: Any = None, like: Any = None
) -> TracedArray:
    """`numpy.zeros`; `numpy.empty` too, whose contents NumPy leaves open."""
    kind = FLOAT64 if dtype is None else as_dtype(dtype)
    return laid_out(ops.zeros(TensorType(kind, _checked_shape(shape))), order)


@makes_arrays(np.ones)
def ones(
    shape: Any, dtype: Any = None, order: str = "C", *, device: Any = None, like: Any = None
) -> TracedArray:
    """`numpy.ones`."""
    kind = FLOAT64 if dtype is None else as_dtype(dtype)
    return laid_out(ops.full(TensorType(kind, _checked_shape(shape)), 1), order)


@makes_arrays(np.full)
def full(
    shape: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> TracedArray:
    """`numpy.full`."""
    kind = default_dtype(fill_value) if dtype is None else as_dtype(dtype)
    result = zeros(shape, kind, order)
    result[...] = fill_value
    return result


def _like(a: Any, value: Any, dtype: Any, order: str, shape: Any) -> TracedArray:
    source = as_array(a)
    kind = source.dtype if dtype is None else as_dtype(dtype)
    sizes = source.value.shape if shape is None else _checked_shape(shape)
    filled = ops.broadcast_to(value_of(value, kind), sizes)
    return laid_out(filled, order, source if len(sizes) == source.ndim else None)


@makes_arrays(np.zeros_like, np.empty_like)
def zeros_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> TracedArray:
    """`numpy.zeros_like`; `numpy.empty_like` too."""
    return _like(a, 0, dtype, order, shape)


@makes_arrays(np.ones_like)
def ones_like(
    a: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> TracedArray:
    """`numpy.ones_like`."""
    return _like(a, 1, dtype, order, shape)


@makes_arrays(np.full_like)
def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> TracedArray:
    """`numpy.full_like`."""
    return _like(a, fill_value, dtype, order, shape)


# --- ranges ---------------------------------------------------------------------------------------


@makes_arrays(np.arange)
def arange(*args: Any, dtype: Any = None, device: Any = None, like: Any = None) -> TracedArray:
    """`numpy.arange`: of ints, symbolic ones too, by arithmetic on positions."""
    if len(args) == 4:
        *args, dtype = args  # type: ignore[assignment]
    if any(is_traced(x) and not isinstance(x, TracedSize) and _traced(x) for x in args):
        raise TraceError(
            "np.arange of a traced number has a length that depends on data",
            location=user_location(),
            hint="Pass its bounds as Python ints, or scale a static np.arange(n).",
        )
    sizes = [as_size(x) for x in args]
    exact = dtype is None or np.dtype(dtype).kind in "iufc"
    if not all(type(x) in (int, TracedSize) for x in args) or not exact or not args:
        return fresh_array(ops.constant(np.arange(*map(_plain, args), dtype=dtype)))
    start: Size = sizes[0] if len(args) > 1 else 0  # type: ignore[assignment]
    stop: Size = sizes[1] if len(args) > 1 else sizes[0]  # type: ignore[assignment]
    step = active().static(sizes[2]) if len(args) > 2 else 1  # type: ignore[arg-type]
    if step == 0:
        raise ZeroDivisionError("division by zero")
    span = stop - start if step > 0 else start - stop
    count = floordiv(span + (abs(step) - 1), abs(step))
    if not active().holds(">", count, 0):
        count = 0
    result = ops.iota(count)
    if step != 1:
        result = ops.multiply(result, ops.full_like(result, step))
    if start != 0:
        first = ops.broadcast_to(ops.size_value(start), (count,))
        result = ops.add(result, first)
    return fresh_array(ops.cast(result, INT64 if dtype is None else as_dtype(dtype)))


def _traced(x: Any) -> bool:
    return type(x) is not TracedSize and active().values is None


def _plain(x: Any) -> Any:
    """A number that NumPy can take: in eager mode, a traced number's value."""
    if type(x) is TracedSize:
        return int(x)
    return active().concrete(x.value).item() if is_traced(x) else x


def _count(num: Any) -> Size:
    """A number of samples."""
    size = as_size(num)
    return int(num.__index__()) if size is None else size


@makes_arrays(np.linspace)
def linspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """`numpy.linspace`, in NumPy's own steps, so that rounding agrees."""
    count = _count(num)
    if active().holds("<", count, 0):
        raise ValueError(f"Number of samples, {num}, must be non-negative.")
    intervals = count - 1 if endpoint else count
    kind = promoted(start, stop)
    kind = kind if is_inexact(kind) else FLOAT64
    first, last = as_array(start), as_array(stop)
    delta = array_like(np.subtract(last, first, dtype=kind)).value
    shape = (count, *delta.shape)
    places = along(ops.cast(ops.iota(count), kind), 0, shape)
    if active().holds(">", intervals, 0):
        divisor = ops.cast(ops.size_value(intervals), kind)
        step = ops.divide(delta, ops.broadcast_to(divisor, delta.shape))
        spread = ops.broadcast_to(step, shape)
        tiny = ops.equal(spread, ops.full_like(spread, 0))
        fractions = ops.divide(places, ops.broadcast_to(divisor, shape))
        scaled = ops.multiply(fractions, ops.broadcast_to(delta, shape))
        values = ops.select(tiny, scaled, ops.multiply(places, spread))
    else:
        step = ops.full_like(delta, np.nan)
        values = ops.multiply(places, ops.broadcast_to(delta, shape))
    offset = ops.broadcast_to(ops.cast(array_like(first).value, kind), delta.shape)
    values = ops.add(values, ops.broadcast_to(offset, shape))
    result: Any = fresh_array(values)
    if endpoint and active().holds(">", count, 1):
        result[-1] = last
    target = kind if dtype is None else as_dtype(dtype)
    if target.kind in "iu":
        result = np.floor(result)
    result = result.astype(target, copy=False) if result.dtype != target else result
    if axis != 0:
        result = np.moveaxis(result, 0, axis)
    return (result, array_or_scalar(step)) if retstep else result


@makes_arrays(np.logspace)
def logspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    base: Any = 10.0,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`numpy.logspace`."""
    if rank_of(base):
        rank = max(map(rank_of, (start, stop, base)))
        start, stop, base = (array(x, copy=None, ndmin=rank) for x in (start, stop, base))
        base = np.expand_dims(base, axis)
    powers: Any = np.power(base, linspace(start, stop, num, endpoint, axis=axis))
    return powers if dtype is None else powers.astype(dtype, copy=False)


@makes_arrays(np.geomspace)
def geomspace(
    start: Any,
    stop: Any,
    num: Any = 50,
    endpoint: bool = True,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """`numpy.geomspace`.

    Raises:
        DomainError: a bound is zero; at run time, where it is traced.
    """
    bounds = [as_array(x).value for x in (start, stop)]
    problem = "Geometric sequence cannot include zero"
    bounds = [ops.require(x, ops.not_equal(x, ops.full_like(x, 0)), problem) for x in bounds]
    kinds = [x.dtype for x in bounds]
    kind = as_dtype(np.result_type(*kinds, FLOAT64, np.zeros((), dtype)))
    first, last = (fresh_array(ops.cast(x, kind)) for x in bounds)
    sign: Any = np.sign(first)
    scaled = logspace(np.log10(first / sign), np.log10(last / sign), num, endpoint, dtype=kind)
    count = _count(num)
    if active().holds(">", count, 0):
        scaled[0] = first / sign
        if endpoint and active().holds(">", count, 1):
            scaled[-1] = last / sign
    result: Any = scaled * sign
    if axis != 0:
        result = np.moveaxis(result, 0, axis)
    return result.astype(kind if dtype is None else dtype, copy=False)


@makes_arrays(np.eye)
def eye(
    N: Any,
    M: Any = None,
    k: int = 0,
    dtype: Any = float,
    order: str = "C",
    *,
    device: Any = None,
    like: Any = None,
) -> TracedArray:
    """`numpy.eye`."""
    shape = _checked_shape((N, N if M is None else M))
    rows, columns = positions(0, shape), positions(1, shape)
    if k:
        rows = ops.add(rows, ops.full_like(rows, k.__index__()))
    kind = FLOAT64 if dtype is None else as_dtype(dtype)
    return laid_out(ops.cast(ops.equal(rows, columns), kind), order)


@makes_arrays(np.identity)
def identity(n: Any, dtype: Any = None, *, like: Any = None) -> TracedArray:
    """`numpy.identity`."""
    return eye(n, dtype=dtype)


@makes_arrays(np.meshgrid)
def meshgrid(
    *xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy"
) -> tuple[TracedArray, ...]:
    """`numpy.meshgrid`."""
    if indexing not in ("xy", "ij"):
        raise ValueError("Valid values for `indexing` are 'xy' and 'ij'.")
    lines = [as_array(x) for x in xi]
    sizes = [line.value.tensor.size for line in lines]
    order = list(range(len(lines)))
    if indexing == "xy" and len(lines) > 1:
        order[:2] = [1, 0]
    shape = tuple(sizes[k] for k in order)
    grids = []
    for k, line in enumerate(lines):
        axis = order.index(k)
        thin = tuple(sizes[k] if place == axis else 1 for place in range(len(lines)))
        value = ops.reshape(line.value, thin)
        grids.append(fresh_array(value if sparse else ops.broadcast_to(value, shape)))
    return tuple(grids)


@makes_arrays(np.tri)
def tri(N: Any, M: Any = None, k: int = 0, dtype: Any = float, *, like: Any = None) -> TracedArray:
    """`numpy.tri`."""
    shape = _checked_shape((N, N if M is None else M))
    return fresh_array(ops.cast(below_diagonal(shape, k), as_dtype(dtype)))


def below_diagonal(shape: tuple[Size, ...], k: int) -> Value:
    """Whether an element of the last two axes lies on or below diagonal `k`."""
    rows, columns = positions(len(shape) - 2, shape), positions(len(shape) - 1, shape)
    shifted = ops.add(rows, ops.full_like(rows, k.__index__())) if k else rows
    return ops.less_equal(columns, shifted)


@makes_arrays(np.indices)
def indices(dimensions: Any, dtype: Any = int, sparse: bool = False) -> Any:
    """`numpy.indices`."""
    shape = _checked_shape(tuple(dimensions))
    kind = as_dtype(dtype)
    if sparse:
        thin = [
            tuple(size if k == axis else 1 for k in range(len(shape)))
            for axis, size in enumerate(shape)
        ]
        return tuple(
            fresh_array(ops.cast(ops.reshape(ops.iota(size), thin[axis]), kind))
            for axis, size in enumerate(shape)
        )
    grids = [
        ops.reshape(ops.cast(positions(axis, shape), kind), (1, *shape))
        for axis in range(len(shape))
    ]
    if not grids:
        return zeros((0,), kind)
    return fresh_array(grids[0] if len(grids) == 1 else ops.concatenate(grids, 0))


@makes_arrays(np.fromfunction)
def fromfunction(
    function: Any, shape: Any, *, dtype: Any = float, like: Any = None, **kwargs: Any
) -> Any:
    """`numpy.fromfunction`: the function gets the indices of all elements at once."""
    return function(*indices(shape, dtype), **kwargs)
