"""``scan`` while it is traced: the body is traced once, into a region of the graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import ops
from graphc.errors import DTypeError, ShapeError
from graphc.ir import Node, Value, close, fresh_input, topological
from graphc.trace.context import Trace, active
from graphc.trace.convert import array_like, as_size_argument, value_of
from graphc.trace.dispatch import locates
from graphc.trace.trees import check_same_structure, leaves, unflatten
from graphc.trace.values import (
    TracedArray,
    TracedNumber,
    TracedScalar,
    fresh_array,
    is_traced,
    number,
    scalar,
)
from graphc.trace.views import Storage
from graphc.types import Size, TokenType

_CHEAP = {"constant", "iota", "size", "broadcast_to"}


def _carry(leaf: Any) -> Any:
    """A carry as a traced value; an int is an int64 number."""
    if is_traced(leaf):
        return leaf
    if type(leaf) in (bool, int, float, complex):
        return number(array_like(leaf).value, type(leaf))
    return array_like(leaf)


def _rewrap(like: Any, value: Value) -> Any:
    """`value` as a traced value of the kind of `like`."""
    if type(like) is TracedNumber:
        return number(value, like.python_type)
    if type(like) is TracedScalar:
        return scalar(value)
    return fresh_array(value)


@locates
def traced_scan(
    body: Any, init: Any, xs: Any = None, length: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """``(carry, ys)`` of `body` run along the leading axis of `xs`."""
    trace = active()
    sequences = [array_like(x) for x in leaves(xs)]
    steps = _length(sequences, length)
    carries = [_carry(leaf) for leaf in leaves(init)]
    if trace.values is not None:
        return _unrolled(body, init, xs, trace.static(steps), reverse)
    written: list[Storage] = []
    while True:
        attempt = _Attempt(trace, body, init, carries, xs, sequences, steps, written)
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
    """One tracing of the body, with the outer arrays in `written` as further carries."""

    def __init__(
        self,
        trace: Trace,
        body: Any,
        init: Any,
        carries: list[Any],
        xs: Any,
        sequences: list[Any],
        steps: Size,
        written: list[Storage],
    ) -> None:
        self.trace, self.init, self.carries = trace, init, carries
        self.sequences, self.steps, self.written = sequences, steps, written
        self.inputs = [fresh_input(carry.value.type) for carry in carries]
        self.rows = [fresh_input(x.value.tensor.with_shape(x.value.shape[1:])) for x in sequences]
        self.states = [fresh_input(storage.value.type) for storage in written]
        self.token = fresh_input(TokenType())
        outer_token, log = trace.token, trace.write_log
        outer_values = [storage.value for storage in written]
        trace.token, trace.write_log = self.token, {}
        for storage, value in zip(written, self.states, strict=True):
            storage.rebind(value)
        start = Storage.created()
        carry = unflatten(init, [_rewrap(c, v) for c, v in zip(carries, self.inputs, strict=True)])
        row = unflatten(xs, [_row(v) for v in self.rows])
        result = body(carry, row)
        if not (isinstance(result, tuple) and len(result) == 2):
            raise ShapeError("a scan's body must return a pair (carry, y)")
        self.carry, self.ys = result
        touched = trace.write_log
        self.uses_token = trace.token is not self.token
        self.last_token = trace.token
        self.state_results = [storage.value for storage in written]
        self.newly_written = [
            storage
            for storage, _ in touched.values()
            if storage.serial <= start and storage not in written
        ]
        trace.token, trace.write_log = outer_token, log
        for storage, before in touched.values():
            if storage.serial <= start and storage not in written:
                storage.rebind(before)
        for storage, before in zip(written, outer_values, strict=True):
            storage.rebind(before)

    def finish(self, reverse: bool) -> tuple[Any, Any]:
        """The scan node, with what the body reads from outside lifted to constants."""
        check_same_structure(self.init, self.carry, "scan: the carry's structure changes")
        results = [self._carry_result(k, leaf) for k, leaf in enumerate(leaves(self.carry))]
        ys = [array_like(leaf) for leaf in leaves(self.ys)]
        body_inputs = [*self.inputs, *self.states]
        body_outputs = [*results, *self.state_results]
        outer = [*(c.value for c in self.carries), *(s.value for s in self.written)]
        if self.uses_token:
            assert self.last_token is not None
            body_inputs.append(self.token)
            body_outputs.append(self.last_token)
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
        if self.uses_token:
            self.trace.token = found[len(body_inputs) - 1]
        carry = [_rewrap(c, v) for c, v in zip(self.carries, found, strict=False)]
        stacked = [fresh_array(value) for value in found[len(body_inputs) :]]
        return unflatten(self.init, carry), unflatten(self.ys, stacked)

    def _carry_result(self, position: int, leaf: Any) -> Value:
        wanted = self.inputs[position].tensor
        carry = self.carries[position]
        if type(carry) is TracedNumber and not isinstance(leaf, TracedArray | TracedScalar):
            value = value_of(leaf, wanted.dtype)
        else:
            value = _carry(leaf).value
        if value.type != wanted:
            raise DTypeError(
                f"scan: a carry goes in as {wanted} and comes out as {value.type}",
                hint="Start with an array of the type that the body gives, or convert in the body.",
            )
        return value


def _row(value: Value) -> Any:
    return scalar(value) if value.ndim == 0 else fresh_array(value)


def free_values(outputs: Sequence[Value], inputs: Sequence[Value]) -> list[Value]:
    """What `outputs` read that does not depend on `inputs`; cheap constants stay inside."""
    inside = {value.node for value in inputs}
    order = topological(outputs)
    for node in order:
        if any(value.node in inside for value in node.inputs):
            inside.add(node)
    found: dict[Value, None] = {}
    seen: set[Node] = set()

    def visit(value: Value) -> None:
        if value.node in inside:
            return
        if value.node.op.name not in _CHEAP:
            found[value] = None
        elif value.node not in seen:
            seen.add(value.node)
            for operand in value.node.inputs:
                visit(operand)

    for value in outputs:
        visit(value)
    for node in order:
        if node in inside:
            for value in node.inputs:
                visit(value)
    return list(found)
