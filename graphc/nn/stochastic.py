"""Dropout."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import random
from graphc.errors import DomainError
from graphc.nn.checks import failure, require_floating, zero
from graphc.trace.values import is_traced


def dropout(x: Any, p: Any = 0.5, training: bool = True, key: Any = None) -> Any:
    """In `training`, zeros elements with probability `p` and divides the rest by ``1 - p``.

    Srivastava et al., 2014.

    Args:
        key: of `graphc.random`; by default a new one, split off the default key.

    Raises:
        DomainError: `p` is a number of Python's outside 0 ... 1.
        DTypeError: an array that is not floating.

    >>> import numpy as np, graphc
    >>> graphc.nn.dropout(np.ones(6), 0.5, key=graphc.random.key(0))
    array([2., 2., 0., 0., 2., 0.])
    """
    require_floating("dropout", x)
    if not is_traced(p) and not 0 <= p <= 1:
        raise failure(DomainError, f"dropout: p is a probability, not {p}")
    if not training:
        return x
    drawn = random.uniform(random.next_key() if key is None else key, x.shape, np.float32)
    # Where all are dropped nothing is divided: 0 / 0 would be NaN.
    return np.where(drawn < p, zero(x), x * (1 / np.maximum(1 - p, 1e-30)).astype(x.dtype))
