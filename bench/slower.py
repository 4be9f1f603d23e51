"""``python -m bench.slower [word...]``: single NumPy calls beside graphc's, to find what is slower.

Prints a table in Markdown: microseconds of a call, the best of many, one thread, alternately in one
process, from sizes that fit the first cache to 4 MB. Words choose the calls whose names hold one.
"""

from __future__ import annotations

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy loads it

import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import graphc

COUNTS = {"16 K": 1 << 12, "256 K": 1 << 16, "4 M": 1 << 20}
"""Elements of float32; where elements are twice as long there are half as many, and so on."""


def _vector(dtype: str, count: int) -> np.ndarray:
    random = np.random.default_rng(0)
    length = count * 4 // np.dtype(dtype).itemsize
    if dtype == "bool":
        return np.zeros(length, bool)
    if np.dtype(dtype).kind in "iu":
        return random.integers(0, 100, length).astype(dtype)
    values = random.standard_normal(length)
    if np.dtype(dtype).kind == "c":
        values = values + 1j * random.standard_normal(length)
    return values.astype(dtype)


def _square(dtype: str, count: int) -> np.ndarray:
    flat = _vector(dtype, count)
    side = int(len(flat) ** 0.5)
    return np.ascontiguousarray(flat[: side * side].reshape(side, side))


def _early(count: int) -> np.ndarray:
    hit = _vector("bool", count)
    hit[100] = True
    return hit


def _late(count: int) -> np.ndarray:
    return _vector("bool", count)


def _arrays(make: Callable[[str, int], np.ndarray], *dtypes: str) -> Callable[[int], Any]:
    return lambda count: tuple(make(dtype, count) for dtype in dtypes)


CALLS: dict[str, tuple[Callable[..., Any], Callable[[int], Any]]] = {}
for _dtype in ("float32", "float64", "int32"):
    CALLS[f"argmax {_dtype}"] = (lambda x: x.argmax(), _arrays(_vector, _dtype))
    CALLS[f"argmin axis -1 {_dtype}"] = (lambda x: x.argmin(axis=-1), _arrays(_square, _dtype))
    CALLS[f"argmax axis 0 {_dtype}"] = (lambda x: x.argmax(axis=0), _arrays(_square, _dtype))
for _dtype in ("complex64", "complex128"):
    CALLS[f"abs {_dtype}"] = (lambda x: np.abs(x), _arrays(_vector, _dtype))
for _dtype in ("float32", "float64"):
    CALLS[f"sum {_dtype}"] = (lambda x: x.sum(), _arrays(_vector, _dtype))
    CALLS[f"max {_dtype}"] = (lambda x: x.max(), _arrays(_vector, _dtype))
    CALLS[f"sum axis 0 {_dtype}"] = (lambda x: x.sum(axis=0), _arrays(_square, _dtype))
    CALLS[f"sum axis 1 {_dtype}"] = (lambda x: x.sum(axis=1), _arrays(_square, _dtype))
    CALLS[f"sum axis 0, F order, {_dtype}"] = (
        lambda x: x.sum(axis=0),
        lambda count, d=_dtype: (np.asfortranarray(_square(d, count)),),
    )
    CALLS[f"sum axis 1, F order, {_dtype}"] = (
        lambda x: x.sum(axis=1),
        lambda count, d=_dtype: (np.asfortranarray(_square(d, count)),),
    )
    CALLS[f"max axis 0 of x.T, {_dtype}"] = (lambda x: x.T.max(axis=0), _arrays(_square, _dtype))
    CALLS[f"sum of x.T, {_dtype}"] = (lambda x: x.T.sum(), _arrays(_square, _dtype))
    CALLS[f"exp, F order, {_dtype}"] = (
        lambda x: np.exp(x),
        lambda count, d=_dtype: (np.asfortranarray(_square(d, count)),),
    )
    CALLS[f"matrix times vector {_dtype}"] = (lambda x: x @ x[0], _arrays(_square, _dtype))
    CALLS[f"vector times matrix {_dtype}"] = (lambda x: x[0] @ x, _arrays(_square, _dtype))
    CALLS[f"concatenate axis -1 {_dtype}"] = (
        lambda x, y: np.concatenate([x, y], axis=-1),
        _arrays(_square, _dtype, _dtype),
    )
    CALLS[f"concatenate axis 0 {_dtype}"] = (
        lambda x, y: np.concatenate([x, y], axis=0),
        _arrays(_square, _dtype, _dtype),
    )
    CALLS[f"stack axis -1 {_dtype}"] = (
        lambda x, y: np.stack([x, y], axis=-1),
        _arrays(_square, _dtype, _dtype),
    )
    CALLS[f"tile by 2 {_dtype}"] = (lambda x: np.tile(x, 2), _arrays(_square, _dtype))
    CALLS[f"tile by (3, 1) {_dtype}"] = (lambda x: np.tile(x, (3, 1)), _arrays(_square, _dtype))
    CALLS[f"repeat by 2 {_dtype}"] = (lambda x: np.repeat(x, 2), _arrays(_square, _dtype))
    CALLS[f"roll {_dtype}"] = (lambda x: np.roll(x, 3, axis=-1), _arrays(_square, _dtype))
    CALLS[f"pad by 1 {_dtype}"] = (lambda x: np.pad(x, 1), _arrays(_square, _dtype))
    CALLS[f"flip {_dtype}"] = (lambda x: x[:, ::-1] + 0, _arrays(_square, _dtype))
    CALLS[f"copy of x.T, {_dtype}"] = (lambda x: x.T.copy(), _arrays(_square, _dtype))
