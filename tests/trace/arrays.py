"""Arrays to try functions on: dtypes, empty and odd shapes, strides of every sort."""

from __future__ import annotations

import numpy as np

DTYPES = ["bool", "int32", "uint8", "int64", "float32", "float64", "complex128"]


def sample(shape: tuple[int, ...], dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Small numbers of `dtype`, the same each time; no two alike where they are floating."""
    random = np.random.default_rng(seed + sum(shape) + len(shape))
    kind = np.dtype(dtype).kind
    if kind == "b":
        return random.random(shape) < 0.6
    if kind in "iu":
        return random.integers(0 if kind == "u" else -4, 6, shape).astype(dtype)
    values = random.normal(size=shape) * 2
    if kind == "c":
        values = values + 1j * random.normal(size=shape)
    return np.asarray(values, dtype)


def strided() -> dict[str, np.ndarray]:
    """3 × 4 float64 arrays that lie in memory in different ways."""
    wide = sample((6, 8))
    return {
        "C": sample((3, 4)),
        "F": np.asfortranarray(sample((3, 4))),
        "steps": wide[::2, ::2],
        "negative": wide[5::-2, ::-2],
        "columns": wide[:3, 1:5],
        "transposed": sample((4, 3)).T,
    }


def shapes() -> list[tuple[int, ...]]:
    return [(), (1,), (5,), (0,), (3, 4), (1, 4), (3, 0), (2, 3, 4), (2, 1, 3)]
