"""Content-addressed entries on disk: what one process compiles, every later one loads.

    entry := magic, SHA-256 of kind, key and payload, payload   # <folder>/<kind>/<2 digits>/<key>

An entry's key says everything that its payload depends on, so an entry is never stale. It is
written to a file of its own and renamed into place, so it is whole or absent; its checksum is
looked at on every read, and a damaged one is made anew. Where the folder can't be written, the
work goes on without it, and a warning says so once.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from graphc import config
from graphc.errors import CacheError
from graphc.threads import held_while_forking, load_rooms

MAGIC = b"graphc cache 2\n"
LIMIT = 1 << 30
"""Bytes that the folder may hold: beyond them the entries that were used longest ago go."""

WAIT = 120.0
"""Seconds to wait for another process that makes the same entry, before making it here too."""

STALE = 3600.0
"""Seconds after which a half-written file, or a lock, belongs to nobody."""

_lock = threading.Lock()
held_while_forking(_lock)
_said: set[str] = set()
_trimmed: set[Path] = set()


def folder() -> Path:
    """``GRAPHC_CACHE_DIR``, or the platform's folder for what can be made anew."""
    chosen = config.cache_folder()
    if chosen:
        return Path(chosen)
    platformdirs: Any = load_rooms("platformdirs")
    return Path(platformdirs.user_cache_dir("graphc", appauthor=False))


def digest(*parts: str | bytes) -> str:
    """A key for `parts`: the SHA-256 of each part's length and bytes, in hexadecimal."""
    found = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        found.update(len(data).to_bytes(8, "little"))
        found.update(data)
    return found.hexdigest()


def path_of(kind: str, key: str) -> Path:
    """The file of an entry."""
    return folder() / kind / key[:2] / key


def get(kind: str, key: str) -> bytes | None:
    """The payload of an entry; None if there is none, or it is damaged."""
    path = path_of(kind, key)
    try:
        # A pipe in its place would be waited for.
        data = path.read_bytes() if path.is_file() else None
    except OSError:
        data = None
    if data is None:
        return None  # not there, or not to be read: then the write that follows says so
    payload = data[len(MAGIC) + 32 :]
    if data.startswith(_head(kind, key, payload)):
        return payload
    discard(kind, key)
    return None


def _head(kind: str, key: str, payload: bytes) -> bytes:
    """What an entry begins with: its checksum tells it from damaged ones, and from all others."""
    return MAGIC + bytes.fromhex(digest(kind, key, payload))


def put(kind: str, key: str, payload: bytes) -> bool:
    """Keep an entry; False, with one warning a process, if it can't be kept.

    It can be, too, where the folder is cleared in the midst of it: then the entry goes with it.
    """
    path = path_of(kind, key)
    part = path.with_name(f"{key}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(_head(kind, key, payload) + payload)
        with suppress(FileNotFoundError):
            part.replace(path)
    except OSError as error:
        remove(part)
        _say(
            f"compiled code can't be kept in the cache folder {folder()} ({error.strerror}): "
            "each process will compile it again. Set GRAPHC_CACHE_DIR to a folder that can be "
            "written",
        )
        return False
    _trim_once()
    return True


def discard(kind: str, key: str) -> None:
    """Remove an entry, if it is there."""
    remove(path_of(kind, key))


def load_locks() -> Any:
    """The module that locks files."""
    return load_rooms("filelock")


def building(kind: str, key: str) -> Callable[[], None]:
    """Wait until no other process builds this entry, and keep others from it until released.

    A process that dies gives its lock back; one that takes longer than `WAIT` is not waited for.

    Returns:
        what releases it, in any thread.
    """
    lock = _file_lock(path_of(kind, key))
    return release_nothing if lock is None else partial(_release, lock)


def _release(lock: Any) -> None:
    """Let others build, or see what was built; the file of the lock goes."""
    lock.release()
    remove(Path(lock.lock_file))


def release_nothing() -> None:
    """Release no lock."""


def _file_lock(path: Path) -> Any:
    """The acquired lock beside `path`; None where there can't be one."""
    filelock = load_locks()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(str(path) + ".lock", thread_local=False)
        lock.acquire(timeout=WAIT)
    except (OSError, NotImplementedError):
        return None
    except filelock.Timeout:
        return None
    return lock


# --- the folder as a whole ------------------------------------------------------------------------


def entries() -> list[tuple[Path, int, float]]:
    """(file, bytes, time of last use) of everything in the folder."""
    found = []
    for root, _, names in os.walk(folder()):
        for name in names:
            path = Path(root, name)
            try:
                status = path.stat()
            except OSError:
                continue
            found.append((path, status.st_size, max(status.st_mtime, status.st_atime)))
    return found


def info() -> dict[str, Any]:
    """The ``folder``, the number of ``entries`` and their ``bytes``.

    >>> sorted(info())
    ['bytes', 'entries', 'folder']
    """
    found = [item for item in entries() if item[0].suffix not in (".lock", ".part")]
    return {
        "folder": str(folder()),
        "entries": len(found),
        "bytes": sum(size for _, size, _ in found),
    }


def clear() -> int:
    """Remove all entries; returns how many there were.

    Raises:
        CacheError: an entry can't be removed.
    """
    count = 0
    for path, _, _ in entries():
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise CacheError(f"{path} can't be removed: {error.strerror}") from error
        count += path.suffix not in (".lock", ".part")
    return count


def _trim_once() -> None:
    """Once a process: remove what is stale, and beyond `LIMIT` what was used longest ago."""
    place = folder()
    with _lock:
        if place in _trimmed:
            return
        _trimmed.add(place)
    now = time.time()
    found = sorted(entries(), key=lambda item: item[2])
    total = sum(size for _, size, _ in found)
    for path, size, used in found:
        passing = path.suffix in (".lock", ".part")
        if now - used > STALE if passing else total > LIMIT:
            remove(path)
            total -= size


def remove(path: Path) -> None:
    """Remove a file if that can be done: one that stays is only in the way."""
    try:
        path.unlink(missing_ok=True)
    except OSError:
        return


def _say(message: str) -> None:
    """Warn, once a process."""
    with _lock:
        if _said:
            return
        _said.add(message)
    warnings.warn(f"graphc: {message}.", RuntimeWarning, stacklevel=2)
