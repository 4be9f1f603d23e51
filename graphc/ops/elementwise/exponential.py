"""Exponentials, logarithms, roots and powers."""

from __future__ import annotations

import math

import numpy as np

from graphc.errors import DomainError
from graphc.ir import Value
from graphc.loops import Const, Expr, Guarded
from graphc.ops.arrays.shape import full_like
from graphc.ops.elementwise.compare import equal, greater_equal, isinf, logical_and
from graphc.ops.elementwise.complex_expressions import (
    complex_exp2,
    complex_expm1,
    complex_log1p,
    complex_log2,
    complex_log10,
    real_or_complex,
)
from graphc.ops.elementwise.pointwise import (
    Builder,
    add,
    divide,
    masked_multiply,
    multiply,
    negative,
    pointwise,
    reciprocal,
    select,
    subtract,
)
from graphc.ops.elementwise.scalar import apply, either, number


def scaled(x: Value, factor: float) -> Value:
    """``x * factor`` for a finite factor."""
    return multiply(x, full_like(x, factor))


# --- exponentials ---------------------------------------------------------------------------------

exp: Builder = pointwise(
    "exp", np.exp, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, out),)
)
exp2: Builder = pointwise(
    "exp2",
    np.exp2,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, scaled(out, math.log(2))),),
    expression=real_or_complex("exp2", complex_exp2),
)
expm1: Builder = pointwise(
    "expm1",
    np.expm1,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, exp(x)),),
    expression=real_or_complex("expm1", complex_expm1),
)
expit: Builder = pointwise(
    "expit",
    lambda x: _special_expit(x),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, multiply(out, expit(negative(x)))),),
)
"""The logistic function ``1 / (1 + exp(-x))``; its derivative is exact far from 0 on both sides."""


def _special_expit(x: np.ndarray) -> np.ndarray:
    from scipy.special import expit as function  # noqa: PLC0415

    result: np.ndarray = function(x)
    return result


# --- logarithms -----------------------------------------------------------------------------------

log: Builder = pointwise(
    "log", np.log, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, reciprocal(x)),)
)
log2: Builder = pointwise(
    "log2",
    np.log2,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(scaled(x, math.log(2)))),),
    expression=real_or_complex("log2", complex_log2),
)
log10: Builder = pointwise(
    "log10",
    np.log10,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(scaled(x, math.log(10)))),),
    expression=real_or_complex("log10", complex_log10),
)
log1p: Builder = pointwise(
    "log1p",
    np.log1p,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(add(x, full_like(x, 1)))),),
    expression=real_or_complex("log1p", complex_log1p),
)

# --- logarithms of sums of exponentials -----------------------------------------------------------


def _log_add(x: Expr, y: Expr, exponential: str, logarithm: str, scale: float, tie: float) -> Expr:
    """``max + log(1 + exp(min - max))``, where equal infinities do not meet in a difference."""
    gap = apply("negative", apply("absolute", apply("subtract", x, y)))
    tail = apply(logarithm, apply(exponential, gap))
    if scale != 1:
        tail = apply("multiply", tail, number(scale, x))
    different = apply("add", apply("maximum", x, y), tail)
    return either(apply("equal", x, y), apply("add", x, number(tie, x)), different)


def _difference(x: Value, y: Value) -> Value:
    """``x - y``, 0 for equal infinities."""
    tied = logical_and(equal(x, y), isinf(x))
    return select(tied, full_like(x, 0), subtract(x, y))


logaddexp: Builder = pointwise(
    "logaddexp",
    np.logaddexp,
    kinds="f",
    vjp=lambda x, y, out, g: (
        masked_multiply(g, expit(_difference(x, y))),
        masked_multiply(g, expit(_difference(y, x))),
    ),
    expression=lambda x, y: _log_add(x, y, "exp", "log1p", 1, math.log(2)),
)
logaddexp2: Builder = pointwise(
    "logaddexp2",
    np.logaddexp2,
    kinds="f",
    vjp=lambda x, y, out, g: (
        masked_multiply(g, expit(scaled(_difference(x, y), math.log(2)))),
        masked_multiply(g, expit(scaled(_difference(y, x), math.log(2)))),
    ),
    expression=lambda x, y: _log_add(x, y, "exp2", "log1p", 1 / math.log(2), 1.0),
)

# --- roots and powers -----------------------------------------------------------------------------

sqrt: Builder = pointwise(
    "sqrt",
    np.sqrt,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, divide(full_like(out, 0.5), out)),),
)
cbrt: Builder = pointwise(
    "cbrt",
    np.cbrt,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(scaled(multiply(out, out), 3.0))),),
)


def _power_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    """``y * x**(y - 1)`` and ``x**y * log(x)``: 0 where ``y == 0``, and where ``0**y`` stays 0.

    The product with y is masked rather than selected, so that its own derivative stays exact.
    """
    by_x = masked_multiply(y, power(x, subtract(y, full_like(y, 1))))
    zero = full_like(x, 0)
    flat = equal(x, zero)
    if y.dtype.kind == "f":
        flat = logical_and(flat, greater_equal(y, zero))
    by_y = multiply(out, log(select(flat, full_like(x, 1), x)))
    return masked_multiply(g, by_x), masked_multiply(g, by_y)


NEGATIVE_POWER = "Integers to negative integer powers are not allowed."


def _power(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    if y.dtype.kind == "i" and np.any(y < 0):
        raise DomainError(NEGATIVE_POWER)
    result: np.ndarray = np.power(x, y)
    return result


def _power_expression(x: Expr, y: Expr) -> Expr:
    power_of = apply("power", x, y)
    known = isinstance(y, Const) and isinstance(y.value, int) and y.value >= 0
    if y.dtype.kind != "i" or known:
        return power_of
    return Guarded(apply("greater_equal", y, number(0, y)), power_of, NEGATIVE_POWER, x.dtype)


power: Builder = pointwise(
    "power", _power, arity=2, kinds="iufc", vjp=_power_vjp, expression=_power_expression
)
