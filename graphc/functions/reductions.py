"""Sums, products, extremes, positions of extremes, any and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError, UnsupportedError
from graphc.functions.common import BOOL, INT64, as_array, deliver
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import as_dtype, broadcast_shapes, normalized_axes, value_of
from graphc.trace.dispatch import implements
from graphc.types import DTYPES, Size, product, supported_dtype

NO_VALUE = np._NoValue


def given(x: Any, default: Any) -> Any:
    """`x`, or `default` where it was not given."""
    return default if x is NO_VALUE else x


def reduced_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """As `normalized_axes`; NumPy's reductions of a 0-d array take axis 0 and -1 for none."""
    if rank == 0 and hasattr(axis, "__index__") and axis.__index__() in (0, -1):
        return ()
    return normalized_axes(axis, rank)


def reduced_size(x: Value, axes: tuple[int, ...]) -> Size:
    """How many elements each result is made of."""
    return product(tuple(x.shape[axis] for axis in axes))


def kept_axes(value: Value, x: Value, axes: tuple[int, ...], keepdims: Any) -> Value:
    """A reduction of `x`, with the reduced axes as size 1 if `keepdims`."""
    if not given(keepdims, False):
        return value
    shape = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    return ops.reshape(value, shape)


def masked(x: Value, where: Any, otherwise: Any) -> Value:
    """`x` where the mask holds, else `otherwise`; the mask is broadcast, as in NumPy."""
    mask = given(where, True)
    if mask is True:
        return x
    condition = value_of(mask, BOOL)
    shape = broadcast_shapes(x.shape, condition.shape)
    x = ops.broadcast_to(x, shape)
    return ops.select(ops.broadcast_to(condition, shape), x, value_of_type(otherwise, x))


def value_of_type(number: Any, x: Value) -> Value:
    """`number` (traced or not) with the dtype and shape of `x`."""
    return ops.broadcast_to(value_of(number, x.dtype), x.shape)


def accumulator(dtype: np.dtype) -> np.dtype:
    """The dtype in which NumPy sums and multiplies: 64 bits for bool and narrow integers."""
    if dtype.kind in "bi":
        return INT64
    return DTYPES["uint64"] if dtype.kind == "u" else dtype


def _accumulate(
    a: Any,
    axis: Any,
    dtype: Any,
    out: Any,
    keepdims: Any,
    initial: Any,
    where: Any,
    reduce: Callable[[Value, tuple[int, ...]], Value],
    combine: Callable[[Value, Value], Value],
    unit: int,
) -> Any:
    x = as_array(a).value
    if dtype is not None:
        kind = as_dtype(dtype)
    elif isinstance(out, np.ndarray):
        kind = supported_dtype(np.result_type(x.dtype, out.dtype))
    else:
        kind = accumulator(x.dtype)
    if kind == BOOL:
        raise UnsupportedError("a sum or product with dtype=bool", hint="Use np.any or np.all.")
    x = masked(ops.cast(x, kind), where, unit)
    axes = reduced_axes(axis, x.ndim)
    result = reduce(x, axes)
    start = given(initial, None)
    if start is not None:
        result = combine(result, value_of_type(start, result))
    return deliver(kept_axes(result, x, axes, keepdims), out)


