"""`jacobian` and `hessian`: structure, both modes, complex numbers, kinds, sizes, bad input."""

import numpy as np
import pytest

import graphc
from graphc.errors import DTypeError
from graphc.transform.jacobian import Jacobian

X = np.array([1.0, 2.0, 3.0])


def numeric(f, x, step=1e-6):
    columns = [(f(x + step * e) - f(x - step * e)) / (2 * step) for e in np.eye(x.size)]
    return np.stack(columns, axis=-1)


FUNCTIONS = [
    lambda x: np.outer(x, np.sin(x)),
    lambda x: x[:2] * x[2],
    lambda x: (x**3).sum(),
    lambda x: np.concatenate([x, x * x, np.exp(x)]),
    lambda x: np.linalg.norm(x),
    lambda x: np.maximum(x, 2.5),
    lambda x: graphc.scan(lambda c, s: (np.sin(c + s), c * s), x[0], x)[1],
]


@pytest.mark.parametrize("mode", ["least", "forward", "reverse"])
@pytest.mark.parametrize("f", FUNCTIONS)
def test_both_modes_against_differences(f, mode):
    found = Jacobian(f, 0, mode, "jacobian")(X)
    np.testing.assert_allclose(found, numeric(f, X), rtol=1e-6, atol=1e-7)


def test_the_mode_follows_the_sizes():
    """Forward mode maps tangents of 3 directions, reverse mode cotangents of as many as results."""
    wide = graphc.compile(graphc.jacobian(lambda x: np.tanh(np.ones((50, 3)) @ x)))
    tall = graphc.compile(graphc.jacobian(lambda x: np.tanh(np.ones((2, 30)) @ x)))
    sizes = {
        type_.shape[0]
        for function, n in ((wide, 3), (tall, 30))
        for node in function.lower(np.ones(n)).graph.nodes
        for type_ in node.types
        if node.op.name == "matmul"
    }
    assert 50 not in sizes


def test_trees_in_trees():
    found = graphc.jacobian(lambda p, y: {"a": p["w"] * y, "n": 3}, (0, 1))(
        {"w": X, "i": np.arange(2)}, 2.0
    )
    by_p, by_y = found["a"]
    np.testing.assert_allclose(by_p["w"], 2 * np.eye(3))
    assert by_p["i"] is None
    np.testing.assert_allclose(by_y, X)
    assert found["n"] is None


def test_kinds():
    assert graphc.jacobian(lambda x: x**3)(2.0) == 12.0
    assert type(graphc.jacobian(lambda x: x**3)(2.0)) is float
    assert type(graphc.hessian(lambda x: x**3)(np.float32(2))) is np.float32
    assert graphc.jacobian(lambda x: x * 2)(X.astype("f")).dtype == np.float32
    assert graphc.jacobian(lambda x: (x**2).sum(keepdims=True))(X).shape == (1, 3)


def test_complex():
    x = X[:2]
    np.testing.assert_allclose(graphc.jacobian(lambda x: x * (1 + 2j))(x), np.eye(2) * (1 + 2j))
    z = x + 1j
    by_z = graphc.jacobian(lambda z: (z * np.conj(z)).real)(z)
    np.testing.assert_allclose(by_z, np.diag(2 * np.conj(z)))
    np.testing.assert_allclose(graphc.jacobian(lambda z: z**2)(z), np.diag(2 * z))


def quadratic(p, y):
    return (p["a"] * y**2).sum() + p["a"][0] * p["b"]


def test_hessian_of_several_arguments():
    p, y = {"a": X[:2], "b": 2.0}, X[1:]
    by_p, by_y = graphc.hessian(quadratic, (0, 1))(p, y)
    np.testing.assert_allclose(by_p["a"][0]["a"], np.zeros((2, 2)))
    np.testing.assert_allclose(by_p["a"][0]["b"], [1, 0])
    np.testing.assert_allclose(by_p["b"][0]["a"], [1, 0])
    np.testing.assert_allclose(by_p["a"][1], np.diag(2 * y))
    np.testing.assert_allclose(by_y[0]["a"], np.diag(2 * y))
    np.testing.assert_allclose(by_y[1], np.diag(2 * X[:2]))
    assert by_p["b"][0]["b"] == 0.0


def test_hessian_of_rosenbrock_is_scipys():
    from scipy.optimize import rosen, rosen_der, rosen_hess

    def f(x):
        return (100.0 * (x[1:] - x[:-1] ** 2.0) ** 2.0 + (1 - x[:-1]) ** 2.0).sum()

    x = np.linspace(-1.0, 1.5, 6)
    np.testing.assert_allclose(f(x), rosen(x))
    np.testing.assert_allclose(graphc.grad(f)(x), rosen_der(x), rtol=1e-12)
    np.testing.assert_allclose(graphc.hessian(f)(x), rosen_hess(x), rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("size", [2, 3, 0, 1, 5])
def test_any_size(size):
    x = np.linspace(0.0, 1.0, size)
    np.testing.assert_allclose(graphc.jacobian(np.sin)(x), np.diag(np.cos(x)))


def test_a_write_acts_once():
    def f(x):
        x[0] = x[1] * x[2]
        return x * 1.0

    x = X.copy()
    np.testing.assert_allclose(graphc.jacobian(f)(x), [[0, 3, 2], [0, 1, 0], [0, 0, 1]])
    np.testing.assert_array_equal(x, [6.0, 2, 3])


def test_a_custom_vjp_leaves_reverse_mode():
    @graphc.custom_vjp
    def sine(x):
        return np.sin(x)

    sine.defvjp(lambda x: (np.sin(x), x), lambda x, g: (g * np.cos(x),))
    f = lambda x: np.concatenate([sine(x), x])  # noqa: E731
    expected = np.vstack([np.diag(np.cos(X)), np.eye(3)])
    np.testing.assert_allclose(graphc.jacobian(f)(X), expected)
    np.testing.assert_allclose(
        graphc.hessian(lambda x: np.exp(sine(x)).sum())(X),
        np.diag(np.exp(np.sin(X)) * (np.cos(X) ** 2 - np.sin(X))),
    )


def test_integers_are_refused():
    with pytest.raises(DTypeError, match="jacobian by argument 0"):
        graphc.jacobian(np.sin)(np.arange(3))
