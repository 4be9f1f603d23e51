"""Chains of reshapes and transposes, in the fewest ONNX ops.

graphc's ops for convolution and products have layouts of their own, so that networks are full of
axes of size 1 that move about. A transpose that moves only those is a reshape, and two transposes
that meet are one, or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from graphc.types import Shape

Move: TypeAlias = tuple[str, tuple[Any, ...]]
"""``("reshape", shape)`` or ``("transpose", axes)``."""


@dataclass(frozen=True, slots=True)
class View:
    """What `moves`, one after another, make of an array of shape `start`."""

    start: Shape
    moves: tuple[Move, ...] = ()

    @property
    def shape(self) -> Shape:
        shape = self.start
        for kind, detail in self.moves:
            shape = detail if kind == "reshape" else tuple(shape[axis] for axis in detail)
        return shape

    def reshaped(self, shape: Shape) -> View:
        """Followed by a reshape; one before it has no effect."""
        kept = self
        while kept.moves and kept.moves[-1][0] == "reshape":
            kept = View(self.start, kept.moves[:-1])
        return kept if kept.shape == shape else View(self.start, (*kept.moves, ("reshape", shape)))

    def transposed(self, axes: Sequence[int]) -> View:
        """Followed by a transpose of the axes that are not of size 1, and a reshape."""
        shape = self.shape
        wide = [axis for axis, size in enumerate(shape) if size != 1]
        order = tuple(wide.index(axis) for axis in axes if axis in wide)
        result = tuple(shape[axis] for axis in axes)
        return self.reshaped(tuple(shape[axis] for axis in wide))._turned(order).reshaped(result)

    def _turned(self, order: tuple[int, ...]) -> View:
        moves = self.moves
        if moves and moves[-1][0] == "transpose":
            before = moves[-1][1]
            order, moves = tuple(before[axis] for axis in order), moves[:-1]
        if order != tuple(range(len(order))):
            moves = (*moves, ("transpose", order))
        return View(self.start, moves)

    def steps(self) -> tuple[Move, ...]:
        """The moves, a transpose with its reshapes on both sides as one where that says it."""
        found: list[Move] = []
        shape = self.start
        moves = list(self.moves)
        while moves:
            whole = _transpose_of(shape, moves[:3]) or _transpose_of(shape, moves[:2])
            count = 1
            if whole is not None:
                axes, count = whole
                found.append(("transpose", axes))
            else:
                found.append(moves[0])
            shape = View(shape, tuple(moves[:count])).shape
            moves = moves[count:]
        return tuple(found)


def _transpose_of(shape: Shape, moves: Sequence[Move]) -> tuple[tuple[int, ...], int] | None:
    """The one transpose that `moves` are of an array of `shape`, if they are, and their number."""
    turns = [detail for kind, detail in moves if kind == "transpose"]
    if len(moves) < 2 or len(turns) != 1:
        return None
    result = View(shape, tuple(moves)).shape
    first = moves[0][0] == "reshape"
    wide = [axis for axis, size in enumerate(shape) if size != 1]
    inner = tuple(shape[axis] for axis in wide)
    if len(result) != len(shape) or (moves[0][1] if first else shape) != inner:
        return None
    order = iter(turns[0])
    narrow = iter(axis for axis, size in enumerate(shape) if size == 1)
    if sum(size != 1 for size in result) != len(wide):
        return None
    axes = tuple(next(narrow) if size == 1 else wide[next(order)] for size in result)
    same = tuple(shape[axis] for axis in axes) == result
    return (axes, len(moves)) if same else None
