"""Losses, with PyTorch's arguments: of the model's result, the input, and a target."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.nn.activations import log_softmax
from graphc.nn.checks import (
    failure,
    reduced,
    require,
    require_arrays,
    require_equal_shapes,
    require_examples,
    require_floating,
    require_reduction,
    shape_text,
    within,
)
from graphc.transform import stop_gradient


def mse_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``(input - target) ** 2``, reduced by ``"mean"``, ``"sum"`` or ``"none"``.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: what is no array.
        DomainError: an unknown reduction, or the mean of an empty batch.

    >>> import numpy as np, graphc
    >>> graphc.nn.mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0]))
    np.float64(2.0)
    """
    require_equal_shapes("mse_loss", input, target)
    difference = input - target
    return reduced("mse_loss", difference * difference, reduction)


def l1_loss(input: Any, target: Any, reduction: str = "mean") -> Any:
    """``|input - target|``, reduced; errors as `mse_loss`."""
    require_equal_shapes("l1_loss", input, target)
    return reduced("l1_loss", np.abs(input - target), reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """``d²/2`` where ``d = |input - target|`` is at most `delta`, else ``delta (d - delta/2)``.

    Huber, 1964. Errors as `mse_loss`.
    """
    require_equal_shapes("huber_loss", input, target)
    distance = np.abs(input - target)
    square, line = 0.5 * distance * distance, delta * (distance - 0.5 * delta)
    return reduced("huber_loss", np.where(distance <= delta, square, line), reduction)


LEAST_LOG = -100
LEAST_DIVISOR = 1e-12
"""PyTorch's bounds of `binary_cross_entropy`: of a logarithm, and of the derivative's divisor."""


def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, reduction: str = "mean"
) -> Any:
    """``-(target log(input) + (1 - target) log(1 - input))`` of probabilities, reduced.

    Logarithms are at least -100, and the derivative's divisor ``input (1 - input)`` at least 1e-12,
    as in PyTorch. `binary_cross_entropy_with_logits` is more exact.

    Args:
        weight: of each element, to be broadcast.

    Raises:
        ShapeError, DomainError: as `mse_loss`; at run time, an input outside 0 ... 1.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> float(graphc.nn.binary_cross_entropy(np.array([0.5]), np.array([1.0])))
    0.6931471805599453
    """
    require_floating("binary_cross_entropy", input)
    require_equal_shapes("binary_cross_entropy", input, target)
    problem = "binary_cross_entropy: an input lies outside 0 ... 1"
    input = require(input, (input >= 0) & (input <= 1), problem)
    near = input * (1 - input) < LEAST_DIVISOR
    inside = np.where(near, 0.5, input).astype(input.dtype)
    loss = -(target * np.log(inside) + (1 - target) * np.log1p(-inside))
    # Near 0 and 1 the value is a constant's, and the slope that of a parabola.
    least = np.finfo(input.dtype).smallest_subnormal
    fixed = stop_gradient(input)
    yes, no = (np.maximum(np.log(np.maximum(x, least)), LEAST_LOG) for x in (fixed, 1 - fixed))
    steep = (input - stop_gradient(target)) ** 2 * (0.5 / LEAST_DIVISOR)
    bounded = -(target * yes + (1 - target) * no) + (steep - stop_gradient(steep))
    loss = np.where(near, bounded, loss).astype(loss.dtype)
    return reduced("binary_cross_entropy", loss if weight is None else loss * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """`binary_cross_entropy` of ``sigmoid(input)``, exact where that is near 0 or 1.

    Args:
        weight: of each element; pos_weight: of targets that are 1; both to be broadcast.

    Raises:
        ShapeError, DomainError, DTypeError: as `binary_cross_entropy`, but for the inputs' range.
    """
    name = "binary_cross_entropy_with_logits"
    require_floating(name, input)
    require_equal_shapes(name, input, target)
    # log(1 + exp(-x)) is what -log(sigmoid(x)) is; for the other class x comes on top.
    soft = np.logaddexp(-input, 0)
    positive = 1 if pos_weight is None else 1 + (pos_weight - 1) * target
    loss = (1 - target) * input + positive * soft
    return reduced(name, loss if weight is None else loss * weight, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0,
) -> Any:
    """``-log(softmax(input))`` at the target's class, reduced.

    Args:
        input: (classes,), (batch, classes) or (batch, classes, ...): any numbers.
        target: class indices, integers of the shape of `input` without the classes; or the
            probability of each class, floating and of the shape of `input`.
        weight: (classes,): the mean is then weighted.
        ignore_index: a target that does not count.
        label_smoothing: what share of each target is spread over all classes (Szegedy et al.,
            2016).

    Raises:
        ShapeError: shapes that do not fit.
        DTypeError: class indices that are no integers.
        DomainError: an unknown reduction, or the mean of an empty batch.
        OutOfBoundsError: at run time, a target is no class.

    >>> import numpy as np, graphc
    >>> logits = np.log(np.array([[0.25, 0.75], [0.5, 0.5]]))
    >>> graphc.nn.cross_entropy(logits, np.array([1, 0]), reduction="none").round(4)
    array([0.2877, 0.6931])
    """
    name = "cross_entropy"
    require_floating(name, input)
    require_reduction(name, reduction)
    if input.ndim == 0:
        raise failure(ShapeError, f"{name}: the input is one number, wanted (batch, classes, ...)")
    axis = 0 if input.ndim == 1 else 1
    classes = input.shape[axis]
    if weight is not None and tuple(weight.shape) != (classes,):
        raise failure(ShapeError, f"{name}: weight is {shape_text(weight)}, wanted ({classes},)")
    without = (*input.shape[:axis], *input.shape[axis + 1 :])
    require_arrays("cross_entropy", target)
    indices = tuple(target.shape) == tuple(without) and target.ndim == input.ndim - 1
    if not indices and tuple(target.shape) != tuple(input.shape):
        raise failure(
            ShapeError,
            f"{name}: the input is {shape_text(input)}, the target {shape_text(target)}; wanted "
            f"({', '.join(map(str, without))}), or probabilities like the input",
        )
    if indices != (target.dtype.kind in "iu"):
        given = "class indices are integers" if indices else "probabilities are floating"
        raise failure(
            DTypeError,
            f"{name}: {given}, and the target is {target.dtype}{shape_text(target)}",
            "Convert it, as with target.astype(np.int64)." if indices else "",
        )
    if reduction == "mean":
        require_examples(name, input.shape)
    logs = log_softmax(input, axis)
    spread = (1, classes, *(1 for _ in input.shape[2:])) if axis else (classes,)
    weighted = logs if weight is None else logs * weight.reshape(spread)
    if not indices:
        smooth = target * (1 - label_smoothing) + label_smoothing / classes
        losses = -(weighted * smooth).sum(axis=axis)
        return reduced(name, losses, reduction)
    counted = target != ignore_index
    safe = within(name, "a target", np.where(counted, target, 0), classes)
    at_target = np.take_along_axis(weighted, np.expand_dims(safe, axis), axis).squeeze(axis)
    losses = (label_smoothing - 1) * at_target
    if not isinstance(label_smoothing, int) or label_smoothing != 0:
        losses = losses - (label_smoothing / classes) * weighted.sum(axis=axis)
    losses = np.where(counted, losses, 0)
    if reduction != "mean":
        return reduced(name, losses, reduction)
    shares = counted.astype(input.dtype) if weight is None else np.where(counted, weight[safe], 0)
    return losses.sum() / shares.sum()
