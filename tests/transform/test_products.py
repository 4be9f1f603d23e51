"""`vjp` and `jvp`: values, structure, kinds, pullbacks that outlive the call, writes, bad input."""

from dataclasses import dataclass

import numpy as np
import pytest

import graphc
from graphc.errors import DTypeError, ShapeError, TraceError

X = np.array([0.5, -1.0, 2.0])


def scaled_sine(x, scale):
    return {"y": np.sin(x) * scale["s"], "n": 3}


def test_vjp_has_the_structure_of_the_arguments():
    out, pullback = graphc.vjp(scaled_sine, X, {"s": 2.0, "i": np.arange(3)})
    np.testing.assert_allclose(out["y"], 2 * np.sin(X))
    assert out["n"] == 3
    by_x, by_scale = pullback({"y": np.ones(3), "n": None})
    np.testing.assert_allclose(by_x, 2 * np.cos(X))
    assert type(by_scale["s"]) is float
    assert by_scale["s"] == pytest.approx(np.sin(X).sum())
    assert by_scale["i"] is None


def test_a_pullback_is_called_many_times():
    _, pullback = graphc.vjp(np.exp, X)
    for factor in (1.0, -2.0, 0.0):
        np.testing.assert_allclose(pullback(np.full(3, factor))[0], factor * np.exp(X))


def test_a_pullback_keeps_what_it_needs():
    """The result is what the derivative of exp reads; a write to it must not change that."""
    x = X.copy()
    out, pullback = graphc.vjp(np.exp, x)
    out[:] = 0
    x[:] = 7
    np.testing.assert_allclose(pullback(np.ones(3))[0], np.exp(X))


@pytest.mark.parametrize("size", [3, 4, 0, 1, 5])
def test_pullbacks_of_any_size(size):
    x = np.linspace(0.0, 1.0, size)
    out, pullback = graphc.vjp(lambda x: x * x.sum(), x)
    np.testing.assert_allclose(out, x * x.sum())
    g = np.arange(float(size))
    np.testing.assert_allclose(pullback(g)[0], g * x.sum() + g @ x)


def test_a_pullback_goes_through_compiled_functions():
    @graphc.compile
    def run(x):
        return graphc.vjp(np.sin, x)

    out, pullback = run(X)
    np.testing.assert_allclose(out, np.sin(X))
    np.testing.assert_allclose(pullback(X)[0], X * np.cos(X))
    inside = graphc.compile(lambda g: pullback(g)[0] * 2)
    np.testing.assert_allclose(inside(X), 2 * X * np.cos(X))
    np.testing.assert_allclose(inside(2 * X), 4 * X * np.cos(X))
    by_g = graphc.grad(lambda g: pullback(g)[0].sum())(X)
    np.testing.assert_allclose(by_g, np.cos(X))


def test_a_pullback_inside_is_traced():
    @graphc.compile
    def gauss_newton(x):
        r, pullback = graphc.vjp(lambda x: np.array([x[0] ** 2 - 1, x[0] * x[1]]), x)
        return pullback(r)[0]

    x = np.array([2.0, 3.0])
    jacobian = np.array([[4.0, 0], [3.0, 2.0]])
    np.testing.assert_allclose(gauss_newton(x), jacobian.T @ [3.0, 6.0])


def test_jvp_moves_every_argument():
    out, tangent = graphc.jvp(scaled_sine, (X, {"s": 2.0, "i": 1}), (X, {"s": 0.5, "i": None}))
    np.testing.assert_allclose(out["y"], 2 * np.sin(X))
    np.testing.assert_allclose(tangent["y"], 2 * np.cos(X) * X + 0.5 * np.sin(X))
    assert tangent["n"] is None


def test_no_tangent_is_zero():
    _, tangent = graphc.jvp(np.multiply, (X, X), (None, np.ones(3)))
    np.testing.assert_allclose(tangent, X)


def test_kinds_are_kept():
    out, tangent = graphc.jvp(lambda x: x * x, (3.0,), (1.0,))
    assert (type(out), type(tangent)) == (float, float)
    out, tangent = graphc.jvp(lambda x: x * x, (np.float32(3),), (np.float32(1),))
    assert (type(out), type(tangent)) == (np.float32, np.float32)
    out, pullback = graphc.vjp(lambda x: x * x, np.float32(3))
    (pulled,) = pullback(np.float32(1))
    assert type(pulled) is np.float32
    assert pulled == 6


@dataclass
class Line:
    slope: np.ndarray
    offset: float


def test_dataclasses_are_trees():
    line = Line(np.array([1.0, 2.0]), 0.5)
    _, pullback = graphc.vjp(lambda line, x: line.slope * x + line.offset, line, 3.0)
    by_line, by_x = pullback(np.ones(2))
    assert isinstance(by_line, Line)
    np.testing.assert_allclose(by_line.slope, [3.0, 3.0])
    assert by_line.offset == 2.0
    assert by_x == 3.0


