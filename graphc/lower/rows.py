"""Templates that work on whole rows: sorts, and searches in a sorted row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from graphc.indexing import contiguous_strides, loop
from graphc.ir import Node
from graphc.loops import (
    Apply,
    Assign,
    Buffer,
    Expr,
    For,
    If,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Position,
    Select,
    Stmt,
    Store,
    Tile,
    compare,
)
from graphc.lower.chunk import FIRST_CHUNK, choose_chunks, over_range
from graphc.lower.collapse import collapse
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands, nest
from graphc.ops.reductions.ordering import precedes
from graphc.types import DTYPES, Dim, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

_INT64 = DTYPES["int64"]
DIGIT_TIME = 1500
"""Picoseconds to move an element by one digit of its key."""
SEARCH_TIME = 1500
"""Picoseconds of one step of a binary search."""
Parameters: TypeAlias = tuple[tuple[str, Size], ...]

ROWS, LENGTH, START = (Dim.symbol(name) for name in ("row_count", "row_length", "row_start"))
I0 = Dim.symbol(loop(0))


# --- sort and argsort -----------------------------------------------------------------------------


def lower_sort(context: Lowering, node: Node) -> list[Step]:
    """The launch of a sort: rows are chunks, each with scratch memory of its own."""
    return [_sorting(context, node, "sort_row", [node.inputs[0].dtype])]


def lower_argsort(context: Lowering, node: Node) -> list[Step]:
    """The launch of an argsort: as of a sort."""
    dtype = node.inputs[0].dtype
    return [_sorting(context, node, "argsort_row", [dtype, dtype, _INT64])]


def _sorting(context: Lowering, node: Node, routine: str, scratch: Sequence[np.dtype]) -> Step:
    (x,) = node.inputs
    operands = Operands(context, node)
    source, offset = operands.read(x)
    result = operands.result()
    length, rows = x.shape[-1], product(x.shape[:-1])
    each = length * (DIGIT_TIME * x.dtype.itemsize)
    chunks = choose_chunks(rows, each)
    held = 1 if chunks is None else chunks.count
    spare = [_scratch(node, k, dtype, (held, length)) for k, dtype in enumerate(scratch)]
    operands.buffers += spare
    place = I0 * LENGTH
    places = [(source, START + place), (result, place)]
    places += [(buffer, FIRST_CHUNK * LENGTH) for buffer in spare]
    body: tuple[Stmt, ...] = (For(loop(0), 0, ROWS, (Tile(routine, tuple(places), (LENGTH,)),)),)
    sizes = (("row_count", rows), ("row_length", length), ("row_start", offset))
    return launch(operands, body, sizes, rows, each)


def _scratch(node: Node, number: int, dtype: np.dtype, shape: tuple[Size, ...]) -> Buffer:
    key = ("partial", node.out(), f"scratch{number}")
    return Buffer(f"scratch_{number}", key, "row", dtype, shape, contiguous_strides(shape))


# --- search ---------------------------------------------------------------------------------------


def lower_search(context: Lowering, node: Node) -> list[Step]:
    """The launch of a binary search for every value."""
    row, values = node.inputs
    operands = Operands(context, node)
    source, offset = operands.read(row)
    flat = replace(source, shape=(product(source.shape),), strides=(1,))
    result = operands.result()
    count, after = row.shape[0], node["after"]
    place, half, left = (Dim.symbol(f"place_{name}") for name in ("found", "half", "left"))
    found, value = Local("place_found", _INT64), Local("value", values.dtype)

    def step(element: Size, further: Size) -> Stmt:
        """Go `further` if the value belongs behind `element`."""
        held = Load(flat, (START + element,), flat.dtype)
        behind = _not(precedes(value, held)) if after else precedes(held, value)
        return Assign("place_found", Select(behind, Position(further, _INT64), found, _INT64))

    halved = (
        Let("place_half", Position(floordiv(left, 2), _INT64)),
        step(place + half - 1, place + half),
        Assign("place_left", Position(left - half, _INT64)),
    )
    turns = max(count - 1, 0).bit_length() if isinstance(count, int) else 63
    turn = halved if isinstance(count, int) else (If(compare("greater", left, 1), halved),)

    def query(index: Index) -> list[Stmt]:
        return [
            Let("value", operands.element(values, index)),
            Let("place_found", Position(0, _INT64)),
            Let("place_left", Position(LENGTH, _INT64)),
            For("turn", 0, turns, turn),
            If(compare("greater", LENGTH, 0), (step(place, place + 1),)),
            Store(result, index, found),
        ]

    body = tuple(collapse(nest(values.shape, query)))
    sizes: Parameters = (("row_length", count), ("row_start", offset))
    extent = body[0].stop if isinstance(body[0], For) else 1
    each = SEARCH_TIME * (turns + 1) * _turns_within(body[0])
    return [launch(operands, body, sizes, extent, each)]


def _turns_within(stmt: Stmt) -> Size:
    """How often one turn of the outermost loop runs the innermost of the perfect nest `stmt`."""
    turns: Size = 1
    while isinstance(stmt, For) and isinstance(stmt.body[0], For):
        stmt = stmt.body[0]
        turns = turns * stmt.stop
    return turns


def _not(condition: Expr) -> Expr:
    return Apply("invert", (condition,), condition.dtype)


def launch(
    operands: Operands, body: tuple[Stmt, ...], parameters: Parameters, extent: Size, each: Size
) -> Launch:
    """The kernel of `body`, its outermost loop in chunks where that pays.

    Args:
        parameters: the sizes that `body` has names for.
        extent: the turns of the outermost loop.
        each: the picoseconds that one of them takes.
    """
    node = operands.node
    kernel = Kernel(node.op.name, tuple(operands.buffers), body, (node,), parameters=parameters)
    chunks = choose_chunks(extent, each)
    if chunks is None or not isinstance(body[0], For):
        return Launch(kernel)
    body = over_range(body, "stop_0")
    parameters += chunks.parameters
    return Launch(replace(kernel, body=body, parameters=parameters, chunks=chunks.count))
