"""Tensors in a model file: checked against the file's size first, then made arrays."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from graphc.errors import ExportError
from graphc.loading.onnx.dtypes import numpy_dtype

_FIELDS = {
    "float32": "float_data",
    "float64": "double_data",
    "int64": "int64_data",
    "uint32": "uint64_data",
    "uint64": "uint64_data",
    "complex64": "float_data",
    "complex128": "double_data",
}
"""Where a tensor without raw bytes has its elements, by dtype; all others have ``int32_data``."""
_EXTERNAL = 1


def array_of(tensor: Any, folder: Path | None, where: str = "") -> np.ndarray:
    """The array of a ``TensorProto``.

    Args:
        folder: where the model lies: external data are read from it and from below it alone; None
            for a model that is no file.

    Raises:
        ExportError: an element type that graphc does not have, more or fewer elements than its
            shape has, external data that are elsewhere or too short.
    """
    what = where or f"the tensor {tensor.name!r}"
    dtype = numpy_dtype(tensor.data_type, what)
    shape = tuple(tensor.dims)
    if any(size < 0 for size in shape):
        raise ExportError(f"{what} has the shape {shape}")
    if tensor.HasField("segment"):
        raise ExportError(f"{what} is one of several segments, which are not supported")
    count = math.prod(shape)
    if tensor.data_location == _EXTERNAL:
        data = _external(tensor, count * dtype.itemsize, folder, what)
        return np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype).reshape(shape)
    if tensor.HasField("raw_data"):
        if len(tensor.raw_data) != count * dtype.itemsize:
            raise _misfit(what, shape, dtype, len(tensor.raw_data), "bytes")
        found = np.frombuffer(tensor.raw_data, dtype.newbyteorder("<"))
        return found.astype(dtype).reshape(shape)
    held = getattr(tensor, _FIELDS.get(dtype.name, "int32_data"))
    parts = 2 if dtype.kind == "c" else 1
    if len(held) != count * parts:
        raise _misfit(what, shape, dtype, len(held), "numbers")
    if parts == 2:
        flat = np.array(held, np.dtype(f"f{dtype.itemsize // 2}")).view(dtype)
    else:
        with np.errstate(all="ignore"):
            flat = np.array(held, np.int64 if dtype.kind in "bi" else None).astype(dtype)
    return flat.reshape(shape)


def _misfit(
    what: str, shape: tuple[int, ...], dtype: np.dtype, found: int, unit: str
) -> ExportError:
    return ExportError(f"{what} is {dtype}{list(shape)}, but the file has {found} {unit} for it")


def _external(tensor: Any, length: int, folder: Path | None, what: str) -> bytes:
    """Bytes that lie in a file beside the model."""
    entries = {entry.key: entry.value for entry in tensor.external_data}
    if folder is None:
        raise ExportError(
            f"{what} lies in another file", hint="Load the model by its path, not by its bytes."
        )
    root = folder.resolve()
    path = (root / entries.get("location", "")).resolve()
    if root not in path.parents or not path.is_file():
        raise ExportError(
            f"{what} lies in {entries.get('location')!r}, which is no file in the model's folder"
        )
    try:
        offset = int(entries.get("offset", "0"))
        claimed = int(entries.get("length", str(length)))
    except ValueError:
        raise ExportError(f"{what}: the place of its external data is no number") from None
    if claimed != length or offset < 0 or offset + length > path.stat().st_size:
        raise ExportError(
            f"{what} takes {length} bytes, but the file says {claimed} at {offset} of "
            f"{path.name!r}, which has {path.stat().st_size}"
        )
    with path.open("rb") as file:
        file.seek(offset)
        data: bytes = file.read(length)
    return data
