"""Random numbers: by `graphc.random`, so by a key alone; ONNX leaves the generator open."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import random
from graphc.loading.onnx.operators.normalisation import key_of
from graphc.loading.onnx.registry import Node, operator


@operator("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike")
def draw(node: Node, like: Any = None) -> Any:
    """Normal or uniform numbers of a shape, or of the shape of an array."""
    shape = tuple(node.get("shape", ())) if like is None else tuple(like.shape)
    if "dtype" in node.attributes or like is None or like.dtype.kind != "f":
        dtype = node.dtype("dtype", 1)
    else:
        dtype = like.dtype
    if dtype.kind != "f":
        raise node.refusal(f"random numbers of dtype {dtype} are not supported")
    if node.operator.startswith("RandomNormal"):
        found = random.normal(key_of(node), shape, dtype)
        return found * node.number("scale", 1.0) + node.number("mean", 0.0)
    low, high = node.number("low", 0.0), node.number("high", 1.0)
    return random.uniform(key_of(node), shape, dtype) * (high - low) + low


@operator("Bernoulli")
def bernoulli(node: Node, p: Any) -> Any:
    """Ones with the probabilities that the operand says."""
    dtype = node.dtype("dtype", 1) if "dtype" in node.attributes else p.dtype
    return (random.uniform(key_of(node), p.shape, p.dtype) < p).astype(dtype)


@operator("Multinomial")
def multinomial(node: Node, x: Any) -> Any:
    """Classes drawn by their unnormalised log-probabilities."""
    dtype = node.dtype("dtype", 6)
    count = int(node.number("sample_size", 1))
    logits = np.broadcast_to(x[:, None, :], (x.shape[0], count, x.shape[1]))
    return random.categorical(key_of(node), logits).astype(dtype)
