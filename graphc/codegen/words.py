"""Plain words of memory and calls by address, for `blocks` and `caller`. Imports Numba.

A word is 8 bytes, at a number of words from an address; addresses are integers.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphc.codegen.numba_names import cgutils, intrinsic, intrinsic_of_literals, types

I8 = ir.IntType(8)
I32 = ir.IntType(32)
I64 = ir.IntType(64)
DOUBLE = ir.DoubleType()


def _place(builder: Any, address: Any, word: Any, element: Any = I64) -> Any:
    offset = builder.add(address, builder.mul(word, ir.Constant(I64, 8)))
    return builder.inttoptr(offset, element.as_pointer())


@intrinsic
def word(typingctx: Any, address: Any, place: Any) -> Any:
    """The word at `place`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load(_place(builder, *args), align=8)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def half_word(typingctx: Any, address: Any, place: Any) -> Any:
    """The four bytes at `place`, as a C int."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.sext(builder.load(_place(builder, args[0], args[1], I32), align=4), I64)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def byte(typingctx: Any, address: Any) -> Any:
    """The byte at an address."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.zext(builder.load(builder.inttoptr(args[0], I8.as_pointer())), I64)

    return types.int64(types.int64), codegen


@intrinsic
def set_word(typingctx: Any, address: Any, place: Any, value: Any) -> Any:
    """Set the word at `place`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(args[2], _place(builder, *args[:2]), align=8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen


@intrinsic
def set_half_word(typingctx: Any, address: Any, place: Any, value: Any) -> Any:
    """Set the four bytes at `place`."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store(builder.trunc(args[2], I32), _place(builder, args[0], args[1], I32), align=4)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen


@intrinsic_of_literals
def stack_words(typingctx: Any, count: Any) -> Any:
    """The address of an array of `count` words on the stack, a multiple of 64."""
    bytes_ = 8 * count.literal_value

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        with builder.goto_entry_block():
            made = builder.alloca(I8, size=ir.Constant(I64, bytes_))
            made.align = 64
        return builder.ptrtoint(made, I64)

    return types.int64(count), codegen


@intrinsic
def copy_memory(typingctx: Any, target: Any, source: Any, count: Any) -> Any:
    """Copy `count` bytes between addresses that do not overlap."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        target, source = (builder.inttoptr(arg, I8.as_pointer()) for arg in args[:2])
        cgutils.raw_memcpy(builder, target, source, args[2], ir.Constant(I64, 1))
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen


@intrinsic
def clear_bytes(typingctx: Any, target: Any, count: Any) -> Any:
    """Set `count` bytes to 0."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        cgutils.memset(builder, builder.inttoptr(args[0], I8.as_pointer()), args[1], 0)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), codegen


@intrinsic
def highest_bit(typingctx: Any, number: Any) -> Any:
    """The place of the highest bit of a positive number."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        zeros = builder.ctlz(args[0], ir.Constant(ir.IntType(1), 1))
        return builder.sub(ir.Constant(I64, 63), zeros)

    return types.int64(types.int64), codegen


def _called(builder: Any, function: Any, taken: Any, given: Any, values: list[Any]) -> Any:
    type_ = ir.FunctionType(given, [taken] * len(values))
    return builder.call(builder.inttoptr(function, type_.as_pointer()), values)


@intrinsic
def call(typingctx: Any, function: Any, arguments: Any) -> Any:
    """What the C function at an address gives for a tuple of words, as a word."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = cgutils.unpack_tuple(builder, args[1])
        return _called(builder, args[0], I64, I64, values)

    return types.int64(types.int64, arguments), codegen


@intrinsic
def call_int(typingctx: Any, function: Any, arguments: Any) -> Any:
    """What the C function at an address gives for a tuple of words, as a C int."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        values = cgutils.unpack_tuple(builder, args[1])
        return builder.sext(_called(builder, args[0], I64, I32, values), I64)

    return types.int64(types.int64, arguments), codegen


@intrinsic
def call_doubles(typingctx: Any, function: Any, arguments: Any) -> Any:
    """`call` with a tuple of words that are the bits of C doubles."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        bits = cgutils.unpack_tuple(builder, args[1])
        values = [builder.bitcast(value, DOUBLE) for value in bits]
        return _called(builder, args[0], DOUBLE, I64, values)

    return types.int64(types.int64, arguments), codegen
