"""The units of a graph, groups and templates: what each needs, and with which others it runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from graphc.fuse.values import Fused
from graphc.ir import Node, Value


class Units:
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
        if isinstance(unit, Node):
            return self.makers(unit.inputs) - {number}
        if unit.copy_to is not None:
            return self.owners(unit.members) - {number}
        operands = (operand for value in unit.members for operand in value.node.inputs)
        return self.owners(operands) - {number}

    def makers(self, operands: Sequence[Value]) -> set[int]:
        """The units whose results a node with these operands reads."""
        copies = {self.copies[value] for value in operands if value in self.copies}
        return copies | self.owners(value for value in operands if value not in self.copies)

    def owners(self, values: Iterable[Value]) -> set[int]:
        """The units that own `values`, or what those without an owner are computed of."""
        stack = list(values)
        found: set[int] = set()
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
        return found

    def runs_with(self, first: int, others: Collection[int]) -> bool:
        """Whether one of `others` is unit `first`, or runs together with it."""
        return any(self.joined[first] >> other & 1 for other in others)

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