@implements(np.sum)
def sum(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.sum`."""
    return _accumulate(a, axis, dtype, out, keepdims, initial, where, _sum, ops.add, 0)


def _sum(x: Value, axes: tuple[int, ...]) -> Value:
    """`ops.sum_`, but over no axes 0.0 for -0.0, too: NumPy's sums start from 0.0."""
    return ops.sum_(x, axes) if axes else ops.add(x, ops.full_like(x, 0))


@implements(np.prod)
def prod(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.prod`."""
    return _accumulate(a, axis, dtype, out, keepdims, initial, where, ops.prod, ops.multiply, 1)


# --- largest and smallest -------------------------------------------------------------------------


def _extreme(
    name: str,
    a: Any,
    axis: Any,
    out: Any,
    keepdims: Any,
    initial: Any,
    where: Any,
    reduce: Callable[[Value, tuple[int, ...]], Value],
    combine: Callable[[Value, Value], Value],
) -> Any:
    x = as_array(a).value
    axes = reduced_axes(axis, x.ndim)
    start = given(initial, None)
    if start is None:
        if given(where, True) is not True:
            raise ValueError(
                f"reduction operation '{name}' does not have an identity, so to use a where mask "
                "one has to specify 'initial'"
            )
        if not active().holds(">", reduced_size(x, axes), 0):
            raise ShapeError(
                f"zero-size array to reduction operation {name} which has no identity: {x.tensor} "
                f"over axis {axis}",
                hint="Pass initial=... for a value that an empty axis gives.",
            )
    x = masked(x, where, start)
    if not active().holds(">", reduced_size(x, axes), 0):
        result = ops.sum_(x, axes) if x.dtype != BOOL else ops.any_(x, axes)
        result = result if start is None else value_of_type(start, result)
    else:
        result = reduce(x, axes)
        result = result if start is None else combine(result, value_of_type(start, result))
    return deliver(kept_axes(result, x, axes, keepdims), out)


@implements(np.max, np.amax)
def max(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.max`."""
    return _extreme("maximum", a, axis, out, keepdims, initial, where, ops.max_, ops.maximum)


@implements(np.min, np.amin)
def min(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    initial: Any = NO_VALUE,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.min`."""
    return _extreme("minimum", a, axis, out, keepdims, initial, where, ops.min_, ops.minimum)


@implements(np.ptp)
def ptp(a: Any, axis: Any = None, out: Any = None, keepdims: Any = NO_VALUE) -> Any:
    """`numpy.ptp`."""
    return np.subtract(
        max(a, axis=axis, keepdims=keepdims), min(a, axis=axis, keepdims=keepdims), out=out
    )


# --- positions of the largest and smallest --------------------------------------------------------


def _position(
    name: str,
    a: Any,
    axis: Any,
    out: Any,
    keepdims: Any,
    reduce: Callable[[Value, tuple[int, ...]], Value],
) -> Any:
    x = as_array(a).value
    if axis is not None and not hasattr(axis, "__index__"):
        raise TypeError(f"{type(axis).__name__!r} object cannot be interpreted as an integer")
    axes = reduced_axes(axis, x.ndim)
    if not active().holds(">", reduced_size(x, axes), 0):
        raise ShapeError(f"attempt to get {name} of an empty sequence: {x.tensor}")
    result = reduce(x, axes) if x.ndim else ops.full_like(ops.cast(x, INT64), 0)
    return deliver(kept_axes(result, x, axes, keepdims), out)


@implements(np.argmax)
def argmax(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
    """`numpy.argmax`."""
    return _position("argmax", a, axis, out, keepdims, ops.argmax)


@implements(np.argmin)
def argmin(a: Any, axis: Any = None, out: Any = None, *, keepdims: Any = NO_VALUE) -> Any:
    """`numpy.argmin`."""
    return _position("argmin", a, axis, out, keepdims, ops.argmin)


# --- any, all and how many ------------------------------------------------------------------------


@implements(np.any)
def any(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.any`."""
    x = masked(ops.cast(as_array(a).value, BOOL), where, False)
    axes = reduced_axes(axis, x.ndim)
    return deliver(kept_axes(ops.any_(x, axes), x, axes, keepdims), out)


@implements(np.all)
def all(
    a: Any,
    axis: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.all`."""
    x = masked(ops.cast(as_array(a).value, BOOL), where, True)
    axes = reduced_axes(axis, x.ndim)
    return deliver(kept_axes(ops.all_(x, axes), x, axes, keepdims), out)


@implements(np.count_nonzero)
def count_nonzero(a: Any, axis: Any = None, *, keepdims: bool = False) -> Any:
    """`numpy.count_nonzero`."""
    x: Any = as_array(a)
    return sum(x != 0, axis=axis, keepdims=keepdims)
