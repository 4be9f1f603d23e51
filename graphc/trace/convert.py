"""Conversion of what a user may pass to NumPy into values of the graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, ShapeError
from graphc.ir import Value
from graphc.trace.base import Traced
from graphc.trace.context import active
from graphc.trace.dispatch import handler
from graphc.trace.sizes import TracedSize
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    TracedScalar,
    dtype_of_number,
    fresh_array,
    number,
)
from graphc.types import Shape, Size, TensorType, Type, supported_dtype

PYTHON_NUMBERS = (bool, int, float, complex)


def is_weak(x: Any) -> bool:
    """Whether `x` is a Python number, traced or not, whose dtype yields to an array's."""
    return isinstance(type(x), type) and (
        type(x) in PYTHON_NUMBERS or type(x) in (TracedNumber, TracedSize)
    )


def python_type(x: Any) -> type:
    """bool, int, float or complex, for a weak number."""
    if type(x) is TracedNumber:
        return x.python_type
    return int if type(x) is TracedSize else type(x)


def weak_value(x: Any, dtype: np.dtype) -> Value:
    """The Python number `x` as a 0-d value of `dtype`.

    Raises:
        OverflowError: an int that `dtype` does not hold, as in NumPy 2.
    """
    if type(x) is TracedNumber:
        return ops.cast(x.value, dtype)
    if type(x) is TracedSize:
        trace = active()
        _require_int64(x)
        if dtype.kind == "u" or (dtype.kind == "i" and dtype.itemsize < 8):
            limits = np.iinfo(dtype)
            fits = trace.holds(">=", x.dim, int(limits.min)) and trace.holds(
                "<=", x.dim, int(limits.max)
            )
            if not fits:
                raise OverflowError(f"Python integer {x} out of bounds for {dtype}")
        return ops.cast(ops.size_value(x.dim), dtype)
    return ops.constant(np.asarray(x, dtype=dtype))


def array_like(x: Any) -> TracedArray | TracedScalar:
    """`x` as a traced array or scalar; Python numbers take NumPy's default dtype.

    Raises:
        DTypeError: an object that is no array of numbers.
        ShapeError: a ragged sequence.
    """
    if isinstance(type(x), type) and issubclass(type(x), TracedArray | TracedScalar):
        return x  # type: ignore[no-any-return]
    if is_weak(x):
        return TracedScalar(weak_value(x, dtype_of_number(python_type(x))), active())
    if type(x) in (list, tuple) or (isinstance(x, Sequence) and not isinstance(x, str | bytes)):
        return _from_sequence(x)
    if isinstance(x, np.ndarray):
        captured: TracedArray = active().capture.array(x)
        return captured
    if isinstance(x, np.generic):
        return TracedScalar(ops.constant(x, supported_dtype(x.dtype)), active())
    array = np.asarray(x)
    supported_dtype(array.dtype)
    return fresh_array(ops.constant(array))


def value_of(x: Any, dtype: np.dtype | None = None) -> Value:
    """`x` as a value, converted to `dtype` where one is given."""
    if dtype is not None and is_weak(x):
        return weak_value(x, dtype)
    value = array_like(x).value
    return value if dtype is None else ops.cast(value, dtype)


def _holds_traced(x: Any) -> bool:
    if isinstance(type(x), type) and issubclass(type(x), Traced | TracedSize):
        return True
    return type(x) in (list, tuple, deque) and any(_holds_traced(item) for item in x)


def holds_traced(*objects: Any) -> bool:
    """Whether a traced value is among `objects`, or inside their lists, tuples and dicts."""
    return any(_holds_traced(x) or (type(x) is dict and holds_traced(*x.values())) for x in objects)


def _from_sequence(items: Sequence[Any]) -> TracedArray:
    if not holds_traced(items):
        array = np.asarray(items)
        supported_dtype(array.dtype)
        return fresh_array(ops.constant(array))
    values = [array_like(item).value for item in items]
    dtype = supported_dtype(np.result_type(*(value.dtype for value in values)))
    first = values[0].shape
    for value in values:
        if len(value.shape) != len(first) or not all(
            same_size(a, b) for a, b in zip(value.shape, first, strict=True)
        ):
            raise ShapeError(
                "the elements of a sequence have different shapes: "
                f"{values[0].tensor} and {value.tensor}"
            )
    parts = [ops.reshape(ops.cast(value, dtype), (1, *value.shape)) for value in values]
    return fresh_array(ops.concatenate(parts, 0) if len(parts) > 1 else parts[0])


