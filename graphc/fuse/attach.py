"""Which units of a graph share a kernel beyond their loop nest: products and writes of parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.fuse.products import attach_products
from graphc.fuse.units import Units
from graphc.fuse.values import Fused, Group
from graphc.fuse.windows import attach_updates
from graphc.ir import Node


@dataclass(frozen=True, slots=True)
class Attached:
    """The units that run alone or end a kernel, in an order that keeps dependencies.

    Attributes:
        units: groups and nodes; those that run in another's kernel are not among them.
        after: the product or convolution that runs right before each group of this kind, in its
            kernel.
        before: the group that runs right before each product of this kind, in its kernel.
        windows: the updates whose new elements a group makes, and stores where they belong.
    """

    units: list[Group | Node]
    after: dict[Group, Node]
    before: dict[Node, Group]
    windows: dict[Group, list[Node]]


def attach(fused: Fused, fits: Callable[[Node], bool]) -> Attached:
    """Find the units that run in the kernels of others.

    Args:
        fused: the groups and nodes; gains the reasons why neighbours stay apart.
        fits: whether a product, or a convolution, can have a group attached.
    """
    nodes = {unit.op.name for unit in fused.units if isinstance(unit, Node)}
    if not nodes & {"matmul", "convolve", "update"}:
        return Attached(fused.units, {}, {}, {})
    units = Units(fused)
    after, before = attach_products(units, fits)
    windows = attach_updates(units, {*after, *before.values()})
    alone = {*after.values(), *before.values()}
    alone.update(node for nodes in windows.values() for node in nodes)
    order = sorted(range(len(fused.units)), key=lambda k: (units.above[k].bit_count(), k))
    kept = [fused.units[k] for k in order if fused.units[k] not in alone]
    return Attached(kept, after, before, windows)
