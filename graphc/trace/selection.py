"""What a boolean mask selects: ``x[mask]`` on its way back into ``y[mask] = ...``.

Its shape depends on data, so a selection is kept as the whole array and the mask. Arithmetic works
on the whole array; ``x[mask] = value`` and ``x[mask] *= 2`` then take each element or leave it.
Whatever else needs the selected elements themselves is refused, at the line that selected them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphc import ops
from graphc.errors import OutOfBoundsError, ShapeError, UnsupportedError
from graphc.ir import Value
from graphc.trace.base import OPERATORS, Traced, described
from graphc.trace.context import active, refused, user_location
from graphc.trace.convert import array_like, broadcasts_to, is_weak, same_size, value_of
from graphc.trace.dispatch import call
from graphc.trace.values import TracedArray, fresh_array


@dataclass(frozen=True, slots=True)
class Masked:
    """A view, and a bool mask over some of its axes, from axis `place` on."""

    view: TracedArray
    mask: Value
    place: int = 0

    @property
    def rank(self) -> int:
        """The axes that follow the mask's."""
        return self.view.ndim - len(self.mask.shape) - self.place

    def fits(self, other: Masked | TracedSelection) -> bool:
        """Whether both select the same elements of arrays of one rank."""
        return (self.mask, self.place, self.rank) == (other.mask, other.place, other.rank)

    def beside(self, x: Value) -> Value | None:
        """`x`, as it broadcasts with what is selected, with the mask's axes in place of their one.

        None if it has an axis for the selected elements.
        """
        if x.ndim <= self.rank:
            return x
        cut = x.ndim - self.rank
        before, after = x.shape[:cut], x.shape[cut:]
        if before[-1] != 1 or any(size != 1 for size in before[: -1 - self.place]):
            return None
        rest = before[:-1][max(len(before) - 1 - self.place, 0) :]
        return ops.reshape(x, (*rest, *(1,) * len(self.mask.shape), *after))


class TracedSelection(Traced):
    """The `elements` of an array where `mask`, over its axes from `place` on, is true."""

    __slots__ = ("elements", "location", "mask", "place")

    def __init__(self, elements: TracedArray, mask: Value, place: int = 0) -> None:
        self.elements = elements
        self.mask = mask
        self.place = place
        self.origin = active()
        self.location = user_location()

    @property
    def rank(self) -> int:
        """The axes that follow the mask's."""
        return self.elements.ndim - len(self.mask.shape) - self.place

    def refused(self) -> UnsupportedError:
        """The error for a use that needs the selected elements."""
        return refused(
            UnsupportedError(
                "selecting with a traced boolean array needs a shape that depends on data",
                location=self.location,
                hint="Use np.where(mask, x, other), or multiply by the mask and reduce.",
            )
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
        return described(self.elements.origin, f"<traced selection of {self.elements.type}>")


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
    masked = Masked(first.elements, first.mask, first.place)
    parts = []
    for x in operands:
        if is_selection(x):
            if not masked.fits(x):
                raise first.refused()
            parts.append(x.elements)
        elif is_weak(x) or array_like(x).ndim <= first.rank:
            parts.append(x)
        else:
            wide = masked.beside(value_of(x)) if first.place else None
            if wide is None:
                raise first.refused()
            parts.append(fresh_array(wide))
    result = function(*parts)
    results = result if type(result) is tuple else (result,)
    selections = tuple(
        TracedSelection(fresh_array(r.value), first.mask, first.place) for r in results
    )
    return selections if type(result) is tuple else selections[0]


def masked_by(view: TracedArray, mask: Value, place: int = 0) -> Masked:
    """`view` with `mask` over its axes from `place` on.

    Raises:
        OutOfBoundsError: the shape of the mask is not that of those axes.
    """
    shape = view.value.shape[place : place + mask.ndim]
    for axis, (size, wanted) in enumerate(zip(mask.shape, shape, strict=True)):
        if not same_size(size, wanted):
            raise OutOfBoundsError(
                f"boolean index did not match indexed array along axis {place + axis}; size of "
                f"axis is {wanted} but size of corresponding boolean axis is {size}"
            )
    return Masked(view, mask, place)


def set_selected(masked: Masked, value: Any) -> None:
    """``array[mask] = value``, by choosing for each element.

    Raises:
        UnsupportedError: `value` has an axis for the selected elements.
    """
    view, mask = masked.view, masked.mask
    if is_selection(value):
        if not masked.fits(value):
            raise value.refused()
        new: Value | None = ops.cast(value.elements.value, view.dtype)
    else:
        new = masked.beside(value_of(value, view.dtype))
    if new is None:
        raise UnsupportedError(
            "assigning an array to a boolean selection needs a shape that depends on data",
            hint="Assign a scalar, or write x[...] = np.where(mask, values, x).",
        )
    shape = view.value.shape
    if not broadcasts_to(new.shape, shape):
        raise ShapeError(
            f"shape mismatch: {new.tensor} does not fit what the mask selects of {view.type}",
            hint="Give the value the shape of what follows the mask's axes.",
        )
    wide = ops.reshape(mask, (*mask.shape, *(1,) * masked.rank))
    new = ops.broadcast_to(new, shape)
    view.write(ops.select(ops.broadcast_to(wide, shape), new, view.value))
