"""``python -m bench.vecmath``: generated elementary functions beside NumPy's and the C library's.

Prints a table in Markdown: nanoseconds an element, the best of many runs on one thread, for
65,536 and 1,048,576 elements; the kernels are what graphc emits for ``out = f(x)``.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from scipy import special

from graphc.codegen import target, vocabulary
from graphc.codegen.cpu import llvm_text
from graphc.objects import Native, addresses

SIZES = (65_536, 1_048_576)
NUMPY: dict[str, Any] = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "arcsin": np.arcsin,
    "arccos": np.arccos,
    "arctan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "cbrt": np.cbrt,
    "expit": special.expit,
    "erf": special.erf,
}
"""The reference of each function of `graphc.codegen.vecmath`; SciPy's for the last two."""

SOURCE = """
def kernel(table, sizes, lo, hi):
    n = sizes[0]
    out = buffer(table, 0, 2, {dtype})
    x = buffer(table, 1, 2, {dtype})
    for i in range(n):
        out[i] = {call}(x[i])
    return 0
"""


def _namespace(text: str) -> dict[str, Any]:
    namespace = {"float32": numba.float32, "float64": numba.float64, **vars(vocabulary)}
    exec(text, namespace)
    return namespace


def assembly(call: str, dtype: str) -> str:
    """The machine code of the kernel ``out = call(x)``."""
    text = SOURCE.format(call=call, dtype=dtype)
    return target.assembly(llvm_text(_namespace(text)["kernel"], "kernel", call), call)


def compiled(call: str, dtype: str) -> Callable[[np.ndarray, np.ndarray], None]:
    """``f(x, out)`` for contiguous arrays: a kernel that calls the vocabulary's `call`."""
    pointer = ctypes.c_void_p
    integer = ctypes.c_int64
    text = SOURCE.format(call=call, dtype=dtype)
    (address,) = addresses([Native("kernel", "kernel", text)], lambda: _namespace(text))
    native = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, integer, integer)(address)

    def function(x: np.ndarray, out: np.ndarray) -> None:
        table = (pointer * 2)(out.ctypes.data, x.ctypes.data)
        sizes = (integer * 1)(x.size)
        native(ctypes.addressof(table), ctypes.addressof(sizes), 0, 1)

    return function


def best(run: Callable[..., object], x: np.ndarray, seconds: float = 0.1) -> float:
    """Nanoseconds an element of ``run(x, out)``."""
    out = np.empty_like(x)
    fastest, stop = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        run(x, out)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / x.size * 1e9


def row(name: str, dtype: str) -> list[str]:
    """The cells of a function in one type."""
    contestants = [compiled(f"vector_{name}", dtype), NUMPY[name]]
    high = 1 if name in ("arcsin", "arccos", "arctanh") else 8
    data = [np.random.default_rng(0).uniform(0.1, high, size).astype(dtype) for size in SIZES]
    times = [best(run, x) for x in data for run in contestants]
    if hasattr(vocabulary, f"c_{name}"):
        times.append(best(compiled(f"c_{name}", dtype), data[0]))
    cells = [f"{value:.2f}" for value in times]
    return [f"{name} {dtype}", *cells, *[""] * (2 * len(SIZES) + 1 - len(cells))]


def main() -> None:
    """Print the table."""
    contestants = ("graphc", "NumPy or SciPy")
    head = [f"{who}, {size // 1024} K" for size in SIZES for who in contestants]
    print("| function | " + " | ".join([*head, f"C library, {SIZES[0] // 1024} K"]) + " |")
    print("|---" * (len(head) + 2) + "|")
    for name in NUMPY:
        for dtype in ("float32", "float64"):
            print(f"| {' | '.join(row(name, dtype))} |", flush=True)


if __name__ == "__main__":
    main()
