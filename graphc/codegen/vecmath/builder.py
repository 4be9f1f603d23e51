"""Arithmetic on one float type as LLVM instructions: what the functions of `vecmath` are made of.

Everything is branch-free and every instruction has a vector form, so a loop around it vectorises.
No instruction carries a fast-math flag. Products that are added are `llvm.fma`: one rounding, the
same bits on every machine; a CPU without such an instruction calls the C library for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir


@dataclass(frozen=True, slots=True)
class Format:
    """An IEEE 754 binary format: its LLVM types, and the sizes of its fields."""

    value: Any
    integer: Any
    bits: int
    mantissa: int
    bias: int

    @property
    def least_normal(self) -> float:
        return float(2.0 ** (1 - self.bias))


SINGLE = Format(ir.FloatType(), ir.IntType(32), 32, 23, 127)
DOUBLE = Format(ir.DoubleType(), ir.IntType(64), 64, 52, 1023)


class Arithmetic:
    """Emits instructions on values of one format through a builder.

    Numbers among the operands become constants. Comparisons are false where a side is NaN. What is
    emitted is `fast` where it may be off by 2**-20 (float32) or 2**-36 (float64) of its value.
    """

    def __init__(self, builder: Any, form: Format, fast: bool = False) -> None:
        self.builder = builder
        self.fast = fast
        self.form = form
        self.single = form is SINGLE
        self.shifter = 1.5 * 2.0**form.mantissa
        """Added to a small number, it leaves the nearest integer in the low bits."""

    def number(self, value: Any) -> Any:
        if isinstance(value, int | float):
            return ir.Constant(self.form.value, float(value))
        return value

    def whole(self, value: Any) -> Any:
        return ir.Constant(self.form.integer, value) if isinstance(value, int) else value

    def choose(self, single: Any, double: Any) -> Any:
        """The constant for the format."""
        return single if self.single else double

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(self.number(x), self.number(y))

    def subtract(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(self.number(x), self.number(y))

    def multiply(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(self.number(x), self.number(y))

    def divide(self, x: Any, y: Any) -> Any:
        return self.builder.fdiv(self.number(x), self.number(y))

    def approximate_ratio(self, x: Any, y: Any) -> Any:
        """``x / y`` for a positive number y: with the processor's estimate of ``1 / y``, if any."""
        return self.builder.fdiv(self.number(x), self.number(y), flags=("arcp",))

    def _intrinsic(self, name: str, *operands: Any) -> Any:
        value = self.form.value
        declared = self.builder.module.declare_intrinsic(
            name, [value], ir.FunctionType(value, [value] * len(operands))
        )
        return self.builder.call(declared, [self.number(operand) for operand in operands])

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        """``x * y + z``, rounded once."""
        return self._intrinsic("llvm.fma", x, y, z)

    def magnitude(self, x: Any) -> Any:
        return self._intrinsic("llvm.fabs", x)

    def square_root(self, x: Any) -> Any:
        return self._intrinsic("llvm.sqrt", x)

    def exact_product(self, x: Any, y: Any) -> tuple[Any, Any]:
        """``x * y`` and what it lost in rounding."""
        product = self.multiply(x, y)
        return product, self.fma(x, y, self.negate(product))

    def exact_sum(self, x: Any, y: Any) -> tuple[Any, Any]:
        """``x + y`` and what it lost in rounding (D. E. Knuth)."""
        total = self.add(x, y)
        moved = self.subtract(total, x)
        rest = self.subtract(y, moved)
        return total, self.add(self.subtract(x, self.subtract(total, moved)), rest)

    def ordered_sum(self, x: Any, y: Any) -> tuple[Any, Any]:
        """The same where x is 0 or has at least the exponent of y (T. J. Dekker)."""
        total = self.add(x, y)
        return total, self.subtract(self.number(y), self.subtract(total, self.number(x)))

    def round(self, x: Any) -> Any:
        """The nearest integer, of any magnitude."""
        return self._intrinsic("llvm.rint", x)

    def floor(self, x: Any) -> Any:
        return self._intrinsic("llvm.floor", x)

    def negate(self, x: Any) -> Any:
        return self.builder.fneg(x)

    def with_sign(self, x: Any, sign: Any) -> Any:
        return self._intrinsic("llvm.copysign", x, sign)

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        """Coefficients from the constant up, by Horner's rule."""
        *lower, total = coefficients
        for coefficient in reversed(lower):
            total = self.fma(total, x, coefficient)
        return total

    def is_less(self, x: Any, y: Any) -> Any:
        return self.builder.fcmp_ordered("<", self.number(x), self.number(y))

    def is_equal(self, x: Any, y: Any) -> Any:
        return self.builder.fcmp_ordered("==", self.number(x), self.number(y))

    def select(self, condition: Any, x: Any, y: Any) -> Any:
        return self.builder.select(condition, self.number(x), self.number(y))

    def at_most(self, x: Any, limit: float) -> Any:
        """The smaller; NaN stays."""
        return self.select(self.is_less(limit, x), limit, x)

    def at_least(self, x: Any, limit: float) -> Any:
        """The larger; NaN stays."""
        return self.select(self.is_less(x, limit), limit, x)

    def to_bits(self, x: Any) -> Any:
        return self.builder.bitcast(x, self.form.integer)

    def from_bits(self, bits: Any) -> Any:
        return self.builder.bitcast(bits, self.form.value)

    def nearest(self, x: Any, factor: float) -> tuple[Any, Any]:
        """The integer nearest to ``x * factor``, as a float and as an integer.

        For magnitudes below a quarter of ``2**mantissa``. Where x is NaN both are some number.
        """
        shifted = self.fma(x, factor, self.shifter)
        constant = ir.Constant(self.form.integer, self.bits_of(self.shifter))
        integer = self.builder.sub(self.to_bits(shifted), constant)
        return self.subtract(shifted, self.shifter), integer

    def as_float(self, integer: Any) -> Any:
        """An integer of small magnitude as a float, by its bits: AVX2 can't convert int64."""
        moved = self.builder.add(integer, self.whole(self.bits_of(self.shifter)))
        return self.subtract(self.from_bits(moved), self.shifter)

    def bits_of(self, power: float) -> int:
        """The bits of a positive constant whose mantissa has few digits."""
        exponent = 0
        while power >= 2.0:
            power, exponent = power / 2.0, exponent + 1
        while power < 1.0:
            power, exponent = power * 2.0, exponent - 1
        fraction = int((power - 1.0) * 2.0**self.form.mantissa)
        return ((self.form.bias + exponent) << self.form.mantissa) + fraction

    def power_of_two(self, integer: Any) -> Any:
        """2 to an integer; the result must be a normal number."""
        biased = self.builder.add(integer, self.whole(self.form.bias))
        return self.from_bits(self.builder.shl(biased, self.whole(self.form.mantissa)))

    def scale(self, x: Any, integer: Any) -> Any:
        """``x * 2**integer`` for x near 1, in two steps: the second rounds to a subnormal."""
        half = self.builder.ashr(integer, self.whole(1))
        rest = self.builder.sub(integer, half)
        return self.multiply(self.multiply(x, self.power_of_two(half)), self.power_of_two(rest))
