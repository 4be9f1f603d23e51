"""Python loops in compiled functions: kept as loops of the graph, and the same as without."""

import time
import warnings

import numpy as np
import pytest

import graphc
from graphc.trace import python_loop
from tests.trace.loop_checks import agrees, differences, kept_loops, normal


def rebound(x):
    for _ in range(500):
        x = np.sin(x) * 1.01 + 0.1
    return x


def stencil(a, b):
    for _ in range(60):
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])


def swapped(a, b):
    for _ in range(61):
        b[1:-1] = 0.25 * (a[:-2] + a[2:]) + np.sin(a[1:-1])
        b[0] = a[0] * 0.5
        a, b = b, a
    return a.sum(), b.sum()


def leapfrog(u, v):
    previous, current = u, v
    for t in range(99):  # noqa: B007
        following = 2 * current - previous + 0.01 * np.sin(current)
        previous, current = current, following
    return current, following, t


def recurrence(x):
    y = np.zeros(200)
    y[0] = x[0]
    for t in range(1, 200):
        y[t] = 0.9 * y[t - 1] + x[t]
    return y


def backwards(x):
    y = np.zeros(200)
    for t in range(198, -1, -2):
        y[t] = y[t + 1] * 0.5 + x[t + 1] - x[t]
    return y


def numbers(x):
    t, k, total, flag = 0.0, 0, 0.0, True
    for i in range(120):
        x = x + np.sin(t) * i
        t += 0.1
        k += 2
        total = total + x.sum()
        flag = np.cos(t) > 0.5
    return x, t, k, total, i, flag


def rows_and_positions(xs, w):
    s = np.zeros(4)
    for k, row in enumerate(xs, 1):
        s = np.tanh(s + row @ w / k)
    return s


def side_by_side(xs, ys):
    s = 0.0
    for x, y in zip(xs, ys, strict=False):
        s = s * 0.9 + np.dot(x, y) / (1 + np.abs(x).sum())
    return s


def rows_written_in_place(xs):
    for row in xs:
        row *= 2
        row[0] = np.tanh(row).sum() + np.cos(row[1])
    return xs.sum()


def listed(x):
    states, sums = [x], []
    for k in range(150):
        x = x * 0.99 + np.cos(x)
        states.append(x)
        sums.append((x.sum(), k))
    return np.stack(states), np.array([s for s, _ in sums]), sums[-1]


class Cell:
    """Holds a state, as a user's class would."""

    def __init__(self, h):
        self.h, self.turns = h, 0

    def step(self, v):
        self.h = np.tanh(self.h + v)
        self.turns += 1


def attributes(x):
    cell = Cell(x)
    for i in range(150):
        cell.step(i * 0.1)
    return cell.h, cell.turns


def closures(x):
    h = x

    def step(v):
        nonlocal h
        h = np.tanh(h + v) + np.cos(h)

    for i in range(150):
        step(i * 0.1)
    return h


def containers(x):
    state = {"x": x, "moments": [x * 0, x * 0], "turns": (0, 1.0)}
    for i in range(100):
        state["moments"][0] = 0.9 * state["moments"][0] + state["x"]
        state["moments"][1] = 0.5 * state["moments"][1] + state["x"] ** 2
        state["x"] = state["x"] - 0.01 * state["moments"][0] / (1 + state["moments"][1])
        state["turns"] = (i, state["turns"][1] * 0.99)
    return state


def _helper(x, count):
    for i in range(count):
        x = np.cos(x) + i * x
        x = x / np.sqrt(1 + x * x)
    return x


def in_a_helper(x):
    return _helper(x, 80) - _helper(2 * x, 80)


def matrix(x):
    found = np.zeros((12, 13))
    for i in range(12):
        for j in range(13):
            found[i, j] = np.sin(x[i] * x[j]) + i * j
            found[i, 0] += 0.25
    return found


def read_after_write(x):
    y = np.zeros((90, 3))
    for t in range(90):
        y[t] = x[t] * 2
        y[t] += y[t] * 0.5
        y[t, 1] = y[t, 0] + y[t].sum()
    return y


def position_after_it(x):
    for i in range(300):
        x = np.cos(x) + i
    return x[i - 297], np.zeros(i - 290)


def no_turns(x):
    for _ in range(0):
        x = x + 1
    return x


