"""What sizes must fulfil so that no window of a graph reaches outside its array.

Windows (slices, updates, embeddings) of known sizes are checked when a node is made; with symbolic
sizes a graph relies on the relations that held while it was traced. A file may leave those out, so
they are found again here, where a graph from a file meets sizes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphc.ir import Graph, Node
from graphc.types import Size

WINDOWS = ("slice", "embed", "update")


@dataclass(frozen=True, slots=True)
class Window:
    """One axis of a window: `size` positions from `start` on in an axis of `extent`."""

    start: Size
    size: Size
    step: int
    extent: Size

    @property
    def last(self) -> Size:
        """The last position; below the first where the step is negative."""
        return self.start + (self.size - 1) * self.step

    @property
    def ends(self) -> tuple[Size, Size]:
        """The least and the greatest position."""
        return (self.start, self.last) if self.step > 0 else (self.last, self.start)

    @property
    def is_certain(self) -> bool:
        """Whether it is inside whatever the sizes are; those are never negative."""
        least, greatest = self.ends
        room = self.extent - 1 - greatest
        return isinstance(least, int) and least >= 0 and isinstance(room, int) and room >= 0


def windows(graph: Graph) -> Iterator[Window]:
    """The axes of windows in `graph`, and in its loops and branches, that may reach outside."""
    for node in graph.nodes:
        if node.op.name in WINDOWS:
            yield from (window for window in _windows(node) if not window.is_certain)
        for region in node.regions:
            yield from windows(region)


def _windows(node: Node) -> Iterator[Window]:
    if node.op.name == "slice":
        extents, sizes = node.inputs[0].shape, node["size"]
    elif node.op.name == "embed":
        extents, sizes = node["shape"], node.inputs[0].shape
    else:
        extents, sizes = node.inputs[0].shape, node.inputs[1].shape
    for start, size, step, extent in zip(node["start"], sizes, node["step"], extents, strict=True):
        yield Window(start, size, step, extent)
