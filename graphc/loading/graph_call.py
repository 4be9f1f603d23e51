"""A loaded program as a function: traced into whatever calls it, compiled when called alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from graphc.errors import DTypeError, ShapeError
from graphc.exporting import archive
from graphc.exporting.bounds import windows
from graphc.exporting.program import ExportedProgram
from graphc.exporting.structure import Record, as_array, build, flatten
from graphc.ir import Graph, Value, rebuild
from graphc.loading.attributes import attribute
from graphc.nn.module import Module
from graphc.trace.concrete import with_sizes
from graphc.trace.context import active
from graphc.trace.convert import array_like
from graphc.trace.dispatch import locates
from graphc.trace.sizes import TracedSize
from graphc.trace.values import fresh_array, is_traced, number, scalar
from graphc.transform.base import Transform
from graphc.types import Dim, Size, TensorType, substitute


class ProgramCall(Transform):
    """``call(state, args, kwargs)``: an exported program, run on the arrays of a module.

    Args:
        program: of it everything is known; nothing of a call is traced.
    """

    def __init__(self, program: ExportedProgram) -> None:
        super().__init__(_named(program.name), "graph")
        self.__name__ = self.__qualname__ = program.name
        self.program = program
        self.signature = program.signature

    def traced(self, state: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _traced(self, state, args, kwargs)

    def __deepcopy__(self, memo: Any) -> ProgramCall:
        return self

    def __reduce__(self) -> Any:
        """By the file's bytes: ops have functions that are not pickled."""
        return (_from_bytes, (archive.to_bytes(self.program),))

    def _parameters(self) -> tuple[Any, ...]:
        program = self.program
        return (program.graph, program.guards, tuple(p.name for p in program.parameters))

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        """Itself: a graph is not traced."""
        capture.require(f"{source} is {capture.constant(self)}")
        return self


def _from_bytes(data: bytes) -> ProgramCall:
    return ProgramCall(archive.from_bytes(data))


def _named(name: str) -> Any:
    def graph(state: Any, args: Any, kwargs: Any) -> Any:
        """A loaded program."""

    graph.__name__ = graph.__qualname__ = name
    return graph


def reach(module: Any, name: str) -> Any:
    """The array with a dotted name below a module."""
    for part in name.split("."):
        module = getattr(module, attribute(part, OWN))
    return module


OWN = frozenset([*dir(Module), "graph", "name", "_call"])
"""What a loaded module has."""


@locates
def _traced(call: ProgramCall, state: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    program, trace = call.program, active()
    graph = program.graph
    bound = call.signature.bind(*args, **kwargs)
    bound.apply_defaults()
    given: dict[int, Any] = {k: reach(state, graph.names[k]) for k in program.state}
    sizes: dict[str, Size] = {}
    for one in program.parameters:
        value = bound.arguments[one.name]
        for leaf, path, item in flatten(one.tree, value, one.name):
            type_ = program.leaf_types[leaf]
            array = item if is_traced(item) else as_array(item, type_.dtype, path)
            _match(path, type_, array_like(array).value, sizes, trace)
            number_ = program.leaves[leaf]
            if number_ is not None:
                given[number_] = array
    for guard, text in zip(program.guards, program.guard_texts(), strict=True):
        left, right = (_sized(size, sizes) for size in (guard.left, guard.right))
        if trace.holds(guard.relation, left, right) != guard.outcome:
            raise ShapeError(f"{program.name} was exported for sizes where {text}")
    _check_windows(graph, sizes, trace)
    operands = [array_like(given[k]).value for k in range(len(graph.inputs))]
    found = instantiate(graph, operands, sizes, trace.effect())
    trace.note(*found)
    for value, target in zip(found, graph.written, strict=True):
        if target is not None:
            given[target][...] = fresh_array(value)
        elif not isinstance(value.type, TensorType):
            trace.token = value
    return _delivered(program, found, sizes, trace)


def _check_windows(graph: Graph, sizes: Mapping[str, Size], trace: Any) -> None:
    """Refuse sizes for which a window would reach outside its array."""
    for window in windows(graph):
        size, extent = _sized(window.size, sizes), _sized(window.extent, sizes)
        least, greatest = (_sized(end, sizes) for end in window.ends)
        if trace.holds("==", size, 0):
            continue
        if not (trace.holds(">=", least, 0) and trace.holds("<", greatest, extent)):
            least, greatest, extent = map(trace.hint, (least, greatest, extent))
            raise ShapeError(
                f"positions {least} to {greatest} are outside an axis of size {extent}: the "
                "function was not exported for these sizes"
            )


def _delivered(
    program: ExportedProgram, found: Sequence[Value], sizes: Mapping[str, Size], trace: Any
) -> Any:
    """The results, in the containers that they were in."""
    places = program.outputs

    def leaf(position: int, kind: str) -> Any:
        value = found[places[position]]
        if kind == "number":
            kinds = {"f": float, "c": complex, "b": bool, "i": int}
            return number(value, kinds[value.dtype.kind])
        return scalar(value) if kind == "scalar" else fresh_array(value)

    def size(one: Size) -> Any:
        known = _sized(one, sizes)
        return TracedSize(known, trace) if isinstance(known, Dim) else known

    return build(program.result, leaf, size, Record)


def _match(name: str, wanted: TensorType, given: Value, sizes: dict[str, Size], trace: Any) -> None:
    """Refuse an operand of another type; symbolic sizes get their values."""
    if given.dtype != wanted.dtype:
        raise DTypeError(f"{name} has dtype {given.dtype}, wanted {wanted.dtype}")
    fits = given.ndim == len(wanted.shape)
    for size, axis in zip(given.shape, wanted.shape, strict=False):
        known = _sized(axis, sizes)
        symbol = str(axis) if isinstance(axis, Dim) and str(axis).isidentifier() else ""
        if symbol and symbol not in sizes:
            sizes[symbol] = size
        else:
            fits = fits and trace.same(size, known)
    if not fits:
        shape = ", ".join(str(trace.hint(size)) for size in given.shape)
        raise ShapeError(f"{name} is {given.dtype}[{shape}], wanted {wanted}")


def _sized(size: Size, sizes: Mapping[str, Size]) -> Size:
    return substitute(size, lambda atom: sizes.get(atom) if isinstance(atom, str) else None)


def _sized_attr(attr: Any, sizes: Mapping[str, Size]) -> Any:
    """An attribute or a shape with sizes of the trace in place of symbolic ones."""
    if isinstance(attr, tuple):
        return tuple(_sized_attr(item, sizes) for item in attr)
    return _sized(attr, sizes) if isinstance(attr, Dim) else attr


def instantiate(
    graph: Graph, operands: Sequence[Value], sizes: Mapping[str, Size], token: Value
) -> list[Value]:
    """The outputs of `graph` for these operands, with its symbolic sizes replaced.

    Args:
        token: what the first effect takes.
    """
    graph = with_sizes(graph, sizes, _sized_attr)
    known = dict(zip(graph.inputs, operands, strict=True))
    known |= {node.out(): token for node in graph.nodes if node.op.name == "token"}
    return rebuild(graph.outputs, known)
