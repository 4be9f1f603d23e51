"""A graph as a networkx graph."""

import networkx
import numpy as np

import graphc
from graphc.report.network import to_networkx


def test_a_training_step_as_a_network():
    @graphc.compile
    def step(w, x):
        loss, gradient = graphc.value_and_grad(lambda w: (np.tanh(x @ w) ** 2).sum())(w)
        w -= 0.1 * gradient
        return loss

    graph = step.lower(np.ones((3, 2)), np.ones((4, 3))).graph
    network = to_networkx(graph)
    assert networkx.is_directed_acyclic_graph(network)
    assert list(networkx.topological_sort(network))
    assert len(network) == len({*graph.nodes, *(value.node for value in graph.inputs)})
    assert network.number_of_edges() == sum(len(node.inputs) for node in graph.nodes)
    names = [data["name"] for _, data in network.nodes(data=True) if data["op"] == "input"]
    assert names == ["w", "x"]
    (tanh,) = (k for k, data in network.nodes(data=True) if data["op"] == "tanh")
    assert network.nodes[tanh]["types"] == ("float64[4, 2]",)
    assert "test_network.py:" in network.nodes[tanh]["line"]
    assert {0, 1} <= networkx.ancestors(network, tanh)
    assert sum(data["output"] for _, data in network.nodes(data=True)) == 2
