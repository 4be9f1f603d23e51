"""Derivatives of ops against JAX: at random points to second order, and at edges.

Runs where JAX is installed (``make parity``).
"""

import numpy as np
import pytest

from graphc import ops
from graphc.adjoint import differentiate
from graphc.interp import evaluate
from graphc.ir import close, fresh_input, inline
from graphc.simplify.algebra import simplify
from graphc.types import TensorType

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy
lax = jax.lax
special = jax.scipy.special

ANYWHERE, POSITIVE, INSIDE, ABOVE_ONE = (-1.9, 1.9), (0.4, 2.5), (-0.9, 0.9), (1.3, 3.0)

FUNCTIONS = {
    "add": (ops.add, jnp.add, ANYWHERE, ANYWHERE),
    "subtract": (ops.subtract, jnp.subtract, ANYWHERE, ANYWHERE),
    "multiply": (ops.multiply, jnp.multiply, ANYWHERE, ANYWHERE),
    "divide": (ops.divide, jnp.divide, ANYWHERE, POSITIVE),
    "reciprocal": (ops.reciprocal, jnp.reciprocal, POSITIVE),
    "square": (ops.square, jnp.square, ANYWHERE),
    "power": (ops.power, jnp.power, POSITIVE, ANYWHERE),
    "remainder": (ops.remainder, jnp.remainder, (5.1, 5.4), (-1.25, -1.2)),
    "fmod": (ops.fmod, jnp.fmod, (-5.4, -5.1), (1.2, 1.25)),
    "absolute": (ops.absolute, jnp.abs, ANYWHERE),
    "copysign": (ops.copysign, jnp.copysign, ANYWHERE, ANYWHERE),
    "sqrt": (ops.sqrt, jnp.sqrt, POSITIVE),
    "cbrt": (ops.cbrt, jnp.cbrt, POSITIVE),
    "exp": (ops.exp, jnp.exp, ANYWHERE),
    "exp2": (ops.exp2, jnp.exp2, ANYWHERE),
    "expm1": (ops.expm1, jnp.expm1, ANYWHERE),
    "expit": (ops.expit, special.expit, ANYWHERE),
    "log": (ops.log, jnp.log, POSITIVE),
    "log2": (ops.log2, jnp.log2, POSITIVE),
    "log10": (ops.log10, jnp.log10, POSITIVE),
    "log1p": (ops.log1p, jnp.log1p, POSITIVE),
    "logaddexp": (ops.logaddexp, jnp.logaddexp, ANYWHERE, ANYWHERE),
    "logaddexp2": (ops.logaddexp2, jnp.logaddexp2, ANYWHERE, ANYWHERE),
    "sin": (ops.sin, jnp.sin, ANYWHERE),
    "cos": (ops.cos, jnp.cos, ANYWHERE),
    "tan": (ops.tan, jnp.tan, INSIDE),
    "arcsin": (ops.arcsin, jnp.arcsin, INSIDE),
    "arccos": (ops.arccos, jnp.arccos, INSIDE),
    "arctan": (ops.arctan, jnp.arctan, ANYWHERE),
    "arctan2": (ops.arctan2, jnp.arctan2, ANYWHERE, ANYWHERE),
    "hypot": (ops.hypot, jnp.hypot, ANYWHERE, POSITIVE),
    "sinh": (ops.sinh, jnp.sinh, ANYWHERE),
    "cosh": (ops.cosh, jnp.cosh, ANYWHERE),
    "tanh": (ops.tanh, jnp.tanh, ANYWHERE),
    "arcsinh": (ops.arcsinh, jnp.arcsinh, ANYWHERE),
    "arccosh": (ops.arccosh, jnp.arccosh, ABOVE_ONE),
    "arctanh": (ops.arctanh, jnp.arctanh, INSIDE),
    "maximum": (ops.maximum, jnp.maximum, ANYWHERE, ANYWHERE),
    "minimum": (ops.minimum, jnp.minimum, ANYWHERE, ANYWHERE),
    "erf": (ops.erf, special.erf, ANYWHERE),
    "erfc": (ops.erfc, special.erfc, ANYWHERE),
    "erfinv": (ops.erfinv, special.erfinv, INSIDE),
    "ndtr": (ops.ndtr, special.ndtr, ANYWHERE),
    "logit": (ops.logit, special.logit, (0.1, 0.9)),
    "log_expit": (ops.log_expit, jax.nn.log_sigmoid, ANYWHERE),
    "xlogy": (ops.xlogy, special.xlogy, ANYWHERE, POSITIVE),
    "xlog1py": (ops.xlog1py, special.xlog1py, ANYWHERE, POSITIVE),
    "entr": (ops.entr, special.entr, POSITIVE),
    "gammaln": (ops.gammaln, special.gammaln, ABOVE_ONE),
    "digamma": (ops.digamma, special.digamma, ABOVE_ONE),
    "sum": (lambda x: ops.sum_(x, (1,)), lambda x: x.sum(1), ANYWHERE),
    "prod": (lambda x: ops.prod(x, (0, 1)), jnp.prod, ANYWHERE),
    "max": (lambda x: ops.max_(x, (1,)), lambda x: x.max(1), ANYWHERE),
    "min": (lambda x: ops.min_(x, (0,)), lambda x: x.min(0), ANYWHERE),
    "matmul": (
        lambda x, y: ops.matmul(x, ops.matrix_transpose(y)),
        lambda x, y: x @ y.T,
        ANYWHERE,
        ANYWHERE,
    ),
}
COMPLEX = {
    "multiply": (ops.multiply, jnp.multiply),
    "divide": (ops.divide, jnp.divide),
    "power": (ops.power, jnp.power),
    "reciprocal": (ops.reciprocal, jnp.reciprocal),
    "exp": (ops.exp, jnp.exp),
    "log": (ops.log, jnp.log),
    "sqrt": (ops.sqrt, jnp.sqrt),
    "sin": (ops.sin, jnp.sin),
    "cos": (ops.cos, jnp.cos),
    "tan": (ops.tan, jnp.tan),
    "sinh": (ops.sinh, jnp.sinh),
    "cosh": (ops.cosh, jnp.cosh),
    "tanh": (ops.tanh, jnp.tanh),
    "absolute": (ops.absolute, jnp.abs),
    "real": (ops.real, jnp.real),
    "imag": (ops.imag, jnp.imag),
    "angle": (ops.angle, jnp.angle),
    "conjugate": (ops.conjugate, jnp.conj),
    "square": (ops.square, jnp.square),
}


