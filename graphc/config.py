"""Settings read from the environment, at each use, so that a test or a notebook can change them."""

from __future__ import annotations

import os


def debug_level() -> int:
    """``GRAPHC_DEBUG``: 0 nothing, 1 internal frames in tracebacks, 2 also each pass's IR."""
    text = os.environ.get("GRAPHC_DEBUG", "0")
    return int(text) if text.isdigit() else 0


def disabled() -> bool:
    """``GRAPHC_DISABLE=1``: decorated functions run as plain NumPy."""
    return os.environ.get("GRAPHC_DISABLE", "") not in ("", "0")


def cache_folder() -> str:
    """``GRAPHC_CACHE_DIR``: where compiled code is kept; "" for the platform's cache folder."""
    return os.environ.get("GRAPHC_CACHE_DIR", "")


def threads() -> int:
    """``GRAPHC_THREADS``: how many threads a step uses; 0 where it is not set.

    Raises:
        ValueError: it is no positive number.
    """
    text = os.environ.get("GRAPHC_THREADS", "")
    if text and not (text.isdigit() and int(text) > 0):
        raise ValueError(f"GRAPHC_THREADS={text!r} is no positive number of threads")
    return int(text or 0)
