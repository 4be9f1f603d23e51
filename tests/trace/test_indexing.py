"""Reading and writing through every sort of index, against NumPy."""

import numpy as np
import pytest

from graphc.errors import OutOfBoundsError, UnsupportedError
from tests.trace.arrays import sample, strided
from tests.trace.harness import same, traced

KEYS = [
    0, -1, (1, 2), (-1, -1), slice(None), slice(1, None), slice(None, None, -1), slice(5, 1),
    slice(-2, None), (slice(None), 1), (slice(1, 3), slice(None, None, 2)), ..., (..., 0), (0, ...),
    None, (None, 0), (slice(None), None), (slice(2, 0, -1), slice(3, None, -2)), (), (1, ..., 2),
    np.int64(1), (np.int32(0), slice(None)), [0, 2], [[0, 1], [2, 0]], (slice(None), [0, -1]),
    ([0, 1], [2, 3]), (0, [1, 2]), ([1, 2], 0), ([0, 1], slice(1, 3)), (None, [0, 1]), [],
    ([[0], [1]], [1, 2]), np.array([2, 0]), slice(0, 0),
    (..., [0, 1]), ([0, 1], None, [1, 2]),
]  # fmt: skip


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_reads(key):
    for x in strided().values():
        same(lambda x: x[key], x)


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_writes(key):
    for x in strided().values():

        def assign(x, v):
            x[key] = v

        def add(x, v):
            x[key] += v
            return x

        same(assign, x, 2.5)
        same(add, x, 2.5)
        same(assign, x, sample(x[key].shape))


@pytest.mark.parametrize("key", [3, -4, (0, 4), (0, 0, 0), (..., ...), 1.5, "a", (1, None, 5)])
def test_mistakes(key):
    same(lambda x: x[key], sample((3, 4)))

    def assign(x):
        x[key] = 1

    same(assign, sample((3, 4)))


def test_mistakes_in_writes():
    def assign(x, v):
        x[1:] = v

    same(assign, sample((3, 4)), sample((3, 4)))
    same(assign, sample((3, 4)), sample((5,)))
    same(assign, sample((3, 4)), sample((1, 1, 2, 4)))
    same(assign, sample((3, 4)), sample((2, 2, 4)))

    def fancy(x, v):
        x[[0, 1]] = v

    same(fancy, sample((3, 4)), sample((3, 4)))
    same(lambda x: x[::0], sample((3,)))
    readonly = sample((3,))
    readonly.flags.writeable = False
    same(assign, readonly, 1.0)


def test_gather_with_traced_indices():
    x, i, j = sample((3, 4)), np.array([2, 0, -1]), np.array([1, 3, 0])
    same(lambda x, i, j: (x[i], x[i, j], x[:, j], x[i][:, j], x[i[:, None], j]), x, i, j)
    same(lambda x, i, j: (x[np.arange(3), j], x[i[0]], x[i[0], j[1]], x[..., j[0]]), x, i, j)
    same(lambda x, i, j: (x[i, 1:], x[1, j], x[i.astype(np.int8)], x[[i[0], i[1]]]), x, i, j)
    same(lambda x, k: (x[k], x[k, 0], x[:, k]), x, np.int64(1))
    same(lambda x, k: x[k], x, np.array(2))
    same(lambda x, i: x[i], x, np.array([], dtype=np.int64))


def test_scatter_with_traced_indices():
    def f(x, i, j, v):
        x[i, j] = v
        x[i[0]] = 1.0
        x[:, j[1]] += 2
        x[i] *= 2
        return x

    same(f, sample((3, 4)), np.array([2, 0, 1]), np.array([1, 3, 0]), sample((3,)))

    def repeated(x, i):
        x[i] += 1
        return x

    same(repeated, sample((3,)), np.array([0, 0, 1]))

    def picked_view(x, k):
        row = x[k]
        row[1] = 5
        row += 1
        return row

    same(picked_view, sample((3, 4)), np.int64(2))


def test_traced_index_out_of_bounds():
    with pytest.raises(OutOfBoundsError, match=r"index 3 is out of bounds .* size 3"):
        traced(lambda x, i: x[i], sample((3, 4)), np.array([0, 3]))


def test_masks():
    def f(x):
        x[x > 0] = 0
        x[x < -1] += 1
        return x

    same(f, sample((3, 4)))

    def static_mask(x):
        x[np.array([True, False, True])] += 1
        return x[[True, False, True], 1], x[:, np.arange(4) > 1]

    same(static_mask, sample((3, 4)))

    def assign(x, m):
        x[m] = 0
        x[~m] = x.max()
        return x

    same(assign, sample((3, 4)), sample((3, 4), "bool"))
    with pytest.raises(UnsupportedError, match=r"np\.where\(mask, x, other\)"):
        traced(lambda x: x[x > 0], sample((3, 4)))
    with pytest.raises(UnsupportedError):
        traced(lambda x, m: x[m], sample((3, 4)), sample((3,), "bool"))


def test_iteration_and_unpacking():
    def f(x):
        a, b, c = x
        total = 0.0
        for row in x:
            for element in row[:2]:
                total = total + element
        return a, b + c, total, [row.sum() for row in x], sum(x[0]), max(1, 2), list(x[0])

    same(f, sample((3, 4)))
    same(lambda x: list(x), sample(()))
    same(lambda x: [a + b for a, b in zip(x, x[::-1], strict=True)], sample((3, 4)))
    same(lambda x: [k * row for k, row in enumerate(x)] + list(reversed(x)), sample((3, 4)))
