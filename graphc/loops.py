"""The Loop IR: how it is computed. One `Kernel` per fused group, the same for every target.

    Kernel   := name, buffers, body, sites             # sites: the checks that can stop it
    Buffer   := name, role, dtype, shape, strides      # strides in elements
    Stmt     := For(index, start, stop, step, Stmt*) | If(condition, Stmt*, Stmt*)
              | Let(name, Expr) | Assign(name, Expr) | Check(name, Expr, extent, site)
              | Require(condition, site) | Stop(condition)
              | Store(buffer, index, Expr) | Accumulate(buffer, index, combine, Expr)
              | Combine(name, combine, Expr) | Tile(template, operands, sizes) | Comment(text)
    Expr     := Load(buffer, index) | Const(value) | Position(index) | Apply(function, Expr*)
              | Select(condition, Expr, Expr) | Cast(Expr) | Local(name)   # each has a dtype
              | Guarded(condition, Expr, problem)
    Lowering := Elementwise | IndexMap | Element | Reduction | Template   # the rule of an op

Indices are `graphc.types.Size` polynomials over loop variables, sizes and loaded values, so index
arithmetic is in normal form before it is printed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from graphc.errors import DomainError, GraphcError
from graphc.operators import Scalar
from graphc.types import DTYPES, Shape, Size

if TYPE_CHECKING:
    from graphc.ir import Node
    from graphc.loops_program import ProgramBuilder

Index: TypeAlias = tuple[Size, ...]


@dataclass(frozen=True, slots=True)
class Const(Scalar):
    """A scalar constant, as a Python bool, int, float or complex."""

    value: bool | int | float | complex
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Load(Scalar):
    """One element of a buffer, `index` a tuple of sizes, one an axis."""

    buffer: Any
    index: Index
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Position(Scalar):
    """The value of an index expression, as int64."""

    index: Size
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Apply(Scalar):
    """A scalar function of the vocabulary in `SCALAR_FUNCTIONS` on expressions of one dtype."""

    function: str
    arguments: tuple[Expr, ...]
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Select(Scalar):
    """`then` where the bool `condition` holds, else `otherwise`; only the one taken is read."""

    condition: Expr
    then: Expr
    otherwise: Expr
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Cast(Scalar):
    """Conversion as NumPy's ``astype`` does it."""

    operand: Expr
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Guarded(Scalar):
    """`operand` where the bool `condition` holds; elsewhere the kernel stops with `problem`."""

    condition: Expr
    operand: Expr
    problem: str
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
    "maximum": "iufc",
    "minimum": "iufc",
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
    "arcsin": "fc",
    "arccos": "fc",
    "arctan": "fc",
    "arctan2": "f",
    "hypot": "f",
    "sinh": "fc",
    "cosh": "fc",
    "tanh": "fc",
    "arcsinh": "fc",
    "arccosh": "fc",
    "arctanh": "fc",
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
    "less": "biufc",
    "less_equal": "biufc",
    "greater": "biufc",
    "greater_equal": "biufc",
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
    "threefry2x32": "u",
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
that name, on operands of one dtype (complex numbers are in order of their real parts, equal ones
of their imaginary parts), with these exceptions. ``absolute`` of complex gives the real
dtype. ``ldexp`` takes (float, signed integer). ``frexp_mantissa`` and ``frexp_exponent`` (int32)
are the results of ``frexp``. ``complex(re, im)`` makes a complex, exactly: no arithmetic.
``polygamma(order, x)``: order is a `Const` of int64, 1 or more. ``bitwise_count`` gives uint8.
``threefry2x32(key_0, key_1, counter_0, counter_1)``, of uint32, gives uint64: see
`graphc.ops.elementwise.random_bits`.
"""


@dataclass(frozen=True, slots=True)
class Local(Scalar):
    """The value of a variable that a statement has set."""

    name: str
    dtype: np.dtype


@dataclass(frozen=True, slots=True)
class Deferred(Scalar):
    """The element of a graph value at `index`, not yet lowered: only between fuse and lower."""

    value: Any
    index: Index
    dtype: np.dtype


Expr: TypeAlias = Const | Load | Position | Apply | Select | Cast | Guarded | Local | Deferred


_RELATIONS = {
    "less": operator.lt,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "equal": operator.eq,
}


def compare(relation: str, left: Size, right: Size) -> Expr:
    """The bool expression that compares two index expressions: less, greater_equal, equal."""
    int64, difference = DTYPES["int64"], left - right
    if isinstance(difference, int):
        return Const(_RELATIONS[relation](difference, 0), DTYPES["bool"])
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
    """Output element `index` is operand 0's element `source(node, index)`: a view."""

    source: Callable[[Node, Index], Index]


