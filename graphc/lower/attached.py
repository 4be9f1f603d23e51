"""A matrix product and the group that reads it, as one kernel: see `graphc.fuse_products`.

Each chunk computes a block of rows of the product, then runs the group's loops over those rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from graphc.fuse_values import Group
from graphc.indexing import contiguous_strides, loop
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Buffer,
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
from graphc.types import Dim, Size

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering


class ProductLowering(GroupLowering):
    """Builds the kernel of a group whose chunks begin with a block of a product."""

    def __init__(self, context: Lowering, group: Group, node: Node) -> None:
        self.node = node
        self.one_loop = True
        super().__init__(context, group)

    def add(self, key: Any, value: Value, role: str) -> Buffer:
        """A buffer of the product: an operand, a copy of one, or the result."""
        if key not in self.buffers:
            name = self.buffer_name(self.context.buffer_name(value, key))
            own = isinstance(key, Value)
            strides = self.context.strides(value) if own else contiguous_strides(value.shape)
            self.buffers[key] = Buffer(name, key, role, value.dtype, value.shape, strides)
        return self.buffers[key]

    def initialise(self) -> None:
        super().initialise()
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
        filled = [m for m in self.accumulations() if self.initialised(m)]
        fills = sum(any(size != 1 for size in m.value.shape) for m in filled)
        nests = sum(isinstance(stmt, For) for stmt in body)
        self.one_loop = nests - fills == 1
        return Chunks(self.split.rows, self.split.blocks) if self.one_loop else None

    def kernel_name(self, nodes: tuple[Node, ...]) -> str:
        return f"product_{super().kernel_name(nodes)}"


def lower_attached(context: Lowering, group: Group, node: Node) -> Kernel | None:
    """The kernel of the pair; None where the group can't run on a part of the rows.

    It can't if it reads the product at other rows than its own, or goes through all rows again.
    """
    lowering = ProductLowering(context, group, node)
    kernel = lowering.build()
    if kernel is None or not lowering.one_loop:
        return None
    columns = node.out().shape[-1]
    loads = _loads(kernel.body, node.out())
    own = all(_own_row(place, columns, inside) for place, inside in loads)
    return kernel if own else None


def _own_row(place: Size, columns: Size, inside: bool) -> bool:
    """Whether an offset in the product is that of the loops' own element.

    `inside` a loop over rows; else that loop is joined with the one over columns.
    """
    column = Dim.symbol(loop(1))
    return bool(place == (Dim.symbol(loop(0)) * columns + column if inside else column))


def _loads(body: Iterable[Stmt], value: Value, inside: bool = False) -> list[tuple[Size, bool]]:
    """The offsets at which `body` loads elements of `value`, and whether a loop over rows does."""
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
                found += _loads(stmt.body, value, inside or stmt.index == loop(0))
            case If():
                expression(stmt.condition)
                found += _loads((*stmt.then, *stmt.otherwise), value, inside)
            case Require():
                expression(stmt.condition)
            case Let() | Assign() | Combine() | Check() | Store() | Accumulate():
                expression(stmt.value)
    return found
