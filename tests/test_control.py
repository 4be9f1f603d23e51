"""`cond`, `while_loop`, `fori_loop`: values, errors, effects, gradients, compiled and eager."""

import os
import re
import signal
import sys
import threading
import time
from typing import NamedTuple

import numpy as np
import pytest

import graphc

X = np.array([0.5, -1.25, 2.0])


def double(x):
    return x * 2


def plus_one(x):
    return x + 1


# --- cond -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make", [bool, np.bool_, np.asarray, float, np.float32, int, lambda p: np.asarray(p, np.uint8)]
)
@pytest.mark.parametrize("truth", [True, False])
def test_a_condition_of_any_kind(make, truth):
    found = graphc.cond(make(truth), double, plus_one, X)
    np.testing.assert_array_equal(found, X * 2 if truth else X + 1)
    inside = graphc.compile(lambda p, x: graphc.cond(p, double, plus_one, x))
    np.testing.assert_array_equal(inside(make(truth), X), X * 2 if truth else X + 1)


def test_a_nan_is_true_as_python_has_it():
    assert graphc.cond(np.float64("nan"), lambda: 1.0, lambda: 2.0) == 1.0


def test_the_debugger_starts_where_the_condition_holds(monkeypatch, capsys):
    seen = []

    def stop():
        frame = sys._getframe(1)
        seen.append([np.array(value) for value in frame.f_locals["values"]])

    monkeypatch.setattr(sys, "breakpointhook", stop)

    def root(x):
        graphc.breakpoint_if(x < 0, x, 2 * x)
        return x + 1

    for call in (root, graphc.compile(root)):
        seen.clear()
        call(np.array([1.0, 4.0]))
        assert not seen
        call(np.array([1.0, -4.0]))
        ((value, twice),) = seen
        np.testing.assert_array_equal(value, [1, -4])
        np.testing.assert_array_equal(twice, [2, -8])
        assert "test_control.py:" in capsys.readouterr().out
    with graphc.eager():
        graphc.grad(lambda x: root(x).sum())(np.array([-1.0]))
    assert len(seen) == 2
    graphc.compile(graphc.vmap(root))(np.array([[1.0], [-2.0]]))
    np.testing.assert_array_equal(seen[2][0], [[1], [-2]])

    @graphc.compile
    def looped(x):
        for _ in range(5):
            x = x - 1
            graphc.breakpoint_if(x == 0, x)
        return x

    seen.clear()
    assert looped(np.float64(3)) == -2
    assert len(seen) == 1


def test_only_the_branch_that_is_taken_runs(capsys):
    @graphc.compile
    def function(x):
        def loud(x):
            graphc.debug_print("positive {}", x)
            return np.log(x)

        def other(x):
            graphc.debug_print("negative")
            return x

        graphc.debug_print("before")
        y = graphc.cond(x > 0, loud, other, x)
        graphc.debug_print("after {}", y)
        return y

    assert function(np.float64(1)) == 0
    assert function(np.float64(-1)) == -1
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["before", "positive 1.0", "after 0.0", "before", "negative", "after -1.0"]


def test_branches_return_trees():
    @graphc.compile
    def function(p, x):
        return graphc.cond(
            p, lambda: {"a": x, "b": (x.sum(), 2)}, lambda: {"a": -x, "b": (np.float64(0), 3)}
        )

    for p in (np.True_, np.False_):
        found = function(p, X)
        np.testing.assert_array_equal(found["a"], X if p else -X)
        assert found["b"] == (X.sum(), 2) if p else (0.0, 3)
        assert type(found["b"][1]) is int


def test_writes_of_a_branch_reach_the_caller():
    @graphc.compile
    def function(p, x, y):
        def write():
            x[1:] += 1
            return x.sum()

        def copy():
            y[...] = x
            return y[0]

        return graphc.cond(p, write, copy)

    for p in (np.True_, np.False_):
        x, y = X.copy(), np.zeros(3)
        result = function(p, x, y)
        expected = X + [0, 1, 1] if p else X
        np.testing.assert_array_equal(x, expected)
        np.testing.assert_array_equal(y, np.zeros(3) if p else X)
        assert result == (expected.sum() if p else X[0])


