"""Choosing, bounding and rounding elements: where, clip, round, take, triangles."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError, UnsupportedError
from graphc.functions.common import (
    BOOL,
    FLOAT64,
    INT64,
    array_or_scalar,
    as_array,
    deliver,
    like_method,
    positions,
    promoted,
)
from graphc.functions.creation import below_diagonal
from graphc.functions.reductions import NO_VALUE, given
from graphc.ir import Value
from graphc.trace.convert import (
    array_like,
    broadcast_shapes,
    is_weak,
    normalized_axis,
    python_type,
    value_of,
)
from graphc.trace.dispatch import implements
from graphc.trace.ufuncs import assign
from graphc.trace.values import TracedArray, TracedScalar, fresh_array


@implements(np.where)
def where(condition: Any, *branches: Any) -> TracedArray:
    """`numpy.where` with three arguments.

    Raises:
        UnsupportedError: with one argument the shape would depend on data.
    """
    if len(branches) == 0:
        raise UnsupportedError(
            "np.where with one argument gives arrays whose shape depends on data",
            hint="Use the mask itself: np.where(mask, x, 0), or mask.sum() to count.",
        )
    if len(branches) != 2:
        raise ValueError("either both or neither of x and y should be given")
    dtype = promoted(*branches)
    values = [value_of(condition, BOOL), *(value_of(x, dtype) for x in branches)]
    shape = broadcast_shapes(*(value.shape for value in values))
    return fresh_array(ops.select(*(ops.broadcast_to(value, shape) for value in values)))


@implements(np.select)
def select(condlist: Any, choicelist: Any, default: Any = 0) -> TracedArray:
    """`numpy.select`."""
    if len(condlist) != len(choicelist):
        raise ValueError("list of cases must be same length as list of conditions")
    if not len(condlist):
        raise ValueError("select with an empty condition list is not possible")
    dtype = promoted(*choicelist, default)
    result: Any = fresh_array(value_of(default, dtype))
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        result = where(condition, fresh_array(value_of(choice, dtype)), result)
    return result  # type: ignore[no-any-return]


@implements(np.clip)
def clip(
    a: Any,
    a_min: Any = NO_VALUE,
    a_max: Any = NO_VALUE,
    out: Any = None,
    *,
    min: Any = NO_VALUE,
    max: Any = NO_VALUE,
    **kwargs: Any,
) -> Any:
    """`numpy.clip`."""
    if a_min is NO_VALUE and a_max is NO_VALUE:
        low, high = given(min, None), given(max, None)
    elif min is not NO_VALUE or max is not NO_VALUE:
        raise ValueError(
            "Passing `min` or `max` keyword argument when `a_min` and `a_max` are given."
        )
    elif a_min is NO_VALUE or a_max is NO_VALUE:
        missing = "a_min" if a_min is NO_VALUE else "a_max"
        raise TypeError(f"clip() missing 1 required positional argument: {missing!r}")
    else:
        low, high = a_min, a_max
    x = a if type(a) is TracedScalar else as_array(a)
    if x.dtype.kind in "iu":
        limits = np.iinfo(x.dtype)
        low = None if type(low) is int and low <= limits.min else low
        high = None if type(high) is int and high >= limits.max else high
    if low is None and high is None:
        return np.positive(x, out=out, **kwargs)
    if low is None:
        return np.minimum(x, high, out=out, **kwargs)
    if high is None:
        return np.maximum(x, low, out=out, **kwargs)
    if kwargs:
        raise UnsupportedError(f"np.clip with {next(iter(kwargs))}=")
    dtype = promoted(x, low, high)
    values = [value_of(item, dtype) for item in (x, low, high)]
    shape = broadcast_shapes(*(value.shape for value in values))
    value, lower, upper = (ops.broadcast_to(item, shape) for item in values)
    result = ops.minimum(ops.maximum(value, lower), upper)
    return deliver(result, out, "same_kind", "ufunc 'clip'")


@implements(np.round, np.around)
def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """`numpy.round`: to the nearest, ties to even."""
    x = a if type(a) is TracedScalar else as_array(a)
    value, digits = x.value, decimals.__index__()
    if value.dtype == BOOL:
        raise UnsupportedError("np.round of bool", hint="It is a whole number already.")
    if value.dtype.kind in "iu" and digits >= 0:
        result = value
    elif value.dtype.kind in "iu":
        result = ops.cast(_rounded(ops.cast(value, FLOAT64), digits), value.dtype)
    elif value.dtype.kind == "c":
        parts = (_rounded(ops.real(value), digits), _rounded(ops.imag(value), digits))
        result = ops.complex_(*parts)
    else:
        result = _rounded(value, digits)
    if out is None and type(a) is TracedArray:
        return fresh_array(result) if a.ndim else array_or_scalar(result)
    return deliver(result, out, "same_kind", "ufunc 'rint'")


@implements(np.fix)
def fix(x: Any, out: Any = None) -> Any:
    """`numpy.fix`."""
    return np.trunc(x, out=out)


def _rounded(x: Value, digits: int) -> Value:
    if digits == 0:
        return ops.rint(x)
    scale = ops.full_like(x, float(10.0 ** abs(digits)))
    if digits > 0:
        return ops.divide(ops.rint(ops.multiply(x, scale)), scale)
    return ops.multiply(ops.rint(ops.divide(x, scale)), scale)


# --- taking by position ---------------------------------------------------------------------------


def bounded(index: Value, extent: Any, mode: str) -> Value:
    """Positions as the mode of `numpy.take` makes them: raise, wrap or clip."""
    if mode == "raise":
        return index
    size = ops.broadcast_to(ops.size_value(extent), index.shape)
    if mode == "wrap":
        return ops.remainder(index, size)
    zero = ops.full_like(index, 0)
    return ops.minimum(ops.maximum(index, zero), ops.subtract(size, ops.full_like(index, 1)))


@implements(np.take)
@like_method
def take(a: Any, indices: Any, axis: Any = None, out: Any = None, mode: str = "raise") -> Any:
    """`numpy.take`."""
    x = as_array(a)
    if axis is None:
        x, axis = x.reshaped((x.value.tensor.size,)), 0
    place = normalized_axis(axis, x.ndim)
    index = array_like(indices).value
    if index.dtype.kind not in "iub":
        raise TypeError(f"Cannot cast array data from {index.dtype!r} to dtype('int64')")
    index = bounded(ops.cast(index, INT64), x.value.shape[place], mode)
    result = ops.gather(x.value, (index,), (place,))
    lead = index.ndim
    order = [*range(lead, lead + place), *range(lead), *range(lead + place, result.ndim)]
    return deliver(ops.transpose(result, order), out)


@implements(np.take_along_axis)
def take_along_axis(arr: Any, indices: Any, axis: Any = -1) -> TracedArray:
    """`numpy.take_along_axis`."""
    x, index = as_array(arr), as_array(indices)
    if axis is None:
        x, axis = x.reshaped((x.value.tensor.size,)), 0
    if index.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if x.ndim != index.ndim:
        raise ShapeError("`indices` and `arr` must have the same number of dimensions")
    place = normalized_axis(axis, x.ndim)
    values, shape = _along_axis(x, index, place)
    return fresh_array(ops.reshape(ops.gather(x.value, values, tuple(range(x.ndim))), shape))


def _along_axis(x: TracedArray, index: TracedArray, place: int) -> tuple[list[Value], Any]:
    """An index array for every axis of `x`, where `index` runs along axis `place`."""
    rest = tuple(1 if k == place else size for k, size in enumerate(x.value.shape))
    shape = broadcast_shapes(index.value.shape, rest)
    values = [positions(k, shape) for k in range(len(shape))]
    values[place] = ops.broadcast_to(ops.cast(index.value, INT64), shape)
    return values, shape


@implements(np.put_along_axis)
def put_along_axis(arr: Any, indices: Any, values: Any, axis: Any) -> None:
    """`numpy.put_along_axis`: writes into `arr`."""
    x, index = as_array(arr), as_array(indices)
    if index.dtype.kind not in "iu":
        raise IndexError("`indices` must be an integer array")
    if axis is None:
        flat = fresh_array(ops.reshape(x.value, (x.value.tensor.size,)))
        put_along_axis(flat, index, values, 0)
        x.write(ops.reshape(flat.value, x.value.shape))
        return
    if x.ndim != index.ndim:
        raise ShapeError("`indices` and `arr` must have the same number of dimensions")
    places, shape = _along_axis(x, index, normalized_axis(axis, x.ndim))
    new = ops.broadcast_to(value_of(values, x.dtype), shape)
    x.write(ops.scatter(x.value, new, places, tuple(range(x.ndim))))


# --- triangles ------------------------------------------------------------------------------------


def _triangle(m: Any, k: int, keep_below: bool) -> TracedArray:
    x = as_array(m).value
    if x.ndim == 1:
        x = ops.broadcast_to(x, (x.shape[0], x.shape[0]))
    if x.ndim < 2:
        raise ValueError("tril and triu need an array of at least one axis")
    below = below_diagonal(x.shape, k if keep_below else k - 1)
    zero = ops.zeros(x.tensor)
    return fresh_array(ops.select(below, x, zero) if keep_below else ops.select(below, zero, x))


@implements(np.tril)
def tril(m: Any, k: int = 0) -> TracedArray:
    """`numpy.tril`."""
    return _triangle(m, k, True)


@implements(np.triu)
def triu(m: Any, k: int = 0) -> TracedArray:
    """`numpy.triu`."""
    return _triangle(m, k, False)


# --- copying into ---------------------------------------------------------------------------------


@implements(np.copyto)
def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """`numpy.copyto`."""
    if not np.can_cast(_weakest(src), dst.dtype, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {array_like(src).value.dtype!r} to {dst.dtype!r} "
            f"according to the rule {casting!r}"
        )
    if where is True:
        assign(dst, src)
        return
    shape = dst.value.shape
    mask = ops.broadcast_to(value_of(where, BOOL), shape)
    new = ops.broadcast_to(value_of(src, dst.dtype), shape)
    assign(dst, fresh_array(ops.select(mask, new, dst.value)))


def _weakest(x: Any) -> np.dtype:
    """The dtype that decides whether `x` may be cast: of a Python number, the least of its kind."""
    if not is_weak(x):
        return array_like(x).value.dtype
    return np.dtype({bool: "?", int: "u1", float: "f4", complex: "c8"}[python_type(x)])


def _finite(source: Any, nan: Any, posinf: Any, neginf: Any) -> Any:
    """`source` with other numbers in place of NaN and the infinities."""
    limits = np.finfo(source.dtype)
    result: Any = where(np.isnan(source), nan, source)
    top = float(limits.max) if posinf is None else posinf
    bottom = float(limits.min) if neginf is None else neginf
    result = where(np.equal(source, np.inf), top, result)
    result = where(np.equal(source, -np.inf), bottom, result)
    dtype = source.dtype
    return array_or_scalar(ops.cast(result.value, dtype))


@implements(np.nan_to_num)
def nan_to_num(
    x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None
) -> Any:
    """`numpy.nan_to_num`; of complex numbers, each part by itself."""
    source = array_like(x)
    result: Any = source
    if source.dtype.kind == "f":
        result = _finite(source, nan, posinf, neginf)
    elif source.dtype.kind == "c":
        parts = (ops.real(source.value), ops.imag(source.value))
        real, imag = (_finite(array_or_scalar(part), nan, posinf, neginf) for part in parts)
        result = array_or_scalar(ops.complex_(real.value, imag.value))
    if not copy and type(x) is TracedArray:
        assign(x, result)
        return x
    return array_or_scalar(result.value)
