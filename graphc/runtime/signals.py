"""Signals while a native loop runs: what it calls to look for them, and what it brings back.

Its code is `graphc.codegen.words.poll`.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from graphc.codegen.words import poll
from graphc.objects import c_address, words_functions


@cache
def poll_address() -> int:
    """What a native loop calls to look for signals, with `signals_address`."""
    (address,) = words_functions("poll", ["poll"])
    return address


@cache
def _signals() -> Any:
    words = (ctypes.c_int64 * poll.WORDS)()
    for place, name in poll.FUNCTIONS.items():
        words[place] = c_address(getattr(ctypes.pythonapi, name))
    return words


def signals_address() -> int:
    """The words of `graphc.codegen.words.poll`: one place, for only one thread runs handlers."""
    return ctypes.addressof(_signals())


def raise_fetched() -> None:
    """Raise the exception that a signal's handler raised in a native loop."""
    restore = ctypes.pythonapi.PyErr_Restore
    restore.restype, restore.argtypes = None, [ctypes.c_void_p] * 3
    restore(*_signals()[:3])  # restored as the current exception, it is raised here
