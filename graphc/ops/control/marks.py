"""Marks on values that change nothing, and tokens, which keep effects in order.

An effect takes a token as its last input and gives one as its last output; tokens may be carried
through loops.
"""

from __future__ import annotations

from graphc.ir import (
    Op,
    Value,
    make,
)
from graphc.loops import Elementwise
from graphc.ops.arrays.shape import only
from graphc.ops.batching import batch_leading
from graphc.ops.registry import register
from graphc.types import TOKEN

MARK = register(
    Op(
        "mark",
        lambda types, attrs, regions: (only(types),),
        lambda driver, node, arrays: (arrays[0],),
        lambda driver, node, cotangents: cotangents,
        Elementwise((lambda node, operands: operands[0],)),
        batch=batch_leading,
        attributes={"number": "int"},
    )
)


def mark(x: Value, number: int) -> Value:
    """`x`, told apart from other marks of it: nested gradients are taken by marked values."""
    return make(MARK, (x,), {"number": number}).out()


STOP_GRADIENT = register(
    Op(
        "stop_gradient",
        lambda types, attrs, regions: (only(types),),
        lambda driver, node, arrays: (arrays[0],),
        lambda driver, node, cotangents: (None,),
        Elementwise((lambda node, operands: operands[0],)),
        batch=batch_leading,
    )
)


def stop_gradient(x: Value) -> Value:
    """`x`, with derivative 0."""
    return make(STOP_GRADIENT, (x,)).out()


# --- effects --------------------------------------------------------------------------------------

TOKEN_OP = register(
    Op(
        "token",
        lambda types, attrs, regions: (TOKEN,),
        lambda driver, node, arrays: (None,),
        lambda driver, node, cotangents: (),
    )
)


def token() -> Value:
    """The token that the first effect of a function takes."""
    return make(TOKEN_OP).out()
