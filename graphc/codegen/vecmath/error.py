"""The error function and its complement, branch-free.

Below 1 an odd polynomial; above, ``1 - exp(-x**2) p(t)`` with ``t = (x - 2) / (x + 2)``, as
``erfc(x) exp(x**2)`` is smooth in t (W. J. Cody, Rational Chebyshev Approximations for the Error
Function, 1969, splits alike). Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.exponential import exp, exp_parts

ERF_SINGLE = (
    0.12837916612625122,
    -0.3761262595653534,
    0.11283597350120544,
    -0.02685432881116867,
    0.005189312156289816,
    -0.0008018855005502701,
    7.882497448008507e-05,
)
"""``erf(x) / x - 1`` in x**2 on [0, 1], error below 2**-26.5."""
ERF_DOUBLE = (
    0.1283791670955126,
    -0.3761263890318375,
    0.11283791670954882,
    -0.026866170645077334,
    0.005223977624823223,
    -0.0008548326981129666,
    0.00012055331122299266,
    -1.4925595519506043e-05,
    1.6461004480962034e-06,
    -1.6350354461959655e-07,
    1.4660051998394848e-08,
    -1.1373902296430911e-09,
    5.958930743134941e-11,
)
"""The same for float64, error below 2**-55.8."""
TAIL_SINGLE = (
    0.25539568066596985,
    -0.4271858334541321,
    0.24165819585323334,
    -0.07897856086492538,
    0.0037332926876842976,
    0.006998850032687187,
    -0.0008540281560271978,
    -0.0010442588245496154,
    -0.00012452415830921382,
)
"""``erfc(x) exp(x**2)`` in t for x on [0.98, 6.1], error times exp(-x**2) below 2**-31.7."""
TAIL_DOUBLE = (
    0.25539567631050575,
    -0.4271858474139584,
    0.24165819424246637,
    -0.07897858101573328,
    0.0037328924043423663,
    0.0069974617393136415,
    -0.0008471432515934622,
    -0.000981977030219676,
    4.35556144725003e-05,
    0.00017436116323658112,
    2.7525288801617927e-05,
    -2.7577779166356947e-05,
    -1.3961848929430568e-05,
    1.3607158710994493e-06,
    3.684195675606378e-06,
    1.2769714923217672e-06,
    2.4436710596564622e-08,
)
"""The same for float64, error times exp(-x**2) below 2**-61.7."""


def erf(a: Arithmetic, x: Any) -> Any:
    """The error function."""
    size = a.at_most(a.magnitude(x), 6.0)
    square = a.multiply(size, size)
    near = a.fma(size, a.polynomial(square, a.choose(ERF_SINGLE, ERF_DOUBLE)), size)
    t = a.divide(a.subtract(size, 2.0), a.add(size, 2.0))
    tail = a.polynomial(t, a.choose(TAIL_SINGLE, TAIL_DOUBLE))
    far = a.subtract(1.0, a.multiply(exp(a, a.negate(square)), tail))
    return a.with_sign(a.select(a.is_less(size, 1.0), near, far), x)


ERFC_NEAR = (
    0.3678229164523611,
    -0.20882187596460985,
    0.1067955714965988,
    -0.050218274395907564,
    0.022011364250857174,
    -0.00908162763293467,
    0.003553109903229455,
    -0.0013257829296801026,
    0.0004739703102840465,
    -0.0001629600093543973,
    5.405405970982135e-05,
    -1.7344078600907137e-05,
    5.395660245479693e-06,
    -1.6306948725228505e-06,
    4.796132789325821e-07,
    -1.3748411271199374e-07,
    3.8468747725059945e-08,
    -1.0530090194238683e-08,
    2.8145294730208166e-09,
    -7.222020678652758e-10,
    1.8704570840734074e-10,
    -5.788513208330137e-11,
    1.3786791281269813e-11,
)
"""``erfc(x) exp(x**2)`` in ``x - 1.25`` for x on [0.5, 2], relative error below 2**-54.92."""
ERFC_FAR = (
    0.5535231886653431,
    0.040406889089370755,
    -0.07252763292472256,
    0.09074268686181565,
    -0.09362924080811863,
    0.08380979969788985,
    -0.06639849322353183,
    0.04691027684605587,
    -0.02956599359397427,
    0.016534625135481706,
    -0.008106632397498769,
    0.003406714622045384,
    -0.0011738988589904895,
    0.0002978926180419525,
    -3.4499540236608035e-05,
    -1.2561733387650568e-05,
    8.292556746786287e-06,
    -1.7864111514240974e-06,
    -2.500954948817221e-07,
    2.6149092847028114e-07,
    -5.4472664000844736e-08,
)
"""``erfc(x) exp(x**2) x`` in ``(x - 5) / (x + 5)`` for x on [2, 27.5], relative error below
2**-54.55."""


def _in_two(a: Arithmetic, t: Any, coefficients: tuple[float, ...]) -> Any:
    """A polynomial and what its last sum lost in rounding."""
    return a.exact_sum(coefficients[0], a.multiply(t, a.polynomial(t, coefficients[1:])))


def erfc(a: Arithmetic, x: Any) -> Any:
    """``1 - erf(x)``, in float64."""
    size = a.at_most(a.magnitude(x), 27.5)
    square, lost = a.exact_product(size, size)
    low = a.multiply(size, a.polynomial(square, ERF_DOUBLE))
    middle, rest = a.exact_sum(1.0, a.negate(a.with_sign(size, x)))
    middle = a.add(middle, a.subtract(rest, a.with_sign(low, x)))
    close = a.is_less(size, 2.0)
    near = _in_two(a, a.subtract(size, 1.25), ERFC_NEAR)
    far = _in_two(a, a.divide(a.subtract(size, 5.0), a.add(size, 5.0)), ERFC_FAR)
    tail, tail_low = (a.select(close, *pair) for pair in zip(near, far, strict=True))
    divisor = a.select(close, 1.0, size)
    quotient = a.divide(tail, divisor)
    wrong = a.add(a.fma(a.negate(quotient), divisor, tail), tail_low)
    integer, r, c = exp_parts(a, a.negate(square))
    c = a.fma(a.negate(lost), a.add(1.0, a.add(r, c)), c)
    value, value_low = a.exact_sum(1.0, r)
    value, rest = a.exact_sum(value, c)
    value_low = a.add(value_low, rest)
    head, rest = a.exact_product(value, quotient)
    rest = a.add(rest, a.fma(value, a.divide(wrong, divisor), a.multiply(value_low, quotient)))
    tail = a.scale(a.add(head, rest), integer)
    outer = a.select(a.is_less(x, 0.0), a.subtract(2.0, tail), tail)
    found = a.select(a.is_less(size, 0.5), middle, outer)
    return a.select(a.is_equal(x, x), found, x)
