"""How a scan is pushed forward, and run for many examples at once."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir import (
    Driver,
    Graph,
    Mapped,
    Node,
    Tangents,
    Value,
    close,
    fresh_input,
    inline,
    make,
)
from graphc.ops.arrays.shape import spread, transpose, zeros
from graphc.ops.query import differentiable, is_zero
from graphc.types import Size, TokenType


def or_zeros(tangent: Value | None, primal: Value) -> Value:
    """The (co)tangent, or zeros of the type of `primal` where there is none."""
    return zeros(primal.tensor) if tangent is None else tangent


def passing_tokens(body: Graph, n_carry: int, values: Sequence[Value] = ()) -> Graph:
    """`body` without its effects, and with `values` of it as further outputs: for a run that is
    made for its values only."""
    carries = [
        taken if isinstance(taken.type, TokenType) else given
        for taken, given in zip(body.inputs[:n_carry], body.outputs[:n_carry], strict=True)
    ]
    outputs = (*carries, *body.outputs[n_carry:], *values)
    return Graph(body.inputs, outputs, names=body.names, notes=body.notes)


def moving_inputs(
    driver: Driver, body: Graph, n_carry: int, given: set[int]
) -> tuple[list[int], Graph, dict[int, Value]]:
    """The inputs whose tangents are not zero at some step, and the body pushed forward by them.

    The third result has the tangent of each inexact output of the body.
    """
    while True:
        positions = sorted(given)
        pushed = driver.push_forward(body, positions)
        inexact = [k for k, value in enumerate(body.outputs) if differentiable(value)]
        found = dict(zip(inexact, pushed.outputs[len(body.outputs) :], strict=True))
        grown = given | {k for k in inexact if k < n_carry and not is_zero(found[k])}
        if grown == given:
            return positions, pushed, found
        given = grown


def push_scan(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    """One scan over (carry, tangent): nothing is stored on the way.

    It runs the primal loop again; `graphc.simplify` makes that run the only one.
    """
    n_carry, n_steps = node["n_carry"], node["n_carry"] + node["n_xs"]
    body = passing_tokens(node.regions[0], n_carry)
    given = {k for k, t in enumerate(tangents) if t is not None}
    moving, pushed, found = moving_inputs(driver, body, n_carry, given)
    inputs = [fresh_input(value.type) for value in body.inputs]
    moved = {k: fresh_input(body.inputs[k].type) for k in moving}
    results = inline(pushed, [*inputs, *moved.values()])
    primal, count = results[: len(body.outputs)], len(body.outputs)
    steps = dict(zip(found, results[count:], strict=True))
    carries = [k for k in moving if k < n_carry]
    xs = [k for k in moving if n_carry <= k < n_steps]
    constants = [k for k in moving if k >= n_steps]
    ys = [k for k in steps if k >= n_carry and not is_zero(found[k])]
    joint = close(
        [*inputs[:n_carry], *(moved[k] for k in carries)]
        + [*inputs[n_carry:n_steps], *(moved[k] for k in xs)]
        + [*inputs[n_steps:], *(moved[k] for k in constants)],
        [*primal[:n_carry], *(steps[k] for k in carries)]
        + [*primal[n_carry:], *(steps[k] for k in ys)],
    )
    pairs = {k: or_zeros(tangents[k], node.inputs[k]) for k in moving}
    operands = [*node.inputs[:n_carry], *(pairs[k] for k in carries)]
    operands += [*node.inputs[n_carry:n_steps], *(pairs[k] for k in xs)]
    operands += [*node.inputs[n_steps:], *(pairs[k] for k in constants)]
    attrs = dict(node.attrs)
    attrs["n_carry"], attrs["n_xs"] = n_carry + len(carries), node["n_xs"] + len(xs)
    outputs = make(node.op, operands, attrs, (joint,)).outputs
    places = [n_carry + k for k in range(len(carries))]
    places += [len(primal) + len(carries) + k for k in range(len(ys))]
    named = dict(zip([*carries, *ys], places, strict=True))
    return tuple(outputs[named[k]] if k in named else None for k in range(len(node.types)))


def batch_scan(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One scan whose steps take all examples; a carry that is the same for all stays so."""
    (body,) = node.regions
    n_carry, n_steps = node["n_carry"], node["n_carry"] + node["n_xs"]
    mapped = [flag for _, flag in operands]
    while True:
        batched, flags = driver.batch(body, mapped, size, mapped[:n_carry])
        grown = [a or b for a, b in zip(mapped[:n_carry], flags, strict=False)]
        if grown == mapped[:n_carry]:
            break
        mapped[:n_carry] = grown
    values: list[Value] = []
    for k, ((value, given), flag) in enumerate(zip(operands, mapped, strict=True)):
        if flag and not given:
            value = spread(value, size)
        if flag and n_carry <= k < n_steps:
            value = transpose(value, (1, 0, *range(2, value.ndim)))
        values.append(value)
    outputs = make(node.op, values, dict(node.attrs), (batched,)).outputs
    results: list[Mapped] = []
    for k, (value, flag) in enumerate(zip(outputs, flags, strict=True)):
        if flag and k >= n_carry:
            value = transpose(value, (1, 0, *range(2, value.ndim)))
        results.append((value, flag))
    return tuple(results)
