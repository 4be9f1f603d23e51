"""Micro-kernels of matrix products: a block of the result held in vector registers.

Multiplies `rows` rows by `vectors` vectors of columns: for each step of the inner dimension it
loads the vectors of B once, and one element of each row of A, spread over a vector. Rows beyond the
last repeat the last one (they compute and store the same values), so that one micro-kernel serves
any number of rows; columns beyond the last are masked. Nothing is assumed of the vector width:
LLVM lowers the vectors to what the processor has.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from graphc.codegen.target import has_feature, multiplies_and_adds

I1 = ir.IntType(1)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
VOID = ir.VoidType()


@dataclass(frozen=True, slots=True)
class Registers:
    """The vector registers of a processor: their bytes and their number."""

    width: int
    count: int


def registers() -> Registers:
    """The vector registers of the processor that code is generated for."""
    if has_feature("avx512f"):
        return Registers(64, 32)
    if has_feature("avx"):
        return Registers(32, 16)
    return Registers(16, 32 if has_feature("neon") else 16)


@dataclass(frozen=True, slots=True)
class Form:
    """The shape of a micro-kernel: `bits` of an element, `lanes` of a vector, its block."""

    bits: int
    lanes: int
    rows: int
    vectors: int

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return self.bits // 8

    @property
    def columns(self) -> int:
        """Columns of the block."""
        return self.vectors * self.lanes


def form_for(bits: int, rows: int | None, columns: int | None) -> Form:
    """The fastest form for `rows` x `columns` of a result (None: not known while compiling).

    Costs in cycles of a step of the inner dimension: two multiply-adds and two loads each, and
    eight multiply-adds must be under way at any time to hide their latency.
    """
    machine = registers()
    lanes = machine.width * 8 // bits
    across = -(-(columns or 64 * lanes) // lanes)
    best: tuple[float, int, Form] | None = None
    for vectors in range(1, min(4, across) + 1):
        most = min((machine.count - 2 - vectors) // vectors, 14)
        if most < 1:
            continue
        tiles = -(-(rows or most) // most)
        tall = -(-(rows or most) // tiles)
        whole, rest = divmod(across, vectors)
        cost = tiles * (whole * _cycles(tall, vectors) + (rest > 0) * _cycles(tall, rest))
        if rows is None:
            cost /= tall
        found = (cost, vectors, Form(bits, lanes, tall, vectors))
        if best is None or found[:2] < best[:2]:
            best = found
    assert best is not None
    return best[2]


def _cycles(rows: int, vectors: int) -> float:
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + 0.5


class Vectors:
    """LLVM types and instructions for vectors of a form; `builder` is where they go."""

    def __init__(self, module: Any, form: Form) -> None:
        self.module = module
        self.form = form
        self.element = ir.FloatType() if form.bits == 32 else ir.DoubleType()
        self.pointer = self.element.as_pointer()
        self.lanes = form.lanes
        self.vector = ir.VectorType(self.element, form.lanes)
        self.mask = ir.VectorType(I1, form.lanes)
        self.name = f"v{form.lanes}f{form.bits}"
        self.zero = ir.Constant(self.vector, [ir.Constant(self.element, 0.0)] * form.lanes)

    def declared(self, name: str, type_: Any) -> Any:
        """The function `name` of LLVM."""
        known = self.module.globals
        return known[name] if name in known else ir.Function(self.module, type_, name)

    def spread(self, builder: Any, scalar: Any) -> Any:
        """A vector of `scalar` in every lane."""
        type_ = ir.VectorType(scalar.type, self.lanes)
        unset = ir.Constant(type_, ir.Undefined)
        first = builder.insert_element(unset, scalar, ir.Constant(I32, 0))
        lanes = ir.Constant(ir.VectorType(I32, self.lanes), [0] * self.lanes)
        return builder.shuffle_vector(first, unset, lanes)

    def first_lanes(self, builder: Any, count: Any) -> Any:
        """A mask of the first `count` lanes."""
        numbers = [ir.Constant(I64, lane) for lane in range(self.lanes)]
        lanes = ir.Constant(ir.VectorType(I64, self.lanes), numbers)
        return builder.icmp_signed("<", lanes, self.spread(builder, count))

    def load(self, builder: Any, place: Any, mask: Any = None) -> Any:
        """The vector at `place`, 0 where the mask is not set."""
        place = builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            return builder.load(place, align=self.form.itemsize)
        type_ = ir.FunctionType(self.vector, [place.type, I32, self.mask, self.vector])
        function = self.declared(f"llvm.masked.load.{self.name}.p0", type_)
        align = ir.Constant(I32, self.form.itemsize)
        return builder.call(function, [place, align, mask, self.zero])

    def store(self, builder: Any, value: Any, place: Any, mask: Any = None) -> None:
        """Store a vector at `place`, where the mask is set."""
        place = builder.bitcast(place, self.vector.as_pointer())
        if mask is None:
            builder.store(value, place, align=self.form.itemsize)
            return
        type_ = ir.FunctionType(VOID, [self.vector, place.type, I32, self.mask])
        function = self.declared(f"llvm.masked.store.{self.name}.p0", type_)
        builder.call(function, [value, place, ir.Constant(I32, self.form.itemsize), mask])

    def multiply_add(self, builder: Any, a: Any, b: Any, c: Any) -> Any:
        """``a * b + c``, rounded once where the processor has an instruction for that."""
        type_ = ir.FunctionType(self.vector, [self.vector] * 3)
        name = "fma" if multiplies_and_adds() else "fmuladd"
        return builder.call(self.declared(f"llvm.{name}.{self.name}", type_), [a, b, c])


def columns_name(columns: int | None, form: Form) -> str:
    """What is known of a product's columns: whether panels are whole, and how many are left."""
    if columns is None:
        return "any"
    return f"{'whole' if columns >= form.columns else ''}{columns % form.columns}"


