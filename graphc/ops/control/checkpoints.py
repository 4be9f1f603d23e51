"""The gradient of a loop whose number of turns is not known before it has run.

The loop runs again and keeps states in a fixed number of rows: at first each turn's, and when the
rows are full every second one is dropped and the spacing doubles. The reverse loop takes the turns
last first. Where a turn's state was not kept, the loop runs again from the last one that was, and
puts the state half way there on the rows that are free by now, and so on: about half a run more for
each doubling of the spacing (Griewank and Walther, Algorithm 799 (2000), do it with fewer runs, but
must know the number of turns). With `most` turns given, there is a row for each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from graphc.ir import Cotangents, Driver, Graph, Node, Value, close, fresh_input, inline
from graphc.ops.arrays.creation import constant, iota
from graphc.ops.arrays.index import gather, scatter, update
from graphc.ops.arrays.shape import broadcast_to, zeros
from graphc.ops.arrays.slicing import slice_
from graphc.ops.control.branching import cond
from graphc.ops.control.loop_rules import or_zeros
from graphc.ops.control.scanning import placeholder
from graphc.ops.elementwise.compare import equal, greater, less, maximum
from graphc.ops.elementwise.pointwise import add, multiply, select, subtract
from graphc.ops.elementwise.rounding import floor_divide, remainder
from graphc.ops.query import differentiable, is_zero
from graphc.types import DTYPES, TensorType, TokenType

KEPT = 40
"""Rows that the loop keeps states in: an even number."""
RESERVED = 24
"""Further rows for the reverse loop: enough for a spacing of 2 to that power."""

INT64 = DTYPES["int64"]
While = Callable[..., tuple[Value, ...]]
Step = Callable[[list[Value], list[Value]], list[Value]]


def _integer(number: int) -> Value:
    return constant(np.int64(number))


def _row(rows: Value, place: Value) -> Value:
    return gather(rows, [place], (0,))


def _with_row(rows: Value, value: Value, place: Value) -> Value:
    return scatter(rows, value, [place], (0,))


class Reversal:
    """Builds the loops that the gradient of one `while` node is made of."""

    def __init__(self, driver: Driver, node: Node, while_loop: While) -> None:
        self.while_loop = while_loop
        self.node = node
        (self.body,) = node.regions
        self.count = node["n_carry"]
        self.most = node["most"]
        inputs = self.body.inputs
        self.wanted = [k for k, value in enumerate(inputs) if differentiable(value)]
        self.backward = driver.differentiate(self.body, self.wanted)
        self.kept = [k for k in range(1, self.count) if not isinstance(inputs[k].type, TokenType)]
        self.constants = list(range(self.count, len(inputs)))
        self.rows = self.most or KEPT + RESERVED

    def cotangents(self, given: Cotangents) -> Cotangents:
        """The cotangents of the node's inputs, from those of its results."""
        turns, spacing, rows = self.record()
        carried = [k for k in self.wanted if k < self.count]
        summed = [k for k in self.wanted if k >= self.count]
        seeds = [or_zeros(given[k], self.node.inputs[k]) for k in carried]
        seeds += [zeros(self.node.inputs[k].tensor) for k in summed]
        found = self.reverse(turns, spacing, rows, seeds)
        by_place = dict(zip([*carried, *summed], found, strict=True))
        return tuple(by_place.get(k) for k in range(len(self.node.inputs)))

    # --- the body ---

    def arguments(self, states: Sequence[Value], constants: Sequence[Value]) -> list[Value]:
        """What the body is given: in a turn that runs its condition is true, and no effect acts."""
        seen = dict(zip(self.kept, states, strict=True))
        seen |= dict(zip(self.constants, constants, strict=True))
        found = [seen.get(k, placeholder(v.type)) for k, v in enumerate(self.body.inputs)]
        return [constant(np.bool_(True)), *found[1:]]

    def advance(self, states: Sequence[Value], constants: Sequence[Value]) -> list[Value]:
        """The condition and the kept states after one turn."""
        outputs = inline(self.body, self.arguments(states, constants))
        return [outputs[0], *(outputs[k] for k in self.kept)]

    def loop(self, states: Sequence[Value], constants: Sequence[Value], step: Step) -> list[Value]:
        """A loop of its own; `step` maps its states and constants to the next states."""
        taken = [fresh_input(value.type) for value in (*states, *constants)]
        count = len(states)
        body = close(taken, step(taken[:count], taken[count:]))
        return list(self.while_loop(body, states, constants))

    # --- forward ---

    def record(self) -> tuple[Value, Value, list[Value]]:
        """The number of turns, the spacing of the kept states, and the rows they are in."""
        first = [self.node.inputs[k] for k in self.kept]
        rows = [zeros(_rows_type(value.tensor, self.rows)) for value in first]
        count = len(first)

        def step(states: list[Value], constants: list[Value]) -> list[Value]:
            _, turn, spacing, *rest = states
            now, rows = rest[:count], rest[count:]
            spacing, rows = self.keep(turn, spacing, now, rows)
            condition, *after = self.advance(now, constants)
            return [condition, add(turn, _integer(1)), spacing, *after, *rows]

        constants = [self.node.inputs[k] for k in self.constants]
        start = [self.node.inputs[0], _integer(0), _integer(1), *first, *rows]
        _, turns, spacing, *rest = self.loop(start, constants, step)
        return turns, spacing, rest[count:]

    def keep(
        self, turn: Value, spacing: Value, now: list[Value], rows: list[Value]
    ) -> tuple[Value, list[Value]]:
        """Put the states on a row, if it is their turn."""
        if self.most:
            return spacing, [_with_row(r, s, turn) for r, s in zip(rows, now, strict=True)]
        full = equal(turn, multiply(spacing, _integer(KEPT)))
        spacing, *rows = branch(full, [spacing, *rows], [], _thinned)
        due = equal(remainder(turn, spacing), _integer(0))
        place = floor_divide(turn, spacing)

        def store(states: list[Value], operands: list[Value]) -> list[Value]:
            place, *now = operands
            return [_with_row(r, s, place) for r, s in zip(states, now, strict=True)]

        return spacing, branch(due, rows, [place, *now], store)

    # --- reverse ---

    def reverse(
        self, turns: Value, spacing: Value, rows: list[Value], seeds: list[Value]
    ) -> list[Value]:
        """The cotangents after all turns, last first."""
        one, none = _integer(1), _integer(0)
        last = subtract(turns, one)
        times: list[Value] = []
        top = last
        if not self.most:
            top = maximum(floor_divide(last, spacing), none)
            times = [multiply(iota(self.rows), broadcast_to(spacing, (self.rows,)))]
        count, more = len(rows), len(times)

        def step(states: list[Value], constants: list[Value]) -> list[Value]:
            _, turn, top, *rest = states
            times, rows, cotangents = rest[:more], rest[more : more + count], rest[more + count :]
            if times:
                top, times, rows = self.reach(turn, top, times[0], rows, constants)
            now = [_row(r, top) for r in rows]
            arguments = self.arguments(now, constants)
            carried = self.count_carried
            found = inline(self.backward, [*arguments, *cotangents[:carried]])
            sums = [
                total if is_zero(part) else add(total, part)
                for total, part in zip(cotangents[carried:], found[carried:], strict=True)
            ]
            below = maximum(subtract(top, one), none)
            condition = greater(turn, none)
            after = [*found[:carried], *sums]
            return [condition, subtract(turn, one), below, *times, *rows, *after]

        constants = [self.node.inputs[k] for k in self.constants]
        start = [greater(turns, none), last, top, *times, *rows, *seeds]
        return self.loop(start, constants, step)[3 + more + count :]

    @property
    def count_carried(self) -> int:
        """How many states have a cotangent."""
        return sum(k < self.count for k in self.wanted)

    def reach(
        self, turn: Value, top: Value, times: Value, rows: list[Value], constants: list[Value]
    ) -> tuple[Value, list[Value], list[Value]]:
        """Run from the last kept state until that of `turn` is on the top row."""
        one = _integer(1)
        last_row = _integer(self.rows - 1)

        def halve(states: list[Value], given: list[Value]) -> list[Value]:
            _, top, times, *rows = states
            turn, *constants = given
            start = _row(times, top)
            half = floor_divide(add(subtract(turn, start), one), _integer(2))
            above = add(top, one)
            stop = select(less(above, last_row), add(start, half), turn)
            now = self.run(start, stop, [_row(r, top) for r in rows], constants)
            rows = [_with_row(r, s, above) for r, s in zip(rows, now, strict=True)]
            return [less(stop, turn), above, _with_row(times, stop, above), *rows]

        start = [less(_row(times, top), turn), top, times, *rows]
        _, top, times, *rows = self.loop(start, [turn, *constants], halve)
        return top, [times], rows

    def run(
        self, start: Value, stop: Value, now: list[Value], constants: list[Value]
    ) -> list[Value]:
        """The kept states of turn `stop`, from those of turn `start`."""

        def step(states: list[Value], given: list[Value]) -> list[Value]:
            _, turn, *now = states
            stop, *constants = given
            after = add(turn, _integer(1))
            return [less(after, stop), after, *self.advance(now, constants)[1:]]

        first = [less(start, stop), start, *now]
        return self.loop(first, [stop, *constants], step)[2:]


def _rows_type(type_: TensorType, count: int) -> TensorType:
    return type_.with_shape((count, *type_.shape))


def _thinned(states: list[Value], _: list[Value]) -> list[Value]:
    """Every second row, and twice the spacing."""
    spacing, *rows = states
    thinned = []
    for r in rows:
        rest = r.shape[1:]
        start, ones = (0,) * r.ndim, (1,) * r.ndim
        half = slice_(r, start, (KEPT // 2, *rest), (2, *ones[1:]))
        thinned.append(update(r, half, start, ones))
    return [multiply(spacing, _integer(2)), *thinned]


def branch(
    condition: Value, states: Sequence[Value], operands: Sequence[Value], change: Step
) -> list[Value]:
    """`states`, changed where the condition holds."""
    taken = [fresh_input(value.type) for value in (*states, *operands)]
    count = len(states)
    then: Graph = close(taken, change(taken[:count], taken[count:]))
    otherwise: Graph = close(taken, taken[:count])
    return list(cond(condition, states, operands, then, otherwise))
