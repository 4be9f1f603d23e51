"""The operator `Attention`, as graphc's own, whose kernels keep no matrix of scores."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.nn.dot_product_attention import attention as attend

_SERVED = {"is_causal", "kv_num_heads", "q_num_heads", "qk_matmul_output_mode", "scale", "softcap"}


@operator("Attention")
def attention(node: Node, query: Any, key: Any, value: Any, mask: Any = None, *others: Any) -> Any:
    """Without a past, a cap or a window; with these, ONNX's own definition is expanded."""
    unusual = set(node.attributes) - _SERVED or node.number("softcap", 0.0) != 0
    if unusual or any(x is not None for x in others) or any(map(node.gives, (1, 2, 3))):
        return NotImplemented
    if query.dtype.kind != "f" or not query.dtype == key.dtype == value.dtype:
        return NotImplemented
    merged = query.ndim == 3
    if merged:
        heads = int(node.number("q_num_heads", 0)), int(node.number("kv_num_heads", 0))
        query, key, value = _split(query, heads[0]), _split(key, heads[1]), _split(value, heads[1])
    shared = int(query.shape[1]) // int(key.shape[1])
    if shared > 1:
        key, value = np.repeat(key, shared, axis=1), np.repeat(value, shared, axis=1)
    if mask is not None:
        if mask.ndim < 2 or mask.shape[-1] != key.shape[-2]:
            return NotImplemented
        mask = mask if mask.dtype == np.bool_ else mask.astype(query.dtype)
    scale = node.get("scale") or 1 / math.sqrt(int(query.shape[-1]))
    causal = bool(node.get("is_causal", 0))
    found = attend(query, key, value, mask, is_causal=causal, scale=scale)
    return _joined(found) if merged else found


def _split(x: Any, heads: int) -> Any:
    """(batch, steps, heads × size) as (batch, heads, steps, size)."""
    batch, steps, width = x.shape
    return np.transpose(x.reshape((batch, steps, heads, width // heads)), (0, 2, 1, 3))


def _joined(x: Any) -> Any:
    batch, heads, steps, size = x.shape
    return np.transpose(x, (0, 2, 1, 3)).reshape((batch, steps, heads * size))
