"""Functions that are traced into regions of the graph: `checkpoint` and `custom_vjp`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import ops
from graphc.errors import ShapeError, TraceError
from graphc.ir import Graph, Value, close, fresh_input
from graphc.trace.context import Trace, active
from graphc.trace.convert import same_type
from graphc.trace.dispatch import locates
from graphc.trace.marked import Marked, as_traced, like, refuse_shared_writes
from graphc.trace.products import directions
from graphc.trace.recorded import free_values
from graphc.trace.sizes import TracedSize
from graphc.trace.trees import check_same_structure, leaves, unflatten
from graphc.trace.values import TracedArray, is_traced
from graphc.trace.views import Storage
from graphc.types import TOKEN, is_inexact


def _is_value(leaf: Any) -> bool:
    return is_traced(leaf) and type(leaf) is not TracedSize


class _Run:
    """One run of a function on inputs of its own, and what it read, wrote and printed."""

    def __init__(self, trace: Trace, function: Any, tree: Any) -> None:
        self.trace = trace
        outer_token, outer_log, start = trace.token, trace.write_log, Storage.created()
        self.marked = Marked(tree, self._own_input)
        self.token = fresh_input(TOKEN)
        trace.token, trace.write_log = self.token, {}
        self.result = function(*self.marked.tree)
        self.leaves = [as_traced(leaf) for leaf in leaves(self.result)]
        self.last_token = trace.token
        touched, trace.token, trace.write_log = trace.write_log, outer_token, outer_log
        # A captured array may be met here for the first time, and is older all the same.
        self.states: list[tuple[Storage, Value]] = []
        for storage, before in touched.values():
            if storage.serial <= start or storage.source is not None:
                self.states.append((storage, storage.value))
                storage.rebind(before)

    def _own_input(self, value: Value) -> Value:
        found = fresh_input(value.type)
        if self.trace.values is not None:
            self.trace.values[found] = self.trace.concrete(value)
        return found

    @property
    def inputs(self) -> list[Value]:
        return [value for _, value in self.marked.replaced]

    @property
    def arguments(self) -> list[Value]:
        return [leaf.value for leaf, _ in self.marked.replaced]

    @property
    def values(self) -> list[Value]:
        return [leaf.value for leaf in self.leaves if _is_value(leaf)]

    @property
    def has_effects(self) -> bool:
        return self.last_token is not self.token

    def refuse_effects(self, name: str) -> None:
        """Raise TraceError if the function wrote to an array from outside, or printed."""
        if self.states or self.marked.written() or self.has_effects:
            what = "prints" if self.has_effects else "writes to an array that it did not make"
            raise TraceError(
                f"custom_vjp: {name} {what}",
                hint="It may run once or never, so it must be pure: return what it computes.",
            )


# --- checkpoint -----------------------------------------------------------------------------------


@locates
def traced_checkpoint(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``function(*args, **kwargs)`` as a node that the backward pass computes again."""
    trace = active()
    if trace.values is not None:
        return function(*args, **kwargs)
    run = _Run(trace, lambda given, named: function(*given, **named), (args, kwargs))
    refuse_shared_writes([run.marked], (args, kwargs))
    written = run.marked.written()
    outputs = [*run.values, *written, *(value for _, value in run.states)]
    inputs, arguments = run.inputs, run.arguments
    if run.has_effects:
        assert run.last_token is not None
        outputs.append(run.last_token)
        inputs.append(run.token)
        arguments.append(trace.effect())
    lifted = free_values(outputs, inputs)
    body = close([*inputs, *lifted], outputs, notes=trace.notes)
    found = ops.checkpoint(body, [*arguments, *lifted])
    trace.note(*found)
    outside = dict(zip(outputs, found, strict=True))
    for storage, value in run.states:
        storage.assign(outside[value])
    run.marked.write_back(lambda value: outside.get(value, value))
    if run.has_effects:
        trace.token = found[-1]
    return unflatten(run.result, [_outside(run, leaf, outside) for leaf in run.leaves])


def _outside(run: _Run, leaf: Any, outside: dict[Value, Value]) -> Any:
    """A result to the caller: a view of what is the caller's, else a value of the node."""
    if not _is_value(leaf):
        return leaf
    if type(leaf) is TracedArray:
        if any(leaf.storage is storage for storage, _ in run.states) or leaf.storage.source:
            return leaf
        original = run.marked.seen_as(leaf)
        if original is not None:
            return original
    return like(leaf, outside[leaf.value])


# --- custom_vjp -----------------------------------------------------------------------------------


@locates
def traced_custom_vjp(
    function: Any, forward: Any, backward: Any, args: tuple[Any, ...], rule: Any
) -> Any:
    """``function(*args)`` as a node whose derivative `forward` and `backward` give.

    Args:
        rule: tells it from others; within its own `forward` and `backward` it is plain `function`.
    """
    trace = active()
    if rule in trace.rules:
        return function(*args)
    if forward is None or backward is None:
        raise TraceError(
            "a custom_vjp has no derivative yet",
            hint="Call its defvjp(forward, backward) once, after its definition.",
        )
    primal = _Run(trace, function, args)
    primal.refuse_effects("the function")
    trace.rules.append(rule)
    try:
        return _with_rule(trace, primal, forward, backward, args)
    finally:
        trace.rules.remove(rule)


