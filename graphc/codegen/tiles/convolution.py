"""Convolutions as matrix products: the panels of B are patches, gathered from images.

    y = w @ patches        # a row of patches for each channel and element of the kernel
    dw = g @ patches.T     # a row for each pixel of the results

A panel takes the rows that one part of the inner dimension needs, for the columns of one tile;
along a row of the results its pixels lie in a row of the image, so they are copied by vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    number,
    smaller,
)
from graphc.codegen.tiles.pack import pack_transposed
from graphc.codegen.tiles.product import PACKED_DEPTH, Product


@dataclass(frozen=True, slots=True)
class Geometry:
    """A kernel's elements, and how they lie in images: (rows, columns) each.

    `near`: neighbours in a row of the results lie beside each other in the image.
    """

    near: bool
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]

    @property
    def elements(self) -> int:
        """Elements of the kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def name(self) -> str:
        """What distinguishes its functions."""
        parts = (self.kernel, self.stride, self.dilation)
        digits = "_".join("x".join(map(str, part)) for part in parts)
        return f"{digits}{'_near' if self.near else ''}"


IMAGE = (
    *("height", "width", "out_height", "out_width"),
    *("by_image", "by_channel", "by_row", "by_column"),
    *("low_row", "low_column"),
)
"""Sizes of an image and of a result, the image's strides in elements, the zeros before it."""


