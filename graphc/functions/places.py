"""Positions: of several axes as one number and back, of triangles and diagonals; bits in bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import BOOL, INT64, array_or_scalar, as_array, makes_arrays, static_int
from graphc.functions.selection import bounded
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, as_shape, broadcast_shapes, normalized_axis
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.sizes import TracedSize
from graphc.trace.substitute import imported
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import DTYPES, Shape, Size, product

UINT8 = DTYPES["uint8"]
OUT_OF_BOUNDS = "invalid entry in coordinates array"


def _as_index(x: Any, name: str) -> Value:
    value = array_like(x).value
    if value.dtype.kind not in "iu":
        raise TypeError(f"only int indices permitted ({name})")
    return ops.cast(value, INT64)


def _inside(index: Value, extent: Size, problem: str) -> Value:
    """`index`, which must be in ``[0, extent)``: checked now where it is known, else when run.

    Raises:
        ValueError: it is not.
    """
    known = known_array(index)
    if known is not None and isinstance(extent, int):
        if np.any((known < 0) | (known >= extent)):
            raise ValueError(problem)
        return index
    size = ops.broadcast_to(ops.size_value(extent), index.shape)
    good = ops.logical_and(ops.greater_equal(index, ops.full_like(index, 0)), ops.less(index, size))
    return ops.require(index, good, problem)


def _order(order: str, axes: int) -> list[int]:
    """The axes from the one that varies fastest."""
    if order not in ("C", "F"):
        raise ValueError("only 'C' or 'F' order is permitted")
    return list(range(axes)) if order == "F" else list(reversed(range(axes)))


@implements(np.unravel_index)
def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """`numpy.unravel_index`."""
    sizes: Shape = as_shape(shape)
    total = product(sizes)
    index = _inside(
        _as_index(indices, "unravel_index"),
        total,
        f"an index is out of bounds for array with size {total}",
    )
    found: list[Any] = [None] * len(sizes)
    for axis in _order(order, len(sizes)):
        extent = ops.broadcast_to(ops.size_value(sizes[axis]), index.shape)
        found[axis] = array_or_scalar(ops.remainder(index, extent))
        index = ops.floor_divide(index, extent)
    return tuple(found)


@implements(np.ravel_multi_index)
def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """`numpy.ravel_multi_index`."""
    sizes: Shape = as_shape(dims)
    parts = [_as_index(x, "ravel_multi_index") for x in multi_index]
    if len(parts) != len(sizes):
        raise ValueError(f"parameter multi_index must be a sequence of length {len(sizes)}")
    modes = mode if isinstance(mode, tuple | list) else (mode,) * len(sizes)
    shape = broadcast_shapes(*(part.shape for part in parts))
    total: Value | None = None
    stride: Size = 1
    for axis in _order(order, len(sizes)):
        part = ops.broadcast_to(parts[axis], shape)
        if modes[axis] == "raise":
            part = _inside(part, sizes[axis], OUT_OF_BOUNDS)
        else:
            part = bounded(part, sizes[axis], modes[axis])
        share = ops.multiply(part, ops.broadcast_to(ops.size_value(stride), shape))
        total = share if total is None else ops.add(total, share)
        stride = stride * sizes[axis]
    assert total is not None
    return array_or_scalar(total)


@implements(np.ix_)
def ix_(*args: Any) -> tuple[TracedArray, ...]:
    """`numpy.ix_`, of integer arrays, or masks that are known."""
    found = []
    for k, item in enumerate(args):
        row = as_array(item).value
        if row.ndim != 1:
            raise ValueError("Cross index must be 1 dimensional")
        if row.dtype == BOOL:
            known = known_array(row)
            if known is None:
                raise UnsupportedError(
                    "np.ix_ of a traced mask has a shape that depends on data",
                    hint="Pass positions instead of the mask.",
                )
            row = ops.constant(known.nonzero()[0])
        shape = (*(1,) * k, row.shape[0], *(1,) * (len(args) - k - 1))
        found.append(fresh_array(ops.reshape(row, shape)))
    return tuple(found)


def _static(x: Any) -> Any:
    return int(x) if type(x) is TracedSize else x


def _of_sizes(function: Any) -> None:
    """Register a function of sizes alone: symbolic ones become static."""

    def positions(*args: Any, **kwargs: Any) -> Any:
        for x in (*args, *kwargs.values()):
            if type(x) is not TracedSize and hasattr(x, "value"):
                static_int(x, f"an argument of np.{function.__name__}")
        plain = {name: _static(x) for name, x in kwargs.items()}
        return imported(function(*map(_static, args), **plain))

    implements(function)(positions)


for _function in (np.tril_indices, np.triu_indices, np.diag_indices):
    _of_sizes(_function)


@makes_arrays(np.mask_indices)
def mask_indices(n: Any, mask_func: Any, k: Any = 0) -> Any:
    """`numpy.mask_indices`, of a function whose mask does not depend on data."""
    size = static_int(n, "the size of a mask")
    whole = fresh_array(ops.constant(np.ones((size, size), INT64)))
    known = known_array(as_array(mask_func(whole, k)).value)
    if known is None:
        raise UnsupportedError(
            "np.mask_indices of a mask that depends on data",
            hint="Keep the mask: np.where(mask, x, 0).",
        )
    return imported(np.nonzero(known))


def _sizes_of(x: Any) -> tuple[int, ...]:
    return tuple(active().static(size) for size in as_array(x).value.shape)


@implements(np.tril_indices_from)
def tril_indices_from(arr: Any, k: int = 0) -> Any:
    """`numpy.tril_indices_from`."""
    return imported(np.tril_indices_from(np.empty(_sizes_of(arr), bool), k))


@implements(np.triu_indices_from)
def triu_indices_from(arr: Any, k: int = 0) -> Any:
    """`numpy.triu_indices_from`."""
    return imported(np.triu_indices_from(np.empty(_sizes_of(arr), bool), k))


@implements(np.diag_indices_from)
def diag_indices_from(arr: Any) -> Any:
    """`numpy.diag_indices_from`."""
    return imported(np.diag_indices_from(np.empty(_sizes_of(arr), bool)))


# --- bits -----------------------------------------------------------------------------------------


def _bit_values(bitorder: str) -> np.ndarray:
    if bitorder not in ("big", "little"):
        raise ValueError("'order' must be either 'little' or 'big'")
    return np.arange(7, -1, -1) if bitorder == "big" else np.arange(8)


def _moved(value: Value, axis: int) -> tuple[Value, list[int]]:
    """`value` with `axis` last, and the permutation that puts it back."""
    order = [*(k for k in range(value.ndim) if k != axis), axis]
    back = sorted(range(value.ndim), key=order.__getitem__)
    return ops.transpose(value, order), back


@implements(np.packbits)
def packbits(a: Any, /, axis: Any = None, bitorder: str = "big") -> TracedArray:
    """`numpy.packbits`."""
    shifts = _bit_values(bitorder)
    x = as_array(a)
    if x.dtype.kind not in "biu":
        raise TypeError("Expected an input array of integer or boolean data type")
    x = x.reshaped((x.value.tensor.size,)) if axis is None or not x.ndim else x
    rows, back = _moved(
        ops.cast(x.value, BOOL), normalized_axis(0 if axis is None else axis, x.ndim)
    )
    length = rows.shape[-1]
    count = (length + 7) // 8
    wide = (*rows.shape[:-1], count * 8)
    padded = ops.embed(ops.cast(rows, INT64), wide, (0,) * rows.ndim, (1,) * rows.ndim)
    grouped = ops.reshape(padded, (*rows.shape[:-1], count, 8))
    worth = ops.broadcast_to(ops.constant(1 << shifts, INT64), grouped.shape)
    total = ops.sum_(ops.multiply(grouped, worth), (grouped.ndim - 1,))
    return fresh_array(ops.transpose(ops.cast(total, UINT8), back))


@implements(np.unpackbits)
def unpackbits(
    a: Any, /, axis: Any = None, count: Any = None, bitorder: str = "big"
) -> TracedArray:
    """`numpy.unpackbits`."""
    shifts = _bit_values(bitorder)
    x = as_array(a)
    if x.dtype != UINT8:
        raise TypeError("Expected an input array of unsigned byte data type")
    x = x.reshaped((x.value.tensor.size,)) if axis is None or not x.ndim else x
    rows, back = _moved(x.value, normalized_axis(0 if axis is None else axis, x.ndim))
    wide = (*rows.shape, 8)
    spread = ops.broadcast_to(ops.reshape(rows, (*rows.shape, 1)), wide)
    by = ops.broadcast_to(ops.constant(shifts.astype(np.uint8)), wide)
    bits = ops.bitwise_and(ops.right_shift(spread, by), ops.full_like(spread, 1))
    flat = ops.reshape(bits, (*rows.shape[:-1], rows.shape[-1] * 8))
    if count is not None:
        flat = _counted(flat, static_int(count, "the number of bits"))
    return fresh_array(ops.transpose(flat, back))


def _counted(flat: Value, count: int) -> Value:
    length = active().static(flat.shape[-1])
    wanted = count if count >= 0 else length + count
    if wanted < 0:
        raise ValueError("-count larger than number of elements")
    start, steps = (0,) * flat.ndim, (1,) * flat.ndim
    kept = ops.slice_(flat, start, (*flat.shape[:-1], min(wanted, length)), steps)
    return ops.embed(kept, (*flat.shape[:-1], wanted), start, steps)
