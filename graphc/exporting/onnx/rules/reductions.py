"""Reductions, running results, orders and searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from graphc.exporting.onnx.builder import Port
from graphc.exporting.onnx.rules.forms import first_type
from graphc.exporting.onnx.tensors import (
    BOOL,
    INT32,
    INT64,
    REDUCED,
    Tensor,
    larger,
    ordered,
    unordered,
    where,
    wider,
)
from graphc.exporting.onnx.walker import Rule, Walker
from graphc.ir import Node
from graphc.types import TensorType, product

# --- reductions over axes -------------------------------------------------------------------------


def _summed(walker: Walker, node: Node, kind: str) -> Tensor:
    """A sum or product; of integers modulo 2**bits, of bool any or all."""
    x = walker.value(node.inputs[0])
    wide = wider(x.dtype, REDUCED)
    return walker.builder.reduced(kind, x.cast(wide), node["axes"]).cast(x.dtype)


def _any(walker: Walker, node: Node) -> Tensor:
    x = walker.value(node.inputs[0])
    return walker.builder.reduced("ReduceSum", x.cast(INT64), node["axes"]) > 0


def _all(walker: Walker, node: Node) -> Tensor:
    x = walker.value(node.inputs[0])
    return walker.builder.reduced("ReduceSum", (~x).cast(INT64), node["axes"]).equals(0)


def _sum(walker: Walker, node: Node) -> Tensor:
    is_bool = node.out().dtype == BOOL
    return _any(walker, node) if is_bool else _summed(walker, node, "ReduceSum")


def _prod(walker: Walker, node: Node) -> Tensor:
    is_bool = node.out().dtype == BOOL
    return _all(walker, node) if is_bool else _summed(walker, node, "ReduceProd")


def extreme(walker: Walker, x: Tensor, axes: tuple[int, ...], kind: str, keep: bool) -> Tensor:
    """The largest or smallest; NaN where there is one, which ``ReduceMax`` leaves open."""
    reduce = walker.builder.reduced
    if x.dtype == BOOL:
        return reduce(kind, x.cast(INT32), axes, keep).cast(BOOL)
    if x.dtype.kind != "f":
        key = x if x.dtype == INT32 else ordered(x)
        found = reduce(kind, key, axes, keep)
        return found if x.dtype == INT32 else unordered(found, x.dtype)
    missing = reduce("ReduceMax", x.is_nan().cast(INT32), axes, keep).cast(BOOL)
    return where(missing, np.nan, reduce(kind, x, axes, keep))


def _extreme(kind: str) -> Rule:
    return lambda walker, node: extreme(
        walker, walker.value(node.inputs[0]), node["axes"], kind, False
    )


def _position(kind: str) -> Rule:
    """The first of the largest, or the first NaN, in the flattened axes."""

    def rule(walker: Walker, node: Node) -> Tensor:
        operand, axes = node.inputs[0], node["axes"]
        x = walker.value(operand)
        kept = [axis for axis in range(operand.ndim) if axis not in axes]
        if axes != (operand.ndim - 1,):
            if (*kept, *axes) != tuple(range(operand.ndim)):
                x = x.op("Transpose", perm=[*kept, *axes])
            length = product(tuple(operand.shape[axis] for axis in axes))
            x = walker.reshaped(x, (*(operand.shape[axis] for axis in kept), length))
        if x.dtype.kind != "f":
            key = x.cast(INT32) if x.dtype.itemsize < 4 else ordered(x)
            return _found(kind, key)
        missing = x.is_nan().cast(INT32)
        there = walker.builder.reduced("ReduceMax", missing, (len(kept),)).cast(BOOL)
        return where(there, _found("ArgMax", missing), _found(kind, x))

    return rule


def _found(kind: str, x: Tensor) -> Tensor:
    """Along the last axis; of int64, which ONNX Runtime's ``ArgMax`` does not take, by ``TopK``."""
    if x.dtype != INT64:
        return x.op(kind, dtype=INT64, axis=-1, keepdims=0)
    one = x.builder.integers([1])
    largest = int(kind == "ArgMax")
    places = x.builder.ops("TopK", [x, one], [INT64, INT64], axis=-1, largest=largest)[1]
    return places.op("Squeeze", x.builder.integers([-1]))


# --- running results ------------------------------------------------------------------------------


def _scanned(
    walker: Walker,
    node: Node,
    state: Tensor,
    state_type: TensorType,
    step: Callable[..., Tensor],
) -> Tensor:
    """``Scan`` along the axis, of a state that is each result."""
    axis, direction = node["axis"], int(node["reverse"])
    operands = walker.values(node)
    if first_type(node).shape[axis] == 0:  # ONNX Runtime's Scan takes no empty rows.
        return operands[0]
    ports: list[Port] = []
    inner: list[Tensor] = []
    for tensor in (state, *operands):
        port, formal = walker.port("state", state_type.with_dtype(tensor.dtype))
        ports.append(port)
        inner.append(formal)

    def write() -> list[Tensor]:
        after = step(*inner)
        return [after, after]

    body = walker.body(ports, write, [state_type, state_type])
    count = len(operands)
    return walker.builder.ops(
        "Scan",
        [state, *operands],
        [state.dtype, state.dtype],
        body=body,
        num_scan_inputs=count,
        scan_input_axes=[axis] * count,
        scan_input_directions=[direction] * count,
        scan_output_axes=[axis],
        scan_output_directions=[direction],
    )[1]


