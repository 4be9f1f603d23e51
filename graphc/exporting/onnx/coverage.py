"""``python -m graphc.exporting.onnx.coverage``: the page that says what each op is in ONNX.

Each op is applied to a small example and written, for the earliest opset that can say it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from graphc import ops
from graphc.errors import ExportError, GraphcError
from graphc.exporting.onnx.builder import OPSETS, Body, Builder, Step, without_unread
from graphc.exporting.onnx.rules.refused import REASONS
from graphc.exporting.onnx.rules.table import RULES
from graphc.exporting.onnx.sizes import Sizes
from graphc.exporting.onnx.tensors import Tensor
from graphc.exporting.onnx.walker import Walker
from graphc.ir import Graph, Value, close, fresh_input, make
from graphc.ops import OPS
from graphc.types import DTYPES, TensorType

HEAD = """# Graphs as ONNX models

Made by `python -m graphc.exporting.onnx.coverage > docs/onnx-export.md`; a test compares the two.

The weights of a model are its initialisers, its other arguments are inputs, and symbolic sizes are
named axes, computed where they are needed from the shapes of the inputs. An argument that is
written to is a further output, `<input>_out`: a training step is exported with its gradients and
updates, and whoever runs it feeds its outputs back. Models are for opset {first} to {last} of ONNX.

What ONNX leaves open is settled as NumPy has it: NaN in maxima, the first of equal elements in
`argmax` and `sort`, integer division and powers, shifts by too many places, the last of several
writes to one place. Integers and bool that ONNX Runtime has no kernel for go through a wider dtype
and back, which changes nothing.

Networks read as such: convolutions are `Conv` without the axes that graphc's own op has, linear
layers `MatMul` and `Add` without `Expand`, and `Softmax`, `LogSoftmax`, `Relu` and `Max` are found
in what they were written as. Loops are `Scan` and `Loop`, branches `If`. Each node has the user's
line as its doc string.

* An index out of bounds is left to ONNX's own op, which ONNX Runtime checks on a CPU; so is the
  condition of a check that graphc makes itself: one that fails reads an index out of bounds, in a
  node whose doc string says what is wrong.
* The sign of a NaN can't be seen in ONNX: `signbit` and `copysign` take it for positive.
* ONNX Runtime's CPU has no `Conv` of float64, and no `Scan` over a symbolic axis that is empty when
  it runs. Such models are valid, and other runtimes may run them.
* ONNX Runtime's `Sigmoid` is exact to some 1e-7 (float32) or 1e-16, not to the last digits of a
  small result.
* A size must be an axis of an input. A Python int that became symbolic is none, nor is the size of
  an array whose values nothing reads: the export says so.
* One file holds 2 GiB, weights included.

## What each op is written with

The nodes of a small example, for the earliest opset that has them.

| op | from opset | in ONNX |
|---|---|---|
"""
MIDDLE = """
## What ONNX can't say

Exporting these raises `ExportError`, with the node and the user's line; so does any op on complex
numbers, an op of your own, and `scatter_reduce` of integers by bitwise and or or.

