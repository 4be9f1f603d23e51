"""Loops cut in blocks: a gradient keeps the carries between blocks, and one block's steps."""

from __future__ import annotations

from collections.abc import Sequence

from graphc.ir import Node, Note, Value, close, fresh_input, make, topological
from graphc.ops import checkpoint, concatenate, reshape, scan, slice_
from graphc.ops.control.loop_rules import passing_tokens


def in_blocks(
    outputs: Sequence[Value], wrt: Sequence[Value], blocks: int, notes: dict[Node, Note]
) -> list[Value]:
    """`outputs`, with each scan that depends on `wrt` as a scan over checkpointed scans.

    Loops of symbolic length, or of fewer than two steps a block, stay as they are. Effects are
    those of the loop that is replaced, which stays where a token is read.
    """
    moving = {value.node for value in wrt}
    mapping: dict[Value, Value] = {}
    for node in topological(outputs):
        if node in moving or not any(value.node in moving for value in node.inputs):
            continue
        moving.add(node)
        operands = [mapping.get(value, value) for value in node.inputs]
        new = make(node.op, operands, dict(node.attrs), node.regions)
        results = new.outputs
        if node.op.name == "scan" and isinstance(node["length"], int):
            count = min(blocks, node["length"] // 2)
            results = _blocked(new, count) if count > 1 else results
        if node in notes:
            for value in results:
                notes.setdefault(value.node, notes[node])
        mapping.update(zip(node.outputs, results, strict=True))
    return [mapping.get(value, value) for value in outputs]


def _blocked(node: Node, count: int) -> tuple[Value, ...]:
    """The results of a scan, by a scan over `count` blocks and one over the steps left."""
    n_carry, n_steps, reverse = node["n_carry"], node["n_carry"] + node["n_xs"], node["reverse"]
    body = passing_tokens(node.regions[0], n_carry)
    each = node["length"] // count
    whole, left = each * count, node["length"] % count
    start = left if reverse else 0
    carries, xs = list(node.inputs[:n_carry]), node.inputs[n_carry:n_steps]
    constants = node.inputs[n_steps:]
    cut = [_rows(x, start, whole) for x in xs]
    blocks = [reshape(x, (count, each, *x.shape[1:])) for x in cut]
    inputs = [fresh_input(value.type) for value in carries]
    rows = [fresh_input(x.tensor.with_shape(x.shape[1:])) for x in blocks]
    fixed = [fresh_input(value.type) for value in constants]
    inner = close([*inputs, *rows, *fixed], scan(body, inputs, rows, fixed, each, reverse=reverse))
    step = close([*inputs, *rows, *fixed], checkpoint(inner, [*inputs, *rows, *fixed]))
    found = scan(step, carries, blocks, constants, count, reverse=reverse)
    ys = [reshape(y, (whole, *y.shape[2:])) for y in found[n_carry:]]
    if not left:
        return (*found[:n_carry], *ys)
    remaining = [_rows(x, 0 if reverse else whole, left) for x in xs]
    last = scan(body, found[:n_carry], remaining, constants, left, reverse=reverse)
    pairs = zip(ys, last[n_carry:], strict=True)
    joined = [concatenate((b, a) if reverse else (a, b), 0) for a, b in pairs]
    return (*last[:n_carry], *joined)


def _rows(x: Value, start: int, count: int) -> Value:
    rest = x.ndim - 1
    return slice_(x, (start, *(0,) * rest), (count, *x.shape[1:]), (1,) * x.ndim)
