"""Writes by position, positions and bits, and functions of functions, against NumPy."""

import numpy as np
import pytest

import graphc
from tests.functions.test_differences import check_gradient
from tests.trace.arrays import DTYPES, sample, strided
from tests.trace.harness import same


def after(write, *args, **kwargs):
    """Compare what `write` makes of its first argument."""

    def function(x, *rest):
        write(x, *rest)
        return x.sum()

    same(function, *args, ulps=64, **kwargs)


def test_put():
    for mode in ("raise", "wrap", "clip"):
        after(lambda x, i, v: np.put(x, i, v, mode), sample((3, 4)), np.array([0, -1, 5]), 7.0)
        after(
            lambda x, i, v: x.put(i, v, mode), sample((3, 4)), np.array([[0, 1, 2]]), sample((2,))
        )
    for mode in ("wrap", "clip"):
        after(lambda x, i: np.put(x, i, [1, 2], mode), sample((4,)), np.array([9, -9, 1]))
    after(lambda x: np.put(x, [0, 2], []), sample((4,)))
    after(lambda x: np.put(x, [7], 1.0), sample((4,)))
    for x in strided().values():
        after(lambda x: np.put(x, [1, 5], [8.0, 9.0]), x)


def test_place_and_putmask():
    x, values = sample((3, 4)), np.array([7.0, 8.0, 9.0])
    for function in (np.place, np.putmask):
        after(lambda x, v: function(x, x > 0, v), x, values)
        after(lambda x, v: function(x, x.ravel() > 0, v[:1]), x, values)
        after(lambda x, v: function(x, x > 0, v[:0]), x, values)
        after(lambda x, v: function(x, x[0] > 0, v), x, values)
    for x in strided().values():
        after(lambda x, v: np.place(x[1:], x[1:] > 0, v), x, values)


def test_put_along_axis():
    x, index = sample((3, 4)), np.array([[0, 3], [1, 1], [2, 0]])
    after(lambda x, i: np.put_along_axis(x, i, 7.0, axis=1), x, index)
    after(lambda x, i: np.put_along_axis(x, i.ravel(), 7.0, axis=None), x, index)
    after(lambda x, i: np.put_along_axis(x, i[0], 7.0, axis=1), x, index)
    after(lambda x, i: np.put_along_axis(x, i * 1.0, 7.0, axis=1), x, index)
    for mode in ("raise", "wrap", "clip"):
        same(lambda x, i: np.take(x, i - 1, axis=1, mode=mode), x, index)
        same(lambda x, i: np.take(x, i * 5 - 6, mode=mode), x, index)


def test_fill_diagonal():
    for shape in ((3, 3), (5, 2), (2, 5), (3, 3, 3)):
        after(lambda x: np.fill_diagonal(x, 7), sample(shape))
        after(lambda x, v: np.fill_diagonal(x, v), sample(shape), np.array([1.0, 2.0]))
    after(lambda x: np.fill_diagonal(x, 7, wrap=True), sample((7, 2)))
    after(lambda x: np.fill_diagonal(x.T, [1, 2, 3]), sample((3, 4)))
    after(lambda x: np.fill_diagonal(x, 1), sample((3,)))
    after(lambda x: np.fill_diagonal(x, 1), sample((3, 4, 3)))


def test_flat():
    def read(x):
        return x.flat[3], x.flat[1:5], x.flat[[0, 5]], len(x.flat), [v * 2 for v in x.flat]

    def write(x):
        x.flat[3] = 7
        x.flat[::4] = [1, 2, 3]
        x.flat[[1, 2]] = 9
        x.T.flat[5] = 8

    def fill(x):
        x.flat = [1.0, 2.0]

    for x in strided().values():
        same(read, x)
        after(write, x)
        after(fill, x)


def test_choose():
    choices = [sample((3,)), sample((3,), seed=4), sample((3,), seed=5)]
    pick = np.array([2, 0, 1])
    same(lambda i, a, b, c: np.choose(i, [a, b, c]), pick, *choices)
    same(lambda i, c: np.choose(i, c), pick, np.stack(choices))
    same(lambda i: np.choose(i, [1, 2.5, 3]), pick)
    same(lambda i: i.choose([[1, 2, 3], [4, 5, 6]], mode="wrap"), pick)
    same(lambda i: np.choose(i - 5, [[1, 2, 3], [4, 5, 6]], mode="clip"), pick)
    same(lambda i: np.choose(i[:, None], [[1, 2], [4, 5], [7, 8]]), pick)
    same(lambda i: np.choose(i + 1, [1, 2, 3]), pick)
    same(lambda i: np.choose(i * 1.0, [1, 2, 3]), pick)


def test_piecewise():
    x = sample((3, 4))
    same(lambda x: np.piecewise(x, [x < 0, x >= 0], [lambda x: -x, lambda x: x * 2]), x)
    same(lambda x: np.piecewise(x, [x < 0, x > 1], [-1, 1]), x)
    same(lambda x: np.piecewise(x, [x < 0, x > 1], [-1, 1, lambda x: x**2]), x)
    same(lambda x: np.piecewise(x, x < 0, [lambda x, k: x * k, 5], 3), x)
    same(lambda x: np.piecewise(x, [x < 0], [1, 2, 3]), x)
    same(lambda x: np.piecewise(x, [x < 2], [lambda x: x * 1.5]), sample((4,), "int64"))
    check_gradient(lambda x: np.sum(np.piecewise(x, [x < 0], [lambda x: x**2, lambda x: x**3])), x)


