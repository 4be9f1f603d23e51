"""Traced values: what the user's function computes with while it is traced.

`TracedArray` stands for an ndarray, `TracedScalar` for a NumPy scalar, `TracedNumber` for a Python
float, complex or bool that depends on the arguments. They answer NumPy's protocols, and
``isinstance`` says what they stand for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import TraceError, UnsupportedError
from graphc.ir import Value
from graphc.trace.context import Trace, active, user_location
from graphc.trace.dispatch import FUNCTIONS, call, call_function
from graphc.trace.sizes import TracedSize, wrap_size
from graphc.trace.views import (
    BroadcastStep,
    ComponentStep,
    ReshapeStep,
    Step,
    Storage,
    TransposeStep,
    contiguous_strides,
    reshaped_strides,
)
from graphc.types import DTYPES, Shape, TensorType


def _needs_value(value: Traced, use: str, hint: str) -> TraceError:
    return TraceError(
        f"{use} needs the value of a traced {value.description}, which is known only when the "
        "compiled code runs",
        location=user_location(),
        hint=hint,
    )


_BRANCH_HINT = (
    "Choose between values with np.where(condition, a, b); under graphc.eager() plain `if` works."
)
_VALUE_HINT = "Keep it an array, or compute this part outside the compiled function."


def unsupported_function(function: Any) -> UnsupportedError:
    """The error for a NumPy function that has no implementation, naming the nearest that has."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    name = f"{module}.{function.__name__}".replace("numpy.", "np.", 1)
    covered = {f.__name__: f for f in FUNCTIONS}
    near = difflib.get_close_matches(function.__name__, covered, n=1, cutoff=0.7)
    hint = (
        f"The nearest function that is covered: np.{near[0]}."
        if near
        else ("Compute it outside the compiled function and pass the result in.")
    )
    return UnsupportedError(
        f"{name} is not covered for traced arrays", location=user_location(), hint=hint
    )


