"""What a loop's gradient keeps of each turn, so that the turn need not be computed again.

A derivative reads values of the turn that it belongs to. Those that a product, a sum or a function
like `tanh` made are kept, as few as suffice; what is arithmetic on them, or on what the turn took
in, is computed again, for that costs less than to store and load it. A loop within the turn is run
again: its values of all turns of both loops would be a square of memory.
"""

from __future__ import annotations

from graphc.ir import PARAMETER, Graph, Node, Value
from graphc.loops import Apply, Cast, Element, Elementwise, Expr, Guarded, IndexMap, Local, Select
from graphc.types import TensorType

_ARITHMETIC = frozenset(
    ["add", "subtract", "multiply", "negative", "absolute", "maximum", "minimum"]
    + ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"]
    + ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "real", "imag", "conjugate"]
)
"""Scalar functions that are computed again sooner than kept."""


def residuals(backward: Graph, given: int) -> list[Value]:
    """What to keep of a turn for `backward`: values that depend on its first `given` inputs alone.

    Args:
        backward: maps a turn's inputs and its outputs' cotangents to cotangents of the inputs.
        given: how many of its inputs are the turn's.
    """
    late: set[Node] = set()
    sources: dict[Value, tuple[Value, ...]] = {}
    kept: dict[Value, None] = {}
    for node in backward.nodes:
        if _is_late(node, given, late):
            late.add(node)
            kept |= dict.fromkeys(s for v in node.inputs for s in sources.get(v, ()))
        else:
            below = tuple(dict.fromkeys(s for v in node.inputs for s in sources[v]))
            sources |= {value: _sources(value, below) for value in node.outputs}
    kept |= dict.fromkeys(s for v in backward.outputs for s in sources.get(v, ()))
    return list(kept)


def _is_late(node: Node, given: int, late: set[Node]) -> bool:
    """Whether a node depends on a cotangent."""
    if node.op is PARAMETER:
        return bool(node["number"] >= given)
    return any(value.node in late for value in node.inputs)


def _sources(value: Value, below: tuple[Value, ...]) -> tuple[Value, ...]:
    """What is kept to have `value`; `below` is what is kept to have its operands."""
    node = value.node
    if not node.inputs or node.regions or not isinstance(value.type, TensorType):
        return below
    match node.op.lower:
        case IndexMap():
            return below
        case Element():
            return (value,) if below else ()
        case Elementwise(expressions):
            operands = tuple(Local("x", operand.dtype) for operand in node.inputs)
            cheap = _is_arithmetic(expressions[value.index](node, operands))
            return below if cheap and len(below) < 2 else (value,)
    return (value,)


def _is_arithmetic(expr: Expr) -> bool:
    match expr:
        case Apply():
            return expr.function in _ARITHMETIC and all(map(_is_arithmetic, expr.arguments))
        case Select():
            return all(map(_is_arithmetic, (expr.condition, expr.then, expr.otherwise)))
        case Cast():
            return _is_arithmetic(expr.operand)
        case Guarded():
            return _is_arithmetic(expr.condition) and _is_arithmetic(expr.operand)
    return True
