"""Ops that are no plain loop nest over their output: products, scatters, writes and prints."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from graphc.errors import UnsupportedError
from graphc.fuse_values import contiguous, expand, kind_of, leading_axis, readable_in_place
from graphc.indexing import contiguous_strides, linear, loop, storage, trace
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Buffer,
    Check,
    Const,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Site,
    Stmt,
    Store,
    Tile,
)
from graphc.lower.collapse import collapse, pass_extents
from graphc.lower.launch import Launch, Step
from graphc.types import DTYPES, Dim, Shape, Size, TensorType, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

INT64 = DTYPES["int64"]
_GEMM_SIZES = (
    "gemm_rows",
    "gemm_columns",
    "gemm_inner",
    "gemm_lead_a",
    "gemm_lead_b",
    "gemm_transpose_a",
    "gemm_transpose_b",
)
BLAS = {"float32": "sgemm", "float64": "dgemm", "complex64": "cgemm", "complex128": "zgemm"}


class _Operands:
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


def _loops(shape: Shape, body: Callable[[Index], Sequence[Stmt]], first: int = 0) -> list[Stmt]:
    """A nest over `shape`; loop variables are numbered from `first`."""
    index: Index = tuple(Dim.symbol(loop(first + axis)) for axis in range(len(shape)))
    stmts = list(body(index))
    for axis in range(len(shape) - 1, -1, -1):
        stmts = [For(loop(first + axis), 0, shape[axis], tuple(stmts))]
    return stmts


def lower_template(context: Lowering, node: Node, kind: str) -> list[Step]:
    """The launches of one node.

    Raises:
        UnsupportedError: no emitter is known for `kind`.
    """
    emitters = {
        "matmul": _matmul,
        "scatter_add": _scatter,
        "scatter": _scatter,
        "update": _update,
        "print": _print,
    }
    if kind not in emitters:
        raise UnsupportedError(
            f"{node.op.name} can't be compiled yet", location=context.fused.graph.location(node)
        )
    return emitters[kind](context, node)


def _kernel(
    operands: _Operands,
    name: str,
    body: Sequence[Stmt],
    sites: Sequence[Site] = (),
    flops: Size = 0,
) -> Kernel:
    flat, parameters = pass_extents(tuple(collapse(body)))
    buffers = tuple(operands.buffers)
    return Kernel(name, buffers, flat, (operands.node,), tuple(sites), flops, parameters)


# --- matmul ---------------------------------------------------------------------------------------


def _matmul(context: Lowering, node: Node) -> list[Step]:
    if node.out().dtype.kind in "fc":
        return [_blas_matmul(context, node)]
    return [_loop_matmul(context, node)]


def _matrix(context: Lowering, value: Value) -> tuple[Any, Value, Shape, Size]:
    """Where a matrix operand lies: key, the value there, strides and offset in elements."""
    if value in context.materialised:
        return ("copy", value), value, contiguous_strides(value.shape), 0
    found = storage(value)
    assert found is not None
    context.demand(found[0])
    return (found[0], *found)


def _blas_matmul(context: Lowering, node: Node) -> Step:
    """Row-major C = A B is column-major C' = B' A', so the operands change places."""
    a, b = node.inputs
    out = node.out()
    operands = _Operands(context, node)
    described = []
    for value in (a, b):
        key, base, strides, offset = _matrix(context, value)
        buffer = operands.add(key, base, "read")
        described.append((value, buffer, strides, offset))
    result = operands.result()
    routine = operands.function(BLAS[out.dtype.name])
    m, k = a.shape[-2:]
    n = b.shape[-1]

    def product_of(index: Index) -> list[Stmt]:
        tiles = []
        for value, buffer, strides, offset in described:
            found = leading_axis(value.shape[-2:], strides[-2:])
            assert found is not None
            transposed, lead = found
            flags.append(int(transposed))
            leading.append(lead)
            tiles.append((buffer, linear(index, strides[:-2]) + offset))
        target = linear(index, contiguous_strides(out.shape)[:-2])
        return [
            Tile(
                "gemm",
                (*tiles, (result, target), (routine, 0)),
                tuple(Dim.symbol(name) for name in _GEMM_SIZES),
                (out.dtype.name,),
            )
        ]

    flags: list[Size] = []
    leading: list[Size] = []
    body = _loops(out.shape[:-2], product_of)
    flops = product(out.shape) * k * (2 if out.dtype.kind == "f" else 8)
    sizes = (m, n, k, *leading[:2], *flags[:2])
    parameters = tuple(zip(_GEMM_SIZES, sizes, strict=True))
    kernel = Kernel("matmul", tuple(operands.buffers), tuple(body), (node,), (), flops, parameters)
    return Launch(kernel)


