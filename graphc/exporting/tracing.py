"""A function -> an `ExportedProgram`: it is traced once more, and each of its inputs told apart.

What is an argument's leaf stays an input; arrays that the function finds elsewhere, in modules and
optimizers that it is given, in closures and globals, are its *state*; numbers found there are
constants.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from graphc import ops, pipeline
from graphc.errors import ExportError
from graphc.exporting.program import ExportedProgram, Parameter, passed
from graphc.exporting.structure import Tree, describe
from graphc.ir import Graph, Value, close, rebuild
from graphc.options import Options
from graphc.specialize import Specializations
from graphc.trace.context import SizeGuard
from graphc.trace.marked import as_traced
from graphc.trace.program import Program
from graphc.trace.sources import argument_name
from graphc.trace.trees import Attributed, children, is_container, tree_map
from graphc.trace.trees import leaves as leaves_of
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar, is_traced
from graphc.transform.base import Transform
from graphc.types import Dim, TensorType


class _Exporting(Transform):
    """A function whose results are its leaves; what they make up is kept in `record`."""

    def __init__(
        self, function: Callable[..., Any], parameters: Sequence[tuple[str, str]], record: Any
    ) -> None:
        super().__init__(function, "export")
        self.parameters = tuple(parameters)
        self.record = record

    def traced(self, *values: Any) -> Any:
        pairs = zip(self.parameters, values, strict=True)
        args, named = passed((name, kind, value) for (name, kind), value in pairs)
        result = self.__wrapped__(*args, **named)
        found: list[Any] = []

        def leaf(value: Any, where: str) -> Tree | None:
            traced = as_traced(value)
            if not is_traced(traced):
                return None
            given = traced.copy() if type(traced) is TracedArray else traced
            found.append(given)
            return {"leaf": len(found) - 1, "kind": _kind(traced)}

        tree = describe(result, leaf, "the result")
        self.record[:] = [tree, [(item.value, _kind(item)) for item in found]]
        return found

    def _parameters(self) -> tuple[Any, ...]:
        return (self.parameters, id(self.record))

    def _with(self, function: Callable[..., Any]) -> Transform:
        return _Exporting(function, self.parameters, self.record)


def _kind(traced: Any) -> str:
    kinds = {TracedArray: "array", TracedScalar: "scalar", TracedNumber: "number"}
    return kinds[type(traced)]


def export_program(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    axes: Mapping[int, tuple[int | str, ...]] | None = None,
    options: Options | None = None,
    name: str = "",
    signature: inspect.Signature | None = None,
) -> ExportedProgram:
    """Trace `function` for arguments like these.

    Args:
        axes: names of the axes of arrays that stand for a `spec`, by the arrays' ids.
        name: what it is called; the function's own name where "".
        signature: of what it takes; the function's own where None.

    Raises:
        ExportError: it takes or gives something that files do not have, or has effects besides
            writes to arrays.
        GraphcError: what can't be traced.
    """
    named = name or getattr(function, "__name__", type(function).__name__)
    given = _bound(function, args, kwargs, signature)
    for one in given:
        _refuse_mixed(one.name, one.value)
    axes = dict(axes or {})
    given = [
        one
        if _is_state(one.value)
        else replace(one, value=tree_map(lambda leaf: _apart(leaf, axes), one.value))
        for one in given
    ]
    record: list[Any] = []
    exporting = _Exporting(function, [(one.name, one.kind) for one in given], record)
    forms = Specializations(named, options or Options())
    values = tuple(one.value for one in given)
    names = [one.name for one in given]
    program = forms.trace(exporting, values, {}, names, axes)
    _refuse(program, named)
    arguments = [one for one in given if not _is_state(one.value)]
    return _assembled(program, named, arguments, names, axes, record)


@dataclass(frozen=True, slots=True)
class _Argument:
    """What is passed for a parameter."""

    name: str
    kind: str
    value: Any
    default: tuple[Any, ...] = ()


def _bound(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    signature: inspect.Signature | None,
) -> list[_Argument]:
    """The name, kind and value of each parameter, defaults included."""
    try:
        if isinstance(function, np.ufunc):
            raise ValueError("its parameters by name are NumPy's own")
        signature = signature or inspect.signature(function)
    except (TypeError, ValueError):
        if kwargs:
            raise ExportError("a function without a signature takes no arguments by name") from None
        return [_Argument(f"x{k}", "POSITIONAL_ONLY", value) for k, value in enumerate(args)]
    bound = signature.bind(*args, **kwargs)
    bound.apply_defaults()
    found = []
    for name, value in bound.arguments.items():
        one = signature.parameters[name]
        default = (one.default,) if _is_plain(one.default) else ()
        found.append(_Argument(name, one.kind.name, value, default))
    return found


def _is_plain(default: Any) -> bool:
    """Whether a file can hold a default."""
    if type(default) is tuple:
        return all(map(_is_plain, default))
    return type(default) in (bool, int, float, str, type(None))


def _refuse_mixed(where: str, value: Any) -> None:
    """Refuse a container of modules and of arrays: the ones are state, the others arguments.

    Raises:
        ExportError: says which.
    """
    if isinstance(value, Attributed) or not is_container(value) or not _is_state(value):
        return
    for key, child in children(value):
        if not _is_state(child) and any(map(_leaf_kind, leaves_of(child))):
            raise ExportError(
                f"{where}.{key} is an array beside a module or an optimizer",
                hint="Pass modules and arrays as arguments of their own.",
            )
        _refuse_mixed(f"{where}.{key}", child)


def _is_state(value: Any) -> bool:
    """Whether an argument is, or holds, a module or an optimizer."""
    if isinstance(value, Attributed):
        return True
    return is_container(value) and any(_is_state(child) for _, child in children(value))


def _apart(leaf: Any, axes: Mapping[int, Any]) -> Any:
    """A copy of an array: arguments that share memory here need not do so later."""
    if isinstance(leaf, np.ndarray) and id(leaf) not in axes:
        return leaf.copy()
    return leaf


def _refuse(program: Program, name: str) -> None:
    """Refuse effects that no file can hold.

    Raises:
        ExportError: the function assigns attributes, entries or globals, or writes to arrays of
            its state that share memory.
    """
    if program.stores:
        target = program.stores[0].split(" = ")[0]
        target = re.sub(r"\bv\d+\b", lambda one: _label(program, one[0]), target)
        raise ExportError(
            f"{name} sets {target} to something new, which a file can't keep",
            hint=f"Write into the array that is there: `{target}[...] = value`.",
        )
    if any(item.kind == "block" for item in program.inputs):
        raise ExportError(
            f"{name} writes to an array that shares memory with another of its state",
            hint="Give each of them an array of its own.",
        )


def _label(program: Program, source: str) -> str:
    """What the user calls what the call code calls `source`; a method's object has no name."""
    label = program.labels.get(source, source)
    return "self" if label == source else label


