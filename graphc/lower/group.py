"""One fused group -> one kernel.

The kernel is one nest: loops over the rows, and inside them one loop over the row for each phase.
A phase ends where a reduction of the row must be complete: softmax has three (maximum, sum, write).
Values are made on demand at the outermost loop where their index is known, and remembered there.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from graphc.errors import UnsupportedError
from graphc.fuse import CHEAP, Group, Member, cost, expand, kind_of
from graphc.indexing import atoms, contiguous_strides, expr_atoms, loop, simplify, trace
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Buffer,
    Cast,
    Check,
    Checked,
    Const,
    Deferred,
    Elementwise,
    Expr,
    For,
    If,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Position,
    Reduction,
    Select,
    Site,
    Stmt,
    Store,
)
from graphc.lower.collapse import collapse, pass_extents
from graphc.lower.reduction import Accumulator, accumulator, identity
from graphc.types import DTYPES, Dim, Size, product, substitute

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

_INT64 = DTYPES["int64"]
BLOCK = 128
"""Elements that are summed in any order before partial sums are combined: NumPy's own figure."""


@dataclass(slots=True, eq=False)
class _Block:
    """The statements at one depth, and what they have computed."""

    depth: int
    body: list[Stmt] = field(default_factory=list)
    memo: dict[Hashable, Expr] = field(default_factory=dict)


