"""One fused group -> one kernel.

The kernel is one nest: loops over the rows, and inside them one loop over the row for each phase.
A phase ends where a reduction of the row must be complete: softmax has three (maximum, sum, write).
Values are made on demand at the outermost loop where their index is known, and remembered there.
"""

from __future__ import annotations

from graphc.fuse_values import Member, expand, kind_of
from graphc.indexing import loop, trace, whole
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Buffer,
    Const,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Load,
    Position,
    Stmt,
    Store,
)
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
from graphc.lower.collapse import collapse, pass_extents
from graphc.lower.reduction import Accumulator, accumulator, identity
from graphc.lower.values import Block, ValueLowering, combine_of
from graphc.types import DTYPES, Dim, Shape, Size, floordiv, product

_INT64 = DTYPES["int64"]
_I0 = Dim.symbol(loop(0))
FLAT_UNIT = 1024
"""Chunks of a flat loop are a multiple of so many elements: no two share a line of the cache."""
BLOCK = 128
"""Elements that are summed in any order before partial sums are combined: NumPy's own figure."""


class GroupLowering(ValueLowering):
    """Builds the kernel of one group."""

    range: tuple[Size, Size] | None = None
    """Start and stop of the outermost loop, while the loop over chunks is emitted."""

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
        order = {node: k for k, node in enumerate(self.context.order)}
        nodes = tuple(sorted(self.nodes, key=lambda node: order.get(node, -1)))
        return Kernel(
            self.kernel_name(nodes),
            tuple(self.buffers.values()),
            body,
            nodes,
            tuple(self.sites),
            self.flops,
            parameters,
            1 if self.chunks is None else self.chunks.count,
            tuple(collapse(self.finish)),
        )

    def emit(self) -> tuple[Stmt, ...]:
        """The body; again with what later phases turned out to need of earlier ones."""
        while True:
            before = len(self.scratch)
            self.reset()
            self.finish: list[Stmt] = []
            if self.chunks is not None and self.has_partials():
                self.chunked_nest()
            else:
                self.nest(0)
            if len(self.scratch) == before:
                return tuple(collapse(self.blocks[0].body))

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

    def privatised(self) -> list[Member]:
        """Accumulations into a buffer, of which each chunk needs a copy of its own."""
        found = [m for m in self.accumulations() if self.initialised(m)]
        if self.rows == 0:
            return [m for m in found if not self.row_constant(m)]
        return [m for m in found if _I0 not in m.index]

    def held_bytes(self) -> Size:
        """The bytes of the partial results of one chunk."""
        held: Size = 0
        for member in self.privatised():
            held = held + member.value.tensor.nbytes
        return held

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
        if self.rows == 0:
            for member in [m for m, _ in finished if m.kind == "accumulate"]:
                result = self.results.pop(member.value)
                body.append(Store(self.buffer(member.value, "update"), member.index, result))
            self.row(done=1)

    def add_partial_buffers(self, member: Member) -> None:
        """Emit the sum, or other reduction, of the chunks' buffers of one accumulation."""
        value = member.value
        target = self.buffer(value, "update")
        self.fill(member, target, ())
        places, names = _element_loops(value.shape)
        source = self.partial(value, "part", value.dtype, value.shape)
        part = Load(source, (Dim.symbol(CHUNK), *places), value.dtype)
        stmt: Stmt = Accumulate(target, places, combine_of(value), part)
        for name, size in reversed(names):
            stmt = For(name, 0, size, (stmt,))
        self.blocks[0].body.append(For(CHUNK, 0, COUNT, (stmt,)))

    def kernel_name(self, nodes: tuple[Node, ...]) -> str:
        names = [node.op.name for node in nodes if kind_of(node.out()) in ("point", "reduce")]
        picked = list(dict.fromkeys(names))
        if not picked:
            return "copy"
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

    def loop_over(self, depth: int) -> None:
        """Emit the loop at `depth`, over the chunk's range if that is the outermost one."""
        outer = self.blocks[-1].body
        inner = Block(depth + 1)
        self.blocks.append(inner)
        self.nest(depth + 1)
        self.blocks.pop()
        start, stop = self.bounds_of(depth)
        outer.append(For(loop(depth), start, stop, tuple(inner.body)))

    def bounds_of(self, depth: int) -> tuple[Size, Size]:
        """Where the loop at `depth` starts and stops."""
        if depth == 0 and self.range is not None:
            return self.range
        return 0, self.group.dims[depth]

    def at_level(self, depth: int) -> list[Member]:
        return [m for m in self.wanted("point") if m.level == depth]

    def wanted(self, kind: str) -> list[Member]:
        found = [m for m in self.group.members.values() if m.kind == kind]
        if self.group.copy_to is not None:
            return found
        return [m for m in found if m.value in self.stored]

    def accumulations(self) -> list[Member]:
        return self.wanted("accumulate")

    def target_depth(self, member: Member) -> int:
        """The depth at which the target element of an accumulation is known."""
        loops = [int(str(p)[1:]) + 1 for p in member.index if not isinstance(p, int)]
        depth = max(loops, default=0)
        return depth if depth < self.rows else self.rows

    def in_register(self, member: Member) -> bool:
        return self.target_depth(member) < self.rows

    def complete(self, member: Member) -> bool:
        """Whether one visit of its target depth sees every element of the reduction."""
        loops = {str(p) for p in member.index if not isinstance(p, int)}
        return loops == {loop(k) for k in range(self.target_depth(member))}

    def initialised(self, member: Member) -> bool:
        """Whether an accumulation goes into its buffer, which must hold the identity before."""
        return not (self.in_register(member) and self.complete(member))

    def initialise(self) -> None:
        """Set buffers that are accumulated into to the identity."""
        for member in self.accumulations():
            in_states = self.range is not None and self.rows == 0 and self.row_constant(member)
            if self.initialised(member) and not in_states:
                self.fill(member, *self.target(member))

    def target(self, member: Member) -> tuple[Buffer, Index]:
        """The buffer of an accumulation, and the leading index of the part for this chunk."""
        value = member.value
        if self.range is None or member not in self.privatised():
            return self.buffer(value, "update"), ()
        return self.partial(value, "part", value.dtype, value.shape), (Dim.symbol(CHUNK),)

    def fill(self, member: Member, target: Buffer, chunk: Index) -> None:
        """Set an accumulation's buffer, or what a chunk reaches of it, to the identity."""
        value = member.value
        places, names = _element_loops(value.shape)
        start = Const(identity(combine_of(value), value.dtype), value.dtype)
        stmt: Stmt = Store(target, (*chunk, *places), start)
        for name, size in reversed(names):
            position = member.index[places.index(Dim.symbol(name))]
            own = position == _I0 and not chunk
            first, stop = self.bounds_of(0) if own else (0, size)
            stmt = For(name, first, stop, (stmt,))
        self.blocks[-1].body.append(stmt)

    def declare(self, member: Member, mode: str) -> Accumulator:
        return accumulator(self, member.value, combine_of(member.value), mode, self.blocks[-1].body)

    def finish_total(self, member: Member, state: Accumulator) -> None:
        value = member.value
        result = state.finish(self.blocks[-1].body)
        if self.complete(member):
            stmt: Stmt = Store(self.buffer(value, "write"), member.index, result)
        else:
            stmt = self.into_target(member, result)
        self.blocks[-1].body.append(stmt)

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
        value = self.read(member.value, member.index, top=True)
        self.pending.append(Store(self.buffer(member.value, "write"), member.index, value))

    def store_result(self, member: Member) -> None:
        result = self.results[member.value]
        self.pending.append(Store(self.buffer(member.value, "write"), member.index, result))

    def flush(self) -> None:
        """Emit the stores held back, so that operands are read before results are written."""
        self.blocks[-1].body.extend(self.pending)
        self.pending = []

    def accumulate(self, member: Member, value: Expr) -> None:
        """Add one row's `value` to an accumulation."""
        self.nodes[member.value.node] = None
        if self.in_register(member):
            self.held[member.value].add(self.blocks[-1].body, value)
            return
        self.blocks[-1].body.append(self.into_target(member, value))

    def into_target(self, member: Member, value: Expr) -> Stmt:
        target, chunk = self.target(member)
        return Accumulate(target, (*chunk, *member.index), combine_of(member.value), value)

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
            value = self.read(member.value, member.index, top=True)
            pending.append(Store(self.buffer(member.value, "write"), member.index, value))
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

    def needed(self, member: Member) -> bool:
        """Whether a stored member depends on `member`."""
        if not self.alive:
            stack = [m for m in self.group.members.values() if m.value in self.stored]
            while stack:
                found = stack.pop()
                if found.value in self.alive:
                    continue
                self.alive.add(found.value)
                if found.kind == "point":
                    stack.extend(self.members_read(found.value, found.index, top=True))
                else:
                    stack.extend(self.members_read(self.operand(found), found.operand_index))
        return member.value in self.alive

    def members_read(self, value: Value, index: Index, top: bool = False) -> list[Member]:
        """The members that `value` at `index` is made from."""
        base, place = trace(value, index, self.bounds)
        member = self.member(base)
        if member is not None and not top:
            return [member]
        if kind_of(base) not in ("point", "free") or (member is None and kind_of(base) == "point"):
            return []
        reads = expand(base, place)[1]
        return [m for r in reads for m in self.members_read(r.value, r.index)]

    def row_constant(self, member: Member) -> bool:
        """Whether the target of an accumulation stays the same along a row."""
        row_loops = {loop(k) for k in range(self.rows, self.depth)}
        return not any(str(p) in row_loops for p in member.index)

    def flat(self, member: Member) -> Size:
        """The position in the flattened reduced axes, for arg-max and arg-min."""
        node = member.value.node
        shape = node.inputs[0].shape
        position: Size = 0
        for axis in node["axes"]:
            position = position * shape[axis] + member.operand_index[axis]
        return position


def _element_loops(shape: Shape) -> tuple[Index, list[tuple[str, Size]]]:
    """The index of an element of `shape`, and its loop variables with their extents."""
    index, bounds = whole(shape)
    return index, list(bounds.items())
