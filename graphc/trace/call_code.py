"""Call code: generated Python that feeds a form and delivers its results; what it is made of.

See `graphc.trace.program`, which writes it.
"""

from __future__ import annotations

import copy
import linecache
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc.trace.namespaces import class_member
from graphc.trace.results import filled
from graphc.trace.sharing import flat_block
from graphc.trace.views import stride_pattern
from graphc.types import Size, evaluate_size


class _Miss:
    """The call code's answer when the specialisation does not fit the call."""

    def __repr__(self) -> str:
        return "MISS"


MISS: Any = _Miss()
CallCode = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]


def guarded(lines: Sequence[str], depth: int) -> list[str]:
    """Statements of call code that fetch and guard: what they can't read is no fit."""
    if not lines:
        return []
    errors = "(AttributeError, IndexError, KeyError, TypeError, ValueError)"
    body = ["try:", *(f"    {line}" for line in lines), f"except {errors}:", "    return MISS"]
    return ["    " * depth + line for line in body]


def replay(array: np.ndarray, path: Sequence[Any], resolve: Any) -> np.ndarray:
    """The view of `array` that the steps of `path` take."""
    for step in path:
        array = step.replay(array, resolve)
    return array


def resolver(sizes: Mapping[str, int]) -> Callable[[Size], int]:
    """A function that gives the number behind a size."""
    return lambda size: evaluate_size(size, sizes)


def like_instance(like: Any, fields: Mapping[str, Any]) -> Any:
    """An instance of the class of `like` with its attributes but for the given ones."""
    return make_instance(type(like), vars(like) | fields)


def make_instance(kind: type, fields: Mapping[str, Any]) -> Any:
    """An instance with the given attributes, made without its ``__init__``."""
    instance: Any = object.__new__(kind)
    for name, value in fields.items():
        object.__setattr__(instance, name, value)
    return instance


def declined(*arguments: Any) -> None:
    """In place of a native caller where there is none."""


def compile_call(
    source: str,
    constants: list[Any],
    label: str,
    run: Callable[..., Any],
    native: Callable[..., Any] = declined,
    fail: Callable[..., Any] = declined,
) -> CallCode:
    """The call code as a Python function; its source shows in tracebacks.

    Args:
        run: ``(arrays, sizes, miss)`` -> the list of outputs.
        native: the native caller; see `graphc.codegen.words.caller`.
        fail: raises what a failed step's status and error record mean.
    """
    file = f"<graphc call {label} {id(constants):x}>"
    given = {"k": constants, "native": native, "run": run, "fail": fail}
    namespace = _CALL_NAMES | given
    exec(compile(source, file, "exec"), namespace)
    linecache.cache[file] = (len(source), None, source.splitlines(True), file)
    call: CallCode = namespace["call"]
    return call


_CALL_NAMES: dict[str, Any] = {
    "MISS": MISS,
    "asarray": np.asarray,
    "class_member": class_member,
    "copied": copy.copy,
    "filled": filled,
    "flat_block": flat_block,
    "like_instance": like_instance,
    "make_instance": make_instance,
    "ndarray": np.ndarray,
    "replay": replay,
    "resolver": resolver,
    "stride_pattern": stride_pattern,
}
"""The globals of call code."""


def evaluate(name: str, lines: Sequence[str], constants: list[Any], *call: Any) -> Any:
    """Run statements of call code on a call; MISS where they can't read it."""
    body = "".join(f"        {line}\n" for line in lines)
    source = (
        f"def {name}(fn, args, kwargs, k):\n    try:\n{body}"
        "    except (AttributeError, IndexError, KeyError, TypeError, ValueError):\n"
        "        return MISS\n"
    )
    namespace = dict(_CALL_NAMES)
    exec(compile(source, f"<graphc {name}>", "exec"), namespace)
    return namespace[name](*call, constants)
