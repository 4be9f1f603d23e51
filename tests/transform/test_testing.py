"""`check_grads` passes what is right and names what is wrong; `operation` makes own ops."""

import numpy as np
import pytest

import graphc
from graphc import ops
from graphc.ops.elementwise.pointwise import pointwise
from graphc.ops.elementwise.scalar import apply
from graphc.ops.registry import OPS
from graphc.testing import check_grads

X = np.array([0.5, -1.0, 2.0])


@pytest.fixture(params=["compiled", "eager"])
def mode(request):
    with graphc.eager(request.param == "eager"):
        yield request.param


def test_right_derivatives_pass(mode):
    check_grads(lambda x: np.sin(x) * x, (X,))
    check_grads(
        lambda p, k, y: {"a": np.tanh(p["w"] @ y) * k, "n": 3},
        ({"w": np.ones((2, 3)), "i": 3}, 2.0, X),
        order=2 if mode == "eager" else 1,
    )
    check_grads(lambda x: np.exp(x * 1j), (X,), order=1)
    check_grads(np.abs, (X + 1j,), order=1)
    check_grads(lambda x: x**3, (np.float32(2),), order=1)


def wrong(factor, argument=1):
    @graphc.custom_vjp
    def f(x, y):
        return np.sin(x) * y

    factors = [factor if k == argument else 1.0 for k in range(2)]
    return f.defvjp(
        lambda x, y: (np.sin(x) * y, (x, y)),
        lambda kept, g: (
            factors[0] * g * np.cos(kept[0]) * kept[1],
            factors[1] * g * np.sin(kept[0]),
        ),
    )


@pytest.mark.parametrize("argument", [0, 1])
def test_a_wrong_derivative_is_named(argument):
    with pytest.raises(AssertionError, match=rf"of f differ.*\n  argument {argument}: differences"):
        check_grads(wrong(1.01, argument), (X, X + 1), order=1, modes=("reverse",))


def test_a_derivative_wrong_in_the_second_order_is_named():
    @graphc.custom_vjp
    def f(x):
        return x * x

    f.defvjp(lambda x: (x * x, x), lambda x, g: (2 * g * graphc.stop_gradient(x),))
    check_grads(f, (X,), order=1, modes=("reverse",))
    with pytest.raises(AssertionError, match="of the reverse-mode derivative of f differ"):
        check_grads(f, (X,), order=2, modes=("reverse",))


def test_what_has_no_derivative_is_refused():
    with pytest.raises(TypeError, match="none of the arguments"):
        check_grads(lambda n: n * 1.0, (3,))
    with pytest.raises(TypeError, match="none of the results"):
        check_grads(np.argmax, (X,))


# --- operations -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def square_plus():
    """An op of this file's own, for as long as its tests run: other tests go over all ops."""
    before = set(OPS)
    yield graphc.operation(
        pointwise(
            "square_plus_of_tests",
            lambda x, y: x * x + y,
            arity=2,
            kinds="f",
            vjp=lambda x, y, out, g: (ops.masked_multiply(g, ops.add(x, x)), g),
            expression=lambda x, y: apply("add", apply("multiply", x, x), y),
        ),
        elementwise=True,
    )
    for name in set(OPS) - before:
        del OPS[name]


def test_an_elementwise_operation_is_like_a_ufunc(square_plus):
    column = np.ones((2, 1), np.float32)
    np.testing.assert_allclose(square_plus(X, column), X**2 + column)
    assert square_plus(column, 1.0).dtype == np.float32
    assert type(square_plus(np.float32(2), 1)) is np.float32
    with pytest.raises(TypeError, match="does not take"):
        square_plus(np.arange(3), 1)
    with pytest.raises(ValueError, match="broadcast"):
        square_plus(X, np.ones(2))


def test_an_operation_in_every_transformation(square_plus):
    f = graphc.compile(lambda x: square_plus(np.sin(x), x).sum())
    gradient = 2 * np.sin(X) * np.cos(X) + 1
    np.testing.assert_allclose(graphc.grad(f)(X), gradient)
    np.testing.assert_allclose(graphc.jvp(f, (X,), (X,))[1], gradient @ X)
    np.testing.assert_allclose(
        graphc.vmap(square_plus, in_axes=(0, None))(np.stack([X, 2 * X]), X),
        [X**2 + X, 4 * X**2 + X],
    )
    check_grads(square_plus, (X, X), order=2)
    assert len(f.explain(X).kernels) == 1


def test_an_operation_on_whole_arrays_takes_other_arguments_as_they_are():
    total = graphc.operation(lambda x, axes: ops.sum_(x, axes))
    np.testing.assert_allclose(total(np.ones((2, 3)), (1,)), [3, 3])


def test_names_are_taken_once_and_name_kernels(square_plus):
    with pytest.raises(ValueError, match="registered already"):
        pointwise("square_plus_of_tests", np.add)
    with pytest.raises(ValueError, match="no identifier"):
        pointwise("square plus", np.add)
    assert "square plus" not in OPS


def test_functions_that_make_arrays():
    def buffered(x):
        y = np.zeros(3)
        y[:2] = np.array([x[0] * x[1], np.sin(x[1])])
        return np.r_[y, x**3]

    check_grads(buffered, (np.array([0.5, 2.0]),))
    with graphc.eager():
        check_grads(buffered, (np.array([0.5, 2.0]),))


def test_a_single_mode_is_a_string_and_no_other_is_taken():
    @graphc.custom_vjp
    def wrong(x):
        return x * x

    wrong.defvjp(lambda x: (x * x, x), lambda x, g: (g * x,))
    with pytest.raises(AssertionError, match="reverse mode"):
        check_grads(wrong, (X,), order=1, modes="reverse")
    check_grads(np.sin, (X,), modes="forward")
    for modes in ("revers", ("reverse", "forwards"), ()):
        with pytest.raises(ValueError, match="'forward' and 'reverse'"):
            check_grads(np.sin, (X,), modes=modes)
