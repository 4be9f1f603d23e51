"""Normalisation by batch, layer, group, instance, norm and neighbouring channels."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import random
from graphc.loading.onnx.dtypes import numpy_dtype
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import integer, is_static, product
from graphc.nn.normalization import batch_norm


def _channels(x: Any, array: Any) -> Any:
    """An array of one element a channel, to be broadcast with images."""
    return array.reshape((1, -1) + (1,) * (x.ndim - 2))


@operator("BatchNormalization", since=7)
def batch_normalization(node: Node, x: Any, scale: Any, bias: Any, mean: Any, var: Any) -> Any:
    """By running statistics; in ``training_mode`` by the batch's, and the running ones moved."""
    eps = node.number("epsilon", 1e-5)
    if not node.get("training_mode", 0):
        if scale.dtype != x.dtype:
            scale, bias = scale.astype(x.dtype), bias.astype(x.dtype)
        mean, var = mean.astype(x.dtype), var.astype(x.dtype)
        return batch_norm(x, mean, var, scale, bias, eps=eps)
    momentum = node.number("momentum", 0.9)
    axes = (0, *range(2, x.ndim))
    now, spread = np.mean(x, axis=axes), np.var(x, axis=axes)
    centered = (x - _channels(x, now)) / np.sqrt(_channels(x, spread) + eps)
    found = centered * _channels(x, scale) + _channels(x, bias)
    moved = [old * momentum + new * (1 - momentum) for old, new in ((mean, now), (var, spread))]
    return found, *moved


@operator("InstanceNormalization")
def instance_normalization(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    """Each image's channels by their own mean and variance."""
    axes = tuple(range(2, x.ndim))
    found = _normal(x, axes, node.number("epsilon", 1e-5))
    return found * _channels(x, scale) + _channels(x, bias)


def _normal(x: Any, axes: tuple[int, ...], eps: float) -> Any:
    centered = x - np.mean(x, axis=axes, keepdims=True)
    return centered * (1 / np.sqrt(np.mean(centered * centered, axis=axes, keepdims=True) + eps))


@operator("LayerNormalization")
def layer_normalization(node: Node, x: Any, scale: Any, bias: Any = None) -> Any:
    """Over the axes from `axis` on; gives the mean and the inverse deviation, too."""
    axis = int(node.number("axis", -1)) % x.ndim
    axes = tuple(range(axis, x.ndim))
    stash = numpy_dtype(node.get("stash_type", 1), node.label)
    wide = x if x.dtype == np.float64 else x.astype(stash)
    mean = np.mean(wide, axis=axes, keepdims=True)
    centered = wide - mean
    var = np.mean(centered * centered, axis=axes, keepdims=True)
    inverse = 1 / np.sqrt(var + node.number("epsilon", 1e-5))
    found = (centered * inverse).astype(x.dtype) * scale
    if bias is not None:
        found = found + bias
    return found, mean, inverse


@operator("RMSNormalization")
def rms_normalization(node: Node, x: Any, scale: Any) -> Any:
    """By the root of the mean square over the axes from `axis` on."""
    axis = int(node.number("axis", -1)) % x.ndim
    axes = tuple(range(axis, x.ndim))
    mean = np.mean(x * x, axis=axes, keepdims=True)
    return x * (1 / np.sqrt(mean + node.number("epsilon", 1e-5))) * scale


@operator("GroupNormalization")
def group_normalization(node: Node, x: Any, scale: Any, bias: Any) -> Any:
    """Groups of channels by their own mean and variance."""
    groups = int(node.number("num_groups", 1))
    batch, channels = x.shape[:2]
    parts = x.reshape((batch, groups, product(x.shape[1:]) // groups))
    found = _normal(parts, (2,), node.number("epsilon", 1e-5)).reshape(x.shape)
    if node.version < 21:
        each = channels // groups
        scale, bias = np.repeat(scale, int(each)), np.repeat(bias, int(each))
    return found * _channels(x, scale) + _channels(x, bias)


@operator("MeanVarianceNormalization")
def mean_variance_normalization(node: Node, x: Any) -> Any:
    """To mean 0 and variance 1 over some axes."""
    axes = tuple(axis % x.ndim for axis in node.get("axes", (0, 2, 3)))
    mean = np.mean(x, axis=axes, keepdims=True)
    spread = np.sqrt(np.mean(x * x, axis=axes, keepdims=True) - mean * mean)
    return (x - mean) / (spread + 1e-9)


@operator("LpNormalization")
def lp_normalization(node: Node, x: Any) -> Any:
    """By the sum of magnitudes, or by the Euclidean norm, along an axis; zeros stay zeros."""
    axis, p = int(node.number("axis", -1)), int(node.number("p", 2))
    if p == 1:
        norm = np.sum(np.abs(x), axis=axis, keepdims=True)
    else:
        norm = np.sqrt(np.sum(x * x, axis=axis, keepdims=True))
    return np.where(norm == 0, 0, x / np.where(norm == 0, 1, norm)).astype(x.dtype)


@operator("LRN")
def local_response_normalization(node: Node, x: Any) -> Any:
    """By the squares of neighbouring channels (Krizhevsky et al., 2012)."""
    size = int(node.number("size", 1))
    alpha, beta = node.number("alpha", 1e-4), node.number("beta", 0.75)
    low = (size - 1) // 2
    widths = [(0, 0), (low, size - 1 - low)] + [(0, 0)] * (x.ndim - 2)
    squares = np.pad(x * x, widths)
    channels = x.shape[1]
    total = squares[:, 0:channels]
    for k in range(1, size):
        total = total + squares[:, k : k + channels]
    return x / (node.number("bias", 1.0) + alpha / size * total) ** beta


@operator("Dropout", static=(2,), since=7)
def dropout(node: Node, x: Any, ratio: Any = None, training: Any = None) -> Any:
    """In inference nothing; with ``training_mode``, elements left out by a key of graphc.random."""
    if training is None or not integer(training, "training_mode"):
        return x, np.ones_like(x, dtype=bool)
    share = np.asarray(node.number("ratio", 0.5), np.float32) if ratio is None else ratio
    if is_static(share) and float(share) == 0:
        return x, np.ones_like(x, dtype=bool)
    drawn = random.uniform(key_of(node), x.shape, np.float32)
    kept = drawn >= share
    return np.where(kept, x / (1 - share).astype(x.dtype), np.zeros((), x.dtype)), kept


def key_of(node: Node) -> Any:
    """The key for what a node draws: by its seed, else split off the default key."""
    seed = node.get("seed")
    return random.next_key() if seed is None else random.key(int(seed))
