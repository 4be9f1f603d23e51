"""The algebra: rules that make a graph smaller and keep its results, but for the order of sums.

Exactness means that of IEEE 754: ``x + 0.0`` is not x (for -0.0), ``x + -0.0`` is. Four things are
looser, where nothing is promised: the sign of a zero that `masked_multiply` makes, or to which the
zeros of an `embed` are added; powers, for ``x**2`` becomes the correctly rounded ``x * x``,
``x**3`` two products, within 2 ulp; and the order of the sum that a product with one row or column
is. Common subexpressions and dead nodes need no rule: equal nodes are identical, and a graph is
what its outputs need.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import GraphcError
from graphc.ir import Driver, Graph, Node, Value, inline, make
from graphc.loops import Elementwise, IndexMap
from graphc.ops import uniform
from graphc.rewrite import Rules, rewrite, transform
from graphc.simplify.cover import cover_scans
from graphc.simplify.hoist import hoisted
from graphc.simplify.index import INDEX_RULES
from graphc.simplify.parts import take_apart
from graphc.simplify.position import POSITION_RULES
from graphc.simplify.product import PRODUCT_RULES
from graphc.simplify.scan import merge_scans, trim_scans
from graphc.simplify.shape import SHAPE_RULES
from graphc.simplify.turn import TURN_RULES
from graphc.types import TensorType

FOLDED_ELEMENTS = 256
"""Constants of up to so many elements are computed at compile time."""

MOST_CUTS = 8
"""How deep small arrays are taken apart: axes, and arrays of arrays."""


def simplify(graph: Graph, *, differentiable: bool = False) -> Graph:
    """`graph` with everything removed that needs no work at run time; the same values.

    Args:
        graph: any valid graph.
        differentiable: keep `stop_gradient` and `mark`, for a graph that will be differentiated.
    """
    rules = RULES if differentiable else RULES + FINAL_RULES

    def simplify_bodies(old: Node, new: Node) -> tuple[Value, ...]:
        if not new.regions:
            return new.outputs
        regions = [simplify(region, differentiable=differentiable) for region in new.regions]
        return make(new.op, new.inputs, dict(new.attrs), regions).outputs

    graph = rewrite(graph, rules)
    if not differentiable:
        graph = _apart(graph, rules)
    while any(node.regions for node in graph.nodes):
        before = graph.outputs
        graph = trim_scans(hoisted(merge_scans(cover_scans(graph))))
        graph = rewrite(transform(graph, simplify_bodies), rules)
        if graph.outputs == before:
            break
    return graph


def _apart(graph: Graph, rules: Rules) -> Graph:
    """`graph` with small arrays taken apart, axis by axis and part by part."""
    for _ in range(MOST_CUTS):
        before, graph = graph.outputs, rewrite(take_apart(graph), rules)
        if graph.outputs == before:
            break
    return graph


# --- constants ------------------------------------------------------------------------------------


def _not_here(*arguments: Any) -> Any:
    raise AssertionError("a node with regions is not folded")


_DRIVER = Driver(_not_here, _not_here)


def _computed(node: Node, arrays: Sequence[np.ndarray]) -> tuple[Any, ...] | None:
    """The results of `node`; None where it raises, which is left to happen at run time."""
    try:
        with np.errstate(all="ignore"):
            return node.op.evaluate(_DRIVER, node, list(arrays))
    except (GraphcError, ValueError, ArithmeticError):
        return None


def _fold(node: Node) -> tuple[Value, ...] | None:
    """Compute a node of constants; of uniform arrays, one element of it."""
    if not node.inputs or node.regions or node.op.effect or not _tensors(node):
        return None
    numbers = [uniform(value) for value in node.inputs]
    known = [number for number in numbers if number is not None]
    if len(known) == len(numbers):
        if isinstance(node.op.lower, Elementwise):
            return _filled(node, _computed(node, known))
        if isinstance(node.op.lower, IndexMap):
            return _filled(node, known[:1])
    constants = [v.node for v in node.inputs if v.node.op.name == "constant"]
    sizes = [type_.size for type_ in node.types if isinstance(type_, TensorType)]
    small = all(isinstance(size, int) and size <= FOLDED_ELEMENTS for size in sizes)
    if len(constants) < len(node.inputs) or not small:
        return None
    arrays = [ops.constant_array(constant) for constant in constants]
    if any(array.size > FOLDED_ELEMENTS for array in arrays):
        return None
    results = _computed(node, arrays)
    return None if results is None else tuple(map(ops.constant, results))


def _tensors(node: Node) -> bool:
    values = [*node.inputs, *node.outputs]
    return all(isinstance(value.type, TensorType) for value in values)


def _filled(node: Node, numbers: Sequence[Any] | None) -> tuple[Value, ...] | None:
    if numbers is None:
        return None
    return tuple(
        ops.broadcast_to(ops.constant(number, value.dtype), value.shape)
        for number, value in zip(numbers, node.outputs, strict=True)
    )


# --- arithmetic -----------------------------------------------------------------------------------


def _is(value: Value, number: complex) -> bool:
    """Whether every element is `number`, the sign of zero included."""
    known = uniform(value)
    if known is None or value.dtype.kind == "c" or known != number:
        return False
    zero_of_other_sign = (
        value.dtype.kind == "f"
        and number == 0
        and bool(np.signbit(known)) != (math.copysign(1.0, number.real) < 0)
    )
    return not zero_of_other_sign


def _neutral_zero(value: Value) -> bool:
    """Whether ``x + value`` is x."""
    return _is(value, -0.0 if value.dtype.kind == "f" else 0)


def _add(node: Node) -> Value | None:
    x, y = node.inputs
    if _neutral_zero(y):
        return x
    if _neutral_zero(x):
        return y
    if y.node.op.name == "negative":
        return ops.subtract(x, y.node.inputs[0])
    if x.node.op.name == "negative":
        return ops.subtract(y, x.node.inputs[0])
    return None


def _subtract(node: Node) -> Value | None:
    x, y = node.inputs
    if _is(y, 0.0):
        return x
    if y.node.op.name == "negative":
        return ops.add(x, y.node.inputs[0])
    return None


def _multiply(node: Node) -> Value | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        if _is(y, 1):
            return x
        if x.dtype.kind in "if" and _is(y, -1):
            return ops.negative(x)
        if x.dtype.kind in "biu" and _is(y, 0):
            return y
    x, y = node.inputs
    if x.node.op.name == y.node.op.name == "negative":
        return ops.multiply(x.node.inputs[0], y.node.inputs[0])
    return None


def _divide(node: Node) -> Value | None:
    x, y = node.inputs
    if _is(y, 1):
        return x
    known = uniform(y)
    if known is None or y.dtype.kind != "f" or known == 0 or not np.isfinite(known):
        return None
    with np.errstate(over="ignore"):
        inverse = 1 / known
    tiny = np.finfo(y.dtype).tiny
    if abs(np.frexp(known)[0]) == 0.5 and tiny <= abs(inverse) and np.isfinite(inverse):
        return ops.multiply(x, ops.full_like(y, inverse))
    return None


def _power(node: Node) -> Value | None:
    x, y = node.inputs
    if x.dtype.kind == "c":
        return None
    if _is(y, 1):
        return x
    if _is(y, 2):
        return ops.square(x)
    if _is(y, -1) and x.dtype.kind == "f":
        return ops.reciprocal(x)
    known = uniform(y)
    return ops.full_like(x, 1) if known is not None and known == 0 else None


def _cube(node: Node) -> Value | None:
    """``x**3`` by two products: within 2 ulp; later powers would not be."""
    x, y = node.inputs
    if x.dtype.kind == "c" or not _is(y, 3):
        return None
    return ops.multiply(ops.square(x), x)


def _undone(node: Node) -> Value | None:
    """The operand's operand: ``f(f(x))`` is x."""
    inner = node.inputs[0].node
    return inner.inputs[0] if inner.op is node.op else None


