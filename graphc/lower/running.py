"""Running results along an axis: cumulate and recurrence.

An array is seen as (outer, length, inner), the axis in the middle. Where inner is 1 each row is one
loop that carries its result in a variable; else the loop over the axis carries a run of results in
the row before, so that it is made of vectors. One long row, or a few, is cut into pieces: what each
piece comes to is known before all of them run at once, each from what came before it.

How long the pieces are follows from the sizes alone, so results do not depend on the threads.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphc.indexing import loop
from graphc.ir import Node
from graphc.loops import (
    Apply,
    Assign,
    Buffer,
    Combine,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Local,
    Position,
    Select,
    Stmt,
    Store,
    compare,
)
from graphc.lower.launch import Step
from graphc.lower.operands import Operands
from graphc.lower.reduction import combined
from graphc.lower.rows import Parameters, launch
from graphc.types import DTYPES, Dim, Size, floordiv, mod, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

_INT64, _BOOL = DTYPES["int64"], DTYPES["bool"]
RUN = 128
"""Elements of inner that one turn of the outermost loop carries."""
PIECE = 1 << 14
"""Elements of a piece of a row, at least."""
PIECES = 64
"""Pieces of a row, at most."""
FEW_ROWS = 4
"""Rows up to which they are cut into pieces."""
STEP_TIME = 1300
"""Picoseconds of a step that waits for the one before it."""
BYTE_TIME = 75
"""Picoseconds to load, add to, and store one byte of a run."""

OUTER, LENGTH, INNER = (Dim.symbol(name) for name in ("outer", "length", "inner"))
I0, I1, I2 = (Dim.symbol(loop(k)) for k in range(3))


@dataclass(frozen=True, slots=True)
class _Running:
    """The buffers of one running result, flat, and how an element joins what came before."""

    node: Node
    operands: Operands
    sources: tuple[tuple[Buffer, Size], ...]
    result: Buffer

    def place(self, outer: Size, turn: Size, inner: Size) -> Size:
        """The offset of what is taken at `turn`, in the order of the running result."""
        along = LENGTH - 1 - turn if self.node["reverse"] else turn
        return (outer * LENGTH + along) * INNER + inner

    def element(self, place: Size, which: int = -1) -> Expr:
        buffer, start = self.sources[which]
        return Load(buffer, (start + place,), buffer.dtype)

    def joined(self, before: Expr, place: Size) -> Expr:
        """What `before` and the element at `place` come to."""
        element = self.element(place)
        if len(self.sources) == 1:
            return combined(self.node["combine"], before, element)
        zero = Const(0, element.dtype)
        made = Apply("multiply", (self.element(place, 0), before), element.dtype)
        nothing = Apply("equal", (before, zero), _BOOL)
        return Apply("add", (element, Select(nothing, zero, made, element.dtype)), element.dtype)

    def store(self, place: Size, value: Expr) -> Stmt:
        return Store(self.result, (place,), value)


def lower_running(context: Lowering, node: Node) -> list[Step]:
    """The launches of one cumulate or recurrence."""
    operands = Operands(context, node)
    sources, starts = [], []
    for number, value in enumerate(node.inputs):
        buffer, offset = operands.read(value)
        sources.append((_flat(buffer), Dim.symbol(f"start{number}")))
        starts.append((f"start{number}", offset))
    running = _Running(node, operands, tuple(sources), _flat(operands.result()))
    shape, axis = node.out().shape, node["axis"]
    outer, length, inner = product(shape[:axis]), shape[axis], product(shape[axis + 1 :])
    sizes: Parameters = (("outer", outer), ("length", length), ("inner", inner), *starts)
    if inner != 1:
        runs = _ceil(inner, RUN)
        sizes = (*sizes, ("runs", runs))
        each = length * (RUN * BYTE_TIME * node.out().dtype.itemsize)
        return [launch(operands, _runs(running), sizes, outer * runs, each)]
    pieces = _pieces(node, outer, length)
    if pieces > 1:
        return _in_pieces(running, sizes, pieces)
    return [launch(operands, _rows(running), sizes, outer, length * STEP_TIME)]


def _flat(buffer: Buffer) -> Buffer:
    return replace(buffer, shape=(product(buffer.shape),), strides=(1,))


def _ceil(number: Size, divisor: int) -> Size:
    return floordiv(number + (divisor - 1), divisor)


def _nonempty(body: list[Stmt]) -> Stmt:
    return If(compare("greater", LENGTH, 0), tuple(body))


# --- rows -----------------------------------------------------------------------------------------


def _rows(running: _Running) -> tuple[Stmt, ...]:
    first, place = running.place(I0, 0, 0), running.place(I0, I1, 0)
    held = Local("held", running.result.dtype)
    row: list[Stmt] = [
        Let("held", running.element(first)),
        running.store(first, held),
        For(
            loop(1),
            1,
            LENGTH,
            (Assign("held", running.joined(held, place)), running.store(place, held)),
        ),
    ]
    return (For(loop(0), 0, OUTER, (_nonempty(row),)),)


# --- runs of inner elements -----------------------------------------------------------------------


def _runs(running: _Running) -> tuple[Stmt, ...]:
    row, start = Dim.symbol("place_row"), Dim.symbol("place_start")
    runs, stop = Dim.symbol("runs"), Dim.symbol("stop_run")
    ends = (Position(start + RUN, _INT64), Position(INNER, _INT64))

    def over(turn: Size, value: Callable[[Size], Expr]) -> Stmt:
        place = running.place(row, turn, I2)
        return For(loop(2), start, stop, (running.store(place, value(place)),))

    def later(place: Size) -> Expr:
        before = running.place(row, I1 - 1, I2)
        held = Load(running.result, (before,), running.result.dtype)
        return running.joined(held, place)

    body: list[Stmt] = [over(0, running.element), For(loop(1), 1, LENGTH, (over(I1, later),))]
    return (
        For(
            loop(0),
            0,
            OUTER * runs,
            (
                Let("place_row", Position(floordiv(I0, runs), _INT64)),
                Let("place_start", Position(mod(I0, runs) * RUN, _INT64)),
                Let("stop_run", Apply("minimum", ends, _INT64)),
                _nonempty(body),
            ),
        ),
    )


# --- pieces of long rows --------------------------------------------------------------------------


def _pieces(node: Node, outer: Size, length: Size) -> int:
    """Into how many pieces each row is cut: 1 where that does not pay."""
    if node.op.name == "recurrence" or not (isinstance(outer, int) and isinstance(length, int)):
        return 1
    return min(length // PIECE, PIECES) if 0 < outer <= FEW_ROWS else 1


def _in_pieces(running: _Running, sizes: Parameters, count: int) -> list[Step]:
    """Two launches: what each piece comes to, and the running results."""
    node, operands = running.node, running.operands
    dtype = running.result.dtype
    known = dict(sizes)
    outer, length = known["outer"], known["length"]
    key = ("partial", node.out(), "piece")
    rows = (product((outer, count)),)
    totals = Buffer("piece_totals", key, "write", dtype, rows, (1,))
    pieces, grain = Dim.symbol("pieces"), Dim.symbol("piece_length")
    sizes = (*sizes, ("pieces", count), ("piece_length", _ceil(length, count)))
    row, piece, stop = (Dim.symbol(name) for name in ("place_row", "place_piece", "stop_piece"))
    held, total = Local("held", dtype), Local("total", dtype)
    ends = (Position((piece + 1) * grain, _INT64), Position(LENGTH, _INT64))
    where: list[Stmt] = [
        Let("place_row", Position(floordiv(I0, pieces), _INT64)),
        Let("place_piece", Position(mod(I0, pieces), _INT64)),
        Let("stop_piece", Apply("minimum", ends, _INT64)),
    ]
    combine, place = node["combine"], running.place(row, I1, 0)
    first = running.place(row, piece * grain, 0)
    summing: list[Stmt] = [
        Let("total", running.element(first)),
        For(loop(1), piece * grain + 1, stop, (Combine("total", combine, running.element(place)),)),
        Store(totals, (I0,), total),
    ]
    before = Load(totals, (row * pieces + I2,), dtype)
    joined: list[Stmt] = [
        Let("held", running.element(first)),
        If(
            compare("greater", piece, 0),
            (
                Let("total", Load(totals, (row * pieces,), dtype)),
                For(loop(2), 1, piece, (Assign("total", combined(combine, total, before)),)),
                Assign("held", combined(combine, total, held)),
            ),
        ),
        running.store(first, held),
        For(
            loop(1),
            piece * grain + 1,
            stop,
            (Assign("held", running.joined(held, place)), running.store(place, held)),
        ),
    ]
    read = Operands(operands.context, node)
    read.buffers = [buffer for buffer in operands.buffers if buffer.role == "read"] + [totals]
    operands.buffers.append(replace(totals, role="read"))
    over = [(For(loop(0), 0, OUTER * pieces, (*where, *part)),) for part in (summing, joined)]
    turns, each = outer * count, floordiv(length, count) * STEP_TIME
    return [
        launch(read, over[0], sizes, turns, each),
        launch(operands, over[1], sizes, turns, each),
    ]
