"""Complex numbers in NumPy's order: real parts, then imaginary parts; NaN parts as NumPy has it."""

import itertools

import numpy as np
import pytest

import graphc

PARTS = [-np.inf, -1.0, -0.0, 0.0, 1.0, np.inf, np.nan]
POINTS = np.array([complex(re, im) for re, im in itertools.product(PARTS, PARTS)])
LEFT, RIGHT = (part.ravel() for part in np.meshgrid(POINTS, POINTS))


def parts(x):
    return np.stack([x.real, x.imag]) if x.dtype.kind == "c" else x


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize(
    "name",
    ["less", "less_equal", "greater", "greater_equal", "maximum", "minimum", "fmax", "fmin"],
)
def test_two(name, dtype):
    function = getattr(np, name)
    x, y = LEFT.astype(dtype), RIGHT.astype(dtype)
    actual, expected = graphc.compile(lambda x, y: function(x, y))(x, y), function(x, y)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(parts(actual), parts(expected))


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_many(name, dtype, axis):
    rng = np.random.default_rng(0)
    function = getattr(np, name)
    compiled = graphc.compile(lambda x: function(x, axis=axis))
    for points in (POINTS, POINTS[~np.isnan(POINTS)], POINTS[-3:], POINTS[:1]):
        for _ in range(10):
            x = rng.choice(points, (5, 4)).astype(dtype)
            actual, expected = compiled(x), function(x, axis=axis)
            assert actual.dtype == expected.dtype
            np.testing.assert_array_equal(parts(actual), parts(expected))


def test_the_gradient_of_a_largest():
    x = np.array([1 + 2j, 1 + 3j, -4j])
    gradient = graphc.grad(lambda x: (np.max(x) * 2).real + np.minimum(x, 0.5).imag.sum())(x)
    np.testing.assert_array_equal(gradient, [0, 2, -1j])
