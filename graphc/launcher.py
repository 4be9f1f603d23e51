"""The pool of threads that runs the chunks of kernels: one a process, made on first use.

Its code is `graphc.codegen.pool`. After a fork the child's pool has no threads, and starts its own
when it needs them.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from graphc import config
from graphc.codegen import pool_layout as layout
from graphc.objects import Native, addresses

SPINS = 2000
"""Turns that a worker waits for the next job before it sleeps: some 30 µs."""

_lock = threading.Lock()


def thread_count(asked: int | None = None) -> int:
    """How many threads a step uses: `asked`, else ``GRAPHC_THREADS``, else one a core."""
    affinity: Callable[[int], Any] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return min(asked or config.threads() or cores, layout.MOST_THREADS)


@cache
def run_address() -> int:
    """The launcher: ``int32 run(pool, kernel, table, sizes, chunks, finish, threads)``."""
    return _native("run" if _has_threads() else "run_alone", "run")


@cache
def poll_address() -> int:
    """What a native loop calls to look for signals: ``int32 poll(address of the exception)``."""
    return _native("poll", "worker", "graphc.codegen.poll")


_fetched = (ctypes.c_void_p * 3)()


def fetched_address() -> int:
    """Where `graphc.codegen.poll` puts an exception: one place, for only one thread has signals."""
    return ctypes.addressof(_fetched)


def raise_fetched() -> None:
    """Raise the exception that a signal's handler raised in a native loop."""
    restore = ctypes.pythonapi.PyErr_Restore
    restore.restype, restore.argtypes = None, [ctypes.c_void_p] * 3
    restore(*_fetched)  # restored as the current exception, it is raised here


def pool_address() -> int:
    """The pool of this process."""
    with _lock:
        return _pool()


def _has_threads() -> bool:
    return os.name == "posix"


def _native(name: str, kind: str, module: str = "graphc.codegen.pool") -> int:
    def namespace() -> dict[str, Any]:
        return vars(import_module(module))

    # The text of these functions is in the key already, with all of the generator.
    (address,) = addresses([Native(name, kind, name)], namespace)
    return address


@cache
def _pool() -> int:
    words = (ctypes.c_int64 * (layout.WORDS + 8))()
    # Threads may still sleep on it when the interpreter ends: it is never given back.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(words))
    address = ctypes.addressof(words)
    address += -address % 64
    if _has_threads():
        _reset(address)
        os.register_at_fork(after_in_child=lambda: _reset(address))
    return address


def _reset(address: int) -> None:
    """Make the pool empty: no threads, no job."""
    ctypes.memset(address, 0, 8 * layout.WORDS)
    words = (ctypes.c_int64 * layout.WORDS).from_address(address)
    words[layout.SPIN] = SPINS
    words[layout.MASK_SIGNALS] = int(signal.SIG_SETMASK)
    words[layout.WORKER_CODE] = _native("worker", "worker")
    library = ctypes.CDLL(None)
    library.pthread_mutex_init(ctypes.c_void_p(address + 8 * layout.MUTEX), None)
    library.pthread_cond_init(ctypes.c_void_p(address + 8 * layout.CONDITION), None)
