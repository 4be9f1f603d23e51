"""Generated matrix products: blocks over micro-kernels, with packing where it pays.

    product := for each part of the inner dimension (so that it stays in cache):
                   A copied, if its rows would share places of the cache
                   for each panel of columns:
                       B's panel packed, if it is transposed or far apart
                       for each tile of rows: the micro-kernel

One function of LLVM instructions, built once a module for what is known of its sizes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from llvmlite import ir

from graphc.codegen.intrinsics.numba_names import cgutils, intrinsic_of_literals, types
from graphc.codegen.tiles.micro import (
    I64,
    VOID,
    Form,
    Vectors,
    columns_name,
    form_for,
    larger,
    micro_kernel,
    number,
    smaller,
)
from graphc.codegen.tiles.pack import copy_matrix, pack_panel, pack_transposed
from graphc.lower.product import ROOM

DEPTH = 400
"""Steps of the inner dimension whose sum is kept in registers, at most: it bounds the error."""

PACKED_DEPTH = 256
"""The same where a panel is packed: 32 columns of float32 then take 32 KiB."""

FEW = 4
"""Rows left over for which there is a smaller micro-kernel, where their number is not known."""

PADDING = 16
"""Elements between the copied rows of A, so that they do not share places of the cache."""


TINY = 128
"""Multiplications of a product that is written out."""


class Product:
    """Builds one product function; a subclass may pack panels of B otherwise.

    Parts of the inner dimension have a multiple of `unit` steps.
    """

    unit = 1
    parameters: tuple[Any, ...] = ()

    def __init__(
        self,
        module: Any,
        form: Form,
        rows: int | None,
        columns: int | None,
        modes: tuple[bool, bool, bool],
        adds: bool = False,
    ) -> None:
        self.module = module
        self.form = form
        self.known_rows = rows
        self.known_columns = columns
        self.pack, self.copy, self.transposed = modes
        self.adds = adds
        self.vectors = Vectors(module, form)

    def build(self, name: str) -> Any:
        pointer = self.vectors.pointer
        taken = [I64, I64, I64, pointer, I64, I64, pointer, I64, I64, pointer, I64]
        taken += self.parameters
        function = ir.Function(self.module, ir.FunctionType(VOID, taken), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        self.rows, self.columns, inner, a, a_row, a_inner = function.args[:6]
        self.b, self.b_inner, self.b_column, self.c, self.c_row = function.args[6:11]
        self.more_arguments = function.args[11:]
        self.builder = builder = ir.IRBuilder(function.append_basic_block("entry"))
        self.start()
        if self.copy:
            rows = ROOM // self.form.itemsize
            self.copied = self.scratch((rows + PADDING) * (PACKED_DEPTH + PADDING))
        most = PACKED_DEPTH if self.pack or self.copy else DEPTH
        units = inner if self.unit == 1 else builder.sdiv(inner, number(self.unit))
        parts = self.quotient_above(units, number(max(most // self.unit, 1)))
        parts = larger(builder, parts, number(1))
        depth = self.quotient_above(units, parts)
        if self.unit != 1:
            depth = builder.mul(depth, number(self.unit))
        with cgutils.for_range(builder, parts, intp=I64) as part:
            first = builder.mul(part.index, depth)
            self.inner = larger(
                builder, smaller(builder, builder.sub(inner, first), depth), number(0)
            )
            more = builder.icmp_signed(">", part.index, number(0))
            self.more = number(1) if self.adds else builder.zext(more, I64)
            self.first = first
            self.a = builder.gep(a, [builder.mul(first, a_inner)])
            self.a_row, self.a_inner = a_row, a_inner
            if self.copy:
                self.copy_a()
            self.panels()
        builder.ret_void()
        return function

    def start(self) -> None:
        """Take what memory packing needs."""
        if self.pack:
            self.panel = self.scratch(PACKED_DEPTH * self.form.columns)

    def scratch(self, size: int) -> Any:
        """`size` elements on the stack, at the start of a cache line."""
        made = self.builder.alloca(self.vectors.element, size)
        made.align = 64
        return made

    def quotient_above(self, a: Any, b: Any) -> Any:
        """``a / b``, rounded up."""
        builder = self.builder
        return builder.sdiv(builder.add(a, builder.sub(b, number(1))), b)

    def copy_a(self) -> None:
        """Copy this part of A; its contiguous axis stays what it is."""
        builder = self.builder
        by_rows = builder.icmp_signed("==", self.a_inner, number(1))
        outer = builder.select(by_rows, self.rows, self.inner)
        length = builder.select(by_rows, self.inner, self.rows)
        source_step = builder.select(by_rows, self.a_row, self.a_inner)
        step = builder.add(length, number(PADDING))
        copy = copy_matrix(self.module, self.form)
        builder.call(copy, [outer, length, self.a, source_step, self.copied, step])
        self.a = self.copied
        self.a_row = builder.select(by_rows, step, number(1))
        self.a_inner = builder.select(by_rows, number(1), step)

    def panels(self) -> None:
        """All panels of columns: the whole ones, and what is left."""
        builder, width = self.builder, self.form.columns
        whole = builder.sdiv(self.columns, number(width))
        if self.known_columns is None or self.known_columns >= width:
            with cgutils.for_range(builder, whole, intp=I64) as panel:
                self.tiles(builder.mul(panel.index, number(width)), self.form.vectors, None)
        start = builder.mul(whole, number(width))
        left = builder.sub(self.columns, start)
        lanes = self.form.lanes
        if self.known_columns is not None:
            rest = self.known_columns % width
            if rest:
                exact = rest % lanes == 0
                self.tiles(start, -(-rest // lanes), None if exact else left)
            return
        for vectors in range(1, self.form.vectors + 1):
            above = builder.icmp_signed(">", left, number((vectors - 1) * lanes))
            below = builder.icmp_signed("<=", left, number(vectors * lanes))
            with builder.if_then(builder.and_(above, below)):
                self.tiles(start, vectors, left)

    def tiles(self, column: Any, vectors: int, left: Any) -> None:
        """The tiles of one panel; `left` columns of it, None where all of them exist."""
        builder = self.builder
        form = Form(self.form.bits, self.form.lanes, self.form.rows, vectors)
        masked = left is not None
        last = builder.sub(left, number((vectors - 1) * form.lanes)) if masked else number(0)
        b, b_inner = self.panel_of(column, form, left, last)

        def tile(row: Any, kernel_form: Form) -> None:
            a = builder.gep(self.a, [builder.mul(row, self.a_row)])
            c = builder.gep(self.c, [builder.add(builder.mul(row, self.c_row), column)])
            rows = builder.sub(self.rows, row)
            taken = [rows, self.inner, a, self.a_row, self.a_inner, b, b_inner, c, self.c_row]
            micro = micro_kernel(self.module, kernel_form, masked)
            builder.call(micro, [*taken, self.more, last])

        count = self.quotient_above(self.rows, number(form.rows))
        if self.known_rows is None and form.rows > FEW:
            count = builder.sdiv(self.rows, number(form.rows))
        with cgutils.for_range(builder, count, intp=I64) as index:
            tile(builder.mul(index.index, number(form.rows)), form)
        if self.known_rows is None and form.rows > FEW:
            row = builder.mul(count, number(form.rows))
            rest = builder.sub(self.rows, row)
            with builder.if_then(builder.icmp_signed(">", rest, number(0))):
                few = builder.icmp_signed("<=", rest, number(FEW))
                with builder.if_else(few) as (then, otherwise):
                    with then:
                        tile(row, Form(form.bits, form.lanes, FEW, vectors))
                    with otherwise:
                        tile(row, form)

    def panel_of(self, column: Any, form: Form, left: Any, last: Any) -> tuple[Any, Any]:
        """Where the panel of `form.columns` columns from `column` lies, and its rows' stride."""
        builder, masked = self.builder, left is not None
        place = builder.add(
            builder.mul(self.first, self.b_inner), builder.mul(column, self.b_column)
        )
        b = builder.gep(self.b, [place])
        if self.transposed:
            pack = pack_transposed(self.module, form, form.vectors)
            count = left if masked else number(form.columns)
            builder.call(pack, [self.inner, b, self.b_column, self.panel, count])
        elif self.pack:
            pack = pack_panel(self.module, form, form.vectors, masked)
            builder.call(pack, [self.inner, b, self.b_inner, self.panel, last])
        else:
            return b, self.b_inner
        return self.panel, number(form.columns)


