"""Batch and layer normalisation, as functions of arrays; with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DomainError, ShapeError
from graphc.nn.checks import failure, require_floating, shape_text


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: Any = 0.1,
    eps: float = 1e-5,
) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias``, for each channel, the second axis.

    In `training`, mean and variance are those of the batch over all other axes, and the running
    ones are written in place: ``running = (1 - momentum) * running + momentum * batch``, with the
    unbiased variance. Else they are the running ones. Ioffe and Szegedy, 2015.

    Args:
        x: (batch, channels, ...).
        running_mean, running_var: (channels,), or None while training.
        weight, bias: (channels,) or None.

    Raises:
        ShapeError: `x` has no channels, or an array has not one element for each.
        DomainError: training on one value a channel, or no statistics to use.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> graphc.nn.batch_norm(np.array([[0.0], [2.0]]), None, None, training=True).round(4)
    array([[-1.],
           [ 1.]])
    """
    require_floating("batch_norm", x)
    if x.ndim < 2:
        raise failure(
            ShapeError, f"batch_norm: the input is {shape_text(x)}, wanted (batch, channels, ...)"
        )
    channels = x.shape[1]
    given = {"running_mean": running_mean, "running_var": running_var}
    for name, array in {**given, "weight": weight, "bias": bias}.items():
        if array is not None and tuple(array.shape) != (channels,):
            raise failure(
                ShapeError,
                f"batch_norm: {name} is {shape_text(array)}, wanted ({channels},), for the input "
                f"is {shape_text(x)}",
            )
    shape = (1, channels, *(1 for _ in x.shape[2:]))
    if training:
        axes = (0, *range(2, x.ndim))
        count = 1
        for axis in axes:
            count = count * x.shape[axis]
        if count <= 1:
            raise failure(
                DomainError,
                f"batch_norm: one value a channel has no variance, and the input is "
                f"{shape_text(x)}",
                "Train on larger batches, or call model.eval().",
            )
        mean = x.mean(axis=axes)
        centered = x - mean.reshape(shape)
        var = (centered * centered).mean(axis=axes)
        if running_mean is not None:
            running_mean[...] = (1 - momentum) * running_mean + momentum * mean
        if running_var is not None:
            unbiased = var * (count / (count - 1))
            running_var[...] = (1 - momentum) * running_var + momentum * unbiased
    elif running_mean is None or running_var is None:
        raise failure(DomainError, "batch_norm: training=False needs running_mean and running_var")
    else:
        var = running_var
        centered = x - running_mean.reshape(shape)
    scale = 1 / np.sqrt(var + eps)
    if weight is not None:
        scale = scale * weight
    y = centered * scale.reshape(shape)
    return y if bias is None else y + bias.reshape(shape)


def layer_norm(
    x: Any,
    normalized_shape: int | Sequence[int],
    weight: Any = None,
    bias: Any = None,
    eps: float = 1e-5,
) -> Any:
    """``(x - mean) / sqrt(var + eps) * weight + bias`` over the last axes of each row.

    Ba, Kiros and Hinton, 2016.

    Args:
        normalized_shape: the sizes of the last axes of `x`, over which mean and variance are.
        weight, bias: of this shape, or None.

    Raises:
        ShapeError: the last axes of `x`, or the weights, are others.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> graphc.nn.layer_norm(np.array([[0.0, 2.0]]), 2).round(4)
    array([[-1.,  1.]])
    """
    require_floating("layer_norm", x)
    wanted = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    count = len(wanted)
    if count == 0 or x.ndim < count or tuple(x.shape[x.ndim - count :]) != wanted:
        raise failure(
            ShapeError,
            f"layer_norm: the input is {shape_text(x)}, and normalized_shape {wanted} is not how "
            "it ends",
        )
    for name, array in {"weight": weight, "bias": bias}.items():
        if array is not None and tuple(array.shape) != wanted:
            raise failure(ShapeError, f"layer_norm: {name} is {shape_text(array)}, wanted {wanted}")
    axes = tuple(range(x.ndim - count, x.ndim))
    centered = x - x.mean(axis=axes, keepdims=True)
    var = (centered * centered).mean(axis=axes, keepdims=True)
    y = centered * (1 / np.sqrt(var + eps))
    if weight is not None:
        y = y * weight
    return y if bias is None else y + bias
