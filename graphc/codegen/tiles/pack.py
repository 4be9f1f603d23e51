"""Packing for matrix products: parts of the operands copied to where the micro-kernel reads fast.

A panel of B lies contiguous, one row of its columns after another; a transposed one is turned in
vector registers, a square of vectors at a time. A is copied where its rows lie a multiple of a
large power of two apart, so that they would share a few places of the cache.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import cgutils
from graphc.codegen.tiles.micro import I32, I64, VOID, Form, Vectors, number, smaller


def _loop(builder: Any, stop: Any, step: int) -> Any:
    """``for index in range(0, stop, step)``, as a context that gives the loop."""
    return cgutils.for_range_slice(builder, number(0), stop, number(step), I64)


def copy_matrix(module: Any, form: Form) -> Any:
    """``void copy(rows, columns, source, source_row, target, target_row)``, any columns."""
    name = f"graphc_copy_f{form.bits}"
    if name in module.globals:
        return module.globals[name]
    v = Vectors(module, form)
    taken = [I64, I64, v.pointer, I64, v.pointer, I64]
    function = ir.Function(module, ir.FunctionType(VOID, taken), name)
    function.linkage = "internal"
    rows, columns, source, source_row, target, target_row = function.args
    source.add_attribute("noalias")
    target.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    with _loop(builder, rows, 1) as (row, _):
        read = builder.gep(source, [builder.mul(row, source_row)])
        written = builder.gep(target, [builder.mul(row, target_row)])
        with _loop(builder, columns, v.lanes) as (column, _):
            mask = v.first_lanes(builder, builder.sub(columns, column))
            value = v.load(builder, builder.gep(read, [column]), mask)
            v.store(builder, value, builder.gep(written, [column]), mask)
    builder.ret_void()
    return function


def pack_panel(module: Any, form: Form, vectors: int, masked: bool) -> Any:
    """``void pack(inner, b, b_inner, target, last)``: `vectors` vectors of each row of B.

    `last` says how many columns of the last vector there are, where it is `masked`; the others
    are set to 0.
    """
    name = f"graphc_pack_f{form.bits}_{vectors}{'_masked' if masked else ''}"
    if name in module.globals:
        return module.globals[name]
    v = Vectors(module, form)
    function = ir.Function(
        module, ir.FunctionType(VOID, [I64, v.pointer, I64, v.pointer, I64]), name
    )
    function.linkage = "internal"
    inner, b, b_inner, target, last = function.args
    b.add_attribute("noalias")
    target.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    mask = v.first_lanes(builder, last) if masked else None
    with _loop(builder, inner, 1) as (row, _):
        read = builder.gep(b, [builder.mul(row, b_inner)])
        written = builder.gep(target, [builder.mul(row, number(vectors * v.lanes))])
        for j in range(vectors):
            value = v.load(
                builder,
                builder.gep(read, [number(j * v.lanes)]),
                mask if j == vectors - 1 else None,
            )
            v.store(builder, value, builder.gep(written, [number(j * v.lanes)]))
    builder.ret_void()
    return function


def pack_transposed(module: Any, form: Form, vectors: int) -> Any:
    """``void pack(inner, b, b_column, target, columns)``: as `pack_panel`, B's columns contiguous.

    `columns` of the panel exist; those beyond repeat the last. The target has room for a multiple
    of the lanes of rows.
    """
    name = f"graphc_transpose_f{form.bits}_{vectors}"
    if name in module.globals:
        return module.globals[name]
    v = Vectors(module, form)
    function = ir.Function(
        module, ir.FunctionType(VOID, [I64, v.pointer, I64, v.pointer, I64]), name
    )
    function.linkage = "internal"
    inner, b, b_column, target, columns = function.args
    b.add_attribute("noalias")
    target.add_attribute("noalias")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    final = builder.sub(columns, number(1))
    width = number(vectors * v.lanes)
    for j in range(vectors):
        reads = [
            builder.gep(b, [builder.mul(b_column, smaller(builder, number(column), final))])
            for column in range(j * v.lanes, (j + 1) * v.lanes)
        ]
        with _loop(builder, inner, v.lanes) as (row, _):
            mask = v.first_lanes(builder, builder.sub(inner, row))
            square = [v.load(builder, builder.gep(read, [row]), mask) for read in reads]
            written = builder.gep(
                target, [builder.add(builder.mul(row, width), number(j * v.lanes))]
            )
            for k, value in enumerate(transposed(builder, square)):
                v.store(builder, value, builder.gep(written, [number(k * vectors * v.lanes)]))
    builder.ret_void()
    return function


def transposed(builder: Any, square: list[Any]) -> list[Any]:
    """The transpose of as many vectors as they have lanes: each round interleaves the two halves.

    After log2 of the lanes rounds, vector k holds lane k of all (the perfect shuffle: H. S. Stone,
    "Parallel processing with the perfect shuffle", 1971).
    """
    lanes = len(square)
    half = lanes // 2
    low = [k // 2 + (lanes if k % 2 else 0) for k in range(lanes)]
    high = [half + k for k in low]
    index = ir.VectorType(I32, lanes)
    rounds = lanes.bit_length() - 1
    for _ in range(rounds):
        square = [
            builder.shuffle_vector(square[k], square[k + half], ir.Constant(index, order))
            for k in range(half)
            for order in (low, high)
        ]
    return square
