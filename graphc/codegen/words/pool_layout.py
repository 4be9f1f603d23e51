"""Where the pool of threads keeps what, in words of 8 bytes. See `graphc.codegen.words.pool`.

What is written often has a cache line of its own.
"""

TICKET = 0
DONE = 8
KERNEL, TABLE, SIZES, CHUNKS, THREADS, FAILED = 16, 17, 18, 19, 20, 21
BUSY = 24
SLEEPERS = 32
WORKERS, SPIN, WORKER_CODE, SET_MASK = 40, 41, 42, 43
LOCK, UNLOCK, WAIT, BROADCAST, CREATE, DETACH, YIELD, MASK_SIGNALS = 44, 45, 46, 47, 48, 49, 50, 51
"""The functions of the C library that the pool calls."""

MUTEX = 56
CONDITION = 64
EVERY_SIGNAL = 72
"""A set of all signals."""

ARGUMENTS = 88
"""Each worker's argument: the pool's address and the worker's number."""

MOST_THREADS = 256
WORDS = ARGUMENTS + 2 * MOST_THREADS

FUNCTIONS = {
    LOCK: "pthread_mutex_lock",
    UNLOCK: "pthread_mutex_unlock",
    WAIT: "pthread_cond_wait",
    BROADCAST: "pthread_cond_broadcast",
    CREATE: "pthread_create",
    DETACH: "pthread_detach",
    YIELD: "sched_yield",
    MASK_SIGNALS: "pthread_sigmask",
}
