"""Gradients of a function while it is traced: mark the arguments, call it, differentiate."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.adjoint import gradients
from graphc.errors import DTypeError, ShapeError, TraceError
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, is_weak
from graphc.trace.dispatch import locates
from graphc.trace.sizes import TracedSize
from graphc.trace.trees import children, is_container, leaves, unflatten, with_children
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    TracedScalar,
    fresh_array,
    is_traced,
    number,
    scalar,
)
from graphc.types import is_inexact

_marks = itertools.count()


class _Marked:
    """An argument whose leaves can be told apart from every other use of the same arrays."""

    def __init__(self, tree: Any) -> None:
        self.values: list[Value | None] = []
        self._pairs: list[tuple[TracedArray, TracedArray, Value]] = []
        self._containers: list[tuple[Any, Any, list[Any]]] = []
        self.tree = self._mark(tree)

    def _mark(self, tree: Any) -> Any:
        if tree is None:
            return None
        if is_container(tree):
            items = [self._mark(child) for _, child in children(tree)]
            made = with_children(tree, items)
            self._containers.append((tree, made, items))
            return made
        return self._leaf(tree)

    def _leaf(self, leaf: Any) -> Any:
        if isinstance(leaf, np.ndarray | np.generic) and not is_traced(leaf):
            leaf = array_like(leaf)
        elif type(leaf) in (float, complex):
            leaf = number(array_like(leaf).value, type(leaf))
        if not is_traced(leaf) or type(leaf) is TracedSize or not is_inexact(leaf.value.dtype):
            self.values.append(None)
            return leaf
        marked = ops.mark(leaf.value, next(_marks))
        self.values.append(marked)
        if type(leaf) is TracedNumber:
            return number(marked, leaf.python_type)
        if type(leaf) is TracedScalar:
            return scalar(marked)
        copied = fresh_array(marked)
        copied.storage.readonly = leaf.storage.readonly
        copied.steps = leaf.steps
        self._pairs.append((leaf, copied, marked))
        return copied

    def write_back(self) -> None:
        """Carry writes to the marked copies over to the arrays they stand for, once."""
        for original, copied, before in self._pairs:
            if copied.storage.value != before:
                original.write(copied.storage.value)
        for original, made, items in self._containers:
            if isinstance(original, tuple):
                continue
            for (key, child), before in zip(children(made), items, strict=False):
                if child is before:
                    continue
                if isinstance(original, dict | list):
                    original[key] = child
                else:
                    object.__setattr__(original, key, child)


def _loss_value(loss: Any) -> Value:
    if isinstance(loss, tuple | list | dict) and not is_traced(loss):
        raise TraceError(
            f"grad needs a function that returns one scalar, but it returned a "
            f"{type(loss).__name__}",
            hint="Return (loss, other) and pass has_aux=True, or return the loss alone.",
        )
    if loss is None:
        raise TraceError("grad needs a function that returns a scalar, but it returned None")
    value = array_like(loss).value if not isinstance(loss, TracedNumber) else loss.value
    if value.ndim:
        raise ShapeError(
            f"grad needs a scalar loss, but the function returned {value.tensor}",
            hint="Reduce it with .sum() or .mean().",
        )
    if value.dtype.kind != "f":
        raise DTypeError(
            f"grad needs a real floating loss, but the function returned {value.tensor}",
            hint="Take np.real or np.abs of a complex loss; convert an integer one to float.",
        )
    return value


def _like(leaf: Any, value: Value) -> Any:
    """A gradient of the kind of its leaf: array, NumPy scalar or Python number."""
    if type(leaf) in (float, complex):
        return number(value, type(leaf))
    if type(leaf) is TracedNumber:
        return number(value, leaf.python_type)
    if type(leaf) is TracedScalar or (isinstance(leaf, np.generic) and not is_traced(leaf)):
        return scalar(value)
    return fresh_array(value)


@locates
def traced_gradient(
    function: Any,
    argnums: int | Sequence[int],
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, Any]:
    """``(result, gradients)`` of ``function(*args, **kwargs)`` by the arguments at `argnums`.

    Raises:
        ShapeError, DTypeError, TraceError: the result is no real scalar, or an argument has
            nothing to differentiate by.
    """
    trace = active()
    positions = _positions(argnums, len(args))
    given = list(args)
    marked = {k: _Marked(args[k]) for k in positions}
    for k in positions:
        if not any(value is not None for value in marked[k].values):
            raise DTypeError(
                f"grad by argument {k} needs a floating array, number, or container of them, "
                f"but it is {_describe(args[k])}",
                hint="Make it floating (np.asarray(x, float), or 3.0 for 3), or choose other "
                "arguments with argnums=.",
            )
        given[k] = marked[k].tree
    result = function(*given, **kwargs)
    for k in positions:
        marked[k].write_back()
    loss = result
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TraceError("has_aux=True needs a function that returns a pair (loss, other)")
        loss = result[0]
    value = _loss_value(loss)
    wanted = [v for k in positions for v in marked[k].values if v is not None]
    found = gradients([value], [ops.full_like(value, 1)], wanted, trace.notes)
    by_mark = dict(zip(wanted, found, strict=True))
    trees = []
    for k in positions:
        filled: list[Any] = []
        for leaf, mark in zip(leaves(args[k]), marked[k].values, strict=True):
            if mark is None:
                filled.append(None)
                continue
            gradient = by_mark[mark]
            filled.append(_like(leaf, ops.zeros(mark.tensor) if gradient is None else gradient))
        trees.append(unflatten(args[k], filled))
    return result, trees[0] if isinstance(argnums, int) else tuple(trees)


def _positions(argnums: int | Sequence[int], count: int) -> list[int]:
    wanted = [argnums] if isinstance(argnums, int) else list(argnums)
    for position in wanted:
        if not -count <= position < count:
            raise TraceError(
                f"argnums={argnums} names argument {position}, but the call has {count} "
                "positional arguments"
            )
    return [position % count for position in wanted]


def _describe(argument: Any) -> str:
    if is_traced(argument):
        text = argument.description if hasattr(argument, "description") else "int"
        return f"{'an' if text[0] in 'aei' else 'a'} {text}"
    if is_weak(argument):
        return f"the {type(argument).__name__} {argument!r}"
    return f"a {type(argument).__name__}"
