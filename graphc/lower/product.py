"""Matrix products: generated blocks, a BLAS routine, or plain loops, whichever is fastest.

A generated product splits the rows of its result (and the matrices of a batch) into chunks by
size; each computes its block with `graphc.codegen.tiles` and then runs the product's epilogue, a
fused group over the rows just made, while they are in cache (`attach`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphc.fuse.values import Fused, leading_axis
from graphc.indexing import contiguous_strides, linear, loop, storage, unravel
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Apply,
    Buffer,
    Const,
    Expr,
    For,
    If,
    Index,
    Kernel,
    Let,
    Local,
    Position,
    Stmt,
    Store,
    Tile,
    compare,
)
from graphc.lower.chunk import FIRST_CHUNK, LAST_CHUNK, MOST_CHUNKS
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands, kernel_of, nest
from graphc.types import DTYPES, Dim, Shape, Size, floordiv, product

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
BITS = {"float32": 32, "float64": 64}

CHUNK = 1_000_000
"""Multiply-adds times two of a chunk, of float32, at least: several times what a thread costs."""

FEW_ROWS, MANY_ROWS = 28, 192
"""Rows of a chunk at least: two tiles; where each chunk packs B, so many that it pays."""

ROOM = 1536
"""Bytes of a column of a chunk at most, where A is copied (`graphc.codegen.tiles.product.ROOM`)."""

FEW_CHUNKS = 4
"""Where there are fewer chunks, half of `CHUNK` is work enough for one, though each packs B."""

LARGE = 1 << 22
"""Bytes of B from which it is packed, where its size is known at the call only."""

FAR = 4096
"""Bytes: rows that lie a multiple of it apart share a few places of the first cache."""

UNCHUNKED = 20 * CHUNK
"""Work that can't be split among rows, from which BLAS, which splits columns too, takes over."""


def lower_product(context: Lowering, node: Node) -> list[Step]:
    """The launch of a matrix product."""
    if node.out().dtype.kind not in "fc":
        return [_loop_product(context, node)]
    if generated(context.fused, node):
        return [_tiled_product(context, node)]
    return [_blas_product(context, node)]


def stored(context: Lowering, value: Value) -> tuple[Any, Value, Shape, Size]:
    """Where a strided operand lies: key, the value there, strides and offset in elements."""
    if value in context.materialised:
        return ("copy", value), value, contiguous_strides(value.shape), 0
    found = storage(value)
    assert found is not None
    context.demand(found[0])
    return (found[0], *found)


@dataclass(frozen=True, slots=True)
class _Operand:
    """A matrix operand of a kernel, or a batch of them."""

    buffer: Buffer
    strides: Shape
    offset: Size
    transposed: bool
    lead: Size

    @property
    def steps(self) -> tuple[Size, Size]:
        """The strides of its rows and columns."""
        return (1, self.lead) if self.transposed else (self.lead, 1)


Add = Callable[[Any, Value, str], Buffer]


def _operand(context: Lowering, add: Add, value: Value) -> _Operand:
    key, base, strides, offset = stored(context, value)
    buffer = add(key, base, "read")
    found = leading_axis(value.shape[-2:], strides[-2:])
    assert found is not None
    return _Operand(buffer, strides[:-2], offset, *found)


# --- generated ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Blocking:
    """How a product is split: `rows` of each chunk; `blocks` of them make a matrix.

    `matrices`: where a chunk takes whole matrices of a batch, how many.
    `pack`, `copy`: whether B is packed by panels and A copied, before they are multiplied; `both`
    of them if B turns out to be large, where its size is not known.
    """

    rows: Size
    blocks: Size
    matrices: int = 0
    pack: bool = False
    copy: bool = False
    both: bool = False

    def chunks(self, batch: Size) -> Size:
        """Chunks of a product of `batch` matrices."""
        if self.matrices:
            return floordiv(batch + (self.matrices - 1), self.matrices)
        return batch * self.blocks


