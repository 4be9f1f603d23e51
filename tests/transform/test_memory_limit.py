"""``memory_limit``: the plan fits, results stay, what can't fit says what could."""

import numpy as np
import pytest

import graphc
from graphc import ops
from graphc.adjoint import differentiate
from graphc.adjoint_loops import in_blocks
from graphc.errors import MemoryLimitError
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.types import DTYPES, TensorType
from graphc.verify import verify

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


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [64, 67, 3])
def test_loops_are_cut_in_blocks(length, reverse):
    xs = np.random.default_rng(4).normal(size=(length, 500))

    def run(x, xs):
        def body(carry, row):
            c, n = carry
            c = np.sin(c * row) + 0.1 * c
            return (c, n + 1), (c * n).sum()

        (last, count), ys = graphc.scan(body, (x, 0), xs, reverse=reverse)
        return last.sum() + (ys * ys).sum() + count * 0.5

    def both(x, xs):
        return graphc.value_and_grad(run)(x, xs)

    x = np.linspace(0.5, 1.0, 500)
    plain = graphc.compile(both)
    whole = scratch(plain, x, xs)
    limit = whole if length < 8 else int(0.6 * whole)
    limited = graphc.compile(both, memory_limit=limit)
    assert_equal(limited(x, xs), plain(x, xs))
    assert scratch(limited, x, xs) <= limit


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [4, 7, 1, 0])
@pytest.mark.parametrize("blocks", [2, 3, 9])
def test_blocks_of_a_loop_are_the_loop(length, reverse, blocks):
    """All results and all gradients, of carries, xs and constants, graph against graph."""
    types = [TensorType(DTYPES["float64"], shape) for shape in ((3,), (length, 3), (3,))]
    c, x, k = (fresh_input(TensorType(DTYPES["float64"], (3,))) for _ in range(3))
    new = ops.sin(ops.add(ops.multiply(c, x), k))
    body = close([c, x, k], [new, ops.multiply(c, k)])
    inputs = [fresh_input(type_) for type_ in types]
    plain = ops.scan(body, inputs[:1], inputs[1:2], inputs[2:], length, reverse=reverse)
    cut = in_blocks(plain, inputs, blocks, {})
    arrays = [RNG.normal(size=type_.shape) for type_ in types]
    seeds = [RNG.normal(size=value.shape) for value in plain]
    results = []
    for outputs in (plain, cut):
        graph = verify(close(inputs, outputs))
        pulled = evaluate(verify(differentiate(graph, range(3))), [*arrays, *seeds])
        results.append([*evaluate(graph, arrays), *pulled])
    for expected, found in zip(*results, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    assert (list(plain) == cut) == (length // 2 < 2)


def test_ten_thousand_steps_need_the_memory_of_a_few_hundred():
    def both(x):
        def body(c, _):
            return np.sin(c) + 0.01 * c, None

        return graphc.value_and_grad(lambda x: graphc.scan(body, x, length=10_000)[0].sum())(x)

    x = np.linspace(0.5, 1.0, 64)
    plain, limited = graphc.compile(both), graphc.compile(both, memory_limit=400 * x.nbytes)
    assert scratch(plain, x) > 10_000 * x.nbytes
    assert_equal(limited(x), plain(x))


def test_a_loop_with_prints_in_blocks_prints_once(capfd):
    def both(x):
        def body(c, _):
            graphc.debug_print("c {:.3f}", c[0])
            return np.sin(c), None

        return graphc.grad(lambda x: graphc.scan(body, x, length=40)[0].sum())(x)

    x = np.linspace(0.5, 1.0, 2000)
    plain = graphc.compile(both)
    expected = plain(x)
    printed = capfd.readouterr().out
    limited = graphc.compile(both, memory_limit=int(0.7 * scratch(plain, x)))
    np.testing.assert_allclose(limited(x), expected, rtol=1e-12)
    assert capfd.readouterr().out == printed
    assert printed.count("\n") == 40
