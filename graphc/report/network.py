"""A graph as a networkx graph, for analysis with networkx's algorithms."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from graphc.ir import PARAMETER, Graph, Node


def to_networkx(graph: Graph) -> Any:
    """`graph` as a ``networkx.MultiDiGraph``.

    Its nodes are numbers in topological order, inputs first, with the attributes ``op`` (the op's
    name, ``"input"`` for an input), ``name`` (of an input), ``types`` (of the results, as text),
    ``line`` (the user's, as ``file:line``, or "") and ``output`` (whether a result is returned).
    Its edges run from operand to user, keyed by the operand's position, with ``result``: which of
    the operand's results is read. Regions of loops are not opened.

    >>> import networkx, numpy as np, graphc
    >>> from graphc.report.network import to_networkx
    >>> f = graphc.compile(lambda x: np.sin(x) * np.cos(x))
    >>> network = to_networkx(f.lower(np.ones(3)).graph)
    >>> [network.nodes[k]["op"] for k in networkx.dag_longest_path(network)]
    ['input', 'sin', 'multiply']
    """
    networkx = import_module("networkx")
    network = networkx.MultiDiGraph()
    numbers: dict[Node, int] = {}
    returned = {value.node for value in graph.outputs}
    parameters = [value.node for value in graph.inputs]
    for node in [*parameters, *(node for node in graph.nodes if node.op is not PARAMETER)]:
        number = numbers[node] = len(numbers)
        location = graph.location(node)
        is_input = node.op is PARAMETER
        network.add_node(
            number,
            op="input" if is_input else node.op.name,
            name=graph.names[number] if is_input and number < len(graph.names) else "",
            types=tuple(str(type_) for type_ in node.types),
            line=str(location) if location is not None else "",
            output=node in returned,
        )
        for position, value in enumerate(node.inputs):
            network.add_edge(numbers[value.node], number, key=position, result=value.index)
    return network
