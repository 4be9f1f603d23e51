"""Arrays in Fortran order: their memory is that of a transposed array in C order.

What is computed of transposed arrays alone, element by element, is computed of the arrays
themselves where its transpose or a reduction of it is wanted: loops then follow the memory.
"""

from __future__ import annotations

from collections.abc import Collection

from graphc import ops
from graphc.ir import Graph, Node, Note, Value, make, parameter, rebuild
from graphc.loops import Elementwise
from graphc.rewrite import Rules
from graphc.types import Shape, product

MOST = 64
"""Operations between a transpose or a reduction and the transposed arrays that it is made of."""


def turn_inputs(graph: Graph, numbers: Collection[int]) -> Graph:
    """`graph` with the inputs `numbers` given as their transposes, all axes reversed."""
    if not numbers:
        return graph
    inputs: list[Value] = []
    known: dict[Value, Value] = {}
    for number, value in enumerate(graph.inputs):
        if number not in numbers:
            inputs.append(value)
            continue
        turned = parameter(number, value.tensor.with_shape(value.shape[::-1]))
        inputs.append(turned)
        known[value] = ops.transpose(turned, tuple(reversed(range(value.ndim))))
    notes: dict[Node, Note] = {}
    outputs = rebuild(graph.outputs, known, graph.notes, notes)
    return Graph(tuple(inputs), tuple(outputs), graph.written, graph.names, notes)


class _Turning:
    """The attempt to see values as transposes, by one order of axes, of others."""

    def __init__(self, order: tuple[int, ...]) -> None:
        self.order = order
        self.left = MOST
        self.known: dict[Value, Value | None] = {}

    def inside(self, value: Value) -> Value | None:
        """What `value` is the transpose of; None if that is no simpler."""
        if value not in self.known:
            self.left -= 1
            self.known[value] = self._inside(value) if self.left >= 0 else None
        return self.known[value]

    def _inside(self, value: Value) -> Value | None:
        node, single = value.node, product(value.shape) == 1
        if node.op.name == "transpose":
            return node.inputs[0] if single or node["axes"] == self.order else None
        if node.op.name == "broadcast_to":
            return self._turned_broadcast(node.inputs[0], value.shape)
        if not isinstance(node.op.lower, Elementwise) or len(node.types) != 1 or not node.inputs:
            return value if single else None
        operands = []
        for operand in node.inputs:
            found = self.inside(operand)
            if found is None:
                return None
            operands.append(found)
        return make(node.op, operands, dict(node.attrs)).out()

    def _turned_broadcast(self, source: Value, shape: Shape) -> Value:
        """What `source`, broadcast to `shape`, is the transpose of.

        No transpose may stand outside: that would be turned back again, and again.
        """
        back = tuple(self.order.index(axis) for axis in range(len(shape)))
        if product(source.shape) == 1:
            source = ops.reshape(source, ())
        else:
            padded = (*(1,) * (len(shape) - source.ndim), *source.shape)
            source = ops.transpose(ops.reshape(source, padded), back)
        return ops.broadcast_to(source, tuple(shape[axis] for axis in back))


def _order(value: Value) -> tuple[int, ...] | None:
    """The order by which the first transposed array was transposed that `value` is made of."""
    stack, left = [value], MOST
    while stack and left > 0:
        left -= 1
        node = stack.pop().node
        if node.op.name == "transpose":
            return tuple(node["axes"])
        if isinstance(node.op.lower, Elementwise):
            stack.extend(reversed(node.inputs))
    return None


def _transpose(node: Node) -> Value | None:
    """The transpose of what is computed of transposed arrays: computed of the arrays."""
    (x,) = node.inputs
    order = tuple(node["axes"].index(axis) for axis in range(x.ndim))
    if not isinstance(x.node.op.lower, Elementwise) or _order(x) != order:
        return None
    return _Turning(order).inside(x)


def _reduction(node: Node) -> Value | None:
    """The reduction of what is transposed, or computed of transposed arrays."""
    (value,), axes = node.inputs, node["axes"]
    order = _order(value) if axes else None
    x = None if order is None else _Turning(order).inside(value)
    if order is None or x is None:
        return None
    reduced = tuple(sorted(order[axis] for axis in axes))
    result = make(node.op, (x,), {"axes": reduced}).out()
    kept = [axis for axis in range(x.ndim) if axis not in reduced]
    wanted = [order[axis] for axis in range(x.ndim) if axis not in axes]
    return ops.transpose(result, tuple(kept.index(axis) for axis in wanted))


TURN_RULES = Rules(
    (
        ("transpose", _transpose),
        *((name, _reduction) for name in ("sum", "prod", "max", "min", "any", "all")),
    )
)
