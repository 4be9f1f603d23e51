"""sinh, cosh and the inverse hyperbolic functions, branch-free.

``x = n ln 2 + r``; with ``p = 2**n / 2`` and ``m = 2**-n / 2``,
``sinh x = (p - m) cosh r + (p + m) sinh r``, and cosh x with p - m and p + m exchanged. The inverse
functions are logarithms of sums that are carried in two parts.
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.exponential import LN2, LN2_REST, LOG2_E
from graphc.codegen.vecmath.logarithm import log_of_sum

SINH_SINGLE = (
    0.1666666716337204,
    0.008333288133144379,
    0.0001990523305721581,
)
"""``(sinh(r) - r) / r**3`` in r**2 on [0, 0.1202], error times r**2 below 2**-30.9."""
SINH = (
    0.16666666666666666,
    0.008333333333333337,
    0.00019841269841252995,
    2.755731926551675e-06,
    2.5052056554241745e-08,
    1.6090884367543058e-10,
)
"""The same for float64, error times r**2 below 2**-59.6."""
COSH_SINGLE = (
    0.04166645556688309,
    0.0013935801107436419,
)
"""``(cosh(r) - 1 - r**2 / 2) / r**4`` in r**2 on [0, 0.1202], error times r**4 below 2**-33.1."""
COSH = (
    0.041666666666666664,
    0.0013888888888888894,
    2.480158730156931e-05,
    2.7557319260836787e-07,
    2.0876717129164015e-09,
    1.1492590935149085e-11,
)
"""The same for float64, error times r**4 below 2**-64.7."""
GREAT = 2.0**30
"""Beyond it the root of ``x**2 + 1`` is x."""


def _parts(a: Arithmetic, x: Any) -> tuple[Any, Any, Any, Any, Any]:
    """``(p + m, p - m, r, sinh(r) - r, cosh(r) - 1)``, the first two halved again."""
    size = a.at_most(a.magnitude(x), a.choose(89.5, 710.6))
    n, integer = a.nearest(size, a.choose(*LOG2_E))
    r = a.fma(n, -a.choose(*LN2), size)
    r = a.fma(n, -a.choose(*LN2_REST), r)
    most = a.whole(60)
    few = a.builder.select(a.builder.icmp_signed("<", integer, most), integer, most)
    up = a.power_of_two(a.builder.sub(integer, a.whole(2)))
    down = a.power_of_two(a.builder.sub(a.whole(-2), few))
    z = a.multiply(r, r)
    sine = a.multiply(a.multiply(z, r), a.polynomial(z, a.choose(SINH_SINGLE, SINH)))
    cosine = a.multiply(z, a.fma(z, a.polynomial(z, a.choose(COSH_SINGLE, COSH)), 0.5))
    return a.add(up, down), a.subtract(up, down), r, sine, cosine


def sinh(a: Arithmetic, x: Any) -> Any:
    """The hyperbolic sine."""
    total, difference, r, sine, cosine = _parts(a, x)
    main = a.fma(total, r, difference)
    found = a.add(main, _lost(a, total, r, difference, main, sine, cosine))
    found = a.with_sign(a.add(found, found), x)
    return a.select(a.is_less(a.magnitude(x), a.choose(2.0**-13, 2.0**-28)), x, found)


def cosh(a: Arithmetic, x: Any) -> Any:
    """The hyperbolic cosine."""
    total, difference, r, sine, cosine = _parts(a, x)
    main = a.fma(difference, r, total)
    found = a.add(main, _lost(a, difference, r, total, main, sine, cosine))
    return a.add(found, found)


def _lost(a: Arithmetic, x: Any, r: Any, y: Any, main: Any, sine: Any, cosine: Any) -> Any:
    """What ``x sinh r + y cosh r`` is above ``main = x r + y``."""
    rounding = a.fma(x, r, a.subtract(y, main))
    return a.fma(x, sine, a.fma(y, cosine, rounding))


def _inverse(a: Arithmetic, size: Any, one: float) -> Any:
    """``log(size + sqrt(size**2 + one))``."""
    great = a.is_less(GREAT, size)
    t = a.at_most(size, GREAT)
    square, rest = a.exact_product(t, t)
    square, lost = a.exact_sum(square, one)
    root = a.square_root(square)
    low = a.add(a.fma(a.negate(root), root, square), a.add(rest, lost))
    low = a.select(a.is_equal(root, 0.0), 0.0, a.divide(low, a.add(root, root)))
    high, lost = a.exact_sum(t, root)
    low = a.select(great, 0.0, a.add(lost, low))
    extra = a.select(great, 1.0, 0.0)
    found = log_of_sum(a, a.select(great, size, high), low, extra)
    return a.select(a.is_less(size, math.inf), found, size)


def arcsinh(a: Arithmetic, x: Any) -> Any:
    """The inverse hyperbolic sine."""
    size = a.magnitude(x)
    found = a.with_sign(_inverse(a, size, 1.0), x)
    return a.select(a.is_less(size, a.choose(2.0**-13, 2.0**-27)), x, found)


def arccosh(a: Arithmetic, x: Any) -> Any:
    """The inverse hyperbolic cosine."""
    return a.select(a.is_less(x, 1.0), math.nan, _inverse(a, a.at_least(x, 1.0), -1.0))


def arctanh(a: Arithmetic, x: Any) -> Any:
    """The inverse hyperbolic tangent: half of ``log(1 + 2 x / (1 - x))``."""
    size = a.magnitude(x)
    rest, lost = a.exact_sum(1.0, a.negate(size))
    twice = a.add(size, size)
    t = a.divide(twice, rest)
    low = a.fma(a.negate(t), lost, a.fma(a.negate(t), rest, twice))
    high, lost = a.exact_sum(1.0, t)
    found = log_of_sum(a, high, a.add(lost, a.divide(low, rest)), 0.0)
    found = a.select(a.is_less(size, 1.0), a.multiply(found, 0.5), math.nan)
    found = a.with_sign(a.select(a.is_equal(size, 1.0), math.inf, found), x)
    return a.select(a.is_less(size, a.choose(2.0**-13, 2.0**-28)), x, found)
