"""Learning rates as functions of how many steps have been taken; each gives such a function."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc.errors import DomainError

Schedule = Callable[[Any], Any]


def _positive(name: str, steps: int) -> None:
    if steps < 1:
        raise DomainError(f"{name}: a schedule takes at least 1 step, not {steps}")


def linear(start: float, end: float, steps: int) -> Schedule:
    """From `start` to `end` in `steps`, then `end`.

    >>> import graphc
    >>> float(graphc.optim.linear(1.0, 0.0, 10)(4))
    0.6
    """
    _positive("linear", steps)

    def rate(step: Any) -> Any:
        return start + (end - start) * np.minimum(step / steps, 1.0)

    return rate


def exponential(lr: float, factor: float, steps: int = 1) -> Schedule:
    """``lr * factor ** (step / steps)``.

    >>> import graphc
    >>> float(graphc.optim.exponential(1.0, 0.5, 10)(20))
    0.25
    """
    _positive("exponential", steps)

    def rate(step: Any) -> Any:
        return lr * factor ** (step / steps)

    return rate


def steps(lr: float, factor: float, every: int) -> Schedule:
    """`lr`, multiplied by `factor` after `every` steps, and again.

    >>> import graphc
    >>> float(graphc.optim.steps(1.0, 0.1, 10)(9)), float(graphc.optim.steps(1.0, 0.5, 10)(25))
    (1.0, 0.25)
    """
    _positive("steps", every)

    def rate(step: Any) -> Any:
        return lr * factor ** np.floor(step / every)

    return rate


def cosine(lr: float, steps: int, warmup: int = 0, final: float = 0.0) -> Schedule:
    """Up to `lr` in `warmup` steps, then down to `final` at `steps` along half a cosine.

    Loshchilov and Hutter, "SGDR", 2017, equation 5.

    >>> import graphc
    >>> rate = graphc.optim.cosine(1.0, 20, warmup=10)
    >>> [round(float(rate(step)), 3) for step in (0, 4, 10, 15, 20, 30)]
    [0.1, 0.5, 1.0, 0.5, 0.0, 0.0]
    """
    _positive("cosine", steps - warmup)

    def rate(step: Any) -> Any:
        part = np.minimum(np.maximum(step - warmup, 0) / (steps - warmup), 1.0)
        down = final + (lr - final) * 0.5 * (1 + np.cos(math.pi * part))
        return np.where(step < warmup, lr * (step + 1) / max(warmup, 1), down)

    return rate
