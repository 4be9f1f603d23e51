"""Polynomials as arrays of coefficients, the highest power first."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import FLOAT64, INT64, as_array, static_int
from graphc.functions.correlation import convolve
from graphc.functions.ufunc_methods import accumulated
from graphc.trace.context import active, user_location
from graphc.trace.convert import array_like, same_size, value_of
from graphc.trace.dispatch import implements
from graphc.trace.sizes import as_size
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import TensorType, supported_dtype


def _row(p: Any) -> Any:
    x = as_array(p)
    return x if x.ndim else x.reshaped((1,))


def _length(p: Any) -> int:
    return active().static(p.value.shape[0])


@implements(np.polyval)
def polyval(p: Any, x: Any) -> Any:
    """`numpy.polyval`, by Horner's rule."""
    coefficients: Any = _row(p)
    points: Any = array_like(x)
    found: Any = fresh_array(ops.full_like(points.value, 0))
    for k in range(_length(coefficients)):
        found = found * points + coefficients[k]
    return found


def _combined(ufunc: Any, a1: Any, a2: Any) -> Any:
    first, second = _row(a1), _row(a2)
    gap = _length(second) - _length(first)
    if gap > 0:
        first = _padded(first, gap)
    elif gap < 0:
        second = _padded(second, -gap)
    return ufunc(first, second)


def _padded(x: Any, count: int) -> Any:
    zeros = ops.zeros(TensorType(x.dtype, (count,)))
    return fresh_array(ops.concatenate((zeros, x.value), 0))


@implements(np.polyadd)
def polyadd(a1: Any, a2: Any) -> Any:
    """`numpy.polyadd`."""
    return _combined(np.add, a1, a2)


@implements(np.polysub)
def polysub(a1: Any, a2: Any) -> Any:
    """`numpy.polysub`."""
    return _combined(np.subtract, a1, a2)


LEADING_ZERO = (
    "np.polymul drops leading zeros, so the shape of its result depends on data: a leading "
    "coefficient is 0. np.convolve keeps them"
)


@implements(np.polymul)
def polymul(a1: Any, a2: Any) -> Any:
    """`numpy.polymul`, of polynomials whose leading coefficients are not 0: checked at run time."""
    factors = []
    for p in (a1, a2):
        row: Any = _row(p)
        if _length(row) > 1:
            led = np.not_equal(row[0], 0)
            row = fresh_array(ops.require(row.value, value_of(led), LEADING_ZERO))
        factors.append(row)
    return convolve(*factors)


@implements(np.polyder)
def polyder(p: Any, m: Any = 1) -> Any:
    """`numpy.polyder`."""
    order = static_int(m, "the order of a derivative")
    if order < 0:
        raise ValueError("Order of derivative must be positive (see polyint)")
    row: Any = as_array(p)
    for _ in range(order):
        power = fresh_array(ops.constant(np.arange(max(_length(row) - 1, 0), 0, -1)))
        row = row[:-1] * power
    return row


@implements(np.polyint)
def polyint(p: Any, m: Any = 1, k: Any = None) -> Any:
    """`numpy.polyint`."""
    order = static_int(m, "the order of an integral")
    if order < 0:
        raise ValueError("Order of integral must be positive (see polyder)")
    constants: Any = _row(np.zeros(order) if k is None else k) if order else None
    if constants is not None and _length(constants) == 1 and order > 1:
        constants = np.broadcast_to(constants, (order,)).astype(
            np.result_type(constants.dtype, FLOAT64)
        )
    if constants is not None and _length(constants) < order:
        raise ValueError("k must be a scalar or a rank-1 array of length 1 or >m.")
    row: Any = as_array(p)
    for turn in range(order):
        power = fresh_array(ops.constant(np.arange(_length(row), 0, -1)))
        row = np.concatenate((row / power, constants[turn : turn + 1]))
    return row


