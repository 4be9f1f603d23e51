"""Objects with attributes in traced code: reads are captured, writes recorded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from graphc.trace.convert import holds_traced
from graphc.trace.namespaces import class_member
from graphc.trace.rebinding import ABSENT, refuse_attribute

_NOT_FORWARDED = {
    "__new__",
    "__init__",
    "__init_subclass__",
    "__class_getitem__",
    "__getattribute__",
    "__getattr__",
    "__setattr__",
    "__delattr__",
    "__del__",
    "__reduce__",
    "__reduce_ex__",
    "__getstate__",
    "__setstate__",
}


PYTHON_MEMBERS = (property, FunctionType, classmethod, staticmethod)
"""Members of a class that run Python functions."""


class ObjectProxy:
    """Stands for an object; `written` holds the attributes that traced code has set."""

    __slots__ = (
        "_graphc_capture",
        "_graphc_changed",
        "_graphc_object",
        "_graphc_read",
        "_graphc_source",
        "_graphc_written",
    )

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return type(object.__getattribute__(self, "_graphc_object"))

    def __getattr__(self, name: str) -> Any:
        written = self._graphc_written
        if name in written:
            return written[name]
        read = self._graphc_read
        if name not in read:
            read[name] = _attribute(self, name)
        return read[name]

    def __setattr__(self, name: str, value: Any) -> None:
        before = self._graphc_written.get(name, self._graphc_read.get(name, self))
        if before is value:
            return
        if not _holds_arrays(value):
            owner = self._graphc_object
            old = getattr(owner, name, ABSENT) if before is self else before
            raise refuse_attribute(type(owner).__name__, name, old, value)
        self._graphc_written[name] = value

    def _graphc_attributes(self, bears: Callable[[Any], bool]) -> list[str]:
        """The names of the attributes for which `bears` holds, guarded."""
        owner, source, capture = self._graphc_object, self._graphc_source, self._graphc_capture
        held = vars(owner)
        capture.require(f"tuple(vars({source})) == {tuple(held)!r}")
        found = []
        for name, value in (held | self._graphc_read | self._graphc_written).items():
            if name in held or name in self._graphc_written:
                if bears(value):
                    found.append(name)
                elif isinstance(value, list | tuple | dict):
                    read = read_attribute(source, name)
                    capture.require(f"not {capture.constant(bears)}({read})")
        return found

    def _graphc_with(self, items: Mapping[str, Any]) -> ObjectProxy:
        """An object like this one whose attributes `items` are others; writes to it stay with it.

        A later call makes it of the object that it finds in place of this one.
        """
        made = object.__new__(type(self))
        owner, source, capture = self._graphc_object, self._graphc_source, self._graphc_capture
        _fill(made, owner, source, capture)
        made._graphc_read.update(self._graphc_read | self._graphc_written | items)
        object.__setattr__(made, "_graphc_changed", self._graphc_changed | set(items))
        return made

    def __graphc_changes__(self) -> dict[str, Any]:
        """The attributes in which this differs from the caller's object."""
        found: dict[str, Any] = {name: getattr(self, name) for name in self._graphc_changed}
        found.update(self._graphc_written)
        return found


def read_attribute(source: str, name: str) -> str:
    """An expression for an attribute of what `source` fetches."""
    return f"{source}.{name}" if name.isidentifier() else f"getattr({source}, {name!r})"


def _holds_arrays(value: Any) -> bool:
    if isinstance(value, np.ndarray | np.generic | float) or holds_traced(value):
        return True
    return isinstance(value, list | tuple | deque) and any(_holds_arrays(item) for item in value)


def _attribute(proxy: ObjectProxy, name: str) -> Any:
    owner, source, capture = proxy._graphc_object, proxy._graphc_source, proxy._graphc_capture
    if name in getattr(owner, "__dict__", {}):
        return capture.wrap(getattr(owner, name), read_attribute(source, name))
    member = class_member(type(owner), name)
    if isinstance(member, PYTHON_MEMBERS):
        # The class may be given another member of this name, or the object one of its own.
        found = f"class_member(type({source}), {name!r}) is {capture.constant(member)}"
        capture.require(f"{found} and {name!r} not in getattr({source}, '__dict__', ())")
        return bound_member(capture, member, proxy, type(owner))
    if not hasattr(owner, name):
        capture.require(f"not hasattr({source}, {name!r})")
    return capture.wrap(getattr(owner, name), read_attribute(source, name))


def bound_member(capture: Any, member: Any, target: Any, owner: type) -> Any:
    """What an object `target` of the user's class `owner` has as one of `PYTHON_MEMBERS`."""
    if isinstance(member, property):
        return capture.kept(member.fget)(target)
    if isinstance(member, FunctionType):
        return MethodType(capture.kept(member), target)
    if isinstance(member, classmethod):
        return MethodType(capture.kept(member.__func__), capture.kept(owner))
    return capture.kept(member.__func__)


@cache
def _proxy_type(kind: Any) -> type[ObjectProxy]:
    """A proxy class with the special methods that `kind` defines in Python."""

    def forward(function: FunctionType) -> Any:
        def method(self: ObjectProxy, *args: Any, **kwargs: Any) -> Any:
            return self._graphc_capture.kept(function)(self, *args, **kwargs)

        return method

    members: dict[str, Any] = {"__slots__": ()}
    for base in reversed(kind.__mro__):
        for name, member in vars(base).items():
            special = name.startswith("__") and name.endswith("__")
            if special and name not in _NOT_FORWARDED and isinstance(member, FunctionType):
                members[name] = forward(member)
    return type(kind.__name__, (ObjectProxy,), members)


def object_proxy(value: Any, source: str, capture: Any) -> ObjectProxy:
    """The stand-in for `value`, which a call finds by `source`."""
    kind: Any = type(value)
    proxy = object.__new__(_proxy_type(kind))
    _fill(proxy, value, source, capture)
    return proxy


def _fill(proxy: ObjectProxy, value: Any, source: str, capture: Any) -> None:
    for name, content in (
        ("_graphc_object", value),
        ("_graphc_source", source),
        ("_graphc_capture", capture),
        ("_graphc_changed", frozenset()),
        ("_graphc_read", {}),
        ("_graphc_written", {}),
    ):
        object.__setattr__(proxy, name, content)


def attribute_stores(proxies: Iterable[ObjectProxy], deliver: Callable[[Any], str]) -> list[str]:
    """Statements that set the attributes that traced code has set; `deliver` gives expressions."""
    lines = []
    for proxy in proxies:
        source = proxy._graphc_source
        for name, item in proxy._graphc_written.items():
            value = deliver(item)
            plain = name.isidentifier()
            lines.append(
                f"{source}.{name} = {value}" if plain else f"setattr({source}, {name!r}, {value})"
            )
    return lines
