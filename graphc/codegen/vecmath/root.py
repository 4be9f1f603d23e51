"""The cube root, branch-free: an estimate, in float64 a step of Halley's, then one of Newton's."""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.logarithm import mantissa_and_exponent

CBRT_SINGLE = (
    0.4911910593509674,
    0.7435041069984436,
    -0.29389822483062744,
    0.05928129330277443,
)
"""The cube root on [0.7, 1.42], relative error below 2**-13.4."""
CBRT = (
    0.45064810443502373,
    0.9087345169745294,
    -0.541161246887477,
    0.2203408350570646,
    -0.038558705794339274,
)
"""The same for float64, relative error below 2**-16."""


def cbrt(a: Arithmetic, x: Any) -> Any:
    """The cube root."""
    size = a.magnitude(x)
    small = a.is_less(size, a.form.least_normal)
    digits = a.choose(24, 54)
    k, m = mantissa_and_exponent(a, a.select(small, a.multiply(size, 2.0**digits), size))
    exponent = a.as_float(k)
    third, integer = a.nearest(exponent, 1.0 / 3.0)
    rest = a.fma(third, -3.0, exponent)
    above, below = a.is_less(0.0, rest), a.is_less(rest, 0.0)
    factor = a.select(above, 2.0, a.select(below, 0.5, 1.0))
    root = a.select(above, 2.0 ** (1.0 / 3.0), a.select(below, 0.5 ** (1.0 / 3.0), 1.0))
    v = a.multiply(m, factor)
    y = a.multiply(a.polynomial(m, a.choose(CBRT_SINGLE, CBRT)), root)
    if not a.single:
        cube = a.multiply(a.multiply(y, y), y)
        y = a.divide(a.multiply(y, a.fma(v, 2.0, cube)), a.fma(cube, 2.0, v))
    square, low = a.exact_product(y, y)
    wrong = a.subtract(a.fma(a.negate(square), y, v), a.multiply(low, y))
    y = a.add(y, a.divide(wrong, a.multiply(square, 3.0)))
    shift = a.builder.select(small, a.whole(digits // 3), a.whole(0))
    found = a.multiply(y, a.power_of_two(a.builder.sub(integer, shift)))
    found = a.select(a.is_less(size, math.inf), found, size)
    return a.with_sign(a.select(a.is_less(0.0, size), found, size), x)
