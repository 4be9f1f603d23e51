"""From a file to a program: checked first, so that a damaged model is refused, not half loaded."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ExportError, GraphcError
from graphc.exporting.onnx.model import BUFFERS
from graphc.exporting.onnx.package import onnx_package
from graphc.loading.attributes import attribute
from graphc.loading.onnx.dtypes import numpy_dtype
from graphc.loading.onnx.graph import Graph, Reader, Versions, demanded, running_statistics
from graphc.loading.onnx.listing import Listing
from graphc.loading.onnx.program import Port, Program, check_supported
from graphc.loading.onnx.registry import OPSETS
from graphc.loading.onnx.values import LARGE

LIMIT = 2**31 - 1
"""Bytes that a protobuf message can have: weights of larger models lie in files of their own."""
_TENSOR_TYPES = ("tensor_type",)
_FEW = 64
_DAMAGE = (
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RecursionError,
)
"""What reading a message with absurd contents can raise."""


def program_of(source: str | Path | bytes) -> tuple[Program, dict[str, np.ndarray]]:
    """The program of a model, and the arrays that are its state, by name.

    Raises:
        ExportError: the file is no model, is damaged, or has what is not supported.
        FileNotFoundError: there is no such file.
        BackendError: the package ``onnx`` is not installed.
    """
    proto, folder = _parsed(source)
    try:
        return _program(proto, folder)
    except GraphcError:
        raise
    except _DAMAGE as e:
        raise ExportError(f"the model is damaged: {type(e).__name__}: {e}") from e


def _parsed(source: str | Path | bytes) -> tuple[Any, Path | None]:
    """The message of a model, found valid by ONNX's own checker, and the folder it lies in."""
    onnx = onnx_package()
    folder = None
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"a model is loaded from a path or from bytes, not from a {type(source).__name__}; "
            "of a ModelProto pass model.SerializeToString()"
        )
    else:
        path = Path(source)
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {str(path)!r}")
        if path.stat().st_size > LIMIT:
            raise ExportError(f"{path.name} has more than 2 GB, which no ONNX model has")
        data, folder = path.read_bytes(), path.parent
    try:
        proto = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's own, whose class depends on how it was built
        raise ExportError(f"this is no ONNX model: {error}") from error
    if not proto.HasField("graph"):
        raise ExportError("this is no ONNX model: it has no graph")
    _check_structure(proto)
    shapeless = _shapeless(proto)
    for tensor in shapeless:
        tensor.shape.SetInParent()
    try:
        onnx.checker.check_model(_without_data(proto, onnx))
    except Exception as error:  # its ValidationError, and what its C++ part throws
        raise ExportError(f"the model is not valid ONNX: {str(error).strip()}") from error
    for tensor in shapeless:
        tensor.ClearField("shape")
    return proto, folder


def _shapeless(proto: Any) -> list[Any]:
    """The types of inputs and outputs without a shape: the checker wants one, runtimes do not."""
    found = [one.type for one in [*proto.graph.input, *proto.graph.output]]
    tensors = [one.tensor_type for one in found if one.HasField("tensor_type")]
    return [tensor for tensor in tensors if not tensor.HasField("shape")]


def _check_structure(proto: Any) -> None:
    """What has to hold before other code may look at a model.

    Raises:
        ExportError: versions that are not supported, training parts.
    """
    versions = Versions.of(proto.opset_import)
    opset = versions.versions.get("")
    if opset is not None and not OPSETS[0] <= opset <= OPSETS[1]:
        raise ExportError(
            f"the model is of opset {opset}, and graphc reads {OPSETS[0]} to {OPSETS[1]}"
        )
    if proto.training_info:
        raise ExportError("the model has a training part, which is not supported")


def _without_data(proto: Any, onnx: Any) -> Any:
    """The model for the checker: external data, which it would look for itself, left out."""
    if not any(one.data_location == 1 for one in proto.graph.initializer):
        return proto
    copied = onnx.ModelProto()
    copied.CopyFrom(proto)
    for one in copied.graph.initializer:
        if one.data_location == 1:
            del one.external_data[:]
            one.data_location, one.raw_data = 0, b""
            one.dims[:] = [0]
    return copied


