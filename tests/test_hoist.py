"""Products out of loops, and states that lie in the stack of what each turn finds."""

import numpy as np
import pytest

import graphc

RNG = np.random.default_rng(3)
W, V = RNG.normal(size=(10, 9)), RNG.normal(size=(9, 9)) / 4
H = RNG.normal(size=(8, 9))


def cells(w, v, h, xs, reverse=False):
    def cell(h, x):
        h = np.tanh(x @ w + h @ v)
        return h, h @ v

    return graphc.scan(cell, h, xs, reverse=reverse)


def by_hand(w, v, h, xs, reverse=False):
    ys = np.zeros((len(xs), *h.shape))
    for step in reversed(range(len(xs))) if reverse else range(len(xs)):
        h = np.tanh(xs[step] @ w + h @ v)
        ys[step] = h @ v
    return h, ys


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_products_of_each_step_are_one_product(steps, reverse):
    xs = RNG.normal(size=(steps, 8, 10))
    function = graphc.compile(lambda *arrays: cells(*arrays, reverse=reverse))
    for found, wanted in zip(function(W, V, H, xs), by_hand(W, V, H, xs, reverse), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    (body,) = [n.regions[0] for n in function.lower(W, V, H, xs).graph.nodes if n.regions]
    assert [n.op.name for n in body.nodes].count("matmul") == 1  # h @ v alone is in the loop


@pytest.mark.parametrize("reverse", [False, True])
def test_gradients_by_weights_are_summed_in_one_product(reverse):
    def loss(run, w, v, h, xs):
        last, ys = run(w, v, h, xs, reverse=reverse)
        return (last * last).sum() + (ys * ys).sum()

    xs = RNG.normal(size=(4, 8, 10))
    gradient = graphc.compile(
        graphc.grad(lambda *arrays: loss(cells, *arrays), argnums=(0, 1, 2, 3))
    )
    found = gradient(W, V, H, xs)
    arrays = [W, V, H, xs]
    for k, array in enumerate(arrays):
        direction = RNG.normal(size=array.shape)
        moved = [[*arrays[:k], array + s * direction, *arrays[k + 1 :]] for s in (1e-5, -1e-5)]
        near, far = (loss(by_hand, *inputs) for inputs in moved)
        assert (found[k] * direction).sum() == pytest.approx((near - far) / 2e-5, rel=1e-6)
    bodies = [n.regions[0] for n in gradient.lower(*arrays).graph.nodes if n.regions]
    made = [n.out().shape for b in bodies for n in b.nodes if n.op.name == "matmul"]
    assert made
    assert not {W.shape, V.shape} & set(made)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("steps", [3, 4, 0, 1])
def test_a_stacked_state_lies_in_the_stack(steps, reverse):
    function = graphc.compile(
        lambda m, xs: graphc.scan(lambda m, x: (V @ m + x, m), m, xs, reverse=reverse)
    )
    for count in (5, 6, steps):  # from the second size on the length is symbolic
        xs = RNG.normal(size=(count, 9, 9))
        m, rows = V, np.zeros((count, 9, 9))
        for step in reversed(range(count)) if reverse else range(count):
            rows[step] = m
            m = V @ m + xs[step]
        found, ys = function(V, xs)
        np.testing.assert_allclose(found, m)
        np.testing.assert_allclose(ys, rows)
    assert "copy" not in [kernel.name for _, kernel in function.lower(V, xs).kernels]
