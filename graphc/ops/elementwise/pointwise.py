"""Pointwise ops: each output element from the operands' elements at the same index.

Operands have equal shapes and, unless said otherwise, equal dtypes: broadcasting and promotion are
explicit nodes that the tracer inserts. Each op is one statement: its NumPy meaning, its derivative
and its scalar expression. This file holds that form and arithmetic; the files beside it the rest.

Derivatives of complex functions follow JAX: rules are C-linear transposes, without conjugation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Node, Op, Tangents, Value, make
from graphc.loops import SCALAR_FUNCTIONS, Apply, Cast, Elementwise, Expr, Select
from graphc.ops.arrays.shape import full_like, only, zeros
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.scalar import apply, either, number, unknown_function
from graphc.ops.registry import check_name, register
from graphc.types import DTYPES, TensorType, Type

BOOL = DTYPES["bool"]
Builder = Callable[..., Value]
Rule = Callable[..., tuple[Value | None, ...]]
"""``rule(*operands, out, cotangent)`` gives the operands' cotangents."""


def same_shape(name: str, types: tuple[Type, ...]) -> TensorType:
    """The first operand's type, when all have its shape.

    Raises:
        ShapeError: they differ.
    """
    first = types[0]
    assert isinstance(first, TensorType)
    for other in types[1:]:
        assert isinstance(other, TensorType)
        if other.shape != first.shape:
            raise ShapeError(f"{name}: shapes of {first} and {other} differ")
    return first


def same_type(name: str, types: tuple[Type, ...], kinds: str) -> TensorType:
    """The first operand's type, when all have its shape and dtype, of a kind in `kinds`.

    Raises:
        ShapeError: shapes differ.
        DTypeError: dtypes differ, or are of another kind.
    """
    first = same_shape(name, types)
    if first.dtype.kind not in kinds or any(other != first for other in types):
        listed = ", ".join(t.dtype.name for t in types if isinstance(t, TensorType))
        raise DTypeError(f"{name} does not take dtypes ({listed})")
    return first


