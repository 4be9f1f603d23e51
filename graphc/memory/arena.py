"""Where in the arena each buffer lies: memory is used again when what lay there is read no more.

Where all sizes are known the largest buffers are placed first, each as low as those that live at
the same time allow (Pisarchyk and Lee, "Efficient memory management for deep neural net
inference", 2020, greedy by size). Symbolic sizes are placed in the order of the steps: whether one
fits beside others is not known, so a buffer takes a slot of its own size, or a new one.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from graphc.types import Dim, Size


@dataclass(slots=True, eq=False)
class Tenancy:
    """Buffers at one place, one after another: from the step `first` to the step `last`."""

    size: Size
    first: int
    last: int = -1
    offset: Size = 0
    keys: list[Any] = field(default_factory=list)


def place_tenancies(tenancies: Sequence[Tenancy], steps: int) -> Size:
    """Set the offsets; gives the size of the arena. What has no last step lives to the end."""
    for tenancy in tenancies:
        if tenancy.last < 0:
            tenancy.last = steps
    in_order = _place_in_order(tenancies)
    if any(isinstance(tenancy.size, Dim) for tenancy in tenancies):
        return in_order
    offsets = [tenancy.offset for tenancy in tenancies]
    by_size = _place_by_size(tenancies)
    if isinstance(in_order, int) and in_order <= by_size:
        for tenancy, offset in zip(tenancies, offsets, strict=True):
            tenancy.offset = offset
        return in_order
    return by_size


def _place_by_size(tenancies: Sequence[Tenancy]) -> int:
    end = 0
    placed: list[tuple[int, int, int, int]] = []  # offset, end, first, last: by offset
    for tenancy in sorted(tenancies, key=lambda t: (-_known(t.size), t.first)):
        size, offset = _known(tenancy.size), 0
        best: tuple[int, int] | None = None
        for start, stop, first, last in placed:
            if last < tenancy.first or first > tenancy.last:
                continue
            gap = start - offset
            if gap >= size and (best is None or gap < best[0]):
                best = (gap, offset)
            offset = max(offset, stop)
        if best is not None:
            offset = best[1]
        tenancy.offset = offset
        insort(placed, (offset, offset + size, tenancy.first, tenancy.last))
        end = max(end, offset + size)
    return end


def _known(size: Size) -> int:
    assert isinstance(size, int)
    return size


def _place_in_order(tenancies: Sequence[Tenancy]) -> Size:
    free: list[tuple[Size, Size]] = []
    leaving: dict[int, list[tuple[Size, Size]]] = {}
    end: Size = 0
    now = 0
    for tenancy in tenancies:
        while now < tenancy.first:
            free += leaving.pop(now, ())
            now += 1
        slot = _best(free, tenancy.size)
        if slot is None:
            slot = (end, tenancy.size)
            end = end + tenancy.size
        else:
            free.remove(slot)
        tenancy.offset = slot[0]
        leaving.setdefault(tenancy.last, []).append(slot)
    return end


def _best(free: list[tuple[Size, Size]], size: Size) -> tuple[Size, Size] | None:
    """The smallest free slot that is known to hold `size` bytes and is not much too large."""
    best: tuple[Size, int] | None = None
    for offset, room in free:
        if room == size:
            return offset, room
        if isinstance(room, Dim) or isinstance(size, Dim) or not room >= size > 0:
            continue
        if best is None or room < best[1]:
            best = (offset, room)
    return best
