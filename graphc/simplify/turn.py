"""Arrays in Fortran order: their memory is that of a transposed array in C order."""

from __future__ import annotations

from collections.abc import Collection

from graphc import ops
from graphc.ir import Graph, Node, Note, Value, parameter, rebuild


def turn_inputs(graph: Graph, numbers: Collection[int]) -> Graph:
    """`graph` with the inputs `numbers` given as their transposes, all axes reversed."""
    if not numbers:
        return graph
    inputs: list[Value] = []
    known: dict[Value, Value] = {}
    for number, value in enumerate(graph.inputs):
        if number not in numbers:
            inputs.append(value)
            continue
        turned = parameter(number, value.tensor.with_shape(value.shape[::-1]))
        inputs.append(turned)
        known[value] = ops.transpose(turned, tuple(reversed(range(value.ndim))))
    notes: dict[Node, Note] = {}
    outputs = rebuild(graph.outputs, known, graph.notes, notes)
    return Graph(tuple(inputs), tuple(outputs), graph.written, graph.names, notes)
