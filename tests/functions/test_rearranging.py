"""roll, tile, repeat, pad and diff against NumPy."""

import numpy as np
import pytest

from graphc.errors import UnsupportedError
from tests.trace.arrays import DTYPES, sample, shapes
from tests.trace.harness import same, traced


def test_roll():
    for shape in shapes():
        same(
            lambda x: (np.roll(x, 1), np.roll(x, -2), np.roll(x, 0), np.roll(x, 11)), sample(shape)
        )
    x = sample((3, 4))
    same(lambda x: (np.roll(x, 1, axis=0), np.roll(x, 1, axis=-1)), x)
    same(lambda x: (np.roll(x, (1, 2), axis=(0, 1)), np.roll(x, 1, axis=(0, 1))), x)
    same(lambda x, k: np.roll(x, k, axis=1), x, np.int64(3))
    same(lambda x, k: np.roll(x, k), x, np.int64(-5))
    same(lambda x: np.roll(x, 1, axis=2), x)


def test_tile():
    for shape in shapes():
        same(lambda x: (np.tile(x, 2), np.tile(x, (2, 3)), np.tile(x, 0)), sample(shape))
    same(lambda x: np.tile(x, (1, 2, 1, 2)), sample((2, 3)))
    same(lambda x: np.tile(x, 3), 2.5)


def test_repeat():
    for shape in shapes():
        same(lambda x: (np.repeat(x, 2), np.repeat(x, 0), x.repeat(3)), sample(shape))
    x = sample((3, 4))
    same(lambda x: (np.repeat(x, 2, axis=0), np.repeat(x, 3, axis=-1)), x)
    same(lambda x: (np.repeat(x, [1, 0, 2], axis=0), np.repeat(x, [2], axis=1)), x)
    same(lambda x: np.repeat(x, -1), x)
    same(lambda x: np.repeat(x, 3), 2.5)
    with pytest.raises(UnsupportedError):
        traced(lambda x, n: np.repeat(x, n), x, np.array([1, 2, 3]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes(dtype):
    x = sample((3, 4), dtype)
    same(lambda x: (np.roll(x, 1), np.tile(x, 2), np.repeat(x, 2), np.pad(x, 1), np.diff(x)), x)


def test_diff():
    x = sample((3, 4))
    same(lambda x: (np.diff(x), np.diff(x, 2), np.diff(x, axis=0), np.diff(x, 0), np.diff(x, 5)), x)
    same(lambda x: np.diff(x), 2.5)
