"""`vmap` while it is traced: the function is traced for one example, its graph mapped over all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphc import ops
from graphc.batch import batched
from graphc.errors import ShapeError, TraceError
from graphc.ir import Value, fresh_input
from graphc.ops.arrays.shape import spread
from graphc.trace.context import Trace, active
from graphc.trace.convert import array_like, is_weak
from graphc.trace.derivative import described
from graphc.trace.dispatch import locates
from graphc.trace.marked import as_traced
from graphc.trace.trees import children, is_container, leaves, unflatten
from graphc.trace.values import TracedArray, fresh_array, is_traced, scalar
from graphc.trace.views import Storage
from graphc.types import Size

Axes = list[int | None]


@locates
def traced_vmap(
    function: Any, in_axes: Any, out_axes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """``function(*args)`` for all examples: see `graphc.vmap`."""
    trace = active()
    tree = (args, kwargs)
    given = [as_traced(leaf) for leaf in leaves(tree)]
    axes = _argument_axes(in_axes, args) + [0] * len(leaves(kwargs))
    axes = [_checked_axis(leaf, axis) for leaf, axis in zip(given, axes, strict=True)]
    size = _size(trace, given, axes)
    if trace.values is not None:
        return _one_by_one(function, tree, given, axes, trace.static(size), out_axes)
    log = _WriteLog(trace)
    examples: dict[Value, Value] = {}
    rows: list[Any] = []
    for leaf, axis in zip(given, axes, strict=True):
        rows.append(leaf if axis is None else _row(leaf, axis, examples))
    positional, named = unflatten(tree, rows)
    before = trace.token
    result = function(*positional, **named)
    log.refuse_outer_writes()
    wanted = [array_like(leaf).value for leaf in leaves(result)]
    written = [
        (leaf, row, axis)
        for leaf, row, axis in zip(given, rows, axes, strict=True)
        if axis is not None and _changed(row, examples)
    ]
    states = [row.storage.value for _, row, _ in written]
    tokens = [trace.token] if trace.token is not None and trace.token is not before else []
    found = batched([*wanted, *states, *tokens], examples, size, trace.notes)
    if tokens:
        trace.token = found[-1][0]
    for (leaf, _, axis), (value, mapped) in zip(written, found[len(wanted) :], strict=False):
        leaf.write(_moved(value if mapped else spread(value, size), axis))
    places = _result_axes(out_axes, result)
    results = [
        fresh_array(_placed(value, mapped, axis, size))
        for (value, mapped), axis in zip(found, places, strict=False)
    ]
    return unflatten(result, results)


def _row(leaf: Any, axis: int, examples: dict[Value, Value]) -> Any:
    """One example of `leaf`, which `examples` gains with all of them in front."""
    value = leaf.value
    order = (axis, *(k for k in range(value.ndim) if k != axis))
    many = ops.transpose(value, order)
    row = fresh_input(many.tensor.with_shape(many.shape[1:]))
    examples[row] = many
    if row.ndim == 0:
        return scalar(row)
    copied = fresh_array(row)
    copied.storage.readonly = leaf.storage.readonly
    return copied


def _changed(row: Any, examples: dict[Value, Value]) -> bool:
    return type(row) is TracedArray and row.storage.value not in examples


def _moved(value: Value, axis: int) -> Value:
    """`value` with its first axis at `axis`."""
    rest = list(range(1, value.ndim))
    return ops.transpose(value, (*rest[:axis], 0, *rest[axis:]))


class _WriteLog:
    """The writes of a function that runs once for all examples: to none but what it made."""

    def __init__(self, trace: Trace) -> None:
        self._trace, self._outer = trace, trace.write_log
        self._start = Storage.created()
        trace.write_log = {}

    def forget(self, storages: set[int]) -> None:
        """Allow what was written to `storages`, by their ids."""
        for key in storages & self._trace.write_log.keys():
            self._outer.setdefault(key, self._trace.write_log.pop(key))

    def refuse_outer_writes(self) -> None:
        """Put the outer log back.

        Raises:
            TraceError: an array that all examples share was written.
        """
        touched, self._trace.write_log = self._trace.write_log, self._outer
        # A captured array may be met here for the first time, and is older all the same.
        outer = [s for s, _ in touched.values() if s.serial <= self._start or s.source is not None]
        if outer:
            raise TraceError(
                "vmap: the function writes to an array that all examples share",
                hint="Map over that array, too (in_axes), or return what is written and combine it "
                "outside.",
            )


# --- eager mode: one example after another --------------------------------------------------------


def _one_by_one(
    function: Any, tree: Any, given: list[Any], axes: Axes, size: int, out_axes: Any
) -> Any:
    if size == 0:
        raise ShapeError("vmap over no examples has no results in eager mode")
    log = _WriteLog(active())
    moved = [
        leaf if axis is None else leaf.transposed((axis, *_others(leaf.ndim, axis)))
        for leaf, axis in zip(given, axes, strict=True)
    ]
    mapped = {id(leaf.storage) for leaf, axis in zip(given, axes, strict=True) if axis is not None}
    results = []
    for k in range(size):
        rows = [leaf if axis is None else leaf[k] for leaf, axis in zip(moved, axes, strict=True)]
        positional, named = unflatten(tree, rows)
        results.append(function(*positional, **named))
    log.forget(mapped)
    log.refuse_outer_writes()
    parts = [
        array_like([array_like(x) for x in column]).value
        for column in zip(*map(leaves, results), strict=True)
    ]
    places = _result_axes(out_axes, results[0])
    placed = [
        fresh_array(_placed(value, True, axis, size))
        for value, axis in zip(parts, places, strict=True)
    ]
    return unflatten(results[0], placed)


def _others(rank: int, axis: int) -> tuple[int, ...]:
    return tuple(k for k in range(rank) if k != axis)


# --- axes -----------------------------------------------------------------------------------------


def _argument_axes(in_axes: Any, args: tuple[Any, ...]) -> Axes:
    if not isinstance(in_axes, tuple | list):
        return [axis for arg in args for axis in _spread_axes(in_axes, arg, "in_axes")]
    if len(in_axes) != len(args):
        raise ShapeError(f"vmap: in_axes has {len(in_axes)} entries for {len(args)} arguments")
    return [
        axis
        for entry, arg in zip(in_axes, args, strict=True)
        for axis in _spread_axes(entry, arg, "in_axes")
    ]


def _result_axes(out_axes: Any, result: Any) -> Axes:
    return _spread_axes(out_axes, result, "out_axes")


def _spread_axes(axes: Any, tree: Any, name: str) -> Axes:
    """The axis of each leaf of `tree`; `axes` is a tree like it, or stops anywhere above."""
    if axes is None or (isinstance(axes, int) and not isinstance(axes, bool)):
        return [axes] * len(leaves(tree))
    if not is_container(axes):
        raise TraceError(f"vmap: {axes!r} in {name} is no axis: give an int or None")
    if not is_container(tree) or len(children(axes)) != len(children(tree)):
        raise ShapeError(f"vmap: {name} does not have the structure of what it belongs to")
    parts = dict(children(tree))
    if any(key not in parts for key, _ in children(axes)):
        raise ShapeError(f"vmap: {name} does not have the keys of what it belongs to")
    by_key = dict(children(axes))
    return [axis for key, part in parts.items() for axis in _spread_axes(by_key[key], part, name)]


def _checked_axis(leaf: Any, axis: int | None) -> int | None:
    """`axis` counted from the front; None for a leaf that is static.

    Raises:
        ShapeError: the leaf has no such axis.
    """
    if axis is None or not _is_array_like(leaf):
        return None
    rank = leaf.value.ndim if is_traced(leaf) and not is_weak(leaf) else 0
    if not -rank <= axis < rank:
        raise ShapeError(
            f"vmap: {described(leaf)} has no axis {axis} to map over",
            hint="Give in_axes an entry for each argument: None for one that all examples share.",
        )
    return axis % rank


def _is_array_like(leaf: Any) -> bool:
    return is_traced(leaf) or is_weak(leaf)


def _size(trace: Trace, given: Sequence[Any], axes: Axes) -> Size:
    size: Size | None = None
    for leaf, axis in zip(given, axes, strict=True):
        if axis is None:
            continue
        extent = leaf.value.shape[axis]
        if size is None:
            size = extent
        elif not trace.same(size, extent):
            raise ShapeError(
                f"vmap: axes of sizes {trace.hint(size)} and {trace.hint(extent)} can't be mapped "
                "together"
            )
    if size is None:
        raise ShapeError("vmap maps over no argument", hint="Give an axis in in_axes.")
    return size


def _placed(value: Value, mapped: bool, axis: int | None, size: Size) -> Value:
    """A result with its examples along `axis`."""
    if axis is None:
        if mapped:
            raise ShapeError(
                f"vmap: out_axes is None, but the result {value.tensor} differs between examples",
                hint="Give the axis along which to stack it.",
            )
        return value
    many = value if mapped else spread(value, size)
    if not -many.ndim <= axis < many.ndim:
        raise ShapeError(f"vmap: out_axes {axis} is no axis of a result of {many.ndim} axes")
    return _moved(many, axis % many.ndim)
