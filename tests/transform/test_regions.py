"""`checkpoint`, `custom_vjp` and `stop_gradient`."""

import numpy as np
import pytest

import graphc
from graphc.errors import DTypeError, ShapeError, TraceError, UnsupportedError

RNG = np.random.default_rng(0)
X = np.array([0.5, -1.0, 2.0])


# --- checkpoint -----------------------------------------------------------------------------------


def layer(w, x):
    for _ in range(3):
        x = np.tanh(x @ w)
    return x


def loss(weights, x, f):
    for w in weights:
        x = f(w, x)
    return (x * x).sum()


def plain_gradient(weights, x):
    return graphc.grad(lambda w: loss(w, x, layer))(weights)


def checkpointed_gradient(weights, x):
    return graphc.grad(lambda w: loss(w, x, graphc.checkpoint(layer)))(weights)


def test_memory_falls_and_gradients_stay():
    weights = [RNG.normal(size=(32, 32)) / 6 for _ in range(8)]
    x = RNG.normal(size=(256, 32))
    plain, checkpointed = graphc.compile(plain_gradient), graphc.compile(checkpointed_gradient)
    for a, b in zip(plain(weights, x), checkpointed(weights, x), strict=True):
        np.testing.assert_array_equal(a, b)
    kept = plain.explain(weights, x).arena_bytes
    recomputed = checkpointed.explain(weights, x).arena_bytes
    # 24 activations of 64 KB against the 8 between blocks, the 3 of one block, and gradients.
    assert kept > 24 * x.nbytes
    assert recomputed < 16 * x.nbytes


def test_what_is_written_and_printed_happens_once(capfd):
    def f(x):
        x[0] = x[1] * 3
        graphc.debug_print("x0 {:.1f}", x[0])
        return np.sin(x)

    x, plain = X.copy(), X.copy()
    gradient = graphc.grad(lambda x: graphc.checkpoint(f)(x).sum())(x)
    assert capfd.readouterr().out == "x0 -3.0\n"
    graphc.grad(lambda x: f(x).sum())(plain)
    np.testing.assert_array_equal(x, plain)
    np.testing.assert_allclose(gradient, [0, 3 * np.cos(-3.0) + np.cos(-1.0), np.cos(2.0)])


COUNTS = np.zeros(2)


def counts(x):
    COUNTS[0] += x.sum()
    return x * COUNTS[0]


def test_captured_arrays_are_written_once():
    COUNTS[:] = 0
    gradient = graphc.grad(lambda x: graphc.checkpoint(counts)(x).sum())(X)
    assert COUNTS[0] == X.sum()
    np.testing.assert_allclose(gradient, np.full(3, 2 * X.sum()))


def test_views_stay_views():
    @graphc.compile
    def f(x):
        y = graphc.checkpoint(lambda x: x[1:])(x)
        y += 10
        return y

    x = np.arange(3.0)
    y = f(x)
    np.testing.assert_array_equal(x, [0, 11, 12])
    assert np.shares_memory(x, y)


def test_checkpoints_nest_and_mix():
    inner = graphc.checkpoint(lambda x: np.sin(x) * x)
    outer = graphc.checkpoint(lambda x: inner(inner(x)))

    def plain(x):
        step = lambda x: np.sin(x) * x  # noqa: E731
        return step(step(x))

    np.testing.assert_allclose(
        graphc.hessian(lambda x: outer(x).sum())(X),
        graphc.hessian(lambda x: plain(x).sum())(X),
        rtol=1e-11,
    )
    _, tangent = graphc.jvp(outer, (X,), (np.ones(3),))
    np.testing.assert_allclose(tangent, graphc.jvp(plain, (X,), (np.ones(3),))[1], rtol=1e-12)
    mapped = graphc.vmap(graphc.grad(outer))(X)
    np.testing.assert_allclose(mapped, graphc.vmap(graphc.grad(plain))(X), rtol=1e-12)


def test_a_checkpoint_in_a_scan_keeps_only_carries():
    def gradient(step):
        return graphc.compile(
            graphc.grad(lambda x: graphc.scan(lambda c, _: (step(c), None), x, length=50)[0].sum())
        )

    def step(c):
        return np.sin(np.cos(np.sin(np.cos(c))))

    x = RNG.normal(size=1000)
    plain, checkpointed = gradient(step), gradient(graphc.checkpoint(step))
    np.testing.assert_allclose(plain(x), checkpointed(x), rtol=1e-12)
    assert checkpointed.explain(x).arena_bytes <= plain.explain(x).arena_bytes


def test_outside_it_is_the_function():
    f = graphc.checkpoint(lambda x, scale=2.0: x * scale)
    np.testing.assert_array_equal(f(X), 2 * X)
    np.testing.assert_array_equal(graphc.compile(lambda x: f(x, scale=3.0))(X), 3 * X)
    with graphc.eager():
        np.testing.assert_array_equal(graphc.grad(lambda x: f(x).sum())(X), [2, 2, 2])


