"""An imported graph as something to run: outside of traces, in them, compiled.

A `Program` is no traced code. It is given a model whose arrays are traced, walks through the nodes,
and calls each operator's function, which calls NumPy on what it is given; see
`graphc.loading.onnx.values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from graphc.api import CompiledFunction, compile
from graphc.errors import DTypeError, ExportError, GraphcError, ShapeError
from graphc.loading.onnx.functions import expanded, has_function
from graphc.loading.onnx.graph import DEPTH, Graph
from graphc.loading.onnx.listing import Listing
from graphc.loading.onnx.operators import OPERATORS
from graphc.loading.onnx.registry import REFUSED, Node, Operator
from graphc.loading.onnx.values import LARGE, as_array, is_static, known, lift
from graphc.trace.context import current
from graphc.trace.values import is_traced

_OWN_MISTAKES = (ValueError, TypeError, LookupError, ArithmeticError, AttributeError)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model: its name, dtype, and sizes: numbers, names, or None.

    `static`: shapes are made of its elements, so that each new value compiles on its own.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | str | None, ...] | None
    static: bool = False

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join(str(size or "?") for size in self.shape)
        return f"{self.name}: {self.dtype}[{sizes}]{' (static)' if self.static else ''}"


@dataclass(slots=True, eq=False)
class Scope:
    """The values of names in a graph that runs, and the scope around it."""

    program: Program
    values: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None
    depth: int = 0

    def find(self, name: str) -> Any:
        """The value of `name`, here or further out; None for the name of what is left out."""
        if not name:
            return None
        scope: Scope | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.outer
        raise ExportError(f"{name!r} is not defined where it is used")

    def run(self, graph: Graph, inputs: list[Any]) -> list[Any]:
        """Run a graph that sees this scope, as those of `If` and `Loop` do."""
        return self.program.run(graph, inputs, self)


@dataclass(slots=True, eq=False)
class Program:
    """A graph, its constants, what it takes and gives; `states` maps names to a model's attributes.

    Of these, `statistics` are not trained: the running means and variances of batch norms.
    `digest` decides the compiled code: models of one digest share it.
    """

    graph: Graph
    constants: Mapping[str, np.ndarray]
    states: Mapping[str, str]
    statistics: frozenset[str]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    digest: str
    listing: Listing
    expansions: dict[Any, Graph] = field(default_factory=dict)
    _compiled: Any = None

    def __deepcopy__(self, memo: Any) -> Program:
        """Itself: what a copy of a model has of its own are arrays."""
        return self

    def __reduce__(self) -> Any:
        """Pickled without what is found out while it runs."""
        held = (self.graph, self.constants, self.states, self.statistics)
        return Program, (*held, self.inputs, self.outputs, self.digest, self.listing)

    @property
    def compiled(self) -> CompiledFunction[..., Any]:
        """The compiled function: of a model and its inputs, as `bound` gives them."""
        if self._compiled is None:
            self._compiled = compile(self)
        found: CompiledFunction[..., Any] = self._compiled
        return found

    def __graphc_fingerprint__(self) -> Any:
        return (Program, self.digest)

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        """Itself: it is not traced but runs on what is."""
        capture.require(f"type({source}) is {capture.constant(Program)}")
        capture.require(f"{source}.digest == {capture.constant(self.digest)}")
        return self

    # --- arguments ---

    def bound(self, inputs: tuple[Any, ...], by_name: Mapping[str, Any]) -> list[Any]:
        """Arguments in the order of the model's inputs, as the compiled function takes them.

        Raises:
            TypeError: missing, unknown or too many arguments.
            DTypeError, ShapeError: one that is not what the model takes.
        """
        if by_name or len(inputs) != len(self.inputs):
            inputs = self._in_order(inputs, by_name)
        return [_argument(value, port) for value, port in zip(inputs, self.inputs, strict=True)]

    def _in_order(self, inputs: tuple[Any, ...], by_name: Mapping[str, Any]) -> tuple[Any, ...]:
        names = [port.name for port in self.inputs]
        wanted = f"the model takes {len(names)} inputs: {', '.join(map(str, self.inputs))}"
        if len(inputs) > len(names):
            raise TypeError(f"{wanted}; {len(inputs)} were given")
        given = dict(zip(names, inputs, strict=False))
        for name, value in by_name.items():
            if name not in names or name in given:
                raise TypeError(f"{name!r} is given twice or is no input; {wanted}")
            given[name] = value
        missing = [name for name in names if name not in given]
        if missing:
            raise TypeError(f"the input {missing[0]!r} is missing; {wanted}")
        return tuple(given[name] for name in names)

    # --- running ---

    def __call__(self, model: Any, *inputs: Any) -> Any:
        """What the model computes, with the arrays of `model` as its initialisers."""
        state = {name: getattr(model, attribute) for name, attribute in self.states.items()}
        scope = Scope(self, {**self.constants, **state})
        given = [_unpacked(value, port) for value, port in zip(inputs, self.inputs, strict=True)]
        scope.values.update(zip(self.graph.inputs, given, strict=True))
        self._nodes(self.graph, scope)
        found = [as_array(lift(scope.find(name))) for name in self.graph.outputs]
        return found[0] if len(found) == 1 else tuple(found)

    def run(
        self, graph: Graph, inputs: list[Any], outer: Scope | None, depth: int = 0
    ) -> list[Any]:
        """The outputs of a graph within the model.

        Raises:
            ExportError: it takes fewer inputs, or graphs and functions nest too deep.
        """
        depth = max(depth, 0 if outer is None else outer.depth + 1)
        if depth > 2 * DEPTH:
            raise ExportError(f"graphs and expanded operators nest too deep, at {graph.name!r}")
        if len(inputs) > len(graph.inputs):
            taken = f"takes {len(graph.inputs)} inputs"
            raise ExportError(f"the graph {graph.name!r} {taken}, and {len(inputs)} are given")
        scope = Scope(self, dict(graph.constants), outer, depth)
        padded = [*inputs, *[None] * (len(graph.inputs) - len(inputs))]
        scope.values.update(zip(graph.inputs, padded, strict=True))
        self._nodes(graph, scope)
        if outer is None:
            # A function gives nothing for results that its caller does not ask for.
            return [scope.values.get(name) for name in graph.outputs]
        return [scope.find(name) for name in graph.outputs]

    def _nodes(self, graph: Graph, scope: Scope) -> None:
        for node in graph.nodes:
            operands = tuple(scope.find(name) for name in node.inputs)
            try:
                results = self.listing.run(node, partial(self._results, node, operands, scope))
            except ExportError:
                raise
            except GraphcError as error:
                if not error.message.startswith("node "):
                    error.message = f"{node.label}: {error.message}"
                raise
            except _OWN_MISTAKES as error:
                raise node.refusal(f"{type(error).__name__}: {error}") from error
            for name, value in zip(node.outputs, results, strict=False):
                if name:
                    scope.values[name] = value

    def _results(self, node: Node, operands: tuple[Any, ...], scope: Scope) -> list[Any]:
        body = node.body
        operator = OPERATORS.get((node.domain, node.operator))
        if body is None and operator is not None:
            prepared = _prepared(operator, operands)
            scoped = (scope,) if operator.scoped else ()
            result = operator.function(node, *scoped, *prepared)
            if result is not NotImplemented:
                return list(result) if isinstance(result, tuple) else [result]
        if body is None:
            body = expanded(node, operands, self.expansions)
        return self.run(body, list(operands), None, scope.depth + 1)


def _prepared(operator: Operator, operands: tuple[Any, ...]) -> tuple[Any, ...]:
    """The operands as the operator's function takes them: all static, or all but some traced."""
    if operator.scoped:
        return operands
    free = [x for k, x in enumerate(operands) if k not in operator.static and x is not None]
    symbolic = any(is_static(x) and np.asarray(x).dtype == object for x in free)
    small = all(is_static(x) and np.size(x) <= LARGE for x in free)
    if small and (operator.shapes or not symbolic):
        return operands
    return tuple(
        x if k in operator.static or x is None else lift(x) for k, x in enumerate(operands)
    )


