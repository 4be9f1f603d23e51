"""Writes through boolean masks: elements are taken or left, so no shape depends on data."""

import numpy as np
import pytest

import graphc
from graphc.errors import UnsupportedError
from tests.trace.harness import traced

X = np.array([[1.0, -2.0, 3.0], [-4.0, 0.5, -6.0]])


def scalar(x, y):
    x[x > 0] = 2


def scaled(x, y):
    x[x > 1] *= 2


def shifted(x, y):
    x[x > 0] = x[x > 0] ** 2 - 1


def from_another(x, y):
    y[x > 0] = x[x > 0]


def both(x, y):
    mask = x < y
    x[mask] += 2 * np.exp(y[mask]) - x[mask]


def negated(x, y):
    x[x < 0] = -x[x < 0]


def rows(x, y):
    x[y[:, 0] > 0] = 0


def row_values(x, y):
    x[x[:, 0] > 0] = y[0]


def rows_scaled(x, y):
    x[x[:, 0] > 0] *= y[1]


def one(x, y):
    x[x > 0] = y[:1, 0]


def through_a_view(x, y):
    x.T[x.T > 0] = 7


def alone(x, y):
    z = x[0, 1:2].reshape(())
    z[z < 0] = 5
    z[z > 4] *= 2


def everything(x, y):
    x[x.sum() < 0] = y[0]


def parts(x, y):
    whole, rest = divmod(x[x > 0], 2)
    x[x > 0] = whole + 10 * rest


WRITES = [
    scalar,
    scaled,
    shifted,
    from_another,
    both,
    negated,
    rows,
    row_values,
    rows_scaled,
    one,
    through_a_view,
    alone,
    everything,
    parts,
]


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("dtype", [np.float64, np.int32])
def test_a_write_through_a_mask(write, dtype):
    given = [X.astype(dtype), X[::-1].astype(dtype)]
    expected = [array.copy() for array in given]
    try:
        write(*expected)
    except TypeError:
        with pytest.raises(TypeError):
            traced(write, *given)
        return
    traced(write, *given)
    for actual, wanted in zip(given, expected, strict=True):
        np.testing.assert_allclose(actual, wanted)


def test_arrays_without_axes():
    @graphc.compile
    def function(x):
        x[x > 0] = 2
        x[x > 1] *= 2
        return x + 1

    for value in (-1.0, 0.5, 3.0):
        x = np.array(value)
        assert function(x) == (5 if value > 0 else 0)
        assert x == (4 if value > 0 else -1)


def test_a_gradient_through_a_mask():
    def function(x):
        y = x.copy()
        y[x > 0] = np.sqrt(x[x > 0])
        y[x < -3] *= 2
        return y.sum()

    expected = np.where(X > 0, 0.5 / np.sqrt(np.abs(X)), np.where(X < -3, 2.0, 1.0))
    np.testing.assert_allclose(graphc.grad(function)(X), expected)


REFUSED = [
    lambda x, y: x[x > 0],
    lambda x, y: [x[x > 0] * 2],
    lambda x, y: x[x > 0].sum(),
    lambda x, y: np.sum(x[x > 0]),
    lambda x, y: np.add(x[x > 0], 1, where=False),
    lambda x, y: np.add.reduce(x[x > 0]),
    lambda x, y: x[x > 0] + y[y > 0],
    lambda x, y: x[x > 0] * y[0],
    lambda x, y: x[x > 0] @ y[0],
    lambda x, y: x[x > 0].shape,
    lambda x, y: len(x[x > 0]),
    lambda x, y: x[x > 0][0],
    lambda x, y: y + x[x > 0],
    lambda x, y: np.stack([x[x > 0]]),
    lambda x, y: y[x[x > 0]],
    lambda x, y: 1 if x[x > 0] else 2,
    lambda x, y: x.__setitem__(x > 0, y[y > 0]),
    lambda x, y: x.__setitem__(x > 0, y[0]),
]


@pytest.mark.parametrize("function", REFUSED)
def test_what_needs_the_selected_elements_is_refused(function):
    with pytest.raises(UnsupportedError, match="depends on data") as caught:
        traced(function, X.copy(), X[::-1].copy())
    assert "lambda x, y" in str(caught.value)


def test_a_mask_of_another_shape():
    with pytest.raises(IndexError, match="boolean index did not match"):
        traced(lambda x, y: x.__setitem__(y[:, :1] > 0, 1), X.copy(), X.copy())


def test_eagerly_selections_are_arrays():
    with graphc.eager():
        assert graphc.grad(lambda x: x[x > 0].sum())(X).sum() == 3
