"""What traced values share: NumPy's protocols, operators, refusal of what needs a number."""

from __future__ import annotations

import difflib
from typing import Any

import numpy as np

from graphc.errors import TraceError, UnsupportedError
from graphc.ir import Value
from graphc.trace.context import Trace, refused, user_location
from graphc.trace.dispatch import FUNCTIONS, call, call_function
from graphc.trace.hints import KEEP, branch_hint, value_hint


def _needs_value(value: Traced, use: str, hint: str) -> TraceError:
    return refused(
        TraceError(
            f"{use} needs the value of a traced {value.description}, which is known only when the "
            "compiled code runs",
            location=user_location(),
            hint=hint,
        )
    )


class TracedText(str):
    """The description of a traced value: it prints, but is no string to decide by."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        raise self._refused()

    def __ne__(self, other: object) -> bool:
        raise self._refused()

    def __hash__(self) -> int:
        raise self._refused()

    def _refused(self) -> TraceError:
        return refused(
            TraceError(
                f"{str.__str__(self)} is the description of a traced value, whose number is known "
                "only when the compiled code runs",
                location=user_location(),
                hint="Compare and look up by static values; print with graphc.debug_print.",
            )
        )


def described(trace: Trace, text: str) -> TracedText:
    """What a print while tracing shows of a value; a result that holds it is refused."""
    trace.texts.setdefault(text, user_location())
    return TracedText(text)


def unsupported_function(function: Any) -> UnsupportedError:
    """The error for a NumPy function that has no implementation, naming the nearest that has."""
    module = getattr(function, "__module__", "numpy") or "numpy"
    name = f"{module}.{function.__name__}".replace("numpy.", "np.", 1)
    return refused(
        UnsupportedError(
            f"{name} is not covered for traced arrays",
            location=user_location(),
            hint=nearest(function.__name__, name),
        )
    )


_OUTSIDE = "Return the array, and do this outside the compiled function."
_LOADED = "Do this outside the compiled function, and pass the array in."
_SHOWN = "Print with graphc.debug_print: it runs at each call."
_POWERS = "Of the lowest power first: np.polyval(c[::-1], x), np.polymul, np.polyder and the like."
REPLACEMENTS: dict[str, str] = {
    **dict.fromkeys(("save", "savetxt", "savez", "savez_compressed", "tofile"), _OUTSIDE),
    **dict.fromkeys(
        ("load", "loadtxt", "genfromtxt", "fromfile", "fromregex", "fromstring"), _LOADED
    ),
    **dict.fromkeys(("from_dlpack", "frombuffer", "memmap"), _LOADED),
    **dict.fromkeys(
        ("array2string", "array_repr", "format_float_positional", "format_float_scientific"), _SHOWN
    ),
    **dict.fromkeys(("array_str", "base_repr", "binary_repr", "info", "typename"), _SHOWN),
    **dict.fromkeys(
        ("may_share_memory", "shares_memory"), "Views and copies are NumPy's: ask outside."
    ),
    "as_strided": "Use np.lib.stride_tricks.sliding_window_view, or slices with a step.",
    "asmatrix": "Use the array itself: it has @ for products and .T.",
    "bmat": "Use np.block.",
    "common_type": "Use np.result_type(x, y).",
    "frompyfunc": "Use np.vectorize(function), or write it as an array expression.",
    "fromiter": "Use np.array([...]).",
    "isfortran": "x.strides is known while tracing.",
    "nested_iters": "Loop over np.ndindex(x.shape).",
    "require": "Use np.ascontiguousarray or np.asfortranarray.",
}
"""What to write instead of a function that is not covered, where its name does not tell."""


def nearest(name: str, full_name: str = "") -> str:
    """What to write instead of a function that is not covered."""
    if full_name.startswith("np.polynomial."):
        return _POWERS
    if name.endswith("(vectorized)"):
        return REPLACEMENTS["frompyfunc"]
    if name in REPLACEMENTS:
        return REPLACEMENTS[name]
    covered = {f.__name__: f for f in FUNCTIONS}
    near = difflib.get_close_matches(name, covered, n=1, cutoff=0.7)
    if near:
        return f"The nearest function that is covered: np.{near[0]}."
    return "Compute it outside the compiled function and pass the result in."


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
            KEEP,
        )

    # --- what needs a number ---

    def _number(self, use: str, hint: str = "") -> Any:
        if self.origin.values is None:
            raise _needs_value(self, use, hint or value_hint(user_location()))
        return self.origin.concrete(self.value)

    def __bool__(self) -> bool:
        use = "a branch (`if`, `while`, `and`, `or`, `not`)"
        if self.origin.values is None:
            raise _needs_value(self, use, branch_hint(user_location(), self.value.ndim > 0))
        return bool(self._number(use))

    def __float__(self) -> float:
        return float(self._number("float()"))

    def __int__(self) -> int:
        return int(self._number("int()"))

    def __index__(self) -> int:
        return self._number("a Python index or range()").__index__()  # type: ignore[no-any-return]

    def __complex__(self) -> complex:
        return complex(self._number("complex()"))

    def _hashed(self) -> int:
        """The hash of a number; NumPy's arrays have none."""
        use = "hash(), of a key or a member of a set: it is unhashable while tracing, and"
        hint = "Look up by static values; to look up by data index an array."
        return hash(self._number(use, hint).item())

    def as_integer_ratio(self) -> Any:
        """What ``fractions`` and ``statistics`` ask of a number."""
        return self._number("as_integer_ratio()").item().as_integer_ratio()

    def is_integer(self) -> bool:
        """Whether a number is whole."""
        return bool(self._number("is_integer()").item().is_integer())

    def __getattr__(self, name: str) -> Any:
        kind = self.__class__
        module = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        raise AttributeError(
            f"'{module}{kind.__name__}' object has no attribute {name!r}", name=name, obj=self
        )

    def __format__(self, spec: str) -> str:
        if self.origin.values is None and not spec:
            return repr(self)
        if self.origin.values is None:
            hint = 'Print with graphc.debug_print("{:.3f}", x): it runs at each call.'
            raise _needs_value(self, "a format", hint)
        number = self.origin.concrete(self.value)
        return format(number.item() if number.ndim == 0 else number, spec)

    def __repr__(self) -> str:
        if self.origin.values is None:
            return described(self.origin, f"<traced {self.value.type}>")
        return repr(self.origin.concrete(self.value))

    def __str__(self) -> str:
        if self.origin.values is None:
            return repr(self)
        return str(self.origin.concrete(self.value))

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


def _binary(ufunc: Any) -> tuple[Any, Any]:
    def forward(self: Traced, other: Any) -> Any:
        return call("operator", ufunc, self, other)

    def backward(self: Traced, other: Any) -> Any:
        return call("operator", ufunc, other, self)

    return forward, backward


OPERATORS = {
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
for _name, _ufunc in OPERATORS.items():
    _forward, _backward = _binary(_ufunc)
    setattr(Traced, f"__{_name}__", _forward)
    setattr(Traced, f"__r{_name}__", _backward)
for _name, _ufunc in _COMPARISONS.items():
    setattr(Traced, f"__{_name}__", _binary(_ufunc)[0])
