"""The options of `graphc.compile`, checked when the decorator runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphc.errors import BackendError


@dataclass(frozen=True, slots=True)
class Options:
    """How a function is compiled; see `graphc.compile` for the meaning of each.

    Raises:
        ValueError: a value that an option does not have.
        BackendError: one that this machine or this version can't serve.
    """

    target: str = "cpu"
    donate: tuple[str, ...] = ()
    threads: int | None = None
    precision: str = "strict"
    optimize: str = "default"
    memory_limit: int | None = None
    debug: str | None = None
    verify: bool = False
    cache: bool = True

    def __post_init__(self) -> None:
        _one_of("target", self.target, ("cpu", "cuda"))
        _one_of("precision", self.precision, ("strict", "fast"))
        _one_of("optimize", self.optimize, ("fast", "default", "full"))
        _one_of("debug", self.debug, (None, "nan"))
        if self.target == "cuda":
            raise BackendError(
                'target="cuda" is not built yet: this version emits CPU kernels only',
                hint='Use target="cpu".',
            )
        if self.threads is not None and (type(self.threads) is not int or self.threads < 1):
            raise ValueError(f"threads={self.threads!r} is no positive int")
        limit = self.memory_limit
        if limit is not None and (type(limit) is not int or limit < 1):
            raise ValueError(f"memory_limit={limit!r} is no positive int: give bytes")


def _one_of(name: str, value: Any, allowed: Sequence[Any]) -> None:
    if value not in allowed:
        listed = ", ".join(repr(item) for item in allowed)
        raise ValueError(f"{name}={value!r} is none of {listed}")
