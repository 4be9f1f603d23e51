"""Plain words of memory, and calls by address: the vocabulary of `blocks` and `caller`.

A word is 8 bytes, at a number of words from an address; addresses are integers. The functions do
in Python what `graphc.codegen.words.compiler` makes native code of.
"""

from __future__ import annotations

import ctypes
import struct
import time

_memory: list[ctypes.Array[ctypes.c_int64]] = []


def word(address: int, place: int) -> int:
    """The word at `place`."""
    return ctypes.c_int64.from_address(address + 8 * place).value


def half_word(address: int, place: int) -> int:
    """The four bytes at `place`, as a C int."""
    return ctypes.c_int32.from_address(address + 8 * place).value


def byte(address: int) -> int:
    """The byte at an address."""
    return ctypes.c_uint8.from_address(address).value


def set_word(address: int, place: int, value: int) -> None:
    """Set the word at `place`."""
    ctypes.c_int64.from_address(address + 8 * place).value = value


def set_half_word(address: int, place: int, value: int) -> None:
    """Set the four bytes at `place`."""
    ctypes.c_int32.from_address(address + 8 * place).value = value


def stack_words(count: int) -> int:
    """The address of an array of `count` words, a multiple of 64; natively it is on the stack."""
    _memory.append((ctypes.c_int64 * (count + 8))())
    address = ctypes.addressof(_memory[-1])
    return address + -address % 64


def copy_memory(target: int, source: int, count: int) -> None:
    """Copy `count` bytes between addresses that do not overlap."""
    ctypes.memmove(target, source, count)


def clear_bytes(target: int, count: int) -> None:
    """Set `count` bytes to 0."""
    ctypes.memset(target, 0, count)


def cycles() -> int:
    """The processor's counter of cycles, or of nanoseconds."""
    return time.perf_counter_ns()


def highest_bit(number: int) -> int:
    """The place of the highest bit of a positive number."""
    return number.bit_length() - 1


def call(function: int, arguments: tuple[int, ...]) -> int:
    """What the C function at an address gives for words, as a word."""
    taken = [ctypes.c_int64] * len(arguments)
    return int(ctypes.PYFUNCTYPE(ctypes.c_int64, *taken)(function)(*arguments))


def call_int(function: int, arguments: tuple[int, ...]) -> int:
    """What the C function at an address gives for words, as a C int."""
    taken = [ctypes.c_int64] * len(arguments)
    return int(ctypes.PYFUNCTYPE(ctypes.c_int32, *taken)(function)(*arguments))


def call_doubles(function: int, arguments: tuple[int, ...]) -> int:
    """`call` with words that are the bits of C doubles."""
    values = [struct.unpack("d", struct.pack("q", bits))[0] for bits in arguments]
    taken = [ctypes.c_double] * len(arguments)
    return int(ctypes.PYFUNCTYPE(ctypes.c_int64, *taken)(function)(*values))


def run_kernel(kernel: object, buffers: tuple[int, ...], sizes: tuple[int, ...]) -> int:
    """The status of a kernel that is linked to the function which calls it: native code only."""
    raise NotImplementedError(f"{kernel} runs where it is linked")


# --- words that several threads use: sequentially consistent --------------------------------------


def atomic_word(address: int, place: int) -> int:
    """The word at `place`."""
    return word(address, place)


def set_atomic_word(address: int, place: int, value: int) -> None:
    """Set the word at `place`."""
    set_word(address, place, value)


def add_atomic(address: int, place: int, value: int) -> int:
    """Add to the word at `place`; its value before."""
    before = word(address, place)
    set_word(address, place, before + value)
    return before


def exchange_atomic(address: int, place: int, expected: int, new: int) -> bool:
    """Set the word at `place` to `new` if it is `expected`; whether it was."""
    if word(address, place) != expected:
        return False
    set_word(address, place, new)
    return True


def pause() -> None:
    """Tell the processor that this is a loop that waits."""
