"""The values of a group: made on demand, at the outermost loop where their index is known."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.errors import TraceError, UnsupportedError
from graphc.fuse.values import CHAIN, CHEAP, Group, Member, cost, expand, kind_of
from graphc.indexing import atoms, contiguous_strides, expr_atoms, loop, simplify, trace
from graphc.ir import Node, Value, locating
from graphc.loops import (
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
    Guarded,
    If,
    Index,
    Let,
    Load,
    Local,
    Position,
    Reduction,
    Require,
    Select,
    Site,
    Stmt,
)
from graphc.lower.chunk import FIRST_CHUNK, Chunks
from graphc.lower.reduction import Accumulator
from graphc.operators import Scalar
from graphc.types import DTYPES, Dim, Shape, Size, product, substitute

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

_INT64 = DTYPES["int64"]


@dataclass(slots=True, eq=False)
class Block:
    """The statements at one depth, and what they have computed."""

    depth: int
    body: list[Stmt] = field(default_factory=list)
    memo: dict[Hashable, Expr] = field(default_factory=dict)


class ValueLowering:
    """Makes the values of one group; `context` knows what is stored elsewhere."""

    def __init__(self, context: Lowering, group: Group) -> None:
        self.context = context
        self.group = group
        self.bounds = group.bounds
        self.rows = group.rows
        self.depth = len(group.dims)
        self.stages: dict[Value, int] = {}
        self.weights: dict[Value, int] = {}
        self.scratch: dict[Value, None] = {}
        self.alive: set[Value] = set()
        self.chunks: Chunks | None = None
        self.stored = {v for v in group.members if v in context.demanded}
        self.elsewhere: set[Value] = set()
        self.reset()

    def reset(self) -> None:
        self.blocks = [Block(0)]
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

    # --- values ---

    def fresh(self, name: str, depth: int | None = None) -> str:
        number = self.names.get(name, 0)
        self.names[name] = number + 1
        full = f"{name}_{number}"
        self.depths[full] = self.blocks[-1].depth if depth is None else depth
        return full

    def source(self, value: Value, index: Index) -> tuple[Value, Index]:
        """Which value the element of `value` at `index` is of, and where there."""
        base, place = trace(value, index, self.bounds)
        return base, tuple(simplify(position, self.bounds) for position in place)

    def read(self, value: Value, index: Index, top: bool = False) -> Expr:
        """The element of `value` at `index`."""
        base, place = self.source(value, index)
        kind = kind_of(base)
        if kind == "free":
            return self.compute(base, place)
        member = self.member(base)
        if member is None:
            if kind == "point" and self.context.inlinable(base):
                return self.compute(base, place)
            return self.load(base, place)
        if member.kind in ("row", "accumulate") and member.index == place:
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
        combine = combine_of(value)
        if combine.startswith("arg"):
            return Const(0, value.dtype)
        operand = self.read(value.node.inputs[0], member.operand_index)
        if combine == "add" and value.dtype.kind in "fc":
            # A sum starts from 0.0, so that of -0.0 is 0.0.
            return Apply("add", (operand, Const(0, value.dtype)), value.dtype)
        return operand

    def late(self, member: Member) -> bool:
        """Whether a value of the row is needed again in a later phase and dear to recompute."""
        earlier = member.level == self.depth > self.rows and self.stage(member) < self.phase
        return earlier and self.dear(member)

    def dear(self, member: Member) -> bool:
        """Whether an element of the row is kept for later phases rather than computed again."""
        return cost(member.value.node) > CHEAP or self.weight(member) > CHAIN

    def weight(self, member: Member) -> int:
        """What it costs to compute an element of the row again, from what is stored or cheap."""
        found = self.weights.get(member.value)
        if found is None:
            found = cost(member.value.node)
            for read in expand(member.value, member.index)[1]:
                base, place = self.source(read.value, read.index)
                operand = self.member(base)
                if operand is not None and operand.kind == "point" and operand.index == place:
                    kept = self.stage(operand) < self.stage(member) and self.dear(operand)
                    found += 0 if kept else self.weight(operand)
            self.weights[member.value] = found
        return found

    def recall(self, member: Member) -> Expr:
        if member.value in self.stored - self.elsewhere:
            return self.load(member.value, member.index)
        self.scratch[member.value] = None
        buffer, place = self.row_buffer(member.value)
        return self.emit_load(buffer, place, member.value)

    def row_buffer(self, value: Value) -> tuple[Buffer, Index]:
        """Scratch memory for one row of `value`; each call on a range of chunks has its own."""
        dims = self.group.dims[self.rows :]
        place: Index = tuple(Dim.symbol(loop(k)) for k in range(self.rows, self.depth))
        if self.chunks is not None:
            dims, place = (self.chunks.count, *dims), (FIRST_CHUNK, *place)
        key = ("row", value)
        if key not in self.buffers:
            name = self.buffer_name(f"{value.node.op.name}_row")
            self.buffers[key] = Buffer(
                name, key, "row", value.dtype, dims, contiguous_strides(dims)
            )
        return self.buffers[key], place

    def partial(self, value: Value, part: str, dtype: np.dtype, shape: Shape = ()) -> Buffer:
        """The buffer in which each chunk keeps its `part` of the reduction `value`."""
        key = ("partial", value, part)
        if key not in self.buffers:
            assert self.chunks is not None
            dims = (self.chunks.count, *shape)
            name = self.buffer_name(f"{value.node.op.name}_{part}s")
            self.buffers[key] = Buffer(name, key, "row", dtype, dims, contiguous_strides(dims))
        return self.buffers[key]

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

    def block_for(self, index: Index) -> Block:
        """The outermost block where every variable of `index` is known; not out of a branch."""
        names: set[Hashable] = set()
        for position in index:
            names |= atoms(position)
        return self.block_at(names)

    def outside(self, value: Value, index: Index) -> int | None:
        """From which on blocks lie inside a member's own: what branches read is computed once."""
        member = self.member(value)
        if member is None or member.kind != "point" or member.index != index:
            return None
        inside = (n for n, b in enumerate(self.blocks) if b.depth < 0 or b.depth > member.level)
        return next(inside, None)

    def block_at(self, names: set[Hashable]) -> Block:
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
        outer = self.outside(value, index)
        if outer is not None:
            inside = self.blocks[outer:]
            del self.blocks[outer:]
            found = self.compute(value, index)
            self.blocks.extend(inside)
            return found
        node, lowering = value.node, value.node.op.lower
        self.computing.append(node)
        with locating(self.context.fused.graph, node):
            expression, reads = expand(value, index)
            if expression is None:
                assert isinstance(lowering, Elementwise)
                operands = tuple(self.read(r.value, r.index) for r in reads)
                expression = lowering.expressions[value.index](node, operands)
            expression = _scalar_expression(node, expression)
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

        return simplify(substitute(simplify(size, self.bounds), change), self.bounds)

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
                if isinstance(condition, Const):
                    return self.lower_expr(expr.then if condition.value else expr.otherwise)
                if not (_guarded(expr.then) or _guarded(expr.otherwise)):
                    parts = (self.lower_expr(expr.then), self.lower_expr(expr.otherwise))
                    return Select(condition, *parts, expr.dtype)
                return self.branch(condition, expr)
            case Guarded():
                self.require(self.lower_expr(expr.condition), expr.problem)
                return self.lower_expr(expr.operand)
        return expr

    def require(self, condition: Expr, problem: str) -> None:
        """Stop the kernel here with `problem` unless `condition` holds."""
        self.blocks[-1].body.append(Require(condition, len(self.sites)))
        self.sites.append(Site(self.computing[-1], problem=problem))

    def branch(self, condition: Expr, expr: Select) -> Expr:
        """A variable set in the two arms of an `If`, so that only the one taken reads."""
        outer = self.blocks[-1]
        name = self.fresh("chosen", outer.depth)
        arms: list[tuple[Stmt, ...]] = []
        for arm in (expr.then, expr.otherwise):
            self.blocks.append(Block(-1))
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
        return self.add(key, value, role)

    def add(self, key: Any, value: Value, role: str) -> Buffer:
        """The buffer with a `key`; the first who asks says what the kernel does with it."""
        if key not in self.buffers:
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

    def operand(self, member: Member) -> Value:
        """What a reduction reduces."""
        return member.value.node.inputs[0]

    # --- stages: in which phase a member is known ---

    def stage(self, member: Member) -> int:
        found = self.stages.get(member.value)
        if found is None:
            if member.kind in ("point", "after"):
                found = self.stage_of_reads(member.value, member.index, top=True)
            else:
                found = self.stage_of_reads(self.operand(member), member.operand_index)
            self.stages[member.value] = found
        return found

    def stage_of_reads(self, value: Value, index: Index, top: bool = False) -> int:
        base, place = self.source(value, index)
        kind = kind_of(base)
        member = self.member(base)
        if member is not None and not top and member.index == place:
            return self.stage(member) + (member.kind == "row")
        if kind not in ("point", "free") or (member is None and kind == "point"):
            return 0
        _, reads = expand(base, place)
        return max((self.stage_of_reads(r.value, r.index) for r in reads), default=0)


def _guarded(expr: Expr) -> bool:
    """Whether evaluating `expr` reads memory or may stop the kernel."""
    match expr:
        case Deferred() | Load() | Guarded():
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


def combine_of(value: Value) -> str:
    """How the reduction `value` combines elements."""
    lowering = value.node.op.lower
    if not isinstance(lowering, Reduction):
        raise UnsupportedError(f"{value.node.op.name} is no reduction")
    return lowering.combine


def _scalar_expression(node: Node, found: Any) -> Expr:
    """What the rule of `node` gave, which is the user's where the op is.

    Raises:
        TraceError: it is no scalar expression.
    """
    if not isinstance(found, Scalar):
        raise TraceError(
            f"the expression of {node.op.name} gives {found!r}, no scalar expression",
            hint="Make one of the operands' with apply, either and number, of "
            "graphc.ops.elementwise.scalar.",
        )
    return found  # type: ignore[return-value]
