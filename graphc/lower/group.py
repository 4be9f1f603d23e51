"""One fused group -> one kernel.

The kernel is one nest: loops over the rows, and inside them one loop over the row for each phase.
A phase ends where a reduction of the row must be complete: softmax has three (maximum, sum, write).
Values are made on demand at the outermost loop where their index is known, and remembered there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.fuse.values import Group, Member, kind_of
from graphc.fuse.windows import chains_of
from graphc.indexing import loop
from graphc.ir import Node, Value
from graphc.loops import (
    Apply,
    Buffer,
    For,
    Index,
    Kernel,
    Let,
    Position,
    Stmt,
    Store,
)
from graphc.lower.accumulation import AccumulationLowering
from graphc.lower.chunk import (
    CHUNK,
    COUNT,
    FIRST_CHUNK,
    GRAIN,
    LAST_CHUNK,
    Chunks,
    choose_chunks,
    end,
    over_range,
    picoseconds,
)
from graphc.lower.collapse import collapse, flatten, join_loops, pass_extents, prune
from graphc.lower.reduction import Accumulator
from graphc.lower.search import stop_early
from graphc.lower.split import split_branches, split_divided
from graphc.lower.values import Block
from graphc.types import DTYPES, Dim, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

_INT64 = DTYPES["int64"]
FLAT_UNIT = 1024
"""Chunks of a flat loop are a multiple of so many elements: no two share a line of the cache."""
BLOCK = 128
"""Elements that are summed in any order before partial sums are combined: NumPy's own figure."""


