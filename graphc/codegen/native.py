"""The vocabulary of generated modules: what they import to reach memory and machine instructions.

Imports Numba, so this module is itself imported on the first compile only.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir

from graphc.codegen.numba_names import (
    AbstractTemplate,
    cgutils,
    infer_global,
    intrinsic,
    intrinsic_of_literals,
    lower_builtin,
    models,
    register_jitable,
    register_model,
    signature,
    types,
)

I8 = ir.IntType(8)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
I8P = I8.as_pointer()
I8PP = I8P.as_pointer()

POINTERS = types.CPointer(types.voidptr)
INTEGERS = types.CPointer(types.int64)
KERNEL = types.int32(POINTERS, INTEGERS, types.int64, types.int64)
STEP = types.int32(POINTERS, POINTERS, INTEGERS)
PATIENCE = 50_000_000
"""Cycles, some 20 ms, that a loop runs before it lets Python look for signals."""

WIDE_VECTORS = '"prefer-vector-width"="512"'


class Buffer(types.Type):  # type: ignore[misc]
    """A pointer to elements; buffers of one kernel with different slots never overlap."""

    def __init__(self, dtype: Any, slot: int, count: int) -> None:
        self.dtype, self.slot, self.count = dtype, slot, count
        super().__init__(f"Buffer({dtype}, {slot} of {count})")


@register_model(Buffer)
class _BufferModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, buffer: Any) -> None:
        super().__init__(manager, buffer, I8P)


@infer_global(operator.getitem)
class _GetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(args[0].dtype, args[0], types.int64)
        return None


@infer_global(operator.setitem)
class _SetItem(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: Any, kws: Any) -> Any:
        if isinstance(args[0], Buffer):
            return signature(types.none, args[0], types.int64, args[0].dtype)
        return None


def _mark(builder: Any, buffer: Buffer, instruction: Any) -> None:
    """Tell LLVM which other buffers this access can't touch."""
    if buffer.count < 2:
        return
    module = builder.module
    domain = module.add_metadata(["graphc kernel"])

    def scope(slot: int) -> Any:
        return module.add_metadata([f"slot {slot}", domain])

    others = [scope(slot) for slot in range(buffer.count) if slot != buffer.slot]
    instruction.set_metadata("alias.scope", module.add_metadata([scope(buffer.slot)]))
    instruction.set_metadata("noalias", module.add_metadata(others))


def _element(context: Any, builder: Any, buffer: Buffer, pointer: Any, index: Any) -> Any:
    data = context.data_model_manager[buffer.dtype].get_data_type()
    return builder.gep(builder.bitcast(pointer, data.as_pointer()), [index], inbounds=True)


