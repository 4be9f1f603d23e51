"""Graphs as JSON, and back: exact, versioned, and read without running anything.

    File  := format, version, graph
    graph := inputs: type*, names, nodes: node*, outputs: ref*, written
    node  := op, inputs: ref*, attrs: {name: attr}, regions: graph*, types: type*, note?
    type  := [dtype, [size*]] | "token"
    ref   := [producer, index]        # producers: the inputs in order, then the nodes
    attr  := true | 12 | "text" | null | {"float": hex} | {"bytes": base64} | {"dtype": name}
           | {"tuple": [attr*]} | {"dim": size}
    size  := 12 | [[coefficient, [atom*]]*]
    atom  := "name" | {"floordiv": [size, size]} | {"mod": [size, size]}

A node refers only to what stands before it, so a file holds no cycle. Reading checks every field,
derives every type again and compares it with the one written, and runs the verifier.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.errors import ExportError, GraphcError, Location, VerificationError
from graphc.ir import PARAMETER, Attr, Graph, Node, Note, Value, make, parameter
from graphc.ops import OPS
from graphc.types import (
    DTYPES,
    TOKEN,
    Dim,
    FloorDiv,
    Mod,
    Size,
    TensorType,
    Type,
    floordiv,
    mod,
)
from graphc.verify import verify

FORMAT = "graphc-graph"
VERSION = 1
MOST_TERMS = 50
"""Terms of a size."""

DEEPEST = 50
"""Regions within regions, and tuples within tuples, up to so many levels."""


def to_json(graph: Graph) -> str:
    """`graph` as JSON text; `from_json` gives back an equal graph.

    Raises:
        ExportError: an attribute has a type that files do not have.

    >>> from graphc import ops
    >>> from graphc.ir import close, fresh_input
    >>> x = fresh_input(TensorType(DTYPES["float32"], (Dim.symbol("n"),)))
    >>> graph = close([x], [ops.sin(x)], names=["x"])
    >>> from_json(to_json(graph)) == graph
    True
    """
    document = {"format": FORMAT, "version": VERSION, "graph": _write_graph(graph)}
    return json.dumps(document, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote, verified.

    Raises:
        ExportError: the text is not such a file: the message says where and why.
    """
    try:
        document = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
        fields = _fields(document, "file", ("format", "version", "graph"))
        if fields["format"] != FORMAT:
            raise ExportError(f"not a graphc graph: format is {fields['format']!r}")
        if type(fields["version"]) is not int or fields["version"] != VERSION:
            raise ExportError(
                f"version {fields['version']!r} of the graph format can't be read",
                hint=f"This graphc reads version {VERSION}: write the file again with it.",
            )
        return verify(_read_graph(fields["graph"], "graph", 0), "reading")
    except ExportError:
        raise
    except (ValueError, RecursionError, VerificationError) as error:
        raise ExportError(f"not a graphc graph: {error}") from error


# --- writing --------------------------------------------------------------------------------------


def _write_graph(graph: Graph) -> dict[str, Any]:
    numbers: dict[Node, int] = {value.node: k for k, value in enumerate(graph.inputs)}
    nodes = [node for node in graph.nodes if node.op is not PARAMETER]
    for node in nodes:
        numbers[node] = len(numbers)

    def reference(value: Value) -> list[int]:
        return [numbers[value.node], value.index]

    return {
        "inputs": [write_type(value.type) for value in graph.inputs],
        "names": list(graph.names),
        "nodes": [
            {
                "op": node.op.name,
                "inputs": [reference(value) for value in node.inputs],
                "attrs": {name: write_attr(value) for name, value in node.attrs},
                "regions": [_write_graph(region) for region in node.regions],
                "types": [write_type(type_) for type_ in node.types],
                **_write_note(graph.notes.get(node)),
            }
            for node in nodes
        ],
        "outputs": [reference(value) for value in graph.outputs],
        "written": list(graph.written),
    }


def write_type(type_: Type) -> Any:
    """A type as JSON data."""
    if not isinstance(type_, TensorType):
        return "token"
    return [type_.dtype.name, [write_size(size) for size in type_.shape]]


def write_size(size: Size) -> Any:
    """A size as JSON data."""
    if isinstance(size, int):
        return size
    return [
        [coefficient, [_write_atom(atom) for atom in monomial]]
        for monomial, coefficient in size.terms
    ]


def _write_atom(atom: Any) -> Any:
    if isinstance(atom, str):
        return atom
    if isinstance(atom, FloorDiv | Mod):
        name = "floordiv" if isinstance(atom, FloorDiv) else "mod"
        return {name: [write_size(atom.numerator), write_size(atom.denominator)]}
    raise ExportError(f"a size with {atom!r} can't be written")


