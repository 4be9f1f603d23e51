"""`MultiHeadAttention`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc.errors import DomainError, ShapeError
from graphc.nn import init
from graphc.nn.activations import softmax
from graphc.nn.dot_product_attention import attention
from graphc.nn.layers.linear import Linear
from graphc.nn.module import Module
from graphc.nn.stochastic import dropout as drop


class MultiHeadAttention(Module):
    """Attention of several heads, each on a slice of the embedding; ``nn.MultiheadAttention``.

    Vaswani et al., "Attention is all you need", 2017, section 3.2.2.

    Attributes:
        in_proj_weight: (3 · embed_dim, embed_dim), the projections of query, key and value; where
            `kdim` or `vdim` differ it is split into q_proj_weight, k_proj_weight, v_proj_weight.
        in_proj_bias: (3 · embed_dim,) or None.
        out_proj: a `Linear`.

    >>> import numpy as np, graphc
    >>> layer = graphc.nn.MultiHeadAttention(8, 2, batch_first=True)
    >>> x = np.ones((3, 5, 8), np.float32)
    >>> out, weights = layer(x, x, x)
    >>> out.shape, weights.shape
    ((3, 5, 8), (3, 5, 5))
    """

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        dtype: Any = np.float32,
    ) -> None:
        if num_heads < 1 or embed_dim % num_heads:
            raise ShapeError(
                f"MultiHeadAttention: embed_dim={embed_dim} can't be split into "
                f"num_heads={num_heads}"
            )
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.drops = dropout > 0
        self.batch_first = batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self.joint = self.kdim == embed_dim == self.vdim
        if self.joint:
            self.in_proj_weight = init.xavier_uniform((3 * embed_dim, embed_dim), dtype=dtype)
        else:
            for name, size in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
                made = init.xavier_uniform((embed_dim, size), dtype=dtype)
                setattr(self, f"{name}_proj_weight", made)
        self.in_proj_bias = np.zeros(3 * embed_dim, dtype) if bias else None
        self.out_proj = Linear(embed_dim, embed_dim, bias, dtype)
        if self.out_proj.bias is not None:
            self.out_proj.bias[...] = 0

    def forward(
        self,
        query: Any,
        key: Any,
        value: Any,
        key_padding_mask: Any = None,
        need_weights: bool = True,
        attn_mask: Any = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Any, Any]:
        """Attend from each query to all keys.

        Args:
            query, key, value: (steps, batch, features), with `batch_first` (batch, steps,
                features), or (steps, features).
            key_padding_mask: (batch, keys), bool (True leaves a key out) or added to the scores.
            attn_mask: (queries, keys) or (batch · num_heads, queries, keys), likewise.
            need_weights: also return the weights; without, no score matrix need be kept.
            average_attn_weights: the mean of the heads' weights rather than all of them.
            is_causal: leave out the keys after each query; where weights are wanted, `attn_mask`
                has to say so itself.

        Returns:
            ``(out, weights)``: like `query`, and (batch, queries, keys) or None.

        Raises:
            ShapeError: shapes that do not fit.
            DomainError: `is_causal` with `need_weights` and no `attn_mask`.
        """
        if is_causal and need_weights and attn_mask is None:
            raise DomainError(
                "MultiHeadAttention: is_causal needs an attn_mask where weights are wanted",
                hint="Pass need_weights=False.",
            )
        self._check(query, key, value)
        single = query.ndim == 2
        if single:
            query, key, value = query[None], key[None], value[None]
            if key_padding_mask is not None:
                key_padding_mask = key_padding_mask[None]
        elif not self.batch_first:
            query, key, value = (x.swapaxes(0, 1) for x in (query, key, value))
        parts = [self._heads(x, number) for number, x in enumerate((query, key, value))]
        mask = self._mask(query, key, key_padding_mask, attn_mask)
        rate = self.dropout
        weights = None
        if need_weights:
            heads, weights = self._weighted(parts, mask)
        elif self.drops and self.training:
            heads = attention(parts[0], parts[1], parts[2], mask, rate, is_causal)
        else:
            heads = attention(parts[0], parts[1], parts[2], mask, 0, is_causal)
        batch, steps = query.shape[0], query.shape[1]
        out = self.out_proj(heads.swapaxes(1, 2).reshape(batch, steps, self.embed_dim))
        if weights is not None and average_attn_weights:
            weights = weights.mean(axis=1)
        if single:
            return out[0], None if weights is None else weights[0]
        return out if self.batch_first else out.swapaxes(0, 1), weights

    def _check(self, query: Any, key: Any, value: Any) -> None:
        wanted = (self.embed_dim, self.kdim, self.vdim)
        for name, x, size in zip(
            ("query", "key", "value"), (query, key, value), wanted, strict=True
        ):
            if x.ndim not in (2, 3) or x.ndim != query.ndim or x.shape[-1] != size:
                raise ShapeError(
                    f"MultiHeadAttention: {name} is {tuple(x.shape)}, wanted 2 or 3 axes, the last "
                    f"of {size}"
                )

    def _heads(self, x: Any, number: int) -> Any:
        """The projection of one of the three: (batch, heads, steps, features of a head)."""
        n = self.embed_dim
        if self.joint:
            weight = self.in_proj_weight[number * n : (number + 1) * n]
        else:
            weight = getattr(self, f"{'qkv'[number]}_proj_weight")
        y = x @ weight.T
        if self.in_proj_bias is not None:
            y = y + self.in_proj_bias[number * n : (number + 1) * n]
        shape = (x.shape[0], x.shape[1], self.num_heads, n // self.num_heads)
        return y.reshape(shape).swapaxes(1, 2)

    def _mask(self, query: Any, key: Any, padding: Any, mask: Any) -> Any:
        """What is added to the scores, for (batch, heads, queries, keys); or None."""
        batch, queries, keys = query.shape[0], query.shape[1], key.shape[1]
        found = None
        if mask is not None:
            found = _added(mask, query.dtype)
            if mask.ndim == 3:
                found = found.reshape(batch, self.num_heads, queries, keys)
            elif tuple(mask.shape) != (queries, keys):
                raise ShapeError(
                    f"MultiHeadAttention: attn_mask is {tuple(mask.shape)}, wanted "
                    f"{(queries, keys)} or {(batch * self.num_heads, queries, keys)}"
                )
        if padding is not None:
            if tuple(padding.shape) != (batch, keys):
                raise ShapeError(
                    f"MultiHeadAttention: key_padding_mask is {tuple(padding.shape)}, wanted "
                    f"{(batch, keys)}"
                )
            added = _added(padding, query.dtype)[:, None, None]
            found = added if found is None else found + added
        return found

    def _weighted(self, parts: list[Any], mask: Any) -> tuple[Any, Any]:
        """The heads' results and weights."""
        query, key, value = parts
        scores = (query / math.sqrt(self.embed_dim // self.num_heads)) @ key.swapaxes(2, 3)
        weights = softmax(scores if mask is None else scores + mask, -1)
        if self.drops:
            weights = drop(weights, self.dropout, self.training)
        return weights @ value, weights

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.embed_dim}, num_heads={self.num_heads}, batch_first={self.batch_first}"


def _added(mask: Any, dtype: Any) -> Any:
    """A mask as what is added to the scores."""
    if mask.dtype == np.bool_:
        return np.where(mask, np.asarray(-np.inf, dtype), np.asarray(0, dtype))
    return mask
