"""Convolutions of sequences and images; with PyTorch's arguments and layouts."""

from __future__ import annotations

from operator import index
from typing import Any

from graphc import ops
from graphc.errors import DomainError, DTypeError, ShapeError
from graphc.ir import Value
from graphc.nn.checks import as_tuple, failure, require_floating, shape_text
from graphc.ops.convolution.convolve import Pair
from graphc.trace.context import active
from graphc.transform import operation
from graphc.types import floordiv


@operation
def _convolve(x: Value, w: Value, options: tuple[Pair, Pair, Pair, Pair]) -> Value:
    """Images (batch, channels, height, width) and weights as PyTorch has them.

    The options are known while tracing: a kernel is generated for them.
    """
    trace = active()
    kernel = tuple(trace.static(size) for size in w.shape[2:])
    stride, low, high, dilation = ((index(a), index(b)) for a, b in options)
    batch, channels, height, width = x.shape
    groups = 1 if channels == w.shape[1] else trace.static(floordiv(channels, w.shape[1]))
    out = w.shape[0] if groups == 1 else trace.static(w.shape[0])
    images = ops.reshape(x, (batch, groups, floordiv(channels, groups), height, width))
    weights = ops.reshape(w, (groups, floordiv(out, groups), w.shape[1], *kernel))
    y = ops.convolve(images, weights, stride, low, high, dilation)
    return ops.reshape(ops.transpose(y, (2, 0, 1, 3, 4)), (batch, out, *y.shape[3:]))


def conv1d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """As `conv2d`, of sequences: (batch, channels, length) and (out, channels/groups, size).

    >>> import numpy as np, graphc
    >>> graphc.nn.conv1d(np.arange(4.0).reshape(1, 1, 4), np.array([[[1.0, 1.0]]]))
    array([[[1., 3., 5.]]])
    """
    return _convolution("conv1d", 1, x, weight, bias, stride, padding, dilation, groups)


def conv2d(
    x: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """``y[n, o, h, w] = sum of x[n, c, h s + i d - p, w s + j d - p] w[o, c, i, j] + bias[o]``.

    The sum is over the channels c of the group of o and over the kernel's elements (i, j); `x` is
    zero outside the image. As in all networks the kernel is not flipped.

    Args:
        x: (batch, channels, height, width), or one image (channels, height, width).
        weight: (out, channels / groups, rows, columns).
        bias: (out,) or None.
        stride, dilation: a number, or one for each axis.
        padding: likewise: zeros on both sides; ``"valid"`` for none, ``"same"`` for as many as
            keep the size (stride 1).
        groups: the channels, and the outputs, fall into so many groups, each on its own.

    Returns:
        (batch, out, height', width') with ``height' = (height + 2 p - d (rows - 1) - 1) // s + 1``.

    Raises:
        ShapeError: axes, channels or groups that do not fit, or a kernel larger than the image.
        DTypeError: arrays that are not floating, or of different dtypes.
        DomainError: a stride, dilation or padding out of range.

    >>> import numpy as np, graphc
    >>> graphc.nn.conv2d(np.ones((1, 1, 3, 3)), np.ones((1, 1, 3, 3)), padding=1)[0, 0]
    array([[4., 6., 4.],
           [6., 9., 6.],
           [4., 6., 4.]])
    """
    return _convolution("conv2d", 2, x, weight, bias, stride, padding, dilation, groups)


def _convolution(
    name: str,
    axes: int,
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: int,
) -> Any:
    require_floating(name, x, weight, bias)
    if x.ndim not in (axes + 1, axes + 2) or weight.ndim != axes + 2:
        raise failure(
            ShapeError,
            f"{name}: the input is {shape_text(x)} and the weight {shape_text(weight)}; wanted "
            f"{axes + 2} axes each: (batch, channels, ...) and (out, channels / groups, ...)",
        )
    if x.dtype != weight.dtype:
        raise failure(DTypeError, f"{name}: the input is {x.dtype}, the weight {weight.dtype}")
    if x.ndim == axes + 1:
        arguments = weight, bias, stride, padding, dilation, groups
        return _convolution(name, axes, x[None], *arguments)[0]
    out = weight.shape[0]
    if groups < 1 or x.shape[1] != groups * weight.shape[1] or out % groups != 0:
        raise failure(
            ShapeError,
            f"{name}: the input {shape_text(x)} has {x.shape[1]} channels, the weight "
            f"{shape_text(weight)} with groups={groups} takes {groups * weight.shape[1]} and gives "
            f"{out}",
        )
    if bias is not None and tuple(bias.shape) != (out,):
        raise failure(ShapeError, f"{name}: the bias is {shape_text(bias)}, wanted ({out},)")
    steps, apart = as_tuple(stride, axes), as_tuple(dilation, axes)
    low, high = _padding(name, padding, axes, weight.shape[2:], steps, apart)
    for what, values, least in (("stride", steps, 1), ("dilation", apart, 1), ("padding", low, 0)):
        if len(values) != axes or any(value < least for value in values):
            raise failure(DomainError, f"{name}: {what}={values}")
    for axis in range(axes):
        span = apart[axis] * (weight.shape[2 + axis] - 1) + 1
        if x.shape[2 + axis] + low[axis] + high[axis] < span:
            raise failure(
                ShapeError,
                f"{name}: the kernel takes {span} pixels, and the input {shape_text(x)} with its "
                f"padding has {x.shape[2 + axis] + low[axis] + high[axis]}",
            )
    if axes == 1:
        steps, apart, low, high = (1, *steps), (1, *apart), (0, *low), (0, *high)
        y = _convolve(x[:, :, None], weight[:, :, None], (steps, low, high, apart))[:, :, 0]
    else:
        y = _convolve(x, weight, (steps, low, high, apart))
    return y if bias is None else y + bias.reshape((1, out) + (1,) * axes)


def _padding(
    name: str, padding: Any, axes: int, kernel: Any, stride: Any, dilation: Any
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Zeros before and after the image along each axis."""
    if not isinstance(padding, str):
        both = as_tuple(padding, axes)
        return both, both
    if padding == "valid":
        return (0,) * axes, (0,) * axes
    if padding != "same":
        allowed = "a number, 'same' or 'valid'"
        raise failure(DomainError, f"{name}: padding is {allowed}, not {padding!r}")
    if any(step != 1 for step in stride):
        raise failure(DomainError, f"{name}: padding='same' goes with stride 1, not {stride}")
    total = [dilation[axis] * (kernel[axis] - 1) for axis in range(axes)]
    return tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
