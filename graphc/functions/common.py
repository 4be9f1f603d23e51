"""What NumPy's functions share: operands as arrays, results as arrays or scalars, ``out=``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, TypeVar

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, ShapeError, UnsupportedError
from graphc.ir import Value
from graphc.trace.context import active, user_location
from graphc.trace.convert import (
    array_like,
    as_dtype,
    broadcast_shapes,
    holds_traced,
    is_weak,
    python_type,
    same_size,
)
from graphc.trace.dispatch import implements
from graphc.trace.indexing import known_array
from graphc.trace.sizes import TracedSize
from graphc.trace.substitute import ALWAYS_TRACED
from graphc.trace.ufuncs import assign
from graphc.trace.values import (
    TracedArray,
    TracedScalar,
    dtype_of_number,
    fresh_array,
    is_traced,
    scalar,
)
from graphc.types import DTYPES, Shape, Size, supported_dtype

BOOL, INT64, FLOAT64 = DTYPES["bool"], DTYPES["int64"], DTYPES["float64"]
Implementation = Callable[..., Any]
_Function = TypeVar("_Function", bound=Implementation)


def makes_arrays(*functions: Any) -> Callable[[_Function], _Function]:
    """As `implements`, and called even where no argument is traced."""
    ALWAYS_TRACED.update(functions)
    return implements(*functions)


def as_array(x: Any) -> TracedArray:
    """`x` as a traced array: itself if it is one, so that views see its writes."""
    found = array_like(x)
    return found if isinstance(found, TracedArray) else fresh_array(found.value)


def array_or_scalar(value: Value) -> TracedArray | TracedScalar:
    """What reductions and ufuncs return: an array, or a NumPy scalar of a 0-d value."""
    return scalar(value) if value.ndim == 0 else fresh_array(value)


def deliver(value: Value, out: Any = None, casting: Any = "unsafe", name: str = "") -> Any:
    """`value` written to `out` where one is given, else as an array or scalar.

    Raises:
        DTypeError: the dtype of `out` is not reached by `casting`.
        ShapeError: `out` has another shape.
    """
    target = out[0] if type(out) is tuple else out
    if target is None:
        return array_or_scalar(value)
    if not isinstance(target, np.ndarray):
        raise TypeError("return arrays must be of ArrayType")
    target = as_array(target)
    if not np.can_cast(value.dtype, target.dtype, casting):
        raise DTypeError(
            f"Cannot cast {name or 'the'} output from {value.dtype!r} to {target.dtype!r} "
            f"with casting rule {casting!r}",
            hint=f"Convert first: .astype(np.{target.dtype.name}).",
        )
    if (
        value.ndim != target.ndim
        or broadcast_shapes(value.shape, target.value.shape) != value.shape
    ):
        raise ShapeError(f"{name or 'the output'}: {value.tensor} does not fit out={target.type}")
    assign(target, fresh_array(value), exact=True)
    return target


def like_method(function: Implementation) -> Implementation:
    """For functions that call the method of the same name: of a NumPy scalar, 0-d is a scalar."""

    @wraps(function)
    def method(a: Any, *args: Any, **kwargs: Any) -> Any:
        if type(a) is not TracedScalar:
            return function(as_array(a), *args, **kwargs)
        result = function(fresh_array(a.value), *args, **kwargs)
        if type(result) is TracedArray and result.ndim == 0:
            return scalar(result.value)
        return result

    return method


def rank_of(x: Any) -> int:
    """The number of axes of `x` as an array, which may be a list with traced numbers in it."""
    return 0 if is_weak(x) else array_like(x).value.ndim


def same_shape(left: Shape, right: Shape) -> bool:
    """Whether two shapes are equal; symbolic sizes that are by chance become static."""
    if len(left) != len(right):
        return False
    return all(same_size(a, b) for a, b in zip(left, right, strict=True))


def default_dtype(x: Any) -> np.dtype:
    """The dtype of `x` as an array: of Python numbers, NumPy's default."""
    return dtype_of_number(python_type(x)) if is_weak(x) else array_like(x).value.dtype


def promoted(*operands: Any) -> np.dtype:
    """The dtype in which `operands` meet; Python numbers are weak, as in NumPy 2."""
    if all(is_weak(x) for x in operands):
        return supported_dtype(np.result_type(*(default_dtype(x) for x in operands)))
    given = [python_type(x)(1) if is_weak(x) else array_like(x).value.dtype for x in operands]
    return supported_dtype(np.result_type(*given))


def static_int(x: Any, what: str) -> int:
    """An argument that must be known while tracing.

    Raises:
        UnsupportedError: it is traced.
    """
    if is_traced(x) and hasattr(x, "value") and active().values is None:
        raise UnsupportedError(
            f"{what} decides a shape, so it can't depend on data",
            location=user_location(),
            hint="Pass it as a Python int.",
        )
    number: int = x.__index__()
    return number


def known_or_none(x: Any) -> np.ndarray | None:
    """An argument as an array, if it is known while tracing."""
    if not holds_traced(x) or type(x) is TracedSize:
        return np.asarray(x)
    return known_array(array_like(x).value)


def known_argument(x: Any, what: str, hint: str) -> np.ndarray:
    """An argument that must be known while tracing, as an array.

    Raises:
        UnsupportedError: it depends on data, so that `what` has a shape that does.
    """
    known = known_or_none(x)
    if known is None:
        raise UnsupportedError(
            f"{what} needs a shape that depends on data", location=user_location(), hint=hint
        )
    return known


def taken(x: Value, places: Value, axis: int) -> Value:
    """The elements at `places`, a list, along one axis."""
    found = ops.gather(x, (places,), (axis,))
    return ops.transpose(found, [*range(1, axis + 1), 0, *range(axis + 1, x.ndim)])


def resized(shape: Shape, axis: int, size: Size) -> Shape:
    """`shape` with another size along one axis."""
    return tuple(size if k == axis else extent for k, extent in enumerate(shape))


def sliced(x: Value, axis: int, start: Size, size: Size) -> Value:
    """`size` elements from `start` along one axis."""
    starts = tuple(start if k == axis else 0 for k in range(x.ndim))
    sizes = resized(x.shape, axis, size)
    return ops.slice_(x, starts, sizes, (1,) * x.ndim)


def along(x: Value, axis: int, shape: Shape) -> Value:
    """The 1-d `x` laid along `axis` of `shape`."""
    column = (*x.shape, *(1 for _ in range(len(shape) - axis - 1)))
    return ops.broadcast_to(ops.reshape(x, column), shape)


def positions(axis: int, shape: Shape) -> Value:
    """The int64 position along `axis` of every element of an array of `shape`."""
    return along(ops.iota(shape[axis]), axis, shape)


def converted(value: Value, dtype: Any) -> Value:
    """`value` cast to `dtype`, if one is given."""
    return value if dtype is None else ops.cast(value, as_dtype(dtype))


def sequence_of_arrays(arrays: Any, name: str) -> list[TracedArray]:
    """The arrays that a joining function is given: a list, a tuple, or an array of them."""
    if type(arrays) is TracedArray or isinstance(arrays, Sequence):
        return [as_array(x) for x in arrays]
    raise TypeError(
        f"np.{name}: arrays to join must be passed as a sequence, not {type(arrays).__name__}"
    )
