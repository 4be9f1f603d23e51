"""What kind of thing a captured object is: static, user's own, foreign, a source of randomness."""

from __future__ import annotations

import argparse
import array
import collections
import enum
import io
import queue
import random
import sys
from collections.abc import Iterator, MutableMapping, MutableSequence, MutableSet
from types import FunctionType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.types import supported_dtype

STATIC_TYPES = (
    bool,
    int,
    str,
    bytes,
    type(None),
    slice,
    type(Ellipsis),
    np.dtype,
    enum.Enum,
    range,
)

CONTENTS_TYPES = (set, frozenset, bytearray, array.array)
"""Containers of what is known while tracing: a captured one is guarded by its contents."""

_MOVING = (
    Iterator,
    MutableMapping,
    MutableSequence,
    MutableSet,
    memoryview,
    queue.Queue,
    queue.SimpleQueue,
)
_WRITABLE = (np.ndarray, dict, list, collections.deque, *CONTENTS_TYPES)
_FOREIGN = {"numpy", "scipy", "graphc", "numba", "networkx", "jax", "torch", "matplotlib", "rich"}
_TRACED = (
    "graphc.nn",
    "graphc.optim",
    "graphc.training.steps",
    "graphc.loading.module",
    "graphc.loading.onnx.model",
    "graphc.exporting.structure",
)
"""Packages of graphc that are written as user code is."""


def has_identity(value: Any) -> bool:
    """Whether it matters that two sources give the same object (it may be written)."""
    if isinstance(value, (*_WRITABLE, FunctionType, ModuleType)):
        return True
    if isinstance(value, type):
        return is_user_class(value)
    return is_user_object(value) and not isinstance(value, (*STATIC_TYPES, tuple))


def is_foreign(module: str) -> bool:
    """Whether a module's functions run as they are: Python's own, NumPy's, graphc's.

    Layers and optimizers are graphc's, yet plain NumPy as a user's: they are traced.
    """
    top = module.split(".")[0]
    if top == "graphc" and module.startswith(_TRACED):
        return False
    return top in _FOREIGN or (top in sys.stdlib_module_names and top != "__main__")


def is_user_object(value: Any) -> bool:
    """Whether traced code should see an object through a proxy that captures its attributes."""
    if isinstance(value, SimpleNamespace | argparse.Namespace):
        return True
    has_attributes = hasattr(value, "__dict__") or hasattr(type(value), "__slots__")
    return has_attributes and not is_foreign(type(value).__module__)


def is_user_class(value: type) -> bool:
    """Whether traced code should see a class through a stand-in: not exceptions, enums, types."""
    special = issubclass(value, BaseException | enum.Enum | type) or hasattr(value, "_fields")
    return not special and not is_foreign(value.__module__)


def draws_at_random(value: Any) -> bool:
    """Whether `value` is a random generator, or a function of one."""
    owner = getattr(value, "__self__", value)
    module = type(owner).__module__
    return isinstance(owner, random.Random) or (
        module.startswith("numpy.random") and not isinstance(owner, ModuleType)
    )


def is_moving(value: Any) -> bool:
    """Whether `value` has a state of its own that no guard sees: an iterator, a queue, a view.

    Files are left alone: what is printed to one happens while tracing, as any print does.
    """
    left_alone = isinstance(value, (io.IOBase, type, *CONTENTS_TYPES))
    return not left_alone and isinstance(value, _MOVING)


def attributes_of(value: Any) -> dict[str, Any]:
    """The attributes that an object has of its own, in its dict and its slots."""
    found: dict[str, Any] = dict(getattr(value, "__dict__", {}))
    for kind in type(value).__mro__:
        slots = vars(kind).get("__slots__", ())
        names = (slots,) if isinstance(slots, str) else tuple(slots)
        for name in names:
            if name not in ("__dict__", "__weakref__") and hasattr(value, name):
                found[name] = getattr(value, name)
    return found


def supported_array(value: np.ndarray) -> np.dtype:
    """The dtype of an argument array.

    Raises:
        DTypeError: a dtype that graphc does not have, or a masked array or matrix.
    """
    if type(value) not in (np.ndarray, np.memmap):
        raise DTypeError(
            f"a {type(value).__name__} is not supported, only plain arrays are",
            hint="Pass np.asarray(x); for a masked array, the mask as an array of its own.",
        )
    if not value.dtype.isnative:
        raise DTypeError(f"dtype {value.dtype} is not in native byte order")
    return supported_dtype(value.dtype)
