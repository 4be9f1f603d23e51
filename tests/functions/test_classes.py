"""NumPy's classes in traced code."""

import math

import numpy as np
import pytest

import graphc
from tests.trace.arrays import sample
from tests.trace.harness import same, traced


@np.vectorize
def mixed(a, b):
    return a * 2 + b, a > b


def test_vectorize():
    same(lambda x: np.vectorize(math.erf)(x), sample((3, 4)), ulps=4)
    same(lambda x: np.vectorize(lambda v: v * 2)(x), np.arange(6, dtype=np.int32))
    same(lambda x: np.vectorize(lambda v: v * 2, otypes=[np.float32])(x), np.arange(6))
    same(lambda x: mixed(x, x[:, None]), np.arange(4, dtype=np.float32))
    same(lambda x: np.vectorize(lambda v, w: v + w)(x, 1), sample((3,)))
    same(lambda x: np.vectorize(lambda v: v + 1)(x), np.array(2.5))


def test_what_vectorize_can_not_do():
    with pytest.raises(graphc.TraceError, match=r"np\.where"):
        traced(lambda x: np.vectorize(lambda v: v if v > 0 else 0)(x), sample((3,)))
    with pytest.raises(graphc.UnsupportedError, match=r"graphc\.vmap"):
        traced(lambda x: np.vectorize(np.sum, signature="(n)->()")(x), sample((3,)))
    with pytest.raises(ValueError, match="size 0"):
        traced(lambda x: np.vectorize(lambda v: v)(x), np.zeros(0))


def test_a_gradient_through_vectorize():
    x = sample((4,))
    found = graphc.grad(lambda x: np.vectorize(lambda v: v * v)(x).sum())(x)
    np.testing.assert_allclose(found, 2 * x)


def places(x):
    y = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        y[i] = x[i] * i[0] - i[1]
    for (i, j), v in np.ndenumerate(x):
        y[i, j] += v
    for i in np.ndindex(2, 3):
        y[i] *= 2
    return y


@pytest.mark.parametrize("shape", [(2, 3), (12, 15)])
def test_places(shape):
    x = sample(shape)
    assert np.array_equal(graphc.compile(places)(x), places(x))
    same(lambda x: [v * i[0] for i, v in np.ndenumerate(x)], sample((3, 2)))
    same(lambda x: x.sum() + len(list(np.ndindex(*x.shape))), x)
    same(lambda x: [v + len(i) for i, v in np.ndenumerate(x)], np.array(2.0))


def test_broadcast():
    same(lambda x: (np.broadcast(x, x[:, None]).shape, np.broadcast(x, 1).size), sample((3,)))


def unbound(x):
    np.ndarray.fill(x[1], 3)
    empty = np.ndarray((2, 3))
    return x, np.ndarray.sum(x, axis=0), empty.shape, isinstance(x, np.ndarray)


def test_unbound_methods():
    same(unbound, sample((3, 4)))
    same(lambda x: 1 if type(x) is np.ndarray else x, sample((3,)))
    with pytest.raises(graphc.UnsupportedError, match="over a buffer"):
        traced(lambda x: np.ndarray((2,), buffer=b"abcdefghijklmnop") + x, sample((2,)))


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda x: np.nditer(x), "np.ndindex"),
        (lambda x: np.matrix(x), "@ for products"),
        (lambda x: np.ma.masked_array(x, x > 0), "np.where"),
        (lambda x: np.ma.masked_where(x > 0, x), "np.where"),
        (lambda x: np.poly1d(x), "np.polyval"),
    ],
)
def test_what_is_refused_says_what_to_write(function, hint):
    with pytest.raises(graphc.UnsupportedError, match=hint):
        traced(function, sample((3,)))


def test_what_is_refused_works_where_nothing_is_traced():
    same(lambda x: x + np.poly1d([1, 2])(3), sample((3,)))
    same(lambda x: 1 if isinstance(x, np.ma.MaskedArray) else x, sample((3,)))
