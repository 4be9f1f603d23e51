"""Convolutions, correlations of sequences and of variables, and sliding windows."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.functions.common import FLOAT64, as_array, promoted
from graphc.functions.statistics import average
from graphc.ir import Value
from graphc.trace.context import active, user_location
from graphc.trace.convert import as_dtype, normalized_axis, value_of
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import Size, supported_dtype

MODES = {"valid": 0, "same": 1, "full": 2, "v": 0, "s": 1, "f": 2}


def _mode(mode: Any) -> int:
    if isinstance(mode, str):
        if not mode or mode[0].lower() not in "vsf":
            raise ValueError("mode must be one of 'valid', 'same', or 'full'")
        return MODES[mode[0].lower()]
    if mode in (0, 1, 2):
        return int(mode)
    raise ValueError("mode must be one of 'valid', 'same', or 'full'")


def _sliding_sums(longer: Value, shorter: Value, mode: int) -> Value:
    """For each window of `longer` the sum of its products with `shorter`."""
    width = shorter.shape[0]
    before: Size = 0
    padded = longer
    if mode and width != 1:
        before = width - 1 if mode == 2 else width // 2
        after = width - 1 if mode == 2 else width - 1 - width // 2
        shape = (longer.shape[0] + before + after,)
        padded = ops.embed(longer, shape, (before,), (1,))
    found = ops.windows(padded, width)
    weights = ops.broadcast_to(shorter, found.shape)
    if found.dtype.kind == "b":
        return ops.any_(ops.logical_and(found, weights), (1,))
    return ops.sum_(ops.multiply(found, weights), (1,))


def _sequences(name: str, a: Any, v: Any) -> tuple[Value, Value]:
    dtype = promoted(as_array(a), as_array(v))
    rows = []
    for x in (a, v):
        row = value_of(x, dtype)
        if row.ndim == 0:
            if name == "correlate":
                raise ValueError("object of too small depth for desired array")
            row = ops.reshape(row, (1,))
        if row.ndim != 1:
            raise ValueError("object too deep for desired array")
        rows.append(row)
    for row, which in zip(rows, ("a", "v"), strict=True):
        if not active().holds(">", row.shape[0], 0):
            raise ValueError(
                f"{which} cannot be empty"
                if name == "convolve"
                else f"{'first' if which == 'a' else 'second'} array argument cannot be empty"
            )
    return rows[0], rows[1]


@implements(np.convolve)
def convolve(a: Any, v: Any, mode: Any = "full") -> TracedArray:
    """`numpy.convolve`: direct sums, as in NumPy."""
    longer, shorter = _sequences("convolve", a, v)
    if active().holds("<", longer.shape[0], shorter.shape[0]):
        longer, shorter = shorter, longer
    return fresh_array(_sliding_sums(longer, ops.flip(shorter, (0,)), _mode(mode)))


@implements(np.correlate)
def correlate(a: Any, v: Any, mode: Any = "valid") -> TracedArray:
    """`numpy.correlate`: direct sums, as in NumPy."""
    first, second = _sequences("correlate", a, v)
    second = ops.conjugate(second) if second.dtype.kind == "c" else second
    if not active().holds("<", first.shape[0], second.shape[0]):
        return fresh_array(_sliding_sums(first, second, _mode(mode)))
    found = _sliding_sums(second, first, _mode(mode))
    return fresh_array(ops.flip(found, (0,)))


@implements(np.lib.stride_tricks.sliding_window_view)
def sliding_window_view(
    x: Any, window_shape: Any, axis: Any = None, *, subok: bool = False, writeable: bool = False
) -> TracedArray:
    """`numpy.lib.stride_tricks.sliding_window_view`, read-only."""
    if writeable:
        raise UnsupportedError(
            "a sliding window view that is written", location=user_location(), hint="Copy it first."
        )
    array = as_array(x)
    widths = tuple(window_shape) if isinstance(window_shape, tuple | list) else (window_shape,)
    if any(width < 0 for width in widths):
        raise ValueError("`window_shape` cannot contain negative values")
    if axis is None:
        axes = list(range(array.ndim))
        if len(widths) != array.ndim:
            raise ValueError(
                "Since axis is None, must provide window_shape for all dimensions of `x`; got "
                f"{len(widths)} window_shape elements and `x.ndim` is {array.ndim}."
            )
    else:
        given = axis if isinstance(axis, tuple | list) else (axis,)
        axes = [normalized_axis(k, array.ndim) for k in given]
        if len(widths) != len(axes):
            raise ValueError(
                f"Must provide matching length window_shape and axis; got {len(widths)} "
                f"window_shape elements and {len(axes)} axes elements."
            )
    value = array.value
    for place, width in zip(axes, widths, strict=True):
        if not active().holds(">=", value.shape[place], width):
            raise ValueError("window shape cannot be larger than input array shape")
        # The axis goes last, is windowed, and goes back; its windows stay last.
        order = [*(k for k in range(value.ndim) if k != place), place]
        value = ops.windows(ops.transpose(value, order), width)
        last = value.ndim - 2
        back = [*range(place), last, *range(place, last), last + 1]
        value = ops.transpose(value, back)
    result = fresh_array(value)
    result.storage.readonly = True
    return result


# --- variables ------------------------------------------------------------------------------------


def _weights(name: str, given: Any, count: Any, whole: bool) -> Any:
    """Weights of observations, checked as far as they are known."""
    w: Any = as_array(given).astype(FLOAT64)
    known = known_array(w.value)
    if whole and known is not None and not np.all(known == np.around(known)):
        raise TypeError("fweights must be integer")
    if w.ndim > 1:
        raise RuntimeError(f"cannot handle multidimensional {name}")
    if w.shape[0] != count:
        raise RuntimeError(f"incompatible numbers of samples and {name}")
    if known is not None and np.any(known < 0):
        raise ValueError(f"{name} cannot be negative")
    return w


def _observations(m: Any, y: Any, rowvar: bool, dtype: Any) -> Any:
    """The variables as rows."""
    first: Any = as_array(m)
    if first.ndim > 2:
        raise ValueError("m has more than 2 dimensions")
    second: Any = None if y is None else as_array(y)
    if second is not None and second.ndim > 2:
        raise ValueError("y has more than 2 dimensions")
    if dtype is None:
        given = [x.dtype for x in (first, second) if x is not None]
        dtype = supported_dtype(np.result_type(*given, np.float64))
    rows: Any = np.atleast_2d(first.astype(as_dtype(dtype)))
    if not rowvar and first.ndim != 1:
        rows = rows.T
    if second is None:
        return rows
    others: Any = np.atleast_2d(second.astype(as_dtype(dtype)))
    if not rowvar and others.shape[0] != 1:
        others = others.T
    return np.concatenate((rows, others), axis=0)


@implements(np.cov)
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: Any = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """`numpy.cov`."""
    if ddof is not None and ddof != int(ddof):
        raise ValueError("ddof must be integer")
    x = _observations(m, y, rowvar, dtype)
    if x.shape[0] == 0:
        return fresh_array(ops.constant(np.zeros((0, 0))))
    lost = (0 if bias else 1) if ddof is None else ddof
    count = x.shape[1]
    by_count = None if fweights is None else _weights("fweights", fweights, count, True)
    by_worth = None if aweights is None else _weights("aweights", aweights, count, False)
    w = by_count if by_worth is None else by_worth
    if by_count is not None and by_worth is not None:
        w = by_count * by_worth
    mean, total = average(x, axis=1, weights=w, returned=True)
    total = total[0]
    if w is None:
        freedom: Any = as_array(count).astype(FLOAT64) - lost
    elif lost == 0:
        freedom = total
    elif by_worth is None:
        freedom = total - lost
    else:
        freedom = total - lost * np.sum(w * by_worth) / total
    freedom = np.where(freedom <= 0, 0.0, freedom)
    x = x - mean[:, None]
    weighted = x.T if w is None else (x * w).T
    found: Any = np.dot(x, np.conjugate(weighted))
    scale: Any = np.true_divide(1, freedom)
    return np.squeeze(found * scale.astype(x.real.dtype))


@implements(np.corrcoef)
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """`numpy.corrcoef`."""
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(np.diagonal(c).real)
    c = c / deviation[:, None] / deviation[None, :]
    if c.dtype.kind != "c":
        return np.clip(c, -1, 1)
    parts = [np.clip(part, -1, 1) for part in (c.real, c.imag)]
    return fresh_array(ops.complex_(*(value_of(part) for part in parts)))