class GroupLowering:
    """Builds the kernel of one group; `context` knows what is stored elsewhere."""

    def __init__(self, context: Lowering, group: Group) -> None:
        self.context = context
        self.group = group
        self.bounds = group.bounds
        self.rows = group.rows
        self.depth = len(group.dims)
        self.stages: dict[Value, int] = {}
        self.scratch: dict[Value, None] = {}
        self.alive: set[Value] = set()
        self.stored = {v for v in group.members if v in context.demanded}
        self.reset()

    def reset(self) -> None:
        self.blocks = [_Block(0)]
        self.phase = 0
        self.names: dict[str, int] = {}
        self.buffers: dict[Any, Buffer] = {}
        self.sites: list[Site] = []
        self.depths: dict[str, int] = {}
        self.results: dict[Value, Expr] = {}
        self.demands: dict[Value, None] = {}
        self.nodes: dict[Node, None] = {}
        self.flops: Size = 0
        self.computing: list[Node] = []
        self.held: dict[Value, Accumulator] = {}
        self.pending: list[Stmt] = []

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
        inner = _Block(depth + 1)
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
            start = Const(identity(_combine(value), value.dtype), value.dtype)
            stmt: Stmt = Store(self.buffer(value, "update"), tuple(index), start)
            for name, size in reversed(names):
                stmt = For(name, 0, size, (stmt,))
            self.blocks[0].body.append(stmt)

    def declare(self, member: Member, mode: str) -> Accumulator:
        return accumulator(self, member.value, _combine(member.value), mode, self.blocks[-1].body)

    def finish_total(self, member: Member, state: Accumulator) -> None:
        value = member.value
        result = state.finish(self.blocks[-1].body)
        if self.complete(member):
            stmt: Stmt = Store(self.buffer(value, "write"), member.index, result)
        else:
            stmt = Accumulate(self.buffer(value, "update"), member.index, _combine(value), result)
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

    def operand(self, member: Member) -> Value:
        return member.value.node.inputs[0]

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
        self.blocks[-1].body.append(Accumulate(target, member.index, _combine(member.value), value))

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
            self.blocks.append(_Block(depth + 1))
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
                pending.append(Accumulate(target, member.index, _combine(member.value), value))
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

    # --- stages: in which phase a member is known ---

    def stage(self, member: Member) -> int:
        found = self.stages.get(member.value)
        if found is None:
            if member.kind == "point":
                found = self.stage_of_reads(member.value, member.index, top=True)
            else:
                found = self.stage_of_reads(self.operand(member), member.operand_index)
            self.stages[member.value] = found
        return found

    def stage_of_reads(self, value: Value, index: Index, top: bool = False) -> int:
        base, place = trace(value, index, self.bounds)
        kind = kind_of(base)
        member = self.member(base)
        if member is not None and not top and member.index == place:
            return self.stage(member) + (member.kind == "row")
        if kind not in ("point", "free") or (member is None and kind == "point"):
            return 0
        _, reads = expand(base, place)
        return max((self.stage_of_reads(r.value, r.index) for r in reads), default=0)

    # --- values ---

    def fresh(self, name: str, depth: int | None = None) -> str:
        number = self.names.get(name, 0)
        self.names[name] = number + 1
        full = f"{name}_{number}"
        self.depths[full] = self.blocks[-1].depth if depth is None else depth
        return full

    def read(self, value: Value, index: Index, top: bool = False) -> Expr:
        """The element of `value` at `index`."""
        base, place = trace(value, index, self.bounds)
        place = tuple(simplify(position, self.bounds) for position in place)
        kind = kind_of(base)
        if kind == "free":
            return self.compute(base, place)
        member = self.member(base)
        if member is None:
            if kind == "point" and self.context.inlinable(base):
                return self.compute(base, place)
            return self.load(base, place)
        if member.kind == "row" and member.index == place:
            return self.results[base]
        if member.kind == "point" and kind == "reduce":
            return self.degenerate(base, member)
        if member.index == place and not top and self.late(member):
            return self.recall(member)
        return self.compute(base, place)

    def member(self, value: Value) -> Member | None:
        """The member that computes `value`; none in a group that only copies."""
        return None if self.group.copy_to is not None else self.group.members.get(value)

    def degenerate(self, value: Value, member: Member) -> Expr:
        """A reduction over axes of size 1: the operand itself, or position 0."""
        if _combine(value).startswith("arg"):
            return Const(0, value.dtype)
        return self.read(value.node.inputs[0], member.operand_index)

    def late(self, member: Member) -> bool:
        """Whether a value of the row is needed again in a later phase and dear to recompute."""
        earlier = member.level == self.depth > self.rows and self.stage(member) < self.phase
        return earlier and cost(member.value.node) > CHEAP

    def recall(self, member: Member) -> Expr:
        if member.value in self.stored:
            return self.load(member.value, member.index)
        self.scratch[member.value] = None
        buffer, place = self.row_buffer(member.value)
        return self.emit_load(buffer, place, member.value)

    def row_buffer(self, value: Value) -> tuple[Buffer, Index]:
        dims = self.group.dims[self.rows :]
        place = tuple(Dim.symbol(loop(k)) for k in range(self.rows, self.depth))
        key = ("row", value)
        if key not in self.buffers:
            name = self.buffer_name(f"{value.node.op.name}_row")
            self.buffers[key] = Buffer(
                name, key, "row", value.dtype, dims, contiguous_strides(dims)
            )
        return self.buffers[key], place

    def load(self, value: Value, index: Index) -> Expr:
        self.demands[value] = None
        return self.emit_load(self.buffer(value, "read"), self.resolve(index), value)

    def emit_load(self, buffer: Buffer, index: Index, value: Value) -> Expr:
        key = (buffer.key, index)
        found = self.lookup(key)
        if found is not None:
            return found
        block = self.block_for(index)
        name = self.fresh(buffer.name, block.depth)
        block.body.append(Let(name, Load(buffer, index, value.dtype)))
        block.memo[key] = Local(name, value.dtype)
        return block.memo[key]

    def lookup(self, key: Hashable) -> Expr | None:
        for block in reversed(self.blocks):
            if key in block.memo:
                return block.memo[key]
        return None

    def block_for(self, index: Index) -> _Block:
        """The outermost block where every variable of `index` is known; not out of a branch."""
        names: set[Hashable] = set()
        for position in index:
            names |= atoms(position)
        return self.block_at(names)

    def block_at(self, names: set[Hashable]) -> _Block:
        depth = max((self.depth_of(name) for name in names), default=0)
        for block in reversed(self.blocks):
            if block.depth <= depth or block.depth < 0:
                return block
        return self.blocks[0]

    def depth_of(self, name: Hashable) -> int:
        if not isinstance(name, str):
            return 0
        if name in self.bounds:
            return int(name[1:]) + 1
        return self.depths.get(name, 0)

    def compute(self, value: Value, index: Index) -> Expr:
        """The expression of a ``point`` or ``free`` value at `index`, bound to a variable."""
        index = self.resolve(index)
        key = (value, index)
        found = self.lookup(key)
        if found is not None:
            return found
        node, lowering = value.node, value.node.op.lower
        self.computing.append(node)
        expression, reads = expand(value, index)
        if expression is None:
            assert isinstance(lowering, Elementwise)
            operands = tuple(self.read(r.value, r.index) for r in reads)
            expression = lowering.expressions[value.index](node, operands)
        block = self.block_for(index)
        above = self.blocks[self.blocks.index(block) + 1 :]
        if above:
            del self.blocks[-len(above) :]
        lowered = self.lower_expr(expression)
        self.computing.pop()
        if not isinstance(lowered, Const | Local):
            self.nodes[node] = None
            self.flops = self.flops + cost_of(lowered) * product(
                self.group.dims[: max(block.depth, 0)]
            )
            name = self.fresh(self.context.name(value), block.depth)
            block.body.append(Let(name, lowered))
            lowered = Local(name, value.dtype)
        elif kind_of(value) != "free":
            self.nodes[node] = None
        block.memo[key] = lowered
        self.blocks.extend(above)
        return lowered

    def resolve(self, index: Index) -> Index:
        """`index` with checks emitted and replaced by variables."""
        return tuple(self.resolve_size(position) for position in index)

    def resolve_size(self, size: Size) -> Size:
        def change(atom: Hashable) -> Size | None:
            return self.check(atom) if isinstance(atom, Checked) else None

        return simplify(substitute(size, change), self.bounds)

    def check(self, atom: Checked) -> Size:
        found = self.lookup(atom)
        if isinstance(found, Local):
            return Dim.symbol(found.name)
        names: set[Hashable] = set()
        expr_atoms(atom.value, names)
        value = self.lower_expr(atom.value)
        block = self.block_at(names)
        name = self.fresh("k", block.depth)
        block.body.append(Check(name, value, atom.extent, len(self.sites)))
        self.sites.append(Site(self.computing[-1], atom.extent))
        block.memo[atom] = Local(name, _INT64)
        return Dim.symbol(name)

    def lower_expr(self, expr: Expr) -> Expr:
        """Replace what is deferred by loads and variables; emit branches around guarded reads."""
        match expr:
            case Deferred():
                return self.read(expr.value, self.resolve(expr.index))
            case Position():
                return Position(self.resolve_size(expr.index), expr.dtype)
            case Apply():
                arguments = tuple(map(self.lower_expr, expr.arguments))
                return Apply(expr.function, arguments, expr.dtype)
            case Cast():
                return Cast(self.lower_expr(expr.operand), expr.dtype)
            case Select():
                condition = self.lower_expr(expr.condition)
                if not (_guarded(expr.then) or _guarded(expr.otherwise)):
                    parts = (self.lower_expr(expr.then), self.lower_expr(expr.otherwise))
                    return Select(condition, *parts, expr.dtype)
                return self.branch(condition, expr)
        return expr

    def branch(self, condition: Expr, expr: Select) -> Expr:
        """A variable set in the two arms of an `If`, so that only the one taken reads."""
        outer = self.blocks[-1]
        name = self.fresh("chosen", outer.depth)
        arms: list[tuple[Stmt, ...]] = []
        for arm in (expr.then, expr.otherwise):
            self.blocks.append(_Block(-1))
            value = self.lower_expr(arm)
            block = self.blocks.pop()
            arms.append((*block.body, Assign(name, value)))
        outer.body.append(If(condition, arms[0], arms[1]))
        return Local(name, expr.dtype)

    # --- buffers ---

    def buffer(self, value: Value, role: str) -> Buffer:
        key: Any = value
        if self.group.copy_to is not None and role != "read":
            key = self.group.copy_to
        found = self.buffers.get(key)
        if found is not None:
            return found
        name = self.buffer_name(self.context.buffer_name(value, key))
        own = isinstance(key, Value)
        strides = self.context.strides(value) if own else contiguous_strides(value.shape)
        self.buffers[key] = Buffer(name, key, role, value.dtype, value.shape, strides)
        return self.buffers[key]

    def buffer_name(self, name: str) -> str:
        taken = {buffer.name for buffer in self.buffers.values()}
        candidate, number = name, 1
        while candidate in taken:
            number += 1
            candidate = f"{name}{number}"
        return candidate


def _guarded(expr: Expr) -> bool:
    """Whether evaluating `expr` reads memory."""
    match expr:
        case Deferred() | Load():
            return True
        case Position():
            return any(isinstance(atom, Checked) for atom in atoms(expr.index))
        case Apply():
            return any(map(_guarded, expr.arguments))
        case Cast():
            return _guarded(expr.operand)
        case Select():
            return any(map(_guarded, (expr.condition, expr.then, expr.otherwise)))
    return False


def cost_of(expr: Expr) -> int:
    """Scalar functions in an expression: its floating-point operations."""
    match expr:
        case Apply():
            return 1 + sum(map(cost_of, expr.arguments))
        case Cast():
            return cost_of(expr.operand)
        case Select():
            return sum(map(cost_of, (expr.condition, expr.then, expr.otherwise)))
    return 0


def _combine(value: Value) -> str:
    lowering = value.node.op.lower
    if not isinstance(lowering, Reduction):
        raise UnsupportedError(f"{value.node.op.name} is no reduction")
    return lowering.combine
