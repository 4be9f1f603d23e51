"""What this machine can do at most: arithmetic and bytes a second, measured once a process.

S. Williams, A. Waterman and D. Patterson, "Roofline: an insightful visual performance model for
multicore architectures", 2009: a kernel takes at least its arithmetic over the one, and its bytes
over the other, which depends on how far away they lie.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache

import numpy as np

from graphc.build import build
from graphc.ir import close, fresh_input
from graphc.ops import add, matmul
from graphc.options import Options
from graphc.runtime.executable import Executable
from graphc.runtime.timed import TimedStep
from graphc.types import DTYPES, TensorType

SETS = tuple(1 << k for k in (20, 22, 24, 26))
"""Bytes of the array that is read and written, from the cache of a core to memory."""

SIDES = (256, 512, 1024)
"""Rows of the matrices whose products measure the arithmetic."""

SECONDS = 0.05
"""For each figure."""


@dataclass(frozen=True, slots=True)
class Roofline:
    """Attributes: `flops` of float32 a second, and (bytes gone through, bytes a second) by size."""

    flops: float
    bandwidth: tuple[tuple[int, float], ...]

    def seconds(self, flops: int, nbytes: int, itemsize: int = 4) -> float:
        """The least time of a kernel."""
        sizes = np.log2([size for size, _ in self.bandwidth])
        rates = [rate for _, rate in self.bandwidth]
        rate = float(np.interp(np.log2(max(nbytes, 1)), sizes, rates))
        return max(flops * max(itemsize / 4, 1) / self.flops, nbytes / rate)


@cache
def roofline(threads: int | None = None) -> Roofline:
    """This machine's, for so many threads."""
    options = Options(threads=threads)
    flops, rates = 0.0, []
    for side in SIDES:
        a, b = (fresh_input(TensorType(DTYPES["float32"], (side, side))) for _ in range(2))
        product = build(close([a, b], [matmul(a, b)]), options=options)
        ones = np.ones((side, side), np.float32)
        flops = max(flops, 2 * side**3 / _best(product, [ones, ones]))
    for size in SETS:
        x = fresh_input(TensorType(DTYPES["float32"], (size // 4,)))
        doubled = build(close([x], [add(x, x)], written=[0]), options=options)
        rates.append((size, 2 * size / _best(doubled, [np.zeros(size // 4, np.float32)])))
    return Roofline(flops, tuple(rates))


def _best(executable: Executable, arrays: list[np.ndarray]) -> float:
    """Seconds of the quickest run of its one kernel."""
    step = TimedStep(executable)
    executable.run(arrays, step=step)  # touches the memory, starts the threads
    best, end = float("inf"), time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        executable.run(arrays, step=step)
        best = min(best, sum(step.seconds))
    return best
