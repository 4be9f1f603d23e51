"""The namespaces that user code sees while it is traced: graphc's NumPy, ``math`` and builtins.

NumPy's protocols reach only calls that are given a traced value. These stand-ins also catch
``np.zeros(3)`` (a buffer to be filled), ``np.array([a, b])``, ``np.float32(x)``, ``float(x)`` and
``len(x)``; NumPy itself is never patched.
"""

from __future__ import annotations

import builtins
import math
import random
from functools import cache, partial
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import GraphcError, TraceError
from graphc.trace.base import Traced, unsupported_function
from graphc.trace.context import active, located, refused, user_location
from graphc.trace.convert import array_like, holds_traced, value_of
from graphc.trace.dispatch import FUNCTIONS, call, call_function
from graphc.trace.hints import KEEP, value_hint
from graphc.trace.instances import original_class
from graphc.trace.sizes import TracedSize, wrap_size
from graphc.trace.values import TracedArray, fresh_array, is_traced, number, scalar
from graphc.types import DTYPES

ALWAYS_TRACED: set[Any] = set()
"""Functions that make arrays: graphc's are called even without a traced argument."""


STAND_INS: dict[Any, Any] = {}
"""NumPy's classes and objects that are neither functions nor ufuncs, and what traced code sees."""


def _stand_in(value: Any) -> Any:
    """The stand-in for a member of NumPy, or None."""
    named = isinstance(value, type | ModuleType)
    if not named and not type(value).__module__.startswith("numpy"):
        return None  # an object of the user's: its hash is not ours to ask for
    try:
        return STAND_INS.get(value)
    except TypeError:  # it has no hash
        return None


def imported(result: Any) -> Any:
    """A result of NumPy on static arguments: its arrays become arrays of the trace."""
    if type(result) is np.ndarray:
        return fresh_array(ops.constant(result)) if result.dtype.kind in "biufc" else result
    if type(result) in (tuple, list):
        return type(result)(imported(item) for item in result)
    return result


@cache
def _function(function: Any) -> Any:
    def traced(*args: Any, **kwargs: Any) -> Any:
        if function in ALWAYS_TRACED or holds_traced(args, kwargs):
            if function not in FUNCTIONS:
                raise unsupported_function(function)
            return call_function(function, args, kwargs)
        return imported(function(*args, **kwargs))

    traced.__name__ = traced.__qualname__ = function.__name__
    traced.__module__ = "numpy"
    traced.__wrapped__ = function  # type: ignore[attr-defined]
    return traced


class TracedUfunc:
    """A ufunc in traced code; its methods and attributes are the ufunc's."""

    def __init__(self, ufunc: Any) -> None:
        self.__wrapped__ = ufunc
        self.__name__ = ufunc.__name__

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._apply("__call__", *args, **kwargs)

    def _apply(self, method: str, *args: Any, **kwargs: Any) -> Any:
        dispatched = any(issubclass(type(x), Traced) for x in args)
        if not dispatched and holds_traced(args, kwargs):
            # NumPy asks only its arguments themselves, not what their lists hold.
            return call("apply_ufunc", self.__wrapped__, method, args, kwargs)
        return imported(getattr(self.__wrapped__, method)(*args, **kwargs))

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.__wrapped__, name)
        if callable(attribute):
            return partial(self._apply, name)
        return attribute


class _TypeMeta(type):
    """Makes a stand-in answer ``isinstance``, ``==`` and calls like the type it stands for."""

    actual: type
    convert: Any

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, cls.actual)

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(getattr(other, "actual", other), cls.actual)

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if args and is_traced(args[0]):
            try:
                return cls.convert(*args, **kwargs)
            except GraphcError as error:
                raise located(error) from None
        return cls.actual(*args, **kwargs)

    def __eq__(cls, other: object) -> bool:
        if cls is other or cls.actual is other:
            return True
        return NotImplemented  # a dtype knows whether it is equal to a type

    def __hash__(cls) -> int:
        return hash(cls.actual)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.actual, name)

    def __repr__(cls) -> str:
        return repr(cls.actual)


class _MadeOtherwise(_TypeMeta):
    """As `_TypeMeta`, of a type whose instances traced code makes in another way."""

    make: Any

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return cls.make(*args, **kwargs)


def type_stand_in(name: str, actual: type, make: Any) -> Any:
    """What traced code sees in place of the type `actual`, whose instances are made by `make`."""
    return _MadeOtherwise(name, (), {"actual": actual, "make": staticmethod(make)})


