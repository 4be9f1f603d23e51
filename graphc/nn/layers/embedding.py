"""`Embedding` of indices, and `Dropout`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.nn import init
from graphc.nn.embeddings import embedding
from graphc.nn.module import Module
from graphc.nn.stochastic import dropout


class Embedding(Module):
    """Rows of a table, by integer indices of any shape: gives (*, embedding_dim).

    Attributes:
        weight: (num_embeddings, embedding_dim), at first normal with variance 1; the row
            `padding_idx`, if there is one, is zero and has no gradient.

    >>> import numpy as np, graphc
    >>> graphc.nn.Embedding(10, 4)(np.array([[1, 2, 9]])).shape
    (1, 3, 4)
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        dtype: Any = np.float32,
    ) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = padding_idx
        if padding_idx is not None and not -num_embeddings <= padding_idx < num_embeddings:
            raise IndexError(f"Embedding: padding_idx {padding_idx} of {num_embeddings} rows")
        self.weight = init.normal((num_embeddings, embedding_dim), 0.0, 1.0, dtype)
        if padding_idx is not None:
            self.weight[padding_idx] = 0

    def forward(self, indices: Any) -> Any:
        """The rows at `indices`."""
        return embedding(indices, self.weight, self.padding_idx)

    def extra_repr(self) -> str:
        """The sizes."""
        padding = "" if self.padding_idx is None else f", padding_idx={self.padding_idx}"
        return f"{self.num_embeddings}, {self.embedding_dim}{padding}"


class Dropout(Module):
    """While training, zeros a share `p` of the elements and scales the rest by ``1 / (1 - p)``.

    Each call draws from the default key (`graphc.random.seed`).
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: p is a probability, not {p}")
        self.p = p

    def forward(self, x: Any) -> Any:
        """`x`, thinned out if the module is in training."""
        return dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"
