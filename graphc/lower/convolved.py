"""A convolution and the group that reads it, as one kernel: see `graphc.fuse.products`.

Each chunk computes some columns of ``weights @ patches``, pixels of one image or of several, then
runs the group's loops over those pixels of every channel: bias, batch norm, activation and residual
are computed while the pixels are in cache::

    for chunk_0 in range(lo, hi):
        convolve(...)                                     # columns start to stop
        for i0 in range(start // pixels, (stop + pixels - 1) // pixels):
            place = maximum(start - i0 * pixels, 0)
            end = minimum(stop - i0 * pixels, pixels)
            for i1 in range(channels):
                for i3 in range(place, end): ...
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from graphc.fuse.values import Group
from graphc.ir import Node
from graphc.loops import Apply, For, Kernel, Let, Position, Stmt
from graphc.lower.attached import loads_at
from graphc.lower.collapse import join_loops, map_sizes
from graphc.lower.convolution import Columns
from graphc.lower.group import GroupLowering
from graphc.lower.product import INT64, STOP, split_stop
from graphc.lower.split import split_branches
from graphc.types import Dim, Mod, Size, floordiv, product, substitute

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering


def lower_convolved(context: Lowering, node: Node, group: Group) -> Kernel | None:
    """The kernel of a convolution with the group after it; None where they can't share one.

    They can't if the group reduces, goes through the images more than once, or reads the
    convolution at other pixels than its own.
    """
    return _ConvolvedLowering(context, node, group).build()


class _ConvolvedLowering(GroupLowering):
    """Builds the kernel: each chunk makes a block of columns, then runs the group over them."""

    def __init__(self, context: Lowering, node: Node, group: Group) -> None:
        self.node = node
        super().__init__(context, group)

    def initialise(self) -> None:
        super().initialise()
        # The name of where a chunk ends is taken.
        assert self.fresh(STOP.removesuffix("_0")) == STOP
        self.columns = Columns(self.context, self.node, self.add)
        self.nodes[self.node] = None
        self.flops = self.flops + self.columns.flops

    def build(self) -> Kernel | None:
        if not self.stored:
            return None
        loops, problem = None, "what reads the convolution reduces, or makes more than its pixels"
        if not self.has_partials():
            nest = [map_sizes(stmt, _without_remainders) for stmt in self.emit_nest()]
            loops, problem = self.over_pixels(nest)
        if loops is None:
            edges = ((self.node, value.node) for value in self.group.members)
            self.context.fused.reasons.update(dict.fromkeys(edges, problem))
            return None
        for value in self.demands:
            self.context.demand(value)
        order = {node: k for k, node in enumerate(self.context.order)}
        nodes = tuple(sorted(self.nodes, key=lambda node: order.get(node, -1)))
        rest = tuple(node for node in nodes if node is not self.node)
        return Kernel(
            f"{self.node.op.name}_{self.kernel_name(rest)}",
            tuple(self.buffers.values()),
            self.columns.over_chunks(split_branches(loops, self.fresh)),
            nodes,
            tuple(self.sites),
            self.flops,
            (),
            self.columns.chunks,
        )

    def over_pixels(self, body: Sequence[Stmt]) -> tuple[Sequence[Stmt] | None, str]:
        """The loops of `body` over the columns of one chunk; or None, and why they can't be.

        They go through the images, their channels and their pixels; an axis of size 1 has no loop.
        """
        shape = self.node.out().shape
        pixels = product(shape[3:])
        if pixels == 0:
            return None, "the images have no pixels"
        levels = []
        for size, axes in ((shape[2], 1), (shape[0] * shape[1], 1), (pixels, len(shape) - 3)):
            level = _Level((), None, 0) if size == 1 else _level(body, size, axes)
            if level is None:
                return None, "what reads the convolution goes through its pixels more than once"
            levels.append(level)
            if level.loop is not None:
                body = level.loop.body
        if any(isinstance(stmt, For) for stmt in body):
            return None, "what reads the convolution tells the rows of an image apart"
        image, channel, pixel = levels
        own = image.at * pixels + channel.at * shape[2] * pixels + pixel.at
        if any(at != own for at, _ in loads_at(_nest(levels, body), self.node.out())):
            return None, "what reads the convolution reads other pixels than its own"
        return (_nest(levels, body) if self.columns.chunks == 1 else self.chunk(levels, body)), ""

    def chunk(self, levels: Sequence[_Level], body: Sequence[Stmt]) -> list[Stmt]:
        """The nest over the chunk's columns of some images, in the channels of its group."""
        image, channel, pixel = levels
        start, stop, group = self.columns.start, self.columns.stop, self.columns.group
        pixels = product(self.node.out().shape[3:])
        begin, end = start - image.at * pixels, stop - image.at * pixels
        first, last = self.fresh("place"), self.fresh("stop")
        begins = Apply("maximum", (Position(begin, INT64), Position(0, INT64)), INT64)
        bounds = [Let(first, begins), split_stop(end, pixels, name=last)]
        rows = self.columns.rows
        channel = channel.over(group * rows, (group + 1) * rows)
        pixel = pixel.over(Dim.symbol(first), Dim.symbol(last))
        image = image.over(floordiv(start, pixels), floordiv(stop + (pixels - 1), pixels))
        inner = _nest([channel, pixel], body)
        return _nest([image], [*bounds, *inner] if pixel.loop is not None else inner)


@dataclass(frozen=True, slots=True)
class _Level:
    """A loop of a nest, what comes before it, and its variable; 0 without a loop."""

    before: tuple[Stmt, ...]
    loop: For | None
    at: Size

    def over(self, start: Size, stop: Size) -> _Level:
        """The level with its loop, if it has one, over other positions."""
        if self.loop is None:
            return self
        return replace(self, loop=replace(self.loop, start=start, stop=stop))


def _level(body: Sequence[Stmt], size: Size, axes: int) -> _Level | None:
    """The one loop of `body`, its last statement, over `size` positions of up to `axes` axes."""
    *before, last = body
    if any(isinstance(stmt, For) for stmt in before) or not isinstance(last, For):
        return None
    if axes > 1:
        (last,) = join_loops([last])
    assert isinstance(last, For)
    whole = last.start == 0 and last.step == 1 and last.stop == size
    return _Level(tuple(before), last, Dim.symbol(last.index)) if whole else None


def _without_remainders(size: Size) -> Size:
    """`size` with ``n - d * (n // d)`` for ``n % d``: a channel's group and place in it add up."""

    def change(atom: Hashable) -> Size | None:
        if not isinstance(atom, Mod):
            return None
        return atom.numerator - atom.denominator * floordiv(atom.numerator, atom.denominator)

    return substitute(size, change)


def _nest(levels: Sequence[_Level], body: Sequence[Stmt]) -> list[Stmt]:
    """The loops of the levels around `body`."""
    body = list(body)
    for level in reversed(levels):
        if level.loop is not None:
            body = [*level.before, replace(level.loop, body=tuple(body))]
    return body
