"""Convolutions: products of weights and patches, whose panels are gathered from the images.

The results of a group are ``weights @ patches``, with a column for each pixel of each image; by the
weights the derivative is ``g @ patches.T``. Chunks split the columns. A panel of the patches is
packed where the product wants it (`graphc.codegen.tiles.convolution`): no more of them is ever in
memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphc.errors import UnsupportedError
from graphc.ir import Node
from graphc.loops import For, Kernel, Stmt, Tile
from graphc.lower.chunk import CHUNK, FIRST_CHUNK, LAST_CHUNK, MOST_CHUNKS
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands, place
from graphc.lower.product import CHUNK as WORK
from graphc.lower.product import STOP, Add, split_stop, stored
from graphc.types import Dim, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

PANEL = 32
"""Columns that a chunk has a multiple of."""

LARGE = 1 << 20
"""Bytes of the left operand from which on few chunks are made, for each goes through all of it."""

FEW_CHUNKS = 8
"""How many of them."""


def lower_convolution(context: Lowering, node: Node) -> list[Step]:
    """The launch of a convolution, or of its derivative by the weights."""
    operands = Operands(context, node)
    columns = Columns(context, node, operands.add)
    buffers, body = tuple(operands.buffers), columns.over_chunks(())
    flops, chunks = columns.flops, columns.chunks
    return [Launch(Kernel(node.op.name, buffers, body, (node,), (), flops, (), chunks))]


class Columns:
    """A convolution in a kernel: of each group, the product of the left operand's rows and columns.

    `add` gives the kernel's buffers, as `Operands.add`. A chunk has the columns from `start` to
    `stop` of all `rows` of one `group`, or is all there is.
    """

    def __init__(self, context: Lowering, node: Node, add: Add) -> None:
        x, left = node.inputs
        if node.op.name == "convolve":
            _, self.rows, channels, *kernel = left.shape
            self.count, inner = product(node.out().shape[2:]), channels * product(tuple(kernel))
            places = node.out().shape[3:]
        else:
            kernel = node["kernel"]
            self.rows, channels, places = left.shape[1], x.shape[2], left.shape[3:]
            self.count, inner = channels * product(tuple(kernel)), product(left.shape[2:])
        geometry = (*kernel, *node["stride"], *node["dilation"])
        if not all(isinstance(size, int) for size in geometry):
            raise UnsupportedError(
                f"{node.op.name}: the sizes of a kernel have to be known before it is compiled",
                location=context.fused.graph.location(node),
            )
        left_key, left_base, left_offset = place(context, left)
        left_buffer = add(left_key, left_base, "read")
        key, base, strides, offset = stored(context, x)
        images = add(key, base, "read")
        result = add(node.out(), node.out(), "write")
        rows, columns, groups = self.rows, self.count, x.shape[1]
        width = _width(columns, rows, inner, groups, node.out().dtype.itemsize)
        blocks = floordiv(columns + (width - 1), width)
        self.chunks = groups * blocks
        self.flops = 2 * groups * rows * columns * inner
        chunk: Size = Dim.symbol(CHUNK) if self.chunks != 1 else 0
        self.group = 0 if groups == 1 else floordiv(chunk, blocks)
        self.start = (chunk - self.group * blocks) * width
        self.stop = Dim.symbol(STOP)
        self.end = split_stop(self.start + width, columns)
        of_chunk = 0  # how many columns each chunk has, if that is known
        if isinstance(columns, int) and (blocks == 1 or columns % width == 0):
            of_chunk = min(width, columns)
        known = (rows if isinstance(rows, int) else 0, of_chunk)
        near = strides[4] * node["stride"][1] == 1
        self.tile = Tile(
            node.op.name,
            (
                (left_buffer, left_offset + self.group * rows * inner),
                (images, offset + self.group * strides[1]),
                (result, self.group * rows * columns + self.start),
            ),
            (
                rows,
                self.stop - self.start,
                self.start,
                inner,
                columns,
                channels,
                *x.shape[3:],
                *places,
                strides[0],
                *strides[2:],
                *node["low"],
            ),
            (node.out().dtype.name, (*known, int(near), *geometry)),
        )

    def over_chunks(self, after: Sequence[Stmt]) -> tuple[Stmt, ...]:
        """The statements that make the result, each chunk with those that come `after` it."""
        body = (self.end, self.tile, *after)
        return (For(CHUNK, FIRST_CHUNK, LAST_CHUNK, body),) if self.chunks != 1 else body


def _width(columns: Size, rows: Size, inner: Size, groups: Size, itemsize: int) -> int:
    """The columns of a chunk: from the sizes, never from the threads."""
    if not (isinstance(columns, int) and isinstance(rows, int) and isinstance(inner, int)):
        return 4 * PANEL
    panels = max(-(-columns // PANEL), 1)
    work = 2 * rows * inner * PANEL * itemsize // 4
    most = MOST_CHUNKS if rows * inner * itemsize < LARGE else FEW_CHUNKS
    if isinstance(groups, int):
        most = max(most // max(groups, 1), 1)
    blocks = min(max(panels * work // WORK, 1), most, panels)
    blocks += blocks % 2 if 1 < blocks < min(FEW_CHUNKS, panels) else 0
    return -(-panels // blocks) * PANEL
