"""Sorts, searches and running results beside NumPy: ``python -m bench.ordering``.

Prints the least of several timings of each, in microseconds, on one thread and on all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import graphc

REPEATS = 7
SECONDS = 0.1


def least_time(function: Callable[..., Any], *arguments: Any) -> float:
    """The least time of a call, in microseconds."""
    function(*arguments)
    start = time.perf_counter()
    function(*arguments)
    turns = max(1, int(SECONDS / (time.perf_counter() - start + 1e-9)))
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(turns):
            function(*arguments)
        best = min(best, (time.perf_counter() - start) / turns)
    return best * 1e6


def cases() -> dict[str, tuple[Callable[..., Any], tuple[Any, ...]]]:
    """What is timed, and on what."""
    rng = np.random.default_rng(0)
    found: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {}
    for dtype in ("float32", "float64", "int64"):
        for size in (1_000, 10_000, 100_000, 1_000_000):
            x = (rng.normal(size=size) * 1e6).astype(dtype)
            found[f"sort {dtype} {size}"] = np.sort, (x,)
            found[f"argsort {dtype} {size}"] = np.argsort, (x,)
    for shape in ((100_000, 10), (10_000, 100), (1_000, 1_000)):
        found[f"sort rows {shape}"] = np.sort, (rng.normal(size=shape),)
    x, square = rng.normal(size=1_000_000), rng.normal(size=(1_000, 1_000))
    found["cumsum 1e6"] = np.cumsum, (x,)
    found["cumsum (1e3, 1e3) axis 0"] = (lambda m: np.cumsum(m, 0)), (square,)
    found["cumsum (1e3, 1e3) axis 1"] = (lambda m: np.cumsum(m, 1)), (square,)
    found["maximum.accumulate 1e6"] = (lambda x: np.maximum.accumulate(x)), (x,)
    found["logaddexp.accumulate 1e5"] = (
        (lambda x: np.logaddexp.accumulate(x)),
        (x[:100_000].copy(),),
    )
    found["searchsorted 1e6 in 1e4"] = np.searchsorted, (np.sort(x[:10_000]), x)
    found["searchsorted 1e6 in 1e6"] = np.searchsorted, (np.sort(x), x)
    found["partition 1e6"] = (lambda x: np.partition(x, 500_000)), (x,)
    found["median 1e6"] = np.median, (x,)
    found["median (1e3, 1e3) axis 1"] = (lambda m: np.median(m, 1)), (square,)
    found["convolve 1e5 by 100"] = np.convolve, (x[:100_000].copy(), x[:100].copy())
    found["interp 1e6 in 1e3"] = np.interp, (x, np.sort(x[:1_000]), x[:1_000].copy())
    found["histogram 1e6 in 50"] = (lambda x: np.histogram(x, 50)[0]), (x,)
    return found


def main() -> None:
    """Print a table."""
    print(f"{'':32}{'NumPy':>12}{'one thread':>12}{'threads':>12}")
    for name, (function, arguments) in cases().items():
        one, many = graphc.compile(function, threads=1), graphc.compile(function)
        times = [least_time(timed, *arguments) for timed in (function, one, many)]
        print(f"{name:32}" + "".join(f"{time_:12.1f}" for time_ in times), flush=True)


if __name__ == "__main__":
    main()
