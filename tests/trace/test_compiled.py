"""NumPy's functions compiled to native code, and run eagerly, against NumPy."""

import warnings

import numpy as np
import pytest

import graphc
from tests.trace.arrays import sample, strided
from tests.trace.harness import _copies, assert_same, clone

X, Y = sample((5, 4)), sample((5, 4), seed=1)
M = sample((5, 4), "bool")
I = np.array([2, 0, -1])  # noqa: E741


def reductions(x, y, m, i):
    return x.sum(), x.mean(axis=0), x.var(axis=1, ddof=1), x.max(), x.argmin(axis=1), x.prod(axis=0)


def masked(x, y, m, i):
    return np.sum(x, where=m, axis=1), np.any(m, axis=0), np.max(x, initial=0, where=m, axis=0)


def selection(x, y, m, i):
    return np.where(m, x, 0), np.clip(x, -1, y), np.round(x, 1), np.tril(x), np.take(x, i, axis=1)


def products(x, y, m, i):
    return x @ y.T, x[0] @ y[0], np.outer(x[0], y[1]), np.tensordot(x, y, 2), x.T @ m


def contractions(x, y, m, i):
    return np.einsum("ij,kj->ik", x, y), np.einsum("ij,ij->i", x, y), np.einsum("ij->ji", x)


def shapes(x, y, m, i):
    return x.reshape(-1, 2), x.T.ravel(), np.expand_dims(x, 0), x[::-1, 1:], np.moveaxis(x, 0, 1)


def joins(x, y, m, i):
    return np.concatenate([x, y], 1), np.stack([x, y]), np.split(x, 2, 1), np.array([x[0], y[1]])


def rearranged(x, y, m, i):
    return np.roll(x, 1), np.tile(x, 2), np.repeat(x, 2, 0), np.pad(x, 1), np.diff(x), np.flip(x)


def creation(x, y, m, i):
    return np.eye(10)[i + 1], np.linspace(0, x[0, 0], 4), np.arange(5) + x[:, 0], np.zeros_like(x)


def gathers(x, y, m, i):
    return (
        x[i],
        x[i, i],
        x[np.arange(5), np.argmax(x, axis=1)],
        np.take_along_axis(x, np.argmin(x, 1)[:, None], 1),
    )


def writes(x, y, m, i):
    x[1:] += y[1:]
    x.T[0] = 5
    x.reshape(-1)[7] = -1
    x[i] *= 2
    y[m] = 0
    np.add.at(y, i, 1.0)
    buffer = np.zeros(4)
    buffer[:2] = x[0, 2:]
    return buffer, x[2]


def dtypes(x, y, m, i):
    z = x.astype(np.float32)
    return (
        z + 1,
        z @ z.T,
        m.sum(),
        i.mean(),
        i // 2,
        i % 2,
        (i > 0) & m[0, 0],
        x.astype(int),
        z * 2.5,
    )


def complexes(x, y, m, i):
    z = x + 1j * y
    return z.real, np.abs(z), z.conj() * z, z.sum(), np.exp(z[0]), z[0] @ z[1]


def norms(x, y, m, i):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True), np.linalg.norm(x), np.trace(x[:4]), np.allclose(x, x)


FUNCTIONS = [
    reductions, masked, selection, products, contractions, shapes, joins, rearranged, creation,
    gathers, writes, dtypes, complexes, norms,
]  # fmt: skip


def run(function, call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain, given = _copies((X, Y, M, I)), _copies((X, Y, M, I))
        expected = function(*plain)
        got = call(*given)
    assert_same(got, expected, "result", 16)
    assert_same(given, plain, "arguments", 16)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_compiled(function):
    run(function, graphc.compile(function))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_eager(function):
    with graphc.eager():
        run(function, graphc.compile(function))


def test_eager_numbers():
    @graphc.compile
    def f(x):
        if x.sum() > 0:
            return float(x[0]), x.tolist(), x.max().item(), np.arange(int(x[1]))
        return None

    x = np.array([1.5, 2.0])
    with graphc.eager():
        value, listed, largest, counted = f(x)
    assert (value, listed, largest) == (1.5, [1.5, 2.0], 2.0)
    np.testing.assert_array_equal(counted, [0, 1])


def test_arrays_that_lie_differently_do_not_share_a_program():
    def f(x):
        y = x.reshape((2, 6), order="F")
        y[...] = 7
        return x.ravel("K")

    compiled = graphc.compile(f)
    for x in [*strided().values(), *strided().values()]:
        plain, given = clone(x), clone(x)
        assert_same(compiled(given), f(plain), "result", 4)
        assert_same(given, plain, "argument", 4)


def test_unaligned_and_read_only_arguments():
    raw = np.zeros(25, np.uint8)
    unaligned = raw[1:].view(np.float64)
    unaligned[:] = [1, 2, 3]
    compiled = graphc.compile(lambda x: x * 2)
    np.testing.assert_array_equal(compiled(unaligned), [2, 4, 6])
    np.testing.assert_array_equal(compiled(unaligned.copy()), [2, 4, 6])
    unaligned.flags.writeable = False
    np.testing.assert_array_equal(compiled(unaligned), [2, 4, 6])


def test_remainder_of_a_product_of_sizes():
    def f(x):
        return x[: (-2) % (2 * len(x)) - len(x)] * 2, x[: (3 * len(x) + 1) // (2 * len(x))] + 1

    compiled = graphc.compile(f)
    for count in (5, 7, 9):
        x = np.arange(float(count))
        assert_same(compiled(x), f(x), "result", 4)


def test_roll_over_many_sizes():
    for shift in (1, -2, 30):
        f = lambda x: np.roll(x, shift)  # noqa: E731
        compiled = graphc.compile(f)
        for shape in [(2, 3, 4), (2, 1, 3), (2, 5, 2)]:
            assert_same(compiled(sample(shape)), f(sample(shape)), "result", 4)
