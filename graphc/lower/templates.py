"""Ops that are no plain loop nest over their output: scatters, writes and prints."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from graphc.errors import UnsupportedError
from graphc.fuse.values import kind_of
from graphc.indexing import contiguous_strides, linear, trace, whole
from graphc.ir import Node, Value
from graphc.loops import (
    Accumulate,
    Check,
    Index,
    Kernel,
    Load,
    Site,
    Stmt,
    Store,
    Tile,
)
from graphc.lower.attention import lower_attention, lower_gradients
from graphc.lower.convolution import lower_convolution
from graphc.lower.launch import Launch, Step
from graphc.lower.operands import Operands, kernel_of, nest
from graphc.lower.product import lower_product
from graphc.lower.program import lower_program
from graphc.lower.rows import lower_argsort, lower_search, lower_sort
from graphc.lower.running import lower_running
from graphc.lower.windows import lower_window, window_index
from graphc.types import DTYPES, Dim, TensorType, product

if TYPE_CHECKING:
    from graphc.lower.driver import Lowering

INT64 = DTYPES["int64"]


def lower_template(context: Lowering, node: Node, kind: str) -> list[Step]:
    """The launches of one node.

    Raises:
        UnsupportedError: no emitter is known for `kind`.
    """
    emitters = {
        "matmul": lower_product,
        "attention": lower_attention,
        "attention_gradients": lower_gradients,
        "convolve": lower_convolution,
        "convolve_weights": lower_convolution,
        "scatter_add": _scatter,
        "scatter": _scatter,
        "scatter_reduce": _scatter,
        "update": _update,
        "print": _print,
        "program": lower_program,
        "sort": lower_sort,
        "argsort": lower_argsort,
        "search": lower_search,
        "cumulate": lower_running,
        "recurrence": lower_running,
    }
    if kind not in emitters:
        raise UnsupportedError(
            f"{node.op.name} can't be compiled yet", location=context.fused.graph.location(node)
        )
    return emitters[kind](context, node)


# --- scatter --------------------------------------------------------------------------------------


def copied_base(context: Lowering, node: Node, base: Value) -> Step:
    """A copy of `base` into the result; dropped where the result may take its place."""
    operands = Operands(context, node)
    source, offset = operands.read(base)
    result = operands.result()
    shape = base.shape

    def element(index: Index) -> list[Stmt]:
        flat = replace(source, shape=(product(source.shape),), strides=(1,))
        place = linear(index, contiguous_strides(shape)) + offset
        return [Store(result, index, Load(flat, (place,), source.dtype))]

    body = nest(shape, element)
    whole = offset == 0 and product(source.shape) == product(shape)
    return Launch(kernel_of(operands, "copy", body), elidable=whole)


def _scatter(context: Lowering, node: Node) -> list[Step]:
    base, values, *indices = node.inputs
    axes = node["axes"]
    operands = Operands(context, node)
    result = operands.result("update")
    lead_shape = indices[0].shape
    rest_shape = values.shape[len(lead_shape) :]

    def places(operands: Operands, index: Index, checked: bool) -> list[Stmt]:
        return [
            Check(
                f"k{axis}",
                operands.element(array, index),
                base.shape[axis],
                None if checked else number,
            )
            for number, (axis, array) in enumerate(zip(axes, indices, strict=True))
        ]

    def write(lead: Index) -> list[Stmt]:
        def element(rest: Index) -> list[Stmt]:
            left = list(rest)
            target: Index = tuple(
                Dim.symbol(f"k{axis}") if axis in axes else left.pop(0) for axis in range(base.ndim)
            )
            value = operands.element(values, (*lead, *rest))
            combine = _combine_of(node)
            if combine is None:
                return [Store(result, target, value)]
            return [Accumulate(result, target, combine, value)]

        known = places(operands, lead, checked=True)
        return [*known, *nest(rest_shape, element, len(lead_shape))]

    kernel = kernel_of(operands, node.op.name, nest(lead_shape, write), flops=product(values.shape))
    # Every index is checked by a kernel of its own, which may run before any argument is written.
    reads = Operands(context, node)
    body = nest(lead_shape, lambda index: places(reads, index, checked=False))
    sites = [Site(node, base.shape[axis]) for axis in axes]
    return [
        Launch(kernel_of(reads, "check", body, sites)),
        copied_base(context, node, base),
        Launch(kernel),
    ]


def _combine_of(node: Node) -> str | None:
    """How a value joins what is at its place; None where it takes the place."""
    if node.op.name == "scatter_reduce":
        combine: str = node["combine"]
        return combine
    if node.op.name == "scatter":
        return None
    return "or" if node.out().dtype.kind == "b" else "add"


# --- update ---------------------------------------------------------------------------------------


def _update(context: Lowering, node: Node) -> list[Step]:
    value = node.inputs[1]
    base = trace(value, *whole(value.shape))[0]
    if kind_of(base) == "point":
        context.demand(base)
    if value not in context.materialised:
        return [copied_base(context, node, node.inputs[0]), Launch(lower_window(context, node))]
    operands = Operands(context, node)
    result = operands.result("part")

    def element(index: Index) -> list[Stmt]:
        return [Store(result, window_index(node, index), operands.element(value, index))]

    kernel = kernel_of(operands, "update", nest(value.shape, element))
    return [copied_base(context, node, node.inputs[0]), Launch(kernel)]


# --- print ----------------------------------------------------------------------------------------


def _print(context: Lowering, node: Node) -> list[Step]:
    operands = Operands(context, node)
    places = [operands.read(v) for v in node.inputs if isinstance(v.type, TensorType)]
    routine = operands.function("print")
    extents = tuple(size for v in node.inputs if isinstance(v.type, TensorType) for size in v.shape)
    tile = Tile("print", (*places, (routine, 0)), extents, (node,))
    kernel = Kernel("print", tuple(operands.buffers), (tile,), (node,))
    order = tuple(v for v in (*node.inputs, *node.outputs) if not isinstance(v.type, TensorType))
    return [Launch(kernel, order=order)]
