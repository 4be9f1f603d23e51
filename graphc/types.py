"""Types of values: dtypes, symbolic sizes and tensor types.

    Size       := int | Dim
    Dim        := sum of  coefficient * monomial          # never a constant: that is an int
    Monomial   := product of atoms, sorted
    Atom       := name | FloorDiv(Size, Size) | Mod(Size, Size) | any other hashable (loop IR loads)
    Shape      := tuple of Size
    TensorType := dtype, shape
    TokenType  :=                                          # orders effects, holds no data

A `Dim` is kept in normal form, so equal expressions compare equal: ``(n + 1) * 2 == 2 * n + 2``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import gcd
from typing import TypeAlias, Union

import numpy as np

from graphc.errors import DTypeError

Size: TypeAlias = Union[int, "Dim"]
Shape: TypeAlias = tuple[Size, ...]
Monomial: TypeAlias = tuple[Hashable, ...]

DTYPES: dict[str, np.dtype] = {
    name: np.dtype(name)
    for name in [
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
}


@dataclass(frozen=True, slots=True)
class FloorDiv:
    """Floor division of two sizes that does not come out even symbolically."""

    numerator: Size
    denominator: Size

    def __str__(self) -> str:
        return f"({self.numerator})//{_parenthesised(self.denominator)}"


@dataclass(frozen=True, slots=True)
class Mod:
    """Remainder of two sizes, with the sign of the divisor."""

    numerator: Size
    denominator: Size

    def __str__(self) -> str:
        return f"({self.numerator})%{_parenthesised(self.denominator)}"


def _parenthesised(size: Size) -> str:
    return str(size) if isinstance(size, int) else f"({size})"


class Dim:
    """A symbolic size: an integer polynomial over atoms, in normal form and immutable.

    >>> n = Dim.symbol("n")
    >>> str((n + 1) * 2 - n)
    'n + 2'
    >>> (2 * n) // 2 == n
    True
    """

    __slots__ = ("_hash", "terms")
    terms: tuple[tuple[Monomial, int], ...]

    def __init__(self, terms: tuple[tuple[Monomial, int], ...]) -> None:
        self.terms = terms
        self._hash = hash(terms)

    @staticmethod
    def symbol(name: Hashable) -> Dim:
        """The size called `name` (or any other atom)."""
        return Dim((((name,), 1),))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dim) and self.terms == other.terms

    def __hash__(self) -> int:
        return self._hash

    def __add__(self, other: Size) -> Size:
        if isinstance(other, int) and other == 0:
            return self
        total = dict(self.terms)
        for monomial, coefficient in _terms(other):
            total[monomial] = total.get(monomial, 0) + coefficient
        return _normal(total)

    __radd__ = __add__

    def __neg__(self) -> Size:
        return self * -1

    def __sub__(self, other: Size) -> Size:
        return self + other * -1

    def __rsub__(self, other: Size) -> Size:
        return self * -1 + other

    def __mul__(self, other: Size) -> Size:
        total: dict[Monomial, int] = {}
        for left, a in self.terms:
            for right, b in _terms(other):
                monomial = tuple(sorted(left + right, key=_atom_key))
                total[monomial] = total.get(monomial, 0) + a * b
        return _normal(total)

    __rmul__ = __mul__

    def __floordiv__(self, other: Size) -> Size:
        return floordiv(self, other)

    def __rfloordiv__(self, other: int) -> Size:
        return floordiv(other, self)

    def __mod__(self, other: Size) -> Size:
        return mod(self, other)

    def __rmod__(self, other: int) -> Size:
        return mod(other, self)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [str(atom) for atom in monomial]
            magnitude = abs(coefficient)
            if magnitude != 1 or not factors:
                factors.insert(0, str(magnitude))
            sign = "-" if coefficient < 0 else "+"
            product = "*".join(factors)
            if text:
                text += f" {sign} {product}"
            else:
                text = f"-{product}" if sign == "-" else product
        return text

    __repr__ = __str__


def _atom_key(atom: Hashable) -> tuple[int, str]:
    return (0 if isinstance(atom, str) else 1, str(atom))


def _terms(size: Size) -> tuple[tuple[Monomial, int], ...]:
    return size.terms if isinstance(size, Dim) else (((), int(size)),)


def _normal(total: dict[Monomial, int]) -> Size:
    kept = [(monomial, c) for monomial, c in total.items() if c]
    if not kept:
        return 0
    if len(kept) == 1 and kept[0][0] == ():
        return kept[0][1]
    # Names first, longest products first, the constant last: reads like a hand-written sum.
    kept.sort(key=lambda term: (-len(term[0]), [_atom_key(atom) for atom in term[0]]))
    return Dim(tuple(kept))


def floordiv(numerator: Size, denominator: Size) -> Size:
    """``numerator // denominator``, exact where the terms divide."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator // denominator
    if denominator == 1 or numerator == 0:
        return numerator
    if numerator == denominator:
        return 1
    if isinstance(denominator, int) and denominator > 0:
        whole: Size = 0
        rest: Size = 0
        for monomial, coefficient in _terms(numerator):
            part = _normal({monomial: coefficient // denominator})
            left = coefficient % denominator
            if left and monomial != ():
                rest = rest + _normal({monomial: coefficient})
            else:
                whole = whole + part
                rest = rest + _normal({monomial: left})
        if isinstance(rest, int):
            return whole + rest // denominator
        common = denominator
        for _, coefficient in _terms(rest):
            common = gcd(common, coefficient)
        if common > 1:
            rest = _normal({m: c // common for m, c in _terms(rest)})
            denominator //= common
        return whole + Dim.symbol(FloorDiv(rest, denominator))
    exact = _divide_exactly(numerator, denominator)
    return exact if exact is not None else Dim.symbol(FloorDiv(numerator, denominator))


def _divide_exactly(numerator: Size, denominator: Size) -> Size | None:
    """The quotient when `denominator` is one monomial that divides every term."""
    divisor = _terms(denominator)
    if len(divisor) != 1:
        return None
    atoms, scale = divisor[0]
    total: dict[Monomial, int] = {}
    for monomial, coefficient in _terms(numerator):
        left = list(monomial)
        for atom in atoms:
            if atom not in left:
                return None
            left.remove(atom)
        if coefficient % scale:
            return None
        total[tuple(left)] = coefficient // scale
    return _normal(total)


def mod(numerator: Size, denominator: Size) -> Size:
    """``numerator % denominator``, 0 where the terms divide."""
    if isinstance(numerator, int) and isinstance(denominator, int):
        return numerator % denominator
    if denominator == 1 or numerator == denominator:
        return 0
    if isinstance(denominator, int) and denominator > 0:
        kept: Size = 0
        for monomial, coefficient in _terms(numerator):
            kept = kept + _normal({monomial: coefficient % denominator})
        if isinstance(kept, int):
            return kept % denominator
        return Dim.symbol(Mod(kept, denominator))
    if _divide_exactly(numerator, denominator) is not None:
        return 0
    return Dim.symbol(Mod(numerator, denominator))


def substitute(size: Size, replace: Callable[[Hashable], Size | None]) -> Size:
    """`size` with atoms replaced where `replace(atom)` is not None, inside // and % too."""
    if isinstance(size, int):
        return size
    total: Size = 0
    for monomial, coefficient in size.terms:
        product: Size = coefficient
        for atom in monomial:
            new = replace(atom)
            if new is None and isinstance(atom, FloorDiv):
                new = floordiv(
                    substitute(atom.numerator, replace), substitute(atom.denominator, replace)
                )
            elif new is None and isinstance(atom, Mod):
                new = mod(
                    substitute(atom.numerator, replace), substitute(atom.denominator, replace)
                )
            product = product * (Dim.symbol(atom) if new is None else new)
        total = total + product
    return total


def evaluate_size(size: Size, sizes: Mapping[str, int]) -> int:
    """The value of `size` where each name has the value given in `sizes`."""
    if isinstance(size, int):
        return size
    value = substitute(size, lambda atom: sizes[atom] if isinstance(atom, str) else None)
    if not isinstance(value, int):
        raise KeyError(f"size {size} has atoms without a value")
    return value


def symbols(size: Size) -> frozenset[str]:
    """The names that occur in `size`."""
    found: set[str] = set()

    def note(atom: Hashable) -> None:
        if isinstance(atom, str):
            found.add(atom)

    substitute(size, note)
    return frozenset(found)


def product(sizes: Shape) -> Size:
    """The product of sizes: the number of elements of a shape."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def shape_text(shape: Shape) -> str:
    """``(batch, 784)``: a shape as NumPy prints it."""
    inner = ", ".join(str(size) for size in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"


@dataclass(frozen=True, slots=True)
class TensorType:
    """The dtype and shape of an array value. Prints as ``float32[batch, 784]``."""

    dtype: np.dtype
    shape: Shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> Size:
        """The number of elements."""
        return product(self.shape)

    @property
    def nbytes(self) -> Size:
        return self.size * self.dtype.itemsize

    def with_dtype(self, dtype: np.dtype) -> TensorType:
        return TensorType(dtype, self.shape)

    def with_shape(self, shape: Shape) -> TensorType:
        return TensorType(self.dtype, shape)

    def __str__(self) -> str:
        return f"{self.dtype.name}[{', '.join(str(size) for size in self.shape)}]"


@dataclass(frozen=True, slots=True)
class TokenType:
    """The type of a token: it orders effects and holds no data."""

    def __str__(self) -> str:
        return "token"


TOKEN = TokenType()
Type: TypeAlias = TensorType | TokenType


@lru_cache(maxsize=256)
def supported_dtype(dtype: np.dtype) -> np.dtype:
    """`dtype` in native byte order.

    Raises:
        DTypeError: object, string, datetime, structured, float16 and long double dtypes.
    """
    found = DTYPES.get(dtype.name)
    if found is None or dtype.kind not in "biufc":
        raise DTypeError(f"dtype {dtype} is not supported", hint=_INSTEAD[_sort_of(dtype)])
    return found


_INSTEAD = {
    "e": "Convert it with .astype(np.float32); half precision has no arithmetic of its own here.",
    "g": "Convert it with .astype(np.float64), the widest float that compiled code has.",
    "G": "Convert it with .astype(np.complex128), the widest complex that compiled code has.",
    "O": "An array of Python objects: make it of numbers, with np.asarray(x, np.float64) (np.nan "
    "for what is missing), or pass a list of arrays.",
    "U": "Pass numbers for the texts: labels, codes = np.unique(x, return_inverse=True), and codes "
    "to the compiled function.",
    "M": "Pass numbers: x.astype(np.int64) counts its units, x / np.timedelta64(1, 's') (of a "
    "difference of dates, too) is a float.",
    "V": "Pass each field as an array of its own: x['name'].",
}
"""What to write instead of a dtype that there is not, by `_sort_of`."""


def _sort_of(dtype: np.dtype) -> str:
    """NumPy's character for a dtype; one for texts, for dates, and for records and all others."""
    if dtype.char in "egG":
        return dtype.char
    return {"O": "O", "U": "U", "S": "U", "T": "U", "M": "M", "m": "M"}.get(dtype.kind, "V")


def is_inexact(dtype: np.dtype) -> bool:
    """Whether `dtype` is floating or complex: what derivatives exist for."""
    return dtype.kind in "fc"


def real_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype of the real part: float64 for complex128, else itself."""
    return {"complex64": DTYPES["float32"], "complex128": DTYPES["float64"]}.get(dtype.name, dtype)
