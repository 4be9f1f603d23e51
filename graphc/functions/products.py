"""Matrix and tensor products: matmul, dot, inner, outer, tensordot and their kin."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import ShapeError
from graphc.functions.common import array_or_scalar, deliver
from graphc.ir import Value
from graphc.trace.convert import array_like, broadcast_shapes, normalized_axis, same_size
from graphc.trace.dispatch import implements
from graphc.trace.ufuncs import loop_dtypes
from graphc.trace.values import fresh_array
from graphc.types import Size, product, supported_dtype

_SIGNATURES = {
    "matmul": "(n?,k),(k,m?)->(n?,m?)",
    "vecdot": "(n),(n)->()",
    "matvec": "(m,n),(n)->(m)",
    "vecmat": "(n),(n,m)->(m)",
}


def _need_axes(name: str, operands: list[Value], least: tuple[int, ...]) -> None:
    for position, (operand, axes) in enumerate(zip(operands, least, strict=True)):
        if operand.ndim < axes:
            raise ShapeError(
                f"{name}: Input operand {position} does not have enough dimensions (has "
                f"{operand.ndim}, gufunc core with signature {_SIGNATURES[name]} requires {axes}): "
                f"{operands[0].tensor} and {operands[1].tensor}",
                hint="A product with a scalar is written with `*`." if operand.ndim == 0 else "",
            )


def _need_same(name: str, a: Value, b: Value, left: Size, right: Size) -> None:
    if not same_size(left, right):
        hint = "The last axis of the first meets the last but one of the second (or its only one)."
        if a.ndim == 2 and b.ndim == 2 and b.shape[1] == left:
            hint = "The second operand transposed would fit: b.T."
        elif a.ndim == 2 and b.ndim in (1, 2) and a.shape[0] == right:
            hint = "The first operand transposed would fit: a.T."
        elif a.ndim == 1 and b.ndim == 1:
            hint = "Slice one of them to the length of the other, or use np.outer(a, b)."
        raise ShapeError(
            f"{name}: {a.tensor} and {b.tensor} do not fit: the inner sizes {left} and {right} "
            "differ",
            hint=hint,
        )


def product_of(a: Value, b: Value, name: str = "matmul") -> Value:
    """``a @ b`` of values of one dtype and one or more axes, by NumPy's rules."""
    left = ops.reshape(a, (1, *a.shape)) if a.ndim == 1 else a
    right = ops.reshape(b, (*b.shape, 1)) if b.ndim == 1 else b
    _need_same(name, a, b, left.shape[-1], right.shape[-2])
    *batch_left, rows, inner = left.shape
    *batch_right, _, columns = right.shape
    right = _matched(right, right.ndim - 2, inner)
    if right.ndim == 2 and left.ndim > 2:
        flat = ops.reshape(left, (product((*batch_left, rows)), inner))
        result = ops.reshape(ops.matmul(flat, right), (*batch_left, rows, columns))
    else:
        batch = _batch(name, a, b, tuple(batch_left), tuple(batch_right))
        left = ops.broadcast_to(left, (*batch, rows, inner))
        right = ops.broadcast_to(right, (*batch, inner, columns))
        result = ops.matmul(left, right)
    dropped = ([result.ndim - 2] if a.ndim == 1 else []) + (
        [result.ndim - 1] if b.ndim == 1 else []
    )
    kept = tuple(size for axis, size in enumerate(result.shape) if axis not in dropped)
    return ops.reshape(result, kept)


def _matched(x: Value, axis: int, size: Size) -> Value:
    """`x`, whose size on `axis` is known to equal `size`, with that very expression."""
    return ops.reshape(x, tuple(size if k == axis else s for k, s in enumerate(x.shape)))


def _batch(
    name: str, a: Value, b: Value, left: tuple[Size, ...], right: tuple[Size, ...]
) -> tuple[Size, ...]:
    try:
        return broadcast_shapes(left, right)
    except ShapeError:
        raise ShapeError(
            f"{name}: {a.tensor} and {b.tensor} do not fit: the batch axes could not be broadcast "
            "together"
        ) from None


