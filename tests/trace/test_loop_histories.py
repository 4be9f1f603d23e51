"""Loops that append to lists what they also hand on: an item is the array that it is in NumPy."""

import numpy as np
import pytest

import graphc


def rolled(u):
    return np.roll(u, 1) * 0.5


def leapfrog(x, n):
    u, before = x + 1, x * 2
    history = [u]
    for _ in range(n):
        before, u = u, rolled(u) + before * 0.3
        history.append(u)
    return np.stack(history), u, before


def two_buffers(x, n):
    a, b = x + 1, x * 2
    history = [a]
    for _ in range(n):
        b[1:-1] = a[2:] + 0.5 * a[:-2]
        a, b = b, a
        history.append(a.copy())
    return np.stack(history), a, b


def three_arrays_in_turn(x, n):
    a, b, c = x + 1, x * 2, x - 1
    history = [a, b]
    for _ in range(n):
        a, b, c = b, c, 0.5 * (a + rolled(b) + c)
        history.append(c)
    return np.stack(history), a, b, c


def pairs_and_a_write_to_the_first(x, n):
    u, before = x + 1, x * 2
    history = [(u, before)]
    for _ in range(n):
        before, u = u, rolled(u) + before * 0.3
        history.append((u, before))
    history[0][0][0] = 99
    return np.stack([h[0] for h in history]), np.stack([h[1] for h in history]), u, before


def writes_to_items_after_the_loop(x, n):
    u, before = x + 1, x * 2
    history = [u]
    for _ in range(n):
        before, u = u, rolled(u) + before * 0.3
        history.append(u)
    history[1] += 5
    history[-1] += 7
    history[-2] *= 3
    return np.stack(history), u, before


def writes_to_variables_after_the_loop(x, n):
    u, w = x + 1, x * 3
    first, second = [], []
    for _ in range(n):
        t = u * 0.9
        u = w + t * 0.1
        w = t
        first.append(u)
        second.append(w)
    w += 1
    u += 2
    first[-1] *= 2
    second[-2] += 9
    first[-2] -= 1
    return np.stack(first), np.stack(second), u, w


def containers_and_views(x, n):
    u, v = x + 1, x * 2
    history, last = [], {}
    for i in range(n):
        u, v = v * 0.5 + 0.1 * u, u * 0.3
        last["u"] = u
        history.append({"a": u[1:], "b": [v, i * 1.0]})
    u *= 2
    last["u"] += 1
    v[3] = 7
    return u, v, last["u"], *(h["a"] for h in history), *(h["b"][0] for h in history)


PROGRAMS = [
    leapfrog,
    two_buffers,
    three_arrays_in_turn,
    pairs_and_a_write_to_the_first,
    writes_to_items_after_the_loop,
    writes_to_variables_after_the_loop,
    containers_and_views,
]


@pytest.mark.parametrize("turns", [3, 150, 151])
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
def test_values(program, turns):
    x = np.linspace(0, 1, 41)
    compiled = graphc.compile(program)
    found = compiled(x.copy(), turns)
    for result, wanted in zip(found, program(x.copy(), turns), strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-12)


def test_a_leapfrog_stays_a_loop_whose_rows_are_stacked_without_copies():
    compiled = graphc.compile(leapfrog)
    graph = compiled.lower(np.linspace(0, 1, 41), 400).graph
    assert len(graph.nodes) < 40
    assert any(node.op.name == "scan" for node in graph.nodes)


def test_the_gradient_of_a_leapfrog():
    def energy(x):
        history, _, _ = leapfrog(x, 150)
        return np.sum(history[::10] ** 2)

    graphc.testing.check_grads(energy, (np.linspace(0, 1, 11),), order=1)
