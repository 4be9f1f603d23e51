"""sin, cos and tan, branch-free and right for every argument.

``abs(x) = m 2**e`` with whole m; m times a constant ``2**e 2/pi modulo 4`` counts quarter turns,
so huge arguments need no branch (after M. H. Payne and R. N. Hanek, Radian Reduction for
Trigonometric Functions, 1983). For float64 every 16th e is in a table, as a sum of four doubles.
float32 is reduced in double precision, where m may have 45 bits: five values of e, two doubles
each, are enough, and they are selected.
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

from llvmlite import ir

from graphc.codegen.vecmath.builder import DOUBLE, SINGLE, Arithmetic

STRIDE = 16
HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
LEAST = -60
"""The least exponent in the table; below it sin(x) is x."""
EXPONENTS = (0, 19, 41, 63, 84)
"""The exponents e for float32: one is used from ``2**(e + 23)``, where x is a multiple of ``2**e``,
up to the next. They were chosen for the fewest quarter turns: below 2**44.6."""

SIN_SINGLE = (
    -0.1666666716337204,
    0.008333329111337662,
    -0.00019839320157188922,
    2.7181986297364347e-06,
)
"""``(sin(r) - r) / r**3`` in r**2 on [0, 0.6169], error times r**2 below 2**-28.1."""
SIN_DOUBLE = (
    -0.16666666666666666,
    0.008333333333333323,
    -0.00019841269841254942,
    2.755731921414221e-06,
    -2.5052104902214747e-08,
    1.6058365738208311e-10,
    -7.578665639257785e-13,
)
"""The same for float64, error times r**2 below 2**-57.3."""
COS_SINGLE = (
    0.04166664555668831,
    -0.001388734090141952,
    2.4435850718873553e-05,
)
"""``(cos(r) - 1 + r**2 / 2) / r**4`` in r**2 on [0, 0.6169], error times r**4 below
2**-31.6."""
COS_DOUBLE = (
    0.041666666666666664,
    -0.0013888888888888874,
    2.4801587301571106e-05,
    -2.7557319215232597e-07,
    2.0876754337915222e-09,
    -1.1470290419212686e-11,
    4.737993643800588e-14,
)
"""The same for float64, error times r**4 below 2**-59.9."""


def _arctangent_of_inverse(n: int, one: int) -> int:
    """``one * atan(1 / n)``, by its series."""
    power = total = one // n
    divisor = 1
    while power:
        power //= -n * n
        divisor += 2
        total += power // divisor
    return total


@functools.cache
def quarter_turns(exponents: range, parts: int) -> tuple[tuple[float, ...], ...]:
    """``2**e 2/pi`` modulo 4 as sums of doubles, one tuple a part.

    The values are between -2 and 2. Pi is by Machin's formula.

    >>> quarter_turns(range(0, 17, 16), 1)
    ((0.6366197723675814, 1.5134018818108999),)
    """
    bits = exponents[-1] + 400
    one = 1 << bits
    pi = 4 * (4 * _arctangent_of_inverse(5, one << 64) - _arctangent_of_inverse(239, one << 64))
    two_over_pi = (2 * one * (one << 64)) // pi
    rows = []
    for exponent in exponents:
        rest = Fraction(two_over_pi, one) * Fraction(2) ** exponent
        rest = (rest + 2) % 4 - 2
        row = []
        for _ in range(parts):
            row.append(rest.numerator / rest.denominator)
            rest -= Fraction(row[-1])
        rows.append(row)
    return tuple(zip(*rows, strict=True))


def _lookup(a: Arithmetic, index: Any, values: tuple[float, ...], name: str) -> Any:
    """The double at `index` of a constant table."""
    module = a.builder.module
    type_ = ir.ArrayType(DOUBLE.value, len(values))
    table = module.globals.get(name)
    if table is None:
        table = ir.GlobalVariable(module, type_, name)
        table.linkage = "internal"
        table.global_constant = True
        table.initializer = ir.Constant(type_, list(values))
    zero = ir.Constant(index.type, 0)
    return a.builder.load(a.builder.gep(table, [zero, index], inbounds=True))


def _reduced(a: Arithmetic, x: Any) -> tuple[Any, Any, Any]:
    """``(quadrant, r, rest)`` with ``abs(x) = quadrant pi/2 + r + rest``, the quadrant modulo 4."""
    if not a.single:
        return _reduced_double(a, x)
    quadrant, r = _reduced_wide(a, x)
    return a.builder.trunc(quadrant, a.form.integer), a.builder.fptrunc(r, SINGLE.value), None


def _turns_of_one(exponent: int) -> tuple[float, float]:
    """2/pi in two parts, modulo ``4 / 2**exponent``: for multiples of ``2**exponent``."""
    (head,), (tail,) = quarter_turns(range(exponent, exponent + 1), 2)
    return head * 2.0**-exponent, tail * 2.0**-exponent


def _reduced_wide(a: Arithmetic, x: Any) -> tuple[Any, Any]:
    """The reduction of float32: the quadrant, and r in float64. NaN for infinities."""
    wide = Arithmetic(a.builder, DOUBLE)
    size = a.magnitude(x)
    turns, rest = (wide.number(part) for part in _turns_of_one(0))
    for exponent in EXPONENTS[1:]:
        small = a.is_less(size, 2.0 ** (exponent + 23))
        head, tail = _turns_of_one(exponent)
        turns, rest = wide.select(small, turns, head), wide.select(small, rest, tail)
    m = a.builder.fpext(size, DOUBLE.value)
    head, lost = wide.exact_product(m, turns)
    n, quadrant = wide.nearest(head, 1.0)
    turn = wide.add(wide.subtract(head, n), wide.fma(m, rest, lost))
    return quadrant, wide.multiply(turn, HALF_PI[0])


def _reduced_double(a: Arithmetic, x: Any) -> tuple[Any, Any, Any]:
    """The reduction of float64.

    The turns are summed to within 2**-140: none is nearer to a whole number than 2**-62.
    """
    builder, form = a.builder, a.form
    bits = a.to_bits(a.magnitude(x))
    mantissa = a.whole(form.mantissa)
    above = builder.sub(builder.lshr(bits, mantissa), a.whole(form.bias + LEAST))
    zero, last = a.whole(0), a.whole(form.bias - LEAST)
    above = builder.select(builder.icmp_signed("<", above, zero), zero, above)
    above = builder.select(builder.icmp_signed(">", above, last), last, above)
    index = builder.lshr(above, a.whole(STRIDE.bit_length() - 1))
    exponent = builder.add(
        builder.and_(above, a.whole(STRIDE - 1)), a.whole(form.bias + form.mantissa)
    )
    fraction = builder.and_(bits, a.whole((1 << form.mantissa) - 1))
    m = a.from_bits(builder.or_(fraction, builder.shl(exponent, mantissa)))
    exponents = range(LEAST - form.mantissa, form.bias - form.mantissa + 1, STRIDE)
    parts = [
        _lookup(a, index, values, f"graphc_quarter_turns_{number}")
        for number, values in enumerate(quarter_turns(exponents, 4))
    ]
    head, second = a.exact_product(m, parts[0])
    head = a.fma(a.round(a.multiply(head, 0.25)), -4.0, head)
    third, fourth = a.exact_product(m, parts[1])
    head, rest_1 = a.exact_sum(head, second)
    head, rest_2 = a.exact_sum(head, third)
    n, quadrant = a.nearest(head, 1.0)
    turn = a.subtract(head, n)
    fifth, sixth = a.exact_product(m, parts[2])
    rest, least_1 = a.exact_sum(rest_1, rest_2)
    fourth, least_2 = a.exact_sum(fourth, fifth)
    rest, least_3 = a.exact_sum(rest, fourth)
    least = a.add(a.add(least_1, least_2), a.add(least_3, a.fma(m, parts[3], sixth)))
    turn, rest = a.exact_sum(turn, rest)
    turn, rest = a.exact_sum(turn, a.add(rest, least))
    r, low = a.exact_product(turn, HALF_PI[0])
    return quadrant, r, a.add(low, a.fma(turn, HALF_PI[1], a.multiply(rest, HALF_PI[0])))


def _of_quadrant(a: Arithmetic, quadrant: Any, r: Any, rest: Any) -> Any:
    """sin(quadrant pi/2 + r + rest)."""
    builder = a.builder
    z = a.multiply(r, r)
    s = a.polynomial(z, a.choose(SIN_SINGLE, SIN_DOUBLE))
    c = a.polynomial(z, a.choose(COS_SINGLE, COS_DOUBLE))
    cube = a.multiply(z, r)
    if rest is None:
        sine = a.fma(cube, s, r)
        cosine = a.fma(z, a.fma(z, c, -0.5), 1.0)
    else:
        sine = a.add(r, a.fma(cube, s, rest))
        half = a.multiply(z, 0.5)
        main = a.subtract(1.0, half)
        lost = a.subtract(a.subtract(1.0, main), half)
        small = a.fma(a.multiply(z, z), c, a.negate(a.multiply(r, rest)))
        cosine = a.add(main, a.add(lost, small))
    one = a.whole(1)
    odd = builder.icmp_unsigned("!=", builder.and_(quadrant, one), a.whole(0))
    found = a.select(odd, cosine, sine)
    sign = builder.shl(builder.lshr(quadrant, one), a.whole(a.form.bits - 1))
    return a.from_bits(builder.xor(a.to_bits(found), sign))


def sin(a: Arithmetic, x: Any) -> Any:
    """The sine."""
    found = _of_quadrant(a, *_reduced(a, x))
    sign = a.builder.and_(a.to_bits(x), a.whole(1 << (a.form.bits - 1)))
    found = a.from_bits(a.builder.xor(a.to_bits(found), sign))
    if a.single:
        return found
    size = a.magnitude(x)
    found = a.select(a.is_less(size, 2.0**-54), x, found)
    return a.select(a.is_less(size, math.inf), found, math.nan)


def cos(a: Arithmetic, x: Any) -> Any:
    """The cosine."""
    quadrant, r, rest = _reduced(a, x)
    found = _of_quadrant(a, a.builder.add(quadrant, a.whole(1)), r, rest)
    if a.single:
        return found
    return a.select(a.is_less(a.magnitude(x), math.inf), found, math.nan)


def tan(a: Arithmetic, x: Any) -> Any:
    """The tangent: the quotient of sine and cosine, in float64 or each in two parts."""
    if a.single:
        return _tan_single(a, x)
    quadrant, r, rest = _reduced(a, x)
    z = a.multiply(r, r)
    low = a.fma(a.multiply(z, r), a.polynomial(z, SIN_DOUBLE), rest)
    sine = a.add(r, low)
    sine_low = a.add(a.subtract(r, sine), low)
    half = a.multiply(z, 0.5)
    main = a.subtract(1.0, half)
    lost = a.subtract(a.subtract(1.0, main), half)
    low = a.fma(a.multiply(z, z), a.polynomial(z, COS_DOUBLE), a.negate(a.multiply(r, rest)))
    low = a.add(lost, low)
    cosine = a.add(main, low)
    cosine_low = a.add(a.subtract(main, cosine), low)
    odd = a.builder.icmp_unsigned("!=", a.builder.and_(quadrant, a.whole(1)), a.whole(0))
    top, top_low = a.select(odd, cosine, sine), a.select(odd, cosine_low, sine_low)
    bottom, bottom_low = a.select(odd, sine, cosine), a.select(odd, sine_low, cosine_low)
    found = a.divide(top, bottom)
    opposite = a.negate(found)
    wrong = a.add(a.fma(opposite, bottom, top), a.fma(opposite, bottom_low, top_low))
    found = a.add(found, a.divide(wrong, bottom))
    found = a.select(odd, a.negate(found), found)
    found = a.select(a.is_less(x, 0.0), a.negate(found), found)
    size = a.magnitude(x)
    found = a.select(a.is_less(size, 2.0**-28), x, found)
    return a.select(a.is_less(size, math.inf), found, math.nan)


def _tan_single(a: Arithmetic, x: Any) -> Any:
    wide = Arithmetic(a.builder, DOUBLE)
    quadrant, r = _reduced_wide(a, x)
    z = wide.multiply(r, r)
    sine = wide.fma(wide.multiply(z, r), wide.polynomial(z, SIN_DOUBLE[:6]), r)
    cosine = wide.fma(z, wide.fma(z, wide.polynomial(z, COS_DOUBLE[:6]), -0.5), 1.0)
    odd = a.builder.icmp_unsigned("!=", a.builder.and_(quadrant, wide.whole(1)), wide.whole(0))
    top = wide.select(odd, wide.negate(cosine), sine)
    found = a.builder.fptrunc(wide.divide(top, wide.select(odd, sine, cosine)), SINGLE.value)
    sign = a.builder.and_(a.to_bits(x), a.whole(1 << (a.form.bits - 1)))
    return a.from_bits(a.builder.xor(a.to_bits(found), sign))
