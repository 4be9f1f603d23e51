"""Other shapes of the same elements, as views where NumPy gives views."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError
from graphc.functions.common import as_array, like_method
from graphc.ir import Value
from graphc.trace.context import active
from graphc.trace.convert import as_shape, broadcast_shapes, normalized_axis, same_size
from graphc.trace.dispatch import implements
from graphc.trace.sizes import wrap_size
from graphc.trace.ufuncs import is_fortran, memory_order
from graphc.trace.values import TracedArray, fresh_array
from graphc.trace.views import DiagonalStep
from graphc.types import Shape, Size, floordiv, product, shape_text


def _plain(shape: Shape) -> str:
    return shape_text(shape).replace(" ", "")


_SIZES_FIT = (
    "The sizes must multiply to that of the array: one of them may be -1, which stands for what is "
    "left."
)


def inferred_shape(x: TracedArray, shape: Any) -> Shape:
    """A shape argument with its -1 replaced by what the size of `x` leaves for it.

    Raises:
        ShapeError: the sizes do not multiply to the size of `x`.
        Respecialize: they do for the present sizes, but not for all.
    """
    sizes = as_shape(shape)
    total = x.value.tensor.size
    unknown = [axis for axis, size in enumerate(sizes) if size == -1]
    if len(unknown) > 1:
        raise ShapeError("can only specify one unknown dimension")
    trace = active()
    if unknown:
        rest = product(tuple(size for size in sizes if size != -1))
        shown = _plain(sizes).replace("-1", "newaxis")
        refused = ShapeError(
            f"cannot reshape array of size {total} into shape {shown}", hint=_SIZES_FIT
        )
        if trace.holds("==", rest, 0) or trace.hint(total) % trace.hint(rest):
            trace.static(total), trace.static(rest)
            raise refused
        missing = floordiv(total, rest)
        sizes = tuple(missing if size == -1 else size for size in sizes)
    if any(isinstance(size, int) and size < 0 for size in sizes):
        raise ShapeError("negative dimensions not allowed")
    if not same_size(product(sizes), total):
        raise ShapeError(
            f"cannot reshape array of size {total} into shape {_plain(sizes)}", hint=_SIZES_FIT
        )
    return sizes


def reversed_axes(x: TracedArray) -> TracedArray:
    """The view with all axes in reverse order."""
    return x.transposed(tuple(reversed(range(x.ndim))))


@implements(np.reshape)
@like_method
def reshape(
    a: Any, /, shape: Any = None, order: str = "C", *, copy: Any = None, newshape: Any = None
) -> Any:
    """`numpy.reshape`: a view where the strides allow it."""
    x = as_array(a)
    if order not in ("C", "F", "A"):
        raise ValueError(f"order must be one of 'C', 'F', or 'A' (got {order!r})")
    sizes = inferred_shape(x, newshape if shape is None else shape)
    if order == "F" or (order == "A" and is_fortran(x)):
        return reversed_axes(_reshaped(reversed_axes(x), tuple(reversed(sizes)), copy))
    return _reshaped(x, sizes, copy)


def _reshaped(x: TracedArray, sizes: Shape, copy: Any) -> TracedArray:
    result = fresh_array(ops.reshape(x.value, sizes)) if copy else x.reshaped(sizes)
    if copy is False and result.storage is not x.storage:
        raise ValueError("Unable to avoid creating a copy while reshaping.")
    return result


@implements(np.ravel)
def ravel(a: Any, order: str = "C") -> Any:
    """`numpy.ravel`: a view where the elements are contiguous, else a copy."""
    x = as_array(a)
    if order == "F" or (order == "A" and is_fortran(x)):
        x = reversed_axes(x)
    elif order == "K":
        x = x.transposed(memory_order(x))
    return x.raveled()


def flatten(x: TracedArray, order: str = "C") -> TracedArray:
    """`numpy.ndarray.flatten`: always a copy."""
    return fresh_array(ravel(x, order).value)


# --- axes -----------------------------------------------------------------------------------------


@implements(np.transpose, np.permute_dims)
@like_method
def transpose(a: Any, axes: Any = None) -> Any:
    """`numpy.transpose`: a view."""
    x = as_array(a)
    if axes is None:
        return reversed_axes(x)
    if len(axes) != x.ndim:
        raise ValueError("axes don't match array")
    order = tuple(normalized_axis(axis, x.ndim) for axis in axes)
    if len(set(order)) != len(order):
        raise ValueError("repeated axis in transpose")
    return x.transposed(order)


@implements(np.matrix_transpose, np.linalg.matrix_transpose)
def matrix_transpose(x: Any, /) -> TracedArray:
    """`numpy.matrix_transpose`."""
    array = as_array(x)
    if array.ndim < 2:
        raise ValueError(f"Input array must be at least 2-dimensional, but it is {array.ndim}")
    return swapaxes(array, -1, -2)  # type: ignore[no-any-return]


@implements(np.swapaxes)
@like_method
def swapaxes(a: Any, axis1: Any, axis2: Any) -> Any:
    """`numpy.swapaxes`: a view."""
    x = as_array(a)
    order = list(range(x.ndim))
    i, j = normalized_axis(axis1, x.ndim), normalized_axis(axis2, x.ndim)
    order[i], order[j] = order[j], order[i]
    return x.transposed(tuple(order))


def _listed(axis: Any, rank: int) -> list[int]:
    items = axis if isinstance(axis, tuple | list) else (axis,)
    return [normalized_axis(item, rank) for item in items]


@implements(np.moveaxis)
def moveaxis(a: Any, source: Any, destination: Any) -> TracedArray:
    """`numpy.moveaxis`: a view."""
    x = as_array(a)
    origins, targets = _listed(source, x.ndim), _listed(destination, x.ndim)
    if len(origins) != len(targets):
        raise ValueError(
            "`source` and `destination` arguments must have the same number of elements"
        )
    if len(set(origins)) != len(origins) or len(set(targets)) != len(targets):
        raise ValueError("repeated axis in `source` or `destination` argument")
    order = [axis for axis in range(x.ndim) if axis not in origins]
    for target, origin in sorted(zip(targets, origins, strict=True)):
        order.insert(target, origin)
    return x.transposed(tuple(order))


@implements(np.rollaxis)
def rollaxis(a: Any, axis: Any, start: int = 0) -> TracedArray:
    """`numpy.rollaxis`: a view."""
    x = as_array(a)
    place = normalized_axis(axis, x.ndim)
    target = start + x.ndim if start < 0 else start
    if not 0 <= target <= x.ndim:
        raise np.exceptions.AxisError(start, x.ndim)
    return moveaxis(x, place, target - 1 if place < target else target)


@implements(np.expand_dims)
def expand_dims(a: Any, axis: Any) -> TracedArray:
    """`numpy.expand_dims`: a view."""
    x = as_array(a)
    count = len(axis) if isinstance(axis, tuple | list) else 1
    places = _listed(axis, x.ndim + count)
    if len(set(places)) != len(places):
        raise ValueError("repeated axis")
    old = iter(x.value.shape)
    shape = tuple(1 if axis in places else next(old) for axis in range(x.ndim + count))
    return x.reshaped(shape)


@implements(np.squeeze)
@like_method
def squeeze(a: Any, axis: Any = None) -> Any:
    """`numpy.squeeze`: a view without axes of size 1."""
    x = as_array(a)
    sizes = x.value.shape
    trace = active()
    if axis is None:
        places = [k for k, size in enumerate(sizes) if _is_one(size)]
    else:
        places = _listed(axis, x.ndim)
        if not all(trace.hint(sizes[k]) == 1 for k in places):
            raise ShapeError(
                f"cannot select an axis to squeeze out which has size not equal to one: {x.type}, "
                f"axis {axis}"
            )
        for k in places:
            trace.static(sizes[k])
    if not places:
        return x
    return x.reshaped(tuple(size for k, size in enumerate(sizes) if k not in places))


def _is_one(size: Size) -> bool:
    """Whether an axis is to be dropped: a symbolic size that is 1 now must be static."""
    trace = active()
    return trace.holds("==", size, 1) and trace.static(size) == 1


def _at_least(arrays: tuple[Any, ...], widen: Any) -> Any:
    results = tuple(widen(as_array(x)) for x in arrays)
    return results[0] if len(results) == 1 else results


@implements(np.atleast_1d)
def atleast_1d(*arys: Any) -> Any:
    """`numpy.atleast_1d`."""
    return _at_least(arys, lambda x: x if x.ndim else x.reshaped((1,)))


@implements(np.atleast_2d)
def atleast_2d(*arys: Any) -> Any:
    """`numpy.atleast_2d`."""
    return _at_least(
        arys, lambda x: x if x.ndim >= 2 else x.reshaped((1,) * (2 - x.ndim) + x.value.shape)
    )


@implements(np.atleast_3d)
def atleast_3d(*arys: Any) -> Any:
    """`numpy.atleast_3d`."""

    def widen(x: TracedArray) -> TracedArray:
        shape = x.value.shape
        wide = {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}
        return x if x.ndim >= 3 else x.reshaped(wide[x.ndim])

    return _at_least(arys, widen)


# --- broadcasting ---------------------------------------------------------------------------------


@implements(np.broadcast_to)
def broadcast_to(array: Any, shape: Any, subok: bool = False) -> TracedArray:
    """`numpy.broadcast_to`: a read-only view."""
    x, sizes = as_array(array), as_shape(shape)
    refused = ShapeError(
        "operands could not be broadcast together with remapped shapes [original->remapped]: "
        f"{x.type} and requested shape {_plain(sizes)}"
    )
    if len(sizes) < x.ndim:
        raise refused
    try:
        common = broadcast_shapes(x.value.shape, sizes)
    except ShapeError:
        raise refused from None
    if common != sizes:
        raise refused
    return x.broadcast(sizes)


@implements(np.broadcast_arrays)
def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[TracedArray, ...]:
    """`numpy.broadcast_arrays`: read-only views (NumPy's are deprecated to write)."""
    arrays = [as_array(x) for x in args]
    shape = broadcast_shapes(*(x.value.shape for x in arrays))
    return tuple(x if x.value.shape == shape else x.broadcast(shape) for x in arrays)


@implements(np.broadcast_shapes)
def common_shape(*args: Any) -> tuple[Any, ...]:
    """`numpy.broadcast_shapes`, of symbolic sizes too."""
    trace = active()
    shape = broadcast_shapes(*(as_shape(item) for item in args))
    return tuple(wrap_size(size, trace) for size in shape)


# --- diagonals ------------------------------------------------------------------------------------


def diagonal_value(x: Value, axis1: int, axis2: int, offset: int = 0) -> Value:
    """The elements of a diagonal of two axes, as the last axis."""
    return _diagonal_step(x, axis1, axis2, offset).get(x)


def _diagonal_step(
    x: Value, axis1: int, axis2: int, offset: int = 0, writable: bool = True
) -> DiagonalStep:
    rows, columns = x.shape[axis1], x.shape[axis2]
    if rows == columns and offset == 0:
        return DiagonalStep((axis1, axis2), 0, rows, writable)
    height, width = active().static(rows), active().static(columns)
    count = max(0, min(height + min(offset, 0), width - max(offset, 0)))
    return DiagonalStep((axis1, axis2), offset, count, writable)


def diagonal_view(x: TracedArray, axis1: int, axis2: int) -> TracedArray:
    """The main diagonal of two axes as the last axis: a view that may be written."""
    return x.view(_diagonal_step(x.value, axis1, axis2))


@implements(np.diagonal)
def diagonal(a: Any, offset: int = 0, axis1: Any = 0, axis2: Any = 1) -> TracedArray:
    """`numpy.diagonal`: a view, read-only as NumPy's is."""
    x = as_array(a)
    if x.ndim < 2:
        raise ValueError("diag requires an array of at least two dimensions")
    first, second = normalized_axis(axis1, x.ndim), normalized_axis(axis2, x.ndim)
    if first == second:
        raise ValueError("axis1 and axis2 cannot be the same")
    return x.view(_diagonal_step(x.value, first, second, offset.__index__(), writable=False))


@implements(np.diagflat)
def diagflat(v: Any, k: int = 0) -> TracedArray:
    """`numpy.diagflat`: a matrix with the elements on a diagonal."""
    return diag(as_array(v).raveled(), k)


@implements(np.trace)
def trace(
    a: Any, offset: int = 0, axis1: Any = 0, axis2: Any = 1, dtype: Any = None, out: Any = None
) -> Any:
    """`numpy.trace`."""
    return np.sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype, out=out)


@implements(np.diag)
def diag(v: Any, k: int = 0) -> TracedArray:
    """`numpy.diag`: a diagonal taken out, or a matrix made of one."""
    x = as_array(v)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError("Input must be 1- or 2-d.")
    size = x.value.shape[0] + abs(k)
    result: TracedArray = np.zeros_like(x, shape=(wrap_size(size, active()),) * 2)  # type: ignore[assignment]
    place = ops.iota(x.value.shape[0])
    row = ops.add(place, ops.full_like(place, max(-k, 0)))
    column = ops.add(place, ops.full_like(place, max(k, 0)))
    result.write(ops.scatter(result.value, x.value, (row, column), (0, 1)))
    return result
