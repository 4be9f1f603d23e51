"""The NumPy evaluator: slow, obvious, the oracle that compiled code is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from graphc.adjoint import differentiate
from graphc.errors import ShapeError
from graphc.ir import Driver, Graph, Node, Value, topological
from graphc.types import Dim, TensorType, Type, evaluate_size, substitute


def bind_sizes(graph: Graph, arrays: Sequence[Any]) -> dict[str, int]:
    """The values of the symbolic sizes that the arrays' shapes give.

    Raises:
        ShapeError: an array's shape does not fit its input's type.
    """
    sizes: dict[str, int] = {}
    for number, (value, array) in enumerate(zip(graph.inputs, arrays, strict=True)):
        if not isinstance(value.type, TensorType):
            continue
        if np.ndim(array) != value.ndim:
            raise ShapeError(f"input {number} has {np.ndim(array)} axes, expected {value.type}")
        for size, actual in zip(value.shape, np.shape(array), strict=True):
            if isinstance(size, Dim) and len(size.terms) == 1 and str(size).isidentifier():
                size = sizes.setdefault(str(size), actual)
            if isinstance(size, int) and size != actual:
                raise ShapeError(
                    f"input {number} has shape {np.shape(array)}, expected {value.type}"
                )
    return sizes


def evaluate(
    graph: Graph, arrays: Sequence[Any], sizes: Mapping[str, int] | None = None
) -> list[Any]:
    """The outputs of `graph` for NumPy `arrays` (None for a token), without compiling anything."""
    known = bind_sizes(graph, arrays) | dict(sizes or {})
    values: dict[Value, Any] = dict(zip(graph.inputs, arrays, strict=True))
    extend(values, graph.outputs, known)
    return [values[value] for value in graph.outputs]


def extend(values: dict[Value, Any], outputs: Sequence[Value], sizes: Mapping[str, int]) -> None:
    """Evaluate `outputs` and what they need into `values`, reusing what is there."""
    driver = Driver(
        lambda region, arrays: evaluate(region, arrays, sizes),
        differentiate,
    )
    with np.errstate(all="ignore"):
        for node in topological(outputs, known=values):
            operands = [values[value] for value in node.inputs]
            results = node.op.evaluate(driver, _with_sizes(node, sizes), operands)
            for value, result in zip(node.outputs, results, strict=True):
                values[value] = _as_typed(result, value)


def _as_typed(result: Any, value: Value) -> Any:
    if not isinstance(value.type, TensorType):
        return result
    array = np.asarray(result)
    if array.dtype != value.dtype:
        raise AssertionError(f"{value!r} evaluated to dtype {array.dtype}")
    return array


class _Concrete:
    """A node whose attributes and types have numbers in place of symbolic sizes."""

    __slots__ = ("_sizes", "node")

    def __init__(self, node: Node, sizes: Mapping[str, int]) -> None:
        self.node = node
        self._sizes = sizes

    def __getitem__(self, name: str) -> Any:
        return concrete(self.node[name], self._sizes)

    @property
    def types(self) -> tuple[Type, ...]:
        return tuple(
            type_.with_shape(concrete(type_.shape, self._sizes))
            if isinstance(type_, TensorType)
            else type_
            for type_ in self.node.types
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.node, name)


def _with_sizes(node: Node, sizes: Mapping[str, int]) -> Any:
    return _Concrete(node, sizes) if sizes else node


def concrete(attr: Any, sizes: Mapping[str, int]) -> Any:
    """`attr` with the numbers of `sizes` in place of symbolic sizes."""
    if isinstance(attr, tuple):
        return tuple(concrete(item, sizes) for item in attr)
    if isinstance(attr, Dim):
        free = substitute(attr, lambda atom: sizes.get(atom) if isinstance(atom, str) else None)
        return free if isinstance(free, int) else evaluate_size(attr, sizes)
    return attr
