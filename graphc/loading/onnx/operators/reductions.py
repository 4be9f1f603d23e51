"""Sums, extremes and norms along axes; running sums; orders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import full, integer, lift, sizes
from graphc.nn.activations import logsumexp

Axes = tuple[int, ...]


def _extreme(function: Any, x: Any, axes: Axes) -> Any:
    if x.dtype == np.bool_:
        return (np.any if function is np.max else np.all)(x, axis=axes, keepdims=True)
    if any(x.shape[axis] == 0 for axis in axes):
        shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
        limits: Any = np.iinfo(x.dtype) if x.dtype.kind in "iu" else _INFINITE
        return full(shape, limits.min if function is np.max else limits.max, x.dtype)
    return function(x, axis=axes, keepdims=True)


class _INFINITE:
    min, max = -np.inf, np.inf


def _sum(x: Any, axes: Axes) -> Any:
    return np.sum(x, axis=axes, keepdims=True, dtype=x.dtype)


_FUNCTIONS: dict[str, Callable[[Any, Axes], Any]] = {
    "ReduceL1": lambda x, axes: _sum(np.abs(x), axes),
    "ReduceL2": lambda x, axes: np.sqrt(_sum(x * x, axes)),
    "ReduceLogSum": lambda x, axes: np.log(_sum(x, axes)),
    "ReduceLogSumExp": lambda x, axes: _log_sum_exp(x, axes),
    "ReduceMax": lambda x, axes: _extreme(np.max, x, axes),
    "ReduceMean": lambda x, axes: np.mean(x, axis=axes, keepdims=True),
    "ReduceMin": lambda x, axes: _extreme(np.min, x, axes),
    "ReduceProd": lambda x, axes: np.prod(x, axis=axes, keepdims=True, dtype=x.dtype),
    "ReduceSum": _sum,
    "ReduceSumSquare": lambda x, axes: _sum(x * x, axes),
}
"""Each keeps the axes that it reduces, with size 1."""


def _log_sum_exp(x: Any, axes: Axes) -> Any:
    if any(x.shape[axis] == 0 for axis in axes):
        return np.log(_sum(np.exp(x), axes))
    return logsumexp(x, axes, keepdim=True)


@operator(*_FUNCTIONS, static=(1,), shapes=True)
def reduced(node: Node, x: Any, axes: Any = None) -> Any:
    """A reduction along some axes, all by default; their sizes become 1, or are left out."""
    found = node.get("axes") if axes is None else sizes(axes, "axes")
    if not found and node.get("noop_with_empty_axes", 0):
        return _unreduced(node.operator, x)
    places = (
        tuple(sorted({int(axis) % x.ndim for axis in found})) if found else tuple(range(x.ndim))
    )
    if x.dtype == object and node.operator not in ("ReduceProd", "ReduceSum"):
        x = lift(x)
    result = _FUNCTIONS[node.operator](x, places) if places else _unreduced(node.operator, x)
    if not node.get("keepdims", 1):
        kept = [size for axis, size in enumerate(x.shape) if axis not in places]
        result = result.reshape(tuple(kept))
    return result if x.dtype == object else result.astype(x.dtype)


def _unreduced(name: str, x: Any) -> Any:
    """The reduction of single elements: what happens to each before and after the sum."""
    grown = x.reshape((1, *x.shape))
    return _FUNCTIONS[name](grown, (0,)).reshape(x.shape).astype(x.dtype)


@operator("ArgMax", "ArgMin")
def arg_extreme(node: Node, x: Any) -> Any:
    """Where the first, or the last, of the largest or least lies along an axis."""
    axis = int(node.number("axis", 0)) % x.ndim
    function = np.argmax if node.operator == "ArgMax" else np.argmin
    if node.get("select_last_index", 0):
        found = x.shape[axis] - 1 - function(np.flip(x, axis), axis=axis)
    else:
        found = function(x, axis=axis)
    found = np.asarray(found).astype(np.int64) if not hasattr(found, "astype") else found
    found = found.astype(np.int64)
    return np.expand_dims(found, axis) if node.get("keepdims", 1) else found


@operator("CumSum", "CumProd", static=(1,))
def running(node: Node, x: Any, axis: Any) -> Any:
    """Running sums or products, from either end, with the element itself or without."""
    place = integer(axis, "axis") % x.ndim
    function = np.cumsum if node.operator == "CumSum" else np.cumprod
    if node.get("reverse", 0):
        x = np.flip(x, place)
    if node.get("exclusive", 0):
        start = np.zeros_like if node.operator == "CumSum" else np.ones_like
        first = [slice(None)] * x.ndim
        first[place] = slice(0, 1)
        rest = [slice(None)] * x.ndim
        rest[place] = slice(0, x.shape[place] - 1)
        x = np.concatenate([start(x[tuple(first)]), x[tuple(rest)]], axis=place)
    found = function(x, axis=place, dtype=x.dtype)
    return np.flip(found, place) if node.get("reverse", 0) else found


@operator("TopK", static=(1,), since=10)
def top_k(node: Node, x: Any, k: Any) -> Any:
    """The `k` largest or least along an axis, in order, and where they lie."""
    axis = int(node.number("axis", -1)) % x.ndim
    count = integer(k, "k")
    size = x.shape[axis]
    if count > size:
        raise node.refusal(f"k = {count} of an axis of size {size}")
    if node.get("largest", 1):
        # Of equal elements the first counts: the last, where the order is turned round.
        order = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
        order = np.flip(size - 1 - order, axis)
    else:
        order = np.argsort(x, axis=axis, kind="stable")
    part = [slice(None)] * x.ndim
    part[axis] = slice(0, count)
    order = order[tuple(part)].astype(np.int64)
    return np.take_along_axis(x, order, axis=axis), order
