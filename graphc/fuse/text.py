"""The text form of fused groups."""

from __future__ import annotations

from graphc.fuse.values import Fused, Group
from graphc.indexing import loop
from graphc.ir import Graph, Node


def format_fused(fused: Fused) -> str:
    """Each unit: a group with its loops and what it computes in them, or a node by itself."""
    return "\n".join(
        _group(unit, fused.graph) if isinstance(unit, Group) else _alone(unit, fused.graph)
        for unit in fused.units
    )


def _group(group: Group, graph: Graph) -> str:
    loops = ", ".join(f"{loop(k)} < {size}" for k, size in enumerate(group.dims))
    lines = [f"group {group.number} over {loops or 'no loop'}"]
    for value, member in group.members.items():
        text = f"  {value.node.op.name}: {value.type} ({member.kind})"
        lines.append(_located(text, value.node, graph))
    return "\n".join(lines)


def _alone(node: Node, graph: Graph) -> str:
    types = ", ".join(map(str, node.types))
    return _located(f"{node.op.name}: {types} (by itself)", node, graph)


def _located(text: str, node: Node, graph: Graph) -> str:
    location = graph.location(node)
    return text if location is None else f"{text:<60}  # {location.short}"
