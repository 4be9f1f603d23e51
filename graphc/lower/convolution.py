"""Convolutions: products of weights and patches, whose panels are gathered from the images.

The results of a group are ``weights @ patches``, with a column for each pixel of each image; by the
weights the derivative is ``g @ patches.T``. Chunks split the columns. A panel of the patches is
packed where the product wants it (`graphc.codegen.tiles.convolution`): no more of them is ever in
memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from graphc.errors import UnsupportedError
from graphc.indexing import loop
from graphc.ir import Node
from graphc.loops import For, Kernel, Stmt, Tile
from graphc.lower.chunk import FIRST_CHUNK, LAST_CHUNK, MOST_CHUNKS
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands
from graphc.lower.product import CHUNK, STOP, split_stop, stored
from graphc.types import Dim, Shape, Size, floordiv, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

PANEL = 32
"""Columns that a chunk has a multiple of."""

LARGE = 1 << 20
"""Bytes of the left operand from which on few chunks are made, for each goes through all of it."""

FEW_CHUNKS = 8
"""How many of them."""


def lower_convolution(context: Lowering, node: Node) -> list[Step]:
    """The launch of a convolution."""
    w = node.inputs[1]
    _, out, channels, *kernel = w.shape
    columns = product(node.out().shape[2:])
    inner = channels * product(tuple(kernel))
    hints = (*kernel, *node["stride"], *node["dilation"])
    return [_launch(context, node, columns, out, channels, inner, hints, node.out().shape[3:])]


def lower_weights_gradient(context: Lowering, node: Node) -> list[Step]:
    """The launch of a convolution's derivative by the weights."""
    g = node.inputs[1]
    out = g.shape[1]
    pixels = product(g.shape[2:])
    kernel = node["kernel"]
    channels = node.inputs[0].shape[2]
    columns = channels * product(kernel)
    hints = (*kernel, *node["stride"], *node["dilation"])
    return [_launch(context, node, columns, out, channels, pixels, hints, g.shape[3:])]


def _launch(
    context: Lowering,
    node: Node,
    columns: Size,
    rows: Size,
    channels: Size,
    inner: Size,
    geometry: tuple[Size, ...],
    places: Shape,
) -> Step:
    """One kernel: of each group and block of columns, the product of the left operand's rows."""
    if not all(isinstance(size, int) for size in geometry):
        raise UnsupportedError(
            f"{node.op.name}: the sizes of a kernel have to be known before it is compiled",
            location=context.fused.graph.location(node),
        )
    operands = Operands(context, node)
    x, left = node.inputs
    left_buffer, left_offset = operands.read(left)
    key, base, strides, offset = stored(context, x)
    images = operands.add(key, base, "read")
    result = operands.result()
    groups = x.shape[1]
    itemsize = node.out().dtype.itemsize
    width = _width(columns, rows, inner, groups, itemsize)
    blocks = floordiv(columns + (width - 1), width)
    chunks = groups * blocks
    chunk: Size = Dim.symbol(loop(0)) if chunks != 1 else 0
    group = 0 if groups == 1 else floordiv(chunk, blocks)
    start = (chunk - group * blocks) * width
    of_chunk = 0  # how many columns each chunk has, if that is known
    if isinstance(columns, int) and (blocks == 1 or columns % width == 0):
        of_chunk = min(width, columns)
    known = (rows if isinstance(rows, int) else 0, of_chunk)
    near = strides[4] * geometry[3] == 1
    body: tuple[Stmt, ...] = (
        split_stop(start + width, columns),
        Tile(
            node.op.name,
            (
                (left_buffer, left_offset + group * rows * inner),
                (images, offset + group * strides[1]),
                (result, group * rows * columns + start),
            ),
            (
                rows,
                Dim.symbol(STOP) - start,
                start,
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
        ),
    )
    if chunks != 1:
        body = (For(loop(0), FIRST_CHUNK, LAST_CHUNK, body),)
    flops = 2 * groups * rows * columns * inner
    kernel = Kernel(node.op.name, tuple(operands.buffers), body, (node,), (), flops, (), chunks)
    return Launch(kernel)


def _width(columns: Size, rows: Size, inner: Size, groups: Size, itemsize: int) -> int:
    """The columns of a chunk: from the sizes, never from the threads."""
    if not (isinstance(columns, int) and isinstance(rows, int) and isinstance(inner, int)):
        return 4 * PANEL
    panels = max(-(-columns // PANEL), 1)
    work = 2 * rows * inner * PANEL * itemsize // 4
    most = MOST_CHUNKS if rows * inner * itemsize < LARGE else FEW_CHUNKS
    if isinstance(groups, int):
        most = max(most // max(groups, 1), 1)
    blocks = min(max(panels * work // CHUNK, 1), most, panels)
    blocks += blocks % 2 if 1 < blocks < min(FEW_CHUNKS, panels) else 0
    return -(-panels // blocks) * PANEL
