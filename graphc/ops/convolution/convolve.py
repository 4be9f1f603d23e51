"""Convolution, its derivative by the weights, and by the input: again convolutions.

Images are (batch, groups, channels, height, width), weights (groups, out, channels, rows, columns),
results (groups, out, batch, height, width): of each group all rows of the results are those of one
matrix product, ``weights @ patches``. The kernel of size 1 and stride 1 along an axis stands for
images without it. As in networks, the kernel is not flipped (a cross-correlation).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Mapped, Node, Op, Value, make
from graphc.loops import Template
from graphc.ops.arrays.shape import reshape, transpose, zeros
from graphc.ops.arrays.slicing import embed, flip, slice_
from graphc.ops.batching import spread_all
from graphc.ops.elementwise.pointwise import add
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type, floordiv

Types = tuple[Type, ...]

Pair = tuple[Any, Any]


def output_size(size: Size, kernel: int, stride: int, low: Size, high: Size, dilation: int) -> Size:
    """Places of a window along an axis of `size`, with `low` and `high` zeros around it."""
    room = size + low + high - dilation * (kernel - 1) - 1
    return floordiv(room, stride) + 1


def _images(name: str, type_: Type) -> TensorType:
    if not isinstance(type_, TensorType) or type_.ndim != 5:
        raise ShapeError(f"{name}: {type_} has not five axes")
    if type_.dtype.kind != "f":
        raise DTypeError(f"{name} takes floats, not {type_.dtype.name}")
    return type_


def _places(name: str, x: TensorType, kernel: Pair, attrs: dict[str, Any]) -> Pair:
    low, high = attrs["low"], attrs["high"]
    found = []
    for axis in range(2):
        size = output_size(
            x.shape[3 + axis],
            kernel[axis],
            attrs["stride"][axis],
            low[axis],
            high[axis],
            attrs["dilation"][axis],
        )
        if isinstance(size, int) and size < 1:
            raise ShapeError(f"{name}: the kernel is larger than the padded image, {x}")
        found.append(size)
    return found[0], found[1]


def _infer_convolve(types: Types, attrs: dict[str, Any], regions: tuple[Graph, ...]) -> Types:
    x, w = (_images("convolve", type_) for type_ in types)
    if x.dtype != w.dtype:
        raise DTypeError(f"convolve does not take dtypes ({x.dtype.name}, {w.dtype.name})")
    if x.shape[1] != w.shape[0] or x.shape[2] != w.shape[2]:
        raise ShapeError(f"convolve: {x} and {w} do not fit in groups and channels")
    height, width = _places("convolve", x, (w.shape[3], w.shape[4]), attrs)
    return (x.with_shape((w.shape[0], w.shape[1], x.shape[0], height, width)),)


def _infer_weights(types: Types, attrs: dict[str, Any], regions: tuple[Graph, ...]) -> Types:
    x, g = (_images("convolve_weights", type_) for type_ in types)
    if x.dtype != g.dtype:
        raise DTypeError(f"convolve_weights does not take dtypes ({x.dtype.name}, {g.dtype.name})")
    places = _places("convolve_weights", x, attrs["kernel"], attrs)
    if x.shape[1] != g.shape[0] or x.shape[0] != g.shape[2] or g.shape[3:] != places:
        raise ShapeError(f"convolve_weights: {x} and {g} do not fit")
    return (x.with_shape((g.shape[0], g.shape[1], x.shape[2], *attrs["kernel"])),)


def _patches(x: np.ndarray, node: Node, kernel: Pair) -> np.ndarray:
    """All windows: (batch, groups, channels, height, width, rows, columns), a view."""
    for axis in range(2):
        low, high = node["low"][axis], node["high"][axis]
        widths = [(0, 0)] * 5
        widths[3 + axis] = (max(low, 0), max(high, 0))
        x = np.pad(x, widths)
        stop = x.shape[3 + axis] - max(-high, 0)
        x = x[(slice(None),) * (3 + axis) + (slice(max(-low, 0), stop),)]
    spans = tuple(d * (k - 1) + 1 for k, d in zip(kernel, node["dilation"], strict=True))
    windows = np.lib.stride_tricks.sliding_window_view(x, spans, axis=(3, 4))
    (s, t), (d, e) = node["stride"], node["dilation"]
    return windows[:, :, :, ::s, ::t, ::d, ::e]


def _evaluate_convolve(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    x, w = arrays
    patches = _patches(x, node, w.shape[3:])
    return (np.einsum("ngchwij,gocij->gonhw", patches, w, optimize=True),)


def _evaluate_weights(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    x, g = arrays
    patches = _patches(x, node, node["kernel"])
    return (np.einsum("ngchwij,gonhw->gocij", patches, g, optimize=True),)


def _convolve_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    x, w = node.inputs
    attrs = dict(node.attrs)
    by_weights = {**attrs, "kernel": w.shape[3:]}
    return input_gradient(g, w, x.shape, attrs), make(WEIGHTS, (x, g), by_weights).out()


def _weights_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (h,) = cotangents
    assert h is not None
    x, g = node.inputs
    attrs = {name: value for name, value in node.attrs if name != "kernel"}
    return input_gradient(g, h, x.shape, attrs), make(CONVOLVE, (x, h), attrs).out()


def input_gradient(g: Value, w: Value, shape: Sequence[Size], attrs: dict[str, Any]) -> Value:
    """The derivative of a convolution of images of `shape` by them, times `g`.

    With a stride, the images fall into phases, the pixels a stride apart: each is a convolution of
    stride 1 of `g`, by those elements of the kernel that meet it; no inserted zero is multiplied.
    """
    stride, dilation, low = attrs["stride"], attrs["dilation"], attrs["low"]
    total: Value | None = None
    for row in range(stride[0]):
        for column in range(stride[1]):
            found = [
                _phase(r, stride[a], dilation[a], low[a], w.shape[3 + a], shape[3 + a])
                for a, r in enumerate((row, column))
            ]
            if None in found:
                continue
            part = _phase_of(g, w, [phase for phase in found if phase is not None], shape)
            total = part if total is None else add(total, part)
    return zeros(TensorType(g.dtype, tuple(shape))) if total is None else total


def _phase(
    residue: int, stride: int, dilation: int, low: int, kernel: int, size: Size
) -> tuple[Any, ...] | None:
    """One phase along an axis: which elements of the kernel meet it, and where it lies.

    The pixel h is in it if ``h + low = residue`` modulo the stride; the kernel's element k meets it
    if ``k * dilation`` is, too: ``first + j * step`` for all j.
    """
    step = stride // math.gcd(stride, dilation)
    meets = (k for k in range(min(step, kernel)) if (k * dilation - residue) % stride == 0)
    first = next(meets, None)
    if first is None:
        return None
    count = -(-(kernel - first) // step)
    apart = step * dilation // stride
    begin = -((residue - low) // stride)
    pixel = stride * begin + residue - low
    pixels = floordiv(size - pixel + (stride - 1), stride)
    if isinstance(pixels, int) and pixels < 1:
        return None
    shift = begin + (residue - first * dilation) // stride
    return first, step, count, apart, pixel, stride, pixels, (count - 1) * apart - shift


def _phase_of(
    g: Value, w: Value, phases: Sequence[tuple[Any, ...]], shape: Sequence[Size]
) -> Value:
    first, step, count, apart, pixel, stride, pixels, low = zip(*phases, strict=True)
    groups, out, channels = w.shape[:3]
    part = slice_(w, (0, 0, 0, *first), (groups, out, channels, *count), (1, 1, 1, *step))
    turned = transpose(flip(part, (3, 4)), (0, 2, 1, 3, 4))
    images = transpose(g, (2, 0, 1, 3, 4))
    high = tuple(
        pixels[a] - 1 - g.shape[3 + a] - low[a] + apart[a] * (count[a] - 1) + 1 for a in range(2)
    )
    made = convolve(images, turned, (1, 1), low, high, apart)
    placed = transpose(made, (2, 0, 1, 3, 4))
    return embed(placed, tuple(shape), (0, 0, 0, *pixel), (1, 1, 1, *stride))


def _in_groups(value: Value, axis: int) -> Value:
    """Examples, the first axis, joined with the groups, which are at `axis` behind it."""
    order = (*range(1, axis + 1), 0, *range(axis + 1, value.ndim))
    moved = transpose(value, order)
    shape = moved.shape
    joined = shape[axis] * shape[axis + 1]
    return reshape(moved, (*shape[:axis], joined, *shape[axis + 2 :]))


def _apart(value: Value, size: Size) -> Value:
    """A result whose first axis is examples and groups, with the examples as an axis."""
    return reshape(value, (size, floordiv(value.shape[0], size), *value.shape[1:]))


def _convolve_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """Examples of images with the same weights are a larger batch; else they are more groups."""
    (x, _), (w, w_mapped) = operands
    if not w_mapped:
        batch = x.shape[1]
        found = make(node.op, (reshape(x, (size * batch, *x.shape[2:])), w), dict(node.attrs)).out()
        shape = (*found.shape[:2], size, batch, *found.shape[3:])
        return ((transpose(reshape(found, shape), (2, 0, 1, 3, 4, 5)), True),)
    x, w = spread_all(operands, size)
    found = make(node.op, (_in_groups(x, 1), _in_groups(w, 0)), dict(node.attrs)).out()
    return ((_apart(found, size), True),)


def _weights_batch(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    x, g = spread_all(operands, size)
    found = make(node.op, (_in_groups(x, 1), _in_groups(g, 0)), dict(node.attrs)).out()
    return ((_apart(found, size), True),)


_WINDOWS = {"stride": "ints", "low": "sizes", "high": "sizes", "dilation": "ints"}

CONVOLVE = register(
    Op(
        "convolve",
        _infer_convolve,
        _evaluate_convolve,
        _convolve_vjp,
        Template("convolve"),
        attributes=_WINDOWS,
        batch=_convolve_batch,
    )
)
WEIGHTS = register(
    Op(
        "convolve_weights",
        _infer_weights,
        _evaluate_weights,
        _weights_vjp,
        Template("convolve_weights"),
        attributes={**_WINDOWS, "kernel": "ints"},
        batch=_weights_batch,
    )
)


def convolve(
    x: Value,
    w: Value,
    stride: Pair = (1, 1),
    low: Pair = (0, 0),
    high: Pair = (0, 0),
    dilation: Pair = (1, 1),
) -> Value:
    """``y[g, o, n, h, w] = sum of x[n, g, c, h s + i d - low, ...] * w[g, o, c, i, j]``.

    Args:
        x: (batch, groups, channels, height, width).
        w: (groups, out, channels, rows, columns).
        low, high: zeros before and after the images; negative ones leave pixels out.

    Raises:
        ShapeError: the groups or channels differ, or the kernel is larger than the padded images.
        DTypeError: the dtypes differ, or are not floating.
    """
    if any(isinstance(size, int) and size == 0 for size in (*x.shape[:3], w.shape[1])):
        attrs = {"stride": stride, "low": low, "high": high, "dilation": dilation}
        (type_,) = _infer_convolve((x.type, w.type), attrs, ())
        assert isinstance(type_, TensorType)
        return zeros(type_)
    attrs = {"stride": tuple(stride), "low": tuple(low), "high": tuple(high)}
    return make(CONVOLVE, (x, w), {**attrs, "dilation": tuple(dilation)}).out()
