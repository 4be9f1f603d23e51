"""A function that is traced into a region of the graph: what it read, wrote and printed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphc.errors import DTypeError
from graphc.ir import Node, Value, fresh_input, topological
from graphc.trace.context import Trace
from graphc.trace.convert import array_like, same_type, value_of
from graphc.trace.trees import check_same_structure, leaves, paths
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
from graphc.types import TokenType

_CHEAP = {"constant", "iota", "size", "broadcast_to"}


class Recorded:
    """One tracing of `function` into a region.

    Attributes:
        result: what it returned.
        states: what stands for the arrays `written`, and `results` what became of them.
        newly_written: arrays from outside that it wrote and that are not among `written`: it must
            be traced again with them.
        token: what stands for the last effect before it, and `last_token` its own last one.
    """

    def __init__(
        self, trace: Trace, function: Callable[[], Any], written: Sequence[Storage]
    ) -> None:
        self.states = [fresh_input(storage.value.type) for storage in written]
        self.token = fresh_input(TokenType())
        outer_token, log = trace.token, trace.write_log
        outer_values = [storage.value for storage in written]
        trace.token, trace.write_log = self.token, {}
        for storage, value in zip(written, self.states, strict=True):
            storage.rebind(value)
        start = Storage.created()
        try:
            self.result = function()
            touched = trace.write_log
            assert trace.token is not None
            self.last_token = trace.token
            self.results = [storage.value for storage in written]
        finally:
            touched = trace.write_log
            trace.token, trace.write_log = outer_token, log
            # An array that is captured while the function is traced is an outer one, too.
            outside = [
                s
                for s, _ in touched.values()
                if (s.serial <= start or s.source is not None) and s not in written
            ]
            for storage, before in touched.values():
                if storage in outside:
                    storage.rebind(before)
            for storage, before in zip(written, outer_values, strict=True):
                storage.rebind(before)
        self.newly_written = outside

    @property
    def uses_token(self) -> bool:
        """Whether it has effects."""
        return self.last_token is not self.token


def carried(leaf: Any) -> Any:
    """A leaf of what a loop carries as a traced value; a Python number stays one."""
    if is_traced(leaf):
        return leaf
    if type(leaf) in (bool, int, float, complex):
        return number(array_like(leaf).value, type(leaf))
    return array_like(leaf)


def rewrapped(like: Any, value: Value) -> Any:
    """`value` as a traced value of the kind of `like`."""
    if type(like) is TracedNumber:
        return number(value, like.python_type)
    if type(like) is TracedScalar:
        return scalar(value)
    return fresh_array(value)


def next_values(
    what: str, init: Any, carries: Sequence[Any], inputs: Sequence[Value], result: Any
) -> list[Value]:
    """What a turn of the loop `what` makes of each of its carries, the leaves of `init`.

    Args:
        carries: what the leaves are at first.
        inputs: what stands for them in the turn.
        result: what the turn gives.

    Raises:
        ShapeError: it has another structure.
        DTypeError: a leaf has another type.
    """
    check_same_structure(init, result, f"{what}: the carry's structure changes", "carry")
    parts = zip(paths(init, "carry"), carries, inputs, leaves(result), strict=True)
    return [_next_value(f"{what}: {path}", c, v.tensor, leaf) for path, c, v, leaf in parts]


def _next_value(what: str, before: Any, wanted: Any, leaf: Any) -> Value:
    if type(before) is TracedNumber and not isinstance(leaf, TracedArray | TracedScalar):
        value = value_of(leaf, wanted.dtype) if _fits(before, leaf) else carried(leaf).value
    else:
        value = carried(leaf).value
    if not same_type(value.type, wanted):
        raise DTypeError(
            f"{what} goes in as {wanted} and comes out as {value.type}",
            hint="Start with an array of the type that the body gives, or convert in the body.",
        )
    return value


_WIDTH = {bool: 0, int: 1, float: 2, complex: 3}


def _fits(before: TracedNumber, leaf: Any) -> bool:
    """Whether the Python number `leaf` is of the kind of `before`, or of a narrower one."""
    kind = leaf.python_type if type(leaf) is TracedNumber else type(leaf)
    return _WIDTH.get(kind, 1) <= _WIDTH[before.python_type]


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
