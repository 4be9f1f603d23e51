"""A loaded program as a module: its state are its arrays, calling it runs the graph."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.program import ExportedProgram, passed
from graphc.exporting.structure import Record, build, paths_of
from graphc.ir import Graph
from graphc.loading.attributes import attribute
from graphc.loading.graph_call import OWN, ProgramCall
from graphc.nn.module import Module
from graphc.types import Size


class Part(Module):
    """What stands between a loaded module and its arrays: a step of their names."""


class Loaded(Module):
    """A function that was exported; see `graphc.load`.

    It takes what the exported function took, but for modules and optimizers: their arrays are its
    own, under the names that they had there, and are written in place as they were there. It is a
    module as any other: derivatives are taken by it, optimizers train it, compiled functions call
    it, and it can be exported again.

    Attributes:
        name: what the function was called.
    """

    def __init__(self, program: ExportedProgram) -> None:
        self.name = program.name
        self._call = ProgramCall(program)
        for number, array in program.state.items():
            _put(self, program.graph.names[number], array, number in program.buffers)

    @property
    def graph(self) -> Graph:
        """The Graph IR; prints as text."""
        return self._call.program.graph

    @property
    def __signature__(self) -> inspect.Signature:
        return self._call.signature

    def __repr__(self) -> str:
        program = self._call.program
        graph = program.graph
        taken = ", ".join(
            f"{path}: {program.leaf_types[leaf]}"
            for one in program.parameters
            for leaf, path in paths_of(one.tree, one.name)
        )
        given = ", ".join(
            f"{name}: {graph.outputs[k].type}"
            for name, k in zip(program.output_names(), program.outputs, strict=True)
        )
        count = sum(array.size for _, array in self.named_parameters())
        return f"Loaded {self.name}({taken}) -> {given}  # {count:,} parameters"

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The results of the exported function, in the same containers.

        Raises:
            TypeError: arguments that it does not take.
            ShapeError, DTypeError: arrays of other shapes or dtypes than it was exported for.
        """
        return self._call(self, args, kwargs)


def arguments_from(
    program: ExportedProgram, leaves: Sequence[np.ndarray]
) -> tuple[list[Any], dict[str, Any]]:
    """What is passed to a program whose arguments have these leaves: by position, and by name."""

    def leaf(number: int, kind: str) -> Any:
        array = leaves[number]
        return array if kind == "array" else array[()] if kind == "scalar" else array.item()

    def size(one: Size) -> Any:
        raise TypeError(f"{one} can't be passed")

    return passed(
        (one.name, one.kind, build(one.tree, leaf, size, Record)) for one in program.parameters
    )


def _put(module: Module, name: str, array: np.ndarray, is_buffer: bool) -> None:
    """Make `array` reachable by its dotted name."""
    *parts, last = (attribute(part, OWN) for part in name.split("."))
    for part in parts:
        if not isinstance(getattr(module, part, None), Module):
            setattr(module, part, Part())
        module = getattr(module, part)
    if last in vars(module):
        raise ExportError(f"state: {name!r} and another array have the same name")
    if is_buffer:
        module.register_buffer(last, array)
    else:
        setattr(module, last, array)
