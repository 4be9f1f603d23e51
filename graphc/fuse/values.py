"""What fusion knows of single values: their kind, what they read, what it costs, where they lie."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphc.errors import UnsupportedError
from graphc.indexing import contiguous_strides, loop, storage, trace, whole
from graphc.ir import PARAMETER, Graph, Node, Value, locating
from graphc.loops import (
    ATTENTIONS,
    CONVOLUTIONS,
    SCALAR_FUNCTIONS,
    Apply,
    Cast,
    Deferred,
    Element,
    Elementwise,
    Expr,
    Guarded,
    Index,
    IndexMap,
    Local,
    Reduction,
    Select,
    Template,
)
from graphc.types import Dim, Shape, Size, TensorType, product, symbols

MEMBER_LIMIT = 100
"""Members of one group: bounds the time LLVM needs for one kernel."""

CHEAP = 4
"""Scalar operations up to which a value is recomputed at another index instead of stored."""

AGAIN = 32
"""Elements at other positions that are computed again for one value: bounds the code's length."""

CHAIN = 16
"""Scalar operations of a chain of such values up to which the phases of a row recompute it."""

LONG = 1 << 15
"""Elements from which on a reduction of all of them and what uses it are two kernels: threads can't
share one in which a loop waits for all of another."""

BETWEEN = "a result between them is computed by another kernel"
FULL = f"a kernel holds at most {MEMBER_LIMIT} operations"
OTHER_POSITIONS = "{consumer} reads {producer} at other positions"
"""Reasons why two operations are apart."""

_COSTS = dict.fromkeys(SCALAR_FUNCTIONS, 20) | {"divide": 4, "sqrt": 4, "floor_divide": 8}
for _name in [
    "add", "subtract", "multiply", "negative", "absolute", "maximum", "minimum", "equal", "less",
    "not_equal", "less_equal", "greater", "greater_equal", "bitwise_and", "bitwise_or", "invert",
    "bitwise_xor", "complex", "real", "imag", "conjugate", "floor", "ceil", "trunc", "rint",
]:  # fmt: skip
    _COSTS[_name] = 1


@dataclass(slots=True)
class Member:
    """A value computed in a group; see the module's grammar."""

    value: Value
    index: Index
    level: int
    kind: str
    operand_index: Index = ()


@dataclass(slots=True, eq=False)
class Group:
    """Values computed in one loop nest."""

    number: int
    dims: tuple[Size, ...]
    split: int | None = None
    members: dict[Value, Member] = field(default_factory=dict)
    copy_to: Any = None

    @property
    def bounds(self) -> dict[str, Size]:
        return {loop(depth): size for depth, size in enumerate(self.dims)}

    @property
    def rows(self) -> int:
        """How many of the loops are rows."""
        return len(self.dims) if self.split is None else self.split

    @property
    def is_long(self) -> bool:
        """Whether the loops may be worth more than one thread."""
        count = product(self.dims)
        return not isinstance(count, int) or count >= LONG

    def level_of(self, shape: Shape) -> int | None:
        """How many of the loops `shape` spans, if it spans the first ones."""
        dims = tuple(size for size in shape if size != 1)
        return len(dims) if self.dims[: len(dims)] == dims else None


def loop_index(shape: Shape) -> Index:
    """Loop variables over the axes of `shape`, 0 for those of size 1."""
    return whole(shape)[0]


@dataclass(slots=True)
class Fused:
    """The units of a graph in dependency order.

    `reasons`: why a node is not in the kernel of one that it reads, as (producer, consumer), where
    the two might have shared one (`graphc.lower.apart` says which still matter).
    `library`: of products that were measured, whether BLAS is faster (`graphc.tune`).
    `blas`: whether there is BLAS at all.
    """

    graph: Graph
    units: list[Group | Node]
    outputs: dict[int, Value]
    strided: frozenset[int]
    reasons: dict[tuple[Node, Node], str]
    materialised: frozenset[Value]
    library: Mapping[Node, bool] = field(default_factory=dict)
    blas: bool = True


def kind_of(value: Value) -> str:
    """``input``, ``constant``, ``template``, ``view``, ``free``, ``point`` or ``reduce``."""
    node = value.node
    if node.op is PARAMETER:
        return "input"
    match node.op.lower:
        case IndexMap():
            return "view"
        case Element(cheap=True):
            if node.op.name == "constant" and product(value.shape) != 1:
                return "constant"
            return "free"
        case Element() | Elementwise():
            return "point"
        case Reduction():
            return "reduce"
        case Template():
            return "template"
    raise UnsupportedError(f"{node.op.name} can't be compiled yet")


