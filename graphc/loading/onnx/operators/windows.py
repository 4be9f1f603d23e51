"""What convolutions and pooling share: padding, and the places of windows along each axis."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node
from graphc.loading.onnx.values import lift


@dataclass(frozen=True, slots=True)
class Windows:
    """The windows of an image: for each of its axes one entry in each field.

    `low` and `high` is the padding that the model asks for, `beyond` what windows reach over it
    at the end, in ``ceil_mode``.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    low: tuple[Any, ...]
    high: tuple[Any, ...]
    counts: tuple[Any, ...]
    beyond: tuple[Any, ...]

    @property
    def axes(self) -> int:
        """How many axes the image has."""
        return len(self.kernel)

    def padded(self, x: Any, value: Any, past: Any = None) -> Any:
        """`x` with `value` around it, and `past` where windows reach beyond that."""
        lead = [(0, 0)] * (x.ndim - self.axes)
        # Padding that depends on a symbolic size makes it static.
        widths = [(int(a), int(b)) for a, b in zip(self.low, self.high, strict=True)]
        if any(w != 0 for pair in widths for w in pair):
            x = np.pad(x, [*lead, *widths], constant_values=value)
        if any(w != 0 for w in self.beyond):
            last = value if past is None else past
            x = np.pad(x, [*lead, *((0, int(w)) for w in self.beyond)], constant_values=last)
        return x

    def part(self, axis: int, k: int) -> slice:
        """The k-th elements of all windows along an axis."""
        start = k * self.dilation[axis]
        return slice(
            start, start + (self.counts[axis] - 1) * self.stride[axis] + 1, self.stride[axis]
        )

    def combine(self, x: Any, function: Callable[[Any, Any], Any]) -> Any:
        """The elements of all windows joined, the last axis first."""
        for axis in reversed(range(self.axes)):
            result = None
            rest = (slice(None),) * (self.axes - 1 - axis)
            for k in range(self.kernel[axis]):
                taken = x[(..., self.part(axis, k), *rest)]
                result = taken if result is None else function(result, taken)
            x = result
        return x


def windows_of(node: Node, image: tuple[Any, ...], kernel: tuple[int, ...]) -> Windows:
    """The windows that a node's attributes describe.

    Raises:
        ExportError: attributes that do not fit the image.
    """
    axes = len(image)
    stride = _each(node, "strides", axes, 1)
    dilation = _each(node, "dilations", axes, 1)
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True))
    low, high = padding_of(node, image, spans, stride)
    counts, beyond = [], []
    for axis in range(axes):
        room = image[axis] + low[axis] + high[axis] - spans[axis]
        step = stride[axis]
        if room < 0:
            raise node.refusal(
                f"the window takes {spans[axis]} pixels, and the image with its padding has "
                f"{room + spans[axis]}"
            )
        count = room // step + 1
        if node.get("ceil_mode", 0):
            more = (room + step - 1) // step + 1
            # A window that starts in the padding behind the image is left out.
            outside = (more - 1) * step >= image[axis] + low[axis]
            count = more - 1 if outside else more
        counts.append(count)
        beyond.append(max(0, (count - 1) * step - room) if node.get("ceil_mode", 0) else 0)
    return Windows(kernel, stride, dilation, low, high, tuple(counts), tuple(beyond))


def padding_of(
    node: Node, image: tuple[Any, ...], spans: tuple[int, ...], stride: tuple[int, ...]
) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Padding before and after each axis, by ``pads`` or ``auto_pad``."""
    axes = len(image)
    mode = node.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return (0,) * axes, (0,) * axes
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        total = [
            max(0, (-(-image[k] // stride[k]) - 1) * stride[k] + spans[k] - image[k])
            for k in range(axes)
        ]
        less, more = tuple(t // 2 for t in total), tuple(t - t // 2 for t in total)
        return (less, more) if mode == "SAME_UPPER" else (more, less)
    if mode != "NOTSET":
        raise node.refusal(f"auto_pad {mode!r} is not supported")
    pads = _each(node, "pads", 2 * axes, 0, least=0)
    return pads[:axes], pads[axes:]


def _each(node: Node, name: str, count: int, default: int, least: int = 1) -> tuple[int, ...]:
    """An attribute that is a number for each axis."""
    found = node.get(name)
    found = (default,) * count if found is None or found == () else tuple(found)
    if len(found) != count or any(type(item) is not int or item < least for item in found):
        raise node.refusal(f"{name} is {found}, wanted {count} numbers of at least {least}")
    return found


def kernel_of(node: Node, axes: int) -> tuple[int, ...]:
    """The attribute ``kernel_shape``.

    Raises:
        ExportError: it is missing, or has another number of axes.
    """
    return _each(node, "kernel_shape", axes, 0)


def stretched(x: Any, stride: tuple[int, ...]) -> Any:
    """The image with ``stride - 1`` zeros between its pixels, along its last axes."""
    lead = x.ndim - len(stride)
    for k, step in enumerate(stride):
        if step == 1:
            continue
        axis = lead + k
        size = x.shape[axis]
        widths = [(0, 0)] * (x.ndim + 1)
        widths[axis + 1] = (0, step - 1)
        x = np.pad(np.expand_dims(lift(x), axis + 1), widths)
        x = x.reshape((*x.shape[:axis], size * step, *x.shape[axis + 2 :]))
        part = [slice(None)] * x.ndim
        part[axis] = slice(0, (size - 1) * step + 1)
        x = x[tuple(part)]
    return x
