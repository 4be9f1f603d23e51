"""``cond`` while it is traced: both branches are traced, each into a region of the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, ShapeError, TraceError
from graphc.ir import Value, close
from graphc.trace.context import Trace, active
from graphc.trace.convert import array_like, is_weak, same_type, value_of
from graphc.trace.dispatch import locates
from graphc.trace.recorded import Recorded, carried, free_values, rewrapped
from graphc.trace.trees import check_same_structure, leaves, unflatten
from graphc.trace.values import TracedNumber, is_traced
from graphc.trace.views import Storage


def condition_of(what: str, predicate: Any) -> Value:
    """`predicate` as a single bool: whether it is not 0, as Python asks it of a number.

    Raises:
        ShapeError: it has axes.
        TraceError: it is no number.
    """
    if predicate is None or isinstance(predicate, str | list | tuple | dict):
        raise TraceError(
            f"{what} needs a condition that is a number, but it is a {type(predicate).__name__}"
        )
    value = predicate.value if type(predicate) is TracedNumber else array_like(predicate).value
    if value.ndim:
        raise ShapeError(
            f"{what} needs a condition that is a single number, but it is {value.tensor}",
            hint="Reduce it with .any() or .all(), or choose element by element with np.where.",
        )
    return ops.cast(value, np.dtype(bool))


@locates
def traced_cond(predicate: Any, true_fn: Any, false_fn: Any, operands: tuple[Any, ...]) -> Any:
    """What the branch that `predicate` chooses returns for `operands`."""
    trace = active()
    if not is_traced(predicate) and type(predicate) in (bool, int, float, complex):
        return (true_fn if predicate else false_fn)(*operands)
    condition = condition_of("cond", predicate)
    if trace.values is not None:
        return (true_fn if trace.concrete(condition) else false_fn)(*operands)
    written: list[Storage] = []
    while True:
        branches = [
            Recorded(trace, lambda function=function: function(*operands), written)  # type: ignore[misc]
            for function in (true_fn, false_fn)
        ]
        missed = dict.fromkeys(s for branch in branches for s in branch.newly_written)
        if not missed:
            return _finish(trace, condition, branches[0], branches[1], written)
        written += missed


def _finish(
    trace: Trace, condition: Value, then: Recorded, otherwise: Recorded, written: list[Storage]
) -> Any:
    """The cond node, with what the branches read from outside as operands."""
    what = "cond: the branches return different structures"
    check_same_structure(then.result, otherwise.result, what)
    pairs = zip(leaves(then.result), leaves(otherwise.result), strict=True)
    results = [_joined(left, right) for left, right in pairs]
    uses_token = then.uses_token or otherwise.uses_token
    states = [storage.value for storage in written]
    if uses_token:
        states.append(trace.effect())
    inputs: list[list[Value]] = []
    outputs: list[list[Value]] = []
    for which, branch in enumerate((then, otherwise)):
        token = [branch.token] if uses_token else []
        last = [branch.last_token] if uses_token else []
        inputs.append([*branch.states, *token])
        outputs.append([*branch.results, *last, *(values[which] for _, *values in results)])
    lifted = dict.fromkeys(value for k in range(2) for value in free_values(outputs[k], inputs[k]))
    regions = [close([*inputs[k], *lifted], outputs[k], notes=trace.notes) for k in range(2)]
    found = ops.cond(condition, states, list(lifted), regions[0], regions[1])
    trace.note(*found)
    for storage, value in zip(written, found, strict=False):
        storage.assign(value)
    if uses_token:
        trace.token = found[len(states) - 1]
    made = found[len(states) :]
    return unflatten(
        then.result, [rewrapped(kind, v) for (kind, *_), v in zip(results, made, strict=True)]
    )


def _joined(left: Any, right: Any) -> tuple[Any, Value, Value]:
    """What stands for the kind of a result, and its value in either branch, of one type.

    Raises:
        DTypeError, ShapeError: the branches give results of different types.
    """
    a, b = carried(left), carried(right)
    if is_weak(a) and not is_weak(b):
        kind, values = b, (value_of(a, b.value.dtype), b.value)
    elif is_weak(b) and not is_weak(a):
        kind, values = a, (a.value, value_of(b, a.value.dtype))
    else:
        kind, values = a, (a.value, b.value)
    if same_type(values[0].type, values[1].type):
        return kind, values[0], values[1]
    text = f"cond: the branches return {values[0].type} and {values[1].type}"
    if values[0].shape != values[1].shape:
        raise ShapeError(text, hint="Give both the same shape, with np.broadcast_to or reshape.")
    raise DTypeError(text, hint="Convert one of them, with astype.")
