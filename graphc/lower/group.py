"""One fused group -> one kernel.

The kernel is one nest: loops over the rows, and inside them one loop over the row for each phase.
A phase ends where a reduction of the row must be complete: softmax has three (maximum, sum, write).
Values are made on demand at the outermost loop where their index is known, and remembered there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.fuse_values import Member, expand, kind_of
from graphc.indexing import loop, trace
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Const,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Position,
    Stmt,
    Store,
)
from graphc.lower.collapse import collapse, pass_extents
from graphc.lower.reduction import Accumulator, accumulator, identity
from graphc.lower.values import Block, ValueLowering, combine_of
from graphc.types import DTYPES, Dim, Size, product

if TYPE_CHECKING:
    pass

_INT64 = DTYPES["int64"]
BLOCK = 128
"""Elements that are summed in any order before partial sums are combined: NumPy's own figure."""


class GroupLowering(ValueLowering):
    """Builds the kernel of one group."""

    def build(self) -> Kernel | None:
        """The kernel, or None if nothing needs the group's results."""
        if not self.stored and self.group.copy_to is None:
            return None
        while True:
            before = len(self.scratch)
            self.reset()
            self.nest(0)
            if len(self.scratch) == before:
                break
        for value in self.demands:
            self.context.demand(value)
        body, parameters = pass_extents(tuple(collapse(self.blocks[0].body)))
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
        )

    def kernel_name(self, nodes: tuple[Node, ...]) -> str:
        names = [node.op.name for node in nodes if kind_of(node.out()) in ("point", "reduce")]
        picked = list(dict.fromkeys(names))
        if not picked:
            return "copy"
        return "_".join(picked[:3]) if len(picked) <= 3 else f"{picked[0]}_to_{picked[-1]}"

    # --- the nest ---

    def nest(self, depth: int) -> None:
        """Emit the loops from `depth` inwards."""
        block = self.blocks[-1]
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
        inner = Block(depth + 1)
        self.blocks.append(inner)
        self.nest(depth + 1)
        self.blocks.pop()
        extent = self.group.dims[depth]
        block.body.append(For(loop(depth), 0, extent, tuple(inner.body)))
        for member in totals:
            self.finish_total(member, self.held[member.value])

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

    def initialise(self) -> None:
        """Set buffers that are accumulated into to the identity."""
        for member in self.accumulations():
            if self.in_register(member) and self.complete(member):
                continue
            value = member.value
            shape = value.shape
            index: list[Size] = []
            names: list[tuple[str, Size]] = []
            for size in shape:
                if size == 1:
                    index.append(0)
                    continue
                names.append((loop(len(names)), size))
                index.append(Dim.symbol(names[-1][0]))
            start = Const(identity(combine_of(value), value.dtype), value.dtype)
            stmt: Stmt = Store(self.buffer(value, "update"), tuple(index), start)
            for name, size in reversed(names):
                stmt = For(name, 0, size, (stmt,))
            self.blocks[0].body.append(stmt)

    def declare(self, member: Member, mode: str) -> Accumulator:
        return accumulator(self, member.value, combine_of(member.value), mode, self.blocks[-1].body)

    def finish_total(self, member: Member, state: Accumulator) -> None:
        value = member.value
        result = state.finish(self.blocks[-1].body)
        if self.complete(member):
            stmt: Stmt = Store(self.buffer(value, "write"), member.index, result)
        else:
            stmt = Accumulate(self.buffer(value, "update"), member.index, combine_of(value), result)
        self.blocks[-1].body.append(stmt)

    def row(self) -> None:
        """Emit one row: its phases, and what is computed between them."""
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
            if self.rows < self.depth:
                self.run_phase(phase)
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
        target = self.buffer(member.value, "update")
        self.blocks[-1].body.append(
            Accumulate(target, member.index, combine_of(member.value), value)
        )

    def run_phase(self, phase: int) -> None:
        """One pass over the row."""
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
            return
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
                target = self.buffer(member.value, "update")
                pending.append(Accumulate(target, member.index, combine_of(member.value), value))
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
        for member in reductions:
            self.results[member.value] = states[member.value].finish(row_block.body)
        for member in sums:
            if member.value in partial:
                self.accumulate(member, partial[member.value].finish(row_block.body))

    def close_row_loops(self, blocked: bool, states: list[Accumulator]) -> None:
        for depth in range(self.depth - 1, self.rows - 1, -1):
            block = self.blocks.pop()
            name, extent = loop(depth), self.group.dims[depth]
            outer = self.blocks[-1].body
            if depth < self.depth - 1 or not blocked:
                outer.append(For(name, 0, extent, tuple(block.body)))
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
            outer.append(For(start, 0, extent, tuple(body), BLOCK))

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