CALLS["any, early"] = (lambda x: x.any(), lambda count: (_early(count),))
CALLS["any, none"] = (lambda x: x.any(), lambda count: (_late(count),))
CALLS["all, early"] = (lambda x: x.all(), lambda count: (~_early(count),))
CALLS["all, all"] = (lambda x: x.all(), lambda count: (~_late(count),))
CALLS["(x > 2).any(), early, float32"] = (
    lambda x: (x > 2).any(),
    _arrays(_vector, "float32"),
)
CALLS["count_nonzero float32"] = (lambda x: np.count_nonzero(x), _arrays(_vector, "float32"))
CALLS["where float32"] = (lambda x, y: np.where(x > 0, x, y), _arrays(_vector, *["float32"] * 2))
CALLS["100 x 100 x 100 float32"] = (
    lambda a, b: a @ b,
    lambda count: tuple(_vector("float32", 10_000).reshape(100, 100) for _ in range(2)),
)
CALLS["2000 x 2000 times vector float32"] = (
    lambda a, v: a @ v,
    lambda count: (_vector("float32", 4_000_000).reshape(2000, 2000), _vector("float32", 2000)),
)
CALLS["2000 x 2000 times vector float64"] = (
    lambda a, v: a @ v,
    lambda count: (_vector("float64", 8_000_000).reshape(2000, 2000), _vector("float64", 4000)),
)


def best(candidates: list[Callable[[], Any]], seconds: float) -> list[float]:
    """Microseconds of each, called in turn, as many times as take some 20 µs."""
    counts = []
    for call in candidates:
        start = time.perf_counter()
        call()
        call()
        each = (time.perf_counter() - start) / 2
        counts.append(max(1, int(2e-5 / max(each, 1e-7))))
    times = [float("inf")] * len(candidates)
    stop = time.perf_counter() + seconds
    while time.perf_counter() < stop:
        for place, (call, count) in enumerate(zip(candidates, counts, strict=True)):
            start = time.perf_counter()
            for _ in range(count):
                call()
            times[place] = min(times[place], (time.perf_counter() - start) / count * 1e6)
    return times


def main(*words: str, seconds: float = 0.15) -> None:
    """Print the table."""
    print("| call | " + " | ".join(f"{size}: NumPy, graphc, ratio" for size in COUNTS) + " |")
    print("|---" * (len(COUNTS) + 1) + "|")
    for name, (function, make) in CALLS.items():
        if words and not any(word in name for word in words):
            continue
        cells = []
        for count in COUNTS.values():
            args = make(count)
            compiled = graphc.compile(threads=1)(function).lower(*args).compile()
            np.testing.assert_allclose(compiled(*args), function(*args), rtol=1e-3, atol=1e-3)
            numpy, ours = best([partial(function, *args), partial(compiled, *args)], seconds)
            cells.append(f"{numpy:.2f} {ours:.2f} {numpy / ours:.2f}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
