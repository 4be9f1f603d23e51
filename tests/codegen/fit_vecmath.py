"""Derives the polynomial coefficients of `graphc.codegen.vecmath`; prints them with their errors.

Run by hand::

    python tests/codegen/fit_vecmath.py [name ...]

Each function is fitted with mpmath in 60 digits: a weighted least-squares polynomial on Chebyshev
nodes, which is within a small factor of the minimax one. The error printed is the largest
weighted error of the coefficients as rounded to the type, on 2000 points.
"""

import sys

import mpmath as mp
import numpy as np

mp.mp.dps = 60
HALF_LN2 = mp.log(2) / 2 * (1 + mp.mpf(2) ** -12)
ROOT = mp.sqrt(2)
QUARTER = mp.pi / 4 * (1 + mp.mpf(2) ** -20)


def nodes(low, high, count):
    low, high = mp.mpf(low), mp.mpf(high)
    middle, half = (low + high) / 2, (high - low) / 2
    return [middle + half * mp.cos(mp.pi * (2 * k + 1) / (2 * count)) for k in range(count)]


def fit(function, weight, low, high, degree, dtype):
    """Coefficients from the constant up, and the largest weighted error."""
    points = nodes(low, high, 6 * (degree + 1) + 1)
    rows = mp.matrix(len(points), degree + 1)
    right = mp.matrix(len(points), 1)
    for row, x in enumerate(points):
        w = weight(x)
        for k in range(degree + 1):
            rows[row, k] = w * x**k
        right[row] = w * function(x)
    solution = mp.lu_solve(rows, right)
    coefficients = [dtype(float(c)) for c in solution]
    error = max(
        abs(
            weight(x)
            * (mp.polyval([mp.mpf(float(c)) for c in reversed(coefficients)], x) - function(x))
        )
        for x in nodes(low, high, 2000)
    )
    return coefficients, error


def exponential(r):
    return (mp.expm1(r) - r) / r**2


def power_of_two(r):
    return mp.expm1(r * mp.log(2)) / r


def logarithm(f):
    return (mp.log1p(f) - f + f**2 / 2) / f**3


def logarithm_of_ratio(z):
    s = mp.sqrt(z)
    return (2 * mp.atanh(s) / s - 2) / z


def logarithm_of_ratio_from_fifth(z):
    s = mp.sqrt(z)
    return ((2 * mp.atanh(s) / s - 2) / z - mp.mpf(2) / 3) / z


def sine(z):
    r = mp.sqrt(z)
    return (mp.sin(r) - r) / r**3


def cosine(z):
    r = mp.sqrt(z)
    return (mp.cos(r) - 1 + z / 2) / z**2


def erf_small(z):
    x = mp.sqrt(z)
    return mp.erf(x) / x - 1


def hyperbolic_sine(z):
    r = mp.sqrt(z)
    return (mp.sinh(r) - r) / r**3


def hyperbolic_cosine(z):
    return (mp.cosh(mp.sqrt(z)) - 1 - z / 2) / z**2


def arctangent(z):
    r = mp.sqrt(z)
    return (mp.atan(r) - r) / r**3


def arcsine(z):
    r = mp.sqrt(z)
    return (mp.asin(r) - r) / r**3


ONE = mp.mpf(1)
RATIO = ((ROOT - 1) / (ROOT + 1)) ** 2


def erf_tail(t):
    # t = (x - c) / (x + c); erfc(x) exp(x**2)
    x = TAIL_CENTRE * (1 + t) / (1 - t)
    return mp.erfc(x) * mp.exp(x * x)


TAIL_CENTRE = mp.mpf(2)


def erfc_near(u):
    x = u + mp.mpf(5) / 4
    return mp.exp(x * x) * mp.erfc(x)


def erfc_far(t):
    # t = (x - 5) / (x + 5); erfc(x) exp(x**2) x
    x = 5 * (1 + t) / (1 - t)
    return x * mp.exp(x * x) * mp.erfc(x)


def tail_at(x):
    return (mp.mpf(x) - TAIL_CENTRE) / (mp.mpf(x) + TAIL_CENTRE)


FITS = {
    "EXP": (exponential, lambda r: r, -HALF_LN2, HALF_LN2, (5, 10)),
    "EXP2": (power_of_two, lambda r: r, -0.5, 0.5, (6, 12)),
    "LOG": (logarithm, lambda f: f**2, 1 / ROOT - 1, ROOT - 1, (8, None)),
    "LOG_RATIO": (logarithm_of_ratio, lambda z: z, mp.mpf(10) ** -30, RATIO, (None, 6)),
    "POWER_LOG": (
        logarithm_of_ratio_from_fifth,
        lambda z: z**2,
        mp.mpf(10) ** -15,
        RATIO,
        (2, 8),
    ),
    "SIN": (sine, lambda z: z, mp.mpf(10) ** -30, QUARTER**2, (3, 6)),
    "COS": (cosine, lambda z: z**2, mp.mpf(10) ** -30, QUARTER**2, (2, 6)),
    "SINH": (hyperbolic_sine, lambda z: z, mp.mpf(10) ** -30, HALF_LN2**2, (2, 5)),
    "COSH": (hyperbolic_cosine, lambda z: z**2, mp.mpf(10) ** -30, HALF_LN2**2, (1, 5)),
    "ATAN": (arctangent, lambda z: z, mp.mpf(10) ** -30, 1, (8, 19)),
    "ASIN": (arcsine, lambda z: z, mp.mpf(10) ** -30, mp.mpf("0.25"), (4, 12)),
    "CBRT": (mp.cbrt, lambda x: 1 / x, mp.mpf("0.7"), mp.mpf("1.42"), (3, 4)),
    "ERF": (erf_small, lambda z: ONE, mp.mpf(10) ** -30, 1, (6, 12)),
    "ERFC_NEAR": (erfc_near, lambda u: 1 / erfc_near(u), -0.75, 0.75, (None, 22)),
    "ERFC_FAR": (
        erfc_far,
        lambda t: 1 / erfc_far(t),
        mp.mpf(-3) / 7,
        mp.mpf("22.5") / mp.mpf("32.5"),
        (None, 20),
    ),
    "ERF_TAIL": (
        erf_tail,
        lambda t: mp.exp(-((TAIL_CENTRE * (1 + t) / (1 - t)) ** 2)),
        tail_at("0.98"),
        tail_at("6.1"),
        (8, 16),
    ),
}


def main(names):
    for name in names or FITS:
        function, weight, low, high, degrees = FITS[name]
        for dtype, degree in zip((np.float32, np.float64), degrees, strict=True):
            if degree is None:
                continue
            coefficients, error = fit(function, weight, low, high, degree, dtype)
            print(
                f"# {name} {dtype.__name__}: [{mp.nstr(mp.mpf(low), 5)}, "
                f"{mp.nstr(mp.mpf(high), 5)}], 2**{mp.nstr(mp.log(error, 2), 4)}"
            )
            print("(" + ", ".join(repr(c.item()) for c in coefficients) + ")")


if __name__ == "__main__":
    main(sys.argv[1:])
