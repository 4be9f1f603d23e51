"""NumPy, with the gradients written by hand. In float64 it is the reference of `bench.check`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bench.networks import HEADS
from bench.peers import Step
from bench.workloads import EPSILON, PRODUCTS, RATE, TURNS, parameters

VERSIONS = ("numpy",)


def _scalar(inputs: Mapping[str, np.ndarray]) -> Step:
    w, x, y = inputs["w"].copy(), inputs["x"], inputs["y"]

    def step() -> Any:
        nonlocal w
        error = w * x - y
        w -= RATE * 2 * error * x
        return error * error

    return Step(step, lambda loss: {"loss": loss, "w": w})


def _mlp(inputs: Mapping[str, np.ndarray]) -> Step:
    x, y = inputs["x"], inputs["y"]
    params = {name: array.copy() for name, array in parameters(inputs).items()}

    def step() -> Any:
        first = np.maximum(x @ params["W1"] + params["b1"], 0)
        second = np.maximum(first @ params["W2"] + params["b2"], 0)
        out = 1 / (1 + np.exp(-(second @ params["W3"] + params["b3"])))
        error = out - y
        loss = np.mean(error * error)

        delta = error * out * (1 - out) * (2 / out.size)
        grads = {"W3": second.T @ delta, "b3": delta.sum(axis=0)}
        delta = (delta @ params["W3"].T) * (second > 0)
        grads |= {"W2": first.T @ delta, "b2": delta.sum(axis=0)}
        delta = (delta @ params["W2"].T) * (first > 0)
        grads |= {"W1": x.T @ delta, "b1": delta.sum(axis=0)}
        for name, grad in grads.items():
            params[name] -= RATE * grad
        return loss

    return Step(step, lambda loss: {"loss": loss, **params})


def _chain(inputs: Mapping[str, np.ndarray]) -> Step:
    x, w = inputs["x"], inputs["w"]

    def step() -> Any:
        t = np.tanh(x * w)
        v = t + 1
        sigmoid = 1 / (1 + np.exp(-v))
        scaled = v * sigmoid
        loss = np.sum(scaled * x)
        delta = x * (sigmoid + scaled * (1 - sigmoid)) * (1 - t * t)
        return loss, scaled + delta * w, delta * x

    return Step(step, lambda out: dict(zip(("loss", "grad_x", "grad_w"), out, strict=True)))


def _softmaxce(inputs: Mapping[str, np.ndarray]) -> Step:
    logits, labels = inputs["logits"], inputs["labels"]
    rows = np.arange(len(labels))

    def step() -> Any:
        shifted = logits - logits.max(axis=1, keepdims=True)
        grad = np.exp(shifted)
        sums = grad.sum(axis=1, keepdims=True)
        loss = np.mean(np.log(sums[:, 0]) - shifted[rows, labels])
        grad /= sums
        grad[rows, labels] -= 1
        grad /= len(labels)
        return loss, grad

    return Step(step, lambda out: {"loss": out[0], "grad_logits": out[1]})


def _layernorm(inputs: Mapping[str, np.ndarray]) -> Step:
    x, scale, shift = inputs["x"], inputs["scale"], inputs["shift"]
    root = float(np.sqrt(2 / np.pi))

    def step() -> Any:
        centred = x - x.mean(axis=1, keepdims=True)
        inverse = 1 / np.sqrt(np.mean(centred * centred, axis=1, keepdims=True) + EPSILON)
        normal = centred * inverse
        y = normal * scale + shift
        squared = y * y
        t = np.tanh(root * y * (1 + 0.044715 * squared))
        gelu = 0.5 * y * (1 + t)
        loss = np.mean(gelu * gelu)

        slope = 0.5 * (1 + t) + 0.5 * y * (1 - t * t) * root * (1 + 3 * 0.044715 * squared)
        delta = gelu * slope * (2 / gelu.size)
        grad_scale, grad_shift = (delta * normal).sum(axis=0), delta.sum(axis=0)
        delta *= scale
        mean = delta.mean(axis=1, keepdims=True)
        along = (delta * normal).mean(axis=1, keepdims=True)
        return loss, inverse * (delta - mean - normal * along), grad_scale, grad_shift

    names = ("loss", "grad_x", "grad_scale", "grad_shift")
    return Step(step, lambda out: dict(zip(names, out, strict=True)))


def _stencil(inputs: Mapping[str, np.ndarray]) -> Step:
    a, b = inputs["a"].copy(), inputs["b"].copy()

    def step() -> Any:
        for _ in range(TURNS):
            b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
            a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])

    return Step(step, lambda _: {"a": a, "b": b})


def _elman(inputs: Mapping[str, np.ndarray]) -> Step:
    weights, again, bias, first, x = (inputs[name] for name in ("Wx", "Wh", "b", "h", "x"))

    def step() -> Any:
        states = [first]
        for row in x:
            states.append(np.tanh(row @ weights + states[-1] @ again + bias))
        loss = np.mean(states[-1] * states[-1])
        grads = {f"grad_{name}": np.zeros_like(inputs[name]) for name in ("Wx", "Wh", "b", "x")}
        delta = states[-1] * (2 / first.size)
        for turn in reversed(range(len(x))):
            after = states[turn + 1]
            delta = delta * (1 - after * after)
            grads["grad_Wx"] += x[turn].T @ delta
            grads["grad_Wh"] += states[turn].T @ delta
            grads["grad_b"] += delta.sum(axis=0)
            grads["grad_x"][turn] = delta @ weights.T
            delta = delta @ again.T
        return {"loss": loss, "grad_h": delta, **grads}

    return Step(step, dict)


def _matscan(inputs: Mapping[str, np.ndarray]) -> Step:
    first, factor = inputs["h"], inputs["A"]

    def step() -> Any:
        states = [first]
        for _ in range(PRODUCTS):
            states.append(states[-1] @ factor)
        delta = 2 * states[-1]
        total = np.zeros_like(factor)
        for state in reversed(states[:-1]):
            total += state.T @ delta
            delta = delta @ factor.T
        return {"loss": np.sum(states[-1] * states[-1]), "grad_h": delta, "grad_A": total}

    return Step(step, dict)


def _attention(inputs: Mapping[str, np.ndarray]) -> Step:
    x, weights, bias, last, last_bias = (inputs[name] for name in ("x", "W", "b", "Wo", "bo"))
    batch, steps, width = x.shape
    size = width // HEADS
    scale = float(size**-0.5)

    def heads(parts: np.ndarray) -> np.ndarray:
        return parts.reshape(batch, steps, 3, HEADS, size).transpose(2, 0, 3, 1, 4)

    def step() -> Any:
        q, k, v = heads(x @ weights + bias)
        scores = q @ k.swapaxes(2, 3) * scale
        p = np.exp(scores - scores.max(axis=3, keepdims=True))
        p /= p.sum(axis=3, keepdims=True)
        y = (p @ v).swapaxes(1, 2).reshape(-1, width)
        out = y @ last + last_bias
        delta = out * (2 / out.size)
        grads = {"grad_Wo": y.T @ delta, "grad_bo": delta.sum(axis=0)}
        by_y = (delta @ last.T).reshape(batch, steps, HEADS, size).swapaxes(1, 2)
        by_p = by_y @ v.swapaxes(2, 3)
        by_scores = p * (by_p - np.sum(by_p * p, axis=3, keepdims=True)) * scale
        parts = np.stack([by_scores @ k, by_scores.swapaxes(2, 3) @ q, p.swapaxes(2, 3) @ by_y])
        joint = parts.transpose(1, 3, 0, 2, 4).reshape(-1, 3 * width)
        grads |= {"grad_W": x.reshape(-1, width).T @ joint, "grad_b": joint.sum(axis=0)}
        by_x = (joint @ weights.T).reshape(x.shape)
        return {"loss": np.mean(out * out), "grad_x": by_x, **grads}

    return Step(step, dict)


_BUILD: dict[str, Callable[[Mapping[str, np.ndarray]], Step]] = {
    "scalar": _scalar,
    "mlp": _mlp,
    "chain": _chain,
    "softmaxce": _softmaxce,
    "layernorm": _layernorm,
    "stencil": _stencil,
    "elman": _elman,
    "matscan": _matscan,
    "attention": _attention,
}


def build(kind: str, inputs: Mapping[str, np.ndarray]) -> Step:
    """The step of a workload."""
    return _BUILD[kind](inputs)
