"""Reverse mode: the graph of gradients, built in the Graph IR by one loop that knows no op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import UnsupportedError
from graphc.ir import Driver, Graph, Node, Note, Value, close, fresh_input, inline, topological
from graphc.ops import add, zeros
from graphc.types import TensorType, is_inexact


def _needs_evaluate(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    raise AssertionError("a vjp rule evaluates nothing")


def gradients(
    outputs: Sequence[Value],
    cotangents: Sequence[Value | None],
    wrt: Sequence[Value],
    notes: dict[Node, Note] | None = None,
) -> list[Value | None]:
    """The cotangents of `wrt`, given those of `outputs`; None where nothing depends on it.

    `notes` gains the user's line of each primal node for the nodes made from it.

    Raises:
        UnsupportedError: an op on the way has no derivative rule.
    """
    driver = Driver(_needs_evaluate, differentiate)
    total: dict[Value, Value] = {}

    def accumulate(value: Value, cotangent: Value | None) -> None:
        if cotangent is not None:
            total[value] = add(total[value], cotangent) if value in total else cotangent

    for value, cotangent in zip(outputs, cotangents, strict=True):
        accumulate(value, cotangent)
    order = topological(outputs)
    active = _depending(order, wrt)
    for node in reversed(order):
        incoming = tuple(total.get(value) for value in node.outputs)
        if node not in active or all(cotangent is None for cotangent in incoming):
            continue
        if node.op.vjp is None:
            if any(is_inexact(value.dtype) for value in node.inputs if _tensor(value)):
                raise UnsupportedError(
                    f"{node.op.name} has no derivative",
                    location=notes[node].location if notes and node in notes else None,
                    hint="Wrap its argument in graphc.stop_gradient to leave it out.",
                )
            continue
        results = node.op.vjp(driver, node, incoming)
        for value, cotangent in zip(node.inputs, results, strict=True):
            if value.node in active and _tensor(value) and is_inexact(value.dtype):
                accumulate(value, cotangent)
        if notes is not None and node in notes:
            spread_note(notes, notes[node], [c for c in results if c is not None])
    return [total.get(value) for value in wrt]


def _tensor(value: Value) -> bool:
    return isinstance(value.type, TensorType)


def _depending(order: Sequence[Node], wrt: Sequence[Value]) -> set[Node]:
    """The nodes of `order` that depend on a value of `wrt`, those values' nodes included."""
    found = {value.node for value in wrt}
    for node in order:
        if any(value.node in found for value in node.inputs):
            found.add(node)
    return found


def spread_note(notes: dict[Node, Note], note: Note, values: Sequence[Value]) -> None:
    """Give `note` to the new nodes above `values` that have none yet."""
    stack = [value.node for value in values]
    while stack:
        node = stack.pop()
        if node not in notes:
            notes[node] = note
            stack.extend(value.node for value in node.inputs)


def differentiate(graph: Graph, positions: Sequence[int]) -> Graph:
    """The graph from (inputs, cotangents of the inexact outputs) to the cotangents at `positions`.

    Inputs at `positions` must be inexact. A cotangent that is zero is an explicit zeros node.
    """
    inputs = [fresh_input(value.type) for value in graph.inputs]
    outputs = inline(graph, inputs)
    seeds = {
        k: fresh_input(value.type)
        for k, value in enumerate(outputs)
        if _tensor(value) and is_inexact(value.dtype)
    }
    wrt = [inputs[k] for k in positions]
    found = gradients(outputs, [seeds.get(k) for k in range(len(outputs))], wrt)
    results = [zeros(v.tensor) if g is None else g for v, g in zip(wrt, found, strict=True)]
    return close([*inputs, *seeds.values()], results)