# --- custom_vjp -----------------------------------------------------------------------------------


def reversing(scale=1.0):
    @graphc.custom_vjp
    def f(x, y):
        return np.sin(x) * y

    def forward(x, y):
        return np.sin(x) * y, {"x": x, "sides": (y, "text")}

    def backward(kept, g):
        return scale * g * np.cos(kept["x"]) * kept["sides"][0], g * np.sin(kept["x"])

    return f.defvjp(forward, backward)


def test_its_derivative_is_the_one_given():
    f = reversing(scale=-3.0)
    by_x, by_y = graphc.grad(lambda x, y: f(x, y).sum(), (0, 1))(X, X + 1)
    np.testing.assert_allclose(by_x, -3 * np.cos(X) * (X + 1))
    np.testing.assert_allclose(by_y, np.sin(X))
    np.testing.assert_allclose(f(X, X), np.sin(X) * X)
    np.testing.assert_allclose(graphc.compile(f)(X, X), np.sin(X) * X)
    with graphc.eager():
        np.testing.assert_allclose(graphc.grad(lambda x: f(x, X).sum())(X), -3 * np.cos(X) * X)


def test_another_derivative_is_compiled_anew():
    x = X.copy()
    for scale in (1.0, 2.0):
        f = reversing(scale)
        gradient = graphc.grad(lambda x, f=f: f(x, 1.0 + 0 * x).sum())(x)
        np.testing.assert_allclose(gradient, scale * np.cos(X))


def test_a_custom_vjp_is_mapped():
    f = reversing(scale=2.0)
    xs = RNG.normal(size=(4, 3))
    g = graphc.grad(lambda x, y: f(x, y).sum(), (0, 1))
    by_x, by_y = graphc.vmap(g, in_axes=(0, None))(xs, X)
    np.testing.assert_allclose(by_x, 2 * np.cos(xs) * X)
    np.testing.assert_allclose(by_y, np.sin(xs))
    shared = graphc.grad(lambda y: graphc.vmap(f, in_axes=(0, None))(xs, y).sum())(X)
    np.testing.assert_allclose(shared, np.sin(xs).sum(axis=0))


def test_its_second_derivative_is_that_of_backward():
    f = reversing(scale=2.0)
    second = graphc.grad(lambda x: graphc.grad(lambda x: f(x, X).sum())(x).sum())(X)
    np.testing.assert_allclose(second, -2 * np.sin(X) * X)


def test_forward_mode_raises():
    with pytest.raises(UnsupportedError, match="forward mode"):
        graphc.jvp(lambda x: reversing()(x, x), (X,), (X,))


def test_no_cotangent_is_zero_and_int_arguments_have_none():
    @graphc.custom_vjp
    def f(x, n, y):
        return x * n + y

    f.defvjp(lambda x, n, y: (x * n + y, None), lambda _, g: (g * 7, None, None))
    by_x, by_y = graphc.grad(lambda x, y: f(x, np.arange(3), y).sum(), (0, 1))(X, X)
    np.testing.assert_array_equal(by_x, [7, 7, 7])
    np.testing.assert_array_equal(by_y, [0, 0, 0])


OUTSIDE = np.array([1.0, 2.0, 3.0])


@graphc.custom_vjp
def reads_outside(x):
    return x * OUTSIDE


reads_outside.defvjp(lambda x: (x * OUTSIDE, OUTSIDE), lambda kept, g: (g * kept,))


def test_what_it_reads_from_outside_is_a_constant_or_refused():
    np.testing.assert_array_equal(graphc.grad(lambda x: reads_outside(x).sum())(X), OUTSIDE)

    def through_closure(y):
        @graphc.custom_vjp
        def f(x):
            return x * y

        return f.defvjp(lambda x: (x * y, None), lambda _, g: (g,))(X).sum()

    with pytest.raises(UnsupportedError, match="reads an array from outside"):
        graphc.grad(through_closure)(X)


def defined(forward, backward):
    f = graphc.custom_vjp(lambda x: x * 2)
    if forward is not None:
        f.defvjp(forward, backward)
    return f


def writing(x):
    OUTSIDE[0] = 1.0
    return x * 2, None


@pytest.mark.parametrize(
    ("forward", "backward", "error", "text"),
    [
        (None, None, TraceError, "has no derivative yet"),
        (lambda x: x * 2, lambda _, g: (g,), TraceError, "must return a pair"),
        (lambda x: (x[:2], None), lambda _, g: (g,), ShapeError, "forward"),
        (lambda x: ((x, x), None), lambda _, g: (g,), ShapeError, "forward's result"),
        (lambda x: (x * 2, None), lambda _, g: g, ShapeError, "tuple with a cotangent"),
        (lambda x: (x * 2, None), lambda _, g: (g[:2],), ShapeError, "cotangent of"),
        (lambda x: (x * 2, None), lambda _, g: (g.astype("f"),), DTypeError, "cotangent of"),
        (writing, lambda _, g: (g,), TraceError, "forward writes"),
    ],
)
def test_bad_rules_are_named(forward, backward, error, text):
    with pytest.raises(error, match=text):
        graphc.grad(lambda x: defined(forward, backward)(x).sum())(X)


