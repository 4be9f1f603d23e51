"""Traced values: what the user's function computes with while it is traced.

`TracedArray` stands for an ndarray, `TracedScalar` for a NumPy scalar, `TracedNumber` for a Python
float, complex or bool that depends on the arguments. They answer NumPy's protocols, and
``isinstance`` says what they stand for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.ir import Value
from graphc.trace.base import OPERATORS, Traced
from graphc.trace.context import Trace, active, located
from graphc.trace.dispatch import call, call_function
from graphc.trace.sizes import TracedSize, wrap_size
from graphc.trace.views import (
    BroadcastStep,
    ComponentStep,
    DiagonalStep,
    PickStep,
    ReshapeStep,
    SliceStep,
    Step,
    Storage,
    StridedStep,
    TransposeStep,
    contiguous_strides,
    is_contiguous,
    reshaped_strides,
)
from graphc.types import DTYPES, Shape, TensorType, symbols


class TracedNumber(Traced):
    """A Python float, complex or bool: weak, so it takes the dtype of the array that it meets."""

    __slots__ = ("_value", "python_type")

    def __init__(self, value: Value, python_type: type, trace: Trace) -> None:
        self._value = value
        self.python_type = python_type
        self.origin = trace

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hashed()

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

    def __hash__(self) -> int:  # type: ignore[override]
        return self._hashed()

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
    __iter__ = None  # it has items, x[()] and x[None], and is no sequence of them

    @property
    def dtype(self) -> np.dtype:
        return self._value.dtype

    @property
    def T(self) -> TracedScalar:
        return self

    def __getitem__(self, key: Any) -> Any:
        return call("get_item", fresh_array(self.value), key)


class TracedArray(Traced):
    """An ndarray: a path into a storage. `steps` are its strides when traced, in elements."""

    __slots__ = ("_cached", "_version", "path", "steps", "storage")

    def __init__(
        self, storage: Storage, path: tuple[Step, ...], strides: tuple[int, ...], trace: Trace
    ) -> None:
        self.storage = storage
        self.path = path
        self.steps = strides
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

    device = "cpu"

    @property
    def nbytes(self) -> Any:
        return self.size * self.itemsize

    @property
    def strides(self) -> tuple[int, ...]:
        """NumPy's strides, in bytes; a symbolic size that they depend on becomes static."""
        for size in self.value.shape:
            self.origin.static(size)
        if self.storage.packed:
            return tuple(step // self.itemsize for step in self.steps)
        return tuple(step * self.itemsize for step in self.steps)

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
            strides = step.strides(self.shape_hint, self.steps)
        last = self.path[-1] if self.path else None
        if isinstance(last, StridedStep) and _joins(step):
            # Elements may share an address: a write must go through one step, not two.
            shape = tuple(self.origin.hint(size) for size in step.get(self.value).shape)
            joined = last.then(step, shape, strides)
            return TracedArray(self.storage, (*self.path[:-1], joined), strides, self.origin)
        if isinstance(last, PickStep) and isinstance(step, PickStep):
            # One write at both positions, not one of a whole part that was read before.
            picked = last.then(step, self.ndim + len(last.axes))
            return TracedArray(self.storage, (*self.path[:-1], picked), strides, self.origin)
        return TracedArray(self.storage, (*self.path, step), strides, self.origin)

    def become(self, other: TracedArray) -> None:
        """Look into the storage of `other` as it does."""
        self.storage, self.path, self.steps = other.storage, other.path, other.steps
        self._version, self._cached = -1, None

    @property
    def shape_hint(self) -> tuple[int, ...]:
        return tuple(self.origin.hint(size) for size in self.value.shape)

    def transposed(self, axes: tuple[int, ...]) -> TracedArray:
        """The view with axes permuted."""
        return self if axes == tuple(range(self.ndim)) else self.view(TransposeStep(axes))

    def reshaped(self, shape: Shape) -> TracedArray:
        """The array under another shape: a view where NumPy gives one, else a copy."""
        target = tuple(self.origin.hint(size) for size in shape)
        strides = reshaped_strides(self.shape_hint, self.steps, target)
        names = frozenset[str]().union(*(symbols(size) for size in (*shape, *self.value.shape)))
        if names and not self._surely_contiguous():
            # Whether this is a view depends on the sizes: only a later write needs to know.
            self.storage.undecided |= names
            step = ReshapeStep(shape, self.value.shape)
            return self.view(step, contiguous_strides(target) if strides is None else strides)
        if strides is None:
            return fresh_array(ops.reshape(self.value, shape))
        return self.view(ReshapeStep(shape, self.value.shape), strides)

    def _surely_contiguous(self) -> bool:
        """Whether the array is in C order whatever the symbolic sizes are."""
        if not self.storage.contiguous:
            return False
        for step in self.path:
            whole = isinstance(step, SliceStep) and step.keeps_order()
            if not (whole or isinstance(step, ReshapeStep)):
                return False
        return True

    def raveled(self) -> TracedArray:
        """The array as one axis: a view where it is contiguous, else a copy."""
        flat = (self.value.tensor.size,)
        if not self._surely_contiguous():
            names = frozenset[str]().union(*(symbols(size) for size in self.value.shape))
            if names:
                self.storage.undecided |= names
                return self.view(ReshapeStep(flat, self.value.shape, ravel=True), (1,))
            if not is_contiguous(self.shape_hint, self.steps):
                return fresh_array(ops.reshape(self.value, flat))
        return self.reshaped(flat)

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
        return call("iterate", self)  # type: ignore[no-any-return]

    def __getitem__(self, key: Any) -> Any:
        return call("get_item", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        call("set_item", self, key, value)

    def __contains__(self, item: Any) -> Any:
        return bool(call_function(np.any, (self == item,), {}))

    @property
    def flat(self) -> Any:
        hint = "Use .reshape(-1)."
        raise located(UnsupportedError("ndarray.flat is not covered", hint=hint))


def _joins(step: Step) -> bool:
    """Whether `step` and a `StridedStep` before it are one."""
    if isinstance(step, DiagonalStep):
        return step.writable
    return isinstance(step, SliceStep | TransposeStep | ReshapeStep)


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


def _in_place(ufunc: Any) -> Any:
    def operator(self: TracedArray, other: Any) -> Any:
        return call("apply_ufunc", ufunc, "__call__", (self, other), {"out": (self,)})

    return operator


for _name, _ufunc in OPERATORS.items():
    setattr(TracedArray, f"__i{_name}__", _in_place(_ufunc))
