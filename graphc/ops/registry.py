"""The registry of ops: a name stands for one record, in printed graphs and in files."""

from __future__ import annotations

from graphc.ir import Op

OPS: dict[str, Op] = {}


def register(op: Op) -> Op:
    """Add `op` to the registry and return it.

    Raises:
        ValueError: the name is taken, or is no identifier (kernels are named after ops).
    """
    check_name(op.name)
    OPS[op.name] = op
    return op


def check_name(name: str) -> None:
    """Raise ValueError if no new op can be called `name`."""
    if not name.isidentifier():
        raise ValueError(f"{name!r} is no identifier: it can't name an op")
    if name in OPS:
        raise ValueError(f"an op named {name!r} is registered already")
