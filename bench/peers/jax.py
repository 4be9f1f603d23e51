"""JAX: pure functions under `jax.jit`, parameters donated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bench.networks import HEADS
from bench.peers import Step
from bench.workloads import EPSILON, PRODUCTS, RATE, TURNS, parameters

VERSIONS = ("jax", "jaxlib")

Inputs = Mapping[str, np.ndarray]


def _squared(w: Any, x: Any, y: Any) -> Any:
    return (w * x - y) ** 2


def _mean_squared(params: Any, x: Any, y: Any) -> Any:
    hidden = jax.nn.relu(x @ params["W1"] + params["b1"])
    hidden = jax.nn.relu(hidden @ params["W2"] + params["b2"])
    out = jax.nn.sigmoid(hidden @ params["W3"] + params["b3"])
    return jnp.mean((out - y) ** 2)


def _training(loss_of: Callable[..., Any], params: Any, x: np.ndarray, y: np.ndarray) -> Step:
    params = jax.tree.map(jnp.array, params)
    data = jnp.array(x), jnp.array(y)

    def update(params: Any, x: Any, y: Any) -> Any:
        loss, grads = jax.value_and_grad(loss_of)(params, x, y)
        return loss, jax.tree.map(lambda p, g: p - RATE * g, params, grads)

    compiled = jax.jit(update, donate_argnums=0)

    def step() -> Any:
        nonlocal params
        loss, params = compiled(params, *data)
        jax.block_until_ready(params)
        return loss.block_until_ready()

    def results(loss: Any) -> dict[str, np.ndarray]:
        state = params if isinstance(params, dict) else {"w": params}
        return {"loss": np.array(loss), **{name: np.array(p) for name, p in state.items()}}

    return Step(step, results)


def _chained(x: Any, w: Any) -> Any:
    v = jnp.tanh(x * w) + 1
    return jnp.sum(v * x / (1 + jnp.exp(-v)))


def _cross_entropy(logits: Any, labels: Any) -> Any:
    logs = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(logs, labels[:, None], axis=1))


def _normalised(x: Any, scale: Any, shift: Any) -> Any:
    mean = x.mean(axis=1, keepdims=True)
    y = (x - mean) * jax.lax.rsqrt(x.var(axis=1, keepdims=True) + EPSILON) * scale + shift
    return jnp.mean(jax.nn.gelu(y, approximate=True) ** 2)


def _cells(Wx: Any, Wh: Any, b: Any, h: Any, x: Any) -> Any:
    def cell(h: Any, row: Any) -> Any:
        return jnp.tanh(row @ Wx + h @ Wh + b), None

    h, _ = jax.lax.scan(cell, h, x)
    return jnp.mean(h * h)


def _multiplied(h: Any, A: Any) -> Any:
    h, _ = jax.lax.scan(lambda h, _: (h @ A, None), h, None, length=PRODUCTS)
    return jnp.sum(h * h)


def _attended(x: Any, W: Any, b: Any, Wo: Any, bo: Any) -> Any:
    batch, steps, width = x.shape
    parts = (x @ W + b).reshape(batch, steps, 3, HEADS, width // HEADS)
    q, k, v = jnp.moveaxis(parts, 2, 0)
    y = jax.nn.dot_product_attention(q, k, v).reshape(x.shape)
    return jnp.mean((y @ Wo + bo) ** 2)


def _averaged(x: Any) -> Any:
    return 0.25 * (x[:-2, 1:-1] + x[2:, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:])


def _stencil(inputs: Inputs) -> Step:
    def turn(_: Any, state: Any) -> Any:
        a, b = state
        b = b.at[1:-1, 1:-1].set(_averaged(a))
        return a.at[1:-1, 1:-1].set(_averaged(b)), b

    def turns(a: Any, b: Any) -> Any:
        return jax.lax.fori_loop(0, TURNS, turn, (a, b))

    compiled = jax.jit(turns, donate_argnums=(0, 1))
    state = tuple(jnp.array(inputs[name]) for name in "ab")

    def step() -> Any:
        nonlocal state
        state = jax.block_until_ready(compiled(*state))

    return Step(step, lambda _: dict(zip("ab", map(np.array, state), strict=True)))


_LOSSES = {
    "attention": _attended,
    "chain": _chained,
    "softmaxce": _cross_entropy,
    "layernorm": _normalised,
    "elman": _cells,
    "matscan": _multiplied,
}


def build(kind: str, inputs: Inputs) -> Step:
    """The step of a workload."""
    if any(array.dtype == np.float64 for array in inputs.values()):
        jax.config.update("jax_enable_x64", True)
    if kind == "stencil":
        return _stencil(inputs)
    if kind == "scalar":
        return _training(_squared, inputs["w"], inputs["x"], inputs["y"])
    if kind == "mlp":
        return _training(_mean_squared, parameters(inputs), inputs["x"], inputs["y"])
    names = [name for name, array in inputs.items() if array.dtype.kind == "f"]
    arguments = [jnp.array(array) for array in inputs.values()]
    compiled = jax.jit(jax.value_and_grad(_LOSSES[kind], argnums=tuple(range(len(names)))))

    def step() -> Any:
        return jax.block_until_ready(compiled(*arguments))

    def results(out: Any) -> dict[str, np.ndarray]:
        loss, grads = out
        arrays = {f"grad_{name}": np.array(g) for name, g in zip(names, grads, strict=True)}
        return {"loss": np.array(loss), **arrays}

    return Step(step, results)
