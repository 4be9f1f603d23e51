"""Short names for the scalar expressions that ops lower to."""

from __future__ import annotations

from difflib import get_close_matches

import numpy as np

from graphc.errors import DomainError, TraceError
from graphc.loops import SCALAR_FUNCTIONS, Apply, Cast, Const, Expr, Select
from graphc.operators import Scalar
from graphc.types import DTYPES

BOOL = DTYPES["bool"]
_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}


def apply(function: str, *operands: Expr) -> Expr:
    """`function` of the operands; bool for comparisons, else in the first operand's dtype.

    Raises:
        DomainError: no scalar function has that name.
        TraceError: an operand is no expression.
    """
    if function not in SCALAR_FUNCTIONS:
        raise unknown_function(function)
    for operand in operands:
        if not isinstance(operand, Scalar):
            raise TraceError(
                f"apply({function!r}, ...) takes scalar expressions, not {operand!r}",
                hint=f"Write a constant as number({operand!r}, x), for one of the dtype of x.",
            )
    dtype = BOOL if function in _COMPARISONS else operands[0].dtype
    return Apply(function, operands, dtype)


def unknown_function(name: str) -> DomainError:
    """The error about a scalar function that there is not, with those that read alike."""
    near = get_close_matches(name, SCALAR_FUNCTIONS)
    meant = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
    return DomainError(
        f"there is no scalar function {name!r}",
        hint=f"{meant}graphc.loops.SCALAR_FUNCTIONS lists them: they are named as in NumPy.",
    )


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
