"""Fourier transforms and matrix functions beside NumPy's, on one thread.

``python -m bench.transforms`` prints them. NumPy's BLAS and LAPACK use the threads that they are
given: set OPENBLAS_NUM_THREADS=1 for one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import graphc

ROWS = ((256, 256), (64, 1024), (16, 4096), (1, 65536), (64, 1000), (4, 4099))
"""Rows and length of each transform."""

SIZES = (4, 32, 200)
SECONDS = 0.01
ROUNDS = 7


class Timing(NamedTuple):
    """Seconds of a call, compiled and by NumPy."""

    name: str
    compiled: float
    plain: float


def best(function: Callable[..., object], *arrays: np.ndarray) -> float:
    """Seconds of a call: the best of some rounds of many."""
    function(*arrays)
    started = time.perf_counter()
    function(*arrays)
    number = max(1, int(SECONDS / (time.perf_counter() - started)))
    found = np.inf
    for _ in range(ROUNDS):
        started = time.perf_counter()
        for _ in range(number):
            function(*arrays)
        found = min(found, time.perf_counter() - started)
    return found / number


def timed(name: str, function: Callable[..., object], *arrays: np.ndarray) -> Timing:
    """A function compiled for one thread, and as it is."""
    compiled = graphc.compile(function, threads=1)
    return Timing(name, best(compiled, *arrays), best(function, *arrays))


def transforms() -> list[Timing]:
    """Fourier transforms of several rows."""
    rng = np.random.default_rng(0)
    found = []
    for dtype in (np.float64, np.float32):
        for rows, length in ROWS:
            real = rng.normal(size=(rows, length)).astype(dtype)
            spectrum = np.fft.fft(real)
            name = f"{spectrum.dtype.name} {rows} x {length}"
            found.append(timed(f"fft {name}", lambda x: np.fft.fft(x), spectrum))
            found.append(timed(f"rfft {name}", lambda x: np.fft.rfft(x), real))
    return found


def matrices() -> list[Timing]:
    """Functions of square float64 matrices."""
    rng = np.random.default_rng(0)
    functions: dict[str, Callable[..., object]] = {
        "inv": lambda a: np.linalg.inv(a),
        "cholesky": lambda a: np.linalg.cholesky(a),
        "qr": lambda a: np.linalg.qr(a),
        "eigh": lambda a: np.linalg.eigh(a),
        "svd": lambda a: np.linalg.svd(a),
        "pinv": lambda a: np.linalg.pinv(a),
    }
    found = []
    for size in SIZES:
        a = rng.normal(size=(size, size))
        a = a @ a.T + size * np.eye(size)
        found += [timed(f"{name} {size}", function, a) for name, function in functions.items()]
    return found


def table(timings: list[Timing]) -> str:
    """The figures as lines of text."""
    lines = [f"{'microseconds':28}  graphc   NumPy  ratio"]
    for timing in timings:
        ratio = timing.compiled / timing.plain
        cells = f"{1e6 * timing.compiled:8.1f}{1e6 * timing.plain:8.1f}{ratio:7.2f}"
        lines.append(f"{timing.name:28}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([*transforms(), *matrices()]))