def writes(x):
    x[0] = x[1] * x[2]
    return x * x


@pytest.mark.parametrize("mode", ["vjp", "jvp"])
def test_a_write_acts_once(mode):
    x, plain = X.copy(), X.copy()
    expected = writes(plain)
    if mode == "vjp":
        out, pullback = graphc.vjp(writes, x)
        np.testing.assert_allclose(pullback(np.ones(3))[0], [0.0, -10.0, 8.0])
    else:
        out, tangent = graphc.jvp(writes, (x,), (np.array([9.0, 1.0, 0.0]),))
        np.testing.assert_allclose(tangent, [2 * -2.0 * 2.0, -2.0, 0.0])
    np.testing.assert_allclose(out, expected)
    np.testing.assert_allclose(x, plain)


def test_results_that_are_views_stay_views():
    def f(x):
        x[0] = 9.0
        return x[1:], (x * x).sum()

    x = X.copy()
    (view, _), pullback = graphc.vjp(f, x)
    assert np.shares_memory(view, x)
    np.testing.assert_array_equal(pullback((np.ones(2), 0.0))[0], [0, 1, 1])
    (view, _), _ = graphc.jvp(f, (x,), (x,))
    assert np.shares_memory(view, x)
    gradient, view = graphc.grad(lambda x: f(x)[::-1], has_aux=True)(x)
    assert np.shares_memory(view, x)
    np.testing.assert_array_equal(gradient, [0, *(2 * X[1:])])


class Counter:
    def __init__(self):
        self.count = np.zeros(())
        self.mean = np.zeros(3)

    def f(self, x):
        self.count[...] += 1
        self.mean = self.mean * 0.5 + x
        return (x * self.mean).sum()


def test_state_of_objects_is_written_once():
    counter, plain = Counter(), Counter()
    for run in (
        lambda f: graphc.jvp(f, (X,), (X,)),
        lambda f: graphc.vjp(f, X)[1](1.0),
        lambda f: graphc.grad(f)(X),
        lambda f: graphc.jacobian(f)(X),
    ):
        run(counter.f)
        plain.f(X)
        assert counter.count == plain.count
        np.testing.assert_allclose(counter.mean, plain.mean)


def test_complex_products_are_plain_transposes():
    z = np.array([1 + 2j, -1j])
    t = np.array([0.5j, 1 - 1j])
    _, tangent = graphc.jvp(lambda z: z * z, (z,), (t,))
    np.testing.assert_allclose(tangent, 2 * z * t)
    _, pullback = graphc.vjp(lambda z: z * z, z)
    np.testing.assert_allclose(pullback(t)[0], 2 * z * t)
    _, tangent = graphc.jvp(np.abs, (z,), (t,))
    np.testing.assert_allclose(tangent, (np.conj(z) * t).real / np.abs(z))


def test_hessian_vector_products():
    def f(x):
        return (x**3).sum() + x[0] * x[1]

    def product(x, v):
        return graphc.jvp(graphc.grad(f), (x,), (v,))[1]

    v = np.array([1.0, 2.0, 3.0])
    matrix = np.diag(6 * X) + np.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]])
    np.testing.assert_allclose(product(X, v), matrix @ v)
    np.testing.assert_allclose(graphc.compile(product)(X, v), matrix @ v)


def test_eager_runs_branches():
    def f(x):
        return x * x if x > 0 else -x

    with graphc.eager():
        assert graphc.jvp(f, (3.0,), (1.0,)) == (9.0, 6.0)
        out, pullback = graphc.vjp(f, -3.0)
        assert (out, pullback(1.0)) == (3.0, (-1.0,))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: graphc.jvp(np.sin, X, X), ShapeError, "primals must be a tuple"),
        (lambda: graphc.jvp(np.sin, (X,), ()), ShapeError, "1 primals, but 0 tangents"),
        (
            lambda: graphc.jvp(np.sin, (X,), (X[:2],)),
            ShapeError,
            r"float64\[3\] has type float64\[2",
        ),
        (lambda: graphc.jvp(np.sin, (X,), (X.astype("f"),)), DTypeError, "astype"),
        (lambda: graphc.jvp(np.sin, (X,), ([X],)), ShapeError, "is a list of 1"),
        (lambda: graphc.vjp(np.sin, X)[1](X[:2]), ShapeError, r"float64\[3\]"),
        (lambda: graphc.vjp(np.sin, X)[1]([X]), ShapeError, "list of 1"),
        (lambda: graphc.vjp(lambda x: (x, x), X)[1](X), ShapeError, "structure"),
        (lambda: graphc.vjp(3, X), TypeError, "takes a function"),
    ],
)
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()


