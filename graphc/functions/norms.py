"""Norms of vectors and matrices, and what singular values tell: condition, rank."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import LinAlgError, UnsupportedError
from graphc.functions.common import FLOAT64, as_array
from graphc.functions.linear_algebra import (
    double,
    hermitian_values,
    need_matrices,
    need_square,
    singular_values,
)
from graphc.ops.matrices.solve import inverse_matrix
from graphc.trace.context import active
from graphc.trace.convert import normalized_axes, normalized_axis
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray, TracedNumber, fresh_array, is_traced
from graphc.types import is_inexact, product


def _order(ord: Any) -> Any:
    """The order of a norm, which must be known while tracing.

    Raises:
        UnsupportedError: it is traced.
    """
    if is_traced(ord):
        raise UnsupportedError(
            "the order of a norm decides what is computed, so it can't depend on data",
            hint="Write it where it is used: np.linalg.norm(x, 1.5).",
        )
    return ord


def _inexact(x: Any) -> TracedArray:
    array = as_array(x)
    return array if is_inexact(array.dtype) else fresh_array(ops.cast(array.value, FLOAT64))


@implements(np.linalg.norm)
def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    """`numpy.linalg.norm`, of all orders."""
    array, ord = _inexact(x), _order(ord)
    if axis is None and (
        ord is None or (ord in ("fro", "f") and array.ndim == 2) or (ord == 2 and array.ndim == 1)
    ):
        root = np.sqrt(np.sum(_squares(array)))
        shape = (1,) * array.ndim
        return fresh_array(ops.reshape(root.value, shape)) if keepdims else root
    if axis is not None and not isinstance(axis, tuple):
        try:
            axis = (axis.__index__(),)
        except AttributeError:
            raise TypeError("'axis' must be None, an integer or a tuple of integers") from None
    axes = range(array.ndim) if axis is None else axis
    places = tuple(normalized_axis(k, array.ndim) for k in axes)
    if len(places) == 1:
        return _vector_norm(array, ord, places, keepdims)
    if len(places) != 2:
        raise ValueError("Improper number of dimensions to norm.")
    if places[0] == places[1]:
        raise ValueError("Duplicate axes given.")
    return _matrix_norm(array, ord, places, keepdims)


def _squares(x: Any) -> Any:
    return x.real**2 + x.imag**2 if x.dtype.kind == "c" else x * x


def _largest(x: Any, axes: Any, keepdims: bool) -> Any:
    """The largest over `axes`, 0 where there is none."""
    places = normalized_axes(axes, x.ndim)
    if active().holds("==", product(tuple(x.value.shape[k] for k in places)), 0):
        return np.sum(x, axis=places, keepdims=keepdims)
    return np.max(x, axis=places, keepdims=keepdims)


def _vector_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    magnitude = np.abs(x)
    if ord == np.inf:
        return _largest(magnitude, axes, keepdims)
    if ord == -np.inf:
        return np.min(magnitude, axis=axes, keepdims=keepdims)
    if ord == 0:
        return np.sum((x != 0).astype(magnitude.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return np.sum(magnitude, axis=axes, keepdims=keepdims)
    if ord is None or ord == 2:
        return np.sqrt(np.sum(_squares(x), axis=axes, keepdims=keepdims))
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    return np.sum(magnitude**ord, axis=axes, keepdims=keepdims) ** (1 / ord)


def _matrix_norm(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if ord in (None, "fro", "f"):
        return np.sqrt(np.sum(_squares(x), axis=axes, keepdims=keepdims))
    if ord in (1, -1, np.inf, -np.inf):
        summed, left = axes if ord in (1, -1) else axes[::-1]
        totals = np.sum(np.abs(x), axis=summed, keepdims=True)
        if ord > 0:
            result = _largest(totals, left, keepdims=True)
        else:
            result = np.min(totals, axis=left, keepdims=True)
        return result if keepdims else np.squeeze(result, axis=axes)[()]
    if ord not in (2, -2, "nuc"):
        raise ValueError("Invalid norm order for matrices.")
    order = [k for k in range(x.ndim) if k not in axes] + list(axes)
    values: Any = fresh_array(singular_values(ops.transpose(x.value, order)))
    if ord == 2:
        found = _largest(values, -1, keepdims=False)
    else:
        found = np.min(values, axis=-1) if ord == -2 else np.sum(values, axis=-1)
    if not keepdims:
        return found
    kept = tuple(1 if k in axes else size for k, size in enumerate(x.value.shape))
    return fresh_array(ops.reshape(found.value, kept))


@implements(np.linalg.vector_norm)
def vector_norm(x: Any, /, *, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """`numpy.linalg.vector_norm`."""
    array, ord = _inexact(x), _order(ord)
    return _vector_norm(array, ord, normalized_axes(axis, array.ndim), keepdims)


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """`numpy.linalg.matrix_norm`."""
    return norm(x, ord, (-2, -1), keepdims)


@implements(np.linalg.cond)
def cond(x: Any, p: Any = None) -> Any:
    """`numpy.linalg.cond`: inf, and no error, where a matrix is singular."""
    array, p = as_array(x), _order(p)
    need_matrices(array.value)
    if active().holds("==", array.value.tensor.size, 0):
        raise LinAlgError("cond is not defined on empty arrays")
    if p is None or p in (2, -2):
        values: Any = fresh_array(singular_values(array.value))
        first, last = values[..., 0], values[..., -1]
        ratio = last / first if p == -2 else first / last
    else:
        matrix, kind = double(need_square(array.value))
        inverse: Any = fresh_array(inverse_matrix(matrix, checked=False))
        ratio = norm(array, p, (-2, -1)) * norm(inverse, p, (-2, -1))
        real = ops.real(ops.zeros(matrix.tensor.with_dtype(kind).with_shape(()))).dtype
        ratio = ratio.astype(real)
    given: Any = array
    missing = np.any(np.isnan(given), axis=(-2, -1))
    infinite = np.array(np.inf).astype(ratio.dtype)
    return np.where(np.isnan(ratio) & ~missing, infinite, ratio)[()]


@implements(np.linalg.matrix_rank)
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """`numpy.linalg.matrix_rank`."""
    if rtol is not None and tol is not None:
        raise ValueError("`tol` and `rtol` can't be both set.")
    array: Any = as_array(A)
    if array.ndim < 2:
        some: Any = np.any(array != 0)
        return TracedNumber(ops.cast(some.value, np.dtype(np.int64)), int, active())
    find = hermitian_values if hermitian else singular_values
    values: Any = fresh_array(find(array.value))
    if tol is None:
        if rtol is None:
            rows, count = (active().static(size) for size in array.value.shape[-2:])
            rtol = max(rows, count) * float(np.finfo(values.dtype).eps)
        largest = _largest(values, -1, keepdims=True)
        bound = largest * (rtol if not hasattr(rtol, "ndim") else np.expand_dims(rtol, -1))
    else:
        bound = tol if not hasattr(tol, "ndim") or tol.ndim == 0 else np.expand_dims(tol, -1)
    return np.count_nonzero(values > bound, axis=-1)
