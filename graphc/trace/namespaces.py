"""Stand-ins for what holds names: a function's globals, a user's module, a user's class.

Each wraps a member when it is first read, so that only what is read becomes an input or a guard.
"""

from __future__ import annotations

from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from graphc.trace.instances import instance_class
from graphc.trace.substitute import BUILTINS

_ABSENT: Any = object()


class Globals(dict[str, Any]):
    """A function's globals, wrapped as they are read.

    `before` keeps what was read, so that a ``global`` rebinding can be told and carried back;
    `codes` are those of the functions that it serves.
    """

    def __init__(self, original: dict[str, Any], source: str, capture: Any) -> None:
        super().__init__()
        self.original = original
        self.source = source
        self.before: dict[str, Any] = {}
        self.codes: list[CodeType] = []
        self._capture = capture
        self["__builtins__"] = BUILTINS

    def __missing__(self, name: str) -> Any:
        if name not in self.original:
            self._capture.require(f"{name!r} not in {self.source}")
            raise KeyError(name)
        value = self.original[name]
        wrapped = self._capture.wrap(value, f"{self.source}[{name!r}]")
        self[name] = self.before[name] = wrapped
        return wrapped

    def __contains__(self, name: object) -> bool:
        if super().__contains__(name):
            return True
        found = name in self.original
        self._capture.require(f"{'' if found else 'not '}{name!r} in {self.source}")
        return found

    def get(self, name: str, default: Any = None) -> Any:
        """``globals().get(name)``, with a guard on whether it is there."""
        if name not in self:
            return default
        return self[name]

    def rebound(self) -> dict[str, Any]:
        """The names that traced code assigned with a ``global`` statement."""
        return {
            name: value
            for name, value in self.items()
            if name != "__builtins__" and self.before.get(name, _ABSENT) is not value
        }


class Module:
    """A module of the user's: its members wrapped as they are read."""

    def __init__(self, module: ModuleType, source: str, capture: Any) -> None:
        self.__dict__["_graphc"] = (module, source, capture)

    def __getattr__(self, name: str) -> Any:
        module, source, capture = self.__dict__["_graphc"]
        if not hasattr(module, name):
            capture.require(f"not hasattr({source}, {name!r})")
        wrapped = capture.wrap(getattr(module, name), f"{source}.{name}")
        self.__dict__[name] = wrapped
        return wrapped


class _ClassStandIn(type):
    """The type of stand-ins for a user's classes: like the class for isinstance, ``==``, calls."""

    graphc: tuple[type, str, Any]

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.graphc[0])

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(
            vars(other)["graphc"][0] if "graphc" in vars(other) else other, cls.graphc[0]
        )

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return instance_class(cls.graphc[0])(*args, **kwargs)

    def __eq__(cls, other: object) -> bool:
        return cls is other or cls.graphc[0] is other

    def __hash__(cls) -> int:
        return hash(cls.graphc[0])

    def __repr__(cls) -> str:
        return repr(cls.graphc[0])

    def __getattribute__(cls, name: str) -> Any:
        if name == "graphc" or (name.startswith("__") and name.endswith("__")):
            return super().__getattribute__(name)
        actual, source, capture = super().__getattribute__("graphc")
        member = class_member(actual, name)
        if isinstance(member, classmethod):
            return MethodType(capture.kept(member.__func__), cls)
        if isinstance(member, staticmethod):
            return capture.kept(member.__func__)
        if isinstance(member, FunctionType):
            return capture.kept(member)
        return capture.wrap(getattr(actual, name), f"{source}.{name}")


def class_stand_in(actual: type, source: str, capture: Any) -> Any:
    """What traced code sees in place of a class of the user's."""
    return _ClassStandIn(actual.__name__, (), {"graphc": (actual, source, capture)})


def actual_class(kind: Any) -> Any:
    """The user's class that a stand-in is for; `kind` itself where it is none."""
    return kind.graphc[0] if type(kind) is _ClassStandIn else kind


def class_member(kind: type, name: str) -> Any:
    """The member `name` of a class as it is written there, unbound; None if there is none."""
    for base in kind.__mro__:
        if name in vars(base):
            return vars(base)[name]
    return None
