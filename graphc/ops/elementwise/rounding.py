"""Rounding, division with remainder, and the parts of a float; some ops have two outputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Node, Op, Value, make
from graphc.loops import Apply, Elementwise, Expr
from graphc.ops.arrays.shape import full_like
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.compare import equal
from graphc.ops.elementwise.complex_expressions import complex_rint, real_or_complex
from graphc.ops.elementwise.pointwise import (
    Builder,
    divide,
    masked_multiply,
    negative,
    no_derivative,
    pointwise,
    same_shape,
    same_type,
    select,
    subtract,
    to_bool,
)
from graphc.ops.elementwise.scalar import apply, either, number
from graphc.ops.registry import register
from graphc.types import DTYPES, TensorType, Type

INT32 = DTYPES["int32"]

# --- rounding -------------------------------------------------------------------------------------

rint: Builder = pointwise(
    "rint",
    np.rint,
    kinds="fc",
    vjp=no_derivative,
    expression=real_or_complex("rint", complex_rint),
)
floor: Builder = pointwise("floor", np.floor, kinds="f", vjp=no_derivative)
ceil: Builder = pointwise("ceil", np.ceil, kinds="f", vjp=no_derivative)
trunc: Builder = pointwise("trunc", np.trunc, kinds="f", vjp=no_derivative)

# --- division with remainder ----------------------------------------------------------------------

floor_divide: Builder = pointwise("floor_divide", np.floor_divide, kinds="iuf", vjp=no_derivative)


def _remainder_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    return g, negative(masked_multiply(g, floor_divide(x, y)))


remainder: Builder = pointwise("remainder", np.remainder, kinds="iuf", vjp=_remainder_vjp)
fmod: Builder = pointwise(
    "fmod",
    np.fmod,
    kinds="iuf",
    vjp=lambda x, y, out, g: (
        g,
        negative(masked_multiply(g, rint(divide(subtract(x, out), y)))),
    ),
)

# --- ops of two outputs ---------------------------------------------------------------------------

Pair = Callable[..., tuple[Value, Value]]
PairRule = Callable[..., tuple[Value | None, ...]]


def _pair(
    name: str,
    function: np.ufunc,
    *,
    kinds: str,
    vjp: PairRule,
    expressions: tuple[Callable[..., Expr], Callable[..., Expr]],
    second: Callable[[np.dtype], np.dtype] = lambda dtype: dtype,
) -> Pair:
    """Register a pointwise op of two outputs; `second` is the second's dtype from the operands'.

    ``vjp(*operands, first cotangent, second cotangent)``, each cotangent possibly None.
    """

    def infer(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
        if len(types) != function.nin:
            raise ShapeError(f"{name} takes {function.nin} operands, not {len(types)}")
        first = same_type(name, types, kinds)
        return (first, first.with_dtype(second(first.dtype)))

    op = register(
        Op(
            name,
            infer,
            lambda driver, node, arrays: tuple(map(np.asarray, function(*arrays))),
            lambda driver, node, cotangents: vjp(*node.inputs, *cotangents),
            Elementwise(
                (
                    lambda node, operands: expressions[0](*operands),
                    lambda node, operands: expressions[1](*operands),
                )
            ),
            batch=batch_leading,
        )
    )

    def build(*operands: Value) -> tuple[Value, Value]:
        first, last = make(op, operands).outputs
        return first, last

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"Both results of NumPy's ``{name}``."
    return build


def _divmod_vjp(x: Value, y: Value, quotient: Value | None, g: Value | None) -> Any:
    return (None, None) if g is None else _remainder_vjp(x, y, g, g)


divmod_: Pair = _pair(
    "divmod",
    np.divmod,
    kinds="iuf",
    vjp=_divmod_vjp,
    expressions=(
        lambda x, y: apply("floor_divide", x, y),
        lambda x, y: apply("remainder", x, y),
    ),
)


def _fraction(x: Expr) -> Expr:
    """``x - trunc(x)`` with the sign of x, 0 for inf."""
    infinite = apply("equal", apply("absolute", x), number(math.inf, x))
    rest = apply("subtract", x, apply("trunc", x))
    return apply("copysign", either(infinite, number(0, x), rest), x)


modf: Pair = _pair(
    "modf",
    np.modf,
    kinds="f",
    vjp=lambda x, fraction, whole: (fraction,),
    expressions=(_fraction, lambda x: apply("trunc", x)),
)


def _frexp_vjp(x: Value, g: Value | None, exponent: Value | None) -> Any:
    return (None if g is None else ldexp(g, _negative_exponent(x)),)


def _negative_exponent(x: Value) -> Value:
    return negative(frexp(x)[1])


frexp: Pair = _pair(
    "frexp",
    np.frexp,
    kinds="f",
    second=lambda dtype: INT32,
    vjp=_frexp_vjp,
    expressions=(
        lambda x: apply("frexp_mantissa", x),
        lambda x: Apply("frexp_exponent", (x,), INT32),
    ),
)

# --- ldexp: a float and an int32 or int64 ---------------------------------------------------------


def _infer_ldexp(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
    mantissa = same_shape("ldexp", types)
    exponent = types[1]
    assert isinstance(exponent, TensorType)
    if mantissa.dtype.kind != "f" or exponent.dtype.name not in ("int32", "int64"):
        raise DTypeError(f"ldexp does not take dtypes ({mantissa.dtype}, {exponent.dtype})")
    return (mantissa,)


def _ldexp_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    return (ldexp(g, node.inputs[1]), None)


LDEXP = register(
    Op(
        "ldexp",
        _infer_ldexp,
        lambda driver, node, arrays: (np.asarray(np.ldexp(*arrays)),),
        _ldexp_vjp,
        Elementwise((lambda node, operands: apply("ldexp", *operands),)),
        batch=batch_leading,
    )
)


def ldexp(x: Value, exponent: Value) -> Value:
    """``x * 2**exponent``, for a float x and an int32 or int64 exponent."""
    return make(LDEXP, (x, exponent)).out()


# --- signs and neighbours -------------------------------------------------------------------------

signbit: Builder = pointwise(
    "signbit",
    np.signbit,
    kinds="f",
    result=to_bool,
    expression=lambda x: Apply("signbit", (x,), DTYPES["bool"]),
)


def _copysign_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, None]:
    return (select(equal(signbit(x), signbit(y)), g, negative(g)), None)


copysign: Builder = pointwise("copysign", np.copysign, kinds="f", vjp=_copysign_vjp)
nextafter: Builder = pointwise(
    "nextafter", np.nextafter, kinds="f", vjp=lambda x, y, out, g: (g, None)
)
spacing: Builder = pointwise("spacing", np.spacing, kinds="f", vjp=no_derivative)


def _heaviside_expression(x: Expr, at_zero: Expr) -> Expr:
    zero = number(0, x)
    rest = either(apply("equal", x, zero), at_zero, x)
    below = either(apply("less", x, zero), zero, rest)
    return either(apply("greater", x, zero), number(1, x), below)


heaviside: Builder = pointwise(
    "heaviside",
    np.heaviside,
    kinds="f",
    vjp=lambda x, h, out, g: (
        None,
        select(equal(x, full_like(x, 0)), g, full_like(g, 0)),
    ),
    expression=_heaviside_expression,
)