def _rest(node: Node) -> TensorType:
    type_ = first_type(node)
    axis = node["axis"]
    return type_.with_shape(type_.shape[:axis] + type_.shape[axis + 1 :])


def _start(combine: str, dtype: np.dtype) -> bool | int | float:
    """What changes nothing that it is combined with."""
    if combine in ("multiply", "and"):
        return 1 if combine == "multiply" else (True if dtype == BOOL else -1)
    if combine == "or":
        return 0
    largest = combine == "minimum"
    if dtype == BOOL:
        return largest
    if dtype.kind == "f":
        return np.inf if largest else -np.inf
    return int(np.iinfo(dtype).max if largest else np.iinfo(dtype).min)


def _cumulate(walker: Walker, node: Node) -> Tensor:
    combine, dtype = node["combine"], node.out().dtype
    if combine == "add":
        x = walker.value(node.inputs[0])
        axis = walker.builder.number(node["axis"], INT64)
        wide = x.cast(wider(dtype, REDUCED))
        return wide.op("CumSum", axis, reverse=int(node["reverse"])).cast(dtype)
    if combine in ("and", "or") and dtype != BOOL:
        walker.builder.need(18, "ops on bits")
    steps: dict[str, Callable[..., Tensor]] = {
        "multiply": lambda state, x: state * x,
        "maximum": larger,
        "minimum": lambda state, x: larger(state, x, "Min"),
        "and": lambda state, x: state & x,
        "or": lambda state, x: state | x,
    }
    start = _start(combine, dtype)
    if dtype.kind == "u" and start == -1:
        start = int(np.iinfo(dtype).max)
    state = walker.filled(start, _rest(node))
    return _scanned(walker, node, state, _rest(node), steps[combine])


def _recurrence(walker: Walker, node: Node) -> Tensor:
    """From a state of zeros the first result is the first term, whatever the factor."""
    state = walker.filled(0, _rest(node))
    return _scanned(
        walker,
        node,
        state,
        _rest(node),
        lambda held, factor, term: term + where(held.equals(0), 0, factor * held),
    )


# --- orders: ``TopK`` keeps equal elements in their places ---------------------------------------


def _sorted_places(walker: Walker, x: Tensor, node: Node) -> Tensor:
    """The places, in order; NaN go last by a second sort of whether an element is one."""
    length = walker.sizes.of(first_type(node).shape[-1])
    if x.dtype.kind != "f":
        return _least(x.cast(INT32) if x.dtype.itemsize < 4 else ordered(x), length)
    missing = x.is_nan()
    places = _least(where(missing, np.inf, x), length)
    last = _least(_taken(missing.cast(INT32), places), length)
    return _taken(places, last)


def _least(x: Tensor, length: Tensor) -> Tensor:
    return x.builder.ops("TopK", [x, length], [x.dtype, INT64], axis=-1, largest=0, sorted=1)[1]


def _taken(x: Tensor, places: Tensor) -> Tensor:
    return x.op("GatherElements", places, axis=-1)


def _argsort(walker: Walker, node: Node) -> Tensor:
    return _sorted_places(walker, walker.value(node.inputs[0]), node)


def _sort(walker: Walker, node: Node) -> Tensor:
    x = walker.value(node.inputs[0])
    return _taken(x, _sorted_places(walker, x, node))


def _search(walker: Walker, node: Node) -> Tensor:
    """The number of elements of the row that come before each value."""
    row, values = walker.values(node)
    rank = node.inputs[1].ndim
    wide = walker.builder.unsqueezed(values, [rank])
    before = ~_precedes(wide, row) if node["after"] else _precedes(row, wide)
    return walker.builder.reduced("ReduceSum", before.cast(INT64), (rank,))


def _precedes(x: Tensor, y: Tensor) -> Tensor:
    """Whether x comes before y, NaN last."""
    if x.dtype.kind != "f":
        return x < y
    return (x < y) | (y.is_nan() & ~x.is_nan())


RULES: Mapping[str, Rule] = {
    "sum": _sum,
    "prod": _prod,
    "max": _extreme("ReduceMax"),
    "min": _extreme("ReduceMin"),
    "argmax": _position("ArgMax"),
    "argmin": _position("ArgMin"),
    "any": _any,
    "all": _all,
    "cumulate": _cumulate,
    "recurrence": _recurrence,
    "sort": _sort,
    "argsort": _argsort,
    "search": _search,
}
