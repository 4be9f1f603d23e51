"""Writes through boolean masks: elements are taken or left, so no shape depends on data."""

import linecache

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


BESIDE = [
    "x[:, m1] *= 2",
    "x[:, m1] = 0",
    "x[m0, 0] = 0",
    "x[m0, 1:] += 1",
    "x[m0, ..., None] = 5",
    "x[..., m2] = -1",
    "x[:, m1] = x[:, m1] ** 2 + 1",
    "x[:, m1] = v[:, None, None]",
    "x[m0, :, 1] = v1",
    "x[1, :, m2] = 7",
    "x[1, :, m2] += v1",
    "x[1, m1] = v2",
    "x[1:, m12] -= 3",
    "x[i, m1] = 4",
    "x[m0, i] *= v2",
    "x[:, m1, -1] = 8",
    "x[:, None, m1] = 8",
    "x[::-1, m1, ::2] += v[::-1][:, None, None]",
    "x.T[m2, :, 0] = v1[:, None][:, 0]",
    "x[:, m1] = 2 * x[::-1][:, m1] + x[:, m1]",
    "x[m0] = x[m0, ::-1]",
    "x[m0, 0] -= x[m0, 1] * 3",
    "np.add.at(x, (slice(None), m1), 2)",
    "np.subtract.at(x, m0, 2)",
]


@pytest.mark.parametrize("statement", BESIDE)
def test_a_write_through_a_mask_beside_other_indices(statement):
    file = f"<{statement}>"
    text = f"def write(x, m0, m1, m2, m12, i, v, v1, v2):\n    {statement}\n    return x\n"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    namespace = {"np": np}
    exec(compile(text, file, "exec"), namespace)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 4, 5))
    masks = [rng.random(n) > 0.4 for n in (*x.shape, x.shape[1:])]
    values = [rng.normal(size=n) for n in x.shape]
    arguments = (*masks, np.int64(1), *values)
    wanted = namespace["write"](x.copy(), *arguments)
    found = graphc.compile(namespace["write"])(x.copy(), *arguments)
    np.testing.assert_allclose(found, wanted, rtol=1e-14)
    nothing = tuple(np.zeros_like(mask) for mask in masks)
    np.testing.assert_array_equal(
        graphc.compile(namespace["write"])(x.copy(), *nothing, *arguments[4:]), x
    )


@pytest.mark.parametrize(
    "write",
    [
        lambda x, y: x.__setitem__((slice(None), x[0] > 0), y[:, :2]),
        lambda x, y: x.__setitem__((x[:, 0] > 0, [0, 1]), 1),
        lambda x, y: x.__setitem__((x[:, 0] > 0, x[0] > 0), 1),
    ],
)
def test_a_write_whose_value_depends_on_the_count_says_what_to_write(write):
    with pytest.raises(UnsupportedError, match=r"np\.where\(mask, values, x\)"):
        traced(write, X.copy(), X[::-1].copy())


def test_a_gradient_through_a_mask_beside_a_slice():
    def function(x):
        y = x * 1
        y[:, x.sum(0) > 0] *= 3
        return (y * y).sum()

    wide = np.where(X.sum(0) > 0, 18 * X, 2 * X)
    np.testing.assert_allclose(graphc.grad(function)(X), wide)
