"""Arrays joined and split."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, ShapeError
from graphc.functions.common import as_array, deliver, sequence_of_arrays
from graphc.functions.shaping import atleast_1d, atleast_2d, atleast_3d
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import as_dtype, normalized_axis, same_size
from graphc.trace.dispatch import implements
from graphc.trace.sizes import as_size
from graphc.trace.ufuncs import shaped_like
from graphc.trace.values import TracedArray
from graphc.types import Size, supported_dtype


def _joined(
    name: str, arrays: list[TracedArray], axis: int, out: Any, dtype: Any, casting: Any
) -> Any:
    first = arrays[0]
    if dtype is None:
        kind = supported_dtype(np.result_type(*(x.dtype for x in arrays)))
    else:
        kind = as_dtype(dtype)
    for x in arrays:
        if not np.can_cast(x.dtype, kind, casting):
            raise DTypeError(
                f"Cannot cast array data from {x.dtype!r} to {kind!r} according to the rule "
                f"{casting!r}"
            )
    values = []
    for number, x in enumerate(arrays):
        values.append(ops.cast(_fitted(name, x.value, first.value, axis, number), kind))
    value = values[0] if len(values) == 1 else ops.concatenate(values, axis)
    return shaped_like(value, arrays) if out is None else deliver(value, out, casting, name)


def _fitted(name: str, x: Value, first: Value, axis: int, number: int) -> Value:
    """`x` with the sizes of `first` on the other axes.

    Raises:
        ShapeError: they differ.
    """
    if x.ndim != first.ndim:
        raise ShapeError(
            f"{name}: all the input arrays must have same number of dimensions, but the array at "
            f"index 0 is {first.tensor} and the array at index {number} is {x.tensor}",
            hint="Give it an axis more, as with x[None] or x[:, None]; np.stack adds one to each.",
        )
    for k, (size, wanted) in enumerate(zip(x.shape, first.shape, strict=True)):
        if k != axis and not same_size(size, wanted):
            raise ShapeError(
                f"{name}: all the input array dimensions except for the concatenation axis must "
                f"match exactly, but along dimension {k}, the array at index 0 is {first.tensor} "
                f"and the array at index {number} is {x.tensor}",
                hint="Join along the axis that differs (axis=), or slice or np.pad the others to "
                "one size.",
            )
    return x


@implements(np.concatenate)
def concatenate(
    arrays: Any,
    /,
    axis: Any = 0,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """`numpy.concatenate`."""
    parts = sequence_of_arrays(arrays, "concatenate")
    if not parts:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        parts = [x.reshaped((x.value.tensor.size,)) for x in parts]
        axis = 0
    if any(x.ndim == 0 for x in parts):
        raise ShapeError(
            "zero-dimensional arrays cannot be concatenated",
            hint="np.stack or np.array([...]) joins scalars.",
        )
    return _joined("concatenate", parts, normalized_axis(axis, parts[0].ndim), out, dtype, casting)


@implements(np.stack)
def stack(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """`numpy.stack`: joined along a new axis."""
    parts = sequence_of_arrays(arrays, "stack")
    if not parts:
        raise ValueError("need at least one array to stack")
    place = normalized_axis(axis, parts[0].ndim + 1)
    for number, x in enumerate(parts):
        fits = x.ndim == parts[0].ndim and all(
            same_size(a, b) for a, b in zip(x.value.shape, parts[0].value.shape, strict=True)
        )
        if not fits:
            raise ShapeError(
                f"stack: all input arrays must have the same shape, but the array at index 0 is "
                f"{parts[0].type} and the array at index {number} is {x.type}",
                hint="np.concatenate joins arrays that differ along its axis.",
            )
    wide = [x.reshaped((*x.value.shape[:place], 1, *x.value.shape[place:])) for x in parts]
    return _joined("stack", wide, place, out, dtype, casting)


def _listed(result: Any) -> list[Any]:
    return list(result) if isinstance(result, tuple) else [result]


@implements(np.hstack)
def hstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`numpy.hstack`."""
    parts = _listed(atleast_1d(*sequence_of_arrays(tup, "hstack")))
    axis = 0 if parts and parts[0].ndim == 1 else 1
    return concatenate(parts, axis, dtype=dtype, casting=casting)


