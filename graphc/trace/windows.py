"""Slices at a position of a loop, ``x[t : t + 5]``: of a length that is known while tracing."""

from __future__ import annotations

from typing import Any

from graphc import ops
from graphc.errors import TraceError
from graphc.ir import Value
from graphc.trace.affine import Affine, affine
from graphc.trace.context import active, user_location
from graphc.trace.convert import value_of
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar
from graphc.trace.views import PickStep, ReshapeStep, SliceStep, WindowStep
from graphc.types import DTYPES, Size

INT64 = DTYPES["int64"]


def is_window(item: Any) -> bool:
    """Whether a slice has a bound that is a traced integer."""
    return isinstance(item, slice) and any(
        type(bound) in (TracedNumber, TracedScalar) for bound in (item.start, item.stop)
    )


def windowed(array: TracedArray, axis: int, item: slice) -> TracedArray:
    """The view of `array` at a slice of `axis` with traced bounds.

    Raises:
        TraceError: its length is not known while tracing, or it may lie outside the axis.
    """
    if item.step is not None and item.step != 1:
        raise _refused("its step is not 1")
    trace = active()
    extent = array.value.shape[axis]
    if item.start is None or item.stop is None:
        raise _refused("one of its bounds is an end of the axis")
    ranges = trace.positions
    first, last = (_affine(bound) for bound in (item.start, item.stop))
    length = last.plus(first, -1)
    if length.terms or length.constant <= 0:
        raise _refused("its length varies")
    low, high = first.bounds(ranges)
    size = length.constant
    if not (trace.holds(">=", low, 0) and trace.holds("<=", high + size, extent)):
        raise _refused("it lies outside the axis in some turns")
    start = ops.cast(value_of(item.start), INT64)
    trace.note(start)
    aligned = _aligned(array, axis, first, size, start)
    return array.view(WindowStep(axis, start, size)) if aligned is None else aligned


def _affine(bound: Any) -> Affine:
    found = affine(value_of(bound), active().positions)
    if found is None:
        raise _refused("a bound is no multiple of a loop's position")
    return found


def _refused(reason: str) -> TraceError:
    return TraceError(
        f"a slice with a traced bound has a shape that depends on data: {reason}",
        location=user_location(),
        hint="Slice at Python ints, or take elements with x[i + np.arange(length)].",
    )


def _aligned(
    array: TracedArray, axis: int, first: Affine, size: int, start: Value
) -> TracedArray | None:
    """The window as one row of the array cut in rows of its size; None if windows overlap."""
    if len(first.terms) != 1:
        return None
    ((position, coefficient),) = first.terms.items()
    if coefficient != size:
        return None
    low, high = active().positions[position]
    shape = array.value.shape
    count: Size = high - low + 1
    begin = first.constant + size * low
    whole = SliceStep(
        tuple(begin if k == axis else 0 for k in range(array.ndim)),
        tuple(count * size if k == axis else n for k, n in enumerate(shape)),
        (1,) * array.ndim,
        shape,
    )
    part = array if whole.size == shape else array.view(whole)
    cut = (*shape[:axis], count, size, *shape[axis + 1 :])
    rows = part.view(ReshapeStep(cut, whole.size), _cut_strides(part, axis, size))
    row = ops.subtract(position, ops.full_like(position, low)) if low != 0 else position
    return rows.view(PickStep((axis,), (row,)))


def _cut_strides(array: TracedArray, axis: int, size: int) -> tuple[int, ...]:
    """The strides where one axis is cut in two: always a view."""
    step = array.steps[axis]
    return (*array.steps[:axis], step * size, step, *array.steps[axis + 1 :])