def test_a_branch_that_writes_works_in_the_callers_array():
    @graphc.compile
    def function(p, x):
        def write():
            x[1:] = 0

        graphc.cond(p, write, lambda: None)

    lowered = function.lower(np.True_, X.copy())
    assert [kernel.name for _, kernel in lowered.kernels] == ["update"]
    assert "copy_memory" not in lowered.source


@pytest.mark.parametrize(
    ("false_fn", "error", "words"),
    [
        (lambda x: (x, x), graphc.ShapeError, "structure"),
        (lambda x: x[:2], graphc.ShapeError, "float64\\[3\\] and float64\\[2\\]"),
        (lambda x: x.astype(np.float32), graphc.DTypeError, "float64\\[3\\] and float32\\[3\\]"),
    ],
)
def test_branches_of_different_types_are_refused(false_fn, error, words):
    function = graphc.compile(lambda p, x: graphc.cond(p, double, false_fn, x))
    with pytest.raises(error, match=words) as raised:
        function(np.True_, X)
    assert "graphc.cond(p, double, false_fn, x)" in str(raised.value)


@pytest.mark.parametrize(
    ("predicate", "error", "words"),
    [
        (np.array([True, False]), graphc.ShapeError, "single number"),
        (np.zeros((1, 1)), graphc.ShapeError, "np.where"),
        (None, graphc.TraceError, "NoneType"),
        ("yes", graphc.TraceError, "str"),
    ],
)
def test_a_condition_that_is_no_single_number_is_refused(predicate, error, words):
    with pytest.raises(error, match=words):
        graphc.cond(predicate, double, plus_one, X)


def test_a_gradient_takes_the_branch_and_leaves_the_other():
    def loss(x):
        return graphc.cond(x.sum() > 0, lambda x: (x**3).sum(), lambda x: np.sqrt(x).sum(), x)

    np.testing.assert_allclose(graphc.grad(loss)(X), 3 * X**2)
    second = graphc.grad(lambda x: (graphc.grad(loss)(x) ** 2).sum())
    np.testing.assert_allclose(second(X), 36 * X**3)
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(graphc.grad(loss)(-X), 0.5 / np.sqrt(-X))


def test_a_gradient_by_what_a_branch_reads_from_outside():
    def loss(w, x):
        return graphc.cond(x[0] > 0, lambda: (w * x).sum(), lambda: (w * w).sum())

    np.testing.assert_allclose(graphc.grad(loss)(X, X), X)
    np.testing.assert_allclose(graphc.grad(loss)(X, -X), 2 * X)


def test_a_gradient_repeats_no_effect(capsys):
    def loss(x):
        def loud(x):
            graphc.debug_print("here")
            return x * x

        return graphc.cond(x > 0, loud, double, x)

    assert graphc.grad(loss)(np.float64(3)) == 6
    assert capsys.readouterr().out == "here\n"


# --- while_loop -----------------------------------------------------------------------------------


def newton(x):
    """The square root by Newton's method, with the number of turns."""

    def far(carry):
        y, _ = carry
        return abs(y * y - x) > 1e-12

    return graphc.while_loop(far, lambda c: (0.5 * (c[0] + x / c[0]), c[1] + 1), (x, 0))


@pytest.mark.parametrize("number", [2.0, 9.0, 1.0])
def test_a_loop_of_a_number_of_turns_that_depends_on_data(number):
    root, turns = newton(np.float64(number))
    assert root == pytest.approx(np.sqrt(number))
    assert turns == {2.0: 5, 9.0: 6, 1.0: 0}[number] or turns > 0
    assert type(turns) is int


def test_no_turn_at_all():
    found = graphc.while_loop(lambda x: x.sum() < 0, double, np.abs(X))
    np.testing.assert_array_equal(found, np.abs(X))


def test_a_python_condition_and_an_empty_carry():
    assert graphc.while_loop(lambda c: False, lambda c: c, ()) == ()


def test_a_condition_that_becomes_nan_is_true():
    found = graphc.while_loop(
        lambda c: c[0] - 3, lambda c: (c[0] + 1, c[1] + 1), (np.float64(0), np.float64(0))
    )
    assert found == (3.0, 3.0)


