"""Ops with regions: loops and branches, whose bodies are lowered to steps of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from graphc.ir import PARAMETER, Graph, Node, Value
from graphc.lower.launch import Body, Branch, Loop, Operand, Step
from graphc.lower.operands import place
from graphc.types import TensorType

if TYPE_CHECKING:
    from graphc.lower.driver import Lowered, Lowering

REGIONS = ("scan", "while", "cond")
"""The kinds of templates that are lowered here."""


def lower_region(context: Lowering, node: Node, lower: Callable[[Graph], Lowered]) -> Step:
    """The loop or branch of one node; `lower` makes kernels of a region."""
    template = node.op.lower
    kind = getattr(template, "kind", "")
    operands = [_operand(context, value) for value in node.inputs]
    results = [v if isinstance(v.type, TensorType) else None for v in node.outputs]
    order = tuple(v for v in (*node.inputs, *node.outputs) if not isinstance(v.type, TensorType))
    if kind == "cond":
        count = node["n_states"]
        bodies = tuple(
            _body(region, count, lower, ("arena", node, which))
            for which, region in enumerate(node.regions)
        )
        condition = operands[0]
        assert condition is not None
        return Branch(node, bodies, count, condition, operands[1:], results, order)
    (region,) = node.regions
    n_carry = node["n_carry"]
    kept = _stacks(region, n_carry) if kind == "scan" else {}
    body = _body(region, n_carry, lower, ("arena", node), kept, moving=True)
    if kind == "while":
        return Loop(node, body, n_carry, 0, None, False, 0, operands, results, order)
    reverse, length = node["reverse"], node["length"]
    n_xs = node["n_xs"]
    return Loop(node, body, n_carry, n_xs, length, reverse, None, operands, results, order)


def _operand(context: Lowering, value: Value) -> Operand:
    """The key of the buffer in which a contiguous operand lies, and its offset."""
    if not isinstance(value.type, TensorType):
        return None
    key, _, offset = place(context, value)
    return key, offset


def _body(
    region: Graph,
    n_states: int,
    lower: Callable[[Graph], Lowered],
    arena: object,
    rows: dict[int, int] | None = None,
    moving: bool = False,
) -> Body:
    """The step of a region whose first outputs replace its first inputs.

    Args:
        region: the body.
        n_states: how many outputs do.
        lower: makes kernels of a graph.
        arena: the key of the step's scratch memory.
        rows: states that lie in the rows of a result, which then needs no kernel.
        moving: a state that becomes another as it is, and but one, is left to the loop.
    """
    passed: dict[int, int] = {}
    for k, value in enumerate(region.outputs[:n_states]):
        if not isinstance(value.type, TensorType) or value.node.op is not PARAMETER:
            continue
        number = value.node["number"]
        free = moving and number < n_states and number not in (*passed.values(), *(rows or ()))
        free = free and k not in (rows or ())
        if free and region.outputs[number] != value:
            passed[k] = number
    left_out = {*passed, *(rows or {}).values()}
    kept = [k for k in range(len(region.outputs)) if k not in left_out]
    graph = Graph(
        region.inputs,
        tuple(region.outputs[k] for k in kept),
        tuple(k if k < n_states else None for k in kept),
        region.names,
        region.notes,
    )
    made = {k: number for number, k in enumerate(kept)}
    return Body(lower(graph), made, passed, arena, rows or {})


def _stacks(region: Graph, n_carry: int) -> dict[int, int]:
    """The states that a loop stacks as each turn finds them, with the number of that result."""
    found: dict[int, int] = {}
    for y in range(n_carry, len(region.outputs)):
        value = region.outputs[y]
        if value.node.op is not PARAMETER or value.node["number"] >= n_carry:
            continue
        k = value.node["number"]
        made_anew = region.outputs[k].node.op is not PARAMETER
        if made_anew and value not in region.outputs[:n_carry]:
            found.setdefault(k, y)
    return found
