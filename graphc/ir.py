"""The Graph IR: what is computed.

    Graph  := inputs: Value*, outputs: Value*, written: for each output, the input it replaces
    Node   := op: Op, inputs: Value*, attrs, regions: Graph*, types     # interned
    Value  := node, index
    Op     := name, infer, evaluate, vjp, jvp, batch, lower, effect     # all rules of one op

Graphs are immutable, typed and pure but for tokens; no Python callable is in a node, so every graph
can be written as JSON. Broadcasting and casts are explicit nodes. Loops and branches hold their
bodies as regions, which are closed: a region reads nothing but its own parameters. The user's
lines are kept beside the graph, in `Graph.notes`, never in a node's key.

An attribute is a bool, int, float, str, bytes, None, `Dim`, dtype, or a tuple of those.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from graphc.errors import GraphcError, Location
from graphc.operators import NoArray
from graphc.types import Size, TensorType, TokenType, Type

if TYPE_CHECKING:
    from graphc.loops import Lowering

Attr: TypeAlias = Any
Attrs: TypeAlias = tuple[tuple[str, Attr], ...]
Infer: TypeAlias = Callable[
    [tuple[Type, ...], dict[str, Attr], tuple["Graph", ...]], tuple[Type, ...]
]
Evaluate: TypeAlias = Callable[["Driver", "Node", list[Any]], tuple[Any, ...]]
Cotangents: TypeAlias = tuple["Value | None", ...]
Vjp: TypeAlias = Callable[["Driver", "Node", Cotangents], Cotangents]
Tangents: TypeAlias = tuple["Value | None", ...]
Jvp: TypeAlias = Callable[["Driver", "Node", Tangents], Tangents]
Mapped: TypeAlias = tuple["Value", bool]
Batch: TypeAlias = Callable[["Driver", "Node", Sequence[Mapped], Size], tuple[Mapped, ...]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Op:
    """One operation with all its rules, side by side.

    Attributes:
        name: unique; what is printed and written to files.
        infer: ``(input types, attrs, regions) -> output types``; raises ShapeError or DTypeError.
        evaluate: ``(driver, node, arrays) -> arrays``, in NumPy: the meaning of the op.
        vjp: ``(driver, node, output cotangents) -> input cotangents``; a cotangent that is None is
            zero. None in place of the rule: no derivative (integers, comparisons, tokens).
        jvp: ``(driver, node, input tangents) -> output tangents``; a tangent that is None is zero.
            None in place of the rule: the transpose of `vjp`, which is as exact.
        batch: ``(driver, node, operands, size) -> results``: the op for `size` examples at once.
            Each operand and result is a value, and whether it has a leading axis of examples;
            called where some operand has. None for ops without operands.
        lower: how one element, or the whole, is computed; see `graphc.loops.Lowering`.
        effect: it takes a token as its last input and gives one as its last output.
        attributes: the name of each attribute and its kind, which files are read by: ``int``,
            ``bool``, ``str``, ``bytes``, ``dtype``, ``size``, ``sizes``, ``ints`` or ``shape``.
        regions: how many regions a node has.
        error: what a check of this op stops a call with, if it is no `DomainError`.
    """

    name: str
    infer: Infer
    evaluate: Evaluate
    vjp: Vjp | None = None
    lower: Lowering | None = None
    effect: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    regions: int = 0
    jvp: Jvp | None = None
    batch: Batch | None = None
    error: type[GraphcError] | None = None

    def __repr__(self) -> str:
        return self.name


def _not_needed(*arguments: Any) -> Any:
    raise AssertionError("a rule asked for what its driver does not do")


@dataclass(frozen=True, slots=True)
class Driver:
    """What the rules of region ops need from rooms below them; passed to them, never imported.

    Attributes:
        evaluate: ``(graph, arrays) -> arrays``.
        differentiate: ``(graph, input positions) -> graph`` that maps inputs and output cotangents
            (inexact outputs only) to the cotangents of those inputs.
        push_forward: ``(graph, input positions) -> graph`` that maps inputs and the tangents of
            those inputs to the outputs and the tangents of the inexact outputs.
        batch: ``(graph, which inputs are mapped, size, which outputs must be) -> (graph, which
            outputs are mapped)``.
    """

    evaluate: Callable[[Graph, Sequence[Any]], list[Any]]
    differentiate: Callable[[Graph, Sequence[int]], Graph]
    push_forward: Callable[[Graph, Sequence[int]], Graph] = _not_needed
    batch: Callable[[Graph, Sequence[bool], Size, Sequence[bool]], tuple[Graph, list[bool]]] = (
        _not_needed
    )


class Value(NoArray):
    """One result of a node."""

    __slots__ = ("index", "node")
    IS = "a value of the graph"
    INSTEAD = (
        "Compute with graphc.ops, as in ops.sin(x) or ops.multiply(x, y); a function of arrays "
        "needs no graphc.operation."
    )
    node: Node
    index: int

    def __init__(self, node: Node, index: int = 0) -> None:
        self.node = node
        self.index = index

    @property
    def type(self) -> Type:
        return self.node.types[self.index]

    @property
    def tensor(self) -> TensorType:
        """The type of a value that is no token."""
        type_ = self.node.types[self.index]
        if not isinstance(type_, TensorType):
            raise TypeError(f"{self!r} is a token, not a tensor")
        return type_

    @property
    def dtype(self) -> np.dtype:
        return self.tensor.dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        return self.tensor.shape

    @property
    def ndim(self) -> int:
        return len(self.tensor.shape)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and self.node is other.node and self.index == other.index

    def __hash__(self) -> int:
        return hash((id(self.node), self.index))

    def __repr__(self) -> str:
        return f"<{self.node.op.name}:{self.index} {self.type}>"


class Node:
    """An operation applied to values. Made by `make` only, so that equal nodes are identical."""

    __slots__ = ("__weakref__", "attrs", "inputs", "op", "regions", "types")
    op: Op
    inputs: tuple[Value, ...]
    attrs: Attrs
    regions: tuple[Graph, ...]
    types: tuple[Type, ...]

    def __getitem__(self, name: str) -> Attr:
        for key, value in self.attrs:
            if key == name:
                return value
        raise KeyError(f"{self.op.name} has no attribute {name!r}")

    def out(self, index: int = 0) -> Value:
        """The `index`-th result."""
        return Value(self, index)

    @property
    def outputs(self) -> tuple[Value, ...]:
        return tuple(Value(self, index) for index in range(len(self.types)))

    def __repr__(self) -> str:
        return f"<{self.op.name} {', '.join(map(str, self.types))}>"


_interned: WeakValueDictionary[Any, Node] = WeakValueDictionary()
_intern_lock = threading.RLock()
_fresh = itertools.count()


def _attr_key(value: Attr) -> Any:
    """Distinguish True, 1 and 1.0, and 0.0 and -0.0, which Python calls equal."""
    if isinstance(value, tuple):
        return tuple(_attr_key(item) for item in value)
    if isinstance(value, float):
        return (float, value.hex())
    return (type(value), value)


def make(
    op: Op,
    inputs: Sequence[Value] = (),
    attrs: Mapping[str, Attr] | None = None,
    regions: Sequence[Graph] = (),
) -> Node:
    """The node for `op` applied to `inputs`: the existing one if an equal one is alive.

    Raises:
        ShapeError, DTypeError: from the op's `infer`.
    """
    attributes = dict(sorted(attrs.items())) if attrs else {}
    packed = tuple(attributes.items())
    operands, bodies = tuple(inputs), tuple(regions)
    key = (op, operands, tuple((name, _attr_key(value)) for name, value in packed), bodies)
    found = _interned.get(key)
    if found is not None:
        return found
    types = op.infer(tuple(value.type for value in operands), attributes, bodies)
    node = Node.__new__(Node)
    node.op, node.inputs, node.attrs, node.regions, node.types = op, operands, packed, bodies, types
    with _intern_lock:
        return _interned.setdefault(key, node)


def _infer_input(types: tuple[Type, ...], attrs: dict[str, Attr], _: Any) -> tuple[Type, ...]:
    if attrs["dtype"] is None:
        return (TokenType(),)
    return (TensorType(attrs["dtype"], attrs["shape"]),)


def _no_value(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    raise KeyError(f"{node!r} has no value: it is not an input of the evaluated graph")


PARAMETER = Op("parameter", _infer_input, _no_value)
INPUT = Op("input", _infer_input, _no_value)


def _typed(op: Op, number: int, type_: Type) -> Value:
    dtype, shape = (type_.dtype, type_.shape) if isinstance(type_, TensorType) else (None, ())
    return make(op, attrs={"number": number, "dtype": dtype, "shape": shape}).out()


def fresh_input(type_: Type) -> Value:
    """An input unlike any other, to build a graph on; `close` turns it into a parameter."""
    return _typed(INPUT, next(_fresh), type_)


def parameter(number: int, type_: Type) -> Value:
    """The `number`-th input of a closed graph."""
    return _typed(PARAMETER, number, type_)


@dataclass(frozen=True, slots=True)
class Note:
    """What is kept beside a node: the user's line, and a name for printing."""

    location: Location | None = None
    name: str = ""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Graph:
    """A closed computation: outputs as a function of parameters.

    ``written[k]`` is the input that output k replaces (a write to an argument), or None. `names`
    are the inputs' names; `notes` hold the user's lines. Neither takes part in equality.
    """

    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    written: tuple[int | None, ...] = ()
    names: tuple[str, ...] = field(default=(), compare=False)
    notes: Mapping[Node, Note] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.written:
            object.__setattr__(self, "written", (None,) * len(self.outputs))

    @property
    def nodes(self) -> list[Node]:
        """All nodes that the outputs need, operands first; inputs that are not needed left out."""
        return topological(self.outputs)

    def location(self, node: Node) -> Location | None:
        note = self.notes.get(node)
        return note.location if note else None

    def __str__(self) -> str:
        return format_graph(self)