# --- stop_gradient --------------------------------------------------------------------------------


def test_in_eager_mode_forward_has_values_and_backward_says_that_it_has_none():
    @graphc.custom_vjp
    def f(x):
        return x * 2 if x.sum() > 0 else x * 3

    def backward(kept, g):
        return (g * 7 if kept.sum() > 0 else g,)

    f.defvjp(lambda x: (x * 2 if x[0] > 0 else x * 3, x), backward)
    with graphc.eager():
        np.testing.assert_array_equal(graphc.grad(lambda x: f(x).sum())(X), [7, 7, 7])
        f.defvjp(lambda x: (x * 2, x), lambda kept, g: (g if g[0] > 0 else g * 2,))
        with pytest.raises(TraceError, match="no value while its backward"):
            graphc.grad(lambda x: f(x).sum())(X)


def test_stop_gradient():
    assert graphc.grad(lambda x: x * graphc.stop_gradient(x))(3.0) == 3.0
    assert graphc.jvp(lambda x: x * graphc.stop_gradient(x), (3.0,), (1.0,))[1] == 3.0
    tree = {"x": X, "name": "n", "k": 3}
    gradient = graphc.grad(lambda t: (graphc.stop_gradient(t)["x"] * t["x"] ** 2).sum())(tree)
    np.testing.assert_allclose(gradient["x"], 2 * X**2)


def test_stop_gradient_copies_inside_and_outside():
    def f(x):
        y = graphc.stop_gradient(x)
        y[0] = 9
        return y

    x = X.copy()
    np.testing.assert_array_equal(f(x), graphc.compile(f)(x))
    np.testing.assert_array_equal(x, X)
    assert graphc.stop_gradient({"a": 1, "b": None}) == {"a": 1, "b": None}


def test_gradients_of_nested_loops_with_prints_print_once(capfd):
    def f(x):
        def inner(c, s):
            graphc.debug_print("{:.2f}", c)
            return np.sin(c) * s, None

        def outer(c, _):
            step = graphc.checkpoint(lambda c: graphc.scan(inner, c, np.array([1.0, 2.0]))[0])
            return step(c), None

        return graphc.scan(outer, x, length=2)[0]

    def plain(x):
        for s in (1.0, 2.0, 1.0, 2.0):
            x = np.sin(x) * s
        return x

    gradient = graphc.grad(f)(0.5)
    assert len(capfd.readouterr().out.splitlines()) == 4
    assert gradient == pytest.approx(graphc.grad(plain)(0.5))
    second = graphc.grad(graphc.grad(f))(0.5)
    assert len(capfd.readouterr().out.splitlines()) == 4
    assert second == pytest.approx(graphc.grad(graphc.grad(plain))(0.5))
    assert graphc.jvp(f, (0.5,), (1.0,))[1] == pytest.approx(gradient)


@graphc.custom_vjp
def calls_itself(x):
    return np.sin(x) * x


calls_itself.defvjp(
    lambda x: (calls_itself(x), (x, calls_itself(x) / x)),
    lambda kept, g: (g * (kept[1] + 0 * calls_itself(kept[0]) + np.cos(kept[0]) * kept[0]),),
)


def test_a_custom_vjp_in_its_own_rule_is_the_plain_function():
    x = np.array([0.5, 1.5])
    graphc.testing.check_grads(calls_itself, (x,), modes="reverse")
    np.testing.assert_allclose(
        graphc.compile(graphc.grad(lambda x: calls_itself(x).sum()))(x), np.sin(x) + x * np.cos(x)
    )


def test_a_rule_that_calls_another_of_the_same_code_keeps_it():
    def tripled(inner):
        @graphc.custom_vjp
        def f(x):
            return inner(x)

        f.defvjp(lambda x: (inner(x), x), lambda x, g: (3 * graphc.grad(inner)(x) * g,))
        return f

    nested = tripled(tripled(lambda x: x * x))
    assert graphc.grad(nested)(2.0) == 9 * 4.0


def test_a_method_in_its_own_rule_is_the_plain_method():
    class Scale:
        def __init__(self, factor):
            self.factor = factor

        @graphc.custom_vjp
        def apply(self, x):
            return x * self.factor

        apply.defvjp(lambda self, x: (self.apply(x), None), lambda _, g: (5 * g,))

    scale = Scale(np.float64(3.0))
    np.testing.assert_array_equal(graphc.grad(lambda x: scale.apply(x).sum())(X), np.full(3, 5.0))
