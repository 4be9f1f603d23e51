"""Atomic words, threads and locks for `graphc.codegen.pool`. Imports Numba.

A word is 8 bytes, at a number of words from an address. All accesses are sequentially consistent.
"""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir

from graphc.codegen.numba_names import cgutils, intrinsic, types

I32 = ir.IntType(32)
I64 = ir.IntType(64)
_ORDER = "seq_cst"


def _place(builder: Any, address: Any, word: Any) -> Any:
    offset = builder.add(address, builder.mul(word, ir.Constant(I64, 8)))
    return builder.inttoptr(offset, I64.as_pointer())


@intrinsic
def load(typingctx: Any, address: Any, word: Any) -> Any:
    """The word."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.load_atomic(_place(builder, *args), _ORDER, 8)

    return types.int64(types.int64, types.int64), codegen


@intrinsic
def store(typingctx: Any, address: Any, word: Any, value: Any) -> Any:
    """Set the word."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        builder.store_atomic(args[2], _place(builder, *args[:2]), _ORDER, 8)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), codegen


@intrinsic
def add(typingctx: Any, address: Any, word: Any, value: Any) -> Any:
    """Add to the word; its value before."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.atomic_rmw("add", _place(builder, *args[:2]), args[2], _ORDER)

    return types.int64(types.int64, types.int64, types.int64), codegen


@intrinsic
def compare_exchange(typingctx: Any, address: Any, word: Any, expected: Any, new: Any) -> Any:
    """Set the word to `new` if it is `expected`; whether it was."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        place = _place(builder, *args[:2])
        return builder.extract_value(builder.cmpxchg(place, args[2], args[3], _ORDER, _ORDER), 1)

    return types.boolean(types.int64, types.int64, types.int64, types.int64), codegen


@intrinsic
def pause(typingctx: Any) -> Any:
    """Tell the processor that this is a loop that waits."""
    triple = binding.get_process_triple()

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        nothing = ir.FunctionType(ir.VoidType(), [])
        if triple.startswith("x86_64"):
            builder.call(
                cgutils.get_or_insert_function(builder.module, nothing, "llvm.x86.sse2.pause"), []
            )
        elif triple.startswith(("aarch64", "arm64")):
            hint = ir.FunctionType(ir.VoidType(), [I32])
            function = cgutils.get_or_insert_function(builder.module, hint, "llvm.aarch64.hint")
            builder.call(function, [ir.Constant(I32, 1)])
        return context.get_dummy_value()

    return types.none(), codegen


@intrinsic
def call_kernel(typingctx: Any, kernel: Any, table: Any, sizes: Any, first: Any, stop: Any) -> Any:
    """The status of ``kernel(table, sizes, first, stop)``, all addresses."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        kernel_type = ir.FunctionType(I32, [I64] * 4)
        return builder.call(builder.inttoptr(args[0], kernel_type.as_pointer()), args[1:])

    return types.int32(*[types.int64] * 5), codegen


def _library(name: str, taken: int) -> Any:
    """A function of the C library of `taken` addresses or integers, that gives an int."""

    def codegen(builder: Any, arguments: list[Any]) -> Any:
        type_ = ir.FunctionType(I32, [I64] * taken)
        function = cgutils.get_or_insert_function(builder.module, type_, name)
        return builder.call(function, arguments)

    return codegen


def _at(builder: Any, address: Any, word: Any) -> Any:
    return builder.add(address, builder.mul(word, ir.Constant(I64, 8)))


def _on_words(name: str, count: int, doc: str) -> Any:
    """A function of the C library on `count` objects that lie in a pool."""
    call = _library(name, count)

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return call(builder, [_at(builder, args[0], word) for word in args[1:]])

    def one(typingctx: Any, pool: Any, word: Any) -> Any:
        return types.int32(types.int64, types.int64), codegen

    def two(typingctx: Any, pool: Any, word: Any, other: Any) -> Any:
        return types.int32(types.int64, types.int64, types.int64), codegen

    chosen = one if count == 1 else two
    chosen.__doc__ = doc
    return intrinsic(chosen)


mutex_lock = _on_words("pthread_mutex_lock", 1, "Lock a mutex.")
mutex_unlock = _on_words("pthread_mutex_unlock", 1, "Unlock a mutex.")
signal_all = _on_words("pthread_cond_broadcast", 1, "Wake all that wait for a condition.")
wait_for_signal = _on_words("pthread_cond_wait", 2, "Wait for a condition, the mutex unlocked.")


@intrinsic
def yield_processor(typingctx: Any) -> Any:
    """Let another thread run."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _library("sched_yield", 0)(builder, [])

    return types.int32(), codegen


@intrinsic
def create_thread(typingctx: Any, pool: Any, code: Any, word: Any) -> Any:
    """Start a detached thread at the address `code`, given the address of a word; 0 on success."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        thread = cgutils.alloca_once_value(builder, ir.Constant(I64, 0))
        where = builder.ptrtoint(thread, I64)
        argument = _at(builder, args[0], args[2])
        none = ir.Constant(I64, 0)
        status = _library("pthread_create", 4)(builder, [where, none, args[1], argument])
        with builder.if_then(builder.icmp_signed("==", status, ir.Constant(I32, 0))):
            _library("pthread_detach", 1)(builder, [builder.load(thread)])
        return status

    return types.int32(types.int64, types.int64, types.int64), codegen


@intrinsic
def mask_signals(typingctx: Any, how: Any) -> Any:
    """Leave all signals to other threads; `how` is the platform's ``SIG_SETMASK``."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        words = ir.ArrayType(I64, 16)
        every = cgutils.alloca_once_value(builder, ir.Constant(words, [-1] * 16))
        address = builder.ptrtoint(every, I64)
        return _library("pthread_sigmask", 3)(builder, [args[0], address, ir.Constant(I64, 0)])

    return types.int32(types.int64), codegen
