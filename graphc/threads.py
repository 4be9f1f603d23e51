"""Work and locks beside what comes at any time: signals, forks, the interpreter's end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from importlib import import_module
from typing import Any, TypeVar

T = TypeVar("T")


def undisturbed(work: Callable[[threading.Event], T]) -> T:
    """What `work` gives, done where no signal's handler raises in the midst of it.

    Handlers run in the main thread, and an exception between any two steps leaves Numba and LLVM
    with memory that is freed twice. So another thread works, and the main thread waits; what a
    handler raises meanwhile is raised here.

    Args:
        work: takes an event: once that is set nobody waits for the result.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        return work(stop)
    job: Future[T] = Future()
    thread = threading.Thread(target=copy_context().run, args=(_fulfil, job, work, stop))
    try:
        thread.start()
    except RuntimeError:  # the interpreter ends, or the system has no more threads
        return work(stop)
    try:
        return job.result()
    finally:
        stop.set()


def _fulfil(job: Future[T], work: Callable[[threading.Event], T], stop: threading.Event) -> None:
    try:
        job.set_result(work(stop))
    except BaseException as error:
        job.set_exception(error)


def held_while_forking(lock: Any) -> None:
    """A fork waits for `lock`, so that the child does not inherit it from a thread it lacks."""
    held: list[bool] = []

    def hold() -> None:
        lock.acquire()
        held.append(True)

    def release() -> None:
        # A fork that began before this was registered has not held the lock.
        if held:
            held.pop()
            lock.release()

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=hold, after_in_parent=release, after_in_child=release)


def after_fork(action: Callable[[], None]) -> None:
    """In the child of a fork `action` runs first."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=action)


forks_wait = threading.RLock()
"""While a thread holds it no other one forks: the child could not end what is under way."""
held_while_forking(forks_wait)


def load_rooms(module: str) -> Any:
    """A module that is loaded on first need. A fork waits: its child could not load what another
    thread was loading."""
    with forks_wait:
        return import_module(module)
