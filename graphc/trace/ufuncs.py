"""NumPy's ufuncs and Python's operators on traced values.

The dtypes of the loop are NumPy's own answer (``ufunc.resolve_dtypes``), so promotion is NumPy 2's.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import FunctionType
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DomainError, DTypeError, ShapeError, UnsupportedError
from graphc.ir import Value, make
from graphc.ops import OPS
from graphc.ops.arrays.shape import inverse
from graphc.ops.elementwise.exponential import NEGATIVE_POWER
from graphc.trace.base import unsupported_function
from graphc.trace.context import user_location
from graphc.trace.convert import (
    PYTHON_NUMBERS,
    array_like,
    as_dtype,
    broadcast_shapes,
    broadcasts_to,
    is_weak,
    python_type,
    value_of,
    weak_value,
)
from graphc.trace.dispatch import FUNCTIONS, call, call_function, handler
from graphc.trace.selection import combined, is_selection
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    dtype_of_number,
    fresh_array,
    is_traced,
    number,
    scalar,
)
from graphc.types import DTYPES, Dim, Shape, supported_dtype

OP_NAMES = {"psi": "digamma", "conj": "conjugate", "abs": "absolute"}
_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}
_REDUCTIONS = {
    "add": np.sum,
    "multiply": np.prod,
    "maximum": np.max,
    "minimum": np.min,
    "logical_and": np.all,
    "logical_or": np.any,
}


def _known(x: Any, beside: Any) -> bool:
    """Whether an operator may take `x` `beside` the other operand.

    It is a number, or what NumPy makes an array of numbers of: Python's own numbers do not.
    """
    if is_traced(x) or isinstance(x, (*PYTHON_NUMBERS, np.ndarray, np.generic)):
        return True
    if is_weak(beside):
        return False
    is_sequence = isinstance(x, Sequence) and not isinstance(x, str | bytes)
    return is_sequence or hasattr(type(x), "__array__")


@handler
def operator(ufunc: Any, left: Any, right: Any) -> Any:
    """``left ufunc right``: Python's arithmetic between Python numbers, else NumPy's."""
    if is_selection(left) or is_selection(right):
        return combined(lambda *parts: operator(ufunc, *parts), left, right)
    if not (_known(left, right) and _known(right, left)):
        return _beside_stranger(ufunc, left, right)
    if is_weak(left) and is_weak(right):
        return _python_operator(ufunc, left, right)
    if ufunc is np.power and type(left) is TracedArray and type(right) in (int, float):
        return _static_power(left, right)
    return apply_ufunc(ufunc, "__call__", (left, right), {})


def _beside_stranger(ufunc: Any, left: Any, right: Any) -> Any:
    """An operator on a traced value and None, a string or another object that is no number.

    An object's own reflected operator decides. Where it has none, NumPy finds every element of an
    array unequal to it; Python numbers, and NumPy's scalars but for strings, give Python's bool.
    """
    traced, other = (left, right) if is_traced(left) else (right, left)
    decides = isinstance(type(other).__eq__, FunctionType) and not isinstance(other, type)
    if ufunc not in (np.equal, np.not_equal) or decides or is_weak(traced):
        return NotImplemented
    outcome = np.bool_(ufunc is np.not_equal)
    if type(traced) is TracedArray and traced.ndim > 0:
        return fresh_array(ops.full(traced.type.with_dtype(outcome.dtype), outcome))
    is_text = isinstance(other, str | bytes)
    return outcome if type(traced) is TracedArray or is_text else NotImplemented


def _static_power(base: TracedArray, exponent: float) -> Any:
    """``base ** exponent``: NumPy takes shorter ways, which differ at -0.0, -inf and for bool."""
    inexact = base.dtype.kind in "fc"
    if exponent == 2 and (inexact or type(exponent) is int):
        return apply_ufunc(np.square, "__call__", (base,), {})
    if exponent == 0.5 and inexact:
        return apply_ufunc(np.sqrt, "__call__", (base,), {})
    if exponent == -1 and inexact:
        return apply_ufunc(np.reciprocal, "__call__", (base,), {})
    return apply_ufunc(np.power, "__call__", (base, exponent), {})


@handler
def unary_operator(ufunc: Any, operand: Any) -> Any:
    """A unary operator, or `numpy.real` and its like, on a traced value."""
    if is_selection(operand):
        return combined(lambda part: unary_operator(ufunc, part), operand)
    if ufunc is np.positive and type(operand) is TracedNumber and operand.python_type is not bool:
        return operand
    if ufunc in (np.real, np.imag):
        part = ops.real if ufunc is np.real else ops.imag
        value = operand.value
        if value.dtype.kind == "c":
            return scalar(part(value))
        return operand if ufunc is np.real else scalar(ops.full_like(value, 0))
    result = apply_ufunc(ufunc, "__call__", (operand,), {})
    if type(operand) is TracedNumber:
        kind = operand.python_type
        if kind is bool:
            kind = int
        return number(result.value, float if ufunc is np.absolute and kind is complex else kind)
    return result


def _python_operator(ufunc: Any, left: Any, right: Any) -> Any:
    """Arithmetic of two Python numbers, one of them traced: the result is a Python number."""
    kinds = {python_type(left), python_type(right)}
    loop: type
    result: type
    kind: type = next(k for k in (complex, float, int, bool) if k in kinds)
    name = ufunc.__name__
    if name in _COMPARISONS:
        loop, result = kind, bool
    elif kind is bool and name.startswith("bitwise"):
        loop = result = bool
    else:
        kind = int if kind is bool else kind
        loop = result = float if name in ("divide", "true_divide") and kind is int else kind
    if result is int and name == "power":
        raise UnsupportedError(
            "an int to a traced int power has no static type",
            location=user_location(),
            hint="Make one of them a float.",
        )
    dtype = dtype_of_number(loop)
    try:
        operands = [weak_value(x, dtype) for x in (left, right)]
    except OverflowError:
        if name not in _COMPARISONS or kind is not int:
            raise
        # One of them is beyond int64, and so beyond whatever a traced int can be.
        signs = [(x > 0) - (x < 0) if type(x) is int else 0 for x in (left, right)]
        return bool(ufunc(*signs))
    outputs = make(OPS[OP_NAMES.get(name, name)], operands).outputs
    results = tuple(number(output, result) for output in outputs)
    return results[0] if len(results) == 1 else results


@handler
def rounded(operand: Any, digits: int | None) -> Any:
    """``round(operand, digits)``: a whole number where no digits are given."""
    if type(operand) is TracedArray:
        raise TypeError("type numpy.ndarray doesn't define __round__ method")
    if digits is None:
        return number(ops.cast(value_of(np.rint(operand)), DTYPES["int64"]), int)
    result = call_function(np.round, (operand, digits), {})
    return number(result.value, float) if type(operand) is TracedNumber else result


@handler
def apply_ufunc(ufunc: Any, method: str, inputs: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """``ufunc.method(*inputs, **kwargs)`` on traced values."""
    selected = [x for x in (*inputs, *kwargs.values()) if is_selection(x)]
    if selected and (kwargs or method != "__call__" or ufunc.signature):
        raise selected[0].refused()
    if selected:
        return combined(lambda *parts: apply_ufunc(ufunc, method, parts, {}), *inputs)
    if ufunc in FUNCTIONS and method == "__call__":
        return call_function(ufunc, inputs, kwargs)
    widens = ufunc.__name__ in ("add", "multiply")
    if method == "reduce" and ufunc.__name__ in _REDUCTIONS and (widens or "dtype" not in kwargs):
        return call_function(_REDUCTIONS[ufunc.__name__], inputs, {"axis": 0, **kwargs})
    if method == "outer":
        left, right = (array_like(x) for x in inputs)
        column = fresh_array(ops.reshape(left.value, left.value.shape + (1,) * right.value.ndim))
        return apply_ufunc(ufunc, "__call__", (column, right), kwargs)
    if method == "at" and ufunc in (np.add, np.subtract):
        return call("add_at", *inputs, negated=ufunc is np.subtract)
    if method != "__call__":
        return call("ufunc_method", ufunc, method, inputs, kwargs)
    return _call(ufunc, inputs, **kwargs)


def covered_ufunc(ufunc: Any) -> bool:
    """Whether a ufunc can be called on traced values."""
    name = OP_NAMES.get(ufunc.__name__, ufunc.__name__)
    known = ufunc in FUNCTIONS or ufunc is np.positive
    return known or name in OPS or ufunc.__name__ in _COMPOSED


def _call(
    ufunc: Any,
    inputs: Sequence[Any],
    out: Any = None,
    where: Any = True,
    dtype: Any = None,
    casting: str = "same_kind",
    order: str = "K",
    subok: bool = True,
    signature: Any = None,
) -> Any:
    if not covered_ufunc(ufunc):
        raise unsupported_function(ufunc)
    name = OP_NAMES.get(ufunc.__name__, ufunc.__name__)
    operands = [x if is_weak(x) else array_like(x) for x in inputs]
    targets = out if isinstance(out, tuple) else (out,) * ufunc.nout
    loop = loop_dtypes(ufunc, operands, dtype, casting)
    if np.dtype(np.float16) in loop:
        raise DTypeError(
            f"np.{ufunc.__name__} computes in float16 here, which is not supported",
            hint="Convert the operands first: .astype(np.float32).",
        )
    values = _cast_operands(operands, loop, name)
    shape = _common_shape(ufunc.__name__, values)
    values = [ops.broadcast_to(value, shape) for value in values]
    if name == "power":
        _require_power(*values)
    halved = name == "power" and values[0].dtype.kind == "f" and _takes_root(*operands)
    results = [ops.sqrt(values[0])] if halved else compute(ufunc, values)
    results = [
        ops.cast(value, supported_dtype(t))
        for value, t in zip(results, loop[ufunc.nin :], strict=True)
    ]
    is_array = any(type(x) is TracedArray and x.ndim > 0 for x in operands) or len(shape) > 0
    finished = tuple(
        _deliver(ufunc, value, target, where, is_array, operands)
        for value, target in zip(results, targets, strict=True)
    )
    return finished[0] if len(finished) == 1 else finished


def _require_power(base: Value, exponent: Value) -> None:
    """Refuse an exponent of integers that is known to be negative; others are checked at run time.

    Raises:
        DomainError: it is, and there is an element to raise to it.
    """
    if base.dtype.kind != "i" or not all(size for size in base.shape if isinstance(size, int)):
        return
    known = ops.uniform(exponent)
    symbolic = any(isinstance(size, Dim) for size in base.shape)
    if known is not None and known < 0 and not symbolic:
        raise DomainError(NEGATIVE_POWER, location=user_location())


def _takes_root(base: Any, exponent: Any) -> bool:
    """Whether NumPy takes the square root of an array: its power by one exponent of 0.5.

    They differ at -0.0 and -inf. Scalars have the power, as have exponents of several elements.
    """
    if type(base) is not TracedArray:
        return False
    if is_weak(exponent):
        return type(exponent) is float and exponent == 0.5
    one = all(size == 1 for size in exponent.value.shape)
    return one and ops.uniform(exponent.value) == 0.5


def _common_shape(name: str, values: Sequence[Value]) -> Shape:
    try:
        return broadcast_shapes(*(value.shape for value in values))
    except ShapeError as error:
        types = " and ".join(str(value.tensor) for value in values)
        raise ShapeError(
            f"{name} of {types}: {error.message}",
            hint=error.hint,
        ) from None


def loop_dtypes(
    ufunc: Any, operands: Sequence[Any], dtype: Any = None, casting: str = "same_kind"
) -> tuple[np.dtype, ...]:
    """The dtypes of the loop that NumPy would run: inputs, then outputs."""
    given = tuple(python_type(x) if is_weak(x) else x.value.dtype for x in operands)
    if all(isinstance(item, type) for item in given):
        given = tuple(dtype_of_number(item) for item in given)
    given = tuple(np.dtype(bool) if item is bool else item for item in given)
    chosen: dict[str, Any] = {"casting": casting}
    if dtype is not None:
        chosen["signature"] = (None,) * ufunc.nin + (as_dtype(dtype),) * ufunc.nout
    try:
        loop: tuple[np.dtype, ...] = ufunc.resolve_dtypes(given + (None,) * ufunc.nout, **chosen)
    except TypeError:
        listed = ", ".join(item.__name__ if isinstance(item, type) else str(item) for item in given)
        raise DTypeError(
            f"np.{ufunc.__name__} does not take dtypes ({listed})",
            hint="Convert with .astype(...) to a dtype that it takes.",
        ) from None
    return loop


def _cast_operands(operands: Sequence[Any], loop: Sequence[np.dtype], name: str) -> list[Value]:
    """The operands in the dtypes of their loop.

    Raises:
        OverflowError: a Python int that its dtype does not hold; a comparison compares it exactly.
    """
    try:
        values = [_cast_operand(x, t) for x, t in zip(operands, loop, strict=False)]
    except OverflowError:
        integers = all(is_weak(x) or x.dtype.kind in "iu" for x in operands)
        if name not in _COMPARISONS or loop[0].kind not in "iu" or not integers:
            raise
        return [_stand_in(x) for x in operands]
    mixed = name in _COMPARISONS and len({value.dtype for value in values}) > 1
    return _unsigned(values) if mixed else values


def _cast_operand(x: Any, dtype: np.dtype) -> Value:
    supported_dtype(dtype)
    return weak_value(x, dtype) if is_weak(x) else ops.cast(x.value, dtype)


def _stand_in(x: Any) -> Value:
    """What compares as `x` does, where a Python int lies beyond all that the other can be."""
    if is_weak(x):
        return ops.constant(np.int64(1 if x > 0 else -1))
    return ops.full(x.value.tensor.with_dtype(DTYPES["int64"]), 0)


def _unsigned(values: Sequence[Value]) -> list[Value]:
    """int64 and uint64 operands as uint64 ones that compare the same: 0 and 1 for a negative."""
    shape = _common_shape("comparison", values)
    values = [ops.broadcast_to(value, shape) for value in values]
    signed = next(value for value in values if value.dtype.kind == "i")
    below = ops.less(signed, ops.full_like(signed, 0))
    wide = [ops.cast(value, DTYPES["uint64"]) for value in values]
    return [
        ops.select(below, ops.full_like(new, int(old is not signed)), new)
        for old, new in zip(values, wide, strict=True)
    ]


_COMPOSED = {"deg2rad", "radians", "rad2deg", "degrees", "positive", "fabs", "float_power"}


def _changes_nothing(name: str, kind: str) -> bool:
    """Whether a ufunc gives back its operand of dtype kind `kind`."""
    whole = name in ("floor", "ceil", "trunc") and kind in "biu"
    return name == "positive" or whole or (name == "conjugate" and kind != "c")


def compute(ufunc: Any, values: Sequence[Value]) -> list[Value]:
    """The results of `ufunc` on operands of its loop's dtypes and of one shape."""
    name = OP_NAMES.get(ufunc.__name__, ufunc.__name__)
    (x, *rest) = values
    if _changes_nothing(name, x.dtype.kind):
        return [x]
    if name in OPS:
        return list(make(OPS[name], values).outputs)
    if name == "fabs":
        return [ops.absolute(x)]
    if name == "float_power":
        return [ops.power(x, *rest)]
    factor = np.pi / 180 if name in ("deg2rad", "radians") else 180 / np.pi
    return [ops.multiply(x, ops.full_like(x, factor))]


