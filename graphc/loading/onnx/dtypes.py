"""ONNX's element types and graphc's."""

from __future__ import annotations

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.onnx.tensors import DTYPE_CODES
from graphc.types import DTYPES

_NUMPY = {code: name for name, code in DTYPE_CODES.items()} | {14: "complex64", 15: "complex128"}
_OTHERS = {
    8: "string",
    10: "float16",
    16: "bfloat16",
    17: "float8e4m3fn",
    18: "float8e4m3fnuz",
    19: "float8e5m2",
    20: "float8e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4e2m1",
    24: "float8e8m0",
    25: "uint2",
    26: "int2",
}


def numpy_dtype(code: int, where: str) -> np.dtype:
    """The NumPy dtype for a code of ``TensorProto.DataType``.

    Args:
        where: what has it, for the message.

    Raises:
        ExportError: an element type that graphc does not have.

    >>> numpy_dtype(1, "x")
    dtype('float32')
    """
    if code in _NUMPY:
        return DTYPES[_NUMPY[code]]
    name = _OTHERS.get(code, f"of code {code}")
    raise ExportError(
        f"{where} has the element type {name}, which graphc does not have",
        hint="Convert the model to float32 (or float64) and integers of 8 bits or more.",
    )
