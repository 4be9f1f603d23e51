"""``argnums``: what it may be, and what a call says that does not have such an argument."""

import numpy as np
import pytest

import graphc

X = np.array([1.0, 2.0])
TAKING = [graphc.grad, graphc.value_and_grad, graphc.jacobian, graphc.hessian]


def weighted(w, x):
    return (w * x).sum()


@pytest.mark.parametrize("transformation", TAKING)
@pytest.mark.parametrize(
    "argnums", [1.0, "w", b"w", True, None, (0, True), (0, 1.0), (0, None), {0}]
)
def test_what_is_no_position_is_refused_where_it_is_written(transformation, argnums):
    name = transformation.__name__
    with pytest.raises(TypeError, match=rf"{name} of weighted\(w, x\) with argnums=.*argnums=0"):
        transformation(weighted, argnums=argnums)


@pytest.mark.parametrize("transformation", TAKING)
@pytest.mark.parametrize("argnums", [2, -3, (0, 2), (-3, 0)])
@pytest.mark.parametrize("how", ["called", "compiled", "eager"])
def test_a_position_that_the_call_does_not_have(transformation, argnums, how):
    name = transformation.__name__
    derived = transformation(weighted, argnums=argnums)
    if how == "compiled":
        derived = graphc.compile(lambda w, x, derived=derived: derived(w, x))
    with graphc.eager(how == "eager"), pytest.raises(ValueError, match=name) as caught:
        derived(X, X)
    text = str(caught.value)
    assert f"{name} of weighted(w, x) with argnums={argnums}" in text
    assert "the call has 2 by position" in text
    assert "numbers from -2 to 1" in text
    assert caught.value.location.file == __file__


@pytest.mark.parametrize("transformation", TAKING)
@pytest.mark.parametrize("argnums", [(0, 0), (1, 0, 1), (0, -2)])
def test_an_argument_named_twice(transformation, argnums):
    with pytest.raises(ValueError, match="a second time"):
        transformation(weighted, argnums=argnums)(X, X)


def test_arguments_by_name_are_not_counted():
    with pytest.raises(ValueError, match="the call has 1 by position"):
        graphc.grad(weighted, argnums=1)(X, x=X)


def test_numpy_ints_lists_and_negative_positions():
    w = np.array([3.0, 4.0])
    np.testing.assert_array_equal(graphc.grad(weighted, argnums=np.int64(1))(w, X), w)
    np.testing.assert_array_equal(graphc.grad(weighted, argnums=-1)(w, X), w)
    by_w, by_x = graphc.grad(weighted, argnums=[-2, 1])(w, X)
    np.testing.assert_array_equal(by_w, X)
    np.testing.assert_array_equal(by_x, w)
