"""How `cond` and `while` are pushed forward, and run for many examples at once.

Where examples choose differently, `cond` computes both branches and selects, and `while` runs as
long as any example goes on, and changes those alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphc.errors import UnsupportedError
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
from graphc.ops.arrays.shape import broadcast_to, reshape, spread
from graphc.ops.control.loop_rules import moving_inputs, or_zeros, passing_tokens
from graphc.ops.elementwise.compare import logical_and
from graphc.ops.elementwise.pointwise import select
from graphc.ops.query import differentiable
from graphc.ops.reductions.reduce import any_
from graphc.types import Size, TensorType, TokenType, Type

# --- forward mode ---------------------------------------------------------------------------------


def push_cond(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    """A `cond` on the same condition, of the tangents of what either branch gives."""
    operands = node.inputs[1:]
    moving = [k for k, t in enumerate(tangents[1:]) if t is not None]
    wanted = [k for k in range(len(node.types)) if differentiable(node.out(k))]
    count = node["n_states"]
    regions = []
    for region in node.regions:
        pushed = driver.push_forward(passing_tokens(region, count), moving)
        outputs = pushed.outputs[len(region.outputs) :]
        regions.append(_of_tensors(Graph(pushed.inputs, outputs), len(region.inputs)))
    seen = [value for value in operands if isinstance(value.type, TensorType)]
    seeds = [t for t in tangents[1:] if t is not None]
    inputs = (node.inputs[0], *seen, *seeds)
    found = make(node.op, inputs, {"n_states": 0}, regions).outputs
    by_place = dict(zip(wanted, found, strict=True))
    return tuple(by_place.get(k) for k in range(len(node.types)))


def _of_tensors(graph: Graph, count: int) -> Graph:
    """`graph` without those of its first `count` inputs that are tokens, which nothing reads."""
    inputs = [fresh_input(value.type) for value in graph.inputs]
    kept = [
        value for k, value in enumerate(inputs) if k >= count or isinstance(value.type, TensorType)
    ]
    return close(kept, inline(graph, inputs))


def push_while(driver: Driver, node: Node, tangents: Tangents) -> Tangents:
    """One loop over (states, tangents): nothing is stored on the way."""
    n_carry = node["n_carry"]
    body = passing_tokens(node.regions[0], n_carry)
    given = {k for k, t in enumerate(tangents) if t is not None}
    moving, pushed, found = moving_inputs(driver, body, n_carry, given)
    inputs = [fresh_input(value.type) for value in body.inputs]
    moved = {k: fresh_input(body.inputs[k].type) for k in moving}
    results = inline(pushed, [*inputs, *moved.values()])
    count = len(body.outputs)
    steps = dict(zip(found, results[count:], strict=True))
    carries = [k for k in moving if k < n_carry]
    constants = [k for k in moving if k >= n_carry]
    joint = close(
        [*inputs[:n_carry], *(moved[k] for k in carries)]
        + [*inputs[n_carry:], *(moved[k] for k in constants)],
        [*results[:count], *(steps[k] for k in carries)],
    )
    pairs = {k: or_zeros(tangents[k], node.inputs[k]) for k in moving}
    operands = [*node.inputs[:n_carry], *(pairs[k] for k in carries)]
    operands += [*node.inputs[n_carry:], *(pairs[k] for k in constants)]
    attrs = {**dict(node.attrs), "n_carry": n_carry + len(carries)}
    outputs = make(node.op, operands, attrs, (joint,)).outputs
    named = dict(zip(carries, outputs[n_carry:], strict=True))
    return tuple(named.get(k) for k in range(len(node.types)))


# --- many examples --------------------------------------------------------------------------------


def batch_cond(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One branch for all examples where they share the condition, else both, and a selection."""
    (condition, varies), *rest = operands
    count = node["n_states"]
    mapped = [flag for _, flag in rest]
    wanted = [False] * len(node.types)
    while True:
        found = [driver.batch(region, mapped, size, wanted) for region in node.regions]
        grown = [any(flags) or varies for flags in zip(*(f for _, f in found), strict=True)]
        grown = [g and _is_tensor(t) for g, t in zip(grown, node.types, strict=True)]
        states = [a or b for a, b in zip(mapped[:count], grown, strict=False)]
        if states == mapped[:count] and grown == wanted:
            break
        mapped[:count], wanted = states, grown
    values = _given(rest, mapped, size)
    regions = [region for region, _ in found]
    if not varies:
        outputs = make(node.op, (condition, *values), dict(node.attrs), regions).outputs
        return tuple(zip(outputs, wanted, strict=True))
    if not all(map(_is_tensor, node.types)):
        raise UnsupportedError(
            "vmap: a branch that only some examples take has an effect, such as a print",
            hint="Choose between values with np.where.",
        )
    sides = [inline(region, values) for region in regions]
    return tuple((_chosen(condition, a, b), True) for a, b in zip(sides[0], sides[1], strict=True))


def batch_while(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One loop for all examples; those whose condition no longer holds stay as they are."""
    (body,) = node.regions
    n_carry = node["n_carry"]
    mapped = [flag for _, flag in operands]
    while True:
        batched, flags = driver.batch(body, mapped, size, mapped[:n_carry])
        grown = [a or b for a, b in zip(mapped[:n_carry], flags, strict=True)]
        if grown[0]:
            grown = [_is_tensor(type_) for type_ in node.types]
        if grown == mapped[:n_carry]:
            break
        mapped[:n_carry] = grown
    values = _given(operands, mapped, size)
    if not mapped[0]:
        outputs = make(node.op, values, dict(node.attrs), (batched,)).outputs
        return tuple(zip(outputs, flags, strict=True))
    if not all(map(_is_tensor, node.types)):
        raise UnsupportedError(
            "vmap: a loop whose turns examples count differently has an effect, such as a print",
            hint="Print outside the loop.",
        )
    going = fresh_input(body.inputs[0].type)
    states = [fresh_input(value.type) for value in batched.inputs]
    after = inline(batched, states)
    kept = [_chosen(states[0], new, old) for new, old in zip(after[1:], states[1:], strict=False)]
    still = logical_and(states[0], after[0])
    whole = close([going, *states], [any_(still, (0,)), still, *kept])
    attrs = {**dict(node.attrs), "n_carry": n_carry + 1}
    outputs = make(node.op, (any_(values[0], (0,)), *values), attrs, (whole,)).outputs
    return tuple((value, True) for value in outputs[1:])


def _is_tensor(type_: Type) -> bool:
    return not isinstance(type_, TokenType)


def _given(operands: Sequence[Mapped], mapped: Sequence[bool], size: Size) -> list[Value]:
    """The operands, repeated for each example where they are to be mapped and are not."""
    return [
        spread(value, size) if wanted and not given else value
        for (value, given), wanted in zip(operands, mapped, strict=True)
    ]


def _chosen(condition: Value, then: Value, otherwise: Value) -> Value:
    """For each example `then` where its condition holds, else `otherwise`."""
    column = reshape(condition, (*condition.shape, *(1,) * (then.ndim - 1)))
    return select(broadcast_to(column, then.shape), then, otherwise)
