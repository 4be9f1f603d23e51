"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

import math

import numpy as np

from graphc.ir import Value
from graphc.ops.arrays.shape import full_like
from graphc.ops.elementwise.exponential import scaled, sqrt
from graphc.ops.elementwise.pointwise import (
    Builder,
    add,
    masked_multiply,
    multiply,
    negative,
    pointwise,
    reciprocal,
    square,
    subtract,
)
from graphc.ops.elementwise.scalar import apply, number


def _one(x: Value) -> Value:
    return full_like(x, 1)


def _one_minus_square(x: Value) -> Value:
    """``1 - x**2`` as a product, which is accurate near 1."""
    return multiply(subtract(_one(x), x), add(_one(x), x))


# --- trigonometric --------------------------------------------------------------------------------

sin: Builder = pointwise(
    "sin", np.sin, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, cos(x)),)
)
cos: Builder = pointwise(
    "cos", np.cos, kinds="fc", vjp=lambda x, out, g: (negative(masked_multiply(g, sin(x))),)
)
tan: Builder = pointwise(
    "tan",
    np.tan,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, add(_one(out), square(out))),),
)
arcsin: Builder = pointwise(
    "arcsin",
    np.arcsin,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(sqrt(_one_minus_square(x)))),),
)
arccos: Builder = pointwise(
    "arccos",
    np.arccos,
    kinds="fc",
    vjp=lambda x, out, g: (negative(masked_multiply(g, reciprocal(sqrt(_one_minus_square(x))))),),
)
arctan: Builder = pointwise(
    "arctan",
    np.arctan,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(add(_one(x), square(x)))),),
)


def _arctan2_vjp(y: Value, x: Value, out: Value, g: Value) -> tuple[Value, Value]:
    """``x / r**2`` and ``-y / r**2``, NaN at the origin as in JAX."""
    inverse = reciprocal(add(square(x), square(y)))
    return (
        masked_multiply(g, multiply(x, inverse)),
        negative(masked_multiply(g, multiply(y, inverse))),
    )


arctan2: Builder = pointwise("arctan2", np.arctan2, kinds="f", vjp=_arctan2_vjp)


def _hypot_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    """``x / r`` and ``y / r``, 0 at the origin, as ``abs`` has it."""
    inverse = reciprocal(out)
    return (
        masked_multiply(g, masked_multiply(x, inverse)),
        masked_multiply(g, masked_multiply(y, inverse)),
    )


hypot: Builder = pointwise("hypot", np.hypot, kinds="f", vjp=_hypot_vjp)
deg2rad: Builder = pointwise(
    "deg2rad",
    np.deg2rad,
    kinds="f",
    vjp=lambda x, out, g: (scaled(g, math.pi / 180),),
    expression=lambda x: apply("multiply", x, number(math.pi / 180, x)),
)
rad2deg: Builder = pointwise(
    "rad2deg",
    np.rad2deg,
    kinds="f",
    vjp=lambda x, out, g: (scaled(g, 180 / math.pi),),
    expression=lambda x: apply("multiply", x, number(180 / math.pi, x)),
)

# --- hyperbolic -----------------------------------------------------------------------------------

sinh: Builder = pointwise(
    "sinh", np.sinh, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, cosh(x)),)
)
cosh: Builder = pointwise(
    "cosh", np.cosh, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, sinh(x)),)
)
tanh: Builder = pointwise(
    "tanh",
    np.tanh,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, _one_minus_square(out)),),
)


def _root_of_one_plus_square(x: Value) -> Value:
    """``sqrt(1 + x**2)``, whose square does not overflow for real x."""
    if x.dtype.kind == "c":
        return sqrt(add(_one(x), square(x)))
    return hypot(x, _one(x))


arcsinh: Builder = pointwise(
    "arcsinh",
    np.arcsinh,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(_root_of_one_plus_square(x))),),
)


def _arccosh_vjp(x: Value, out: Value, g: Value) -> tuple[Value]:
    """The roots are taken apart so that the square does not overflow; NaN below 1."""
    root = multiply(sqrt(subtract(x, _one(x))), sqrt(add(x, _one(x))))
    return (masked_multiply(g, reciprocal(root)),)


arccosh: Builder = pointwise("arccosh", np.arccosh, kinds="fc", vjp=_arccosh_vjp)
arctanh: Builder = pointwise(
    "arctanh",
    np.arctanh,
    kinds="fc",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(_one_minus_square(x))),),
)
