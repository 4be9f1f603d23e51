"""Containers and objects that traced code has made, as expressions that make them anew."""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
from collections.abc import Callable, Iterable
from typing import Any

from graphc.trace.instances import original_class
from graphc.trace.kinds import CONTENTS_TYPES, attributes_of, is_user_object


def container_expression(capture: Any, value: Any, deliver: Callable[[Any], str]) -> str:
    """An expression for a new container like `value`; "" where it is none.

    Args:
        deliver: gives an expression for what it holds.
    """
    kind = original_class(type(value))
    if isinstance(value, dict):
        capture.trace.refuse_texts(tuple(value))
        pairs = [(capture.constant(key), item) for key, item in value.items()]
        items = f"{{{', '.join(f'{key}: {deliver(item)}' for key, item in pairs)}}}"
        return items if kind is dict else _filled(capture, value, items, deliver)
    if isinstance(value, tuple) and hasattr(kind, "_fields"):
        return f"{capture.constant(kind)}({', '.join(deliver(item) for item in value)})"
    if isinstance(value, list | collections.deque | tuple):
        body = "".join(f"{deliver(item)}, " for item in value)
        if kind is tuple:
            return f"({body})"
        return f"[{body}]" if kind is list else _filled(capture, value, f"[{body}]", deliver)
    if _is_plain_object(value):
        fields = ", ".join(f"{n!r}: {deliver(item)}" for n, item in attributes_of(value).items())
        return f"make_instance({capture.constant(kind)}, {{{fields}}})"
    if isinstance(value, CONTENTS_TYPES):
        return f"copied({capture.constant(copy.copy(value))})"
    return ""


def _is_plain_object(value: Any) -> bool:
    """Whether `value` is made up by its attributes: a dataclass, an object of a user's class."""
    if isinstance(value, type | enum.Enum):
        return False
    if not (dataclasses.is_dataclass(value) or is_user_object(value)):
        return False
    construct: Any = type(value).__new__
    return construct is object.__new__


def _filled(capture: Any, value: Any, items: str, deliver: Callable[[Any], str]) -> str:
    """An expression for a container of a class of its own: its items, then its attributes."""
    attributes = dict(getattr(value, "__dict__", {}))
    if isinstance(value, collections.defaultdict):
        attributes["default_factory"] = value.default_factory
    named = ", ".join(f"{name!r}: {deliver(item)}" for name, item in attributes.items())
    maxlen = getattr(value, "maxlen", None)
    return f"filled({capture.constant(type(value))}, {items}, {{{named}}}, {maxlen})"


def filled(kind: type, items: Iterable[Any], attributes: dict[str, Any], maxlen: int | None) -> Any:
    """A container of class `kind`, made without its ``__init__``.

    `maxlen` is a deque's.
    """
    if issubclass(kind, tuple):
        made: Any = tuple.__new__(kind, items)
    elif issubclass(kind, dict):
        base = collections.OrderedDict if issubclass(kind, collections.OrderedDict) else dict
        made = kind.__new__(kind)
        for key, item in dict(items).items():
            base.__setitem__(made, key, item)
    elif issubclass(kind, collections.deque):
        made = kind.__new__(kind)
        collections.deque.__init__(made, items, maxlen)
    else:
        made = kind.__new__(kind)
        list.extend(made, items)
    for name, item in attributes.items():
        setattr(made, name, item)
    return made
