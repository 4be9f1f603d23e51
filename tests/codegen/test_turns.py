"""Loops with tiny bodies: several turns in a call, whatever the number of turns."""

import numpy as np
import pytest

import graphc
from graphc.codegen.source.turns import SEVERAL, TURNS

LENGTHS = (0, 1, 2, TURNS - 1, TURNS, TURNS + 1, 2 * TURNS, 2 * TURNS + 1, 100)
RNG = np.random.default_rng(3)
MATRIX = RNG.normal(size=(3, 3)) / 2


def body(carry, x):
    h, v, count = carry
    after = np.tanh(h @ MATRIX + x)
    return (v * 0.9 + h, after, count + 1), (h.sum(axis=0), after * v)


def by_hand(carry, xs, reverse):
    found = []
    for x in xs[::-1] if reverse else xs:
        carry, y = body(carry, x)
        found.append(y)
    ys = [np.stack(part[::-1] if reverse else part) for part in zip(*found, strict=True)]
    return carry, ys


def start():
    return (np.eye(3), np.ones((3, 3)) / 2, np.array(0))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", LENGTHS)
def test_states_rows_and_results(length, reverse):
    xs = np.random.default_rng(length).normal(size=(length, 3, 3))
    compiled = graphc.compile(lambda c, xs: graphc.scan(body, c, xs, reverse=reverse))
    carry, ys = compiled(start(), xs)
    if length == 0:
        assert all(y.shape[0] == 0 for y in ys)
        wanted = start()
    else:
        wanted, rows = by_hand(start(), xs, reverse)
        for mine, row in zip(ys, rows, strict=True):
            np.testing.assert_allclose(mine, row, rtol=1e-9, atol=1e-12)
    for mine, state in zip(carry, wanted, strict=True):
        np.testing.assert_allclose(mine, state, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("length", LENGTHS[1:])  # eagerly, a scan of no turns has no ys
def test_gradients(length):
    xs = np.random.default_rng(length).normal(size=(length, 3, 3)) / 2

    def loss(h, xs):
        carry, ys = graphc.scan(body, (h, *start()[1:]), xs)
        return (carry[0] ** 2).sum() + (carry[1] * 0.3).sum() + sum((y**2).sum() for y in ys)

    h = np.eye(3) * 0.7
    gradient = graphc.grad(loss, argnums=(0, 1))
    with graphc.eager():  # by the evaluator, a turn at a time
        wanted = gradient(h, xs)
    for mine, other in zip(gradient(h, xs), wanted, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-9, atol=1e-9)


def test_several_turns_stand_in_one_function():
    def run(h, a):
        return graphc.scan(lambda h, _: (h @ a * 0.99, None), h, length=1000)[0]

    h, turning = np.eye(3), np.linalg.qr(MATRIX)[0]
    compiled = graphc.compile(run)
    assert f"def body_0{SEVERAL}(" in str(compiled.lower(h, turning).source)
    wanted = np.linalg.matrix_power(turning * 0.99, 1000)
    np.testing.assert_allclose(compiled(h, turning), wanted, rtol=1e-10)


def test_a_check_in_a_tiny_body_stops_the_loop():
    def run(x, places):
        return graphc.scan(lambda c, p: (c + x[p], None), 0.0, places)[0]

    compiled = graphc.compile(run)
    x, places = np.arange(4.0), np.arange(40) % 4
    assert compiled(x, places) == x[places].sum()
    places[21] = 4
    with pytest.raises(IndexError):
        compiled(x, places)


def test_loops_of_tiny_bodies_of_a_symbolic_length():
    compiled = graphc.compile(lambda xs: graphc.scan(lambda c, x: (c * 0.5 + x, c), 0.0, xs))
    for length in (20, 30, 7, 8, 9, 2):
        xs = RNG.normal(size=length)
        total, rows = compiled(xs)
        wanted, state = [], 0.0
        for x in xs:
            wanted.append(state)
            state = state * 0.5 + x
        np.testing.assert_allclose(total, state, rtol=1e-12)
        np.testing.assert_allclose(rows, wanted, rtol=1e-12)


def test_a_row_that_no_kernel_of_the_body_touches():
    """One of the ys is what a state was: nothing in the body writes its row."""

    def program(x, n):
        a, b, c = x * 1.0, x * 2.0 + 1, x * 3.0 + 2
        history = [a]
        for i in range(n):
            a, b, c = a, c, b * 0.6 + b * 0.2
            history.append((a, b))
            b, c, a = a * 0.6 + a * 0.2, b, c
            history.append(a.sum())
            b = np.roll(a, 1) * 0.5 + a * 0.3 + i * 0.001
            history.append(a.copy())
        return a, b, c, history[-1], history[4][0], history[4][1]

    x = np.linspace(0, 1, 6)
    for found, wanted in zip(graphc.compile(program)(x, 40), program(x, 40), strict=True):
        np.testing.assert_allclose(found, wanted)
