"""arcsin, arccos and arctan, branch-free.

``arctan`` above 1 is ``pi/2 - arctan(1/x)``; ``arcsin`` above 1/2 is
``pi/2 - 2 arcsin(sqrt((1 - x) / 2))`` (FreeBSD's msun, e_asin.c, explains the formula).
Coefficients: ``tests/codegen/fit_vecmath.py``.
"""

from __future__ import annotations

from typing import Any

from graphc.codegen.vecmath.builder import Arithmetic

HALF_PI = (1.5707963267948966, 6.123233995736766e-17)
HALF_PI_SINGLE = (1.5707963705062866, -4.371138828673793e-08)

ATAN_SINGLE = (
    -0.33333295583724976,
    0.19998489320278168,
    -0.1426364630460739,
    0.10949182510375977,
    -0.08394931256771088,
    0.05781536176800728,
    -0.031039157882332802,
    0.010841543786227703,
    -0.001777558820322156,
)
"""``(arctan(r) - r) / r**3`` in r**2 on [0, 1], error times r**2 below 2**-25.9."""
ATAN = (
    -0.3333333333333305,
    0.1999999999994855,
    -0.14285714282424064,
    0.11111111002908444,
    -0.09090906934299949,
    0.07692279074245308,
    -0.06666398043365475,
    0.058804931641561475,
    -0.05253368385598884,
    0.04721823896886091,
    -0.04217898161524499,
    0.036616259433876204,
    -0.029863789286330586,
    0.021936255457721772,
    -0.01385529726495366,
    0.007164768162807663,
    -0.0028687225859010015,
    0.0008256457423489527,
    -0.0001509397756197536,
    1.3103537512510687e-05,
)
"""The same for float64, error times r**2 below 2**-56.1."""
ASIN_SINGLE = (
    0.16666753590106964,
    0.07495298236608505,
    0.04546918720006943,
    0.024188648909330368,
    0.04214736446738243,
)
"""``(arcsin(r) - r) / r**3`` in r**2 on [0, 0.25], error times r**2 below 2**-27.1."""
ASIN = (
    0.1666666666666676,
    0.07499999999970997,
    0.04464285717430074,
    0.030381942726351436,
    0.02237221439686639,
    0.017351623457583357,
    0.013980676388246932,
    0.011400132004304689,
    0.010773256451690326,
    0.0037332587328423017,
    0.021641408484405354,
    -0.020904939185592837,
    0.03256950285085093,
)
"""The same for float64, error times r**2 below 2**-58.4."""


def half_pi(a: Arithmetic) -> tuple[float, float]:
    """pi/2 in two parts."""
    return HALF_PI_SINGLE if a.single else HALF_PI


def arctan(a: Arithmetic, x: Any) -> Any:
    """The inverse tangent."""
    size = a.magnitude(x)
    large = a.is_less(1.0, size)
    z = a.select(large, a.divide(1.0, size), size)
    square = a.multiply(z, z)
    near = a.fma(a.multiply(z, square), a.polynomial(square, a.choose(ATAN_SINGLE, ATAN)), z)
    right, rest = half_pi(a)
    far = a.subtract(right, a.subtract(near, rest))
    return a.with_sign(a.select(large, far, near), x)


def _parts(a: Arithmetic, size: Any) -> tuple[Any, Any, Any]:
    """``(small, s, rest)``: arcsin is ``s + rest`` if small, else pi/2 less twice that."""
    small = a.is_less(size, 0.5)
    w = a.select(small, a.multiply(size, size), a.multiply(a.subtract(1.0, size), 0.5))
    root = a.square_root(w)
    s = a.select(small, size, root)
    lost = a.divide(a.fma(a.negate(root), root, w), a.add(root, root))
    lost = a.select(a.is_equal(root, 0.0), 0.0, lost)
    rest = a.multiply(a.multiply(s, w), a.polynomial(w, a.choose(ASIN_SINGLE, ASIN)))
    return small, s, a.select(small, rest, a.add(rest, lost))


def arcsin(a: Arithmetic, x: Any) -> Any:
    """The inverse sine."""
    small, s, rest = _parts(a, a.magnitude(x))
    right, right_rest = half_pi(a)
    main = a.subtract(right, a.add(s, s))
    far = a.subtract(main, a.fma(rest, 2.0, -right_rest))
    return a.with_sign(a.select(small, a.add(s, rest), far), x)


def arccos(a: Arithmetic, x: Any) -> Any:
    """The inverse cosine."""
    small, s, rest = _parts(a, a.magnitude(x))
    signed = a.with_sign(rest, x)
    angle, angle_rest = half_pi(a)
    middle = a.subtract(angle, a.subtract(x, a.subtract(angle_rest, signed)))
    right = a.multiply(2.0, a.add(s, rest))
    left = a.multiply(2.0, a.subtract(angle, a.add(s, a.subtract(rest, angle_rest))))
    return a.select(small, middle, a.select(a.is_less(x, 0.0), left, right))