@lower_builtin(operator.getitem, Buffer, types.int64)
def _load(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer = sig.args[0]
    loaded = builder.load(_element(context, builder, buffer, *args))
    _mark(builder, buffer, loaded)
    return context.data_model_manager[buffer.dtype].from_data(builder, loaded)


@lower_builtin(operator.setitem, Buffer, types.int64, types.Any)
def _store(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    buffer = sig.args[0]
    pointer, index, value = args
    data = context.data_model_manager[buffer.dtype].as_data(builder, value)
    stored = builder.store(data, _element(context, builder, buffer, pointer, index))
    _mark(builder, buffer, stored)
    return context.get_dummy_value()


@intrinsic_of_literals
def buffer(typingctx: Any, table: Any, slot: Any, count: Any, dtype: Any) -> Any:
    """``buffer(table, slot, count, dtype)``: the slot's pointer, one of `count` distinct ones."""
    made = Buffer(dtype.dtype, slot.literal_value, count.literal_value)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        # LLVM prefers 256-bit vectors on many CPUs that are faster with 512.
        attributes = builder.function.attributes
        if WIDE_VECTORS not in attributes:
            attributes._known = attributes._known | {WIDE_VECTORS}
            attributes.add(WIDE_VECTORS)
        place = builder.gep(
            builder.bitcast(args[0], I8PP), [ir.Constant(I64, made.slot)], inbounds=True
        )
        return builder.load(place)

    return made(table, slot, count, dtype), codegen


@intrinsic
def at(typingctx: Any, pointer: Any, offset: Any) -> Any:
    """The pointer `offset` bytes further."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.gep(builder.bitcast(args[0], I8P), [args[1]])

    return types.voidptr(types.voidptr, types.int64), codegen


@intrinsic
def address(typingctx: Any, held: Any, offset: Any) -> Any:
    """The buffer's pointer, `offset` elements further."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _element(context, builder, sig.args[0], *args)
        return builder.bitcast(pointer, I8P)

    return types.voidptr(held, types.int64), codegen


def _array(typingctx: Any, count: Any, element: Any, result: Any) -> Any:
    size = count.literal_value

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        made = cgutils.alloca_once(builder, element, size=ir.Constant(I64, max(size, 1)))
        return builder.bitcast(made, context.get_value_type(result))

    return result(count), codegen


@intrinsic_of_literals
def pointers(typingctx: Any, count: Any) -> Any:
    """An array of pointers on the stack."""
    return _array(typingctx, count, I8P, POINTERS)


@intrinsic_of_literals
def integers(typingctx: Any, count: Any) -> Any:
    """An array of int64 on the stack."""
    return _array(typingctx, count, I64, INTEGERS)


@intrinsic
def address_of(typingctx: Any, pointer: Any) -> Any:
    """A pointer as a number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.ptrtoint(args[0], I64)

    return types.int64(types.voidptr), codegen


def _stored(context: Any, builder: Any, buffers: Any, sizes: Any, types_: Any) -> tuple[Any, Any]:
    """A kernel's table and its sizes, from tuples, in arrays on the stack."""

    def array(values: Any, count: int, element: Any) -> Any:
        made = cgutils.alloca_once(builder, element, size=ir.Constant(I64, max(count, 1)))
        for number in range(count):
            value = builder.extract_value(values, number)
            if value.type != element:
                value = builder.bitcast(value, element)
            builder.store(value, builder.gep(made, [ir.Constant(I64, number)]))
        return made

    return array(buffers, len(types_[0]), I8P), array(sizes, len(types_[1]), I64)


@intrinsic
def launch(typingctx: Any, function: Any, buffers: Any, sizes: Any) -> Any:
    """Run the kernel at a pointer, all of it, with a tuple of buffers and one of sizes."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        table, numbers = _stored(context, builder, args[1], args[2], (buffers, sizes))
        kernel_type = ir.FunctionType(I32, [table.type, numbers.type, I64, I64])
        kernel = builder.bitcast(args[0], kernel_type.as_pointer())
        return builder.call(kernel, [table, numbers, ir.Constant(I64, 0), ir.Constant(I64, 1)])

    return types.int32(types.voidptr, buffers, sizes), codegen


@intrinsic
def launch_chunks(
    typingctx: Any,
    launcher: Any,
    pool: Any,
    threads: Any,
    function: Any,
    buffers: Any,
    sizes: Any,
    chunks: Any,
    finish: Any,
) -> Any:
    """Run the kernel at a pointer on its chunks, by the launcher of `graphc.codegen.pool`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        run, pool_, threads_, kernel, buffers_, sizes_, chunks_, finish_ = args
        arrays = _stored(context, builder, buffers_, sizes_, (buffers, sizes))
        taken = [builder.ptrtoint(v, I64) for v in (pool_, kernel, *arrays)]
        run = builder.bitcast(run, ir.FunctionType(I64, [I64] * 7).as_pointer())
        status = builder.call(run, [*taken, chunks_, finish_, builder.ptrtoint(threads_, I64)])
        return builder.trunc(status, I32)

    pointer, int64 = types.voidptr, types.int64
    given = (pointer, pointer, pointer, pointer, buffers, sizes, int64, int64)
    return types.int32(*given), codegen


@intrinsic
def call_step(typingctx: Any, function: Any, table: Any, constants: Any, sizes: Any) -> Any:
    """Run the step at a pointer: the body of a loop, with a table of its own."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        step_type = ir.FunctionType(I32, [arg.type for arg in args[1:]])
        return builder.call(builder.bitcast(args[0], step_type.as_pointer()), args[1:])

    return types.int32(types.voidptr, POINTERS, POINTERS, INTEGERS), codegen


@intrinsic
def cycles(typingctx: Any) -> Any:
    """The processor's cycle counter."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        counter = ir.FunctionType(I64, [])
        name = "llvm.readcyclecounter"
        return builder.call(cgutils.get_or_insert_function(builder.module, counter, name), [])

    return types.int64(), codegen


@intrinsic
def call_poll(typingctx: Any, function: Any, signals: Any) -> Any:
    """Let Python run its signal handlers: `graphc.codegen.poll`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        poll = builder.bitcast(args[0], ir.FunctionType(I64, [I64]).as_pointer())
        return builder.trunc(builder.call(poll, [builder.ptrtoint(args[1], I64)]), I32)

    return types.int32(types.voidptr, types.voidptr), codegen


@register_jitable
def interrupted(function: Any, signals: Any, turn: Any, since: Any) -> Any:
    """In a loop's turn, now and then: the status of a signal handler that raised, else 0."""
    if turn % 16 != 15 or cycles() - since[0] < PATIENCE:
        return 0
    status = call_poll(function, signals)
    since[0] = cycles()
    return status


@intrinsic
def call_print(typingctx: Any, function: Any, number: Any, table: Any, sizes: Any) -> Any:
    """Call back into Python: ``int32 f(int64 number, void **values, int64 *sizes)``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        taken = [I64, args[2].type, args[3].type]
        routine = builder.bitcast(args[0], ir.FunctionType(I32, taken).as_pointer())
        return builder.call(routine, list(args[1:]))

    return types.int32(types.voidptr, types.int64, POINTERS, INTEGERS), codegen


@intrinsic
def copy_bytes(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy `count` bytes between buffers that do not overlap."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        cgutils.raw_memcpy(builder, args[0], args[1], args[2], ir.Constant(I64, 1))
        return context.get_dummy_value()

    return types.none(types.voidptr, types.voidptr, types.int64), codegen


@register_jitable
def any_overlap(table: Any, sizes: Any, count: Any) -> Any:
    """Whether the bytes of a written input overlap those of another input.

    `sizes` begins with the inputs' bytes, then says which of them are written.
    """
    for written in range(count):
        if sizes[count + written] == 0:
            continue
        start = address_of(table[2 + written])
        stop = start + sizes[written]
        for other in range(count):
            other_start = address_of(table[2 + other])
            meets = start < other_start + sizes[other] and other_start < stop
            if other != written and meets:
                return True
    return False
