"""log, log1p, log2 and log10, branch-free.

``x = 2**k (1 + f)`` with ``1 + f`` between the square roots of 1/2 and 2. For float32,
``log(1 + f) = f - f**2 / 2 + f**3 p(f)``; for float64, with ``s = f / (2 + f)`` and
``h = f**2 / 2``, ``log(1 + f) = f - (h - s (h + s**2 p(s**2)))`` (FreeBSD's msun, e_log.c,
explains the formula).
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

import math
from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic
from graphc.codegen.vecmath.exponential import LN2

LN2_HEAD = (0.693145751953125, 0.693147180559663)
LN2_TAIL = (1.428606765330187e-06, 2.8235290563031577e-13)
"""ln 2 in two parts, the first with so few digits that its products with k are exact."""
LOG10_2_HEAD = (0.301025390625, 0.30102999566383914)
LOG10_2_TAIL = (4.605039066518657e-06, 1.42050232272661e-13)
LOG2_E = ((1.4426950216293335, 1.925963033500011e-08), (1.4426950408889634, 2.0355273740931033e-17))
LOG10_E = (
    (0.4342944920063019, -1.0103049952192578e-08),
    (0.4342944819032518, 1.098319650216765e-17),
)
ROOT_HALF_BITS = (0x3F3504F3, 0x3FE6A09E667F3BCD)

LOG_SINGLE = (
    0.3333331048488617,
    -0.25,
    0.20002245903015137,
    -0.16668511927127838,
    0.14217762649059296,
    -0.12396445125341415,
    0.11890989542007446,
    -0.11726605147123337,
    0.06800912320613861,
)
"""``(log(1 + f) - f + f**2 / 2) / f**3`` on [-0.2929, 0.4143], error times f**2 below 2**-29.2."""
LOG_SHORT_SINGLE = (
    0.3333487808704376,
    -0.24983768165111542,
    0.199045792222023,
    -0.17108899354934692,
    0.16172948479652405,
    -0.10469889640808105,
)
"""The same where less will do: error times f**2 below 2**-21.6."""
LOG_DOUBLE = (
    0.6666666666666736,
    0.3999999999940507,
    0.2857142874413889,
    0.22222198419192385,
    0.1818357138419732,
    0.15313888042339555,
    0.1479743510950102,
)
"""``(log((1 + s) / (1 - s)) / s - 2) / s**2`` in s**2 on [0, 0.02944], error times s**2 below
2**-58.3."""


def mantissa_and_exponent(a: Arithmetic, x: Any) -> tuple[Any, Any]:
    """``(k, m)`` with ``x = 2**k m`` for a normal x; k is an integer."""
    bits = a.to_bits(x)
    above = a.builder.sub(bits, a.whole(a.choose(*ROOT_HALF_BITS)))
    mantissa = a.whole(a.form.mantissa)
    k = a.builder.ashr(above, mantissa)
    return k, a.from_bits(a.builder.sub(bits, a.builder.shl(k, mantissa)))


def _normal_parts(a: Arithmetic, x: Any) -> tuple[Any, Any]:
    """``(k, f)`` with ``x = 2**k (1 + f)`` for a positive x, subnormals too; k is a float."""
    small = a.is_less(x, a.form.least_normal)
    digits = a.form.mantissa + 2
    k, m = mantissa_and_exponent(a, a.select(small, a.multiply(x, 2.0**digits), x))
    k = a.add(a.as_float(k), a.select(small, -float(digits), 0.0))
    return k, a.subtract(m, 1.0)


def _correction(a: Arithmetic, f: Any) -> Any:
    """c with ``log(1 + f) = f + c``."""
    if a.single:
        p = a.fma(f, a.polynomial(f, LOG_SHORT_SINGLE if a.fast else LOG_SINGLE), -0.5)
        return a.multiply(a.multiply(f, f), p)
    s = a.divide(f, a.add(f, 2.0))
    z = a.multiply(s, s)
    half = a.multiply(a.multiply(f, 0.5), f)
    rest = a.fma(z, a.polynomial(z, LOG_DOUBLE), half)
    return a.fma(s, rest, a.negate(half))


def _ends(a: Arithmetic, x: Any, found: Any, pole: float) -> Any:
    """`found` inside the domain; -inf at the pole, NaN below it, inf and NaN as they come."""
    found = a.select(a.is_less(x, math.inf), found, x)
    found = a.select(a.is_less(x, pole), math.nan, found)
    return a.select(a.is_equal(x, pole), -math.inf, found)


def _with_power(a: Arithmetic, k: Any, f: Any, c: Any) -> Any:
    """``k ln 2 + f + c``: the large parts first, what they lose is kept."""
    head = a.multiply(k, a.choose(*(LN2 if a.fast else LN2_HEAD)))
    if a.fast:
        return a.add(head, a.add(f, c))
    total = a.add(head, f)
    lost = a.add(a.subtract(head, total), f)
    return a.add(total, a.add(lost, a.fma(k, a.choose(*LN2_TAIL), c)))


def log(a: Arithmetic, x: Any) -> Any:
    """The natural logarithm."""
    k, f = _normal_parts(a, x)
    return _ends(a, x, _with_power(a, k, f, _correction(a, f)), 0.0)


def log_of_sum(a: Arithmetic, high: Any, low: Any, doublings: Any) -> Any:
    """``log(high + low)`` and `doublings` times ln 2; `low` is below the last digit of `high`."""
    k, m = mantissa_and_exponent(a, high)
    f = a.subtract(m, 1.0)
    # Beyond a hundred doublings what was lost is nothing; 2**-k must stay normal.
    limit = a.whole(100)
    few = a.builder.select(a.builder.icmp_signed("<", k, limit), k, limit)
    lost = a.multiply(low, a.power_of_two(a.builder.neg(few)))
    whole = a.add(f, lost)
    lost = a.add(a.subtract(f, whole), lost)
    c = a.add(_correction(a, whole), lost)
    return _with_power(a, a.add(a.as_float(k), doublings), whole, c)


def log1p(a: Arithmetic, x: Any) -> Any:
    """``log(1 + x)``; what ``1 + x`` loses in rounding is added to f (D. E. Knuth's two-sum)."""
    total = a.add(1.0, x)
    moved = a.subtract(total, 1.0)
    lost = a.add(a.subtract(1.0, a.subtract(total, moved)), a.subtract(x, moved))
    found = _ends(a, x, log_of_sum(a, total, lost, 0.0), -1.0)
    return a.select(a.is_less(a.magnitude(x), a.choose(2.0**-26, 2.0**-55)), x, found)


def _in_base(a: Arithmetic, f: Any, factor: tuple[float, float]) -> tuple[Any, Any]:
    """``log(1 + f) * factor`` as a sum of two; the factor is a sum of two."""
    c = _correction(a, f)
    total = a.add(f, c)
    lost = a.add(a.subtract(f, total), c)
    high, low = factor
    head = a.multiply(total, high)
    rest = a.fma(total, high, a.negate(head))
    return head, a.add(rest, a.fma(total, low, a.multiply(lost, high)))


def _summed(a: Arithmetic, power: Any, head: Any, rest: Any) -> Any:
    total = a.add(power, head)
    lost = a.add(a.subtract(power, total), head)
    return a.add(total, a.add(lost, rest))


def log2(a: Arithmetic, x: Any) -> Any:
    """The logarithm to base 2, exact at powers of 2."""
    k, f = _normal_parts(a, x)
    head, rest = _in_base(a, f, a.choose(*LOG2_E))
    return _ends(a, x, _summed(a, k, head, rest), 0.0)


def log10(a: Arithmetic, x: Any) -> Any:
    """The logarithm to base 10."""
    k, f = _normal_parts(a, x)
    head, rest = _in_base(a, f, a.choose(*LOG10_E))
    rest = a.fma(k, a.choose(*LOG10_2_TAIL), rest)
    return _ends(a, x, _summed(a, a.multiply(k, a.choose(*LOG10_2_HEAD)), head, rest), 0.0)
