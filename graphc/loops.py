"""The Loop IR: how it is computed. One `Kernel` per fused group, the same for every target.

    Expr     := Load(buffer, index) | Const(value) | Position(index) | Apply(function, Expr*)
              | Select(condition, Expr, Expr) | Cast(Expr)              # each has a dtype
    Lowering := Elementwise | IndexMap | Element | Reduction | Region   # the rule that an op carries

Indices are `graphc.types.Size` polynomials over loop variables, sizes and loaded values, so index
arithmetic is in normal form before it is printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from graphc.types import DTYPES, Size

if TYPE_CHECKING:
    from graphc.ir import Node

Index: TypeAlias = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Const:
    """A scalar constant, as a Python bool, int, float or complex."""

    value: bool | int | float | complex
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Load:
    """One element of a buffer, `index` a tuple of sizes, one an axis."""

    buffer: Any
    index: Index
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Position:
    """The value of an index expression, as int64."""

    index: Size
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Apply:
    """A scalar function of the vocabulary in `SCALAR_FUNCTIONS` on expressions of one dtype."""

    function: str
    arguments: tuple[Expr, ...]
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Select:
    """`then` where the bool `condition` holds, else `otherwise`; only the one taken is read."""

    condition: Expr
    then: Expr
    otherwise: Expr
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Cast:
    """Conversion as NumPy's ``astype`` does it."""

    operand: Expr
    dtype: np.dtype


SCALAR_FUNCTIONS: dict[str, str] = {
    # arithmetic: result of the operands' dtype. Never on bool: ops lower those to bitwise_*.
    "add": "iufc",
    "subtract": "iufc",
    "multiply": "iufc",
    "divide": "fc",
    "floor_divide": "iuf",
    "remainder": "iuf",
    "fmod": "iuf",
    "power": "iufc",
    "negative": "iufc",
    "absolute": "ifc",
    "maximum": "iuf",
    "minimum": "iuf",
    # exponentials and roots
    "sqrt": "fc",
    "cbrt": "f",
    "exp": "fc",
    "exp2": "f",
    "expm1": "f",
    "log": "fc",
    "log2": "f",
    "log10": "f",
    "log1p": "f",
    # trigonometric and hyperbolic
    "sin": "fc",
    "cos": "fc",
    "tan": "fc",
    "arcsin": "f",
    "arccos": "f",
    "arctan": "f",
    "arctan2": "f",
    "hypot": "f",
    "sinh": "fc",
    "cosh": "fc",
    "tanh": "fc",
    "arcsinh": "f",
    "arccosh": "f",
    "arctanh": "f",
    # rounding and the parts of a float
    "rint": "f",
    "floor": "f",
    "ceil": "f",
    "trunc": "f",
    "copysign": "f",
    "nextafter": "f",
    "spacing": "f",
    "ldexp": "f",
    "frexp_mantissa": "f",
    "frexp_exponent": "f",
    "signbit": "f",
    # comparisons: bool result
    "equal": "biufc",
    "not_equal": "biufc",
    "less": "biuf",
    "less_equal": "biuf",
    "greater": "biuf",
    "greater_equal": "biuf",
    # integers; on bool the bitwise functions are the logical ones
    "bitwise_and": "biu",
    "bitwise_or": "biu",
    "bitwise_xor": "biu",
    "invert": "biu",
    "left_shift": "iu",
    "right_shift": "iu",
    "bitwise_count": "iu",
    "gcd": "iu",
    "lcm": "iu",
    # complex
    "complex": "f",
    "real": "c",
    "imag": "c",
    "conjugate": "c",
    # special
    "expit": "f",
    "erf": "f",
    "erfc": "f",
    "erfinv": "f",
    "gamma": "f",
    "gammaln": "f",
    "digamma": "f",
    "polygamma": "f",
}
"""The scalar functions that a backend has, with the kinds (``np.dtype.kind``) of their operands.

Meanings, edges and result dtypes are those of the NumPy ufunc (or ``scipy.special`` function) of
that name, on operands of one dtype, with these exceptions. ``absolute`` of complex gives the real
dtype. ``ldexp`` takes (float, signed integer). ``frexp_mantissa`` and ``frexp_exponent`` (int32)
are the results of ``frexp``. ``complex(re, im)`` makes a complex, exactly: no arithmetic.
``polygamma(order, x)``: order is a `Const` of int64, 1 or more. ``bitwise_count`` gives uint8.
"""


Expr: TypeAlias = Const | Load | Position | Apply | Select | Cast


def compare(relation: str, left: Size, right: Size) -> Expr:
    """The bool expression that compares two index expressions: less, greater_equal, equal."""
    int64 = DTYPES["int64"]
    return Apply(relation, (Position(left, int64), Position(right, int64)), DTYPES["bool"])


Read: TypeAlias = Callable[[int, Index], Expr]
"""``read(k, index)``: the element of the k-th operand at `index`."""


@dataclass(frozen=True, slots=True)
class Elementwise:
    """Each output element is a scalar expression of the operands' elements at the same index.

    `expressions[k](node, operands)` gives output k.
    """

    expressions: tuple[Callable[[Node, tuple[Expr, ...]], Expr], ...]


@dataclass(frozen=True, slots=True)
class IndexMap:
    """Output element `index` is operand 0's element `source(node, index)`: a view, free to inline."""

    source: Callable[[Node, Index], Index]


@dataclass(frozen=True, slots=True)
class Element:
    """Output element `index` is an expression that reads operands at any index.

    `cheap`: recompute rather than store (constants, positions). A read out of bounds at run time
    is guarded with ``Checked`` index atoms: see `graphc.ops.index`.
    """

    expression: Callable[[Node, Index, Read], Expr]
    cheap: bool = False


@dataclass(frozen=True, slots=True)
class Reduction:
    """Reduces the axes in the node's attribute ``axes`` (without keeping them).

    `combine` is ``add``, ``multiply``, ``maximum``, ``minimum``, ``and``, ``or``, ``argmax`` or
    ``argmin``; ``arg*`` give int64 positions in the flattened reduced axes, the first at ties, the
    first NaN where there is one.
    """

    combine: str


@dataclass(frozen=True, slots=True)
class Template:
    """An op that is no plain loop nest over its output; `kind` names its emitter in `graphc.lower`.

    ``matmul``, ``scatter_add``, ``scatter``, ``update``, ``scan``, ``print``, ``check``.
    """

    kind: str


Lowering: TypeAlias = Elementwise | IndexMap | Element | Reduction | Template


@dataclass(frozen=True, slots=True)
class Checked:
    """An index atom: the integer `value`, negative from the end, checked against `extent`.

    Out of bounds stops the kernel with the out-of-bounds status.
    """

    value: Expr
    extent: Size

    def __str__(self) -> str:
        return f"checked[{self.extent}]({self.value})"
