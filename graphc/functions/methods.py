"""The methods of ndarrays and NumPy scalars, attached to the traced ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import GraphcError, UnsupportedError
from graphc.functions import shaping
from graphc.functions.common import as_array
from graphc.functions.creation import laid_out
from graphc.functions.ordering import partition_in_place, sort_in_place
from graphc.functions.selection import clip
from graphc.trace.context import located, user_location
from graphc.trace.convert import as_dtype
from graphc.trace.dispatch import call_function, implements
from graphc.trace.ufuncs import assign
from graphc.trace.values import TracedArray, TracedScalar, scalar
from graphc.trace.views import Step

Method = Callable[..., Any]

# Methods that are the NumPy function of the same name with the array in front.
_FUNCTIONS = {
    "all": np.all,
    "any": np.any,
    "argmax": np.argmax,
    "argmin": np.argmin,
    "argpartition": np.argpartition,
    "argsort": np.argsort,
    "choose": np.choose,
    "cumprod": np.cumprod,
    "cumsum": np.cumsum,
    "diagonal": np.diagonal,
    "trace": np.trace,
    "dot": np.dot,
    "max": np.max,
    "mean": np.mean,
    "min": np.min,
    "nonzero": np.nonzero,
    "prod": np.prod,
    "put": np.put,
    "ravel": np.ravel,
    "searchsorted": np.searchsorted,
    "repeat": np.repeat,
    "round": np.round,
    "squeeze": np.squeeze,
    "std": np.std,
    "sum": np.sum,
    "swapaxes": np.swapaxes,
    "take": np.take,
    "var": np.var,
    "compress": np.compress,
}

# Methods and attributes of ndarray that are not covered, with what to write instead.
_REFUSED = {
    "byteswap": "",
    "dump": "Return the array and save it outside.",
    "dumps": "Return the array and save it outside.",
    "getfield": "",
    "resize": "Use np.reshape or np.tile.",
    "setfield": "",
    "setflags": "",
    "tobytes": "Return the array and convert it outside.",
    "tofile": "Return the array and save it outside.",
    "tostring": "Return the array and convert it outside.",
}
_REFUSED_ATTRIBUTES = {
    "base": "Views and copies follow NumPy's rules.",
    "ctypes": "Pass the array to C outside the compiled function.",
    "data": "Pass the array to C outside the compiled function.",
    "flags": "Whether an argument is contiguous is known outside the compiled function.",
}


def _guarded(function: Method) -> Method:
    """`function`, whose errors name the user's line."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return function(self, *args, **kwargs)
        except GraphcError as error:
            raise located(error) from None

    method.__name__ = method.__qualname__ = function.__name__
    return method


def _of_function(function: Any) -> Method:
    if isinstance(function, np.ufunc):
        return lambda self, *args, **kwargs: function(self, *args, **kwargs)
    return lambda self, *args, **kwargs: call_function(function, (self, *args), kwargs)


def _shape_arguments(arguments: tuple[Any, ...]) -> Any:
    """``x.reshape(2, 3)`` and ``x.reshape((2, 3))`` mean the same."""
    if len(arguments) == 1 and (arguments[0] is None or isinstance(arguments[0], tuple | list)):
        return arguments[0]
    return arguments


def _reshape(self: Any, *shape: Any, order: str = "C", copy: Any = None) -> Any:
    return shaping.reshape(self, _shape_arguments(shape), order, copy=copy)


def _transpose(self: Any, *axes: Any) -> Any:
    return shaping.transpose(self, (_shape_arguments(axes) if axes else None))


def _astype(
    self: Any,
    dtype: Any,
    order: str = "K",
    casting: str = "unsafe",
    subok: bool = True,
    copy: bool = True,
) -> Any:
    kind = as_dtype(dtype)
    if not np.can_cast(self.dtype, kind, casting):  # type: ignore[arg-type]
        raise TypeError(
            f"Cannot cast array data from {self.dtype!r} to {kind!r} according to the rule "
            f"{casting!r}"
        )
    if type(self) is TracedScalar:
        return scalar(ops.cast(self.value, kind))
    if not copy and kind == self.dtype and order in ("K", "A"):
        return self
    return laid_out(ops.cast(self.value, kind), order, self)


