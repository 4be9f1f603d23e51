"""Questions about arrays and types, parts of complex numbers, comparisons of whole arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError, UnsupportedError
from graphc.functions.common import (
    as_array,
    makes_arrays,
    promoted,
)
from graphc.trace.context import active
from graphc.trace.convert import array_like, is_weak, normalized_axes, python_type
from graphc.trace.dispatch import implements
from graphc.trace.sizes import wrap_size
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar, is_traced
from graphc.types import is_inexact, product


@implements(np.shape)
def shape(a: Any) -> tuple[Any, ...]:
    """`numpy.shape`, of symbolic sizes too."""
    return tuple(wrap_size(size, active()) for size in array_like(a).value.shape)


@implements(np.ndim)
def ndim(a: Any) -> int:
    """`numpy.ndim`."""
    return array_like(a).value.ndim


@implements(np.size)
def size(a: Any, axis: Any = None) -> Any:
    """`numpy.size`."""
    sizes = array_like(a).value.shape
    axes = normalized_axes(axis, len(sizes))
    return wrap_size(product(tuple(sizes[k] for k in axes)), active())


@implements(np.real)
def real(val: Any) -> Any:
    """`numpy.real`: a view of an array."""
    return val.real if is_traced(val) else as_array(val).real


@implements(np.imag)
def imag(val: Any) -> Any:
    """`numpy.imag`: a view of a complex array."""
    return val.imag if is_traced(val) else as_array(val).imag


@implements(np.angle)
def angle(z: Any, deg: bool = False) -> Any:
    """`numpy.angle`."""
    x = array_like(z)
    result = np.arctan2(x.imag, x.real)
    return result * (180 / np.pi) if deg else result


def _infinite(x: Any, negative: bool, out: Any) -> Any:
    if array_like(x).dtype.kind == "c":
        raise DTypeError(
            f"This operation is not supported for {array_like(x).dtype} values because it would "
            "be ambiguous."
        )
    if array_like(x).dtype.kind != "f":
        return np.logical_and(np.isinf(x), False, out=out)
    sign = np.signbit(x) if negative else np.logical_not(np.signbit(x))
    return np.logical_and(np.isinf(x), sign, out=out)


@implements(np.isneginf)
def isneginf(x: Any, out: Any = None) -> Any:
    """`numpy.isneginf`."""
    return _infinite(x, True, out)


@implements(np.isposinf)
def isposinf(x: Any, out: Any = None) -> Any:
    """`numpy.isposinf`."""
    return _infinite(x, False, out)


@implements(np.iscomplexobj)
def iscomplexobj(x: Any) -> bool:
    """`numpy.iscomplexobj`."""
    return array_like(x).dtype.kind == "c"


@implements(np.isrealobj)
def isrealobj(x: Any) -> bool:
    """`numpy.isrealobj`."""
    return not iscomplexobj(x)


@implements(np.iscomplex)
def iscomplex(x: Any) -> Any:
    """`numpy.iscomplex`."""
    return np.not_equal(array_like(x).imag, 0)


@implements(np.isreal)
def isreal(x: Any) -> Any:
    """`numpy.isreal`."""
    return np.equal(array_like(x).imag, 0)


@implements(np.isscalar)
def isscalar(element: Any) -> bool:
    """`numpy.isscalar`."""
    return type(element) is not TracedArray


# --- dtypes ---------------------------------------------------------------------------------------


def _as_type(x: Any) -> Any:
    """What promotion needs of `x`: a dtype, or for a Python number one of its kind."""
    if type(x) is TracedNumber or (is_weak(x) and is_traced(x)):
        return python_type(x)(1)
    return x.dtype if isinstance(x, np.ndarray | np.generic) or hasattr(x, "dtype") else x


@makes_arrays(np.result_type)
def result_type(*arrays_and_dtypes: Any) -> np.dtype:
    """`numpy.result_type`."""
    return np.result_type(*(_as_type(x) for x in arrays_and_dtypes))


@makes_arrays(np.can_cast)
def can_cast(from_: Any, to: Any, casting: Any = "safe") -> bool:
    """`numpy.can_cast`."""
    return np.can_cast(_as_type(from_), np.dtype(to), casting)


@makes_arrays(np.min_scalar_type)
def min_scalar_type(a: Any, /) -> np.dtype:
    """`numpy.min_scalar_type`, of arrays."""
    if type(a) in (TracedScalar, TracedNumber):
        raise UnsupportedError("np.min_scalar_type of a traced number depends on its value")
    return a.dtype if type(a) is TracedArray else np.min_scalar_type(a)


# --- whole arrays ---------------------------------------------------------------------------------


@implements(np.isclose)
def isclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """`numpy.isclose`."""
    x, y = (v if is_weak(v) else array_like(v) for v in (a, b))
    wide = promoted(y, 1.0) if is_weak(y) or not is_inexact(y.dtype) else None
    y = y if wide is None else array_like(y).astype(wide)
    near = np.less_equal(np.abs(np.subtract(x, y)), atol + rtol * np.abs(y))
    result = np.logical_or(np.logical_and(near, np.isfinite(y)), np.equal(x, y))
    if equal_nan:
        result = np.logical_or(result, np.logical_and(np.isnan(x), np.isnan(y)))
    return result


@implements(np.allclose)
def allclose(a: Any, b: Any, rtol: Any = 1e-05, atol: Any = 1e-08, equal_nan: bool = False) -> Any:
    """`numpy.allclose`, as a traced bool."""
    everywhere: Any = np.all(isclose(a, b, rtol, atol, equal_nan))
    return TracedNumber(everywhere.value, bool, active())


@implements(np.array_equal)
def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> Any:
    """`numpy.array_equal`, as a traced bool, or False where shapes differ."""
    x: Any = as_array(a1)
    y: Any = as_array(a2)
    if x.shape != y.shape:
        return False
    same = x == y
    if equal_nan:
        same = same | (np.isnan(x) & np.isnan(y))
    everywhere: Any = np.all(same)
    return TracedNumber(everywhere.value, bool, active())


@implements(np.array_equiv)
def array_equiv(a1: Any, a2: Any) -> Any:
    """`numpy.array_equiv`, as a traced bool, or False where shapes do not broadcast."""
    try:
        everywhere: Any = np.all(np.equal(as_array(a1), as_array(a2)))
    except ShapeError:
        return False
    return TracedNumber(everywhere.value, bool, active())
