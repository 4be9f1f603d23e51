"""Images resized along each axis, and sampled at points."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product as combinations
from typing import Any

import numpy as np

from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import lift, product, sizes, static

Taps = tuple[np.ndarray, np.ndarray]
"""For each pixel of the result: pixels of the image, and their weights; (taps, pixels) both."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one axis is resized; names are those of ``Resize``'s attributes."""

    node: Node
    size: int
    result: int
    scale: float
    roi: tuple[float, float]

    def places(self) -> np.ndarray:
        """Where in the image each pixel of the result lies."""
        mode = self.node.get("coordinate_transformation_mode", "half_pixel")
        y = np.arange(self.result, dtype=np.float64)
        whole = self.scale * self.size
        if mode == "align_corners":
            return y * 0 if whole == 1 else y * (self.size - 1) / (whole - 1)
        if mode == "asymmetric":
            return y / self.scale
        if mode == "tf_crop_and_resize":
            start, end = self.roi
            span = (end - start) * (self.size - 1)
            found = np.full_like(y, span / 2) if whole == 1 else y * span / (whole - 1)
            return found + start * (self.size - 1)
        if mode == "pytorch_half_pixel" and whole == 1:
            return np.full_like(y, -0.5)
        if mode in ("half_pixel", "pytorch_half_pixel"):
            return (y + 0.5) / self.scale - 0.5
        if mode == "half_pixel_symmetric":
            offset = self.size / 2 * (1 - self.result / whole)
            return offset + (y + 0.5) / self.scale - 0.5
        raise self.node.refusal(f"coordinate_transformation_mode {mode!r} is not supported")

    def taps(self) -> Taps:
        """What each pixel of the result is made of; pixels outside are those at the edge."""
        places = self.places()
        # The pixel to the left of a place, and how far beyond it the place is: in (0, 1].
        left = np.ceil(places).astype(np.int64) - 1
        weights = self._weights(places - left)
        count = len(weights)
        index = left + np.arange(count)[:, None] - (count // 2 - 1)
        if self.node.get("exclude_outside", 0):
            weights = np.where((index < 0) | (index >= self.size), 0, weights)
            weights = weights / weights.sum(axis=0)
        return np.clip(index, 0, self.size - 1), weights

    def _weights(self, ratio: np.ndarray) -> np.ndarray:
        mode = self.node.get("mode", "nearest")
        if mode == "nearest":
            return _nearest(ratio, self.node.get("nearest_mode", "round_prefer_floor"), self.node)
        if mode not in ("linear", "cubic"):
            raise self.node.refusal(f"mode {mode!r} is not supported")
        shape: Callable[[np.ndarray], np.ndarray] = _triangle
        reach = 1
        if mode == "cubic":
            a = self.node.number("cubic_coeff_a", -0.75)
            shape, reach = (lambda x: _cubic(x, a)), 2
        # Where the image shrinks, an antialiased kernel is as wide as it shrinks.
        scale = min(self.scale, 1.0) if self.node.get("antialias", 0) else 1.0
        first = int(np.floor(-reach / scale)) + 1
        offsets = np.arange(first, 2 - first)
        found = shape(np.abs((offsets[:, None] - ratio) * scale))
        return found / found.sum(axis=0) if scale != 1.0 else found


def _nearest(ratio: np.ndarray, mode: str, node: Node) -> np.ndarray:
    rules = {
        "round_prefer_floor": ratio > 0.5,
        "round_prefer_ceil": ratio >= 0.5,
        "floor": ratio >= 1,
        "ceil": ratio > 0,
    }
    if mode not in rules:
        raise node.refusal(f"nearest_mode {mode!r} is not supported")
    right = rules[mode]
    return np.array([~right, right], np.float64)


def _triangle(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.maximum(1 - x, 0)
    return found


def _cubic(x: np.ndarray, a: float) -> np.ndarray:
    """Keys, 1981."""
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return np.where(x <= 1, near, np.where(x < 2, far, 0))


@operator("Resize", static=(1, 2, 3), since=10)
def resize(node: Node, x: Any, roi: Any = None, scales: Any = None, target: Any = None) -> Any:
    """An image of other sizes, by scales or by the sizes."""
    if node.version < 11:
        node, roi, scales = _earlier(node), None, roi
    axes = tuple(axis % x.ndim for axis in node.get("axes") or range(x.ndim))
    shape = [x.shape[axis] for axis in axes]
    given = scales is not None and scales.size
    wanted = static(scales, "scales").reshape(-1).tolist() if given else sizes(target, "sizes")
    crops = node.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    if not crops and node.get("keep_aspect_ratio_policy", "stretch") == "stretch":
        # What keeps its size, as a batch does, may be symbolic.
        ones = [float(w) == 1 if given else w == n for w, n in zip(wanted, shape, strict=True)]
    else:
        ones = [False] * len(axes)
    changed = [k for k, stays in enumerate(ones) if not stays]
    old = [int(shape[k]) for k in changed]
    factors, results = _factors(node, old, [wanted[k] for k in changed], given)
    region = static(roi, "roi").astype(np.float64) if crops else None
    found = {}
    for k, size, scale, result in zip(changed, old, factors, results, strict=True):
        part = (0.0, 1.0) if region is None else (region[k], region[len(axes) + k])
        found[axes[k]] = Sampling(node, size, result, scale, part)
    return _resampled(node, x, found)


@operator("Upsample", static=(1,), since=7)
def upsample(node: Node, x: Any, scales: Any = None) -> Any:
    """`Resize` as it was called before opset 10."""
    factors = node.get("scales") if scales is None else static(scales, "scales").tolist()
    inner = _earlier(node)
    found = {
        axis: Sampling(inner, int(size), int(np.floor(int(size) * scale)), scale, (0.0, 1.0))
        for axis, (size, scale) in enumerate(zip(x.shape, factors, strict=True))
        if scale != 1
    }
    return _resampled(inner, x, found)


def _earlier(node: Node) -> Node:
    """A node of before opset 11: there was one way to map coordinates, and no choice."""
    mode = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return replace(node, attributes={**node.attributes, **mode})


def _factors(
    node: Node, shape: list[int], wanted: list[Any], scales: bool
) -> tuple[list[float], list[int]]:
    """The scale and the resulting size of each axis."""
    if scales:
        factors = [float(scale) for scale in wanted]
        return factors, [int(np.floor(n * s)) for n, s in zip(shape, factors, strict=True)]
    results = [int(size) for size in wanted]
    factors = [w / n for w, n in zip(results, shape, strict=True)]
    policy = node.get("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch":
        return factors, results
    one = min(factors) if policy == "not_larger" else max(factors)
    # Halves round up, as in ONNX Runtime.
    return [one] * len(shape), [int(np.floor(one * n + 0.5)) for n in shape]


def _resampled(node: Node, x: Any, samplings: dict[int, Sampling]) -> Any:
    dtype = x.dtype
    outside: Any = None
    crops = node.get("coordinate_transformation_mode") == "tf_crop_and_resize"
    for axis, sampling in samplings.items():
        places = sampling.places()
        if crops:
            beyond = (places < 0) | (places > sampling.size - 1)
            beyond = beyond.reshape([-1 if k == axis else 1 for k in range(x.ndim)])
            outside = beyond if outside is None else outside | beyond
        if sampling.result == sampling.size and np.array_equal(places, np.arange(sampling.size)):
            continue
        index, weights = sampling.taps()
        if node.get("mode", "nearest") == "nearest":
            x = np.take(x, index[weights.argmax(axis=0), np.arange(sampling.result)], axis=axis)
            continue
        x = x if x.dtype.kind == "f" else x.astype(np.float64)
        along = [-1 if k == axis else 1 for k in range(x.ndim)]
        total: Any = None
        for taken, weight in zip(index, weights, strict=True):
            if weight.any():
                part = np.take(x, taken, axis=axis) * lift(weight.astype(x.dtype).reshape(along))
                total = part if total is None else total + part
        x = total
    if outside is not None and outside.any():
        x = np.where(outside, x.dtype.type(node.number("extrapolation_value", 0.0)), x)
    return x.astype(dtype)


# --- points of an image ---------------------------------------------------------------------------


@operator("GridSample")
def grid_sample(node: Node, x: Any, grid: Any) -> Any:
    """The image at points, between -1 and 1 along each axis, the last axis first."""
    mode = node.get("mode", "linear").removeprefix("bi").replace("cubic", "cubic")
    padding = node.get("padding_mode", "zeros")
    corners = bool(node.get("align_corners", 0))
    image = tuple(x.shape[2:])
    points = grid.shape[1:-1]
    flat = grid.reshape((grid.shape[0], product(points), len(image)))
    places = []
    for axis, size in enumerate(image):
        g = flat[..., len(image) - 1 - axis]
        place = (g + 1) / 2 * (size - 1) if corners else ((g + 1) * size - 1) / 2
        if padding == "border" and mode != "cubic":
            place = np.clip(place, 0, size - 1)
        elif padding == "reflection" and mode != "cubic":
            place = _reflected(place, size, corners)
        places.append(place)
    found = sampled(x, places, _taps(node, mode), padding, corners)
    return found.reshape((*x.shape[:2], *points))


def _reflected(place: Any, size: Any, corners: bool) -> Any:
    """Turned back at the edges as often as it takes."""
    low, high = (0.0, size - 1.0) if corners else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return place * 0
    folded = np.mod(np.abs(place - low), 2 * span)
    return np.where(folded > span, 2 * span - folded, folded) + low


def _taps(node: Node, mode: str) -> Callable[[Any], list[tuple[Any, Any]]]:
    """For places along an axis: the pixels that count, and their weights."""
    if mode == "nearest":
        return lambda place: [(np.rint(place), 1.0)]
    if mode == "linear":

        def linear(place: Any) -> list[tuple[Any, Any]]:
            low = np.floor(place)
            return [(low, low + 1 - place), (low + 1, place - low)]

        return linear
    if mode != "cubic":
        raise node.refusal(f"mode {mode!r} is not supported")

    def cubic(place: Any) -> list[tuple[Any, Any]]:
        low = np.floor(place)
        return [(low + k, _cubic_weight(np.abs(place - low - k), k)) for k in (-1, 0, 1, 2)]

    return cubic


def _cubic_weight(x: Any, k: int) -> Any:
    a = -0.75
    if k in (0, 1):
        return ((a + 2) * x - (a + 3)) * x * x + 1
    return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a


def sampled(x: Any, places: list[Any], taps: Any, padding: str, corners: bool) -> Any:
    """(batch, channels, points): the image at places (batch, points) along each of its axes."""
    image = tuple(x.shape[2:])
    flat = x.reshape((*x.shape[:2], product(image)))
    total: Any = 0
    for chosen in combinations(*(taps(place) for place in places)):
        index: Any = 0
        weight: Any = 1.0
        for (pixel, share), size in zip(chosen, image, strict=True):
            if padding == "reflection":
                pixel = np.rint(_reflected(pixel, size, corners))
            inside = (pixel >= 0) & (pixel <= size - 1)
            pixel = np.clip(pixel, 0, size - 1).astype(np.int64)
            index = index * size + pixel
            share = np.where(inside, share, 0) if padding == "zeros" else share
            weight = weight * share
        index = np.broadcast_to(index[:, None], (*x.shape[:2], index.shape[1]))
        taken = np.take_along_axis(flat, index, axis=2)
        weight = weight if isinstance(weight, float) else weight[:, None].astype(x.dtype)
        total = total + taken * weight
    return total


@operator("AffineGrid", static=(1,))
def affine_grid(node: Node, theta: Any, size: Any) -> Any:
    """The points at which `GridSample` takes an image that an affine map moves."""
    shape = sizes(size, "size")
    image = shape[2:]
    corners = bool(node.get("align_corners", 0))
    rank = len(image)
    columns = []
    for axis in reversed(range(rank)):
        n = int(image[axis])
        along = np.linspace(-1, 1, n) if corners else (2 * np.arange(n) + 1) / n - 1
        along = along.reshape([-1 if k == axis else 1 for k in range(rank)])
        columns.append(np.broadcast_to(along, image))
    base = np.stack([*columns, np.ones(image)], axis=-1).reshape((-1, rank + 1))
    found = lift(base.astype(theta.dtype)) @ np.swapaxes(theta, 1, 2)
    return found.reshape((theta.shape[0], *image, rank))
