"""`jacobian` while it is traced: one pass of either mode, mapped over an identity matrix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc import ops
from graphc.adjoint import gradients
from graphc.batch import batched
from graphc.errors import DTypeError, UnsupportedError
from graphc.ir import Value, fresh_input
from graphc.ops.arrays.shape import spread
from graphc.tangent import tangents
from graphc.trace.context import active
from graphc.trace.derivative import described, positions_of
from graphc.trace.dispatch import locates
from graphc.trace.marked import Marked, mark, refuse_shared_writes
from graphc.trace.products import inexact_value
from graphc.trace.trees import leaves, unflatten
from graphc.trace.values import TracedArray, TracedNumber, fresh_array, number, scalar
from graphc.types import TensorType

Entries = dict[tuple[Value, Value], Value]
"""The derivative of a result by an argument: axes of the result, then of the argument."""


@locates
def traced_jacobian(
    function: Any,
    argnums: int | Sequence[int],
    mode: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """The derivatives of each leaf of ``function(*args)`` by each leaf of the arguments."""
    positions = positions_of(argnums)
    given = list(args)
    marked = {k: Marked(args[k], mark) for k in positions}
    for k in positions:
        if not marked[k].replaced:
            raise DTypeError(
                f"jacobian by argument {k} needs a floating array, number, or container of them, "
                f"but it is {described(args[k])}"
            )
        given[k] = marked[k].tree
    result = function(*given, **kwargs)
    refuse_shared_writes(list(marked.values()), args)
    for k in positions:
        marked[k].write_back()
    values = [inexact_value(leaf) for leaf in leaves(result)]
    outputs = [value for value in values if value is not None]
    wrt = [value for k in positions for _, value in marked[k].replaced]
    entries = _entries(outputs, wrt, mode)
    filled: list[Any] = []
    for leaf, value in zip(leaves(result), values, strict=True):
        if value is None:
            filled.append(None)
            continue
        trees = [
            unflatten(args[k], _derivatives(leaf, value, marked[k], entries)) for k in positions
        ]
        filled.append(trees[0] if isinstance(argnums, int) else tuple(trees))
    return unflatten(result, filled)


def _derivatives(out: Any, value: Value, marked: Marked, entries: Entries) -> list[Any]:
    return [
        None if by is None else _like_both(out, leaf, entries[value, by])
        for leaf, by in zip(marked.leaves, marked.values, strict=True)
    ]


def _like_both(out: Any, leaf: Any, value: Value) -> Any:
    """An array if the result or the argument is one; else as the argument."""
    if value.ndim or type(out) is TracedArray or type(leaf) is TracedArray:
        return fresh_array(value)
    return number(value, leaf.python_type) if type(leaf) is TracedNumber else scalar(value)


def _entries(outputs: Sequence[Value], wrt: Sequence[Value], mode: str) -> Entries:
    """Each output by each of `wrt`, in the mode that runs fewer passes unless one is asked for.

    Forward mode is exact for a complex result of real arguments, reverse mode for the opposite;
    where the choice falls on forward mode and an op has no rule for it, reverse mode is as right.
    """
    complex_out = any(value.dtype.kind == "c" for value in outputs)
    complex_in = any(value.dtype.kind == "c" for value in wrt)
    if complex_out and not complex_in:
        return _forward(outputs, wrt)
    if complex_in and not complex_out:
        return _reverse(outputs, wrt)
    hint = active().hint
    columns = sum(hint(value.tensor.size) for value in wrt)
    rows = sum(hint(value.tensor.size) for value in outputs)
    if mode == "forward" or (mode == "least" and columns < rows):
        try:
            return _forward(outputs, wrt)
        except UnsupportedError:
            return _reverse(outputs, wrt)
    return _reverse(outputs, wrt)


def _identity(type_: TensorType) -> Value:
    """For each element of an array of `type_`, the array that is 1 there and 0 elsewhere."""
    size = type_.size
    square = (size, size)
    row = ops.broadcast_to(ops.reshape(ops.iota(size), (size, 1)), square)
    column = ops.broadcast_to(ops.iota(size), square)
    one = TensorType(type_.dtype, square)
    found = ops.select(ops.equal(row, column), ops.full(one, 1), ops.zeros(one))
    return ops.reshape(found, (size, *type_.shape))


def _mapped(
    seed: TensorType, run: Callable[[Value], list[Value | None]], found_types: Sequence[TensorType]
) -> list[Value]:
    """``run(direction)`` for every unit direction of the type `seed`, along a first axis."""
    direction = fresh_input(seed)
    found = [
        ops.zeros(type_) if value is None else value
        for value, type_ in zip(run(direction), found_types, strict=True)
    ]
    results = batched(found, {direction: _identity(seed)}, seed.size, active().notes)
    return [value if flag else spread(value, seed.size) for value, flag in results]


def _reverse(outputs: Sequence[Value], wrt: Sequence[Value]) -> Entries:
    notes, entries = active().notes, Entries()
    types = [value.tensor for value in wrt]
    for out in dict.fromkeys(outputs):
        rows = _mapped(out.tensor, lambda g, out=out: gradients([out], [g], wrt, notes), types)  # type: ignore[misc]
        for by, row in zip(wrt, rows, strict=True):
            entries[out, by] = ops.reshape(row, (*out.shape, *by.shape))
    return entries


def _forward(outputs: Sequence[Value], wrt: Sequence[Value]) -> Entries:
    notes, entries = active().notes, Entries()
    types = [value.tensor for value in outputs]
    for by in wrt:
        columns = _mapped(by.tensor, lambda t, by=by: tangents(outputs, [by], [t], notes), types)  # type: ignore[misc]
        for out, column in zip(outputs, columns, strict=True):
            moved = ops.transpose(column, (*range(1, column.ndim), 0))
            entry = ops.reshape(moved, (*out.shape, *by.shape))
            dtype = out.dtype if out.dtype.kind == "c" else by.dtype
            entries[out, by] = ops.cast(entry, dtype)
    return entries
