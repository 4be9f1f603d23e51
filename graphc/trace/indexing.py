"""``x[key]`` and ``x[key] = value``: basic slices as views, integer arrays as gathers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import OutOfBoundsError, ShapeError, UnsupportedError
from graphc.interp import extend
from graphc.ir import INPUT, Value, topological
from graphc.trace.context import active
from graphc.trace.convert import (
    array_like,
    broadcast_shapes,
    broadcasts_to,
    is_weak,
    python_type,
    value_of,
)
from graphc.trace.dispatch import handler
from graphc.trace.selection import (
    Masked,
    TracedSelection,
    is_selection,
    masked_by,
    set_selected,
)
from graphc.trace.sizes import TracedSize, as_size
from graphc.trace.ufuncs import assign
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar, fresh_array, scalar
from graphc.trace.views import PickStep, SliceStep
from graphc.trace.windows import is_window, windowed
from graphc.types import DTYPES, Dim, Shape, Size

INT64 = DTYPES["int64"]


@dataclass(slots=True)
class _Advanced:
    """An integer array that indexes `axis` of the view; `position` is its place in the key."""

    axis: int
    position: int
    value: Value


@dataclass(slots=True)
class _Parsed:
    """A key taken apart: the basic view, and the integer arrays that index it."""

    view: TracedArray
    advanced: list[_Advanced]
    all_integers: bool


@handler
def get_item(array: TracedArray, key: Any) -> Any:
    """``array[key]``: a view, a scalar, or a copy for integer arrays, as in NumPy."""
    masked = _masked(array, key)
    if masked is not None:
        elements = fresh_array(masked.view.value)
        return TracedSelection(elements, masked.mask, masked.place)
    parsed = _parse(array, key)
    if parsed.advanced:
        return _gather(parsed)
    view = parsed.view
    if parsed.all_integers and view.ndim == 0:
        return scalar(view.value)
    return view


@handler
def set_item(array: TracedArray, key: Any, value: Any) -> None:
    """``array[key] = value``."""
    if array.storage.readonly:
        raise ValueError("assignment destination is read-only")
    masked = _masked(array, key, by_selection=is_selection(value))
    if masked is not None:
        set_selected(masked, value)
        return
    parsed = _parse(array, key)
    if parsed.advanced:
        _scatter(parsed, value)
    else:
        assign(parsed.view, value)


def _masked(array: TracedArray, key: Any, by_selection: bool = False) -> Masked | None:
    """The view and the mask of a key with one traced bool mask, beside slices and integers.

    None for any other key; a mask that is known counts where it is to meet a selection.
    """
    items = list(key) if type(key) is tuple else [key]
    masks = [k for k, item in enumerate(items) if _is_mask(item)]
    if len(masks) != 1:
        return None
    (number,) = masks
    mask: Value = items[number].value
    if known_array(mask) is not None and not by_selection:
        return None
    if len(items) == 1:
        return masked_by(array, mask) if mask.ndim <= array.ndim else None
    if mask.ndim == 0 or not all(_is_basic(item) for item in items if not _is_mask(item)):
        return None
    items = _expand_ellipsis(items, array.ndim)
    number = next(k for k, item in enumerate(items) if _is_mask(item))
    whole = [slice(None)] * mask.ndim
    view = _parse(array, (*items[:number], *whole, *items[number + 1 :])).view
    integers = [k for k, item in enumerate(items) if not (item is None or isinstance(item, slice))]
    place = sum(k not in integers for k in range(number))
    masked = masked_by(view, mask, place)
    if integers == list(range(integers[0], integers[-1] + 1)) or place == 0:
        return masked
    first = list(range(place, place + mask.ndim))
    rest = [axis for axis in range(view.ndim) if axis not in first]
    return Masked(view.transposed((*first, *rest)), mask)


def _is_mask(item: Any) -> bool:
    return type(item) in (TracedArray, TracedScalar) and item.dtype.kind == "b"


def _is_basic(item: Any) -> bool:
    """Whether an index item is a slice, a new axis or one integer."""
    if item is None or item is Ellipsis or isinstance(item, slice):
        return True
    if is_weak(item):
        return python_type(item) is int
    return getattr(item, "ndim", None) == 0 and np.dtype(item.dtype).kind in "iu"


def _expand_ellipsis(items: list[Any], rank: int) -> list[Any]:
    consumed = sum(_axes_taken(item) for item in items if item is not Ellipsis)
    found = [k for k, item in enumerate(items) if item is Ellipsis]
    if len(found) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if consumed > rank:
        raise OutOfBoundsError(
            f"too many indices for array: array is {rank}-dimensional, but {consumed} were indexed"
        )
    fill = [slice(None)] * (rank - consumed)
    if not found:
        return items + fill
    return items[: found[0]] + fill + items[found[0] + 1 :]


def _axes_taken(item: Any) -> int:
    if item is None:
        return 0
    if isinstance(item, np.ndarray) and item.dtype.kind == "b":
        return item.ndim
    return 1


def _parse(array: TracedArray, key: Any) -> _Parsed:
    items = list(key) if type(key) is tuple else [key]
    items = [_prepare(item) for item in items]
    items = [part for item in items for part in _split_mask(item)]
    basic_only = not any(type(item) is TracedArray and item.ndim > 0 for item in items)
    all_integers = all(
        item is not Ellipsis and item is not None and not isinstance(item, slice) for item in items
    )
    items = _expand_ellipsis(items, array.ndim)
    start: list[Size] = []
    size: list[Size] = []
    step: list[int] = []
    shape: list[Size] = []  # of the view, integers dropped and new axes added
    advanced: list[_Advanced] = []
    picks: list[tuple[int, Value]] = []
    windows: list[tuple[int, slice]] = []
    axis = 0
    for position, item in enumerate(items):
        if item is None:
            shape.append(1)
            continue
        extent = array.value.shape[axis]
        axis += 1
        if is_window(item):
            windows.append((len(shape), item))
            start.append(0)
            size.append(extent)
            step.append(1)
            shape.append(extent)
            continue
        if isinstance(item, slice):
            first, count, stride = _resolve_slice(item, extent)
            start.append(first)
            size.append(count)
            step.append(stride)
            shape.append(count)
            continue
        index = as_size(item) if not isinstance(item, np.ndarray) else None
        if index is not None and basic_only:
            start.append(_resolve_integer(index, extent, axis - 1))
            size.append(1)
            step.append(1)
            continue
        value = ops.cast(value_of(item), INT64) if index is None else ops.size_value(index)
        start.append(0)
        size.append(extent)
        step.append(1)
        if basic_only:
            picks.append((len(shape), value))
        else:
            advanced.append(_Advanced(len(shape), position, value))
        shape.append(extent)
    view = array
    whole = tuple(size) == array.value.shape and not any(start) and all(s == 1 for s in step)
    if not whole:
        view = view.view(SliceStep(tuple(start), tuple(size), tuple(step), array.value.shape))
    if tuple(shape) != view.value.shape:
        view = view.reshaped(tuple(shape))
    elif view is array:
        view = TracedArray(array.storage, array.path, array.steps, array.origin)
    for window_axis, item in windows:
        view = windowed(view, window_axis, item)
    for dropped, (pick_axis, value) in enumerate(picks):
        view = view.view(PickStep((pick_axis - dropped,), (value,)))
    return _Parsed(view, advanced, all_integers and not advanced)


def _prepare(item: Any) -> Any:
    """An index item as None, Ellipsis, slice, size, or a traced integer or bool array."""
    if item is None or item is Ellipsis or isinstance(item, slice) or type(item) is TracedSize:
        return item
    if is_weak(item) and python_type(item) is bool:
        raise UnsupportedError(
            "indexing with a bool needs a shape that depends on data",
            hint="Use np.where(condition, x, other).",
        )
    if type(item) is int or issubclass(type(item), np.integer):
        return int(item)
    if type(item) is TracedNumber:
        if item.python_type is not int:
            raise OutOfBoundsError(_BAD_INDEX)
        return _as_array(item)
    if isinstance(item, str | bytes | dict | set):
        raise OutOfBoundsError(_BAD_INDEX)
    if isinstance(item, list | tuple) and len(item) == 0:
        return fresh_array(ops.constant(np.zeros(0, dtype=INT64)))
    if isinstance(type(item), type) and type(item).__module__ == "numpy":
        concrete = item if isinstance(item, np.ndarray) else np.asarray(item)
        if concrete.dtype.kind == "b":
            return concrete
    converted = _as_array(item)
    if converted.dtype.kind not in "iub":
        raise OutOfBoundsError(_BAD_INDEX)
    return converted


_BAD_INDEX = (
    "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean "
    "arrays are valid indices"
)


def _as_array(item: Any) -> TracedArray:
    converted = array_like(item)
    return converted if type(converted) is TracedArray else fresh_array(converted.value)


def _split_mask(item: Any) -> list[Any]:
    """A constant bool mask as the integer arrays of its true positions."""
    if type(item) is TracedArray and item.dtype.kind == "b":
        constant = known_array(item.value)
        if constant is None:
            raise UnsupportedError(
                "a traced boolean array beside another index array, or of too many axes, needs a "
                "shape that depends on data",
                hint="Read with np.where(mask, x, other); write with "
                "x[...] = np.where(mask, values, x), the mask in the shape of x.",
            )
        return [fresh_array(ops.constant(part)) for part in np.nonzero(constant)]
    if type(item) is np.ndarray:
        return [fresh_array(ops.constant(part)) for part in np.nonzero(item)]
    return [item]


def known_array(value: Value) -> np.ndarray | None:
    """The array behind a value that depends on no input and no symbolic size, else None."""
    trace = active()
    if trace.values is not None:
        return np.asarray(trace.concrete(value))
    nodes = topological([value])
    if any(node.op is INPUT or node.op.effect for node in nodes):
        return None
    if any(isinstance(size, Dim) for node in nodes for v in node.outputs for size in v.shape):
        return None
    values: dict[Value, np.ndarray] = {}
    extend(values, [value], {})
    return values[value]


def _resolve_integer(index: Size, extent: Size, axis: int) -> Size:
    trace = active()
    if trace.holds("<", index, 0):
        index = index + extent
    if not (trace.holds(">=", index, 0) and trace.holds("<", index, extent)):
        shown = index if trace.holds(">=", index, 0) else index - extent
        raise OutOfBoundsError(f"index {shown} is out of bounds for axis {axis} with size {extent}")
    return index


def _resolve_slice(item: slice, extent: Size) -> tuple[Size, Size, int]:
    """Start, count and step of a slice of an axis of `extent`."""
    trace = active()
    step = 1 if item.step is None else item.step.__index__()
    if step == 0:
        raise ValueError("slice step cannot be zero")
    if item.start is None and item.stop is None and step in (1, -1):
        return (0 if step == 1 else extent - 1), extent, step

    def clip(bound: Any, default: Size, low: Size, high: Size) -> Size:
        if bound is None:
            return default
        size = as_size(bound)
        size = bound.__index__() if size is None else size
        if trace.holds("<", size, 0):
            size = size + extent
        if trace.holds("<", size, low):
            return low
        return high if trace.holds(">", size, high) else size

    if step > 0:
        start = clip(item.start, 0, 0, extent)
        stop = clip(item.stop, extent, 0, extent)
        span: Size = stop - start
    else:
        start = clip(item.start, extent - 1, -1, extent - 1)
        stop = clip(item.stop, -1, -1, extent - 1)
        span = start - stop
    if not trace.holds(">", span, 0):
        return 0, 0, 1
    return start, (span + (abs(step) - 1)) // abs(step), step


def _placement(parsed: _Parsed) -> int:
    """Where NumPy puts the index arrays' axes: in place when they are adjacent, else first."""
    positions = [item.position for item in parsed.advanced]
    adjacent = positions == list(range(positions[0], positions[0] + len(positions)))
    return parsed.advanced[0].axis if adjacent else 0


