"""``memory_limit``: the plan fits, results stay, what can't fit says what could."""

import numpy as np
import pytest

import graphc
from graphc.errors import MemoryLimitError

RNG = np.random.default_rng(0)
WEIGHTS = [RNG.normal(size=(16, 16)) / 4 for _ in range(20)]
X = RNG.normal(size=(256, 16))


def loss(weights, x):
    for w in weights:
        x = np.tanh(x @ w)
    return (x * x).sum()


def step(weights, x):
    return graphc.value_and_grad(loss)(weights, x)


def pulled(weights, x):
    out, pullback = graphc.vjp(loss, weights, x)
    return out, pullback(2.0)


def scratch(function, *args):
    return function.explain(*args).arena_bytes


def assert_equal(found, expected):
    for a, b in zip(graphc_leaves(found), graphc_leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def graphc_leaves(tree):
    if isinstance(tree, list | tuple):
        return [leaf for item in tree for leaf in graphc_leaves(item)]
    return [tree]


@pytest.mark.parametrize("function", [step, pulled])
@pytest.mark.parametrize("share", [1.0, 0.6, 0.4, 0.33])
def test_the_plan_fits_and_results_stay(function, share):
    plain = graphc.compile(function)
    limit = int(scratch(plain, WEIGHTS, X) * share)
    limited = graphc.compile(function, memory_limit=limit)
    assert_equal(limited(WEIGHTS, X), plain(WEIGHTS, X))
    assert scratch(limited, WEIGHTS, X) <= limit


def test_as_little_as_suffices_is_recomputed():
    plain = graphc.compile(step)
    whole = scratch(plain, WEIGHTS, X)
    kernels = [
        len(graphc.compile(step, memory_limit=int(whole * share)).explain(WEIGHTS, X).kernels)
        for share in (1.0, 0.7, 0.33)
    ]
    assert kernels[0] == len(plain.explain(WEIGHTS, X).kernels)
    assert kernels[0] < kernels[1] <= kernels[2]


def test_what_does_not_fit_says_the_smallest_that_does():
    with pytest.raises(MemoryLimitError, match="memory_limit=1000 can't be kept") as caught:
        graphc.compile(step, memory_limit=1000)(WEIGHTS, X)
    assert isinstance(caught.value, MemoryError)
    least = int(caught.value.hint.split("memory_limit=")[1].split(",")[0])
    limited = graphc.compile(step, memory_limit=least)
    limited(WEIGHTS, X)
    assert scratch(limited, WEIGHTS, X) <= least


def test_another_size_is_planned_anew():
    limit = scratch(graphc.compile(step), WEIGHTS, X) // 2
    limited, plain = graphc.compile(step, memory_limit=limit), graphc.compile(step)
    for rows in (64, 128, 256):
        assert_equal(limited(WEIGHTS, X[:rows]), plain(WEIGHTS, X[:rows]))
        assert scratch(limited, WEIGHTS, X[:rows]) <= limit


def test_writes_prints_and_second_derivatives(capfd):
    def noisy(x, log):
        log[0] += 1
        for k in range(12):
            x = np.sin(x) * x
            if k == 5:
                graphc.debug_print("middle {:.3f}", x[0])
        return x.sum()

    def second(x, log):
        return graphc.grad(lambda x: graphc.grad(lambda x: noisy(x, log))(x).sum())(x)

    x = np.linspace(0.5, 1.5, 2000)
    plain = graphc.compile(second)
    limited = graphc.compile(second, memory_limit=int(0.8 * scratch(plain, x, np.zeros(1))))
    results = []
    for function in (plain, limited):
        log = np.zeros(1)
        results.append(function(x, log))
        assert log[0] == 1
    first, again = capfd.readouterr().out.splitlines()
    assert first == again
    np.testing.assert_allclose(results[1], results[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("limit", [0, -5, 1.5, "1MB", True])
def test_what_is_no_number_of_bytes_is_refused(limit):
    with pytest.raises(ValueError, match="memory_limit"):
        graphc.compile(step, memory_limit=limit)
