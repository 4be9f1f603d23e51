"""``np.mgrid``, ``np.ogrid``, ``np.r_`` and ``np.c_``: arrays written with brackets.

NumPy's own objects would give arrays that are not traced, and could not be written by traced masks.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import as_array
from graphc.functions.creation import arange, linspace
from graphc.functions.joining import concatenate
from graphc.trace.context import active, located, user_location
from graphc.trace.convert import array_like, holds_traced, is_weak, python_type, value_of
from graphc.trace.sizes import TracedSize
from graphc.trace.substitute import STAND_INS, imported
from graphc.trace.values import fresh_array
from graphc.types import supported_dtype


def _static(x: Any) -> Any:
    return int(x) if type(x) is TracedSize else x


class _Grid:
    """``np.mgrid`` or ``np.ogrid`` in traced code; symbolic sizes in its slices become static."""

    def __init__(self, actual: Any) -> None:
        self._actual = actual

    def __getitem__(self, key: Any) -> Any:
        items = key if type(key) is tuple else (key,)
        bounds = [(item.start, item.stop, item.step) for item in items]
        if active().values is None and any(
            holds_traced(x) and type(x) is not TracedSize for each in bounds for x in each
        ):
            raise UnsupportedError(
                "a grid with traced bounds has a shape that depends on data",
                location=user_location(),
                hint="Scale a grid with static bounds, or use np.linspace with a static count.",
            )
        slices = tuple(slice(*map(_static, each)) for each in bounds)
        return imported(self._actual[slices if type(key) is tuple else slices[0]])


class _Joiner:
    """``np.r_`` or ``np.c_`` in traced code."""

    def __init__(self, axis: int, rank: int, place: int) -> None:
        self._axis, self._rank, self._place = axis, rank, place

    def __getitem__(self, key: Any) -> Any:
        items = list(key) if type(key) is tuple else [key]
        axis, rank, place = self._axis, self._rank, self._place
        if isinstance(items[0], str):
            axis, rank, place = _directive(items.pop(0), rank, place)
        parts, weak = [], []
        for item in items:
            if isinstance(item, str):
                raise ValueError("special directives must be the first entry.")
            part = _of_slice(item) if isinstance(item, slice) else item
            weak.append(is_weak(part))
            parts.append(part)
        kinds = [
            python_type(part)(0) if yields else array_like(part).value.dtype
            for part, yields in zip(parts, weak, strict=True)
        ]
        dtype = supported_dtype(np.result_type(*kinds))
        shaped = [
            _shaped(value_of(part, dtype), rank, -1 if number else place, isinstance(item, slice))
            for part, number, item in zip(parts, weak, items, strict=True)
        ]
        try:
            return concatenate(shaped, axis)
        except UnsupportedError as error:
            raise located(error) from None


def _directive(text: str, rank: int, place: int) -> tuple[int, int, int]:
    """The axis, the least rank and the place of new axes that a string in front asks for."""
    if text in ("r", "c"):
        raise UnsupportedError(
            f"np.r_[{text!r}, ...] makes a matrix",
            location=user_location(),
            hint="Use np.concatenate, or np.column_stack for columns.",
        )
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"unknown special directive {text!r}") from None
    if len(numbers) == 1:
        return numbers[0], rank, place
    return numbers[0], numbers[1], numbers[2] if len(numbers) == 3 else -1


def _of_slice(item: slice) -> Any:
    step = 1 if item.step is None else item.step
    start = 0 if item.start is None else item.start
    if isinstance(step, complex):
        return linspace(start, item.stop, int(abs(step)))
    return arange(start, item.stop, step)


def _shaped(value: Any, rank: int, place: int, is_slice: bool) -> Any:
    """`value` with at least `rank` axes: the new ones in front, or around those from `place` on."""
    missing = rank - value.ndim
    if missing <= 0:
        return fresh_array(value)
    wide = as_array(fresh_array(ops.reshape(value, (1,) * missing + value.shape)))
    if place == -1:
        return wide
    if is_slice:
        return np.swapaxes(wide, -1, place)
    axes = list(range(rank))
    first = place + missing + 1 if place < 0 else place
    return np.transpose(wide, axes[:first] + axes[missing:] + axes[first:missing])


STAND_INS[np.mgrid] = _Grid(np.mgrid)
STAND_INS[np.ogrid] = _Grid(np.ogrid)
STAND_INS[np.r_] = _Joiner(0, 1, -1)
STAND_INS[np.c_] = _Joiner(-1, 2, 0)
