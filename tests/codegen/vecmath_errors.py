"""Errors of `graphc.codegen.vecmath`, in units in the last place of the exact value."""

import mpmath
import numba
import numpy as np

from bench.vecmath import NUMPY, compiled

EXACT = {
    "exp": mpmath.exp,
    "exp2": lambda x: mpmath.mpf(2) ** x,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log2": lambda x: mpmath.log(x) / mpmath.log(2),
    "log10": lambda x: mpmath.log(x) / mpmath.log(10),
    "log1p": mpmath.log1p,
    "tan": mpmath.tan,
    "arcsin": mpmath.asin,
    "arccos": mpmath.acos,
    "arctan": mpmath.atan,
    "sinh": mpmath.sinh,
    "cosh": mpmath.cosh,
    "tanh": mpmath.tanh,
    "arcsinh": mpmath.asinh,
    "arccosh": mpmath.acosh,
    "arctanh": mpmath.atanh,
    "cbrt": lambda x: mpmath.sign(x) * mpmath.cbrt(abs(x)),
    "expit": lambda x: 1 / (1 + mpmath.exp(-x)),
    "erf": mpmath.erf,
    "erfc": lambda x: mpmath.erfc(min(max(x, -40), 40)),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
}
FUNCTIONS = list(EXACT)
BLOCK = 1 << 22


@numba.njit
def _worst32(found, exact, arguments):
    worst, place, wrong, example = 0.0, 0.0, 0, 0.0
    for i in range(found.size):
        value, wanted = np.float64(found[i]), exact[i]
        rounded = np.float64(np.float32(wanted))
        if not (np.isfinite(value) and np.isfinite(rounded)) or (value == 0 and rounded == 0):
            both_nan = np.isnan(value) and np.isnan(wanted)
            same = value == rounded and np.signbit(value) == np.signbit(wanted)
            if not (both_nan or same):
                wrong += 1
                example = arguments[i]
            continue
        size = abs(wanted)
        exponent = -126.0
        if size > 2.0**-126:
            exponent = np.floor(np.log2(size))
            if size < 2.0**exponent:
                exponent -= 1.0
        error = abs(value - wanted) / 2.0 ** (exponent - 23.0)
        if error > worst:
            worst, place = error, arguments[i]
    return worst, place, wrong, example


def _float32_errors_of(function, name, x):
    out = np.empty_like(x)
    function(x, out)
    with np.errstate(all="ignore"):
        exact = NUMPY[name](x.astype(np.float64))
    return _worst32(out, exact, x)


def float32_errors(name, start, stride):
    """The largest error of every `stride`-th float32, where it is; wrong special values, one.

    The reference is NumPy in float64, whose own error is below 2**-27 of these units.
    """
    function = compiled(f"vector_{name}", "float32")
    total = (0.0, 0.0, 0, 0.0)
    for first in range(start, 1 << 32, BLOCK * stride):
        stop = min(first + BLOCK * stride, 1 << 32)
        x = np.arange(first, stop, stride, dtype=np.uint64).astype(np.uint32).view(np.float32)
        total = _joined(total, _float32_errors_of(function, name, x))
    return total


def float32_errors_at(name, x):
    """The same for some arguments."""
    return _float32_errors_of(compiled(f"vector_{name}", "float32"), name, x)


def _joined(left, right):
    worst = max(left[:2], right[:2], key=lambda pair: pair[0])
    return (*worst, left[2] + right[2], right[3] if right[2] else left[3])


def float64_error(name, x):
    """The largest error at finite arguments with finite values, and where it is."""
    out = np.empty_like(x)
    compiled(f"vector_{name}", "float64")(x, out)
    worst, place = 0.0, 0.0
    with mpmath.workprec(160):
        for argument, value in zip(x.tolist(), out.tolist(), strict=True):
            if not (np.isfinite(argument) and np.isfinite(value)):
                continue
            exact = EXACT[name](mpmath.mpf(argument))
            if exact == 0:
                assert value == 0, (name, argument)
                continue
            unit = mpmath.mpf(2) ** max(mpmath.frexp(exact)[1] - 53, -1074)
            error = float(abs(mpmath.mpf(value) - exact) / unit)
            if error > worst:
                worst, place = error, argument
    return worst, place


def special_differences(name, x):
    """The arguments at which NaN, infinities or the signs of zeros differ from NumPy's."""
    out = np.empty_like(x)
    compiled(f"vector_{name}", x.dtype.name)(x, out)
    with np.errstate(all="ignore"):
        wanted = NUMPY[name](x)
    nan = np.isnan(wanted) & np.isnan(out)
    both_finite = np.isfinite(wanted) & np.isfinite(out)
    same = np.where(both_finite, True, wanted == out) & (np.signbit(wanted) == np.signbit(out))
    return x[~(nan | same)]
