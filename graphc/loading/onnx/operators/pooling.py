"""Pooling: the largest, the mean, or a norm of each window; and back again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.loading.onnx.operators.windows import Windows, _each, kernel_of, windows_of
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import counted, full, lift, product, sizes

Indexed = tuple[Any, Any]


def _least(dtype: np.dtype) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


@operator("MaxPool")
def max_pool(node: Node, x: Any) -> Any:
    """The largest of each window, and where it lies if the model asks."""
    windows = windows_of(node, tuple(x.shape[2:]), kernel_of(node, x.ndim - 2))
    padded = windows.padded(x, _least(x.dtype))
    if node.gives(1):
        return _with_places(node, x, padded, windows)
    return windows.combine(padded, _larger if x.dtype.kind == "f" else np.maximum)


def _larger(best: Any, other: Any) -> Any:
    return np.where((other > best) | np.isnan(other), other, best)


def _with_places(node: Node, x: Any, padded: Any, windows: Windows) -> Indexed:
    """The largest of each window, and its place among the elements of `x`."""
    image = tuple(int(size) for size in x.shape[2:])
    places = np.arange(product(image)).reshape(image)
    if node.get("storage_order", 0):
        places = np.arange(product(image)).reshape(image[::-1]).T
    places = lift(windows.padded(places, 0))
    best: Any = None
    where: Any = None
    for element in np.ndindex(*windows.kernel):
        part = tuple(windows.part(axis, k) for axis, k in enumerate(element))
        value = padded[(slice(None), slice(None), *part)]
        place = np.broadcast_to(places[part], value.shape)
        if best is None:
            best, where = value, place
            continue
        better = value > best
        best, where = np.where(better, value, best), np.where(better, place, where)
    lead = counted(x.shape[0] * x.shape[1]).reshape((*x.shape[:2], *(1,) * len(image)))
    return best, (where + lead * product(image)).astype(np.int64)


@operator("AveragePool")
def average_pool(node: Node, x: Any) -> Any:
    """The mean of each window; the padding counts if the model says so."""
    windows = windows_of(node, tuple(x.shape[2:]), kernel_of(node, x.ndim - 2))
    total = windows.combine(windows.padded(x, 0), np.add)
    if all(w == 0 for w in (*windows.low, *windows.high, *windows.beyond)):
        return total / product(windows.kernel)
    counts = 1 if node.get("count_include_pad", 0) else 0
    ones = windows.padded(full((1, 1, *x.shape[2:]), 1, x.dtype), counts, past=0)
    return total / windows.combine(ones, np.add)


@operator("LpPool")
def lp_pool(node: Node, x: Any) -> Any:
    """The p-norm of each window."""
    windows = windows_of(node, tuple(x.shape[2:]), kernel_of(node, x.ndim - 2))
    p = node.number("p", 2)
    powers = np.abs(x) ** p
    return (windows.combine(windows.padded(powers, 0), np.add) ** (1 / p)).astype(x.dtype)


@operator("GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool")
def global_pool(node: Node, x: Any) -> Any:
    """One window: the whole image."""
    axes = tuple(range(2, x.ndim))
    if node.operator == "GlobalLpPool":
        p = node.number("p", 2)
        found = np.sum(np.abs(x) ** p, axis=axes, keepdims=True) ** (1 / p)
        return found.astype(x.dtype)
    function: Callable[..., Any] = np.max if node.operator == "GlobalMaxPool" else np.mean
    return function(x, axis=axes, keepdims=True)


@operator("MaxUnpool", static=(2,))
def max_unpool(node: Node, x: Any, indices: Any, shape: Any = None) -> Any:
    """Elements put back where `MaxPool` took them; zeros elsewhere."""
    kernel = kernel_of(node, x.ndim - 2)
    axes = len(kernel)
    stride = _each(node, "strides", axes, 1)
    pads = _each(node, "pads", 2 * axes, 0, least=0)
    natural = [
        (x.shape[2 + k] - 1) * stride[k] + kernel[k] - pads[k] - pads[axes + k] for k in range(axes)
    ]
    # The indices count in the natural shape; a larger one has zeros behind it.
    wanted = tuple(x.shape[:2]) + tuple(natural)
    flat = np.broadcast_to(lift(np.zeros((1,), x.dtype)), (product(wanted),)).copy()
    given = sizes(shape, "the output shape") if shape is not None else wanted
    flat[indices.reshape(-1)] = x.reshape(-1)
    found = flat.reshape(wanted)
    if given == wanted:
        return found
    return np.pad(found, [(0, int(b - a)) for a, b in zip(wanted, given, strict=True)])