| op | why |
|---|---|
"""

_DTYPES = tuple(DTYPES[name] for name in ("float32", "int64", "bool", "uint32"))
_FLOAT, _INT, _BOOL = (DTYPES[name] for name in ("float32", "int64", "bool"))


def _input(*shape: int, dtype: Any = _FLOAT) -> Value:
    return fresh_input(TensorType(dtype, shape))


def _index(*shape: int) -> Value:
    return _input(*shape, dtype=_INT)


def _loop(kind: str) -> Callable[[], Sequence[Value]]:
    """A small loop or branch over a state."""

    def build() -> Sequence[Value]:
        condition, state, x = _input(dtype=_BOOL), _input(3), _input(3)
        body = close([state, x], [ops.add(state, x), state])
        if kind == "scan":
            return ops.scan(body, [_input(3)], [_input(4, 3)], [], 4)
        if kind == "cond":
            after = close([state, x], [ops.multiply(state, x), state])
            return ops.cond(_input(dtype=_BOOL), [], [_input(3), _input(3)], body, after)
        if kind == "checkpoint":
            return ops.checkpoint(body, [_input(3), _input(3)])
        if kind == "custom_vjp":
            forward = close([state, x], [ops.add(state, x), state])
            primal = close([state, x], forward.outputs[:1])
            return ops.custom_vjp(primal, forward, body, (0, 1), [_input(3), _input(3)])
        grows = ops.any_(ops.less(state, x), (0,))
        turn = close([condition, state, x], [grows, ops.add(state, x)])
        return ops.while_loop(turn, [_input(dtype=_BOOL), _input(3)], [_input(3)])

    return build


def _attention(gradients: bool) -> Sequence[Value]:
    given = [_input(3, 2), _input(4, 2), _input(4, 2), _input()]
    rest = [_input(3), _input(3), _input(3, 2)] if gradients else []
    op = OPS["attention_gradients" if gradients else "attention"]
    return make(op, [*given, *rest], {"causal": False}).outputs


def _checked(name: str) -> Callable[[], Sequence[Value]]:
    """A check of a condition."""
    attrs = {"problem": "as asked"}
    return lambda: make(OPS[name], (_input(3), _input(3, dtype=_BOOL)), attrs).outputs


def _reduced(name: str, dtype: Any) -> Callable[[], Sequence[Value]]:
    """A reduction of a row."""
    return lambda: make(OPS[name], (_input(3, dtype=dtype),), {"axes": (0,)}).outputs


CHECKS = ("require", "require_division", "require_finite", "require_bounds")
_WINDOWS = {"stride": (1, 1), "low": (0, 0), "high": (0, 0), "dilation": (1, 1)}

EXAMPLES: Mapping[str, Callable[[], Any]] = {
    "constant": lambda: ops.constant([1.0, 2.0], _FLOAT),
    "iota": lambda: ops.iota(4096),
    "size": lambda: ops.add(make(OPS["size"], (), {"size": 4}).out(), _index()),
    "broadcast_to": lambda: ops.broadcast_to(_input(3), (2, 3)),
    "reshape": lambda: ops.reshape(_input(4), (2, 2)),
    "transpose": lambda: ops.transpose(_input(3, 2), (1, 0)),
    "slice": lambda: ops.slice_(_input(5), (1,), (2,), (2,)),
    "embed": lambda: ops.embed(_input(2), (5,), (1,), (1,)),
    "update": lambda: ops.update(_input(5), _input(2), (1,), (1,)),
    "concatenate": lambda: ops.concatenate((_input(2), _input(3)), 0),
    "cast": lambda: ops.cast(_input(3), _INT),
    "gather": lambda: ops.gather(_input(5), (_index(3),), (0,)),
    "scatter": lambda: ops.scatter(_input(5), _input(3), (_index(3),), (0,)),
    "scatter_add": lambda: ops.scatter_add(_input(5), _input(3), (_index(3),), (0,)),
    "scatter_reduce": lambda: ops.scatter_reduce(
        _input(5), _input(3), (_index(3),), (0,), "multiply"
    ),
    "cumulate": lambda: ops.cumulate(_input(3), "add", 0),
    "recurrence": lambda: ops.recurrence(_input(3), _input(3), 0),
    "search": lambda: ops.search(_input(3), _input(2), False),
    "limited": lambda: ops.limited(_index(), 3, "too many"),
    "mark": lambda: ops.mark(_input(3), 1),
    "barrier": lambda: ops.barrier(_input(3), [_input(2)]),
    "ldexp": lambda: ops.ldexp(_input(3), _index(3)),
    "select": lambda: ops.select(_input(3, dtype=_BOOL), _input(3), _input(3)),
    "matmul": lambda: ops.matmul(_input(3, 2), _input(2, 3)),
    "attention": lambda: _attention(False),
    "attention_gradients": lambda: _attention(True),
    "convolve": lambda: ops.convolve(_input(1, 1, 1, 4, 4), _input(1, 1, 1, 2, 2)),
    "convolve_weights": lambda: (
        make(
            OPS["convolve_weights"],
            (_input(1, 1, 1, 4, 4), _input(1, 1, 1, 3, 3)),
            {**_WINDOWS, "kernel": (2, 2)},
        ).outputs
    ),
    **{kind: _loop(kind) for kind in ("scan", "while", "cond", "checkpoint", "custom_vjp")},
    **{name: _checked(name) for name in CHECKS},
    **{name: _reduced(name, _FLOAT) for name in ("sum", "prod", "max", "min", "argmax", "argmin")},
    **{name: _reduced(name, _BOOL) for name in ("any", "all")},
}


def _example(name: str) -> Sequence[Value]:
    """The results of an op on operands that it takes."""
    if name in EXAMPLES:
        found = EXAMPLES[name]()
        return (found,) if isinstance(found, Value) else tuple(found)
    for dtype, count in itertools.product(_DTYPES, (1, 2, 3, 4)):
        try:
            return make(OPS[name], [_input(3, 3, dtype=dtype) for _ in range(count)]).outputs
        except (GraphcError, ValueError, AssertionError, IndexError):
            continue
    raise AssertionError(f"{name} needs an example")


def _inputs_of(results: Sequence[Value]) -> list[Value]:
    seen: dict[Value, None] = {}
    stack = list(results)
    while stack:
        value = stack.pop()
        if value.node.op.name == "input":
            seen.setdefault(value)
        stack.extend(value.node.inputs)
    return list(seen)


def steps_of(graph: Graph, opset: int) -> list[Step]:
    """The ONNX nodes of a graph.

    Raises:
        ExportError: they can't be written for the opset.
    """
    builder = Builder(opset)
    given = [Tensor(builder, builder.unique("x"), value.dtype) for value in graph.inputs]
    results = Walker(builder, Sizes(builder), RULES, graph, given).run()
    return without_unread(builder.root.steps, {result.name for result in results})


def _kinds(steps: Sequence[Step]) -> Iterator[str]:
    for step in steps:
        yield step.kind
        for value in step.attrs.values():
            if isinstance(value, Body):
                yield from _kinds(value.steps)


def row(name: str) -> str:
    """The line of an op in the table."""
    results = _example(name)
    graph = close(_inputs_of(results), results)
    for opset in OPSETS:
        try:
            kinds = dict.fromkeys(_kinds(steps_of(graph, opset)))
        except ExportError:
            continue
        text = ", ".join(f"`{kind}`" for kind in kinds if kind != "Identity")
        return f"| `{name}` | {opset} | {text or 'nothing: it is what it is given'} |"
    raise AssertionError(f"{name} can't be written")


def page() -> str:
    """The whole page."""
    head = HEAD.format(first=OPSETS[0], last=OPSETS[-1])
    rows = [row(name) for name in OPS if name not in REASONS]
    refused = [f"| `{name}` | {reason} |" for name, reason in REASONS.items()]
    return head + "\n".join(rows) + "\n" + MIDDLE + "\n".join(refused) + "\n"


if __name__ == "__main__":
    print(page(), end="")
