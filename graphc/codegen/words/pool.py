"""A pool of threads: runs the chunks of a kernel, on the calling thread and a few of its own.

The calling thread publishes a job, takes part in it, and waits for the rest. A ticket holds the
number of the job and that of the next chunk, so that taking a chunk is one compare-and-exchange,
and fails where the job is over: a worker that comes late can't mix two jobs. Workers spin for a
short while between jobs, then sleep. A launch that finds the pool busy (another Python thread's
step) runs its chunks itself. Who runs a chunk never shows in the results.

The functions are made native by `graphc.codegen.words.compiler`; `graphc.runtime.pool` owns the
pool.
"""

from __future__ import annotations

from graphc.codegen.words.memory import (
    add_atomic,
    atomic_word,
    call_int,
    exchange_atomic,
    pause,
    set_atomic_word,
    set_word,
    stack_words,
    word,
)
from graphc.codegen.words.pool_layout import (
    ARGUMENTS,
    BROADCAST,
    BUSY,
    CHUNKS,
    CONDITION,
    CREATE,
    DETACH,
    DONE,
    EVERY_SIGNAL,
    FAILED,
    KERNEL,
    LOCK,
    MASK_SIGNALS,
    MUTEX,
    SET_MASK,
    SIZES,
    SLEEPERS,
    SPIN,
    TABLE,
    THREADS,
    TICKET,
    UNLOCK,
    WAIT,
    WORKER_CODE,
    WORKERS,
    YIELD,
)

JOB = 1 << 32
CHUNK = JOB - 1
LAST_JOB = JOB >> 1
HANDLE = 1
"""Words of a thread's handle."""

PATIENCE = 2000
"""Turns of waiting for other threads' chunks before the processor is offered to them."""


def take(pool: int, job: int) -> int:
    """Run chunks of the job with this number until none is left."""
    kernel = atomic_word(pool, KERNEL)
    table = atomic_word(pool, TABLE)
    sizes = atomic_word(pool, SIZES)
    chunks = atomic_word(pool, CHUNKS)
    ticket = atomic_word(pool, TICKET)
    while ticket >> 32 == job and ticket & CHUNK < chunks:
        chunk = ticket & CHUNK
        if exchange_atomic(pool, TICKET, ticket, ticket + 1):
            if call_int(kernel, (table, sizes, chunk, chunk + 1)) != 0:
                set_atomic_word(pool, FAILED, 1)
            add_atomic(pool, DONE, 1)
        ticket = atomic_word(pool, TICKET)
    return 0


def worker(argument: int) -> int:
    """A thread of the pool; `argument` is the address of the pool's address and its number."""
    pool = word(argument, 0)
    number = word(argument, 1)
    call_int(word(pool, MASK_SIGNALS), (word(pool, SET_MASK), pool + 8 * EVERY_SIGNAL, 0))
    last = 0
    while word(pool, WORKER_CODE) != 0:
        spins = word(pool, SPIN)
        while spins > 0 and atomic_word(pool, TICKET) >> 32 == last:
            pause()
            spins -= 1
        if atomic_word(pool, TICKET) >> 32 == last:
            call_int(word(pool, LOCK), (pool + 8 * MUTEX,))
            add_atomic(pool, SLEEPERS, 1)
            while atomic_word(pool, TICKET) >> 32 == last:
                call_int(word(pool, WAIT), (pool + 8 * CONDITION, pool + 8 * MUTEX))
            add_atomic(pool, SLEEPERS, -1)
            call_int(word(pool, UNLOCK), (pool + 8 * MUTEX,))
        last = atomic_word(pool, TICKET) >> 32
        if number < atomic_word(pool, THREADS):
            take(pool, last)
    return 0


def start_workers(pool: int, wanted: int) -> int:
    """Start threads until there are `wanted` workers, or the system has no more."""
    thread = stack_words(HANDLE)
    number = word(pool, WORKERS) + 1
    while number <= wanted:
        place = pool + 8 * (ARGUMENTS + 2 * number)
        set_word(place, 0, pool)
        set_word(place, 1, number)
        if call_int(word(pool, CREATE), (thread, 0, word(pool, WORKER_CODE), place)) != 0:
            return 0
        call_int(word(pool, DETACH), (word(thread, 0),))
        set_word(pool, WORKERS, number)
        number += 1
    return 0


def run_with_others(
    pool: int, kernel: int, table: int, sizes: int, chunks: int, threads: int
) -> int:
    """Run a kernel's chunks on several threads; returns its status."""
    start_workers(pool, threads - 1)
    set_atomic_word(pool, KERNEL, kernel)
    set_atomic_word(pool, TABLE, table)
    set_atomic_word(pool, SIZES, sizes)
    set_atomic_word(pool, CHUNKS, chunks)
    set_atomic_word(pool, THREADS, threads)
    set_atomic_word(pool, FAILED, 0)
    set_atomic_word(pool, DONE, 0)
    job = (atomic_word(pool, TICKET) >> 32) + 1
    if job >= LAST_JOB:
        job = 1
    set_atomic_word(pool, TICKET, job << 32)
    if atomic_word(pool, SLEEPERS) > 0:
        call_int(word(pool, LOCK), (pool + 8 * MUTEX,))
        call_int(word(pool, BROADCAST), (pool + 8 * CONDITION,))
        call_int(word(pool, UNLOCK), (pool + 8 * MUTEX,))
    take(pool, job)
    turns = 0
    while atomic_word(pool, DONE) < chunks:
        pause()
        turns += 1
        if turns > PATIENCE:
            call_int(word(pool, YIELD), ())
    failed = atomic_word(pool, FAILED)
    set_atomic_word(pool, BUSY, 0)
    if failed != 0:
        # Once more, in order, so that the first failure is the one that is told.
        return call_int(kernel, (table, sizes, 0, chunks))
    return 0


def run(
    pool: int, kernel: int, table: int, sizes: int, chunks: int, finish: int, threads: int
) -> int:
    """Run a kernel's chunks, then its finish where `finish` is 1; returns its status."""
    if chunks > 1 and threads > 1 and exchange_atomic(pool, BUSY, 0, 1):
        status = run_with_others(pool, kernel, table, sizes, chunks, threads)
    else:
        status = call_int(kernel, (table, sizes, 0, chunks))
    if status == 0 and finish != 0:
        status = call_int(kernel, (table, sizes, -1, -1))
    return status
