"""Gradients of a function while it is traced: mark the arguments, call it, differentiate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import ops
from graphc.adjoint import gradients
from graphc.adjoint_segments import in_segments
from graphc.errors import DTypeError, ShapeError, TraceError
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import array_like, is_weak
from graphc.trace.dispatch import locates
from graphc.trace.marked import Marked, like, mark, refuse_shared_writes
from graphc.trace.trees import Attributed, leaves, unflatten
from graphc.trace.values import TracedNumber, is_traced


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
    positions = positions_of(argnums)
    given = list(args)
    marked = {k: Marked(args[k], mark) for k in positions}
    for k in positions:
        nothing = not any(value is not None for value in marked[k].values)
        if nothing and not isinstance(args[k], Attributed):  # a module may be frozen
            raise DTypeError(
                f"grad by argument {k} needs a floating array, number, or container of them, "
                f"but it is {described(args[k])}",
                hint="Make it floating (np.asarray(x, float), or 3.0 for 3), or choose other "
                "arguments with argnums=.",
            )
        given[k] = marked[k].tree
    result = function(*given, **kwargs)
    refuse_shared_writes(list(marked.values()), args)
    for k in positions:
        marked[k].write_back()
    loss = result
    if has_aux:
        if not (isinstance(result, tuple) and len(result) == 2):
            raise TraceError("has_aux=True needs a function that returns a pair (loss, other)")
        loss = result[0]
    total = _loss_value(loss)
    wanted = [v for k in positions for v in marked[k].values if v is not None]
    (cut,) = in_segments([total], wanted, trace.capture.policy.segments, trace.hint, trace.notes)
    if cut != total:
        # The value is that of the run that the gradient goes through: no other need be made.
        total, value = cut, like(loss, cut)
        result = (value, *result[1:]) if has_aux else value
    found = gradients([total], [ops.full_like(total, 1)], wanted, trace.notes)
    by_mark = dict(zip(wanted, found, strict=True))
    trees = []
    made: dict[Value, Any] = {}  # an array that a module holds twice has one gradient
    for k in positions:
        filled: list[Any] = []
        for leaf, by in zip(leaves(args[k]), marked[k].values, strict=True):
            if by is None:
                filled.append(None)
                continue
            if by not in made:
                gradient = by_mark[by]
                made[by] = like(leaf, ops.zeros(by.tensor) if gradient is None else gradient)
            filled.append(made[by])
        trees.append(unflatten(args[k], filled))
    for k in positions:
        result = marked[k].relocated(result)
    return result, trees[0] if isinstance(argnums, int) else tuple(trees)


def positions_of(argnums: int | Sequence[int]) -> list[int]:
    """One position, or several, as a list."""
    return [argnums] if isinstance(argnums, int) else list(argnums)


def described(argument: Any) -> str:
    """What an argument is, for an error message."""
    if is_traced(argument):
        text = argument.description if hasattr(argument, "description") else "int"
        return f"{'an' if text[0] in 'aei' else 'a'} {text}"
    if is_weak(argument):
        return f"the {type(argument).__name__} {argument!r}"
    return f"a {type(argument).__name__}"