def _loop_matmul(context: Lowering, node: Node) -> Step:
    a, b = node.inputs
    out = node.out()
    operands = _Operands(context, node)
    result = operands.result()
    boolean = out.dtype.kind == "b"
    multiply, add = ("bitwise_and", "or") if boolean else ("multiply", "add")
    *batch, m, k = a.shape
    n = b.shape[-1]
    rank = len(batch)
    i, j, c = (Dim.symbol(loop(rank + axis)) for axis in range(3))

    def row(index: Index) -> list[Stmt]:
        zero = Store(result, (*index[:rank], i, j), Const(0, out.dtype))
        factor = operands.element(a, (*index[:rank], i, c))
        other = operands.element(b, (*index[:rank], c, j))
        value = Apply(multiply, (Local("factor", out.dtype), other), out.dtype)
        total = Accumulate(result, (*index[:rank], i, j), add, value)
        inner = For(loop(rank + 1), 0, n, (total,))
        return [
            For(loop(rank + 1), 0, n, (zero,)),
            For(loop(rank + 2), 0, k, (Let("factor", factor), inner)),
        ]

    body = _loops((*batch, m), row)
    return Launch(_kernel(operands, "matmul", body, flops=2 * product(out.shape) * k))


# --- scatter --------------------------------------------------------------------------------------


def _copied_base(context: Lowering, node: Node) -> Step:
    """A copy of operand 0 into the result; dropped where the result may take its place."""
    operands = _Operands(context, node)
    source, offset = operands.read(node.inputs[0])
    result = operands.result()
    shape = node.inputs[0].shape

    def element(index: Index) -> list[Stmt]:
        flat = replace(source, shape=(product(source.shape),), strides=(1,))
        place = linear(index, contiguous_strides(shape)) + offset
        return [Store(result, index, Load(flat, (place,), source.dtype))]

    body = _loops(shape, element)
    whole = offset == 0 and product(source.shape) == product(shape)
    return Launch(_kernel(operands, "copy", body), elidable=whole)


def _scatter(context: Lowering, node: Node) -> list[Step]:
    base, values, *indices = node.inputs
    axes = node["axes"]
    operands = _Operands(context, node)
    result = operands.result("update")
    lead_shape = indices[0].shape
    rest_shape = values.shape[len(lead_shape) :]

    def places(operands: _Operands, index: Index, checked: bool) -> list[Stmt]:
        return [
            Check(
                f"k{axis}",
                operands.element(array, index),
                base.shape[axis],
                None if checked else number,
            )
            for number, (axis, array) in enumerate(zip(axes, indices, strict=True))
        ]

    def write(lead: Index) -> list[Stmt]:
        def element(rest: Index) -> list[Stmt]:
            left = list(rest)
            target: Index = tuple(
                Dim.symbol(f"k{axis}") if axis in axes else left.pop(0) for axis in range(base.ndim)
            )
            value = operands.element(values, (*lead, *rest))
            if node.op.name != "scatter_add":
                return [Store(result, target, value)]
            combine = "or" if base.dtype.kind == "b" else "add"
            return [Accumulate(result, target, combine, value)]

        known = places(operands, lead, checked=True)
        return [*known, *_loops(rest_shape, element, len(lead_shape))]

    kernel = _kernel(operands, node.op.name, _loops(lead_shape, write), flops=product(values.shape))
    # Every index is checked by a kernel of its own, which may run before any argument is written.
    reads = _Operands(context, node)
    body = _loops(lead_shape, lambda index: places(reads, index, checked=False))
    sites = [Site(node, base.shape[axis]) for axis in axes]
    return [
        Launch(_kernel(reads, "check", body, sites)),
        _copied_base(context, node),
        Launch(kernel),
    ]


# --- update ---------------------------------------------------------------------------------------


def _update(context: Lowering, node: Node) -> list[Step]:
    _, value = node.inputs
    operands = _Operands(context, node)
    result = operands.result("update")

    def element(index: Index) -> list[Stmt]:
        target: Index = tuple(
            start + step * position
            for start, step, position in zip(node["start"], node["step"], index, strict=True)
        )
        return [Store(result, target, operands.element(value, index))]

    kernel = _kernel(operands, "update", _loops(value.shape, element))
    return [_copied_base(context, node), Launch(kernel)]


# --- print ----------------------------------------------------------------------------------------


def _print(context: Lowering, node: Node) -> list[Step]:
    operands = _Operands(context, node)
    places = [operands.read(v) for v in node.inputs if isinstance(v.type, TensorType)]
    routine = operands.function("print")
    extents = tuple(size for v in node.inputs if isinstance(v.type, TensorType) for size in v.shape)
    tile = Tile("print", (*places, (routine, 0)), extents, (node,))
    kernel = Kernel("print", tuple(operands.buffers), (tile,), (node,))
    order = tuple(v for v in (*node.inputs, *node.outputs) if not isinstance(v.type, TensorType))
    return [Launch(kernel, order=order)]
