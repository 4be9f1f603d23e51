"""A condition on data, without which a call stops with an error."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import (
    DivisionError,
    DomainError,
    DTypeError,
    GraphcError,
    NonFiniteError,
    OutOfBoundsError,
)
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Elementwise, Expr, Guarded
from graphc.ops.arrays.shape import broadcast_to
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.pointwise import same_shape
from graphc.ops.registry import register
from graphc.types import DTYPES, TensorType, Type


def _infer_require(
    types: tuple[Type, ...], attrs: dict[str, Any], regions: tuple[Graph, ...]
) -> tuple[Type, ...]:
    value = same_shape("require", types)
    condition = types[1]
    assert isinstance(condition, TensorType)
    if condition.dtype != DTYPES["bool"]:
        raise DTypeError(f"require: a condition is bool, not {condition}")
    return (value,)


def _evaluate_require(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    value, condition = arrays
    if not np.all(condition):
        raise (node.op.error or DomainError)(node["problem"])
    return (value,)


def _require_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    return cotangents[0], None


def _require_expression(node: Node, operands: tuple[Expr, ...]) -> Expr:
    value, condition = operands
    return Guarded(condition, value, node["problem"], value.dtype)


def _record(name: str, error: type[GraphcError] | None = None) -> Op:
    return register(
        Op(
            name,
            _infer_require,
            _evaluate_require,
            _require_vjp,
            Elementwise((_require_expression,)),
            attributes={"problem": "str"},
            batch=batch_leading,
            error=error,
        )
    )


REQUIRE = _record("require")
REQUIRE_BY_ERROR: dict[type[GraphcError], Op] = {
    DomainError: REQUIRE,
    DivisionError: _record("require_division", DivisionError),
    NonFiniteError: _record("require_finite", NonFiniteError),
    OutOfBoundsError: _record("require_bounds", OutOfBoundsError),
}


def require(
    x: Value, condition: Value, problem: str, error: type[GraphcError] = DomainError
) -> Value:
    """`x`, where a bool array that broadcasts to its shape is True everywhere.

    Raises:
        ShapeError, DTypeError: the condition is no bool that broadcasts to the shape of `x`.
        DomainError, or `error`: at run time, it is False somewhere: with the message `problem`.
    """
    condition = broadcast_to(condition, x.shape)
    return make(REQUIRE_BY_ERROR[error], (x, condition), {"problem": problem}).out()