def pointwise(
    name: str,
    evaluate: Callable[..., Any],
    *,
    arity: int | None = None,
    kinds: str = "biufc",
    result: Callable[[np.dtype], np.dtype] = lambda dtype: dtype,
    vjp: Rule | None = None,
    expression: Callable[..., Expr] | None = None,
) -> Builder:
    """Register a pointwise op of operands of one dtype and return its builder.

    Args:
        name: the op's name, and its scalar function's where no `expression` is given.
        evaluate: NumPy's function of that meaning.
        arity: the number of operands; by default what the ufunc `evaluate` takes.
        kinds: the dtype kinds (``np.dtype.kind``) that operands may have.
        result: the result's dtype from the operands'.
        vjp: ``(*operands, out, cotangent) -> cotangents``.
        expression: ``(*operand expressions) -> Expr``.

    Raises:
        ValueError: `name` is taken, or is no identifier.
        TypeError: `evaluate` is no ufunc, and no `arity` is given.
        DomainError: there is no `expression`, and no scalar function of that name.
    """
    check_name(name)
    operands_taken = evaluate.nin if isinstance(evaluate, np.ufunc) else arity
    if operands_taken is None:
        raise TypeError(f"pointwise({name!r}, ...) needs arity=, the number of operands")
    if expression is None and name not in SCALAR_FUNCTIONS:
        raise unknown_function(name)

    def infer(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
        if len(types) != operands_taken:
            raise ShapeError(f"{name} takes {operands_taken} operands, not {len(types)}")
        first = same_type(name, types, kinds)
        return (first.with_dtype(result(first.dtype)),)

    def rule(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
        assert vjp is not None
        return vjp(*node.inputs, node.out(), cotangents[0])

    def scalar(node: Node, operands: tuple[Expr, ...]) -> Expr:
        if expression is not None:
            return expression(*operands)
        return Apply(name, operands, node.out().dtype)

    op = register(
        Op(
            name,
            infer,
            lambda driver, node, arrays: (np.asarray(evaluate(*arrays)),),
            rule if vjp is not None else None,
            Elementwise((scalar,)),
            batch=batch_leading,
        )
    )

    def build(*operands: Value) -> Value:
        return make(op, operands).out()

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"NumPy's or SciPy's ``{name}``, of operands of one shape and dtype."
    return build


def to_bool(dtype: np.dtype) -> np.dtype:
    """The result dtype of predicates."""
    return BOOL


def bool_as(bitwise: str, name: str) -> Callable[..., Expr]:
    """The scalar function `name`, which on bool is the function `bitwise`."""
    return lambda *operands: apply(bitwise if operands[0].dtype == BOOL else name, *operands)


def no_derivative(*arguments: Value) -> tuple[None, ...]:
    """The rule of piecewise constant functions: every cotangent is zero."""
    return (None,) * (len(arguments) - 2)


# --- products that a zero cotangent wins ----------------------------------------------------------

masked_multiply: Builder = pointwise(
    "masked_multiply",
    lambda g, d: np.where(g == 0, np.zeros((), g.dtype), g * d),
    arity=2,
    kinds="fc",
    vjp=lambda g, d, out, cotangent: (
        masked_multiply(cotangent, d),
        absorbing_multiply(cotangent, g),
    ),
    expression=lambda g, d: _zero_where_zero(g, apply("multiply", g, d)),
)
"""``g * d``, but 0 where g is 0 even if d is NaN or inf.

Derivative rules use it for ``cotangent * derivative``, so that the branch that ``where`` did not
take sends no NaN back. Its own derivative by d is a multiple of g, and so 0 with g whatever the
cotangent is: that keeps the promise at any depth of differentiation.
"""

absorbing_multiply: Builder = pointwise(
    "absorbing_multiply",
    lambda x, y: np.where((x == 0) | (y == 0), np.zeros((), x.dtype), x * y),
    arity=2,
    kinds="fc",
    vjp=lambda x, y, out, cotangent: (
        absorbing_multiply(cotangent, y),
        absorbing_multiply(cotangent, x),
    ),
    expression=lambda x, y: _zero_where_zero(x, _zero_where_zero(y, apply("multiply", x, y))),
)
"""``x * y``, but 0 where either is 0 even if the other is NaN or inf."""


def _zero_where_zero(x: Expr, product: Expr) -> Expr:
    return either(apply("equal", x, number(0, x)), number(0, x), product)


# --- arithmetic -----------------------------------------------------------------------------------

add: Builder = pointwise(
    "add", np.add, vjp=lambda x, y, out, g: (g, g), expression=bool_as("bitwise_or", "add")
)
subtract: Builder = pointwise(
    "subtract", np.subtract, kinds="iufc", vjp=lambda x, y, out, g: (g, negative(g))
)
negative: Builder = pointwise(
    "negative", np.negative, kinds="iufc", vjp=lambda x, out, g: (negative(g),)
)
multiply: Builder = pointwise(
    "multiply",
    np.multiply,
    vjp=lambda x, y, out, g: (masked_multiply(g, y), masked_multiply(g, x)),
    expression=bool_as("bitwise_and", "multiply"),
)


def _divide_vjp(x: Value, y: Value, out: Value, g: Value) -> tuple[Value, Value]:
    inverse = reciprocal(y)
    return (
        masked_multiply(g, inverse),
        negative(masked_multiply(g, multiply(out, inverse))),
    )


divide: Builder = pointwise("divide", np.divide, kinds="fc", vjp=_divide_vjp)


def _reciprocal_expression(x: Expr) -> Expr:
    if x.dtype.kind in "fc":
        return apply("divide", number(1, x), x)
    # NumPy divides in C: by 0 that is the least int of 32 and 64 bits, and 0 otherwise.
    at_zero = np.iinfo(x.dtype).min if x.dtype.name in ("int32", "int64") else 0
    unit = either(apply("equal", x, number(1, x)), x, number(0, x))
    if x.dtype.kind == "i":
        unit = either(apply("equal", x, number(-1, x)), x, unit)
    return either(apply("equal", x, number(0, x)), number(at_zero, x), unit)


reciprocal: Builder = pointwise(
    "reciprocal",
    np.reciprocal,
    kinds="iufc",
    vjp=lambda x, out, g: (negative(masked_multiply(g, multiply(out, out))),),
    expression=_reciprocal_expression,
)
square: Builder = pointwise(
    "square",
    np.square,
    kinds="iufc",
    vjp=lambda x, out, g: (masked_multiply(g, add(x, x)),),
    expression=lambda x: apply("multiply", x, x),
)

# --- select: a bool condition, and two operands of one dtype --------------------------------------


def _infer_select(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
    same_shape("select", types)
    condition, then, otherwise = types
    assert isinstance(condition, TensorType)
    if condition.dtype != BOOL or then != otherwise:
        raise DTypeError(f"select does not take ({condition}, {then}, {otherwise})")
    return (then,)


def _select_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    condition = node.inputs[0]
    zero = full_like(g, 0)
    return (None, select(condition, g, zero), select(condition, zero, g))


def _select_jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    zero = zeros(node.out().tensor)
    then, otherwise = (zero if tangent is None else tangent for tangent in tangents[1:])
    return (select(node.inputs[0], then, otherwise),)


SELECT = register(
    Op(
        "select",
        _infer_select,
        lambda driver, node, arrays: (np.where(*arrays),),
        _select_vjp,
        Elementwise((lambda node, e: Select(e[0], e[1], e[2], e[1].dtype),)),
        jvp=_select_jvp,
        batch=batch_leading,
    )
)


def select(condition: Value, then: Value, otherwise: Value) -> Value:
    """`then` where `condition`, else `otherwise`."""
    return make(SELECT, (condition, then, otherwise)).out()


# --- cast: attr dtype -----------------------------------------------------------------------------


def _cast_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    source = node.inputs[0].dtype
    if source.kind not in "fc" or g.dtype.kind not in "fc":
        return (None,)
    return (cast(g, source),)


def _evaluate_cast(driver: Driver, node: Node, arrays: list[Any]) -> tuple[np.ndarray]:
    array = np.asarray(arrays[0])
    drops_imaginary = array.dtype.kind == "c" and node["dtype"].kind not in "bc"
    return ((array.real if drops_imaginary else array).astype(node["dtype"]),)


CAST = register(
    Op(
        "cast",
        lambda types, attrs, regions: (only(types).with_dtype(attrs["dtype"]),),
        _evaluate_cast,
        _cast_vjp,
        Elementwise((lambda node, e: Cast(e[0], node["dtype"]),)),
        attributes={"dtype": "dtype"},
        batch=batch_leading,
    )
)


def cast(x: Value, dtype: np.dtype) -> Value:
    """``x.astype(dtype)``; complex to real drops the imaginary part, without NumPy's warning."""
    return x if x.dtype == dtype else make(CAST, (x,), {"dtype": dtype}).out()
