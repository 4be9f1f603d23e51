"""Activation functions, element by element or along an axis; with PyTorch's arguments.

Each takes a floating array of any shape and gives one of the same shape and dtype.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DomainError
from graphc.nn.checks import failure
from graphc.transform import operation, stop_gradient

_expit = operation(ops.expit, elementwise=True)
_erf = operation(ops.erf, elementwise=True)


def relu(x: Any) -> Any:
    """``max(x, 0)``; the derivative at 0 is 0.

    >>> import numpy as np, graphc
    >>> graphc.nn.relu(np.array([-1.0, 0.0, 2.0]))
    array([0., 0., 2.])
    """
    return np.where(x <= 0, 0, x)


def sigmoid(x: Any) -> Any:
    """``1 / (1 + exp(-x))``.

    >>> import numpy as np, graphc
    >>> graphc.nn.sigmoid(np.array([0.0, 1000.0]))
    array([0.5, 1. ])
    """
    return _expit(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return np.tanh(x)


def gelu(x: Any, approximate: str = "none") -> Any:
    """``x Φ(x)``, Φ the normal distribution (Hendrycks and Gimpel, 2016).

    Args:
        approximate: ``"tanh"``: ``x/2 (1 + tanh(sqrt(2/π) (x + 0.044715 x³)))`` instead.

    Raises:
        DomainError: another approximation.

    >>> import numpy as np, graphc
    >>> graphc.nn.gelu(np.array([-1.0, 1.0])).round(4)
    array([-0.1587,  0.8413])
    """
    if approximate == "tanh":
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * (x * x * x))
        return 0.5 * x * (1 + np.tanh(inner))
    if approximate != "none":
        raise failure(DomainError, f"gelu: approximate is 'none' or 'tanh', not {approximate!r}")
    return 0.5 * x * (1 + _erf(x * math.sqrt(0.5)))


def silu(x: Any) -> Any:
    """``x sigmoid(x)``, also called swish."""
    return x * _expit(x)


def softplus(x: Any, beta: float = 1, threshold: float = 20) -> Any:
    """``log(1 + exp(beta x)) / beta``; `x` itself where ``beta x`` is above `threshold`."""
    scaled = beta * x
    return np.where(scaled > threshold, x, np.logaddexp(scaled, 0) / beta)


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """`x` where it is positive, else ``negative_slope * x``."""
    return np.where(x > 0, x, negative_slope * x)


def elu(x: Any, alpha: float = 1.0) -> Any:
    """`x` where it is positive, else ``alpha (exp(x) - 1)`` (Clevert et al., 2016)."""
    return np.where(x > 0, x, alpha * np.expm1(np.where(x > 0, 0, x)))


def softmax(x: Any, dim: int = -1) -> Any:
    """``exp(x)`` over its sum along the axis `dim`.

    >>> import numpy as np, graphc
    >>> graphc.nn.softmax(np.array([0.0, 0.0])), graphc.nn.softmax(np.array([1000.0, 0.0]))
    (array([0.5, 0.5]), array([1., 0.]))
    """
    powers = np.exp(x - stop_gradient(x.max(axis=dim, keepdims=True)))
    return powers / powers.sum(axis=dim, keepdims=True)


def log_softmax(x: Any, dim: int = -1) -> Any:
    """The logarithm of `softmax`, without its underflow."""
    shifted = x - stop_gradient(x.max(axis=dim, keepdims=True))
    return shifted - np.log(np.exp(shifted).sum(axis=dim, keepdims=True))


def logsumexp(x: Any, dim: Any, keepdim: bool = False) -> Any:
    """``log(sum(exp(x)))`` along one axis or several; -inf where all are.

    >>> import numpy as np, graphc
    >>> graphc.nn.logsumexp(np.array([1000.0, 1000.0]), 0)
    np.float64(1000.6931471805599)
    """
    largest = stop_gradient(x.max(axis=dim, keepdims=True))
    largest = np.where(np.isfinite(largest), largest, 0)
    total = np.log(np.exp(x - largest).sum(axis=dim, keepdims=True)) + largest
    return total if keepdim else np.squeeze(total, dim)[()]
