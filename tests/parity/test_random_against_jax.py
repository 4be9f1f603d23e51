"""Random numbers beside ``jax.random``: the same key gives the same numbers."""

import jax
import numpy as np
import pytest

import graphc

jax.config.update("jax_enable_x64", True)
SEEDS = [0, 7, -3, 2**40 + 11]


def keys(seed):
    return graphc.random.key(seed), jax.random.PRNGKey(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_and_splits(seed):
    ours, theirs = keys(seed)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(graphc.random.split(ours, 5), jax.random.split(theirs, 5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", SEEDS)
def test_floats(seed, dtype):
    ours, theirs = keys(seed)
    tolerance = 8 * float(np.finfo(dtype).eps)
    for shape in ((), (5,), (3, 70)):
        np.testing.assert_allclose(
            graphc.random.uniform(ours, shape, dtype, -1.5, 2.5),
            jax.random.uniform(theirs, shape, dtype, -1.5, 2.5),
            rtol=tolerance,
            atol=tolerance,
        )
        np.testing.assert_allclose(
            graphc.random.normal(ours, shape, dtype),
            jax.random.normal(theirs, shape, dtype),
            rtol=16 * tolerance,
            atol=tolerance,
        )


@pytest.mark.parametrize("seed", SEEDS)
def test_choices(seed):
    ours, theirs = keys(seed)
    np.testing.assert_array_equal(
        graphc.random.bernoulli(ours, 0.3, (100,)), jax.random.bernoulli(theirs, 0.3, (100,))
    )
    for low, high, dtype in ((0, 10, np.int64), (-5, 2**40, np.int64), (3, 90, np.int32)):
        np.testing.assert_array_equal(
            graphc.random.randint(ours, (50,), low, high, dtype),
            jax.random.randint(theirs, (50,), low, high, dtype),
        )
    logits = np.log([[0.1, 0.6, 0.3], [0.4, 0.4, 0.2]])
    np.testing.assert_array_equal(
        graphc.random.categorical(ours, logits, shape=(20, 2)),
        jax.random.categorical(theirs, logits, shape=(20, 2)),
    )
