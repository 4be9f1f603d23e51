"""What is known of a value without running anything."""

from __future__ import annotations

import numpy as np

from graphc.ir import Value
from graphc.ops.arrays.creation import CONSTANT, constant_array
from graphc.ops.arrays.shape import BROADCAST, RESHAPE, TRANSPOSE
from graphc.types import TensorType, is_inexact


def uniform(value: Value) -> np.ndarray | None:
    """The 0-d array that every element of `value` equals, where that is a constant; else None."""
    node = value.node
    while node.op in (BROADCAST, RESHAPE, TRANSPOSE):
        node = node.inputs[0].node
    if node.op is not CONSTANT:
        return None
    array = constant_array(node)
    return array.reshape(()) if array.size == 1 else None


def is_zero(value: Value) -> bool:
    """Whether every element of `value` is the constant 0 (of either sign)."""
    known = uniform(value)
    return known is not None and not known.any()


def differentiable(value: Value) -> bool:
    """Whether there are derivatives of `value`: it is floating or complex, and no token."""
    return isinstance(value.type, TensorType) and is_inexact(value.type.dtype)
