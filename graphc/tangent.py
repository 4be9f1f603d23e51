"""Forward mode: the graph of tangents, built in the Graph IR by one loop that knows no op.

An op without a `jvp` rule is pushed forward by the transpose of its `vjp` rule, which is linear in
the cotangent. So forward and reverse agree by construction, at ties too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from graphc.adjoint import differentiate, gradients, spread_note
from graphc.errors import UnsupportedError
from graphc.ir import (
    Driver,
    Graph,
    Node,
    Note,
    Tangents,
    Value,
    close,
    fresh_input,
    inline,
    make,
    parameter,
    topological,
)
from graphc.ops import zeros
from graphc.ops.query import differentiable


def tangents(
    outputs: Sequence[Value],
    wrt: Sequence[Value],
    seeds: Sequence[Value | None],
    notes: dict[Node, Note] | None = None,
) -> list[Value | None]:
    """The tangents of `outputs`, given those of `wrt`; None where nothing depends on them.

    `notes` gains the user's line of each primal node for the nodes made from it.

    Raises:
        UnsupportedError: an op on the way has no derivative rule, or none in forward mode.
    """
    driver = _driver()
    known = {value: seed for value, seed in zip(wrt, seeds, strict=True) if seed is not None}
    sources = {value.node for value in wrt}
    for node in topological(outputs):
        incoming = tuple(known.get(value) for value in node.inputs)
        if node in sources or all(tangent is None for tangent in incoming):
            continue
        try:
            results = _pushed(driver, node, incoming)
        except UnsupportedError as error:
            if error.location is None and notes and node in notes:
                error.location = notes[node].location
            raise
        for value, tangent in zip(node.outputs, results, strict=True):
            if tangent is not None and differentiable(value):
                known[value] = tangent
        if notes is not None and node in notes:
            spread_note(notes, notes[node], [t for t in results if t is not None])
    return [known.get(value) for value in outputs]


def _evaluates_nothing(*arguments: object) -> list[object]:
    raise AssertionError("a jvp rule evaluates nothing")


@lru_cache(maxsize=1)
def _driver() -> Driver:
    return Driver(_evaluates_nothing, differentiate, push_forward)


def _pushed(driver: Driver, node: Node, incoming: Tangents) -> Tangents:
    if not any(map(differentiable, node.outputs)):
        return (None,) * len(node.types)
    if node.op.jvp is not None:
        return node.op.jvp(driver, node, incoming)
    if node.op.vjp is None:
        raise UnsupportedError(
            f"{node.op.name} has no derivative",
            hint="Wrap its argument in graphc.stop_gradient to leave it out.",
        )
    return _transposed(driver, node, incoming)


def _transposed(driver: Driver, node: Node, incoming: Tangents) -> Tangents:
    """The output tangents of `node`, by the transpose of its `vjp`."""
    operands = [parameter(k, value.type) for k, value in enumerate(node.inputs)]
    alone = make(node.op, operands, dict(node.attrs), node.regions)
    moving = tuple(tangent is not None for tangent in incoming)
    graph, places = _transpose(driver, alone, moving)
    given = [tangent for tangent in incoming if tangent is not None]
    found = dict(zip(places, inline(graph, [*node.inputs, *given]), strict=True))
    return tuple(found.get(k) for k in range(len(node.types)))


@lru_cache(maxsize=1024)
def _transpose(
    driver: Driver, node: Node, moving: tuple[bool, ...]
) -> tuple[Graph, tuple[int, ...]]:
    """The graph from (operands, tangents of those `moving`) to the output tangents.

    `node` is over parameters, so that what is walked are the rule's few nodes and not all of the
    graph above, and equal nodes share what is found. The second result says of which outputs the
    tangents are; the others are zero.
    """
    cotangents = [fresh_input(v.type) if differentiable(v) else None for v in node.outputs]
    given = [
        fresh_input(value.type) if moves else None
        for value, moves in zip(node.inputs, moving, strict=True)
    ]
    assert node.op.vjp is not None
    back = node.op.vjp(driver, node, tuple(cotangents))
    pairs = [(b, t) for b, t in zip(back, given, strict=True) if b is not None and t is not None]
    wanted = [(k, c) for k, c in enumerate(cotangents) if c is not None]
    found = gradients([b for b, _ in pairs], [t for _, t in pairs], [c for _, c in wanted])
    results = [(k, t) for (k, _), t in zip(wanted, found, strict=True) if t is not None]
    inputs = [*node.inputs, *(t for t in given if t is not None)]
    return close(inputs, [t for _, t in results]), tuple(k for k, _ in results)


def push_forward(graph: Graph, positions: Sequence[int]) -> Graph:
    """The graph from (inputs, tangents at `positions`) to (outputs, tangents of inexact outputs).

    Inputs at `positions` must be inexact. A tangent that is zero is an explicit zeros node.
    """
    inputs = [fresh_input(value.type) for value in graph.inputs]
    outputs = inline(graph, inputs)
    wrt = [inputs[k] for k in positions]
    seeds = [fresh_input(value.type) for value in wrt]
    found = tangents(outputs, wrt, seeds)
    results = [
        zeros(value.tensor) if tangent is None else tangent
        for value, tangent in zip(outputs, found, strict=True)
        if differentiable(value)
    ]
    return close([*inputs, *seeds], [*outputs, *results])