def _program(proto: Any, folder: Path | None) -> tuple[Program, dict[str, np.ndarray]]:
    reader = Reader(Versions.of(proto.opset_import), proto.functions, folder)
    graph = reader.graph(proto.graph)
    check_supported(graph)
    needed = demanded(graph)
    state: dict[str, np.ndarray] = {}
    constants: dict[str, np.ndarray] = {}
    for name, array in graph.constants.items():
        is_constant = name in needed and _is_small(array)
        (constants if is_constant else state)[name] = array
    declared = {one.name: one for one in proto.graph.input}
    inputs = tuple(_port(declared[name], name in needed) for name in graph.inputs)
    outputs = tuple(_port(one, False) for one in proto.graph.output)
    digest = _digest(proto, graph, constants)
    names = {name: _attribute_name(name) for name in state}
    graph.constants = {}
    name = "".join(c for c in str(proto.graph.name) if c.isprintable())[:40] or "model"
    listing = Listing(graph, name, digest)
    no_parameters = running_statistics(graph) | _named_buffers(proto)
    statistics = frozenset(names[one] for one in no_parameters if one in names)
    program = Program(graph, constants, names, statistics, inputs, outputs, digest, listing)
    return program, {names[name]: array for name, array in state.items()}


def _named_buffers(proto: Any) -> set[str]:
    """The initialisers that graphc, which wrote the model, calls buffers."""
    found = [one.value for one in proto.metadata_props if one.key == BUFFERS]
    names = json.loads(found[0]) if found else []
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def _is_small(array: np.ndarray) -> bool:
    return array.size <= (_FEW if array.dtype.kind in "fc" else LARGE)


def _port(info: Any, demanded: bool) -> Port:
    """An input or output as it is declared."""
    kind = info.type.WhichOneof("value")
    if kind not in _TENSOR_TYPES:
        raise ExportError(
            f"{info.name!r} is a {(kind or 'value without type').removesuffix('_type')}: only "
            "tensors are supported"
        )
    tensor = info.type.tensor_type
    dtype = numpy_dtype(tensor.elem_type, f"{info.name!r}")
    if not tensor.HasField("shape"):
        return Port(info.name, dtype, None, demanded)
    sizes = tuple(
        int(one.dim_value) if one.HasField("dim_value") else one.dim_param or None
        for one in tensor.shape.dim
    )
    # What shapes are made of is numbers, or a row of them; a picture that decides is traced.
    return Port(info.name, dtype, sizes, demanded and len(sizes) <= 1)


def _attribute_name(name: str) -> str:
    """The attribute of a model that keeps an initialiser: its name, if a Module has none such."""
    return f"{name}_" if name.startswith("_") else attribute(name, RESERVED)


RESERVED: set[str] = set()
"""Names of attributes that every model has; `graphc.loading.onnx.model` enters them."""


_DATA = ("raw_data", "float_data", "int32_data", "int64_data", "uint64_data", "double_data")


def _digest(proto: Any, graph: Graph, constants: dict[str, np.ndarray]) -> str:
    """A key of the graph and its constants, not of what can be trained; takes the data out."""
    for one in proto.graph.initializer:
        for part in (
            "raw_data",
            "float_data",
            "int32_data",
            "int64_data",
            "uint64_data",
            "double_data",
        ):
            one.ClearField(part)
    found = hashlib.sha256(proto.SerializeToString(deterministic=True))
    for name, array in [*sorted(constants.items()), *_attribute_arrays(graph)]:
        found.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def _attribute_arrays(graph: Graph) -> Iterator[tuple[str, np.ndarray]]:
    """Constants among the nodes, which may have come from files of their own."""
    for node in graph.nodes:
        for name, value in node.attributes.items():
            if isinstance(value, np.ndarray):
                yield name, value
            elif isinstance(value, Graph):
                yield from _attribute_arrays(value)
