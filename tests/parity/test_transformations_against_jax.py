"""`jvp`, `vjp`, `vmap`, `jacobian` and `hessian` against JAX, on the same functions.

Runs where JAX is installed (``make parity``).
"""

import numpy as np
import pytest

import graphc

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

pytestmark = pytest.mark.filterwarnings("ignore:.*has been compiled")

RNG = np.random.default_rng(2)
X = RNG.normal(size=4)
W = RNG.normal(size=(3, 4))
Z = RNG.normal(size=4) + 1j * RNG.normal(size=4)
XS = RNG.normal(size=(5, 4))

# Each function takes the array module: NumPy's for graphc, jax.numpy for JAX.
FUNCTIONS = {
    "layer": lambda np, x: np.tanh(W @ x) * x[:3],
    "softmax": lambda np, x: np.exp(x - x.max()) / np.exp(x - x.max()).sum(),
    "norm": lambda np, x: np.linalg.norm(x) * np.ones(2),
    "where": lambda np, x: np.where(x > 0, np.sqrt(np.abs(x)), x**3),
    "index": lambda np, x: x[np.array([0, 2, 2, 1])] * x,
    "outer": lambda np, x: np.outer(x, np.sin(x)).sum(axis=0),
    "prod": lambda np, x: np.prod(x) * x,
    "maximum": lambda np, x: np.maximum(x, x[::-1]),
    "concatenate": lambda np, x: np.concatenate([x, x * x])[2:7],
    "polynomial": lambda np, x: x**3 - 2 * x**2 + x,
    "matrix": lambda np, x: (W.T @ W) @ x @ x * x,
    "logs": lambda np, x: np.log1p(np.exp(-np.abs(x))) + np.arctan2(x, 1 + x**2),
}
COMPLEX = {
    "square": lambda np, z: z * z,
    "exponential": lambda np, z: np.exp(1j * z) * np.conj(z),
    "modulus": lambda np, z: np.abs(z) + 0j,
    "parts": lambda np, z: z.real * z.imag * (1 + 2j),
}


def pair(name, table=FUNCTIONS):
    f = table[name]
    return (lambda x: f(np, x)), (lambda x: f(jnp, x))


def agree(ours, theirs, rtol=1e-10):
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=rtol, atol=1e-11)
    assert np.asarray(ours).dtype == theirs.dtype
    assert np.shape(ours) == theirs.shape


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_are_jaxs(name):
    ours, theirs = pair(name)
    t = np.cos(np.arange(4.0))
    for a, b in zip(graphc.jvp(ours, (X,), (t,)), jax.jvp(theirs, (X,), (t,)), strict=True):
        agree(a, b)
    (out, pull), (out_jax, pull_jax) = graphc.vjp(ours, X), jax.vjp(theirs, X)
    agree(out, out_jax)
    g = np.sin(1 + np.arange(float(out.size))).reshape(out.shape)
    agree(pull(g)[0], pull_jax(g)[0])


@pytest.mark.parametrize("name", COMPLEX)
def test_complex_products_are_jaxs(name):
    ours, theirs = pair(name, COMPLEX)
    t = Z[::-1].copy()
    for a, b in zip(graphc.jvp(ours, (Z,), (t,)), jax.jvp(theirs, (Z,), (t,)), strict=True):
        agree(a, b)
    agree(graphc.vjp(ours, Z)[1](t)[0], jax.vjp(theirs, Z)[1](t)[0])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_vmap_is_jaxs(name):
    ours, theirs = pair(name)
    agree(graphc.vmap(ours)(XS), jax.vmap(theirs)(XS))
    agree(graphc.vmap(ours, in_axes=1, out_axes=-1)(XS.T), jax.vmap(theirs, 1, -1)(XS.T))
    gradient = graphc.vmap(graphc.grad(lambda x: ours(x).sum()))
    agree(gradient(XS), jax.vmap(jax.grad(lambda x: theirs(x).sum()))(XS))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_jacobians_and_hessians_are_jaxs(name):
    ours, theirs = pair(name)
    agree(graphc.jacobian(ours)(X), jax.jacrev(theirs)(X))
    agree(graphc.hessian(ours)(X), jax.hessian(theirs)(X), rtol=1e-9)


def test_a_hessian_vector_product_is_jaxs():
    ours, theirs = pair("layer")
    v = np.cos(np.arange(4.0))
    product = graphc.jvp(graphc.grad(lambda x: ours(x).sum()), (X,), (v,))[1]
    agree(product, jax.jvp(jax.grad(lambda x: theirs(x).sum()), (X,), (v,))[1])


def test_in_axes_of_trees_are_jaxs():
    def f(p, x):
        return p["w"] @ x + p["b"]

    p, axes = {"w": W, "b": RNG.normal(size=(5, 3))}, ({"w": None, "b": 0}, 0)
    agree(graphc.vmap(f, in_axes=axes)(p, XS), jax.vmap(f, in_axes=axes)(p, XS))


def test_scans_mapped_and_pushed_forward_are_jaxs():
    def step(np):
        return lambda c, x: (np.sin(c * x), c + x)

    def ours(x):
        return graphc.scan(step(np), x, XS)[1]

    def theirs(x):
        return jax.lax.scan(step(jnp), x, XS)[1]

    agree(graphc.jacobian(ours)(X), jax.jacfwd(theirs)(X))
    agree(graphc.vmap(ours)(XS), jax.vmap(theirs)(XS))


@pytest.mark.parametrize("second", [False, True])
def test_custom_vjp_is_jaxs(second):
    def forward(np):
        return lambda x: (np.exp(x), np.exp(x))

    def backward(np):
        return lambda kept, g: (np.clip(g * kept, -1.5, 1.5),)

    ours, theirs = graphc.custom_vjp(np.exp), jax.custom_vjp(jnp.exp)
    ours.defvjp(forward(np), backward(np))
    theirs.defvjp(forward(jnp), backward(jnp))
    a, b = graphc.grad(lambda x: (3 * ours(x)).sum()), jax.grad(lambda x: (3 * theirs(x)).sum())
    if second:
        a, b = graphc.jacobian(a), jax.jacrev(b)
    agree(a(X), b(X))


def test_checkpoints_are_jaxs():
    a = graphc.hessian(lambda x: graphc.checkpoint(pair("layer")[0])(x).sum())
    b = jax.hessian(lambda x: jax.checkpoint(pair("layer")[1])(x).sum())
    agree(a(X), b(X))
