"""What a C library has in place of the pool of threads: the caller's own, or none.

    threads := parallel, context, task

`parallel` is the address of the caller's ``int32 parallel(context, count, task, job)``, which has
``task(job, first, last)`` run for ranges that make up ``[0, count)``; 0: there are no threads.
"""

from __future__ import annotations

from graphc.codegen.words.memory import call_int, set_word, stack_words, word

PARALLEL, CONTEXT, TASK = 0, 1, 2
WORDS = 3
JOB_WORDS = 3


def task(job: int, first: int, last: int) -> int:
    """Run the chunks ``[first, last)`` of the kernel of a job."""
    return call_int(word(job, 0), (word(job, 1), word(job, 2), first, last))


def launcher(
    pool: int, kernel: int, table: int, sizes: int, chunks: int, finish: int, threads: int
) -> int:
    """Run a kernel's chunks, then its finish where `finish` is 1; returns its status."""
    job = stack_words(JOB_WORDS)
    status = 1
    if word(pool, PARALLEL) != 0 and chunks > 1:
        set_word(job, 0, kernel)
        set_word(job, 1, table)
        set_word(job, 2, sizes)
        status = call_int(
            word(pool, PARALLEL), (word(pool, CONTEXT), chunks, word(pool, TASK), job)
        )
    if status != 0:
        # Alone, or once more in order, so that the first failure is the one that is told.
        status = call_int(kernel, (table, sizes, 0, chunks))
    if status == 0 and finish != 0:
        status = call_int(kernel, (table, sizes, -1, -1))
    return status


def poll(signals: int) -> int:
    """Nothing interrupts a loop of a library."""
    return 0