KEPT = [
    (rebound, (normal(5),), 1),
    (stencil, (normal(9, 8), normal(9, 8)), 1),
    (swapped, (normal(9), normal(9)), 1),
    (leapfrog, (normal(5), normal(5)), 1),
    (recurrence, (normal(200),), 1),
    (backwards, (normal(200),), 1),
    (numbers, (normal(5),), 1),
    (rows_and_positions, (normal(90, 3), normal(3, 4)), 1),
    (side_by_side, (normal(90, 3), normal(80, 3)), 1),
    (rows_written_in_place, (normal(90, 3),), 1),
    (listed, (normal(5),), 1),
    (attributes, (normal(5),), 1),
    (closures, (normal(5),), 1),
    (containers, (normal(5),), 1),
    (in_a_helper, (normal(5),), 2),
    (matrix, (normal(13),), 3),
    (read_after_write, (normal(90, 3),), 1),
    (position_after_it, (normal(5),), 1),
    (no_turns, (normal(5),), 0),
]


@pytest.mark.parametrize(("function", "args", "loops"), KEPT)
def test_loops_are_kept(function, args, loops):
    agrees(function, *args, loops=loops)


def branches(x):
    for i in range(90):
        x = x + 1 if i % 2 else x * 0.9 + np.sin(x)
    return x


def leaves_early(x):
    for i in range(1000):
        x = x * 0.99 + np.cos(x)
        x = x * 0.98 + np.cos(x)
        if i == 20:
            break
    return x, i


def changes_shape(x):
    for _ in range(40):
        x = np.concatenate([x, np.cos(x[:1]) + x[-1:] * np.sin(x[1:2]) - np.exp(-x[:1])])
    return x


def reads_its_list(x):
    found = [x, x]
    for _ in range(60):
        found.append(np.sin(found[-1]) + np.cos(found[-2]) * 0.5)
    return found[-1]


def array_in_a_list_is_written(x):
    found = []
    for _ in range(60):
        x += np.sin(x) * np.cos(x)
        found.append(x)
    return found[0] + found[-1]


def returns_early(x):
    for i in range(200):
        x = np.sin(x) + np.cos(x) * 0.5
        if i > 10:
            return x * 2
    return x


UNROLLED = [
    branches,
    leaves_early,
    changes_shape,
    reads_its_list,
    array_in_a_list_is_written,
    returns_early,
]


@pytest.mark.parametrize("function", UNROLLED)
def test_what_is_no_loop_runs_while_tracing(function):
    agrees(function, normal(5), loops=0)


def test_fused_loops_of_few_operations_are_not_kept():
    def polynomial(x):
        y = np.zeros_like(x)
        for k in range(9):
            y = y * x + k
        return y

    agrees(polynomial, normal(50), loops=0)


def test_comprehensions_and_calls_iterate_as_ever():
    def function(x):
        squares = [x * k for k in range(30)]
        first = (
            list(range(3)) + [k for k, _ in enumerate(x)] + list(zip(range(2), (7, 8), strict=True))
        )
        total = sum(k * x for k in range(30))
        return squares[-1], total, first, dict.fromkeys(range(2), x), max(range(5)), range(2, 5)[1]

    agrees(function, normal(4), loops=0)


def test_many_turns_compile_as_fast_as_few():
    def made(turns):
        def function(a, b):
            for _ in range(turns):
                b[1:-1] = 0.25 * (a[:-2] + a[2:]) + np.sin(a[1:-1])
                a[1:-1] = 0.25 * (b[:-2] + b[2:]) - np.sin(b[1:-1])

        return function

    seconds = []
    for turns in (40, 5000):
        started = time.perf_counter()
        graphc.compile(made(turns), cache=False).lower(normal(30), normal(30))
        seconds.append(time.perf_counter() - started)
    assert seconds[1] < 2 * seconds[0] + 0.2


def test_a_loop_that_grows_too_large_says_why(monkeypatch):
    monkeypatch.setattr(python_loop, "MOST_OPERATIONS", 500)

    @graphc.compile
    def function(x):
        for i in range(10_000):
            x = x + 1 if i % 2 else np.sin(x) * np.cos(x)
        return x

    with pytest.raises(graphc.UnsupportedError, match=r"can't be kept as a loop \(.*branch"):
        function(normal(3))


