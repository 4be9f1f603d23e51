"""Samples of attention and its derivatives, against sums written row by row."""

import numpy as np

from graphc import ops
from graphc.ir import make
from graphc.ops.matrices.attention import GRADIENTS

RNG = np.random.default_rng(11)


def weights_of(q, k, scale, mask, causal):
    """The powers of each row, and the logarithm of their sum."""
    scores = scale * np.einsum("...id,...jd->...ij", q, k) + (0 if mask is None else mask)
    if causal:
        later = np.arange(k.shape[-2]) > np.arange(q.shape[-2])[:, None]
        scores = np.where(later, -np.inf, scores)
    total = np.exp(scores).sum(axis=-1)
    return scores, np.log(total, out=np.full(total.shape, np.inf), where=total != 0)


def attended(q, k, v, scale, *mask, causal=False):
    scores, lse = weights_of(q, k, scale, mask[0] if mask else None, causal)
    return np.einsum("...ij,...je->...ie", np.exp(scores - lse[..., None]), v), lse


def derived(q, k, v, scale, *rest, causal=False):
    *mask, lse, delta, g = rest
    scores, _ = weights_of(q, k, scale, mask[0] if mask else None, causal)
    p = np.exp(scores - lse[..., None])
    by_scores = p * (np.einsum("...ie,...je->...ij", g, v) - delta[..., None]) * scale
    return (
        np.einsum("...ij,...jd->...id", by_scores, k),
        np.einsum("...ij,...id->...jd", by_scores, q),
        np.einsum("...ij,...ie->...je", p, g),
    )


CASES = [
    # batch, queries, keys, features, value features, masked, causal
    ((2,), 3, 4, 2, 3, False, False),
    ((2, 1), 4, 3, 3, 2, True, True),
    ((), 60, 300, 2, 2, True, False),  # several blocks of each
]


def samples(sample):
    """The samples by op, made by the class `sample`."""
    forward, backward = [], []
    for batch, m, n, d, e, masked, causal in CASES:
        shapes = [(*batch, m, d), (*batch, n, d), (*batch, n, e), ()]
        arrays = [RNG.standard_normal(shape) for shape in shapes]
        if masked:
            arrays.append(RNG.standard_normal((*batch, m, n)))
        order = 2 if m < 10 else 1
        forward.append(
            sample(
                lambda *x, causal=causal: ops.attention(*x, causal=causal),
                tuple(arrays),
                lambda *x, causal=causal: attended(*x, causal=causal),
                order=order,
                ulps=64,
            )
        )
        o, lse = attended(*arrays, causal=causal)
        given = (*arrays, lse, RNG.standard_normal(lse.shape), RNG.standard_normal(o.shape))
        backward.append(
            sample(
                lambda *x, causal=causal: make(GRADIENTS, x, {"causal": causal}).outputs,
                given,
                lambda *x, causal=causal: derived(*x, causal=causal),
                order=order,
                ulps=64,
            )
        )
    return {"attention": forward, "attention_gradients": backward}