def checked_kind(graph: Graph, node: Node) -> str:
    """The kind of what a node of `graph` gives, or ``token``; raises with its line."""
    if not node.inputs and not any(isinstance(type_, TensorType) for type_ in node.types):
        return "token"
    with locating(graph, node):
        return kind_of(node.out())


def expand(value: Value, index: Index) -> tuple[Expr | None, list[Deferred]]:
    """The expression of a ``point`` or ``free`` value at `index`, and the operands that it reads.

    The expression is None for an elementwise value: its operands are bound to variables first.
    """
    node, lowering = value.node, value.node.op.lower
    reads: list[Deferred] = []
    if isinstance(lowering, Element):

        def read(k: int, position: Index) -> Expr:
            found = Deferred(node.inputs[k], tuple(position), node.inputs[k].dtype)
            reads.append(found)
            return found

        return lowering.expression(node, index, read), reads
    return None, [
        Deferred(operand, index, operand.dtype)
        for operand in node.inputs
        if isinstance(operand.type, TensorType)
    ]


def held_back(node: Node, unit: Callable[[Value], int | None]) -> set[int]:
    """The units of what must be computed before `node` may read through its views: barriers."""
    found: set[int] = set()
    for start in (node, *(value.node for value in node.inputs)):
        while isinstance(start.op.lower, IndexMap):
            for late in start.inputs[1:]:
                while isinstance(late.node.op.lower, IndexMap):
                    late = late.node.inputs[0]
                number = unit(late)
                if number is not None:
                    found.add(number)
            start = start.inputs[0].node
    return found


def cost(node: Node) -> int:
    """Scalar operations of one element of a ``point`` or ``free`` node."""
    lowering = node.op.lower
    if isinstance(lowering, Elementwise):
        operands = tuple(Local("x", value.dtype) for value in node.inputs)
        return sum(expression_cost(make(node, operands)) for make in lowering.expressions)
    index = tuple(Dim.symbol(loop(k)) for k in range(node.out().ndim))
    expression, _ = expand(node.out(), index)
    return expression_cost(expression) if expression is not None else 0


def expression_cost(expr: Expr) -> int:
    """Scalar operations in an expression, as `CHEAP` counts them."""
    match expr:
        case Apply():
            return _COSTS.get(expr.function, 20) + sum(expression_cost(a) for a in expr.arguments)
        case Select():
            return 1 + sum(map(expression_cost, (expr.condition, expr.then, expr.otherwise)))
        case Cast():
            return 1 + expression_cost(expr.operand)
        case Guarded():
            return expression_cost(expr.condition) + expression_cost(expr.operand)
    return 0


LARGE_LOOP = 1 << 16
"""Elements from which on a loop is worth a launch of its own."""


def contiguous(value: Value, strided: frozenset[int]) -> tuple[Value, Size] | None:
    """The stored value that `value` is a contiguous part of, and its offset in elements."""
    found = storage(value)
    if found is None:
        return None
    base, strides, offset = found
    if kind_of(base) == "free" or (kind_of(base) == "input" and base.node["number"] in strided):
        return None
    wanted = contiguous_strides(value.shape)
    for size, stride, want in zip(value.shape, strides, wanted, strict=True):
        if size != 1 and stride != want:
            return None
    return base, offset


def stored_strides(value: Value, strided: frozenset[int]) -> Shape | None:
    """The strides of `value` where it is stored, None where that is not known or not strided."""
    found = storage(value)
    if found is None:
        return None
    base, strides, _ = found
    if kind_of(base) == "free" or (kind_of(base) == "input" and base.node["number"] in strided):
        return None
    return strides


def matrix_view(value: Value, strided: frozenset[int]) -> bool:
    """Whether BLAS can read `value` where it is stored: one of the last two axes is contiguous."""
    strides = stored_strides(value, strided)
    return strides is not None and leading_axis(value.shape[-2:], strides[-2:]) is not None


