"""Checks that functions of networks share: on types while tracing, on data while running."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DomainError, DTypeError, GraphcError, OutOfBoundsError, ShapeError
from graphc.trace.context import located
from graphc.transform import operation

REDUCTIONS = ("mean", "sum", "none")

require = operation(ops.require)
"""``require(x, condition, problem, error)``: `x`, where `condition` holds everywhere."""


def failure(kind: type[GraphcError], message: str, hint: str = "") -> GraphcError:
    """An error to raise, at the line of the user's that is running."""
    # A size that is known at run time only is a text that refuses to be compared.
    return located(kind(str.__str__(message), hint=hint))


def require_arrays(name: str, *arrays: Any) -> None:
    """Refuse what is no array: a list, or another library's tensor.

    Raises:
        DTypeError: says what it is.
    """
    for array in arrays:
        if array is not None and not hasattr(getattr(array, "dtype", None), "kind"):
            raise failure(
                DTypeError,
                f"{name} takes arrays, not a {type(array).__name__}",
                "Pass np.asarray(x).",
            )


def require_floating(name: str, *arrays: Any) -> None:
    """Refuse arrays of other dtypes than floating ones.

    Raises:
        DTypeError: says which.
    """
    require_arrays(name, *arrays)
    for array in arrays:
        if array is not None and array.dtype.kind not in "fc":
            raise failure(
                DTypeError,
                f"{name} takes floating arrays, not {array.dtype}",
                "Convert it, as with x.astype(np.float32).",
            )


def require_equal_shapes(name: str, first: Any, second: Any) -> None:
    """Refuse a result and a target of different shapes; to broadcast them is mostly a mistake.

    Raises:
        ShapeError: says both.
    """
    require_arrays(name, first, second)
    if tuple(first.shape) != tuple(second.shape):
        raise failure(
            ShapeError,
            f"{name}: the input is {shape_text(first)}, the target {shape_text(second)}",
            "Reshape one of them: they have to be equal.",
        )


def require_integers(name: str, labels: Any) -> None:
    """Refuse indices that are no integers.

    Raises:
        DTypeError: says what they are.
    """
    require_arrays(name, labels)
    if labels.dtype.kind not in "iu":
        raise failure(
            DTypeError,
            f"{name} takes indices that are integers, not {labels.dtype}",
            "Convert them, as with labels.astype(np.int64).",
        )


def within(name: str, what: str, indices: Any, size: Any) -> Any:
    """`indices`, all of which lie from 0 to `size` - 1.

    Raises:
        OutOfBoundsError: at run time, one lies outside.
    """
    problem = f"{name}: {what} lies outside 0 ... {size} - 1"
    return require(indices, (indices >= 0) & (indices < size), problem, OutOfBoundsError)


def reduced(name: str, values: Any, reduction: str) -> Any:
    """The mean, the sum, or all of them.

    Raises:
        DomainError: an unknown reduction, or the mean of nothing.
    """
    require_reduction(name, reduction)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    require_examples(name, values.shape)
    return values.mean()


def require_reduction(name: str, reduction: str) -> None:
    """Refuse a reduction that there is not.

    Raises:
        DomainError: says which there are.
    """
    if reduction not in REDUCTIONS:
        raise failure(DomainError, f"{name}: reduction is one of {REDUCTIONS}, not {reduction!r}")


def require_examples(name: str, shape: Sequence[Any]) -> None:
    """Refuse the mean over an empty batch.

    Raises:
        DomainError: says so.
    """
    if any(size == 0 for size in shape):
        raise failure(
            DomainError,
            f"{name}: the mean over an empty batch, of shape {tuple(shape)}",
            "Leave empty batches out, or pass reduction='sum'.",
        )


def shape_text(array: Any) -> str:
    """A shape for a message."""
    return f"({', '.join(str(size) for size in array.shape)}{',' if array.ndim == 1 else ''})"


def as_tuple(value: Any, count: int) -> tuple[int, ...]:
    """One size for each of `count` axes, from one or all of them."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * count


def zero(x: Any) -> Any:
    """A zero of the dtype of `x`."""
    return np.zeros((), x.dtype)
