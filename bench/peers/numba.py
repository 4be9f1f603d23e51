"""Numba: loops written by hand over elements, rows shared among threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numba
import numpy as np

from bench.peers import Step
from bench.workloads import TURNS

VERSIONS = ("numba",)


@numba.njit(parallel=True, cache=True)
def _stencil(a: Any, b: Any, turns: int) -> None:
    rows, columns = a.shape
    for _ in range(turns):
        for i in numba.prange(1, rows - 1):
            for j in range(1, columns - 1):
                b[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
        for i in numba.prange(1, rows - 1):
            for j in range(1, columns - 1):
                a[i, j] = 0.25 * (b[i - 1, j] + b[i + 1, j] + b[i, j - 1] + b[i, j + 1])


def build(kind: str, inputs: Mapping[str, np.ndarray]) -> Step:
    """The step of a workload: the stencil alone, for the others need gradients."""
    if kind != "stencil":
        raise NotImplementedError(f"{kind} is not written by hand for Numba")
    a, b = inputs["a"].copy(), inputs["b"].copy()
    return Step(lambda: _stencil(a, b, TURNS), lambda _: {"a": a, "b": b})