def _indices(parsed: _Parsed) -> tuple[tuple[Value, ...], tuple[int, ...], Shape]:
    shape = broadcast_shapes(*(item.value.shape for item in parsed.advanced))
    values = tuple(ops.broadcast_to(item.value, shape) for item in parsed.advanced)
    return values, tuple(item.axis for item in parsed.advanced), shape


def _moved(rank_first: int, place: int, rank: int) -> tuple[int, ...]:
    """The permutation that moves the first `rank_first` of `rank` axes to `place`."""
    rest = list(range(rank_first, rank))
    return tuple(rest[:place] + list(range(rank_first)) + rest[place:])


def _gather(parsed: _Parsed) -> Any:
    indices, axes, shape = _indices(parsed)
    result = ops.gather(parsed.view.value, indices, axes)
    order = _moved(len(shape), _placement(parsed), result.ndim)
    return fresh_array(ops.transpose(result, order))


@handler
def add_at(array: TracedArray, key: Any, value: Any, negated: bool = False) -> None:
    """``np.add.at(array, key, value)``: repeated indices add up."""
    if _masked(array, key) is not None:
        whole = get_item(array, key)
        set_item(array, key, whole - value if negated else whole + value)
        return
    parsed = _parse(array, key)
    if not parsed.advanced:
        assign(parsed.view, parsed.view - value if negated else parsed.view + value)
        return
    view = parsed.view
    part, indices, axes = _part(parsed, value)
    part = ops.negative(part) if negated else part
    view.write(ops.scatter_add(view.value, part, indices, axes))


