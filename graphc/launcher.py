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
from graphc.codegen import poll
from graphc.codegen import pool_layout as layout
from graphc.objects import Native, addresses

SPINS = 2000
"""Turns that a worker waits for the next job before it sleeps: some 30 µs."""

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
    return _native("run", "pool")


@cache
def poll_address() -> int:
    """What a native loop calls to look for signals, with `signals_address`."""
    return _native("poll", "poll")


@cache
def _signals() -> Any:
    words = (ctypes.c_int64 * poll.WORDS)()
    for place, name in poll.FUNCTIONS.items():
        words[place] = _address(getattr(ctypes.pythonapi, name))
    return words


def signals_address() -> int:
    """The words of `graphc.codegen.poll`: one place, for only one thread runs handlers."""
    return ctypes.addressof(_signals())


def raise_fetched() -> None:
    """Raise the exception that a signal's handler raised in a native loop."""
    restore = ctypes.pythonapi.PyErr_Restore
    restore.restype, restore.argtypes = None, [ctypes.c_void_p] * 3
    restore(*_signals()[:3])  # restored as the current exception, it is raised here


def pool_address() -> int:
    """The pool of this process."""
    with _lock:
        return _pool()


def _has_threads() -> bool:
    return os.name == "posix"


def _address(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _native(name: str, module: str) -> int:
    def namespace() -> dict[str, Any]:
        return vars(import_module(f"graphc.codegen.{module}"))

    # The text of these functions is in the key already, with all of the generator.
    (address,) = addresses([Native(name, "words", f"{module}.{name}", level=2)], namespace)
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
    words[layout.SET_MASK] = int(signal.SIG_SETMASK)
    words[layout.WORKER_CODE] = _native("worker", "pool")
    library = ctypes.CDLL(None)
    for place, name in layout.FUNCTIONS.items():
        words[place] = _address(getattr(library, name))
    ctypes.memset(address + 8 * layout.EVERY_SIGNAL, 0xFF, 128)
    library.pthread_mutex_init(ctypes.c_void_p(address + 8 * layout.MUTEX), None)
    library.pthread_cond_init(ctypes.c_void_p(address + 8 * layout.CONDITION), None)
