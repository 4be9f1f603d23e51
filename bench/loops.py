"""Loops beside their peers: ``python -m bench.loops [stencil] [elman] [matscan]``.

- ``stencil``: 1000 sweeps of a five-point stencil from one 1000x1000 float64 array to another and
  back, written in place; beside the same loop by hand in Numba, with ``parallel=True``.
- ``elman``: 64 Elman cells, batch 16, hidden 128, float32; loss, and the gradient by the weights.
- ``matscan``: 10 000 products of 3x3 float64 matrices; the result, and the gradient.

The last two beside `jax.lax.scan` and a Python loop in PyTorch. Each figure is the best of rounds
that take turns; a peer that is not installed is left out.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

import graphc

ROUNDS = 20
Runs = dict[str, Callable[[], Any]]


def sweep(source: Any, target: Any) -> None:
    """Each inner element of `target` is the mean of its four neighbours in `source`."""
    target[1:-1, 1:-1] = 0.25 * (
        source[:-2, 1:-1] + source[2:, 1:-1] + source[1:-1, :-2] + source[1:-1, 2:]
    )


@graphc.compile
def stencil(a: Any, b: Any) -> None:
    """500 times from `a` to `b` and back, in place."""

    def turn(carry: Any, _: Any) -> Any:
        sweep(a, b)
        sweep(b, a)
        return carry, None

    graphc.scan(turn, (), length=500)


def _stencil_runs() -> Runs:
    numba: Any = import_module("numba")

    @numba.njit(parallel=True)  # type: ignore[untyped-decorator]
    def by_hand(a: Any, b: Any, turns: int) -> None:
        for _ in range(turns):
            for i in numba.prange(1, a.shape[0] - 1):
                for j in range(1, a.shape[1] - 1):
                    b[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + a[i, j - 1] + a[i, j + 1])
            for i in numba.prange(1, a.shape[0] - 1):
                for j in range(1, a.shape[1] - 1):
                    a[i, j] = 0.25 * (b[i - 1, j] + b[i + 1, j] + b[i, j - 1] + b[i, j + 1])

    a = np.random.default_rng(0).random((1000, 1000))
    b = a.copy()
    return {"graphc": lambda: stencil(a, b), "numba": lambda: by_hand(a, b, 500)}


def _cells(xp: Any, scan: Any) -> Any:
    def loss(wx: Any, wh: Any, b: Any, h: Any, xs: Any) -> Any:
        last, _ = scan(lambda h, x: (xp.tanh(x @ wx + h @ wh + b), None), h, xs)
        return (last * last).sum()

    return loss


def _products(xp: Any, scan: Any) -> Any:
    def loss(a: Any, start: Any) -> Any:
        last, _ = scan(lambda m, _: (a @ m, None), start, None, length=10_000)
        return (last * last).sum()

    return loss


def _elman_inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = ((128, 128), (128, 128), (128,), (16, 128), (64, 16, 128))
    return [(rng.standard_normal(shape) / 12).astype(np.float32) for shape in shapes]


def _matscan_inputs() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [np.eye(3) + 0.001 * rng.standard_normal((3, 3)), np.eye(3)]


def _differentiated(make: Any, inputs: list[np.ndarray], wanted: int) -> Runs:
    runs: Runs = {}
    argnums = tuple(range(wanted))
    loss = make(np, graphc.scan)
    step = graphc.compile(graphc.value_and_grad(loss, argnums=argnums))
    runs["graphc"] = lambda: step(*inputs)
    try:
        jax: Any = import_module("jax")
    except ImportError:
        return runs
    jax.config.update("jax_enable_x64", True)
    compiled = jax.jit(jax.value_and_grad(make(jax.numpy, jax.lax.scan), argnums=argnums))
    arrays = [jax.numpy.asarray(array) for array in inputs]
    runs["jax"] = lambda: jax.block_until_ready(compiled(*arrays))
    return runs


def _with_torch(runs: Runs, make: Callable[[Any], Callable[[], Any]]) -> Runs:
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return runs
    torch.set_num_threads(2)
    return runs | {"torch": make(torch)}


def _torch_cells(torch: Any) -> Callable[[], Any]:
    wx, wh, b, h0, xs = (torch.tensor(array) for array in _elman_inputs())
    weights = [w.requires_grad_() for w in (wx, wh, b)]

    def step() -> Any:
        h = h0
        for x in xs:
            h = torch.tanh(x @ wx + h @ wh + b)
        return torch.autograd.grad((h * h).sum(), weights)

    return step


def _torch_products(torch: Any) -> Callable[[], Any]:
    a, start = (torch.tensor(array) for array in _matscan_inputs())
    a.requires_grad_()

    def step() -> Any:
        m = start
        for _ in range(10_000):
            m = a @ m
        return torch.autograd.grad((m * m).sum(), [a])

    return step


WORKLOADS: dict[str, Callable[[], Runs]] = {
    "stencil": _stencil_runs,
    "elman": lambda: _with_torch(_differentiated(_cells, _elman_inputs(), 3), _torch_cells),
    "matscan": lambda: _with_torch(
        _differentiated(_products, _matscan_inputs(), 1), _torch_products
    ),
}


def best_of(runs: Runs, rounds: int = ROUNDS) -> dict[str, tuple[float, float]]:
    """Seconds of each peer's first call, and of its best later one."""
    first: dict[str, float] = {}
    best: dict[str, float] = {}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            spent = time.perf_counter() - started
            if turn == 0:
                first[name] = spent
            else:
                best[name] = min(spent, best.get(name, spent))
    return {name: (first[name], best[name]) for name in runs}


def main(names: list[str]) -> None:
    """Print a line for each peer of each workload."""
    for name in names or list(WORKLOADS):
        runs = WORKLOADS[name]()
        measured = best_of(runs, 5 if name == "stencil" else ROUNDS)
        own = measured["graphc"][1]
        for peer, (first, best) in measured.items():
            ratio = f"{best / own:6.2f} x graphc"
            print(f"{name:<8} {peer:<7} first {first:7.3f} s   then {best * 1e3:9.3f} ms  {ratio}")


if __name__ == "__main__":
    main(sys.argv[1:])