@handler
def combine_at(array: TracedArray, key: Any, value: Any, ufunc: Any, combine: str) -> None:
    """``ufunc.at(array, key, value)``, of a ufunc that `ops.scatter_reduce` knows."""
    parsed = _parse(array, key)
    if not parsed.advanced:
        assign(parsed.view, ufunc(parsed.view, value))
        return
    view = parsed.view
    part, indices, axes = _part(parsed, value)
    view.write(ops.scatter_reduce(view.value, part, indices, axes, combine))


def _scatter(parsed: _Parsed, value: Any) -> None:
    part, indices, axes = _part(parsed, value)
    parsed.view.write(ops.scatter(parsed.view.value, part, indices, axes))


def _part(parsed: _Parsed, value: Any) -> tuple[Value, tuple[Value, ...], tuple[int, ...]]:
    """`value` as `ops.scatter` takes it, with the indices and their axes."""
    indices, axes, shape = _indices(parsed)
    view = parsed.view
    rest = [size for axis, size in enumerate(view.value.shape) if axis not in axes]
    place = _placement(parsed)
    target = (*rest[:place], *shape, *rest[place:])
    part = value_of(value, view.dtype)
    if part.ndim > len(target):
        part = ops.reshape(part, part.shape[part.ndim - len(target) :])
    if not broadcasts_to(part.shape, target):
        raise ShapeError(
            f"shape mismatch: {part.tensor} does not fit the indexed part {target}",
            hint="Give the value that shape, or one that broadcasts to it: value[:, None].",
        )
    part = ops.broadcast_to(part, target)
    order = _moved(len(shape), place, len(target))
    back = tuple(sorted(range(len(order)), key=order.__getitem__))
    return ops.transpose(part, back), indices, axes
