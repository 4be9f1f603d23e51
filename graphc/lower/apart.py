"""Which neighbours ended in different kernels, and why: read off the launches, when asked.

An edge is a computed value and an operation that reads it, through views or through operations that
the reader's kernel computes again. It is apart if no kernel holds both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from graphc.errors import Location
from graphc.fuse.values import Fused, kind_of
from graphc.ir import Graph, Node, Value
from graphc.loops import Template
from graphc.lower.driver import Lowered
from graphc.lower.launch import Branch, Launch, Loop
from graphc.lower.product import generated
from graphc.types import TensorType, product

_ALONE = {
    "scatter": "a scatter has a kernel of its own: where it writes is known only when it runs",
    "scatter_add": "a scatter has a kernel of its own: where it writes is known only when it runs",
    "update": "a write to a part of an array has a kernel of its own",
    "scan": "a loop is a step of its own, which takes and gives whole arrays",
    "while": "a loop is a step of its own, which takes and gives whole arrays",
    "cond": "a branch is a step of its own, which takes and gives whole arrays",
    "program": "a library routine, or a transform, takes and gives whole rows or matrices",
    "sort": "sorting takes whole rows",
    "argsort": "sorting takes whole rows",
    "search": "a search reads the whole sorted row",
    "cumulate": "running results are computed row by row, each element from the one before",
    "recurrence": "running results are computed row by row, each element from the one before",
    "print": "what is printed is handed over as whole arrays",
}
"""What stands between a template of a kind and its neighbours."""


@dataclass(frozen=True, slots=True)
class Apart:
    """Two neighbours that different kernels compute.

    Attributes:
        producer: the operation whose result is stored by one kernel and loaded by another.
        consumer: the operation that reads it; None where a result of the function is a copy of it.
        reason: why one kernel does not hold both.
        lines: the user's lines of the two.
    """

    producer: Node
    consumer: Node | None
    reason: str
    lines: tuple[Location | None, Location | None]

    @property
    def names(self) -> tuple[str, str]:
        """What the two operations are called."""
        reader = "the result" if self.consumer is None else self.consumer.op.name
        return self.producer.op.name, reader


def neighbours_apart(lowered: Lowered) -> tuple[Apart, ...]:
    """Every edge between two kernels of `lowered`, and of the bodies of its loops, once."""
    found: list[Apart] = []
    stack = [lowered]
    while stack:
        step = stack.pop()
        found += _Edges(step).apart()
        for part in step.steps:
            if isinstance(part, Loop):
                stack.append(part.body.lowered)
            elif isinstance(part, Branch):
                stack += [body.lowered for body in part.bodies]
    return tuple(found)


class _Edges:
    """The edges of one step."""

    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.fused: Fused = lowered.fused
        self.sources = _sources(self.fused.graph)
        self.kernels: list[dict[Node, None]] = []
        self.places: dict[Node, set[int]] = {}
        for number, step in enumerate(lowered.steps):
            nodes = step.kernel.nodes if isinstance(step, Launch) else (step.node,)
            self.kernels.append({node: None for node in nodes if _is_computed(node)})
            for node in self.kernels[number]:
                self.places.setdefault(node, set()).add(number)

    def apart(self) -> list[Apart]:
        found: dict[tuple[Node, Node], str] = {}
        for nodes in self.kernels:
            readers: dict[Node, list[Node]] = {}
            for node in nodes:
                for source in self.sources[node]:
                    readers.setdefault(source, []).append(node)
            for source in readers:
                if source not in nodes and source in self.places:
                    for edge, reason in self.crossing(source, readers):
                        found.setdefault(edge, reason)
        graph = self.fused.graph
        edges = [
            Apart(a, b, reason, (graph.location(a), graph.location(b)))
            for (a, b), reason in found.items()
        ]
        return edges + list(self.copied_results())

    def crossing(
        self, source: Node, readers: dict[Node, list[Node]]
    ) -> Iterator[tuple[tuple[Node, Node], str]]:
        """The edges from `source` into a kernel in which an operation has these `readers`.

        What is in the kernel of `source` too is computed again here, for what reads that.
        """
        paths = [(reader, source) for reader in readers[source]]
        seen = set(paths)
        while paths:
            reader, before = paths.pop()
            if self.places[source].isdisjoint(self.places[reader]):
                yield (source, reader), self.reason(source, before, reader, readers)
                continue
            further = [(other, reader) for other in readers.get(reader, ())]
            paths += [path for path in further if path not in seen]
            seen.update(further)

    def reason(
        self, source: Node, before: Node, reader: Node, readers: dict[Node, list[Node]]
    ) -> str:
        known = self.fused.reasons
        for producer in (source, before):
            if (producer, reader) in known:
                return known[producer, reader]
        if isinstance(source.op.lower, Template) or isinstance(reader.op.lower, Template):
            return self.between(source, reader)
        # A cheap value is computed by the kernels that need it, and not where it was placed.
        stack, seen = [reader], {reader}
        while stack:
            node = stack.pop()
            for other in readers.get(node, ()):
                if (node, other) in known:
                    return f"{reader.op.name} is computed where it is used: {known[node, other]}"
                if isinstance(other.op.lower, Template):
                    return self.between(node, other)
                if other not in seen:
                    seen.add(other)
                    stack.append(other)
        return "a cheap operation is computed where its result is used"

    def between(self, source: Node, reader: Node) -> str:
        """What stands between two nodes, of which at least one is a template."""
        graph_kinds = [_kind(node) for node in (source, reader)]
        copied = [v for v in reader.inputs if v in self.fused.materialised]
        if any(source in self.sources_of(value) for value in copied):
            first, second = source.op.name, reader.op.name
            return f"{first} is copied first, into the order in which {second} reads it"
        for node, kind in zip((reader, source), reversed(graph_kinds), strict=True):
            if kind not in ("", "matmul"):
                return _ALONE.get(kind, f"{node.op.name} has a kernel of its own")
        if graph_kinds == ["matmul", "matmul"]:
            return "each product has a kernel of its own"
        node = source if graph_kinds[0] else reader
        if node.out().dtype.kind not in "fc":
            return "a product of integers has loops of its own"
        if not generated(self.fused, node):
            return "BLAS computes the product, from whole arrays to a whole array"
        if product(node.out().shape[:-2]) != 1:
            return "the blocks of a batch of products are not joined with other loops"
        if node is source:
            return f"{reader.op.name} reads the product in another shape or order"
        if source in self.sources_of(reader.inputs[1]):
            return "every block of the product needs the whole right operand"
        return f"the product's kernel can't hold {source.op.name} and what follows the product"

    def sources_of(self, value: Value) -> dict[Node, None]:
        node = value.node
        return {node: None} if _is_computed(node) else self.sources[node]

    def copied_results(self) -> Iterator[Apart]:
        """The results that are copies of what another kernel stores."""
        graph = self.fused.graph
        for number, step in enumerate(self.lowered.steps):
            keys = step.writes if isinstance(step, Launch) else []
            outputs = [key[1] for key in keys if isinstance(key, tuple) and key[0] == "output"]
            for k in outputs:
                for key in step.reads:
                    if not isinstance(key, Value) or key.node in self.kernels[number]:
                        continue
                    if key.node in self.places:
                        reason = f"result {k + 1} of {len(graph.outputs)} is a copy of it"
                        yield Apart(key.node, None, reason, (graph.location(key.node), None))


def _is_computed(node: Node) -> bool:
    if isinstance(node.op.lower, Template):
        return True
    tensor = any(isinstance(type_, TensorType) for type_ in node.types)
    return tensor and kind_of(node.out()) in ("point", "reduce")


def _kind(node: Node) -> str:
    return node.op.lower.kind if isinstance(node.op.lower, Template) else ""


def _sources(graph: Graph) -> dict[Node, dict[Node, None]]:
    """For each node the computed ones that it reads, through views and constants."""
    found: dict[Node, dict[Node, None]] = {}
    for node in graph.nodes:
        sources: dict[Node, None] = {}
        for value in node.inputs:
            if isinstance(value.type, TensorType):
                other = value.node
                sources |= {other: None} if _is_computed(other) else found.get(other, {})
        found[node] = sources
    return found
