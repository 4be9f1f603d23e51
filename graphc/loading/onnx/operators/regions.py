"""Images taken at places that data decide: deformable convolution, regions of interest."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.operators.resizing import sampled
from graphc.loading.onnx.operators.windows import windows_of
from graphc.loading.onnx.registry import Node, operator, optional
from graphc.loading.onnx.values import counted, lift


def _linear(place: Any) -> list[tuple[Any, Any]]:
    low = np.floor(place)
    return [(low, low + 1 - place), (low + 1, place - low)]


@operator("DeformConv")
def deform_conv(node: Node, x: Any, weight: Any, offset: Any, *others: Any) -> Any:
    """A convolution of two axes whose pixels are moved by offsets (Dai et al., 2017)."""
    if x.ndim != 4:
        raise node.refusal(f"an image of {x.ndim - 2} axes is not supported")
    bias, mask = optional(others, 0), optional(others, 1)
    kernel = tuple(int(size) for size in weight.shape[2:])
    windows = windows_of(node, tuple(x.shape[2:]), kernel)
    groups, parts = int(node.number("group", 1)), int(node.number("offset_group", 1))
    batch, channels = x.shape[:2]
    rows, columns = windows.counts
    points, elements = rows * columns, kernel[0] * kernel[1]
    moved = offset.reshape((batch, parts, elements, 2, points))
    share = None if mask is None else mask.reshape((batch, parts, elements, points))
    each = channels // parts
    taken = []
    for k, element in enumerate(np.ndindex(*kernel)):
        starts = [
            counted(windows.counts[axis]) * windows.stride[axis]
            + element[axis] * windows.dilation[axis]
            - windows.low[axis]
            for axis in range(2)
        ]
        grid = np.meshgrid(*starts, indexing="ij")
        found = []
        for part in range(parts):
            places = [moved[:, part, k, axis] + grid[axis].reshape(-1) for axis in range(2)]
            image = x[:, part * each : (part + 1) * each]
            values = sampled(image, places, _linear, "zeros", False)
            found.append(values if share is None else values * share[:, part, k][:, None])
        taken.append(found[0] if parts == 1 else np.concatenate(found, axis=1))
    patches = np.stack(taken, axis=2)
    inner = channels // groups
    patches = patches.reshape((batch, groups, inner * elements, points))
    out = weight.shape[0]
    matrix = weight.reshape((groups, out // groups, inner * elements))
    found = np.matmul(matrix, patches).reshape((batch, out, rows, columns))
    return found if bias is None else found + bias.reshape((1, -1, 1, 1))


@operator("RoiAlign", since=10)
def roi_align(node: Node, x: Any, rois: Any, batch_indices: Any) -> Any:
    """Regions of images at points between pixels, pooled to one size (He et al., 2017)."""
    count = int(node.number("sampling_ratio", 0))
    if count <= 0:
        raise node.refusal("sampling_ratio 0 takes as many points as data decide: not supported")
    mode = node.get("mode", "avg")
    usual = "half_pixel" if node.version >= 16 else "output_half_pixel"
    half = node.get("coordinate_transformation_mode", usual) == "half_pixel"
    shape = int(node.number("output_height", 1)), int(node.number("output_width", 1))
    scaled = rois * node.number("spatial_scale", 1.0) - (0.5 if half else 0.0)
    axes = []
    for axis in range(2):
        start, end = scaled[:, 1 - axis], scaled[:, 3 - axis]
        length = end - start if half else np.maximum(end - start, 1)
        steps = (np.arange(shape[axis] * count) + 0.5) / (shape[axis] * count)
        place = start[:, None] + lift(steps.astype(x.dtype)) * length[:, None]
        axes.append(_taps(place, x.shape[2 + axis]))
    found = None
    indices = batch_indices.astype(np.int64)[:, None, None]
    for row, row_share in axes[0]:
        for column, column_share in axes[1]:
            pixels = x[indices, :, row[:, :, None], column[:, None, :]]
            part = pixels * (row_share[:, :, None] * column_share[:, None, :])[..., None]
            if found is None:
                found = part
            else:
                found = found + part if mode == "avg" else np.maximum(found, part)
    assert found is not None
    regions, channels = rois.shape[0], x.shape[1]
    blocks = found.reshape((regions, shape[0], count, shape[1], count, channels))
    pooled = blocks.mean(axis=(2, 4)) if mode == "avg" else blocks.max(axis=(2, 4))
    return np.moveaxis(pooled, 3, 1)


def _taps(place: Any, size: Any) -> list[tuple[Any, Any]]:
    """The two pixels around each place and their shares; none beyond one pixel outside."""
    inside = (place >= -1) & (place <= size)
    place = np.clip(place, 0, size - 1)
    low = np.floor(place)
    high = np.minimum(low + 1, size - 1)
    above = np.where(inside, place - low, 0)
    below = np.where(inside, 1 - (place - low), 0)
    return [(low.astype(np.int64), below), (high.astype(np.int64), above)]
