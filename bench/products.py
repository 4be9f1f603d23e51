"""``python -m bench.products``: generated matrix products beside NumPy's BLAS and PyTorch's.

One thread each, alternately in one process, the best of many: GFLOP/s of (m, k) times (k, n) into
a new array. ``tn`` means that A is a transposed view, ``nt`` that B is, and a first number apart a
batch. Each operand fits the caches or not as its size says.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads it

import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

import graphc

SHAPES = (
    ((64, 784, 128), "nn"),
    ((64, 128, 64), "nn"),
    ((64, 64, 10), "nn"),
    ((784, 64, 128), "tn"),
    ((64, 64, 128), "nt"),
    ((1024, 784, 128), "nn"),
    ((784, 1024, 128), "tn"),
    ((65, 33, 17), "nn"),
    ((100, 100, 100), "nn"),
    ((32, 32, 32, 32), "nn"),
    ((256, 256, 256), "nn"),
    ((512, 512, 512), "nn"),
    ((1000, 1000, 1000), "nn"),
    ((1024, 1024, 1024), "nn"),
)


@graphc.compile(threads=1)
def product(a, b):
    """One product: its form is made anew for each shape."""
    return a @ b


def _matrix(random: np.random.Generator, shape: tuple[int, ...], flag: str, dtype: str) -> Any:
    if flag == "n":
        return random.standard_normal(shape).astype(dtype)
    turned = random.standard_normal((*shape[:-2], shape[-1], shape[-2])).astype(dtype)
    return np.swapaxes(turned, -1, -2)


def best(candidates: dict[str, Callable[[], Any]], seconds: float) -> dict[str, float]:
    """The best time of each, called in turn."""
    times = dict.fromkeys(candidates, float("inf"))
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        for name, call in candidates.items():
            started = time.perf_counter()
            call()
            times[name] = min(times[name], time.perf_counter() - started)
    return times


def main() -> None:
    """Print the tables."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    torch: Any = import_module("torch") if find_spec("torch") else None
    if torch is not None:
        torch.set_num_threads(1)
    for dtype in ("float32", "float64"):
        names = ["graphc", "NumPy", *(["PyTorch"] if torch is not None else [])]
        print(f"\n| {dtype} GFLOP/s | {' | '.join(names)} |")
        print("|---|" + "---|" * len(names), flush=True)
        for shape, layout in SHAPES:
            random = np.random.default_rng(0)
            *batch, m, k, n = shape
            a = _matrix(random, (*batch, m, k), layout[0], dtype)
            b = _matrix(random, (*batch, k, n), layout[1], dtype)
            product.clear_cache()
            product(a, b)
            candidates: dict[str, Callable[[], Any]] = {
                "graphc": lambda a=a, b=b: product(a, b),  # type: ignore[misc]
                "NumPy": lambda a=a, b=b: a @ b,  # type: ignore[misc]
            }
            if torch is not None:
                x, y = torch.from_numpy(a), torch.from_numpy(b)
                candidates["PyTorch"] = lambda x=x, y=y: x @ y  # type: ignore[misc]
            times = best(candidates, seconds)
            flops = 2 * float(np.prod(shape))
            cells = [f"{flops / times[name] / 1e9:.0f}" for name in names]
            print(f"| {' × '.join(map(str, shape))} {layout} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
