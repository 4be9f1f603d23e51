"""What a drawing of a graph shows: boxes, arrows and groups, before anything is placed.

A reader wants to see their computation, not its bookkeeping: broadcasting is left out, as NumPy
leaves it out, and a scalar constant is written in the box that uses it (``maximum(x, 0)``).
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from graphc.adjoint import gradients as cotangents_of
from graphc.interp import bind_sizes, extend
from graphc.ir import PARAMETER, Graph, Node, Value
from graphc.loops import Elementwise, Reduction, Template
from graphc.ops import full_like
from graphc.ops.query import differentiable
from graphc.types import TensorType, shape_text


class KernelLike(Protocol):
    """What a drawing needs to know of a kernel."""

    @property
    def name(self) -> str: ...
    @property
    def nodes(self) -> Iterable[Node]: ...


Kernels = Sequence[KernelLike | tuple[str, KernelLike]]
"""Kernels in the order they run, each with another name before it where its own is not unique."""


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its `kind` (what colours it), its title, and lines of (style, text) below.

    Styles are ``type``, ``note``, ``value``, ``gradient``, ``input`` and ``output``.
    """

    kind: str
    title: str
    lines: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Arrow:
    """From result `output` of box `source` to operand `operand` of box `target`.

    `fan_out` and `fan_in` say how many results and operands the two boxes show.
    """

    source: int
    target: int
    output: int = 0
    fan_out: int = 1
    operand: int = 0
    fan_in: int = 1


@dataclass(frozen=True, slots=True)
class Group:
    """A kernel: boxes drawn inside one coloured frame."""

    title: str
    boxes: tuple[int, ...]


@dataclass(slots=True)
class Diagram:
    """Boxes, arrows between them by number, and groups of them."""

    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)


INFIX = {
    "add": "+",
    "subtract": "−",
    "multiply": "×",
    "masked_multiply": "×",
    "divide": "÷",
    "true_divide": "÷",
    "floor_divide": "//",
    "remainder": "%",
    "power": "**",
    "matmul": "@",
    "less": "<",
    "less_equal": "≤",
    "greater": ">",
    "greater_equal": "≥",
    "equal": "=",
    "not_equal": "≠",
}
PASSED = frozenset({"barrier", "broadcast_to"})


def evaluations(
    graph: Graph, arguments: Sequence[Any]
) -> tuple[dict[Value, Any], dict[Value, Any]]:
    """The value of every node for `arguments`, and the gradient of the outputs' sum by each.

    Gradients are there for real-valued nodes that an output depends on.

    Raises:
        ShapeError: `arguments` do not fit the graph's inputs.

    >>> from graphc import ops
    >>> from graphc.ir import close, fresh_input
    >>> from graphc.types import DTYPES
    >>> x = fresh_input(TensorType(DTYPES["float64"], ()))
    >>> square = close([x], [ops.multiply(x, x)], names=["x"])
    >>> values, gradients = evaluations(square, [3.0])
    >>> float(values[square.outputs[0]]), float(gradients[square.inputs[0]])
    (9.0, 6.0)
    """
    arrays = [
        np.asarray(argument, value.dtype) if isinstance(value.type, TensorType) else None
        for value, argument in zip(graph.inputs, arguments, strict=True)
    ]
    sizes = bind_sizes(graph, arrays)
    values: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))
    extend(values, graph.outputs, sizes)
    inner = [value for node in graph.nodes for value in node.outputs if differentiable(value)]
    seeds = [full_like(value, 1) if differentiable(value) else None for value in graph.outputs]
    found = dict(zip(inner, cotangents_of(graph.outputs, seeds, inner), strict=True))
    known = dict(values)
    extend(known, [value for value in found.values() if value is not None], sizes)
    return values, {value: known[g] for value, g in found.items() if g is not None}


def describe(
    graph: Graph,
    *,
    values: Mapping[Value, Any] | None = None,
    gradients: Mapping[Value, Any] | None = None,
    kernels: Kernels = (),
    results: Sequence[str] = (),
    whole_kernels: bool = False,
) -> Diagram:
    """The diagram of `graph`.

    Args:
        graph: what to draw.
        values: for each value of the graph, the array to write on its box.
        gradients: likewise, its gradient.
        kernels: what was fused; their nodes are drawn in frames.
        results: names for the outputs that are not writes to arguments; without, ``result``.
        whole_kernels: one box a kernel, that lists its operations, instead of a box a node.
    """
    named = [kernel if isinstance(kernel, tuple) else (kernel.name, kernel) for kernel in kernels]
    reader = _Reader(graph, values or {}, gradients or {}, results, named)
    return reader.kernels_as_boxes() if whole_kernels else reader.nodes_as_boxes()


Place = tuple[Node, int | None]
"""A node as one kernel computes it; a cheap node may be computed by several, each for itself."""


