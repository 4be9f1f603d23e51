"""Products, powers and parts of matrices under the names of `numpy.linalg`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import LinAlgError, ShapeError
from graphc.functions.common import array_or_scalar, as_array
from graphc.functions.linear_algebra import inv, need_square, solve
from graphc.functions.products import product_of
from graphc.functions.shaping import diagonal as plain_diagonal
from graphc.ir import Value
from graphc.ops.matrices.triangle import identity
from graphc.trace.context import active
from graphc.trace.convert import broadcast_shapes, normalized_axis, same_size
from graphc.trace.dispatch import implements
from graphc.trace.values import TracedArray, fresh_array
from graphc.types import product, supported_dtype


@implements(np.linalg.matmul)
def matmul(x1: Any, x2: Any, /) -> Any:
    """`numpy.linalg.matmul`."""
    return np.matmul(x1, x2)


@implements(np.linalg.matrix_power)
def matrix_power(a: Any, n: Any) -> Any:
    """`numpy.linalg.matrix_power`, by the squarings that NumPy does."""
    x = need_square(as_array(a).value)
    try:
        count = n.__index__()
    except AttributeError:
        raise TypeError("exponent must be an integer") from None
    if count == 0:
        return fresh_array(identity(x.shape[:-2], x.shape[-1], x.dtype))
    if count < 0:
        x, count = inv(a).value, -count
    if count == 3:
        return fresh_array(product_of(product_of(x, x), x))
    square: Value = x
    result: Value | None = None
    while True:
        count, odd = divmod(count, 2)
        if odd:
            result = square if result is None else product_of(result, square)
        if not count:
            assert result is not None
            return fresh_array(result)
        square = product_of(square, square)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Any, *, out: Any = None) -> Any:
    """`numpy.linalg.multi_dot`: the order of products that needs the fewest multiplications."""
    given = [as_array(x) for x in arrays]
    if len(given) < 2:
        raise ValueError("Expecting at least two arrays.")
    if len(given) == 2:
        return np.dot(given[0], given[1], out=out)
    ends = given[0].ndim, given[-1].ndim
    values = [x.value for x in given]
    if ends[0] == 1:
        values[0] = ops.reshape(values[0], (1, *values[0].shape))
    if ends[1] == 1:
        values[-1] = ops.reshape(values[-1], (*values[-1].shape, 1))
    for x in values:
        if x.ndim != 2:
            raise LinAlgError(f"{x.ndim}-dimensional array given. Array must be two-dimensional")
    dtype = supported_dtype(np.result_type(*(x.dtype for x in values)))
    values = [ops.cast(x, dtype) for x in values]
    result = _multiplied(values, _cheapest(values), 0, len(values) - 1)
    kept = tuple(size for size, end in zip(result.shape, ends, strict=True) if end != 1)
    result = ops.reshape(result, kept)
    if out is not None:
        out[...] = fresh_array(result)
        return out
    return array_or_scalar(result)


def _cheapest(values: list[Value]) -> dict[tuple[int, int], int]:
    """Where to split each run of matrices (Cormen et al., Introduction to Algorithms, 15.2)."""
    sizes = [active().hint(x.shape[0]) for x in values] + [active().hint(values[-1].shape[1])]
    cost = {(k, k): 0 for k in range(len(values))}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, len(values)):
        for start in range(len(values) - length):
            end = start + length
            for middle in range(start, end):
                work = cost[start, middle] + cost[middle + 1, end]
                work += sizes[start] * sizes[middle + 1] * sizes[end + 1]
                if (start, end) not in split or work < cost[start, end]:
                    cost[start, end], split[start, end] = work, middle
    return split


def _multiplied(
    values: list[Value], split: dict[tuple[int, int], int], start: int, end: int
) -> Value:
    if start == end:
        return values[start]
    middle = split[start, end]
    left = _multiplied(values, split, start, middle)
    return product_of(left, _multiplied(values, split, middle + 1, end), "multi_dot")


# --- tensors as matrices --------------------------------------------------------------------------


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Any, b: Any, axes: Any = None) -> Any:
    """`numpy.linalg.tensorsolve`."""
    x, right = as_array(a), as_array(b)
    if axes is not None:
        order = list(range(x.ndim))
        for axis in axes:
            order.remove(axis)
            order.append(axis)
        x = x.transposed(tuple(order))
    shape = x.value.shape[-(x.ndim - right.ndim) :]
    count = product(shape)
    if not same_size(x.value.tensor.size, count * count):
        raise LinAlgError(
            "Input arrays must satisfy the requirement prod(a.shape[b.ndim:]) == "
            "prod(a.shape[:b.ndim])"
        )
    matrix = fresh_array(ops.reshape(x.value, (count, count)))
    vector = fresh_array(ops.reshape(right.value, (right.value.tensor.size,)))
    return fresh_array(ops.reshape(solve(matrix, vector).value, shape))


@implements(np.linalg.tensorinv)
def tensorinv(a: Any, ind: int = 2) -> Any:
    """`numpy.linalg.tensorinv`."""
    if ind <= 0:
        raise ValueError("Invalid ind argument.")
    x = as_array(a).value
    shape = (*x.shape[ind:], *x.shape[:ind])
    count = product(x.shape[ind:])
    matrix = ops.reshape(x, (x.tensor.size if count == 0 else product(x.shape[:ind]), count))
    return fresh_array(ops.reshape(inv(fresh_array(matrix)).value, shape))


# --- products and parts ---------------------------------------------------------------------------


@implements(np.linalg.outer)
def outer(x1: Any, x2: Any, /) -> Any:
    """`numpy.linalg.outer`, of vectors."""
    for x in (as_array(x1), as_array(x2)):
        if x.ndim != 1:
            raise ShapeError(
                "Input arrays must be one-dimensional, but they are "
                f"x1.ndim={as_array(x1).ndim} and x2.ndim={as_array(x2).ndim}."
            )
    return np.outer(x1, x2)


@implements(np.linalg.cross)
def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """`numpy.linalg.cross`, of vectors of three elements."""
    a, b = as_array(x1).value, as_array(x2).value
    dtype = supported_dtype(np.result_type(a.dtype, b.dtype))
    moved: list[Value] = []
    for x in (a, b):
        place = normalized_axis(axis, x.ndim)
        if not same_size(x.shape[place], 3):
            raise ShapeError(
                "Both input arrays must be (arrays of) 3-dimensional vectors, but they are "
                f"{a.tensor} and {b.tensor}."
            )
        order = [*(k for k in range(x.ndim) if k != place), place]
        moved.append(ops.transpose(ops.cast(x, dtype), order))
    shape = broadcast_shapes(*(x.shape for x in moved))
    left: Any = fresh_array(ops.broadcast_to(moved[0], shape))
    right: Any = fresh_array(ops.broadcast_to(moved[1], shape))
    parts = [
        left[..., j] * right[..., k] - left[..., k] * right[..., j]
        for j, k in ((1, 2), (2, 0), (0, 1))
    ]
    return np.moveaxis(np.stack(parts, axis=-1), -1, axis)


@implements(np.cross)
def any_cross(
    a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: Any = None
) -> Any:
    """`numpy.cross`, of vectors of two elements too: their third is 0."""
    if axis is not None:
        axisa, axisb, axisc = (axis,) * 3
    x, y = as_array(a), as_array(b)
    if x.ndim < 1 or y.ndim < 1:
        raise ValueError("At least one array has zero dimension")
    dtype = supported_dtype(np.promote_types(x.dtype, y.dtype))
    left: Any = np.moveaxis(x.astype(dtype), normalized_axis(axisa, x.ndim), -1)
    right: Any = np.moveaxis(y.astype(dtype), normalized_axis(axisb, y.ndim), -1)
    widths = [active().static(part.value.shape[-1]) for part in (left, right)]
    if not set(widths) <= {2, 3}:
        raise ShapeError(
            "incompatible dimensions for cross product\n(dimension must be 2 or 3): "
            f"{x.type} and {y.type}"
        )
    last = left[..., 0] * right[..., 1] - left[..., 1] * right[..., 0]
    if widths == [2, 2]:
        return as_array(last)
    if widths == [3, 3]:
        first = left[..., 1] * right[..., 2] - left[..., 2] * right[..., 1]
        second = left[..., 2] * right[..., 0] - left[..., 0] * right[..., 2]
    elif widths == [2, 3]:
        first, second = left[..., 1] * right[..., 2], -(left[..., 0] * right[..., 2])
    else:
        first, second = -(left[..., 2] * right[..., 1]), left[..., 2] * right[..., 0]
    found = np.stack([first, second, last], axis=-1)
    return np.moveaxis(found, -1, normalized_axis(axisc, found.ndim))


@implements(np.linalg.diagonal)
def diagonal(x: Any, /, *, offset: int = 0) -> TracedArray:
    """`numpy.linalg.diagonal`, of the last two axes."""
    return plain_diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """`numpy.linalg.trace`, of the last two axes."""
    return np.trace(x, offset, -2, -1, dtype=dtype)