@cache
def _scalar_type(actual: type) -> Any:
    dtype = np.dtype(actual)

    def convert(x: Any) -> Any:
        value = ops.cast(value_of(x), dtype)
        return scalar(value) if value.ndim == 0 else fresh_array(value)

    return _TypeMeta(
        actual.__name__, (), {"actual": actual, "convert": staticmethod(convert), "dtype": dtype}
    )


def _python_number(kind: type, dtype: np.dtype) -> Any:
    def convert(x: Any) -> Any:
        if type(x) is TracedSize:
            return x if kind is int else (x != 0 if kind is bool else x.number * 1.0)
        value = array_like(x).value if not hasattr(x, "python_type") else x.value
        if x.origin.values is not None:
            return kind(x.origin.concrete(value).item())
        if kind in (int, bool):
            location = user_location()
            hint = value_hint(location)
            if hint == KEEP:
                hint = f"Use x.astype(np.{'int64' if kind is int else 'bool'}) for an array of it."
            raise refused(
                TraceError(
                    f"{kind.__name__}() needs the value of a traced {x.description}, which is "
                    "known only when the compiled code runs",
                    location=location,
                    hint=hint,
                )
            )
        if value.ndim:
            raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
        return number(ops.cast(value, dtype), kind)

    return _TypeMeta(
        kind.__name__, (), {"actual": kind, "convert": staticmethod(convert), "dtype": dtype}
    )


def _length(x: Any) -> Any:
    if type(x) is TracedArray and x.ndim > 0:
        return wrap_size(x.value.shape[0], x.origin)
    return len(x)


class _TypeOf(_TypeMeta):
    """``type(x)``: the type that a traced value stands for, as the user's names give it."""

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        if len(args) != 1 or kwargs:
            return type(*args, **kwargs)
        kind = args[0].__class__
        if issubclass(kind, np.generic) and kind.__name__ in DTYPES:
            return _scalar_type(kind)
        if kind in (float, complex, int, bool):
            return BUILTINS[kind.__name__]
        if kind is np.ndarray:
            return substitute(kind)
        return active().capture.known(original_class(kind))


BUILTINS: dict[str, Any] = {
    **vars(builtins),
    "float": _python_number(float, DTYPES["float64"]),
    "complex": _python_number(complex, DTYPES["complex128"]),
    "int": _python_number(int, DTYPES["int64"]),
    "bool": _python_number(bool, DTYPES["bool"]),
    "len": _length,
}
BUILTINS["type"] = _TypeOf("type", (), {"actual": type, "dtype": None})


def _one_sample(name: str) -> TraceError:
    return refused(
        TraceError(
            f"{name} inside a compiled function would draw one sample while tracing and use it for "
            "ever",
            location=user_location(),
            hint="Draw outside and pass the numbers in, or draw inside with graphc.random, as in "
            "graphc.random.normal(key, shape).",
        )
    )


class _Random:
    """``np.random`` in traced code: a sample taken while tracing would be baked in."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _one_sample(f"np.random.{name}")


RANDOM = _Random()


class _RandomSource:
    """A random generator, or a function of one, in traced code."""

    def __init__(self, name: str) -> None:
        self._graphc_name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise _one_sample(self._graphc_name)


class _RandomModule:
    """The ``random`` module in traced code."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _RandomSource(f"random.{name}")


RANDOM_MODULE = _RandomModule()


def random_stand_in(value: Any) -> Any:
    """What traced code sees in place of a random generator or one of its functions."""
    owner = getattr(value, "__self__", None)
    if owner is None or isinstance(owner, ModuleType):
        return _RandomSource(f"a {type(value).__name__}")
    return _RandomSource(f"{type(owner).__name__}.{value.__name__}")


class Namespace:
    """A NumPy module in traced code."""

    def __init__(self, module: ModuleType) -> None:
        self.__wrapped__ = module
        self.__name__ = module.__name__

    def __getattr__(self, name: str) -> Any:
        value = substitute(getattr(self.__wrapped__, name))
        self.__dict__[name] = value
        return value


