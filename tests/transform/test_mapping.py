"""`vmap` against a Python loop: axes, trees, kinds, nesting, writes, prints, bad input."""

import numpy as np
import pytest

import graphc
from graphc.errors import ShapeError, TraceError

RNG = np.random.default_rng(3)
XS = RNG.normal(size=(4, 3))
W = RNG.normal(size=(5, 3))


def looped(f, *columns):
    return np.stack([f(*row) for row in zip(*columns, strict=True)])


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.tanh(W @ x),
        lambda x: x.sum(),
        lambda x: x - x.mean(),
        lambda x: np.outer(x, x),
        lambda x: x[[0, 2, 0]],
        lambda x: np.where(x > 0, x, 0.0),
        lambda x: np.concatenate([x, W[0]]),
        lambda x: W[np.argmax(x)],
        lambda x: x[np.argmax(x)],
        lambda x: np.linalg.norm(x),
        lambda x: np.array([x[0], x[1] * 2]),
        lambda x: np.einsum("ij,j->i", W, x),
        lambda x: x.reshape(3, 1) @ x.reshape(1, 3),
        lambda x: np.max(x) + np.zeros(2),
        lambda x: x[::-1],
    ],
)
def test_vmap_is_a_loop(f):
    expected = looped(f, XS)
    np.testing.assert_allclose(graphc.vmap(f)(XS), expected, rtol=1e-12)
    np.testing.assert_allclose(graphc.compile(graphc.vmap(f))(XS), expected, rtol=1e-12)
    with graphc.eager():
        np.testing.assert_allclose(graphc.vmap(f)(XS), expected, rtol=1e-12)


def test_axes_in_and_out():
    f = lambda x, k: (x * k, k)  # noqa: E731
    out, same = graphc.vmap(f, in_axes=(1, None), out_axes=(-1, None))(XS, 3.0)
    np.testing.assert_allclose(out, 3 * XS)
    assert same == 3.0
    np.testing.assert_allclose(graphc.vmap(lambda x: x, in_axes=-1)(XS), XS.T)
    np.testing.assert_allclose(
        graphc.vmap(lambda a, b: a @ b, in_axes=(0, None))(XS, W[0]), XS @ W[0]
    )
    np.testing.assert_allclose(graphc.vmap(lambda a, b: a + b, in_axes=(0, 1))(XS, XS.T), 2 * XS)


def test_trees_of_arguments_and_axes():
    tree = {"a": XS, "b": [W[0], 2.0]}
    f = lambda t, name: {"sum": t["a"] @ t["b"][0] * t["b"][1], "name": name}["sum"]  # noqa: E731
    axes = ({"a": 0, "b": [None, None]}, None)
    np.testing.assert_allclose(graphc.vmap(f, in_axes=axes)(tree, "x"), 2 * XS @ W[0])
    np.testing.assert_allclose(graphc.vmap(lambda x, *, y: x + y)(XS, y=XS), 2 * XS)


def test_an_example_of_one_axis_is_a_scalar_and_a_constant_is_spread():
    def f(x):
        assert isinstance(x, np.float64)
        return x * 2, 1.5

    twice, constant = graphc.vmap(f)(XS[:, 0])
    np.testing.assert_allclose(twice, 2 * XS[:, 0])
    np.testing.assert_array_equal(constant, np.full(4, 1.5))


def test_nested():
    table = graphc.vmap(lambda a: graphc.vmap(lambda b: a @ b)(W))(XS)
    np.testing.assert_allclose(table, XS @ W.T)
    np.testing.assert_allclose(graphc.vmap(graphc.vmap(np.sin))(XS), np.sin(XS))


def test_scans_and_gradients_inside_and_outside():
    def walk(x):
        return graphc.scan(lambda c, s: (np.sin(c * s + x[0]), c), np.float64(0.5), x)[1]

    expected = looped(walk, XS)
    np.testing.assert_allclose(graphc.vmap(walk)(XS), expected, rtol=1e-12)
    gradients = looped(graphc.grad(lambda x: walk(x).sum()), XS)
    inside = graphc.vmap(graphc.grad(lambda x: walk(x).sum()))(XS)
    outside = graphc.grad(lambda xs: graphc.vmap(walk)(xs).sum())(XS)
    np.testing.assert_allclose(inside, gradients, rtol=1e-11)
    np.testing.assert_allclose(outside, gradients, rtol=1e-11)


