"""Updates -> windows: a group stores the elements of ``x[1:-1] = ...`` straight into ``x``.

The group that makes the new elements runs after the copy of the rest, which mostly is dropped by
the memory plan, and stores each where the update puts it: no buffer between them.
"""

from __future__ import annotations

from collections.abc import Collection

from graphc.fuse.units import Units
from graphc.fuse.values import Group
from graphc.ir import Node


def attach_updates(units: Units, busy: Collection[Group]) -> dict[Group, list[Node]]:
    """The updates that run in the kernel of the group which makes their new elements.

    Args:
        units: the groups and nodes; those that run together are joined.
        busy: groups that run in the kernel of a product.
    """
    found: dict[Group, list[Node]] = {}
    for number, node in enumerate(units.units):
        if not isinstance(node, Node) or node.op.name != "update":
            continue
        value = node.inputs[1]
        maker = units.owner.get(value)
        if maker is None or value in units.copies:
            continue
        group = units.units[maker]
        if not isinstance(group, Group) or group in busy or group.copy_to is not None:
            continue
        if group.members[value].kind != "point" or units.apart(maker, number):
            continue
        units.join(maker, number)
        found.setdefault(group, []).append(node)
    return found