def test_writes_in_a_loop_reach_the_caller():
    @graphc.compile
    def function(x):
        def body(n):
            x[1:] = x[1:] * 0.5
            return n + 1

        return graphc.while_loop(lambda n: x[1:].max() > 0.1, body, 0)

    x = X.copy()
    assert function(x) == 5
    np.testing.assert_allclose(x, X * [1, 2.0**-5, 2.0**-5])


def test_a_loop_over_two_states_that_change_places():
    a, b = graphc.while_loop(
        lambda c: c[0].sum() + c[1].sum() < 1000,
        lambda c: (c[1], c[0] @ c[1]),
        (EYE * 1.5, EYE * 2),
    )
    x, y = EYE * 1.5, EYE * 2
    while x.sum() + y.sum() < 1000:
        x, y = y, x @ y
    np.testing.assert_allclose(a, x)
    np.testing.assert_allclose(b, y)


EYE = np.eye(3)


def test_loops_and_branches_in_each_other():
    def collatz(n):
        def turn(carry):
            n, count = carry
            n = graphc.cond(n % 2 == 0, lambda n: n // 2, lambda n: 3 * n + 1, n)
            return n, count + 1

        return graphc.while_loop(lambda c: c[0] != 1, turn, (n, np.int64(0)))[1]

    counts = graphc.compile(lambda ns: graphc.scan(lambda c, n: (c, collatz(n)), (), ns)[1])
    np.testing.assert_array_equal(counts(np.array([1, 2, 3, 6, 27])), [0, 1, 7, 8, 111])


def test_prints_of_condition_and_body_keep_their_order(capsys):
    def go(n):
        graphc.debug_print("test {}", n)
        return n < 2

    def body(n):
        graphc.debug_print("turn {}", n)
        return n + 1

    assert graphc.while_loop(go, body, np.int64(0)) == 2
    lines = capsys.readouterr().out.split("\n")
    assert lines == ["test 0", "turn 0", "test 1", "turn 1", "test 2", ""]


@pytest.mark.parametrize(
    ("cond", "body", "init", "error", "words"),
    [
        (lambda x: x.sum() < 9, lambda x: x.astype("f4"), X, graphc.DTypeError, "comes out as"),
        (lambda x: x.sum() < 9, lambda x: x[:2], X, graphc.DTypeError, "comes out as"),
        (lambda x: x.sum() < 9, lambda x: (x, x), X, graphc.ShapeError, "structure"),
        (lambda x: x < 9, double, X, graphc.ShapeError, "single number"),
        (lambda n: n < 9, lambda n: n + 0.5, 0, graphc.DTypeError, "comes out as"),
    ],
)
def test_a_carry_that_changes_its_type_is_refused(cond, body, init, error, words):
    with pytest.raises(error, match=words):
        graphc.while_loop(cond, body, init)


class Pair(NamedTuple):
    a: object
    b: object


def scanned(body, init):
    return graphc.scan(lambda carry, _: (body(carry), None), init, length=3)


def repeated(body, init):
    return graphc.while_loop(lambda carry: True, body, init)


def counted(body, init):
    return graphc.fori_loop(0, 3, lambda _, carry: body(carry), init)


def counted_to_a_value(body, init):
    return graphc.fori_loop(0, np.int64(3), lambda _, carry: body(carry), init)


LOOPS = {
    scanned: "scan",
    repeated: "while_loop",
    counted: "fori_loop",
    counted_to_a_value: "fori_loop",
}


@pytest.mark.parametrize("run", LOOPS, ids=lambda run: run.__name__)
def test_a_carry_that_changes_is_named_by_its_path(run):
    def first(message):
        return f"^{LOOPS[run]}: {re.escape(message)}"

    carry = {"h": [X, Pair(1.0, X)], "n": np.int64(0)}

    def change(position, make):
        def body(carry):
            items = [*carry["h"]]
            items[position] = make(items[position])
            return {"h": items, "n": carry["n"]}

        return body

    message = first("carry['h'][0] goes in as float64[3] and comes out as float32[3]")
    with pytest.raises(graphc.DTypeError, match=message):
        run(change(0, lambda x: x.astype("f4")), carry)
    message = first("carry['h'][1].b goes in as float64[3] and comes out as float64[2]")
    with pytest.raises(graphc.DTypeError, match=message):
        run(change(1, lambda pair: pair._replace(b=pair.b[:2])), carry)
    message = first("the carry's structure changes at carry['h'][1]: a Pair of 2 became")
    with pytest.raises(graphc.ShapeError, match=message):
        run(change(1, lambda pair: [*pair]), carry)
    with pytest.raises(graphc.DTypeError, match=first("carry goes in as float64[3]")):
        run(lambda x: x[:2], X)


def test_more_turns_than_max_steps_are_refused():
    double_until = graphc.compile(
        lambda x: graphc.while_loop(lambda c: c < 100, double, x, max_steps=5)
    )
    assert double_until(np.float64(4)) == 128
    with pytest.raises(graphc.DomainError, match="max_steps=5") as raised:
        double_until(np.float64(1))
    assert "max_steps=5)" in str(raised.value)
    for bad in (0, -1):
        with pytest.raises(graphc.ShapeError, match="1 or more"):
            graphc.while_loop(lambda c: c < 1, double, 0.5, max_steps=bad)
    with pytest.raises(graphc.DTypeError, match="float"):
        graphc.while_loop(lambda c: c < 1, double, 0.5, max_steps=2.0)


def decay(x, w, turns, **options):
    """``x = sin(x) * w + 1``, so many times."""
    state = (x, turns)
    return graphc.while_loop(
        lambda c: c[1] > 0, lambda c: (np.sin(c[0]) * w + 1, c[1] - 1), state, **options
    )[0]


def decay_by_scan(x, w, turns):
    return graphc.scan(lambda c, _: (np.sin(c) * w + 1, None), x, length=turns)[0]


@pytest.mark.parametrize("turns", [0, 1, 2, 39, 40, 41, 80, 81, 200, 3000])
def test_a_gradient_by_checkpoints_is_that_of_all_turns(turns):
    by_while = graphc.grad(lambda x, w, n: decay(x, w, n).sum(), argnums=(0, 1))
    by_scan = graphc.grad(lambda x, w: decay_by_scan(x, w, turns).sum(), argnums=(0, 1))
    w = np.array([0.9, 0.7, 1.1])
    for found, expected in zip(by_while(X, w, np.int64(turns)), by_scan(X, w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-300)


@pytest.mark.parametrize("turns", [0, 1, 50])
def test_a_gradient_with_a_row_for_each_turn(turns):
    by_while = graphc.grad(lambda x, w, n: decay(x, w, n, max_steps=50).sum(), argnums=(0, 1))
    by_scan = graphc.grad(lambda x, w: decay_by_scan(x, w, turns).sum(), argnums=(0, 1))
    w = np.array([0.9, 0.7, 1.1])
    for found, expected in zip(by_while(X, w, np.int64(turns)), by_scan(X, w), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_gradient_keeps_a_fixed_number_of_states():
    function = graphc.compile(graphc.grad(lambda x, n: decay(x, 0.9, n).sum()))
    x = np.ones(1000)
    assert function.explain(x, np.int64(5)).arena_bytes < 100 * x.nbytes
    unrolled = graphc.grad(lambda x: decay_by_scan(x, 0.9, 500).sum())
    np.testing.assert_allclose(function(x, np.int64(500)), unrolled(x), atol=1e-12)


def test_a_second_derivative_of_a_loop():
    def second(loss):
        return graphc.grad(lambda x: (graphc.grad(loss)(x) * X).sum())

    by_while = second(lambda x: decay(x, 1.1, np.int64(6)).sum())
    by_scan = second(lambda x: decay_by_scan(x, 1.1, 6).sum())
    np.testing.assert_allclose(by_while(X), by_scan(X), rtol=1e-9)


def test_a_gradient_of_a_loop_in_a_loop():
    def loss(x):
        def outer(carry, _):
            inner = graphc.while_loop(lambda c: c.sum() < 2, lambda c: c * 1.5, carry)
            return inner * 0.5, None

        return graphc.scan(outer, x, length=3)[0].sum()

    def plain(x):
        for _ in range(3):
            while x.sum() < 2:
                x = x * 1.5
            x = x * 0.5
        return x.sum()

    x = np.array([0.3, 0.4])
    found = graphc.grad(loss)(x)
    expected = [(plain(x + 1e-6 * e) - plain(x - 1e-6 * e)) / 2e-6 for e in np.eye(2)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_a_gradient_of_a_loop_prints_once_a_turn(capsys):
    def loss(x):
        def body(c):
            graphc.debug_print("turn")
            return c * 2

        return graphc.while_loop(lambda c: c < 8, body, x)

    assert graphc.grad(loss)(np.float64(1)) == 8
    assert capsys.readouterr().out == "turn\n" * 3


def test_ctrl_c_ends_a_loop_that_does_not_end():
    endless = graphc.compile(lambda x: graphc.while_loop(lambda c: c.sum() < 9, np.sin, x))
    x = np.ones(3)
    endless.lower(x).compile()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    try:
        timer.start()
        started = time.perf_counter()
        with pytest.raises(KeyboardInterrupt):
            endless(x)
        assert time.perf_counter() - started < 5
    finally:
        timer.cancel()
        signal.signal(signal.SIGINT, before)


# --- fori_loop ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("lower", "upper"), [(0, 4), (2, 7), (3, 3), (5, 2), (-2, 2)])
@pytest.mark.parametrize("known", [True, False])
def test_a_counted_loop(lower, upper, known):
    bounds = (lower, upper) if known else (np.int64(lower), np.asarray(upper, np.int32))
    found = graphc.fori_loop(*bounds, lambda i, c: c * 0.5 + i, X)
    expected = X
    for i in range(lower, upper):
        expected = expected * 0.5 + i
    np.testing.assert_allclose(found, expected)


def test_a_counted_loop_is_a_weak_number():
    found = graphc.fori_loop(0, 3, lambda i, c: c + i, X.astype(np.float32))
    assert found.dtype == np.float32


def test_a_counted_loop_to_a_symbolic_size():
    total = graphc.compile(lambda x: graphc.fori_loop(0, x.shape[0], lambda i, c: c + x[i], 0.0))
    for size in (3, 4, 7, 5):
        x = np.arange(1.0, size + 1)
        assert total(x) == x.sum()
    slope = graphc.grad(lambda x: graphc.fori_loop(0, 3, lambda i, c: c * x[i], 1.0))
    np.testing.assert_allclose(slope(X), [X[1] * X[2], X[0] * X[2], X[0] * X[1]])


@pytest.mark.parametrize(
    ("bound", "error"), [(np.float64(2), graphc.DTypeError), (np.arange(3), graphc.ShapeError)]
)
def test_a_bound_that_is_no_integer_is_refused(bound, error):
    with pytest.raises(error, match="bound"):
        graphc.fori_loop(0, bound, lambda i, c: c, X)


# --- eager ----------------------------------------------------------------------------------------


def test_eager_mode_takes_branches_and_turns():
    with graphc.eager():
        np.testing.assert_array_equal(graphc.cond(np.True_, double, plus_one, X), X * 2)
        assert graphc.while_loop(lambda x: x < 100, double, np.float64(3)) == 192
        assert graphc.fori_loop(1, 5, lambda i, x: x * i, np.float64(1)) == 24
        found = graphc.grad(lambda x: decay(x, 0.9, np.int64(4)).sum())(X)
    expected = graphc.grad(lambda x: decay_by_scan(x, 0.9, 4).sum())(X)
    np.testing.assert_allclose(found, expected)


def test_a_carry_whose_size_is_an_axis_of_another_array():
    """A carry made with a Python int, which an array's symbolic axis equals in the call."""

    def run(weight, size, x):
        start = np.zeros((2, size))
        return graphc.scan(lambda c, x: (np.tanh(c @ weight + x), None), start, x)[0]

    compiled = graphc.compile(run)
    for size in (3, 4, 5):
        arguments = np.full((size, size), 0.1), size, np.ones((4, 2, size))
        np.testing.assert_allclose(compiled(*arguments), run(*arguments))
    branches = graphc.compile(lambda p, a, n: graphc.cond(p, lambda: a * 1, lambda: np.zeros(n)))
    for size in (3, 4, 5):
        assert branches(np.bool_(True), np.ones(size), size).tolist() == [1.0] * size
