"""`while`: a computation that is repeated as long as a condition holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DomainError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Const, Elementwise, Expr, Guarded, Template
from graphc.ops.arrays.shape import only
from graphc.ops.batching import batch_leading
from graphc.ops.control.branch_rules import batch_while, push_while
from graphc.ops.control.branching import CONDITION
from graphc.ops.control.checkpoints import Reversal
from graphc.ops.elementwise.scalar import apply
from graphc.ops.registry import register
from graphc.types import Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]

# --- limited: attrs most, problem; a check of a count -------------------------------------------


def _limited(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    (number,) = arrays
    if np.any(number > node["most"]):
        raise DomainError(node["problem"])
    return (number,)


def _limited_expression(node: Node, operands: tuple[Expr, ...]) -> Expr:
    (number,) = operands
    within = apply("less_equal", number, Const(node["most"], number.dtype))
    return Guarded(within, number, node["problem"], number.dtype)


LIMITED = register(
    Op(
        "limited",
        lambda types, attrs, regions: (only(types),),
        _limited,
        None,
        Elementwise((_limited_expression,)),
        batch=batch_leading,
        attributes={"most": "int", "problem": "str"},
    )
)


def limited(number: Value, most: int, problem: str) -> Value:
    """The single integer `number`, which must not be above `most`.

    Raises:
        DomainError: at run time, `problem`.
    """
    return make(LIMITED, (number,), {"most": most, "problem": problem}).out()


# --- while: attrs n_carry, most; region body ------------------------------------------------------
# Inputs are the condition, states, constants; n_carry counts the condition. The body maps
# (condition, states, constants) to (the next condition, states). `most` is how many turns a
# gradient keeps at most, one by one; 0 where it is to keep some of any number.


def _infer_while(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (body,) = regions
    count = attrs["n_carry"]
    taken = tuple(value.type for value in body.inputs)
    if types != taken:
        raise ShapeError(
            f"while: the body takes ({', '.join(map(str, taken))}), "
            f"but is given ({', '.join(map(str, types))})"
        )
    if not 1 <= count <= len(types) or types[0] != CONDITION:
        raise ShapeError("while: the first of the states is not a single bool")
    given = tuple(value.type for value in body.outputs)
    if given != types[:count]:
        raise ShapeError(
            f"while: states go in as ({', '.join(map(str, types[:count]))}) "
            f"and come out as ({', '.join(map(str, given))})"
        )
    if attrs["most"] < 0:
        raise ShapeError(f"while: the most turns are negative: {attrs['most']}")
    return given


def _evaluate_while(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    (body,) = node.regions
    count = node["n_carry"]
    states, constants = list(arrays[:count]), arrays[count:]
    while states[0]:
        states = driver.evaluate(body, [*states, *constants])
    return tuple(states)


def _while_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    return Reversal(driver, node, while_loop).cotangents(cotangents)


WHILE = register(
    Op(
        "while",
        _infer_while,
        _evaluate_while,
        _while_vjp,
        Template("while"),
        jvp=push_while,
        batch=batch_while,
        attributes={"n_carry": "int", "most": "int"},
        regions=1,
    )
)


def while_loop(
    body: Graph, states: Sequence[Value], constants: Sequence[Value], most: int = 0
) -> tuple[Value, ...]:
    """Run `body` as long as the first state is true; the last states.

    Args:
        body: maps (condition, states, constants) to (condition, states).
        states: the condition, then what else is carried; tokens are allowed.
        constants: what each turn reads whole.
        most: the turns that a gradient keeps; 0: a fixed number of them, whatever their number.

    Raises:
        ShapeError: types do not fit.
    """
    attrs = {"n_carry": len(states), "most": most}
    return make(WHILE, (*states, *constants), attrs, (body,)).outputs
