"""Attention: blocks of scores, made, used and forgotten while they are in cache.

A chunk is a block of queries of one matrix of the batch. It goes through the keys block by block,
with the largest score of each row so far, and the sum of the powers relative to it; what was summed
before a larger score came is scaled down (M. Milakov and N. Gimelshein, arXiv:1805.02867, 2018).
For the derivatives a chunk is a whole matrix, so that no two of them add to the same rows; it makes
the scores again, from the logarithms of the sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphc.indexing import contiguous_strides, linear, loop, unravel
from graphc.ir import Node, Value
from graphc.loops import (
    Apply,
    Buffer,
    Combine,
    Const,
    Expr,
    For,
    Index,
    Kernel,
    Let,
    Load,
    Local,
    Position,
    Select,
    Stmt,
    Store,
    Tile,
)
from graphc.lower.chunk import FIRST_CHUNK, LAST_CHUNK, MOST_CHUNKS
from graphc.lower.collapse import collapse
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands
from graphc.lower.product import split_stop, stored
from graphc.ops.matrices.attention import KEYS, MASK, QUERIES, SCALE, VALUES, masked
from graphc.types import DTYPES, Dim, Shape, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

INT64 = DTYPES["int64"]

QUERY_BLOCK = 56
"""Rows of a block of scores: four tiles of a product."""

KEY_BLOCK = 256
"""Columns of a block at most; with 56 rows of float32 it takes 56 KiB."""

END_OF_ROWS, END_OF_KEYS, LAST_KEY, SEEN, END_OF_UNITS = (f"stop_{k}" for k in range(5))
"""Variables: after a block's queries, after its keys, after all keys that it meets, after the
columns of it that a query attends to, and after a chunk's matrices or blocks."""

CHUNK, UNIT, BLOCK, QUERY, ROW, COLUMN = (loop(k) for k in range(6))
"""Loop variables."""


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A batch of matrices: where the one of a chunk starts, and the strides of its two axes."""

    buffer: Buffer
    offset: Size
    steps: tuple[Size, Size]

    def at(self, row: Size, column: Size = 0) -> tuple[Buffer, Size]:
        """The place of an element, for a tile."""
        return self.buffer, self.offset + row * self.steps[0] + column * self.steps[1]

    @property
    def turned(self) -> tuple[Size, Size]:
        """The strides of its transpose."""
        return self.steps[1], self.steps[0]


class _Attention:
    """What both kernels share: operands, scratch memory, and products of blocks."""

    def __init__(self, context: Lowering, node: Node, chunks: Size) -> None:
        self.context, self.node = context, node
        self.operands = Operands(context, node)
        self.dtype: np.dtype = node.out().dtype
        self.causal: bool = node["causal"]
        self.chunks = chunks
        q, k, v = (node.inputs[n] for n in (QUERIES, KEYS, VALUES))
        self.lead: Shape = q.shape[:-2]
        self.queries, self.size = q.shape[-2:]
        self.keys, self.value_size = v.shape[-2:]
        self.rows: Size = min(QUERY_BLOCK, self.queries) if known(self.queries) else QUERY_BLOCK
        self.columns: Size = min(KEY_BLOCK, self.keys) if known(self.keys) else KEY_BLOCK
        self.place: Index = ()
        self.taken = (q, k, v)

    def on_matrix(self, matrix: Size) -> None:
        """Choose the matrix of the batch that a chunk works on."""
        self.place = unravel(matrix, self.lead)
        self.q, self.k, self.v = (self.read(value) for value in self.taken)

    def read(self, value: Value) -> _Matrix:
        """An operand with any strides, but for the last axis."""
        key, base, strides, offset = stored(self.context, value)
        buffer = self.operands.add(key, base, "read")
        return _Matrix(buffer, offset + linear(self.place, strides[:-2]), (strides[-2], 1))

    def made(self, number: int) -> _Matrix:
        """A result."""
        value = self.node.out(number)
        buffer = self.operands.add(value, value, "write")
        strides = contiguous_strides(value.shape)
        rank = len(self.lead)
        steps = (strides[rank], 1)
        return _Matrix(buffer, linear(self.place, strides[:rank]), steps)

    def scratch(self, name: str, *shape: Size) -> _Matrix:
        """Memory of a run of chunks."""
        held = (self.chunks, *shape)
        key = ("row", self.node.out(), name)
        buffer = Buffer(name, key, "row", self.dtype, held, contiguous_strides(held))
        self.operands.buffers.append(buffer)
        strides = contiguous_strides(held)
        # The chunks that a thread runs in one go share the memory of the first.
        return _Matrix(buffer, FIRST_CHUNK * strides[0], (strides[1], 1))

    def load(self, matrix: _Matrix, row: Size, column: Size = 0) -> Expr:
        flat = _flat(matrix.buffer)
        return Load(flat, (matrix.at(row, column)[1],), self.dtype)

    def store(self, matrix: _Matrix, row: Size, column: Size, value: Expr) -> Stmt:
        return Store(_flat(matrix.buffer), (matrix.at(row, column)[1],), value)

    def number(self, value: float) -> Const:
        return Const(value, self.dtype)

    def apply(self, name: str, *arguments: Expr) -> Expr:
        return Apply(name, arguments, self.dtype)

    def product(
        self,
        sizes: tuple[Size, Size, Size],
        left: tuple[Buffer, Size],
        left_steps: tuple[Size, Size],
        right: tuple[Buffer, Size],
        right_steps: tuple[Size, Size],
        result: tuple[Buffer, Size],
        result_row: Size,
        most: tuple[Size, Size],
        adds: bool = False,
    ) -> Stmt:
        """``result = left @ right`` of blocks; `most` are the rows, and the columns if known."""
        rows, columns = (size if isinstance(size, int) else 0 for size in most)
        transposed = right_steps[1] != 1
        hints = (rows, columns, 0, 0, int(transposed), int(adds))
        places = (left, right, result)
        given = (*sizes, *left_steps, *right_steps, result_row)
        return Tile("product", places, given, (self.dtype.name, hints))

    def exact(self, most: Size, whole: Size) -> Size:
        """The columns of each block, where all blocks of an axis have as many; else 0."""
        if not (isinstance(most, int) and isinstance(whole, int)) or most == 0:
            return 0
        return most if whole % most == 0 else 0

    def score(self, product: Expr, row: Size, column: Size) -> Expr:
        """A score: scaled, with the mask."""
        score = self.apply("multiply", product, self.operands.element(self.node.inputs[SCALE], ()))
        if masked(self.node):
            added = self.operands.element(self.node.inputs[MASK], (*self.place, row, column))
            score = self.apply("add", score, added)
        return score

    def seen(self, row: Size, start: Size, columns: Size) -> tuple[list[Stmt], Size]:
        """How many of a block's columns the query `row` attends to: statements, and their name."""
        if not self.causal:
            return [], columns
        limits = (Position(row + 1 - start, INT64), Position(columns, INT64))
        found = Apply("minimum", limits, INT64)
        found = Apply("maximum", (found, Const(0, INT64)), INT64)
        return [Let(SEEN, found)], Dim.symbol(SEEN)

    def launch(self, name: str, body: tuple[Stmt, ...], flops: Size) -> Step:
        nest = For(CHUNK, FIRST_CHUNK, LAST_CHUNK, tuple(collapse(body)))
        buffers = tuple(self.operands.buffers)
        return Launch(Kernel(name, buffers, (nest,), (self.node,), (), flops, (), self.chunks))


