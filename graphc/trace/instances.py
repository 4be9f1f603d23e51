"""Objects that traced code makes of a user's class: their methods are traced as functions are."""

from __future__ import annotations

import abc
from collections.abc import Callable
from functools import cache
from types import FunctionType
from typing import Any

from graphc.trace.context import active
from graphc.trace.kinds import is_foreign

_LEFT = {"__new__", "__init_subclass__", "__class_getitem__", "__del__", "__getattribute__"}
"""Members that are the class's own in traced code, too."""


def instance_class(actual: type) -> type:
    """The class whose instances traced code makes when it calls the user's class `actual`.

    It is a subclass whose Python functions see what traced code sees; `actual` itself where that
    has a metaclass or a ``__new__`` of its own.
    """
    construct: Any = actual.__new__
    plain = type(actual) in (type, abc.ABCMeta) and construct is object.__new__
    return _instance_class(actual) if plain else actual


def original_class(kind: type) -> type:
    """The user's class that `kind` was made for; `kind` itself if it was not."""
    found: type = vars(kind).get("_graphc_actual", kind)
    return found


@cache
def _instance_class(actual: type) -> type:
    members: dict[str, Any] = {
        "__slots__": (),
        "__module__": actual.__module__,
        "__qualname__": actual.__qualname__,
        "_graphc_actual": actual,
    }
    for base in reversed(actual.__mro__[:-1]):
        known = {} if is_foreign(base.__module__) else vars(base)
        for name, member in known.items():
            traced = _traced_member(base, name, member) if name not in _LEFT else None
            if traced is not None:
                members[name] = traced
    return type(actual)(actual.__name__, (actual,), members)


def _traced_member(base: type, name: str, member: Any) -> Any:
    """What stands for a member of a class; None where it is as good as it is."""

    def traced(part: str) -> Callable[..., Any] | None:
        def method(*args: Any, **kwargs: Any) -> Any:
            capture = active().capture
            # The class may have been given another member of this name.
            now = vars(base)[name]
            held = f"vars({capture.constant(base)}).get({name!r}) is {capture.constant(now)}"
            capture.require(held)
            return capture.kept(getattr(now, part) if part else now)(*args, **kwargs)

        return method if not part or getattr(member, part) is not None else None

    if isinstance(member, FunctionType):
        # What `dataclass` writes has no file, and nothing to see.
        return None if member.__code__.co_filename == "<string>" else traced("")
    if isinstance(member, property):
        return property(traced("fget"), traced("fset"), traced("fdel"))
    if isinstance(member, staticmethod):
        return staticmethod(traced("__func__"))  # type: ignore[arg-type]
    if isinstance(member, classmethod):
        return classmethod(traced("__func__"))  # type: ignore[arg-type]
    return None
