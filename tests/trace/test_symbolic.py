"""Symbolic sizes: one graph, run on other sizes than it was traced with."""

import numpy as np
import pytest

from graphc.trace.call_code import MISS
from tests.trace.arrays import sample
from tests.trace.harness import assert_same, traced_call

N = {("v1", 0): "n"}
"""The first axis of the first argument: `v0` is the function, `v1` is args[0]."""


def check(fn, *cases, symbols=N):
    """Trace `fn` on the first case, and run that one graph on all."""
    call = traced_call(fn, cases[0], symbols)
    assert call.program.symbolic, "no size is symbolic"
    for args in cases:
        expected = fn(*args)
        got = call(fn, args)
        assert got is not MISS, [np.shape(arg) for arg in args]
        assert_same(got, expected, "result", 64)
    return call


def rows(*counts, width=4):
    return [(sample((count, width)),) for count in counts]


def source_of_first(fn, x):
    """The name under which call code knows ``args[0]``."""
    return next(source for source, axis in traced_call(fn, (x,)).program.sizes if axis == 0)


def test_first_argument_has_the_source_that_tests_assume():
    assert source_of_first(lambda x: x, sample((3,))) == "v1"


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


FUNCTIONS = {
    "sum": lambda x: (x.sum(), x.sum(axis=0), x.sum(axis=1), x.sum(axis=0, keepdims=True)),
    "mean": lambda x: (x.mean(), x.mean(axis=0), x.mean(axis=1), x.astype(np.float32).mean(0)),
    "var": lambda x: (x.var(), x.std(axis=0), x.var(axis=0, ddof=1)),
    "max": lambda x: (x.max(), x.max(axis=0), x.argmax(axis=0), x.min(axis=1)),
    "matmul": lambda x: (x @ x.T, x.T @ x, x @ np.ones((4, 2)), x @ x[0]),
    "softmax": softmax,
    "gather": lambda x: x[np.arange(len(x)), np.argmax(x, axis=1)],
    "reshape": lambda x: (x.reshape(-1), x.reshape(len(x), 2, 2), x.reshape(2, -1), x.ravel()),
    "transpose": lambda x: (x.T, x[:, None], np.moveaxis(x, 0, 1), x.T.reshape(-1)),
    "zeros": lambda x: (
        np.zeros(x.shape),
        np.ones(len(x)),
        np.full((len(x), 2), 3),
        np.eye(len(x)),
    ),
    "arange": lambda x: (np.arange(len(x)), np.arange(1, len(x) + 1), np.arange(2 * len(x))),
    "concatenate": lambda x: (
        np.concatenate([x, x]),
        np.concatenate([x, np.ones((2, 4))]),
        np.stack([x, x]),
    ),
    "slices": lambda x: (x[1:], x[:-1], x[::-1], x[:, ::2], x[-1], x[1:] - x[:-1]),
    "where": lambda x: np.where(x > 0, x, np.mean(x, axis=0)),
    "broadcast": lambda x: (np.broadcast_to(x[0], x.shape), x + x[:1], x * np.arange(4)),
    "sizes": lambda x: (x.shape, len(x), x.size, len(x) * 2 + 1, x.sum() / len(x), np.size(x, 0)),
    "norms": lambda x: (np.linalg.norm(x), np.linalg.norm(x, axis=0)),
    "einsum": lambda x: (
        np.einsum("ij,ik->jk", x, x),
        np.einsum("ij,kj->ik", x, x),
        np.einsum("ij->j", x),
    ),
    "linspace": lambda x: np.linspace(0, 1, len(x)),
    "tile": lambda x: (np.tile(x, 2), np.repeat(x, 2, axis=0), np.roll(x, 1, axis=0)),
    "flip": lambda x: (np.flip(x), np.tril(x @ x.T), np.diff(x, axis=0), np.pad(x, 1)),
    "trace": lambda x: (np.trace(x @ x.T), np.diagonal(x @ x.T)),
    "take": lambda x: (
        np.take(x, [0, 1], axis=0),
        np.take_along_axis(x, np.argmax(x, 1)[:, None], 1),
    ),
    "loss": lambda x: -np.mean(np.log(softmax(x))[np.arange(x.shape[0]), np.zeros(len(x), int)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_graph_for_all_sizes(name):
    check(FUNCTIONS[name], *rows(5, 3, 8))


def test_writes():
    def f(x):
        buffer = np.zeros_like(x)
        buffer[1:] = x[:-1]
        buffer[0] += x.sum(axis=0)
        x *= 2
        return buffer

    call = traced_call(f, (sample((5, 4)),), {("v1", 0): "n"})
    for count in (5, 3, 7):
        x, y = sample((count, 4)), sample((count, 4))
        assert_same(call(f, (x,)), f(y), "result", 4)
        assert_same(x, y, "argument", 4)


def test_two_arguments_share_a_symbol_by_their_shapes():
    symbols = {("v1", 0): "n", ("v2", 0): "n"}

    def f(x, y):
        return x @ y

    call = traced_call(f, (sample((3,)), sample((3,))), symbols)
    assert_same(call(f, (sample((5,)), sample((5,)))), f(sample((5,)), sample((5,))), "result", 8)
    assert call(f, (sample((5,)), sample((4,)))) is MISS


def test_different_symbols_that_must_agree_become_static():
    symbols = {("v1", 0): "n", ("v2", 0): "m"}
    call = traced_call(lambda x, y: x + y, (sample((3,)), sample((3,))), symbols)
    assert not call.program.symbolic


def test_a_symbolic_int():
    def f(x, n):
        return x * n, np.zeros(n), x[:n], n + 1, n * 0.5, np.arange(n)

    check(f, (sample((6,)), 3), (sample((6,)), 5), symbols={("v2", None): "n"})


def test_a_comparison_is_a_guard():
    def f(x):
        return x.sum() if len(x) > 4 else x.max()

    call = traced_call(f, (sample((6,)),), {("v1", 0): "n"})
    assert call(f, (sample((9,)),)) == f(sample((9,)))
    assert call(f, (sample((3,)),)) is MISS


def test_max_of_an_empty_axis_misses():
    call = traced_call(lambda x: x.max(), (sample((3,)),), {("v1", 0): "n"})
    assert call(lambda x: x.max(), (sample((0,)),)) is MISS


def test_a_loop_makes_its_size_static():
    call = traced_call(lambda x: [row.sum() for row in x], (sample((3, 2)),), {("v1", 0): "n"})
    assert not call.program.symbolic


def test_broadcasting_by_chance_is_another_specialisation():
    def f(x, y):
        return x + y

    call = traced_call(f, (sample((3, 4)), sample((3, 4))), {("v1", 0): "n", ("v2", 0): "n"})
    assert call(f, (sample((1, 4)), sample((3, 4)))) is MISS
    assert_same(call(f, (sample((1, 4)), sample((1, 4)))), sample((1, 4)) * 2, "result", 4)


@pytest.mark.parametrize("other", ["3.0", "3.5", "-0.5", "1e400", "-1e400"])
def test_a_size_beside_a_number_that_is_no_int(other):
    sides = ", ".join(f"n {sign} {other}, {other} {sign} n" for sign in ("==", "!=", "<", ">="))
    f = eval(f"lambda x: (x * 2, *(lambda n: ({sides}, n in (7.5, {other})))(len(x)))")
    for count in (2, 3, 4):
        call = traced_call(f, *rows(3), N)
        (args,) = rows(count)
        got = call(f, args)
        if got is MISS:
            got = traced_call(f, args, N)(f, args)
        assert_same(got, f(*args), "result", 64)


def test_a_size_in_a_string_is_static():
    def f(x):
        return {f"layer{len(x)}": x * 2, str(x.shape): repr(x.shape[0]), f"{len(x):2d}": x}

    call = traced_call(f, (sample((3, 4)),), N)
    assert not call.program.symbolic
    assert_same(call(f, (sample((3, 4)),)), f(sample((3, 4))), "result")
