"""Exponentials, logarithms, roots, trigonometric and hyperbolic functions.

ONNX Runtime has float64 kernels of a few functions only: the others are formulas of those, exact to
some units in the last place.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from graphc.exporting.onnx.rules.forms import alike, pointwise
from graphc.exporting.onnx.rules.rounding import sign_bit
from graphc.exporting.onnx.tensors import Tensor, larger, polynomial, where
from graphc.exporting.onnx.walker import Rule

LOG_2 = math.log(2)

# --- exponentials and logarithms ------------------------------------------------------------------


def exp(x: Tensor) -> Tensor:
    """``Exp``."""
    return x.op("Exp")


def log(x: Tensor) -> Tensor:
    """``Log``."""
    return x.op("Log")


def sqrt(x: Tensor) -> Tensor:
    """``Sqrt``."""
    return x.op("Sqrt")


def absolute(x: Tensor) -> Tensor:
    """``Abs``."""
    return x.op("Abs")


def _exp2(x: Tensor) -> Tensor:
    return x.like(2).op("Pow", x)


def expm1(x: Tensor) -> Tensor:
    """``(u - 1) * x / log(u)`` with ``u = exp(x)``: W. Kahan's way, exact where u rounds to 1."""
    u = exp(x)
    near = (u - 1) * x / log(u)
    near = where(u.equals(math.inf), u, near)
    return where(u.equals(1), x, where((u - 1).equals(-1), -1, near))


def log1p(x: Tensor) -> Tensor:
    """``log(u) * x / (u - 1)`` with ``u = 1 + x``: as `expm1`."""
    u = x + 1
    near = log(u) * x / (u - 1)
    return where(u.equals(1), x, where(u.equals(math.inf), u, near))


def _log_add(x: Tensor, y: Tensor, base: float) -> Tensor:
    """``max + log(1 + exp(min - max))``, where equal infinities do not meet in a difference."""
    scale = math.log(base)
    gap = -absolute(x - y)
    power = _exp2(gap) if base == 2 else exp(gap)
    tail = log1p(power) / scale
    return where(x.equals(y), x + LOG_2 / scale, larger(x, y) + tail)


def _cbrt(x: Tensor) -> Tensor:
    """The power 1/3, and a step of Newton's, as 1/3 is no float."""
    size = absolute(x)
    root = size.op("Pow", 1 / 3)
    better = root - (root - size / (root * root)) / 3
    plain = size.equals(0) | size.equals(math.inf)
    return x.op("Sign") * where(plain, root, better)


# --- trigonometric --------------------------------------------------------------------------------

ARCTAN_TOP = (
    -6.485021904942025371773e1,
    -1.228866684490136173410e2,
    -7.500855792314704667340e1,
    -1.615753718733365076637e1,
    -8.750608600031904122785e-1,
)
ARCTAN_BOTTOM = (
    1.945506571482613964425e2,
    4.853903996359136964868e2,
    4.328810604912902668951e2,
    1.650270098316988542046e2,
    2.485846490142306297962e1,
    1.0,
)
"""The rational function of atan.c in Stephen L. Moshier's Cephes library, the constants first."""