def product_function(
    module: Any,
    bits: int,
    rows: int | None,
    columns: int | None,
    pack: bool = False,
    copy: bool = False,
    transposed: bool = False,
    adds: bool = False,
) -> Any:
    """The function in `module` that multiplies matrices with elements of `bits`.

    ``void product(rows, columns, inner, a, a_row, a_inner, b, b_inner, b_column, c, c_row)``, with
    strides in elements. ``c`` is overwritten, or added to.

    Args:
        rows, columns: of the result, None where they are not known.
        pack: pack B by panels of columns.
        copy: copy A; one column of its `rows` takes `ROOM` at most, one of its axes is contiguous.
        transposed: B's columns are contiguous rather than its rows; they are packed.
        adds: add to ``c`` what the product is.
    """
    form = form_for(bits, rows, columns)
    modes = (pack or transposed, copy, transposed)
    flags = "".join(letter for letter, on in zip("pcta", (*modes, adds), strict=True) if on)
    tall = f"{form.rows}{'' if rows else 'any'}"
    name = f"graphc_product_f{bits}_{tall}x{form.vectors}_{columns_name(columns, form)}_{flags}"
    if name in module.globals:
        return module.globals[name]
    return Product(module, form, rows, columns, modes, adds).build(name)


def tiny_product(builder: Any, bits: int, sizes: tuple[int, int, int], args: Any) -> None:
    """A product of a few elements, written out; `args` are the matrices with their strides."""
    rows, columns, inner = sizes
    a, a_row, a_inner, b, b_inner, b_column, c, c_row = args
    element = ir.FloatType() if bits == 32 else ir.DoubleType()
    a, b, c = (builder.bitcast(matrix, element.as_pointer()) for matrix in (a, b, c))

    def place(matrix: Any, i: int, stride: Any, j: int, step: Any) -> Any:
        offset = builder.add(builder.mul(number(i), stride), builder.mul(number(j), step))
        return builder.gep(matrix, [offset])

    left = [
        [builder.load(place(a, i, a_row, k, a_inner)) for k in range(inner)] for i in range(rows)
    ]
    right = [
        [builder.load(place(b, k, b_inner, j, b_column)) for j in range(columns)]
        for k in range(inner)
    ]
    for i in range(rows):
        for j in range(columns):
            total = builder.fmul(left[i][0], right[0][j])
            for k in range(1, inner):
                total = builder.fma(left[i][k], right[k][j], total)
            builder.store(total, place(c, i, c_row, j, number(1)))


