"""Joined, repeated and shifted arrays: one plain loop for each source, the same elements."""

import numpy as np
import pytest

import graphc

RANDOM = np.random.default_rng(0)
FUNCTIONS = {
    "joined in rows": lambda x, y: np.concatenate([x, y * 2, x + 1], axis=-1),
    "joined in columns": lambda x, y: np.concatenate([x, y, x]),
    "joined flat": lambda x, y: np.concatenate([x.reshape(-1), y.reshape(-1) + 1]),
    "stacked": lambda x, y: np.stack([x, y], axis=-1),
    "tiled": lambda x, y: np.tile(x, 3) + np.tile(y, 3),
    "tiled twice": lambda x, y: np.tile(x.T, (2, 2, 3)),
    "repeated": lambda x, y: np.repeat(x, 2),
    "repeated in rows": lambda x, y: np.repeat(x, 3, axis=1) * np.repeat(y, 3, axis=1),
    "rolled": lambda x, y: np.roll(x, 2, axis=1) - np.roll(y, -1),
    "padded": lambda x, y: np.pad(x, ((1, 2), (0, 3))),
    "summed": lambda x, y: np.concatenate([x, y], axis=1).sum(axis=1),
    "summed in columns": lambda x, y: np.concatenate([x, y], axis=1).max(axis=0, initial=-9),
    "written": lambda x, y: np.concatenate([x, y], axis=1)[:, ::-1].reshape(-1) * 2,
    "any": lambda x, y: np.concatenate([x, y], axis=1).any(),
    "flat shift": lambda x, y: np.tile(x, (2, 2)).reshape(-1)[1:] + 1,
}


def arrays(*shape):
    return [RANDOM.standard_normal(shape) for _ in range(2)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sizes_known_and_not(name):
    function = FUNCTIONS[name]
    compiled = graphc.compile(function)
    for shape in ((3, 4), (5, 7), (1, 1), (1, 6), (6, 1), (0, 3), (3, 0), (40, 300), (300, 500)):
        x, y = arrays(*shape)
        wanted = function(x, y)
        np.testing.assert_allclose(compiled(x, y), wanted, rtol=1e-12)
        static = graphc.compile(function).lower(x, y).compile()
        np.testing.assert_allclose(static(x, y), wanted, rtol=1e-12)


def test_operands_of_other_sizes():
    compiled = graphc.compile(lambda x, y: np.concatenate([x, y, x[:, 1:]], axis=1))
    for first, second in ((3, 5), (1, 0), (2, 9), (400, 3), (0 + 1, 500)):
        x, y = RANDOM.standard_normal((4, first)), RANDOM.standard_normal((4, second))
        np.testing.assert_array_equal(compiled(x, y), np.concatenate([x, y, x[:, 1:]], axis=1))


@pytest.mark.parametrize("count", [2, 9, 70])
def test_many_operands(count):
    parts = arrays(3, 5) * (count // 2) + arrays(3, 5)[: count % 2]
    compiled = graphc.compile(lambda *parts: np.concatenate(parts, axis=1) * 2)
    np.testing.assert_array_equal(compiled(*parts), np.concatenate(parts, axis=1) * 2)


def test_gradients():
    def loss(x, y):
        both = np.concatenate([np.tile(x, 2), np.repeat(y, 2, axis=1)], axis=1)
        return (np.sin(both) * np.arange(both.size).reshape(both.shape)).sum()

    x, y = arrays(3, 4)
    gradient = graphc.compile(graphc.grad(loss, argnums=(0, 1)))(x, y)
    step = 1e-6
    for number, found in enumerate(gradient):
        moved = [[x, y], [x, y]]
        direction = RANDOM.standard_normal(x.shape)
        moved[0][number] = moved[0][number] + step * direction
        moved[1][number] = moved[1][number] - step * direction
        slope = (loss(*moved[0]) - loss(*moved[1])) / (2 * step)
        np.testing.assert_allclose((found * direction).sum(), slope, rtol=1e-6)


def test_no_branch_and_no_division_is_left_in_the_loop():
    x = np.ones((50, 40))
    for name in ("joined in rows", "tiled", "repeated"):
        function = FUNCTIONS[name]
        source = graphc.compile(function).lower(x, x).source
        body = source[source.index("def ") : source.index("# the step")]
        assert " if " not in body
        assert "%" not in body
        assert "//" not in body


def test_many_branches_on_one_size_make_two_loops():
    """A second derivative of a product branches on the same sizes dozens of times."""
    x = np.random.default_rng(0).normal(size=4)
    found = graphc.hessian(lambda x: np.prod(x) * x)(x)

    def gradient(x):
        others = np.array([np.prod(np.delete(x, k)) for k in range(4)])
        return np.outer(x, others) + np.prod(x) * np.eye(4)

    step = 1e-6
    for k in range(4):
        moved = step * np.eye(4)[k]
        slope = (gradient(x + moved) - gradient(x - moved)) / (2 * step)
        np.testing.assert_allclose(found[..., k], slope, rtol=1e-6, atol=1e-8)
