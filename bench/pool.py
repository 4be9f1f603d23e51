"""``python -m bench.pool``: what it costs to hand eight empty chunks to two threads.

graphc's own pool beside a parallel loop of Numba on each threading layer that is installed, each in
a process of its own; the cost of the call from Python, measured on one thread, is taken off. After
a pause means: each launch after a millisecond without any, so that workers sleep.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from graphc import objects
from graphc.runtime import pool

CHUNKS = 8
KERNEL = """
def kernel(table, sizes, lo, hi):
    return 0
"""


def _kernel() -> dict[str, Any]:
    namespace: dict[str, Any] = {}
    exec(KERNEL, namespace)
    return namespace


def graphc_launch(threads: int) -> Callable[[], Any]:
    """A launch by `graphc.runtime.pool`."""
    (kernel,) = objects.addresses([objects.Native("kernel", "kernel", KERNEL)], _kernel)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 7)(pool.run_address())
    arguments = (pool.pool_address(), kernel, 0, 0, CHUNKS, 0, threads)
    return lambda: run(*arguments)


def numba_launch(threads: int) -> Callable[[], Any]:
    """A parallel loop of Numba's, on the layer that the environment names."""
    if os.environ["NUMBA_THREADING_LAYER"] == "tbb":
        _load_tbb()
    numba: Any = importlib.import_module("numba")

    def loop(out):  # type: ignore[no-untyped-def]
        for k in numba.prange(CHUNKS):
            out[k] = k

    out = np.zeros(CHUNKS)
    compiled = numba.njit(parallel=threads > 1)(loop)
    compiled(out)
    return lambda: compiled(out)


def _load_tbb() -> None:
    """Load the library of the ``tbb`` package, which lies where the linker does not look."""
    path = os.path.join(sys.prefix, "lib", "libtbb.so.12")
    if os.path.exists(path):
        ctypes.CDLL(path, mode=ctypes.RTLD_GLOBAL)


def microseconds(launch: Callable[[], Any], pause: float = 0.0, seconds: float = 1.0) -> float:
    """The median time of a launch."""
    times = []
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        if pause:
            time.sleep(pause)
        start = time.perf_counter()
        launch()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e6


def measure(name: str) -> None:
    """Print one row."""
    make = graphc_launch if name == "graphc" else numba_launch
    alone, both = make(1), make(2)
    both()
    hot = microseconds(both) - microseconds(alone)
    cold = microseconds(both, 0.001) - microseconds(alone, 0.001)
    print(f"| {name} | {hot:.2f} | {cold:.2f} |")


def main() -> None:
    """Print the table."""
    print("| launcher | µs a launch, one after the other | after a pause |")
    print("|---|---|---|", flush=True)
    for name in ("graphc", "tbb", "omp", "workqueue"):
        environment = os.environ | {"NUMBA_THREADING_LAYER": name, "NUMBA_NUM_THREADS": "2"}
        command = [sys.executable, "-m", "bench.pool", name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        print(done.stdout.strip() if done.returncode == 0 else f"| {name} | not there | |")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1])
    else:
        main()
