"""A function as files and libraries hold it: a graph, what it takes and gives, and its state."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from graphc.exporting.structure import Tree, paths_of
from graphc.ir import Graph
from graphc.trace.context import SizeGuard
from graphc.types import TensorType

PARAMETER_KINDS = {
    kind.name: kind
    for kind in (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
        inspect.Parameter.KEYWORD_ONLY,
        inspect.Parameter.VAR_KEYWORD,
    )
}


_OPPOSITE = {"==": "!=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}


def passed(parameters: Iterable[tuple[str, str, Any]]) -> tuple[list[Any], dict[str, Any]]:
    """What a call passes for parameters, each a name, a kind and a value: in order, and by name."""
    args: list[Any] = []
    named: dict[str, Any] = {}
    for name, kind, value in parameters:
        if kind == "VAR_POSITIONAL":
            args += value
        elif kind == "VAR_KEYWORD":
            named |= value
        elif kind == "KEYWORD_ONLY":
            named[name] = value
        else:
            args.append(value)
    return args, named


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of the exported function.

    Attributes:
        kind: as `inspect.Parameter.kind`, by name.
        tree: what is passed for it; its leaves are numbered through all parameters.
        default: its default value, in a tuple, where that is a number, a bool, a str or None.
    """

    name: str
    kind: str
    tree: Tree
    default: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class ExportedProgram:
    """What is written.

    Attributes:
        graph: simplified, without a token input; its names are paths such as ``params.W1``.
        parameters: without modules and optimizers, whose arrays are state.
        leaves: the graph's input of each leaf of the parameters; None where it is not used.
        leaf_types: the type of each leaf.
        state: the arrays of the inputs that are state, by their numbers.
        buffers: the inputs of the state that no derivative is taken by.
        result: what is given back; its leaves are the outputs that are not written, in order.
        guards: relations between sizes that must hold.
        sizes: of the symbolic sizes, those that it was traced with.
    """

    name: str
    graph: Graph
    parameters: tuple[Parameter, ...]
    leaves: tuple[int | None, ...]
    leaf_types: tuple[TensorType, ...]
    state: Mapping[int, np.ndarray]
    buffers: frozenset[int]
    result: Tree
    guards: tuple[SizeGuard, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def signature(self) -> inspect.Signature:
        """What is passed to it, but for its state."""
        return inspect.Signature(
            [
                inspect.Parameter(one.name, PARAMETER_KINDS[one.kind], default=default)
                for one in self.parameters
                for default in one.default or (inspect.Parameter.empty,)
            ]
        )

    @property
    def outputs(self) -> list[int]:
        """The graph's outputs that are results: no writes, no tokens."""
        return [
            k
            for k, value in enumerate(self.graph.outputs)
            if self.graph.written[k] is None and isinstance(value.type, TensorType)
        ]

    def guard_texts(self) -> list[str]:
        """The relations that sizes must have, as text."""
        return [
            f"{one.left} {one.relation if one.outcome else _OPPOSITE[one.relation]} {one.right}"
            for one in self.guards
        ]

    def output_names(self) -> list[str]:
        """A name for each result, from its path: ``result``, ``loss``, ``logits.0``."""
        names = [""] * len(self.outputs)
        for number, path in paths_of(self.result):
            names[number] = names[number] or path or "result"
        return [name or f"result{k}" for k, name in enumerate(names)]