class _Patches:
    """Builds a function that copies a block of patches: some rows of them, some pixels.

    ``void patches(first, rows, pixel, pixels, images, target, target_row, *IMAGE)``
    """

    def __init__(self, module: Any, form: Form, geometry: Geometry, whole: bool) -> None:
        self.module = module
        self.v = Vectors(module, form)
        self.geometry = geometry
        self.whole = whole

    def function(self) -> Any:
        kind = "channels" if self.whole else "rows"
        name = f"graphc_patches_{kind}_f{self.v.form.bits}_{self.v.lanes}_{self.geometry.name}"
        if name in self.module.globals:
            return self.module.globals[name]
        pointer = self.v.pointer
        taken = [I64, I64, I64, I64, pointer, pointer, I64, *([I64] * len(IMAGE))]
        function = ir.Function(self.module, ir.FunctionType(VOID, taken), name)
        function.linkage = "internal"
        function.attributes.add("noinline")
        self.first, self.rows, self.pixel, self.pixels = function.args[:4]
        self.images, self.target, self.target_row = function.args[4:7]
        self.images.add_attribute("noalias")
        self.target.add_attribute("noalias")
        self.size = dict(zip(IMAGE, function.args[7:], strict=True))
        self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        if self.whole:
            self.by_channels()
        else:
            self.by_rows()
        self.builder.ret_void()
        return function

    def by_channels(self) -> None:
        """All elements of the kernel, of whole channels."""
        builder, elements = self.builder, self.geometry.elements
        channel = builder.sdiv(self.first, number(elements))
        channels = builder.sdiv(self.rows, number(elements))
        width = number(self.geometry.kernel[1])

        def each(run: dict[str, Any]) -> None:
            with cgutils.for_range(builder, number(elements), intp=I64) as element:
                i, j = (divide(element.index, width) for divide in (builder.sdiv, builder.srem))
                self.copy(run, i, j, channel, element.index, channels, number(elements))

        self.runs(each)

    def by_rows(self) -> None:
        """Any rows, one after another."""
        builder, elements = self.builder, number(self.geometry.elements)
        width = number(self.geometry.kernel[1])
        with cgutils.for_range(builder, self.rows, intp=I64) as row:
            number_ = builder.add(self.first, row.index)
            channel = builder.sdiv(number_, elements)
            element = builder.srem(number_, elements)
            i, j = builder.sdiv(element, width), builder.srem(element, width)
            self.runs(lambda run: self.copy(run, i, j, channel, row.index, number(1), number(0)))

    def runs(self, body: Callable[[dict[str, Any]], None]) -> None:
        """Call `body` for each run of pixels in one row of a result."""
        builder, size = self.builder, self.size
        plane = builder.mul(size["out_height"], size["out_width"])
        done = cgutils.alloca_once_value(builder, number(0))
        entry, loop, end = (builder.append_basic_block(x) for x in ("runs", "run", "runs_end"))
        builder.branch(entry)
        builder.position_at_end(entry)
        at = builder.load(done)
        builder.cbranch(builder.icmp_signed("<", at, self.pixels), loop, end)
        builder.position_at_end(loop)
        place = builder.add(self.pixel, at)
        inside = builder.srem(place, plane)
        column = builder.srem(inside, size["out_width"])
        length = smaller(
            builder, builder.sub(size["out_width"], column), builder.sub(self.pixels, at)
        )
        body(
            {
                "at": at,
                "image": builder.sdiv(place, plane),
                "row": builder.sdiv(inside, size["out_width"]),
                "column": column,
                "length": length,
            }
        )
        builder.store(builder.add(at, length), done)
        builder.branch(entry)
        builder.position_at_end(end)

    def copy(
        self, run: dict[str, Any], i: Any, j: Any, channel: Any, row: Any, channels: Any, step: Any
    ) -> None:
        """A run of the element (i, j) of the kernel, for some channels, `step` rows apart."""
        builder, size, geometry, v = self.builder, self.size, self.geometry, self.v

        def position(of: Any, element: Any, axis: int) -> Any:
            scaled = builder.mul(of, number(geometry.stride[axis]))
            moved = builder.mul(element, number(geometry.dilation[axis]))
            return builder.sub(builder.add(scaled, moved), size[IMAGE[8 + axis]])

        y, x = position(run["row"], i, 0), position(run["column"], j, 1)
        stride = number(geometry.stride[1])
        above = builder.sub(stride, number(1))
        low = larger(builder, builder.sdiv(builder.sub(above, x), stride), number(0))
        low = builder.select(builder.icmp_signed(">=", x, number(0)), number(0), low)
        room = builder.sub(size["width"], x)
        high = builder.sdiv(builder.add(room, above), stride)
        high = builder.select(builder.icmp_signed(">", room, number(0)), high, number(0))
        high = smaller(builder, high, run["length"])
        inside = builder.icmp_unsigned("<", y, size["height"])
        high = builder.select(inside, high, number(0))
        y = builder.select(inside, y, number(0))
        offset = builder.mul(run["image"], size["by_image"])
        for count, by in ((channel, "by_channel"), (y, "by_row"), (x, "by_column")):
            offset = builder.add(offset, builder.mul(count, size[by]))
        source = builder.gep(self.images, [offset])
        target = builder.add(builder.mul(row, self.target_row), run["at"])
        written = builder.gep(self.target, [target])
        apart = builder.mul(step, self.target_row)
        if not geometry.near:
            self.copy_apart(run, source, written, low, high, channels, apart)
            return
        begin = number(0)
        with cgutils.for_range_slice(builder, begin, run["length"], number(v.lanes), I64) as (
            lane,
            _,
        ):
            valid = v.first_lanes(builder, builder.sub(high, lane))
            before = v.first_lanes(builder, builder.sub(low, lane))
            mask = builder.and_(valid, builder.not_(before))
            stored = v.first_lanes(builder, builder.sub(run["length"], lane))
            with cgutils.for_range(builder, channels, intp=I64) as c:
                moved = builder.add(lane, builder.mul(c.index, size["by_channel"]))
                value = v.load(builder, builder.gep(source, [moved]), mask)
                place = builder.add(lane, builder.mul(c.index, apart))
                v.store(builder, value, builder.gep(written, [place]), stored)

    def copy_apart(
        self,
        run: dict[str, Any],
        source: Any,
        written: Any,
        low: Any,
        high: Any,
        channels: Any,
        apart: Any,
    ) -> None:
        """The same, of pixels that are apart in the image: one by one."""
        builder, size, v = self.builder, self.size, self.v
        step = builder.mul(size["by_column"], number(self.geometry.stride[1]))
        zero = ir.Constant(v.element, 0.0)
        with cgutils.for_range(builder, channels, intp=I64) as c:
            of_channel = builder.mul(c.index, size["by_channel"])
            to_channel = builder.mul(c.index, apart)
            for start, stop, loaded in (
                (number(0), smaller(builder, low, run["length"]), False),
                (low, high, True),
                (larger(builder, smaller(builder, low, run["length"]), high), run["length"], False),
            ):
                with cgutils.for_range_slice(builder, start, stop, number(1), I64) as (lane, _):
                    value = zero
                    if loaded:
                        moved = builder.add(of_channel, builder.mul(lane, step))
                        value = builder.load(builder.gep(source, [moved]))
                    place = builder.gep(written, [builder.add(to_channel, lane)])
                    builder.store(value, place)


