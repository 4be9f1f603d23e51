"""``ufunc.accumulate``, ``reduce`` and ``reduceat``, of every ufunc of two operands.

Sums, products, extremes and bits are ops of their own. Any other ufunc runs as a loop over the
axis (`ops.scan`), one call an element, as in NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, OutOfBoundsError, UnsupportedError
from graphc.functions.common import BOOL, INT64, along, as_array, deliver
from graphc.functions.reductions import (
    NO_VALUE,
    kept_axes,
    reduced_axes,
    value_of_type,
)
from graphc.ir import Graph, Value, close, fresh_input
from graphc.trace.context import active, user_location
from graphc.trace.convert import as_dtype, normalized_axis, value_of
from graphc.trace.dispatch import call, handler
from graphc.trace.indexing import known_array
from graphc.trace.ufuncs import compute
from graphc.trace.values import fresh_array
from graphc.types import TensorType, product, supported_dtype

COMBINES = {
    "add": "add",
    "multiply": "multiply",
    "maximum": "maximum",
    "minimum": "minimum",
    "logical_and": "and",
    "logical_or": "or",
    "bitwise_and": "and",
    "bitwise_or": "or",
}
REORDERABLE = {
    *COMBINES,
    *("bitwise_xor", "logical_xor", "fmax", "fmin", "hypot", "logaddexp", "logaddexp2", "gcd"),
}
MANY_SEGMENTS = 64
"""Segments of ``reduceat`` up to which each is a reduction of its own."""


@handler
def ufunc_method(ufunc: Any, method: str, inputs: Any, kwargs: dict[str, Any]) -> Any:
    """``ufunc.method(*inputs, **kwargs)`` of traced values."""
    combine = COMBINES.get(ufunc.__name__)
    if method == "at" and combine is not None and not kwargs:
        call("combine_at", *inputs, ufunc, combine)
        return None
    methods: dict[str, Callable[..., Any]] = {
        "accumulate": accumulate,
        "reduce": reduce,
        "reduceat": reduceat,
    }
    if method not in methods:
        raise UnsupportedError(
            f"np.{ufunc.__name__}.{method} is not covered for traced arrays",
            location=user_location(),
            hint="at is covered for add, subtract, multiply, extremes and bits.",
        )
    if ufunc.signature is not None:
        raise RuntimeError("Reduction not defined on ufunc with signature")
    if ufunc.nin != 2 or ufunc.nout != 1:
        arity = "functions returning a single value" if ufunc.nin == 2 else "binary functions"
        raise ValueError(f"{method} only supported for {arity}")
    return methods[method](ufunc, *inputs, **kwargs)


def loop_dtype(ufunc: Any, x: np.dtype, dtype: Any) -> np.dtype:
    """The dtype in which `ufunc` reduces operands of dtype `x`.

    Raises:
        DTypeError: it does not.
    """
    chosen: dict[str, Any] = {}
    if dtype is not None:
        kind = as_dtype(dtype)
        chosen = {"signature": (kind, None, None), "casting": "unsafe"}
    try:
        loop: Any = ufunc.resolve_dtypes((None, x, None), reduction=True, **chosen)
    except TypeError as error:
        raise DTypeError(
            f"np.{ufunc.__name__} does not reduce {x.name}: {error}",
            hint="Convert with .astype(...) to a dtype that it takes.",
        ) from None
    return supported_dtype(loop[1])


def _combine(ufunc: Any, dtype: np.dtype) -> str | None:
    """How `ops.cumulate` knows `ufunc` on `dtype`, if it does."""
    combine = COMBINES.get(ufunc.__name__)
    if dtype == BOOL and combine in ("add", "multiply"):
        return "or" if combine == "add" else "and"
    return combine


def _step(ufunc: Any, type_: TensorType, conditional: bool = False) -> Graph:
    """``held, x -> ufunc(held, x)``, as carry and result; where a third input holds."""
    held, x = fresh_input(type_), fresh_input(type_)
    (new,) = compute(ufunc, [held, x])
    new = ops.cast(new, type_.dtype)
    if not conditional:
        return close([held, x], [new, new])
    mask = fresh_input(type_.with_dtype(BOOL))
    kept = ops.select(mask, new, held)
    return close([held, x, mask], [kept])


# --- accumulate -----------------------------------------------------------------------------------


def accumulate(ufunc: Any, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    """`numpy.ufunc.accumulate`."""
    x = as_array(array).value
    if x.ndim == 0:
        raise TypeError("cannot accumulate on a scalar")
    target = out[0] if type(out) is tuple else out
    if dtype is None and target is not None:
        dtype = target.dtype
    return deliver(accumulated(ufunc, x, normalized_axis(axis, x.ndim), dtype), out)


def accumulated(ufunc: Any, x: Value, axis: int, dtype: Any = None) -> Value:
    """The running results of `ufunc` along `axis`."""
    kind = loop_dtype(ufunc, x.dtype, dtype)
    x = ops.cast(x, kind)
    combine = _combine(ufunc, kind)
    if combine is not None:
        return ops.cumulate(x, combine, axis)
    length = x.shape[axis]
    if not active().holds(">", length, 1):
        return x
    order = (axis, *(k for k in range(x.ndim) if k != axis))
    rows = ops.transpose(x, order)
    first = _rows(rows, 0, 1)
    start = ops.reshape(first, rows.shape[1:])
    body = _step(ufunc, start.tensor)
    _, found = ops.scan(body, [start], [_rows(rows, 1, length - 1)], [], length - 1)
    back = tuple(sorted(range(x.ndim), key=order.__getitem__))
    return ops.transpose(ops.concatenate((first, found), 0), back)


def _rows(x: Value, start: Any, count: Any) -> Value:
    rest = x.ndim - 1
    return ops.slice_(x, (start, *(0,) * rest), (count, *x.shape[1:]), (1,) * x.ndim)


# --- reduce ---------------------------------------------------------------------------------------


def reduce(
    ufunc: Any,
    array: Any,
    axis: Any = 0,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """`numpy.ufunc.reduce`, of ufuncs that have no reduction of their own."""
    x = as_array(array).value
    x = ops.cast(x, loop_dtype(ufunc, x.dtype, dtype))
    axes = reduced_axes(axis, x.ndim)
    if len(axes) > 1 and ufunc.__name__ not in REORDERABLE:
        raise ValueError(
            f"reduction operation '{ufunc.__name__}' is not reorderable, so at most one axis may "
            "be specified"
        )
    start = ufunc.identity if initial is NO_VALUE else initial
    if where is not True and start is None:
        raise ValueError(
            f"reduction operation '{ufunc.__name__}' does not have an identity, so to use a where "
            "mask one has to specify 'initial'"
        )
    kept = tuple(k for k in range(x.ndim) if k not in axes)
    count = product(tuple(x.shape[k] for k in axes))
    if start is None and not active().holds(">", count, 0):
        raise ValueError(
            f"zero-size array to reduction operation {ufunc.__name__} which has no identity"
        )
    rest = tuple(x.shape[k] for k in kept)

    def flat(value: Value) -> Value:
        return ops.reshape(ops.transpose(value, (*axes, *kept)), (count, *rest))

    rows = flat(x)
    if where is not True:
        mask = flat(ops.broadcast_to(value_of(where, BOOL), x.shape))
        body = _step(ufunc, rows.tensor.with_shape(rest), conditional=True)
        held = value_of_type(start, _like(rows, rest))
        (result,) = ops.scan(body, [held], [rows, mask], [], count)
    else:
        result = _folded(ufunc, rows, start if initial is not NO_VALUE else None, count, start)
    return deliver(kept_axes(result, x, axes, keepdims), out)


def _like(rows: Value, shape: Any) -> Value:
    return ops.zeros(rows.tensor.with_shape(shape))


def _folded(ufunc: Any, rows: Value, initial: Any, count: Any, identity: Any) -> Value:
    """All rows combined, one after the other, from `initial` where one is given."""
    rest = rows.shape[1:]
    if not active().holds(">", count, 0):
        return value_of_type(identity, _like(rows, rest))
    if initial is None:
        held, left, count = ops.reshape(_rows(rows, 0, 1), rest), 1, count - 1
    else:
        held, left = value_of_type(initial, _like(rows, rest)), 0
    if not active().holds(">", count, 0):
        return held
    body = _step(ufunc, held.tensor)
    return ops.scan(body, [held], [_rows(rows, left, count)], [], count)[0]


# --- reduceat -------------------------------------------------------------------------------------


def reduceat(
    ufunc: Any, array: Any, indices: Any, axis: Any = 0, dtype: Any = None, out: Any = None
) -> Any:
    """`numpy.ufunc.reduceat`: of static indices a reduction each; else of masked copies."""
    x = as_array(array).value
    place = normalized_axis(axis, x.ndim)
    x = ops.cast(x, loop_dtype(ufunc, x.dtype, dtype))
    starts = as_array(indices).value
    if starts.dtype.kind not in "iu":
        raise TypeError(
            f"Cannot cast array data from {starts.dtype!r} to dtype('int64') according to the rule "
            "'safe'"
        )
    if starts.ndim != 1:
        raise ValueError("object too deep for desired array")
    known = known_array(starts)
    if known is not None and isinstance(x.shape[place], int):
        _check_starts(ufunc, known, x.shape[place])
    if known is not None and 0 < len(known) <= MANY_SEGMENTS and isinstance(x.shape[place], int):
        return deliver(_segments(ufunc, x, [int(k) for k in known], place), out)
    return deliver(_masked_segments(ufunc, x, ops.cast(starts, INT64), place), out)


def _check_starts(ufunc: Any, starts: Any, extent: int) -> None:
    for start in starts:
        if not 0 <= start < extent:
            raise OutOfBoundsError(
                f"index {start} out-of-bounds in {ufunc.__name__}.reduceat [0, {extent})"
            )


def _segments(ufunc: Any, x: Value, starts: list[int], axis: int) -> Value:
    found = []
    stops = [*starts[1:], x.shape[axis]]
    for start, stop in zip(starts, stops, strict=True):
        length = stop - start if stop > start else 1
        begin = tuple(start if k == axis else 0 for k in range(x.ndim))
        size = tuple(length if k == axis else extent for k, extent in enumerate(x.shape))
        part = fresh_array(ops.slice_(x, begin, size, (1,) * x.ndim))
        options = _reduce_options(ufunc, x.dtype)
        reduced: Any = ufunc.reduce(part, axis=axis, keepdims=True, **options)
        found.append(ops.cast(reduced.value, x.dtype))
    return found[0] if len(found) == 1 else ops.concatenate(found, axis)


def _reduce_options(ufunc: Any, dtype: np.dtype) -> dict[str, Any]:
    """What keeps a reduction from widening narrow integers."""
    return {"dtype": dtype} if ufunc.__name__ in ("add", "multiply") and dtype != BOOL else {}


def _masked_segments(ufunc: Any, x: Value, starts: Value, axis: int) -> Value:
    """Every segment as the whole axis with a mask: the mask is never stored."""
    count, extent = starts.shape[0], x.shape[axis]
    if ufunc.__name__ not in COMBINES:
        raise UnsupportedError(
            f"np.{ufunc.__name__}.reduceat at traced indices",
            location=user_location(),
            hint="Pass the indices as a static list.",
        )
    last = ops.reshape(ops.size_value(extent), (1,))
    problem = f"index out-of-bounds in {ufunc.__name__}.reduceat"
    if not active().holds(">", extent, 0) and active().holds(">", count, 0):
        raise OutOfBoundsError(problem)
    ends = ops.concatenate((_rows(starts, 1, count - 1), last), 0)
    inside = ops.logical_and(
        ops.greater_equal(starts, ops.full_like(starts, 0)),
        ops.less(starts, ops.broadcast_to(ops.size_value(extent), starts.shape)),
    )
    starts = ops.require(starts, inside, problem, OutOfBoundsError)
    ends = ops.maximum(ends, ops.add(starts, ops.full_like(starts, 1)))
    shape = (*x.shape[: axis + 1], count, *x.shape[axis + 1 :])
    place = along(ops.iota(extent), axis, shape)
    first, stop = (along(v, axis + 1, shape) for v in (starts, ends))
    mask = ops.logical_and(ops.greater_equal(place, first), ops.less(place, stop))
    wide = ops.broadcast_to(ops.reshape(x, (*x.shape[: axis + 1], 1, *x.shape[axis + 1 :])), shape)
    fill = ufunc.identity
    if ufunc.__name__ in ("maximum", "minimum"):
        fill = least(x.dtype, ufunc.__name__ == "minimum")
    part: Any = fresh_array(ops.select(mask, wide, value_of_type(fill, wide)))
    found = ufunc.reduce(part, axis=axis, **_reduce_options(ufunc, x.dtype))
    return ops.cast(found.value, x.dtype)


def least(dtype: np.dtype, largest: bool) -> Any:
    """What leaves every maximum (minimum, of the `largest`) as it is."""
    if dtype.kind == "b":
        return largest
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return int(limits.max if largest else limits.min)
    infinity = np.inf if largest else -np.inf
    return complex(infinity, infinity) if dtype.kind == "c" else infinity