class _Reader:
    """Turns nodes into boxes."""

    def __init__(
        self,
        graph: Graph,
        values: Mapping[Value, Any],
        gradients: Mapping[Value, Any],
        results: Sequence[str],
        kernels: Sequence[tuple[str, KernelLike]],
    ) -> None:
        self.graph = graph
        self.values = values
        self.gradients = gradients
        self.results = results
        reached = [node for node in graph.nodes if _is_shown(node)]
        inputs = [value.node for value in graph.inputs]
        self.shown = inputs + [node for node in reached if node not in set(inputs)]
        self.names = [name for name, _ in kernels]
        self.members = [{node for node in kernel.nodes if _is_shown(node)} for _, kernel in kernels]
        self.home: dict[Node, int] = {}
        for k, members in enumerate(self.members):
            for node in members:
                self.home.setdefault(node, k)
        self._adopt()
        self.places: list[Place] = []
        for node in self.shown:
            makers = [k for k, members in enumerate(self.members) if node in members]
            self.places += [(node, k) for k in makers] or [(node, None)]

    def _adopt(self) -> None:
        """Give the views that belong to no kernel to the one that reads them.

        So too what lies between two nodes of one kernel: a frame has no holes.
        """
        users: dict[Node, set[int | None]] = {}
        for value in self.graph.outputs:
            users.setdefault(_source(value).node, set()).add(None)
        for node in reversed(self.shown):
            read_by = users.get(node, set())
            operands = {self.home.get(_source(value).node) for value in node.inputs}
            if node not in self.home and node.op is not PARAMETER:
                candidates = read_by if len(read_by) == 1 else read_by & operands
                kernel = next(iter(candidates - {None}), None)
                if kernel is not None:
                    self.home[node] = kernel
                    self.members[kernel].add(node)
            for value in node.inputs:
                users.setdefault(_source(value).node, set()).add(self.home.get(node))

    def _seen_from(self, kernel: int | None, node: Node) -> Place:
        """The place that `kernel` takes `node` from: its own, or where it is made first."""
        if kernel is not None and node in self.members[kernel]:
            return node, kernel
        return node, self.home.get(node)

    # --- one box a node ---------------------------------------------------------------------------

    def nodes_as_boxes(self) -> Diagram:
        """Every operation, kernels as frames around them."""
        diagram = Diagram()
        number = {place: k for k, place in enumerate(self.places)}
        for node, kernel in self.places:
            diagram.boxes.append(self._box(node))
            operands = [value for value in map(_source, node.inputs) if _is_shown(value.node)]
            for k, value in enumerate(operands):
                source = number[self._seen_from(kernel, value.node)]
                fan_out = len(value.node.types)
                target = number[node, kernel]
                diagram.arrows.append(Arrow(source, target, value.index, fan_out, k, len(operands)))
        self._add_results(diagram, number)
        for k, name in enumerate(self.names):
            inside = tuple(n for (_, kernel), n in number.items() if kernel == k)
            if inside:
                diagram.groups.append(Group(name, inside))
        return diagram

    def _box(self, node: Node) -> Box:
        lines = [("type", str(type_)) for type_ in node.types]
        if node.op is PARAMETER:
            title = self._input_name(node["number"])
        else:
            title = self._title(node)
            name = self.graph.notes[node].name if node in self.graph.notes else ""
            lines[:0] = [("note", name)] if name else []
        for value in node.outputs:
            if value in self.values:
                lines.append(("value", f"value {_array_text(self.values[value])}"))
            if value in self.gradients:
                lines.append(("gradient", f"gradient {_array_text(self.gradients[value])}"))
        return Box(_kind(node), title, tuple(line for line in lines if line[1]))

    def _input_name(self, number: int) -> str:
        names = self.graph.names
        return names[number] if number < len(names) and names[number] else f"input {number}"

    def _title(self, node: Node) -> str:
        name, attributes = node.op.name.rstrip("_"), _attribute_text(node)
        if name == "cast":
            return f"→ {node['dtype'].name}"
        texts = [_scalar_text(_source(value)) for value in node.inputs]
        infix = INFIX.get(name)
        if infix and len(texts) == 2:
            return " ".join(part for part in (texts[0], infix, texts[1]) if part)
        if any(texts):
            return f"{name}({', '.join(text or '_' for text in texts)})"
        return f"{name} {attributes}".rstrip()

    def _add_results(
        self, diagram: Diagram, number: Mapping[Place, int], told: Container[Node] = ()
    ) -> None:
        """A box for each output, but for a written one whose node's box tells of it."""
        names = iter(self.results)
        unnamed = itertools.count()
        several = self.graph.written.count(None) > 1
        for value, target in zip(self.graph.outputs, self.graph.written, strict=True):
            source = _source(value)
            if target is not None and source.node in told:
                continue
            if target is not None:
                title = f"{self._input_name(target)} ←"
            else:
                title = f"result {next(unnamed)}" if several else "result"
                title = next(names, title)
            constant = _scalar_text(source)
            diagram.boxes.append(Box("output", title, (("type", constant),) if constant else ()))
            place = self._seen_from(None, source.node)
            if place in number:
                last, fan_out = len(diagram.boxes) - 1, len(source.node.types)
                diagram.arrows.append(Arrow(number[place], last, source.index, fan_out))

    # --- one box a kernel -------------------------------------------------------------------------

    def kernels_as_boxes(self) -> Diagram:
        """Kernels that list their operations, the arguments they read and those they write.

        Arguments are names in the boxes, not boxes: a training step reads each parameter twice, far
        apart, and the arrows would hide how the kernels feed each other.
        """
        diagram = Diagram()
        number: dict[Place, int] = {}
        for node, kernel in self.places:
            if kernel is None and node.op is not PARAMETER:
                number[node, kernel] = len(diagram.boxes)
                diagram.boxes.append(self._box(node))
        for k in range(len(self.names)):
            inside = [place for place in self.places if place[1] == k]
            if inside:
                number |= dict.fromkeys(inside, len(diagram.boxes))
                diagram.boxes.append(self._kernel_box(k, [node for node, _ in inside]))
        for two, ones in self._pairs(number).items():
            for k, one in enumerate(ones):
                diagram.arrows.append(Arrow(one, two, operand=k, fan_in=len(ones)))
        self._add_results(diagram, number, self.home)
        return diagram

    def _pairs(self, number: Mapping[Place, int]) -> dict[int, list[int]]:
        """For each box, the boxes it reads."""
        pairs: dict[int, dict[int, None]] = {}
        for (node, kernel), two in number.items():
            for value in map(_source, node.inputs):
                one = number.get(self._seen_from(kernel, value.node))
                if one is not None and one != two:
                    pairs.setdefault(two, {})[one] = None
        return {two: list(ones) for two, ones in pairs.items()}

    def _kernel_box(self, number: int, members: Sequence[Node]) -> Box:
        counts = Counter(self._title(node) for node in members)
        parts = [title if n == 1 else f"{title} (×{n})" for title, n in counts.items()]
        lines = [("note", line) for line in _wrapped(parts, "  ·  ", 44)]
        operands = dict.fromkeys(_source(value) for node in members for value in node.inputs)
        read = [self._input_name(v.node["number"]) for v in operands if v.node.op is PARAMETER]
        written = [
            self._input_name(target)
            for value, target in zip(self.graph.outputs, self.graph.written, strict=True)
            if target is not None and self.home.get(_source(value).node) == number
        ]
        for style, verb, names in (
            ("input", "reads ", [name for name in read if name not in written]),
            ("output", "updates ", [name for name in written if name in read]),
            ("output", "writes ", [name for name in written if name not in read]),
        ):
            lines += [(style, line) for line in _wrapped(names, ", ", 40, verb)]
        kinds = [_kind(node) for node in members]
        kind = next((k for k in ("product", "template", "reduction") if k in kinds), kinds[-1])
        return Box(kind, self.names[number], tuple(lines))


