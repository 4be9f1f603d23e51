"""The pool of threads that runs the chunks of kernels: one a process, made on first use.

Its code is `graphc.codegen.words.pool`. After a fork the child's pool has no threads, and starts
its own when it needs them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

from graphc import config
from graphc.codegen.words import pool_layout as layout
from graphc.objects import c_address, words_functions
from graphc.threads import after_fork

SPINS = 2000
"""Turns that a worker waits for the next job before it sleeps: some 30 µs."""

_lock = threading.Lock()


@after_fork
def _renew_lock() -> None:
    """The thread that held the lock is not in the child of a fork."""
    global _lock
    _lock = threading.Lock()


def core_count() -> int:
    """The cores that this process may use."""
    affinity: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def thread_count(asked: int | None = None) -> int:
    """How many threads a step uses: `asked`, else ``GRAPHC_THREADS``, else one a core."""
    if not _has_threads():
        return 1
    return min(asked or config.threads() or core_count(), layout.MOST_THREADS)


@cache
def run_address() -> int:
    """The launcher: ``run(pool, kernel, table, sizes, chunks, finish, threads)``, all words."""
    (address,) = words_functions("pool", ["run"])
    return address


def pool_address() -> int:
    """The pool of this process."""
    with _lock:
        return _pool()


def _has_threads() -> bool:
    return os.name == "posix"


@cache
def _pool() -> int:
    words = (ctypes.c_int64 * (layout.WORDS + 8))()
    # Threads may still sleep on it when the interpreter ends: it is never given back.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(words))
    address = ctypes.addressof(words)
    address += -address % 64
    if _has_threads():
        _reset(address)
        after_fork(lambda: _reset(address))
    return address


def _reset(address: int) -> None:
    """Make the pool empty: no threads, no job."""
    ctypes.memset(address, 0, 8 * layout.WORDS)
    words = (ctypes.c_int64 * layout.WORDS).from_address(address)
    words[layout.SPIN] = SPINS
    words[layout.SET_MASK] = int(signal.SIG_SETMASK)
    (words[layout.WORKER_CODE],) = words_functions("pool", ["worker"])
    library = ctypes.CDLL(None)
    for place, name in layout.FUNCTIONS.items():
        words[place] = c_address(getattr(library, name))
    ctypes.memset(address + 8 * layout.EVERY_SIGNAL, 0xFF, 128)
    library.pthread_mutex_init(ctypes.c_void_p(address + 8 * layout.MUTEX), None)
    library.pthread_cond_init(ctypes.c_void_p(address + 8 * layout.CONDITION), None)
