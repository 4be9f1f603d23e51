"""PyTensor: shared variables with updates, its Numba mode, inputs trusted to have their type.

The wheel finds no BLAS to link C code with, and then advises the Numba mode itself, which
`bench.settings` chooses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytensor
import pytensor.tensor as pt
from pytensor.tensor.special import log_softmax

from bench.peers import Step
from bench.workloads import EPSILON, RATE, parameters

VERSIONS = ("pytensor", "numba")

Inputs = Mapping[str, np.ndarray]


def _symbols(inputs: Inputs) -> dict[str, Any]:
    return {
        name: pt.tensor(name, dtype=array.dtype, shape=(None,) * array.ndim)
        for name, array in inputs.items()
    }


def _training(loss: Any, shared: dict[str, Any], symbols: Any, data: Inputs) -> Step:
    grads = pytensor.grad(loss, list(shared.values()))
    rate = np.float32(RATE)
    updates = [(p, p - rate * g) for p, g in zip(shared.values(), grads, strict=True)]
    function = pytensor.function(list(symbols.values()), loss, updates=updates)
    function.trust_input = True
    arguments = tuple(data.values())

    def results(loss: Any) -> dict[str, np.ndarray]:
        return {"loss": loss} | {name: p.get_value() for name, p in shared.items()}

    return Step(lambda: function(*arguments), results)


def _scalar(inputs: Inputs) -> Step:
    data = {name: inputs[name] for name in ("x", "y")}
    symbols, w = _symbols(data), pytensor.shared(inputs["w"].copy(), name="w")
    return _training((w * symbols["x"] - symbols["y"]) ** 2, {"w": w}, symbols, data)


def _mlp(inputs: Inputs) -> Step:
    data = {name: inputs[name] for name in ("x", "y")}
    symbols = _symbols(data)
    params = {
        name: pytensor.shared(array.copy(), name=name) for name, array in parameters(inputs).items()
    }
    hidden = pt.maximum(symbols["x"] @ params["W1"] + params["b1"], 0)
    hidden = pt.maximum(hidden @ params["W2"] + params["b2"], 0)
    out = pt.sigmoid(hidden @ params["W3"] + params["b3"])
    return _training(pt.mean((out - symbols["y"]) ** 2), params, symbols, data)


def _chained(x: Any, w: Any) -> Any:
    v = pt.tanh(x * w) + 1
    return pt.sum(v * x / (1 + pt.exp(-v)))


def _cross_entropy(logits: Any, labels: Any) -> Any:
    logs = log_softmax(logits, axis=1)
    return -pt.mean(logs[pt.arange(labels.shape[0]), labels])


def _normalised(x: Any, scale: Any, shift: Any) -> Any:
    centred = x - pt.mean(x, axis=1, keepdims=True)
    variance = pt.mean(centred**2, axis=1, keepdims=True)
    y = centred / pt.sqrt(variance + np.float32(EPSILON)) * scale + shift
    root = np.float32(np.sqrt(2 / np.pi))
    gelu = np.float32(0.5) * y * (1 + pt.tanh(root * (y + np.float32(0.044715) * y**3)))
    return pt.mean(gelu**2)


_LOSSES = {"chain": _chained, "softmaxce": _cross_entropy, "layernorm": _normalised}


def build(kind: str, inputs: Inputs) -> Step:
    """The step of a workload."""
    if kind in ("scalar", "mlp"):
        return _scalar(inputs) if kind == "scalar" else _mlp(inputs)
    symbols = _symbols(inputs)
    wanted = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    loss = _LOSSES[kind](*symbols.values())
    grads = pytensor.grad(loss, [symbols[name] for name in wanted])
    function = pytensor.function(list(symbols.values()), [loss, *grads])
    function.trust_input = True
    arguments = tuple(inputs.values())
    names = ["loss", *(f"grad_{name}" for name in wanted)]
    return Step(lambda: function(*arguments), lambda out: dict(zip(names, out, strict=True)))
