"""Refusal of what would change while tracing only: static attributes, globals and nonlocals."""

from __future__ import annotations

import dis
from collections.abc import Iterable
from types import CodeType
from typing import Any

import numpy as np

from graphc.errors import Location, TraceError
from graphc.trace.context import location_of, refused, user_location
from graphc.trace.convert import holds_traced

ABSENT: Any = object()
"""The value of a name or attribute that is not there."""


def refuse_attribute(kind: str, name: str, old: Any, new: Any) -> TraceError:
    """The error for an attribute of an object of class `kind` that is given a static value."""
    return refused(
        TraceError(
            _changed(f"{kind}.{name}", old, new),
            location=user_location(),
            hint=_hint(f"self.{name}", old, new, "Set it outside the compiled function."),
        )
    )


def check_rebinding(kind: str, name: str, old: Any, new: Any, codes: Iterable[CodeType]) -> None:
    """Refuse a ``global`` or ``nonlocal`` (`kind`) that is given a static value.

    Args:
        codes: of the functions that may have given it.

    Raises:
        TraceError: names the line that does.
    """
    if holds_traced(new) or isinstance(new, np.ndarray | float):
        return
    raise TraceError(
        _changed(f"{kind} {name}", old, new),
        location=_assignment(name, codes),
        hint=_hint(name, old, new, "Return the new value, and assign it outside."),
    )


def _changed(name: str, old: Any, new: Any) -> str:
    change = f"set to {new!r}" if old is ABSENT else f"changed from {old!r} to {new!r}"
    return f"{name} is {change} inside a compiled function, which would happen while tracing only"


def _hint(target: str, old: Any, new: Any, otherwise: str) -> str:
    if not isinstance(new, int) or not isinstance(old, int):
        return otherwise
    return (
        f"Keep it in a 0-d array, {target} = np.array({old!r}), made outside, and change that in "
        f"place: {target}[...] = value, or {target} += 1."
    )


def _assignment(name: str, codes: Iterable[CodeType]) -> Location | None:
    """The first line that assigns a global or nonlocal `name`, in functions and those in them."""
    for code in codes:
        for instruction in dis.get_instructions(code):
            stores = instruction.opname in ("STORE_GLOBAL", "STORE_DEREF")
            if stores and instruction.argval == name:
                return location_of(code, instruction.offset)
        inner = [item for item in code.co_consts if isinstance(item, CodeType)]
        found = _assignment(name, inner)
        if found is not None:
            return found
    return None
