"""What a Python loop runs over in traced code: ``range``, ``enumerate``, ``zip``, ``reversed``.

Each is a sequence with `length` and ``at(position)``, whose position may be traced, so that a
``for`` statement over it can be kept as a loop (`graphc.trace.python_loop`). Anything else that
iterates over one gets what Python gives.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from graphc.trace.context import active, current
from graphc.trace.dispatch import handler
from graphc.trace.liveness import loop_after
from graphc.trace.namespaces import Globals
from graphc.trace.python_loop import PythonLoop
from graphc.trace.sizes import TracedSize
from graphc.trace.substitute import BUILTINS, type_stand_in
from graphc.trace.values import TracedArray
from graphc.types import Shape, Size, product


class _Sequence:
    """Items by position; iterating over them in a ``for`` statement of traced code is a loop."""

    length: Size

    def at(self, position: Any) -> Any:
        """The item at a position from 0 on, which may be a traced int."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        found = loop_over(self)
        return iter([self.at(k) for k in range(len(self))]) if found is None else found

    def __len__(self) -> int:
        return active().static(self.length)


def loop_over(items: _Sequence, depth: int = 2) -> PythonLoop | None:
    """The loop that iterates over `items` for the statement which asks; None if it is no loop.

    The statement is `depth` frames up.
    """
    trace = current()
    frame = sys._getframe(depth)
    if trace is None or trace.values is not None or not isinstance(frame.f_globals, Globals):
        return None
    site = loop_after(frame.f_code, frame.f_lasti)
    return None if site is None else PythonLoop(trace, frame, site, items)


class TracedRange(_Sequence):
    """A ``range`` in traced code."""

    def __init__(self, *args: Any) -> None:
        self.args = args
        self.start: Any = 0
        self.step = 1
        if any(type(arg) is TracedSize for arg in args) and len(args) < 3:
            self.start = args[0] if len(args) == 2 else 0
            length = args[-1] - self.start
            if length > 0:
                self.length = length.dim if type(length) is TracedSize else length
                return
        self.start, self.step = self.actual.start, self.actual.step
        self.length = len(self.actual)

    @cached_property
    def actual(self) -> range:
        """The range; a symbolic bound becomes static."""
        return range(*self.args)

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return range

    def at(self, position: Any) -> Any:
        if self.step != 1:
            position = position * self.step
        fixed = type(self.start) is int and self.start == 0
        return position if fixed else position + self.start

    def __iter__(self) -> Iterator[Any]:
        found = loop_over(self)
        return iter(self.actual) if found is None else found

    def __getitem__(self, key: Any) -> Any:
        found = self.actual[key]
        return TracedRange(found.start, found.stop, found.step) if type(found) is range else found

    def __contains__(self, item: object) -> bool:
        return item in self.actual

    def __reversed__(self) -> TracedRange:
        found = self.actual[::-1]
        return TracedRange(found.start, found.stop, found.step)

    def __eq__(self, other: object) -> bool:
        return self.actual == (other.actual if type(other) is TracedRange else other)

    def __hash__(self) -> int:
        return hash(self.actual)

    def __repr__(self) -> str:
        return repr(self.actual)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.actual, name)


class Rows(_Sequence):
    """The items of an array along its first axis."""

    def __init__(self, array: TracedArray) -> None:
        self.array = array
        self.length = array.value.shape[0]

    def at(self, position: Any) -> Any:
        return self.array[position]


class Places(_Sequence):
    """The index tuples of a shape, as ``np.ndindex`` gives them; with those of `array` beside."""

    def __init__(self, shape: Shape, array: TracedArray | None = None) -> None:
        self.shape = shape
        self.array = array
        self.length = product(shape)

    def at(self, position: Any) -> Any:
        place: list[Any] = []
        for axis in reversed(range(1, len(self.shape))):
            size = active().static(self.shape[axis])
            position, last = divmod(position, size)
            place.insert(0, last)
        index = (position, *place) if self.shape else ()
        return index if self.array is None else (index, self.array[index])


@handler
def iterate(array: TracedArray) -> Iterator[Any]:
    """``iter(array)``."""
    rows = Rows(array)
    found = loop_over(rows, depth=4)
    return iter([array[k] for k in range(len(rows))]) if found is None else found


class _Enumerated(_Sequence):
    def __init__(self, items: Any, start: int) -> None:
        self.items, self.start, self.length = items, start, items.length

    def at(self, position: Any) -> Any:
        place = position + self.start if self.start else position
        return place, self.items.at(position)


class _Zipped(_Sequence):
    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts
        lengths = [part.length for part in parts]
        same = all(length == lengths[0] for length in lengths)
        self.length = lengths[0] if same else min(len(part) for part in parts)

    def at(self, position: Any) -> Any:
        return tuple(part.at(position) for part in self.parts)


def _sequence(items: Any) -> Any:
    """`items` as a sequence with traced positions; None if it is none."""
    if type(items) is TracedArray and items.ndim:
        return Rows(items)
    return items if isinstance(type(items), type) and issubclass(type(items), _Sequence) else None


def _enumerate(items: Any, start: int = 0) -> Any:
    found = _sequence(items)
    return enumerate(items, start) if found is None else _Enumerated(found, start)


def _zip(*items: Any, strict: bool = False) -> Any:
    parts = [_sequence(item) for item in items]
    if not parts or any(part is None for part in parts):
        return zip(*items, strict=strict)
    if strict and any(part.length != parts[0].length for part in parts):
        return zip(*items, strict=True)
    return _Zipped(parts)


BUILTINS["range"] = type_stand_in("range", range, TracedRange)
BUILTINS["enumerate"] = type_stand_in("enumerate", enumerate, _enumerate)
BUILTINS["zip"] = type_stand_in("zip", zip, _zip)
