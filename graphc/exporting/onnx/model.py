"""Graphs as ONNX models.

The weights are initialisers; every other input of the graph is an input of the model, with its
symbolic sizes as named axes. An output that replaces an input (a write to an argument, as of a
training step) is a further output of the model, ``<input>_out``, after the results: a model keeps
no state. A weight that is written is an input, too, whose initialiser is its default.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.builder import OPSETS, Body, Builder, Port, Step, without_unread
from graphc.exporting.onnx.package import onnx_package
from graphc.exporting.onnx.rules.table import RULES
from graphc.exporting.onnx.sizes import Sizes
from graphc.exporting.onnx.tensors import DTYPE_CODES, Tensor
from graphc.exporting.onnx.walker import Walker
from graphc.files import whole_file
from graphc.ir import Graph
from graphc.types import TensorType

if TYPE_CHECKING:
    import onnx

OPSET = 21
LARGEST = 2**31 - 1
"""The most bytes of a model in one file: what protobuf reads."""


def onnx_model(
    graph: Graph,
    *,
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    constants: Mapping[int, np.ndarray],
    buffers: Collection[int] = (),
    opset: int = OPSET,
) -> onnx.ModelProto:
    """The ONNX model of a graph.

    Args:
        graph: as of ``graphc.compile(f).lower(*args).graph``.
        name: the model's name.
        input_names: a name for each of the graph's inputs; what ONNX tools do not take in a name
            becomes ``_``.
        output_names: a name for each output that replaces no input.
        constants: by the number of an input, the array that it always is: a weight. Its inputs'
            sizes must be numbers, or be known from other inputs.
        buffers: the inputs of `constants` that no derivative is taken by. The model's metadata
            names them, and `graphc.load` reads it.
        opset: the version of ONNX's operator set, 13 to 23.

    Raises:
        ExportError: a node can't be written in ONNX, as its message says with the user's line; or
            the names or constants do not fit the graph.
        BackendError: the package onnx is not installed.

    >>> import numpy as np, graphc
    >>> double = graphc.compile(lambda x, w: x @ w)
    >>> x, w = graphc.spec(("batch", 2), np.float32), np.ones((2, 3), np.float32)
    >>> graph = double.lower(x, w).graph
    >>> model = onnx_model(
    ...     graph, name="double", input_names=["x", "w"], output_names=["y"], constants={1: w}
    ... )
    >>> [node.op_type for node in model.graph.node], [v.name for v in model.graph.input]
    (['MatMul'], ['x'])
    """
    _check(graph, input_names, output_names, constants, opset)
    builder = Builder(opset)
    sizes = Sizes(builder)
    given, inputs = _given(builder, sizes, graph, input_names, constants)
    weights = {given[k].name for k in constants if k not in buffers}
    wanted = _output_names(graph, [tensor.name for tensor in given], output_names)
    reserved = [builder.unique(label) for label in wanted]
    results = builder.own(Walker(builder, sizes, RULES, graph, given).run())
    types = [value.tensor for value in graph.outputs]
    outputs = [Port(label, type_) for label, type_ in zip(reserved, types, strict=True)]
    steps = without_unread(builder.root.steps, {result.name for result in results})
    renamed = {result.name: port.name for result, port in zip(results, outputs, strict=True)}
    pairs = list(zip(outputs, graph.written, strict=True))
    ordered = [port for port, target in pairs if target is None]
    ordered += [port for port, target in pairs if target is not None]
    return _model(builder, Body(inputs, ordered, steps), renamed, name, weights)


def write_onnx(
    path: str | os.PathLike[str],
    graph: Graph,
    *,
    name: str,
    input_names: Sequence[str],
    output_names: Sequence[str],
    constants: Mapping[int, np.ndarray],
    buffers: Collection[int] = (),
    opset: int = OPSET,
) -> None:
    """Write the ONNX model of a graph to a file, which is whole or not there.

    Arguments and exceptions are those of `onnx_model`.

    Raises:
        OSError: the file can't be written.
    """
    model = onnx_model(
        graph,
        name=name,
        input_names=input_names,
        output_names=output_names,
        constants=constants,
        buffers=buffers,
        opset=opset,
    )
    with whole_file(path) as file:
        file.write(model.SerializeToString())


def _check(
    graph: Graph,
    input_names: Sequence[str],
    output_names: Sequence[str],
    constants: Mapping[int, np.ndarray],
    opset: int,
) -> None:
    if opset not in OPSETS:
        raise ExportError(
            f"models are written for opset {OPSETS[0]} to {OPSETS[-1]} of ONNX, not for {opset!r}"
        )
    if len(input_names) != len(graph.inputs):
        raise ExportError(f"{len(input_names)} names for the {len(graph.inputs)} inputs of a graph")
    results = sum(target is None for target in graph.written)
    if len(output_names) != results:
        raise ExportError(f"{len(output_names)} names for the {results} results of a graph")
    if not graph.outputs:
        raise ExportError(
            "the function computes nothing: a view of an argument is what the caller has already"
        )
    for value, label in zip(graph.inputs, input_names, strict=True):
        if not isinstance(value.type, TensorType):
            raise ExportError(f"input {label} is a token: ONNX has no effects")
        if value.dtype.name not in DTYPE_CODES:
            readers = (graph.location(node) for node in graph.nodes if value in node.inputs)
            raise ExportError(
                f"input {label} is {value.type}: ONNX's ops take no complex numbers",
                location=next(filter(None, readers), None),
            )
    for number, array in constants.items():
        type_ = graph.inputs[number].tensor
        sizes = zip(type_.shape, array.shape, strict=False)
        fits = array.dtype == type_.dtype and array.ndim == type_.ndim
        if not fits or any(isinstance(n, int) and n != size for n, size in sizes):
            raise ExportError(
                f"input {input_names[number]} is {type_}, and its constant is "
                f"{array.dtype.name}[{', '.join(map(str, array.shape))}]"
            )


def _given(
    builder: Builder,
    sizes: Sizes,
    graph: Graph,
    names: Sequence[str],
    constants: Mapping[int, np.ndarray],
) -> tuple[list[Tensor], list[Port]]:
    """The tensor of each of the graph's inputs, and those that the model takes."""
    tensors, ports = [], []
    for number, (value, label) in enumerate(zip(graph.inputs, names, strict=True)):
        tensor = Tensor(builder, builder.unique(label), value.dtype)
        tensors.append(tensor)
        if number in constants:
            builder.initialisers[tensor.name] = np.asarray(constants[number])
        if number not in constants or number in graph.written:
            ports.append(Port(tensor.name, value.tensor))
    # A size that an input and a weight share is the weight's: a number when the model is loaded.
    for number in sorted(range(len(tensors)), key=lambda number: number not in constants):
        sizes.note(tensors[number], graph.inputs[number].shape)
    return tensors, ports


