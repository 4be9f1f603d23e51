"""Every exception that graphc raises: what causes it and how to mend it.

Each derives from `GraphcError` and from the built-in that a NumPy user would expect, so
``except ValueError`` keeps working when a function is compiled. Messages have one form:
the operation and what is wrong with it, the user's line with a caret, and what to write instead.
"""

from __future__ import annotations

import linecache
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the user's source: file, 1-based line, 0-based columns (-1: unknown), function."""

    file: str
    line: int
    column: int = -1
    end_column: int = -1
    function: str = ""

    @property
    def text(self) -> str:
        """The source line, stripped of its line end ("" when the file can't be read)."""
        return linecache.getline(self.file, self.line).rstrip()

    @property
    def short(self) -> str:
        """The file without its folder, and the line."""
        return f"{self.file.rsplit('/', 1)[-1]}:{self.line}"

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def excerpt(self) -> str:
        """The line in the form of a Python traceback, with a caret under the expression."""
        head = f'  File "{self.file}", line {self.line}'
        if self.function:
            head += f", in {self.function}"
        source = self.text
        if not source:
            return head
        body = source.lstrip()
        indent = len(source) - len(body)
        lines = [head, f"    {body}"]
        if self.column >= indent:
            end = self.end_column if self.end_column > self.column else len(source)
            width = max(1, min(end, len(source)) - self.column)
            lines.append("    " + " " * (self.column - indent) + "^" * width)
        return "\n".join(lines)


class GraphcError(Exception):
    """Base of all graphc errors.

    `location` is the user's line or None; `hint` says what to write instead.
    """

    def __init__(self, message: str, *, location: Location | None = None, hint: str = "") -> None:
        self.message = message
        self.location = location
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        parts = [self.message]
        if self.location is not None:
            parts.append(self.location.excerpt())
        if self.hint:
            parts.append(f"  {self.hint}")
        return "\n".join(parts)


class ShapeError(GraphcError, ValueError):
    """Shapes that do not fit: mend the shapes, or say the axis with ``axis=`` or ``reshape``."""


class DTypeError(GraphcError, TypeError):
    """A dtype that the operation or graphc does not have: convert with ``astype`` first."""


class OutOfBoundsError(GraphcError, IndexError):
    """An index outside its axis."""


class DomainError(GraphcError, ValueError):
    """A value outside what the operation is defined for: an integer to a negative power."""


class StateError(GraphcError, ValueError):
    """A state dict or checkpoint that is damaged, or of another network or optimizer."""


class DivisionError(GraphcError, ZeroDivisionError):
    """A division by zero that NumPy refuses: weights of an average that sum to zero."""


class UnsupportedError(GraphcError, NotImplementedError):
    """A function or option that is not covered: the message names the nearest thing that is."""


class TraceError(GraphcError, TypeError):
    """Python code that needs the value of a traced array: branch with ``np.where`` instead."""


class BackendError(GraphcError, RuntimeError):
    """A target that can't be used on this machine: the message says what is missing."""


class ExportError(GraphcError, ValueError):
    """A graph that can't be written in, or read from, the wanted form."""


class CacheError(GraphcError, OSError):
    """The disk cache can't be used as asked."""


class VerificationError(GraphcError, AssertionError):
    """The compiled result differs from the NumPy evaluator's, or the IR breaks an invariant."""


class MemoryLimitError(GraphcError, MemoryError):
    """``memory_limit`` can't be kept: the message says the smallest that can, as far as tried."""


class NonFiniteError(GraphcError, FloatingPointError):
    """``debug="nan"`` met an operation that made a NaN or inf."""


class LinAlgError(GraphcError, np.linalg.LinAlgError):
    """A linear algebra routine failed, as NumPy's would: a singular matrix, no convergence."""


__all__ = [
    "BackendError",
    "CacheError",
    "DTypeError",
    "DivisionError",
    "DomainError",
    "ExportError",
    "GraphcError",
    "LinAlgError",
    "Location",
    "MemoryLimitError",
    "NonFiniteError",
    "OutOfBoundsError",
    "ShapeError",
    "StateError",
    "TraceError",
    "UnsupportedError",
    "VerificationError",
]
