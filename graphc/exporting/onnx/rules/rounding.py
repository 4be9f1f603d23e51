"""Rounding, division with remainder, signs, and powers of two."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.rules.forms import alike, pointwise
from graphc.exporting.onnx.tensors import INT64, Tensor, larger, where
from graphc.exporting.onnx.walker import Rule, Walker
from graphc.ir import Node
from graphc.ops.query import uniform


def sign_bit(x: Tensor) -> Tensor:
    """Whether x is below 0 or is -0.0; ONNX does not show the sign of a NaN, which counts as +."""
    return (x < 0) | (x.op("Reciprocal") < 0)


def _copy_sign(x: Tensor, y: Tensor) -> Tensor:
    size = x.op("Abs")
    return where(sign_bit(y), -size, size)


def _trunc(x: Tensor) -> Tensor:
    return where(x < 0, x.op("Ceil"), x.op("Floor"))


# --- division with remainder ----------------------------------------------------------------------


def _division(walker: Walker, node: Node) -> tuple[Tensor, Tensor]:
    """The quotient, rounded down, and the remainder, with the sign of the divisor."""
    x, y = walker.operands(node)
    if x.dtype.kind == "f":
        return _float_division(x, y)
    known = uniform(node.inputs[1])
    return _integer_division(x, y, None if known is None else int(known))


def _integer_division(x: Tensor, y: Tensor, known: int | None) -> tuple[Tensor, Tensor]:
    """By 0 both are 0; ONNX's ops stop the process there, and at the least int by -1."""
    safe = known is not None and known not in (0, -1)
    divisor = y if safe else where(_unsafe(y), 1, y)
    rest = x.op("Mod", divisor)
    quotient = x / divisor
    if x.dtype.kind == "i":
        quotient = where(~rest.equals(0) & ((x < 0) ^ (divisor < 0)), quotient - 1, quotient)
    if safe:
        return quotient, rest
    quotient = where(y.equals(0), 0, quotient)
    if x.dtype.kind == "i":
        quotient = where(y.equals(-1), -x, quotient)
    return quotient, rest


def _unsafe(y: Tensor) -> Tensor:
    return y.equals(0) | y.equals(-1) if y.dtype.kind == "i" else y.equals(0)


def _float_division(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """As NumPy's ``npy_divmod``: the quotient is rounded from what the exact remainder leaves."""
    rest = x.op("Mod", y, fmod=1)
    low = ~rest.equals(0) & ((y < 0) ^ (rest < 0))
    quotient = (x - rest) / y
    quotient = where(low, quotient - 1, quotient)
    whole = quotient.op("Floor")
    whole = where(quotient - whole > 0.5, whole + 1, whole)
    whole = where(y.equals(0), x / y, whole)
    signed_zero = where(y < 0, y.like(-0.0), 0.0)
    return whole, where(rest.equals(0), signed_zero, where(low, rest + y, rest))


def _fmod(walker: Walker, node: Node) -> Tensor:
    x, y = walker.operands(node)
    if x.dtype.kind == "f":
        return x.op("Mod", y, fmod=1)
    # By way of the other remainder: ONNX Runtime computes this one of int64 in float64.
    divisor = where(_unsafe(y), 1, y)
    rest = x.op("Mod", divisor)
    if x.dtype.kind == "u":
        return rest
    return where(~rest.equals(0) & ((x < 0) ^ (divisor < 0)), rest - divisor, rest)


# --- parts of floats ------------------------------------------------------------------------------


def _modf(x: Tensor) -> tuple[Tensor, Tensor]:
    whole = _trunc(x)
    rest = where(x.op("IsInf", dtype=np.dtype(bool)), 0, x - whole)
    return _copy_sign(rest, x), whole


def _ldexp(x: Tensor, exponent: Tensor) -> Tensor:
    """In float64, where 2**n has no rounding, and in three steps, so that it does not overflow."""
    wide = x.cast(np.dtype(np.float64))
    n = larger(larger(exponent.cast(INT64), 3000, "Min"), -3000)
    third = n / 3
    part = wide.like(2).op("Pow", third.cast(wide.dtype))
    rest = wide.like(2).op("Pow", (n - third - third).cast(wide.dtype))
    return (wide * part * part * rest).cast(x.dtype)


def _heaviside(x: Tensor, at_zero: Tensor) -> Tensor:
    return where(x > 0, 1, where(x < 0, 0, where(x.equals(0), at_zero, x)))


RULES: Mapping[str, Rule] = {
    "rint": alike("Round"),
    "floor": alike("Floor"),
    "ceil": alike("Ceil"),
    "trunc": pointwise(_trunc),
    "floor_divide": lambda walker, node: _division(walker, node)[0],
    "remainder": lambda walker, node: _division(walker, node)[1],
    "divmod": _division,
    "fmod": _fmod,
    "modf": pointwise(_modf),
    "ldexp": pointwise(_ldexp),
    "signbit": pointwise(sign_bit),
    "copysign": pointwise(_copy_sign),
    "heaviside": pointwise(_heaviside),
}
