"""The machine: what it is, and how fast it is at best. Measured once, then read from a file.

- peak arithmetic: fused multiply-adds on registers (`bench.peak`), times the threads;
- bandwidth by working set: arrays scaled in place by one thread a core, bytes read and written;
- the floor of a call: one NumPy operation on 0-d arrays, a result written in place.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numba
import numpy as np

from bench import peak
from bench.workloads import Workload

VECTOR = ("avx2", "fma", "avx512f", "avx512bw", "avx512_bf16", "amx_tile", "asimd", "sve")
SETS = tuple(2**k for k in range(16, 29, 2))
"""Working sets in bytes: 64 KB to 256 MB."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What figures are compared with.

    Attributes:
        cpu: model name.
        cores: that this process may use.
        threads: that were measured with.
        vectors: vector instruction sets.
        flops: float32 operations a second, at peak.
        bandwidth: (working set in bytes, bytes a second), by size.
        call: seconds of the cheapest NumPy call.
    """

    cpu: str
    cores: int
    threads: int
    vectors: tuple[str, ...]
    flops: float
    bandwidth: tuple[tuple[int, float], ...]
    call: float

    def bytes_per_second(self, working_set: int) -> float:
        """Bandwidth for a working set, between the measured ones."""
        sizes = np.log2([size for size, _ in self.bandwidth])
        return float(np.interp(np.log2(working_set), sizes, [rate for _, rate in self.bandwidth]))

    def bound(self, workload: Workload, small: bool = False) -> float:
        """Seconds below which no way of computing the workload can go on this machine."""
        sizes = workload.sizes(small)
        least = workload.least(*sizes)
        arithmetic = workload.flops(*sizes) / self.flops
        return max(arithmetic, least / self.bytes_per_second(least), self.call)

    def label(self) -> str:
        """A short name for files."""
        words = "".join(c if c.isalnum() else " " for c in self.cpu.lower()).split()
        return "-".join([*words[:4], f"{self.cores}core"])


def describe() -> tuple[str, int, tuple[str, ...]]:
    """CPU model, cores that this process may use, vector instruction sets."""
    model, flags = platform.processor() or platform.machine(), set()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() in ("model name", "Model"):
            model = value.strip()
        elif key.strip() in ("flags", "Features"):
            flags = set(value.split())
    return model, len(os.sched_getaffinity(0)), tuple(name for name in VECTOR if name in flags)


def measure(threads: int, fresh: bool = False) -> Machine:
    """This machine; from the file of an earlier measurement unless `fresh`."""
    cpu, cores, vectors = describe()
    key = hashlib.sha256(f"2 {cpu} {cores} {threads} {vectors}".encode()).hexdigest()[:12]
    file = Path(tempfile.gettempdir()) / f"graphc-bench-machine-{key}.json"
    if file.exists() and not fresh:
        kept = json.loads(file.read_text())
        kept["vectors"] = tuple(kept["vectors"])
        kept["bandwidth"] = tuple(map(tuple, kept["bandwidth"]))
        return Machine(**kept)
    found = Machine(
        cpu,
        cores,
        threads,
        vectors,
        threads * max(peak.flops(width) for width in (4, 8, 16)),
        tuple((size, _bandwidth(size, threads)) for size in SETS),
        _call(),
    )
    file.write_text(json.dumps(asdict(found), indent=1))
    return found


def _best(action: Callable[[], object], seconds: float) -> float:
    """Seconds of the quickest run of `action`, which is repeated for `seconds`."""
    best, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        started = time.perf_counter()
        action()
        best = min(best, time.perf_counter() - started)
    return float(best)


@numba.njit(nogil=True)
def _scale(array, factor, repeats):
    for _ in range(repeats):
        for k in range(array.size):
            array[k] *= factor


def _bandwidth(size: int, threads: int) -> float:
    parts = [np.ones(size // 4 // threads, np.float32) for _ in range(threads)]
    repeats = max(1, 2**26 // size)
    _scale(parts[0], np.float32(1), 1)

    def run() -> None:
        workers = [
            threading.Thread(target=_scale, args=(part, np.float32(1), repeats)) for part in parts
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return 2 * size * repeats / _best(run, 0.7)


def _call() -> float:
    x = np.array(1, np.float32)

    def run() -> None:
        for _ in range(1000):
            np.multiply(x, x, x)

    return _best(run, 0.3) / 1000
