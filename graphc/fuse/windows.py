"""Updates -> windows: a group stores the elements of ``x[1:-1] = ...`` straight into ``x``.

The group that makes the new elements runs after the copy of the rest, which mostly is dropped by
the memory plan, and stores each where the update puts it: no buffer between them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from graphc.fuse.units import Units
from graphc.fuse.values import Group
from graphc.ir import Node, Value


def attach_updates(units: Units, busy: Collection[Group]) -> dict[Group, list[Node]]:
    """The updates that run in the kernel of the group which makes their new elements.

    What an update writes to is there before that kernel runs, or is the result of another update
    in the same kernel, which nothing else reads and which writes other elements.

    Args:
        units: the groups and nodes; those that run together are joined.
        busy: groups that run in the kernel of a product.
    """
    graph = units.fused.graph
    reads = Counter(value for node in graph.nodes for value in node.inputs)
    reads.update(graph.outputs)
    found: dict[Group, list[Node]] = {}
    for number, node in enumerate(units.units):
        if not isinstance(node, Node) or node.op.name != "update":
            continue
        base, value = node.inputs
        maker = units.owner.get(value)
        if maker is None or value in units.copies:
            continue
        group = units.units[maker]
        if not isinstance(group, Group) or group in busy or group.copy_to is not None:
            continue
        if group.members[value].kind != "point" or units.apart(maker, number):
            continue
        chains = chains_of(found.get(group, ()))
        chain = next((chain for chain in chains if chain[-1].out() == base), None)
        if chain is None:
            if units.runs_with(maker, units.makers([base])):
                continue
        elif reads[base] > 1 or not all(_disjoint(node, other) for other in chain):
            continue
        units.join(maker, number)
        found.setdefault(group, []).append(node)
    return found


def chains_of(nodes: Sequence[Node]) -> list[list[Node]]:
    """Updates as chains in which each writes to the result of the one before."""
    chains: dict[Value, list[Node]] = {}
    for node in nodes:
        chain = chains.pop(node.inputs[0], [])
        chains[node.out()] = [*chain, node]
    return list(chains.values())


def _disjoint(first: Node, second: Node) -> bool:
    """Whether two updates of one array are known to write different elements."""
    return any(
        _after(first, second, axis) or _after(second, first, axis) or _between(first, second, axis)
        for axis in range(first.inputs[0].ndim)
    )


def _after(first: Node, second: Node, axis: int) -> bool:
    """Whether the `first` begins, along an axis, behind the last element of the `second`."""
    last = second["start"][axis] + second["step"][axis] * (second["size"][axis] - 1)
    distance = first["start"][axis] - last
    return isinstance(distance, int) and distance > 0


def _between(first: Node, second: Node, axis: int) -> bool:
    """Whether equal steps lead past each other along an axis, as even and odd places do."""
    step, distance = first["step"][axis], first["start"][axis] - second["start"][axis]
    return step == second["step"][axis] and isinstance(distance, int) and distance % step != 0