def test_a_long_loop_that_runs_while_tracing_warns_at_its_line():
    def every_fifth(x, turns):
        kept = 0.0
        for i in range(turns):
            x = np.sin(x) * 1.01
            if i % 5 == 0:
                kept = kept + x.sum()
        return kept

    line = every_fifth.__code__.co_firstlineno + 2
    compiled = graphc.compile(every_fifth)
    with pytest.warns(RuntimeWarning, match=r"np\.where or graphc\.cond.*two nested") as caught:
        compiled(normal(3), 300)
    assert [(entry.filename, entry.lineno) for entry in caught] == [(__file__, line)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compiled(normal(4), 300)
        graphc.compile(lambda x: every_fifth(x, 100))(normal(3))


def test_explain_says_why_a_loop_was_not_kept():
    (entry,) = graphc.compile(branches).explain(normal(5)).unrolled
    assert "test_python_loops.py" in entry
    assert "for i in range(90):" in entry
    assert "branch" in entry
    assert entry in str(graphc.compile(branches).explain(normal(5)))
    assert not graphc.compile(rebound).explain(normal(5)).unrolled


def test_an_error_in_a_turn_is_the_users():
    @graphc.compile
    def function(x):
        for i in range(100):
            x = np.sin(x) * np.cos(x) + x[i]
        return x

    with pytest.raises(IndexError):
        function(normal(50))


def test_an_index_outside_leaves_a_prefix_of_the_writes():
    def function(x, y):
        for i in range(100):
            y[i] = np.sin(x[i]) * np.cos(x[i])

    x, y = normal(100), np.zeros(60)
    with pytest.raises(IndexError):
        graphc.compile(function)(x, y)
    wanted = np.sin(x[:60]) * np.cos(x[:60])
    assert any(np.allclose(y, np.where(np.arange(60) < k, wanted, 0)) for k in range(61))


# --- derivatives ----------------------------------------------------------------------------------

WEIGHTS = normal(3, 4), normal(4, 4) / 3


def network(xs):
    w, u = WEIGHTS
    h, ys = np.zeros(4), np.zeros((40, 4))
    for t in range(40):
        h = np.tanh(xs[t] @ w + h @ u)
        ys[t] = h * 2
        ys[t] += xs[39 - t] @ w
    return (ys**2).mean() + h.sum()


def heat(a):
    a = a.reshape(8, 5).copy()
    b = a.copy()
    for _ in range(40):
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = np.sin(b[1:-1, 1:-1]) * b[1:-1, 1:-1]
    return (a**2).sum()


def filtered(x):
    x = x.ravel()
    y = np.zeros(40)
    y[0] = x[0]
    for t in range(1, 40):
        y[t] = 0.9 * np.sin(y[t - 1]) + x[t] * np.cos(x[t - 1])
    return (y**2).sum()


def collected(x):
    found = []
    for k in range(40):
        x = x * 0.9 + np.cos(x) * k / 40
        found.append(x)
    return (np.stack(found) ** 2).mean()


@pytest.mark.parametrize(
    ("function", "x"),
    [
        (network, normal(40, 3)),
        (heat, normal(40)),
        (filtered, normal(40)),
        (collected, normal(4)),
    ],
)
def test_derivatives_of_loops(function, x):
    gradient = graphc.compile(graphc.grad(function))
    assert kept_loops(gradient, x) >= 2
    np.testing.assert_allclose(gradient(x), differences(function, x), rtol=1e-5, atol=1e-7)

    def size(x):
        return (graphc.grad(function)(x) ** 2).sum()

    second = graphc.compile(graphc.grad(size))(x)
    expected = differences(lambda x: float((gradient(x) ** 2).sum()), x)
    np.testing.assert_allclose(second, expected, rtol=1e-4, atol=1e-6)


def test_gradients_inside_a_loop():
    def train(w, x):
        losses = []
        for _ in range(100):
            loss, g = graphc.value_and_grad(lambda w: ((x @ w - 1) ** 2).mean())(w)
            w -= 0.05 * g
            losses.append(loss)
        return np.array(losses)

    compiled = graphc.compile(train)
    w, x = np.zeros(3), normal(6, 3)
    assert kept_loops(compiled, w, x) == 1
    plain = np.zeros(3)
    losses = []
    for _ in range(100):
        losses.append(((x @ plain - 1) ** 2).mean())
        plain -= 0.05 * 2 * x.T @ (x @ plain - 1) / 6
    np.testing.assert_allclose(compiled(w, x), losses, rtol=1e-9)
    np.testing.assert_allclose(w, plain, rtol=1e-9)
