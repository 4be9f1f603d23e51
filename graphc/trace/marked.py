"""Arguments whose leaves are replaced while a function runs, and what it wrote to them after it."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import TraceError
from graphc.ir import Value
from graphc.trace.convert import array_like
from graphc.trace.sizes import TracedSize
from graphc.trace.trees import (
    Attributed,
    children,
    is_container,
    leaves,
    trained,
    tree_map,
    with_children,
)
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    TracedScalar,
    fresh_array,
    is_traced,
    number,
    scalar,
)
from graphc.trace.views import PickStep
from graphc.types import is_inexact

_marks = itertools.count()


def mark(value: Value) -> Value | None:
    """`value` told apart from every other use of it; None where it has no derivative."""
    return ops.mark(value, next(_marks)) if is_inexact(value.dtype) else None


def as_traced(leaf: Any) -> Any:
    """A leaf as a traced value of its kind, if it is a number or an array; ints stay static."""
    if isinstance(leaf, np.ndarray | np.generic) and not is_traced(leaf):
        return array_like(leaf)
    if type(leaf) in (float, complex):
        return number(array_like(leaf).value, type(leaf))
    return leaf


def like(leaf: Any, value: Value) -> Any:
    """`value` as what its leaf is: an array, a NumPy scalar or a Python number."""
    if type(leaf) in (float, complex):
        return number(value, type(leaf))
    if type(leaf) is TracedNumber:
        return number(value, leaf.python_type)
    if type(leaf) is TracedScalar or (isinstance(leaf, np.generic) and not is_traced(leaf)):
        return scalar(value)
    return fresh_array(value)


class Marked:
    """A tree like an argument's, with values of its own in place of its leaves.

    `values` has the new value of each leaf, or None where ``replace(value)`` is None or the leaf
    is no array or number. Writes to the copies reach the originals by `write_back`.
    """

    def __init__(self, tree: Any, replace: Callable[[Value], Value | None]) -> None:
        self.values: list[Value | None] = []
        self.leaves: list[Any] = []
        self._replace = replace
        self._pairs: list[tuple[TracedArray, TracedArray, Value]] = []
        self._containers: list[tuple[Any, Any, list[Any]]] = []
        self._objects: dict[int, Any] = {}
        self._shared: dict[int, Any] | None = None
        self._trained = trained(tree) if replace is mark else None
        self.tree = self._mark(tree)

    def _mark(self, tree: Any) -> Any:
        if tree is None:
            return None
        if isinstance(tree, Attributed):
            return self._object(tree)
        if is_container(tree):
            items = [self._mark(child) for _, child in children(tree)]
            made = with_children(tree, items)
            self._containers.append((tree, made, items))
            return made
        return self._leaf(tree)

    def _object(self, tree: Attributed) -> Any:
        """As a container; an array or object that is met twice below it is one."""
        outermost = self._shared is None
        if outermost:
            self._shared = {}
        items = [self._mark(child) for _, child in children(tree)]
        if id(tree) not in self._objects:
            made = self._objects[id(tree)] = with_children(tree, items)
            self._containers.append((tree, made, items))
        if outermost:
            self._shared = None
        return self._objects[id(tree)]

    def _leaf(self, leaf: Any) -> Any:
        if self._shared is not None and id(leaf) in self._shared:
            traced, copied, marked = self._shared[id(leaf)]
            self.leaves.append(traced)
            self.values.append(marked)
            return copied
        traced, copied, marked = found = self._copied(as_traced(leaf))
        if self._shared is not None:
            self._shared[id(leaf)] = found
        return copied

    def _copied(self, leaf: Any) -> tuple[Any, Any, Value | None]:
        """The leaf, what stands for it, and its new value."""
        plain = not is_traced(leaf) or type(leaf) is TracedSize
        if self._trained is not None and not self._trained[len(self.leaves)]:
            plain = True
        self.leaves.append(leaf)
        marked = None if plain else self._replace(leaf.value)
        self.values.append(marked)
        if marked is None:
            return leaf, leaf, None
        copied = like(leaf, marked)
        if type(copied) is TracedArray:
            copied.storage.readonly = leaf.storage.readonly
            copied.steps = leaf.steps
            self._pairs.append((leaf, copied, marked))
        return leaf, copied, marked

    @property
    def replaced(self) -> list[tuple[Any, Value]]:
        """The leaves that were replaced, each with its new value."""
        pairs = zip(self.leaves, self.values, strict=True)
        return [(leaf, value) for leaf, value in pairs if value is not None]

    def written(self) -> list[Value]:
        """What the copies that were written hold now."""
        return [copied.storage.value for _, copied, _ in self.changed()]

    def seen_as(self, array: TracedArray) -> TracedArray | None:
        """A view of a copy as that view of its original; None for any other array."""
        for original, copied, _ in self._pairs:
            if array.storage is copied.storage:
                path = (*original.path, *array.path)
                return TracedArray(original.storage, path, array.steps, array.origin)
        return None

    def relocated(self, tree: Any) -> Any:
        """`tree` with views of the copies as views of the originals; itself if it has none."""
        copies = {id(copied.storage) for _, copied, _ in self._pairs}
        arrays = [leaf for leaf in leaves(tree) if type(leaf) is TracedArray]
        if not any(id(array.storage) in copies for array in arrays):
            return tree

        def moved(leaf: Any) -> Any:
            found = self.seen_as(leaf) if type(leaf) is TracedArray else None
            return leaf if found is None else found

        return tree_map(moved, tree)

    def changed(self) -> list[tuple[TracedArray, TracedArray, Value]]:
        """The arrays that were written: original, copy, and the copy's value before."""
        return [pair for pair in self._pairs if pair[1].storage.value != pair[2]]

    def write_back(self, outside: Callable[[Value], Value] | None = None) -> None:
        """Carry writes to the copies over to the arrays they stand for, once.

        ``outside(value)`` is what a value of the function's is to the caller; by default the same.
        """
        for original, copied, _ in self.changed():
            value = copied.storage.value
            original.write(value if outside is None else outside(value))
        for original, made, items in self._containers:
            if isinstance(original, Attributed):
                _carry_attributes(original, made, items, outside)
            elif not isinstance(original, tuple):
                _carry_over(original, made, items, outside)