def number(value: int) -> Any:
    """An int64 constant."""
    return ir.Constant(I64, value)


def smaller(builder: Any, a: Any, b: Any) -> Any:
    """The smaller of two integers."""
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def larger(builder: Any, a: Any, b: Any) -> Any:
    """The larger of two integers."""
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def micro_kernel(module: Any, form: Form, masked: bool) -> Any:
    """The function that computes one block of the result.

    ``void micro(rows, inner, a, a_row, a_inner, b, b_inner, c, c_row, more, last)``: `more` is 1
    where the block is added to `c`; `last` the columns of the last vector, where it is `masked`.
    Strides are in elements.
    """
    name = f"graphc_micro_f{form.bits}_{form.rows}x{form.vectors}{'_masked' if masked else ''}"
    if name in module.globals:
        return module.globals[name]
    v = Vectors(module, form)
    taken = [I64, I64, v.pointer, I64, I64, v.pointer, I64, v.pointer, I64, I64, I64]
    function = ir.Function(module, ir.FunctionType(VOID, taken), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    rows, inner, a, a_row, a_inner, b, b_inner, c, c_row, more, last = function.args
    for pointer in (a, b, c):
        pointer.add_attribute("noalias")
    entry, step, done, add, store = (
        function.append_basic_block(label) for label in ("entry", "step", "done", "add", "store")
    )
    block = [(i, j) for i in range(form.rows) for j in range(form.vectors)]

    at_entry = ir.IRBuilder(entry)
    mask = v.first_lanes(at_entry, last) if masked else None
    masks = [None] * (form.vectors - 1) + [mask]
    final = at_entry.sub(rows, number(1))
    row_numbers = [smaller(at_entry, number(i), final) for i in range(form.rows)]
    a_places = [at_entry.mul(a_row, i) for i in row_numbers]
    c_rows = [at_entry.gep(c, [at_entry.mul(c_row, i)]) for i in row_numbers]
    at_entry.cbranch(at_entry.icmp_signed(">", inner, number(0)), step, done)

    at_step = ir.IRBuilder(step)
    left, a_now, b_now = at_step.phi(I64), at_step.phi(v.pointer), at_step.phi(v.pointer)
    sums = {place: at_step.phi(v.vector) for place in block}
    vectors = [
        v.load(at_step, at_step.gep(b_now, [number(j * v.lanes)]), masks[j])
        for j in range(form.vectors)
    ]
    new = {}
    for i in range(form.rows):
        factor = v.spread(at_step, at_step.load(at_step.gep(a_now, [a_places[i]])))
        for j in range(form.vectors):
            new[i, j] = v.multiply_add(at_step, factor, vectors[j], sums[i, j])
    rest = at_step.sub(left, number(1))
    for phi, start, following in (
        (left, inner, rest),
        (a_now, a, at_step.gep(a_now, [a_inner])),
        (b_now, b, at_step.gep(b_now, [b_inner])),
        *((sums[place], v.zero, new[place]) for place in block),
    ):
        phi.add_incoming(start, entry)
        phi.add_incoming(following, step)
    at_step.cbranch(at_step.icmp_signed(">", rest, number(0)), step, done)

    at_done = ir.IRBuilder(done)
    totals = {place: at_done.phi(v.vector) for place in block}
    for place in block:
        totals[place].add_incoming(v.zero, entry)
        totals[place].add_incoming(new[place], step)
    at_done.cbranch(at_done.icmp_signed("!=", more, number(0)), add, store)

    def place_in_c(builder: Any, i: int, j: int) -> Any:
        return builder.gep(c_rows[i], [number(j * v.lanes)])

    at_add = ir.IRBuilder(add)
    added = {
        (i, j): at_add.fadd(totals[i, j], v.load(at_add, place_in_c(at_add, i, j), masks[j]))
        for i, j in block
    }
    at_add.branch(store)

    at_store = ir.IRBuilder(store)
    results = {place: at_store.phi(v.vector) for place in block}
    for place in block:
        results[place].add_incoming(totals[place], done)
        results[place].add_incoming(added[place], add)
    for i, j in block:
        v.store(at_store, results[i, j], place_in_c(at_store, i, j), masks[j])
    at_store.ret_void()
    return function
