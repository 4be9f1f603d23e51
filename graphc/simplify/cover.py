"""Loops that do what another loop does beside something else: the other's results are taken."""

from __future__ import annotations

from graphc.ir import Graph, Node, Note, Value, inline, rebuild, topological
from graphc.types import TokenType


def cover_scans(graph: Graph) -> Graph:
    """`graph` without the loops that another loop covers.

    Forward mode makes a loop over (carry, tangent) that runs the primal loop beside; so only that
    one runs.
    """
    while True:
        loops = [node for node in graph.nodes if node.op.name == "scan"]
        found = _first_covered(loops)
        if found is None:
            return graph
        notes: dict[Node, Note] = {}
        outputs = rebuild(graph.outputs, found, graph.notes, notes)
        graph = Graph(graph.inputs, tuple(outputs), graph.written, graph.names, notes)


def _first_covered(loops: list[Node]) -> dict[Value, Value] | None:
    """What a loop gives, as results of a loop that covers it; None if there is none."""
    for small in loops:
        for large in loops:
            if len(large.inputs) <= len(small.inputs):
                continue
            results = _covering(small, large)
            if results is not None and small not in topological(large.inputs):
                return dict(zip(small.outputs, results, strict=True))
    return None


def _covering(small: Node, large: Node) -> list[Value] | None:
    """The results of `large` that are those of `small`.

    `large` must begin with the carries, xs and constants of `small`, and do with them the same.
    """
    if (small["length"], small["reverse"]) != (large["length"], large["reverse"]):
        return None
    (body,), (other,) = small.regions, large.regions
    if any(isinstance(value.type, TokenType) for value in body.inputs):
        return None
    carries, xs = small["n_carry"], small["n_xs"]
    starts = (0, 0), (carries, large["n_carry"]), (carries + xs, large["n_carry"] + large["n_xs"])
    counts = carries, xs, len(body.inputs) - carries - xs
    places: list[int] = []
    for (mine, theirs), count in zip(starts, counts, strict=True):
        if small.inputs[mine : mine + count] != large.inputs[theirs : theirs + count]:
            return None
        places += range(theirs, theirs + count)
    given = inline(body, [other.inputs[k] for k in places])
    if tuple(given[:carries]) != other.outputs[:carries]:
        return None
    found = [large.out(k) for k in range(carries)]
    for y in given[carries:]:
        ys = other.outputs[large["n_carry"] :]
        if y not in ys:
            return None
        found.append(large.out(large["n_carry"] + ys.index(y)))
    return found
