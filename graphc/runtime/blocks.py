"""Memory of large results and of arenas, recycled: one store a process, made on first use.

Its code is `graphc.codegen.words.blocks`, which says what bounds it. A result of `POOLED` bytes or
more lies in a block of the store, which comes back when the last view of the array is gone: through
NumPy's memory handlers, so that the array owns its memory as any other array does.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from graphc.codegen.words import blocks_layout as layout
from graphc.objects import c_address, words_functions
from graphc.threads import load_rooms

_SHARE = 8
"""Idle blocks hold at most one part in so many of the machine's memory."""

_HANDLER = ("reserve", "reserve_clear", "resize", "give_back")
"""NumPy's ``malloc``, ``calloc``, ``realloc`` and ``free``."""


class _Handler(ctypes.Structure):
    """NumPy's ``PyDataMem_Handler``, version 1."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        ("store", ctypes.c_void_p),
        ("reserve", ctypes.c_void_p),
        ("reserve_clear", ctypes.c_void_p),
        ("resize", ctypes.c_void_p),
        ("give_back", ctypes.c_void_p),
    )


def _memory_limit() -> int:
    """Bytes that idle blocks may hold."""
    configuration: Callable[[str], int] | None = getattr(os, "sysconf", None)
    if configuration is None:
        return 1 << 30
    return configuration("SC_PHYS_PAGES") * configuration("SC_PAGE_SIZE") // _SHARE


def _advise() -> int:
    """The address of ``madvise``; 0 where large pages are not asked for in this way."""
    if sys.platform != "linux":
        return 0
    return c_address(ctypes.CDLL(None).madvise)


@cache
def _functions() -> dict[str, int]:
    """The addresses of the store's functions, by name."""
    names = (*_HANDLER, "trim_all")
    found = words_functions("blocks", names)
    # Arrays may be let go while the interpreter shuts down: the code stays loaded.
    target: Any = load_rooms("graphc.codegen.target")
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(target.loader()))
    return dict(zip(names, found, strict=True))


@cache
def store() -> int:
    """The address of this process's store."""
    words = (ctypes.c_int64 * layout.WORDS)()
    words[layout.LIMIT] = _memory_limit()
    words[layout.ALLOCATE] = c_address(ctypes.pythonapi.PyMem_RawMalloc)
    words[layout.RELEASE] = c_address(ctypes.pythonapi.PyMem_RawFree)
    words[layout.ADVISE] = _advise()
    return _for_ever(words)


@cache
def handler() -> Any:
    """The store as NumPy's memory handler: a capsule."""
    found = _functions()
    made = _Handler(b"graphc", 1, store(), *(found[name] for name in _HANDLER))
    create = ctypes.pythonapi.PyCapsule_New
    create.restype = ctypes.py_object
    create.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    capsule = create(_for_ever(made), b"mem_handler", None)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(capsule))
    return capsule


def _for_ever(memory: Any) -> int:
    """The address of `memory`, kept to the process's end: arrays may outlive this module."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(memory))
    return ctypes.addressof(memory)


@contextmanager
def scratch(size: int) -> Iterator[int]:
    """The address of `size` bytes at a multiple of 64, for as long as the context lasts.

    >>> with scratch(100) as address:
    ...     ctypes.memset(address, 0, 100) == address, address % 64
    (True, 0)
    """
    found = _functions()
    block = ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(found["reserve"])(
        store(), size
    )
    if not block:
        raise MemoryError(f"no {size} bytes of scratch memory")
    try:
        yield block
    finally:
        words = (ctypes.c_int64,) * 4
        ctypes.PYFUNCTYPE(*words)(found["give_back"])(store(), block, size)


def idle_bytes() -> int:
    """Bytes of blocks that nothing uses.

    >>> idle_bytes() >= 0
    True
    """
    return ctypes.c_int64.from_address(store() + 8 * layout.IDLE).value


def held_bytes() -> int:
    """Bytes of all blocks: of arrays that live, of calls that run, and idle ones.

    >>> held_bytes() >= idle_bytes()
    True
    """
    return ctypes.c_int64.from_address(store() + 8 * layout.HELD).value


def trim() -> None:
    """Give all idle blocks back to the system.

    >>> trim(); idle_bytes()
    0
    """
    if idle_bytes():
        ctypes.PYFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(_functions()["trim_all"])(store())