def topological(outputs: Iterable[Value], known: Container[Value] = ()) -> list[Node]:
    """The nodes that `outputs` depend on, operands before users; nothing above `known` values.

    Iterative, so any depth is fine.
    """
    order: list[Node] = []
    done: set[Node] = set()
    stack = [(value.node, False) for value in reversed(list(outputs)) if value not in known]
    while stack:
        node, expanded = stack.pop()
        if node in done:
            continue
        if expanded:
            done.add(node)
            order.append(node)
            continue
        stack.append((node, True))
        for value in reversed(node.inputs):
            if value.node not in done and value not in known:
                stack.append((value.node, False))
    return order


def rebuild(
    outputs: Sequence[Value],
    replacements: Mapping[Value, Value],
    notes: Mapping[Node, Note] | None = None,
    new_notes: dict[Node, Note] | None = None,
) -> list[Value]:
    """`outputs` with values replaced; notes are carried over to `new_notes`."""
    mapping: dict[Value, Value] = dict(replacements)
    order = topological(outputs, known=mapping)
    for node in order:
        operands = tuple(mapping.get(v, v) for v in node.inputs)
        same = operands == node.inputs
        new = node if same else make(node.op, operands, dict(node.attrs), node.regions)
        if notes is not None and new_notes is not None and node in notes:
            new_notes.setdefault(new, notes[node])
        if not same:
            for old_value, new_value in zip(node.outputs, new.outputs, strict=True):
                mapping.setdefault(old_value, new_value)
    return [mapping.get(v, v) for v in outputs]