def _carry_over(
    original: Any, made: Any, items: list[Any], outside: Callable[[Value], Value] | None
) -> None:
    """Change `original` as `made` was changed, which held `items` in its place at first."""
    after = children(made)
    keys = [key for key, _ in children(original)]
    if [key for key, _ in after] == keys and all(
        child is before for (_, child), before in zip(after, items, strict=True)
    ):
        return
    moved = _mover(original, items, outside)
    filled = [(key, moved(child)) for key, child in after]
    if isinstance(original, dict):
        original.clear()
        for key, child in filled:
            original[key] = child
    elif isinstance(original, list | deque):
        original.clear()
        original.extend(child for _, child in filled)
    else:
        for key, child in filled:
            object.__setattr__(original, key, child)


def _carry_attributes(
    original: Any, made: Any, items: list[Any], outside: Callable[[Value], Value] | None
) -> None:
    """As `_carry_over`, of the attributes that were set."""
    moved = _mover(original, items, outside)
    if hasattr(type(made), "_graphc_with"):
        changed = made._graphc_written
    else:
        first = dict(zip((name for name, _ in children(original)), items, strict=True))
        before = vars(original) | first
        changed = {
            n: value for n, value in vars(made).items() if before.get(n, before) is not value
        }
    for name, value in list(changed.items()):
        setattr(original, name, moved(value))


def _mover(
    original: Any, items: list[Any], outside: Callable[[Value], Value] | None
) -> Callable[[Any], Any]:
    """What the caller sees in place of what a copy holds, whose `items` stood for its children."""
    own = {id(item): child for item, (_, child) in zip(items, children(original), strict=True)}

    def moved(child: Any) -> Any:
        if id(child) in own:
            return own[id(child)]
        return child if outside is None else moved_outside(child, outside)

    return moved


def refuse_shared_writes(marked: Sequence[Marked], args: Any) -> None:
    """Refuse writes to an argument whose memory another argument shares.

    The copies are apart, so the other would not see what is written.

    Raises:
        TraceError: the function has written one of them.
    """
    arrays = [leaf for leaf in leaves(args) if type(leaf) is TracedArray]
    for original in (pair[0] for one in marked for pair in one.changed()):
        if sum(_overlap(original, other) for other in arrays) > 1:
            raise TraceError(
                "a transformed function writes to an argument that shares memory with another",
                hint="Pass a copy of one of them, as with x.copy().",
            )


def _overlap(array: TracedArray, other: TracedArray) -> bool:
    """Whether two views of one storage have an element in common, in the call that is traced."""
    if array.storage is not other.storage:
        return False
    if array.path == other.path:
        return True
    if any(isinstance(step, PickStep) for step in (*array.path, *other.path)):
        return True
    hint = array.origin.hint
    whole = np.empty([hint(s) for s in array.storage.value.shape], array.storage.value.dtype)
    views = []
    for path in (array.path, other.path):
        view = whole
        for step in path:
            view = step.replay(view, hint)
        views.append(view)
    return bool(np.shares_memory(views[0], views[1]))


def moved_outside(tree: Any, outside: Callable[[Value], Value]) -> Any:
    """A tree of the function's with its values as they are to the caller."""

    def moved(leaf: Any) -> Any:
        is_value = is_traced(leaf) and type(leaf) is not TracedSize
        return like(leaf, outside(leaf.value)) if is_value else leaf

    return tree_map(moved, tree)
