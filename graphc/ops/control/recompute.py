"""Running a part again in the backward pass instead of keeping what it computed: checkpoints.

Equal nodes are identical, so a second run of a checkpoint's body over the same inputs would be the
first. It runs over inputs behind a `barrier`, which is also what makes it wait: its results are
not wanted before the cotangent is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc.errors import ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Tangents, Value, inline, make
from graphc.loops import IndexMap
from graphc.ops.arrays.shape import zeros
from graphc.ops.control.marks import token
from graphc.ops.query import differentiable
from graphc.ops.registry import register
from graphc.types import Size, TokenType, Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]


# --- barrier: operands x, and what must be computed before x is read ------------------------------


def _infer_barrier(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    if len(types) < 2 or any(isinstance(type_, TokenType) for type_ in types):
        raise ShapeError("barrier takes an array, and arrays to wait for")
    return types[:1]


def _batch_barrier(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    return ((make(node.op, [value for value, _ in operands]).out(), operands[0][1]),)


BARRIER = register(
    Op(
        "barrier",
        _infer_barrier,
        lambda driver, node, arrays: (arrays[0],),
        lambda driver, node, cotangents: (cotangents[0], *(None for _ in node.inputs[1:])),
        IndexMap(lambda node, index: index),
        batch=_batch_barrier,
    )
)


def barrier(x: Value, after: Sequence[Value]) -> Value:
    """`x`, told apart from `x` elsewhere, and not read before `after` is computed."""
    return make(BARRIER, (x, *after)).out()


# --- checkpoint: region body, of the operands -----------------------------------------------------


def _infer_checkpoint(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (body,) = regions
    taken = tuple(value.type for value in body.inputs)
    if types != taken:
        raise ShapeError(
            f"checkpoint: the body takes ({', '.join(map(str, taken))}), "
            f"but is given ({', '.join(map(str, types))})"
        )
    return tuple(value.type for value in body.outputs)


def _checkpoint_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (body,) = node.regions
    wanted = [k for k, value in enumerate(body.inputs) if differentiable(value)]
    backward = driver.differentiate(body, wanted)
    known = [cotangent for cotangent in cotangents if cotangent is not None]
    arguments = [_again(value, known) for value in node.inputs]
    seeds = [
        zeros(value.tensor) if cotangent is None else cotangent
        for value, cotangent in zip(node.outputs, cotangents, strict=True)
        if differentiable(value)
    ]
    found = dict(zip(wanted, inline(backward, [*arguments, *seeds]), strict=True))
    return tuple(found.get(k) for k in range(len(node.inputs)))


def _again(value: Value, after: Sequence[Value]) -> Value:
    """An input of the second run. Its effects are not repeated: nothing reads their tokens."""
    return token() if isinstance(value.type, TokenType) else barrier(value, after)


def _checkpoint_jvp(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    """A checkpoint of the body pushed forward, so that reverse over forward recomputes, too."""
    (body,) = node.regions
    moving = [k for k, tangent in enumerate(tangents) if tangent is not None]
    pushed = driver.push_forward(body, moving)
    inexact = [k for k, value in enumerate(body.outputs) if differentiable(value)]
    alone = Graph(pushed.inputs, pushed.outputs[len(body.outputs) :])
    given = [tangent for tangent in tangents if tangent is not None]
    found = make(node.op, (*node.inputs, *given), regions=(alone,)).outputs
    by_output = dict(zip(inexact, found, strict=True))
    return tuple(by_output.get(k) for k in range(len(node.types)))


def _batch_checkpoint(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    (body,) = node.regions
    many, flags = driver.batch(body, [mapped for _, mapped in operands], size, ())
    outputs = make(node.op, [value for value, _ in operands], regions=(many,)).outputs
    return tuple(zip(outputs, flags, strict=True))


CHECKPOINT = register(
    Op(
        "checkpoint",
        _infer_checkpoint,
        lambda driver, node, arrays: tuple(driver.evaluate(node.regions[0], arrays)),
        _checkpoint_vjp,
        regions=1,
        jvp=_checkpoint_jvp,
        batch=_batch_checkpoint,
    )
)


def checkpoint(body: Graph, inputs: Sequence[Value]) -> tuple[Value, ...]:
    """The outputs of `body`; its gradient computes them again rather than keep what it needs."""
    return make(CHECKPOINT, inputs, regions=(body,)).outputs