def loops(function, *args):
    return [node for node in function.lower(*args).graph.nodes if node.op.name == "scan"]


def walked(start, steps):
    return graphc.scan(lambda c, s: (np.sin(c * s), c * 2), start, steps)


def test_forward_mode_of_a_scan_is_one_loop_and_stores_nothing():
    steps = np.linspace(0.5, 1.5, 12).reshape(4, 3)
    f = graphc.compile(lambda x, t: graphc.jvp(lambda x: walked(x, steps), (x,), (t,)))
    (out, ys), (tangent, y_tangents) = f(X, np.ones(3))
    c, t = X, np.ones(3)
    for k, s in enumerate(steps):
        np.testing.assert_allclose(ys[k], 2 * c)
        np.testing.assert_allclose(y_tangents[k], 2 * t)
        c, t = np.sin(c * s), np.cos(c * s) * s * t
    np.testing.assert_allclose(out, c)
    np.testing.assert_allclose(tangent, t)
    (loop,) = loops(f, X, X)
    assert (loop["n_carry"], len(loop.types)) == (2, 4)


def test_hessian_vector_products_of_a_scan_run_two_loops():
    steps = np.linspace(0.5, 1.5, 12).reshape(4, 3)

    def f(x):
        last, ys = walked(x, steps)
        return last.sum() + (ys**2).sum()

    product = graphc.compile(lambda x, v: graphc.jvp(graphc.grad(f), (x,), (v,))[1])
    near, far = graphc.grad(f)(X - 1e-6), graphc.grad(f)(X + 1e-6)
    np.testing.assert_allclose(product(X, np.ones(3)), (far - near) / 2e-6, rtol=1e-6)
    assert len(loops(product, X, X)) == 2


def test_a_loop_with_prints_is_not_taken_for_another(capfd):
    def f(x):
        def body(c, s):
            graphc.debug_print("c {:.2f}", c[0])
            return c * s, c

        return graphc.scan(body, x, np.array([2.0, 3.0]))

    out, tangent = graphc.jvp(f, (np.ones(1),), (np.ones(1),))
    assert capfd.readouterr().out == "c 1.00\nc 2.00\n"
    assert tangent[0] == out[0] == 6.0


def scaled_in_place(x, y):
    x[0] = 5.0
    return (x * y).sum()


@pytest.mark.parametrize(
    "transform",
    [
        lambda f, x, y: graphc.vjp(f, x, y),
        lambda f, x, y: graphc.jvp(f, (x, y), (x, y)),
        lambda f, x, y: graphc.grad(f)(x, y),
        lambda f, x, y: graphc.jacobian(f, (0, 1))(x, y),
        lambda f, x, y: graphc.grad(lambda z: graphc.checkpoint(f)(x, y) * z)(2.0),
    ],
)
def test_writes_to_shared_memory_are_refused(transform):
    """A write that another argument must see, which the copies of a derivative would hide."""
    block = np.arange(6.0)
    for x, y in ((block, block), (block[1:], block[:5]), (block[:4], block[3:][:1])):
        before = block.copy()
        with pytest.raises(TraceError, match="shares memory"):
            graphc.compile(lambda x, y: transform(scaled_in_place, x, y))(x, y)
        np.testing.assert_array_equal(block, before)


def test_writes_beside_another_argument_are_not():
    @graphc.compile
    def f(block):
        return graphc.grad(scaled_in_place, (0, 1))(block[:3], block[3:])

    block = np.arange(6.0)
    by_x, by_y = f(block)
    np.testing.assert_array_equal(by_x, [0, 4, 5])
    np.testing.assert_array_equal(by_y, [5, 1, 2])
    assert block[0] == 5.0


def test_pullbacks_over_modules_outlive_their_tracing():
    graphc.random.seed(0)
    model = graphc.nn.Sequential(graphc.nn.Linear(3, 4), graphc.nn.Tanh(), graphc.nn.Linear(4, 2))
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    out, pullback = graphc.vjp(lambda m, x: m(x), model, x)
    wanted = graphc.grad(lambda m, x: m(x).sum(), argnums=(0, 1))(model, x)
    for _ in range(2):
        found = pullback(np.ones_like(out))
        assert type(found[0]) is type(model)
        np.testing.assert_allclose(found[0][0].weight, wanted[0][0].weight, 1e-5)
        np.testing.assert_allclose(found[0][2].bias, wanted[0][2].bias, 1e-5)
        np.testing.assert_allclose(found[1], wanted[1], 1e-5)
    for part in model.modules():
        for name, array in list(vars(part).items()):
            if isinstance(array, np.ndarray):
                setattr(part, name, array.astype(np.float64))
    graphc.testing.check_grads(lambda m, x: m(x), (model, x.astype(np.float64)), order=2)