def write_attr(value: Attr) -> Any:
    """An attribute as JSON data."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return {"float": value.hex()}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode("ascii")}
    if isinstance(value, np.dtype):
        return {"dtype": value.name}
    if isinstance(value, Dim):
        return {"dim": write_size(value)}
    if isinstance(value, tuple):
        return {"tuple": [write_attr(item) for item in value]}
    raise ExportError(f"an attribute of type {type(value).__name__} can't be written")


_LOCATION_FIELDS = ("file", "line", "column", "end_column", "function")


def _write_note(note: Note | None) -> dict[str, Any]:
    if note is None:
        return {}
    place = note.location
    fields = None if place is None else [getattr(place, name) for name in _LOCATION_FIELDS]
    return {"note": [note.name, fields]}


# --- reading --------------------------------------------------------------------------------------


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ExportError("not a graphc graph: a field occurs twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ExportError(f"not a graphc graph: {name} is no JSON number")


def _fields(
    data: Any, where: str, required: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Any]:
    """`data`, when it is an object of exactly these fields."""
    found = require_object(data, where)
    missing = [name for name in required if name not in found]
    extra = [name for name in found if name not in required and name not in optional]
    if missing or extra:
        raise ExportError(f"{where}: missing fields {missing}, unknown fields {extra}")
    return found


def require_object(data: Any, where: str) -> dict[str, Any]:
    """`data`, when it is an object."""
    if not isinstance(data, dict):
        raise ExportError(f"{where}: expected an object, found {type(data).__name__}")
    return data


def require_list(data: Any, where: str, length: int | None = None) -> list[Any]:
    """`data`, when it is a list, of that length where one is given."""
    if not isinstance(data, list) or (length is not None and len(data) != length):
        raise ExportError(f"{where}: expected a list{f' of {length}' if length else ''}")
    return data


def _integer(data: Any, where: str) -> int:
    if type(data) is not int:
        raise ExportError(f"{where}: expected an integer, found {data!r}")
    return data


def require_text(data: Any, where: str) -> str:
    """`data`, when it is text."""
    if not isinstance(data, str):
        raise ExportError(f"{where}: expected text, found {type(data).__name__}")
    return data


def _read_graph(data: Any, where: str, depth: int) -> Graph:
    if depth > DEEPEST:
        raise ExportError(f"{where}: regions are nested deeper than {DEEPEST}")
    fields = _fields(data, where, ("inputs", "names", "nodes", "outputs", "written"))
    inputs = [
        parameter(k, read_type(type_, f"{where}.inputs[{k}]"))
        for k, type_ in enumerate(require_list(fields["inputs"], f"{where}.inputs"))
    ]
    names = [
        require_text(name, f"{where}.names")
        for name in require_list(fields["names"], f"{where}.names")
    ]
    if names and len(names) != len(inputs):
        raise ExportError(f"{where}: {len(names)} names for {len(inputs)} inputs")
    producers: list[Node] = [value.node for value in inputs]
    notes: dict[Node, Note] = {}
    for k, item in enumerate(require_list(fields["nodes"], f"{where}.nodes")):
        here = f"{where}.nodes[{k}]"
        node, note = _read_node(item, producers, here, depth)
        producers.append(node)
        if note is not None:
            notes[node] = note
    outputs = tuple(
        _read_reference(item, producers, f"{where}.outputs")
        for item in require_list(fields["outputs"], f"{where}.outputs")
    )
    written = require_list(fields["written"], f"{where}.written", len(outputs))
    for target in written:
        if target is not None and not 0 <= _integer(target, f"{where}.written") < len(inputs):
            raise ExportError(f"{where}.written: there is no input {target}")
    return Graph(tuple(inputs), outputs, tuple(written), tuple(names), notes)


def _read_reference(data: Any, producers: Sequence[Node], where: str) -> Value:
    number, index = (_integer(item, where) for item in require_list(data, where, 2))
    if not 0 <= number < len(producers):
        raise ExportError(f"{where}: refers to producer {number}, which does not stand before it")
    node = producers[number]
    if not 0 <= index < len(node.types):
        raise ExportError(f"{where}: {node.op.name} has no output {index}")
    return node.out(index)


_REFUSALS = (
    GraphcError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
)
"""What an op's `infer` raises at operands or attributes that it does not take."""


def _read_node(
    data: Any, producers: Sequence[Node], where: str, depth: int
) -> tuple[Node, Note | None]:
    fields = _fields(data, where, ("op", "inputs", "attrs", "regions", "types"), ("note",))
    op = OPS.get(require_text(fields["op"], f"{where}.op"))
    if op is None:
        raise ExportError(f"{where}: there is no op named {fields['op']!r}")
    operands = [
        _read_reference(item, producers, f"{where}.inputs")
        for item in require_list(fields["inputs"], f"{where}.inputs")
    ]
    given = _fields(fields["attrs"], f"{where}.attrs", tuple(op.attributes))
    attrs = {name: read_attr(item, f"{where}.attrs.{name}", 0) for name, item in given.items()}
    for name, kind in op.attributes.items():
        if not _is_kind(attrs[name], kind):
            raise ExportError(f"{where}.attrs.{name}: {attrs[name]!r} is no {kind}")
    regions = [
        _read_graph(item, f"{where}.regions[{k}]", depth + 1)
        for k, item in enumerate(require_list(fields["regions"], f"{where}.regions"))
    ]
    if len(regions) != op.regions:
        raise ExportError(f"{where}: {op.name} has {op.regions} regions, not {len(regions)}")
    try:
        node = make(op, operands, attrs, regions)
    except _REFUSALS as error:
        raise ExportError(f"{where}: {op.name} does not take these operands: {error}") from error
    types = tuple(
        read_type(item, f"{where}.types")
        for item in require_list(fields["types"], f"{where}.types")
    )
    if types != node.types:
        raise ExportError(f"{where}: {op.name} gives {node.types}, but the file says {types}")
    note = _read_note(fields["note"], f"{where}.note") if "note" in fields else None
    return node, note


