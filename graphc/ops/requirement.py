"""A requirement on data, checked when the compiled code runs."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DomainError, DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Elementwise, Guarded
from graphc.ops.registry import register
from graphc.ops.shape import Attributes, Types, broadcast_to
from graphc.types import DTYPES, TensorType


def _infer(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand, condition = types
    assert isinstance(operand, TensorType)
    assert isinstance(condition, TensorType)
    if condition.dtype != DTYPES["bool"]:
        raise DTypeError(f"require: a condition is bool, not {condition.dtype.name}")
    if condition.shape != operand.shape:
        raise ShapeError(f"require: {operand} and {condition} differ in shape")
    return (operand,)


def _evaluate(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    if not np.all(arrays[1]):
        raise DomainError(node["problem"])
    return (arrays[0],)


def _vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    return (*cotangents, None)


REQUIRE = register(
    Op(
        "require",
        _infer,
        _evaluate,
        _vjp,
        Elementwise(
            (
                lambda node, operands: Guarded(
                    operands[1], operands[0], node["problem"], operands[0].dtype
                ),
            )
        ),
        attributes={"problem": "str"},
    )
)


def require(x: Value, condition: Value, problem: str) -> Value:
    """`x`, whose use stops the call with `problem` where a bool `condition` does not hold.

    Raises:
        ShapeError, DTypeError: the condition is no bool that broadcasts to the shape of `x`.
        DomainError: at run time, it does not hold.
    """
    condition = broadcast_to(condition, x.shape)
    return make(REQUIRE, (x, condition), {"problem": problem}).out()
