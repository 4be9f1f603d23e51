"""The verifier: re-derives every type and checks every invariant of a graph."""

from __future__ import annotations

from graphc.errors import VerificationError
from graphc.ir import INPUT, PARAMETER, Graph
from graphc.types import TensorType, TokenType


def verify(graph: Graph, stage: str = "") -> Graph:
    """Return `graph` if it is well formed.

    Checks that types are what `infer` derives, that every operand is defined, parameters are
    exactly the graph's inputs, effects carry tokens, writes keep their input's type, and regions
    are well formed themselves.

    Raises:
        VerificationError: names the node, what is wrong with it, and the pass (`stage`).
    """

    def fail(what: str) -> None:
        raise VerificationError(f"invalid graph{' after ' + stage if stage else ''}: {what}")

    for number, value in enumerate(graph.inputs):
        if value.node.op is not PARAMETER or value.node["number"] != number:
            fail(f"input {number} is {value.node!r}, not parameter {number}")
    for node in graph.nodes:
        if node.op is INPUT:
            fail(f"{node!r} is an open input")
        if node.op is PARAMETER:
            if node.out() not in graph.inputs:
                fail(f"{node!r} (number {node['number']}) is not an input of the graph")
            continue
        types = node.op.infer(
            tuple(value.type for value in node.inputs), dict(node.attrs), node.regions
        )
        if types != node.types:
            fail(f"{node!r} has types {node.types}, but its op infers {types}")
        if node.op.effect:
            if not node.inputs or not isinstance(node.inputs[-1].type, TokenType):
                fail(f"{node!r} has an effect but takes no token")
            if not isinstance(node.types[-1], TokenType):
                fail(f"{node!r} has an effect but gives no token")
        for region in node.regions:
            verify(region, stage)
    if len(graph.written) != len(graph.outputs):
        fail("`written` does not match the outputs")
    for value, target in zip(graph.outputs, graph.written, strict=True):
        if target is not None and graph.inputs[target].type != value.type:
            fail(f"{value!r} is written to an input of type {graph.inputs[target].type}")
    replaced = [target for target in graph.written if target is not None]
    if len(replaced) != len(set(replaced)):
        fail("an input is written twice")
    for node in graph.nodes:
        if any(not isinstance(type_, TensorType | TokenType) for type_ in node.types):
            fail(f"{node!r} has a type that is neither tensor nor token")
    return graph
