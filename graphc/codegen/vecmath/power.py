"""power, arctan2 and hypot, branch-free; hypot in float64.

``x**y = 2**(y log2 x)``, the logarithm and the product in two parts each. With ``x = 2**k m`` and
``s = (m - 1) / (m + 1)``, ``log m = s (2 + z (2/3 + z q(z)))`` and ``z = s**2``.
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.exponential import EXP2_DOUBLE, EXP2_SINGLE, LN2, LN2_REST
from graphc.codegen.vecmath.inverse import ATAN, ATAN_SINGLE, half_pi
from graphc.codegen.vecmath.logarithm import LOG2_E, mantissa_and_exponent

TWO_THIRDS = (
    (0.6666666865348816, -1.9868215517249155e-08),
    (0.6666666666666666, 3.700743415417188e-17),
)
POWER_LOG_SINGLE = (
    0.40000155568122864,
    0.2854674458503723,
    0.23426668345928192,
)
"""``((log((1 + s) / (1 - s)) / s - 2) / z - 2/3) / z`` in z on [0, 0.02944], error times z**2 below
2**-35.1."""
POWER_LOG = (
    0.4,
    0.2857142857142837,
    0.2222222222229265,
    0.18181818168973993,
    0.15384616775332152,
    0.13333239368076116,
    0.11768704677121743,
    0.10422412025833612,
    0.11016635384635556,
)
"""The same for float64, error times z**2 below 2**-65.6."""


def logarithm_of_mantissa(a: Arithmetic, m: Any) -> tuple[Any, Any]:
    """``log(m)`` in two parts, for m between the square roots of 1/2 and 2."""
    f = a.subtract(m, 1.0)
    d, d_low = a.ordered_sum(2.0, f)
    inverse = a.divide(1.0, d)
    s = a.multiply(f, inverse)
    opposite = a.negate(s)
    s_low = a.multiply(a.fma(opposite, d_low, a.fma(opposite, d, f)), inverse)
    z, z_low = a.exact_product(s, s)
    z_low = a.fma(a.add(s, s), s_low, z_low)
    thirds, thirds_rest = a.choose(*TWO_THIRDS)
    curve = a.polynomial(z, a.choose(POWER_LOG_SINGLE, POWER_LOG))
    u, u_low = a.ordered_sum(thirds, a.multiply(z, curve))
    u_low = a.add(u_low, thirds_rest)
    w, w_low = a.exact_product(z, u)
    w_low = a.add(w_low, a.fma(z, u_low, a.multiply(z_low, u)))
    v, v_low = a.ordered_sum(2.0, w)
    v_low = a.add(v_low, w_low)
    natural, rest = a.exact_product(s, v)
    return natural, a.add(rest, a.fma(s, v_low, a.multiply(s_low, v)))


def _logarithm(a: Arithmetic, size: Any) -> tuple[Any, Any]:
    """``log2(size)`` in two parts, for what is not negative, NaN included."""
    small = a.is_less(size, a.form.least_normal)
    digits = a.choose(25, 54)
    scaled = a.select(small, a.multiply(size, 2.0**digits), size)
    k, m = mantissa_and_exponent(a, scaled)
    exponent = a.add(a.as_float(k), a.select(small, -float(digits), 0.0))
    natural, rest = logarithm_of_mantissa(a, m)
    log2_e, log2_e_rest = a.choose(*LOG2_E)
    head, low = a.exact_product(natural, log2_e)
    low = a.add(low, a.fma(natural, log2_e_rest, a.multiply(rest, log2_e)))
    high, lost = a.ordered_sum(exponent, head)
    inside = a.builder.and_(a.is_less(0.0, size), a.is_less(size, math.inf))
    ends = a.select(a.is_equal(size, 0.0), -math.inf, size)
    return a.select(inside, high, ends), a.select(inside, a.add(lost, low), 0.0)


def _exp2_of_sum(a: Arithmetic, high: Any, low: Any) -> Any:
    """``2**(high + low)``; `low` is left out where `high` is out of range."""
    x = a.at_least(a.at_most(high, a.choose(129.0, 1025.0)), a.choose(-151.0, -1076.0))
    n, integer = a.nearest(x, 1.0)
    r = a.subtract(x, n)
    linear, lost = a.exact_product(r, a.choose(*LN2))
    found = a.add(1.0, linear)
    lost = a.add(lost, a.add(a.subtract(1.0, found), linear))
    low = a.select(a.is_equal(x, high), low, 0.0)
    curve = a.polynomial(r, a.choose(EXP2_SINGLE, EXP2_DOUBLE)[1:])
    curve = a.fma(a.multiply(r, r), curve, a.multiply(r, a.choose(*LN2_REST)))
    nearly = a.add(found, curve)
    rest = a.add(curve, a.fma(a.multiply(low, a.choose(*LN2)), nearly, lost))
    return a.scale(a.add(found, rest), integer)


def _signed(a: Arithmetic, x: Any, y: Any, found: Any) -> Any:
    """`found` for the magnitude of x made what it is for x (C99, annex F.9.4.4)."""
    builder = a.builder
    size = a.magnitude(x)
    whole = a.is_equal(a.round(y), y)
    half = a.multiply(y, 0.5)
    odd = builder.and_(whole, builder.not_(a.is_equal(a.round(half), half)))
    flipped = a.select(odd, a.with_sign(found, x), found)
    finite = builder.and_(a.is_less(-math.inf, x), a.is_less(x, 0.0))
    undefined = builder.and_(finite, builder.not_(whole))
    # NaN is not whole: where y is NaN the result is NaN already, but for a base of 1.
    found = a.select(undefined, math.nan, flipped)
    endless = a.is_equal(a.magnitude(y), math.inf)
    one = builder.and_(a.is_equal(size, 1.0), endless)
    one = builder.or_(one, builder.or_(a.is_equal(x, 1.0), a.is_equal(y, 0.0)))
    return a.select(one, 1.0, found)


def power(a: Arithmetic, x: Any, y: Any) -> Any:
    """``x**y``."""
    high, low = _logarithm(a, a.magnitude(x))
    head, rest = a.exact_product(y, high)
    return _signed(a, x, y, _exp2_of_sum(a, head, a.fma(y, low, rest)))


def arctan2(a: Arithmetic, y: Any, x: Any) -> Any:
    """The angle of the point (x, y)."""
    width, height = a.magnitude(x), a.magnitude(y)
    steep = a.is_less(width, height)
    top, bottom = a.select(steep, width, height), a.select(steep, height, width)
    z = a.divide(top, bottom)
    lost = a.divide(a.fma(a.negate(z), bottom, top), bottom)
    z = a.select(a.is_equal(top, 0.0), a.select(a.is_equal(bottom, 0.0), 0.0, z), z)
    same = a.is_equal(top, math.inf)
    z = a.select(same, 1.0, z)
    square = a.multiply(z, z)
    lost = a.select(a.is_less(a.magnitude(lost), a.choose(2.0**-24, 2.0**-53)), lost, 0.0)
    lost = a.divide(lost, a.add(square, 1.0))
    rest = a.fma(a.multiply(z, square), a.polynomial(square, a.choose(ATAN_SINGLE, ATAN)), lost)
    angle = a.add(z, rest)
    left = a.builder.icmp_signed("<", a.to_bits(x), a.whole(0))
    turned = a.select(left, a.negate(angle), angle)
    # By quarter turns: 0 right and flat, 1 steep, 2 left and flat.
    flat = a.select(left, 2.0, 0.0)
    quarters = a.select(steep, 1.0, flat)
    turned = a.select(steep, a.negate(turned), turned)
    right, rest = half_pi(a)
    found = a.add(a.multiply(quarters, right), a.fma(quarters, rest, turned))
    found = a.select(a.is_equal(x, x), a.with_sign(found, y), x)
    return a.select(a.is_equal(y, y), found, y)


def hypot(a: Arithmetic, x: Any, y: Any) -> Any:
    """The length of the vector (x, y)."""
    x, y = a.magnitude(x), a.magnitude(y)
    larger = a.select(a.is_less(x, y), y, x)
    high, low, down, up = a.choose((60, -40, -70, 100), (500, -400, -600, 600))
    great, tiny = a.is_less(2.0**high, larger), a.is_less(larger, 2.0**low)
    factor = a.select(great, 2.0**down, a.select(tiny, 2.0**up, 1.0))
    back = a.select(great, 2.0**-down, a.select(tiny, 2.0**-up, 1.0))
    u, v = a.multiply(x, factor), a.multiply(y, factor)
    found = a.multiply(a.square_root(a.fma(u, u, a.multiply(v, v))), back)
    endless = a.builder.or_(a.is_equal(x, math.inf), a.is_equal(y, math.inf))
    return a.select(endless, math.inf, found)