class _Convolution(Product):
    """``w @ patches``: `b` is the images."""

    parameters = (I64, *([I64] * len(IMAGE)))

    def __init__(
        self, module: Any, form: Form, rows: int | None, columns: int | None, geometry: Geometry
    ) -> None:
        super().__init__(module, form, rows, columns, (True, False, False))
        self.geometry = geometry
        self.unit = geometry.elements

    def start(self) -> None:
        depth = max(PACKED_DEPTH, self.unit)
        self.panel = self.scratch(depth * self.form.columns)

    def panel_of(self, column: Any, form: Form, left: Any, last: Any) -> tuple[Any, Any]:
        builder = self.builder
        start, *image = self.more_arguments
        count = number(form.columns) if left is None else left
        patches = _Patches(self.module, form, self.geometry, whole=True).function()
        pixel = builder.add(start, column)
        step = number(form.columns)
        given = [self.first, self.inner, pixel, count, self.b, self.panel, step, *image]
        builder.call(patches, given)
        return self.panel, step


class _WeightsGradient(Product):
    """``g @ patches.T``: `b` is the images."""

    parameters = (I64, *([I64] * len(IMAGE)))

    def __init__(
        self, module: Any, form: Form, rows: int | None, columns: int | None, geometry: Geometry
    ) -> None:
        super().__init__(module, form, rows, columns, (True, False, False))
        self.geometry = geometry

    def start(self) -> None:
        self.panel = self.scratch(PACKED_DEPTH * self.form.columns)
        self.lines = self.scratch(PACKED_DEPTH * self.form.columns)

    def panel_of(self, column: Any, form: Form, left: Any, last: Any) -> tuple[Any, Any]:
        builder = self.builder
        start, *image = self.more_arguments
        count = number(form.columns) if left is None else left
        patches = _Patches(self.module, form, self.geometry, whole=False).function()
        row = builder.add(start, column)
        step = number(PACKED_DEPTH)
        given = [row, count, self.first, self.inner, self.b, self.lines, step, *image]
        builder.call(patches, given)
        pack = pack_transposed(self.module, form, form.vectors)
        builder.call(pack, [self.inner, self.lines, step, self.panel, count])
        return self.panel, number(form.columns)


def _function(kind: Any, module: Any, bits: int, hints: list[int]) -> Any:
    """The function of one kind of product, for what is known of its sizes."""
    rows, columns, near, *rest = hints
    pairs = [(rest[k], rest[k + 1]) for k in range(0, 6, 2)]
    geometry = Geometry(bool(near), *pairs)
    form = form_for(bits, rows or None, columns or None)
    known = columns_name(columns or None, form)
    tall = f"{form.rows}{'' if rows else 'any'}"
    name = (
        f"graphc_{kind.__name__.strip('_')}_f{bits}_{tall}x{form.vectors}_{known}_{geometry.name}"
    )
    if name in module.globals:
        return module.globals[name]
    return kind(module, form, rows or None, columns or None, geometry).build(name)


def _tile(kind: Any) -> Callable[..., Any]:
    """The typing function of an intrinsic, as Numba wants it."""

    def typed(
        typingctx: Any,
        dtype: Any,
        hints: Any,
        left: Any,
        images: Any,
        result: Any,
        rows: Any,
        columns: Any,
        start: Any,
        inner: Any,
        result_row: Any,
        channels: Any,
        height: Any,
        width: Any,
        out_height: Any,
        out_width: Any,
        by_image: Any,
        by_channel: Any,
        by_row: Any,
        by_column: Any,
        low_row: Any,
        low_column: Any,
    ) -> Any:
        numbers = [hint.literal_value for hint in hints]
        bits = dtype.dtype.bitwidth

        def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            function = _function(kind, builder.module, bits, numbers)
            pointer = (ir.FloatType() if bits == 32 else ir.DoubleType()).as_pointer()
            left, images, result = (builder.bitcast(x, pointer) for x in args[2:5])
            rows, columns, start, inner, result_row = args[5:10]
            one = number(1)
            given = [rows, columns, inner, left, inner, one, images, one, one, result, result_row]
            builder.call(function, [*given, start, *args[11:]])
            return context.get_dummy_value()

        void, int64 = types.voidptr, types.int64
        return types.none(dtype, hints, void, void, void, *([int64] * 16)), codegen

    return typed


convolve: Callable[..., None] = intrinsic_of_literals(_tile(_Convolution))
convolve_weights: Callable[..., None] = intrinsic_of_literals(_tile(_WeightsGradient))
