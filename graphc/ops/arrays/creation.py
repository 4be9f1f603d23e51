"""Ops without operands: constants, positions and sizes as values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Graph, Node, Op, Value, make
from graphc.loops import Const, Element, Expr, Index, Position, Read
from graphc.ops.registry import register
from graphc.types import DTYPES, Size, TensorType, Type

INT64 = DTYPES["int64"]
Types = tuple[Type, ...]
Attributes = dict[str, Any]


# --- constant: attrs data (bytes, C order), dtype, shape ------------------------------------------


def _infer_constant(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    dtype, shape = attrs["dtype"], attrs["shape"]
    if types:
        raise ShapeError(f"a constant takes no operands, not {len(types)}")
    if dtype not in DTYPES.values():
        raise DTypeError(f"a constant cannot have dtype {dtype}")
    if len(attrs["data"]) != dtype.itemsize * math.prod(shape):
        raise ShapeError(f"{len(attrs['data'])} bytes are not {TensorType(dtype, shape)}")
    return (TensorType(dtype, shape),)


def constant_array(node: Node) -> np.ndarray:
    """The array of a constant node, read-only."""
    return np.frombuffer(node["data"], dtype=node["dtype"]).reshape(node["shape"])


def _constant_element(node: Node, index: Index, read: Read) -> Expr:
    array = constant_array(node)
    if array.size == 1:
        return Const(array.item(), array.dtype)
    raise NotImplementedError("a constant of several elements is a buffer")


CONSTANT = register(
    Op(
        "constant",
        infer=_infer_constant,
        evaluate=lambda driver, node, arrays: (constant_array(node),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(_constant_element, cheap=True),
        attributes={"data": "bytes", "dtype": "dtype", "shape": "shape"},
    )
)


def constant(array: Any, dtype: np.dtype | None = None) -> Value:
    """A constant; keyed by type and bits, so 0.0 and -0.0 differ."""
    data = np.asarray(array, dtype=dtype, order="C")
    attrs = {"data": data.tobytes(), "dtype": data.dtype, "shape": data.shape}
    return make(CONSTANT, attrs=attrs).out()


# --- iota: the int64 positions 0, 1, ..., size - 1; attr size -------------------------------------


def _infer_iota(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    size = attrs["size"]
    if types or (isinstance(size, int) and size < 0):
        raise ShapeError(f"iota takes no operands, not {len(types)}, and no negative size: {size}")
    return (TensorType(INT64, (size,)),)


IOTA = register(
    Op(
        "iota",
        infer=_infer_iota,
        evaluate=lambda driver, node, arrays: (np.arange(node["size"], dtype=INT64),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(lambda node, index, read: Position(index[0], INT64), cheap=True),
        attributes={"size": "size"},
    )
)


def iota(size: Size) -> Value:
    """``0, 1, ..., size - 1`` as int64."""
    return make(IOTA, attrs={"size": size}).out()


# --- size: a symbolic size as an int64 scalar; attr size ------------------------------------------

SIZE = register(
    Op(
        "size",
        infer=lambda types, attrs, regions: (TensorType(INT64, ()),),
        evaluate=lambda driver, node, arrays: (np.asarray(node["size"], dtype=INT64),),
        vjp=lambda driver, node, cotangents: (),
        lower=Element(lambda node, index, read: Position(node["size"], INT64), cheap=True),
        attributes={"size": "size"},
    )
)


def size_value(size: Size) -> Value:
    """A size as a 0-d int64 value."""
    if isinstance(size, int):
        return constant(size, INT64)
    return make(SIZE, attrs={"size": size}).out()
