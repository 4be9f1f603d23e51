"""Joining and splitting against NumPy."""

import numpy as np
import pytest

import graphc
from graphc.errors import ShapeError
from tests.trace.arrays import DTYPES, sample, strided
from tests.trace.harness import same, traced


def test_concatenate():
    a, b = sample((3, 4)), sample((2, 4), seed=1)
    same(lambda a, b: (np.concatenate([a, b]), np.concatenate((a, b, a), axis=0)), a, b)
    same(lambda a, b: (np.concatenate([a.T, b.T], axis=1), np.concatenate([a, b], axis=None)), a, b)
    same(lambda a, b: (np.concatenate([a, b[:0]]), np.concatenate([a]), np.concatenate(a)), a, b)
    same(lambda a, b: np.concatenate([a, [[1, 2, 3, 4]]], axis=-2), a, b)
    same(lambda a, b: np.concatenate([a, b], dtype=np.float32), a, b)
    same(lambda a, b: np.concatenate([a, b], out=np.zeros((5, 4))), a, b)
    same(lambda a, b: np.append(a, b) + np.append(a, b, axis=0).ravel(), a, b)
    same(lambda x: np.concatenate([[x], [1, 2]]), 2.5)


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_dtypes(first, second):
    a, b = sample((2, 3), first), sample((2, 3), second)
    same(lambda a, b: (np.concatenate([a, b]), np.stack([a, b], 1)), a, b)


def test_stack():
    a, b = sample((3, 4)), sample((3, 4), seed=1)
    same(lambda a, b: [np.stack([a, b], axis) for axis in (-3, -1, 0, 1, 2)], a, b)
    same(lambda a, b: (np.hstack([a, b]), np.vstack([a, b]), np.dstack([a, b])), a, b)
    same(lambda a, b: (np.column_stack([a, b]), np.column_stack([a[0], b[0]])), a, b)
    same(
        lambda a, b: (np.hstack([a[0], b[0]]), np.vstack([a[0], b]), np.dstack([a[0], b[0]])), a, b
    )
    same(lambda a, b: (np.stack([a[0, 0], b[0, 0]]), np.hstack([a[0, 0], 1])), a, b)
    same(lambda a, b: (np.stack(list(a)), np.stack([a.sum(), b.mean(), 1])), a, b)
    same(lambda x: np.stack([x, 1.0]), 2.5)
    same(lambda a: np.stack(a), a)


def test_layout():
    for x in strided().values():
        same(lambda x: np.concatenate([x, x]).ravel("K"), x)


def test_split():
    x = sample((6, 4))
    same(lambda x: np.split(x, 3), x)
    same(lambda x: np.split(x, [2, 3]), x)
    same(lambda x: np.split(x, (1, 5, 9), axis=0), x)
    same(lambda x: np.split(x, [-2], axis=1), x)
    same(lambda x: np.array_split(x, 4), x)
    same(lambda x: np.array_split(x, 8, axis=-1), x)
    same(lambda x: (np.hsplit(x, 2), np.vsplit(x, 2), np.hsplit(x[0], 2)), x)
    same(lambda x: np.dsplit(x.reshape(2, 3, 4), 2), x)
    same(lambda x: np.unstack(x, axis=1), x)

    def write(x):
        first, second = np.split(x, 2, axis=1)
        first[0] = 1
        second += first
        return second

    same(write, x)


def test_mistakes():
    a, b = sample((3, 4)), sample((2, 3), seed=1)
    same(lambda a, b: np.concatenate([a, b]), a, b)
    same(lambda a, b: np.concatenate([a, b], axis=1), a, b)
    same(lambda a, b: np.concatenate([a, b], axis=2), a, b)
    same(lambda a, b: np.concatenate([a, b[0]]), a, b)
    same(lambda a, b: np.concatenate([a[0, 0], b[0, 0]]), a, b)
    same(lambda a, b: np.concatenate([]), a, b)
    same(lambda a, b: np.concatenate([a, a], dtype=np.int32), a, b)
    same(lambda a, b: np.stack([a, b]), a, b)
    same(lambda a, b: np.stack([]), a, b)
    same(lambda a, b: np.split(a, 2), a, b)
    same(lambda a, b: np.vsplit(a[0], 2), a, b)
    same(lambda a, b: np.array_split(a, 0), a, b)
    with pytest.raises(ShapeError, match=r"float64\[3, 4\].*float64\[2, 3\]"):
        traced(lambda a, b: np.concatenate([a, b]), a, b)


def test_hundreds_of_parts():
    def stacked(x):
        rows = [np.roll(x, k) * k if k % 2 else x * k for k in range(150)]
        return np.stack(rows)

    x = np.arange(170.0)
    np.testing.assert_allclose(graphc.compile(stacked)(x), stacked(x))


@pytest.mark.parametrize("count", [16, 17, 40, 101])
def test_many_operands(count):
    held = [np.arange(3.0) * k for k in range(count)]
    for join in (np.stack, np.concatenate):
        compiled = graphc.compile(lambda held, join=join: join(held) * 1.5)
        np.testing.assert_array_equal(compiled(held), join(held) * 1.5)
