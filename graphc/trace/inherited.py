"""``super()`` and ``import`` in traced code: what they give is seen as all else there."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType, MethodType
from typing import Any

from graphc.trace.context import active
from graphc.trace.instances import original_class
from graphc.trace.namespaces import actual_class
from graphc.trace.objects import PYTHON_MEMBERS, ObjectProxy, bound_member
from graphc.trace.substitute import BUILTINS


class _Super:
    """The members of an object, or a class, of the caller's that its bases after `kind` define."""

    __slots__ = ("_graphc",)

    def __init__(self, kind: type, target: Any) -> None:
        object.__setattr__(self, "_graphc", (kind, target))

    def __getattribute__(self, name: str) -> Any:
        kind, target = object.__getattribute__(self, "_graphc")
        bound = not isinstance(target, type)
        owner = original_class(target.__class__ if bound else actual_class(target))
        bases = owner.__mro__[owner.__mro__.index(kind) + 1 :]
        base = next((each for each in bases if name in vars(each)), None)
        if base is None:
            raise AttributeError(f"'super' object has no attribute {name!r}")
        member = vars(base)[name]
        capture = active().capture
        source = f"vars({capture.constant(base)})[{name!r}]"
        if isinstance(member, PYTHON_MEMBERS):
            capture.require(f"{source} is {capture.constant(member)}")
            if not bound and isinstance(member, FunctionType):
                return capture.kept(member)
            if bound or not isinstance(member, property):
                return bound_member(capture, member, target, owner)
        if base is object and issubclass(type(target), ObjectProxy):
            return MethodType(setattr, target) if name == "__setattr__" else getattr(target, name)
        if base is object:
            return member.__get__(target)
        return capture.wrap(member, source)


def _super(*given: Any) -> Any:
    """``super()`` of the method that calls it, or ``super(kind, target)``."""
    if not given:
        frame = sys._getframe(1)
        names = frame.f_locals
        if "__class__" not in names or not frame.f_code.co_argcount:
            raise RuntimeError("super(): no arguments")
        given = (names["__class__"], names[frame.f_code.co_varnames[0]])
    if len(given) != 2:
        return super(*given)
    kind, target = actual_class(given[0]), given[1]
    if isinstance(target, type) and actual_class(target) is target:
        return super(kind, target)
    proxy = issubclass(type(target), ObjectProxy)
    if proxy or isinstance(target, type) or original_class(type(target)) is not type(target):
        return _Super(kind, target)
    return super(kind, target)


def _import(
    name: str,
    globals: Mapping[str, Any] | None = None,
    locals: Mapping[str, Any] | None = None,
    fromlist: Sequence[str] | None = (),
    level: int = 0,
) -> Any:
    """What an ``import`` in traced code gives: modules as traced code sees them."""
    return active().capture.kept(builtins.__import__(name, globals, locals, fromlist or (), level))


BUILTINS["super"] = _super
BUILTINS["__import__"] = _import
