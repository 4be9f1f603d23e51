"""``python -m bench.tails``: loops of any trip count beside aligned ones.

Prints a table in Markdown: nanoseconds an element of generated loops in the first-level cache, the
best of many runs on one thread. Long rows begin at multiples of 64 bytes; short ones lie one after
another. The sizes are arguments of the kernel, not constants in it.
"""

from __future__ import annotations

import ctypes
import sys
import time

import numba
import numpy as np

from graphc.codegen.intrinsics import imports as vocabulary
from graphc.objects import Native, addresses

LONG = (1024, 1000, 1001, 1017, 1023, 1025)
SHORT = (64, 7, 10, 17, 31, 63, 100)
ELEMENTS = 4096
"""Of a run: two arrays of float64 are 64 KiB."""
PASSES = 20

MAP = """
    for _ in range(passes):
        for j in range(rows):
            for i in range(n):
                out[j * stride + i] = {body}
"""
MAP_IN_PARTS = """
    for _ in range(passes):
        for j in range(rows):
            for part in range(2):
                for i in range(part_start(part, 0, n, {dtype}), part_stop(part, 0, n, {dtype})):
                    out[j * stride + i] = {body}
"""
SUM = """
    for _ in range(passes):
        for j in range(rows):
            total = {dtype}(0.0)
            for i in range(n):
                total = {body}
            out[j] = total
"""
SUM_IN_PARTS = """
    for _ in range(passes):
        for j in range(rows):
            total = {dtype}(0.0)
            for part in range(2):
                for i in range(part_start(part, 0, n, {dtype}), part_stop(part, 0, n, {dtype})):
                    total = {body}
            out[j] = total
"""
LOOPS = {
    "exp(x)": MAP_IN_PARTS.replace("{body}", "vector_exp(x[j * stride + i])"),
    "x * y + 1": MAP.replace("{body}", "x[j * stride + i] * y[j * stride + i] + {dtype}(1.0)"),
    "sum(x)": SUM.replace("{body}", "add_reassociated(total, x[j * stride + i])"),
    "max(x)": SUM.replace("{body}", "maximum(total, x[j * stride + i])"),
    "sum(tanh(x))": SUM_IN_PARTS.replace(
        "{body}", "add_reassociated(total, vector_tanh(x[j * stride + i]))"
    ),
}
HEAD = """
def kernel(table, sizes, lo, hi):
    rows = sizes[0]
    n = sizes[1]
    stride = sizes[2]
    passes = sizes[3]
    out = buffer(table, 0, 3, {dtype})
    x = buffer(table, 1, 3, {dtype})
    y = buffer(table, 2, 3, {dtype})
"""


def source(loop: str, dtype: str, n: int | None = None) -> str:
    """The generated source of a loop of `LOOPS`, for any trip count or for one."""
    head = HEAD if n is None else HEAD.replace("n = sizes[1]", f"n = {n}")
    return (head + LOOPS[loop] + "    return 0\n").format(dtype=dtype)


def namespace(text: str) -> dict[str, object]:
    """The names in a generated module."""
    made = {"float32": numba.float32, "float64": numba.float64, **vars(vocabulary)}
    exec(text, made)
    return made


class Loop:
    """A compiled loop of `LOOPS`, and the arrays that it runs over."""

    def __init__(self, loop: str, dtype: str, n: int | None = None) -> None:
        text = source(loop, dtype, n)
        (address,) = addresses([Native("kernel", "kernel", text)], lambda: namespace(text))
        pointer, integer = ctypes.c_void_p, ctypes.c_int64
        self._native = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, integer, integer)(address)
        random = np.random.default_rng(0)
        # The generous end lets every array begin at a multiple of 64 bytes.
        self._arrays = []
        for _ in range(3):
            whole = random.uniform(0.1, 2.0, 2 * ELEMENTS).astype(dtype)
            start = -whole.ctypes.data % 64 // whole.itemsize
            self._arrays.append(whole[start:])
        self._table = (pointer * 3)(*(array.ctypes.data for array in self._arrays))
        self._align = 64 // self._arrays[0].itemsize

    def prepare(self, n: int, packed: bool) -> None:
        """Choose the trip count."""
        stride = n if packed else -(-n // self._align) * self._align
        self._elements = ELEMENTS // stride * n
        self._sizes = (ctypes.c_int64 * 4)(ELEMENTS // stride, n, stride, PASSES)
        self._at = (ctypes.addressof(self._table), ctypes.addressof(self._sizes))

    def time(self) -> float:
        """Nanoseconds an element."""
        run, (table, sizes) = self._native, self._at
        start = time.perf_counter()
        run(table, sizes, 0, 1)
        return (time.perf_counter() - start) / PASSES / self._elements * 1e9


def best(loop: Loop, counts: tuple[int, ...], packed: bool, seconds: float) -> list[float]:
    """Nanoseconds an element for each trip count, measured in turns."""
    fastest = [float("inf")] * len(counts)
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        for place, n in enumerate(counts):
            loop.prepare(n, packed)
            loop.time()
            fastest[place] = min(fastest[place], loop.time())
    return fastest


def main(seconds: float = 0.3) -> None:
    """Print both tables."""
    for counts, packed in ((LONG, False), (SHORT, True)):
        print("| loop | " + " | ".join(map(str, counts)) + " |")
        print("|---" * (len(counts) + 1) + "|")
        for name in LOOPS:
            for dtype in ("float32", "float64"):
                times = best(Loop(name, dtype), counts, packed, seconds)
                cells = " | ".join(f"{value:.3f}" for value in times)
                print(f"| {name} {dtype} | {cells} |", flush=True)
        print()


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
