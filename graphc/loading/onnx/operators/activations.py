"""Activation functions; attributes and defaults are ONNX's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import counted, product
from graphc.nn import activations as nn

Number = Callable[[str, float], float]

ACTIVATIONS: dict[str, Callable[[Any, float, float], Any]] = {
    "Affine": lambda x, a, b: a * x + b,
    "Elu": lambda x, a, b: nn.elu(x, a),
    "HardSigmoid": lambda x, a, b: np.maximum(0, np.minimum(1, a * x + b)),
    "LeakyRelu": lambda x, a, b: np.where(x < 0, a * x, x),
    "Relu": lambda x, a, b: nn.relu(x),
    "ScaledTanh": lambda x, a, b: a * np.tanh(b * x),
    "Sigmoid": lambda x, a, b: nn.sigmoid(x),
    "Softplus": lambda x, a, b: np.logaddexp(x, 0),
    "Softsign": lambda x, a, b: x / (1 + np.abs(x)),
    "Tanh": lambda x, a, b: np.tanh(x),
    "ThresholdedRelu": lambda x, a, b: np.where(x > a, x, 0),
}
"""By name; with alpha and beta, which some have."""
DEFAULTS: dict[str, tuple[float, float]] = {
    "Elu": (1.0, 0.0),
    "HardSigmoid": (0.2, 0.5),
    "LeakyRelu": (0.01, 0.0),
    "ThresholdedRelu": (1.0, 0.0),
}
"""Alpha and beta where a model does not say them."""


@operator(*sorted(set(ACTIVATIONS) - {"Affine", "ScaledTanh", "Tanh"}))
def activation(node: Node, x: Any) -> Any:
    """Those that recurrent networks have, too."""
    alpha, beta = DEFAULTS.get(node.operator, (0.0, 0.0))
    function = ACTIVATIONS[node.operator]
    return function(x, node.number("alpha", alpha), node.number("beta", beta)).astype(x.dtype)


@operator("PRelu")
def prelu(node: Node, x: Any, slope: Any) -> Any:
    """``slope * x`` where it is negative."""
    return np.where(x < 0, slope * x, x)


@operator("Selu")
def selu(node: Node, x: Any) -> Any:
    """Klambauer et al., 2017."""
    alpha = node.number("alpha", 1.67326319217681884765625)
    return node.number("gamma", 1.05070102214813232421875) * nn.elu(x, alpha)


@operator("Celu")
def celu(node: Node, x: Any) -> Any:
    """Barron, 2017."""
    alpha = node.number("alpha", 1.0)
    return np.maximum(x, 0) + np.minimum(0, alpha * np.expm1(np.minimum(x, 0) / alpha))


@operator("Gelu")
def gelu(node: Node, x: Any) -> Any:
    """``x Φ(x)``, or its approximation with tanh."""
    return nn.gelu(x, node.get("approximate", "none"))


@operator("HardSwish")
def hard_swish(node: Node, x: Any) -> Any:
    """``x`` times the hard sigmoid."""
    return x * np.maximum(0, np.minimum(1, x / 6 + 0.5))


@operator("Swish")
def swish(node: Node, x: Any) -> Any:
    """``x sigmoid(alpha x)``."""
    return x * nn.sigmoid(node.number("alpha", 1.0) * x)


@operator("Mish")
def mish(node: Node, x: Any) -> Any:
    """``x tanh(softplus(x))``."""
    return x * np.tanh(np.logaddexp(x, 0))


_SOFT = {"Softmax": nn.softmax, "LogSoftmax": nn.log_softmax}


@operator("Softmax", "LogSoftmax", "Hardmax")
def softmax(node: Node, x: Any) -> Any:
    """Along one axis; before opset 13 over all axes from there on."""
    axis = int(node.number("axis", -1 if node.version >= 13 else 1))
    function: Callable[[Any, int], Any] = _SOFT.get(node.operator, _hardmax)
    if node.version >= 13:
        return function(x, axis)
    axis = axis % x.ndim
    flat = x.reshape((product(x.shape[:axis]), product(x.shape[axis:])))
    return function(flat, 1).reshape(x.shape)


def _hardmax(x: Any, axis: int) -> Any:
    """One at the first of the largest, else zero."""
    place = np.expand_dims(np.argmax(x, axis=axis), axis)
    along = counted(x.shape[axis]).reshape((-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))
    return (place == along).astype(x.dtype)
