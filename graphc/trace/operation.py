"""Calls of users' own ops while they are traced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import TraceError
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import (
    array_like,
    broadcast_shapes,
    is_weak,
    python_type,
    value_of,
)
from graphc.trace.dispatch import locates
from graphc.trace.marked import as_traced
from graphc.trace.values import TracedArray, dtype_of_number, fresh_array, is_traced, scalar
from graphc.types import supported_dtype


@locates
def traced_operation(
    build: Any, elementwise: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``build`` on the values behind `args`, its results as arrays or NumPy scalars."""
    given = [as_traced(arg) for arg in args]
    operands = [arg for arg in given if is_traced(arg) or (elementwise and is_weak(arg))]
    values: list[Any] = _alike(operands) if elementwise else [array_like(x).value for x in operands]
    rest = iter(values)
    arguments = [
        next(rest) if any(arg is operand for operand in operands) else arg for arg in given
    ]
    found = build(*arguments, **kwargs)
    outputs = found if isinstance(found, tuple) else (found,)
    if not all(isinstance(value, Value) for value in outputs):
        raise TraceError("an operation's builder must return values of the graph, or a tuple")
    plain = elementwise and not any(type(x) is TracedArray for x in operands)
    results = tuple(scalar(value) if plain else fresh_array(value) for value in outputs)
    active().note(*outputs)
    return results if isinstance(found, tuple) else results[0]


def _alike(operands: Sequence[Any]) -> list[Value]:
    """The operands' values in one dtype and shape, as NumPy promotes and broadcasts them."""
    if not operands:
        raise TraceError("an elementwise operation needs an operand")
    kinds: list[Any] = [python_type(x)() if is_weak(x) else x.value.dtype for x in operands]
    if all(is_weak(x) for x in operands):
        kinds = [dtype_of_number(python_type(x)) for x in operands]
    dtype = supported_dtype(np.result_type(*kinds))
    values = [value_of(x, dtype) for x in operands]
    shape = broadcast_shapes(*(value.shape for value in values))
    return [ops.broadcast_to(value, shape) for value in values]
