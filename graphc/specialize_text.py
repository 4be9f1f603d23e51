"""What distinguishes two forms of a function, in words: for the warning of many forms."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from graphc.ir import Value
from graphc.trace.inputs import Input
from graphc.trace.program import Program
from graphc.types import TensorType

LAYOUTS = {
    "C": "C-contiguous",
    "F": "Fortran-contiguous",
    "strided": "not contiguous",
    "packed": "with strides of no whole items",
}

MOST = 3
"""Changes that are named; the others are counted."""

_VALUE = re.compile(r"type\((?P<name>.+?)\) is .+? and (?P=name) == (?P<value>.+)")
_LENGTH = re.compile(r"type\((?P<name>.+?)\) is .+ and len\((?P=name)\) == (?P<value>\d+)")
_LENGTH_OF, _AS_CALL = re.compile(r"the length of (.+)"), r"len(\1)"
_IDENTITY = re.compile(r"(?P<name>[\w.]+) is (?P<value>\S+)")
_UNNAMED = re.compile(r"\d+|cell_contents")
"""What a default value, or a variable of an enclosing function, is called in guards."""


MOST_VALUES = 8
"""Static values that a form's repr names."""


def describe_form(program: Program) -> str:
    """The inputs with their types, then the static values: what the form was compiled for."""
    inputs = [
        f"{name}: {_short(item, value)}"
        for item, name, value in zip(
            program.inputs, program.graph.names, program.graph.inputs, strict=False
        )
    ]
    sizes = [
        f"{program.labels.get(source, source)}={name}"
        for (source, axis), name in program.symbols.items()
        if axis is None
    ]
    named = [item for item in _values(program).items() if not _UNNAMED.fullmatch(item[0])]
    static = [*sizes, *(f"{_LENGTH_OF.sub(_AS_CALL, name)}={value}" for name, value in named)]
    more = len(static) - MOST_VALUES
    listed = static[:MOST_VALUES] + ([f"and {more} more"] if more > 0 else [])
    return ", ".join(inputs) + ("; " if inputs and listed else "") + ", ".join(listed)


def _short(item: Input, value: Value) -> str:
    """The type of a number, or of an array and how it lies in memory where that is special."""
    if item.kind == "number":
        return type(item.original.item()).__name__
    if item.kind == "scalar":
        return f"np.{item.original.dtype.name}"
    if item.kind == "array" and item.layout != "C":
        return f"{value.type} {LAYOUTS[item.layout]}"
    return str(value.type)


def describe_change(before: Program, after: Program) -> str:
    """How the arguments that `after` was compiled for differ from those of `before`."""
    changes = [*_changed_inputs(before, after), *_changed_values(before, after)]
    if not changes:
        return "the values of static arguments"
    more = len(changes) - MOST
    return "; ".join(changes[:MOST]) + (f"; and {more} more" if more > 0 else "")


def _changed_inputs(before: Program, after: Program) -> list[str]:
    known = {item.source: _described(item, before) for item in before.inputs}
    changes = []
    for item, name in zip(after.inputs, after.graph.names, strict=False):
        now, was = _described(item, after), known.get(item.source)
        if was is None:
            changes.append(f"{name} is now {now}; it was not among the inputs")
        elif now != was:
            changes.append(f"{name} is now {now}; it was {was}")
    return changes


def _described(item: Input, program: Program) -> str:
    """An input's type, and how it lies in memory."""
    if item.kind == "block":
        return "arrays that share memory"
    if item.kind == "number":
        return f"a Python {type(item.original.item()).__name__}"
    if item.kind == "scalar":
        return f"a NumPy {item.original.dtype.name}"
    array: np.ndarray = item.original
    name = "" if type(array) is np.ndarray else f"{type(array).__name__} "
    kind = TensorType(array.dtype, array.shape)
    readonly = "" if array.flags.writeable else ", read-only"
    return f"{name}{kind}, {LAYOUTS[item.layout]}{readonly}"


def _changed_values(before: Program, after: Program) -> list[str]:
    """Values that are part of the form: ints, strings, flags."""
    known = _values(before)
    changes = []
    for name, value in _values(after).items():
        was = known.get(name)
        if was != value:
            named = "a value that the function captured" if _UNNAMED.fullmatch(name) else name
            past = "" if was is None else f"; it was {was}"
            changes.append(f"{named} is now {value}{past}")
    return changes


def _values(program: Program) -> Mapping[str, str]:
    """The values that the guards of `program` name."""
    found: dict[str, str] = {}
    for guard in program.described_guards():
        match = _VALUE.fullmatch(guard) or _IDENTITY.fullmatch(guard)
        if match:
            found[match["name"]] = match["value"]
        length = _LENGTH.fullmatch(guard)
        if length:
            found[f"the length of {length['name']}"] = length["value"]
    return found
