"""Complex numbers and their parts, absolute value and sign.

The convention is JAX's: a cotangent is a C-linear functional, so ``real`` sends back ``g``,
``imag`` sends back ``-i g``, and a real function of a complex number sends back the conjugate of
what steepest ascent would follow.
"""

from __future__ import annotations

import numpy as np

from graphc.ir import Value
from graphc.loops import Apply, Expr
from graphc.ops.arrays.shape import full_like, zeros
from graphc.ops.elementwise.compare import equal
from graphc.ops.elementwise.pointwise import (
    Builder,
    add,
    masked_multiply,
    multiply,
    negative,
    pointwise,
    reciprocal,
    select,
)
from graphc.ops.elementwise.scalar import apply, either, number
from graphc.ops.elementwise.trigonometric import arctan2
from graphc.types import DTYPES, real_dtype


def complex_dtype(dtype: np.dtype) -> np.dtype:
    """The complex dtype whose parts have `dtype`."""
    return DTYPES["complex64" if dtype.name == "float32" else "complex128"]


def _join(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    result = np.empty(np.shape(re), complex_dtype(re.dtype))
    result.real, result.imag = re, im
    return result


complex_: Builder = pointwise(
    "complex",
    _join,
    arity=2,
    kinds="f",
    result=complex_dtype,
    vjp=lambda re, im, out, g: (real(g), negative(imag(g))),
)
"""The complex number with the real and imaginary parts given, exactly."""

_real: Builder = pointwise(
    "real", np.real, arity=1, kinds="c", result=real_dtype, vjp=lambda x, out, g: (to_complex(g),)
)
_imag: Builder = pointwise(
    "imag",
    np.imag,
    arity=1,
    kinds="c",
    result=real_dtype,
    vjp=lambda x, out, g: (complex_(full_like(g, 0), negative(g)),),
)
_conjugate: Builder = pointwise(
    "conjugate", np.conjugate, kinds="c", vjp=lambda x, out, g: (conjugate(g),)
)


def to_complex(x: Value) -> Value:
    """A real value as a complex one with imaginary part 0."""
    return complex_(x, full_like(x, 0))


def real(x: Value) -> Value:
    """The real part; of a value that is not complex, itself."""
    return _real(x) if x.dtype.kind == "c" else x


def imag(x: Value) -> Value:
    """The imaginary part; of a value that is not complex, zeros."""
    return _imag(x) if x.dtype.kind == "c" else zeros(x.tensor)


def conjugate(x: Value) -> Value:
    """The complex conjugate; of a value that is not complex, itself."""
    return _conjugate(x) if x.dtype.kind == "c" else x


def angle(x: Value) -> Value:
    """The argument of a complex value, or of a real float one (0 or pi), in radians."""
    return arctan2(imag(x), real(x))


# --- absolute value and sign ----------------------------------------------------------------------


def _inverse_modulus(modulus: Value) -> Value:
    """``1 / modulus``, 1 where it is 0."""
    return reciprocal(select(equal(modulus, full_like(modulus, 0)), full_like(modulus, 1), modulus))


def _absolute_vjp(x: Value, out: Value, g: Value) -> tuple[Value]:
    if x.dtype.kind != "c":
        return (masked_multiply(g, sign(x)),)
    direction = multiply(conjugate(x), to_complex(_inverse_modulus(out)))
    return (masked_multiply(to_complex(g), direction),)


def _absolute_expression(x: Expr) -> Expr:
    if x.dtype.kind in "bu":
        return x
    return Apply("absolute", (x,), real_dtype(x.dtype))


absolute: Builder = pointwise(
    "absolute",
    np.absolute,
    result=real_dtype,
    vjp=_absolute_vjp,
    expression=_absolute_expression,
)


def _sign_vjp(x: Value, out: Value, g: Value) -> tuple[Value | None]:
    """0 for real x. For complex x, the transpose of ``x * r`` with ``r = 1 / |x|``."""
    if x.dtype.kind != "c":
        return (None,)
    modulus = absolute(x)
    inverse = _inverse_modulus(modulus)
    by_r = real(masked_multiply(g, x))
    by_modulus = negative(masked_multiply(by_r, multiply(inverse, inverse)))
    (through_modulus,) = _absolute_vjp(x, modulus, by_modulus)
    return (add(masked_multiply(g, to_complex(inverse)), through_modulus),)


def _sign_expression(x: Expr) -> Expr:
    zero, one = number(0, x), number(1, x)
    if x.dtype.kind == "c":
        modulus = Apply("absolute", (x,), real_dtype(x.dtype))
        scale = Apply("complex", (modulus, number(0, modulus)), x.dtype)
        return either(apply("equal", x, zero), zero, apply("divide", x, scale))
    if x.dtype.kind == "u":
        return either(apply("equal", x, zero), zero, one)
    # The last branch holds 0, whose sign NumPy drops, and NaN.
    rest = either(apply("equal", x, zero), zero, x)
    below = either(apply("less", x, zero), number(-1, x), rest)
    return either(apply("greater", x, zero), one, below)


sign: Builder = pointwise("sign", np.sign, kinds="iufc", vjp=_sign_vjp, expression=_sign_expression)
