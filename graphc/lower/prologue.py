"""The group that makes the left operand of a matrix product, for the rows of one chunk."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.fuse.values import Group
from graphc.indexing import loop, map_index, replace_atoms
from graphc.loops import Buffer, Check, Expr, For, If, Stmt
from graphc.lower.collapse import map_statement
from graphc.lower.group import GroupLowering
from graphc.types import Dim, Size

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering


class Prologue(GroupLowering):
    """Emits a group into the kernel of another: its rows in the other's range, before its loops.

    Its loop variables get names of their own, so that no offset of the one group equals one of the
    other's by accident: `graphc.memory` compares them.
    """

    def __init__(self, context: Lowering, group: Group) -> None:
        super().__init__(context, group)
        body = self.emit()
        self.split = self.choose(body)
        self.one_loop = sum(isinstance(stmt, For) for stmt in body) == 1

    def statements(self, kernel: GroupLowering) -> list[Stmt]:
        """The loops over the range of `kernel`, which gains the buffers, names and checks."""
        self.reset()
        self.finish = []
        self.names, self.buffers, self.sites = kernel.names, kernel.buffers, kernel.sites
        self.demands, self.nodes = kernel.demands, kernel.nodes
        self.chunks, self.range = kernel.chunks, kernel.range
        self.nest(0)
        kernel.flops = kernel.flops + self.flops
        names: dict[Hashable, Size] = {
            loop(depth): Dim.symbol(kernel.fresh("i")) for depth in range(self.depth)
        }
        return [renamed(stmt, names) for stmt in self.blocks[0].body]


def renamed(stmt: Stmt, names: Mapping[Hashable, Size]) -> Stmt:
    """`stmt` with other loop variables."""

    def size(old: Size) -> Size:
        return replace_atoms(old, names)

    def expression(expr: Expr) -> Expr:
        return map_index(expr, size)

    def place(buffer: Buffer, index: tuple[Size, ...]) -> tuple[Size, ...]:
        return tuple(map(size, index))

    match stmt:
        case For():
            body = tuple(renamed(inner, names) for inner in stmt.body)
            index = str(names.get(stmt.index, stmt.index))
            return For(index, size(stmt.start), size(stmt.stop), body, stmt.step)
        case If():
            arms = [tuple(renamed(s, names) for s in arm) for arm in (stmt.then, stmt.otherwise)]
            return If(expression(stmt.condition), *arms)
        case Check():
            return replace(stmt, value=expression(stmt.value), extent=size(stmt.extent))
    return map_statement(stmt, expression, place)
