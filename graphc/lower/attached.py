"""A matrix product and the groups before and after it, as one kernel: see `graphc.fuse.products`.

Each chunk makes a block of rows of the left operand, computes those rows of the product, then runs
the loops of the group that reads it over them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from graphc.fuse.values import Group
from graphc.indexing import loop
from graphc.ir import Node, Value
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
    Kernel,
    Let,
    Load,
    Require,
    Select,
    Stmt,
    Store,
)
from graphc.lower.chunk import CHUNK, GRAIN, Chunks
from graphc.lower.group import GroupLowering
from graphc.lower.product import Tiled
from graphc.lower.prologue import Prologue
from graphc.types import Dim, Size, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering


class ProductLowering(GroupLowering):
    """Builds the kernel of a product: each chunk makes a block of it, between the two groups' rows.

    Either group may be missing.
    """

    def __init__(
        self, context: Lowering, before: Group | None, node: Node, after: Group | None
    ) -> None:
        self.node = node
        self.before = before
        self.prologue: Prologue | None = None
        self.one_loop = True
        self.problem = ""
        super().__init__(context, after or Group(-1, node.out().shape[-2:]))
        if after is None:
            self.stored = {node.out()}

    def build(self) -> Kernel | None:
        if self.before is not None and self.stored:
            # What the last group loads is known before the first group stores it.
            body = self.emit()
            self.choose(body)
            for value in self.demands:
                self.context.demand(value)
            prologue = Prologue(self.context, self.before)
            self.problem = self.refuse(prologue, body)
            if self.problem:
                return None
            self.prologue = prologue
        return super().build()

    def refuse(self, prologue: Prologue, body: tuple[Stmt, ...]) -> str:
        """Why the product can't have the `prologue` before the rest of it, the `body`; or ""."""
        if not prologue.one_loop:
            return "what makes the operand goes through all rows more than once"
        if prologue.has_partials():
            return "what makes the operand also makes a value that is not one of the rows"
        for value in prologue.group.members:
            for place, inside in loads_at(body, value):
                if not _same_row(place, value, self.group.dims[1], inside):
                    return "what comes after the product reads other rows of it"
        count = 1 if prologue.split is None else prologue.split.count
        blocks = self.split.blocks
        if isinstance(count, int) and isinstance(blocks, int) and count > blocks < FEW:
            return "it splits among more threads than the product"
        return ""

    def initialise(self) -> None:
        super().initialise()
        if self.prologue is not None:
            self.blocks[-1].body.extend(self.prologue.statements(self))
        tiled = Tiled(self.context, self.node, self.add)
        self.split = tiled.split
        self.nodes[self.node] = None
        self.flops = self.flops + tiled.flops
        row: Size = 0
        rows = tiled.m
        if self.range is not None:
            row = Dim.symbol(CHUNK) * GRAIN
            rows = self.range[1] - row
        self.blocks[-1].body.append(tiled.tile(tiled.first(), row, rows))

    def has_partials(self) -> bool:
        return True

    def choose(self, body: tuple[Stmt, ...]) -> Chunks | None:
        """Chunks of the product's rows, if they run through one loop."""
        if self.split.blocks == 1:
            return None
        if self.prologue is None and self.group.members:
            filled = [m for m in self.accumulations() if self.initialised(m)]
            fills = sum(any(size != 1 for size in m.value.shape) for m in filled)
            nests = sum(isinstance(stmt, For) for stmt in body)
            self.one_loop = nests - fills == 1
        return Chunks(self.split.rows, self.split.blocks) if self.one_loop else None

    def kernel_name(self, nodes: tuple[Node, ...]) -> str:
        first = {value.node for value in self.before.members} if self.before is not None else set()
        parts = [[n for n in nodes if n in first], [n for n in nodes if n not in first]]
        names = [super(ProductLowering, self).kernel_name(tuple(part)) for part in parts]
        before = [names[0]] if self.before is not None else []
        after = [names[1]] if self.group.members else []
        return "_".join([*before, "product", *after])


FEW = 8
"""Blocks of a product from which on it keeps as many threads busy as any group would."""


def lower_attached(
    context: Lowering, before: Group | None, node: Node, after: Group | None
) -> Kernel | None:
    """The kernel of a product with the groups around it; None where they can't share one.

    They can't if a group reads the product, or what the group before it makes, at other rows than
    its own, or goes through all rows again.
    """
    lowering = ProductLowering(context, before, node, after)
    kernel = lowering.build()
    reasons = context.fused.reasons
    if before is not None and lowering.problem:
        reasons.update(dict.fromkeys(((v.node, node) for v in before.members), lowering.problem))
    if kernel is None:
        return None
    columns = node.out().shape[-1]
    loads = loads_at(kernel.body, node.out())
    problem = ""
    if not lowering.one_loop:
        problem = "what reads the product goes through all rows more than once"
    elif not all(_own_row(place, columns, inside) for place, inside in loads):
        problem = "what reads the product reads other elements than those of its own rows"
    if problem and after is not None:
        reasons.update(dict.fromkeys(((node, v.node) for v in after.members), problem))
    return None if problem else kernel


def _own_row(place: Size, columns: Size, inside: bool) -> bool:
    """Whether an offset in the product is that of the loops' own element.

    `inside` a loop over rows; else that loop is joined with the one over columns.
    """
    column = Dim.symbol(loop(1))
    return bool(place == (Dim.symbol(loop(0)) * columns + column if inside else column))


def _same_row(place: Size, value: Value, columns: Size, inside: bool) -> bool:
    """Whether an offset in `value` is in the row that loops over rows and `columns` are at."""
    dims = tuple(size for size in value.shape if size != 1)
    width = product(dims[1:])
    if width == columns and len(dims) > 1:
        return _own_row(place, columns, inside)
    return bool(inside and width == 1 and place == Dim.symbol(loop(0)))


def loads_at(body: Iterable[Stmt], value: Value, inside: bool = False) -> list[tuple[Size, bool]]:
    """The offsets at which `body` loads elements of `value`, and whether the first loop does."""
    found: list[tuple[Size, bool]] = []

    def expression(expr: Expr) -> None:
        match expr:
            case Load():
                if expr.buffer.key == value:
                    found.extend((place, inside) for place in expr.index)
            case Apply():
                for argument in expr.arguments:
                    expression(argument)
            case Select():
                for part in (expr.condition, expr.then, expr.otherwise):
                    expression(part)
            case Cast():
                expression(expr.operand)

    for stmt in body:
        match stmt:
            case For():
                found += loads_at(stmt.body, value, inside or stmt.index == loop(0))
            case If():
                expression(stmt.condition)
                found += loads_at((*stmt.then, *stmt.otherwise), value, inside)
            case Require():
                expression(stmt.condition)
            case Let() | Assign() | Combine() | Check() | Store() | Accumulate():
                expression(stmt.value)
    return found
