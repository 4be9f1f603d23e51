"""Arguments that share memory: found, and seen as views of one flat block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.trace.views import is_packed


@dataclass(frozen=True, slots=True)
class Block:
    """Arrays that share memory: a flat run of elements, and each one's place in it."""

    members: tuple[Any, ...]
    offsets: tuple[int, ...]
    strides: tuple[tuple[int, ...], ...]
    flat: np.ndarray

    @property
    def layout(self) -> tuple[Any, ...]:
        """What `flat_block` needs to find the block again in another call."""
        shapes = tuple(member.shape for member in self.members)
        return self.flat.dtype, self.flat.size, self.offsets, shapes, self.strides


_WORK = 10_000
"""Steps of the search for a shared byte."""


def byte_bounds(array: np.ndarray) -> tuple[int, int]:
    """The lowest address of an array's elements, and the one past the highest."""
    bounds: tuple[int, int] = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    return bounds


def overlaps_itself(array: np.ndarray) -> bool:
    """Whether two elements may lie at one address, as in a sliding window."""
    reach = array.itemsize
    axes = sorted(
        (abs(stride), size) for size, stride in zip(array.shape, array.strides, strict=True)
    )
    for stride, size in axes:
        if size <= 1:
            continue
        if stride < reach:
            return array.size > 0
        reach = stride * size
    return False


def overlapping(arrays: Sequence[Any], written: Sequence[int]) -> list[tuple[int, int]]:
    """Pairs of positions of arrays that share bytes, one of them written."""
    bounds = [byte_bounds(array) for array in arrays]
    order = sorted(range(len(arrays)), key=lambda k: bounds[k])
    marked = set(written)
    pairs = [(k, k) for k in written if overlaps_itself(arrays[k])]
    for place, first in enumerate(order):
        for second in order[place + 1 :]:
            if bounds[second][0] >= bounds[first][1]:
                break
            one_written = first in marked or second in marked
            if one_written and _may_meet(arrays[first], arrays[second]):
                pairs.append((first, second))
    return pairs


def _may_meet(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether arrays whose bounds overlap may share bytes: not where they are fields of a struct.

    Others need no exact answer: what lies between their elements belongs to one block with them.
    """
    if not (is_packed(first) or is_packed(second)):
        return True
    shares_memory: Any = np.shares_memory  # its annotation knows two values of max_work only
    try:
        return bool(shares_memory(first, second, max_work=_WORK))
    except np.exceptions.TooHardError:
        return True


def shared_blocks(arrays: Sequence[np.ndarray], written: Sequence[int]) -> list[Block]:
    """The groups of `arrays` that share memory where one of them is written.

    Raises:
        DTypeError: they have different dtypes, or do not line up.
    """
    groups: list[set[int]] = []
    for pair in overlapping(arrays, written):
        joined = set(pair)
        for group in [group for group in groups if group & joined]:
            joined |= group
            groups.remove(group)
        groups.append(joined)
    return [_block([arrays[k] for k in sorted(group)]) for group in groups]


def _block(arrays: Sequence[np.ndarray]) -> Block:
    dtype = arrays[0].dtype
    bounds = [byte_bounds(array) for array in arrays]
    low, high = min(b[0] for b in bounds), max(b[1] for b in bounds)
    size = dtype.itemsize
    starts = [array.__array_interface__["data"][0] - low for array in arrays]
    steps = [stride for array in arrays for stride in array.strides]
    if any(a.dtype != dtype for a in arrays) or any(n % size for n in [*starts, *steps]):
        raise DTypeError(
            "arguments that share memory have different dtypes or do not line up",
            hint="Pass a copy of one of them.",
        )
    lowest = arrays[[b[0] for b in bounds].index(low)]
    return Block(
        tuple(arrays),
        tuple(start // size for start in starts),
        tuple(tuple(step // size for step in array.strides) for array in arrays),
        _flat(lowest, (high - low) // size),
    )


def _flat(lowest: np.ndarray, count: int) -> np.ndarray:
    """`count` elements from the lowest address of `lowest` on."""
    corner = lowest[tuple(slice(None, None, -1 if s < 0 else 1) for s in lowest.strides)]
    flat: np.ndarray = np.lib.stride_tricks.as_strided(corner, (count,), (lowest.itemsize,))
    return flat


def flat_block(members: tuple[np.ndarray, ...], layout: tuple[Any, ...]) -> np.ndarray | None:
    """The flat array that `members` lie in, if they lie as `layout` says; else None."""
    dtype, count, offsets, shapes, strides = layout
    starts = [byte_bounds(member)[0] for member in members]
    base, size = min(starts), dtype.itemsize
    for member, offset, shape, steps in zip(members, offsets, shapes, strides, strict=True):
        if not isinstance(member, np.ndarray) or member.dtype != dtype or member.shape != shape:
            return None
        if tuple(step * size for step in steps) != member.strides:
            return None
        if member.__array_interface__["data"][0] - base != offset * size:
            return None
    return _flat(members[starts.index(base)], count)
