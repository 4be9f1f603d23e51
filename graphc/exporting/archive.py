"""``.graphc`` files: an exported program in a zip of JSON and safetensors; see ``docs/format.md``.

    graphc.json          format, version, signature, and the digests of the other two
    graph.json           the graph, as `graphc.exporting.container` writes it
    state.safetensors    its weights and other state

Nothing in a file is run when it is read. Everything is checked before anything is made of it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save as to_safetensors

from graphc.errors import ExportError, GraphcError
from graphc.exporting.container import (
    from_json,
    read_attr,
    read_size,
    read_type,
    require_list,
    require_object,
    require_text,
    to_json,
    write_attr,
    write_size,
    write_type,
)
from graphc.exporting.program import PARAMETER_KINDS, ExportedProgram, Parameter
from graphc.exporting.structure import check
from graphc.files import whole_file
from graphc.ir import Graph, Note
from graphc.trace.context import SizeGuard
from graphc.types import TensorType

FORMAT = "graphc"
MAJOR, MINOR = 1, 0
"""A file can be read by every later version of the same major number."""

MESSAGE = 2000
"""Characters of a message that tells what is in a file."""

HEADER, GRAPH, STATE = "graphc.json", "graph.json", "state.safetensors"
RELATIONS = ("==", "<", "<=", ">", ">=")
LEAF_KINDS = ("array", "scalar", "number")


# --- writing --------------------------------------------------------------------------------------


def write(program: ExportedProgram, path: str | os.PathLike[str]) -> None:
    """Write a program; the file at `path` is replaced as a whole, or stays as it was.

    Raises:
        ExportError: it has something that files do not have.
        OSError: the file can't be written.
    """
    with whole_file(path) as file:
        file.write(to_bytes(program))


def to_bytes(program: ExportedProgram) -> bytes:
    """The bytes of the file of a program."""
    graph = to_json(_portable(program.graph)).encode()
    names = program.graph.names
    _check_names(program)
    arrays = {names[k]: _real(array) for k, array in program.state.items()}
    if len(arrays) != len(program.state):
        raise ExportError("two arrays of the state have the same name")
    state = to_safetensors(arrays)
    header = {
        "format": FORMAT,
        "version": [MAJOR, MINOR],
        "producer": f"graphc {version('graphc')}",
        "name": program.name,
        "ops": sorted(_ops(program.graph)),
        "parameters": [
            {
                "name": one.name,
                "kind": one.kind,
                "tree": one.tree,
                "default": [write_attr(value) for value in one.default],
            }
            for one in program.parameters
        ],
        "leaves": [
            {"input": number, "type": write_type(type_)}
            for number, type_ in zip(program.leaves, program.leaf_types, strict=True)
        ],
        "state": [
            {"input": k, "name": names[k], "buffer": k in program.buffers} for k in program.state
        ],
        "result": program.result,
        "guards": [
            [guard.relation, write_size(guard.left), write_size(guard.right), guard.outcome]
            for guard in program.guards
        ],
        "sizes": dict(program.sizes),
        "digests": {GRAPH: _digest(graph), STATE: _digest(state)},
    }
    head = json.dumps(header, separators=(",", ":"), allow_nan=False).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, data in ((HEADER, head), (GRAPH, graph), (STATE, state)):
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data)
    return file.getvalue()


def _portable(graph: Graph) -> Graph:
    """`graph` whose lines are of files without their folders, which are this machine's."""
    notes = {
        node: Note(
            None
            if note.location is None
            else replace(note.location, file=os.path.basename(note.location.file)),
            note.name,
        )
        for node, note in graph.notes.items()
    }
    return replace(graph, notes=notes)


def _ops(graph: Graph) -> set[str]:
    found = {node.op.name for node in graph.nodes}
    for node in graph.nodes:
        for region in node.regions:
            found |= _ops(region)
    return found


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _real(array: np.ndarray) -> np.ndarray:
    """An array that safetensors has: complex numbers as pairs."""
    plain = np.array(array, order="C")
    if plain.dtype.kind != "c":
        return plain
    part = np.dtype(f"f{plain.dtype.itemsize // 2}")
    return plain[..., None].view(part)


