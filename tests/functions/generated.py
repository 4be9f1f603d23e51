"""Arrays for generated tests: any dtype, layout and shape, with NaN, infinities and ties."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
FLOATS = ("float32", "float64")
COMPLEX = ("complex64", "complex128")
DTYPES = ("bool", *INTEGERS, *FLOATS, *COMPLEX)
LAYOUTS = ("C", "F", "reversed", "gaps")
FINITE = (-3.0, -1.5, -1.0, -0.0, 0.0, 0.5, 0.5, 1.0, 1.0, 2.0, 2.5, 3.0)
SPECIAL = (*FINITE, np.nan, np.inf, -np.inf)


def laid_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same elements, lying in memory as `layout` says."""
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed" and array.ndim:
        return np.ascontiguousarray(array[::-1])[::-1]
    if layout == "gaps" and array.ndim:
        wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
        wide[..., ::2] = array
        return wide[..., ::2]
    return array


@st.composite
def shapes(draw, least=0, most=3, sizes=(0, 1, 2, 3, 5)):
    rank = draw(st.integers(least, most))
    return tuple(draw(st.sampled_from(sizes)) for _ in range(rank))


@st.composite
def broadcastable(draw, shape):
    """A shape that broadcasts with `shape`."""
    kept = draw(st.integers(0, len(shape)))
    return tuple(draw(st.sampled_from((n, 1))) for n in shape[len(shape) - kept :])


@st.composite
def arrays(draw, shape, dtypes=DTYPES, special=True):
    """An array of `shape`: its elements come from a short list, so that there are ties."""
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    pool = np.array(SPECIAL if special and dtype.kind in "fc" else FINITE)
    values = rng.choice(pool, shape)
    if dtype.kind == "c":
        values = values + 1j * rng.choice(np.array(FINITE), shape)
    if dtype.kind in "iu":
        values = np.abs(values) if dtype.kind == "u" else values
    if dtype.kind == "b":
        values = values > 0.5
    return laid_out(np.asarray(values).astype(dtype), draw(st.sampled_from(LAYOUTS)))
