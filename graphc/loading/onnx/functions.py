"""Operators that ONNX itself defines by other operators, expanded into those."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.tensors import DTYPE_CODES
from graphc.loading.onnx.graph import Graph, Reader, Versions
from graphc.loading.onnx.registry import Node
from graphc.loading.onnx.values import as_array

_Type = tuple[str, tuple[int | None, ...]]


def _schema(node: Node) -> Any:
    """ONNX's record of the operator in the node's version, or None."""
    from onnx import defs  # noqa: PLC0415  # optional

    try:
        return defs.get_schema(node.operator, node.version, node.domain)
    except defs.SchemaError:
        return None


def has_function(node: Node) -> bool:
    """Whether ONNX defines the node's operator by others."""
    schema = _schema(node)
    return schema is not None and bool(schema.has_function or schema.has_context_dependent_function)


def expanded(node: Node, operands: tuple[Any, ...], known: dict[Any, Graph]) -> Graph:
    """The body of the function that the node's operator is; `known` keeps those made before.

    Raises:
        ExportError: it is none.
    """
    types = tuple(None if x is None else _type_key(x) for x in operands)
    key = (id(node), types)
    if key not in known:
        known[key] = _expanded(node, types)
    return known[key]


def _type_key(x: Any) -> _Type:
    array = as_array(x)
    dtype = np.dtype(np.int64) if array.dtype == object else array.dtype
    return dtype.name, tuple(size if type(size) is int else None for size in array.shape)


def _expanded(node: Node, types: tuple[_Type | None, ...]) -> Graph:
    from onnx import FunctionProto, TypeProto  # noqa: PLC0415  # optional

    schema = _schema(node)
    if schema is None:
        raise node.refusal("the operator is not supported")
    data, version = None, node.version
    if schema.has_function:
        version = _latest(schema.function_opset_versions, node.version)
        data = schema.get_function_with_opset_version(version)
    elif schema.has_context_dependent_function:
        protos = []
        for one in types:
            proto = TypeProto()
            if one is not None:
                proto.tensor_type.elem_type = DTYPE_CODES[one[0]]
                proto.tensor_type.shape.SetInParent()
                for size in one[1]:
                    dim = proto.tensor_type.shape.dim.add()
                    if size is not None:
                        dim.dim_value = size
            protos.append(proto.SerializeToString())
        version = _latest(schema.context_dependent_function_opset_versions, node.version)
        data = schema.get_context_dependent_function_with_opset_version(
            version, _resolved(node).SerializeToString(), protos
        )
    if not data:
        raise node.refusal("these options of the operator are not supported")
    proto = data if isinstance(data, FunctionProto) else FunctionProto.FromString(data)
    versions = Versions.of(proto.opset_import)
    attributes = {
        name: Reader(versions, (), None).attribute(one.default_value, {}, 0)
        for name, one in schema.attributes.items()
        if one.default_value.type != 0
    }
    try:
        return Reader(versions, (), None).function(
            proto, attributes | dict(node.attributes), 1, versions
        )
    except ExportError as error:
        error.message = f"{node.label}: {error.message}"
        raise


def _resolved(node: Node) -> Any:
    """The node's message, attributes of a function that it is in filled in."""
    from onnx import NodeProto, helper  # noqa: PLC0415  # optional

    proto = NodeProto.FromString(node.proto)
    attributes = list(NodeProto.FromString(node.proto).attribute)
    del proto.attribute[:]
    for one in attributes:
        if not one.ref_attr_name:
            proto.attribute.append(one)
        elif one.name in node.attributes:
            proto.attribute.append(helper.make_attribute(one.name, node.attributes[one.name]))
    return proto


def _latest(versions: list[int], wanted: int) -> int:
    """The newest of `versions` that is no newer than `wanted`."""
    return max((one for one in versions if one <= wanted), default=min(versions))
