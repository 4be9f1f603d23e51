"""How often given sequences of integers occur in others."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import lift


@operator("TfIdfVectorizer")
def tf_idf_vectorizer(node: Node, x: Any) -> Any:
    """Counts of n-grams, whose elements may stand up to some places apart; or weighted."""
    if "pool_int64s" not in node.attributes:
        raise node.refusal("n-grams of texts are not supported")
    pool = np.array(node.get("pool_int64s"), np.int64)
    places = np.array(node.get("ngram_indexes"), np.int64)
    starts = [*node.get("ngram_counts"), len(pool)]
    skips = int(node.number("max_skip_count", 0))
    shortest, longest = (int(node.number(f"{m}_gram_length", 1)) for m in ("min", "max"))
    columns: dict[int, Any] = {}
    known = 0
    for n in range(1, len(starts)):
        grams = pool[starts[n - 1] : starts[n]].reshape(-1, n)
        if shortest <= n <= longest and len(grams):
            counts = _counts(x, grams, skips if n > 1 else 0)
            columns |= {known + k: counts[..., k] for k in range(len(grams))}
        known += len(grams)
    order = {int(place): gram for gram, place in enumerate(places)}
    zero = lift(np.zeros((), np.float32)) + 0 * x[..., 0].astype(np.float32)
    weights = np.array(node.get("weights", (1.0,) * known), np.float32)
    mode = node.get("mode")
    if mode not in ("TF", "IDF", "TFIDF"):
        raise node.refusal(f"mode {mode!r} is not supported")
    found = []
    for place in range(int(places.max()) + 1):
        gram = order.get(place, -1)
        count = columns.get(gram, zero)
        count = (count > 0).astype(np.float32) if mode == "IDF" else count
        found.append(count if mode == "TF" or gram < 0 else count * weights[gram])
    return np.stack(found, axis=-1)


def _counts(x: Any, grams: np.ndarray, skips: int) -> Any:
    """How often each row of `grams` occurs along the last axis of `x`."""
    n = grams.shape[1]
    total = lift(np.zeros(len(grams), np.float32)) + 0 * x[..., :1].astype(np.float32)
    for skip in range(skips + 1):
        positions = int(x.shape[-1]) - (n - 1) * (skip + 1)
        if positions <= 0:
            break
        same: Any = None
        for k in range(n):
            first = k * (skip + 1)
            element = x[..., None, first : first + positions] == lift(grams[:, k : k + 1])
            same = element if same is None else same & element
        total = total + np.sum(same, axis=-1).astype(np.float32)
    return total
