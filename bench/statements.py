"""How long functions of many array statements take to trace and compile.

    python -m bench.statements [count ...]

A function is random statements on arrays of 50 x 40: elementwise ones alone, or mixed with sums,
slices, products and joins. Compiled in this process without the disk cache, after a first function
has loaded Numba; the results are compared with NumPy's.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import graphc

SHAPE = (50, 40)
RECENT = 12


def program(count: int, kind: str, seed: int = 1) -> Callable[..., Any]:
    """A function of `count` statements."""
    rng = random.Random(seed)
    lines = ["def program(v0, v1, v2, v3):"]
    for number in range(4, count + 4):
        a, b = (f"v{rng.randrange(max(0, number - RECENT), number)}" for _ in range(2))
        factor = f"{rng.random():.3f}"
        simple = [
            f"{a} + {b} * {factor}",
            f"{a} - {b}",
            f"0.5 * ({a} + {b})",
            f"{a} * {factor}",
            f"np.maximum({a}, {b})",
            f"np.where({a} > {b}, {a}, -{b})",
            f"np.tanh({a} * {b})",
            f"np.sqrt(np.abs({a})) - {b}",
        ]
        other = [
            f"{a} - {b}.mean(axis=0)",
            f"np.tanh({a} @ {b}.T @ {b})",
            f"{a}[::-1] + {b}",
            f"np.where({a} > 0, {a}, {b}).sum(axis=1, keepdims=True) * 0.01 + {b}",
            f"np.concatenate([{a}[1:], {b}[:1]])",
        ]
        mixed = kind == "mixed" and rng.random() < 0.2
        lines.append(f"    v{number} = {rng.choice(other if mixed else simple)}")
        if number % 10 == 0:
            lines.append(f"    v{number} = np.tanh(v{number})")
    last = " + ".join(f"v{number}" for number in range(count - 2, count + 4))
    lines.append(f"    return {last}")
    namespace: dict[str, Any] = {"np": np}
    exec(compile("\n".join(lines), f"<{count} statements>", "exec"), namespace)
    found: Callable[..., Any] = namespace["program"]
    return found


def main() -> None:
    """Print a line a function."""
    counts = [int(argument) for argument in sys.argv[1:]] or [200, 2000]
    arrays = [np.random.default_rng(seed).normal(size=SHAPE) for seed in range(4)]
    graphc.compile(lambda x: x + 1, cache=False)(arrays[0])
    for count in counts:
        for kind in ("elementwise", "mixed"):
            function = program(count, kind)
            compiled = graphc.compile(function, cache=False)
            started = time.perf_counter()
            result = compiled(*arrays)
            seconds = time.perf_counter() - started
            report = compiled.explain(*arrays)
            np.testing.assert_allclose(result, function(*arrays), rtol=1e-6, atol=1e-6)
            stages = ", ".join(f"{k} {v:.2f}" for k, v in report.seconds.items() if v >= 0.005)
            print(f"{count} {kind}: {seconds:.2f} s, {len(report.kernels)} kernels ({stages})")


if __name__ == "__main__":
    main()