# --- reading --------------------------------------------------------------------------------------


def read(path: str | os.PathLike[str]) -> ExportedProgram:
    """The program in a file.

    Raises:
        ExportError: it is no such file, damaged, or of a later version: the message says where.
        OSError: the file can't be read.
    """
    return from_bytes(Path(path).read_bytes())


def from_bytes(data: bytes) -> ExportedProgram:
    """The program in the bytes of a file; see `read`."""
    try:
        parts = _parts(data)
        header = require_object(json.loads(parts[HEADER]), "the header")
        _check_version(header)
        for name in (GRAPH, STATE):
            if require_object(header.get("digests"), "digests").get(name) != _digest(parts[name]):
                raise ExportError(f"{name} is damaged: its digest is another")
        graph = _elsewhere(from_json(parts[GRAPH].decode()))
        return _program(header, graph, _arrays(parts[STATE]))
    except ExportError:
        raise
    except (
        GraphcError,
        KeyError,
        TypeError,
        ValueError,
        RecursionError,
        OverflowError,
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        safetensors.SafetensorError,
    ) as error:
        text = str(error)[:MESSAGE]
        raise ExportError(f"not a .graphc file, or a damaged one: {text}") from error


def _elsewhere(graph: Graph) -> Graph:
    """`graph` whose lines are of files that are not looked for on this machine."""
    notes = {}
    for node, note in graph.notes.items():
        place = note.location
        if place is not None and not place.file.startswith("<"):
            place = replace(place, file=f"<{place.file}>")
        notes[node] = Note(place, note.name)
    return replace(graph, notes=notes)


def _parts(data: bytes) -> dict[str, bytes]:
    """The files in the zip; none is larger than the whole."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        if sorted(info.filename for info in infos) != sorted((HEADER, GRAPH, STATE)):
            raise ExportError(f"not a .graphc file: it holds {[i.filename for i in infos][:9]}")
        for info in infos:
            if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
                raise ExportError(f"{info.filename} is compressed: a .graphc file is not")
            if info.file_size > len(data):
                raise ExportError(f"{info.filename} claims more bytes than the file has")
        return {info.filename: archive.read(info) for info in infos}


def _check_version(header: Mapping[str, Any]) -> None:
    if header.get("format") != FORMAT:
        raise ExportError(f"not a .graphc file: its format is {header.get('format')!r}")
    found = header.get("version")
    pair = found if isinstance(found, list) and [*map(type, found)] == [int, int] else [0, 0]
    if pair[0] != MAJOR or not 0 <= pair[1] <= MINOR:
        raise ExportError(
            f"version {found!r} of the format can't be read: this is graphc {version('graphc')}, "
            f"which reads {MAJOR}.0 to {MAJOR}.{MINOR}",
            hint="Load it with the graphc that wrote it, or a later one, and export it again.",
        )


def _arrays(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a safetensors file; each in memory of its own."""
    read_all: Any = safetensors.deserialize
    found = read_all(data)
    names = {"BOOL": "bool", "F32": "float32", "F64": "float64", "F16": "float16"}
    for bits in (8, 16, 32, 64):
        names |= {f"I{bits}": f"int{bits}", f"U{bits}": f"uint{bits}"}
    arrays: dict[str, np.ndarray] = {}
    for name, item in found:
        if item["dtype"] not in names:
            raise ExportError(f"{name} has dtype {item['dtype']}, which graphc does not have")
        dtype = np.dtype(names[item["dtype"]])
        arrays[name] = np.frombuffer(item["data"], dtype).reshape(item["shape"]).copy()
    return arrays


