"""The reductions of a group over loops other than a row's own: where they are summed up, and how.

A total that is known at an outer loop is kept in variables; any other is accumulated into its
buffer. In a kernel of many chunks each has variables or a part of its own, put together at the end.
"""

from __future__ import annotations

from graphc.fuse.values import Member, expand, kind_of
from graphc.indexing import loop, trace, whole
from graphc.ir import Value
from graphc.loops import Accumulate, Buffer, Const, Expr, For, Index, Load, Stmt, Store
from graphc.lower.chunk import CHUNK, COUNT
from graphc.lower.reduction import Accumulator, accumulator, identity
from graphc.lower.values import ValueLowering, combine_of
from graphc.types import Dim, Shape, Size

_I0 = Dim.symbol(loop(0))


class AccumulationLowering(ValueLowering):
    """Knows the accumulations of a group, and the parts of them that chunks have."""

    range: tuple[Size, Size] | None = None
    """Start and stop of the outermost loop, while the loop over chunks is emitted."""

    def wanted(self, kind: str) -> list[Member]:
        found = [m for m in self.group.members.values() if m.kind == kind]
        if self.group.copy_to is not None:
            return found
        return [m for m in found if m.value in self.stored]

    def accumulations(self) -> list[Member]:
        found = [m for m in self.group.members.values() if m.kind == "accumulate"]
        return [m for m in found if self.group.copy_to is not None or self.needed(m)]

    def needed(self, member: Member) -> bool:
        """Whether a stored member depends on `member`."""
        if not self.alive:
            stack = [m for m in self.group.members.values() if m.value in self.stored]
            while stack:
                found = stack.pop()
                if found.value in self.alive:
                    continue
                self.alive.add(found.value)
                if found.kind in ("point", "after"):
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

    def bounds_of(self, depth: int) -> tuple[Size, Size]:
        """Where the loop at `depth` starts and stops."""
        if depth == 0 and self.range is not None:
            return self.range
        return 0, self.group.dims[depth]

    # --- buffers that are accumulated into ---

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

    def into_target(self, member: Member, value: Expr) -> Stmt:
        target, chunk = self.target(member)
        return Accumulate(target, (*chunk, *member.index), combine_of(member.value), value)

    def accumulate(self, member: Member, value: Expr) -> None:
        """Add one row's `value` to an accumulation."""
        self.nodes[member.value.node] = None
        if self.in_register(member):
            self.held[member.value].add(self.blocks[-1].body, value)
            return
        self.blocks[-1].body.append(self.into_target(member, value))

    def declare(self, member: Member, mode: str) -> Accumulator:
        return accumulator(self, member.value, combine_of(member.value), mode, self.blocks[-1].body)

    def finish_total(self, member: Member, state: Accumulator) -> None:
        value = member.value
        result = state.finish(self.blocks[-1].body)
        if self.complete(member):
            self.results[value] = result
            if value not in self.stored:
                return
            stmt: Stmt = Store(self.buffer(value, "write"), member.index, result)
        else:
            stmt = self.into_target(member, result)
        self.blocks[-1].body.append(stmt)

    # --- parts of chunks ---

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


def _element_loops(shape: Shape) -> tuple[Index, list[tuple[str, Size]]]:
    """The index of an element of `shape`, and its loop variables with their extents."""
    index, bounds = whole(shape)
    return index, list(bounds.items())
