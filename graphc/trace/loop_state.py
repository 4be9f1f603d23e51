"""What a turn of a Python loop hands to the next: the places that hold its state.

    State := slots, lists
    Slot  := key, leaf, store    # key: the root and the way from it; store: puts another leaf there

The roots are the variables of the loop's frame that are still live, and what traced code has
assigned elsewhere: attributes, entries of the caller's containers, globals, cells.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from graphc.trace.capture import Capture
from graphc.trace.objects import ObjectProxy
from graphc.trace.trees import children, is_container, with_children
from graphc.trace.values import is_traced

Key = tuple[Any, ...]
Store = Callable[[Any], None]


@dataclass(slots=True, eq=False)
class Slot:
    """A place that holds a leaf; `store` is None where it can't be replaced."""

    leaf: Any
    store: Store | None


@dataclass(slots=True, eq=False)
class State:
    """All slots that can be reached, and all lists with their lengths, by key."""

    slots: dict[Key, Slot]
    lists: dict[Key, tuple[list[Any], int]]

    def grown(self, before: State) -> dict[Key, int]:
        """The lists that are longer than in the state before, and by how much."""
        found: dict[Key, int] = {}
        for key, (items, length) in self.lists.items():
            old, old_length = before.lists.get(key, (None, length))
            if old is items and length > old_length:
                found[key] = length - old_length
        return found

    def without(self, lists: Iterable[Key]) -> dict[Key, Slot]:
        """The slots that are not below `lists`."""
        roots = tuple(lists)
        return {
            key: slot
            for key, slot in self.slots.items()
            if not any(key[: len(root)] == root for root in roots)
        }


def set_local(frame: FrameType, name: str, value: Any) -> None:
    """Give a variable of a running function another value."""
    frame.f_locals[name] = value
    if sys.version_info < (3, 13):  # f_locals is a copy there, written back by a call
        ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))


def state_of(frame: FrameType, live: Iterable[str], capture: Capture) -> State:
    """The state that a loop in `frame` hands on, where `live` are the variables it may read."""
    walk = _Walk()
    names = frame.f_locals
    for name in sorted(live):
        if name in names:
            walk.visit((name,), names[name], partial(set_local, frame, name))
    for number, proxy in enumerate(capture.objects):
        for name, value in proxy._graphc_written.items():
            store = partial(proxy._graphc_written.__setitem__, name)
            walk.visit(("attribute", number, name), value, store)
    for number, container in enumerate(capture.containers):
        walk.visit(("container", number), container.copy, None)
    for number, namespace in enumerate(capture.namespaces.values()):
        for name, value in namespace.rebound().items():
            walk.visit(("global", number, name), value, partial(namespace.__setitem__, name))
    for number, cell in enumerate(capture.cells.values()):
        if cell.copy.cell_contents is not cell.before:
            store = partial(setattr, cell.copy, "cell_contents")
            walk.visit(("cell", number), cell.copy.cell_contents, store)
    return State(walk.slots, walk.lists)


class _Walk:
    """Gathers the leaves below containers, objects and closures."""

    def __init__(self) -> None:
        self.slots: dict[Key, Slot] = {}
        self.lists: dict[Key, tuple[list[Any], int]] = {}
        self.seen: set[int] = set()
        self.kept: list[Any] = []

    def visit(self, key: Key, value: Any, store: Store | None) -> None:
        found = None if is_traced(value) else _below(value, store)
        if found is None:
            self.slots[key] = Slot(_contents(value), store)
            return
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        self.kept.append(value)
        if type(value) is list:
            self.lists[key] = (value, len(value))
        if not found:
            self.slots[key] = Slot((), None)
        for name, child, child_store in found:
            self.visit((*key, name), child, child_store)


def _contents(leaf: Any) -> Any:
    """The leaf itself; what a container of static values holds now, which may change."""
    if isinstance(leaf, set):
        return frozenset(leaf)
    return bytes(leaf) if isinstance(leaf, bytearray | array) else leaf


class _Tuple:
    """A tuple in a place that can be given another one, with some of its items replaced."""

    def __init__(self, items: Any, store: Store) -> None:
        self.items, self.store = items, store

    def put(self, number: int, value: Any) -> None:
        changed = [*self.items]
        changed[number] = value
        self.items = with_children(self.items, changed)
        self.store(self.items)


def _below(value: Any, store: Store | None) -> list[tuple[Any, Any, Store | None]] | None:
    """The (name, child, store) triples below `value`, which `store` replaces; None for a leaf."""
    if isinstance(value, dict | list | deque):
        return [(key, child, partial(value.__setitem__, key)) for key, child in children(value)]
    if isinstance(value, tuple):
        whole = None if store is None else _Tuple(value, store)
        return [
            (key, child, None if whole is None else partial(whole.put, key))
            for key, child in children(value)
        ]
    if is_container(value):
        return [
            (name, child, partial(object.__setattr__, value, name))
            for name, child in children(value)
        ]
    if isinstance(value, FunctionType):
        cells = value.__closure__ or ()
        return [
            (number, cell.cell_contents, partial(setattr, cell, "cell_contents"))
            for number, cell in enumerate(cells)
            if _filled(cell)
        ]
    if isinstance(value, MethodType):
        return [("self", value.__self__, None)]
    if isinstance(value, partial):
        return [("func", value.func, None), ("args", value.args, None)]
    if _is_plain_object(value):
        return [
            (name, child, partial(value.__dict__.__setitem__, name))
            for name, child in vars(value).items()
        ]
    return None


def _filled(cell: Any) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True


def _is_plain_object(value: Any) -> bool:
    """Whether `value` is an instance that traced code may have made and given attributes."""
    if isinstance(value, type | ModuleType | BuiltinFunctionType | np.ndarray | np.generic):
        return False
    if issubclass(type(value), ObjectProxy) or type(value).__module__.split(".")[0] == "graphc":
        return False
    return isinstance(getattr(value, "__dict__", None), dict)


def same_static(left: Any, right: Any) -> bool:
    """Whether two leaves that are no traced values are the same for tracing."""
    if left is right:
        return True
    if type(left) is not type(right):
        return False
    if isinstance(left, int | float | complex | str | bytes | frozenset | np.generic):
        return bool(left == right or (left != left and right != right))
    return False


def described(key: Key) -> str:
    """A slot's key in the user's words."""
    root, *rest = key
    if root in ("attribute", "container", "global", "cell"):
        return f"an {root}" if root == "attribute" else f"a {root}"
    return str(root) + "".join(f"[{name!r}]" for name in rest)
