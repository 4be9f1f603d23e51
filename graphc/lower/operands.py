"""What templates read and write: their kernels' buffers, and loops over a shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphc.fuse.values import contiguous, expand, kind_of, readable_in_place
from graphc.indexing import contiguous_strides, linear, loop, trace
from graphc.ir import Node, Value
from graphc.loops import Buffer, Expr, For, Index, Kernel, Load, Site, Stmt
from graphc.lower.collapse import collapse, pass_extents
from graphc.types import DTYPES, Dim, Shape, Size, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering


class Operands:
    """The buffers of one template's kernel."""

    def __init__(self, context: Lowering, node: Node) -> None:
        self.context = context
        self.node = node
        self.buffers: list[Buffer] = []

    def read(self, value: Value) -> tuple[Buffer, Size]:
        """A contiguous operand: its buffer and its offset."""
        key, base, offset = place(self.context, value)
        return self.add(key, base, "read"), offset

    def element(self, value: Value, index: Index) -> Expr:
        """The element of an operand at `index`, read through its views."""
        if not readable_in_place(self.node, value):
            buffer, offset = self.read(value)
            flat = replace(buffer, shape=(product(buffer.shape),), strides=(1,))
            place = linear(index, contiguous_strides(value.shape)) + offset
            return Load(flat, (place,), buffer.dtype)
        bounds = {
            str(position): size
            for position, size in zip(index, value.shape, strict=True)
            if isinstance(position, Dim)
        }
        base, source = trace(value, index, bounds)
        if kind_of(base) == "free":
            expression, _ = expand(base, source)
            assert expression is not None
            return expression
        self.context.demand(base)
        return Load(self.add(base, base, "read"), source, base.dtype)

    def add(self, key: Any, value: Value, role: str) -> Buffer:
        for buffer in self.buffers:
            if buffer.key == key:
                return buffer
        taken = {buffer.name for buffer in self.buffers}
        name = base = self.context.buffer_name(value, key)
        number = 1
        while name in taken:
            number += 1
            name = f"{base}{number}"
        own = isinstance(key, Value)
        strides = self.context.strides(value) if own else contiguous_strides(value.shape)
        buffer = Buffer(name, key, role, value.dtype, value.shape, strides)
        self.buffers.append(buffer)
        return buffer

    def result(self, role: str = "write") -> Buffer:
        value = self.node.out()
        return self.add(value, value, role)

    def function(self, name: str) -> Buffer:
        """A native function that the kernel calls."""
        key = ("function", name)
        buffer = Buffer(name, key, "function", DTYPES["int8"], (), ())
        if buffer not in self.buffers:
            self.buffers.append(buffer)
        return buffer


def place(context: Lowering, value: Value) -> tuple[Any, Value, Size]:
    """Where the contiguous operand `value` lies: the buffer's key, the value in it, the offset."""
    if value in context.materialised:
        return ("copy", value), value, 0
    found = contiguous(value, context.fused.strided)
    assert found is not None
    context.demand(found[0])
    return found[0], found[0], found[1]


def nest(shape: Shape, body: Callable[[Index], Sequence[Stmt]], first: int = 0) -> list[Stmt]:
    """A nest over `shape`; loop variables are numbered from `first`."""
    index: Index = tuple(Dim.symbol(loop(first + axis)) for axis in range(len(shape)))
    stmts = list(body(index))
    for axis in range(len(shape) - 1, -1, -1):
        stmts = [For(loop(first + axis), 0, shape[axis], tuple(stmts))]
    return stmts


def kernel_of(
    operands: Operands,
    name: str,
    body: Sequence[Stmt],
    sites: Sequence[Site] = (),
    flops: Size = 0,
) -> Kernel:
    """The kernel of a template's statements, its flat loops joined."""
    flat, parameters = pass_extents(tuple(collapse(body)))
    buffers = tuple(operands.buffers)
    return Kernel(name, buffers, flat, (operands.node,), tuple(sites), flops, parameters)
