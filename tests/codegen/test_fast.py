"""``precision="fast"``: approximations within the stated bound, with the same ends."""

import numpy as np
import pytest
from scipy import special

import graphc

FUNCTIONS = {
    "exp": np.exp,
    "expm1": np.expm1,
    "tanh": np.tanh,
    "log": np.log,
}
BOUNDS = {"float32": 2.0**-20, "float64": 2.0**-36}


def arguments(dtype):
    """Numbers of every size, near 1, and the ends."""
    small = np.logspace(-37, 3, 40_001)
    near = 1 + np.linspace(-1e-3, 1e-3, 4001)
    ends = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1000.0, -1000.0]
    return np.concatenate([np.linspace(-86, 86, 80_001), small, -small, near, ends]).astype(dtype)


@pytest.mark.parametrize("dtype", BOUNDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_errors(name, dtype):
    function = FUNCTIONS[name]
    x = arguments(dtype)
    compiled = graphc.compile(lambda x: function(x), precision="fast")
    found = compiled(x)
    assert f"fast_{name}" in compiled.lower(x).source
    with np.errstate(all="ignore"):
        exact = function(x.astype(np.longdouble if dtype == "float64" else np.float64))
        wanted = exact.astype(dtype)
    info = np.finfo(dtype)
    normal = (np.abs(exact) >= info.tiny) & (np.abs(exact) <= info.max)
    error = np.abs((found[normal] - exact[normal]) / exact[normal])
    assert np.max(error) <= BOUNDS[dtype]
    ends = ~np.isfinite(x) | (x == 0) | (np.abs(x) == 1000)
    np.testing.assert_array_equal(found[ends], wanted[ends])
    np.testing.assert_array_equal(np.signbit(found[x == 0]), np.signbit(wanted[x == 0]))


@pytest.mark.parametrize("dtype", BOUNDS)
def test_the_logistic_function(dtype):
    x = arguments(dtype)
    x = x[np.isfinite(x) & (np.abs(x) < 80)]
    sigmoid = graphc.compile(lambda x: 1 / (1 + np.exp(-x)), precision="fast")
    exact = special.expit(x.astype(np.longdouble))
    assert np.max(np.abs(sigmoid(x) / exact - 1)) <= BOUNDS[dtype]


def test_the_default_is_strict():
    x = np.linspace(0.1, 2, 50)
    strict, fast = (graphc.compile(lambda x: np.tanh(x), precision=p) for p in ("strict", "fast"))
    assert "fast_" not in strict.lower(x).source
    np.testing.assert_allclose(strict(x), np.tanh(x), rtol=1e-15)
    np.testing.assert_allclose(fast(x), np.tanh(x), rtol=BOUNDS["float64"])


def test_gradients_are_as_exact():
    step = graphc.compile(lambda x: graphc.grad(lambda x: np.sum(np.tanh(x)))(x), precision="fast")
    x = np.linspace(-2, 2, 40, dtype=np.float32)
    np.testing.assert_allclose(step(x), 1 - np.tanh(x.astype(np.float64)) ** 2, atol=2e-6)