def _deliver(
    ufunc: Any, value: Value, target: Any, where: Any, is_array: bool, operands: Sequence[Any]
) -> Any:
    if where is not True:
        base = value_of(target) if target is not None else ops.full_like(value, 0)
        shape = broadcast_shapes(value.shape, array_like(where).value.shape)
        mask = ops.broadcast_to(value_of(where, DTYPES["bool"]), shape)
        value = ops.select(
            mask,
            ops.broadcast_to(value, shape),
            ops.broadcast_to(ops.cast(base, value.dtype), shape),
        )
        is_array = is_array or bool(shape)
    if target is None:
        return shaped_like(value, operands) if is_array else scalar(value)
    if type(target) is not TracedArray:
        target = array_like(target)
    if not np.can_cast(value.dtype, target.dtype, "same_kind"):
        raise DTypeError(
            f"Cannot cast ufunc '{ufunc.__name__}' output from {value.dtype!r} to "
            f"{target.dtype!r} with casting rule 'same_kind'",
            hint=f"Convert first: .astype(np.{target.dtype.name}).",
        )
    assign(target, fresh_array(value), exact=True)
    return target


def shaped_like(value: Value, operands: Sequence[Any]) -> TracedArray:
    """A fresh array laid out as NumPy would: axes in the memory order that all operands share."""
    arrays = [x for x in operands if type(x) is TracedArray and x.ndim == value.ndim]
    orders = {memory_order(x) for x in arrays}
    return in_order(value, orders.pop()) if len(orders) == 1 else fresh_array(value)


