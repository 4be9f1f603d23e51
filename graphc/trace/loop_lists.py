"""Lists to which each turn of a loop appends: their items are ys of the scan."""

from __future__ import annotations

from collections.abc import Collection, Mapping
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
from graphc.trace.views import Storage


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

    def holds(self, storages: Collection[int]) -> bool:
        """Whether an array that the list held before the turn lies in one of `storages`."""
        return any(
            type(leaf) is TracedArray and id(leaf.storage) in storages for leaf in leaves(self.held)
        )

    def part_from(self, storages: Collection[int]) -> None:
        """Give arrays of the list that lie in `storages` (ids) storages of their own."""

        def parted(leaf: Any) -> Any:
            lies_there = type(leaf) is TracedArray and id(leaf.storage) in storages
            return fresh_array(leaf.value) if lies_there else leaf

        self.items[:] = [tree_map(parted, item) for item in self.items]

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

    def share(self, turns: int, images: Mapping[int, tuple[Storage, Storage]]) -> None:
        """Let the last items lie in the storages that variables and the like hold at the end.

        Args:
            turns: how many turns' items the loop has appended.
            images: by the id of a storage after a turn: the one before it whose part it takes, and
                itself.
        """
        parts = leaves(self.added)
        places = [images.get(id(p.storage)) if type(p) is TracedArray else None for p in parts]
        size = len(self.added)
        end = len(self.items)
        while any(places) and turns:
            items = self.items[end - size : end]
            shared = [
                item if place is None else _lying_in(place[1], part, item)
                for item, part, place in zip(leaves(items), parts, places, strict=True)
            ]
            self.items[end - size : end] = unflatten(self.added, shared)
            # One turn earlier the item lay where the last turn found it.
            places = [None if place is None else images.get(id(place[0])) for place in places]
            end -= size
            turns -= 1


def _lying_in(storage: Storage, like: TracedArray, row: Any) -> TracedArray:
    """The array that takes the part of `storage` that `like` takes, and is equal to `row`."""
    if not like.path:
        storage.rebind(row.value)
    return TracedArray(storage, like.path, like.steps, like.origin)


def _row(like: Any, row: Any) -> Any:
    """A row as a traced value of the kind of `like`."""
    if type(like) is TracedArray and type(row) is TracedArray:
        return row
    return rewrapped(like, row.value)