def close(
    inputs: Sequence[Value],
    outputs: Sequence[Value],
    *,
    written: Sequence[int | None] = (),
    names: Sequence[str] = (),
    notes: Mapping[Node, Note] | None = None,
) -> Graph:
    """The graph from `inputs` (values to cut at) to `outputs`, over parameters.

    Raises:
        ValueError: an output depends on an `input` node that is not among `inputs`.
    """
    parameters = tuple(parameter(k, value.type) for k, value in enumerate(inputs))
    new_notes: dict[Node, Note] = {}
    closed = rebuild(outputs, dict(zip(inputs, parameters, strict=True)), notes, new_notes)
    for node in topological(closed):
        if node.op is INPUT:
            raise ValueError(f"{node!r} is used but is not an input of the graph")
    return Graph(parameters, tuple(closed), tuple(written), tuple(names), new_notes)


def inline(graph: Graph, arguments: Sequence[Value]) -> list[Value]:
    """The outputs of `graph` with its parameters replaced by `arguments`."""
    return rebuild(graph.outputs, dict(zip(graph.inputs, arguments, strict=True)))


def _attr_text(value: Attr) -> str:
    if isinstance(value, np.dtype):
        return value.name
    if isinstance(value, tuple):
        inner = ", ".join(_attr_text(item) for item in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    return str(value) if not isinstance(value, str) else repr(value)


@contextmanager
def locating(graph: Graph, node: Node) -> Iterator[None]:
    """Errors within the block name the user's line of `node`, unless they name another."""
    try:
        yield
    except GraphcError as error:
        if error.location is None:
            error.location = graph.location(node)
        raise


def format_graph(graph: Graph, indent: str = "") -> str:
    """The graph as text, one node a line, the user's line beside it.

    >>> from graphc import ops
    >>> from graphc.types import DTYPES, TensorType
    >>> x = fresh_input(TensorType(DTYPES["float32"], (3,)))
    >>> print(close([x], [ops.sin(ops.add(x, x))], names=["x"]))
    graph(x: float32[3]) {
      %0: float32[3] = add(x, x)
      %1: float32[3] = sin(%0)
      return %1
    }
    """
    names: dict[Value, str] = {}
    for k, value in enumerate(graph.inputs):
        names[value] = graph.names[k] if k < len(graph.names) and graph.names[k] else f"p{k}"
    header = ", ".join(f"{names[value]}: {value.type}" for value in graph.inputs)
    lines = [f"graph({header}) {{"]
    counter = itertools.count()
    for node in graph.nodes:
        if node.op is PARAMETER:
            names.setdefault(node.out(), f"p{node['number']}")
            continue
        for value in node.outputs:
            names[value] = f"%{next(counter)}"
        results = ", ".join(f"{names[value]}: {value.type}" for value in node.outputs)
        arguments = [names[value] for value in node.inputs]
        arguments += [f"{name}={_attr_text(value)}" for name, value in node.attrs]
        line = f"{indent}  {results} = {node.op.name}({', '.join(arguments)})"
        location = graph.location(node)
        if location is not None:
            line = f"{line:<60}  # {location.short}"
        lines.append(line)
        for region in node.regions:
            lines.append(f"{indent}    {format_graph(region, indent + '    ')}")
    returned = []
    for value, target in zip(graph.outputs, graph.written, strict=True):
        text = names[value]
        returned.append(text if target is None else f"{names[graph.inputs[target]]} := {text}")
    lines.append(f"{indent}  return {', '.join(returned)}")
    lines.append(f"{indent}}}")
    return "\n".join(lines)
