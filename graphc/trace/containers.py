"""Containers of the caller's in traced code: copies, and what puts their changes back.

Dicts, lists, deques and dataclass instances (subclasses too) hold values, and their items are
wrapped. Sets, bytearrays and ``array.array`` hold what is known while tracing: they are copied
whole, and guarded by their contents.
"""

from __future__ import annotations

import collections
import copy
import dataclasses
import enum
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from graphc.errors import TraceError
from graphc.trace.context import user_location
from graphc.trace.instances import instance_class
from graphc.trace.kinds import attributes_of, is_user_object


@dataclass(slots=True, eq=False)
class Container:
    """A container of the caller's, its traced copy, and what the copy held at first.

    `kind` says what may change: ``item``, ``attribute``, or ``contents``, all at once.
    """

    source: str
    copy: Any
    before: Any
    kind: str


def wrap_dict(capture: Any, value: Any, source: str) -> Any:
    """A copy of a dict, of its type, whose values are wrapped."""
    capture.require(f"type({source}) is {capture.constant(type(value))}", structural=True)
    held = capture.constant(tuple(value))
    capture.require(f"tuple({source}) == {held}")
    copied = _shell(capture, value, source)
    items = {}
    for position, (key, item) in enumerate(value.items()):
        text = repr(key) if type(key) in (str, int) else f"{held}[{position}]"
        items[key] = capture.wrap(item, f"{source}[{text}]", f"the entry {key!r}")
    dict.update(copied, items)  # the keys are there: the type's own update may count, as Counter's
    if isinstance(copied, collections.defaultdict):
        copied.default_factory = capture.wrap(value.default_factory, f"{source}.default_factory")
    capture.containers.append(Container(source, copied, dict(items), "item"))
    return copied


def wrap_sequence(capture: Any, value: Any, source: str) -> Any:
    """A copy of a list, deque or tuple, of its type, whose items are wrapped."""
    kind = capture.constant(type(value))
    capture.require(f"type({source}) is {kind} and len({source}) == {len(value)}", structural=True)
    if isinstance(value, collections.deque):
        capture.require(f"{source}.maxlen == {value.maxlen}")
    if isinstance(value, tuple):
        wrapped = _wrapped_items(capture, value, source)
        make: Callable[[Any], Any] = getattr(type(value), "_make", type(value))
        return make(wrapped)
    copied = _shell(capture, value, source)
    for position, item in enumerate(_wrapped_items(capture, value, source)):
        copied[position] = item
    capture.containers.append(Container(source, copied, dict(enumerate(copied)), "item"))
    return copied


def _wrapped_items(capture: Any, value: Any, source: str) -> list[Any]:
    return [
        capture.wrap(item, f"{source}[{position}]", f"element {position}")
        for position, item in enumerate(value)
    ]


def _shell(capture: Any, value: Any, source: str) -> Any:
    """A copy of `value`, whose attributes are wrapped and whose items are not yet.

    It is known at once as the stand-in for `value`, which may hold itself.
    """
    copied = copy.copy(value)
    capture.remember(value, copied, source)
    attributes = getattr(value, "__dict__", None)
    if attributes is not None:
        capture.require(f"tuple(vars({source})) == {tuple(attributes)}")
        wrapped = {
            name: capture.wrap(item, f"{source}.{name}") for name, item in attributes.items()
        }
        vars(copied).update(wrapped)
        capture.containers.append(Container(source, copied, wrapped, "attribute"))
    return copied


def wrap_dataclass(capture: Any, value: Any, source: str) -> Any:
    """A dataclass instance as a copy whose fields are traced."""
    capture.require(f"type({source}) is {capture.constant(type(value))}")
    copied: Any = object.__new__(instance_class(type(value)))
    before = {}
    for item in dataclasses.fields(value):
        name = item.name
        before[name] = capture.wrap(getattr(value, name), f"{source}.{name}", f"field {name}")
        object.__setattr__(copied, name, before[name])
    if not value.__dataclass_params__.frozen:
        capture.containers.append(Container(source, copied, before, "attribute"))
    return copied


def wrap_contents(capture: Any, value: Any, source: str) -> Any:
    """A copy of a container of static values, guarded by its contents.

    Raises:
        TraceError: it holds an object whose attributes no guard would see.
    """
    for item in value:
        if isinstance(item, FunctionType) or (
            is_user_object(item) and not isinstance(item, enum.Enum)
        ):
            raise TraceError(
                f"a {type(value).__name__} holds a {type(item).__name__}, which a compiled "
                "function can't read from there",
                location=user_location(),
                hint="Keep it in a list, tuple or dict.",
            )
    before = copy.copy(value)
    held = capture.constant(before)
    capture.require(f"type({source}) is type({held}) and {source} == {held}")
    copied = copy.copy(value)
    if not isinstance(value, frozenset):
        capture.containers.append(Container(source, copied, before, "contents"))
    return copied


# --- putting changes back -------------------------------------------------------------------------


def stores(capture: Any, deliver: Callable[[Any], str]) -> list[str]:
    """Statements of call code that change the caller's containers as their copies were changed."""
    lines: list[str] = []
    for container in capture.containers:
        if container.kind == "contents":
            lines += _stored_contents(capture, container)
        else:
            lines += _stored_items(capture, container, deliver)
    return lines


def _stored_contents(capture: Any, container: Container) -> list[str]:
    if container.copy == container.before:
        return []
    capture.trace.refuse_texts(container.copy)
    held = capture.constant(copy.copy(container.copy))
    if isinstance(container.copy, set):
        return [f"{container.source}.clear()", f"{container.source}.update({held})"]
    return [f"{container.source}[:] = {held}"]


def _stored_items(capture: Any, container: Container, deliver: Callable[[Any], str]) -> list[str]:
    lines: list[str] = []
    source, attribute = container.source, container.kind == "attribute"
    current = attributes_of(container.copy) if attribute else container.copy
    is_dict = isinstance(current, dict)
    after = dict(current.items() if is_dict else enumerate(current))
    capture.trace.refuse_texts(tuple(after))
    for key, item in after.items():
        if key in container.before and container.before[key] is item:
            continue
        if not is_dict and key not in container.before:
            lines.append(f"{source}.append({deliver(item)})")
            continue
        target = f".{key}" if attribute else f"[{capture.constant(key)}]"
        lines.append(f"{source}{target} = {deliver(item)}")
    removed = [key for key in container.before if key not in after]
    if attribute:
        return lines + [f"del {source}.{key}" for key in removed]
    kept = [key for key in container.before if key in after]
    if list(after) != kept + [key for key in after if key not in container.before]:
        lines.append(f"{source}.clear()")
        for key, item in after.items():
            lines.append(f"{source}[{capture.constant(key)}] = {deliver(item)}")
        return lines
    for key in removed:
        lines.append(f"del {source}[{capture.constant(key) if is_dict else -1}]")
    return lines