def _absolute(node: Node) -> Value | None:
    (inner,) = node.inputs
    return ops.absolute(inner.node.inputs[0]) if inner.node.op.name == "negative" else None


# --- masked products, selection, casts, complex parts ---------------------------------------------


def _always_finite(value: Value, depth: int = 3) -> bool:
    known = uniform(value)
    if known is not None:
        return bool(np.isfinite(known))
    node = value.node
    if node.op.name == "cast":
        return node.inputs[0].dtype.kind in "biu"
    if node.op.name == "select" and depth:
        return all(_always_finite(branch, depth - 1) for branch in node.inputs[1:])
    return False


def _masked_multiply(node: Node) -> Value | None:
    g, d = node.inputs
    known = uniform(g)
    if known is not None:
        return ops.multiply(g, d) if known != 0 else ops.zeros(g.tensor)
    return ops.multiply(g, d) if _always_finite(d) else None


def _absorbing_multiply(node: Node) -> Value | None:
    for x, y in (node.inputs, node.inputs[::-1]):
        known = uniform(x)
        if known is not None and known == 0:
            return ops.zeros(x.tensor)
        if known is not None and np.isfinite(known):
            return ops.multiply(x, y)
    return None


def _select(node: Node) -> Value | None:
    condition, then, otherwise = node.inputs
    known = uniform(condition)
    if known is not None:
        return then if known else otherwise
    if then == otherwise:
        return then
    if condition.node.op.name in ("logical_not", "invert"):
        inner = condition.node.inputs[0]
        if inner.dtype.kind == "b":
            return ops.select(inner, otherwise, then)
    if then.node.op.name == "select" and then.node.inputs[0] == condition:
        return ops.select(condition, then.node.inputs[1], otherwise)
    if otherwise.node.op.name == "select" and otherwise.node.inputs[0] == condition:
        return ops.select(condition, then, otherwise.node.inputs[2])
    return None


