"""`cond`: one of two computations, chosen when it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, close, fresh_input, inline, make
from graphc.loops import Template
from graphc.ops.arrays.shape import zeros
from graphc.ops.control.branch_rules import batch_cond, push_cond
from graphc.ops.control.scanning import placeholder, tensor_of
from graphc.ops.query import differentiable
from graphc.ops.registry import register
from graphc.types import DTYPES, TensorType, TokenType, Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]
CONDITION = TensorType(DTYPES["bool"], ())

# --- cond: attr n_states; regions then, otherwise -------------------------------------------------
# Inputs are the condition, states, other operands. Both regions map (states, operands) to (states,
# results), of equal types. Where a state is written, it may be written in place.


def _infer_cond(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    condition, *given = types
    if condition != CONDITION:
        raise ShapeError(f"cond: the condition is {condition}, not a single bool")
    results = [tuple(value.type for value in region.outputs) for region in regions]
    for region in regions:
        taken = [value.type for value in region.inputs]
        if taken != given:
            raise ShapeError(
                f"cond: a branch takes ({', '.join(map(str, taken))}), "
                f"but is given ({', '.join(map(str, given))})"
            )
    if results[0] != results[1]:
        raise DTypeError(
            f"cond: the branches give ({', '.join(map(str, results[0]))}) "
            f"and ({', '.join(map(str, results[1]))})"
        )
    count = attrs["n_states"]
    if count < 0 or list(results[0][:count]) != given[:count]:
        raise DTypeError("cond: a state goes in as another type than it comes out")
    if any(isinstance(type_, TokenType) for type_ in results[0][count:]):
        raise ShapeError("cond: a token is no result: make it a state")
    return results[0]


def _evaluate_cond(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    condition, *operands = arrays
    return tuple(driver.evaluate(node.regions[0 if condition else 1], operands))


def _cond_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """The branch that was taken again, then its gradient, in a `cond` on the same condition.

    What the branch computes is computed again, not kept: the two have nothing in common to keep.
    """
    operands = node.inputs[1:]
    wanted = [k for k, value in enumerate(operands) if differentiable(value)]
    given = [k for k, g in enumerate(cotangents) if g is not None and differentiable(node.out(k))]
    regions = [_backward(driver, region, wanted, given) for region in node.regions]
    seen = [value for value in operands if isinstance(value.type, TensorType)]
    seeds = [g for k in given if (g := cotangents[k]) is not None]
    found = cond(node.inputs[0], (), [*seen, *seeds], regions[0], regions[1])
    by_place = dict(zip(wanted, found, strict=True))
    return (None, *(by_place.get(k) for k in range(len(operands))))


def _backward(driver: Driver, region: Graph, wanted: Sequence[int], given: Sequence[int]) -> Graph:
    """The gradient of one branch: (tensor operands, cotangents given) to the cotangents wanted."""
    gradient = driver.differentiate(region, wanted)
    arguments = {
        k: fresh_input(value.type)
        for k, value in enumerate(region.inputs)
        if isinstance(value.type, TensorType)
    }
    seeds = {k: fresh_input(region.outputs[k].type) for k in given}
    everything = [arguments.get(k, placeholder(v.type)) for k, v in enumerate(region.inputs)]
    for k, value in enumerate(region.outputs):
        if differentiable(value):
            everything.append(seeds[k] if k in seeds else zeros(tensor_of(value.type)))
    return close([*arguments.values(), *seeds.values()], inline(gradient, everything))


COND = register(
    Op(
        "cond",
        _infer_cond,
        _evaluate_cond,
        _cond_vjp,
        Template("cond"),
        jvp=push_cond,
        batch=batch_cond,
        attributes={"n_states": "int"},
        regions=2,
    )
)


def cond(
    condition: Value,
    states: Sequence[Value],
    operands: Sequence[Value],
    then: Graph,
    otherwise: Graph,
) -> tuple[Value, ...]:
    """What `then` gives where the bool `condition` holds, else what `otherwise` gives.

    Args:
        condition: one bool.
        states: what the first results replace; tokens are allowed.
        operands: what else the branches read.
        then, otherwise: map (states, operands) to (states, results).

    Raises:
        ShapeError, DTypeError: types do not fit.
    """
    inputs = (condition, *states, *operands)
    return make(COND, inputs, {"n_states": len(states)}, (then, otherwise)).outputs
