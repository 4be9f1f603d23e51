"""What a boolean mask selects: ``x[mask]`` on its way back into ``y[mask] = ...``.

Its shape depends on data, so a selection is kept as the whole array and the mask. Arithmetic works
on the whole array; ``x[mask] = value`` and ``x[mask] *= 2`` then take each element or leave it.
Whatever else needs the selected elements themselves is refused, at the line that selected them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphc import ops
from graphc.errors import OutOfBoundsError, UnsupportedError
from graphc.ir import Value
from graphc.trace.base import OPERATORS, Traced
from graphc.trace.context import active, user_location
from graphc.trace.convert import array_like, is_weak, same_size, value_of
from graphc.trace.dispatch import call
from graphc.trace.values import TracedArray, TracedScalar, fresh_array


class TracedSelection(Traced):
    """The `elements` of an array where `mask`, over its first axes, is true."""

    __slots__ = ("elements", "location", "mask")

    def __init__(self, elements: TracedArray, mask: Value) -> None:
        self.elements = elements
        self.mask = mask
        self.origin = active()
        self.location = user_location()

    @property
    def rank(self) -> int:
        """The axes that follow the mask's."""
        return self.elements.ndim - len(self.mask.shape)

    def refused(self) -> UnsupportedError:
        """The error for a use that needs the selected elements."""
        return UnsupportedError(
            "selecting with a traced boolean array needs a shape that depends on data",
            location=self.location,
            hint="Use np.where(mask, x, other), or multiply by the mask and reduce.",
        )

    @property
    def value(self) -> Value:
        raise self.refused()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        # Whoever asks what it is would use it as an array.
        raise self.refused()

    def __getattr__(self, name: str) -> Any:
        raise self.refused()

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise self.refused()

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        raise self.refused()

    def __bool__(self) -> bool:
        raise self.refused()

    def __len__(self) -> int:
        raise self.refused()

    def __iter__(self) -> Any:
        raise self.refused()

    def __getitem__(self, key: Any) -> Any:
        raise self.refused()

    def __setitem__(self, key: Any, value: Any) -> None:
        raise self.refused()

    def __repr__(self) -> str:
        return f"<traced selection of {self.elements.type}>"


def _in_place(ufunc: Any) -> Any:
    def operator(self: TracedSelection, other: Any) -> Any:
        def update(part: TracedArray, operand: Any) -> TracedArray:
            part = fresh_array(part.value)
            call("apply_ufunc", ufunc, "__call__", (part, operand), {"out": (part,)})
            return part

        return combined(update, self, other)

    return operator


for _name, _ufunc in OPERATORS.items():
    setattr(TracedSelection, f"__i{_name}__", _in_place(_ufunc))


def is_selection(x: Any) -> bool:
    """Whether `x` is what a traced mask selects."""
    return type(x) is TracedSelection


def combined(function: Callable[..., Any], *operands: Any) -> Any:
    """``function`` of selections by one mask and of numbers, element by element."""
    first = next(x for x in operands if is_selection(x))
    parts = []
    for x in operands:
        if is_selection(x):
            if x.mask != first.mask or x.rank != first.rank:
                raise first.refused()
            parts.append(x.elements)
        elif is_weak(x) or array_like(x).ndim <= first.rank:
            parts.append(x)
        else:
            raise first.refused()
    result = function(*parts)
    results = result if type(result) is tuple else (result,)
    selections = tuple(TracedSelection(fresh_array(r.value), first.mask) for r in results)
    return selections if type(result) is tuple else selections[0]


def mask_of(array: TracedArray, key: Any) -> Value | None:
    """The bool mask that `key` is, if it is one over the first axes of `array`.

    Raises:
        OutOfBoundsError: its shape is not that of those axes.
    """
    traced = type(key) in (TracedArray, TracedScalar)
    if not traced or key.dtype.kind != "b" or key.ndim > array.ndim:
        return None
    mask: Value = key.value
    for axis, (size, wanted) in enumerate(zip(mask.shape, array.value.shape, strict=False)):
        if not same_size(size, wanted):
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {axis}; size of axis is "
                f"{wanted} but size of corresponding boolean axis is {size}"
            )
    return mask


def set_selected(array: TracedArray, mask: Value, value: Any) -> None:
    """``array[mask] = value``, by choosing for each element.

    Raises:
        UnsupportedError: `value` has an axis for the selected elements.
    """
    rank = array.ndim - len(mask.shape)
    if is_selection(value):
        if value.mask != mask or value.rank != rank:
            raise value.refused()
        new = ops.cast(value.elements.value, array.dtype)
    else:
        new = value_of(value, array.dtype)
        surplus = max(new.ndim - rank, 0)
        if any(size != 1 for size in new.shape[:surplus]):
            raise UnsupportedError(
                "assigning an array to a boolean selection needs a shape that depends on data",
                hint="Assign a scalar, or write x[...] = np.where(mask, values, x).",
            )
        new = ops.reshape(new, new.shape[surplus:])
    shape = array.value.shape
    wide = ops.reshape(mask, (*mask.shape, *(1,) * rank))
    new = ops.broadcast_to(new, shape)
    array.write(ops.select(ops.broadcast_to(wide, shape), new, array.value))