def check_supported(graph: Graph) -> None:
    """Look for operators that are not there, before anything runs.

    Raises:
        ExportError: names the first, with its node.
    """
    for node in graph.nodes:
        if node.body is not None:
            check_supported(node.body)
        elif node.domain == "" and node.operator in REFUSED:
            raise node.refusal(REFUSED[node.operator])
        elif (node.domain, node.operator) not in OPERATORS and not has_function(node):
            raise node.refusal(
                f"the operator is not supported in opset {node.version}",
                hint="docs/onnx.md lists the operators that are.",
            )
        for name, one in node.attributes.items():
            if isinstance(one, Graph):
                check_supported(one)
            elif name in ("to", "dtype") and isinstance(one, int) and node.domain == "":
                node.dtype(name)


# --- arguments ------------------------------------------------------------------------------------


def _argument(value: Any, port: Port) -> Any:
    """`value` checked; a static one, outside of a trace, as a text that keeps its elements."""
    if port.static:
        found = known(value) if is_traced(value) else _static_array(value, port)
        if found is None:
            raise ExportError(
                f"the input {port.name!r} has to be known while tracing, for shapes depend on it",
                hint="Pass an array or numbers that are no arguments of the compiled function.",
            )
        return found if current() is not None else (str(found.shape), found.tobytes())
    if not is_traced(value):
        value = value if isinstance(value, np.ndarray) else np.asarray(value, port.dtype)
    _check(value, port)
    return value


def _static_array(value: Any, port: Port) -> np.ndarray:
    found = value if isinstance(value, np.ndarray) else np.asarray(value)
    if found.dtype != object:
        found = found.astype(port.dtype, casting="same_kind" if found.size else "unsafe")
        _check(found, port)
    return np.ascontiguousarray(found).reshape(found.shape)


def _check(value: Any, port: Port) -> None:
    if value.dtype != port.dtype:
        raise DTypeError(
            f"the model's input {port} was given {value.dtype}",
            hint=f"Convert it: x.astype(np.{port.dtype}).",
        )
    if port.shape is None:
        return
    if value.ndim != len(port.shape):
        raise ShapeError(f"the model's input {port} was given an array of {value.ndim} axes")
    for wanted, size in zip(port.shape, value.shape, strict=True):
        if isinstance(wanted, int) and size != wanted:
            shape = ", ".join(str(one) for one in value.shape)
            raise ShapeError(f"the model's input {port} was given an array of shape ({shape})")


def _unpacked(value: Any, port: Port) -> Any:
    """What `_argument` made: the array again, where it is a text."""
    if not (port.static and type(value) is tuple):
        return value
    text, data = value
    shape = tuple(int(size) for size in text.strip("()").split(",") if size.strip())
    return np.frombuffer(data, port.dtype).reshape(shape)
