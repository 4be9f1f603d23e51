"""Comparisons, logic, tests for NaN and inf, and the larger or smaller of two."""

from __future__ import annotations

import math

import numpy as np

from graphc.ir import Value
from graphc.loops import Const, Expr
from graphc.ops.arrays.shape import full_like
from graphc.ops.elementwise.pointwise import (
    Builder,
    bool_as,
    masked_multiply,
    pointwise,
    select,
    to_bool,
)
from graphc.ops.elementwise.scalar import BOOL, apply, both, either, number, real_parts, truth
from graphc.types import real_dtype

# --- comparisons ----------------------------------------------------------------------------------

equal: Builder = pointwise("equal", np.equal, result=to_bool)
not_equal: Builder = pointwise("not_equal", np.not_equal, result=to_bool)
less: Builder = pointwise("less", np.less, result=to_bool)
less_equal: Builder = pointwise("less_equal", np.less_equal, result=to_bool)
greater: Builder = pointwise("greater", np.greater, result=to_bool)
greater_equal: Builder = pointwise("greater_equal", np.greater_equal, result=to_bool)

# --- logic, of any dtype: what is not 0 is true ---------------------------------------------------

logical_and: Builder = pointwise(
    "logical_and",
    np.logical_and,
    result=to_bool,
    expression=lambda x, y: apply("bitwise_and", truth(x), truth(y)),
)
logical_or: Builder = pointwise(
    "logical_or",
    np.logical_or,
    result=to_bool,
    expression=lambda x, y: apply("bitwise_or", truth(x), truth(y)),
)
logical_xor: Builder = pointwise(
    "logical_xor",
    np.logical_xor,
    result=to_bool,
    expression=lambda x, y: apply("bitwise_xor", truth(x), truth(y)),
)
logical_not: Builder = pointwise(
    "logical_not",
    np.logical_not,
    result=to_bool,
    expression=lambda x: apply("invert", truth(x)),
)

# --- NaN and inf ----------------------------------------------------------------------------------


def _is_inf(x: Expr) -> Expr:
    return apply("equal", apply("absolute", x), number(math.inf, x))


def _isinf(x: Expr) -> Expr:
    if x.dtype.kind in "biu":
        return Const(False, BOOL)
    if x.dtype.kind == "c":
        re, im = real_parts(x, real_dtype(x.dtype))
        return apply("bitwise_or", _is_inf(re), _is_inf(im))
    return _is_inf(x)


def _isfinite(x: Expr) -> Expr:
    if x.dtype.kind in "biu":
        return Const(True, BOOL)
    if x.dtype.kind == "c":
        re, im = real_parts(x, real_dtype(x.dtype))
        return both(_isfinite(re), _isfinite(im))
    return apply("less", apply("absolute", x), number(math.inf, x))


isnan: Builder = pointwise(
    "isnan",
    np.isnan,
    result=to_bool,
    expression=lambda x: apply("not_equal", x, x),
)
isinf: Builder = pointwise("isinf", np.isinf, result=to_bool, expression=_isinf)
isfinite: Builder = pointwise("isfinite", np.isfinite, result=to_bool, expression=_isfinite)

# --- the larger or smaller: ties share the cotangent, NaN operands make it NaN --------------------


def _share(x: Value, y: Value, out: Value) -> Value:
    """The derivative of ``out``, x or y, by x: 1, 0, a half at ties, NaN where there is NaN."""
    is_y = equal(y, out)
    one, zero, half = full_like(out, 1), full_like(out, 0), full_like(out, 0.5)
    missing = select(is_y, zero, full_like(out, math.nan))
    return select(equal(x, out), select(is_y, half, one), missing)


def _share_numbers(x: Value, y: Value, out: Value) -> Value:
    """As `_share`, where a NaN operand is ignored unless both are NaN."""
    return select(
        isnan(y), full_like(out, 1), select(isnan(x), full_like(out, 0), _share(x, y, out))
    )


def _extreme_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    return masked_multiply(g, _share(x, y, out)), masked_multiply(g, _share(y, x, out))


def _number_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    both_nan = isnan(out)
    nan = full_like(out, math.nan)
    return (
        masked_multiply(g, select(both_nan, nan, _share_numbers(x, y, out))),
        masked_multiply(g, select(both_nan, nan, _share_numbers(y, x, out))),
    )


maximum: Builder = pointwise(
    "maximum",
    np.maximum,
    vjp=_extreme_vjp,
    expression=bool_as("bitwise_or", "maximum"),
)
minimum: Builder = pointwise(
    "minimum",
    np.minimum,
    vjp=_extreme_vjp,
    expression=bool_as("bitwise_and", "minimum"),
)


def _number_expression(bitwise: str, comparison: str, x: Expr, y: Expr) -> Expr:
    if x.dtype.kind == "b":
        return apply(bitwise, x, y)
    y_is_nan = apply("not_equal", y, y)
    return either(apply("bitwise_or", apply(comparison, x, y), y_is_nan), x, y)


fmax: Builder = pointwise(
    "fmax",
    np.fmax,
    vjp=_number_vjp,
    expression=lambda x, y: _number_expression("bitwise_or", "greater_equal", x, y),
)
fmin: Builder = pointwise(
    "fmin",
    np.fmin,
    vjp=_number_vjp,
    expression=lambda x, y: _number_expression("bitwise_and", "less_equal", x, y),
)
