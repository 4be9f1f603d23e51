"""Model files as graphs of nodes: protobuf messages read into Python, and what of it is static.

    Graph := inputs, outputs: name*,  nodes: Node*,  constants: name -> array
    Node  := operator, version, inputs, outputs: name*,  attributes,  body: Graph | None

A node with a body stands for a function: of the model's, or one that ONNX defines by other
operators. Names of outer graphs are seen in the graphs of `If`, `Loop` and `Scan`, not in bodies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.loading.onnx.registry import OPERATORS, Node
from graphc.loading.onnx.tensors import array_of

DEPTH = 24
"""How deep graphs and functions may nest."""
_KEPT = 2**16
_MAIN = ("", "ai.onnx")


@dataclass(slots=True, eq=False)
class Graph:
    """A graph that is read; see the module."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...] = ()
    constants: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Versions:
    """The opset version of each domain."""

    versions: Mapping[str, int]

    @staticmethod
    def of(imports: Iterable[Any]) -> Versions:
        """Those that a model or function declares."""
        return Versions({_domain(item.domain): item.version for item in imports})

    def __getitem__(self, domain: str) -> int:
        return self.versions.get(domain, 1)


def _domain(name: str) -> str:
    return "" if name in _MAIN else name


class Reader:
    """Reads graphs and their nodes; `functions` are the model's own."""

    def __init__(self, versions: Versions, functions: Iterable[Any], folder: Path | None) -> None:
        self.versions = versions
        self.folder = folder
        self.functions = {
            (_domain(one.domain), one.name, getattr(one, "overload", "")): one for one in functions
        }

    def graph(self, proto: Any, outer: frozenset[str] = frozenset(), depth: int = 0) -> Graph:
        """A ``GraphProto``; `outer` are the names that it sees from outside.

        Raises:
            ExportError: a name that nothing defines, or that is defined twice; what `array_of` and
                `node` refuse.
        """
        self._check_depth(depth, proto.name)
        if proto.sparse_initializer:
            raise ExportError(f"the graph {proto.name!r} has sparse initialisers: not supported")
        constants = {one.name: array_of(one, self.folder) for one in proto.initializer}
        inputs = tuple(one.name for one in proto.input if one.name not in constants)
        defined = set(outer) | set(constants) | set(inputs)
        nodes = self._nodes(proto.node, defined, depth)
        outputs = tuple(one.name for one in proto.output)
        for name in outputs:
            if name not in defined:
                raise ExportError(f"the output {name!r} of the graph {proto.name!r} is not defined")
        return Graph(proto.name, inputs, outputs, nodes, constants)

    def function(
        self, proto: Any, attributes: Mapping[str, Any], depth: int, versions: Versions
    ) -> Graph:
        """The body of a ``FunctionProto``, its attributes filled in.

        Raises:
            ExportError: as of `graph`.
        """
        self._check_depth(depth, proto.name)
        defaults = {one.name: self.attribute(one, {}, depth) for one in proto.attribute_proto}
        given = defaults | dict(attributes)
        reader = Reader(versions, (), self.folder)
        reader.functions = self.functions
        nodes = reader._nodes(proto.node, set(proto.input), depth, given)
        return Graph(proto.name, tuple(proto.input), tuple(proto.output), nodes)

    def _check_depth(self, depth: int, name: str) -> None:
        if depth > DEPTH:
            raise ExportError(f"graphs and functions nest more than {DEPTH} deep, at {name!r}")

    def _nodes(
        self,
        protos: Iterable[Any],
        defined: set[str],
        depth: int,
        given: Mapping[str, Any] | None = None,
    ) -> tuple[Node, ...]:
        nodes = []
        for proto in protos:
            node = self.node(proto, frozenset(defined), depth, given or {})
            for name in node.inputs:
                if name and name not in defined:
                    raise node.refusal(f"its operand {name!r} is not defined by a node before it")
            defined.update(name for name in node.outputs if name)
            nodes.append(node)
        return tuple(nodes)

    def node(
        self, proto: Any, defined: frozenset[str], depth: int, given: Mapping[str, Any]
    ) -> Node:
        """A ``NodeProto``; `given` are the attributes of the function that it is in.

        Raises:
            ExportError: an operator, or a version of one, that is not supported.
        """
        domain = _domain(proto.domain)
        attributes = {}
        for one in proto.attribute:
            if one.ref_attr_name and one.ref_attr_name not in given:
                continue
            attributes[one.name] = self.attribute(one, given, depth, defined)
        version = self.versions[domain]
        names = tuple(proto.input), tuple(proto.output)
        # Kept for operators that are expanded; as bytes, for a message keeps the whole file alive.
        kept = proto.SerializeToString() if proto.ByteSize() <= _KEPT else b""
        node = Node(proto.op_type, domain, version, proto.name, *names, attributes, kept)
        own = self.functions.get((domain, proto.op_type, getattr(proto, "overload", "")))
        if own is not None:
            versions = Versions.of(own.opset_import)
            body = self.function(own, attributes, depth + 1, versions)
            return _with_body(node, body)
        known = OPERATORS.get((domain, proto.op_type))
        if known is not None and version < known.since:
            raise node.refusal(f"opset {version} of it is not supported, only {known.since} and up")
        return node

    def attribute(
        self,
        proto: Any,
        given: Mapping[str, Any],
        depth: int,
        outer: frozenset[str] = frozenset(),
    ) -> Any:
        """The value of an ``AttributeProto``: numbers, texts, arrays, graphs, or tuples of them.

        Raises:
            ExportError: a kind of attribute that is not supported.
        """
        if proto.ref_attr_name:
            return given[proto.ref_attr_name]
        kind = proto.type
        if kind in _PLAIN:
            return _PLAIN[kind](proto)
        if kind == 4:
            return array_of(proto.t, self.folder, f"the attribute {proto.name!r}")
        if kind == 9:
            what = f"the attribute {proto.name!r}"
            return tuple(array_of(one, self.folder, what) for one in proto.tensors)
        if kind == 5:
            return self.graph(proto.g, outer, depth + 1)
        raise ExportError(f"the attribute {proto.name!r} is of a kind that is not supported")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


