"""Bits and integers, and the random bits that are made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphc.exporting.onnx.rules.forms import first_type, holds_anywhere, pointwise, repeated
from graphc.exporting.onnx.tensors import BOOL, INT64, UINT64, Tensor, where
from graphc.exporting.onnx.walker import Rule, Walker
from graphc.ir import Node
from graphc.ops.elementwise.random_bits import PARITY, ROTATIONS

WORD = 0xFFFFFFFF


def _bits(formula: Callable[..., Tensor], since: int = 18) -> Rule:
    """A rule with the bitwise ops of opset 18, which bool does not need."""

    def rule(walker: Walker, node: Node) -> Tensor:
        operands = walker.operands(node)
        if operands[0].dtype != BOOL:
            walker.builder.need(since, "ops on bits")
        return formula(*operands)

    return rule


# --- shifts: ONNX's are undefined for as many places as there are bits, NumPy's are not ----------


def _shifted(x: Tensor, places: Tensor, direction: str) -> Tensor:
    """A shift of unsigned `x`, as uint64; 0 where `places` are too many, or negative."""
    count = places.cast(UINT64)
    inside = count < x.dtype.itemsize * 8
    moved = x.cast(UINT64).op("BitShift", where(inside, count, 0), direction=direction)
    return where(inside, moved, 0)


def _left_shift(x: Tensor, places: Tensor) -> Tensor:
    return _shifted(x, places, "LEFT").cast(x.dtype)


def _right_shift(x: Tensor, places: Tensor) -> Tensor:
    """Of a negative number the complement is shifted, so that ones come in from the left."""
    if x.dtype.kind == "u":
        return _shifted(x, places, "RIGHT").cast(x.dtype)
    negative = x < 0
    moved = _shifted(where(negative, -1 - x, x), places, "RIGHT").cast(x.dtype)
    return where(negative, -1 - moved, moved)


def _bit_count(x: Tensor) -> Tensor:
    """Ones of the absolute value, summed in pairs, in fours, in eights, and by a product."""
    size = where(x < 0, -x, x) if x.dtype.kind == "i" else x
    ones = size.cast(UINT64)
    if x.dtype.kind == "i" and x.dtype.itemsize < 8:
        ones = ones & ((1 << 8 * x.dtype.itemsize) - 1)
    pairs = ones - (_right(ones, 1) & 0x5555555555555555)
    fours = (pairs & 0x3333333333333333) + (_right(pairs, 2) & 0x3333333333333333)
    eights = (fours + _right(fours, 4)) & 0x0F0F0F0F0F0F0F0F
    return _right(eights * 0x0101010101010101, 56).cast(np.dtype(np.uint8))


def _right(x: Tensor, places: int) -> Tensor:
    return x.op("BitShift", places, direction="RIGHT")


# --- divisors: Euclid's algorithm, for all elements until the last one is done -------------------


def _divisor(walker: Walker, node: Node) -> Tensor:
    type_ = first_type(node).with_dtype(UINT64)
    x, y = (where(v < 0, -v, v) if v.dtype.kind == "i" else v for v in walker.values(node))
    found = repeated(
        walker,
        [_unsigned(x), _unsigned(y)],
        [type_, type_],
        lambda a, b: holds_anywhere(b > 0),
        lambda a, b: (
            where(b.equals(0), a, b),
            where(b.equals(0), 0, a.op("Mod", where(b.equals(0), 1, b))),
        ),
    )
    return found[0]


def _unsigned(x: Tensor) -> Tensor:
    """A size as uint64: that of the least int is negative, and its bits are those of the size."""
    wide = x.cast(UINT64)
    if x.dtype.kind == "u" or x.dtype.itemsize == 8:
        return wide
    return where(x < 0, x.cast(INT64) + (1 << 8 * x.dtype.itemsize), x.cast(INT64)).cast(UINT64)


def _gcd(walker: Walker, node: Node) -> Tensor:
    return _divisor(walker, node).cast(node.out().dtype)


def _lcm(walker: Walker, node: Node) -> Tensor:
    common = _divisor(walker, node)
    x, y = (
        _unsigned(where(v < 0, -v, v) if v.dtype.kind == "i" else v) for v in walker.values(node)
    )
    found = x / where(common.equals(0), 1, common) * y
    return found.cast(node.out().dtype)


# --- random bits ----------------------------------------------------------------------------------


def _threefry(key_0: Tensor, key_1: Tensor, x_0: Tensor, x_1: Tensor) -> Tensor:
    """See `graphc.ops.elementwise.random_bits`; words of 32 bits are kept in int64."""
    key_0, key_1, x_0, x_1 = (word.cast(INT64) for word in (key_0, key_1, x_0, x_1))
    keys = (key_0, key_1, key_0 ^ key_1 ^ PARITY)
    x_0, x_1 = (x_0 + keys[0]) & WORD, (x_1 + keys[1]) & WORD
    for group in range(5):
        for turn in ROTATIONS[group % 2]:
            x_0 = (x_0 + x_1) & WORD
            x_1 = ((x_1 * (1 << turn)) & WORD) | (x_1 / (1 << 32 - turn))
            x_1 = x_1 ^ x_0
        x_0 = (x_0 + keys[(group + 1) % 3]) & WORD
        x_1 = (x_1 + keys[(group + 2) % 3] + (group + 1)) & WORD
    return x_0.cast(UINT64) * (1 << 32) + x_1.cast(UINT64)


RULES: Mapping[str, Rule] = {
    "bitwise_and": _bits(lambda x, y: x & y),
    "bitwise_or": _bits(lambda x, y: x | y),
    "bitwise_xor": _bits(lambda x, y: x ^ y),
    "invert": _bits(lambda x: ~x),
    "left_shift": pointwise(_left_shift),
    "right_shift": pointwise(_right_shift),
    "bitwise_count": _bits(_bit_count),
    "gcd": _gcd,
    "lcm": _lcm,
    "threefry2x32": _bits(_threefry),
}