def known(size: Size) -> bool:
    """Whether `size` is a number."""
    return isinstance(size, int)


def _flat(buffer: Buffer) -> Buffer:
    shape = (product(buffer.shape),)
    return Buffer(buffer.name, buffer.key, buffer.role, buffer.dtype, shape, (1,))


def _over(name: str, start: Size, stop: Size, body: Sequence[Stmt], step: int = 1) -> For:
    return For(name, start, stop, tuple(body), step)


def lower_attention(context: Lowering, node: Node) -> list[Step]:
    """The launch of an attention: a chunk has some blocks of queries."""
    q = node.inputs[QUERIES]
    queries = q.shape[-2]
    step = max(min(QUERY_BLOCK, queries), 1) if isinstance(queries, int) else QUERY_BLOCK
    blocks = floordiv(queries + (step - 1), step)
    count = product(q.shape[:-2]) * blocks
    each = _each(count)
    made = _Attention(context, node, _chunks(count, each))
    number = Dim.symbol(UNIT)
    matrix = floordiv(number, 1 if blocks == 0 else blocks)
    made.on_matrix(matrix)
    body = _forward(made, (number - matrix * blocks) * step)
    return [made.launch("attention", _units(count, each, body), _flops(made, 2))]


def _each(count: Size) -> Size:
    """How many of `count` units a chunk has, so that there are `MOST_CHUNKS` at most."""
    if isinstance(count, int):
        return max(-(-count // MOST_CHUNKS), 1)
    return floordiv(count, MOST_CHUNKS) + 1


def _chunks(count: Size, each: Size) -> Size:
    """Chunks of `count` units; one where there is no unit, which then does nothing."""
    return 1 if count == 0 else floordiv(count + (each - 1), each)


def _units(count: Size, each: Size, body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
    """The units of a chunk, one after another."""
    first = Dim.symbol(CHUNK) * each
    return (
        split_stop(first + each, count, name=END_OF_UNITS),
        _over(UNIT, first, Dim.symbol(END_OF_UNITS), body),
    )


def _flops(made: _Attention, products: int) -> Size:
    return product((*made.lead, made.queries, made.keys, products, made.size + made.value_size))


def _forward(made: _Attention, first: Size) -> tuple[Stmt, ...]:
    n, e = made.columns, made.value_size
    o, lse = made.made(0), made.made(1)
    scores = made.scratch("scratch_0", made.rows, n)
    largest, total = (
        made.scratch("scratch_1", made.rows, 1),
        made.scratch("scratch_2", made.rows, 1),
    )
    end, stop, last = (Dim.symbol(x) for x in (END_OF_ROWS, END_OF_KEYS, LAST_KEY))
    block, r, c = (Dim.symbol(x) for x in (BLOCK, ROW, COLUMN))
    single = known(made.keys) and made.keys == n
    start = 0 if single else block
    rows, columns = end - first, stop - start

    seen, limit = made.seen(first + r, start, columns)
    new, held, base, total_of_row, score, power, less, factor = (
        Local(f"{x}_0", made.dtype)
        for x in ("new", "held", "base", "sum", "score", "power", "less", "factor")
    )
    zero, lowest = made.number(0), made.number(-np.inf)
    is_lowest = Apply("equal", (new, lowest), DTYPES["bool"])
    each_row: list[Stmt] = [
        *seen,
        Let(held.name, lowest if single else made.load(largest, r)),
        Let(new.name, held),
        _over(
            COLUMN,
            0,
            limit,
            [
                Let(score.name, made.score(made.load(scores, r, c), first + r, start + c)),
                made.store(scores, r, c, score),
                Combine(new.name, "maximum", score),
            ],
        ),
        # Where all are -inf, no power is one of zero.
        Let(base.name, Select(is_lowest, zero, new, made.dtype)),
        Let(total_of_row.name, zero),
        _over(
            COLUMN,
            0,
            limit,
            [
                Let(
                    power.name,
                    made.apply("exp", made.apply("subtract", made.load(scores, r, c), base)),
                ),
                made.store(scores, r, c, power),
                Combine(total_of_row.name, "add", power),
            ],
        ),
        *([_over(COLUMN, limit, columns, [made.store(scores, r, c, zero)])] if seen else []),
        made.store(largest, r, 0, new),
    ]
    if single:
        each_row.append(made.store(total, r, 0, total_of_row))
    else:
        before = made.apply("multiply", made.load(total, r), less)
        shrunk = made.apply("multiply", made.load(o, first + r, c), less)
        each_row += [
            Let(less.name, made.apply("exp", made.apply("subtract", held, base))),
            made.store(total, r, 0, made.apply("add", before, total_of_row)),
            _over(COLUMN, 0, e, [made.store(o, first + r, c, shrunk)]),
        ]
    each_block: list[Stmt] = [
        split_stop(start + n, made.keys if single else last, name=END_OF_KEYS),
        made.product(
            (rows, columns, made.size),
            made.q.at(first),
            made.q.steps,
            made.k.at(start),
            made.k.turned,
            scores.at(0),
            n,
            (made.rows, 0 if made.causal else made.exact(n, made.keys)),
        ),
        _over(ROW, 0, rows, each_row),
        made.product(
            (rows, e, columns),
            scores.at(0),
            scores.steps,
            made.v.at(start),
            made.v.steps,
            o.at(first),
            e,
            (made.rows, e),
            adds=not single,
        ),
    ]
    body: list[Stmt] = [split_stop(first + made.rows, made.queries, name=END_OF_ROWS)]
    if single:
        body += each_block
    else:
        started: list[Stmt] = [
            made.store(largest, r, 0, lowest),
            made.store(total, r, 0, zero),
            _over(COLUMN, 0, e, [made.store(o, first + r, c, zero)]),
        ]
        body += [
            _over(ROW, 0, rows, started),
            split_stop(made.keys, *([end] if made.causal else []), name=LAST_KEY),
            _over(BLOCK, 0, last, each_block, KEY_BLOCK),
        ]
    none = Apply("equal", (total_of_row, zero), DTYPES["bool"])
    inverse = made.apply("divide", made.number(1), total_of_row)
    logarithm = made.apply("add", made.load(largest, r), made.apply("log", total_of_row))
    logarithm = Select(none, made.number(np.inf), logarithm, made.dtype)
    scaled = made.apply("multiply", made.load(o, first + r, c), factor)
    finished: list[Stmt] = [
        Let(total_of_row.name, made.load(total, r)),
        Let(factor.name, Select(none, zero, inverse, made.dtype)),
        _over(COLUMN, 0, e, [made.store(o, first + r, c, scaled)]),
        made.store(lse, first + r, 0, logarithm),
    ]
    return (*body, _over(ROW, 0, rows, finished))


def lower_gradients(context: Lowering, node: Node) -> list[Step]:
    """The launch of an attention's derivatives: a chunk has some matrices of the batch."""
    count = product(node.inputs[QUERIES].shape[:-2])
    each = _each(count)
    made = _Attention(context, node, _chunks(count, each))
    made.on_matrix(Dim.symbol(UNIT))
    body = _units(count, each, _backward(made))
    return [made.launch("attention_gradients", body, _flops(made, 5))]


def _backward(made: _Attention) -> tuple[Stmt, ...]:
    lse, delta, g_value = made.node.inputs[-3:]
    m, n, d, e = made.rows, made.columns, made.size, made.value_size
    g = made.read(g_value)
    by_q, by_k, by_v = (made.made(k) for k in range(3))
    weights, by_scores = made.scratch("scratch_0", m, n), made.scratch("scratch_1", m, n)
    end, stop = Dim.symbol(END_OF_ROWS), Dim.symbol(END_OF_KEYS)
    start, first = Dim.symbol(BLOCK), Dim.symbol(QUERY)
    r, c = Dim.symbol(ROW), Dim.symbol(COLUMN)
    rows, columns = end - first, stop - start
    zero = made.number(0)

    def cleared(matrix: _Matrix, begin: Size, stop: Size, width: Size) -> Stmt:
        return _over(ROW, begin, stop, [_over(COLUMN, 0, width, [made.store(matrix, r, c, zero)])])

    seen, limit = made.seen(first + r, start, columns)
    of_row, shift, power, by_score = (
        Local(f"{x}_0", made.dtype) for x in ("log_sum", "shift", "power", "by_score")
    )
    at_row = (*made.place, first + r)
    scale = made.operands.element(made.node.inputs[SCALE], ())
    score = made.score(made.load(weights, r, c), first + r, start + c)
    moved = made.apply("subtract", made.load(by_scores, r, c), shift)
    each_row: list[Stmt] = [
        *seen,
        Let(of_row.name, made.operands.element(lse, at_row)),
        Let(shift.name, made.operands.element(delta, at_row)),
        _over(
            COLUMN,
            0,
            limit,
            [
                Let(power.name, made.apply("exp", made.apply("subtract", score, of_row))),
                Let(
                    by_score.name,
                    made.apply("multiply", made.apply("multiply", power, moved), scale),
                ),
                made.store(weights, r, c, power),
                made.store(by_scores, r, c, by_score),
            ],
        ),
    ]
    if seen:
        unseen = [made.store(weights, r, c, zero), made.store(by_scores, r, c, zero)]
        each_row.append(_over(COLUMN, limit, columns, unseen))
    wide = made.exact(n, made.keys)

    def scores_of(left: _Matrix, right: _Matrix, size: Size, result: _Matrix) -> Stmt:
        places = (left.at(first), left.steps, right.at(start), right.turned)
        return made.product((rows, columns, size), *places, result.at(0), n, (m, wide))

    def by_keys(left: _Matrix, right: _Matrix, size: Size, result: _Matrix) -> Stmt:
        places = (left.at(0), left.turned, right.at(first), right.steps)
        sizes, most = (columns, size, rows), (n, size)
        return made.product(sizes, *places, result.at(start), size, most, adds=True)

    each_block: list[Stmt] = [
        split_stop(first + m, made.queries, name=END_OF_ROWS),
        scores_of(made.q, made.k, d, weights),
        scores_of(g, made.v, e, by_scores),
        _over(ROW, 0, rows, each_row),
        by_keys(weights, g, e, by_v),
        by_keys(by_scores, made.q, d, by_k),
        made.product(
            (rows, d, columns),
            by_scores.at(0),
            by_scores.steps,
            made.k.at(start),
            made.k.steps,
            by_q.at(first),
            d,
            (m, d),
            adds=True,
        ),
    ]
    # Queries before a block's first key do not see it.
    begin = floordiv(start, QUERY_BLOCK) * QUERY_BLOCK if made.causal else 0
    each_keys: list[Stmt] = [
        split_stop(start + n, made.keys, name=END_OF_KEYS),
        cleared(by_k, start, stop, d),
        cleared(by_v, start, stop, e),
        _over(QUERY, begin, made.queries, each_block, QUERY_BLOCK),
    ]
    return (
        cleared(by_q, 0, made.queries, d),
        _over(BLOCK, 0, made.keys, each_keys, KEY_BLOCK),
    )
