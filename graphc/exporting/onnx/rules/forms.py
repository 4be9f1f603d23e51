"""Forms that rules share."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from graphc.exporting.onnx.builder import Body, Port
from graphc.exporting.onnx.tensors import BOOL, INT32, Tensor
from graphc.exporting.onnx.walker import Results, Rule, Walker
from graphc.ir import Node
from graphc.types import TensorType


def pointwise(formula: Callable[..., Results]) -> Rule:
    """The rule of a pointwise op: a formula of its operands, which ONNX broadcasts."""
    return lambda walker, node: formula(*walker.operands(node))


def alike(kind: str) -> Rule:
    """The rule of a pointwise op that is the ONNX op `kind`, on all its dtypes."""
    return pointwise(lambda x, *others: x.op(kind, *others))


def passed(walker: Walker, node: Node) -> Tensor:
    """The rule of marks, which give their first operand."""
    return walker.value(node.inputs[0])


def first_type(node: Node) -> TensorType:
    """The type of a node's first result."""
    type_ = node.types[0]
    assert isinstance(type_, TensorType)
    return type_


def holds_everywhere(x: Tensor) -> Tensor:
    """Whether all elements of a bool `x` hold, however many: a single bool."""
    return ~holds_anywhere(~x)


def holds_anywhere(x: Tensor) -> Tensor:
    """Whether an element of a bool `x` holds: a single bool; of no elements, False."""
    return x.cast(INT32).op("ReduceSum", keepdims=0).cast(BOOL)


def repeated(
    walker: Walker,
    states: Sequence[Tensor],
    types: Sequence[TensorType],
    goes_on: Callable[..., Tensor],
    turn: Callable[..., Sequence[Tensor]],
) -> list[Tensor]:
    """A ``Loop`` of `turn` on the states, as long as they fulfil `goes_on`."""
    builder = walker.builder
    count_port, _ = walker.port("turn", TensorType(walker.numbers(1).dtype, ()))
    condition = TensorType(BOOL, ())
    condition_port, _ = walker.port("goes_on", condition)
    ports: list[Port] = [count_port, condition_port]
    inner: list[Tensor] = []
    for type_ in types:
        port, tensor = walker.port("state", type_)
        ports.append(port)
        inner.append(tensor)

    def write() -> list[Tensor]:
        after = list(turn(*inner))
        return [goes_on(*after), *after]

    body: Body = walker.body(ports, write, [condition, *types])
    operands = [None, goes_on(*states), *states]
    return builder.ops("Loop", operands, [type_.dtype for type_ in types], body=body)