def _arctan(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Atan")
    size = absolute(x)
    far, middle = size > math.tan(3 * math.pi / 8), size > 0.66
    turned = where(far, -(1 / size), where(middle, (size - 1) / (size + 1), size))
    base = where(far, math.pi / 2, where(middle, math.pi / 4, size.like(0)))
    z = turned * turned
    rest = z * polynomial(z, ARCTAN_TOP) / polynomial(z, ARCTAN_BOTTOM)
    # What the constants lack to pi / 2 and pi / 4.
    lost = where(far, 6.123233995736765886130e-17, where(middle, 3.06161699786838294e-17, size * 0))
    lost = where(size.equals(math.inf), 0, lost)
    found = base + (turned * rest + turned + lost)
    return where(x < 0, -found, where(x.equals(0), x, found))


def _arcsin(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Asin")
    return _arctan(x / sqrt((1 - x) * (x + 1)))


def _arccos(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Acos")
    return _arctan(sqrt((1 - x) / (x + 1))) * 2


def _tan(x: Tensor) -> Tensor:
    return x.op("Tan") if x.dtype == np.float32 else x.op("Sin") / x.op("Cos")


def _arctan2(y: Tensor, x: Tensor) -> Tensor:
    height, width = absolute(y), absolute(x)
    same = height.equals(width)
    unknown = x.is_nan() | y.is_nan()
    ratio = where(same & ~unknown, where(height.equals(0), height, 1), height / width)
    angle = _arctan(ratio)
    angle = where(sign_bit(x), math.pi - angle, angle)
    return where(sign_bit(y), -angle, angle)


def _hypot(x: Tensor, y: Tensor) -> Tensor:
    """The larger times a root between 1 and 2: no square overflows."""
    a, b = absolute(x), absolute(y)
    large, small = larger(a, b), larger(a, b, "Min")
    ratio = small / large
    found = where(large.equals(0), large, large * sqrt(ratio * ratio + 1))
    return where(a.equals(math.inf) | b.equals(math.inf), math.inf, found)


# --- hyperbolic -----------------------------------------------------------------------------------


def _half_exp(x: Tensor) -> Tensor:
    """``exp(x) / 2``, infinite only where that is."""
    root = exp(x * 0.5)
    return root * 0.5 * root


def _sinh(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Sinh")
    size = absolute(x)
    e = expm1(size)
    found = where(size > 22, _half_exp(size), (e + e / (e + 1)) * 0.5)
    return where(x < 0, -found, found)


def _cosh(x: Tensor) -> Tensor:
    if x.dtype == np.float32:
        return x.op("Cosh")
    size = absolute(x)
    return where(size > 22, _half_exp(size), (exp(size) + exp(-size)) * 0.5)


def _arcsinh(x: Tensor) -> Tensor:
    size = absolute(x)
    near = log1p(size + size * size / (sqrt(size * size + 1) + 1))
    found = where(size > 1e8, log(size) + LOG_2, near)
    return where(x < 0, -found, found)


def _arccosh(x: Tensor) -> Tensor:
    above = x - 1
    near = log1p(above + sqrt(above * (above + 2)))
    return where(x > 1e8, log(x) + LOG_2, near)


def _arctanh(x: Tensor) -> Tensor:
    size = absolute(x)
    found = log1p(size * 2 / (1 - size)) * 0.5
    return where(x < 0, -found, found)


RULES: Mapping[str, Rule] = {
    "exp": alike("Exp"),
    "exp2": pointwise(_exp2),
    "expm1": pointwise(expm1),
    "expit": alike("Sigmoid"),
    "log": alike("Log"),
    "log2": pointwise(lambda x: log(x) / LOG_2),
    "log10": pointwise(lambda x: log(x) / math.log(10)),
    "log1p": pointwise(log1p),
    "logaddexp": pointwise(lambda x, y: _log_add(x, y, math.e)),
    "logaddexp2": pointwise(lambda x, y: _log_add(x, y, 2)),
    "sqrt": alike("Sqrt"),
    "cbrt": pointwise(_cbrt),
    "sin": alike("Sin"),
    "cos": alike("Cos"),
    "tan": pointwise(_tan),
    "arcsin": pointwise(_arcsin),
    "arccos": pointwise(_arccos),
    "arctan": pointwise(_arctan),
    "arctan2": pointwise(_arctan2),
    "hypot": pointwise(_hypot),
    "deg2rad": pointwise(lambda x: x * (math.pi / 180)),
    "rad2deg": pointwise(lambda x: x * (180 / math.pi)),
    "sinh": pointwise(_sinh),
    "cosh": pointwise(_cosh),
    "tanh": alike("Tanh"),
    "arcsinh": pointwise(_arcsinh),
    "arccosh": pointwise(_arccosh),
    "arctanh": pointwise(_arctanh),
}
