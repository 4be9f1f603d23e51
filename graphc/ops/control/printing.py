"""`debug_print`: an effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.ir import (
    Driver,
    Mapped,
    Node,
    Op,
    Value,
    close,
    fresh_input,
    make,
)
from graphc.loops import Template
from graphc.ops.control.scanning import scan
from graphc.ops.registry import register
from graphc.types import TOKEN, Size


def _evaluate_print(driver: Driver, node: Node, arrays: list[Any]) -> tuple[None]:
    print(node["format"].format(*arrays[:-1]))
    return (None,)


def _batch_print(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One print for each example, in order: a scan that carries the token."""
    *values, (before, _) = operands
    taken = fresh_input(before.type)
    rows: dict[Value, Value] = {}
    inputs: list[Value] = []
    for value, mapped in values:
        if mapped and value not in rows:
            rows[value] = fresh_input(value.tensor.with_shape(value.shape[1:]))
        inputs.append(rows[value] if mapped else fresh_input(value.type))
    fixed = [k for k, (_, mapped) in enumerate(values) if not mapped]
    body = close(
        [taken, *rows.values(), *(inputs[k] for k in fixed)],
        [debug_print(node["format"], inputs, taken)],
    )
    (after,) = scan(body, [before], list(rows), [values[k][0] for k in fixed], size)
    return ((after, False),)


PRINT = register(
    Op(
        "print",
        lambda types, attrs, regions: (TOKEN,),
        _evaluate_print,
        lambda driver, node, cotangents: (None,) * len(node.inputs),
        Template("print"),
        effect=True,
        attributes={"format": "str"},
        batch=_batch_print,
    )
)


def debug_print(format: str, values: Sequence[Value], token: Value) -> Value:
    """Print ``format.format(*values)``, after what `token` came from; gives the next token."""
    return make(PRINT, (*values, token), {"format": format}).out()