def _assembled(
    program: Program,
    name: str,
    given: Sequence[_Argument],
    all_names: Sequence[str],
    axes: Mapping[int, tuple[int | str, ...]],
    record: Sequence[Any],
) -> ExportedProgram:
    paths: dict[str, int] = {}
    places_of: dict[int, int] = {}
    types: list[TensorType] = []

    def leaf(value: Any, where: str) -> Tree | None:
        kind = _leaf_kind(value)
        if not kind:
            return None
        if kind != "array" and where in paths:
            raise ExportError(f"{name} has two arguments that are called {where}")
        paths[where] = places_of[id(value)] = len(types)
        types.append(_leaf_type(value, axes.get(id(value))))
        return {"leaf": len(types) - 1, "kind": kind}

    parameters = tuple(
        Parameter(one.name, one.kind, describe(one.value, leaf, one.name), one.default)
        for one in given
    )
    arguments: dict[int, int] = {}
    constants: dict[Value, Value] = {}
    state: dict[int, np.ndarray] = {}
    capture, names = program.trace.capture, [one.name for one in given]
    for number, (item, path) in enumerate(zip(program.inputs, program.graph.names, strict=True)):
        is_argument = argument_name(item.source, capture.fetches, all_names) in names
        if item.kind == "array" and id(item.original) in places_of:
            arguments[number] = places_of[id(item.original)]
        elif item.kind != "array" and is_argument and path in paths:
            arguments[number] = paths[path]
        elif item.kind == "array":
            state[number] = item.original
        else:
            value = np.asarray(item.original, item.value.dtype)
            constants[program.graph.inputs[number]] = ops.constant(value)
    graph, places = _without(program.graph, constants)
    graph = replace(graph, names=_distinct(graph.names))
    buffers = _buffers(program)
    leaves: list[int | None] = [None] * len(types)
    for number, place in arguments.items():
        leaves[place] = places[number]
    tree, found = record
    return ExportedProgram(
        name,
        pipeline.prepare(graph, {}),
        parameters,
        tuple(leaves),
        tuple(types),
        {places[k]: array for k, array in state.items()},
        frozenset(
            places[k]
            for k, array in state.items()
            if array.dtype.kind not in "fc" or id(array) in buffers
        ),
        _numbered(tree, _positions(program, found)),
        tuple(guard for guard in program.guards if not _is_certain(guard)),
        dict(program.symbolic),
    )


