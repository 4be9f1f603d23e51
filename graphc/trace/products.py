"""`vjp` and `jvp` while they are traced, and pullbacks that outlive their tracing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from graphc import ops
from graphc.adjoint import gradients
from graphc.adjoint_segments import in_segments
from graphc.errors import DTypeError, ShapeError
from graphc.interp import concrete
from graphc.ir import Graph, Value, close, fresh_input, inline
from graphc.tangent import tangents
from graphc.trace.concrete import with_sizes
from graphc.trace.context import active
from graphc.trace.convert import array_like, is_weak, weak_value
from graphc.trace.dispatch import locates
from graphc.trace.marked import Marked, as_traced, like, mark, refuse_shared_writes
from graphc.trace.recorded import free_values
from graphc.trace.sizes import TracedSize, wrap_size
from graphc.trace.trees import (
    children,
    is_container,
    leaves,
    unflatten,
    with_children,
)
from graphc.trace.values import TracedNumber, TracedScalar, fresh_array, is_traced, number, scalar
from graphc.types import Dim, TensorType, is_inexact


def inexact_value(leaf: Any) -> Value | None:
    """The value of a leaf that there are derivatives of; None for ints, strings and the like."""
    leaf = as_traced(leaf)
    if not is_traced(leaf) or type(leaf) is TracedSize:
        return None
    return leaf.value if is_inexact(leaf.value.dtype) else None


def directions(tree: Any, given: Any, what: str) -> list[Value | None]:
    """A value of `given` for each leaf of `tree`: its tangent or cotangent, None where zero.

    Leaves without derivatives take anything, None too.

    Raises:
        ShapeError, DTypeError: `given` has another structure, shape or dtype.
    """
    if tree is None:
        return []
    if not is_container(tree):
        return [_direction(tree, given, what)]
    parts = children(tree)
    if given is None:
        return [None] * len(leaves(tree))
    same = is_container(given) and [k for k, _ in children(given)] == [k for k, _ in parts]
    if not same or isinstance(tree, dict) != isinstance(given, dict):
        raise ShapeError(
            f"{what} must have the structure of what it belongs to: a {type(tree).__name__} of "
            f"{len(parts)}, not {_kind(given)}"
        )
    pairs = zip(parts, children(given), strict=True)
    return [value for (_, a), (_, b) in pairs for value in directions(a, b, what)]


def _kind(tree: Any) -> str:
    return f"a {type(tree).__name__} of {len(children(tree))}" if is_container(tree) else "a leaf"


def _direction(leaf: Any, given: Any, what: str) -> Value | None:
    primal = inexact_value(leaf)
    if primal is None or given is None:
        return None
    if is_container(given):
        raise ShapeError(f"{what} of {primal.tensor} is {_kind(given)}")
    value = weak_value(given, primal.dtype) if is_weak(given) else array_like(given).value
    trace = active()
    fits = value.ndim == primal.ndim and all(
        trace.same(a, b) for a, b in zip(value.shape, primal.shape, strict=True)
    )
    if not fits:
        shape = _met(primal).shape
        raise ShapeError(
            f"{what} of {_met(primal)} has type {_met(value)}",
            hint=f"Give one number for each element: an array of shape {shape}, such as "
            f"np.ones({shape}).",
        )
    if value.dtype != primal.dtype:
        raise DTypeError(
            f"{what} of {_met(primal)} has type {_met(value)}",
            hint=f"Convert it with .astype(np.{primal.dtype.name}).",
        )
    return value


def _met(value: Value) -> TensorType:
    """The type of a value in the call that is traced."""
    return value.tensor.with_shape(tuple(active().hint(size) for size in value.shape))


# --- jvp ------------------------------------------------------------------------------------------


@locates
def traced_jvp(function: Any, primals: Any, given: Any) -> tuple[Any, Any]:
    """``(out, tangent of out)`` of ``function(*primals)`` along `given`.

    Raises:
        ShapeError, DTypeError, UnsupportedError: tangents that do not fit, or an op without a rule.
    """
    for name, argument in (("primals", primals), ("tangents", given)):
        if not isinstance(argument, tuple | list):
            raise ShapeError(
                f"jvp: {name} must be a tuple with an entry for each argument",
                hint="Write graphc.jvp(f, (x,), (dx,)).",
            )
    if len(primals) != len(given):
        raise ShapeError(f"jvp: {len(primals)} primals, but {len(given)} tangents")
    seeds = directions(tuple(primals), tuple(given), "jvp: the tangent")
    marked = Marked(tuple(primals), mark)
    out = function(*marked.tree)
    refuse_shared_writes([marked], primals)
    marked.write_back()
    pairs = zip(marked.values, seeds, strict=True)
    moving = [(value, seed) for value, seed in pairs if value is not None]
    values = [inexact_value(leaf) for leaf in leaves(out)]
    found = tangents(
        [value for value in values if value is not None],
        [value for value, _ in moving],
        [seed for _, seed in moving],
        active().notes,
    )
    rest = iter(found)
    filled: list[Any] = []
    for leaf, value in zip(leaves(out), values, strict=True):
        if value is None:
            filled.append(None)
            continue
        tangent = next(rest)
        filled.append(like(leaf, ops.zeros(value.tensor) if tangent is None else tangent))
    return marked.relocated(out), unflatten(out, filled)


# --- vjp ------------------------------------------------------------------------------------------


@locates
def traced_vjp(
    function: Any, primals: tuple[Any, ...], outside: Callable[..., Any]
) -> tuple[Any, TracedPullback]:
    """``(out, pullback)`` of ``function(*primals)``; for `outside` see `TracedPullback`."""
    marked = Marked(primals, mark)
    out = function(*marked.tree)
    refuse_shared_writes([marked], primals)
    marked.write_back()
    return marked.relocated(out), TracedPullback(out, marked, primals, outside)


class TracedPullback:
    """A pullback in the tracing that made it.

    ``outside(residuals, code, sizes)`` makes the pullback that a caller of compiled code gets.
    """

    def __init__(
        self, out: Any, marked: Marked, primals: tuple[Any, ...], outside: Callable[..., Any]
    ) -> None:
        self._out = out
        self._outside = outside
        self._values = [inexact_value(leaf) for leaf in leaves(out)]
        self._marked = marked
        self._primals = primals

    def __call__(self, cotangent: Any) -> tuple[Any, ...]:
        """The cotangents of the primals."""
        return self._pulled(cotangent)

    @locates
    def _pulled(self, cotangent: Any) -> tuple[Any, ...]:
        given = directions(self._out, cotangent, "vjp: the cotangent")
        found = iter(self._gradients(given))
        filled = [
            None if value is None else like(leaf, next(found))
            for leaf, value in zip(self._marked.leaves, self._marked.values, strict=True)
        ]
        pulled: tuple[Any, ...] = unflatten(self._primals, filled)
        return pulled

    def _gradients(self, given: Sequence[Value | None]) -> list[Value]:
        pairs = zip(self._values, given, strict=True)
        seeded = [(value, g) for value, g in pairs if value is not None and g is not None]
        wanted = [value for _, value in self._marked.replaced]
        trace = active()
        outputs = in_segments(
            [value for value, _ in seeded],
            wanted,
            trace.capture.policy.segments,
            trace.hint,
            trace.notes,
        )
        found = gradients(outputs, [g for _, g in seeded], wanted, trace.notes)
        return [
            ops.zeros(value.tensor) if cotangent is None else cotangent
            for value, cotangent in zip(wanted, found, strict=True)
        ]

    def __graphc_deliver__(self) -> Any:
        """What a caller outside gets: the residuals as arrays, and the graph that reads them."""
        seeds = [None if value is None else fresh_input(value.type) for value in self._values]
        found = self._gradients(seeds)
        inputs = [seed for seed in seeds if seed is not None]
        residuals = free_values(found, inputs)
        graph = close([*residuals, *inputs], found)
        trace = active()
        sizes = {name: wrap_size(Dim.symbol(name), trace) for name in trace.hints}
        code = PullbackCode(graph, self._out, self._primals, self._marked.leaves)
        return self._outside(tuple(fresh_array(value) for value in residuals), code, sizes)


class LeafType:
    """What a leaf was: its type, and ``array``, ``scalar`` or a Python type; no type: static."""

    __slots__ = ("kind", "type")

    def __init__(self, type_: TensorType | None, kind: Any) -> None:
        self.type = type_
        self.kind = kind

    def wrapped(self, value: Value) -> Any:
        """`value` as what the leaf was."""
        if isinstance(self.kind, type):
            return number(value, self.kind)
        return scalar(value) if self.kind == "scalar" else fresh_array(value)

    def stand_in(self, sizes: Mapping[str, int]) -> Any:
        """A traced value of this type, which a cotangent is compared with."""
        if self.type is None:
            return self
        return self.wrapped(ops.zeros(self.type.with_shape(concrete(self.type.shape, sizes))))


def _leaf_type(leaf: Any) -> LeafType:
    value, traced = inexact_value(leaf), as_traced(leaf)
    if value is None:
        return LeafType(None, "static")
    if type(traced) is TracedNumber:
        return LeafType(value.tensor, traced.python_type)
    return LeafType(value.tensor, "scalar" if type(traced) is TracedScalar else "array")


class PullbackCode:
    """How a pullback computes: a graph of (residuals, cotangents), and the trees around it."""

    def __init__(self, graph: Graph, out: Any, primals: Any, leaves_: Sequence[Any]) -> None:
        self.graph = graph
        # Pullbacks are called in other traces, which know nothing of this one's objects.
        self.out, self.out_leaves = _hollow(out), list(map(_leaf_type, leaves(out)))
        self.arguments, self.argument_leaves = _hollow(primals), list(map(_leaf_type, leaves_))

    @locates
    def pulled(
        self, residuals: Sequence[Any], cotangent: Any, sizes: Mapping[str, int]
    ) -> tuple[Any, ...]:
        """The cotangents of the primals, in a trace; `sizes` are those of the forward run."""
        out = unflatten(self.out, [leaf.stand_in(sizes) for leaf in self.out_leaves])
        given = directions(out, cotangent, "vjp: the cotangent")
        primals = [inexact_value(leaf) for leaf in leaves(out)]
        seeds = [
            ops.zeros(primal.tensor) if g is None else g
            for primal, g in zip(primals, given, strict=True)
            if primal is not None
        ]
        values = [*(array_like(residual).value for residual in residuals), *seeds]
        found = iter(inline(with_sizes(self.graph, sizes), values))
        made = [
            None if leaf.type is None else leaf.wrapped(next(found))
            for leaf in self.argument_leaves
        ]
        pulled: tuple[Any, ...] = unflatten(self.arguments, made)
        return pulled


def _hollow(tree: Any) -> Any:
    """`tree` with empty arrays as leaves, and users' objects in place of what stands for them."""
    if tree is None:
        return None
    if not is_container(tree):
        return np.empty(0)
    items = [_hollow(child) for _, child in children(tree)]
    made = with_children(tree, items)
    if not hasattr(type(tree), "_graphc_with"):
        return made
    owner = tree._graphc_object
    real = object.__new__(type(owner))
    names = [name for name, _ in children(tree)]
    vars(real).update(vars(owner) | dict(zip(names, items, strict=True)))
    return real