def test_per_example_gradients_of_shared_weights():
    def loss(w, x):
        return (np.tanh(w @ x) ** 2).sum()

    each = graphc.vmap(graphc.grad(loss), in_axes=(None, 0))(W, XS)
    np.testing.assert_allclose(each, looped(lambda x: graphc.grad(loss)(W, x), XS), rtol=1e-11)
    whole = graphc.grad(lambda w: graphc.vmap(loss, in_axes=(None, 0))(w, XS).sum())(W)
    np.testing.assert_allclose(whole, each.sum(axis=0), rtol=1e-11)


@pytest.mark.parametrize("size", [4, 7, 1, 0])
def test_any_number_of_examples(size):
    xs = RNG.normal(size=(size, 3))
    np.testing.assert_allclose(graphc.vmap(lambda x: W @ np.exp(x))(xs), np.exp(xs) @ W.T)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("eager", [False, True])
def test_writes_to_a_mapped_argument_reach_it(axis, eager):
    def f(x):
        x[0] = x[1] * 2
        return x.sum()

    plain, mapped = XS.copy(), XS.copy()
    expected = [f(row) for row in (plain if axis == 0 else plain.T)]
    with graphc.eager(eager):
        np.testing.assert_allclose(graphc.vmap(f, in_axes=axis)(mapped), expected)
    np.testing.assert_allclose(mapped, plain)


BUFFER = np.zeros(3)


def writes_outside(x):
    BUFFER[:] = x
    return x


@pytest.mark.parametrize("eager", [False, True])
def test_writes_to_what_examples_share_are_refused(eager):
    def f(x, shared):
        shared[0] = x[0]
        return x

    with graphc.eager(eager):
        with pytest.raises(TraceError, match="all examples share"):
            graphc.vmap(f, in_axes=(0, None))(XS, np.zeros(3))
        with pytest.raises(TraceError, match="all examples share"):
            graphc.vmap(writes_outside)(XS)
    np.testing.assert_array_equal(BUFFER, 0)


class Keeper:
    kept = None

    def f(self, x):
        self.kept = x * 2
        return x


def test_a_value_of_one_example_that_is_kept_outside_is_refused():
    kept = []

    def appends(x):
        kept.append(x)
        return x

    keeper = Keeper()
    keeper.kept = np.zeros(3)
    for f in (keeper.f, appends):
        with pytest.raises(TraceError, match="kept outside the function"):
            graphc.vmap(f)(XS)
    np.testing.assert_array_equal(keeper.kept, 0)
    assert kept == []


def test_a_buffer_made_inside_may_be_written():
    def f(x):
        out = np.zeros(3)
        for k in range(3):
            out[k] = x[k] * k
        return out

    np.testing.assert_allclose(graphc.vmap(f)(XS), XS * np.arange(3))


def test_prints_come_for_each_example(capfd):
    def f(x):
        graphc.debug_print("x0 {:.1f}", x[0])
        return x

    xs = np.array([[1.0, 2], [3, 4]])
    graphc.vmap(f)(xs)
    assert capfd.readouterr().out == "x0 1.0\nx0 3.0\n"


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: graphc.vmap(np.sin)(3.0), ShapeError, "no axis 0"),
        (lambda: graphc.vmap(np.sin, in_axes=2)(XS), ShapeError, "no axis 2"),
        (lambda: graphc.vmap(np.add)(XS, XS[:2]), ShapeError, "sizes 4 and 2"),
        (lambda: graphc.vmap(np.sin, in_axes=None)(XS), ShapeError, "maps over no argument"),
        (lambda: graphc.vmap(np.sin, in_axes="0")(XS), TraceError, "no axis: give an int"),
        (lambda: graphc.vmap(np.sin, in_axes=(0, 0))(XS), ShapeError, "2 entries for 1"),
        (lambda: graphc.vmap(np.sin, out_axes=None)(XS), ShapeError, "differs between examples"),
        (lambda: graphc.vmap(np.sin, out_axes=5)(XS), ShapeError, "no axis of a result"),
        (lambda: graphc.vmap(np.sin, in_axes=({"a": 0},))(XS), ShapeError, "structure"),
        (lambda: graphc.vmap(lambda x: "text")(XS), TypeError, "text"),
    ],
)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