_MATH = {
    **{
        name: getattr(np, name)
        for name in ["exp", "expm1", "exp2", "log2", "log10", "log1p", "sqrt", "cbrt"]
    },
    **{
        name: getattr(np, name)
        for name in ["sin", "cos", "tan", "sinh", "cosh", "tanh", "hypot", "fabs"]
    },
    **{name: getattr(np, name) for name in ["copysign", "fmod", "isnan", "isinf", "isfinite"]},
    **{
        name: getattr(np, "arc" + name[1:])
        for name in ["asin", "acos", "atan", "asinh", "acosh", "atanh"]
    },
    "atan2": np.arctan2,
    "pow": np.float_power,
    "degrees": np.degrees,
    "radians": np.radians,
    "log": np.log,
    "erf": lambda x: scalar(ops.erf(x.value)),
    "erfc": lambda x: scalar(ops.erfc(x.value)),
    "lgamma": lambda x: scalar(ops.gammaln(x.value)),
}


class _Math:
    """``math`` in traced code: the ufunc of the same meaning for a traced value."""

    def __getattr__(self, name: str) -> Any:
        value = substitute(getattr(math, name))
        self.__dict__[name] = value
        return value


MATH = _Math()
_MATH_NAMES = {getattr(math, name): name for name in dir(math) if callable(getattr(math, name))}


@cache
def _math_function(function: Any) -> Any:
    name = _MATH_NAMES[function]

    def traced(*args: Any) -> Any:
        if not holds_traced(args):
            return function(*args)
        if all(type(x) is TracedSize or not is_traced(x) for x in args) and name in (
            "prod",
            "gcd",
            "floor",
            "ceil",
            "trunc",
        ):
            return function(*args)
        if name not in _MATH:
            raise unsupported_function(function)
        operands = [_math_operand(x) for x in args]
        result = _MATH[name](*operands[:1] if name == "log" else operands)
        if name == "log" and len(operands) == 2:
            result = result / np.log(operands[1])
        return number(result.value, bool if name.startswith("is") else float)

    traced.__name__ = name
    return traced


def _math_operand(x: Any) -> Any:
    if not is_traced(x):
        return np.float64(x)
    value = x.number.value if type(x) is TracedSize else x.value
    if value.ndim:
        raise TypeError("only 0-dimensional arrays can be converted to Python scalars")
    return scalar(ops.cast(value, DTYPES["float64"]))


def is_numpy(value: Any) -> bool:
    """Whether `value` is a function, ufunc or type that NumPy or ``math`` defines."""
    if isinstance(value, np.ufunc) or _stand_in(value) is not None:
        return True
    if isinstance(value, type):
        return issubclass(value, np.generic)
    module = getattr(value, "__module__", None) or ""
    return callable(value) and (module.split(".")[0] == "numpy" or value in _MATH_NAMES)


def substitute(value: Any) -> Any:
    """What traced code sees in place of `value`, a member of NumPy, ``math`` or builtins."""
    stand_in = _stand_in(value)
    if stand_in is not None:
        return stand_in
    if isinstance(value, ModuleType):
        if value is math:
            return MATH
        if value is random:
            return RANDOM_MODULE
        name = value.__name__
        if name == "numpy.random" or name.startswith("numpy.random."):
            return RANDOM
        return Namespace(value) if name.split(".")[0] == "numpy" else value
    if isinstance(type(value), type) and issubclass(type(value), Traced):
        return value
    if isinstance(value, np.ufunc):
        return _ufunc(value)
    if isinstance(value, type):
        concrete = issubclass(value, np.number | np.bool_) and value.__name__ in DTYPES
        return _scalar_type(value) if concrete else value
    if isinstance(value, BuiltinFunctionType) and value in _MATH_NAMES:
        return _math_function(value)
    module = getattr(value, "__module__", None) or ""
    if module.startswith("numpy.random"):
        return getattr(RANDOM, value.__name__)
    if callable(value) and isinstance(
        value, FunctionType | BuiltinFunctionType | type(np.concatenate)
    ):
        return _function(value)
    return value


def original(value: Any) -> Any:
    """What a stand-in of this module stands for; anything else itself."""
    if isinstance(value, _TypeMeta):
        return value.actual
    if isinstance(value, TracedUfunc | Namespace):
        return value.__wrapped__
    is_function = isinstance(value, FunctionType) and value.__module__ == "numpy"
    return getattr(value, "__wrapped__", value) if is_function else value


@cache
def _ufunc(ufunc: Any) -> TracedUfunc:
    return TracedUfunc(ufunc)


NUMPY = Namespace(np)