def read_type(data: Any, where: str) -> Type:
    """The type that `write_type` wrote."""
    if data == "token":
        return TOKEN
    name, sizes = require_list(data, where, 2)
    dtype = DTYPES.get(require_text(name, where))
    if dtype is None:
        raise ExportError(f"{where}: there is no dtype {name!r}")
    shape = tuple(read_size(size, where, 0) for size in require_list(sizes, where))
    if not _is_kind(shape, "shape"):
        raise ExportError(f"{where}: a size is negative")
    return TensorType(dtype, shape)


def read_size(data: Any, where: str, depth: int = 0) -> Size:
    """A size; built up again by arithmetic, so that it is in normal form whatever the file says."""
    if type(data) is int:
        return data
    if depth > DEEPEST:
        raise ExportError(f"{where}: a size is nested deeper than {DEEPEST}")
    total: Size = 0
    for term in require_list(data, where):
        coefficient, atoms = require_list(term, where, 2)
        product: Size = _integer(coefficient, where)
        for atom in require_list(atoms, where):
            product = product * _read_atom(atom, where, depth)
            _check_terms(product, where)
        total = total + product
        _check_terms(total, where)
    return total


def _check_terms(size: Size, where: str) -> None:
    """Refuse a size that grows as its products are multiplied out."""
    if isinstance(size, Dim) and len(size.terms) > MOST_TERMS:
        raise ExportError(f"{where}: a size has more than {MOST_TERMS} terms")


def _read_atom(data: Any, where: str, depth: int) -> Size:
    if isinstance(data, str):
        if not data.isidentifier() or not data.isascii():
            raise ExportError(f"{where}: {data[:40]!r} is no name of a size")
        return Dim.symbol(data)
    fields = _fields(data, where, (), ("floordiv", "mod"))
    if len(fields) != 1:
        raise ExportError(f"{where}: an atom of a size is a name, a floordiv or a mod")
    ((name, operands),) = fields.items()
    left, right = (read_size(item, where, depth + 1) for item in require_list(operands, where, 2))
    if right == 0:
        raise ExportError(f"{where}: a size is divided by 0")
    return floordiv(left, right) if name == "floordiv" else mod(left, right)


def read_attr(data: Any, where: str, depth: int = 0) -> Attr:
    """The attribute that `write_attr` wrote."""
    if data is None or type(data) in (bool, int, str):
        return data
    if depth > DEEPEST:
        raise ExportError(f"{where}: tuples are nested deeper than {DEEPEST}")
    fields = _fields(data, where, (), ("float", "bytes", "dtype", "tuple", "dim"))
    if len(fields) != 1:
        raise ExportError(f"{where}: expected one of float, bytes, dtype, tuple and dim")
    ((kind, content),) = fields.items()
    if kind == "tuple":
        return tuple(read_attr(item, where, depth + 1) for item in require_list(content, where))
    if kind == "dim":
        return read_size(content, where, 0)
    text = require_text(content, where)
    try:
        if kind == "float":
            return float.fromhex(text)
        if kind == "bytes":
            return base64.b64decode(text, validate=True)
        return DTYPES[text]
    except (ValueError, binascii.Error, KeyError, OverflowError) as error:
        raise ExportError(f"{where}: {text[:40]!r} is no {kind}") from error


def _is_kind(value: Attr, kind: str) -> bool:
    """Whether an attribute is of a kind of `Op.attributes`."""
    if kind in ("sizes", "ints", "shape"):
        element = "int" if kind == "ints" else "size"
        fits = isinstance(value, tuple) and all(_is_kind(item, element) for item in value)
        return fits and not (
            kind == "shape" and any(isinstance(item, int) and item < 0 for item in value)
        )
    if kind == "size":
        return type(value) is int or isinstance(value, Dim)
    if kind == "dtype":
        return isinstance(value, np.dtype)
    kinds: Mapping[str, type] = {"int": int, "bool": bool, "str": str, "bytes": bytes}
    return type(value) is kinds[kind]


def _read_note(data: Any, where: str) -> Note:
    name, place = require_list(data, where, 2)
    if place is None:
        return Note(None, require_text(name, where))
    file, line, column, end_column, function = require_list(place, where, len(_LOCATION_FIELDS))
    for text in (name, file, function):
        if not require_text(text, where).isprintable():
            raise ExportError(f"{where}: {text[:40]!r} has characters that are not printed")
    location = Location(
        require_text(file, where),
        _integer(line, where),
        _integer(column, where),
        _integer(end_column, where),
        require_text(function, where),
    )
    return Note(location, require_text(name, where))
