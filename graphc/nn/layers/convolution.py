"""`Conv1d`, `Conv2d`, `MaxPool2d` and `AvgPool2d`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.nn import convolution, init, pooling
from graphc.nn.module import Module


class _Convolution(Module):
    """A convolution layer.

    Attributes:
        weight: (out_channels, in_channels / groups, *kernel_size); bias: (out_channels,) or None.
            Both start uniform in ±1/sqrt(in_channels / groups · elements of the kernel).
    """

    _axes = 0

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: Any = np.float32,
    ) -> None:
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if groups < 1 or channels % groups:
                raise ShapeError(
                    f"{type(self).__name__}: {name}={channels} can't be split into groups={groups}"
                )
        self.in_channels = in_channels
        self.out_channels = out_channels
        sizes = (
            kernel_size if isinstance(kernel_size, tuple | list) else (kernel_size,) * self._axes
        )
        self.kernel_size = tuple(sizes)
        if len(self.kernel_size) != self._axes:
            raise ShapeError(f"{type(self).__name__}: kernel_size={kernel_size}")
        self.stride = stride
        self.padding = padding
        self.dilation = dilation
        self.groups = groups
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        fan_in = math.prod(shape[1:])
        bound = 1 / math.sqrt(fan_in) if fan_in else 0.0
        self.weight = init.uniform(shape, -bound, bound, dtype)
        self.bias = init.uniform((out_channels,), -bound, bound, dtype) if bias else None

    def extra_repr(self) -> str:
        """The arguments that are not the default."""
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        for name, default in (("stride", 1), ("padding", 0), ("dilation", 1), ("groups", 1)):
            if getattr(self, name) != default:
                parts.append(f"{name}={getattr(self, name)!r}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class Conv1d(_Convolution):
    """`graphc.nn.conv1d` of (batch, channels, length).

    >>> import numpy as np, graphc
    >>> graphc.nn.Conv1d(3, 8, 5, padding=2)(np.ones((2, 3, 16), np.float32)).shape
    (2, 8, 16)
    """

    _axes = 1

    def forward(self, x: Any) -> Any:
        """The convolution of `x`."""
        options = self.stride, self.padding, self.dilation, self.groups
        return convolution.conv1d(x, self.weight, self.bias, *options)


class Conv2d(_Convolution):
    """`graphc.nn.conv2d` of (batch, channels, height, width).

    >>> import numpy as np, graphc
    >>> graphc.nn.Conv2d(3, 8, 3, stride=2)(np.ones((2, 3, 9, 9), np.float32)).shape
    (2, 8, 4, 4)
    """

    _axes = 2

    def forward(self, x: Any) -> Any:
        """The convolution of `x`."""
        options = self.stride, self.padding, self.dilation, self.groups
        return convolution.conv2d(x, self.weight, self.bias, *options)


class MaxPool2d(Module):
    """`graphc.nn.max_pool2d`: the largest element of each window."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, x: Any) -> Any:
        """The windows' maxima."""
        options = self.stride, self.padding, self.dilation, self.ceil_mode
        return pooling.max_pool2d(x, self.kernel_size, *options)

    def extra_repr(self) -> str:
        """The windows."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """`graphc.nn.avg_pool2d`: the mean of each window."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, x: Any) -> Any:
        """The windows' means."""
        return pooling.avg_pool2d(
            x,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """The windows."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"
