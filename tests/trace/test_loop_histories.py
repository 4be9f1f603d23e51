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


def written_then_kept(x, n):
    a, b = x * 1.0, x * 2.0 + 1
    history, held = [a], {"k": b}
    for _ in range(n):
        a[::2] *= 0.9
        history.append((a, a))
        a = b[::-1] * 1.0
    held["k"][1] = 77.0
    history[1][0][3] += 100
    b[2] += 5.0
    return a, b, history[0], *(item for pair in history[1:] for item in pair), held["k"]


def written_by_the_next_name(x, n):
    a, b, c = x * 1.0, x * 2.0 + 1, x * 3.0 + 2
    history = [c]
    for _ in range(n):
        a, b, c = a * 0.6 + c * 0.2, c, b
        history.append(b.sum())
        b[1:-1] *= 0.9
        history.append((b, a))
    return a, b, c, history[0], *(item for pair in history[2::2] for item in pair)


def pairs_of_one_array(x, n):
    a, b, c = x * 1.0, x * 2.0 + 1, x * 3.0 + 2
    history = [c]
    for i in range(n):
        c = np.roll(b, 1) * 0.5 + b * 0.3 + i * 0.001
        history.append((b, b))
        b = np.roll(a, 1) * 0.5 + a * 0.3 + i * 0.001
    history[-2][0][3] += 100
    history[-1][1][3] += 100
    history[1][0][3] += 100
    return a, b, c, *(item for pair in history[1:] for item in pair)


@pytest.mark.parametrize("turns", [40, 41])
@pytest.mark.parametrize(
    "program", [written_then_kept, written_by_the_next_name, pairs_of_one_array]
)
def test_which_arrays_are_one(program, turns):
    x = np.linspace(0, 1, 6)
    found, wanted = graphc.compile(program)(x.copy(), turns), program(x.copy(), turns)
    for result, expected in zip(found, wanted, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-12)
    shared = [[np.shares_memory(a, b) for a in found[:12]] for b in found]
    expected = [[np.shares_memory(a, b) for a in wanted[:12]] for b in wanted]
    assert shared == expected
