"""Recomputing in segments: what a gradient keeps, bounded by cutting the primal run in pieces.

A graph cut in n segments of equal weight keeps what crosses the n - 1 cuts, and, while a segment's
backward pass runs, that segment's intermediates; about the root of all for the best n (Griewank,
"Achieving logarithmic growth of temporal and spatial complexity", 1992, has the theory). Each
segment is a `checkpoint`, whose rule does the rest. Loops are cut likewise, see
`graphc.adjoint_loops`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.adjoint_loops import in_blocks
from graphc.ir import Graph, Node, Note, Value, close, make, topological
from graphc.ops import checkpoint, uniform
from graphc.types import Size, TensorType

WINDOW = 0.25
"""How far a cut moves from equal weights, in segments, to where less crosses it."""

CHEAP = {"constant", "iota", "size"}


def in_segments(
    outputs: Sequence[Value],
    wrt: Sequence[Value],
    count: int,
    hint: Callable[[Size], int],
    notes: dict[Node, Note],
) -> list[Value]:
    """`outputs`, computed in `count` segments of which all but the last are checkpoints.

    Args:
        outputs: what will be differentiated.
        wrt: by what; nodes that do not depend on it are in no segment.
        count: of segments; of 1, nothing changes.
        hint: the number behind a size.
        notes: the user's lines.
    """
    if count < 2:
        return list(outputs)
    outputs = in_blocks(outputs, wrt, count, notes)
    order = _depending(outputs, wrt)
    if len(order) < 2 * count:
        return list(outputs)
    cuts = _cuts(order, outputs, count, hint)
    mapping: dict[Value, Value] = {}
    for start, stop in zip([0, *cuts], cuts, strict=False):
        _wrap(order[start:stop], order[stop:], outputs, mapping, notes)
    return _rebuilt(order[cuts[-1] :], outputs, mapping, notes) if cuts else list(outputs)


def _depending(outputs: Sequence[Value], wrt: Sequence[Value]) -> list[Node]:
    """The nodes that depend on `wrt`, operands first; those of `wrt` themselves left out."""
    sources = {value.node for value in wrt}
    found = set(sources)
    order = []
    for node in topological(outputs):
        if node not in sources and any(value.node in found for value in node.inputs):
            found.add(node)
            order.append(node)
    return order


def _stays_inside(value: Value) -> bool:
    """Whether a value from outside is a constant, which is as well inside a segment."""
    if not isinstance(value.type, TensorType):
        return False
    return value.node.op.name in CHEAP or uniform(value) is not None


def _bytes(value: Value, hint: Callable[[Size], int]) -> int:
    return hint(value.type.nbytes) if isinstance(value.type, TensorType) else 0


def _cuts(
    order: Sequence[Node], outputs: Sequence[Value], count: int, hint: Callable[[Size], int]
) -> list[int]:
    """Where to cut `order`: near equal weights, where the least bytes cross."""
    last_use = {value: len(order) for value in outputs}
    for number, node in enumerate(order):
        for value in node.inputs:
            last_use[value] = max(last_use.get(value, 0), number)
    crossing: list[int] = []
    weights: list[int] = []
    alive: dict[int, int] = {}
    live = 0
    for number, node in enumerate(order):
        made = sum(_bytes(value, hint) for value in node.outputs)
        weights.append(made + 1)
        for value in node.outputs:
            end = last_use.get(value, number)
            live += _bytes(value, hint)
            alive[end] = alive.get(end, 0) + _bytes(value, hint)
        live -= alive.pop(number, 0)
        crossing.append(live)
    total, done = sum(weights), 0
    position = []
    for weight in weights:
        done += weight
        position.append(done * count / total)
    cuts: list[int] = []
    for k in range(1, count):
        near = [n for n, at in enumerate(position) if abs(at - k) <= WINDOW]
        near = near or [min(range(len(position)), key=lambda n, k=k: abs(position[n] - k))]  # type: ignore[misc]
        best = min(near, key=lambda n: crossing[n]) + 1
        if best < len(order) and (not cuts or best > cuts[-1]):
            cuts.append(best)
    return cuts


def _wrap(
    segment: Sequence[Node],
    later: Sequence[Node],
    outputs: Sequence[Value],
    mapping: dict[Value, Value],
    notes: dict[Node, Note],
) -> None:
    """Map what `segment` gives to later nodes and `outputs` to the results of a checkpoint."""
    made = {value for node in segment for value in node.outputs}
    wanted = dict.fromkeys(v for node in later for v in node.inputs if v in made)
    wanted |= dict.fromkeys(value for value in outputs if value in made)
    results = list(wanted)
    taken = list(
        dict.fromkeys(
            value
            for node in segment
            for value in node.inputs
            if value not in made and not _stays_inside(value)
        )
    )
    if not results:
        return
    body: Graph = close(taken, results, notes=notes)
    found = checkpoint(body, [mapping.get(value, value) for value in taken])
    for old, new in zip(results, found, strict=True):
        mapping[old] = new
        if old.node in notes:
            notes.setdefault(new.node, notes[old.node])


def _rebuilt(
    rest: Sequence[Node],
    outputs: Sequence[Value],
    mapping: dict[Value, Value],
    notes: dict[Node, Note],
) -> list[Value]:
    """`outputs` after the last segment's nodes, over the results of the checkpoints."""
    for node in rest:
        operands = [mapping.get(value, value) for value in node.inputs]
        new = make(node.op, operands, dict(node.attrs), node.regions)
        if node in notes:
            notes.setdefault(new, notes[node])
        mapping.update(zip(node.outputs, new.outputs, strict=True))
    return [mapping.get(value, value) for value in outputs]
