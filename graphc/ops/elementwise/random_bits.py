"""Random bits: a counter-based generator, so that numbers depend on a key and a position alone.

Threefry-2x32 with 20 rounds, of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
1, 2, 3" (SC 2011): a block cipher without tables that turns a counter of two words into two words.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import Graph, Op, Value, make
from graphc.loops import Apply, Elementwise
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.pointwise import same_type
from graphc.ops.registry import register
from graphc.types import DTYPES, Type

UINT32, UINT64 = DTYPES["uint32"], DTYPES["uint64"]
PARITY = 0x1BD11BDA
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


def _infer(types: tuple[Type, ...], attrs: Any, regions: tuple[Graph, ...]) -> tuple[Type, ...]:
    first = same_type("threefry2x32", types, "u")
    if len(types) != 4 or first.dtype != UINT32:
        raise DTypeError(f"threefry2x32 takes four operands of uint32, not {first}")
    return (first.with_dtype(UINT64),)


def _evaluate(driver: Any, node: Any, arrays: list[Any]) -> tuple[np.ndarray]:
    key_0, key_1, x_0, x_1 = (np.asarray(array, np.uint32) for array in arrays)
    keys = (key_0, key_1, key_0 ^ key_1 ^ np.uint32(PARITY))
    with np.errstate(over="ignore"):
        x_0, x_1 = x_0 + keys[0], x_1 + keys[1]
        for group in range(5):
            for turn in ROTATIONS[group % 2]:
                x_0 = x_0 + x_1
                x_1 = (x_1 << np.uint32(turn)) | (x_1 >> np.uint32(32 - turn))
                x_1 = x_1 ^ x_0
            x_0 = x_0 + keys[(group + 1) % 3]
            x_1 = x_1 + keys[(group + 2) % 3] + np.uint32(group + 1)
    return (np.asarray((x_0.astype(np.uint64) << np.uint64(32)) | x_1),)


THREEFRY = register(
    Op(
        "threefry2x32",
        _infer,
        _evaluate,
        None,
        Elementwise((lambda node, operands: Apply("threefry2x32", operands, UINT64),)),
        batch=batch_leading,
    )
)


def threefry2x32(key_0: Value, key_1: Value, counter_0: Value, counter_1: Value) -> Value:
    """The block of a key and a counter, as uint64: its first word is the upper half.

    Raises:
        ShapeError, DTypeError: the operands are not uint32 arrays of one shape.
    """
    return make(THREEFRY, (key_0, key_1, counter_0, counter_1)).out()
