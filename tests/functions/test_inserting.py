"""insert and delete against NumPy, at positions that are known and at traced ones."""

import numpy as np
import pytest

import graphc
from graphc.errors import UnsupportedError
from graphc.testing import check_grads
from tests.trace.arrays import sample
from tests.trace.harness import same, traced

SHAPES = [(5,), (1,), (0,), (3, 4), (2, 3, 4)]
POSITIONS = [
    *("0", "-1", "2", "9", "[]", "[0]", "[1, 2]", "[2, 0, 0]", "[-1, 0]", "slice(None)"),
    *("slice(1, 3)", "slice(None, None, 2)", "slice(3, 0, -1)", "np.array([0, 2])", "1.0"),
    *("np.int64(1)", "np.array([True, False, True])"),
]


def called(text):
    return eval(f"lambda x: {text}", {"np": np})  # what is written here is static when traced


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_delete(shape, position):
    for axis in (None, *range(len(shape))):
        same(called(f"np.delete(x, {position}, {axis})"), sample(shape))


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_insert(shape, position):
    if 0 in shape and position in ("[-1, 0]", "1.0"):
        return  # NumPy's errors there are accidents
    for axis in (None, *range(len(shape))):
        same(called(f"np.insert(x, {position}, 2.5, {axis})"), sample(shape))


@pytest.mark.parametrize(
    "text",
    [
        "np.insert(x, 1, np.arange(4.0), axis=0)",
        "np.insert(x, 1, [[1.0], [2.0], [3.0]], axis=1)",
        "np.insert(x, 1, np.ones((4, 2)), axis=0)",
        "np.insert(x, [1], np.ones((2, 4)), axis=0)",
        "np.insert(x, [1, 3], [[1.0, 2.0]], axis=1)",
        "np.insert(x.T, [0, 0, 2], x, axis=0)",
        "np.insert(x.T, 0, 1, axis=0).strides",
        "np.insert(x[0], slice(0, 2), [7, 8])",
        "np.insert(x.astype(np.int32), 0, 2.5)",
        "np.insert(x, [1, 2], [1.0, 2.0, 3.0])",
    ],
)
def test_inserted_values(text):
    same(called(text), sample((3, 4)))


@pytest.mark.parametrize("position", [0, 2, -1, -3, 3, 9])
def test_traced_positions(position):
    x, i = sample((3, 4)), np.int64(position)
    same(lambda x, i: np.delete(x, i, 0), x, i)
    same(lambda x, i: np.insert(x, i, x[1], 0), x, i)
    same(lambda x, i: np.insert(x, i, 5.0), x, np.array([i]))
    if position < 9:
        same(lambda x, i: np.insert(x, i, [1.0, 2.0]), x, np.array([i, 0]))
    same(lambda x, i: np.delete(x[:0], i, 0), x, i)


def test_several_traced_positions_to_delete():
    with pytest.raises(UnsupportedError, match="list of ints"):
        traced(lambda x, i: np.delete(x, i), sample((5,)), np.array([0, 2]))
    with pytest.raises(UnsupportedError, match="depends on data"):
        traced(lambda x: np.insert(x, x > 0, 1), sample((5,)))


def test_derivatives():
    x, y = sample((3, 4)), sample((4,), seed=1)
    check_grads(lambda x, y: np.insert(x, [0, 2], y, axis=0), (x, y))
    check_grads(lambda x: np.delete(x, [1], axis=1), (x,))
    check_grads(lambda x, y: np.kron(x, y), (x, y))
    check_grads(lambda x, y: np.cross(x[:, :3], y[:3]), (x, y))


def test_symbolic_lengths():
    functions = graphc.compile(lambda x: (np.insert(x, 1, 5.0), np.delete(x, -1), np.kron(x, x)))
    for n in (3, 4, 5, 6):
        x = np.arange(float(n))
        found = functions(x)
        for a, b in zip(
            found, (np.insert(x, 1, 5.0), np.delete(x, -1), np.kron(x, x)), strict=True
        ):
            np.testing.assert_array_equal(a, b)
    assert len(functions.specializations) == 2
