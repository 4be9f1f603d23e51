"""Loops and branches: ``Scan``, ``Loop`` and ``If``.

ONNX's subgraphs read the tensors around them, so that what a region gets as constants is read where
it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.exporting.onnx.builder import Port
from graphc.exporting.onnx.rules.arrays import FIRST
from graphc.exporting.onnx.tensors import BOOL, INT64, Tensor
from graphc.exporting.onnx.walker import Rule, Walker, refusal
from graphc.ir import Graph, Node, Value
from graphc.types import TensorType, TokenType


def _types(node: Node, values: Sequence[Value]) -> list[TensorType]:
    """The types of values that are no tokens."""
    if any(isinstance(value.type, TokenType) for value in values):
        raise refusal(node, "it carries effects, and ONNX has none")
    return [value.tensor for value in values]


def _ports(
    walker: Walker, label: str, types: Sequence[TensorType]
) -> tuple[list[Port], list[Tensor]]:
    pairs = [walker.port(label, type_) for type_ in types]
    return [port for port, _ in pairs], [tensor for _, tensor in pairs]


def _scan(walker: Walker, node: Node) -> list[Tensor]:
    if not node["n_xs"]:
        return _counted(walker, node)
    (region,) = node.regions
    types = _types(node, [*node.inputs, *node.outputs])[len(node.inputs) :]
    n_carry, n_xs = node["n_carry"], node["n_xs"]
    taken = _types(node, region.inputs)[: n_carry + n_xs]
    operands = walker.values(node)
    if node["length"] == 0:  # ONNX Runtime's Scan takes no empty rows.
        return [*operands[:n_carry], *(walker.filled(0, type_) for type_ in types[n_carry:])]
    ports, inner = _ports(walker, "state", taken)
    constants = operands[n_carry + n_xs :]
    body = walker.body(
        ports,
        lambda: walker.inlined(region, [*inner, *constants]),
        _types(node, region.outputs),
    )
    directions = {}
    if node["reverse"]:
        ones = {"scan_input_directions": n_xs, "scan_output_directions": len(types) - n_carry}
        directions = {name: [1] * count for name, count in ones.items() if count}
    return walker.builder.ops(
        "Scan",
        operands[: n_carry + n_xs],
        [type_.dtype for type_ in types],
        body=body,
        num_scan_inputs=n_xs,
        **directions,
    )


def _counted(walker: Walker, node: Node) -> list[Tensor]:
    """A scan over nothing: a ``Loop`` of so many turns, whose results come in their order."""
    (region,) = node.regions
    n_carry, builder = node["n_carry"], walker.builder
    types = _types(node, node.outputs)
    operands = walker.values(node)
    ports, inner = _ports(walker, "state", types[:n_carry])
    turn, _ = walker.port("turn", TensorType(INT64, ()))
    goes_on, condition = walker.port("goes_on", TensorType(BOOL, ()))
    body = walker.body(
        [turn, goes_on, *ports],
        lambda: [condition, *walker.inlined(region, [*inner, *operands[n_carry:]])],
        [goes_on.type, *_types(node, region.outputs)],
    )
    found = builder.ops(
        "Loop",
        [walker.sizes.scalar(node["length"]), None, *operands[:n_carry]],
        [type_.dtype for type_ in types],
        body=body,
    )
    if not node["reverse"]:
        return found
    turned = (builder.integers([k]) for k in (-1, FIRST, 0, -1))
    start, end, axis, step = turned
    return [*found[:n_carry], *(y.op("Slice", start, end, axis, step) for y in found[n_carry:])]


def _while(walker: Walker, node: Node) -> list[Tensor]:
    """``Loop`` without a count. The condition that it ends with is false."""
    (region,) = node.regions
    n_carry, builder = node["n_carry"], walker.builder
    types = _types(node, node.outputs)
    operands = walker.values(node)
    ports, inner = _ports(walker, "state", types[1:])
    turn, _ = walker.port("turn", TensorType(INT64, ()))
    goes_on, condition = walker.port("goes_on", TensorType(BOOL, ()))
    body = walker.body(
        [turn, goes_on, *ports],
        lambda: walker.inlined(region, [condition, *inner, *operands[n_carry:]]),
        types,
    )
    states = (
        builder.ops(
            "Loop",
            [None, operands[0], *operands[1:n_carry]],
            [type_.dtype for type_ in types[1:]],
            body=body,
        )
        if n_carry > 1
        else []
    )
    return [builder.number(False, BOOL), *states]


def _cond(walker: Walker, node: Node) -> list[Tensor]:
    condition, *operands = walker.values(node)
    types = _types(node, node.outputs)

    def branch(region: Graph) -> object:
        return walker.body([], lambda: walker.inlined(region, operands), types)

    return walker.builder.ops(
        "If",
        [condition],
        [type_.dtype for type_ in types],
        then_branch=branch(node.regions[0]),
        else_branch=branch(node.regions[1]),
    )


def _plain(walker: Walker, node: Node) -> list[Tensor]:
    """The first region in place: nothing differentiates the model any more."""
    _types(node, [*node.inputs, *node.outputs])
    return walker.inlined(node.regions[0], walker.values(node))


RULES: Mapping[str, Rule] = {
    "scan": _scan,
    "while": _while,
    "cond": _cond,
    "checkpoint": _plain,
    "custom_vjp": _plain,
}
