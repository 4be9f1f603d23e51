"""Special functions, as in ``scipy.special``; SciPy is imported when one is evaluated."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import Cotangents, Driver, Node, Op, Value, make
from graphc.loops import Apply, Const, Elementwise, Expr
from graphc.ops.arrays.shape import full_like, only
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.exponential import exp, expit, log, log1p, logaddexp, scaled
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
from graphc.ops.elementwise.scalar import apply, both, either, number
from graphc.ops.registry import register
from graphc.types import DTYPES, Type


def _scipy(name: str) -> Callable[..., Any]:
    """SciPy's function `name`, looked up when called."""

    def call(*arrays: np.ndarray) -> Any:
        import scipy.special  # noqa: PLC0415

        return getattr(scipy.special, name)(*arrays)

    return call


def _one(x: Value) -> Value:
    return full_like(x, 1)


# --- the error function and the normal distribution -----------------------------------------------


def _bell(x: Value, scale: float, width: float) -> Value:
    """``scale * exp(-width * x**2)``."""
    return scaled(exp(scaled(square(x), -width)), scale)


erf: Builder = pointwise(
    "erf",
    _scipy("erf"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, _bell(x, 2 / math.sqrt(math.pi), 1)),),
)
erfc: Builder = pointwise(
    "erfc",
    _scipy("erfc"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, _bell(x, -2 / math.sqrt(math.pi), 1)),),
)
erfinv: Builder = pointwise(
    "erfinv",
    _scipy("erfinv"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, _bell(out, math.sqrt(math.pi) / 2, -1)),),
)
ndtr: Builder = pointwise(
    "ndtr",
    _scipy("ndtr"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, _bell(x, 1 / math.sqrt(2 * math.pi), 0.5)),),
    expression=lambda x: apply(
        "multiply",
        number(0.5, x),
        apply("erfc", apply("multiply", x, number(-math.sqrt(0.5), x))),
    ),
)

# --- the logistic function's relatives ------------------------------------------------------------


def _logit_expression(x: Expr) -> Expr:
    """``log(x / (1 - x))``, by log1p near the root at 1/2."""
    one = number(1, x)
    away = apply("log", apply("divide", x, apply("subtract", one, x)))
    twice = apply("multiply", number(2, x), apply("subtract", x, number(0.5, x)))
    near = apply("subtract", apply("log1p", twice), apply("log1p", apply("negative", twice)))
    is_near = both(
        apply("greater_equal", x, number(0.3, x)), apply("less_equal", x, number(0.65, x))
    )
    return either(is_near, near, away)


def _log_expit_expression(x: Expr) -> Expr:
    """``-log(1 + exp(-x))`` without overflow."""
    zero = number(0, x)
    tail = apply("log1p", apply("exp", apply("negative", apply("absolute", x))))
    return apply("negative", apply("add", apply("maximum", apply("negative", x), zero), tail))


logit: Builder = pointwise(
    "logit",
    _scipy("logit"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, reciprocal(multiply(x, subtract(_one(x), x)))),),
    expression=_logit_expression,
)
log_expit: Builder = pointwise(
    "log_expit",
    _scipy("log_expit"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, expit(negative(x))),),
    expression=_log_expit_expression,
)


def softplus(x: Value) -> Value:
    """``log(1 + exp(x))`` without overflow."""
    return logaddexp(full_like(x, 0), x)


# --- products with logarithms, 0 where the factor is 0 --------------------------------------------


def _product_with(logarithm: str, x: Expr, y: Expr) -> Expr:
    is_zero = both(apply("equal", x, number(0, x)), apply("equal", y, y))
    return either(is_zero, number(0, x), apply("multiply", x, apply(logarithm, y)))


xlogy: Builder = pointwise(
    "xlogy",
    _scipy("xlogy"),
    arity=2,
    kinds="f",
    vjp=lambda x, y, out, g: (
        masked_multiply(g, log(y)),
        masked_multiply(g, masked_multiply(x, reciprocal(y))),
    ),
    expression=lambda x, y: _product_with("log", x, y),
)
xlog1py: Builder = pointwise(
    "xlog1py",
    _scipy("xlog1py"),
    arity=2,
    kinds="f",
    vjp=lambda x, y, out, g: (
        masked_multiply(g, log1p(y)),
        masked_multiply(g, masked_multiply(x, reciprocal(add(_one(y), y)))),
    ),
    expression=lambda x, y: _product_with("log1p", x, y),
)


def _entr_expression(x: Expr) -> Expr:
    zero = number(0, x)
    positive = apply("negative", apply("multiply", x, apply("log", x)))
    rest = either(
        apply("equal", x, zero), zero, either(apply("equal", x, x), number(-math.inf, x), x)
    )
    return either(apply("greater", x, zero), positive, rest)


entr: Builder = pointwise(
    "entr",
    _scipy("entr"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (negative(masked_multiply(g, add(log(x), _one(x)))),),
    expression=_entr_expression,
)
"""``-x * log(x)``, 0 at 0 and -inf below."""

# --- gamma and its derivatives; polygamma has the attribute order ---------------------------------

gamma: Builder = pointwise(
    "gamma",
    _scipy("gamma"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, multiply(out, digamma(x))),),
)
gammaln: Builder = pointwise(
    "gammaln",
    _scipy("gammaln"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, digamma(x)),),
)
digamma: Builder = pointwise(
    "digamma",
    _scipy("digamma"),
    arity=1,
    kinds="f",
    vjp=lambda x, out, g: (masked_multiply(g, polygamma(1, x)),),
)


def _infer_polygamma(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
    operand = only(types)
    if operand.dtype.kind != "f" or attrs["order"] < 1:
        raise DTypeError(f"polygamma does not take order {attrs['order']} of {operand}")
    return (operand,)


def _evaluate_polygamma(driver: Driver, node: Node, arrays: list[Any]) -> tuple[np.ndarray]:
    result = _scipy("polygamma")(node["order"], arrays[0])
    return (np.asarray(result).astype(arrays[0].dtype),)


def _polygamma_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    return (masked_multiply(g, polygamma(node["order"] + 1, node.inputs[0])),)


def _polygamma_expression(node: Node, operands: tuple[Expr, ...]) -> Expr:
    order = Const(node["order"], DTYPES["int64"])
    return Apply("polygamma", (order, operands[0]), operands[0].dtype)


POLYGAMMA = register(
    Op(
        "polygamma",
        _infer_polygamma,
        _evaluate_polygamma,
        _polygamma_vjp,
        Elementwise((_polygamma_expression,)),
        attributes={"order": "int"},
        batch=batch_leading,
    )
)


def polygamma(order: int, x: Value) -> Value:
    """The `order`-th derivative of digamma, `order` 1 or more."""
    return make(POLYGAMMA, (x,), {"order": order}).out()
