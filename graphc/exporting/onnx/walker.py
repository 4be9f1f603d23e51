"""A walk through a graph, which asks the rule of each op to write it in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.builder import Body, Builder, Port, Scope
from graphc.exporting.onnx.sizes import Sizes
from graphc.exporting.onnx.tensors import INT64, Tensor
from graphc.exporting.onnx.views import View
from graphc.ir import PARAMETER, Graph, Node, Value, locating
from graphc.types import Shape, Size, TensorType

Results: TypeAlias = Tensor | Sequence[Tensor]
Rule: TypeAlias = "Callable[[Walker, Node], Results]"

LAZY = {"broadcast_to", "constant", "reshape", "transpose"}
"""Ops that are written when something reads them as they are: most readers look through them."""

REFUSED = "can't be written in ONNX"


class Walker:
    """Writes a graph, or a region of one, into the scope that `builder` is at.

    Attributes:
        builder: the model.
        sizes: its symbolic sizes.
        graph: the graph that is walked through.
        given: the tensors of its inputs.
    """

    def __init__(
        self,
        builder: Builder,
        sizes: Sizes,
        rules: Mapping[str, Rule],
        graph: Graph,
        given: Sequence[Tensor],
    ) -> None:
        self.builder, self.sizes, self.graph = builder, sizes, graph
        self._rules = rules
        self._values: dict[Value, Tensor] = dict(zip(graph.inputs, given, strict=True))
        self._viewed: dict[Value, tuple[Value | Tensor, View]] = {}

    def run(self) -> list[Tensor]:
        """Write all nodes; the tensors of the graph's outputs."""
        for node in self.graph.nodes:
            if node.op.name in ("reshape", "transpose"):
                self._note_view(node)
            elif node.op is not PARAMETER and node.op.name not in LAZY:
                self._write(node)
        return [self.value(value) for value in self.graph.outputs]

    def _write(self, node: Node) -> None:
        rule = self._rules.get(node.op.name)
        with locating(self.graph, node):
            if rule is None:
                raise refusal(node, "it is an op of your own, for which there is no rule")
            _check_types(node)
            label, line = self.builder.label, self.builder.line
            location = self.graph.location(node)
            self.builder.label = node.op.name
            self.builder.line = f"{location.short}: {location.text.strip()}" if location else line
            try:
                found = rule(self, node)
            except ExportError as error:
                if REFUSED not in error.message:
                    error.message = f"{written(node)} {REFUSED}: {error.message}"
                raise
            self.builder.label, self.builder.line = label, line
        results = [found] if isinstance(found, Tensor) else found
        for value, tensor in zip(node.outputs, results, strict=True):
            assert isinstance(value.type, TensorType)
            assert tensor.dtype == value.dtype, (node, tensor.dtype)
            self._values[value] = tensor

    # --- what rules read --------------------------------------------------------------------------

    def value(self, value: Value) -> Tensor:
        """`value` as a tensor of its own shape."""
        if value not in self._values:
            self._write(value.node)
        return self._values[value]

    def values(self, node: Node) -> list[Tensor]:
        """The operands of `node`."""
        return [self.value(value) for value in node.inputs]

    def operands(self, node: Node) -> list[Tensor]:
        """The operands of a pointwise `node`, not broadcast where ONNX's op does that by itself."""
        sources = [_before_broadcast(value) for value in node.inputs]
        assert isinstance(node.types[0], TensorType)
        shape = node.types[0].shape
        for k, value in enumerate(node.inputs):
            if _covers([source.shape for source in sources], shape):
                break
            sources[k] = value
        return [self.value(source) for source in sources]

    def view(self, value: Value) -> tuple[Tensor, View]:
        """A tensor, and how `value` is arranged from it."""
        source, view = self._viewed.get(value, (value, View(value.shape)))
        return (source if isinstance(source, Tensor) else self.value(source)), view

    def _note_view(self, node: Node) -> None:
        """How a reshape or transpose is arranged from what is neither."""
        operand = node.inputs[0]
        source, view = self._viewed.get(operand, (operand, View(operand.shape)))
        if node.op.name == "reshape":
            view = view.reshaped(node["shape"])
        else:
            view = view.transposed(node["axes"])
        self._viewed[node.out()] = (source, view)

    def arranged(self, tensor: Tensor, view: View) -> Tensor:
        """`tensor`, reshaped and transposed as `view` says."""
        for kind, detail in view.steps():
            if kind == "transpose":
                tensor = tensor.op("Transpose", perm=list(detail))
            else:
                tensor = self.reshaped(tensor, detail)
        return tensor

    def set_view(self, value: Value, tensor: Tensor, view: View) -> Tensor:
        """Say that `value` is `tensor`, arranged as in `view`; the value's own tensor."""
        self._viewed[value] = (tensor, view)
        return self.arranged(tensor, view)

    def reshaped(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` under `shape`; one symbolic size among numbers is left for ONNX to find."""
        numbers = [size for size in shape if isinstance(size, int)]
        if len(numbers) == len(shape) - 1 and 0 not in numbers:
            row = [size if isinstance(size, int) else -1 for size in shape]
            return tensor.op("Reshape", self.builder.integers(row))
        if 0 in numbers and self.builder.opset < 14:
            return self.filled(0, TensorType(tensor.dtype, shape))
        return self.builder.reshaped(tensor, self.sizes.row(shape))

    def expanded(self, tensor: Tensor, shape: Shape) -> Tensor:
        """`tensor` broadcast to `shape`."""
        return tensor.op("Expand", self.sizes.row(shape))

    def filled(self, value: bool | int | float, type_: TensorType) -> Tensor:
        """A tensor of `type_`, each element `value`."""
        return self.expanded(self.builder.number(value, type_.dtype), type_.shape)

    def numbers(self, size: Size) -> Tensor:
        """The int64 row 0, 1, ..., size - 1."""
        if isinstance(size, int) and size < 1024:
            return self.builder.constant(np.arange(size), INT64)
        zero, one = (self.builder.number(k, INT64) for k in (0, 1))
        return zero.op("Range", self.sizes.scalar(size), one)

    def checked(self, tensor: Tensor, condition: Tensor) -> Tensor:
        """`tensor`, or an error when the model runs and the single bool `condition` is false.

        An index that is out of bounds is the one error that a model can make on purpose.
        """
        place = (~condition).cast(INT64)
        return self.builder.unsqueezed(tensor, [0]).op("Gather", place, axis=0)

    # --- regions ----------------------------------------------------------------------------------

    def inlined(self, region: Graph, given: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of `region`, written into the scope that the builder is at."""
        return Walker(self.builder, self.sizes, self._rules, region, given).run()

    def body(
        self,
        ports: Sequence[Port],
        write: Callable[[], Sequence[Tensor]],
        types: Sequence[TensorType],
    ) -> Body:
        """A subgraph: what it takes, the results that `write` makes, and their types."""
        scope = Scope(self.builder.scope)
        with self.builder.inside(scope):
            results = self.builder.own(write())
        outputs = [Port(result.name, type_) for result, type_ in zip(results, types, strict=True)]
        return Body(list(ports), outputs, scope.steps)

    def port(self, label: str, type_: TensorType) -> tuple[Port, Tensor]:
        """An input of a subgraph, and the tensor that it is there."""
        name = self.builder.unique(label)
        return Port(name, type_), Tensor(self.builder, name, type_.dtype)


def _check_types(node: Node) -> None:
    for type_ in (*(value.type for value in node.inputs), *node.types):
        if isinstance(type_, TensorType) and type_.dtype.kind == "c":
            raise refusal(node, "ONNX's ops take no complex numbers")


def _before_broadcast(value: Value) -> Value:
    while value.node.op.name == "broadcast_to":
        value = value.node.inputs[0]
    return value


def _covers(shapes: Sequence[Shape], target: Shape) -> bool:
    """Whether arrays of `shapes` broadcast together to `target`."""
    for back in range(1, len(target) + 1):
        if not any(len(shape) >= back and shape[-back] == target[-back] for shape in shapes):
            return False
    return True


def written(node: Node) -> str:
    """``add(float32[3], float32[3])``: a node as messages name it."""
    return f"{node.op.name}({', '.join(str(value.type) for value in node.inputs)})"


def refusal(node: Node, reason: str, hint: str = "") -> ExportError:
    """The error about a node that ONNX can't say."""
    return ExportError(f"{written(node)} {REFUSED}: {reason}", hint=hint)
