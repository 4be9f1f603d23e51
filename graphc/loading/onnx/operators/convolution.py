"""Convolutions of one to three axes, and their transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.operators.windows import (
    Windows,
    _each,
    padding_of,
    stretched,
    windows_of,
)
from graphc.loading.onnx.registry import Node, operator
from graphc.nn.convolution import conv1d, conv2d


@operator("Conv")
def conv(node: Node, x: Any, weight: Any, bias: Any = None) -> Any:
    """A convolution as in all networks: the kernel is not flipped."""
    if node.get("kernel_shape") not in (None, (), tuple(weight.shape[2:])):
        raise node.refusal(f"kernel_shape {node.get('kernel_shape')} of weights {weight.shape}")
    kernel = tuple(int(size) for size in weight.shape[2:])
    windows = windows_of(node, tuple(x.shape[2:]), kernel)
    return convolved(node, x, weight, bias, windows, int(node.number("group", 1)))


def convolved(node: Node, x: Any, weight: Any, bias: Any, windows: Windows, groups: int) -> Any:
    """A convolution with windows that are given."""
    axes = windows.axes
    if axes not in (1, 2, 3):
        raise node.refusal(f"a convolution of {axes} axes is not supported")
    padding: Any = windows.low
    if windows.low != windows.high or axes == 3:
        x, padding = windows.padded(x, 0), 0
    if axes == 3:
        return _conv3d(x, weight, bias, windows, groups)
    function = conv1d if axes == 1 else conv2d
    return function(x, weight, bias, windows.stride, padding, windows.dilation, groups)


def _conv3d(x: Any, weight: Any, bias: Any, windows: Windows, groups: int) -> Any:
    """The sum over the kernel's planes of convolutions of the image's planes."""
    planes = windows.counts[0]
    total: Any = None
    for k in range(windows.kernel[0]):
        taken = x[:, :, windows.part(0, k)]
        batch, channels, _, height, width = taken.shape
        flat = np.moveaxis(taken, 2, 1).reshape((batch * planes, channels, height, width))
        part = conv2d(
            flat, weight[:, :, k], None, windows.stride[1:], 0, windows.dilation[1:], groups
        )
        total = part if total is None else total + part
    found = total.reshape((batch, planes, *total.shape[1:]))
    found = np.moveaxis(found, 1, 2)
    return found if bias is None else found + bias.reshape((1, -1, 1, 1, 1))


@operator("ConvTranspose")
def conv_transpose(node: Node, x: Any, weight: Any, bias: Any = None) -> Any:
    """The derivative of a convolution by its image: of the stretched image, the kernel flipped."""
    kernel = tuple(int(size) for size in weight.shape[2:])
    axes, groups = len(kernel), int(node.number("group", 1))
    if axes not in (1, 2, 3):
        raise node.refusal(f"a convolution of {axes} axes is not supported")
    stride = _each(node, "strides", axes, 1)
    dilation = _each(node, "dilations", axes, 1)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    extra = _each(node, "output_padding", axes, 0, least=0)
    low, high = _removed(node, tuple(x.shape[2:]), spans, stride, extra)
    image = stretched(x, stride)
    around = [
        (s - 1 - a, s - 1 - b + e) for s, a, b, e in zip(spans, low, high, extra, strict=True)
    ]
    image = np.pad(image, [(0, 0), (0, 0), *((max(0, a), max(0, b)) for a, b in around)])
    cut = tuple(
        slice(max(0, -a), size - max(0, -b))
        for (a, b), size in zip(around, image.shape[2:], strict=True)
    )
    image = image[(slice(None), slice(None), *cut)]
    flipped = np.flip(weight, tuple(range(2, 2 + axes)))
    inner, out = weight.shape[0] // groups, weight.shape[1]
    flipped = flipped.reshape((groups, inner, out, *kernel))
    flipped = np.swapaxes(flipped, 1, 2).reshape((groups * out, inner, *kernel))
    ones, zeros = (1,) * axes, (0,) * axes
    counts = tuple(size - s + 1 for size, s in zip(image.shape[2:], spans, strict=True))
    windows = Windows(kernel, ones, dilation, zeros, zeros, counts, zeros)
    return convolved(node, image, flipped, bias, windows, groups)


def _removed(
    node: Node,
    image: tuple[Any, ...],
    spans: tuple[int, ...],
    stride: tuple[int, ...],
    extra: tuple[int, ...],
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """What is cut off before and after each axis of the result."""
    wanted = node.get("output_shape")
    mode = node.get("auto_pad", "NOTSET")
    axes = len(image)
    if not wanted and mode not in ("SAME_UPPER", "SAME_LOWER"):
        return padding_of(node, image, spans, stride)
    whole = [stride[k] * (image[k] - 1) + extra[k] + spans[k] for k in range(axes)]
    target = tuple(wanted)[-axes:] if wanted else [image[k] * stride[k] for k in range(axes)]
    total = [max(0, whole[k] - target[k]) for k in range(axes)]
    if wanted and any(whole[k] < target[k] for k in range(axes)):
        total = [whole[k] - target[k] for k in range(axes)]
    less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
    return (less, more) if mode == "SAME_UPPER" else (more, less)
