"""Scalar expressions of functions of complex numbers, in functions of their parts.

As NumPy has them (``npy_math_complex``): ``exp2`` and the logarithms to other bases by a factor,
``expm1`` and ``log1p`` so that small arguments keep their digits.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from graphc.loops import Apply, Expr
from graphc.ops.elementwise.scalar import apply, number, real_parts
from graphc.types import real_dtype


def real_or_complex(name: str, of_complex: Callable[[Expr], Expr]) -> Callable[[Expr], Expr]:
    """The scalar function `name` of a real number, `of_complex` of a complex one."""
    return lambda x: of_complex(x) if x.dtype.kind == "c" else apply(name, x)


def complex_exp2(x: Expr) -> Expr:
    """``exp(x ln 2)``."""
    return apply("exp", _scaled(x, math.log(2)))


def complex_log2(x: Expr) -> Expr:
    """``log(x) / ln 2``, part by part."""
    return _scaled(apply("log", x), 1 / math.log(2))


def complex_log10(x: Expr) -> Expr:
    """``log(x) / ln 10``, part by part."""
    return _scaled(apply("log", x), 1 / math.log(10))


def complex_expm1(x: Expr) -> Expr:
    """``expm1(a) cos(b) - 2 sin(b / 2)**2 + i exp(a) sin(b)`` of ``a + ib``."""
    re, im = real_parts(x, real_dtype(x.dtype))
    half = apply("sin", apply("multiply", im, number(0.5, im)))
    less = apply("multiply", number(2, im), apply("multiply", half, half))
    real = apply("subtract", apply("multiply", apply("expm1", re), apply("cos", im)), less)
    return _joined(x, real, apply("multiply", apply("exp", re), apply("sin", im)))


def complex_log1p(x: Expr) -> Expr:
    """``log|1 + x| + i arg(1 + x)``."""
    re, im = real_parts(x, real_dtype(x.dtype))
    shifted = apply("add", re, number(1, re))
    size = apply("log", apply("hypot", shifted, im))
    return _joined(x, size, apply("arctan2", im, shifted))


def complex_rint(x: Expr) -> Expr:
    """Both parts rounded."""
    re, im = real_parts(x, real_dtype(x.dtype))
    return _joined(x, apply("rint", re), apply("rint", im))


def _scaled(x: Expr, factor: float) -> Expr:
    re, im = real_parts(x, real_dtype(x.dtype))
    scale = number(factor, re)
    return _joined(x, apply("multiply", re, scale), apply("multiply", im, scale))


def _joined(like: Expr, re: Expr, im: Expr) -> Expr:
    return Apply("complex", (re, im), like.dtype)
