"""Rules for arg-max and arg-min: the extreme first, then the first position that holds it.

A loop that carries a value and its position takes one element after another; two passes of plain
reductions are vectors, and split among threads.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from graphc import ops
from graphc.ir import Node, Value
from graphc.rewrite import Rules
from graphc.types import DTYPES, Size

_INT64 = DTYPES["int64"]
_NOWHERE = ops.constant(np.int64(np.iinfo(np.int64).max))


def _positions(x: Value, axes: tuple[int, ...]) -> Value:
    """The position of each element of `x` in its flattened `axes`, as int64 of x's shape."""
    total: Value | None = None
    step: Size = 1
    for axis in reversed(axes):
        lengths = tuple(x.shape[axis] if k == axis else 1 for k in range(x.ndim))
        along = ops.broadcast_to(ops.reshape(ops.iota(x.shape[axis]), lengths), x.shape)
        if step != 1:
            along = ops.multiply(along, ops.broadcast_to(ops.size_value(step), x.shape))
        total = along if total is None else ops.add(along, total)
        step = step * x.shape[axis]
    assert total is not None
    return total


def _first(extreme: Callable[[Value, tuple[int, ...]], Value]) -> Callable[[Node], Value | None]:
    def rule(node: Node) -> Value | None:
        (x,) = node.inputs
        axes = tuple(node["axes"])
        if x.dtype.kind not in "fiu" or not axes:
            return None
        kept = tuple(1 if k in axes else size for k, size in enumerate(x.shape))
        best = ops.broadcast_to(ops.reshape(extreme(x, axes), kept), x.shape)
        found = ops.equal(x, best)
        if x.dtype.kind == "f":
            # The extreme of what holds a NaN is NaN; the first of them is the position.
            found = ops.bitwise_or(found, ops.not_equal(x, x))
        nowhere = ops.broadcast_to(_NOWHERE, x.shape)
        return ops.min_(ops.select(found, _positions(x, axes), nowhere), axes)

    return rule


POSITION_RULES = Rules((("argmax", _first(ops.max_)), ("argmin", _first(ops.min_))))
