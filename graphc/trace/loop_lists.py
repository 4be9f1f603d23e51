"""Lists to which each turn of a loop appends: their items are ys of the scan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.ir import Value, fresh_input, topological
from graphc.trace.lineage import Lineage, Origin
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
        self.rows: list[Any] = []

    def _stand_in(self, leaf: Any) -> Any:
        if type(leaf) not in (TracedArray, TracedScalar, TracedNumber):
            return leaf
        self.inputs.append(fresh_input(leaf.value.type))
        return rewrapped(leaf, self.inputs[-1])

    def end(self, turns: int, lineage: Lineage) -> str:
        """Why what the turn has appended can't be stacked, or "".

        Args:
            turns: how many turns of the loop the body is.
            lineage: what becomes of the arrays in the list.
        """
        before = len(self.stand_ins)
        kept = zip(self.items, self.stand_ins, strict=False)
        if len(self.items) != before + self.count * turns or any(a is not b for a, b in kept):
            return "a list does not grow alike in each turn"
        self.added = self.items[before:]
        held = [s for s in _storages(self.held) if lineage.changes_place(s)]
        if any(map(lineage.is_written_from, held)) or any(
            map(lineage.is_written_after, _storages(self.added))
        ):
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

    def take(self, stacked: list[Value]) -> list[Value]:
        """Take what was stacked for this list; gives the rest."""
        count = len(self.values())
        self.rows = [fresh_array(value) for value in stacked[:count]]
        return stacked[count:]

    def place(self, turns: int, places: Places) -> None:
        """Find storages for the whole arrays that were appended: parts of them lie there, too."""
        traced = [leaf for leaf in leaves(self.added) if is_traced(leaf)]
        for leaf, rows in zip(traced, self.rows, strict=True):
            if type(leaf) is TracedArray and not leaf.path:
                for turn in range(turns):
                    places.put(leaf, rows, turn)

    def finish(self, turns: int, places: Places) -> None:
        """Append the items of all `turns`."""
        self.items[:] = [tree_map(places.from_before, item) for item in self.items]
        parts = leaves(self.added)
        for turn in range(turns):
            taken = iter(self.rows)
            found = [
                places.put(leaf, next(taken), turn) if is_traced(leaf) else leaf for leaf in parts
            ]
            self.items += unflatten(self.added, found)


class Places:
    """The storages of a loop's arrays after it, by where they come from."""

    def __init__(self, lineage: Lineage, held: Mapping[int, tuple[Storage, Value]], last: int):
        self.lineage = lineage
        self.held = held
        self.found: dict[Origin, Storage] = {}
        self.parts: dict[Any, Any] = {}
        self.unset: set[int] = set()
        for storage, _ in held.values():
            image = lineage.images[id(storage)]
            self.found[lineage.origin(image, last)] = image
            if lineage.changes_place(storage):
                self.unset.add(id(image))

    def from_before(self, leaf: Any) -> Any:
        """An array that was in a list before the loop."""
        if type(leaf) is not TracedArray:
            return leaf
        return self._lying_in(self._before(leaf.storage), leaf)

    def put(self, leaf: Any, rows: Any, turn: int) -> Any:
        """What `turn` has appended as `leaf`: its row of `rows`, or a storage equal to that."""
        if type(leaf) is not TracedArray or rows.ndim == 1:
            return rewrapped(leaf, rows[turn].value)
        origin = self.lineage.origin(leaf.storage, turn)
        before = origin[0] < 0 and not self.lineage.is_written_until(leaf.storage, turn)
        if before and origin not in self.found:
            return self._lying_in(self._before(leaf.storage, origin), leaf)
        if origin not in self.found:
            if leaf.path:
                return self.parts.setdefault((origin, leaf.path), rows[turn])
            row = fresh_array(rows[turn].value)
            self.found[origin] = row.storage
            return row
        storage = self.found[origin]
        if not leaf.path and id(storage) in self.unset:
            # The same value, as a row: what stacks all rows finds them side by side.
            storage.rebind(rows[turn].value)
            self.unset.remove(id(storage))
        return self._lying_in(storage, leaf)

    def _before(self, storage: Storage, origin: Origin | None = None) -> Storage:
        """The storage of an array that was there before the loop, and lay in `storage`."""
        origin = origin or (-1, id(storage))
        if origin not in self.found:
            first, value = self.held.get(origin[1], (storage, storage.value))
            moved = id(first) in self.lineage.following
            self.found[origin] = fresh_array(value).storage if moved else first
        return self.found[origin]

    def _lying_in(self, storage: Storage, like: TracedArray) -> TracedArray:
        if storage is like.storage:
            return like
        return TracedArray(storage, like.path, like.steps, like.origin)


def _storages(items: Any) -> list[Storage]:
    return [leaf.storage for leaf in leaves(items) if type(leaf) is TracedArray]
