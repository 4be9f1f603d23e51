"""Pytrees: nested dicts, lists, deques, tuples, dataclasses and None, with values as leaves.

Our own rather than optree's, for dataclasses need no registration here, dicts keep their order, and
objects of the user's are leaves, but those of a class that derives from `Attributed`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.trace.values import TracedArray, is_traced


class Attributed:
    """A base for classes whose instances are containers: of the arrays among their attributes.

    Objects of such classes, and lists, tuples and dicts that hold some, are children too. A
    derivative is not taken by the arrays of `_buffers`, and by none below an object that is
    `_frozen`.
    """

    _buffers: tuple[str, ...] = ()
    _frozen: bool = False


LONG = 64
"""Items of a container beyond which it is taken for data, if none of the first is an array."""


def bears_arrays(value: Any) -> bool:
    """Whether an attribute of an `Attributed` is a child of it."""
    if isinstance(value, np.ndarray | TracedArray | Attributed):
        return not isinstance(value, np.ndarray) or value.dtype.kind in "biufc"
    plain = isinstance(value, list | tuple | dict) and not is_traced(value)
    return plain and any(bears_arrays(item) for _, item in children(value)[:LONG])


def _attributes(tree: Any) -> list[tuple[str, Any]]:
    """The children of an `Attributed`; traced code sees a proxy of it, which guards their names."""
    if hasattr(type(tree), "_graphc_attributes"):
        return [(name, getattr(tree, name)) for name in tree._graphc_attributes(bears_arrays)]
    return [(name, value) for name, value in vars(tree).items() if bears_arrays(value)]


def _with_attributes(tree: Any, items: dict[str, Any]) -> Any:
    if hasattr(type(tree), "_graphc_with"):
        return tree._graphc_with(items)
    made = object.__new__(type(tree))
    vars(made).update(vars(tree) | items)
    return made


def trained(tree: Any, on: bool = True, frozen: bool = False) -> list[bool]:
    """For each leaf, whether a derivative may be taken by it: no buffer, not frozen.

    With `frozen`, those may be frozen.
    """
    if tree is None:
        return []
    if not is_container(tree):
        return [on]
    buffers: tuple[str, ...] = ()
    if isinstance(tree, Attributed):
        on = on and (frozen or not tree._frozen)
        buffers = tuple(tree._buffers)
    below = [(child, on and key not in buffers) for key, child in children(tree)]
    return [kept for child, free in below for kept in trained(child, free, frozen)]


def _is_dataclass(tree: Any) -> bool:
    return dataclasses.is_dataclass(tree) and not isinstance(tree, type)


def is_container(tree: Any) -> bool:
    """Whether `tree` has children."""
    if is_traced(tree):
        return False
    return isinstance(tree, dict | list | tuple | deque | Attributed) or _is_dataclass(tree)


def children(tree: Any) -> list[tuple[Any, Any]]:
    """The (key, child) pairs of a container."""
    if isinstance(tree, dict):
        return list(tree.items())
    if isinstance(tree, list | tuple | deque):
        return list(enumerate(tree))
    if isinstance(tree, Attributed):
        return _attributes(tree)
    return [(item.name, getattr(tree, item.name)) for item in dataclasses.fields(tree)]


def with_children(tree: Any, items: list[Any]) -> Any:
    """A container like `tree` with other children, in the same order."""
    if isinstance(tree, dict):
        filled = copy.copy(tree)
        dict.update(filled, zip(tree, items, strict=True))
        return filled
    if isinstance(tree, list | deque):
        changed = copy.copy(tree)
        for position, item in enumerate(items):
            changed[position] = item
        return changed
    if isinstance(tree, tuple) and hasattr(type(tree), "_make"):
        return type(tree)(*items)
    if isinstance(tree, tuple):
        return type(tree)(items)
    if isinstance(tree, Attributed):
        names = [name for name, _ in children(tree)]
        return _with_attributes(tree, dict(zip(names, items, strict=True)))
    made = object.__new__(type(tree))
    for (name, _), item in zip(children(tree), items, strict=True):
        object.__setattr__(made, name, item)
    return made


def leaves(tree: Any) -> list[Any]:
    """The leaves, in order; None has none."""
    if tree is None:
        return []
    if not is_container(tree):
        return [tree]
    return [leaf for _, child in children(tree) for leaf in leaves(child)]


def paths(tree: Any, root: str) -> list[str]:
    """How each leaf is reached from `root`, in order: ``carry['h'][0]``."""
    if tree is None:
        return []
    if not is_container(tree):
        return [root]
    return [path for key, child in children(tree) for path in paths(child, _step(tree, root, key))]


def _step(tree: Any, root: str, key: Any) -> str:
    if hasattr(type(tree), "_fields"):
        return f"{root}.{type(tree)._fields[key]}"
    is_indexed = isinstance(tree, dict | list | tuple | deque)
    return f"{root}[{key!r}]" if is_indexed else f"{root}.{key}"


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """`tree` with each leaf replaced by ``function(leaf)``."""
    if tree is None:
        return None
    if not is_container(tree):
        return function(tree)
    return with_children(tree, [tree_map(function, child) for _, child in children(tree)])


def paired_leaves(tree: Any, other: Any, what: str, root: str = "") -> list[tuple[str, Any, Any]]:
    """The path and value of each leaf of `tree`, and that of `other` at its place, None if absent.

    Args:
        what: of both, for the message.

    Raises:
        ShapeError: `other` has something that `tree` has not, or another structure.
    """
    if tree is None and other is None:
        return []
    if not is_container(tree):
        if is_container(other):
            raise ShapeError(f"{what} at {root or 'the top'}: a {type(other).__name__} for a leaf")
        return [(root, tree, other)]
    if other is not None and not is_container(other):
        raise ShapeError(f"{what} at {root or 'the top'}: a leaf for a {type(tree).__name__}")
    others = {} if other is None else dict(children(other))
    found = []
    for key, child in children(tree):
        partner = others.pop(key, None)
        found += paired_leaves(child, partner, what, _step(tree, root, key))
    if any(leaves(rest) for rest in others.values()):
        raise ShapeError(f"{what} at {root or 'the top'}: nothing for {sorted(map(str, others))}")
    return found


def unflatten(tree: Any, items: list[Any]) -> Any:
    """`tree` with its leaves replaced by `items`, in order."""
    source = iter(items)
    return tree_map(lambda _: next(source), tree)


def check_same_structure(tree: Any, other: Any, what: str, root: str = "") -> None:
    """Refuse two trees of different structure.

    Args:
        what: of both, for the message.
        root: how the first tree is called, where the message is to name the part that differs.

    Raises:
        ShapeError: says where they first differ.
    """

    def describe(item: Any) -> str:
        return type(item).__name__ if is_container(item) or item is None else "a leaf"

    at = f" at {root}" if root else ""
    if is_container(tree) != is_container(other) or (tree is None) != (other is None):
        raise ShapeError(f"{what}{at}: {describe(tree)} became {describe(other)}")
    if not is_container(tree):
        return
    first, second = children(tree), children(other)
    if type(tree) is not type(other) or [k for k, _ in first] != [k for k, _ in second]:
        raise ShapeError(
            f"{what}{at}: a {describe(tree)} of {len(first)} became "
            f"a {describe(other)} of {len(second)}"
        )
    for (key, left), (_, right) in zip(first, second, strict=True):
        check_same_structure(left, right, what, root and _step(tree, root, key))
