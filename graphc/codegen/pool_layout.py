"""Where the pool of threads keeps what, in words of 8 bytes. See `graphc.codegen.pool`.

What is written often has a cache line of its own.
"""

TICKET = 0
DONE = 8
KERNEL, TABLE, SIZES, CHUNKS, THREADS, FAILED = 16, 17, 18, 19, 20, 21
BUSY = 24
SLEEPERS, WORKERS, SPIN, WORKER_CODE, MASK_SIGNALS = 32, 33, 34, 35, 36
MUTEX = 40
CONDITION = 52
ARGUMENTS = 64
"""Each worker's argument: the pool's address and the worker's number."""

MOST_THREADS = 256
WORDS = ARGUMENTS + 2 * MOST_THREADS
