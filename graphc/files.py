"""Files that are written whole, or stay as they were."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Any]:
    """A binary file that takes the place of `path` once all is written.

    What a link points to is replaced; what is no regular file, such as a pipe, is written to.

    Raises:
        FileNotFoundError: there is no such folder.
        OSError: the file can't be written; the one that was there is as it was.

    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with whole_file(f"{folder}/x.bin") as file:
    ...         _ = file.write(b"all of it")
    ...     pathlib.Path(f"{folder}/x.bin").read_bytes()
    b'all of it'
    """
    place = Path(path).resolve()
    if not place.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(place.parent))
    if place.exists() and not place.is_file():
        with open(place, "wb") as file:
            yield file
        return
    part = place.with_name(f".{place.name}.{secrets.token_hex(8)}.part")
    try:
        with open(part, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
