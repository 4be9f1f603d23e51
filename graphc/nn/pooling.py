"""Pooling: the largest, or the mean, of each window of an image; with PyTorch's arguments."""

from __future__ import annotations

from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from graphc.errors import DomainError, ShapeError
from graphc.nn.checks import as_tuple, failure, require_floating, shape_text


def max_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> Any:
    """The largest element of each window; NaN if there is one. The derivative goes to the first.

    Args:
        x: (batch, channels, height, width), or (channels, height, width).
        kernel_size: the window; stride: by default as much; padding: of -inf on both sides, at most
            half of the window; dilation: pixels between the window's elements. A number each, or
            one for each axis.
        ceil_mode: also take windows that reach beyond the padded image.

    Raises:
        ShapeError: no image, or a window larger than the padded image.
        DomainError: sizes out of range.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> graphc.nn.max_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 5.,  7.],
            [13., 15.]]])
    """
    windows = _Windows("max_pool2d", x, kernel_size, stride, padding, dilation, ceil_mode)

    def largest(best: Any, other: Any) -> Any:
        return np.where((other > best) | np.isnan(other), other, best)

    return windows.combine(windows.padded(x, -np.inf), largest)


def avg_pool2d(
    x: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """The mean of each window; arguments and errors as of `max_pool2d`, with zeros as padding.

    Args:
        count_include_pad: the padding counts as elements.
        divisor_override: divide the sum by this instead.

    >>> import numpy as np, graphc
    >>> graphc.nn.avg_pool2d(np.arange(16.0).reshape(1, 4, 4), 2)
    array([[[ 2.5,  4.5],
            [10.5, 12.5]]])
    """
    windows = _Windows("avg_pool2d", x, kernel_size, stride, padding, 1, ceil_mode)
    total = windows.combine(windows.padded(x, 0), np.add)
    if divisor_override is not None:
        if divisor_override == 0:
            raise failure(DomainError, "avg_pool2d: divisor_override=0")
        return total / divisor_override
    if not windows.uneven:
        return total / (windows.kernel[0] * windows.kernel[1])
    ones = np.ones((1, *windows.image), x.dtype)
    counted = windows.padded(ones, 1 if count_include_pad else 0, beyond=0)
    return total / windows.combine(counted, np.add)


class _Windows:
    """The windows of an image: what is put around it, and its elements one after another."""

    def __init__(
        self,
        name: str,
        x: Any,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        ceil_mode: bool,
    ) -> None:
        require_floating(name, x)
        if x.ndim not in (3, 4):
            raise failure(
                ShapeError,
                f"{name}: the input is {shape_text(x)}, wanted (batch, channels, height, width)",
            )
        self.kernel = as_tuple(kernel_size, 2)
        self.stride = self.kernel if stride is None else as_tuple(stride, 2)
        self.padding = as_tuple(padding, 2)
        self.dilation = as_tuple(dilation, 2)
        self.image = tuple(x.shape[-2:])
        if ceil_mode:
            # What reaches beyond the image depends on its size by a branch: it has to be known.
            self.image = tuple(index(size) for size in self.image)
        for what, values, least in (
            ("kernel_size", self.kernel, 1),
            ("stride", self.stride, 1),
            ("padding", self.padding, 0),
            ("dilation", self.dilation, 1),
        ):
            if len(values) != 2 or any(value < least for value in values):
                raise failure(DomainError, f"{name}: {what}={values}")
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise failure(
                DomainError,
                f"{name}: padding={self.padding} is more than half of kernel_size={self.kernel}",
            )
        self.places: list[Any] = []
        self.beyond: list[Any] = []
        for axis in range(2):
            room = self.image[axis] + 2 * self.padding[axis] - self.span(axis)
            if room < 0:
                raise failure(
                    ShapeError,
                    f"{name}: the window takes {self.span(axis)} pixels, and the input "
                    f"{shape_text(x)} with its padding has {room + self.span(axis)}",
                )
            step = self.stride[axis]
            count = room // step + 1
            if ceil_mode:
                more = (room + step - 1) // step + 1
                # A window that starts in the padding behind the image is left out.
                if (more - 1) * step >= self.image[axis] + self.padding[axis]:
                    more = more - 1
                count = more
            self.places.append(count)
            self.beyond.append(max(0, (count - 1) * step - room) if ceil_mode else 0)
        self.uneven = any(p != 0 for p in self.padding) or any(b != 0 for b in self.beyond)

    def span(self, axis: int) -> int:
        """Pixels from the first of a window to its last."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def padded(self, x: Any, value: Any, beyond: Any = None) -> Any:
        """`x` with the padding, and with what windows reach beyond it."""
        lead = [(0, 0)] * (x.ndim - 2)
        around = [(p, p) for p in self.padding]
        if any(p != 0 for p in self.padding):
            x = np.pad(x, [*lead, *around], constant_values=value)
        if any(b != 0 for b in self.beyond):
            last = value if beyond is None else beyond
            x = np.pad(x, [*lead, *((0, b) for b in self.beyond)], constant_values=last)
        return x

    def combine(self, x: Any, function: Callable[[Any, Any], Any]) -> Any:
        """The elements of all windows joined: of each row first, then the rows."""
        for axis in (1, 0):
            result = None
            for k in range(self.kernel[axis]):
                start = k * self.dilation[axis]
                stop = start + (self.places[axis] - 1) * self.stride[axis] + 1
                part = slice(start, stop, self.stride[axis])
                taken = x[..., part] if axis else x[..., part, :]
                result = taken if result is None else function(result, taken)
            x = result
        return x
