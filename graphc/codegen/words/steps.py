"""What steps are written with: tables of words, launches, loops. Made native with each step.

A step is a plain function (`graphc.codegen.words.compiler`): no Numba is needed for it. Its kernels
are called by their addresses, with C's convention.
"""

from __future__ import annotations

from graphc.codegen.words import step_layout as layout
from graphc.codegen.words.memory import byte as byte
from graphc.codegen.words.memory import call, call_int, cycles, set_word, word
from graphc.codegen.words.memory import copy_memory as copy_memory
from graphc.codegen.words.memory import run_kernel as run_kernel
from graphc.codegen.words.memory import stack_words as stack_words

PATIENCE = 50_000_000
"""Cycles, some 20 ms, that a loop runs before it lets Python look for signals."""


def at(pointer: int, offset: int) -> int:
    """The address `offset` bytes further."""
    return pointer + offset


def launch(kernel: int, buffers: int, sizes: int) -> int:
    """The status of a kernel, all of it, with arrays of its buffers and sizes."""
    return call_int(kernel, (buffers, sizes, 0, 1))


def launch_chunks(
    run: int,
    pool: int,
    threads: int,
    kernel: int,
    buffers: int,
    sizes: int,
    chunks: int,
    finish: int,
) -> int:
    """The status of a kernel's chunks, run by the launcher of `graphc.codegen.words.pool`."""
    return call(run, (pool, kernel, buffers, sizes, chunks, finish, threads))


def call_step(step: int, table: int, constants: int, sizes: int) -> int:
    """The status of the body of a loop, which has a table of its own."""
    return call_int(step, (table, constants, sizes))


def interrupted(poll: int, signals: int, turn: int, since: int) -> int:
    """In a loop's turn, now and then: the status of a signal handler that raised, else 0."""
    if turn & 15 != 15 or cycles() - word(since, 0) < PATIENCE:
        return 0
    status = call(poll, (signals,))
    set_word(since, 0, cycles())
    return status


def any_overlap(table: int, sizes: int, count: int) -> int:
    """Whether the bytes of a written input overlap those of another input.

    `sizes` begins with the inputs' bytes, then says which of them are written.
    """
    for written in range(count):
        if word(sizes, count + written) != 0:
            start = word(table, layout.TABLE_FIRST + written)
            stop = start + word(sizes, written)
            for other in range(count):
                begin = word(table, layout.TABLE_FIRST + other)
                if other != written and start < begin + word(sizes, other) and begin < stop:
                    return 1
    return 0
