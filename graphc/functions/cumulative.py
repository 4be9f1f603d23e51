"""Running sums and products."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.functions.common import as_array, deliver
from graphc.functions.ordering import flattened
from graphc.functions.ufunc_methods import accumulate, accumulated
from graphc.trace.convert import normalized_axis
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray, fresh_array


def _running(ufunc: Any, a: Any, axis: Any, dtype: Any, out: Any) -> Any:
    x = as_array(a)
    if x.ndim == 0 and axis is not None:
        normalized_axis(axis, 1)
        x = x.reshaped((1,))
    x, place = flattened(x, axis)
    target = out[0] if type(out) is tuple else out
    if dtype is None and target is not None:
        dtype = target.dtype
    return deliver(accumulated(ufunc, x.value, place, dtype), out)


@implements(np.cumsum)
def cumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.cumsum`."""
    return _running(np.add, a, axis, dtype, out)


@implements(np.cumprod)
def cumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.cumprod`."""
    return _running(np.multiply, a, axis, dtype, out)


def _without_nan(a: Any, otherwise: int) -> TracedArray:
    x = as_array(a).value
    if x.dtype.kind not in "fc":
        return fresh_array(x)
    return fresh_array(ops.select(ops.isnan(x), ops.full_like(x, otherwise), x))


@implements(np.nancumsum)
def nancumsum(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.nancumsum`: NaN counts as 0."""
    return cumsum(_without_nan(a, 0), axis, dtype, out)


@implements(np.nancumprod)
def nancumprod(a: Any, axis: Any = None, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.nancumprod`: NaN counts as 1."""
    return cumprod(_without_nan(a, 1), axis, dtype, out)


def _cumulative(ufunc: Any, x: Any, axis: Any, dtype: Any, out: Any, include_initial: bool) -> Any:
    array = as_array(x)
    if array.ndim == 0:
        array = array.reshaped((1,))
    if axis is None:
        if array.ndim > 1:
            raise ValueError(
                "For arrays which have more than one dimension ``axis`` argument is required."
            )
        axis = 0
    if not include_initial:
        return accumulate(ufunc, array, axis, dtype, out)
    place = normalized_axis(axis, array.ndim)
    found = accumulated(ufunc, array.value, place, dtype if out is None else out.dtype)
    edge = tuple(1 if k == place else size for k, size in enumerate(found.shape))
    initial = ops.full(found.tensor.with_shape(edge), ufunc.identity)
    return deliver(ops.concatenate((initial, found), place), out)


@implements(np.cumulative_sum)
def cumulative_sum(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    """`numpy.cumulative_sum`."""
    return _cumulative(np.add, x, axis, dtype, out, include_initial)


@implements(np.cumulative_prod)
def cumulative_prod(
    x: Any,
    /,
    *,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    include_initial: bool = False,
) -> Any:
    """`numpy.cumulative_prod`."""
    return _cumulative(np.multiply, x, axis, dtype, out, include_initial)
