"""``scan`` while it is traced: the body is traced once, into a region of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import ops
from graphc.errors import ShapeError
from graphc.ir import Value, close, fresh_input
from graphc.trace.context import Trace, active
from graphc.trace.convert import array_like, as_size_argument
from graphc.trace.dispatch import locates
from graphc.trace.recorded import Recorded, carried, free_values, next_values, rewrapped
from graphc.trace.trees import leaves, unflatten
from graphc.trace.values import fresh_array, scalar
from graphc.trace.views import Storage
from graphc.types import Size


@locates
def traced_scan(
    body: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """``(carry, ys)`` of `body` run along the leading axis of `xs`."""
    return scanned("scan", body, init, xs, length, reverse)


def scanned(
    what: str, body: Any, init: Any, xs: Any, length: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """As `traced_scan`, for the loop that is called `what`."""
    trace = active()
    sequences = [array_like(x) for x in leaves(xs)]
    steps = _length(sequences, length)
    carries = [carried(leaf) for leaf in leaves(init)]
    if trace.values is not None:
        return _unrolled(body, init, xs, trace.static(steps), reverse)
    written: list[Storage] = []
    while True:
        attempt = _Attempt(what, trace, body, init, carries, xs, sequences, steps, written)
        if not attempt.newly_written:
            return attempt.finish(reverse)
        written += attempt.newly_written


def _length(sequences: Sequence[Any], length: Any) -> Size:
    if not sequences and length is None:
        raise ShapeError("scan needs xs or length", hint="Pass length=number_of_steps.")
    steps: Size | None = None if length is None else as_size_argument(length)
    for x in sequences:
        if x.value.ndim == 0:
            raise ShapeError(f"scan: {x.value.tensor} in xs has no leading axis")
        size = x.value.shape[0]
        if steps is None:
            steps = size
        elif not active().same(steps, size):
            raise ShapeError(f"scan: leading axes of sizes {steps} and {size} differ")
    assert steps is not None
    return steps


def _unrolled(body: Any, init: Any, xs: Any, steps: int, reverse: bool) -> tuple[Any, Any]:
    """Eager mode: the steps one after another."""
    carry, rows = init, []
    sequences = [array_like(x) for x in leaves(xs)]
    order = range(steps - 1, -1, -1) if reverse else range(steps)
    for step in order:
        carry, y = body(carry, unflatten(xs, [x[step] for x in sequences]))
        rows.append(y)
    if not rows:
        raise ShapeError("scan of no steps has no ys in eager mode")
    rows = rows[::-1] if reverse else rows
    stacked = [array_like(list(parts)) for parts in zip(*map(leaves, rows), strict=True)]
    return carry, unflatten(rows[0], stacked)


class _Attempt:
    """One tracing of the body, with the outer arrays in `written` as further carries.

    `what` is the loop's name in messages.
    """

    def __init__(
        self,
        what: str,
        trace: Trace,
        body: Any,
        init: Any,
        carries: list[Any],
        xs: Any,
        sequences: list[Any],
        steps: Size,
        written: list[Storage],
    ) -> None:
        self.what, self.trace, self.init, self.carries = what, trace, init, carries
        self.sequences, self.steps, self.written = sequences, steps, written
        self.inputs = [fresh_input(carry.value.type) for carry in carries]
        self.rows = [fresh_input(x.value.tensor.with_shape(x.value.shape[1:])) for x in sequences]
        self.recorded = Recorded(trace, lambda: self._turn(body, xs), written)
        self.newly_written = self.recorded.newly_written

    def _turn(self, body: Any, xs: Any) -> tuple[Any, Any]:
        pairs = zip(self.carries, self.inputs, strict=True)
        carry = unflatten(self.init, [rewrapped(c, v) for c, v in pairs])
        row = unflatten(xs, [_row(v) for v in self.rows])
        result = body(carry, row)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ShapeError("a scan's body must return a pair (carry, y)")
        return result

    def finish(self, reverse: bool) -> tuple[Any, Any]:
        """The scan node, with what the body reads from outside lifted to constants."""
        recorded = self.recorded
        result, returned_ys = recorded.result
        results = next_values(self.what, self.init, self.carries, self.inputs, result)
        ys = [array_like(leaf) for leaf in leaves(returned_ys)]
        body_inputs = [*self.inputs, *recorded.states]
        body_outputs = [*results, *recorded.results]
        outer = [*(c.value for c in self.carries), *(s.value for s in self.written)]
        if recorded.uses_token:
            body_inputs.append(recorded.token)
            body_outputs.append(recorded.last_token)
            outer.append(self.trace.effect())
        outputs = [*body_outputs, *(y.value for y in ys)]
        lifted = free_values(outputs, [*body_inputs, *self.rows])
        region = close([*body_inputs, *self.rows, *lifted], outputs, notes=self.trace.notes)
        found = ops.scan(
            region, outer, [x.value for x in self.sequences], lifted, self.steps, reverse=reverse
        )
        self.trace.note(*found)
        count = len(self.carries)
        for storage, value in zip(self.written, found[count:], strict=False):
            storage.assign(value)
        if recorded.uses_token:
            self.trace.token = found[len(body_inputs) - 1]
        carry = [rewrapped(c, v) for c, v in zip(self.carries, found, strict=False)]
        stacked = [fresh_array(value) for value in found[len(body_inputs) :]]
        return unflatten(self.init, carry), unflatten(returned_ys, stacked)


def _row(value: Value) -> Any:
    return scalar(value) if value.ndim == 0 else fresh_array(value)
