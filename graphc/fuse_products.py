"""Groups -> epilogues: which group of operations runs right after each block of a matrix product.

A group is attached to a product whose elements it reads where the two walk the same rows and
nothing between them needs the one and is needed by the other. The pair then is one kernel
(`graphc.lower.attached`): a block of rows is computed while it is in cache.
"""

from __future__ import annotations

from collections.abc import Callable

from graphc.fuse_values import Fused, Group
from graphc.ir import Node, Value
from graphc.types import product


class _Units:
    """The units of a graph with what each needs, transitively; bitsets of unit numbers."""

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
        between = self.above[second] & ~(1 << first)
        number = 0
        while between:
            if between & 1 and self.above[number] >> first & 1:
                return True
            between >>= 1
            number += 1
        return False

    def join(self, first: int, second: int) -> None:
        """From now on both run together."""
        pair = 1 << first | 1 << second
        mask = (self.above[first] | self.above[second]) & ~pair
        for number, above in enumerate(self.above):
            if above & pair:
                self.above[number] = above | mask | pair
        self.above[first] = self.above[second] = mask


def attach_products(
    fused: Fused, fits: Callable[[Node], bool]
) -> tuple[list[Group | Node], dict[Group, Node]]:
    """The units in an order that keeps dependencies, and the product that each group ends.

    Products with a group are not among the units: they run where their group does.

    Args:
        fused: the groups and nodes.
        fits: whether a product can have a group attached.
    """
    products = [
        number
        for number, unit in enumerate(fused.units)
        if isinstance(unit, Node) and unit.op.name == "matmul" and fits(unit)
    ]
    if not products:
        return fused.units, {}
    units = _Units(fused)
    attached: dict[Group, Node] = {}
    taken: set[int] = set()
    for number in reversed(products):
        node = fused.units[number]
        assert isinstance(node, Node)
        shape = node.out().shape
        for other, group in enumerate(fused.units):
            if not isinstance(group, Group) or group in attached or group.copy_to is not None:
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
            attached[group] = node
            taken.add(number)
            break
    order = sorted(range(len(fused.units)), key=lambda k: (units.above[k].bit_count(), k))
    return [fused.units[k] for k in order if k not in taken], attached


def _reads(group: Group, node: Node) -> bool:
    """Whether a member of `group` reads the product itself, through views at most."""
    out = node.out()
    return any(operand == out for value in group.members for operand in value.node.inputs)