def _with_rule(
    trace: Trace, primal: _Run, forward: Any, backward: Any, args: tuple[Any, ...]
) -> Any:
    ahead = _Run(trace, forward, args)
    ahead.refuse_effects("forward")
    if not (isinstance(ahead.result, tuple) and len(ahead.result) == 2):
        raise TraceError(
            "custom_vjp: forward must return a pair (result, residuals)",
            hint="Write `return out, x` where backward needs x, `return out, None` where it needs "
            "nothing.",
        )
    out, residuals = ahead.result
    check_same_structure(primal.result, out, "custom_vjp: forward's result")
    results = _values(out)
    for value, wanted in zip(results, primal.values, strict=True):
        if not same_type(value.type, wanted.type):
            raise ShapeError(
                f"custom_vjp: the function returns {wanted.type}, forward {value.type}"
            )
    kept = _values(residuals)
    taken, seeds, cotangents = _backward(trace, backward, primal, residuals, args)
    return _node(trace, primal, ahead, [results, kept], (taken, seeds, cotangents))


def _values(tree: Any) -> list[Value]:
    traced = [as_traced(leaf) for leaf in leaves(tree)]
    return [leaf.value for leaf in traced if _is_value(leaf)]


def _backward(
    trace: Trace, function: Any, primal: _Run, residuals: Any, args: tuple[Any, ...]
) -> tuple[list[Value], list[Value], list[Value | None]]:
    """The inputs of `backward`, residuals and cotangents, and what it gives each argument."""
    seeds: list[Value] = []
    filled: list[Any] = []
    for leaf in primal.leaves:
        if _is_value(leaf) and is_inexact(leaf.value.dtype):
            seeds.append(fresh_input(leaf.value.type))
            filled.append(like(leaf, seeds[-1]))
        else:
            filled.append(None)
    cotangent = unflatten(primal.result, filled)
    run = _Run(trace, lambda given: function(given, cotangent), (residuals,))
    run.refuse_effects("backward")
    found = run.result
    if not (isinstance(found, tuple) and len(found) == len(args)):
        raise ShapeError(
            f"custom_vjp: backward must return a tuple with a cotangent for each of the "
            f"{len(args)} arguments",
            hint="Write `return g,` for one argument, and None for those without a derivative.",
        )
    given = directions(args, found, "custom_vjp: the cotangent")
    wanted = [
        value
        for value, leaf in zip(given, primal.marked.values, strict=True)
        if leaf is not None and is_inexact(leaf.dtype)
    ]
    return run.inputs, seeds, wanted


def _node(
    trace: Trace,
    primal: _Run,
    ahead: _Run,
    outputs: list[list[Value]],
    backward: tuple[list[Value], list[Value], list[Value | None]],
) -> Any:
    """The node, with what the three functions read from outside lifted to operands."""
    (results, residuals), (taken, seeds, cotangents) = outputs, backward
    given = [value for value in cotangents if value is not None]
    late = free_values(given, [*taken, *seeds])
    lifted = list(
        dict.fromkeys(
            [
                *free_values(primal.values, primal.inputs),
                *free_values([*results, *residuals], ahead.inputs),
                *late,
            ]
        )
    )
    operands = [*primal.arguments, *(_closed_over(value) for value in lifted)]
    wanted = [k for k, value in enumerate(operands) if is_inexact(value.dtype)]
    own = [k for k in wanted if k < len(primal.arguments)]
    by_operand = dict(zip(own, cotangents, strict=True))
    pulled = [by_operand.get(k) or ops.zeros(operands[k].tensor) for k in wanted]
    found = ops.custom_vjp(
        _closed(trace, [*primal.inputs, *lifted], primal.values),
        _closed(trace, [*ahead.inputs, *lifted], [*results, *residuals, *late]),
        _closed(trace, [*taken, *late, *seeds], pulled),
        wanted,
        operands,
    )
    trace.note(*found)
    rest = iter(found)
    filled = [like(leaf, next(rest)) if _is_value(leaf) else leaf for leaf in primal.leaves]
    return unflatten(primal.result, filled)


def _closed(trace: Trace, inputs: Sequence[Value], outputs: Sequence[Value]) -> Graph:
    return close(inputs, outputs, notes=trace.notes)


def _closed_over(value: Value) -> Value:
    return ops.closed_over(value) if is_inexact(value.dtype) else value


# --- stop_gradient --------------------------------------------------------------------------------


def stopped(leaf: Any) -> Any:
    """A leaf with derivative 0: a copy of an array or number, anything else as it is."""
    traced = as_traced(leaf)
    if not _is_value(traced) or not is_inexact(traced.value.dtype):
        return leaf
    return like(traced, ops.stop_gradient(traced.value))
