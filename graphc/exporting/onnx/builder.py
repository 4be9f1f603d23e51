"""What an ONNX model is built with: names, initialisers, and scopes that steps are added to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.tensors import INT64, Tensor
from graphc.types import TensorType

OPSETS = range(13, 24)
"""The versions of ONNX's operator set that models can be written for."""

SMALL = 4096
"""Bytes of a constant, up to which it is compared with the others."""


@dataclass(slots=True)
class Step:
    """A node: an ONNX op, the names it reads and makes; a `Body` among `attrs` is a subgraph."""

    kind: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any]
    line: str = ""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a graph."""

    name: str
    type: TensorType


@dataclass(slots=True)
class Body:
    """A graph, or subgraph: what it takes, its steps in order, what it gives."""

    inputs: list[Port]
    outputs: list[Port]
    steps: list[Step]


@dataclass(slots=True)
class Scope:
    """The steps of a graph that is being written, and which of them compute what."""

    parent: Scope | None = None
    steps: list[Step] = field(default_factory=list)
    known: dict[Any, list[str]] = field(default_factory=dict)

    def find(self, key: Any) -> list[str] | None:
        scope: Scope | None = self
        while scope is not None:
            if key in scope.known:
                return scope.known[key]
            scope = scope.parent
        return None


class Builder:
    """An ONNX model in the making.

    Attributes:
        opset: the version of the operator set.
        scope: the graph that ops are added to now.
        initialisers: arrays by name.
        line, label: the user's line and the graphc op that what is added now belongs to.
    """

    def __init__(self, opset: int) -> None:
        self.opset = opset
        self.root = self.scope = Scope()
        self.initialisers: dict[str, np.ndarray] = {}
        self.line = self.label = ""
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}
        self._constants: dict[Any, str] = {}

    # --- names ------------------------------------------------------------------------------------

    def unique(self, wanted: str) -> str:
        """`wanted`, without what ONNX tools do not take in a name, and with a number if taken."""
        stem = re.sub(r"[^0-9A-Za-z_.]+", "_", wanted) or "value"
        name = stem
        while name in self._names:
            self._counts[stem] = self._counts.get(stem, 0) + 1
            name = f"{stem}_{self._counts[stem]}"
        self._names.add(name)
        return name

    # --- tensors ----------------------------------------------------------------------------------

    def constant(self, array: Any, dtype: np.dtype | None = None) -> Tensor:
        """An initialiser, shared by all that need the same array, if it is small."""
        data = np.asarray(array, dtype)
        small = data.nbytes <= SMALL
        key = (data.dtype.name, data.shape, data.tobytes() if small else id(data))
        if key not in self._constants:
            self._constants[key] = self.unique("constant")
            self.initialisers[self._constants[key]] = data
        return Tensor(self, self._constants[key], data.dtype)

    def number(self, value: bool | int | float, dtype: np.dtype) -> Tensor:
        """A scalar."""
        return self.constant(value, dtype)

    def integers(self, values: Sequence[int]) -> Tensor:
        """A row of int64: axes, sizes, starts."""
        return self.constant(list(values), INT64)

    def op(
        self, kind: str, operands: Sequence[Tensor | None], dtype: np.dtype, **attrs: Any
    ) -> Tensor:
        """The one result of an ONNX op; None is an operand left out."""
        return self.ops(kind, operands, [dtype], **attrs)[0]

    def ops(
        self,
        kind: str,
        operands: Sequence[Tensor | None],
        dtypes: Sequence[np.dtype],
        **attrs: Any,
    ) -> list[Tensor]:
        """The results of an ONNX op: of an equal one that is there already, if there is one."""
        inputs = [operand.name if operand is not None else "" for operand in operands]
        plain = not any(isinstance(value, Body) for value in attrs.values())
        key = (kind, tuple(inputs), tuple(sorted((k, repr(v)) for k, v in attrs.items())))
        names = self.scope.find(key) if plain else None
        if names is None:
            names = [self.unique(self.label or kind.lower()) for _ in dtypes]
            self.scope.steps.append(Step(kind, inputs, names, attrs, self.line))
            if plain:
                self.scope.known[key] = names
        return [Tensor(self, name, dtype) for name, dtype in zip(names, dtypes, strict=True)]

    def own(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """The tensors as outputs of this scope: made in it, and each under a name of its own."""
        made = {name for step in self.scope.steps for name in step.outputs}
        found = []
        for tensor in tensors:
            if tensor.name not in made:
                name = self.unique(tensor.name)
                self.scope.steps.append(Step("Identity", [tensor.name], [name], {}, self.line))
                tensor = Tensor(self, name, tensor.dtype)
            made.discard(tensor.name)
            found.append(tensor)
        return found

    def need(self, opset: int, what: str) -> None:
        """Raise ExportError if `what` came with a later version of the operator set."""
        if self.opset < opset:
            raise ExportError(
                f"ONNX has {what} from opset {opset} on, and the model is for {self.opset}",
                hint=f"Export with opset={opset} or later.",
            )

    # --- ops whose form depends on the opset ------------------------------------------------------

    def reduced(self, kind: str, x: Tensor, axes: Sequence[int], keep: bool = False) -> Tensor:
        """A reduction over `axes`, which are an operand since opset 18, for sums since 13."""
        if not axes:
            return x
        if self.opset >= 18 or kind == "ReduceSum":
            return x.op(kind, self.integers(axes), keepdims=int(keep))
        return x.op(kind, axes=list(axes), keepdims=int(keep))

    def reshaped(self, x: Tensor, shape: Tensor) -> Tensor:
        """``Reshape``, where a size 0 is a 0 as far as the opset can say so."""
        attrs: dict[str, Any] = {"allowzero": 1} if self.opset >= 14 else {}
        return x.op("Reshape", shape, **attrs)

    def unsqueezed(self, x: Tensor, axes: Sequence[int]) -> Tensor:
        """New axes of size 1 at `axes` of the result."""
        return x.op("Unsqueeze", self.integers(axes))

    @contextmanager
    def inside(self, scope: Scope) -> Iterator[None]:
        """Add to `scope` within the block."""
        before, self.scope = self.scope, scope
        try:
            yield
        finally:
            self.scope = before


def read_by(step: Step) -> set[str]:
    """The names that a step reads, those that its subgraphs read from outside included."""
    found = set(step.inputs) - {""}
    for value in step.attrs.values():
        if isinstance(value, Body):
            made = {port.name for port in value.inputs}
            for inner in value.steps:
                found |= read_by(inner) - made
                made |= set(inner.outputs)
    return found


def without_unread(steps: Sequence[Step], wanted: set[str]) -> list[Step]:
    """The steps that `wanted` names depend on, in their order."""
    needed, kept = set(wanted), []
    for step in reversed(steps):
        if needed.isdisjoint(step.outputs):
            continue
        for name, value in step.attrs.items():
            if isinstance(value, Body):
                outputs = {port.name for port in value.outputs}
                body = Body(value.inputs, value.outputs, without_unread(value.steps, outputs))
                step.attrs[name] = body
        needed |= read_by(step)
        kept.append(step)
    return kept[::-1]
