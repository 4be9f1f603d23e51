"""Functions with a derivative of their own.

Regions of a `custom_vjp` node: primal maps the operands to the results; forward maps them to the
results and residuals; backward maps (residuals, a cotangent for each inexact result) to a
cotangent for each operand in the attribute ``wanted``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphc.errors import ShapeError, UnsupportedError
from graphc.ir import (
    Cotangents,
    Driver,
    Graph,
    Mapped,
    Node,
    Op,
    Tangents,
    Value,
    close,
    fresh_input,
    inline,
    make,
)
from graphc.loops import Elementwise
from graphc.ops.arrays.shape import only, sum_, zeros
from graphc.ops.batching import batch_leading
from graphc.ops.query import differentiable
from graphc.ops.registry import register
from graphc.types import Size, Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]


def _types(values: Iterable[Value]) -> Types:
    return tuple(value.type for value in values)


def _infer(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    primal, forward, backward = regions
    results = _types(primal.outputs)
    if _types(primal.inputs) != types or _types(forward.inputs) != types:
        raise ShapeError("custom_vjp: the functions take other types than they are given")
    if _types(forward.outputs[: len(results)]) != results:
        raise ShapeError("custom_vjp: forward gives other results than the function")
    taken = (
        *_types(forward.outputs[len(results) :]),
        *_types(filter(differentiable, primal.outputs)),
    )
    if _types(backward.inputs) != taken:
        raise ShapeError("custom_vjp: backward does not take the residuals and cotangents")
    if _types(backward.outputs) != tuple(types[k] for k in attrs["wanted"]):
        raise ShapeError("custom_vjp: backward gives cotangents of other types than the operands")
    return results


def _vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    _, forward, backward = node.regions
    residuals = inline(forward, node.inputs)[len(node.types) :]
    seeds = [
        zeros(value.tensor) if cotangent is None else cotangent
        for value, cotangent in zip(node.outputs, cotangents, strict=True)
        if differentiable(value)
    ]
    found = dict(zip(node["wanted"], inline(backward, [*residuals, *seeds]), strict=True))
    return tuple(found.get(k) for k in range(len(node.inputs)))


def _jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    raise UnsupportedError(
        "a custom_vjp has no derivative in forward mode: its rule is for reverse mode only",
        hint="Use grad, vjp or jacobian, or take the decorator off.",
    )


def _batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """All three functions mapped; an operand that all examples share gets the sum over them."""
    primal, forward, backward = node.regions
    mapped = [flag for _, flag in operands]
    all_results = [True] * len(forward.outputs)
    many, flags = driver.batch(primal, mapped, size, all_results)
    many_forward, _ = driver.batch(forward, mapped, size, all_results)
    every = [True] * len(backward.inputs)
    many_backward, _ = driver.batch(backward, every, size, [True] * len(backward.outputs))
    inputs = [fresh_input(value.type) for value in many_backward.inputs]
    cotangents = [
        value if mapped[k] else sum_(value, (0,))
        for k, value in zip(node["wanted"], inline(many_backward, inputs), strict=True)
    ]
    regions = (many, many_forward, close(inputs, cotangents))
    outputs = make(node.op, [value for value, _ in operands], dict(node.attrs), regions).outputs
    return tuple(zip(outputs, flags, strict=True))


CUSTOM_VJP = register(
    Op(
        "custom_vjp",
        _infer,
        lambda driver, node, arrays: tuple(driver.evaluate(node.regions[0], arrays)),
        _vjp,
        attributes={"wanted": "ints"},
        regions=3,
        jvp=_jvp,
        batch=_batch,
    )
)


def custom_vjp(
    primal: Graph, forward: Graph, backward: Graph, wanted: Sequence[int], inputs: Sequence[Value]
) -> tuple[Value, ...]:
    """The outputs of `primal`, whose gradient is what `forward` and `backward` say."""
    regions = (primal, forward, backward)
    return make(CUSTOM_VJP, inputs, {"wanted": tuple(wanted)}, regions).outputs


# --- closed_over: what a custom_vjp reads that is none of its arguments ---------------------------


def _no_cotangent(*arguments: Any) -> Any:
    raise UnsupportedError(
        "a custom_vjp reads an array from outside that the derivative is taken by",
        hint="Pass it as an argument, so that backward gives its cotangent, or wrap it in "
        "graphc.stop_gradient.",
    )


CLOSED_OVER = register(
    Op(
        "closed_over",
        lambda types, attrs, regions: (only(types),),
        lambda driver, node, arrays: (arrays[0],),
        _no_cotangent,
        Elementwise((lambda node, operands: operands[0],)),
        jvp=_no_cotangent,
        batch=batch_leading,
    )
)


def closed_over(x: Value) -> Value:
    """`x`, by which a derivative is refused."""
    return make(CLOSED_OVER, (x,)).out()
