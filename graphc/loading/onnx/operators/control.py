"""`If`, `Loop` and `Scan`: graphs within a node, as graphc's own control flow."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from graphc.control import cond, scan, while_loop
from graphc.loading.onnx.registry import Node, operator
from graphc.loading.onnx.values import as_array, counted, known, lift
from graphc.transform import vmap

UNROLLED = 32
"""Turns up to which a loop of a known length runs while tracing, so that its shapes may change."""


def _results(values: Any) -> tuple[Any, ...]:
    return tuple(as_array(lift(value)) for value in values)


@operator("If", scoped=True)
def if_(node: Node, scope: Any, condition: Any) -> Any:
    """One of two graphs; both are compiled where the condition is known at run time only."""
    branches = node.get("then_branch"), node.get("else_branch")
    decided = known(condition)
    if decided is not None:
        return tuple(scope.run(branches[0] if decided.reshape(-1)[0] else branches[1], []))
    first, second = ((lambda g=graph: _results(scope.run(g, []))) for graph in branches)
    return cond(condition.reshape(()), first, second)


@operator("Loop", static=(0, 1), scoped=True)
def loop(node: Node, scope: Any, limit: Any = None, going: Any = None, *carried: Any) -> Any:
    """A number of turns, as long as a condition holds."""
    body = node.get("body")
    count = None if limit is None else known(limit)
    start = np.asarray(True) if going is None else known(going)
    if start is not None and not start.reshape(-1)[0]:
        count = np.asarray(0)
    outputs = len(node.outputs) - len(carried)
    if count is not None and start is not None:
        turns = int(count.reshape(-1)[0])
        fixed = _fixed(node, scope, body, turns, carried, outputs)
        if fixed is not None:
            return fixed
    if outputs > 0:
        raise node.refusal(
            "how many rows it gives depends on data, which is not supported: its condition is "
            "computed from the model's inputs, and it collects a result of each turn"
        )
    state = (np.asarray(0, np.int64), True if going is None else going, *carried)
    state = _results(state)
    most = None if limit is None else lift(limit).reshape(())

    def holds(state: tuple[Any, ...]) -> Any:
        more = state[1].reshape(())
        return more if most is None else more & (state[0] < most)

    def turn(state: tuple[Any, ...]) -> tuple[Any, ...]:
        return (state[0] + 1, *_results(scope.run(body, [as_array(x) for x in state])))

    return tuple(while_loop(holds, turn, state)[2:])


def _fixed(
    node: Node, scope: Any, body: Any, turns: int, carried: tuple[Any, ...], outputs: int
) -> Any:
    """The loop where its length is known while tracing; None where its condition is not."""
    if turns > UNROLLED:
        return _scanned(scope, body, turns, carried)
    state, rows = list(carried), []
    for turn in range(turns):
        more, *found = scope.run(body, [np.asarray(turn, np.int64), np.asarray(True), *state])
        state = found[: len(carried)]
        rows.append(found[len(carried) :])
        decided = known(more)
        if decided is None:
            return None
        if not decided.reshape(-1)[0]:
            break
    if outputs > 0 and not rows:
        raise node.refusal("a loop of no turns that collects a result of each is not supported")
    stacked = [np.stack([lift(row[k]) for row in rows]) for k in range(outputs)]
    return (*state, *stacked)


def _scanned(scope: Any, body: Any, turns: int, carried: tuple[Any, ...]) -> Any:
    decided = []

    def turn(state: tuple[Any, ...], step: Any) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        given = [as_array(step), np.asarray(True), *(as_array(x) for x in state)]
        more, *found = scope.run(body, given)
        decided.append(known(more))
        results = _results(found)
        return results[: len(carried)], results[len(carried) :]

    steps = counted(turns)
    last, rows = scan(turn, _results(carried), steps)
    if any(more is None or not more.reshape(-1)[0] for more in decided):
        return None
    return (*last, *rows)


@operator("Scan", scoped=True, since=8)
def scan_(node: Node, scope: Any, *operands: Any) -> Any:
    """A graph run along axes of arrays, carrying states; results are stacked along axes."""
    if node.version >= 9:
        return _scan(node, scope, *operands)
    # In opset 8 the first axis is a batch, of which the graph sees one example.
    if operands[0] is not None:
        raise node.refusal("sequences of different lengths, as opset 8 has them")
    turned = {"scan_input_directions": node.get("directions")}
    one = replace(node, attributes={**node.attributes, **turned})
    return vmap(lambda *parts: _scan(one, scope, *parts))(*map(lift, operands[1:]))


def _scan(node: Node, scope: Any, *operands: Any) -> Any:
    body = node.get("body")
    count = int(node.number("num_scan_inputs", 0))
    states, sequences = operands[: len(operands) - count], operands[len(operands) - count :]
    axes = node.get("scan_input_axes") or (0,) * count
    backwards = node.get("scan_input_directions") or (0,) * count
    rows = []
    for x, axis, back in zip(sequences, axes, backwards, strict=True):
        moved = np.moveaxis(lift(x), axis, 0)
        rows.append(np.flip(moved, 0) if back else moved)

    def turn(state: tuple[Any, ...], row: tuple[Any, ...]) -> tuple[Any, Any]:
        found = _results(scope.run(body, [as_array(x) for x in (*state, *row)]))
        return found[: len(states)], found[len(states) :]

    last, stacked = scan(turn, _results(states), tuple(rows))
    into = node.get("scan_output_axes") or (0,) * len(stacked)
    turned = node.get("scan_output_directions") or (0,) * len(stacked)
    found = []
    for y, axis, back in zip(stacked, into, turned, strict=True):
        ordered = np.flip(y, 0) if back else y
        found.append(np.moveaxis(ordered, 0, axis))
    return (*last, *found)