@implements(np.poly)
def poly(seq_of_zeros: Any) -> Any:
    """`numpy.poly` of real roots."""
    roots: Any = _row(seq_of_zeros)
    if roots.ndim != 1:
        raise UnsupportedError(
            "np.poly of a matrix needs its eigenvalues",
            location=user_location(),
            hint="Pass the roots, or compute it outside the compiled function.",
        )
    if roots.dtype.kind == "c":
        raise UnsupportedError(
            "np.poly of complex roots is real or complex as they are conjugate or not",
            location=user_location(),
            hint="Multiply the factors with np.convolve.",
        )
    kind = roots.dtype if roots.dtype.kind == "f" else FLOAT64
    roots = roots.astype(kind)
    if not _length(roots):
        return 1.0
    found: Any = fresh_array(ops.full(TensorType(kind, (1,)), 1))
    for k in range(_length(roots)):
        factor = np.concatenate(
            (fresh_array(ops.full(TensorType(kind, (1,)), 1)), -roots[k : k + 1])
        )
        found = convolve(found, factor)
    return found


@implements(np.vander)
def vander(x: Any, N: Any = None, increasing: bool = False) -> TracedArray:
    """`numpy.vander`."""
    row = as_array(x).value
    if row.ndim != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    count = as_size(N) if N is not None else row.shape[0]
    count = N.__index__() if count is None else count
    kind = supported_dtype(np.promote_types(row.dtype, INT64))
    row = ops.cast(row, kind)
    shape = (row.shape[0], count)
    if active().holds("<=", count, 0):
        return fresh_array(ops.zeros(TensorType(kind, (row.shape[0], 0))))
    ones = ops.full(TensorType(kind, (row.shape[0], 1)), 1)
    column = ops.reshape(row, (row.shape[0], 1))
    rest = ops.broadcast_to(column, (row.shape[0], count - 1))
    powers = ops.concatenate((ones, accumulated(np.multiply, rest, 1, kind)), 1)
    assert powers.shape == shape
    return fresh_array(powers if increasing else ops.flip(powers, (1,)))


@implements(np.polyfit)
def polyfit(
    x: Any,
    y: Any,
    deg: Any,
    rcond: Any = None,
    full: bool = False,
    w: Any = None,
    cov: Any = False,
) -> Any:
    """`numpy.polyfit`, without its warning where the points do not determine the polynomial."""
    order = static_int(deg, "the degree of a polynomial") + 1
    points: Any = np.add(as_array(x), 0.0)
    values: Any = np.add(as_array(y), 0.0)
    if order < 1:
        raise ValueError("expected deg >= 0")
    if points.ndim != 1:
        raise TypeError("expected 1D vector for x")
    length = points.value.shape[0]
    if not active().holds(">", length, 0):
        raise TypeError("expected non-empty vector for x")
    if values.ndim not in (1, 2):
        raise TypeError("expected 1D or 2D array for y")
    if not same_size(length, values.value.shape[0]):
        raise TypeError("expected x and y to have same length")
    if rcond is None:
        rcond = active().static(length) * np.finfo(points.dtype).eps
    powers: Any = np.vander(points, order)
    right: Any = values
    if w is not None:
        weights: Any = np.add(as_array(w), 0.0)
        if weights.ndim != 1:
            raise TypeError("expected a 1-d array for weights")
        if not same_size(weights.value.shape[0], length):
            raise TypeError("expected w and y to have the same length")
        powers = powers * weights[:, None]
        right = right * (weights[:, None] if right.ndim == 2 else weights)
    scale: Any = np.sqrt((powers * powers).sum(axis=0))
    powers = powers / scale
    found, residuals, rank, singular = np.linalg.lstsq(powers, right, rcond)
    coefficients = (found.T / scale).T
    if full:
        return coefficients, residuals, rank, singular, rcond
    if not cov:
        return coefficients
    variance: Any = np.linalg.inv(np.dot(powers.T, powers)) / np.outer(scale, scale)
    if isinstance(cov, str) and cov == "unscaled":
        return coefficients, variance if values.ndim == 1 else variance[:, :, None]
    if active().static(length) <= order:
        raise ValueError(
            "the number of data points must exceed order to scale the covariance matrix"
        )
    factor: Any = residuals / (active().static(length) - order)
    return coefficients, (variance if values.ndim == 1 else variance[:, :, None]) * factor
