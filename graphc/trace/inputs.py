"""A graph's inputs: where a call finds them, and what the native caller checks of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.ir import Value
from graphc.trace.views import Storage

_DENSE, _FORTRAN, _WRITEABLE = 0x101, 0x2, 0x400
"""NumPy's flags: C-contiguous and aligned; Fortran-contiguous; writeable."""


@dataclass(slots=True, eq=False)
class Input:
    """An input of the graph: where a call finds it, and what it must be.

    `kind` is ``array``, ``scalar`` (NumPy) or ``number`` (Python). `layout` is ``C``,
    ``F``, ``strided`` or ``packed``. `storage` is an array's memory, which writes rebind.
    """

    source: str
    kind: str
    value: Value
    layout: str
    storage: Storage | None
    original: Any
    used: bool = True


@dataclass(frozen=True, slots=True)
class Passed:
    """What the native caller checks of an argument: `source` names it in the call code.

    Attributes:
        kind: ``array``, ``scalar`` (NumPy's, or a Python number), ``size`` (a Python int).
        mask, flags: the bits of an array's flags that are looked at, and what they must be.
        axes: each axis's size, or the name of a symbolic one.
        strided: whether the strides decide, too, which plan a call needs.
    """

    source: str
    kind: str
    type: type
    dtype: np.dtype | None = None
    mask: int = 0
    flags: int = 0
    axes: tuple[int | str, ...] = ()
    strided: bool = False


def all_passed(
    kept: Sequence[Input], inputs: Sequence[Input], symbols: Mapping[tuple[str, int | None], str]
) -> list[Passed]:
    """What the native caller is given: the inputs in `kept`, then all else that it guards."""
    others = [item for item in inputs if not any(item is one for one in kept)]
    sizes = [(source, name) for (source, axis), name in symbols.items() if axis is None]
    return [
        *(_passed(item, symbols) for item in [*kept, *others]),
        *(Passed(source, "size", int, axes=(name,)) for source, name in sizes),
    ]


def _passed(item: Input, symbols: Mapping[tuple[str, int | None], str]) -> Passed:
    if item.kind == "block":
        flat = item.original[0].flat
        return Passed(
            item.source, "array", np.ndarray, flat.dtype, _DENSE, _DENSE, tuple(flat.shape)
        )
    if item.kind != "array":
        kind = item.original.dtype.type if item.kind == "scalar" else item.original.item()
        return Passed(item.source, "scalar", kind if item.kind == "scalar" else type(kind))
    array = item.original
    axes = tuple(symbols.get((item.source, axis), size) for axis, size in enumerate(array.shape))
    mask = _DENSE | _WRITEABLE | (_FORTRAN if item.layout == "F" else 0)
    flags = array.flags.num & mask
    strided = item.layout == "strided"
    return Passed(item.source, "array", type(array), array.dtype, mask, flags, axes, strided)