def test_apply_along_axis():
    x = sample((2, 3, 4))
    for axis in (0, 1, -1):
        same(lambda x: np.apply_along_axis(np.sum, axis, x), x)
        same(lambda x: np.apply_along_axis(lambda r: r[::-1] * 2, axis, x), x)
        same(lambda x: np.apply_along_axis(lambda r, k: np.outer(r, r)[:k], axis, x, 2), x)
    same(lambda x: np.apply_along_axis(np.sort, 0, x), x[0, 0])
    same(lambda x: np.apply_along_axis(np.sum, 0, x), x[:, :0])
    found = graphc.compile(lambda x: np.apply_along_axis(np.median, 1, x))(x)
    np.testing.assert_allclose(found, np.median(x, 1))
    check_gradient(lambda x: np.sum(np.apply_along_axis(lambda r: r @ r, 1, x)), x)


def test_apply_over_axes():
    x = sample((2, 3, 4))
    same(lambda x: np.apply_over_axes(np.sum, x, [0, -1]), x)
    same(lambda x: np.apply_over_axes(np.cumsum, x, 1), x)


def test_blocks():
    a, b = sample((2, 2)), sample((2, 3))
    same(lambda a, b: np.block([[a, b], [b, a]]), a, b)
    same(lambda a, b: np.block([a, b]), a, b)
    same(lambda a: np.block([[a, np.zeros((2, 1))], [1.0, 2.0, 3.0]]), a)
    same(lambda a: np.block(a), a)
    same(lambda a, b: np.block([[a], b]), a, b)
    same(lambda a: np.block([[a, []]]), a)


def test_resize():
    for shape in (5, (2, 7), (0, 2), (), (3, 1)):
        same(lambda x: np.resize(x, shape), sample((2, 3)))
    same(lambda x: np.resize(x, 4), sample((0,)))
    same(lambda x: np.resize(x, (-1, 2)), sample((3,)))


def test_positions():
    index = np.array([[0, 5], [11, 3]])
    for order in "CF":
        same(lambda i: np.unravel_index(i, (3, 4), order), index)
        same(lambda i: np.unravel_index(i, x_shape, order), np.int64(5))
        same(lambda i, j: np.ravel_multi_index((i, j), (3, 4), order=order), index % 3, index % 4)
    same(lambda i, j: np.ravel_multi_index((i, j), (3, 4), mode=("wrap", "clip")), index, -index)
    same(lambda i: np.unravel_index(i, (3, 3)), index)
    same(lambda i: np.ravel_multi_index((i, i), (3, 3)), index)
    same(lambda i: np.ravel_multi_index((i, i), (3, 3, 3)), index)
    same(lambda i: np.unravel_index(i * 1.0, (3, 4)), index)
    same(lambda i, j: np.ix_(i, j), np.array([0, 2]), np.array([1, 0, 1]))
    same(lambda x, i, j: x[np.ix_(i, j)], sample((3, 4)), np.array([0, 2]), np.array([1, 0, 1]))
    same(lambda i: np.ix_(i, [True, False, True]), np.array([0, 2]))
    same(lambda i: np.ix_(i[None]), np.array([0, 2]))


x_shape = (3, 4)


def test_triangles():
    x = sample((4, 4))
    same(lambda x: x[np.tril_indices(4)], x)
    same(lambda x: (x[np.triu_indices_from(x, 1)], x[np.tril_indices_from(x)]), x)
    same(lambda x: (x[np.diag_indices_from(x)], x[np.diag_indices(3)]), x)
    same(lambda x: x[np.mask_indices(4, np.triu, 1)], x)
    with pytest.raises(NotImplementedError, match="mask"):
        graphc.compile(lambda x: np.mask_indices(4, lambda m, k: m * x > 0))(x)
    compiled = graphc.compile(lambda x: x[np.triu_indices(len(x))])
    for size in (4, 5):
        y = sample((size, size))
        np.testing.assert_array_equal(compiled(y), y[np.triu_indices(size)])


def test_bits():
    x = sample((3, 19), "uint8") % 2
    for axis in (None, 0, 1, -1):
        for order in ("big", "little"):
            same(lambda x: np.packbits(x, axis, order), x)
            same(lambda x: np.unpackbits(x * 37, axis, bitorder=order), x)
        for count in (5, 40, -3):
            same(lambda x: np.unpackbits(x, axis, count), x)
    same(np.packbits, x.astype(bool))
    same(lambda x: np.packbits(x * 1.0), x)
    same(lambda x: np.unpackbits(x.astype(int)), x)
    same(lambda x: np.packbits(x, bitorder="q"), x)
    same(np.packbits, x[:0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_compiled(dtype):
    def function(x):
        np.fill_diagonal(x, 1)
        np.place(x, x == x[0, 1], [2, 3])
        x.flat[::5] = 1
        return np.resize(x, 20), np.block([[x, x], [x]][:1])

    x, y = sample((4, 4), dtype), sample((4, 4), dtype)
    found, expected = graphc.compile(function)(x), function(y)
    np.testing.assert_array_equal(x, y)
    for actual, wanted in zip(found, expected, strict=True):
        np.testing.assert_array_equal(actual, wanted)
