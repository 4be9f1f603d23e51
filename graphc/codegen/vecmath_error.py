"""The error function, branch-free.

Below 1 an odd polynomial; above, ``1 - exp(-x**2) p(t)`` with ``t = (x - 2) / (x + 2)``, as
``erfc(x) exp(x**2)`` is smooth in t (W. J. Cody, Rational Chebyshev Approximations for the Error
Function, 1969, splits alike). Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

from typing import Any

from graphc.codegen.vecmath_builder import Arithmetic
from graphc.codegen.vecmath_exponential import exp

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
