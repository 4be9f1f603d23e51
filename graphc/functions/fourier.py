"""Discrete Fourier transforms: `numpy.fft`.

A real transform of an even length n is a complex one of length n / 2, of which the even elements
are the real and the odd ones the imaginary parts (W. H. Press et al., Numerical Recipes, 12.3).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError
from graphc.functions.common import FLOAT64, as_array, deliver, makes_arrays
from graphc.ir import Value
from graphc.ops.fourier.passes import roots
from graphc.ops.fourier.transform import fft as transformed
from graphc.trace.context import active
from graphc.trace.convert import (
    as_size_argument,
    is_weak,
    normalized_axis,
    python_type,
    value_of,
)
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import Dim, Size, floordiv, is_inexact

_FORWARD = {"backward": "one", "ortho": "root", "forward": "size"}
_INVERSE = {"backward": "size", "ortho": "root", "forward": "one"}
_SWAPPED = {"backward": "forward", "ortho": "ortho", "forward": "backward"}


def _norm(norm: str | None) -> str:
    """The name of a normalisation.

    Raises:
        ValueError: in NumPy's words.
    """
    if norm is None:
        return "backward"
    if norm not in _FORWARD:
        raise ValueError(f'Invalid norm value {norm}; should be "backward", "ortho" or "forward".')
    return norm


def _length(n: Any) -> int:
    """A length of a transform: it is known when a function is compiled.

    Raises:
        ValueError: in NumPy's words.
    """
    count = active().static(n if isinstance(n, Dim) else as_size_argument(n))
    if count < 1:
        raise ValueError(f"Invalid number of FFT data points ({count}) specified.")
    return count


def _inexact(x: Value) -> Value:
    return x if is_inexact(x.dtype) else ops.cast(x, FLOAT64)


def _complex(x: Value) -> Value:
    x = _inexact(x)
    return x if x.dtype.kind == "c" else ops.to_complex(x)


def _last(x: Value, axis: int) -> Value:
    """`x` with `axis` moved to the end."""
    return ops.transpose(x, [*(k for k in range(x.ndim) if k != axis), axis])


def _back(x: Value, axis: int) -> Value:
    """`x` with its last axis moved to `axis`."""
    order = list(range(x.ndim - 1))
    order.insert(axis, x.ndim - 1)
    return ops.transpose(x, order)


def _fitted(x: Value, size: int) -> Value:
    """`x` with its last axis cut, or filled with zeros, to `size`."""
    held = active().static(x.shape[-1])
    if held == size:
        return x
    shape = (*x.shape[:-1], size)
    zero, one = (0,) * x.ndim, (1,) * x.ndim
    if held > size:
        return ops.slice_(x, zero, shape, one)
    return ops.embed(x, shape, zero, one)


def _part(x: Value, start: int, size: int, step: int = 1) -> Value:
    """Elements of the last axis."""
    lead = x.shape[:-1]
    return ops.slice_(x, (*(0 for _ in lead), start), (*lead, size), (*(1 for _ in lead), step))


def _row(values: np.ndarray, like: Value) -> Value:
    """Constants along the last axis of the type of `like`."""
    return ops.broadcast_to(ops.constant(values.astype(like.dtype)), like.shape)


# --- transforms of the last axis ------------------------------------------------------------------


def _of_real(x: Value, n: int, scale: str) -> Value:
    """The first n // 2 + 1 elements of the transform of a real `x`, whose last size is `n`."""
    if n % 2:
        return _part(transformed(ops.to_complex(x), scale=scale), 0, n // 2 + 1)
    half = n // 2
    packed = ops.complex_(_part(x, 0, half, 2), _part(x, 1, half, 2))
    spectrum = transformed(packed, scale=scale)
    around = ops.concatenate((spectrum, _part(spectrum, 0, 1)), x.ndim - 1)
    mirrored = ops.conjugate(ops.flip(around, (x.ndim - 1,)))
    factor = {"one": 0.5, "root": math.sqrt(0.125), "size": 0.25}[scale]
    twiddles = -1j * factor * roots(np.arange(half + 1), n)
    even = ops.multiply(ops.add(around, mirrored), ops.full_like(around, factor))
    odd = ops.multiply(ops.subtract(around, mirrored), _row(twiddles, around))
    return ops.add(even, odd)


def _to_real(x: Value, n: int, scale: str) -> Value:
    """The real inverse transform, of length `n`, of the first n // 2 + 1 elements of a spectrum."""
    kept = np.ones(n // 2 + 1)
    kept[0] = 0
    kept[-1] = 0 if n % 2 == 0 else kept[-1]
    real = ops.real(x)
    x = ops.complex_(real, ops.multiply(ops.imag(x), _row(kept, real)))
    if n % 2:
        rest = ops.conjugate(ops.flip(_part(x, 1, n // 2), (x.ndim - 1,)))
        whole = ops.concatenate((x, rest), x.ndim - 1)
        return ops.real(transformed(whole, inverse=True, scale=scale))
    half = n // 2
    mirrored = ops.conjugate(ops.flip(x, (x.ndim - 1,)))
    factor = {"one": 1.0, "root": math.sqrt(0.5), "size": 0.5}[scale]
    twiddles = 1j * factor * roots(-np.arange(half + 1), n)
    even = ops.multiply(ops.add(x, mirrored), ops.full_like(x, factor))
    odd = ops.multiply(ops.subtract(x, mirrored), _row(twiddles, x))
    packed = _part(ops.add(even, odd), 0, half)
    found = transformed(packed, inverse=True, scale=scale)
    column = (*found.shape, 1)
    pairs = ops.concatenate(
        (ops.reshape(ops.real(found), column), ops.reshape(ops.imag(found), column)), x.ndim
    )
    return ops.reshape(pairs, (*found.shape[:-1], n))


def _one_axis(kind: str, x: Value, n: Any, axis: Any, norm: str | None) -> Value:
    """A transform along one axis: ``fft``, ``ifft``, ``rfft`` or ``irfft``."""
    name = _norm(norm)
    place = normalized_axis(axis, x.ndim)
    if n is None:
        held: Any = x.shape[place]
        n = _length((held - 1) * 2 if kind == "irfft" else held)
    n = _length(n)
    if kind == "rfft" and x.dtype.kind == "c":
        raise DTypeError(
            f"rfft takes real numbers, not {x.tensor}", hint="Use np.fft.fft, or pass x.real."
        )
    last = _last(_inexact(x) if kind == "rfft" else _complex(x), place)
    last = _fitted(last, n // 2 + 1 if kind == "irfft" else n)
    if kind == "rfft":
        result = _of_real(last, n, _FORWARD[name])
    elif kind == "irfft":
        result = _to_real(last, n, _INVERSE[name])
    else:
        scales = _FORWARD if kind == "fft" else _INVERSE
        result = transformed(last, inverse=kind == "ifft", scale=scales[name])
    return _back(result, place)


def _delivered(value: Value, out: Any) -> Any:
    return fresh_array(value) if out is None else deliver(value, out)


@implements(np.fft.fft)
def fft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.fft`."""
    return _delivered(_one_axis("fft", as_array(a).value, n, axis, norm), out)


@implements(np.fft.ifft)
def ifft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ifft`."""
    return _delivered(_one_axis("ifft", as_array(a).value, n, axis, norm), out)


@implements(np.fft.rfft)
def rfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.rfft`."""
    return _delivered(_one_axis("rfft", as_array(a).value, n, axis, norm), out)


@implements(np.fft.irfft)
def irfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.irfft`."""
    return _delivered(_one_axis("irfft", as_array(a).value, n, axis, norm), out)


@implements(np.fft.hfft)
def hfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.hfft`: irfft of the conjugate, with the normalisation of the other direction.

    As in NumPy 2.4, nothing is written to `out`; so with ifft2 and irfft2.
    """
    x = ops.conjugate(as_array(a).value)
    return fresh_array(_one_axis("irfft", x, n, axis, _SWAPPED[_norm(norm)]))


@implements(np.fft.ihfft)
def ihfft(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ihfft`: the conjugate of rfft, with the normalisation of the other direction."""
    found = _one_axis("rfft", as_array(a).value, n, axis, _SWAPPED[_norm(norm)])
    return _delivered(ops.conjugate(found), out)


# --- of several axes ------------------------------------------------------------------------------


def _sizes_and_axes(x: Value, s: Any, axes: Any, inverse_real: bool = False) -> Any:
    """The length along each axis, as NumPy's functions take them."""
    shapeless = s is None
    if shapeless:
        places = range(x.ndim) if axes is None else [normalized_axis(k, x.ndim) for k in axes]
        s = [x.shape[k] for k in places]
    sizes = list(s)
    chosen = list(range(-len(sizes), 0)) if axes is None else list(axes)
    if len(sizes) != len(chosen):
        raise ValueError("Shape and axes have different lengths.")
    chosen = [normalized_axis(k, x.ndim) for k in chosen]
    if inverse_real and shapeless:
        sizes[-1] = (x.shape[chosen[-1]] - 1) * 2
    sizes = [
        x.shape[place] if size is None or (type(size) is int and size == -1) else size
        for size, place in zip(sizes, chosen, strict=True)
    ]
    return sizes, chosen


def _several(kind: str, a: Any, s: Any, axes: Any, norm: Any, out: Any) -> Any:
    """``fft`` or ``ifft`` along several axes, the last first."""
    x = as_array(a).value
    sizes, chosen = _sizes_and_axes(x, s, axes)
    for size, axis in reversed(list(zip(sizes, chosen, strict=True))):
        x = _one_axis(kind, x, size, axis, norm)
    return _delivered(x, out)


@implements(np.fft.fftn)
def fftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.fftn`."""
    return _several("fft", a, s, axes, norm, out)


@implements(np.fft.ifftn)
def ifftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ifftn`."""
    return _several("ifft", a, s, axes, norm, out)


@implements(np.fft.fft2)
def fft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.fft2`."""
    return _several("fft", a, s, axes, norm, out)


@implements(np.fft.ifft2)
def ifft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.ifft2`; see `hfft`."""
    return _several("ifft", a, s, axes, norm, None)


@implements(np.fft.rfftn)
def rfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.rfftn`."""
    x = as_array(a).value
    sizes, chosen = _sizes_and_axes(x, s, axes)
    x = _one_axis("rfft", x, sizes[-1], chosen[-1], norm)
    for size, axis in reversed(list(zip(sizes[:-1], chosen[:-1], strict=True))):
        x = _one_axis("fft", x, size, axis, norm)
    return _delivered(x, out)


@implements(np.fft.irfftn)
def irfftn(a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.irfftn`."""
    x = as_array(a).value
    sizes, chosen = _sizes_and_axes(x, s, axes, inverse_real=True)
    for size, axis in zip(sizes[:-1], chosen[:-1], strict=True):
        x = _one_axis("ifft", x, size, axis, norm)
    return _delivered(_one_axis("irfft", x, sizes[-1], chosen[-1], norm), out)


@implements(np.fft.rfft2)
def rfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.rfft2`."""
    return rfftn(a, s, axes, norm, out)


@implements(np.fft.irfft2)
def irfft2(a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> Any:
    """`numpy.fft.irfft2`; see `hfft`."""
    return irfftn(a, s, axes, norm)


# --- frequencies ----------------------------------------------------------------------------------


def _frequencies(numbers: Value, n: Size, d: Any) -> Any:
    count = ops.cast(ops.size_value(n), FLOAT64)
    step = ops.divide(ops.full_like(count, 1), ops.multiply(count, ops.cast(value_of(d), FLOAT64)))
    numbers = ops.cast(numbers, FLOAT64)
    return fresh_array(ops.multiply(numbers, ops.broadcast_to(step, numbers.shape)))


def _count(n: Any) -> Size:
    whole = python_type(n) is int if is_weak(n) else hasattr(n, "__index__")
    if not whole:
        raise ValueError("n should be an integer")
    return as_size_argument(n)


@makes_arrays(np.fft.fftfreq)
def fftfreq(n: Any, d: Any = 1.0, device: Any = None) -> TracedArray:
    """`numpy.fft.fftfreq`: of a symbolic n too."""
    size = _count(n)
    positions = ops.iota(size)
    half = floordiv(size - 1, 2) + 1
    shift = ops.broadcast_to(ops.size_value(size), (size,))
    below = ops.less(positions, ops.broadcast_to(ops.size_value(half), (size,)))
    numbers = ops.select(below, positions, ops.subtract(positions, shift))
    found: TracedArray = _frequencies(numbers, size, d)
    return found


@makes_arrays(np.fft.rfftfreq)
def rfftfreq(n: Any, d: Any = 1.0, device: Any = None) -> TracedArray:
    """`numpy.fft.rfftfreq`: of a symbolic n too."""
    size = _count(n)
    found: TracedArray = _frequencies(ops.iota(floordiv(size, 2) + 1), size, d)
    return found


def _shifted(x: Any, axes: Any, forward: bool) -> Any:
    array = as_array(x)
    if axes is None:
        axes = tuple(range(array.ndim))
    chosen = axes if isinstance(axes, tuple | list) else (axes,)
    places = [normalized_axis(k, array.ndim) for k in chosen]
    shifts = [array.shape[k] // 2 if forward else -(array.shape[k] // 2) for k in places]
    return np.roll(array, tuple(shifts), tuple(places)) if places else np.copy(array)


@implements(np.fft.fftshift)
def fftshift(x: Any, axes: Any = None) -> Any:
    """`numpy.fft.fftshift`."""
    return _shifted(x, axes, forward=True)


@implements(np.fft.ifftshift)
def ifftshift(x: Any, axes: Any = None) -> Any:
    """`numpy.fft.ifftshift`."""
    return _shifted(x, axes, forward=False)