def leading_axis(shape: Shape, strides: Shape) -> tuple[bool, Size] | None:
    """``(transposed, leading dimension)`` of a row-major matrix with these strides, or None."""
    (rows, columns), (row_stride, column_stride) = shape, strides
    for transposed, inner, outer, inner_size, outer_size in (
        (False, column_stride, row_stride, columns, rows),
        (True, row_stride, column_stride, rows, columns),
    ):
        if inner != 1 and inner_size != 1:
            continue
        if outer_size == 1:
            return transposed, inner_size
        room = outer - inner_size
        if outer == inner_size or (isinstance(room, int) and room >= 0):
            return transposed, outer
        if isinstance(room, Dim) and all(coefficient > 0 for _, coefficient in room.terms):
            return transposed, outer
    return None


def readable_in_place(node: Node, value: Value) -> bool:
    """Whether a template with a generated loop reads the operand `value` through its views.

    It is not when the view is of the array that the template writes to: a small copy of the
    operand then saves a copy of that array.
    """
    template = node.op.lower
    assert isinstance(template, Template)
    if template.kind in ATTENTIONS and value not in _by_rows(node):
        index, bounds = whole(value.shape)
        base, place = trace(value, index, bounds)
        return kind_of(base) != "free" or not expand(base, place)[1]
    kinds = ("scatter", "scatter_add", "scatter_reduce", "update", "matmul", "search", "program")
    if template.kind not in kinds:
        return False
    if template.kind not in ("matmul", "program") and value == node.inputs[0]:
        return False
    if template.kind == "matmul" and value.dtype.kind in "fc":
        return False
    index, bounds = whole(value.shape)
    base, place = trace(value, index, bounds)
    if kind_of(base) == "free":
        return not expand(base, place)[1]
    if template.kind in ("matmul", "program"):
        return template.kind == "program" or value.dtype.kind in "biu"
    written = node.inputs[0]
    index, bounds = whole(written.shape)
    return base != trace(written, index, bounds)[0]


def joins(unit: Group | Node, read: Value, source: Value) -> bool:
    """Whether it pays that a loop over `source` is one with `unit`, for both know `read`.

    A number is read for nothing: for it alone large loops would wait for each other, and their
    operands live longer. So it would be with the updates of all weights, which share a rate.
    """
    if not isinstance(unit, Group):
        return False
    if read in unit.members and any(m.kind != "point" for m in unit.members.values()):
        return True  # a number that is complete only after the loop: it is refused with the reason
    sizes = (product(unit.dims), product(source.shape))
    large = any(isinstance(size, int) and size >= LARGE_LOOP for size in sizes)
    return not (large and 1 not in sizes and product(read.shape) == 1)


def _by_rows(node: Node) -> tuple[Value, ...]:
    """The operands of an attention that are read by rows."""
    rest = node.inputs[-1:] if node.op.name == "attention_gradients" else ()
    return (*node.inputs[:3], *rest)


def needs_copy(strided: frozenset[int]) -> Callable[[Node], list[Value]]:
    """A function that gives the operands of a template that must be copied for it."""

    def needed(node: Node) -> list[Value]:
        found = []
        template = node.op.lower
        assert isinstance(template, Template)
        for value in node.inputs:
            if not isinstance(value.type, TensorType) or readable_in_place(node, value):
                continue
            images = template.kind in CONVOLUTIONS and value not in node.inputs[1:]
            if images and stored_strides(value, strided) is not None:
                continue
            if template.kind in ATTENTIONS:
                strides = stored_strides(value, strided)
                if strides is None or (strides[-1] != 1 and value.shape[-1] != 1):
                    found.append(value)
                continue
            blas = template.kind == "matmul" and value.dtype.kind in "fc"
            if blas and matrix_view(value, strided):
                continue
            if contiguous(value, strided) is None:
                found.append(value)
        return found

    return needed


_INTERNAL = re.compile(r"[ik]_?\d+|count\d+|(block|stop|chunks?|grain)_\d+|stride\d+_\d+|gemm_\w+")
"""The names that index expressions use for loop variables, checked indices and parameters."""


def check_size_names(graph: Graph) -> None:
    """Refuse sizes with a name that kernels use.

    Raises:
        UnsupportedError: there is one.
    """
    for value in graph.inputs:
        for size in value.shape if isinstance(value.type, TensorType) else ():
            for name in symbols(size):
                if _INTERNAL.fullmatch(name):
                    raise UnsupportedError(
                        f"the size name {name!r} is one that kernels use",
                        hint="Give the axis another name.",
                    )
