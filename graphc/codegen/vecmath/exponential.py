"""exp, exp2, expm1, tanh and the logistic function, branch-free.

``x = n ln 2 + r`` with the nearest integer n; ``n ln 2`` is taken off in two parts (W. J. Cody and
W. Waite, Software Manual for the Elementary Functions, 1980), and ``exp(r) = 1 + r + r**2 q(r)``.
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic

LN2 = (0.6931471824645996, 0.6931471805599453)
LN2_REST = (-1.9046542121259336e-09, 2.3190468138462996e-17)
LOG2_E = (1.4426950216293335, 1.4426950408889634)

EXP_SINGLE = (
    0.5,
    0.1666666716337204,
    0.04166635125875473,
    0.008333288133144379,
    0.0013941136421635747,
    0.0001990523305721581,
)
"""``(exp(r) - 1 - r) / r**2`` on [-0.3467, 0.3467], error times r below 2**-28.6."""
EXP_DOUBLE = (
    0.5,
    0.16666666666666677,
    0.04166666666666669,
    0.008333333333321407,
    0.0013888888888871854,
    0.00019841269886630662,
    2.480158735018367e-05,
    2.7557243744261404e-06,
    2.75572518369372e-07,
    2.5109187781376515e-08,
    2.0921602307873857e-09,
)
"""The same for float64, error times r below 2**-61.2."""
EXP_SHORT_SINGLE = (
    0.49999120831489563,
    0.16666515171527863,
    0.04190089926123619,
    0.00836916919797659,
)
"""The same where less will do: error times r**2 below 2**-23.2."""
EXP_SHORT_DOUBLE = (
    0.49999999999587447,
    0.16666666790255086,
    0.041666666996187034,
    0.008333280456539208,
    0.0013888806646914743,
    0.00019909679800156967,
    2.488265777235972e-05,
)
"""The same for float64, error times r**2 below 2**-39.5."""
EXP2_SINGLE = (
    0.6931471824645996,
    0.24022650718688965,
    0.05550410971045494,
    0.009618035517632961,
    0.0013333450770005584,
    0.00015467364573851228,
    1.5310080925701186e-05,
)
"""``(2**r - 1) / r`` on [-0.5, 0.5], error times r below 2**-28.9."""
EXP2_DOUBLE = (
    0.6931471805599453,
    0.24022650695910072,
    0.05550410866482158,
    0.009618129107628487,
    0.0013333558146428454,
    0.00015403530393353634,
    1.5252733804038298e-05,
    1.3215486823296404e-06,
    1.0178086030302064e-07,
    7.054891733069328e-09,
    4.44552724469051e-10,
    2.573716047711753e-11,
    1.372088486073969e-12,
)
"""The same for float64, error times r below 2**-56.0."""


def exp_parts(a: Arithmetic, x: Any) -> tuple[Any, Any, Any]:
    """``(integer, r, c)`` with ``exp(x) = 2**integer (1 + r + c)``."""
    n, integer = a.nearest(x, a.choose(*LOG2_E))
    r = a.fma(n, -a.choose(*LN2), x)
    r = a.fma(n, -a.choose(*LN2_REST), r)
    short = a.choose(EXP_SHORT_SINGLE, EXP_SHORT_DOUBLE)
    q = a.polynomial(r, short if a.fast else a.choose(EXP_SINGLE, EXP_DOUBLE))
    return integer, r, a.multiply(a.multiply(r, r), q)


def _clamped(a: Arithmetic, x: Any) -> Any:
    """x where exp(x) is neither 0 nor inf, and beyond a number where it is."""
    return a.at_least(a.at_most(x, a.choose(89.0, 710.0)), a.choose(-104.0, -746.0))


def exp(a: Arithmetic, x: Any) -> Any:
    """The exponential."""
    integer, r, c = exp_parts(a, _clamped(a, x))
    return a.scale(a.add(1.0, a.add(r, c)), integer)


def exp2(a: Arithmetic, x: Any) -> Any:
    """2 to the power of x."""
    x = a.at_least(a.at_most(x, a.choose(129.0, 1025.0)), a.choose(-151.0, -1076.0))
    n, integer = a.nearest(x, 1.0)
    r = a.subtract(x, n)
    p = a.polynomial(r, a.choose(EXP2_SINGLE, EXP2_DOUBLE))
    return a.scale(a.fma(r, p, 1.0), integer)


def _minus_one(a: Arithmetic, x: Any, halved: bool) -> Any:
    """``exp(x) - 1``, or half of that.

    ``2**n (1 + r + c) - 1`` is added up so that only small parts are rounded before the end.
    """
    integer, r, c = exp_parts(a, x)
    if halved:
        integer = a.builder.sub(integer, a.whole(1))
    power = a.power_of_two(integer)
    least = a.subtract(power, 0.5 if halved else 1.0)
    return a.fma(power, c, a.fma(power, r, least))


def expm1(a: Arithmetic, x: Any) -> Any:
    """``exp(x) - 1``; half of it is computed, since 2**n alone may overflow."""
    inner = a.at_least(a.at_most(x, a.choose(89.0, 710.0)), a.choose(-20.0, -40.0))
    found = a.multiply(2.0, _minus_one(a, inner, halved=True))
    tiny = a.is_less(a.magnitude(x), a.choose(2.0**-26, 2.0**-55))
    return a.select(tiny, x, found)


def _ratio(a: Arithmetic, numerator: Any, x: float, y: Any) -> Any:
    """``numerator / (x + y)``, corrected by what the sum and the quotient lost in rounding."""
    total = a.add(x, y)
    if a.fast:
        return a.approximate_ratio(numerator, total)
    moved = a.subtract(total, y)
    lost = a.add(a.subtract(y, a.subtract(total, moved)), a.subtract(x, moved))
    inverse = a.divide(1.0, total)
    quotient = a.multiply(numerator, inverse)
    opposite = a.negate(quotient)
    rest = a.fma(opposite, lost, a.fma(opposite, total, numerator))
    return a.fma(rest, inverse, quotient)


def tanh(a: Arithmetic, x: Any) -> Any:
    """``m / (m + 2)`` with ``m = exp(2 abs(x)) - 1``, which keeps small arguments exact."""
    doubled = a.multiply(2.0, a.at_most(a.magnitude(x), a.choose(10.0, 20.0)))
    m = _minus_one(a, doubled, halved=False)
    return a.with_sign(_ratio(a, m, 2.0, m), x)


def expit(a: Arithmetic, x: Any) -> Any:
    """The logistic function; ``z / (1 + z)`` with ``z = exp(-abs(x))`` where x is negative."""
    negated = a.at_least(a.negate(a.magnitude(x)), a.choose(-104.0, -746.0))
    integer, r, c = exp_parts(a, negated)
    z = a.scale(a.add(1.0, a.add(r, c)), integer)
    return _ratio(a, a.select(a.is_less(x, 0.0), z, 1.0), 1.0, z)
