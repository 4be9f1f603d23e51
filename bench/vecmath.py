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

from graphc.codegen import target
from graphc.codegen.cpu import llvm_text
from graphc.codegen.intrinsics import imports as vocabulary
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
    "erfc": special.erfc,
    "erfinv": special.erfinv,
    "gamma": special.gamma,
    "gammaln": special.gammaln,
    "digamma": special.digamma,
    "trigamma": lambda x, out=None: special.polygamma(1, x),
}
"""The reference of each function of `graphc.codegen.vecmath`; SciPy's from expit on."""

NUMPY_OF_TWO: dict[str, Any] = {"power": np.power, "arctan2": np.arctan2, "hypot": np.hypot}
"""The same for functions of two numbers."""
C_NAMES = {"power": "c_pow", "arctan2": "c_atan2", "hypot": "c_hypot"}
C_NAMES |= {name: f"c_{name.replace('arc', 'a')}" for name in NUMPY}

SOURCE = """
def kernel(table, sizes, lo, hi):
    n = sizes[0]
    out = buffer(table, 0, 2, {dtype})
    x = buffer(table, 1, 2, {dtype})
    for i in range(n):
        out[i] = {call}(x[i])
    return 0
"""
SOURCE_OF_TWO = """
def kernel(table, sizes, lo, hi):
    n = sizes[0]
    out = buffer(table, 0, 3, {dtype})
    x = buffer(table, 1, 3, {dtype})
    y = buffer(table, 2, 3, {dtype})
    for i in range(n):
        out[i] = {call}(x[i], y[i])
    return 0
"""


def _namespace(text: str) -> dict[str, Any]:
    namespace = {"float32": numba.float32, "float64": numba.float64, **vars(vocabulary)}
    exec(text, namespace)
    return namespace


def assembly(call: str, dtype: str) -> str:
    """The machine code of the kernel ``out = call(x)``."""
    text = SOURCE.format(call=call, dtype=dtype)
    return target.assembly(llvm_text(_namespace(text)["kernel"], call), call)


def compiled(call: str, dtype: str, count: int = 1) -> Callable[..., None]:
    """``f(x, out)`` for contiguous arrays: a kernel that calls the vocabulary's `call`.

    With a `count` of 2, ``f(x, y, out)``.
    """
    pointer = ctypes.c_void_p
    integer = ctypes.c_int64
    text = (SOURCE if count == 1 else SOURCE_OF_TWO).format(call=call, dtype=dtype)
    (address,) = addresses([Native("kernel", "kernel", text)], lambda: _namespace(text))
    native = ctypes.CFUNCTYPE(ctypes.c_int32, pointer, pointer, integer, integer)(address)

    def function(*arrays: np.ndarray) -> None:
        *operands, out = arrays
        table = (pointer * (count + 1))(out.ctypes.data, *(x.ctypes.data for x in operands))
        sizes = (integer * 1)(out.size)
        native(ctypes.addressof(table), ctypes.addressof(sizes), 0, 1)

    return function


def best(run: Callable[..., object], *operands: np.ndarray, seconds: float = 0.1) -> float:
    """Nanoseconds an element of ``run(*operands, out)``."""
    out = np.empty_like(operands[0])
    fastest, stop = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < stop:
        start = time.perf_counter()
        run(*operands, out)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / out.size * 1e9


def row(name: str, dtype: str) -> list[str]:
    """The cells of a function in one type."""
    count = 2 if name in NUMPY_OF_TWO else 1
    contestants = [compiled(f"vector_{name}", dtype, count), (NUMPY | NUMPY_OF_TWO)[name]]
    high = 1 if name in ("arcsin", "arccos", "arctanh", "erfinv") else 8
    random = np.random.default_rng(0)
    data = [[random.uniform(0.1, high, size).astype(dtype) for _ in range(count)] for size in SIZES]
    times = [best(run, *operands) for operands in data for run in contestants]
    if hasattr(vocabulary, C_NAMES[name]):
        times.append(best(compiled(C_NAMES[name], dtype, count), *data[0]))
    cells = [f"{value:.2f}" for value in times]
    return [f"{name} {dtype}", *cells, *[""] * (2 * len(SIZES) + 1 - len(cells))]


def main() -> None:
    """Print the table."""
    contestants = ("graphc", "NumPy or SciPy")
    head = [f"{who}, {size // 1024} K" for size in SIZES for who in contestants]
    print("| function | " + " | ".join([*head, f"C library, {SIZES[0] // 1024} K"]) + " |")
    print("|---" * (len(head) + 2) + "|")
    for name in (*NUMPY, *NUMPY_OF_TWO):
        for dtype in ("float32", "float64"):
            print(f"| {' | '.join(row(name, dtype))} |", flush=True)


if __name__ == "__main__":
    main()
