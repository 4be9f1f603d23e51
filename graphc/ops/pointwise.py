"""Pointwise ops: each output element from the operands' elements at the same index.

Operands have equal shapes and, unless said otherwise, equal dtypes: broadcasting and promotion are
explicit nodes that the tracer inserts. Each op is one statement: its NumPy meaning, its derivative
and its scalar expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Node, Op, Value, make
from graphc.loops import Apply, Cast, Const, Elementwise, Expr, Select
from graphc.ops.registry import register
from graphc.ops.shape import full_like
from graphc.types import DTYPES, TensorType, Type

BOOL = DTYPES["bool"]
Builder = Callable[..., Value]
Rule = Callable[..., tuple[Value | None, ...]]
"""``rule(*operands, out, cotangent)`` gives the operands' cotangents."""


def _same_shape(name: str, types: tuple[Type, ...]) -> TensorType:
    first = types[0]
    assert isinstance(first, TensorType)
    for other in types[1:]:
        assert isinstance(other, TensorType)
        if other.shape != first.shape:
            raise ShapeError(f"{name}: shapes of {first} and {other} differ")
    return first


def pointwise(
    name: str,
    evaluate: Callable[..., Any],
    *,
    kinds: str = "biufc",
    result: Callable[[np.dtype], np.dtype] = lambda dtype: dtype,
    vjp: Rule | None = None,
    expression: Callable[..., Expr] | None = None,
) -> Builder:
    """Register a pointwise op of operands of one dtype and return its builder.

    Args:
        name: the op's name, and its scalar function's where no `expression` is given.
        evaluate: NumPy's function of that meaning.
        kinds: the dtype kinds (``np.dtype.kind``) that operands may have.
        result: the result's dtype from the operands'.
        vjp: ``(*operands, out, cotangent) -> cotangents``.
        expression: ``(*operand expressions) -> Expr``.
    """

    def infer(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
        first = _same_shape(name, types)
        for other in types:
            assert isinstance(other, TensorType)
            if other.dtype != first.dtype or other.dtype.kind not in kinds:
                listed = ", ".join(t.dtype.name for t in types if isinstance(t, TensorType))
                raise DTypeError(f"{name} does not take dtypes ({listed})")
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
        )
    )

    def build(*operands: Value) -> Value:
        return make(op, operands).out()

    build.__name__ = build.__qualname__ = name
    return build


def to_bool(dtype: np.dtype) -> np.dtype:
    return BOOL


# --- products that a zero cotangent wins ----------------------------------------------------------

masked_multiply: Builder = pointwise(
    "masked_multiply",
    lambda g, d: np.where(g == 0, np.zeros((), g.dtype), g * d),
    kinds="fc",
    vjp=lambda g, d, y, cotangent: (masked_multiply(cotangent, d), masked_multiply(cotangent, g)),
    expression=lambda g, d: Select(
        Apply("equal", (g, Const(0, g.dtype)), BOOL),
        Const(0, g.dtype),
        Apply("multiply", (g, d), g.dtype),
        g.dtype,
    ),
)
"""``g * d``, but 0 where g is 0 even if d is NaN or inf.

Derivative rules use it for ``cotangent * derivative``, so that the branch that ``where`` did not
take sends no NaN back, at any depth of differentiation.
"""

# --- arithmetic -----------------------------------------------------------------------------------

add: Builder = pointwise("add", np.add, vjp=lambda x, y, out, g: (g, g))
negative: Builder = pointwise(
    "negative", np.negative, kinds="iufc", vjp=lambda x, out, g: (negative(g),)
)
multiply: Builder = pointwise(
    "multiply",
    np.multiply,
    vjp=lambda x, y, out, g: (masked_multiply(g, y), masked_multiply(g, x)),
)
exp: Builder = pointwise(
    "exp", np.exp, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, out),)
)
sin: Builder = pointwise(
    "sin", np.sin, kinds="fc", vjp=lambda x, out, g: (masked_multiply(g, cos(x)),)
)
cos: Builder = pointwise(
    "cos", np.cos, kinds="fc", vjp=lambda x, out, g: (negative(masked_multiply(g, sin(x))),)
)
equal: Builder = pointwise("equal", np.equal, result=to_bool)

# --- select: a bool condition, and two operands of one dtype --------------------------------------


def _infer_select(types: tuple[Type, ...], attrs: Any, regions: Any) -> tuple[Type, ...]:
    _same_shape("select", types)
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


SELECT = register(
    Op(
        "select",
        _infer_select,
        lambda driver, node, arrays: (np.where(*arrays),),
        _select_vjp,
        Elementwise((lambda node, e: Select(e[0], e[1], e[2], e[1].dtype),)),
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


CAST = register(
    Op(
        "cast",
        lambda types, attrs, regions: (_same_shape("cast", types).with_dtype(attrs["dtype"]),),
        lambda driver, node, arrays: (np.asarray(arrays[0]).astype(node["dtype"]),),
        _cast_vjp,
        Elementwise((lambda node, e: Cast(e[0], node["dtype"]),)),
    )
)


def cast(x: Value, dtype: np.dtype) -> Value:
    """``x.astype(dtype)``; complex to real drops the imaginary part, without NumPy's warning."""
    return x if x.dtype == dtype else make(CAST, (x,), {"dtype": dtype}).out()
