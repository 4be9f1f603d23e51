"""Lists to which each turn of a loop appends: their items are ys of the scan."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from graphc.ir import Value, fresh_input, topological
from graphc.trace.recorded import rewrapped
from graphc.trace.trees import leaves, tree_map, unflatten
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    TracedScalar,
    fresh_array,
    is_traced,
)


class GrowingList:
    """A list that each turn makes longer by `count` items, during a turn with a traced position.

    What was in it before is replaced by parameters meanwhile, for a turn that reads it would read
    what the turn before has put there.
    """

    def __init__(self, key: Any, items: list[Any], count: int) -> None:
        self.key, self.items, self.count = key, items, count
        self.held = list(items)
        self.inputs: list[Value] = []
        self.stand_ins = [tree_map(self._stand_in, item) for item in self.held]
        self.items[:] = self.stand_ins
        self.added: list[Any] = []

    def _stand_in(self, leaf: Any) -> Any:
        if type(leaf) not in (TracedArray, TracedScalar, TracedNumber):
            return leaf
        self.inputs.append(fresh_input(leaf.value.type))
        return rewrapped(leaf, self.inputs[-1])

    def end(self, turns: int, written: Collection[int]) -> str:
        """Why what the turn has appended can't be stacked, or "".

        Args:
            turns: how many turns of the loop the body is.
            written: ids of storages that the next turn writes: what it appends may not lie there.
        """
        before = len(self.stand_ins)
        kept = zip(self.items, self.stand_ins, strict=False)
        if len(self.items) != before + self.count * turns or any(a is not b for a, b in kept):
            return "a list does not grow alike in each turn"
        self.added = self.items[before:]
        for leaf in leaves(self.added):
            if type(leaf) is TracedArray and id(leaf.storage) in written:
                return "an array in a list is written later"
        inputs = {value.node for value in self.inputs}
        if any(node in inputs for node in topological(self.values())):
            return "a list that grows is read"
        return ""

    def values(self) -> list[Value]:
        """What is to be stacked."""
        return [leaf.value for leaf in leaves(self.added) if is_traced(leaf)]

    def leave(self) -> None:
        """Put back what the list held before the turn."""
        self.items[:] = self.held

    def finish(self, stacked: list[Value], turns: int) -> list[Value]:
        """Append the items of all `turns`, and give what is left of `stacked`."""
        parts = leaves(self.added)
        count = sum(is_traced(leaf) for leaf in parts)
        rows = [fresh_array(value) for value in stacked[:count]]
        for turn in range(turns):
            taken = iter(rows)
            found = [_row(leaf, next(taken)[turn]) if is_traced(leaf) else leaf for leaf in parts]
            self.items += unflatten(self.added, found)
        return stacked[count:]


def _row(like: Any, row: Any) -> Any:
    """A row as a traced value of the kind of `like`."""
    if type(like) is TracedArray and type(row) is TracedArray:
        return row
    return rewrapped(like, row.value)
