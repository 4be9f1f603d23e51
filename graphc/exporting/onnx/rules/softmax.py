"""``Softmax`` and ``LogSoftmax``, recognised in what networks write them as."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.tensors import Tensor
from graphc.exporting.onnx.walker import Rule, Walker
from graphc.ir import Node, Value


def _reduced(value: Value, kind: str, operand: Value) -> int | None:
    """The axis, if `value` is ``kind(operand)`` over one axis, broadcast back to its shape."""
    node = value.node
    if node.op.name == "broadcast_to":
        node = node.inputs[0].node
    held = node.out().shape
    if node.op.name == "reshape":
        node = node.inputs[0].node
    if node.op.name != kind or node.inputs[0] != operand or len(node["axes"]) != 1:
        return None
    (axis,) = node["axes"]
    kept = tuple(1 if k == axis else size for k, size in enumerate(operand.shape))
    fits = held == kept or (axis == 0 and held == kept[1:])
    return axis if fits and value.shape == operand.shape else None


def _less_largest(value: Value) -> tuple[Value, int] | None:
    """``(z, axis)`` if `value` is ``z - max(z, axis)``."""
    node = value.node
    if node.op.name != "subtract":
        return None
    axis = _reduced(node.inputs[1], "max", node.inputs[0])
    return None if axis is None else (node.inputs[0], axis)


def _softmax(node: Node) -> tuple[Value, int] | None:
    """``(z, axis)`` if `node` is ``p / sum(p)`` with ``p = exp(z - max(z))``."""
    powers, total = node.inputs
    if powers.node.op.name != "exp":
        return None
    found = _less_largest(powers.node.inputs[0])
    return found if found and _reduced(total, "sum", powers) == found[1] else None


def _log_softmax(node: Node) -> tuple[Value, int] | None:
    """``(z, axis)`` if `node` is ``d - log(sum(exp(d)))`` with ``d = z - max(z)``."""
    shifted, rest = node.inputs
    found = _less_largest(shifted)
    if rest.node.op.name == "broadcast_to":
        rest = rest.node.inputs[0]
    if found is None or rest.node.op.name != "log":
        return None
    total = rest.node.inputs[0]
    node = total.node.inputs[0].node if total.node.op.name == "reshape" else total.node
    if node.op.name != "sum" or node.inputs[0].node.op.name != "exp":
        return None
    powers = node.inputs[0]
    z, axis = found
    kept = tuple(1 if k == axis else size for k, size in enumerate(z.shape))
    fits = total.shape == kept and node["axes"] == (axis,)
    return found if fits and powers.node.inputs[0] == shifted else None


def _divide(walker: Walker, node: Node) -> Tensor:
    found = _softmax(node)
    if found is None:
        x, y = walker.operands(node)
        return x / y
    return walker.value(found[0]).op("Softmax", axis=found[1])


def _subtract(walker: Walker, node: Node) -> Tensor:
    """ONNX Runtime's ``LogSoftmax`` of float64 overlooks NaN and infinity: not that one."""
    found = _log_softmax(node) if node.out().dtype == np.float32 else None
    if found is None:
        x, y = walker.operands(node)
        return x - y
    return walker.value(found[0]).op("LogSoftmax", axis=found[1])


RULES: Mapping[str, Rule] = {"divide": _divide, "subtract": _subtract}
