"""graphc: plain NumPy under `graphc.compile`, parameters updated in place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import graphc
from bench.networks import HEADS, graphc_resnet
from bench.peers import Step
from bench.workloads import EPSILON, PRODUCTS, RATE, TURNS, parameters
from graphc import nn, optim

VERSIONS = ("graphc", "numba", "llvmlite", "numpy")
ROOT = float(np.sqrt(2 / np.pi))


def _squared(w, x, y):
    return (w * x - y) ** 2


@graphc.compile
def scalar(w, x, y):
    """Squared loss of one weight; `w` is updated."""
    loss, grad = graphc.value_and_grad(_squared)(w, x, y)
    w -= RATE * grad
    return loss


def _mean_squared(params, x, y):
    hidden = np.maximum(x @ params["W1"] + params["b1"], 0)
    hidden = np.maximum(hidden @ params["W2"] + params["b2"], 0)
    out = 1 / (1 + np.exp(-(hidden @ params["W3"] + params["b3"])))
    return np.mean((out - y) ** 2)


@graphc.compile
def mlp(params, x, y):
    """A training step; `params` are updated."""
    loss, grads = graphc.value_and_grad(_mean_squared)(params, x, y)
    for name in params:
        params[name] -= RATE * grads[name]
    return loss


def _chained(x, w):
    v = np.tanh(x * w) + 1
    return np.sum(v * x / (1 + np.exp(-v)))


@graphc.compile
def chain(x, w):
    """Pointwise work and a sum, with both gradients."""
    return graphc.value_and_grad(_chained, argnums=(0, 1))(x, w)


def _cross_entropy(logits, labels):
    logits = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(logits).sum(axis=1))
    return np.mean(log_sums - logits[np.arange(len(labels)), labels])


@graphc.compile
def softmaxce(logits, labels):
    """Cross-entropy and its gradient."""
    return graphc.value_and_grad(_cross_entropy)(logits, labels)


def _normalised(x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.mean(centred**2, axis=1, keepdims=True)
    y = centred / np.sqrt(variance + EPSILON) * scale + shift
    gelu = 0.5 * y * (1 + np.tanh(ROOT * (y + 0.044715 * y**3)))
    return np.mean(gelu**2)


@graphc.compile
def layernorm(x, scale, shift):
    """Layer norm and what follows, with all gradients."""
    return graphc.value_and_grad(_normalised, argnums=(0, 1, 2))(x, scale, shift)


@graphc.compile
def stencil(a, b):
    """Two arrays that are written in turn."""
    for _ in range(TURNS):
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])


def _cells(Wx, Wh, b, h, x):
    for row in x:
        h = np.tanh(row @ Wx + h @ Wh + b)
    return np.mean(h * h)


@graphc.compile
def elman(Wx, Wh, b, h, x):
    """A recurrent network with all gradients."""
    return graphc.value_and_grad(_cells, argnums=(0, 1, 2, 3, 4))(Wx, Wh, b, h, x)


def _multiplied(h, A):
    for _ in range(PRODUCTS):
        h = h @ A
    return np.sum(h * h)


@graphc.compile
def matscan(h, A):
    """Many small products with both gradients."""
    return graphc.value_and_grad(_multiplied, argnums=(0, 1))(h, A)


def _attended(x, W, b, Wo, bo):
    batch, steps, width = x.shape
    parts = (x @ W + b).reshape(batch, steps, 3, HEADS, width // HEADS)
    q, k, v = parts.transpose(2, 0, 3, 1, 4)
    y = nn.attention(q, k, v).swapaxes(1, 2).reshape(x.shape)
    return np.mean((y @ Wo + bo) ** 2)


@graphc.compile
def attention(x, W, b, Wo, bo):
    """A layer of attention with all gradients."""
    return graphc.value_and_grad(_attended, argnums=(0, 1, 2, 3, 4))(x, W, b, Wo, bo)


@graphc.compile
def resnet_infer(model, x):
    """The logits."""
    return model(x)


@graphc.compile
def resnet(model, opt, x, labels):
    """A training step."""
    loss, grads = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), labels))(model)
    opt.step(model, grads)
    return loss


_STEPS: dict[str, Any] = {
    "scalar": scalar,
    "mlp": mlp,
    "chain": chain,
    "softmaxce": softmaxce,
    "layernorm": layernorm,
    "stencil": stencil,
    "elman": elman,
    "matscan": matscan,
    "attention": attention,
    "resnet_infer": resnet_infer,
    "resnet": resnet,
}


def _arguments(kind: str, inputs: Mapping[str, np.ndarray]) -> tuple[Any, ...]:
    if kind == "mlp":
        return parameters(inputs), inputs["x"], inputs["y"]
    if kind.startswith("resnet"):
        model = graphc_resnet.resnet(len(inputs["conv1.weight"]))
        state = {k: v for k, v in inputs.items() if k not in ("x", "labels")}
        model.load_state_dict(state, strict=False)  # but for the counts of batches
        if kind == "resnet_infer":
            return model.eval(), inputs["x"]
        return model, optim.SGD(model, RATE, momentum=0.9), inputs["x"], inputs["labels"]
    return tuple(inputs.values())


def build(kind: str, inputs: Mapping[str, np.ndarray]) -> Step:
    """The step of a workload."""
    function = _STEPS[kind]
    inputs = {name: array.copy() for name, array in inputs.items()}
    arguments = _arguments(kind, inputs)

    def results(out: Any) -> dict[str, np.ndarray]:
        if kind == "mlp":
            return {"loss": out, **arguments[0]}
        if kind == "stencil":
            return inputs
        if kind == "resnet_infer":
            return {"logits": out}
        if kind == "resnet":
            state = arguments[0].state_dict()
            return {"loss": out} | {name: state[name] for name in state if name in inputs}
        if kind == "scalar":
            return {"loss": out, "w": arguments[0]}
        loss, grads = out
        grads = grads if isinstance(grads, tuple) else (grads,)
        names = [name for name in inputs if name != "labels"]
        return {"loss": loss} | {
            f"grad_{name}": grad for name, grad in zip(names, grads, strict=True)
        }

    return Step(lambda: function(*arguments), results)


def kernels(kind: str, inputs: Mapping[str, np.ndarray]) -> int:
    """How many kernels one step launches."""
    return len(_STEPS[kind].explain(*_arguments(kind, inputs)).kernels)