@dataclass(frozen=True, slots=True)
class Element:
    """Output element `index` is an expression that reads operands at any index.

    `cheap`: recompute rather than store (constants, positions). A read out of bounds at run time
    is guarded with ``Checked`` index atoms: see `graphc.ops.arrays.index`.
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

    ``matmul``, ``scatter_add``, ``scatter_reduce``, ``scatter``, ``update``, ``sort``, ``argsort``,
    ``search``, ``cumulate``, ``recurrence``, ``scan``, ``while``, ``cond``, ``print``, ``check``,
    ``program``: one with a `program` of its own (`graphc.loops_program`), run for each place of the
    batch, which is operand 0 without its last `core` axes. With a `work`, the nanoseconds that one
    place takes, the batch is split among threads: such a program calls no routine.
    """

    kind: str
    program: Callable[[Node, ProgramBuilder], None] | None = None
    core: int = 2
    work: Callable[[Node], int] | None = None


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


# --- kernels and statements -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Buffer:
    """A block of memory that a kernel reads or writes.

    `key` is what the memory planner knows it by: a graph value, ``("output", k)`` or
    ``("row", value)`` for a scratch row. `role` is ``read``, ``update``, ``function``, ``row``,
    ``write`` (each element is set before it is read) or ``part`` (some are set, none is read).
    """

    name: str
    key: Any
    role: str
    dtype: np.dtype
    shape: Shape
    strides: Shape


@dataclass(frozen=True, slots=True)
class For:
    """``for index in range(start, stop, step)``."""

    index: str
    start: Size
    stop: Size
    body: tuple[Stmt, ...]
    step: int = 1


@dataclass(frozen=True, slots=True)
class If:
    """A branch."""

    condition: Expr
    then: tuple[Stmt, ...]
    otherwise: tuple[Stmt, ...] = ()


@dataclass(frozen=True, slots=True)
class Let:
    """A variable that is set once."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Assign:
    """A variable that is set again."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Check:
    """``name`` is the integer `value`, negative from the end; outside `extent` stops the kernel.

    `site` is None where an earlier kernel has checked the value.
    """

    name: str
    value: Expr
    extent: Size
    site: int | None


@dataclass(frozen=True, slots=True)
class Require:
    """Stops the kernel unless the bool `condition` holds."""

    condition: Expr
    site: int


@dataclass(frozen=True, slots=True)
class Stop:
    """Ends the loop that it stands in where the bool `condition` holds."""

    condition: Expr


@dataclass(frozen=True, slots=True)
class Store:
    """Sets one element of a buffer."""

    buffer: Buffer
    index: Index
    value: Expr


@dataclass(frozen=True, slots=True)
class Accumulate:
    """Combines a value into one element of a buffer."""

    buffer: Buffer
    index: Index
    combine: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Combine:
    """Combines a value into a variable; sums and products may be reassociated."""

    name: str
    combine: str
    value: Expr


CONVOLUTIONS = ("convolve", "convolve_weights")  # the first operand has any strides
ATTENTIONS = ("attention", "attention_gradients")  # rows are read whole, masks by elements


@dataclass(frozen=True, slots=True)
class Tile:
    """A template that is no plain loop nest: matrix product, sort of a row, callback.

    Each operand is a buffer and an offset in elements; `sizes` and `options` are the template's.
    """

    template: str
    operands: tuple[tuple[Buffer, Size], ...]
    sizes: tuple[Size, ...] = ()
    options: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Comment:
    """A line for the reader."""

    text: str


Stmt: TypeAlias = (
    For | If | Let | Assign | Check | Require | Stop | Store | Accumulate | Combine | Tile | Comment
)


@dataclass(frozen=True, slots=True)
class Site:
    """A check in a kernel: its node, and what it holds to.

    `extent` is the axis size that an index stays below; a check of anything else has a `problem`,
    the message of its `error`.
    """

    node: Any
    extent: Size = 0
    problem: str = ""
    error: type[GraphcError] = DomainError


@dataclass(frozen=True, slots=True, repr=False)
class Kernel:
    """One fused loop nest, or one template.

    `parameters` are sizes passed under a name, so that kernels that differ in them are equal.
    `chunks`: the body does the work of the chunks ``[lo, hi)`` out of so many, and any split of
    them among threads gives the same bits: a chunk writes only what no other chunk touches.
    `finish` runs once, on the calling thread, after all of them (it combines partial results).
    """

    name: str
    buffers: tuple[Buffer, ...]
    body: tuple[Stmt, ...]
    nodes: tuple[Node, ...] = ()
    sites: tuple[Site, ...] = ()
    flops: Size = 0
    parameters: tuple[tuple[str, Size], ...] = ()
    chunks: Size = 1
    finish: tuple[Stmt, ...] = ()

    def __repr__(self) -> str:
        return f"<kernel {self.name} of {len(self.nodes)} operations>"

    @property
    def nbytes(self) -> Size:
        """The bytes of its buffers, each counted once."""
        total: Size = 0
        for buffer in self.buffers:
            size: Size = buffer.dtype.itemsize
            for extent in buffer.shape:
                size = size * extent
            total = total + size
        return total
