"""Scaled dot-product attention, as a function of arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError
from graphc.ir import Value
from graphc.nn.checks import failure, require_floating, shape_text, zero
from graphc.nn.stochastic import dropout
from graphc.trace.convert import same_size
from graphc.transform import operation, stop_gradient


def attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Any:
    """``softmax(query @ key.T * scale + mask) @ value``: ``scaled_dot_product_attention``.

    Vaswani et al., 2017, equation 1. A query that may attend to no key gives zeros.

    Args:
        query: (*, queries, features); key: (*, keys, features); value: (*, keys, size).
        attn_mask: broadcast to (*, queries, keys): bool, True where a query may attend to a key;
            or floating, added to the scores.
        dropout_p: what share of the weights to drop.
        is_causal: query i attends to keys 0 ... i alone.
        scale: ``1 / sqrt(features)`` by default.

    Returns:
        (*, queries, size).

    Raises:
        ShapeError: shapes that do not fit.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> x = np.eye(2)
    >>> graphc.nn.attention(x, x, x, is_causal=True).round(3)
    array([[1.  , 0.  ],
           [0.33, 0.67]])
    """
    require_floating("attention", query, key, value)
    fits = query.ndim >= 2 and key.ndim >= 2 and value.ndim >= 2
    if not fits or query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise failure(
            ShapeError,
            f"attention: query {shape_text(query)}, key {shape_text(key)} and value "
            f"{shape_text(value)} do not fit: wanted (*, queries, features), (*, keys, features) "
            "and (*, keys, size)",
        )
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    if attn_mask is not None and attn_mask.ndim < 2:
        attn_mask = attn_mask.reshape((1, -1))
    if attn_mask is not None and attn_mask.dtype == np.bool_:
        attn_mask = np.where(attn_mask, zero(query), -np.inf).astype(query.dtype)
    dtype = np.result_type(query, key, value)
    drops = not isinstance(dropout_p, int) or dropout_p > 0
    if not drops and dtype.name in ("float32", "float64"):
        return _by_blocks(query, key, value, factor, attn_mask, is_causal, dtype)
    scores = (query * factor) @ key.swapaxes(-1, -2)
    if attn_mask is not None:
        scores = scores + attn_mask
    if is_causal:
        rows, columns = np.arange(query.shape[-2]), np.arange(key.shape[-2])
        scores = np.where(columns > rows[:, None], -np.inf, scores)
    largest = stop_gradient(scores.max(axis=-1, keepdims=True))
    powers = np.exp(scores - np.where(np.isfinite(largest), largest, 0))
    total = powers.sum(axis=-1, keepdims=True)
    weights = powers / np.where(total == 0, 1, total)
    if drops:
        weights = dropout(weights, dropout_p)
    return weights @ value


def _by_blocks(
    query: Any, key: Any, value: Any, factor: Any, mask: Any, is_causal: bool, dtype: Any
) -> Any:
    """Attention without dropout: the op, whose kernels keep no matrix of scores."""
    parts = [query, key, value] if mask is None else [query, key, value, mask]
    parts = [part.astype(dtype, copy=False) for part in parts]
    leads = [part.shape[:-2] for part in parts]
    if any(lead != leads[0] for lead in leads):
        lead = np.broadcast_shapes(*leads)
        parts = [np.broadcast_to(part, (*lead, *part.shape[-2:])) for part in parts]
    if mask is not None:
        scores = (*parts[0].shape[:-1], parts[1].shape[-2])
        parts[3] = np.broadcast_to(parts[3], scores)
    scale = np.asarray(factor, dtype)
    return _attention(*parts[:3], scale, *parts[3:], is_causal=bool(is_causal))


@operation
def _attention(
    q: Value, k: Value, v: Value, scale: Value, mask: Value | None = None, is_causal: bool = False
) -> Value:
    # Sizes that are equal by chance become static, so that the types agree.
    batch = q.shape[:-2]
    pairs = [*zip(batch, k.shape[:-2], strict=True), *zip(batch, v.shape[:-2], strict=True)]
    pairs += [(q.shape[-1], k.shape[-1]), (k.shape[-2], v.shape[-2])]
    if mask is not None:
        scores = (*q.shape[:-1], k.shape[-2])
        pairs += zip(scores, mask.shape, strict=True)
    for left, right in pairs:
        same_size(left, right)
    return ops.attention(q, k, v, scale, mask, is_causal)[0]