def _program(
    header: Mapping[str, Any], graph: Graph, arrays: Mapping[str, np.ndarray]
) -> ExportedProgram:
    leaves = [require_object(item, "leaves") for item in require_list(header["leaves"], "leaves")]
    numbers = [_input(item["input"], graph, "leaves", True) for item in leaves]
    types = [read_type(item["type"], "leaves") for item in leaves]
    state: dict[int, np.ndarray] = {}
    buffers: set[int] = set()
    for item in require_list(header["state"], "state"):
        number = _input(require_object(item, "state")["input"], graph, "state")
        assert number is not None
        state[number] = _state_array(graph, number, item["name"], arrays)
        if item["buffer"]:
            buffers.add(number)
    fed = [number for number in numbers if number is not None] + list(state)
    if sorted(fed) != list(range(len(graph.inputs))) or len(arrays) != len(state):
        raise ExportError("the graph's inputs are not each an argument or an array of the state")
    tensors = tuple(type_ for type_ in types if isinstance(type_, TensorType))
    if len(tensors) != len(types):
        raise ExportError("leaves: a token is no argument")
    for number, type_ in zip(numbers, tensors, strict=True):
        if number is not None and graph.inputs[number].type != type_:
            raise ExportError(f"leaves: the graph takes {graph.inputs[number].type}, not {type_}")
    program = ExportedProgram(
        require_text(header["name"], "name"),
        graph,
        _parameters(header["parameters"], len(leaves)),
        tuple(numbers),
        tensors,
        state,
        frozenset(buffers),
        header["result"],
        tuple(_guard(item) for item in require_list(header["guards"], "guards")),
        _sizes(header["sizes"]),
    )
    _ = program.signature  # raises ValueError where the parameters are none
    _check_names(program)
    check(program.result, len(program.outputs), LEAF_KINDS, "result")
    return program


def _parameters(data: Any, leaves: int) -> tuple[Parameter, ...]:
    found = []
    for item in require_list(data, "parameters"):
        name = require_text(require_object(item, "parameters")["name"], "parameters")
        if item["kind"] not in PARAMETER_KINDS or not name.isidentifier():
            raise ExportError(f"parameters: {name!r} of kind {item['kind']!r} is none")
        check(item["tree"], leaves, LEAF_KINDS, name)
        default = tuple(read_attr(one, name) for one in require_list(item["default"], name))
        if len(default) > 1:
            raise ExportError(f"parameters: {name!r} has {len(default)} defaults")
        found.append(Parameter(name, item["kind"], item["tree"], default))
    return tuple(found)


def _state_array(
    graph: Graph, number: int, name: Any, arrays: Mapping[str, np.ndarray]
) -> np.ndarray:
    """An array of the state, of the type that the graph takes."""
    wanted = graph.inputs[number].tensor
    if require_text(name, "state") != graph.names[number] or name not in arrays:
        raise ExportError(f"state: there is no array {name!r}")
    array = arrays[name]
    if wanted.dtype.kind == "c" and array.dtype == np.dtype(f"f{wanted.dtype.itemsize // 2}"):
        array = array.view(wanted.dtype)[..., 0]
    if array.dtype != wanted.dtype or array.shape != wanted.shape:
        raise ExportError(f"state: {name} is {array.dtype}{array.shape}, the graph takes {wanted}")
    return array


def _guard(data: Any) -> SizeGuard:
    relation, left, right, outcome = require_list(data, "guards")
    if relation not in RELATIONS or not isinstance(outcome, bool):
        raise ExportError(f"guards: {relation!r} is no relation")
    return SizeGuard(relation, read_size(left, "guards"), read_size(right, "guards"), outcome)


def _check_names(program: ExportedProgram) -> None:
    """Refuse arrays of the state of which one would be an attribute of another."""
    names = {program.graph.names[k] for k in program.state}
    for name in names:
        parts = name.split(".")
        above = {".".join(parts[:count]) for count in range(1, len(parts))}
        if "" in parts or above & names:
            raise ExportError(f"state: {name!r} is no name of an array")


def _sizes(data: Any) -> dict[str, int]:
    for name, size in require_object(data, "sizes").items():
        if not name.isidentifier() or type(size) is not int or size < 0:
            raise ExportError(f"sizes: {name!r} is {size!r}")
    return dict(data)


def _input(data: Any, graph: Graph, where: str, or_none: bool = False) -> int | None:
    if data is None and or_none:
        return None
    if type(data) is not int or not 0 <= data < len(graph.inputs):
        raise ExportError(f"{where}: there is no input {data!r}")
    return data