def _output_names(
    graph: Graph, input_names: Sequence[str], output_names: Sequence[str]
) -> list[str]:
    free = iter(output_names)
    return [
        next(free) if target is None else f"{input_names[target]}_out" for target in graph.written
    ]


# --- protobuf -------------------------------------------------------------------------------------


BUFFERS = "graphc.buffers"
"""The key of the metadata that names, as JSON, the initialisers that are no parameters."""


def _model(
    builder: Builder, body: Body, renamed: Mapping[str, str], name: str, weights: Collection[str]
) -> onnx.ModelProto:
    package: Any = onnx_package()
    helper = package.helper
    proto = _graph(package, body, renamed, name)
    read = _read(proto)
    arrays = {key: array for key, array in builder.initialisers.items() if key in read}
    size = sum(array.nbytes for array in arrays.values())
    if size > LARGEST:
        raise ExportError(
            f"the weights have {size} bytes, and an ONNX file holds {LARGEST}",
            hint="Leave the largest weights as inputs of the model.",
        )
    for key, array in arrays.items():
        data = np.asarray(array, array.dtype.newbyteorder("<"), order="C")
        proto.initializer.append(
            helper.make_tensor(
                key, DTYPE_CODES[array.dtype.name], array.shape, data.tobytes(), raw=True
            )
        )
    opsets = [helper.make_opsetid("", builder.opset)]
    model: onnx.ModelProto = helper.make_model(
        proto,
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="graphc",
        producer_version=_version(),
    )
    entry = model.metadata_props.add()
    entry.key, entry.value = BUFFERS, json.dumps([key for key in arrays if key not in weights])
    if model.ByteSize() > LARGEST:
        raise ExportError(f"the model has {model.ByteSize()} bytes: a file holds {LARGEST}")
    return model


def _read(proto: Any) -> set[str]:
    """The names that the nodes of a graph, and of the graphs in them, read."""
    found: set[str] = set()
    for node in proto.node:
        found.update(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= _read(attribute.g)
    return found


def _version() -> str:
    try:
        return metadata.version("graphc")
    except metadata.PackageNotFoundError:
        return ""


def _graph(package: Any, body: Body, renamed: Mapping[str, str], name: str) -> Any:
    helper = package.helper
    nodes = [_node(package, step, renamed) for step in body.steps]
    inputs = [_info(helper, port) for port in body.inputs]
    outputs = [_info(helper, port, renamed) for port in body.outputs]
    return helper.make_graph(nodes, name, inputs, outputs)


def _info(helper: Any, port: Port, renamed: Mapping[str, str] | None = None) -> Any:
    shape = [size if isinstance(size, int) else str(size) for size in port.type.shape]
    name = (renamed or {}).get(port.name, port.name)
    return helper.make_tensor_value_info(name, DTYPE_CODES[port.type.dtype.name], shape)


def _node(package: Any, step: Step, renamed: Mapping[str, str]) -> Any:
    attrs = {
        key: _graph(package, value, renamed, f"{step.outputs[0]}_{key}")
        if isinstance(value, Body)
        else value
        for key, value in step.attrs.items()
    }
    inputs = [renamed.get(name, name) for name in step.inputs]
    outputs = [renamed.get(name, name) for name in step.outputs]
    node = package.helper.make_node(step.kind, inputs, outputs, name=outputs[0], **attrs)
    node.doc_string = step.line
    return node
