"""`debug_print` and `breakpoint_if`: effects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

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


def stop_if(condition: Any, values: Sequence[Any], place: str) -> None:
    """Start the debugger, with `values` in its frame, where the condition holds anywhere."""
    if np.any(condition):
        print(f"graphc.breakpoint_if: {place}; the values are in `values`")
        breakpoint()


def _evaluate_breakpoint(driver: Driver, node: Node, arrays: list[Any]) -> tuple[None]:
    condition, *values, _ = arrays
    stop_if(condition, values, node["place"])
    return (None,)


def _batch_breakpoint(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One stop for all examples, if the condition holds for any."""
    attrs = dict(node.attrs)
    return ((make(node.op, [value for value, _ in operands], attrs).out(), False),)


BREAKPOINT = register(
    Op(
        "breakpoint",
        lambda types, attrs, regions: (TOKEN,),
        _evaluate_breakpoint,
        lambda driver, node, cotangents: (None,) * len(node.inputs),
        Template("print"),
        effect=True,
        attributes={"place": "str"},
        batch=_batch_breakpoint,
    )
)


def breakpoint_if(condition: Value, values: Sequence[Value], place: str, token: Value) -> Value:
    """Start the debugger where the condition holds anywhere; `place` is shown. The next token."""
    return make(BREAKPOINT, (condition, *values, token), {"place": place}).out()
