"""Elements taken from places, and written to places."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.loading.onnx.operators.elementwise import converted
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import counted, integer, is_static, lift, product, static


@operator("Gather", shapes=True)
def gather(node: Node, x: Any, indices: Any) -> Any:
    """Slices along an axis; indices count from the end where they are negative."""
    axis = int(node.number("axis", 0))
    if is_static(x) and is_static(indices) and indices.dtype == object:
        x, indices = lift(x), lift(indices)
    return np.take(x, indices, axis=axis)


@operator("GatherElements")
def gather_elements(node: Node, x: Any, indices: Any) -> Any:
    """One element along an axis for each index."""
    axis = int(node.number("axis", 0)) % x.ndim
    if all(x.shape[k] == indices.shape[k] for k in range(x.ndim) if k != axis):
        return np.take_along_axis(x, indices, axis=axis)
    return x[tuple(_places(indices, axis, x.shape[axis]))]


def _places(indices: Any, axis: int, size: Any) -> list[Any]:
    """For each axis of an array, where along it each of `indices` points."""
    rank = indices.ndim
    found: list[Any] = []
    for k in range(rank):
        if k == axis:
            found.append(np.where(indices < 0, indices + size, indices))
        else:
            along = counted(indices.shape[k]).reshape([-1 if j == k else 1 for j in range(rank)])
            found.append(np.broadcast_to(lift(along), indices.shape))
    return found


@operator("GatherND")
def gather_nd(node: Node, x: Any, indices: Any) -> Any:
    """What rows of indices point to."""
    batch = int(node.number("batch_dims", 0))
    depth = int(indices.shape[-1])
    index: list[Any] = []
    rank = indices.ndim - 1
    for k in range(batch):
        shape = [1] * rank
        shape[k] = x.shape[k]
        index.append(counted(x.shape[k]).reshape(shape))
    index += [indices[..., k] for k in range(depth)]
    return x[tuple(index)]


@operator("ScatterElements", "Scatter")
def scatter_elements(node: Node, x: Any, indices: Any, updates: Any) -> Any:
    """One element along an axis written for each index."""
    axis = int(node.number("axis", 0)) % x.ndim
    places = tuple(_places(indices, axis, x.shape[axis]))
    return _written(node, x, places, updates)


@operator("ScatterND")
def scatter_nd(node: Node, x: Any, indices: Any, updates: Any) -> Any:
    """Slices written where rows of indices point."""
    places = tuple(indices[..., k] for k in range(int(indices.shape[-1])))
    return _written(node, x, places, updates)


def _written(node: Node, x: Any, places: tuple[Any, ...], updates: Any) -> Any:
    """A copy of `x` with `updates` at `places`, joined with what is there as the node says."""
    reduction = node.get("reduction", "none")
    joins = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}
    copied = lift(x).copy()
    if reduction == "none":
        copied[places] = updates
    elif reduction in joins:
        joins[reduction].at(copied, places, updates)
    else:
        raise node.refusal(f"reduction {reduction!r} is not supported")
    return copied


@operator("OneHot", static=(1,))
def one_hot(node: Node, indices: Any, depth: Any, values: Any) -> Any:
    """One value at each index, another elsewhere; all the other where it lies outside."""
    axis = int(node.number("axis", -1))
    count = integer(depth, "depth")
    rank = indices.ndim + 1
    axis = axis % rank
    along = counted(count).reshape([-1 if k == axis else 1 for k in range(rank)])
    places = np.expand_dims(converted(indices, np.dtype(np.int64)), axis)
    places = np.where(places < 0, places + count, places)
    return np.where(places == along, values[1], values[0])


@operator("Compress", static=(1,))
def compress(node: Node, x: Any, condition: Any) -> Any:
    """Slices that a condition, known while tracing, picks."""
    axis = node.get("axis")
    if axis is None:
        x, axis = x.reshape(-1), 0
    places = np.flatnonzero(static(condition, "the condition"))
    return np.take(x, places, axis=axis)


@operator("NonZero")
def non_zero(node: Node, x: Any) -> Any:
    """Of what is known while tracing alone: else the shape depends on data."""
    if is_static(x):
        return np.array(np.nonzero(np.atleast_1d(x)), np.int64)
    raise node.refusal("the shape of the result depends on data, which is not supported")


@operator("ReverseSequence")
def reverse_sequence(node: Node, x: Any, lengths: Any) -> Any:
    """The first elements of each sequence turned round, as many as its length says."""
    time, batch = int(node.number("time_axis", 0)), int(node.number("batch_axis", 1))
    if (time, batch) not in ((0, 1), (1, 0)):
        raise node.refusal(f"time_axis {time} and batch_axis {batch}: wanted 0 and 1, or 1 and 0")
    x = x if time == 0 else x.swapaxes(0, 1)
    found = reversed_steps(x, lengths)
    return found if time == 0 else found.swapaxes(0, 1)


def reversed_steps(x: Any, lengths: Any) -> Any:
    """(steps, batch, ...) with the first steps of each sequence in reverse."""
    steps = counted(x.shape[0])[:, None]
    places = np.where(steps < lengths, lengths - 1 - steps, steps)
    places = places.reshape(places.shape + (1,) * (x.ndim - 2))
    return np.take_along_axis(x, np.broadcast_to(places, x.shape), axis=0)


@operator("TensorScatter")
def tensor_scatter(node: Node, past: Any, update: Any, starts: Any = None) -> Any:
    """Rows of a cache written from a place on; round its end, if told so."""
    axis = int(node.number("axis", -2)) % past.ndim
    mode = node.get("mode", "linear")
    count, size = update.shape[axis], past.shape[axis]
    first = 0 if starts is None else starts.reshape((-1,) + (1,) * (past.ndim - 1))
    along = counted(count).reshape([-1 if k == axis else 1 for k in range(past.ndim)])
    places = lift(along) + first
    if mode == "circular":
        places = places % size
    elif mode != "linear":
        raise node.refusal(f"mode {mode!r} is not supported")
    index = []
    for k in range(past.ndim):
        own = counted(update.shape[k]).reshape([-1 if j == k else 1 for j in range(past.ndim)])
        index.append(places if k == axis else own)
    copied = lift(past).copy()
    copied[tuple(index)] = update
    return copied


@operator("Col2Im", static=(1, 2))
def col2im(node: Node, x: Any, image: Any, block: Any) -> Any:
    """Patches added up where they overlap: an image."""
    size = tuple(int(s) for s in static(image, "the image's shape"))
    kernel = tuple(int(s) for s in static(block, "the block's shape"))
    axes = len(size)
    steps = node.get("strides") or (1,) * axes
    apart = node.get("dilations") or (1,) * axes
    pads = node.get("pads") or (0,) * (2 * axes)
    padded = tuple(size[k] + pads[k] + pads[axes + k] for k in range(axes))
    counts = tuple(
        (padded[k] - apart[k] * (kernel[k] - 1) - 1) // steps[k] + 1 for k in range(axes)
    )
    batch, channels = x.shape[0], x.shape[1] // product(kernel)
    parts = x.reshape((batch, channels, *kernel, *counts))
    image_ = lift(np.zeros((1,), x.dtype)).reshape((1,) * (axes + 2))
    image_ = np.broadcast_to(image_, (batch, channels, *padded)).copy()
    for place in np.ndindex(*kernel):
        part = tuple(
            slice(i * d, i * d + (n - 1) * s + 1, s)
            for i, d, s, n in zip(place, apart, steps, counts, strict=True)
        )
        image_[(slice(None), slice(None), *part)] += parts[(slice(None), slice(None), *place)]
    inner = tuple(slice(pads[k], pads[k] + size[k]) for k in range(axes))
    return image_[(slice(None), slice(None), *inner)]
