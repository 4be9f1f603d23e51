"""Clipping of gradients by their norm."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.trace.trees import leaves, tree_map


def global_norm(tree: Any) -> Any:
    """The Euclidean norm of all floating leaves of a pytree together, as one vector.

    >>> import numpy as np, graphc
    >>> float(graphc.optim.global_norm({"a": np.array([3.0]), "b": np.array(4.0)}))
    5.0
    """
    arrays = {id(leaf): leaf for leaf in leaves(tree) if leaf.dtype.kind in "fc"}
    squares = [(np.abs(leaf) ** 2).sum() for leaf in arrays.values()]
    total = squares[0] if squares else np.float64(0)
    for square in squares[1:]:
        total = total + square
    return np.sqrt(total)


def clip_by_global_norm(grads: Any, max_norm: float) -> Any:
    """`grads` scaled so that their `global_norm` is at most `max_norm`; a new pytree.

    As ``torch.nn.utils.clip_grad_norm_``: the factor is ``max_norm / (norm + 1e-6)`` where that is
    below 1. A norm that is no number makes all of them NaN.

    >>> import numpy as np, graphc
    >>> graphc.optim.clip_by_global_norm([np.array([3.0, 4.0])], 1.0)[0].round(5)
    array([0.6, 0.8])
    """
    scale = np.minimum(max_norm / (global_norm(grads) + 1e-6), 1.0)

    def clipped(leaf: Any) -> Any:
        return leaf * scale.astype(leaf.dtype) if leaf.dtype.kind in "fc" else leaf

    return tree_map(clipped, grads)
