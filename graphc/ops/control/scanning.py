"""`scan`: a loop of known length over carried states, with slices in and stacked results out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import (
    PARAMETER,
    Cotangents,
    Driver,
    Graph,
    Node,
    Op,
    Value,
    close,
    fresh_input,
    make,
    rebuild,
    topological,
)
from graphc.loops import Template
from graphc.ops.arrays.shape import zeros
from graphc.ops.control.loop_rules import batch_scan, or_zeros, passing_tokens, push_scan
from graphc.ops.control.marks import token
from graphc.ops.control.residuals import residuals
from graphc.ops.elementwise.pointwise import add
from graphc.ops.query import differentiable, is_zero
from graphc.ops.registry import register
from graphc.types import Size, TensorType, TokenType, Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]

# --- scan: attrs n_carry, n_xs, length, reverse; region body --------------------------------------
# Inputs are carries, xs with a leading axis of `length`, constants. The body maps (carries, one
# element of each x, constants) to (carries, ys). Outputs are the last carries, then the ys stacked.


def _without_lead(type_: Type, length: Size) -> TensorType:
    if not isinstance(type_, TensorType) or not type_.shape or type_.shape[0] != length:
        raise ShapeError(f"scan: {type_} has no leading axis of size {length}")
    return type_.with_shape(type_.shape[1:])


def _with_lead(type_: Type, length: Size) -> TensorType:
    if not isinstance(type_, TensorType):
        raise ShapeError("scan: a token is no y: carry it")
    return type_.with_shape((length, *type_.shape))


def _infer_scan(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (body,) = regions
    n_carry, n_xs, length = attrs["n_carry"], attrs["n_xs"], attrs["length"]
    if n_carry < 0 or n_xs < 0 or n_carry + n_xs > len(types):
        raise ShapeError(f"scan: {n_carry} carries and {n_xs} xs, but {len(types)} operands")
    if isinstance(length, int) and length < 0:
        raise ShapeError(f"scan: the length is negative: {length}")
    carries, xs, constants = (
        types[:n_carry],
        types[n_carry : n_carry + n_xs],
        types[n_carry + n_xs :],
    )
    given = (*carries, *(_without_lead(x, length) for x in xs), *constants)
    taken = tuple(value.type for value in body.inputs)
    if given != taken:
        raise ShapeError(
            f"scan: the body takes ({', '.join(map(str, taken))}), "
            f"but is given ({', '.join(map(str, given))})"
        )
    results = tuple(value.type for value in body.outputs)
    for number, (carry, result) in enumerate(zip(carries, results, strict=False)):
        if carry != result:
            raise ShapeError(f"scan: carry {number} goes in as {carry} and comes out as {result}")
    if len(results) < n_carry:
        raise ShapeError(f"scan: {n_carry} carries, but the body gives {len(results)} results")
    return (*carries, *(_with_lead(type_, length) for type_ in results[n_carry:]))


def _evaluate_scan(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    (body,) = node.regions
    n_carry, n_xs, length = node["n_carry"], node["n_xs"], node["length"]
    carries = list(arrays[:n_carry])
    xs, constants = arrays[n_carry : n_carry + n_xs], arrays[n_carry + n_xs :]
    ys = [
        np.empty([size for size in type_.shape if isinstance(size, int)], type_.dtype)
        for type_ in map(tensor_of, node.types[n_carry:])
    ]
    steps = range(length)
    for step in reversed(steps) if node["reverse"] else steps:
        results = driver.evaluate(body, [*carries, *(x[step] for x in xs), *constants])
        carries = results[:n_carry]
        for y, result in zip(ys, results[n_carry:], strict=True):
            y[step] = result
    return (*carries, *ys)


def _scan_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """Run the loop keeping what is wanted of each step, then the body's gradient backwards."""
    (body,) = node.regions
    n_carry, n_xs, length = node["n_carry"], node["n_xs"], node["length"]
    n_steps = n_carry + n_xs
    wanted = [k for k, value in enumerate(body.inputs) if differentiable(value)]
    backward = driver.differentiate(body, wanted)
    known = residuals(backward, len(body.inputs))
    read = {step["number"] for step in topological(backward.outputs, known) if step.op is PARAMETER}
    kept = [k for k in range(n_carry) if k in read and isinstance(body.inputs[k].type, TensorType)]
    recorded = rebuild(known, dict(zip(backward.inputs, body.inputs, strict=False)))
    stacked = _of_each_step(node, [*(body.inputs[k] for k in kept), *recorded])
    taken = {value: fresh_input(value.type) for value in known}

    states = {k: fresh_input(body.inputs[k].type) for k in [*kept, *range(n_carry, n_steps)]}
    constants = {k: fresh_input(body.inputs[k].type) for k in range(n_steps, len(body.inputs))}
    seen = states | constants
    arguments = [
        seen[k] if k in seen else placeholder(value.type) for k, value in enumerate(body.inputs)
    ]
    carried = {k: fresh_input(body.inputs[k].type) for k in wanted if k < n_carry}
    summed = {k: fresh_input(body.inputs[k].type) for k in wanted if k >= n_steps}
    y_cotangents: dict[int, Value] = {}
    seeds: list[Value] = []
    for k, value in enumerate(body.outputs):
        if not differentiable(value):
            continue
        if k < n_carry:
            seeds.append(carried[k])
        elif cotangents[k] is None:
            seeds.append(zeros(value.tensor))
        else:
            y_cotangents[k] = fresh_input(value.type)
            seeds.append(y_cotangents[k])
    replaced = dict(zip(backward.inputs, [*arguments, *seeds], strict=True)) | taken
    steps = dict(zip(wanted, rebuild(backward.outputs, replaced), strict=True))
    rows = [*(states[k] for k in kept), *taken.values()]
    rows += [states[k] for k in range(n_carry, n_steps)]

    def sum_of(k: int) -> Value:
        return summed[k] if is_zero(steps[k]) else add(summed[k], steps[k])

    reverse_body = close(
        [*carried.values(), *summed.values(), *rows, *y_cotangents.values()]
        + list(constants.values()),
        [
            *(steps[k] for k in carried),
            *(sum_of(k) for k in summed),
            *(steps[k] for k in wanted if n_carry <= k < n_steps),
        ],
    )
    first = [or_zeros(cotangents[k], node.inputs[k]) for k in carried]
    first += [zeros(node.inputs[k].tensor) for k in summed]
    given = [cotangents[k] for k in y_cotangents]
    results = scan(
        reverse_body,
        first,
        [*stacked, *node.inputs[n_carry:n_steps], *(g for g in given if g is not None)],
        node.inputs[n_steps:],
        length,
        reverse=not node["reverse"],
    )
    order = [*carried, *summed, *(k for k in wanted if n_carry <= k < n_steps)]
    found = dict(zip(order, results, strict=True))
    return tuple(found.get(k) for k in range(len(node.inputs)))


