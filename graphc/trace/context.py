"""The state of one tracing: the user's lines, size hints and guards, effects, captured inputs."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any, TypeVar

import numpy as np

from graphc.config import debug_level
from graphc.errors import GraphcError, Location, TraceError, UnsupportedError
from graphc.interp import extend
from graphc.ir import INPUT, Node, Note, Value, topological
from graphc.ops import token
from graphc.types import Dim, Size, evaluate_size, symbols

_Error = TypeVar("_Error", bound=Exception)
_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_PYTHON = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_NUMPY = os.path.dirname(os.path.abspath(np.__file__)) + os.sep


class Respecialize(Exception):
    """Tracing needs the numbers behind these symbolic sizes: start again with them static.

    `lasting`: the function uses them as numbers, and always will; else two sizes met by chance.
    """

    def __init__(self, names: frozenset[str], lasting: bool) -> None:
        self.names = names
        self.lasting = lasting
        super().__init__(f"sizes {sorted(names)} must be static")


@dataclass(frozen=True, slots=True)
class SizeGuard:
    """A relation between sizes that held while tracing and must hold for the graph to be used."""

    relation: str
    left: Size
    right: Size
    outcome: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error that NumPy would not raise, and the Python loops that were open when it was."""

    error: Exception
    open_loops: tuple[Any, ...]


