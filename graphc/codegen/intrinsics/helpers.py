"""Scalar functions of several instructions, compiled when a generated module first uses them."""

from __future__ import annotations

import cmath
import math
from typing import Any

import numpy as np

from graphc.codegen.intrinsics.instructions import (
    bits_of,
    c_fmod,
    c_hypot,
    ceil,
    copysign,
    floor,
    integer_floor_divide,
    integer_remainder,
    one,
)
from graphc.codegen.intrinsics.numba_names import register_jitable
from graphc.codegen.vecmath.functions import vector_power


@register_jitable
def float_remainder(x: Any, y: Any) -> Any:
    """Python's ``x % y``; NaN by zero. After NumPy's npy_divmod."""
    rest = c_fmod(x, y)
    if y == 0:
        return rest
    if rest != 0:
        if (y < 0) != (rest < 0):
            rest = rest + y
    else:
        rest = copysign(rest, y)
    return rest


@register_jitable
def float_floor_divide(x: Any, y: Any) -> Any:
    """Python's ``x // y``; ``x / y`` by zero. After NumPy's npy_floor_divide."""
    if y == 0:
        return x / y
    rest = c_fmod(x, y)
    quotient = (x - rest) / y
    if rest != 0 and (y < 0) != (rest < 0):
        quotient = quotient - one(x)
    if quotient == 0:
        return copysign(quotient, x / y)
    whole = floor(quotient)
    if quotient - whole > 0.5:
        whole = whole + one(x)
    return whole


@register_jitable
def integer_power(base: Any, exponent: Any) -> Any:
    """``base ** exponent`` of integers of one type, wrapping; a negative exponent counts as 0."""
    result = base ^ base | True
    while exponent > 0:
        if exponent & 1:
            result = result * base
        base = base * base
        exponent = exponent >> 1
    return result


@register_jitable
def greatest_common_divisor(x: Any, y: Any) -> Any:
    """The greatest common divisor, not negative."""
    x, y = abs(x), abs(y)
    while y != 0:
        x, y = y, integer_remainder(x, y)
    return abs(x)


@register_jitable
def least_common_multiple(x: Any, y: Any) -> Any:
    """The least common multiple, not negative; 0 if one is 0."""
    x, y = abs(x), abs(y)
    divisor = greatest_common_divisor(x, y)
    if divisor == 0:
        return divisor
    return integer_floor_divide(x, divisor) * y


@register_jitable
def spacing64(x: Any) -> Any:
    """The distance to the next float64 away from zero, with the sign of x."""
    if x == np.inf or x == -np.inf or x != x:
        return np.nan
    away = np.inf if bits_of(x) >= 0 else -np.inf
    return np.nextafter(x, away) - x


@register_jitable
def spacing32(x: Any) -> Any:
    """The distance to the next float32 away from zero, with the sign of x."""
    if x == np.inf or x == -np.inf or x != x:
        return np.float32(np.nan)
    away = np.float32(np.inf) if bits_of(x) >= 0 else np.float32(-np.inf)
    return np.nextafter(x, away) - x


@register_jitable
def frexp_mantissa(x: Any) -> Any:
    """The mantissa of a float, in [0.5, 1)."""
    return math.frexp(x)[0]


@register_jitable
def frexp_exponent(x: Any) -> Any:
    """The exponent of a float; 0 for 0, NaN and inf."""
    if x == np.inf or x == -np.inf or x != x:
        return np.int32(0)
    return np.int32(math.frexp(x)[1])


@register_jitable
def scale(x: Any, exponent: Any) -> Any:
    """``x * 2 ** exponent``."""
    if exponent > 100000:
        exponent = 100000
    elif exponent < -100000:
        exponent = -100000
    count: Any = np.int32(exponent)
    return math.ldexp(x, count)


@register_jitable
def complex_divide(x: Any, y: Any) -> Any:
    """``x / y`` by Smith's method, as NumPy does it (R. L. Smith, CACM 5, 1962)."""
    a, b, c, d = x.real, x.imag, y.real, y.imag
    if abs(c) >= abs(d):
        if c == 0 and d == 0:
            return complex(a / abs(c), b / abs(c))
        ratio = d / c
        factor = 1.0 / (c + d * ratio)
        return complex((a + b * ratio) * factor, (b - a * ratio) * factor)
    ratio = c / d
    factor = 1.0 / (d + c * ratio)
    return complex((a * ratio + b) * factor, (b * ratio - a) * factor)


@register_jitable
def complex_multiply(x: Any, y: Any) -> Any:
    """``x * y`` by the schoolbook formula, as NumPy does it."""
    return complex(x.real * y.real - x.imag * y.imag, x.real * y.imag + x.imag * y.real)


@register_jitable
def complex_exponential(x: Any) -> Any:
    """``exp(x)``; real where x is, also where that is infinite."""
    if x.imag == 0:
        return complex(math.exp(x.real), x.imag)
    return cmath.exp(x)


