"""Activation functions as layers."""

from __future__ import annotations

from typing import Any

from graphc.nn import activations
from graphc.nn.module import Module


class ReLU(Module):
    """``max(x, 0)``: `graphc.nn.relu`."""

    def forward(self, x: Any) -> Any:
        """The function of each element."""
        return activations.relu(x)


class Sigmoid(Module):
    """``1 / (1 + exp(-x))``: `graphc.nn.sigmoid`."""

    def forward(self, x: Any) -> Any:
        """The function of each element."""
        return activations.sigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent: `graphc.nn.tanh`."""

    def forward(self, x: Any) -> Any:
        """The function of each element."""
        return activations.tanh(x)


class GELU(Module):
    """`graphc.nn.gelu`: ``x Φ(x)``, or its approximation by ``"tanh"``."""

    def __init__(self, approximate: str = "none") -> None:
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        """The function of each element."""
        return activations.gelu(x, self.approximate)

    def extra_repr(self) -> str:
        """The approximation."""
        return f"approximate={self.approximate!r}"


class Softmax(Module):
    """`graphc.nn.softmax` along the axis `dim`."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def forward(self, x: Any) -> Any:
        """Positive numbers whose sum along the axis is 1."""
        return activations.softmax(x, self.dim)

    def extra_repr(self) -> str:
        """The axis."""
        return f"dim={self.dim}"
