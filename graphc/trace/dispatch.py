"""What NumPy's protocols and Python's operators call, by name: filled by the modules that do it.

`FUNCTIONS` maps a NumPy function to graphc's implementation for traced arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from graphc.errors import GraphcError
from graphc.trace.context import located

FUNCTIONS: dict[Any, Callable[..., Any]] = {}
_HANDLERS: dict[str, Callable[..., Any]] = {}
_Function = TypeVar("_Function", bound=Callable[..., Any])


def handler(function: _Function) -> _Function:
    """Make `function` reachable as ``call(name, ...)`` from modules above it."""
    _HANDLERS[function.__name__] = function
    return function


def call(name: str, *args: Any, **kwargs: Any) -> Any:
    """Call the handler `name`; its errors name the user's line."""
    try:
        return _HANDLERS[name](*args, **kwargs)
    except GraphcError as error:
        raise located(error) from None


def locates(function: _Function) -> _Function:
    """Make the errors of `function` name the user's line."""

    @wraps(function)
    def located_function(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except GraphcError as error:
            raise located(error) from None

    return cast(_Function, located_function)


def implements(*functions: Any) -> Callable[[_Function], _Function]:
    """Register the decorated function as what `functions` of NumPy do with traced arguments."""

    def register(implementation: _Function) -> _Function:
        for function in functions:
            FUNCTIONS[function] = implementation
        return implementation

    return register


def call_function(function: Any, args: Any, kwargs: Any) -> Any:
    """Call the implementation of NumPy's `function`; its errors name the user's line."""
    try:
        return FUNCTIONS[function](*args, **kwargs)
    except GraphcError as error:
        raise located(error) from None
