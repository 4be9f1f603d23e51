"""Into how many chunks the work of a kernel splits, and how long a chunk takes.

A chunk is a range of positions of the outermost loop. Its length follows from the sizes alone,
never from the number of threads, so that results don't depend on that number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from graphc.fuse.values import expression_cost
from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Cast,
    Check,
    Combine,
    Expr,
    For,
    If,
    Let,
    Load,
    Position,
    Require,
    Select,
    Stmt,
    Store,
)
from graphc.types import DTYPES, Dim, Size, floordiv

_INT64 = DTYPES["int64"]
FIRST_CHUNK, LAST_CHUNK = Dim.symbol("lo"), Dim.symbol("hi")
GRAIN = Dim.symbol("grain_0")
"""Positions of the outermost loop in one chunk."""
COUNT = Dim.symbol("chunks_0")
"""How many chunks there are."""
CHUNK = "chunk_0"
"""The variable of the loop over chunks."""

LEAST = 12_000_000
"""Picoseconds that a chunk should take: several times what it costs to start a thread."""
MOST_CHUNKS = 64
"""Chunks of a kernel at most."""
PARTIAL_BYTES = 1 << 22
"""Bytes that the partial results of all chunks may take."""

_OPERATION = 15
"""Picoseconds of one simple scalar operation in a loop of vectors."""
_BYTE = 25
"""Picoseconds to load or store one byte that lies in a cache."""


@dataclass(frozen=True, slots=True)
class Chunks:
    """`count` chunks of `grain` positions, the last one perhaps shorter."""

    grain: Size
    count: Size

    @property
    def parameters(self) -> tuple[tuple[str, Size], ...]:
        return (str(COUNT), self.count), (str(GRAIN), self.grain)


def picoseconds(body: Sequence[Stmt]) -> Size:
    """About how long `body` takes on one thread, a polynomial of the symbolic sizes."""
    total: Size = 0
    for stmt in body:
        match stmt:
            case For():
                # The loop inside one over blocks goes from the block's start: together they
                # walk the extent of the outer one.
                trips = stmt.stop if stmt.start == 0 else 1
                total = total + trips * picoseconds(stmt.body)
            case If():
                total = total + picoseconds(stmt.then) + picoseconds(stmt.otherwise)
            case Let() | Assign() | Check() | Combine():
                total = total + _expression(stmt.value) + _OPERATION * isinstance(stmt, Combine)
            case Require():
                total = total + _expression(stmt.condition)
            case Store() | Accumulate():
                twice = 1 + isinstance(stmt, Accumulate)
                total = total + _expression(stmt.value)
                total = total + _BYTE * stmt.buffer.dtype.itemsize * twice
    return total


def _expression(expr: Expr) -> int:
    return _OPERATION * expression_cost(expr) + _BYTE * _loaded(expr)


def _loaded(expr: Expr) -> int:
    match expr:
        case Load():
            return int(expr.dtype.itemsize)
        case Apply():
            return sum(map(_loaded, expr.arguments))
        case Select():
            return sum(map(_loaded, (expr.condition, expr.then, expr.otherwise)))
        case Cast():
            return _loaded(expr.operand)
    return 0


def choose_chunks(extent: Size, each: Size, unit: int = 1, held: Size = 0) -> Chunks | None:
    """How to split a loop of `extent` positions; None where one chunk is best.

    Args:
        extent: the loop's positions.
        each: the picoseconds that one of them takes.
        unit: the length of a chunk is a multiple of it.
        held: bytes that each chunk needs for partial results.
    """
    # A chunk must do more than to set its partial results and to have them added.
    least = LEAST + 8 * _BYTE * held
    if not (isinstance(extent, int) and isinstance(each, int) and isinstance(least, int)):
        grain = (floordiv(least, (each + 1) * unit) + 1) * unit
        if isinstance(extent, int) and isinstance(grain, int) and extent <= grain:
            return None
        return Chunks(grain, floordiv(extent + grain - 1, grain))
    count = min(extent * each // least, MOST_CHUNKS, extent)
    if isinstance(held, int) and held > 0:
        count = min(count, PARTIAL_BYTES // held)
    count += count % 2 if 1 < count < 8 else 0
    if count < 2:
        return None
    length = _ceil(_ceil(extent, count), unit) * unit
    return Chunks(length, _ceil(extent, length)) if length < extent else None


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)


def end(last: Size, extent: Size) -> Expr:
    """Where the chunk before `last` ends: its grain times `last`, within the extent."""
    ends = (Position(last * GRAIN, _INT64), Position(extent, _INT64))
    return Apply("minimum", ends, _INT64)


def over_range(body: Sequence[Stmt], stop: str) -> tuple[Stmt, ...]:
    """`body` with its one outermost loop over the positions of the chunks ``[lo, hi)``."""
    result: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, For):
            result.append(Let(stop, end(LAST_CHUNK, stmt.stop)))
            stmt = replace(stmt, start=FIRST_CHUNK * GRAIN, stop=Dim.symbol(stop))
        result.append(stmt)
    return tuple(result)