def total(value):
    """The sum of the real parts, weighted so that no derivative cancels."""
    weights = np.cos(np.arange(float(np.prod(value.shape)))).reshape(value.shape)
    shares = ops.multiply(ops.real(value), ops.constant(weights))
    return ops.sum_(shares, range(value.ndim))


def jax_total(value):
    weights = np.cos(np.arange(float(value.size))).reshape(value.shape)
    return (jnp.real(value) * weights).sum()


def input_like(array):
    return fresh_input(TensorType(array.dtype, array.shape))


def our_gradients(build, arrays, order=1):
    """The gradients by each argument of the total, or of the total of the gradients."""
    inputs = [input_like(array) for array in arrays]
    graph = close(inputs, [total(build(*inputs))])
    for level in range(order):
        backward = differentiate(graph, range(len(arrays)))
        inputs = [input_like(array) for array in arrays]
        found = inline(backward, [*inputs, ops.constant(1.0)])
        result = close(inputs, found)
        value = total(found[0])
        for other in found[1:]:
            value = ops.add(value, total(other))
        graph = close(inputs, [value])
        assert level < order
    plain, simple = evaluate(result, arrays), evaluate(simplify(result), arrays)
    for a, b in zip(plain, simple, strict=True):
        np.testing.assert_array_equal(a, b)
    return plain


def jax_gradients(function, arrays, order=1):
    def objective(*values):
        return jax_total(function(*values))

    positions = tuple(range(len(arrays)))
    gradient = jax.grad(objective, positions)
    for _ in range(order - 1):
        gradient = jax.grad(
            lambda *values, inner=gradient: sum(map(jax_total, inner(*values))), positions
        )
    return gradient(*arrays)


def agree(ours, theirs):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-11, atol=1e-12)


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_derivatives_are_jaxs(name, order):
    build, function, *domains = FUNCTIONS[name]
    rng = np.random.default_rng(8)
    arrays = [rng.uniform(*domain, size=(3, 4)) for domain in domains]
    agree(our_gradients(build, arrays, order), jax_gradients(function, arrays, order))


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("name", COMPLEX)
def test_complex_derivatives_are_jaxs(name, order):
    build, function = COMPLEX[name]
    rng = np.random.default_rng(9)
    count = 2 if name in ("multiply", "divide", "power") else 1
    arrays = [rng.normal(size=(2, 3)) + 1j * rng.normal(size=(2, 3)) for _ in range(count)]
    agree(our_gradients(build, arrays, order), jax_gradients(function, arrays, order))


