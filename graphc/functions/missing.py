"""Reductions that leave NaN out."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.functions import reductions, statistics
from graphc.functions.common import BOOL, array_or_scalar, as_array, deliver
from graphc.functions.reductions import NO_VALUE, given, reduced_axes, reduced_size
from graphc.functions.ufunc_methods import least
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import as_dtype
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import DTYPES, is_inexact

ALL_NAN = "All-NaN slice encountered"


def replaced(a: Any, otherwise: Any) -> tuple[TracedArray, Value | None]:
    """`a` with `otherwise` in place of NaN, and where NaN was; None if there can't be one."""
    x = as_array(a).value
    if x.dtype.kind not in "fc":
        return fresh_array(x), None
    mask = ops.isnan(x)
    return fresh_array(ops.select(mask, ops.full_like(x, otherwise), x)), mask


def _require_inexact(dtype: Any, out: Any) -> None:
    if dtype is not None and not is_inexact(as_dtype(dtype)):
        raise TypeError("If a is inexact, then dtype must be inexact")
    if out is not None and not is_inexact(out.dtype):
        raise TypeError("If a is inexact, then out must be inexact")


@implements(np.nansum)
def nansum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.nansum`."""
    x, _ = replaced(a, 0)
    return reductions.sum(x, axis, dtype, out, keepdims, initial, where)


@implements(np.nanprod)
def nanprod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.nanprod`."""
    x, _ = replaced(a, 1)
    return reductions.prod(x, axis, dtype, out, keepdims, initial, where)


def _counted(mask: Value, axis: Any, keepdims: Any, where: Any) -> Any:
    known = fresh_array(ops.logical_not(mask))
    return reductions.sum(known, axis, DTYPES["int64"], None, keepdims, NO_VALUE, where)


def _divided(total: Any, count: Any) -> Value:
    value = ops.cast(total.value, total.dtype)
    divisor = ops.broadcast_to(ops.cast(count.value, value.dtype), value.shape)
    return ops.divide(value, divisor)


@implements(np.nanmean)
def nanmean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.nanmean`."""
    x, mask = replaced(a, 0)
    if mask is None:
        return statistics.mean(x, axis, dtype, out, keepdims, where=where)
    _require_inexact(dtype, out)
    total = reductions.sum(x, axis, dtype, None, keepdims, NO_VALUE, where)
    return deliver(_divided(total, _counted(mask, axis, keepdims, where)), out)


def _variance(
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    ddof: Any,
    keepdims: Any,
    where: Any,
    mean: Any,
    correction: Any,
) -> Value:
    x, mask = replaced(a, 0)
    if mask is None:
        found = statistics.var(
            x, axis, dtype, None, ddof, keepdims, where=where, mean=mean, correction=correction
        )
        value: Value = found.value
        return value
    _require_inexact(dtype, out)
    if given(correction, None) is not None:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    if given(mean, None) is None:
        total = reductions.sum(x, axis, dtype, None, True, NO_VALUE, where)
        center: Any = fresh_array(_divided(total, _counted(mask, axis, True, where)))
    else:
        center = mean
    array: Any = x
    deviation = np.subtract(array, center).astype(x.dtype)
    deviation = fresh_array(ops.select(mask, ops.zeros(x.value.tensor), deviation.value))
    squares = deviation * np.conjugate(deviation)
    squares = squares.real if x.dtype.kind == "c" else squares
    total = reductions.sum(squares, axis, dtype, None, keepdims, NO_VALUE, where)
    freedom = _counted(mask, axis, keepdims, where) - ddof
    found = array_or_scalar(_divided(total, freedom))
    return np.where(freedom <= 0, np.nan, found).astype(found.dtype).value  # type: ignore[attr-defined,no-any-return]


@implements(np.nanvar)
def nanvar(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """`numpy.nanvar`."""
    return deliver(_variance(a, axis, dtype, out, ddof, keepdims, where, mean, correction), out)


@implements(np.nanstd)
def nanstd(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """`numpy.nanstd`."""
    found = _variance(a, axis, dtype, out, ddof, keepdims, where, mean, correction)
    return deliver(ops.sqrt(found), out)


# --- extremes -------------------------------------------------------------------------------------


def _extreme(
    a: Any, axis: Any, out: Any, keepdims: Any, initial: Any, where: Any, largest: bool
) -> Any:
    function = reductions.max if largest else reductions.min
    dtype = as_array(a).dtype
    x, mask = replaced(a, least(dtype, not largest) if dtype.kind in "fc" else 0)
    if mask is None:
        return function(x, axis, out, keepdims, initial, where)
    found = function(x, axis, None, keepdims, initial, where)
    if given(initial, None) is None:
        unknown = reductions.all(fresh_array(mask), axis, None, keepdims, where=where)
        value = found.value
        found = ops.select(unknown.value, ops.full_like(value, np.nan), value)
        return deliver(found, out)
    return deliver(found.value, out)


@implements(np.nanmax)
def nanmax(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.nanmax`; NaN where there is nothing else."""
    return _extreme(a, axis, out, keepdims, initial, where, True)


@implements(np.nanmin)
def nanmin(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.nanmin`; NaN where there is nothing else."""
    return _extreme(a, axis, out, keepdims, initial, where, False)


def _position(a: Any, axis: Any, out: Any, keepdims: Any, largest: bool) -> Any:
    function = reductions.argmax if largest else reductions.argmin
    dtype = as_array(a).dtype
    x, mask = replaced(a, least(dtype, not largest) if dtype.kind in "fc" else 0)
    if mask is None:
        return function(x, axis, out, keepdims=keepdims)
    found = function(x, axis, None, keepdims=keepdims).value
    axes = reduced_axes(axis, mask.ndim)
    if active().holds(">", reduced_size(mask, axes), 0):
        unknown = reductions.all(fresh_array(mask), axis, None, keepdims).value
        known = ops.logical_not(ops.cast(unknown, BOOL))
        found = ops.require(found, known, ALL_NAN)
    return deliver(found, out)


@implements(np.nanargmax)
def nanargmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
    """`numpy.nanargmax`; a row of NaN alone raises ValueError when the code runs."""
    return _position(a, axis, out, keepdims, True)


@implements(np.nanargmin)
def nanargmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
    """`numpy.nanargmin`; a row of NaN alone raises ValueError when the code runs."""
    return _position(a, axis, out, keepdims, False)
