"""Tensors of an ONNX graph under construction, with Python's operators.

Rules are formulas over them: ``x + 1`` adds an ``Add`` to the scope that is being written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from graphc.types import DTYPES

if TYPE_CHECKING:
    from graphc.exporting.onnx.builder import Builder

BOOL, INT32, INT64, UINT64 = (DTYPES[name] for name in ("bool", "int32", "int64", "uint64"))
DTYPE_CODES = {
    "float32": 1,
    "uint8": 2,
    "int8": 3,
    "uint16": 4,
    "int16": 5,
    "int32": 6,
    "int64": 7,
    "bool": 9,
    "float64": 11,
    "uint32": 12,
    "uint64": 13,
}
"""ONNX's number of each dtype: ``TensorProto.DataType`` of onnx.proto. Complex is left out."""

WHERE = {"float32", "float64", "int8", "int32", "int64", "uint8", "uint32"}
EXTREMES = {"float32", "float64", "int8", "int32", "int64", "uint8", "uint32", "uint64"}
PRODUCTS = {"float32", "float64", "int32", "int64", "uint32", "uint64"}
REDUCED = {"float32", "float64", "int32", "int64"}
PADDED = EXTREMES | {"bool"}
"""The dtypes that ONNX Runtime 1.31 has CPU kernels of ``Where``, ``Max`` and so on for: others are
cast to a wider one and back, which integers come through unchanged, modulo 2**bits."""

ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
"""What takes integers of fewer than 32 bits from opset 14 on."""

Operand: TypeAlias = "Tensor | bool | int | float"


@dataclass(frozen=True, slots=True)
class Tensor:
    """A named tensor; its shape is known to the rules from graphc's types."""

    builder: Builder
    name: str
    dtype: np.dtype

    def op(
        self, kind: str, *others: Operand, dtype: np.dtype | None = None, **attrs: Any
    ) -> Tensor:
        """One ONNX op of this tensor and others; the result's dtype is this one's or `dtype`."""
        operands = (self, *(self.like(other) for other in others))
        if kind in ARITHMETIC and self.builder.opset < 14 and self.dtype.itemsize < 4:
            wide = [operand.cast(INT32) for operand in operands]
            return self.builder.op(kind, wide, INT32, **attrs).cast(self.dtype)
        return self.builder.op(kind, operands, dtype or self.dtype, **attrs)

    def like(self, other: Operand) -> Tensor:
        """`other`, a number as a scalar of this dtype."""
        return other if isinstance(other, Tensor) else self.builder.number(other, self.dtype)

    def cast(self, dtype: np.dtype) -> Tensor:
        """``Cast``, left out where it changes nothing."""
        if dtype == self.dtype:
            return self
        return self.op("Cast", dtype=dtype, to=DTYPE_CODES[dtype.name])

    def __add__(self, other: Operand) -> Tensor:
        return self.op("Add", other)

    def __sub__(self, other: Operand) -> Tensor:
        return self.op("Sub", other)

    def __rsub__(self, other: Operand) -> Tensor:
        return self.like(other).op("Sub", self)

    def __mul__(self, other: Operand) -> Tensor:
        return self.op("Mul", other)

    def __truediv__(self, other: Operand) -> Tensor:
        """``Div``, which for integers is C's: towards 0."""
        return self.op("Div", other)

    def __rtruediv__(self, other: Operand) -> Tensor:
        return self.like(other).op("Div", self)

    def __neg__(self) -> Tensor:
        return 0 - self if self.dtype.kind == "u" else self.op("Neg")

    def __and__(self, other: Operand) -> Tensor:
        return self.op("And" if self.dtype == BOOL else "BitwiseAnd", other)

    def __or__(self, other: Operand) -> Tensor:
        return self.op("Or" if self.dtype == BOOL else "BitwiseOr", other)

    def __xor__(self, other: Operand) -> Tensor:
        return self.op("Xor" if self.dtype == BOOL else "BitwiseXor", other)

    def __invert__(self) -> Tensor:
        return self.op("Not" if self.dtype == BOOL else "BitwiseNot")

    def __lt__(self, other: Operand) -> Tensor:
        return self._compared("Less", other)

    def __le__(self, other: Operand) -> Tensor:
        return self._compared("LessOrEqual", other)

    def __gt__(self, other: Operand) -> Tensor:
        return self._compared("Greater", other)

    def __ge__(self, other: Operand) -> Tensor:
        return self._compared("GreaterOrEqual", other)

    def equals(self, other: Operand) -> Tensor:
        """Elementwise equality; ``==`` of two tensors is whether they are the same tensor."""
        return self.op("Equal", other, dtype=BOOL)

    def _compared(self, kind: str, other: Operand) -> Tensor:
        """A comparison; bool, which ONNX does not order, as int32."""
        if self.dtype == BOOL:
            return self.cast(INT32).op(kind, self.like(other).cast(INT32), dtype=BOOL)
        return self.op(kind, other, dtype=BOOL)

    def is_nan(self) -> Tensor:
        """Whether each element of a float tensor is NaN."""
        return self.op("IsNaN", dtype=BOOL)


def where(condition: Tensor, then: Operand, otherwise: Operand) -> Tensor:
    """`then` where `condition`, else `otherwise`; at least one of the two is a tensor."""
    like = then if isinstance(then, Tensor) else otherwise
    assert isinstance(like, Tensor)
    first, second = like.like(then), like.like(otherwise)
    if like.dtype == BOOL:
        return (condition & first) | (~condition & second)
    wide = wider(like.dtype, WHERE)
    chosen = condition.op("Where", first.cast(wide), second.cast(wide), dtype=wide)
    return chosen.cast(like.dtype)


def wider(dtype: np.dtype, known: set[str]) -> np.dtype:
    """`dtype` if `known`, else the integer dtype that stands for it, modulo 2**bits."""
    if dtype.name in known:
        return dtype
    return INT32 if dtype.itemsize < 4 else INT64


def ordered(x: Tensor) -> Tensor:
    """Integers or bool as int64 in the same order: uint64 is moved down by 2**63."""
    if x.dtype == UINT64:
        return x.cast(INT64) + int(np.iinfo(np.int64).min)
    return x.cast(INT64)


def unordered(x: Tensor, dtype: np.dtype) -> Tensor:
    """What `ordered` made, as `dtype` again."""
    return (x + int(np.iinfo(np.int64).min) if dtype == UINT64 else x).cast(dtype)


def larger(x: Tensor, y: Operand, kind: str = "Max") -> Tensor:
    """``Max`` or ``Min`` of two; NaN where either is."""
    if x.dtype == BOOL:
        return x | y if kind == "Max" else x & y
    wide = wider(x.dtype, EXTREMES)
    return x.cast(wide).op(kind, x.like(y).cast(wide)).cast(x.dtype)


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """Horner's rule, the constant term first."""
    total = x.like(coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
