"""Checkpoints: one safetensors file of arrays, with a JSON header, written whole or not at all.

The header's entry ``graphc`` holds JSON: ``format``, a digest of the arrays, and whatever else the
caller wants kept (epoch, history). A file is written beside its place and renamed, so its place
holds either the old one or the new; the one before stays as ``<name>.previous<suffix>``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
from safetensors.numpy import save as to_bytes

from graphc.errors import StateError

FORMAT = "graphc-checkpoint-1"
HEADER = "graphc"


def previous(path: str | os.PathLike[str]) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    place = Path(path)
    return place.with_name(f"{place.stem}.previous{place.suffix}")


def save(
    path: str | os.PathLike[str],
    arrays: Mapping[str, np.ndarray],
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write arrays, and what is known beside them, to a safetensors file.

    Args:
        arrays: by names; of any shape and dtype that safetensors has.
        header: what JSON can hold.

    Raises:
        StateError: an array of a dtype that such files do not have: complex numbers.
        OSError: the file can't be written (a full disk, no such folder); the one that was there
            is as it was.

    >>> import tempfile, numpy as np, graphc
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     graphc.training.save(f"{folder}/w.safetensors", {"w": np.ones(3)}, {"epoch": 2})
    ...     graphc.training.load(f"{folder}/w.safetensors")
    ({'w': array([1., 1., 1.])}, {'epoch': 2})
    """
    place = Path(path)
    unknown = [name for name, array in arrays.items() if np.asarray(array).dtype.kind not in "biuf"]
    if unknown:
        raise StateError(
            f"{unknown[0]} is {arrays[unknown[0]].dtype}, which a safetensors file can't hold",
            hint="Save its real and imaginary parts, as in x.view(np.float64).",
        )
    plain = {
        name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()
    }
    about = {"format": FORMAT, "digest": _digest(plain), "header": dict(header or {})}
    data = to_bytes(plain, metadata={HEADER: json.dumps(about)})
    descriptor, made = tempfile.mkstemp(prefix=f".{place.name}.", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if place.exists():
            _keep(place)
        os.replace(made, place)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(made)
        raise


def _keep(place: Path) -> None:
    """Let the file at `place` be the previous one, too, without a moment at which it is missing."""
    name = f".{place.name}.{os.getpid()}.kept"
    kept = place.with_name(name)
    try:
        os.link(place, kept)
    except OSError:  # a file system without hard links: the new file takes its place alone
        return
    os.replace(kept, previous(place))


def load(path: str | os.PathLike[str]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The arrays and the header of a file that `save` wrote.

    Raises:
        StateError: it is damaged, or no checkpoint; the message names the one before it, if kept.
        FileNotFoundError: there is none.
    """
    place = Path(path)
    if not place.exists():
        raise FileNotFoundError(f"there is no checkpoint {place}")
    try:
        with safetensors.safe_open(place, framework="numpy") as file:
            about = (file.metadata() or {}).get(HEADER)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (safetensors.SafetensorError, OSError, ValueError) as error:
        raise _damaged(place, str(error)) from None
    if about is None:
        raise StateError(
            f"{place} is a safetensors file, but no checkpoint of graphc's: it has no {HEADER!r} "
            "in its header",
            hint="Read weights of other programs with safetensors.numpy.load_file, and load them "
            "with model.load_state_dict.",
        )
    try:
        read = json.loads(about)
        known, digest, header = read["format"], read["digest"], read["header"]
    except (ValueError, KeyError, TypeError):
        raise _damaged(place, "its header can't be read") from None
    if known != FORMAT:
        raise StateError(f"{place} is of format {known!r}; this version reads {FORMAT!r}")
    if digest != _digest(arrays):
        raise _damaged(place, "its arrays are not those that were written")
    return arrays, header


def _damaged(place: Path, reason: str) -> StateError:
    before = previous(place)
    hint = f"The one before it is {before}." if before.exists() else "No older one is kept."
    return StateError(f"the checkpoint {place} is damaged: {reason}", hint=hint)


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    found = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        found.update(f"{name}:{array.dtype.str}:{arrays[name].shape};".encode())
        found.update(array.data.cast("B") if array.size else b"")
    return found.hexdigest()
