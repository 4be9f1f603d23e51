"""``argnums``: which arguments of a function are differentiated by."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import DomainError
from graphc.trace.context import user_location

Argnums = int | tuple[int, ...]


def checked_argnums(name: str, function: Callable[..., Any], argnums: Any) -> Argnums:
    """`argnums` as an int, or a tuple of ints.

    Raises:
        TypeError: it is neither an int nor a sequence of ints; a bool is no position.
    """
    if isinstance(argnums, str | bytes) or not (_is_int(argnums) or isinstance(argnums, Sequence)):
        wrong = argnums
    elif _is_int(argnums):
        return operator.index(argnums)
    else:
        wrong = next((item for item in argnums if not _is_int(item)), None)
        if wrong is None and None not in argnums:
            return tuple(operator.index(item) for item in argnums)
    raise TypeError(
        f"{_call(name, function, argnums)}: {wrong!r} is no position of an argument. "
        "Give an int, as in argnums=0, or a tuple of ints, as in argnums=(0, 1)"
    )


def positions(
    name: str, function: Callable[..., Any], argnums: Argnums, args: Sequence[Any]
) -> Argnums:
    """`argnums` counted from the front of the positional arguments of a call.

    Raises:
        DomainError: a position that the call does not have, or one given twice.
    """
    wanted = (argnums,) if isinstance(argnums, int) else argnums
    count = len(args)
    found = []
    for position in wanted:
        if not -count <= position < count:
            raise DomainError(
                f"{_call(name, function, argnums)}: there is no argument {position}, the call has "
                f"{count} by position",
                location=user_location(),
                hint=f"Give {_range(count)}; an argument is differentiated by only where it is "
                "given by position.",
            )
        found.append(position % count)
    twice = next((k for k, place in enumerate(found) if place in found[:k]), None)
    if twice is not None:
        raise DomainError(
            f"{_call(name, function, argnums)}: {wanted[twice]} names argument {found[twice]} "
            "a second time",
            location=user_location(),
            hint="Name each argument once; negative numbers count from the end of the call.",
        )
    return found[0] if isinstance(argnums, int) else tuple(found)


def _is_int(item: Any) -> bool:
    return not isinstance(item, bool) and hasattr(type(item), "__index__")


def _range(count: int) -> str:
    if count == 0:
        return "at least one argument by position"
    return "argnums=0 or -1" if count == 1 else f"numbers from {-count} to {count - 1}"


def _call(name: str, function: Callable[..., Any], argnums: Any) -> str:
    """The transformation with its function's parameters, as it was written."""
    called = getattr(function, "__name__", type(function).__name__)
    try:
        parameters = str(
            inspect.signature(function).replace(return_annotation=inspect.Parameter.empty)
        )
    except (TypeError, ValueError):
        parameters = "(...)"
    return f"{name} of {called}{parameters} with argnums={argnums!r}"
