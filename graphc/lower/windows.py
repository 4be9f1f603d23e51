"""Updates as kernels: loops over the new elements, each stored where the update puts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.fuse.values import Group, Member, loop_index
from graphc.indexing import storage
from graphc.ir import Node
from graphc.loops import Kernel
from graphc.lower.group import GroupLowering, window_index
from graphc.lower.overlap import in_place, loads_of

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

__all__ = ["in_window", "lower_window", "window_index"]


def lower_window(context: Lowering, node: Node) -> Kernel:
    """The kernel of an update whose new elements are read where they are stored."""
    value = node.inputs[1]
    group = Group(-1, tuple(size for size in value.shape if size != 1), copy_to=("window", node))
    group.members[value] = Member(value, loop_index(value.shape), len(group.dims), "point")
    kernel = GroupLowering(context, group, windows=[node]).build()
    assert kernel is not None
    return kernel


def in_window(kernel: Kernel, chain: Sequence[Node]) -> bool:
    """Whether `kernel` reads what the updates overwrite only where, and before, it writes."""
    found = storage(chain[0].inputs[0])
    if found is None or not loads_of(kernel, found[0]):
        return True
    return in_place(kernel, found[0], chain[-1].out())