def column(*values):
    return np.array(values, dtype=float)


# Not JAX's: abs has derivative 0 at 0 and NaN at NaN (there 1), hypot 0 at the origin (there 1/2).
EDGES = {
    "absolute": (ops.absolute, jnp.abs, [column(2, -3, np.inf)]),
    "maximum": (ops.maximum, jnp.maximum, [column(0, 1, 2, np.inf), column(0, 2, 1, np.inf)]),
    "minimum": (ops.minimum, jnp.minimum, [column(0, 1, 2), column(0, 2, 1)]),
    "max": (lambda x: ops.max_(x, (0,)), lambda x: x.max(0), [column(3, 1, 3)]),
    "max of nan": (lambda x: ops.max_(x, (0,)), lambda x: x.max(0), [column(3, np.nan)]),
    "prod of one zero": (lambda x: ops.prod(x, (0,)), jnp.prod, [column(2, 0, 5)]),
    "prod of two zeros": (lambda x: ops.prod(x, (0,)), jnp.prod, [column(2, 0, 0, 5)]),
    "power": (ops.power, jnp.power, [column(0, 0, 2, 3), column(1, 2, 0, 1)]),
    "hypot": (ops.hypot, jnp.hypot, [column(0, 3), column(2, 4)]),
    "arctan2": (ops.arctan2, jnp.arctan2, [column(0), column(0)]),
    "sqrt": (ops.sqrt, jnp.sqrt, [column(0, 4, np.inf)]),
    "logaddexp": (ops.logaddexp, jnp.logaddexp, [column(1, 800, -800), column(1, 0, 0)]),
    "expit": (ops.expit, special.expit, [column(-800, 0, 800)]),
    "tanh": (ops.tanh, jnp.tanh, [column(-800, 0, 800)]),
    "copysign": (ops.copysign, jnp.copysign, [column(2, -2, 3), column(-1, -1, 0.0)]),
    "log": (ops.log, jnp.log, [column(0, np.inf)]),
    "complex absolute": (ops.absolute, jnp.abs, [np.array([0j, 1 + 1j])]),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges_are_jaxs(name):
    build, function, arrays = EDGES[name]
    agree(our_gradients(build, arrays), jax_gradients(function, arrays))


def test_gather_and_scatter_are_jaxs():
    rng = np.random.default_rng(4)
    x, values = rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
    index = np.array([0, -1, 2, 0, 0, 3])
    where = ops.constant(index)
    cases = [
        (lambda x, v: ops.multiply(ops.gather(x, (where,), (0,)), v), lambda x, v: x[index] * v),
        (
            lambda x, v: ops.square(ops.scatter_add(x, v, (where,), (0,))),
            lambda x, v: x.at[index].add(v) ** 2,
        ),
    ]
    for build, function in cases:
        for order in (1, 2):
            ours = our_gradients(build, [x, values], order)
            agree(
                ours,
                jax_gradients(lambda a, b, f=function: f(jnp.asarray(a), b), [x, values], order),
            )


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("reverse", [False, True])
def test_scan_is_jaxs(order, reverse):
    rng = np.random.default_rng(6)
    arrays = [rng.normal(size=3), rng.normal(size=(5, 3)), rng.normal(size=3)]

    def build(start, xs, scale):
        carry, item, factor = (input_like(arrays[0]) for _ in range(3))
        new = ops.sin(ops.add(ops.multiply(carry, item), factor))
        body = close([carry, item, factor], [new, ops.multiply(new, carry)])
        last, ys = ops.scan(body, [start], [xs], [scale], 5, reverse=reverse)
        return ops.concatenate((ys, ops.reshape(last, (1, 3))), 0)

    def function(start, xs, scale):
        def step(carry, item):
            new = jnp.sin(carry * item + scale)
            return new, new * carry

        last, ys = lax.scan(step, start, xs, reverse=reverse)
        return jnp.concatenate((ys, last[None]))

    agree(our_gradients(build, arrays, order), jax_gradients(function, arrays, order))
