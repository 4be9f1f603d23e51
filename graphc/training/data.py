"""Mini-batches, from arrays or from any iterable of batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import Any

import numpy as np

from graphc import random
from graphc.errors import DomainError, ShapeError, TraceError

Batch = tuple[Any, ...]


class Arrays:
    """Batches of arrays with equal leading axes; the order of an epoch depends on its key alone."""

    def __init__(self, arrays: Sequence[np.ndarray], batch_size: int, shuffle: bool) -> None:
        self.arrays = tuple(np.asarray(array) for array in arrays)
        self.batch_size = batch_size
        self.shuffle = shuffle
        sizes = {array.shape[:1] for array in self.arrays}
        if len(sizes) > 1 or () in sizes:
            shapes = ", ".join(str(array.shape) for array in self.arrays)
            raise ShapeError(f"fit: the arrays of the data differ in their first axis: {shapes}")
        self.size: int = self.arrays[0].shape[0]
        if self.size == 0:
            raise DomainError("fit: the data has no examples")

    def __len__(self) -> int:
        return -(-self.size // self.batch_size)

    def batches(self, key: np.ndarray) -> Iterator[Batch]:
        """One epoch's batches; the last may be smaller."""
        order = np.asarray(random.permutation(key, self.size)) if self.shuffle else None
        for start in range(0, self.size, self.batch_size):
            stop = start + self.batch_size
            if order is None:
                yield tuple(array[start:stop] for array in self.arrays)
            else:
                yield tuple(array[order[start:stop]] for array in self.arrays)


class Batches:
    """An iterable of batches, iterated once an epoch."""

    def __init__(self, batches: Iterable[Any]) -> None:
        if iter(batches) is batches:
            raise TraceError(
                "fit: the data is an iterator, which is used up after one epoch",
                hint="Pass a list, arrays, or an object whose __iter__ starts anew.",
            )
        self.source = batches

    def __len__(self) -> int:
        return len(self.source) if isinstance(self.source, Sized) else 0

    def batches(self, key: np.ndarray) -> Iterator[Batch]:
        """One epoch's batches."""
        for batch in self.source:
            parts = batch if isinstance(batch, tuple | list) else (batch,)
            yield tuple(map(_array, parts))


def _array(part: Any) -> Any:
    """A part of a batch; what another library calls a tensor as an array."""
    return np.asarray(part) if hasattr(part, "__array__") else part


def as_batches(
    data: Any, batch_size: int, shuffle: bool, name: str = "the data"
) -> Arrays | Batches:
    """`data` in batches: an array or a tuple of arrays, or an iterable of batches.

    Raises:
        ShapeError: arrays of different lengths.
        DomainError: no examples, or a batch size below 1.
        TraceError: an iterator.
    """
    if batch_size < 1:
        raise DomainError(f"fit: batch_size={batch_size}")
    if hasattr(data, "__array__"):
        return Arrays((data,), batch_size, shuffle)
    if isinstance(data, tuple) and data and all(hasattr(x, "__array__") for x in data):
        return Arrays(data, batch_size, shuffle)
    if not isinstance(data, Iterable):
        raise TraceError(
            f"fit: {name} is a {type(data).__name__}",
            hint="Pass a tuple of arrays, as in (x, y), or an iterable of batches (x, y).",
        )
    return Batches(data)
