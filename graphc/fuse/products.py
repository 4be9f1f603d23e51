"""Groups -> prologues and epilogues: which groups run right before and after blocks of a product.

A group is attached to a matrix product whose elements it reads, or whose left operand it makes,
where the two walk the same rows and nothing between them needs the one and is needed by the other;
to a convolution where it walks the pixels. They then are one kernel (`graphc.lower.attached`,
`graphc.lower.convolved`): a block is made and used while it is in cache.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.fuse.units import Units
from graphc.fuse.values import BETWEEN, Group
from graphc.indexing import loop, storage
from graphc.ir import Node, Value
from graphc.types import Dim, Shape, product


def attach_products(
    units: Units, fits: Callable[[Node], bool]
) -> tuple[dict[Group, Node], dict[Node, Group]]:
    """Find the groups that run in the kernels of products. No group is in those of two.

    Convolutions can have a group attached after them, not before.

    Args:
        units: the groups and nodes; those that run together are joined, and the groups gain the
            reasons why neighbours are apart.
        fits: whether a product can have a group attached.

    Returns:
        The product that runs right before each group of the one kind, in its kernel; and the group
        that runs right before each product of the other.
    """
    fused = units.fused
    products = [
        number
        for number, unit in enumerate(fused.units)
        if isinstance(unit, Node) and unit.op.name in ("matmul", "convolve") and fits(unit)
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
    walks = _walks_rows if node.op.name == "matmul" else _walks_pixels
    chosen: Group | None = None
    for other, group in enumerate(fused.units):
        if not isinstance(group, Group) or group.copy_to is not None:
            continue
        readers = _readers(group, node)
        if not units.above[other] >> number & 1 or not readers:
            continue
        reason = ""
        if chosen is not None:
            reason = "another loop nest follows the product in its kernel"
        elif group in taken:
            reason = f"{readers[0].op.name} runs in the kernel of another product"
        elif not walks(group, node.out().shape):
            what = "rows of the product" if walks is _walks_rows else "pixels of the images"
            reason = f"{readers[0].op.name} does not walk the {what}"
        elif walks is _walks_pixels and any(m.kind != "point" for m in group.members.values()):
            reason = f"{readers[0].op.name} is reduced where it is made"
        elif units.apart(number, other):
            reason = BETWEEN
        if reason:
            fused.reasons.update(dict.fromkeys(((node, reader) for reader in readers), reason))
            continue
        units.join(number, other)
        chosen = group
    return chosen


def _walks_rows(group: Group, shape: Shape) -> bool:
    return product(shape[:-2]) == 1 and group.dims == shape[-2:]


def _walks_pixels(group: Group, shape: Shape) -> bool:
    """Whether `group` goes through images, their channels and pixels, as users write them."""
    groups, channels, images, *places = shape
    wanted = (images, groups * channels, *places)
    return [d for d in group.dims if d != 1] == [d for d in wanted if d != 1]


def _prologue(units: Units, number: int, taken: set[Group]) -> int | None:
    """The group that can run before each block of the product `number`, joined with it."""
    fused = units.fused
    node = fused.units[number]
    assert isinstance(node, Node)
    if node.op.name != "matmul":
        return None
    left, right = node.inputs
    found = storage(left)
    if left in units.copies or found is None or found[0] not in units.owner:
        return None
    base, strides, offset = found
    other = units.owner[base]
    group = fused.units[other]
    if not isinstance(group, Group):
        return None
    name = base.node.op.name
    reason = ""
    place = storage(right)
    member = group.members[base]
    rows = left.shape[-2]
    dims = tuple(size for size in base.shape if size != 1)
    width = product(dims[1:])
    inner = left.shape[-1]
    if product(left.shape[:-2]) != 1 or dims[:1] != (rows,) or group.dims[:1] != (rows,):
        reason = f"{name} is not made by the rows that the product reads"
    elif offset != 0 or strides[-2] != width or width != inner or (inner != 1 and strides[-1] != 1):
        reason = f"the product reads {name} in another order"
    elif group.rows == 0 or any(m.kind in ("accumulate", "after") for m in group.members.values()):
        reason = f"what makes {name} reduces all rows, and the product takes them block by block"
    elif next((p for p in member.index if p != 0), 0) != Dim.symbol(loop(0)):
        reason = f"{name} is not made by the rows that the product reads"
    elif group in taken:
        reason = f"{name} runs in the kernel of another product"
    elif right not in units.copies and place is not None and place[0] in group.members:
        reason = f"the product needs all of {name} at once, as its other operand"
    elif units.apart(other, number):
        reason = BETWEEN
    if reason:
        fused.reasons[base.node, node] = reason
        return None
    units.join(other, number)
    return other


def _readers(group: Group, node: Node) -> list[Node]:
    """The members of `group` that read the product itself, or views of a convolution."""
    out = node.out()
    if node.op.name == "matmul":
        return [value.node for value in group.members if out in value.node.inputs]
    return [value.node for value in group.members if any(map(_reads(out), value.node.inputs))]


def _reads(out: Value) -> Callable[[Value], bool]:
    def reads(value: Value) -> bool:
        found = storage(value)
        return found is not None and found[0] == out

    return reads
