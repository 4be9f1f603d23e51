"""How a reduction is accumulated: the variables it needs and the statements that update them.

A long sum of floats is taken in blocks of 128 elements, in any order within a block, and the
blocks' sums are added in float64, or with Neumaier's compensation where the sum is float64 itself
(A. Neumaier, ZAMM 54, 1974). The error is then below that of NumPy's pairwise sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from graphc.ir import Value
from graphc.loops import (
    Apply,
    Assign,
    Buffer,
    Cast,
    Combine,
    Const,
    Expr,
    For,
    If,
    Let,
    Load,
    Local,
    Position,
    Select,
    Stmt,
    Store,
)
from graphc.types import DTYPES, Dim, Size

if TYPE_CHECKING:
    from graphc.lower.values import ValueLowering

_WIDER = {
    DTYPES["float32"]: DTYPES["float64"],
    DTYPES["complex64"]: DTYPES["complex128"],
}
_BOOL = DTYPES["bool"]
_INT64 = DTYPES["int64"]
_APPLIED = {"and": "bitwise_and", "or": "bitwise_or"}


def identity(combine: str, dtype: np.dtype) -> bool | int | float | complex:
    """The value that a reduction of nothing has."""
    if combine == "add":
        return 0
    if combine == "multiply":
        return 1
    if combine in ("and", "or"):
        return combine == "and"
    largest = combine in ("minimum", "argmin")
    if dtype.kind == "b":
        return largest
    infinity = float("inf") if largest else float("-inf")
    if dtype.kind == "c":
        return complex(infinity, infinity)
    if dtype.kind == "f":
        return infinity
    limits = np.iinfo(dtype)
    return int(limits.max if largest else limits.min)


def combined(combine: str, left: Expr, right: Expr) -> Expr:
    """One step of a reduction as an expression."""
    name = _APPLIED.get(combine, combine)
    if left.dtype.kind == "b":
        name = {
            "maximum": "bitwise_or",
            "minimum": "bitwise_and",
            "add": "bitwise_or",
            "multiply": "bitwise_and",
        }.get(name, name)
    return Apply(name, (left, right), left.dtype)


@dataclass(slots=True)
class Accumulator:
    """The running result of one reduction; `mode` is ``plain``, ``blocked`` or ``wide``."""

    lowering: ValueLowering
    combine_name: str
    dtype: np.dtype
    mode: str
    name: str
    partial: str = ""
    correction: str = ""
    position: str = ""

    @property
    def wide(self) -> np.dtype:
        return _WIDER.get(self.dtype, self.dtype)

    def start(self, body: list[Stmt]) -> None:
        """Declare the variables."""
        dtype = self.wide if self.mode != "plain" else self.dtype
        start = Const(identity(self.combine_name, self.dtype), dtype)
        body.append(Let(self.name, start))
        if self.position:
            body.append(Let(self.position, Const(0, _INT64)))
        if self.correction:
            body.append(Let(self.correction, Const(0, dtype)))

    def combine(self, body: list[Stmt], value: Expr, position: Size, blocked: bool) -> None:
        """Take in one element."""
        if self.position:
            self._take_if_better(body, value, Position(position, _INT64))
            return
        name = self.partial if self.mode == "blocked" and blocked else self.name
        body.append(Combine(name, self.combine_name, value))

    def _take_if_better(self, body: list[Stmt], value: Expr, place: Expr) -> None:
        best = Local(self.name, self.dtype)
        relation = "greater" if self.combine_name == "argmax" else "less"
        better: Expr = Apply(relation, (value, best), _BOOL)
        if self.dtype.kind == "b":
            flag = Apply("invert", (best,), _BOOL)
            other = Apply("invert", (value,), _BOOL)
            pair = (value, flag) if self.combine_name == "argmax" else (other, best)
            better = Apply("bitwise_and", pair, _BOOL)
        if self.dtype.kind in "fc":
            first_nan = Apply(
                "bitwise_and",
                (
                    Apply("not_equal", (value, value), _BOOL),
                    Apply("equal", (best, best), _BOOL),
                ),
                _BOOL,
            )
            better = Apply("bitwise_or", (better, first_nan), _BOOL)
        body.append(If(better, (Assign(self.name, value), Assign(self.position, place))))

    def open_block(self, body: list[Stmt]) -> None:
        """Begin a block of elements."""
        if self.mode == "blocked":
            body.append(Let(self.partial, Const(0, self.dtype)))

    def close_block(self, body: list[Stmt]) -> None:
        """Add the block's sum to the total."""
        if self.mode == "blocked":
            self.add(body, Local(self.partial, self.dtype))

    def add(self, body: list[Stmt], value: Expr) -> None:
        """Take in a partial result."""
        if self.mode == "plain":
            current = Local(self.name, self.dtype)
            body.append(Assign(self.name, combined(self.combine_name, current, value)))
            return
        total = Local(self.name, self.wide)
        if not self.correction:
            wide = Cast(value, self.wide) if self.wide != self.dtype else value
            if self.mode == "wide":
                body.append(Combine(self.name, "add", wide))
            else:
                body.append(Assign(self.name, Apply("add", (total, wide), self.wide)))
            return
        # Two-sum: what rounding loses of total + value is kept in `correction`.
        f8 = self.wide
        if not isinstance(value, Local):
            named = self.lowering.fresh("term")
            body.append(Let(named, value))
            value = Local(named, f8)
        name = self.lowering.fresh("raised")
        part = self.lowering.fresh("part")
        raised, virtual = Local(name, f8), Local(part, f8)
        body.append(Let(name, Apply("add", (total, value), f8)))
        body.append(Let(part, Apply("subtract", (raised, total), f8)))
        lost = Apply(
            "add",
            (
                Apply("subtract", (total, Apply("subtract", (raised, virtual), f8)), f8),
                Apply("subtract", (value, virtual), f8),
            ),
            f8,
        )
        correction = Local(self.correction, f8)
        body.append(Assign(self.correction, Apply("add", (correction, lost), f8)))
        body.append(Assign(self.name, raised))

    def partials(self, value: Value) -> list[tuple[str, Buffer]]:
        """The variables of a chunk, each with the buffer of one element a chunk that keeps it."""
        names = {"total": self.name, "correction": self.correction, "position": self.position}
        dtype = self.wide if self.mode != "plain" else self.dtype
        return [
            (name, self.lowering.partial(value, part, _INT64 if part == "position" else dtype))
            for part, name in names.items()
            if name
        ]

    def keep(self, body: list[Stmt], value: Value, chunk: Size) -> None:
        """Store what the chunk has found."""
        for name, buffer in self.partials(value):
            body.append(Store(buffer, (chunk,), Local(name, buffer.dtype)))

    def add_kept(self, body: list[Stmt], value: Value, chunk: str, count: Size) -> None:
        """Take in what each chunk has found, in order."""
        inner: list[Stmt] = []
        kept: list[Expr] = []
        for _, buffer in self.partials(value):
            name = self.lowering.fresh(buffer.name)
            inner.append(Let(name, Load(buffer, (Dim.symbol(chunk),), buffer.dtype)))
            kept.append(Local(name, buffer.dtype))
        if self.position:
            self._take_if_better(inner, kept[0], kept[1])
        elif self.correction:
            self.add(inner, kept[0])
            correction = Local(self.correction, self.wide)
            inner.append(Assign(self.correction, Apply("add", (correction, kept[1]), self.wide)))
        else:
            current = Local(self.name, kept[0].dtype)
            inner.append(Assign(self.name, combined(self.combine_name, current, kept[0])))
        body.append(For(chunk, 0, count, tuple(inner)))

    def finish(self, body: list[Stmt]) -> Expr:
        """The result."""
        if self.position:
            return Local(self.position, _INT64)
        result: Expr = Local(self.name, self.wide if self.mode != "plain" else self.dtype)
        if self.mode == "plain" and self.combine_name == "add" and self.dtype.kind == "f":
            # A sum in free order may have either zero; NumPy's starts from 0.0.
            result = Apply("add", (result, Const(0, self.dtype)), self.dtype)
        if self.correction:
            # An overflow makes the correction NaN; the total is then right without it.
            correction = Local(self.correction, self.wide)
            result = Select(
                Apply("equal", (correction, correction), _BOOL),
                Apply("add", (result, correction), self.wide),
                result,
                self.wide,
            )
        if result.dtype != self.dtype:
            result = Cast(result, self.dtype)
        if not isinstance(result, Local):
            name = self.lowering.fresh("result")
            body.append(Let(name, result))
            result = Local(name, self.dtype)
        return result


def accumulator(
    lowering: ValueLowering, value: Value, combine: str, mode: str, body: list[Stmt]
) -> Accumulator:
    """Declare the variables for the reduction `value` in `body`.

    `mode` other than ``plain`` is for long sums; other reductions are always ``plain``.
    """
    operand = value.node.inputs[0].dtype
    if combine != "add" or operand.kind not in "fc":
        mode = "plain"
    name = lowering.fresh(lowering.context.name(value))
    state = Accumulator(lowering, combine, operand, mode, name)
    if combine.startswith("arg"):
        state.position = lowering.fresh("position")
    if mode == "blocked":
        state.partial = lowering.fresh("partial")
    if mode != "plain" and operand == DTYPES["float64"]:
        state.correction = lowering.fresh("correction")
    state.start(body)
    return state
