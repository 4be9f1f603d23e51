"""Batch rules that many ops share. The axis of examples is always the first."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir import Driver, Mapped, Node, Value, make
from graphc.ops.arrays.shape import spread
from graphc.types import Size


def spread_all(operands: Sequence[Mapped], size: Size) -> list[Value]:
    """The operands, those without an axis of examples repeated along one."""
    return [value if mapped else spread(value, size) for value, mapped in operands]


def batch_leading(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """The rule of ops that take any leading axes: elementwise ones, those on rows or matrices."""
    outputs = make(node.op, spread_all(operands, size), dict(node.attrs)).outputs
    return tuple((value, True) for value in outputs)


def batch_reduction(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """The rule of ops with an attribute ``axes``: each axis is one further on."""
    ((x, _),) = operands
    attrs = {**dict(node.attrs), "axes": tuple(axis + 1 for axis in node["axes"])}
    return ((make(node.op, (x,), attrs).out(), True),)
