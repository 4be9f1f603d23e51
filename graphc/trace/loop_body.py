"""The body of a loop, found by tracing one turn, as a scan.

What a turn reads of a row of an array (``x[t]``) becomes an element of the scan's xs, and a row
that only this turn writes (``y[t] = ...``) becomes a y: so neither is carried, and a gradient keeps
one row a turn and not one array a turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from graphc import ops
from graphc.ir import Node, Value, close, fresh_input, rebuild, topological
from graphc.trace.affine import affine
from graphc.trace.context import Trace
from graphc.trace.region import free_values
from graphc.types import Size, TokenType


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows ``start + step * k`` for turns k."""

    start: Size
    step: int


@dataclass(slots=True)
class _Carry:
    """One value that a turn hands to the next: parameter, result, and what it is at first."""

    parameter: Value
    result: Value
    first: Value


@dataclass(slots=True)
class LoopBody:
    """Carries of a turn at `position`, what else it gives, and the scan of many such turns."""

    position: Value
    carries: list[_Carry] = field(default_factory=list)
    stacked: list[Value] = field(default_factory=list)

    def carry(self, parameter: Value, result: Value, first: Value) -> None:
        """Add a value that is `parameter` in the turn, `result` after it and `first` at first."""
        self.carries.append(_Carry(parameter, result, first))

    def stack(self, value: Value) -> None:
        """Add a value of each turn that is wanted, stacked."""
        self.stacked.append(value)

    def scan(
        self, trace: Trace, start: Size, turns: Size, stride: int
    ) -> tuple[list[Value], list[Value]]:
        """The last value of each carry after turns at ``start + stride * k``; what is stacked."""
        constant = [c for c in self.carries if c.result == c.parameter]
        known = {c.parameter: c.first for c in constant if not _is_token(c.parameter)}
        moving = [c for c in self.carries if c.parameter not in known]
        self._replace(moving, known, trace)
        rows = _Rows(self.position, start, turns, stride)
        by_rows = [c for c in moving if rows.is_written_by_rows(c, moving, self.stacked)]
        carried = [c for c in moving if c not in by_rows]
        results = [*(c.result for c in moving), *self.stacked]
        self._replace(moving, rows.read_back(by_rows, results), trace)
        outputs = [*(c.result for c in carried), *(rows.part(c) for c in by_rows), *self.stacked]
        read = rows.read(outputs, [c.parameter for c in carried], by_rows)
        outputs = rebuild(outputs, read, trace.notes, trace.notes)
        inputs = [c.parameter for c in carried]
        lifted = free_values(outputs, [*inputs, self.position, *rows.parameters])
        places = ops.iota(turns)
        positions = ops.add(
            ops.multiply(places, ops.full_like(places, stride)), ops.full_like(places, start)
        )
        region = close(
            [*inputs, self.position, *rows.parameters, *lifted], outputs, notes=trace.notes
        )
        found = ops.scan(
            region, [c.first for c in carried], [positions, *rows.sources], lifted, turns
        )
        trace.note(*found)
        last = dict(zip([c.parameter for c in carried], found, strict=False))
        for c, ys in zip(by_rows, found[len(carried) :], strict=False):
            last[c.parameter] = rows.written(c, ys)
            trace.note(last[c.parameter])
        values = [known.get(c.parameter, last.get(c.parameter, c.first)) for c in self.carries]
        return values, list(found[len(carried) + len(by_rows) :])

    def _replace(
        self, carries: Sequence[_Carry], replaced: Mapping[Value, Value], trace: Trace
    ) -> None:
        results = [*(c.result for c in carries), *self.stacked]
        found = rebuild(results, replaced, trace.notes, trace.notes)
        for c, value in zip(carries, found, strict=False):
            c.result = value
        self.stacked = found[len(carries) :]


def _is_token(value: Value) -> bool:
    return isinstance(value.type, TokenType)


