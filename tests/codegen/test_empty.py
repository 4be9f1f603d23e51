"""Loops from which everything moved outwards, and arrays without elements."""

import numpy as np
import pytest

import graphc
from graphc.loops import For, If, Let, compare
from graphc.lower.collapse import prune
from graphc.types import DTYPES

X = np.arange(12.0).reshape(3, 4)


def product_of_others(x, axis, shift):
    return np.stack([x, x + shift], axis=axis).prod(axis=axis).sum()


@pytest.mark.parametrize(("axis", "shift"), [(-1, 0), (-1, 1), (0, 0), (0, 1), (1, 1)])
def test_the_gradient_of_a_product_of_two(axis, shift):
    gradient = graphc.grad(lambda x: product_of_others(x, axis, shift))(X)
    np.testing.assert_array_equal(gradient, 2 * X + shift)


def test_loops_that_do_nothing_are_dropped():
    one = Let("x", compare("less", 0, 1))
    empty = For("i1", 0, 3, (If(one.value, ()),))
    assert prune([empty, For("i0", 0, 2, (one, empty))]) == (For("i0", 0, 2, (one,)),)


def test_a_branch_with_an_empty_first_arm_is_turned_round():
    one = Let("x", compare("less", 0, 1))
    (found,) = prune([If(one.value, (), (one,))])
    assert found.then == (one,)
    assert found.condition.function == "invert"
    assert found.condition.dtype == DTYPES["bool"]


EMPTY = [np.zeros(shape) for shape in [(0,), (0, 3), (3, 0), (2, 0, 3)]]
FUNCTIONS = [
    lambda x: x.prod(),
    lambda x: x.prod(0),
    lambda x: (x * 2).sum(-1),
    lambda x: x[::-1],
    lambda x: x[:-1:-1],
    lambda x: np.concatenate([x, x]),
    lambda x: np.roll(x, 1, 0),
]


@pytest.mark.parametrize("x", EMPTY, ids=lambda x: str(x.shape))
@pytest.mark.parametrize("function", FUNCTIONS)
def test_nothing_to_compute(function, x):
    compiled = graphc.compile(lambda x: function(x))
    np.testing.assert_array_equal(compiled(x), function(x))
    np.testing.assert_array_equal(graphc.grad(lambda x: function(x).sum())(x), x)


def test_a_write_to_no_rows():
    @graphc.compile
    def fill(v):
        v.reshape(-1)[0:] = 3

    for shape in [(0, 3), (2, 3), (0, 4), (1, 1)]:
        v = np.zeros(shape)
        fill(v)
        np.testing.assert_array_equal(v, np.full(shape, 3.0))


def test_the_gradient_through_an_empty_slice():
    gradient = graphc.grad(lambda x: (x[:-1:-1] * x[5:]).sum() + x.sum())(np.arange(4.0))
    np.testing.assert_array_equal(gradient, np.ones(4))
