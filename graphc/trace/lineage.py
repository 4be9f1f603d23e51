"""Which arrays of a loop's turns are one and the same: what a list holds may live on as a variable.

A turn is traced once. Its storages stand for arrays that the loop hands on: the array that lies in
``images[s]`` at the end of a turn lies in ``s`` at the start of the next.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from graphc.trace.views import Storage

Origin = tuple[int, int]
"""The turn that has made an array, and its storage's id there; -1: it was there before the loop."""


class Lineage:
    """The arrays of a loop, followed from turn to turn.

    Args:
        storages: those that were there before the turn.
        images: by id: where each one's part lies at the end of the turn.
        touched: ids of those that the turn writes.
    """

    def __init__(
        self,
        storages: Sequence[Storage],
        images: Mapping[int, Storage],
        touched: Collection[int],
    ) -> None:
        self.images = images
        self.touched = touched
        self.known = {id(storage) for storage in storages}
        self.following = {id(images[id(storage)]): storage for storage in storages}
        self.origins: dict[Origin, Origin] = {}

    def is_written_from(self, storage: Storage | None) -> bool:
        """Whether this turn or a later one writes the array that is in `storage` at its start."""
        seen: set[int] = set()
        while storage is not None and id(storage) not in seen:
            if id(storage) in self.touched:
                return True
            seen.add(id(storage))
            storage = self.following.get(id(storage))
        return False

    def is_written_after(self, storage: Storage) -> bool:
        """Whether a later turn writes the array that lies in `storage` at the end of this one."""
        return self.is_written_from(self.following.get(id(storage)))

    def is_written_until(self, storage: Storage, turn: int) -> bool:
        """Whether `turn` or one before it writes the array that lies in `storage` then."""
        seen: set[int] = set()
        while id(storage) in self.known and id(storage) not in seen:
            if id(storage) in self.touched:
                return True
            if turn == 0:
                return False
            seen.add(id(storage))
            storage, turn = self.images[id(storage)], turn - 1
        return False

    def changes_place(self, storage: Storage) -> bool:
        """Whether another array lies in `storage` after the turn than before."""
        return id(storage) in self.known and self.images[id(storage)] is not storage

    def origin(self, storage: Storage, turn: int) -> Origin:
        """Where the array comes from that lies in `storage` in or at the end of `turn`."""
        path: list[Origin] = []
        found: Origin | None = None
        while found is None:
            place = (turn, id(storage))
            path.append(place)
            if place in self.origins:
                found = self.origins[place]
            elif id(storage) in self.known:
                before = self.images[id(storage)]
                if before is storage or turn == 0:
                    found = (-1, id(storage))
                storage, turn = before, turn - 1
            else:
                found = place
        for place in path:
            self.origins[place] = found
        return found