def _loop(ufunc: Any, x1: Any, x2: Any, dtype: Any, casting: str) -> list[Value]:
    operands = [array_like(x) for x in (x1, x2)]
    loop = loop_dtypes(ufunc, operands, dtype, casting)
    return [
        ops.cast(x.value, supported_dtype(kind)) for x, kind in zip(operands, loop, strict=False)
    ]


@implements(np.matmul)
def matmul(
    x1: Any,
    x2: Any,
    /,
    out: Any = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
) -> Any:
    """`numpy.matmul`, of any ranks but 0."""
    a, b = (array_like(x).value for x in (x1, x2))
    _need_axes("matmul", [a, b], (1, 1))
    a, b = _loop(np.matmul, x1, x2, dtype, casting)
    return deliver(product_of(a, b), out, casting, "ufunc 'matmul'")


def conjugate(x: Value) -> Value:
    """The complex conjugate; of a real value, itself."""
    return ops.conjugate(x) if x.dtype.kind == "c" else x


def _last(x: Value, axis: Any) -> Value:
    """`x` with `axis` moved to the end."""
    place = normalized_axis(axis, x.ndim)
    return ops.transpose(x, [*(k for k in range(x.ndim) if k != place), place])


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(
    x1: Any,
    x2: Any,
    /,
    out: Any = None,
    *,
    axis: int = -1,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """`numpy.vecdot`: the sum of conj(x1) x2 over one axis."""
    a, b = _loop(np.vecdot, x1, x2, dtype, casting)
    _need_axes("vecdot", [a, b], (1, 1))
    a, b = _last(a, axis), _last(b, axis)
    _need_same("vecdot", a, b, a.shape[-1], b.shape[-1])
    row = ops.reshape(conjugate(a), (*a.shape[:-1], 1, a.shape[-1]))
    result = product_of(row, ops.reshape(b, (*b.shape, 1)), "vecdot")
    return deliver(ops.reshape(result, result.shape[:-2]), out)


@implements(np.matvec)
def matvec(x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None) -> Any:
    """`numpy.matvec`."""
    a, b = _loop(np.matvec, x1, x2, dtype, "same_kind")
    _need_axes("matvec", [a, b], (2, 1))
    result = product_of(a, ops.reshape(b, (*b.shape, 1)), "matvec")
    return deliver(ops.reshape(result, result.shape[:-1]), out)


@implements(np.vecmat)
def vecmat(x1: Any, x2: Any, /, out: Any = None, *, dtype: Any = None) -> Any:
    """`numpy.vecmat`: conj(x1) @ x2."""
    a, b = _loop(np.vecmat, x1, x2, dtype, "same_kind")
    _need_axes("vecmat", [a, b], (1, 2))
    row = ops.reshape(conjugate(a), (*a.shape[:-1], 1, a.shape[-1]))
    result = product_of(row, b, "vecmat")
    return deliver(ops.reshape(result, (*result.shape[:-2], result.shape[-1])), out)


def _common(*operands: Any) -> list[Value]:
    """Operands as arrays of one dtype; Python numbers count as NumPy's default dtypes."""
    values = [array_like(x).value for x in operands]
    dtype = supported_dtype(np.result_type(*(value.dtype for value in values)))
    return [ops.cast(value, dtype) for value in values]


def _scaled(a: Value, b: Value) -> Value:
    shape = broadcast_shapes(a.shape, b.shape)
    return ops.multiply(ops.broadcast_to(a, shape), ops.broadcast_to(b, shape))


def _not_aligned(a: Value, b: Value, left: int, right: int) -> None:
    if not same_size(a.shape[left], b.shape[right]):
        raise ShapeError(
            f"dot: {a.tensor} and {b.tensor} are not aligned: {a.shape[left]} (dim "
            f"{left % a.ndim}) != {b.shape[right]} (dim {right % b.ndim})",
            hint="Transpose one of them, as in a @ b.T, or slice the axis that is longer.",
        )


@implements(np.dot)
def dot(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.dot`."""
    left, right = _common(a, b)
    if left.ndim == 0 or right.ndim == 0:
        return deliver(_scaled(left, right), out)
    _not_aligned(left, right, -1, -2 if right.ndim > 1 else -1)
    if right.ndim <= 2:
        return deliver(product_of(left, right, "dot"), out)
    return deliver(contract(left, right, (left.ndim - 1,), (right.ndim - 2,)), out)


@implements(np.vdot)
def vdot(a: Any, b: Any, /) -> Any:
    """`numpy.vdot`: the sum of conj(a) b over all elements."""
    left, right = _common(a, b)
    rows = [ops.reshape(x, (x.tensor.size,)) for x in (left, right)]
    _need_same("vdot", rows[0], rows[1], rows[0].shape[0], rows[1].shape[0])
    return deliver(product_of(conjugate(rows[0]), rows[1], "vdot"))


@implements(np.inner)
def inner(a: Any, b: Any, /) -> Any:
    """`numpy.inner`: products over the last axes."""
    left, right = _common(a, b)
    if left.ndim == 0 or right.ndim == 0:
        return deliver(_scaled(left, right))
    _not_aligned(left, right, -1, -1)
    return deliver(contract(left, right, (left.ndim - 1,), (right.ndim - 1,)))


@implements(np.outer)
def outer(a: Any, b: Any, out: Any = None) -> Any:
    """`numpy.outer`."""
    left, right = _common(a, b)
    column = ops.reshape(left, (left.tensor.size, 1))
    return deliver(_scaled(column, ops.reshape(right, (1, right.tensor.size))), out)


@implements(np.kron)
def kron(a: Any, b: Any) -> Any:
    """`numpy.kron`: every element of `a` times the whole of `b`, as blocks."""
    left, right = array_like(a).value, array_like(b).value
    if left.ndim == 0 or right.ndim == 0:
        return np.multiply(array_or_scalar(left), array_or_scalar(right))
    rank = max(left.ndim, right.ndim)
    rows = (1,) * (rank - left.ndim) + left.shape
    columns = (1,) * (rank - right.ndim) + right.shape
    spread = tuple(size for n in rows for size in (n, 1))
    blocks = tuple(size for n in columns for size in (1, n))
    found: Any = np.multiply(
        fresh_array(ops.reshape(left, spread)), fresh_array(ops.reshape(right, blocks))
    )
    shape = tuple(n * m for n, m in zip(rows, columns, strict=True))
    return fresh_array(ops.reshape(found.value, shape))


def contract(a: Value, b: Value, left: tuple[int, ...], right: tuple[int, ...]) -> Value:
    """The sum of products over the axes `left` of `a` and `right` of `b`, as one matrix product."""
    rows = [axis for axis in range(a.ndim) if axis not in left]
    columns = [axis for axis in range(b.ndim) if axis not in right]
    row_sizes = tuple(a.shape[axis] for axis in rows)
    column_sizes = tuple(b.shape[axis] for axis in columns)
    inner_size = product(tuple(a.shape[axis] for axis in left))
    matrix = ops.reshape(ops.transpose(a, [*rows, *left]), (product(row_sizes), inner_size))
    other = ops.reshape(ops.transpose(b, [*right, *columns]), (inner_size, product(column_sizes)))
    return ops.reshape(ops.matmul(matrix, other), (*row_sizes, *column_sizes))


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """`numpy.tensordot`: always an array, as NumPy's is."""
    x, y = _common(a, b)
    if hasattr(axes, "__index__"):
        count = axes.__index__()
        left, right = list(range(-count, 0)), list(range(count))
    else:
        first, second = axes
        left = list(first) if isinstance(first, list | tuple) else [first]
        right = list(second) if isinstance(second, list | tuple) else [second]
    fits = len(left) == len(right) and len(left) <= min(x.ndim, y.ndim)
    if fits:
        left = [normalized_axis(axis, x.ndim) for axis in left]
        right = [normalized_axis(axis, y.ndim) for axis in right]
        pairs = zip(left, right, strict=True)
        fits = all(same_size(x.shape[i], y.shape[j]) for i, j in pairs)
    if not fits:
        raise ShapeError(f"shape-mismatch for sum: tensordot of {x.tensor} and {y.tensor}, {axes=}")
    return fresh_array(contract(x, y, tuple(left), tuple(right)))
