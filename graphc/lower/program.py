"""Ops with a program of their own: loops and calls of library routines, one batch place at a time.

Routines of BLAS and LAPACK are called from the calling thread; they may use threads of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from graphc.errors import LinAlgError
from graphc.indexing import contiguous_strides, linear, loop, unravel
from graphc.ir import Node
from graphc.loops import (
    Apply,
    Buffer,
    Const,
    Expr,
    For,
    Index,
    Load,
    Require,
    Site,
    Stmt,
    Store,
    Template,
    Tile,
)
from graphc.loops_program import Address, Argument, Leading
from graphc.lower.chunk import FIRST_CHUNK, LAST_CHUNK, MOST_CHUNKS
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands, kernel_of, nest
from graphc.lower.product import STOP, split_stop
from graphc.ops import constant
from graphc.types import DTYPES, Dim, Shape, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

INT64 = DTYPES["int64"]
LEAST = 50_000
"""Nanoseconds that a chunk should take: several times what it costs to start a thread."""


def lower_program(context: Lowering, node: Node) -> list[Step]:
    """The launch of an op's program, once for each place of its batch."""
    template = node.op.lower
    assert isinstance(template, Template)
    assert template.program is not None
    first = node.inputs[0].shape
    batch = first[: len(first) - template.core]
    if template.work is not None and product(batch) not in (0, 1):
        return [_chunked(context, node, batch, template.work(node))]
    builder = Builder(context, node, len(batch))

    def one(index: Index) -> list[Stmt]:
        return builder.place(index)

    body = nest(batch, one)
    return [Launch(kernel_of(builder.operands, node.op.name, body, builder.sites))]


def _chunked(context: Lowering, node: Node, batch: Shape, work: int) -> Step:
    """The launch of a program whose places are split into chunks, each with scratch of its own.

    How many places a chunk has follows from the sizes alone, never from the number of threads.
    """
    places = product(batch)
    grain = max(1, LEAST // max(work, 1))
    if isinstance(places, int):
        grain = max(grain, -(-places // MOST_CHUNKS))
    count = floordiv(places + (grain - 1), grain)
    chunk = Dim.symbol(loop(0))
    # Chunks that one thread runs in one go share its scratch, which then stays in cache.
    builder = Builder(context, node, 2, count, FIRST_CHUNK)
    place = unravel(Dim.symbol(loop(1)), batch)
    inner = For(loop(1), chunk * grain, Dim.symbol(STOP), tuple(builder.place(place)))
    last = split_stop((chunk + 1) * grain, places)
    body = (For(loop(0), FIRST_CHUNK, LAST_CHUNK, (last, inner)),)
    kernel = kernel_of(builder.operands, node.op.name, body, builder.sites)
    return Launch(replace(kernel, chunks=count))


class Builder:
    """Gathers one program's statements; see `graphc.loops_program.ProgramBuilder`."""

    def __init__(
        self, context: Lowering, node: Node, depth: int, chunks: Size = 1, chunk: Size = 0
    ) -> None:
        self.node = node
        self.chunks, self.chunk = chunks, chunk
        self.operands = Operands(context, node)
        self.depth = depth
        self.batch: Index = ()
        self.body: list[Stmt] = []
        self.sites: list[Site] = []

    def place(self, index: Index) -> list[Stmt]:
        """The statements of the program at one place of the batch."""
        template = self.node.op.lower
        assert isinstance(template, Template)
        assert template.program is not None
        self.batch = index
        template.program(self.node, self)
        return self.body

    def element(self, operand: int, index: Index) -> Expr:
        return self.operands.element(self.node.inputs[operand], (*self.batch, *index))

    def constant(self, array: np.ndarray) -> Buffer:
        value = constant(array)
        return self.operands.add(value, value, "read")

    def scratch(self, name: str, dtype: np.dtype, shape: Shape) -> Buffer:
        key = ("row", self.node.out(), name)
        taken = {buffer.name for buffer in self.operands.buffers}
        free = name
        while free in taken:
            free += "_"
        held = (self.chunks, *shape)
        buffer = Buffer(free, key, "row", dtype, held, contiguous_strides(held))
        self.operands.buffers.append(buffer)
        return buffer

    def load(self, buffer: Buffer, *index: Size) -> Expr:
        return Load(buffer, self._scratch_index(buffer, index), buffer.dtype)

    def store(self, buffer: Buffer, index: Index, value: Expr) -> Stmt:
        return Store(buffer, self._scratch_index(buffer, index), value)

    def _scratch_index(self, buffer: Buffer, index: Index) -> Index:
        return (self.chunk, *index) if buffer.role == "row" else index

    def result(self, output: int, index: Index, value: Expr) -> Stmt:
        made = self.node.out(output)
        return Store(self.operands.add(made, made, "write"), (*self.batch, *index), value)

    def output(self, output: int) -> Address:
        made = self.node.out(output)
        strides = contiguous_strides(made.shape)[: len(self.batch)]
        return Address(self.operands.add(made, made, "write"), linear(self.batch, strides))

    def nest(self, shape: Shape, body: Callable[[Index], Sequence[Stmt]]) -> list[Stmt]:
        first = self.depth
        index: Index = tuple(Dim.symbol(loop(first + axis)) for axis in range(len(shape)))
        self.depth = first + len(shape)
        stmts = list(body(index))
        self.depth = first
        for axis in range(len(shape) - 1, -1, -1):
            stmts = [For(loop(first + axis), 0, shape[axis], tuple(stmts))]
        return stmts

    def add(self, *statements: Stmt) -> None:
        self.body += statements

    def call(self, routine: str, *arguments: Argument, problem: str = "") -> None:
        if not problem:
            self.body.append(self._call(routine, arguments))
            return
        info = next((b for b in self.operands.buffers if b.name == "info"), None)
        if info is None:
            info = self.scratch("info", INT64, (1,))
        zero = Const(0, INT64)
        self.body.append(self.store(info, (0,), zero))
        self.body.append(self._call(routine, (*arguments, info)))
        done = Apply("equal", (self.load(info, 0), zero), DTYPES["bool"])
        self.body.append(Require(done, len(self.sites)))
        self.sites.append(Site(self.node, problem=problem, error=LinAlgError))

    def _call(self, routine: str, arguments: Sequence[Argument]) -> Tile:
        places: list[tuple[Buffer, Size]] = []
        sizes: list[Size] = []
        forms: list[str] = []
        for argument in arguments:
            match argument:
                case Buffer():
                    places.append((argument, 0))
                    forms.append("address")
                case Address():
                    places.append((argument.buffer, argument.offset))
                    forms.append("address")
                case Leading():
                    sizes.append(argument.size)
                    forms.append("leading")
                case str():
                    forms.append(argument)
                case _:
                    sizes.append(argument)
                    forms.append("integer")
        places.append((self.operands.function(routine), 0))
        return Tile("routine", tuple(places), tuple(sizes), (routine, *forms))