def _wrapped(parts: Sequence[str], separator: str, width: int, head: str = "") -> list[str]:
    """`parts` joined, broken into lines of about `width` characters; no parts, no lines."""
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]}{separator}{part}" if lines else head + part
        if lines and len(joined) > width:
            lines.append(part)
        else:
            lines[-1:] = [joined]
    return lines


def _source(value: Value) -> Value:
    """The value behind broadcasts and barriers."""
    while value.node.op.name in PASSED:
        value = value.node.inputs[0]
    return value


def _is_shown(node: Node) -> bool:
    return node.op.name not in PASSED and _scalar_text(node.out()) is None


def _scalar_text(value: Value) -> str | None:
    """The text of a constant whose elements are all equal to one number, else None."""
    node = _source(value).node
    if node.op.name != "constant":
        return None
    array = np.frombuffer(node["data"], dtype=node["dtype"])
    if array.size == 0 or node["dtype"].kind == "V":
        return None
    equal = array.tobytes() == array[:1].tobytes() * array.size
    return _number_text(array[0]) if equal else None


def _number_text(number: Any) -> str:
    if isinstance(number, float | np.floating):
        return f"{float(number):.5g}"
    return str(number)


def _array_text(array: Any) -> str:
    """A scalar or a few numbers as they are; more than that by shape only."""
    array = np.asarray(array)
    if array.ndim == 0:
        return _number_text(array[()])
    if array.size <= 4:
        return np.array2string(array, precision=4, separator=", ").replace("\n", "")
    return f"of shape {shape_text(array.shape)}"


def _attribute_text(node: Node) -> str:
    """The attributes worth a reader's time, short."""
    parts = []
    for name, value in node.attrs:
        if name in ("axes", "axis") and isinstance(value, tuple):
            parts.append(f"{'axis' if len(value) == 1 else 'axes'} {', '.join(map(str, value))}")
        elif name == "axis":
            parts.append(f"axis {value}")
        elif name == "equation":
            parts.append(str(value))
    return ", ".join(parts)


def _kind(node: Node) -> str:
    if node.op is PARAMETER:
        return "input"
    if not node.inputs:
        return "constant"
    lower = node.op.lower
    if isinstance(lower, Elementwise):
        return "pointwise"
    if isinstance(lower, Reduction):
        return "reduction"
    if isinstance(lower, Template):
        return "product" if lower.kind == "matmul" else "template"
    return "movement"