class Traced:
    """What all traced values share: protocols, operators, and refusal of what needs a number."""

    __slots__ = ("origin",)
    __array_priority__ = 1000.0
    origin: Trace

    @property
    def value(self) -> Value:
        raise NotImplementedError

    @property
    def description(self) -> str:
        """What it is, for error messages."""
        return f"scalar of type {self.value.dtype.name}"

    # --- NumPy's protocols ---

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return call("apply_ufunc", ufunc, method, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise unsupported_function(function)
        return call_function(function, args, kwargs)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        if self.origin.values is not None:
            return np.array(self.origin.concrete(self.value), dtype=dtype)
        raise _needs_value(
            self,
            "a function that is not traced (a C extension, or NumPy outside `np.`)",
            _VALUE_HINT,
        )

    # --- what needs a number ---

    def _number(self, use: str, hint: str) -> Any:
        if self.origin.values is None:
            raise _needs_value(self, use, hint)
        return self.origin.concrete(self.value)

    def __bool__(self) -> bool:
        return bool(self._number("a branch (`if`, `while`, `and`, `or`, `not`)", _BRANCH_HINT))

    def __float__(self) -> float:
        return float(self._number("float()", _VALUE_HINT))

    def __int__(self) -> int:
        return int(self._number("int()", _VALUE_HINT))

    def __index__(self) -> int:
        return self._number("a Python index or range()", _VALUE_HINT).__index__()  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return complex(self._number("complex()", _VALUE_HINT))

    def as_integer_ratio(self) -> Any:
        """What ``fractions`` and ``statistics`` ask of a number."""
        return self._number("as_integer_ratio()", _VALUE_HINT).item().as_integer_ratio()

    def is_integer(self) -> bool:
        """Whether a number is whole."""
        return bool(self._number("is_integer()", _VALUE_HINT).item().is_integer())

    def __format__(self, spec: str) -> str:
        if self.origin.values is None:
            return repr(self) if not spec else str(self._number("a format", _VALUE_HINT))
        number = self.origin.concrete(self.value)
        return format(number.item() if number.ndim == 0 else number, spec)

    def __repr__(self) -> str:
        if self.origin.values is not None:
            return repr(self.origin.concrete(self.value))
        return f"<traced {self.value.type}>"

    def __str__(self) -> str:
        return (
            str(self.origin.concrete(self.value)) if self.origin.values is not None else repr(self)
        )

    def __reduce__(self) -> Any:
        raise TraceError(f"a traced {self.description} can't be pickled", location=user_location())

    def __copy__(self) -> Any:
        return call_function(np.copy, (self,), {})

    def __deepcopy__(self, memo: Any) -> Any:
        return call_function(np.copy, (self,), {})

    # --- operators: see the loop below the classes for the binary ones ---

    def __neg__(self) -> Any:
        return call("unary_operator", np.negative, self)

    def __pos__(self) -> Any:
        return call("unary_operator", np.positive, self)

    def __abs__(self) -> Any:
        return call("unary_operator", np.absolute, self)

    def __invert__(self) -> Any:
        return call("unary_operator", np.invert, self)

    def __divmod__(self, other: Any) -> Any:
        return call("operator", np.divmod, self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return call("operator", np.divmod, other, self)

    def __round__(self, digits: int | None = None) -> Any:
        return call("rounded", self, digits)

    __hash__ = None  # type: ignore[assignment]


class TracedNumber(Traced):
    """A Python float, complex or bool: weak, so it takes the dtype of the array that it meets."""

    __slots__ = ("_value", "python_type")

    def __init__(self, value: Value, python_type: type, trace: Trace) -> None:
        self._value = value
        self.python_type = python_type
        self.origin = trace

    @property
    def value(self) -> Value:
        return self._value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self.python_type

    @property
    def description(self) -> str:
        return f"Python {self.python_type.__name__}"

    @property
    def real(self) -> Any:
        return self if self.python_type is not complex else self._part(ops.real(self.value))

    @property
    def imag(self) -> Any:
        if self.python_type is not complex:
            return 0.0
        return self._part(ops.imag(self.value))

    def _part(self, value: Value) -> TracedNumber:
        self.origin.note(value)
        return TracedNumber(value, float, self.origin)

    def conjugate(self) -> Any:
        return call("unary_operator", np.conjugate, self)


class TracedScalar(Traced):
    """A NumPy scalar: 0-d and immutable, with a dtype of its own."""

    __slots__ = ("_value",)

    def __init__(self, value: Value, trace: Trace) -> None:
        self._value = value
        self.origin = trace

    @property
    def value(self) -> Value:
        return self._value

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return self._value.dtype.type

    @property
    def real(self) -> Any:
        return call("unary_operator", np.real, self)

    @property
    def imag(self) -> Any:
        return call("unary_operator", np.imag, self)

    shape = ()
    ndim = 0
    size = 1

    @property
    def dtype(self) -> np.dtype:
        return self._value.dtype

    @property
    def T(self) -> TracedScalar:
        return self

    def __getitem__(self, key: Any) -> Any:
        return call("get_item", fresh_array(self.value), key)


class TracedArray(Traced):
    """An ndarray: a path into a storage. `strides` are those of the traced call, in elements."""

    __slots__ = ("_cached", "_version", "path", "storage", "strides")

    def __init__(
        self, storage: Storage, path: tuple[Step, ...], strides: tuple[int, ...], trace: Trace
    ) -> None:
        self.storage = storage
        self.path = path
        self.strides = strides
        self.origin = trace
        self._version = -1
        self._cached: Value | None = None

    @property
    def value(self) -> Value:
        if self._version != self.storage.version or self._cached is None:
            self._cached = self.storage.read(self.path)
            self._version = self.storage.version
            self.origin.note(self._cached)
        return self._cached

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        return np.ndarray

    @property
    def description(self) -> str:
        return f"array of type {self.value.type}"

    @property
    def type(self) -> TensorType:
        return self.value.tensor

    @property
    def dtype(self) -> np.dtype:
        return self.value.dtype

    @property
    def shape(self) -> tuple[Any, ...]:
        return tuple(wrap_size(size, self.origin) for size in self.value.shape)

    @property
    def ndim(self) -> int:
        return self.value.ndim

    @property
    def size(self) -> Any:
        return wrap_size(self.value.tensor.size, self.origin)

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def nbytes(self) -> Any:
        return self.size * self.itemsize

    @property
    def T(self) -> TracedArray:
        return self.transposed(tuple(reversed(range(self.ndim))))

    @property
    def mT(self) -> TracedArray:
        if self.ndim < 2:
            raise ValueError("matrix transpose with ndim < 2 is undefined")
        axes = list(range(self.ndim))
        axes[-2:] = reversed(axes[-2:])
        return self.transposed(tuple(axes))

    @property
    def real(self) -> TracedArray:
        return self.view(ComponentStep("real")) if self.dtype.kind == "c" else self

    @real.setter
    def real(self, value: Any) -> None:
        call("assign", self.real, value)

    @property
    def imag(self) -> TracedArray:
        if self.dtype.kind == "c":
            return self.view(ComponentStep("imag"))
        return fresh_array(ops.full_like(self.value, 0))

    @imag.setter
    def imag(self, value: Any) -> None:
        call("assign", self.imag, value)

    def view(self, step: Step, strides: tuple[int, ...] | None = None) -> TracedArray:
        """The array seen through one more step of the path."""
        if strides is None:
            strides = step.strides(self.shape_hint, self.strides)
        return TracedArray(self.storage, (*self.path, step), strides, self.origin)

    @property
    def shape_hint(self) -> tuple[int, ...]:
        return tuple(self.origin.hint(size) for size in self.value.shape)

    def transposed(self, axes: tuple[int, ...]) -> TracedArray:
        """The view with axes permuted."""
        return self if axes == tuple(range(self.ndim)) else self.view(TransposeStep(axes))

    def reshaped(self, shape: Shape) -> TracedArray:
        """The array under another shape: a view where NumPy gives one, else a copy."""
        target = tuple(self.origin.hint(size) for size in shape)
        strides = reshaped_strides(self.shape_hint, self.strides, target)
        if strides is None:
            return fresh_array(ops.reshape(self.value, shape))
        return self.view(ReshapeStep(shape, self.value.shape), strides)

    def broadcast(self, shape: Shape) -> TracedArray:
        """The read-only view repeated to `shape`."""
        return self.view(BroadcastStep(shape))

    def write(self, value: Value) -> None:
        """Replace the elements by `value`, of the same type."""
        self.storage.write(self.path, value)
        self.origin.note(self.storage.value)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of unsized object")
        return self.origin.static(self.value.shape[0])

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return iter([self[k] for k in range(len(self))])

    def __getitem__(self, key: Any) -> Any:
        return call("get_item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        call("set_item", self, key, value)

    def __contains__(self, item: Any) -> Any:
        return bool(call_function(np.any, (self == item,), {}))

    @property
    def flat(self) -> Any:
        raise UnsupportedError(
            "ndarray.flat is not covered", location=user_location(), hint="Use .reshape(-1)."
        )


def fresh_array(value: Value) -> TracedArray:
    """A new array with the elements of `value`."""
    trace = active()
    trace.note(value)
    shape = tuple(trace.hint(size) for size in value.shape)
    return TracedArray(Storage(value), (), contiguous_strides(shape), trace)


def scalar(value: Value) -> TracedScalar:
    """A NumPy scalar of the 0-d `value`."""
    trace = active()
    trace.note(value)
    return TracedScalar(value, trace)


def number(value: Value, python_type: type) -> TracedNumber:
    """A Python number of the 0-d `value`."""
    trace = active()
    trace.note(value)
    return TracedNumber(value, python_type, trace)


def is_traced(value: Any) -> bool:
    """Whether `value` is a traced array, scalar, number or symbolic size."""
    return isinstance(type(value), type) and issubclass(type(value), Traced | TracedSize)


def dtype_of_number(python_type: type) -> np.dtype:
    """The dtype in which a Python number is kept."""
    names = {bool: "bool", int: "int64", float: "float64", complex: "complex128"}
    return DTYPES[names[python_type]]


def _binary(ufunc: Any) -> tuple[Any, Any, Any]:
    def forward(self: Traced, other: Any) -> Any:
        return call("operator", ufunc, self, other)

    def backward(self: Traced, other: Any) -> Any:
        return call("operator", ufunc, other, self)

    def in_place(self: TracedArray, other: Any) -> Any:
        return call("apply_ufunc", ufunc, "__call__", (self, other), {"out": (self,)})

    return forward, backward, in_place


_OPERATORS = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "truediv": np.true_divide,
    "floordiv": np.floor_divide,
    "mod": np.remainder,
    "pow": np.power,
    "matmul": np.matmul,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
    "lshift": np.left_shift,
    "rshift": np.right_shift,
}
_COMPARISONS = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
for _name, _ufunc in _OPERATORS.items():
    _forward, _backward, _in_place = _binary(_ufunc)
    setattr(Traced, f"__{_name}__", _forward)
    setattr(Traced, f"__r{_name}__", _backward)
    setattr(TracedArray, f"__i{_name}__", _in_place)
for _name, _ufunc in _COMPARISONS.items():
    setattr(Traced, f"__{_name}__", _binary(_ufunc)[0])