def blocking(
    dtype: str, batch: Size, m: Size, n: Size, k: Size, a: _Operand | None, b: _Operand | None
) -> Blocking:
    """The blocking of a product of (m, k) and (k, n): from its sizes, never from the threads."""
    itemsize = BITS[dtype] // 8
    chunk = CHUNK * 4 // itemsize
    most = ROOM // itemsize
    if not (isinstance(n, int) and isinstance(k, int)):
        rows = MANY_ROWS - (MANY_ROWS - 64) * _below(n * k, LARGE // itemsize)
        return Blocking(rows, floordiv(m + (rows - 1), rows), both=True)
    row_work = 2 * n * k
    pack = b is not None and _far(b, itemsize, n, k)
    copy = a is not None and _near(a, itemsize) and n > 64
    if batch != 1 and isinstance(m, int) and m * row_work <= chunk // 2:
        return Blocking(m, 1, max(1, chunk // max(m * row_work, 1)), pack, copy and m <= most)
    least = MANY_ROWS if pack or (b is not None and b.transposed) else FEW_ROWS
    rows = max(least, -(-chunk // max(row_work, 1)))
    if copy:
        rows = min(rows, most)
    if not isinstance(m, int):
        return Blocking(rows, floordiv(m + (rows - 1), rows), 0, pack, copy)
    blocks = min(max(m // rows, 1), MOST_CHUNKS)
    if blocks < FEW_CHUNKS:
        smaller = max(FEW_ROWS, -(-chunk // max(2 * row_work, 1)))
        blocks = max(blocks, min(m // smaller, FEW_CHUNKS))
    blocks += blocks % 2 if 1 < blocks < 8 else 0
    if copy:
        blocks = max(blocks, -(-m // most))
    rows = max(-(-m // blocks), 1)
    return Blocking(rows, max(-(-m // rows), 1), 0, pack, copy)


def _below(size: Size, limit: int) -> Size:
    """1 where `size` is below `limit`, else 0."""
    quotient = floordiv(limit, size + 1)
    return floordiv(quotient + limit, limit + 1)


def _far(b: _Operand, itemsize: int, n: Size, k: Size) -> bool:
    """Whether the rows of B lie so that a panel of its columns does not stay in cache."""
    if b.transposed or not (isinstance(b.lead, int) and isinstance(k, int)):
        return False
    step = b.lead * itemsize
    return k * step > 8 << 20 or (step % FAR == 0 and k > 256)


def _near(a: _Operand, itemsize: int) -> bool:
    """Whether the rows of A share places of the cache."""
    return isinstance(a.lead, int) and a.lead > 0 and a.lead * itemsize % FAR == 0


def can_generate(node: Node) -> bool:
    """Whether the product is one of matrices of floats: those of vectors are loops, or BLAS's."""
    a, b = node.inputs
    return node.out().dtype.name in BITS and a.shape[-2] != 1 and b.shape[-1] != 1


def generated(fused: Fused, node: Node) -> bool:
    """Whether the product is generated rather than left to BLAS, as measured or by rule.

    The rule: all but one matrix with too few rows to split among threads. It was measured on an AMD
    Zen 5 with 512-bit vectors: see ``docs/performance.md``.
    """
    if not can_generate(node) or not fused.blas:
        return can_generate(node)
    if node in fused.library:
        return not fused.library[node]
    a, b = node.inputs
    (m, k), n = a.shape[-2:], b.shape[-1]
    if not (isinstance(m, int) and isinstance(n, int) and isinstance(k, int)):
        return True
    batch = product(a.shape[:-2])
    found = blocking(node.out().dtype.name, batch, m, n, k, None, None)
    return not (batch == 1 and found.blocks == 1 and 2 * m * n * k > UNCHUNKED)


class Tiled:
    """A generated product in a kernel: `add` gives the kernel's buffers, as `Operands.add`."""

    def __init__(self, context: Lowering, node: Node, add: Add) -> None:
        a, b = node.inputs
        out = node.out()
        self.a, self.b = (_operand(context, add, value) for value in (a, b))
        self.result = add(out, out, "write")
        self.out = out
        (self.m, self.k), self.n = a.shape[-2:], b.shape[-1]
        self.shape = out.shape[:-2]
        self.batch = product(self.shape)
        sizes = self.batch, self.m, self.n, self.k
        self.split = blocking(out.dtype.name, *sizes, self.a, self.b)
        self.flops = 2 * product(out.shape) * self.k

    def tile(self, index: Index, row: Size, rows: Size) -> Stmt:
        """The statement that computes `rows` rows from `row` of the matrix at a batch `index`."""
        if not self.split.both:
            return self.tile_by(index, row, rows, self.split.pack, self.split.copy)
        large = LARGE // self.out.dtype.itemsize
        packed = self.tile_by(index, row, rows, pack=True, copy=True)
        direct = self.tile_by(index, row, rows, pack=False, copy=False)
        few = compare("less", self.m, FEW_ROWS)
        small = compare("less", self.n * self.k, large)
        condition = Apply("bitwise_or", (few, small), DTYPES["bool"])
        return If(condition, (direct,), (packed,))

    def tile_by(self, index: Index, row: Size, rows: Size, pack: bool, copy: bool) -> Tile:
        a, b, n = self.a, self.b, self.n
        known = self.split.rows if isinstance(self.m, int) else 0
        modes = (int(pack), int(copy), int(b.transposed))
        hints = (
            known if isinstance(known, int) else 0,
            n if isinstance(n, int) else 0,
            *modes,
        )
        return Tile(
            "product",
            (
                (a.buffer, linear(index, a.strides) + a.offset + row * a.steps[0]),
                (b.buffer, linear(index, b.strides) + b.offset),
                (
                    self.result,
                    linear(index, contiguous_strides(self.out.shape)[:-2]) + row * n,
                ),
            ),
            (rows, n, self.k, *a.steps, *b.steps, n),
            (self.out.dtype.name, hints),
        )

    def first(self) -> Index:
        """The index of the batch's first matrix."""
        return (0,) * len(self.shape)

    def place(self, number: Size) -> Index:
        """The index in the batch of its matrix `number`."""
        return unravel(number, self.shape)


def _tiled_product(context: Lowering, node: Node) -> Step:
    operands = Operands(context, node)
    tiled = Tiled(context, node, operands.add)
    split, batch, m = tiled.split, tiled.batch, tiled.m
    chunks = split.chunks(batch)
    chunk = Dim.symbol(loop(0)) if chunks != 1 else 0
    if split.matrices:
        start = chunk * split.matrices
        inner: tuple[Stmt, ...] = (tiled.tile(tiled.place(Dim.symbol(loop(1))), 0, m),)
        body: tuple[Stmt, ...] = (
            split_stop(start + split.matrices, batch),
            For(loop(1), start, Dim.symbol(STOP), inner),
        )
    elif chunks == 1:
        body = (tiled.tile(tiled.first(), 0, m),)
    else:
        matrix = 0 if batch == 1 else floordiv(chunk, split.blocks)
        start = (chunk - matrix * split.blocks) * split.rows
        body = (
            split_stop(start + split.rows, m),
            tiled.tile(tiled.place(matrix), start, Dim.symbol(STOP) - start),
        )
    if chunks != 1:
        body = (For(loop(0), FIRST_CHUNK, LAST_CHUNK, body),)
    buffers = tuple(operands.buffers)
    return Launch(Kernel("product", buffers, body, (node,), (), tiled.flops, (), chunks))


STOP = "stop_0"
"""The variable for the row, or the matrix, after the last of a chunk."""


def split_stop(end: Size, *limits: Size, name: str = STOP) -> Stmt:
    """The statement that sets `name`, where a part ends: at `end`, or at the least of `limits`."""
    least: Expr = Position(end, INT64)
    for limit in limits:
        least = Apply("minimum", (least, Position(limit, INT64)), INT64)
    return Let(name, least)


# --- BLAS -----------------------------------------------------------------------------------------


def _blas_product(context: Lowering, node: Node) -> Step:
    """Row-major C = A B is column-major C' = B' A', so the operands change places."""
    a_value, b_value = node.inputs
    out = node.out()
    operands = Operands(context, node)
    a, b = (_operand(context, operands.add, value) for value in (a_value, b_value))
    result = operands.result()
    routine = operands.function(BLAS[out.dtype.name])
    m, k = a_value.shape[-2:]
    n = b_value.shape[-1]

    def product_of(index: Index) -> list[Stmt]:
        tiles = [(x.buffer, linear(index, x.strides) + x.offset) for x in (a, b)]
        target = linear(index, contiguous_strides(out.shape)[:-2])
        return [
            Tile(
                "gemm",
                (*tiles, (result, target), (routine, 0)),
                tuple(Dim.symbol(name) for name in _GEMM_SIZES),
                (out.dtype.name,),
            )
        ]

    body = nest(out.shape[:-2], product_of)
    flops = product(out.shape) * k * (2 if out.dtype.kind == "f" else 8)
    sizes = (m, n, k, a.lead, b.lead, int(a.transposed), int(b.transposed))
    parameters = tuple(zip(_GEMM_SIZES, sizes, strict=True))
    kernel = Kernel("matmul", tuple(operands.buffers), tuple(body), (node,), (), flops, parameters)
    return Launch(kernel)


# --- loops ----------------------------------------------------------------------------------------


def _loop_product(context: Lowering, node: Node) -> Step:
    """Integers and bool: plain loops."""
    a, b = node.inputs
    out = node.out()
    operands = Operands(context, node)
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

    body = nest((*batch, m), row)
    return Launch(kernel_of(operands, "matmul", body, flops=2 * product(out.shape) * k))