def _is_certain(guard: SizeGuard) -> bool:
    """Whether it only says that a size fits 64 bits."""
    sides = (guard.left, guard.right)
    return any(isinstance(side, int) and abs(side) >= 1 << 62 for side in sides)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are different; of arrays that have none, such as random keys, ``captured``."""
    found: dict[str, None] = {}
    for name in names:
        first = base = re.sub(r"^v\d+(?=\.|$)", "captured", name)
        number = 1
        while first in found:
            number += 1
            first = f"{base}_{number}"
        found[first] = None
    return tuple(found)


def _leaf_type(value: Any, axes: tuple[int | str, ...] | None) -> TensorType:
    """The type of a leaf; `axes`: of an array that stands for a spec, its sizes and their names."""
    array = np.asarray(value)
    if axes is None:
        return TensorType(array.dtype, array.shape)
    shape = tuple(Dim.symbol(axis) if isinstance(axis, str) else axis for axis in axes)
    return TensorType(array.dtype, shape)


def _leaf_kind(value: Any) -> str:
    """The kind of a leaf; "" for what is static."""
    if isinstance(value, np.ndarray):
        return "array"
    if isinstance(value, np.generic):
        return "scalar"
    return "number" if type(value) in (float, complex) else ""


def _without(graph: Graph, constants: Mapping[Value, Value]) -> tuple[Graph, dict[int, int]]:
    """`graph` with some inputs replaced; and the new numbers of the others."""
    kept = [k for k, value in enumerate(graph.inputs) if value not in constants]
    places = {old: new for new, old in enumerate(kept)}
    notes = dict(graph.notes)
    outputs = rebuild(graph.outputs, constants, graph.notes, notes)
    written = [None if target is None else places[target] for target in graph.written]
    names = [graph.names[k] for k in kept]
    return close(
        [graph.inputs[k] for k in kept], outputs, written=written, names=names, notes=notes
    ), places


def _positions(program: Program, found: Sequence[tuple[Value, str]]) -> list[int]:
    """Which of the results each leaf is."""
    results = [
        (value, kind)
        for value, kind, target in zip(
            program.outputs, program.kinds, program.graph.written, strict=True
        )
        if target is None and isinstance(value.type, TensorType)
    ]
    return [results.index(leaf) for leaf in found]


def _numbered(tree: Tree, positions: Sequence[int]) -> Tree:
    """`tree` with other numbers for its leaves."""
    if "leaf" in tree:
        return {**tree, "leaf": positions[tree["leaf"]]}
    if "list" in tree or "tuple" in tree:
        return {
            kind: [_numbered(item, positions) for item in items] for kind, items in tree.items()
        }
    for pairs in ("dict", "fields"):
        if pairs in tree:
            changed = [[key, _numbered(item, positions)] for key, item in tree[pairs]]
            return {**tree, pairs: changed}
    return tree


def _buffers(program: Program) -> set[int]:
    """The ids of arrays that modules call buffers, or that are frozen."""
    found: set[int] = set()
    for proxy in program.trace.capture.objects:
        owner = proxy._graphc_object
        if not isinstance(owner, Attributed):
            continue
        if not hasattr(owner, "forward"):  # an optimizer
            found |= {id(leaf) for leaf in leaves_of(owner)}
        for key, child in children(owner):
            if isinstance(child, np.ndarray) and (owner._frozen or key in owner._buffers):
                found.add(id(child))
    return found
