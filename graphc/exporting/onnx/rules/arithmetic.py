"""Arithmetic, comparisons, logic, conversions and choices."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.rules.forms import (
    alike,
    first_type,
    holds_anywhere,
    holds_everywhere,
    pointwise,
    repeated,
)
from graphc.exporting.onnx.tensors import BOOL, INT64, Tensor, larger, where
from graphc.exporting.onnx.walker import Results, Rule, Walker
from graphc.ir import Node, Value
from graphc.ops.query import is_zero, uniform


def _or_bool(kind: str, logical: str) -> Rule:
    """The op `kind`, which on bool is the op `logical`."""
    return pointwise(lambda x, y: x.op(logical if x.dtype == BOOL else kind, y))


def _reciprocal(x: Tensor) -> Tensor:
    if x.dtype.kind == "f":
        return x.op("Reciprocal")
    # NumPy divides in C: by 0 that is the least int of 32 and 64 bits, and 0 otherwise.
    at_zero = int(np.iinfo(x.dtype).min) if x.dtype.name in ("int32", "int64") else 0
    unit = where(x.equals(1), x, 0)
    if x.dtype.kind == "i":
        unit = where(x.equals(-1), x, unit)
    return where(x.equals(0), at_zero, unit)


def _absorbing(x: Tensor, y: Tensor) -> Tensor:
    return where(x.equals(0) | y.equals(0), 0, x * y)


def _absolute(x: Tensor) -> Tensor:
    return x if x.dtype.kind in "bu" else x.op("Abs")


# --- powers: of integers by squaring, exact and modulo 2**bits ------------------------------------


def _power(walker: Walker, node: Node) -> Tensor:
    x, y = walker.operands(node)
    if x.dtype.kind == "f":
        return x.op("Pow", y)
    exponent = uniform(node.inputs[1])
    if exponent is not None and 0 <= int(exponent) <= 64:
        return _known_power(x, int(exponent), walker, node)
    type_ = first_type(node)
    x, y = walker.values(node)
    if y.dtype.kind == "i":
        y = walker.checked(y, holds_everywhere(y >= 0))
    one = walker.filled(1, type_)
    return repeated(
        walker,
        [one, x, y],
        [type_, type_, type_],
        lambda result, base, rest: holds_anywhere(rest > 0),
        lambda result, base, rest: (
            where(rest.op("Mod", 2).equals(1), result * base, result),
            base * base,
            rest / 2,
        ),
    )[0]


def _known_power(x: Tensor, exponent: int, walker: Walker, node: Node) -> Tensor:
    if exponent == 0:
        return walker.filled(1, first_type(node))
    result: Tensor | None = None
    while exponent:
        if exponent % 2:
            result = x if result is None else result * x
        exponent //= 2
        x = x * x if exponent else x
    assert result is not None
    return result


# --- comparisons and logic ------------------------------------------------------------------------


def _truths(kind: str) -> Rule:
    """A logical op of any dtype: what is not 0 is true."""
    return pointwise(lambda x, *others: x.cast(BOOL).op(kind, *(y.cast(BOOL) for y in others)))


def _is_inf(x: Tensor) -> Tensor:
    return x.op("IsInf", dtype=BOOL) if x.dtype.kind == "f" else ~x.equals(x)


def _is_finite(x: Tensor) -> Tensor:
    return x.op("Abs") < math.inf if x.dtype.kind == "f" else x.equals(x)


def _number_extreme(kind: str) -> Rule:
    """The larger or smaller, where NaN is no number and so neither."""

    def rule(x: Tensor, y: Tensor) -> Tensor:
        if x.dtype.kind != "f":
            return larger(x, y, kind)
        chosen = x >= y if kind == "Max" else x <= y
        return where(chosen | y.is_nan(), x, y)

    return pointwise(rule)


def _maximum(walker: Walker, node: Node) -> Tensor:
    """``Max``; ``Relu`` where one operand is 0."""
    x, y = node.inputs
    if x.dtype.kind == "f" and (is_zero(x) or is_zero(y)):
        return walker.value(x if is_zero(y) else y).op("Relu")
    first, second = walker.operands(node)
    return larger(first, second)


# --- choices and conversions ----------------------------------------------------------------------


def _select(walker: Walker, node: Node) -> Results:
    """``Where``; ``Relu`` or ``Max`` where that is what is chosen."""
    condition, then, otherwise = node.inputs
    if otherwise.dtype.kind == "f" and is_zero(then) and _is_below_zero(condition, otherwise):
        return walker.value(otherwise).op("Relu")
    x, first, second = walker.operands(node)
    if _is_larger(condition, then, otherwise):
        return larger(first, second)
    return where(x, first, second)


def _is_below_zero(condition: Value, x: Value) -> bool:
    test = condition.node
    kinds = ("less", "less_equal")
    return test.op.name in kinds and test.inputs[0] == x and is_zero(test.inputs[1])


def _is_larger(condition: Value, x: Value, y: Value) -> bool:
    """Whether the condition is ``(x > y) | isnan(x)``, as in the windows of a pooling."""
    tests = [value.node for value in condition.node.inputs]
    if condition.node.op.name not in ("bitwise_or", "logical_or"):
        return False
    kinds = {test.op.name: test.inputs for test in tests}
    return kinds == {"greater": (x, y), "isnan": (x,)}


def _cast(walker: Walker, node: Node) -> Tensor:
    """Floats go to small integers by way of int64: ONNX leaves the direct way undefined."""
    x, dtype = walker.value(node.inputs[0]), node["dtype"]
    narrow = dtype.kind in "iu" and dtype.name not in ("int32", "int64", "uint64")
    return (x.cast(INT64) if narrow and x.dtype.kind == "f" else x).cast(dtype)


def _checked(walker: Walker, node: Node) -> Tensor:
    value, condition = walker.value(node.inputs[0]), walker.operands(node)[1]
    walker.builder.line += f"  # {node['problem']}"
    return walker.checked(value, holds_everywhere(condition))


def _limited(walker: Walker, node: Node) -> Tensor:
    x = walker.value(node.inputs[0])
    walker.builder.line += f"  # {node['problem']}"
    return walker.checked(x, holds_everywhere(x <= node["most"]))


RULES: Mapping[str, Rule] = {
    "add": _or_bool("Add", "Or"),
    "multiply": _or_bool("Mul", "And"),
    "negative": pointwise(lambda x: -x),
    "reciprocal": pointwise(_reciprocal),
    "square": pointwise(lambda x: x * x),
    "masked_multiply": pointwise(lambda g, d: where(g.equals(0), 0, g * d)),
    "absorbing_multiply": pointwise(_absorbing),
    "absolute": pointwise(_absolute),
    "sign": alike("Sign"),
    "power": _power,
    "equal": pointwise(lambda x, y: x.equals(y)),
    "not_equal": pointwise(lambda x, y: ~x.equals(y)),
    "less": pointwise(lambda x, y: x < y),
    "less_equal": pointwise(lambda x, y: x <= y),
    "greater": pointwise(lambda x, y: x > y),
    "greater_equal": pointwise(lambda x, y: x >= y),
    "logical_and": _truths("And"),
    "logical_or": _truths("Or"),
    "logical_xor": _truths("Xor"),
    "logical_not": _truths("Not"),
    "isnan": pointwise(lambda x: x.is_nan() if x.dtype.kind == "f" else ~x.equals(x)),
    "isinf": pointwise(_is_inf),
    "isfinite": pointwise(_is_finite),
    "maximum": _maximum,
    "minimum": pointwise(lambda x, y: larger(x, y, "Min")),
    "fmax": _number_extreme("Max"),
    "fmin": _number_extreme("Min"),
    "select": _select,
    "cast": _cast,
    "limited": _limited,
    "require": _checked,
    "require_division": _checked,
    "require_finite": _checked,
    "require_bounds": _checked,
}
