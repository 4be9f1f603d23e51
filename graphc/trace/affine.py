"""Integers that are sums of multiples of loop positions: so much of an index is known."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

import numpy as np

from graphc.ir import Value
from graphc.types import Size


@dataclass(frozen=True, slots=True)
class Affine:
    """``constant + sum of coefficient * position``."""

    constant: int
    terms: Mapping[Value, int] = field(default_factory=dict)

    def plus(self, other: Affine, factor: int = 1) -> Affine:
        """The sum with `factor` times another."""
        terms = dict(self.terms)
        for position, coefficient in other.terms.items():
            terms[position] = terms.get(position, 0) + factor * coefficient
        kept = {position: found for position, found in terms.items() if found}
        return Affine(self.constant + factor * other.constant, kept)

    def times(self, factor: int) -> Affine:
        """The product with a number."""
        return Affine(0).plus(self, factor)

    def bounds(self, ranges: Mapping[Value, tuple[Size, Size]]) -> tuple[Size, Size]:
        """The least and the greatest value, where positions lie in `ranges`."""
        low: Size = self.constant
        high: Size = self.constant
        for position, coefficient in self.terms.items():
            first, last = ranges[position]
            if coefficient < 0:
                first, last = last, first
            low, high = low + coefficient * first, high + coefficient * last
        return low, high


def affine(value: Value, positions: Container[Value]) -> Affine | None:
    """The scalar integer `value` as a sum of multiples of `positions`; None if it is none."""
    if value in positions:
        return Affine(0, {value: 1})
    number = known_integer(value)
    if number is not None:
        return Affine(number)
    node = value.node
    if value.ndim or node.op.name not in ("add", "subtract", "multiply", "negative", "cast"):
        return None
    parts = [affine(operand, positions) for operand in node.inputs]
    if any(part is None for part in parts):
        return None
    first, *rest = (part for part in parts if part is not None)
    match node.op.name:
        case "add":
            return first.plus(rest[0])
        case "subtract":
            return first.plus(rest[0], -1)
        case "negative":
            return first.times(-1)
        case "multiply" if not rest[0].terms:
            return first.times(rest[0].constant)
        case "multiply" if not first.terms:
            return rest[0].times(first.constant)
        case "cast" if value.dtype.kind == "i" and value.dtype.itemsize == 8:
            return first
    return None


def known_integer(value: Value) -> int | None:
    """A constant integer, else None."""
    node = value.node
    if node.op.name != "constant" or value.ndim or value.dtype.kind not in "iu":
        return None
    return int(np.frombuffer(node["data"], value.dtype)[0])
