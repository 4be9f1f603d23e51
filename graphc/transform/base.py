"""What all transformations share: traced in a traced function, compiled when called on arrays."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from inspect import isroutine
from types import MethodType
from typing import Any

from graphc import specialize
from graphc.frames import USER_FRAMES
from graphc.options import Options
from graphc.trace.context import current


class Transform:
    """A function made from another. In a traced function it is traced through, else it compiles."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        if not callable(function):
            raise TypeError(f"{name} takes a function, not a {type(function).__name__}")
        # The attributes of an object that can be called are its own.
        update_wrapper(self, function, updated=("__dict__",) if isroutine(function) else ())
        self.__wrapped__ = function
        self._describe(name, function)

    def _describe(self, name: str, function: Callable[..., Any]) -> None:
        """Take a name and a docstring that say what this is of which function."""
        inner = getattr(function, "__name__", type(function).__name__)
        self.__name__ = self.__qualname__ = f"{name}({inner})"
        head = f"`graphc.{name}` of `{inner}`, of the same arguments."
        self.__doc__ = f"{head}\n\n{function.__doc__}" if function.__doc__ else head

    def traced(self, *args: Any, **kwargs: Any) -> Any:
        """What a call does while it is traced."""
        raise NotImplementedError

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with USER_FRAMES:
            if current() is not None:
                return self.traced(*args, **kwargs)
            if specialize.is_eager():
                return specialize.run_eagerly(self, args, kwargs)
            forms = specialize.specializations_of(self, self.__name__, Options())
            return forms.call(self, args, kwargs, ())

    def __get__(self, instance: object | None, owner: type | None = None) -> Transform:
        return self if instance is None else self._with(MethodType(self.__wrapped__, instance))

    def _parameters(self) -> tuple[Any, ...]:
        """What decides the code besides the function."""
        return ()

    def _with(self, function: Callable[..., Any]) -> Transform:
        """The same transformation of another function."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"<graphc.{self.__name__}>"

    def __graphc_fingerprint__(self) -> Any:
        return (type(self), self._parameters(), specialize.fingerprint(self.__wrapped__))

    def __graphc_rewrap__(self, capture: Any, source: str) -> Any:
        capture.require(f"type({source}) is {capture.constant(type(self))}")
        held = capture.constant(self._parameters())
        capture.require(f"{source}._parameters() == {held}")
        return self._with(capture.wrap(self.__wrapped__, f"{source}.__wrapped__"))
