"""``python -m bench.memory``: scratch memory of gradients, kept and recomputed.

For a chain of layers and for a scan: what the plan needs without a limit, and under limits that
make it recompute, in units of one activation (or carry), with the kernels of one call.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

import graphc
from graphc.errors import MemoryLimitError

LAYERS, ROWS, WIDTH = 24, 512, 32
STEPS, CARRY = 10_000, 64
SHARES = (1.0, 0.75, 0.5, 0.4, 1 / 3, 0.1, 0.05)


def chain(weights: list[np.ndarray], x: np.ndarray) -> Any:
    """``tanh(x @ w)`` for each w, and the gradient of the sum of squares."""

    def loss(weights: list[np.ndarray]) -> Any:
        y = x
        for w in weights:
            y = np.tanh(y @ w)
        return (y * y).sum()

    return graphc.value_and_grad(loss)(weights)


def loop(x: np.ndarray) -> Any:
    """A scan of `STEPS` steps, and its gradient."""

    def body(c: Any, _: Any) -> Any:
        return np.sin(c) + 0.01 * c, None

    return graphc.value_and_grad(lambda x: graphc.scan(body, x, length=STEPS)[0].sum())(x)


def least(function: Callable[..., Any], args: tuple[Any, ...]) -> int:
    """The smallest limit that can be kept."""
    try:
        graphc.compile(function, memory_limit=1).lower(*args)
    except MemoryLimitError as error:
        found = re.search(r"memory_limit=(\d+),", error.hint)
        assert found is not None
        return int(found[1])
    raise AssertionError("one byte is enough")


def main() -> None:
    """Print the tables."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(WIDTH, WIDTH)) / 6 for _ in range(LAYERS)]
    x = rng.normal(size=(ROWS, WIDTH))
    carry = np.linspace(0.5, 1.0, CARRY)
    cases: list[tuple[str, Callable[..., Any], tuple[Any, ...], int]] = [
        (f"{LAYERS} layers tanh(x @ w), x {ROWS} x {WIDTH} float64", chain, (weights, x), x.nbytes),
        (f"a scan of {STEPS} steps of {CARRY} float64", loop, (carry,), carry.nbytes),
    ]
    for name, function, args, unit in cases:
        whole = graphc.compile(function).explain(*args).arena_bytes
        smallest = least(function, args)
        print(name)
        limits = sorted({max(smallest, int(whole * share)) for share in SHARES}, reverse=True)
        for limit in limits:
            found = graphc.compile(function, memory_limit=limit).explain(*args)
            seconds = sum(found.seconds.values())
            print(
                f"  limit {limit / unit:8.1f}: {found.arena_bytes / unit:8.1f} units, "
                f"{len(found.kernels)} kernels, {seconds:.2f} s to compile"
            )


if __name__ == "__main__":
    main()
