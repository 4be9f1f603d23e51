"""scatter_reduce: what falls on a place is combined there; ``scatter_add`` is its own op."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Template
from graphc.ops.arrays.index import (
    batch_scatter,
    checked_index,
    front_first,
    gather,
    infer_scatter,
    scatter_add,
)
from graphc.ops.arrays.shape import Attributes, Types, full_like
from graphc.ops.elementwise.compare import equal
from graphc.ops.elementwise.pointwise import cast, divide, masked_multiply, multiply, select
from graphc.ops.registry import register
from graphc.types import TensorType

COMBINES = {
    "multiply": (np.multiply, "iufc"),
    "maximum": (np.maximum, "biufc"),
    "minimum": (np.minimum, "biufc"),
    "and": (np.bitwise_and, "biu"),
    "or": (np.bitwise_or, "biu"),
}
"""How values join at a place: the ufunc of that meaning, the kinds that it takes."""


def _infer(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    found = infer_scatter("scatter_reduce", types, attrs["axes"])
    combine, base = attrs["combine"], found[0]
    assert isinstance(base, TensorType)
    if combine not in COMBINES or base.dtype.kind not in COMBINES[combine][1]:
        raise DTypeError(f"scatter_reduce with {combine} does not take {base}")
    return found


def _evaluate(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    base, values, *indices = arrays
    index = checked_index("scatter_reduce", base.shape, node["axes"], indices)
    result = np.array(base)
    front = np.transpose(result, front_first(node["axes"], base.ndim))
    COMBINES[node["combine"]][0].at(front, index, values)
    return (result,)


def _vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    rule = _product_vjp if node["combine"] == "multiply" else _extreme_vjp
    return (*rule(node, g), *(None for _ in node.inputs[2:]))


def _extreme_vjp(node: Node, g: Value) -> tuple[Value, Value]:
    """In even shares to all that equal the result."""
    base, values, *indices = node.inputs
    axes, result = node["axes"], node.out()
    own = cast(equal(base, result), base.dtype)
    theirs = cast(equal(values, gather(result, indices, axes)), base.dtype)
    share = divide(full_like(own, 1), scatter_add(own, theirs, indices, axes))
    part = masked_multiply(g, share)
    return multiply(part, own), multiply(gather(part, indices, axes), theirs)


def _product_vjp(node: Node, g: Value) -> tuple[Value, Value]:
    """To each factor the product of the others: exact at one zero, and at several."""
    base, values, *indices = node.inputs
    axes = node["axes"]
    empty, none = (_zero(x) for x in (base, values))
    whole, factors = _without_zero(base), _without_zero(values)
    rest = scatter_reduce(whole, factors, indices, axes, "multiply")
    zeros = scatter_add(cast(empty, base.dtype), cast(none, base.dtype), indices, axes)

    def factor(x: Value, is_zero: Value, rest: Value, zeros: Value, g: Value) -> Value:
        nothing = full_like(x, 0)
        known = select(equal(zeros, nothing), divide(rest, _without_zero(x)), nothing)
        alone = select(equal(zeros, full_like(x, 1)), rest, nothing)
        return masked_multiply(g, select(is_zero, alone, known))

    taken = (gather(x, indices, axes) for x in (rest, zeros, g))
    return factor(base, empty, rest, zeros, g), factor(values, none, *taken)


def _zero(x: Value) -> Value:
    return equal(x, full_like(x, 0))


def _without_zero(x: Value) -> Value:
    return select(_zero(x), full_like(x, 1), x)


SCATTER_REDUCE = register(
    Op(
        "scatter_reduce",
        _infer,
        _evaluate,
        _vjp,
        Template("scatter_reduce"),
        batch=batch_scatter,
        attributes={"axes": "ints", "combine": "str"},
    )
)


def scatter_reduce(
    base: Value, values: Value, indices: Sequence[Value], axes: Sequence[int], combine: str
) -> Value:
    """`base` with `values` combined into what lies at `indices` along `axes`, one by one.

    Raises:
        ShapeError, DTypeError: values are not of the shape and dtype that `gather` would give.
        OutOfBoundsError: at run time, an index outside its axis.
    """
    attrs = {"axes": tuple(axes), "combine": combine}
    return make(SCATTER_REDUCE, (base, values, *indices), attrs).out()
