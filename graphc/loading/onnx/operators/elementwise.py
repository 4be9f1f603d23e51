"""Operators on each element: arithmetic, comparisons, logic, bits, casts."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np

from graphc import ops
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import is_static, lift
from graphc.transform import operation

_erf = operation(ops.erf, elementwise=True)

_UNARY: dict[str, Callable[[Any], Any]] = {
    "Abs": np.abs,
    "Acos": np.arccos,
    "Acosh": np.arccosh,
    "Asin": np.arcsin,
    "Asinh": np.arcsinh,
    "Atan": np.arctan,
    "Atanh": np.arctanh,
    "BitwiseNot": np.invert,
    "Ceil": np.ceil,
    "Cos": np.cos,
    "Cosh": np.cosh,
    "Erf": _erf,
    "Exp": np.exp,
    "Floor": np.floor,
    "IsNaN": np.isnan,
    "Log": np.log,
    "Not": np.logical_not,
    "Round": np.rint,
    "Sign": np.sign,
    "Sin": np.sin,
    "Sinh": np.sinh,
    "Sqrt": np.sqrt,
    "Tan": np.tan,
    "Tanh": np.tanh,
}
_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "And": np.logical_and,
    "BitwiseAnd": np.bitwise_and,
    "BitwiseOr": np.bitwise_or,
    "BitwiseXor": np.bitwise_xor,
    "Or": np.logical_or,
    "Xor": np.logical_xor,
}
_SHAPES: dict[str, Callable[[Any, Any], Any]] = {
    "Add": np.add,
    "Equal": np.equal,
    "Greater": np.greater,
    "GreaterOrEqual": np.greater_equal,
    "Less": np.less,
    "LessOrEqual": np.less_equal,
    "Mul": np.multiply,
    "Sub": np.subtract,
}


def _entered(names: dict[str, Callable[..., Any]], shapes: bool) -> None:
    """Enter NumPy functions that are ONNX operators, attributes and all."""

    def enter(name: str, function: Callable[..., Any]) -> None:
        @operator(name, shapes=shapes)
        def run(node: Node, *operands: Any) -> Any:
            if node.get("broadcast") is not None:
                raise node.refusal("broadcasting as before opset 7 is not supported")
            return function(*operands)

    for name, function in names.items():
        enter(name, function)


_entered(_UNARY, shapes=False)
_entered(_BINARY, shapes=False)
_entered(_SHAPES, shapes=True)


@operator("Neg", "Identity", shapes=True)
def neg(node: Node, x: Any) -> Any:
    """The negative; or itself."""
    return x if node.operator == "Identity" else -x


@operator("Div", shapes=True)
def div(node: Node, x: Any, y: Any) -> Any:
    """A quotient; of integers, cut towards zero, as ONNX Runtime does."""
    if x.dtype == object or y.dtype == object:
        return x // y  # sizes, which are not negative
    if x.dtype.kind == "f":
        return np.divide(x, y)
    quotient = np.floor_divide(x, y)
    if x.dtype.kind == "u":
        return quotient
    cut = (quotient < 0) & (quotient * y != x)
    return (quotient + cut).astype(x.dtype)


@operator("Mod", shapes=True)
def mod(node: Node, x: Any, y: Any) -> Any:
    """A remainder, with the sign of the divisor, or with that of the dividend as in C."""
    return np.fmod(x, y) if node.get("fmod", 0) else np.mod(x, y)


@operator("Reciprocal")
def reciprocal(node: Node, x: Any) -> Any:
    """One over it."""
    return 1 / x


@operator("Pow")
def power(node: Node, x: Any, y: Any) -> Any:
    """A power, of the dtype of the base."""
    if is_static(y) and y.size == 1 and float(y.reshape(-1)[0]) in (1.0, 2.0):
        y = int(y.reshape(-1)[0])
    return np.power(x, y).astype(x.dtype)


@operator("BitShift")
def bit_shift(node: Node, x: Any, y: Any) -> Any:
    """Bits moved to the left or to the right."""
    direction = node.get("direction")
    if direction not in ("LEFT", "RIGHT"):
        raise node.refusal(f"direction is LEFT or RIGHT, not {direction!r}")
    return np.left_shift(x, y) if direction == "LEFT" else np.right_shift(x, y)


@operator("Max", "Min", "Sum", "Mean", shapes=True)
def joined(node: Node, *operands: Any) -> Any:
    """The largest, the least, the sum or the mean of several arrays, element by element."""
    functions = {"Max": np.maximum, "Min": np.minimum, "Sum": np.add, "Mean": np.add}
    found = reduce(functions[node.operator], operands)
    return found / len(operands) if node.operator == "Mean" else found


@operator("Where", shapes=True)
def where(node: Node, condition: Any, x: Any, y: Any) -> Any:
    """A choice between two arrays."""
    return np.where(condition, x, y)


@operator("IsInf")
def is_inf(node: Node, x: Any) -> Any:
    """Whether infinite; of one sign only, if told so."""
    negative, positive = node.get("detect_negative", 1), node.get("detect_positive", 1)
    if negative and positive:
        return np.isinf(x)
    if not (negative or positive):
        return np.zeros_like(x, dtype=bool)
    return x == (np.inf if positive else -np.inf)


@operator("Clip")
def clip(node: Node, x: Any, low: Any = None, high: Any = None) -> Any:
    """Values brought between two bounds, each of which may be left out."""
    low = node.get("min") if low is None else low
    high = node.get("max") if high is None else high
    if low is not None:
        x = np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


@operator("Cast", shapes=True)
def cast(node: Node, x: Any) -> Any:
    """Another dtype."""
    return converted(x, node.dtype("to", 0))


@operator("CastLike")
def cast_like(node: Node, x: Any, like: Any) -> Any:
    """The dtype of another array."""
    return converted(x, like.dtype)


def converted(x: Any, dtype: np.dtype) -> Any:
    """`x` in `dtype`; symbolic sizes stay what they are if that holds integers."""
    if x.dtype == object:
        if dtype.kind in "iu":
            return x
        x = lift(x)
    with np.errstate(all="ignore"):
        return x.astype(dtype)


@operator("Shrink")
def shrink(node: Node, x: Any) -> Any:
    """Towards zero by `bias`, and zero within `lambd` of it."""
    bias, bound = node.number("bias", 0.0), node.number("lambd", 0.5)
    return np.where(x < -bound, x + bias, np.where(x > bound, x - bias, 0)).astype(x.dtype)


@operator("BitCast")
def bit_cast(node: Node, x: Any) -> Any:
    """The same bits as another integer type; of floats not."""
    dtype = node.dtype("to", 0)
    if "f" in (dtype.kind, x.dtype.kind) and dtype != x.dtype:
        raise node.refusal("the bits of floats as integers, or of integers as floats")
    if dtype.itemsize != x.dtype.itemsize or (dtype == np.bool_ and x.dtype != np.bool_):
        raise node.refusal(f"{x.dtype} as {dtype}, of another size or kind")
    return x.astype(dtype)
