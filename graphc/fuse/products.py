"""Groups -> prologues and epilogues: which groups run right before and after blocks of a product.

A group is attached to a matrix product whose elements it reads, or whose left operand it makes,
where the two walk the same rows and nothing between them needs the one and is needed by the other.
They then are one kernel (`graphc.lower.attached`): a block of rows is made and used while it is in
cache.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.fuse.units import Units
from graphc.fuse.values import Group
from graphc.indexing import loop, storage
from graphc.ir import Node
from graphc.types import Dim, product


def attach_products(
    units: Units, fits: Callable[[Node], bool]
) -> tuple[dict[Group, Node], dict[Node, Group]]:
    """Find the groups that run in the kernels of products. No group is in those of two.

    Args:
        units: the groups and nodes; those that run together are joined.
        fits: whether a product can have a group attached.

    Returns:
        The product that runs right before each group of the one kind, in its kernel; and the group
        that runs right before each product of the other.
    """
    fused = units.fused
    products = [
        number
        for number, unit in enumerate(fused.units)
        if isinstance(unit, Node) and unit.op.name == "matmul" and fits(unit)
    ]
    after: dict[Group, Node] = {}
    before: dict[Node, Group] = {}
    for number in reversed(products):
        last = _epilogue(units, number, after)
        if last is not None:
            node = fused.units[number]
            assert isinstance(node, Node)
            after[last] = node
    busy = set(after)
    for number in products:
        found = _prologue(units, number, busy)
        if found is not None:
            node, group = fused.units[number], fused.units[found]
            assert isinstance(node, Node)
            assert isinstance(group, Group)
            before[node] = group
            busy.add(group)
    return after, before


def _epilogue(units: Units, number: int, taken: dict[Group, Node]) -> Group | None:
    """The group that can run after each block of the product `number`, joined with it."""
    fused = units.fused
    node = fused.units[number]
    assert isinstance(node, Node)
    shape = node.out().shape
    for other, group in enumerate(fused.units):
        if not isinstance(group, Group) or group in taken or group.copy_to is not None:
            continue
        if not units.above[other] >> number & 1 or not _reads(group, node):
            continue
        reason = ""
        if product(shape[:-2]) != 1 or group.dims != shape[-2:]:
            reason = "it does not walk the rows of the product"
        elif units.apart(number, other):
            reason = "a result between them is computed by another kernel"
        if reason:
            last = next(iter(group.members)).node
            fused.apart.append((node.op.name, last.op.name, reason))
            continue
        units.join(number, other)
        return group
    return None


def _prologue(units: Units, number: int, taken: set[Group]) -> int | None:
    """The group that can run before each block of the product `number`, joined with it."""
    fused = units.fused
    node = fused.units[number]
    assert isinstance(node, Node)
    left, right = node.inputs
    found = storage(left)
    if left in units.copies or found is None or found[0] not in units.owner:
        return None
    base, strides, offset = found
    other = units.owner[base]
    group = fused.units[other]
    if not isinstance(group, Group):
        return None
    reason = ""
    place = storage(right)
    member = group.members[base]
    rows = left.shape[-2]
    dims = tuple(size for size in base.shape if size != 1)
    width = product(dims[1:])
    inner = left.shape[-1]
    if product(left.shape[:-2]) != 1 or dims[:1] != (rows,) or group.dims[:1] != (rows,):
        reason = "it does not walk the rows of the product"
    elif offset != 0 or strides[-2] != width or width != inner or (inner != 1 and strides[-1] != 1):
        reason = "the product reads it in another order"
    elif group.rows == 0 or any(m.kind in ("accumulate", "after") for m in group.members.values()):
        reason = "it reduces all rows, and the product takes them block by block"
    elif next((p for p in member.index if p != 0), 0) != Dim.symbol(loop(0)):
        reason = "it does not walk the rows of the product"
    elif group in taken:
        reason = "it runs in the kernel of another product"
    elif right not in units.copies and place is not None and place[0] in group.members:
        reason = "the product needs all of it at once, as its other operand"
    elif units.apart(other, number):
        reason = "a result between them is computed by another kernel"
    if reason:
        fused.apart.append((base.node.op.name, node.op.name, reason))
        return None
    units.join(other, number)
    return other


def _reads(group: Group, node: Node) -> bool:
    """Whether a member of `group` reads the product itself, through views at most."""
    out = node.out()
    return any(operand == out for value in group.members for operand in value.node.inputs)