@implements(np.astype)
def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """`numpy.astype`."""
    return x.astype(dtype, copy=copy)


def _copy(self: Any, order: str = "C") -> Any:
    return scalar(self.value) if type(self) is TracedScalar else np.copy(self, order=order)  # type: ignore[call-overload]


def _conjugate(self: Any) -> Any:
    return np.conjugate(self) if self.dtype.kind == "c" else self


def _fill(self: Any, value: Any) -> None:
    assign(self, value)


def _clip(self: Any, min: Any = None, max: Any = None, out: Any = None, **kwargs: Any) -> Any:
    return clip(self, min, max, out, **kwargs)


def _item(self: Any, *args: Any) -> Any:
    picked = (
        self[args[0] if len(args) == 1 and isinstance(args[0], tuple) else args] if args else self
    )
    number = picked._number("item()", "Keep it an array: x[()] is a NumPy scalar.")
    return number.item()


def _tolist(self: Any) -> Any:
    return self._number("tolist()", "Keep it an array, or return it and convert outside.").tolist()


def _view(self: Any, *args: Any, **kwargs: Any) -> Any:
    if args and isinstance(args[0], Step):
        return _step_view(self, *args, **kwargs)
    if not args and not kwargs:
        return self[...]
    raise UnsupportedError(
        "ndarray.view with a dtype is not covered",
        location=user_location(),
        hint="Convert the numbers with .astype(...).",
    )


_step_view: Method = TracedArray.view


def _set_shape(self: TracedArray, shape: Any) -> None:
    """``x.shape = ...`` in place, of an array that only the traced function holds.

    Raises:
        UnsupportedError: it is an argument, or would need a copy; a loop is traced again, unrolled.
    """
    hint = "Write y = y.reshape(2, 3), with the new shape: a view where NumPy can give one."
    trace = self.origin
    if trace.open_loops or trace.capture.holds(self):
        where = "in a loop" if trace.open_loops else "of an array that the caller holds"
        raise UnsupportedError(f"assignment to .shape {where} is not covered", hint=hint)
    changed = self.reshaped(shaping.inferred_shape(self, shape))
    if changed.storage is not self.storage:
        raise UnsupportedError("Incompatible shape for in-place modification.", hint=hint)
    self.become(changed)


def _set_dtype(self: Any, dtype: Any) -> None:
    raise UnsupportedError(
        "assignment to .dtype is not covered for traced arrays",
        hint="Convert the numbers with x = x.astype(...).",
    )


def _set_strides(self: Any, strides: Any) -> None:
    raise UnsupportedError(
        "assignment to .strides is not covered for traced arrays",
        hint="Take a view with slices, transpose or sliding_window_view.",
    )


def _flatten(self: Any, order: str = "C") -> Any:
    return shaping.flatten(as_array(self), order)


_OWN: dict[str, Method] = {
    "astype": _astype,
    "clip": _clip,
    "conj": _conjugate,
    "conjugate": _conjugate,
    "copy": _copy,
    "flatten": _flatten,
    "item": _item,
    "partition": partition_in_place,
    "reshape": _reshape,
    "sort": sort_in_place,
    "tolist": _tolist,
    "transpose": _transpose,
}


def _refused_method(name: str, hint: str) -> Method:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            f"ndarray.{name} is not covered for traced arrays",
            location=user_location(),
            hint=hint,
        )

    method.__name__ = name
    return method


def _attach() -> None:
    for kind in (TracedArray, TracedScalar):
        for name, function in _FUNCTIONS.items():
            setattr(kind, name, _guarded(_of_function(function)))
        for name, method in _OWN.items():
            setattr(kind, name, _guarded(method))
        for name, hint in _REFUSED.items():
            setattr(kind, name, _refused_method(name, hint))
        for name, hint in _REFUSED_ATTRIBUTES.items():
            setattr(kind, name, property(_refused_method(name, hint)))
    for name, setter in {"shape": _set_shape, "dtype": _set_dtype, "strides": _set_strides}.items():
        attribute = vars(TracedArray)[name]
        setattr(TracedArray, name, attribute.setter(_guarded(setter)))
    TracedArray.view = _view  # type: ignore[method-assign]
    TracedArray.fill = _guarded(_fill)  # type: ignore[attr-defined]


_attach()
