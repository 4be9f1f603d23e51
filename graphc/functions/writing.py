"""Writes by position in the flattened array: put, place, putmask, fill_diagonal, and ``x.flat``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import OutOfBoundsError
from graphc.functions.common import BOOL, INT64, as_array, same_shape
from graphc.functions.selection import bounded
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import value_of
from graphc.trace.dispatch import implements
from graphc.trace.ufuncs import assign
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import Size


def _flat(value: Value) -> Value:
    return ops.reshape(value, (value.tensor.size,))


def _cycled(values: Any, dtype: np.dtype, places: Value) -> Value:
    """The values, ravelled, at `places` counted round and round them."""
    row = _flat(value_of(values, dtype))
    length = ops.broadcast_to(ops.size_value(row.shape[0]), places.shape)
    return ops.gather(row, (ops.remainder(places, length),), (0,))


def _writable(a: Any, name: str) -> TracedArray:
    if not isinstance(a, np.ndarray):
        raise TypeError(f"argument 1 must be numpy.ndarray, not {type(a).__name__} ({name})")
    return as_array(a)


def _write(x: TracedArray, flat: Value) -> None:
    assign(x, fresh_array(ops.reshape(flat, x.value.shape)))


@implements(np.put)
def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """`numpy.put`: writes into `a`."""
    x = _writable(a, "put")
    index = _flat(ops.cast(as_array(ind).value, INT64))
    if not active().holds(">", as_array(v).value.tensor.size, 0):
        return
    if not active().holds(">", x.value.tensor.size, 0):
        if active().holds(">", index.shape[0], 0):
            raise OutOfBoundsError("cannot replace elements of an empty array")
        return
    index = bounded(index, x.value.tensor.size, mode)
    new = _cycled(v, x.dtype, ops.iota(index.shape[0]))
    _write(x, ops.scatter(_flat(x.value), new, (index,), (0,)))


@implements(np.place)
def place(arr: Any, mask: Any, vals: Any) -> None:
    """`numpy.place`: the first value to the first element that the mask takes, and so on."""
    x = _writable(arr, "place")
    taken = _flat(value_of(mask, BOOL))
    if not same_shape(taken.shape, (x.value.tensor.size,)):
        raise ValueError("place: mask and data must be the same size")
    if not active().holds(">", as_array(vals).value.tensor.size, 0):
        raise ValueError("Cannot insert from an empty array!")
    turn = ops.cumulate(ops.cast(taken, INT64), "add", 0)
    turn = ops.subtract(turn, ops.full_like(turn, 1))
    _write(x, ops.select(taken, _cycled(vals, x.dtype, turn), _flat(x.value)))


@implements(np.putmask)
def putmask(a: Any, mask: Any, values: Any) -> None:
    """`numpy.putmask`: each element that the mask takes gets the value of its own place."""
    x = _writable(a, "putmask")
    taken = _flat(value_of(mask, BOOL))
    if not same_shape(taken.shape, (x.value.tensor.size,)):
        raise ValueError("putmask: mask and data must be the same size")
    if not active().holds(">", as_array(values).value.tensor.size, 0):
        return
    new = _cycled(values, x.dtype, ops.iota(taken.shape[0]))
    _write(x, ops.select(taken, new, _flat(x.value)))


@implements(np.fill_diagonal)
def fill_diagonal(a: Any, val: Any, wrap: bool = False) -> None:
    """`numpy.fill_diagonal`: writes into `a`."""
    x = _writable(a, "fill_diagonal")
    if x.ndim < 2:
        raise ValueError("array must be at least 2-d")
    shape = [active().static(size) for size in x.value.shape]
    end: int = int(np.prod(shape))
    if x.ndim == 2:
        step = shape[1] + 1
        if not wrap:
            end = min(end, shape[1] * shape[1])
    else:
        if len(set(shape)) != 1:
            raise ValueError("All dimensions of input must be of equal length")
        step = 1 + int(np.cumprod(shape[:-1]).sum())
    index = ops.constant(np.arange(0, end, step))
    new = _cycled(val, x.dtype, ops.iota(index.shape[0]))
    _write(x, ops.scatter(_flat(x.value), new, (index,), (0,)))


# --- ndarray.flat ---------------------------------------------------------------------------------


class TracedFlat:
    """``x.flat`` of a traced array: its elements in C order, to read, write or walk over."""

    __slots__ = ("array",)

    def __init__(self, array: TracedArray) -> None:
        self.array = array

    def _row(self) -> Any:
        return fresh_array(_flat(self.array.value))

    @property
    def base(self) -> TracedArray:
        """The array itself."""
        return self.array

    def copy(self) -> Any:
        """The elements as a new row."""
        return self._row()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self._row().__array__(dtype, copy)

    def __len__(self) -> int:
        return active().static(self.array.value.tensor.size)

    def __iter__(self) -> Iterator[Any]:
        row = self._row()
        return (row[k] for k in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        found = self._row()[key]
        return np.copy(found) if type(found) is TracedArray else found

    def __setitem__(self, key: Any, value: Any) -> None:
        size: Size = self.array.value.tensor.size
        places: Any = fresh_array(ops.iota(size))[key]
        index = value_of(places, INT64)
        row = _flat(self.array.value)
        if index.ndim == 0:
            index = ops.reshape(index, (1,))
        index = _flat(index)
        new = _cycled(value, row.dtype, ops.iota(index.shape[0]))
        _write(self.array, ops.scatter(row, new, (index,), (0,)))


def _get_flat(self: TracedArray) -> TracedFlat:
    return TracedFlat(self)


def _set_flat(self: TracedArray, value: Any) -> None:
    TracedFlat(self)[:] = value


for _name, _attribute in {"flat": property(_get_flat, _set_flat)}.items():
    setattr(TracedArray, _name, _attribute)