def same_size(left: Size, right: Size) -> bool:
    """Whether two sizes are equal; see `Trace.same`."""
    return active().same(left, right)


def same_type(left: Type, right: Type) -> bool:
    """Whether two types are equal, sizes by `same_size`."""
    if not (isinstance(left, TensorType) and isinstance(right, TensorType)):
        return left == right
    if left.dtype != right.dtype or left.ndim != right.ndim:
        return False
    return all(same_size(a, b) for a, b in zip(left.shape, right.shape, strict=True))


BROADCASTING = "Axes are matched from the last on: add one of size 1 with x[:, None], or transpose."


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape that `shapes` broadcast to.

    Raises:
        ShapeError: they do not, in NumPy's words.
    """
    rank = max((len(shape) for shape in shapes), default=0)
    result: list[Size] = []
    for axis in range(-rank, 0):
        size: Size = 1
        for shape in shapes:
            if len(shape) < -axis:
                continue
            other = shape[axis]
            if size == 1:
                size = other
            elif other != 1 and not same_size(size, other):
                refuse_chance(size, other)
                texts = " ".join(_plain(shape) for shape in shapes)
                raise ShapeError(
                    f"operands could not be broadcast together with shapes {texts}",
                    hint=BROADCASTING,
                )
        result.append(size)
    return tuple(result)


def refuse_chance(*sizes: Size) -> None:
    """Have sizes that broadcast by chance, since they are 1 in this call, static.

    Raises:
        Respecialize: one is symbolic.
    """
    trace = active()
    for size in sizes:
        if trace.hint(size) == 1:
            trace.static(size, lasting=False)


def broadcasts_to(shape: Shape, target: Shape) -> bool:
    """Whether `shape` broadcasts to `target` itself."""
    try:
        return broadcast_shapes(shape, target) == target
    except ShapeError:
        return False


def _plain(shape: Shape) -> str:
    inner = ",".join(str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


def as_dtype(dtype: Any) -> np.dtype:
    """`dtype` as a supported dtype.

    Raises:
        DTypeError: what graphc does not have, or what is no dtype.
    """
    try:
        return supported_dtype(np.dtype(dtype))
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise DTypeError(f"{dtype!r} is no dtype") from None


def as_shape(shape: Any) -> Shape:
    """A shape argument (int, or sequence of ints; symbolic sizes too) as a tuple of sizes."""
    items = shape if isinstance(type(shape), type) and type(shape) in (tuple, list) else (shape,)
    sizes: list[Size] = []
    for item in items:
        if type(item) is TracedSize:
            sizes.append(item.dim)
        else:
            sizes.append(item.__index__())
    return tuple(sizes)


def as_size_argument(value: Any) -> Size:
    """An int argument, symbolic or not, as a size."""
    return value.dim if type(value) is TracedSize else int(value.__index__())


def normalized_axis(axis: Any, rank: int) -> int:
    """`axis` counted from the front.

    Raises:
        numpy.exceptions.AxisError: out of range.
    """
    position = axis.__index__()
    if not -rank <= position < rank:
        raise np.exceptions.AxisError(position, rank)
    return position % rank if rank else 0


def normalized_axes(axis: Any, rank: int) -> tuple[int, ...]:
    """None (all), an int or a tuple of axes, as sorted axes counted from the front."""
    if axis is None:
        return tuple(range(rank))
    items = axis if isinstance(axis, tuple | list) else (axis,)
    axes = [normalized_axis(item, rank) for item in items]
    if len(set(axes)) != len(axes):
        raise ValueError("duplicate value in 'axis'")
    return tuple(sorted(axes))


def _require_int64(size: TracedSize) -> None:
    """Make a symbolic int that int64 does not hold static: Python's ints have no bound."""
    trace = active()
    limits = np.iinfo(np.int64)
    low = trace.holds(">=", size.dim, int(limits.min))
    if not (low and trace.holds("<=", size.dim, int(limits.max))):
        trace.static(size.dim, lasting=False)


@handler
def size_number(size: TracedSize) -> TracedNumber:
    """A symbolic size as a traced Python number."""
    _require_int64(size)
    return number(ops.size_value(size.dim), int)
