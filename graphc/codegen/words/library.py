"""What a C library has in place of the pool of threads: the caller's own, or none.

    threads := parallel, context, task, failed

`parallel` is the address of the caller's ``int32 parallel(context, count, task, job)``, which has
``task(job, first, last)`` run for ranges that make up ``[0, count)``; 0: there are no threads.
`failed` is set where it did not.
"""

from __future__ import annotations

from graphc.codegen.words.memory import (
    add_atomic,
    atomic_word,
    call_int,
    set_atomic_word,
    set_word,
    stack_words,
    word,
)

PARALLEL, CONTEXT, TASK, FAILED = 0, 1, 2, 3
WORDS = 4
RAN, STOPPED = 3, 4
"""Places in a job, after its kernel, table and sizes: the chunks that ran; whether one failed."""

JOB_WORDS = 5


def task(job: int, first: int, last: int) -> int:
    """Run the chunks ``[first, last)`` of the kernel of a job."""
    status = call_int(word(job, 0), (word(job, 1), word(job, 2), first, last))
    add_atomic(job, RAN, last - first)
    if status != 0:
        set_atomic_word(job, STOPPED, 1)
    return status


def launcher(
    pool: int, kernel: int, table: int, sizes: int, chunks: int, finish: int, threads: int
) -> int:
    """Run a kernel's chunks, then its finish where `finish` is 1; returns its status."""
    job = stack_words(JOB_WORDS)
    alone = 1
    if word(pool, PARALLEL) != 0 and chunks > 1:
        set_word(job, 0, kernel)
        set_word(job, 1, table)
        set_word(job, 2, sizes)
        set_atomic_word(job, RAN, 0)
        set_atomic_word(job, STOPPED, 0)
        call_int(word(pool, PARALLEL), (word(pool, CONTEXT), chunks, word(pool, TASK), job))
        # A chunk that failed: once more in order, so that the first failure is the one told.
        alone = atomic_word(job, STOPPED)
        if alone == 0 and atomic_word(job, RAN) != chunks:
            set_word(pool, FAILED, 1)
            return 0
    status = 0
    if alone != 0:
        status = call_int(kernel, (table, sizes, 0, chunks))
    if status == 0 and finish != 0:
        status = call_int(kernel, (table, sizes, -1, -1))
    return status


def poll(signals: int) -> int:
    """Nothing interrupts a loop of a library."""
    return 0


def results_overlap(places: int, first: int, count: int) -> int:
    """Whether one of the results lies on another array.

    Args:
        places: the addresses of `count` arrays, each with that of its end; results from `first` on.
    """
    for number in range(count - first):
        result = first + number
        start, end = word(places, 2 * result), word(places, 2 * result + 1)
        for other in range(count):
            begin, stop = word(places, 2 * other), word(places, 2 * other + 1)
            if other != result and start < stop and begin < end and start < end and begin < stop:
                return 1
    return 0