@dataclass(slots=True, eq=False)
class Trace:
    """What one tracing has gathered so far.

    Attributes:
        hints: the numbers behind symbolic sizes in the call that is traced.
        notes: the user's line for each node.
        guards: what was assumed of the sizes.
        token: the last effect.
        values: in eager mode, the array behind each value; else None.
        capture: wraps what the function reads (a `graphc.trace.capture.Capture`).
        write_log: storages written so far, with their values before.
        open_loops: Python loops of which a turn with a traced position is under way.
        kept_loops: keys of Python loops that are loops of the graph.
        positions: the traced positions of those loops, with the least and the greatest they take.
        is_void: a loop has found that the function must be traced again.
        refusals: errors that no code of the user's may catch, as the first raised of them says.
        rules: the functions with derivatives of their own whose rules are being traced.
        texts: descriptions of traced values that were made, and where: no result may hold them.
    """

    hints: dict[str, int] = field(default_factory=dict)
    notes: dict[Node, Note] = field(default_factory=dict)
    guards: list[SizeGuard] = field(default_factory=list)
    token: Value | None = None
    values: dict[Value, Any] | None = None
    capture: Any = None
    write_log: dict[int, tuple[Any, Value]] = field(default_factory=dict)
    open_loops: list[Any] = field(default_factory=list)
    kept_loops: set[Any] = field(default_factory=set)
    is_void: bool = False
    positions: dict[Value, tuple[Size, Size]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    rules: list[Any] = field(default_factory=list)
    texts: dict[str, Location | None] = field(default_factory=dict)

    def hint(self, size: Size) -> int:
        """The number behind `size` in the call that is traced."""
        return evaluate_size(size, self.hints)

    def static(self, size: Size, lasting: bool = True) -> int:
        """`size` as a number.

        Raises:
            Respecialize: it is symbolic.
        """
        if isinstance(size, Dim):
            raise refused(Respecialize(symbols(size), lasting))
        return size

    def holds(self, relation: str, left: Size, right: Size) -> bool:
        """Whether ``left relation right`` holds; remembered as a guard where sizes are symbolic."""
        if relation == "==" and left == right:
            return True
        if relation in ("<=", ">=") and left == right:
            return True
        a, b = self.hint(left), self.hint(right)
        outcome = {"==": a == b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[relation]
        if isinstance(left, Dim) or isinstance(right, Dim):
            guard = SizeGuard(relation, left, right, outcome)
            if guard not in self.guards:
                self.guards.append(guard)
        return outcome

    def same(self, left: Size, right: Size) -> bool:
        """Whether two sizes are equal, in a way that types agree: static where it is by chance.

        Raises:
            Respecialize: the sizes are equal in this call, but not as expressions.
        """
        if left == right:
            return True
        if self.hint(left) != self.hint(right):
            if isinstance(left, Dim) or isinstance(right, Dim):
                self.holds("==", left, right)
            return False
        raise refused(Respecialize(symbols(left) | symbols(right), lasting=False))

    def note(self, *values: Value) -> None:
        """Give the user's current line to the new nodes above `values`."""
        stack = [value.node for value in values if value.node not in self.notes]
        if not stack:
            return
        note = Note(user_location())
        while stack:
            node = stack.pop()
            if node not in self.notes:
                self.notes[node] = note
                stack.extend(value.node for value in node.inputs)

    def refuse_texts(self, text: Any) -> None:
        """Refuse a string, or a tuple or set of such, made of a traced value's description.

        Raises:
            TraceError: names the line where the description was made.
        """
        if isinstance(text, tuple | set | frozenset):
            for part in text:
                self.refuse_texts(part)
        if not isinstance(text, str):
            return
        for description, location in self.texts.items():
            if description in text:
                raise TraceError(
                    f"{text[:80]!r} holds the description of a traced value, whose number is known "
                    "only when the compiled code runs",
                    location=location,
                    hint="Print with graphc.debug_print, or return the value and make the string "
                    "outside.",
                )

    def effect(self) -> Value:
        """The token that the next effect takes."""
        return self.token if self.token is not None else token()

    def concrete(self, value: Value) -> Any:
        """The array behind `value`, in eager mode.

        Raises:
            TraceError: there is none yet: it depends on a cotangent in a `custom_vjp`.
        """
        assert self.values is not None
        if any(node.op is INPUT for node in topological([value], known=self.values)):
            raise TraceError(
                "the cotangent of a custom_vjp has no value while its backward is traced",
                location=user_location(),
                hint="Choose between values with np.where(condition, a, b) in backward.",
            )
        extend(self.values, [value], self.hints)
        return self.values[value]


class _State(threading.local):
    stack: list[Trace]

    def __init__(self) -> None:
        self.stack = []


_state = _State()

UNUSUAL: list[Any] = []
"""Tracings under way, and blocks of eager mode, in all threads: while it is empty a call of a
compiled function need not look further."""


def current() -> Trace | None:
    """The tracing under way in this thread, or None."""
    return _state.stack[-1] if _state.stack else None


def active() -> Trace:
    """The tracing under way in this thread.

    Raises:
        RuntimeError: there is none: a traced value outlived its tracing.
    """
    if not _state.stack:
        raise RuntimeError("a traced value is used after its tracing has ended")
    return _state.stack[-1]


def refused(error: _Error) -> _Error:
    """`error`, remembered: user code that catches it would go another way than uncompiled.

    NumPy may ask and catch: it goes on as with any object that is no number.
    """
    trace = current()
    if trace is not None and trace.values is None and not _asked_by_numpy():
        trace.refusals.append(Refusal(error, tuple(trace.open_loops)))
    return error


def _asked_by_numpy() -> bool:
    """Whether the innermost function that is none of graphc's is NumPy's."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return frame is not None and frame.f_code.co_filename.startswith(_NUMPY)


@contextmanager
def tracing(trace: Trace) -> Iterator[Trace]:
    """Make `trace` the current one."""
    _state.stack.append(trace)
    UNUSUAL.append(trace)
    try:
        yield trace
    finally:
        UNUSUAL.remove(trace)
        _state.stack.pop()


@lru_cache(maxsize=4096)
def _is_internal(file: str) -> bool:
    if file.startswith((_OWN, _NUMPY, "<frozen", "<graphc")):
        return True
    return file.startswith(_PYTHON) and "site-packages" not in file


@lru_cache(maxsize=4096)
def _positions(code: CodeType) -> tuple[tuple[int | None, ...], ...]:
    return tuple(code.co_positions())


def location_of(code: CodeType, instruction: int) -> Location:
    """The place in the source of the instruction at an offset."""
    return _location(code, instruction, code.co_filename)


@lru_cache(maxsize=65536)
def _location(code: CodeType, instruction: int, file: str) -> Location:
    """`location_of`; by the file, too, for code objects of equal text are equal in all files."""
    line, end_line, column, end_column = _positions(code)[instruction // 2]
    if column is None or end_column is None or end_line != line:
        end_column = -1
    return Location(
        file,
        line or code.co_firstlineno,
        -1 if column is None else column,
        end_column,
        code.co_qualname,
    )


def user_location() -> Location | None:
    """The innermost line of the call stack that is none of graphc's, NumPy's and Python's own."""
    frame = sys._getframe(1)
    while frame is not None and _is_internal(frame.f_code.co_filename):
        frame = frame.f_back  # type: ignore[assignment]
    return None if frame is None else location_of(frame.f_code, frame.f_lasti)


def without_internal_frames(error: BaseException) -> BaseException:
    """`error` with a traceback of the user's frames only, unless ``GRAPHC_DEBUG`` is 1 or more."""
    if debug_level() >= 1:
        return error
    frames = []
    traceback = error.__traceback__
    while traceback is not None:
        if not _is_internal(traceback.tb_frame.f_code.co_filename):
            frames.append(traceback)
        traceback = traceback.tb_next
    shown = None
    for frame in reversed(frames):
        shown = TracebackType(shown, frame.tb_frame, frame.tb_lasti, frame.tb_lineno)
    return error.with_traceback(shown)


def located(error: GraphcError) -> GraphcError:
    """`error` with the user's current line, if it had none."""
    if error.location is None:
        error.location = user_location()
    return refused(error) if isinstance(error, TraceError | UnsupportedError) else error