def memory_order(x: TracedArray) -> tuple[int, ...]:
    """The axes of `x` from the one with the widest stride to the one with the narrowest."""
    strides = [
        abs(stride) if size != 1 else None
        for size, stride in zip(x.shape_hint, x.steps, strict=True)
    ]
    moving = [axis for axis, stride in enumerate(strides) if stride is not None]
    by_stride = iter(sorted(moving, key=lambda axis: -(strides[axis] or 0)))
    return tuple(axis if strides[axis] is None else next(by_stride) for axis in range(x.ndim))


def in_order(value: Value, order: tuple[int, ...]) -> TracedArray:
    """A fresh array of `value` whose axes lie in memory in `order`."""
    if order == tuple(range(value.ndim)):
        return fresh_array(value)
    return fresh_array(ops.transpose(value, order)).transposed(inverse(order))


def is_fortran(x: TracedArray) -> bool:
    """Whether `x` lies in Fortran order without gaps, and not also in C order."""
    shape, strides = x.shape_hint, x.steps
    significant = [(size, stride) for size, stride in zip(shape, strides, strict=True) if size != 1]
    if len(significant) < 2:
        return False
    step = 1
    for size, stride in significant:
        if stride != step:
            return False
        step *= size
    return True


_PART_FITS = (
    "Write to a part of the value's shape, as in x[:n] = value, or give the value axes of size 1: "
    "value[:, None]."
)


@handler
def assign(target: TracedArray, source: Any, exact: bool = False) -> None:
    """``target[...] = source``, with NumPy's casting (unsafe) and broadcasting.

    Args:
        exact: axes of size 1 in front of the target's are not dropped, as for ``out=``.
    """
    if target.storage.readonly:
        raise ValueError("assignment destination is read-only")
    value = value_of(source, target.dtype)
    shape = target.value.shape
    surplus = value.ndim - len(shape)
    if surplus > 0 and not exact and all(size == 1 for size in value.shape[:surplus]):
        value = ops.reshape(value, value.shape[surplus:])
    if value.shape != shape:
        fits = value.ndim <= len(shape) and broadcasts_to(value.shape, shape)
        if not fits:
            raise ShapeError(
                f"could not broadcast input array from shape {_text(value.shape)} "
                f"into shape {_text(shape)}",
                hint="Give out= the shape of the result." if exact else _PART_FITS,
            )
        value = ops.broadcast_to(value, shape)
    target.write(value)


def _text(shape: Sequence[Any]) -> str:
    return f"({','.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