def _lossless(source: np.dtype, target: np.dtype) -> bool:
    """Whether every value of `source` is one of `target`."""
    if source.kind in "iu" and target.kind in "fc":
        bits = {"float32": 24, "complex64": 24}.get(target.name, 53)
        return source.itemsize * 8 <= bits
    return bool(np.can_cast(source, target, "safe"))


def _cast(node: Node) -> Value | None:
    (x,), target = node.inputs, node["dtype"]
    if x.dtype == target:
        return x
    if x.node.op.name != "cast":
        return None
    (source,) = x.node.inputs
    if not _lossless(source.dtype, x.dtype):
        return None
    if source.dtype == target or _lossless(x.dtype, target):
        return ops.cast(source, target)
    return None


def _part_of_complex(node: Node) -> Value | None:
    inner = node.inputs[0].node
    if inner.op.name != "complex":
        return None
    return inner.inputs[0 if node.op.name == "real" else 1]


# --- the rules ------------------------------------------------------------------------------------

RULES = (
    Rules(
        (
            ("*", _fold),
            ("add", _add),
            ("subtract", _subtract),
            ("multiply", _multiply),
            ("divide", _divide),
            ("power", _power),
            ("negative", _undone),
            ("conjugate", _undone),
            ("absolute", _absolute),
            ("masked_multiply", _masked_multiply),
            ("absorbing_multiply", _absorbing_multiply),
            ("select", _select),
            ("cast", _cast),
            ("real", _part_of_complex),
            ("imag", _part_of_complex),
        )
    )
    + SHAPE_RULES
    + TURN_RULES
)

FINAL_RULES = (
    INDEX_RULES
    + PRODUCT_RULES
    + POSITION_RULES
    + Rules(
        (
            ("mark", lambda node: node.inputs[0]),
            ("closed_over", lambda node: node.inputs[0]),
            ("checkpoint", lambda node: tuple(inline(node.regions[0], node.inputs))),
            ("custom_vjp", lambda node: tuple(inline(node.regions[0], node.inputs))),
            ("stop_gradient", lambda node: node.inputs[0]),
            ("power", _cube),
        )
    )
)
"""Rules for graphs that are not differentiated any more."""