def placeholder(type_: Type) -> Value:
    """What stands for an input that is not read."""
    return token() if isinstance(type_, TokenType) else zeros(tensor_of(type_))


def tensor_of(type_: Type) -> TensorType:
    """`type_`, which is no token."""
    assert isinstance(type_, TensorType)
    return type_


def _of_each_step(node: Node, values: Sequence[Value]) -> list[Value]:
    """Values of the body of the scan `node`, as each step has them, stacked.

    The loop is run again for its values only: tokens pass through, so no effect is repeated.
    """
    if not values:
        return []
    (body,) = node.regions
    n_carry, n_xs = node["n_carry"], node["n_xs"]
    results = scan(
        passing_tokens(body, n_carry, values),
        node.inputs[:n_carry],
        node.inputs[n_carry : n_carry + n_xs],
        node.inputs[n_carry + n_xs :],
        node["length"],
        reverse=node["reverse"],
    )
    return list(results[len(node.types) :])


SCAN = register(
    Op(
        "scan",
        _infer_scan,
        _evaluate_scan,
        _scan_vjp,
        Template("scan"),
        attributes={"n_carry": "int", "n_xs": "int", "length": "size", "reverse": "bool"},
        regions=1,
        jvp=push_scan,
        batch=batch_scan,
    )
)


def scan(
    body: Graph,
    carries: Sequence[Value],
    xs: Sequence[Value],
    constants: Sequence[Value],
    length: Size,
    *,
    reverse: bool = False,
) -> tuple[Value, ...]:
    """Run `body` `length` times; the last carries, then each step's ys stacked.

    Args:
        body: maps (carries, one element of each x, constants) to (carries, ys).
        carries: the first step's carries; tokens are allowed.
        xs: arrays with a leading axis of `length`.
        constants: what each step reads whole.
        length: the number of steps.
        reverse: from the last element to the first; ys keep the place of their x.

    Raises:
        ShapeError: types do not fit.
    """
    attrs = {"n_carry": len(carries), "n_xs": len(xs), "length": length, "reverse": reverse}
    return make(SCAN, (*carries, *xs, *constants), attrs, (body,)).outputs