@register_jitable
def complex_greater(x: Any, y: Any) -> Any:
    """``x > y`` as NumPy orders complex numbers; False where a part that decides is NaN."""
    if x.real == y.real:
        return x.imag > y.imag
    return x.real > y.real and x.imag == x.imag and y.imag == y.imag


@register_jitable
def complex_greater_equal(x: Any, y: Any) -> Any:
    """``x >= y`` as NumPy orders complex numbers; False where a part that decides is NaN."""
    if x.real == y.real:
        return x.imag >= y.imag
    return x.real > y.real and x.imag == x.imag and y.imag == y.imag


@register_jitable
def complex_less(x: Any, y: Any) -> Any:
    """``x < y``."""
    return complex_greater(y, x)


@register_jitable
def complex_less_equal(x: Any, y: Any) -> Any:
    """``x <= y``."""
    return complex_greater_equal(y, x)


@register_jitable
def complex_maximum(x: Any, y: Any) -> Any:
    """The larger; the first with a NaN part where there is one."""
    if x != x or complex_greater_equal(x, y):
        return x
    return y


@register_jitable
def complex_minimum(x: Any, y: Any) -> Any:
    """The smaller; the first with a NaN part where there is one."""
    if x != x or complex_greater_equal(y, x):
        return x
    return y


@register_jitable
def complex_absolute(x: Any) -> Any:
    """The modulus."""
    return c_hypot(x.real, x.imag)


@register_jitable
def complex_power(x: Any, y: Any) -> Any:
    """``x ** y``, exact for small whole y, as NumPy does it."""
    if y.real == 0 and y.imag == 0:
        return complex(1.0, 0.0)
    if x.real == 0 and x.imag == 0:
        if y.real > 0:
            return complex(0.0, 0.0)
        return complex(np.nan, np.nan)
    if y.imag == 0 and -100 < y.real < 100 and y.real == math.floor(y.real):
        count = abs(int(y.real))
        factor = complex(x.real, x.imag)
        if y.real == 1:
            return factor
        if y.real == 2:
            return complex_multiply(factor, factor)
        if y.real == 3:
            return complex_multiply(factor, complex_multiply(factor, factor))
        result = complex(1.0, 0.0)
        while count > 0:
            if count & 1:
                result = complex_multiply(result, factor)
            factor = complex_multiply(factor, factor)
            count >>= 1
        if y.real < 0:
            return complex_divide(complex(1.0, 0.0), result)
        return result
    return cmath.exp(complex_multiply(complex(y.real, y.imag), cmath.log(x)))


@register_jitable
def hurwitz_zeta(s: Any, a: Any) -> Any:
    """The Hurwitz zeta function for s > 1 and a > 0, by Euler and Maclaurin.

    The first terms are added up to a + n >= 12 + s, where the others are no more than rounding
    errors; the rest is the asymptotic series with the Bernoulli numbers up to B_18 (NIST Handbook
    of Mathematical Functions, 25.11.5).
    """
    total = 0.0
    power = vector_power(a, -s)
    while a < 12.0 + s:
        if power <= 1e-20 * total:
            return total
        total += power
        a += 1.0
        power = vector_power(a, -s)
    total += a * (power / (s - 1.0)) + 0.5 * power
    factor = s * (power / a)
    coefficients = (
        1.0 / 12.0,
        -1.0 / 720.0,
        1.0 / 30240.0,
        -1.0 / 1209600.0,
        1.0 / 47900160.0,
        -691.0 / 1307674368000.0,
        1.0 / 74724249600.0,
        -3617.0 / 10670622842880000.0,
        43867.0 / 5109094217170944000.0,
    )
    order = 1.0
    for coefficient in coefficients:
        total += coefficient * factor
        factor *= (s + order) / a * ((s + order + 1.0) / a)
        order += 2.0
    return total


@register_jitable
def polygamma(order: Any, x: Any) -> Any:
    """The `order`-th derivative of digamma, order at least 1.

    Below 0 the terms of the series on either side of the pole nearest to x are added apart. At the
    poles what SciPy has: inf, or -inf for an even order.
    """
    if x != x:
        return x
    s = float(order) + 1.0
    factorial = 1.0
    for count in range(2, min(order, 171) + 1):
        factorial *= count
    sign = 1.0 if order % 2 == 1 else -1.0
    if x > 0.0:
        if x == np.inf:
            return copysign(0.0, sign)
        return sign * factorial * hurwitz_zeta(s, x)
    above, below = x - floor(x), ceil(x) - x
    if above == 0.0 or x == -np.inf:
        return sign * np.inf
    other = hurwitz_zeta(s, below) - hurwitz_zeta(s, 1.0 - x)
    return sign * factorial * (hurwitz_zeta(s, above) + sign * other)
