"""Orders: sort and argsort along the last axis, and search in what is sorted.

The order is NumPy's: NaN last; complex numbers by their real parts, then by their imaginary ones,
those with a NaN part last. Equal elements keep their places.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import (
    Cotangents,
    Driver,
    Graph,
    Mapped,
    Node,
    Op,
    Value,
    close,
    fresh_input,
    make,
)
from graphc.loops import Expr, Template
from graphc.ops.arrays.creation import INT64, iota
from graphc.ops.arrays.index import scatter_add
from graphc.ops.arrays.shape import Attributes, Types, broadcast_to, only, reshape, spread, zeros
from graphc.ops.batching import batch_leading
from graphc.ops.control.scanning import scan
from graphc.ops.elementwise.scalar import apply, both, either, real_parts
from graphc.ops.registry import register
from graphc.types import Shape, Size, TensorType, real_dtype, shape_text


def _infer_sort(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    operand = only(types)
    if not operand.ndim:
        raise ShapeError(f"sort: {operand} has no axis")
    return (operand,)


def _infer_argsort(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (result,) = _infer_sort(types, attrs, regions)
    assert isinstance(result, TensorType)
    return (result.with_dtype(INT64),)


def _sort_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """Each cotangent goes back to where its element came from."""
    (g,) = cotangents
    assert g is not None
    (x,) = node.inputs
    return (scatter_add(zeros(g.tensor), g, _places(argsort(x)), tuple(range(x.ndim))),)


def _places(last: Value) -> list[Value]:
    """Index arrays for every axis, `last` for the last one."""
    shape = last.shape
    return [*(_along(axis, shape) for axis in range(len(shape) - 1)), last]


def _along(axis: int, shape: Shape) -> Value:
    column = (shape[axis], *(1 for _ in shape[axis + 1 :]))
    return broadcast_to(reshape(iota(shape[axis]), column), shape)


SORT = register(
    Op(
        "sort",
        _infer_sort,
        lambda driver, node, arrays: (np.sort(arrays[0], axis=-1, kind="stable"),),
        _sort_vjp,
        Template("sort"),
        batch=batch_leading,
    )
)
ARGSORT = register(
    Op(
        "argsort",
        _infer_argsort,
        lambda driver, node, arrays: (np.argsort(arrays[0], axis=-1, kind="stable"),),
        None,
        Template("argsort"),
        batch=batch_leading,
    )
)


def sort(x: Value) -> Value:
    """`x` with each row along its last axis in ascending order.

    Raises:
        ShapeError: `x` has no axis.
    """
    return make(SORT, (x,)).out()


def argsort(x: Value) -> Value:
    """The int64 positions that put each row of `x` in ascending order; equal ones in theirs.

    Raises:
        ShapeError: `x` has no axis.
    """
    return make(ARGSORT, (x,)).out()


# --- search: operands sorted (1-d), values; attr after --------------------------------------------


def _infer_search(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    row, values = types
    assert isinstance(row, TensorType)
    assert isinstance(values, TensorType)
    if row.ndim != 1:
        raise ShapeError(f"search: {row} is no row, but of shape {shape_text(row.shape)}")
    if row.dtype != values.dtype:
        raise DTypeError(f"search does not take dtypes ({row.dtype.name}, {values.dtype.name})")
    return (values.with_dtype(INT64),)


def _evaluate_search(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    row, values = arrays
    found = np.searchsorted(row, values, "right" if node["after"] else "left")
    return (np.asarray(found, INT64),)


def _batch_search(
    driver: Driver, node: Node, operands: Sequence[Mapped], size: Size
) -> tuple[Mapped, ...]:
    """One search of all values in one row; rows that differ are searched one after another."""
    (row, row_is_mapped), (values, values_are_mapped) = operands
    if not row_is_mapped:
        return ((search(row, values, node["after"]), True),)
    values = values if values_are_mapped else spread(values, size)
    one = [fresh_input(value.tensor.with_shape(value.shape[1:])) for value in (row, values)]
    body = close(one, [search(one[0], one[1], node["after"])])
    (found,) = scan(body, [], [row, values], [], size)
    return ((found, True),)


SEARCH = register(
    Op(
        "search",
        _infer_search,
        _evaluate_search,
        None,
        Template("search"),
        batch=_batch_search,
        attributes={"after": "bool"},
    )
)


def search(row: Value, values: Value, after: bool) -> Value:
    """Where in the sorted `row` each value belongs: before those equal to it, or `after` them.

    Raises:
        ShapeError, DTypeError: `row` is not 1-d, or of another dtype than `values`.
    """
    return make(SEARCH, (row, values), {"after": after}).out()


def precedes(x: Expr, y: Expr) -> Expr:
    """Whether `x` comes before `y` in NumPy's order of sorted arrays."""
    if x.dtype.kind != "c":
        return _precedes_real(x, y)
    real = real_dtype(x.dtype)
    (a, b), (c, d) = real_parts(x, real), real_parts(y, real)
    # As NumPy's CDOUBLE_LT: a NaN part sends a number behind all that have none there.
    known_b, known_d = apply("equal", b, b), apply("equal", d, d)
    unknown_d = apply("invert", known_d)
    less_real = apply("bitwise_or", known_b, unknown_d)
    greater_real = both(unknown_d, known_b)
    same = apply("bitwise_or", apply("equal", a, c), both(_is_nan(a), _is_nan(c)))
    by_imaginary = either(same, _precedes_real(b, d), _is_nan(c))
    greater = either(apply("greater", a, c), greater_real, by_imaginary)
    return either(apply("less", a, c), less_real, greater)


def _is_nan(x: Expr) -> Expr:
    return apply("not_equal", x, x)


def _precedes_real(x: Expr, y: Expr) -> Expr:
    if x.dtype.kind != "f":
        return apply("less", x, y)
    return apply("bitwise_or", apply("less", x, y), both(_is_nan(y), apply("equal", x, x)))