@implements(np.vstack, np.row_stack)
def vstack(tup: Any, *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """`numpy.vstack`."""
    parts = _listed(atleast_2d(*sequence_of_arrays(tup, "vstack")))
    return concatenate(parts, 0, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(tup: Any) -> Any:
    """`numpy.dstack`."""
    return concatenate(_listed(atleast_3d(*sequence_of_arrays(tup, "dstack"))), 2)


@implements(np.column_stack)
def column_stack(tup: Any) -> Any:
    """`numpy.column_stack`."""
    parts = sequence_of_arrays(tup, "column_stack")
    columns = [x if x.ndim >= 2 else x.reshaped((x.value.tensor.size, 1)) for x in parts]
    return concatenate(columns, 1)


@implements(np.append)
def append(arr: Any, values: Any, axis: Any = None) -> Any:
    """`numpy.append`."""
    return concatenate((as_array(arr), as_array(values)), axis)


# --- split ----------------------------------------------------------------------------------------


def _part(x: TracedArray, axis: int, start: Size, stop: Size) -> TracedArray:
    """A view of `x` between two positions of one axis, as a slice clips them."""
    key = tuple(slice(start, stop) if k == axis else slice(None) for k in range(x.ndim))
    part: TracedArray = x[key]
    return part


@implements(np.array_split)
def array_split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[TracedArray]:
    """`numpy.array_split`: views, the first ones longer by one if need be."""
    x = as_array(ary)
    place = normalized_axis(axis, x.ndim)
    bounds: list[Any]
    if isinstance(indices_or_sections, list | tuple):
        bounds = [0, *indices_or_sections, None]
    else:
        sections = indices_or_sections.__index__()
        if sections <= 0:
            raise ValueError("number sections must be larger than 0.")
        size = active().static(x.value.shape[place])
        each, extra = divmod(size, sections)
        lengths = extra * [each + 1] + (sections - extra) * [each]
        bounds = [0, *np.cumsum(lengths).tolist()]
    return [_part(x, place, a, b) for a, b in pairwise(bounds)]


@implements(np.split)
def split(ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[TracedArray]:
    """`numpy.split`: views of equal size, or between the positions given."""
    x = as_array(ary)
    place = normalized_axis(axis, x.ndim)
    if isinstance(indices_or_sections, list | tuple):
        return array_split(x, indices_or_sections, place)
    sections = as_size(indices_or_sections)
    count = indices_or_sections.__index__() if sections is None else active().static(sections)
    size = x.value.shape[place]
    if active().hint(size) % count:
        active().static(size)
        raise ShapeError(
            f"array split does not result in an equal division: {x.type} along axis {place} into "
            f"{count} parts",
            hint="np.array_split allows parts of different sizes.",
        )
    if isinstance(size, int):
        return array_split(x, count, place)
    each = size // count
    if not same_size(each * count, size):
        raise AssertionError("checked above")
    return [_part(x, place, each * k, each * (k + 1)) for k in range(count)]


@implements(np.hsplit)
def hsplit(ary: Any, indices_or_sections: Any) -> list[TracedArray]:
    """`numpy.hsplit`."""
    x = as_array(ary)
    if x.ndim == 0:
        raise ValueError("hsplit only works on arrays of 1 or more dimensions")
    return split(x, indices_or_sections, 1 if x.ndim > 1 else 0)


@implements(np.vsplit)
def vsplit(ary: Any, indices_or_sections: Any) -> list[TracedArray]:
    """`numpy.vsplit`."""
    if as_array(ary).ndim < 2:
        raise ValueError("vsplit only works on arrays of 2 or more dimensions")
    return split(ary, indices_or_sections, 0)


@implements(np.dsplit)
def dsplit(ary: Any, indices_or_sections: Any) -> list[TracedArray]:
    """`numpy.dsplit`."""
    if as_array(ary).ndim < 3:
        raise ValueError("dsplit only works on arrays of 3 or more dimensions")
    return split(ary, indices_or_sections, 2)


@implements(np.unstack)
def unstack(x: Any, /, *, axis: Any = 0) -> tuple[Any, ...]:
    """`numpy.unstack`: views."""
    array = as_array(x)
    if array.ndim == 0:
        raise ValueError("Input array must be at least 1-d.")
    place = normalized_axis(axis, array.ndim)
    order = (place, *(k for k in range(array.ndim) if k != place))
    return tuple(array.transposed(order))
