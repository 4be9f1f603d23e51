"""Groups -> prologues and epilogues: which groups run right before and after blocks of a product.

A group is attached to a matrix product whose elements it reads, or whose left operand it makes,
where the two walk the same rows and nothing between them needs the one and is needed by the other.
They then are one kernel (`graphc.lower.attached`): a block of rows is made and used while it is in
cache.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from graphc.fuse.values import BETWEEN, Fused, Group
from graphc.indexing import loop, storage
from graphc.ir import Node, Value
from graphc.types import Dim, product


class _Units:
    """The units of a graph: what each needs, transitively, and with which others it runs.

    Sets of units are bitsets of their numbers.
    """

    def __init__(self, fused: Fused) -> None:
        self.fused = fused
        self.units = fused.units
        self.owner: dict[Value, int] = {}
        self.copies: dict[Value, int] = {}
        for number, unit in enumerate(self.units):
            if isinstance(unit, Node):
                self.owner |= dict.fromkeys(unit.outputs, number)
            elif unit.copy_to is None:
                self.owner |= dict.fromkeys(unit.members, number)
            elif unit.copy_to[0] == "copy":
                self.copies[unit.copy_to[1]] = number
        self.joined = [1 << number for number in range(len(self.units))]
        self.above: list[int] = []
        for number in range(len(self.units)):
            needed = self.needed(number)
            mask = 0
            for other in needed:
                mask |= 1 << other
                if other < number:
                    mask |= self.above[other]
            self.above.append(mask)

    def needed(self, number: int) -> set[int]:
        """The units whose results unit `number` reads."""
        unit = self.units[number]
        stack: list[Value] = []
        found: set[int] = set()
        if isinstance(unit, Node):
            for value in unit.inputs:
                copy = self.copies.get(value)
                if copy is not None:
                    found.add(copy)
                else:
                    stack.append(value)
        elif unit.copy_to is not None:
            stack += unit.members
        else:
            stack += [operand for value in unit.members for operand in value.node.inputs]
        seen: set[Value] = set()
        while stack:
            value = stack.pop()
            if value in seen:
                continue
            seen.add(value)
            owner = self.owner.get(value)
            if owner is not None:
                found.add(owner)
            else:
                stack += value.node.inputs
        return found - {number}

    def apart(self, first: int, second: int) -> bool:
        """Whether a third unit needs the `first` and is needed by the `second`."""
        source = self.joined[first]
        between = self.above[second] & ~(source | self.joined[second])
        number = 0
        while between:
            if between & 1 and self.above[number] & source:
                return True
            between >>= 1
            number += 1
        return False

    def join(self, first: int, second: int) -> None:
        """From now on both run together, and with what they already run with."""
        whole = self.joined[first] | self.joined[second]
        mask = (self.above[first] | self.above[second]) & ~whole
        for number, above in enumerate(self.above):
            if whole >> number & 1:
                self.above[number], self.joined[number] = mask, whole
            elif above & whole:
                self.above[number] = above | mask | whole


@dataclass(frozen=True, slots=True)
class Attached:
    """The units that run alone or end a kernel, in an order that keeps dependencies.

    Attributes:
        units: groups and nodes; those that run in another's kernel are not among them.
        after: the product that runs right before each group of this kind, in its kernel.
        before: the group that runs right before each product of this kind, in its kernel.
    """

    units: list[Group | Node]
    after: dict[Group, Node]
    before: dict[Node, Group]


def attach_products(fused: Fused, fits: Callable[[Node], bool]) -> Attached:
    """Find the groups that run in the kernels of products. No group is in those of two.

    Args:
        fused: the groups and nodes; gains the reasons why neighbours are apart.
        fits: whether a product can have a group attached.
    """
    products = [
        number
        for number, unit in enumerate(fused.units)
        if isinstance(unit, Node) and unit.op.name == "matmul" and fits(unit)
    ]
    if not products:
        return Attached(fused.units, {}, {})
    units = _Units(fused)
    after: dict[Group, Node] = {}
    before: dict[Node, Group] = {}
    taken: set[int] = set()
    for number in reversed(products):
        last = _epilogue(units, number, after)
        if last is not None:
            node = fused.units[number]
            assert isinstance(node, Node)
            after[last] = node
            taken.add(number)
    busy = set(after)
    for number in products:
        found = _prologue(units, number, busy)
        if found is not None:
            node, group = fused.units[number], fused.units[found]
            assert isinstance(node, Node)
            assert isinstance(group, Group)
            before[node] = group
            busy.add(group)
            taken.add(found)
    order = sorted(range(len(fused.units)), key=lambda k: (units.above[k].bit_count(), k))
    return Attached([fused.units[k] for k in order if k not in taken], after, before)


def _epilogue(units: _Units, number: int, taken: dict[Group, Node]) -> Group | None:
    """The group that can run after each block of the product `number`, joined with it."""
    fused = units.fused
    node = fused.units[number]
    assert isinstance(node, Node)
    shape = node.out().shape
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
        elif product(shape[:-2]) != 1 or group.dims != shape[-2:]:
            reason = f"{readers[0].op.name} does not walk the rows of the product"
        elif units.apart(number, other):
            reason = BETWEEN
        if reason:
            fused.reasons.update(dict.fromkeys(((node, reader) for reader in readers), reason))
            continue
        units.join(number, other)
        chosen = group
    return chosen


def _prologue(units: _Units, number: int, taken: set[Group]) -> int | None:
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
    """The members of `group` that read the product itself, through no views."""
    out = node.out()
    return [value.node for value in group.members if out in value.node.inputs]