def _literal(value: Any) -> int:
    found: int = value.literal_value
    return found


def _typed(
    typingctx: Any,
    dtype: Any,
    hints: Any,
    rows: Any,
    columns: Any,
    inner: Any,
    a: Any,
    a_row: Any,
    a_inner: Any,
    b: Any,
    b_inner: Any,
    b_column: Any,
    c: Any,
    c_row: Any,
) -> Any:
    """``c = a @ b`` by generated code; `hints` are (rows, columns, pack, copy, transposed, adds).

    A hint of 0 rows or columns means that they are not known; `adds` may be missing.
    """
    known_rows, known_columns, *modes = (_literal(hint) for hint in hints)
    element = dtype.dtype

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        if all(isinstance(size, ir.Constant) for size in args[2:5]):
            # The sizes themselves: hints are of what is most, and a hint of one row may mean none.
            sizes = tuple(size.constant for size in args[2:5])
            if 0 < math.prod(sizes) <= TINY and not any(modes[3:]):
                tiny_product(builder, element.bitwidth, sizes, args[5:])
                return context.get_dummy_value()
        function = product_function(
            builder.module,
            element.bitwidth,
            known_rows or None,
            known_columns or None,
            *map(bool, modes),
        )
        pointer = (ir.FloatType() if element.bitwidth == 32 else ir.DoubleType()).as_pointer()
        taken = [
            builder.bitcast(x, pointer) if k in (3, 6, 9) else x for k, x in enumerate(args[2:])
        ]
        builder.call(function, taken)
        return context.get_dummy_value()

    void, int64 = types.voidptr, types.int64
    matrix = (void, int64, int64)
    return types.none(dtype, hints, int64, int64, int64, *matrix, *matrix, void, int64), codegen


product: Callable[..., None] = intrinsic_of_literals(_typed)
