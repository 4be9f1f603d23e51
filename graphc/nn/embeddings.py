"""Rows by their indices, and indices as rows of zeros and a one."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DomainError, ShapeError, UnsupportedError
from graphc.nn.checks import failure, require_integers, shape_text, within
from graphc.trace.values import is_traced
from graphc.transform import stop_gradient


def embedding(indices: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """``weight[indices]``: (*, features), for `indices` of shape (*) and a table (rows, features).

    Args:
        padding_idx: a row that has no gradient.

    Raises:
        DTypeError: the indices are no integers.
        ShapeError: the table has not two axes.
        DomainError: `padding_idx` is no row.
        OutOfBoundsError: at run time, an index is no row; negative ones are none.

    >>> import numpy as np, graphc
    >>> graphc.nn.embedding(np.array([2, 0]), np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    array([[5., 6.],
           [1., 2.]])
    """
    require_integers("embedding", indices)
    if weight.ndim != 2:
        raise failure(
            ShapeError, f"embedding: the table is {shape_text(weight)}, wanted (rows, features)"
        )
    rows = weight.shape[0]
    found = weight[within("embedding", "an index", indices, rows)]
    if padding_idx is None:
        return found
    if not -rows <= padding_idx < rows:
        raise failure(DomainError, f"embedding: padding_idx={padding_idx} of {rows} rows")
    padding = (indices == padding_idx % rows)[..., None]
    return np.where(padding, stop_gradient(found), found)


def one_hot(labels: Any, num_classes: int = -1) -> Any:
    """Rows of zeros with a one at each label: int64 (*, num_classes).

    Args:
        num_classes: by default one more than the largest label, which compiled code can't know.

    Raises:
        DTypeError: the labels are no integers.
        UnsupportedError: compiled code without `num_classes`.
        OutOfBoundsError: at run time, a label is no class.

    >>> import numpy as np, graphc
    >>> graphc.nn.one_hot(np.array([2, 0]), 3)
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    require_integers("one_hot", labels)
    if num_classes < 0:
        if is_traced(labels):
            raise failure(
                UnsupportedError,
                "one_hot without num_classes has a shape that depends on the labels",
                "Pass num_classes, as in nn.one_hot(labels, 10).",
            )
        num_classes = int(labels.max()) + 1 if labels.size else 0
    inside = within("one_hot", "a label", labels, num_classes)
    return (inside[..., None] == np.arange(num_classes)).astype(np.int64)
