"""Means and deviations, in two passes as NumPy computes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DivisionError, UnsupportedError
from graphc.functions.common import BOOL, FLOAT64, INT64, array_or_scalar, as_array, deliver
from graphc.functions.reductions import NO_VALUE, given, kept_axes, masked, reduced_size
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import as_dtype, broadcast_shapes, normalized_axes, value_of
from graphc.trace.dispatch import implements
from graphc.trace.values import fresh_array, scalar
from graphc.types import is_inexact, product, real_dtype, supported_dtype


def _mean_dtype(dtype: np.dtype, wanted: Any) -> np.dtype:
    if wanted is not None:
        return as_dtype(wanted)
    return dtype if is_inexact(dtype) else FLOAT64


def _count(x: Value, axes: tuple[int, ...], where: Any) -> Value:
    """How many elements each result is made of, as int64: 0-d, or of the result's shape."""
    mask = given(where, True)
    if mask is True:
        return ops.size_value(reduced_size(x, axes))
    condition = value_of(mask, BOOL)
    shape = broadcast_shapes(x.shape, condition.shape)
    return ops.sum_(ops.cast(ops.broadcast_to(condition, shape), INT64), axes)


def _divided(total: Value, count: Value) -> Value:
    """``total / count`` in the dtype of `total`, truncated if that is an integer."""
    dtype = total.dtype if is_inexact(total.dtype) else FLOAT64
    divisor = ops.broadcast_to(ops.cast(count, dtype), total.shape)
    return ops.cast(ops.divide(ops.cast(total, dtype), divisor), total.dtype)


@implements(np.mean)
def mean(
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = NO_VALUE,
    *,
    where: Any = NO_VALUE,
) -> Any:
    """`numpy.mean`."""
    x = as_array(a).value
    x = masked(ops.cast(x, _mean_dtype(x.dtype, dtype)), where, 0)
    axes = normalized_axes(axis, x.ndim)
    result = _divided(ops.sum_(x, axes), _count(x, axes, where))
    return deliver(kept_axes(result, x, axes, keepdims), out)


def _variance(
    a: Any, axis: Any, dtype: Any, ddof: Any, keepdims: Any, where: Any, mean: Any, correction: Any
) -> Value:
    if given(correction, None) is not None:
        if ddof != 0:
            raise ValueError("ddof and correction can't be provided simultaneously.")
        ddof = correction
    source = as_array(a).value
    kind = _mean_dtype(source.dtype, dtype)
    if not is_inexact(kind):
        raise UnsupportedError(
            f"a variance with dtype={kind.name}", hint="Leave dtype out, or use np.float64."
        )
    x = ops.cast(source, kind)
    axes = normalized_axes(axis, x.ndim)
    count = _count(x, axes, where)
    if given(mean, None) is None:
        total = ops.sum_(masked(x, where, 0), axes)
        center = kept_axes(_divided(total, count), x, axes, True)
    else:
        center = value_of(mean, kind)
    squares = _squared_deviation(source, center)
    if dtype is not None:
        squares = ops.cast(squares, kind)
    total = ops.sum_(masked(squares, where, 0), axes)
    freedom = ops.cast(count, real_dtype(kind))
    if not _is_zero(ddof):
        lost = ops.broadcast_to(value_of(ddof, freedom.dtype), freedom.shape)
        freedom = ops.maximum(ops.subtract(freedom, lost), ops.full_like(freedom, 0))
    return kept_axes(_divided(total, freedom), x, axes, keepdims)


def _squared_deviation(x: Value, center: Value) -> Value:
    wide = supported_dtype(np.result_type(x.dtype, center.dtype))
    shape = broadcast_shapes(x.shape, center.shape)
    operands = (ops.broadcast_to(ops.cast(value, wide), shape) for value in (x, center))
    deviation = ops.subtract(*operands)
    if x.dtype.kind == "c":
        return ops.add(ops.square(ops.real(deviation)), ops.square(ops.imag(deviation)))
    return ops.square(deviation)


def _is_zero(ddof: Any) -> bool:
    return type(ddof) in (int, float) and ddof == 0


@implements(np.var)
def var(
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
    """`numpy.var`: the mean of squared deviations."""
    return deliver(_variance(a, axis, dtype, ddof, keepdims, where, mean, correction), out)


@implements(np.std)
def std(
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
    """`numpy.std`."""
    return deliver(
        ops.sqrt(_variance(a, axis, dtype, ddof, keepdims, where, mean, correction)), out
    )


NO_WEIGHT = "Weights sum to zero, can't be normalized"


def _if_weighted(x: Any, condition: Value) -> Any:
    checked = ops.require(x.value, condition, NO_WEIGHT, DivisionError)
    return fresh_array(checked) if isinstance(x, np.ndarray) else scalar(checked)


@implements(np.average)
def average(
    a: Any,
    axis: Any = None,
    weights: Any = None,
    returned: bool = False,
    *,
    keepdims: Any = NO_VALUE,
) -> Any:
    """`numpy.average`, with weights of the shape of `a` or of its one axis.

    Raises:
        DivisionError: at run time, the weights sum to zero.
    """
    x = as_array(a)
    if weights is None:
        result = mean(x, axis, keepdims=keepdims)
        if active().holds("==", product(result.value.shape), 0):
            raise ZeroDivisionError("division by zero")  # as NumPy counts what it averages
        total = array_or_scalar(
            ops.cast(_count(x.value, normalized_axes(axis, x.ndim), True), result.dtype)
        )
        total = np.broadcast_to(total, result.shape) if result.ndim else total  # type: ignore[assignment]
        return (result, total) if returned else result
    w = as_array(weights)
    if w.shape != x.shape:
        if axis is None:
            raise TypeError("Axis must be specified when shapes of a and weights differ.")
        axes = normalized_axes(axis, x.ndim)
        if w.value.shape != tuple(x.value.shape[k] for k in axes):
            raise ValueError(
                "Shape of weights must be consistent with shape of a along specified axis."
            )
        kept = tuple(size if k in axes else 1 for k, size in enumerate(x.value.shape))
        w = np.broadcast_to(w.reshaped(kept), x.shape)  # type: ignore[assignment]
    kind = np.result_type(x.dtype, w.dtype, *(() if is_inexact(x.dtype) else (FLOAT64,)))
    scale: Any = np.sum(w, axis=axis, dtype=kind, keepdims=keepdims)
    quotient = np.sum(np.multiply(x, w, dtype=kind), axis=axis, keepdims=keepdims) / scale
    nonzero = ops.not_equal(scale.value, ops.full_like(scale.value, 0))
    # Of all sums at once: a check within the rows would slow their loops.
    every = ops.all_(nonzero, tuple(range(nonzero.ndim)))
    found = _if_weighted(quotient, every)
    return (found, _if_weighted(scale, every)) if returned else found
