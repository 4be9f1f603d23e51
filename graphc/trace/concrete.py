"""A graph of symbolic sizes for other sizes: those of one call, or of another trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from graphc.interp import concrete
from graphc.ir import PARAMETER, Graph, Value, make, parameter
from graphc.types import TensorType, Type

Convert = Callable[[Any, Mapping[str, Any]], Any]
"""An attribute or a shape with other sizes."""


def with_sizes(graph: Graph, sizes: Mapping[str, Any], convert: Convert = concrete) -> Graph:
    """`graph` with others in place of the symbolic sizes named in `sizes`: numbers, by default."""
    if not sizes:
        return graph

    def sized(type_: Type) -> Type:
        if not isinstance(type_, TensorType):
            return type_
        return type_.with_shape(convert(type_.shape, sizes))

    inputs = tuple(parameter(k, sized(value.type)) for k, value in enumerate(graph.inputs))
    known: dict[Value, Value] = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        if node.op is PARAMETER:
            continue
        attrs = {name: convert(attr, sizes) for name, attr in node.attrs}
        regions = [with_sizes(region, sizes, convert) for region in node.regions]
        new = make(node.op, [known[value] for value in node.inputs], attrs, regions)
        known.update(zip(node.outputs, new.outputs, strict=True))
    outputs = tuple(known[value] for value in graph.outputs)
    return Graph(inputs, outputs, graph.written, graph.names)