class _Rows:
    """Rows of arrays at positions that are known for each turn."""

    def __init__(self, position: Value, start: Size, turns: Size, stride: int) -> None:
        self.position, self.start, self.turns, self.stride = position, start, turns, stride
        self.parameters: list[Value] = []
        self.sources: list[Value] = []

    def affine(self, index: Value) -> Rows | None:
        """The rows that `index` comes to, if it is a multiple of the position plus a number."""
        found = affine(index, (self.position,))
        if found is None or not found.terms:
            return None
        factor = found.terms[self.position]
        return Rows(self.start * factor + found.constant, self.stride * factor)

    def within(self, index: Value, size: Size) -> Rows | None:
        """As `affine`, where every row is there and none is met twice."""
        found = self.affine(index)
        if found is None or found.step == 0:
            return None
        last = found.start + found.step * (self.turns - 1)
        low, high = (found.start, last) if found.step > 0 else (last, found.start)
        room = size - high
        if isinstance(low, int) and low >= 0 and isinstance(room, int) and room > 0:
            return found
        return None

    # --- rows that are written ---

    def is_written_by_rows(
        self, carry: _Carry, moving: Sequence[_Carry], stacked: Sequence[Value]
    ) -> bool:
        """Whether all that a turn does with an array is to replace a row that is its own."""
        write = _row_write(carry)
        if write is None:
            return False
        base, part, index = write.inputs
        if self.within(index, base.shape[write["axes"][0]]) is None:
            return False
        views = _chain_of(base)
        results = _chain_of(carry.result, until=write)
        own = {value.node for value in (*views, *results)} | {write}
        others = [*(c.result for c in moving if c is not carry), *stacked]
        for user in topological([part, *others]):
            for operand in user.inputs:
                inside = operand == carry.parameter or operand in views or operand in results
                written = operand == write.out()
                if not (inside or written) or user in own:
                    continue
                if operand not in (base, write.out()) or not _reads_row(user, operand, write):
                    return False
        kept = {carry.parameter, write.out(), *views, *results}
        return not kept & {part, *others}

    def part(self, carry: _Carry) -> Value:
        """The row that a turn writes."""
        write = _row_write(carry)
        assert write is not None
        return write.inputs[1]

    def read_back(self, by_rows: Sequence[_Carry], results: Sequence[Value]) -> dict[Value, Value]:
        """What a turn reads of the rows that it has written itself: those rows."""
        found: dict[Value, Value] = {}
        for carry in by_rows:
            write = _row_write(carry)
            assert write is not None
            for user in topological(results):
                if write.out() in user.inputs and user.op.name == "gather":
                    found[user.out()] = write.inputs[1]
        return found

    def written(self, carry: _Carry, rows: Value) -> Value:
        """The array at first with all turns' rows put in their places."""
        write = _row_write(carry)
        assert write is not None
        base, _, index = write.inputs
        (axis,) = write["axes"]
        found = self.within(index, base.shape[axis])
        assert found is not None
        order = [*range(1, axis + 1), 0, *range(axis + 1, base.ndim)]
        start = tuple(found.start if k == axis else 0 for k in range(base.ndim))
        step = tuple(found.step if k == axis else 1 for k in range(base.ndim))
        first = {carry.parameter: carry.first}
        (before,) = rebuild([base], first)
        after = ops.update(before, ops.transpose(rows, order), start, step)
        (whole,) = rebuild([carry.result], {**first, write.out(): after})
        return whole

    # --- rows that are read ---

    def read(
        self, outputs: list[Value], carried: Sequence[Value], by_rows: Sequence[_Carry]
    ) -> dict[Value, Value]:
        """Parameters for what `outputs` read of the rows of arrays that no other turn changes."""
        first = {c.parameter: c.first for c in by_rows}
        inside = {value.node for value in (*carried, self.position)}
        order = topological(outputs)
        for node in order:
            if any(value.node in inside for value in node.inputs):
                inside.add(node)
        replaced: dict[Value, Value] = {}
        for node in order:
            source = self._row_source(node, inside, first)
            if source is not None:
                parameter = fresh_input(node.types[0])
                self.parameters.append(parameter)
                self.sources.append(source)
                replaced[node.out()] = parameter
        return replaced

    def _row_source(self, node: Node, inside: set[Node], first: dict[Value, Value]) -> Value | None:
        """The rows that a gather reads in all turns, stacked; None if it reads anything else."""
        if node.op.name != "gather" or len(node["axes"]) != 1 or node.inputs[1].ndim:
            return None
        base, index = node.inputs
        axis = node["axes"][0]
        (base,) = rebuild([base], first)
        if base.node in inside or any(n in inside for n in topological([base])):
            return None
        found = self.within(index, base.shape[axis])
        if found is None:
            return None
        start = tuple(found.start if k == axis else 0 for k in range(base.ndim))
        size = tuple(self.turns if k == axis else n for k, n in enumerate(base.shape))
        step = tuple(found.step if k == axis else 1 for k in range(base.ndim))
        rows = ops.slice_(base, start, size, step)
        return ops.transpose(rows, (axis, *(k for k in range(base.ndim) if k != axis)))


def _row_write(carry: _Carry) -> Node | None:
    """The scatter of one row that makes a carry's result, maybe through views."""
    node = carry.result.node
    while node.op.name in ("reshape", "update"):
        if node.op.name == "update" and not _is_view_of(node.inputs[0], carry.parameter):
            return None
        node = node.inputs[-1].node
    if node.op.name != "scatter" or len(node["axes"]) != 1 or node.inputs[2].ndim:
        return None
    return node if _is_view_of(node.inputs[0], carry.parameter) else None


def _is_view_of(value: Value, array: Value) -> bool:
    while value != array and value.node.op.name in ("reshape", "slice"):
        value = value.node.inputs[0]
    return value == array


def _chain_of(value: Value, until: Node | None = None) -> list[Value]:
    """The values between `value` and the parameter, or the node `until`, that it is a view of."""
    found = []
    while value.node is not until and value.node.op.name in ("reshape", "slice", "update"):
        found.append(value)
        value = value.node.inputs[-1]
    return found


def _reads_row(node: Node, array: Value, write: Node) -> bool:
    """Whether a node reads of `array` that row alone which `write` replaces."""
    return (
        node.op.name == "gather"
        and node["axes"] == write["axes"]
        and node.inputs == (array, write.inputs[2])
    )
