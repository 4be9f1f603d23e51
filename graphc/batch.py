"""Mapping over examples: a graph for one becomes a graph for many, by one loop that knows no op.

The axis of examples is always the first. What does not depend on an example stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from graphc.adjoint import differentiate, spread_note
from graphc.errors import UnsupportedError
from graphc.ir import (
    Driver,
    Graph,
    Mapped,
    Node,
    Note,
    Value,
    close,
    fresh_input,
    inline,
    make,
    topological,
)
from graphc.ops.arrays.shape import spread
from graphc.tangent import push_forward
from graphc.types import Size, TensorType


def batched(
    outputs: Sequence[Value],
    examples: Mapping[Value, Value],
    size: Size,
    notes: dict[Node, Note] | None = None,
) -> list[Mapped]:
    """`outputs` for all examples: each value, and whether it has a leading axis of `size`.

    Args:
        outputs: what is computed for one example.
        examples: for each value that differs between examples, all of them along a first axis.
        size: how many examples there are.
        notes: gains the user's line of each node for the nodes made from it.

    Raises:
        UnsupportedError: an op on the way can't be mapped.
    """
    driver = Driver(_evaluates_nothing, differentiate, push_forward, batch)
    known: dict[Value, Mapped] = {value: (many, True) for value, many in examples.items()}
    for node in topological(outputs, known=known):
        if not any(value in known for value in node.inputs):
            continue
        operands = [known.get(value, (value, False)) for value in node.inputs]
        if not any(mapped for _, mapped in operands):
            same = make(node.op, [value for value, _ in operands], dict(node.attrs), node.regions)
            results = tuple((value, False) for value in same.outputs)
        elif node.op.batch is None:
            raise UnsupportedError(
                f"{node.op.name} can't be mapped over examples",
                location=notes[node].location if notes and node in notes else None,
            )
        else:
            results = node.op.batch(driver, node, operands, size)
        known.update(zip(node.outputs, results, strict=True))
        if notes is not None and node in notes:
            spread_note(notes, notes[node], [value for value, _ in results])
    return [known.get(value, (value, False)) for value in outputs]


def _evaluates_nothing(*arguments: object) -> list[object]:
    raise AssertionError("a batch rule evaluates nothing")


def batch(
    graph: Graph, mapped: Sequence[bool], size: Size, must: Sequence[bool] = ()
) -> tuple[Graph, list[bool]]:
    """`graph` for `size` examples, and which of its outputs have an axis of them.

    Args:
        graph: what is computed for one example.
        mapped: which inputs have a leading axis of examples.
        size: how many examples there are.
        must: which outputs get that axis even if all examples have the same; the rest may.
    """
    inputs = [fresh_input(value.type) for value in graph.inputs]
    many = [
        fresh_input(_with_examples(value, size)) if flag else value
        for value, flag in zip(inputs, mapped, strict=True)
    ]
    examples = {one: all_ for one, all_, flag in zip(inputs, many, mapped, strict=True) if flag}
    results = batched(inline(graph, inputs), examples, size)
    outputs, flags = [], []
    for k, (value, flag) in enumerate(results):
        forced = k < len(must) and must[k] and not flag and isinstance(value.type, TensorType)
        outputs.append(spread(value, size) if forced else value)
        flags.append(flag or forced)
    return close(many, outputs), flags


def _with_examples(value: Value, size: Size) -> TensorType:
    return value.tensor.with_shape((size, *value.shape))
