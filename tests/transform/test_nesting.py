"""Transformations in every order, in compiled functions and out of them; SciPy on top."""

import itertools

import numpy as np
import pytest
from scipy import optimize

import graphc

pytestmark = pytest.mark.filterwarnings("ignore:.*has been compiled")

X = np.array([0.5, -1.0, 2.0])


def f(x):
    return np.sin(x) * x[0]


def total(transformed):
    """A scalar of whatever a transformed function gives."""
    return sum(
        (np.cos(np.arange(part.size)).reshape(part.shape) * part).sum() for part in transformed
    )


STEPS = {
    "grad": lambda g: graphc.grad(lambda x: total([g(x)])),
    "jvp": lambda g: lambda x: graphc.jvp(g, (x,), (np.cos(x),))[1],
    "vjp": lambda g: lambda x: graphc.vjp(g, x)[1](np.cos(g(x)))[0],
    "vmap": lambda g: lambda x: graphc.vmap(lambda s: g(s * x))(np.array([1.0, 0.5])).sum(axis=0),
    "jacobian": lambda g: lambda x: graphc.jacobian(g)(x) @ x,
    "checkpoint": graphc.checkpoint,
    "compile": graphc.compile,
}


@pytest.mark.parametrize(("first", "second"), list(itertools.product(STEPS, repeat=2)))
def test_pairs_agree_with_the_evaluator(first, second):
    """Compiled at once and step by step; the evaluator runs each on its own in eager mode."""
    nested = STEPS[second](STEPS[first](f))
    with graphc.eager():
        expected = nested(X)
    np.testing.assert_allclose(nested(X), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(graphc.compile(nested)(X), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("outer", "middle", "inner"),
    [
        ("grad", "vmap", "jvp"),
        ("jvp", "grad", "vmap"),
        ("vmap", "jvp", "grad"),
        ("jacobian", "checkpoint", "grad"),
        ("grad", "jacobian", "vjp"),
        ("vmap", "checkpoint", "jacobian"),
        ("grad", "grad", "jvp"),
    ],
)
def test_triples_agree_with_differences(outer, middle, inner):
    g = STEPS[middle](STEPS[inner](f))
    found = STEPS[outer](g)(X)
    with graphc.eager():
        if outer in ("grad", "jacobian", "jvp"):
            columns = [(g(X + 1e-5 * e) - g(X - 1e-5 * e)) / 2e-5 for e in np.eye(3)]
            matrix = np.stack(columns, axis=-1)
            weights = np.cos(np.arange(3))
            expected = {"grad": weights @ matrix, "jacobian": matrix @ X, "jvp": matrix @ np.cos(X)}
            np.testing.assert_allclose(found, expected[outer], rtol=1e-5, atol=1e-6)
        else:
            np.testing.assert_allclose(found, g(X) + g(0.5 * X), rtol=1e-10)


def test_inner_and_outer_perturbations_are_apart():
    """d/dx (x * d/dy (x + y)) is 1, not 2: in every mix of modes."""
    derivatives = {
        "grad": graphc.grad,
        "jvp": lambda g: lambda x: graphc.jvp(g, (x,), (1.0,))[1],
        "vjp": lambda g: lambda x: graphc.vjp(g, x)[1](1.0)[0],
        "jacobian": graphc.jacobian,
    }
    for outer, inner in itertools.product(derivatives.values(), repeat=2):
        assert outer(lambda x, inner=inner: x * inner(lambda y: x + y)(2.0))(3.0) == 1.0


class Model:
    def __init__(self):
        self.w = np.array([1.0, 2.0, 3.0])

    @graphc.checkpoint
    def block(self, x):
        return np.sin(x * self.w)

    @graphc.custom_vjp
    def doubled(self, x):
        return x * self.w

    doubled.defvjp(lambda self, x: (x * self.w, self.w), lambda w, g: (2 * g * w,))

    @graphc.grad
    def slope(self, x):
        return (self.w * x**2).sum()


def test_methods_are_transformed():
    model = Model()
    np.testing.assert_allclose(model.block(X), np.sin(X * model.w))
    np.testing.assert_allclose(
        graphc.grad(lambda x: model.block(x).sum())(X), np.cos(X * model.w) * model.w
    )
    np.testing.assert_allclose(graphc.grad(lambda x: model.doubled(x).sum())(X), 2 * model.w)
    np.testing.assert_allclose(graphc.compile(model.slope)(X), 2 * model.w * X)


# --- SciPy ----------------------------------------------------------------------------------------


@graphc.compile
def rosenbrock(x):
    return graphc.value_and_grad(
        lambda x: (100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
    )(x)


@graphc.compile
def rosenbrock_value(x):
    return rosenbrock(x)[0]


def test_minimize_takes_a_compiled_function():
    found = optimize.minimize(rosenbrock, np.zeros(5), jac=True, method="BFGS")
    assert found.success
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-5)


def test_minimize_takes_hessians_and_their_products():
    start = np.zeros(5)
    hessian = graphc.hessian(rosenbrock_value)
    found = optimize.minimize(rosenbrock, start, jac=True, hess=hessian, method="trust-exact")
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-6)

    @graphc.compile
    def product(x, v):
        return graphc.jvp(graphc.grad(rosenbrock_value), (x,), (v,))[1]

    found = optimize.minimize(
        rosenbrock, start, jac=True, hessp=product, method="Newton-CG", tol=1e-9
    )
    np.testing.assert_allclose(found.x, np.ones(5), rtol=1e-6)


def circle_and_line(x):
    return np.array([x[0] ** 2 + x[1] ** 2 - 1.0, x[0] - x[1]])


def test_root_takes_a_jacobian():
    g, jacobian = graphc.compile(circle_and_line), graphc.jacobian(circle_and_line)
    for method in ("hybr", "lm"):
        found = optimize.root(g, np.array([1.0, 0.5]), jac=jacobian, method=method)
        assert found.success
        np.testing.assert_allclose(found.x, np.full(2, np.sqrt(0.5)), rtol=1e-9)
    fitted = optimize.least_squares(g, np.array([1.0, 0.5]), jac=jacobian)
    np.testing.assert_allclose(fitted.x, np.full(2, np.sqrt(0.5)), rtol=1e-6)


def test_newton_takes_scalars():
    f = graphc.compile(lambda x: x**3 - 2.0)
    found = optimize.root_scalar(f, x0=1.0, fprime=graphc.grad(lambda x: x**3 - 2.0))
    assert found.root == pytest.approx(2 ** (1 / 3))


def test_scipys_own_differences_agree():
    x = np.array([0.3, -0.7])
    from_differences = optimize._numdiff.approx_derivative(
        graphc.compile(circle_and_line), x, method="3-point"
    )
    np.testing.assert_allclose(graphc.jacobian(circle_and_line)(x), from_differences, rtol=1e-7)
    assert optimize.check_grad(rosenbrock_value, lambda x: rosenbrock(x)[1], x) < 1e-5
