"""The launcher: runs the chunks of a kernel on a small pool of threads of its own.

    pool := ticket, done, kernel, table, sizes, chunks, threads, failed, busy, sleepers, workers, …

The calling thread publishes a job, takes part in it, and waits for the rest. A ticket holds the
number of the job and that of the next chunk, so that taking a chunk is one compare-and-exchange,
and fails where the job is over: a worker that comes late can't mix two jobs. Workers spin for a
short while between jobs, then sleep. A launch that finds the pool busy (another Python thread's
step) runs its chunks itself. Who runs a chunk never shows in the results.

The functions are compiled by Numba as kernels are; `graphc.launcher` owns the pool.
"""

from __future__ import annotations

from graphc.codegen.atomic import (
    add,
    call_kernel,
    compare_exchange,
    create_thread,
    load,
    mask_signals,
    mutex_lock,
    mutex_unlock,
    pause,
    signal_all,
    store,
    wait_for_signal,
    yield_processor,
)
from graphc.codegen.numba_names import register_jitable
from graphc.codegen.pool_layout import (
    ARGUMENTS,
    BUSY,
    CHUNKS,
    CONDITION,
    DONE,
    FAILED,
    KERNEL,
    MASK_SIGNALS,
    MUTEX,
    SIZES,
    SLEEPERS,
    SPIN,
    TABLE,
    THREADS,
    TICKET,
    WORKER_CODE,
    WORKERS,
)

_JOB = 1 << 32
_CHUNK = _JOB - 1


@register_jitable
def take(pool, job):  # type: ignore[no-untyped-def]
    """Run chunks of the job with this number until none is left."""
    kernel, table, sizes = load(pool, KERNEL), load(pool, TABLE), load(pool, SIZES)
    chunks = load(pool, CHUNKS)
    while True:
        ticket = load(pool, TICKET)
        chunk = ticket & _CHUNK
        if ticket >> 32 != job or chunk >= chunks:
            return 0
        if compare_exchange(pool, TICKET, ticket, ticket + 1):
            if call_kernel(kernel, table, sizes, chunk, chunk + 1) != 0:
                store(pool, FAILED, 1)
            add(pool, DONE, 1)


def worker(argument):  # type: ignore[no-untyped-def]
    """A thread of the pool; `argument` is the address of the pool's address and its number."""
    pool, number = load(argument, 0), load(argument, 1)
    mask_signals(load(pool, MASK_SIGNALS))
    last = 0
    while load(pool, WORKER_CODE) != 0:
        spins = load(pool, SPIN)
        while spins > 0 and load(pool, TICKET) >> 32 == last:
            pause()
            spins -= 1
        if load(pool, TICKET) >> 32 == last:
            mutex_lock(pool, MUTEX)
            add(pool, SLEEPERS, 1)
            while load(pool, TICKET) >> 32 == last:
                wait_for_signal(pool, CONDITION, MUTEX)
            add(pool, SLEEPERS, -1)
            mutex_unlock(pool, MUTEX)
        last = load(pool, TICKET) >> 32
        if number < load(pool, THREADS):
            take(pool, last)
    return 0


def run(pool, kernel, table, sizes, chunks, finish, threads):  # type: ignore[no-untyped-def]
    """Run a kernel's chunks, then its finish where `finish` is 1; returns its status."""
    status = 0
    if chunks > 1 and threads > 1 and compare_exchange(pool, BUSY, 0, 1):
        while load(pool, WORKERS) < threads - 1:
            number = load(pool, WORKERS) + 1
            place = ARGUMENTS + 2 * number
            store(pool, place, pool)
            store(pool, place + 1, number)
            if create_thread(pool, load(pool, WORKER_CODE), place) != 0:
                break
            store(pool, WORKERS, number)
        store(pool, KERNEL, kernel)
        store(pool, TABLE, table)
        store(pool, SIZES, sizes)
        store(pool, CHUNKS, chunks)
        store(pool, THREADS, threads)
        store(pool, FAILED, 0)
        store(pool, DONE, 0)
        job = (load(pool, TICKET) >> 32) + 1
        if job >= _JOB // 2:
            job = 1
        store(pool, TICKET, job << 32)
        if load(pool, SLEEPERS) > 0:
            mutex_lock(pool, MUTEX)
            signal_all(pool, CONDITION)
            mutex_unlock(pool, MUTEX)
        take(pool, job)
        spins = 0
        while load(pool, DONE) < chunks:
            pause()
            spins += 1
            if spins > 2000:
                yield_processor()
        failed = load(pool, FAILED)
        store(pool, BUSY, 0)
        if failed != 0:
            # Once more, in order, so that the first failure is the one that is told.
            status = call_kernel(kernel, table, sizes, 0, chunks)
    else:
        status = call_kernel(kernel, table, sizes, 0, chunks)
    if status == 0 and finish != 0:
        status = call_kernel(kernel, table, sizes, -1, -1)
    return status


def run_alone(pool, kernel, table, sizes, chunks, finish, threads):  # type: ignore[no-untyped-def]
    """`run` where there are no POSIX threads."""
    status = call_kernel(kernel, table, sizes, 0, chunks)
    if status == 0 and finish != 0:
        status = call_kernel(kernel, table, sizes, -1, -1)
    return status
