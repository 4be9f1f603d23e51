"""The attributes of a module for the arrays of a file, whose names are the file's own."""

from __future__ import annotations

from collections.abc import Container


def attribute(name: str, own: Container[str]) -> str:
    """The attribute for the array `name`: with a ``_`` more where the module has one of `own`.

    No two names have the same: those that end in ``_`` gain one, too.

    >>> [attribute(name, {"train"}) for name in ("w", "w_", "train", "train_")]
    ['w', 'w_', 'train_', 'train__']
    """
    return f"{name}_" if (name.rstrip("_") or name) in own else name
