"""Loop IR expressions as Python source for Numba, with NumPy's meaning at every edge."""

from __future__ import annotations

import math

import numpy as np

from graphc.errors import UnsupportedError
from graphc.loops import (
    Apply,
    Assign,
    Cast,
    Combine,
    Comment,
    Const,
    Expr,
    For,
    Let,
    Load,
    Local,
    Position,
    Select,
    Store,
)
from graphc.types import FloorDiv, Mod, Size, real_dtype

_BINARY = {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "equal": "==",
    "not_equal": "!=",
    "less": "<",
    "less_equal": "<=",
    "greater": ">",
    "greater_equal": ">=",
    "bitwise_and": "&",
    "bitwise_or": "|",
    "bitwise_xor": "^",
}
_COMPARISONS = {"equal", "not_equal", "less", "less_equal", "greater", "greater_equal"}

_FLOAT_CALLS = {
    "floor_divide": "float_floor_divide",
    "remainder": "float_remainder",
    "fmod": "c_fmod",
    "power": "vector_power",
    "absolute": "float_absolute",
    "maximum": "larger",
    "minimum": "smaller",
    "sqrt": "square_root",
    "cbrt": "vector_cbrt",
    "exp": "vector_exp",
    "exp2": "vector_exp2",
    "expm1": "vector_expm1",
    "log": "vector_log",
    "log2": "vector_log2",
    "log10": "vector_log10",
    "log1p": "vector_log1p",
    "sin": "vector_sin",
    "cos": "vector_cos",
    "tan": "vector_tan",
    "arcsin": "vector_arcsin",
    "arccos": "vector_arccos",
    "arctan": "vector_arctan",
    "arctan2": "vector_arctan2",
    "hypot": "vector_hypot",
    "sinh": "vector_sinh",
    "cosh": "vector_cosh",
    "tanh": "vector_tanh",
    "arcsinh": "vector_arcsinh",
    "arccosh": "vector_arccosh",
    "arctanh": "vector_arctanh",
    "rint": "rint",
    "floor": "floor",
    "ceil": "ceil",
    "trunc": "trunc",
    "copysign": "copysign",
    "nextafter": "c_nextafter",
    "ldexp": "scale",
    "frexp_mantissa": "frexp_mantissa",
    "frexp_exponent": "frexp_exponent",
    "signbit": "signbit",
    "erf": "vector_erf",
    "erfc": "vector_erfc",
    "erfinv": "vector_erfinv",
    "gamma": "vector_gamma",
    "gammaln": "vector_gammaln",
    "digamma": "vector_digamma",
    "expit": "vector_expit",
    "complex": "make_complex",
}
_FAST_CALLS = {name: f"fast_{name}" for name in ("exp", "expm1", "tanh", "expit", "log")}
"""Functions that have approximations."""
_INTEGER_CALLS = {
    "floor_divide": "integer_floor_divide",
    "remainder": "integer_remainder",
    "fmod": "integer_fmod",
    "power": "integer_power",
    "maximum": "maximum",
    "minimum": "minimum",
    "left_shift": "shift_left",
    "right_shift": "shift_right",
    "bitwise_count": "count_ones",
    "gcd": "greatest_common_divisor",
    "lcm": "least_common_multiple",
    "threefry2x32": "threefry2x32",
    "absolute": "abs",
}
_COMPLEX_CALLS = {
    "exp": "complex_exponential",
    "multiply": "complex_multiply",
    "divide": "complex_divide",
    "power": "complex_power",
    "less": "complex_less",
    "less_equal": "complex_less_equal",
    "greater": "complex_greater",
    "greater_equal": "complex_greater_equal",
    "maximum": "complex_maximum",
    "minimum": "complex_minimum",
    **{name: f"cmath.{name}" for name in ("sqrt", "log", "sin", "cos", "tan", "sinh")},
    "cosh": "cmath.cosh",
    "tanh": "cmath.tanh",
    **{f"arc{name}": f"cmath.a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
}
HELPERS = frozenset(
    name
    for table in (_FLOAT_CALLS, _FAST_CALLS, _INTEGER_CALLS, _COMPLEX_CALLS)
    for name in table.values()
    if "." not in name and name != "abs"
) | {
    "add_reassociated",
    "float_to_integer",
    "multiply_reassociated",
    "polygamma",
    "spacing32",
    "spacing64",
    "vector_trigamma",
}
"""Every function of `graphc.codegen` that an expression may call."""


def type_name(dtype: np.dtype) -> str:
    """The name of `dtype` in generated modules."""
    return "boolean" if dtype.kind == "b" else dtype.name


def size_text(size: Size) -> str:
    """A size as Python source; // and % round down as Python's do."""
    if isinstance(size, int):
        return str(size)
    text = ""
    for monomial, coefficient in size.terms:
        factors = [_atom_text(atom) for atom in monomial]
        magnitude = abs(coefficient)
        if magnitude != 1 or not factors:
            factors.insert(0, str(magnitude))
        product = " * ".join(factors)
        if not text:
            text = f"-{product}" if coefficient < 0 else product
        else:
            text += f" {'-' if coefficient < 0 else '+'} {product}"
    return text


def _atom_text(atom: object) -> str:
    match atom:
        case str():
            return atom
        case FloorDiv():
            return f"(({size_text(atom.numerator)}) // {_grouped(atom.denominator)})"
        case Mod():
            return f"(({size_text(atom.numerator)}) % {_grouped(atom.denominator)})"
    raise AssertionError(f"{atom} is left in an index")


def _grouped(size: Size) -> str:
    text = size_text(size)
    return f"({text})" if " " in text or text.startswith("-") else text


def constant_text(value: bool | int | float | complex, dtype: np.dtype) -> str:
    """A constant of `dtype`, exactly."""
    if dtype.kind == "b":
        return str(bool(value))
    if dtype.kind == "c":
        number = complex(value)
        part = real_dtype(dtype)
        parts = (constant_text(number.real, part), constant_text(number.imag, part))
        return f"make_complex({', '.join(parts)})"
    if dtype.kind == "f":
        number = float(value.real if isinstance(value, complex) else value)
        text = repr(number)
        if math.isnan(number):
            text = "-math.nan" if math.copysign(1.0, number) < 0 else "math.nan"
        elif math.isinf(number):
            text = "math.inf" if number > 0 else "-math.inf"
        return text if dtype.name == "float64" else f"{dtype.name}({text})"
    whole = int(value.real if isinstance(value, complex) else value)
    return f"{dtype.name}({whole})"


def _is_trigamma(expr: Apply) -> bool:
    """Whether an expression is the derivative of digamma, which vectorises; others do not."""
    order = expr.arguments[0]
    return expr.function == "polygamma" and isinstance(order, Const) and order.value == 1


def _elementary(expr: Expr) -> list[np.dtype]:
    """The types in which an expression calls polynomials."""
    match expr:
        case Apply():
            found = [dtype for argument in expr.arguments for dtype in _elementary(argument)]
            name = _FLOAT_CALLS.get(expr.function, "")
            if expr.dtype.kind == "f" and (name.startswith("vector") or _is_trigamma(expr)):
                found.append(expr.dtype)
            return found
        case Cast():
            return _elementary(expr.operand)
        case Select():
            parts = (expr.condition, expr.then, expr.otherwise)
            return [dtype for part in parts for dtype in _elementary(part)]
    return []


def dtype_of_parts(loop: For) -> np.dtype | None:
    """The float type of whose vectors a loop is made; None if the loop is not to be in parts.

    It is in parts (`graphc.codegen.intrinsics.parts`) if it calls polynomials, and scalar code for
    what is left at its end would cost much.
    """
    extent = loop.stop - loop.start
    if loop.step != 1 or (isinstance(extent, int) and (extent % 16 == 0 or extent < 4)):
        return None
    found: list[np.dtype] = []
    for stmt in loop.body:
        match stmt:
            case Let() | Assign() | Combine() | Store():
                found += _elementary(stmt.value)
            case Comment():
                continue
            case _:
                return None
    return min(found, key=lambda dtype: dtype.itemsize, default=None)


class ExpressionWriter:
    """Writes expressions, `fast` ones by approximations; `used` collects the helpers they call."""

    def __init__(self, fast: bool = False) -> None:
        self.used: set[str] = set()
        self.float_calls = {**_FLOAT_CALLS, **_FAST_CALLS} if fast else _FLOAT_CALLS

    def call(self, name: str, *arguments: str) -> str:
        self.used.add(name.split(".")[0])
        return f"{name}({', '.join(arguments)})"

    def cast_name(self, dtype: np.dtype) -> str:
        name = type_name(dtype)
        self.used.add(name)
        return name

    def constant(self, value: bool | int | float | complex, dtype: np.dtype) -> str:
        text = constant_text(value, dtype)
        for name in ("math", "make_complex", "float32", "float64", type_name(dtype)):
            if name in text:
                self.used.add(name)
        return text

    def write(self, expr: Expr) -> str:
        """The expression as source; binary operations are in parentheses."""
        match expr:
            case Const():
                return self.constant(expr.value, expr.dtype)
            case Local():
                return expr.name
            case Load():
                (offset,) = expr.index
                return f"{expr.buffer.name}[{size_text(offset)}]"
            case Position():
                return _grouped(expr.index)
            case Select():
                parts = map(self.write, (expr.then, expr.condition, expr.otherwise))
                then, condition, otherwise = parts
                return f"({then} if {condition} else {otherwise})"
            case Cast():
                return self.cast(expr)
            case Apply():
                return self.apply(expr)
        raise AssertionError(f"{expr} is not lowered")

    def cast(self, expr: Cast) -> str:
        source, target = expr.operand.dtype, expr.dtype
        text = self.write(expr.operand)
        if source == target:
            return text
        if source.kind == "c":
            if target.kind == "c":
                return self.call(self.cast_name(target), text)
            if target.kind == "b":
                return f"({text} != {self.constant(0, source)})"
            part = Cast(Local(f"{text}.real", real_dtype(source)), target)
            return self.cast(part) if part.operand.dtype != target else f"{text}.real"
        if target.kind == "b":
            return f"({text} != 0)"
        if target.kind == "c":
            part_ = real_dtype(target)
            real = self.call(self.cast_name(part_), text) if source != part_ else text
            return self.call("make_complex", real, self.constant(0, part_))
        if source.kind == "f" and target.kind in "iu":
            return self.call("float_to_integer", text, self.cast_name(target))
        return self.call(self.cast_name(target), text)

    def apply(self, expr: Apply) -> str:
        name, arguments = expr.function, expr.arguments
        kind = arguments[0].dtype.kind
        texts = [self.write(argument) for argument in arguments]
        dtype = expr.dtype
        if kind == "c":
            return self.complex_apply(expr, texts)
        if name == "negative":
            return self.negative(texts[0], dtype)
        if name == "invert":
            return f"(not {texts[0]})" if kind == "b" else self.narrow(f"(~{texts[0]})", dtype)
        if kind == "b" and name in _COMPARISONS and name not in ("equal", "not_equal"):
            self.used.add("int8")
            texts = [f"int8({text})" for text in texts]
        if name == "absolute" and kind == "u":
            return texts[0]
        if name in _BINARY:
            text = f"({texts[0]} {_BINARY[name]} {texts[1]})"
            return self.narrow(text, dtype) if name not in _COMPARISONS else text
        if name == "polygamma":
            return self.polygamma(expr, texts)
        if name == "spacing":
            return self.call(f"{name}{8 * arguments[0].dtype.itemsize}", *texts)
        table = self.float_calls if kind == "f" else _INTEGER_CALLS
        if name not in table:
            raise UnsupportedError(f"{name} of {arguments[0].dtype.name} can't be compiled")
        text = self.call(table[name], *texts)
        wrapping = kind in "iu" and name in ("power", "gcd", "lcm", "absolute")
        return self.call(self.cast_name(dtype), text) if wrapping else text

    def negative(self, text: str, dtype: np.dtype) -> str:
        if dtype.kind == "u":
            return self.narrow(f"({self.constant(0, dtype)} - {text})", dtype)
        return self.narrow(f"(-{text})", dtype)

    def narrow(self, text: str, dtype: np.dtype) -> str:
        """Numba computes with narrow integers in 64 bits: wrap as NumPy does."""
        if dtype.kind in "iu" and dtype.itemsize < 8:
            return self.call(self.cast_name(dtype), text[1:-1] if text[0] == "(" else text)
        return text

    def polygamma(self, expr: Apply, texts: list[str]) -> str:
        """Trigamma, or a derivative of any order, computed in float64."""
        x = texts[1]
        if _is_trigamma(expr):
            return self.call("vector_trigamma", x)
        if expr.dtype.name == "float32":
            x = self.call(self.cast_name(np.dtype("float64")), x)
            return self.call(self.cast_name(expr.dtype), self.call("polygamma", texts[0], x))
        return self.call("polygamma", texts[0], x)

    def complex_apply(self, expr: Apply, texts: list[str]) -> str:
        name, dtype = expr.function, expr.dtype
        operand = expr.arguments[0].dtype
        if name in ("real", "imag"):
            return f"{texts[0]}.{name}"
        if name == "conjugate":
            return f"{texts[0]}.conjugate()"
        if name == "negative":
            return f"(-{texts[0]})"
        if name in ("add", "subtract", "equal", "not_equal"):
            return f"({texts[0]} {_BINARY[name]} {texts[1]})"
        if name == "absolute":
            return self.call("vector_hypot", f"{texts[0]}.real", f"{texts[0]}.imag")
        if name not in _COMPLEX_CALLS:
            raise UnsupportedError(f"{name} of {operand.name} can't be compiled")
        function = _COMPLEX_CALLS[name]
        narrow = dtype.name == "complex64"
        if narrow and (function.startswith("cmath") or name in ("exp", "power")):
            # In double precision: parts that cancel lose digits otherwise.
            wide = self.cast_name(np.dtype("complex128"))
            texts = [self.call(wide, text) for text in texts]
        text = self.call(function, *texts)
        return self.call(self.cast_name(dtype), text) if narrow else text