_PLAIN: dict[int, Callable[[Any], Any]] = {
    1: lambda proto: float(proto.f),
    2: lambda proto: int(proto.i),
    3: lambda proto: _text(proto.s),
    6: lambda proto: tuple(map(float, proto.floats)),
    7: lambda proto: tuple(map(int, proto.ints)),
    8: lambda proto: tuple(map(_text, proto.strings)),
}
"""Reading each kind of attribute that is numbers or texts, by ``AttributeProto.type``."""


def _with_body(node: Node, body: Graph) -> Node:
    return Node(
        node.operator,
        node.domain,
        node.version,
        node.name,
        node.inputs,
        node.outputs,
        node.attributes,
        node.proto,
        body,
    )


# --- what has to be known while tracing -----------------------------------------------------------


def demanded(graph: Graph, wanted: Iterable[str] = ()) -> set[str]:
    """The names in `graph`, and around it, whose elements shapes are made of.

    `wanted` are known to be so. A node all of whose results are sizes (Shape) asks for nothing.
    """
    needed = set(wanted)
    for node in reversed(graph.nodes):
        used = [position for position, name in enumerate(node.outputs) if name in needed]
        if node.body is not None:
            inner = demanded(node.body, {node.body.outputs[k] for k in used})
            pairs = zip(node.body.inputs, node.inputs, strict=False)
            needed |= {outer for name, outer in pairs if name in inner}
            continue
        known = OPERATORS.get((node.domain, node.operator))
        if known is not None:
            needed |= {node.inputs[k] for k in known.static if k < len(node.inputs)}
        for one in node.attributes.values():
            if isinstance(one, Graph):
                needed |= demanded(one, [one.outputs[k] for k in used if k < len(one.outputs)])
        if used and node.operator not in ("Shape", "Size"):
            needed |= set(node.inputs)
    return needed - {""}


def running_statistics(graph: Graph) -> set[str]:
    """The names of the means and variances of batch norms."""
    found: set[str] = set()
    for node in graph.nodes:
        if (node.domain, node.operator) == ("", "BatchNormalization"):
            found.update(node.inputs[3:5])
        for one in [*node.attributes.values(), node.body]:
            found |= running_statistics(one) if isinstance(one, Graph) else set()
    return found