class GroupLowering(AccumulationLowering):
    """Builds the kernel of one group; what the updates `windows` write goes where they put it."""

    def __init__(self, context: Lowering, group: Group, windows: Sequence[Node] = ()) -> None:
        self.windows: dict[Value, list[Node]] = {}
        for node in windows:
            self.windows.setdefault(node.inputs[1], []).append(node)
        self.ends = {node: chain[-1] for chain in chains_of(windows) for node in chain}
        super().__init__(context, group)
        copies = group.copy_to is not None
        self.elsewhere = {v for v in self.windows if copies or v not in context.demanded}
        self.stored |= set(self.windows)

    def build(self) -> Kernel | None:
        """The kernel, or None if nothing needs the group's results."""
        if not self.stored and self.group.copy_to is None:
            return None
        body = self.emit()
        self.chunks = self.choose(body)
        if self.chunks is not None:
            body = self.emit()
        for value in self.demands:
            self.context.demand(value)
        body, parameters = pass_extents(body)
        if self.chunks is not None:
            parameters += self.chunks.parameters
            if not self.has_partials():
                body = over_range(body, self.fresh("stop"))
        body = stop_early(prune(split_branches(body, self.fresh)), self.fresh)
        order = {node: k for k, node in enumerate(self.context.order)}
        nodes = tuple(sorted(self.nodes, key=lambda node: order.get(node, -1)))
        return Kernel(
            self.kernel_name(nodes),
            tuple(self.buffers.values()),
            body,
            nodes,
            tuple(self.sites),
            sum((reduced(node) for node in nodes), self.flops),
            parameters,
            1 if self.chunks is None else self.chunks.count,
            tuple(collapse(self.finish)),
        )

    def emit(self) -> tuple[Stmt, ...]:
        """The body, its loops joined."""
        return tuple(join_loops(split_divided(join_loops(self.emit_nest()), self.fresh)))

    def emit_nest(self) -> list[Stmt]:
        """The loops one by one; again with what later phases turned out to need of earlier ones."""
        while True:
            before = len(self.scratch)
            self.reset()
            self.finish: list[Stmt] = []
            if self.chunks is not None and self.has_partials():
                self.chunked_nest()
            else:
                self.nest(0)
            if len(self.scratch) == before:
                return flatten(self.blocks[0].body)

    # --- chunks ---

    def choose(self, body: tuple[Stmt, ...]) -> Chunks | None:
        """How the work of `body` is split: its outermost loop, where that is one."""
        nests = [stmt for stmt in body if isinstance(stmt, For)]
        filled = [m for m in self.accumulations() if self.initialised(m)]
        count = len(nests) - sum(any(size != 1 for size in m.value.shape) for m in filled)
        if not nests or count != 1 or self.group.dims[0] == 0:
            return None
        outer = nests[-1]
        each = picoseconds(outer.body)
        if not self.has_partials():
            flat = not any(isinstance(stmt, For) for stmt in outer.body)
            return choose_chunks(outer.stop, each, FLAT_UNIT if flat else 1)
        extent = self.group.dims[0]
        each = each * floordiv(outer.stop, extent)
        unit = BLOCK if outer.step == BLOCK else 1
        return choose_chunks(extent, each, unit, self.held_bytes())

    def has_partials(self) -> bool:
        """Whether chunks leave something to be put together, or to be done once."""
        if self.rows == 0 or any(self.at_level(0)):
            return True
        return any(self.target_depth(m) == 0 or self.initialised(m) for m in self.accumulations())

    def chunked_nest(self) -> None:
        """Emit a loop over chunks, and the statements that put their results together."""
        assert self.chunks is not None
        outer = self.blocks[0]
        inside = Block(1)
        self.blocks.append(inside)
        chunk, stop = Dim.symbol(CHUNK), self.fresh("stop")
        extent = self.group.dims[0]
        inside.body.append(Let(stop, end(chunk + 1, extent)))
        self.range = (chunk * GRAIN, Dim.symbol(stop))
        self.initialise()
        states: list[tuple[Member, Accumulator]] = []
        if self.rows == 0:
            states = self.run_phase(0)
        else:
            totals = [m for m in self.accumulations() if self.target_depth(m) == 0]
            for member in totals:
                self.held[member.value] = self.declare(member, "wide")
            states = [(member, self.held[member.value]) for member in totals]
            self.loop_over(0)
        for member, state in states:
            state.keep(inside.body, member.value, chunk)
        self.blocks.pop()
        outer.body.append(For(CHUNK, FIRST_CHUNK, LAST_CHUNK, tuple(inside.body)))
        self.range = None
        self.blocks = [Block(0)]
        self.put_together(states)
        self.finish = self.blocks[0].body
        self.blocks = [outer]

    def put_together(self, states: list[tuple[Member, Accumulator]]) -> None:
        """Emit what runs once, after all chunks: partial results in order, then what they give."""
        body = self.blocks[0].body
        finished = []
        for member, state in states:
            whole = self.declare(member, state.mode)
            whole.add_kept(body, member.value, CHUNK, COUNT)
            finished.append((member, whole))
        for member in self.privatised():
            self.add_partial_buffers(member)
        for member in self.at_level(0) if self.rows else ():
            self.store_member(member)
        self.flush()
        for member, whole in finished:
            if self.rows:
                self.finish_total(member, whole)
            else:
                self.results[member.value] = whole.finish(body)
        if self.rows:
            self.after_loops()
        else:
            for member in [m for m, _ in finished if m.kind == "accumulate"]:
                result = self.results.pop(member.value)
                body.append(Store(self.buffer(member.value, "update"), member.index, result))
            self.row(done=1)

    def kernel_name(self, nodes: tuple[Node, ...]) -> str:
        names = [node.op.name for node in nodes if kind_of(node.out()) in ("point", "reduce")]
        picked = list(dict.fromkeys(names))
        if not picked:
            return "update" if self.windows else "copy"
        if self.windows:
            picked.append("update")
        return "_".join(picked[:3]) if len(picked) <= 3 else f"{picked[0]}_to_{picked[-1]}"

    # --- the nest ---

    def nest(self, depth: int) -> None:
        """Emit the loops from `depth` inwards."""
        if depth == 0:
            self.initialise()
        if depth == self.rows:
            self.row()
            return
        for member in self.at_level(depth):
            self.store_member(member)
        self.flush()
        totals = [m for m in self.accumulations() if self.target_depth(m) == depth]
        for member in totals:
            self.held[member.value] = self.declare(member, "wide")
        self.loop_over(depth)
        for member in totals:
            self.finish_total(member, self.held[member.value])
        if depth == 0:
            self.after_loops()

    def after_loops(self) -> None:
        """Store the scalars that are made from totals."""
        for member in self.wanted("after"):
            self.store_member(member)
        self.flush()

    def loop_over(self, depth: int) -> None:
        """Emit the loop at `depth`, over the chunk's range if that is the outermost one."""
        outer = self.blocks[-1].body
        inner = Block(depth + 1)
        self.blocks.append(inner)
        self.nest(depth + 1)
        self.blocks.pop()
        start, stop = self.bounds_of(depth)
        outer.append(For(loop(depth), start, stop, tuple(inner.body)))

    def at_level(self, depth: int) -> list[Member]:
        return [m for m in self.wanted("point") if m.level == depth]

    def row(self, done: int = 0) -> None:
        """Emit one row: its phases, and what is computed between them; `done` passes are made."""
        members = self.group.members.values()
        last = max((self.stage(m) + (m.kind == "row") for m in members), default=0)
        for phase in range(last + 1):
            self.phase = phase
            for member in self.at_level(self.rows):
                if self.stage(member) == phase:
                    self.store_member(member)
            for member in self.wanted("row"):
                if self.stage(member) + 1 == phase:
                    self.store_result(member)
            if self.rows < self.depth and phase >= done:
                self.finish_phase(self.run_phase(phase))
            for member in self.accumulations():
                if member.level == self.rows and self.stage(member) == phase:
                    self.accumulate(member, self.read(self.operand(member), member.operand_index))
        self.flush()

    def store_member(self, member: Member) -> None:
        self.pending += self.stores(member)

    def stores(self, member: Member) -> list[Stmt]:
        """The stores of one element, to the member's buffer and into the results of updates."""
        value = self.read(member.value, member.index, top=True)
        found: list[Stmt] = []
        if member.value not in self.elsewhere:
            found.append(Store(self.buffer(member.value, "write"), member.index, value))
        for node in self.windows.get(member.value, ()):
            self.nodes[node] = None
            found.append(Store(self.window(node), window_index(node, member.index), value))
        return found

    def window(self, node: Node) -> Buffer:
        """The buffer of the result of an update, or of the last one where others follow it."""
        value = self.ends[node].out()
        if value not in self.buffers:
            name = self.buffer_name(self.context.buffer_name(value, value))
            strides = self.context.strides(value)
            buffer = Buffer(name, value, "part", value.dtype, value.shape, strides)
            self.buffers[value] = buffer
        return self.buffers[value]

    def store_result(self, member: Member) -> None:
        result = self.results[member.value]
        self.pending.append(Store(self.buffer(member.value, "write"), member.index, result))

    def flush(self) -> None:
        """Emit the stores held back, so that operands are read before results are written."""
        self.blocks[-1].body.extend(self.pending)
        self.pending = []

    def run_phase(self, phase: int) -> list[tuple[Member, Accumulator]]:
        """One pass over the row; gives the reductions that it has made."""
        row_block = self.blocks[-1]
        reductions = [
            m
            for m in self.group.members.values()
            if m.kind == "row" and self.stage(m) == phase and self.needed(m)
        ]
        sums = [m for m in self.accumulations() if m.level == self.depth and self.stage(m) == phase]
        stores = [m for m in self.at_level(self.depth) if self.stage(m) == phase]
        kept = [v for v in self.scratch if self.stage(self.group.members[v]) == phase]
        if not (reductions or sums or stores or kept):
            return []
        row_size = product(self.group.dims[self.rows :])
        mode = "plain" if isinstance(row_size, int) and row_size <= 2 * BLOCK else "blocked"
        for member in (*reductions, *sums):
            self.nodes[member.value.node] = None
        states = {m.value: self.declare(m, mode) for m in reductions}
        partial = {m.value: self.declare(m, mode) for m in sums if self.row_constant(m)}
        blocked = any(s.mode == "blocked" for s in (states | partial).values())
        for depth in range(self.rows, self.depth):
            self.blocks.append(Block(depth + 1))
        inner = self.blocks[-1]
        all_states = list((states | partial).values())
        for member in reductions:
            value = self.read(self.operand(member), member.operand_index)
            states[member.value].combine(inner.body, value, self.flat(member), blocked)
        pending: list[Stmt] = []
        for member in sums:
            value = self.read(self.operand(member), member.operand_index)
            if member.value in partial:
                partial[member.value].combine(inner.body, value, 0, blocked)
            else:
                pending.append(self.into_target(member, value))
        for member in stores:
            pending += self.stores(member)
        for value_ in kept:
            member = self.group.members[value_]
            value = self.read(value_, member.index, top=True)
            buffer, place = self.row_buffer(value_)
            pending.append(Store(buffer, place, value))
        inner.body.extend(pending)
        self.close_row_loops(blocked, all_states)
        assert self.blocks[-1] is row_block
        found = states | partial
        return [(m, found[m.value]) for m in (*reductions, *sums) if m.value in found]

    def finish_phase(self, states: list[tuple[Member, Accumulator]]) -> None:
        """Use what one pass over the row has reduced."""
        for member, state in states:
            result = state.finish(self.blocks[-1].body)
            if member.kind == "row":
                self.results[member.value] = result
            else:
                self.accumulate(member, result)

    def close_row_loops(self, blocked: bool, states: list[Accumulator]) -> None:
        for depth in range(self.depth - 1, self.rows - 1, -1):
            block = self.blocks.pop()
            name = loop(depth)
            first, extent = self.bounds_of(depth)
            outer = self.blocks[-1].body
            if depth < self.depth - 1 or not blocked:
                outer.append(For(name, first, extent, tuple(block.body)))
                continue
            start, stop = self.fresh("block"), self.fresh("stop")
            ends = Apply(
                "minimum",
                (
                    Position(Dim.symbol(start) + BLOCK, _INT64),
                    Position(extent, _INT64),
                ),
                _INT64,
            )
            body: list[Stmt] = [Let(stop, ends)]
            for state in states:
                state.open_block(body)
            body.append(For(name, Dim.symbol(start), Dim.symbol(stop), tuple(block.body)))
            for state in states:
                state.close_block(body)
            outer.append(For(start, first, extent, tuple(body), BLOCK))

    def flat(self, member: Member) -> Size:
        """The position in the flattened reduced axes, for arg-max and arg-min."""
        node = member.value.node
        shape = node.inputs[0].shape
        position: Size = 0
        for axis in node["axes"]:
            position = position * shape[axis] + member.operand_index[axis]
        return position


def window_index(node: Node, index: Index) -> Index:
    """Where an update puts the element `index` of what it writes."""
    places = zip(node["start"], node["step"], index, strict=True)
    return tuple(start + step * position for start, step, position in places)


def reduced(node: Node) -> Size:
    """The operations of a reduction beside those that make its operand: one an element."""
    return product(node.inputs[0].shape) if kind_of(node.out()) == "reduce" else 0
