"""Symbolic integers: the size of an axis, or a Python int argument, that varies between calls."""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np

from graphc.trace.context import Trace
from graphc.trace.dispatch import call
from graphc.types import Dim, Size, floordiv, mod

_RELATIONS = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class TracedSize:
    """A symbolic Python int: sums, products, // and % stay symbolic.

    A comparison is decided by the present call and guarded. Use as a plain int (``range``, a
    list index, ``int``, a string made of it) makes the size static: each value then compiles on
    its own.
    """

    __slots__ = ("dim", "trace")
    dim: Dim
    trace: Trace

    def __init__(self, dim: Dim, trace: Trace) -> None:
        self.dim = dim
        self.trace = trace

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """``isinstance(size, int)`` holds, as it does for the int that it stands for."""
        return int

    def __index__(self) -> int:
        return self.trace.static(self.dim)

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __bool__(self) -> bool:
        return not self.trace.holds("==", self.dim, 0)

    def __hash__(self) -> int:
        return hash(self.__index__())

    def __repr__(self) -> str:
        return repr(self.__index__())

    def __format__(self, spec: str) -> str:
        return format(self.__index__(), spec)

    def _binary(self, other: Any, operation: Any, plain: Any) -> Any:
        size = as_size(other)
        if size is None:
            return plain() if isinstance(other, float | complex) else NotImplemented
        return wrap_size(operation(size), self.trace)

    def __add__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self.dim + o, lambda: self.number + other)

    def __radd__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self.dim + o, lambda: other + self.number)

    def __sub__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self.dim - o, lambda: self.number - other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary(other, lambda o: o - self.dim, lambda: other - self.number)

    def __mul__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self.dim * o, lambda: self.number * other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self.dim * o, lambda: other * self.number)

    def __floordiv__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self._divide(floordiv, self.dim, o), self._number)

    def __rfloordiv__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self._divide(floordiv, o, self.dim), self._number)

    def __mod__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self._divide(mod, self.dim, o), self._number)

    def __rmod__(self, other: Any) -> Any:
        return self._binary(other, lambda o: self._divide(mod, o, self.dim), self._number)

    def __divmod__(self, other: Any) -> Any:
        return self // other, self % other

    def __neg__(self) -> Any:
        return wrap_size(-self.dim, self.trace)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self if self >= 0 else -self

    def __truediv__(self, other: Any) -> Any:
        return self.number / other

    def __rtruediv__(self, other: Any) -> Any:
        return other / self.number

    def __pow__(self, other: Any) -> Any:
        if type(other) is int and 0 <= other <= 4:
            result: Any = 1
            for _ in range(other):
                result = self * result
            return result
        return int(self) ** other

    def __rpow__(self, other: Any) -> Any:
        return other ** (int(self) if isinstance(other, int) else self.number)

    def _divide(self, operation: Any, left: Size, right: Size) -> Size:
        if self.trace.holds("==", right, 0):
            raise ZeroDivisionError("integer division or modulo by zero")
        result: Size = operation(left, right)
        return result

    def _number(self) -> Any:
        return int(self)

    @property
    def number(self) -> Any:
        """This size as a traced Python number, for arithmetic with floats."""
        return call("size_number", self)

    def _compare(self, relation: str, other: Any) -> Any:
        size = as_size(other)
        if size is not None:
            return self.trace.holds(relation, self.dim, size)
        if not issubclass(type(other), float | np.integer | np.floating):
            return NotImplemented
        outcome = self._compare_float(relation, float(other))
        return np.bool_(outcome) if isinstance(other, np.generic) else outcome

    def _compare_float(self, relation: str, other: float) -> bool:
        if not math.isfinite(other):
            return bool(_RELATIONS[relation](0, other))
        if relation == "==":
            return other.is_integer() and self.trace.holds("==", self.dim, int(other))
        bound = math.ceil(other) if relation in ("<", ">=") else math.floor(other)
        return self.trace.holds(relation, self.dim, bound)

    def __eq__(self, other: object) -> Any:
        return self._compare("==", other)

    def __ne__(self, other: object) -> Any:
        outcome = self._compare("==", other)
        return outcome if outcome is NotImplemented else not outcome

    def __lt__(self, other: Any) -> Any:
        return self._compare("<", other)

    def __le__(self, other: Any) -> Any:
        return self._compare("<=", other)

    def __gt__(self, other: Any) -> Any:
        return self._compare(">", other)

    def __ge__(self, other: Any) -> Any:
        return self._compare(">=", other)


def as_size(value: Any) -> Size | None:
    """`value` as a size if it is an int or a symbolic one, else None."""
    if type(value) is TracedSize:
        return value.dim
    if isinstance(value, int):
        return int(value)
    return None


def wrap_size(size: Size, trace: Trace) -> Any:
    """What the user sees of a size: an int, or a `TracedSize`."""
    return TracedSize(size, trace) if isinstance(size, Dim) else size
