"""Short names for the scalar expressions that ops lower to."""

from __future__ import annotations

import numpy as np

from graphc.loops import Apply, Cast, Const, Expr, Select
from graphc.types import DTYPES

BOOL = DTYPES["bool"]
_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


def apply(function: str, *operands: Expr) -> Expr:
    """`function` of the operands; bool for comparisons, else in the first operand's dtype."""
    dtype = BOOL if function in _COMPARISONS else operands[0].dtype
    return Apply(function, operands, dtype)


def number(value: bool | int | float, like: Expr) -> Expr:
    """A constant of the dtype of `like`."""
    return Const(value, like.dtype)


def either(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    """`then` where `condition`, else `otherwise`."""
    return Select(condition, then, otherwise, then.dtype)


def both(left: Expr, right: Expr) -> Expr:
    """Whether both bool expressions hold."""
    return apply("bitwise_and", left, right)


def truth(operand: Expr) -> Expr:
    """The operand as NumPy's ``astype(bool)``: whether it is not 0."""
    return operand if operand.dtype == BOOL else Cast(operand, BOOL)


def real_parts(operand: Expr, real: np.dtype) -> tuple[Expr, Expr]:
    """The real and the imaginary part of a complex expression, of dtype `real`."""
    return Apply("real", (operand,), real), Apply("imag", (operand,), real)
