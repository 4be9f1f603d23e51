"""``while_loop`` and ``fori_loop`` while they are traced."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc import ops
from graphc.errors import DTypeError, ShapeError
from graphc.ir import Value, close, fresh_input
from graphc.trace.choice import condition_of
from graphc.trace.context import Trace, active
from graphc.trace.convert import array_like
from graphc.trace.dispatch import locates
from graphc.trace.loop import scanned
from graphc.trace.recorded import Recorded, carried, free_values, next_values, rewrapped
from graphc.trace.sizes import TracedSize
from graphc.trace.trees import check_same_structure, leaves, unflatten
from graphc.trace.values import TracedNumber, fresh_array, is_traced, number
from graphc.trace.views import Storage
from graphc.types import Dim

INT64 = np.dtype(np.int64)
NO_LIMIT = 0


@locates
def traced_while(cond: Any, body: Any, init: Any, max_steps: Any) -> Any:
    """The first carry for which `cond` does not hold, by repeated calls of `body`."""
    trace = active()
    most = NO_LIMIT if max_steps is None else _static_count(max_steps)
    if trace.values is not None:
        return _while_eagerly(trace, cond, body, init, most)
    carries = [carried(leaf) for leaf in leaves(init)]
    start = unflatten(init, [rewrapped(c, c.value) for c in carries])
    condition = condition_of("while_loop", cond(start))
    written: list[Storage] = []
    while True:
        attempt = _Turn(trace, cond, body, init, carries, most, written)
        if not attempt.recorded.newly_written:
            return attempt.finish(condition)
        written += attempt.recorded.newly_written


def _static_count(max_steps: Any) -> int:
    if isinstance(max_steps, bool) or is_traced(max_steps) or not hasattr(max_steps, "__index__"):
        kind = getattr(max_steps, "__class__", type(max_steps)).__name__
        raise DTypeError(f"while_loop: max_steps must be an int, not a {kind}")
    count = int(max_steps.__index__())
    if count < 1:
        raise ShapeError(f"while_loop: max_steps must be 1 or more, not {count}")
    return count


def _problem(most: int) -> str:
    return f"while_loop: the condition still holds after max_steps={most} turns"


def _while_eagerly(trace: Trace, cond: Any, body: Any, init: Any, most: int) -> Any:
    """Eager mode: turn by turn."""
    carry, turns = init, 0
    while trace.concrete(condition_of("while_loop", cond(carry))):
        turns += 1
        if most:
            trace.concrete(ops.limited(ops.constant(np.int64(turns)), most, _problem(most)))
        carry = body(carry)
        check_same_structure(init, carry, "while_loop: the carry's structure changes", "carry")
    return carry


class _Turn:
    """One tracing of the body, and of the condition after it."""

    def __init__(
        self,
        trace: Trace,
        cond: Any,
        body: Any,
        init: Any,
        carries: list[Any],
        most: int,
        written: list[Storage],
    ) -> None:
        self.trace, self.init, self.carries = trace, init, carries
        self.most, self.written = most, written
        self.inputs = [fresh_input(carry.value.type) for carry in carries]
        self.recorded = Recorded(trace, lambda: self.turn(cond, body), written)

    def turn(self, cond: Any, body: Any) -> tuple[Value, list[Value]]:
        """The condition of the next turn, and what becomes of the carries."""
        pairs = zip(self.carries, self.inputs, strict=True)
        result = body(unflatten(self.init, [rewrapped(c, v) for c, v in pairs]))
        values = next_values("while_loop", self.init, self.carries, self.inputs, result)
        after = [rewrapped(c, v) for c, v in zip(self.carries, values, strict=True)]
        return condition_of("while_loop", cond(unflatten(self.init, after))), values

    def finish(self, first: Value) -> Any:
        """The while node, with what the body reads from outside lifted to constants."""
        recorded, trace = self.recorded, self.trace
        condition, values = recorded.result
        inputs = [fresh_input(first.type), *self.inputs, *recorded.states]
        outputs = [condition, *values, *recorded.results]
        states = [first, *(c.value for c in self.carries), *(s.value for s in self.written)]
        if self.most:
            turns = fresh_input(ops.constant(np.int64(0)).type)
            again = ops.add(turns, ops.constant(np.int64(1)))
            inputs.append(turns)
            counted = ops.limited(again, self.most, _problem(self.most))
            trace.note(counted)
            outputs.append(counted)
            states.append(ops.constant(np.int64(0)))
        if recorded.uses_token:
            inputs.append(recorded.token)
            outputs.append(recorded.last_token)
            states.append(trace.effect())
        lifted = free_values(outputs, inputs)
        region = close([*inputs, *lifted], outputs, notes=trace.notes)
        found = ops.while_loop(region, states, lifted, self.most)
        trace.note(*found)
        count = 1 + len(self.carries)
        for storage, value in zip(self.written, found[count:], strict=False):
            storage.assign(value)
        if recorded.uses_token:
            trace.token = found[-1]
        return unflatten(
            self.init, [rewrapped(c, v) for c, v in zip(self.carries, found[1:], strict=False)]
        )


@locates
def traced_fori(lower: Any, upper: Any, body: Any, init: Any) -> Any:
    """``carry = body(i, carry)`` for each i from `lower` to `upper`."""
    trace = active()
    if _known(lower) and _known(upper):
        return _counted(trace, lower, upper, body, init)
    first, last = (_bound(bound) for bound in (lower, upper))

    def turn(carry: Any) -> Any:
        i, inner = carry
        made = body(i, inner)
        before = [carried(leaf) for leaf in leaves(inner)]
        values = next_values("fori_loop", init, before, [leaf.value for leaf in before], made)
        after = [rewrapped(c, v) for c, v in zip(before, values, strict=True)]
        return i + 1, unflatten(init, after)

    return traced_while(lambda carry: carry[0] < last, turn, (first, init), None)[1]


def _known(bound: Any) -> bool:
    """Whether a bound is known when the graph is compiled, or is a symbolic size."""
    return type(bound) in (TracedSize, int)


def _bound(bound: Any) -> Any:
    """A bound as a Python int that is traced.

    Raises:
        DTypeError, ShapeError: it is no single integer.
    """
    value = bound.value if type(bound) is TracedNumber else array_like(bound).value
    if value.ndim:
        raise ShapeError(f"fori_loop: a bound must be a single integer, not {value.tensor}")
    if value.dtype.kind not in "iu":
        raise DTypeError(f"fori_loop: a bound must be an integer, not {value.tensor}")
    return number(ops.cast(value, INT64), int)


def _counted(trace: Trace, lower: Any, upper: Any, body: Any, init: Any) -> Any:
    """A scan: the number of turns is known."""
    start, stop = (b.dim if type(b) is TracedSize else b for b in (lower, upper))
    if not trace.holds("<", start, stop):
        return init
    length = stop - start
    places = ops.add(ops.iota(length), ops.broadcast_to(_size(start), (length,)))
    xs = fresh_array(places)

    def turn(carry: Any, i: Any) -> tuple[Any, None]:
        return body(number(i.value, int), carry), None

    return scanned("fori_loop", turn, init, xs)[0]


def _size(size: Any) -> Value:
    return ops.size_value(size) if isinstance(size, Dim) else ops.constant(np.int64(size))
