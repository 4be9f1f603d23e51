"""What decides the architecture: one test of each thing that would mean a rebuild, found late."""

import os
import threading

import numpy as np
import pytest

import graphc
from graphc.exporting.container import from_json, to_json
from tests import helpers_module
from tests.helpers_module import fill

BIAS = np.array([1.0, 2.0, 3.0])


def test_two_output_op():
    @graphc.compile
    def both(x, y):
        quotient, remainder = np.divmod(x, y)
        return quotient * 10 + remainder, quotient, remainder

    x = np.array([7, -7, 7, -7, 5])
    y = np.array([2, 2, -2, -2, 0])
    for got, wanted in zip(both(x, y), both.__wrapped__(x, y), strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert got.dtype == wanted.dtype


def test_scan_is_evaluated_differentiated_and_compiled():
    def body(h, x):
        h = np.tanh(h * 0.5 + x)
        return h, h * h

    def loss(h0, xs):
        last, ys = graphc.scan(body, h0, xs)
        return (last * ys).sum()

    def plain(h0, xs):
        h, ys = h0, []
        for x in xs:
            h, y = body(h, x)
            ys.append(y)
        return (h * np.array(ys)).sum()

    rng = np.random.default_rng(0)
    h0, xs = rng.normal(size=3), rng.normal(size=(5, 3))
    step = graphc.compile(graphc.value_and_grad(loss, argnums=(0, 1)))
    value, (dh, dxs) = step(h0, xs)
    np.testing.assert_allclose(value, plain(h0, xs), rtol=1e-14)
    with graphc.eager():
        eager_value, (eager_dh, eager_dxs) = step.__wrapped__(h0, xs)
    np.testing.assert_allclose(eager_value, value, rtol=1e-14)
    np.testing.assert_allclose(eager_dh, dh, rtol=1e-12)
    np.testing.assert_allclose(eager_dxs, dxs, rtol=1e-12)
    for argument, gradient in ((h0, dh), (xs, dxs)):
        direction = rng.normal(size=argument.shape)
        eps = 1e-6
        high, low = (
            plain(h0 + shift, xs) if argument is h0 else plain(h0, xs + shift)
            for shift in (eps * direction, -eps * direction)
        )
        slope = (high - low) / (2 * eps)
        np.testing.assert_allclose(slope, (gradient * direction).sum(), rtol=1e-6)
    lowered = step.lower(h0, xs)
    assert any(node.op.name == "scan" for node in lowered.graph.nodes)


def test_second_derivative_of_scan():
    def f(a):
        last, _ = graphc.scan(lambda c, x: (c * a + x, c), 1.0, np.arange(4.0))
        return last

    # last = a^4 + 0*a^3 + 1*a^2 + 2*a + 3
    second = graphc.grad(graphc.grad(f))
    third = graphc.grad(second)
    assert second(2.0) == pytest.approx(12 * 4 + 2)
    assert third(2.0) == pytest.approx(48)


def test_effect_is_neither_merged_nor_moved(capfd):
    @graphc.compile
    def f(x):
        graphc.debug_print("x {}", x)
        graphc.debug_print("x {}", x)
        y = x + 1
        graphc.debug_print("y {}", y)
        return np.zeros(2)

    for k in range(2):
        f(float(k))
    lines = capfd.readouterr().out.splitlines()
    assert lines == ["x 0.0", "x 0.0", "y 1.0", "x 1.0", "x 1.0", "y 2.0"]


def test_effect_inside_scan_and_gradient(capfd):
    def body(c, x):
        graphc.debug_print("step {}", x)
        return c * x, None

    def f(a):
        return graphc.scan(body, a, np.array([2.0, 3.0]))[0]

    assert graphc.grad(f)(1.5) == 6.0
    assert capfd.readouterr().out.splitlines() == ["step 2.0", "step 3.0"]


def test_symbolic_axis_through_forward_and_gradient():
    @graphc.compile
    def step(w, x):
        return graphc.value_and_grad(lambda w: np.mean(np.tanh(x @ w) ** 2))(w)

    rng = np.random.default_rng(0)
    w = rng.normal(size=(4, 2))
    for batch in (8, 5, 17, 1, 2, 100, 3):
        x = rng.normal(size=(batch, 4))
        value, gradient = step(w, x)
        t = np.tanh(x @ w)
        np.testing.assert_allclose(value, np.mean(t**2), rtol=1e-13)
        np.testing.assert_allclose(gradient, x.T @ (2 * t * (1 - t**2) / t.size), rtol=1e-11)
    assert len(step.specializations) <= 3
    types = {str(form.program.graph.inputs[1].type) for form in step.specializations}
    assert any("n0" in text for text in types)


def test_spec_names_an_axis_ahead():
    f = graphc.compile(lambda x: (x * x).sum(axis=0))
    f.lower(graphc.spec(("batch", 3), np.float32)).compile()
    for batch in (0, 1, 2, 50):
        x = np.ones((batch, 3), np.float32)
        np.testing.assert_array_equal(f(x), (x * x).sum(axis=0))
    assert len(f.specializations) == 1
    assert str(f.specializations[0].program.graph.inputs[0].type) == "float32[batch, 3]"


def test_view_written_through():
    def f(x):
        y = x[1:]
        y += 3
        x.T[0] = 5
        z = x.reshape(-1)
        z[-1] = 7
        flat = np.sqrt(x)
        flat.ravel()[0] = -1
        return flat, y

    x, expected = np.ones((3, 2)), np.ones((3, 2))
    wanted, wanted_view = f(expected)
    got, view = graphc.compile(f)(x)
    np.testing.assert_array_equal(x, expected)
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(view, wanted_view)
    view[0, 0] = 99  # a result that is a view of an argument is that view of the caller's array
    assert x[1, 0] == 99


def test_buffer_filled_in_a_helper_of_the_users_module():
    compiled = graphc.compile(lambda x: (fill(x, 2.0), helpers_module.fill(x, 3.0)))
    x = np.arange(4.0, dtype=np.float32)
    for got, scale in zip(compiled(x), (2.0, 3.0), strict=True):
        np.testing.assert_array_equal(got, fill(x, scale))
        assert got.dtype == np.float32


def test_array_of_traced_values_and_one_hot_rows():
    @graphc.compile
    def f(a, b, y):
        return np.array([a, b, a * b]), np.eye(10)[y], np.asarray(a), np.stack([a, b])

    a, b, y = np.float64(2.0), np.float64(3.0), np.array([1, 9, 0])
    for got, wanted in zip(f(a, b, y), f.__wrapped__(a, b, y), strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert type(got) is type(wanted)
        assert got.dtype == wanted.dtype


def test_overlapping_arguments():
    def f(x, y):
        x[...] = y * 2
        y += 1
        return x + y

    compiled = graphc.compile(f)
    for make in (
        lambda: [np.arange(6.0)] * 2,
        lambda: (lambda a: [a[:-1], a[1:]])(np.arange(6.0)),
        lambda: (lambda a: [a[::2], a[::-2]])(np.arange(6.0)),
        lambda: [np.arange(6.0), np.arange(6.0)],
    ):
        mine, theirs = make(), make()
        np.testing.assert_array_equal(compiled(*mine), f(*theirs))
        for a, b in zip(mine, theirs, strict=True):
            np.testing.assert_array_equal(a, b)


def test_captured_array_changed_between_calls():
    global BIAS
    weights = np.ones(3)
    f = graphc.compile(lambda x: x * weights + BIAS)
    x = np.arange(3.0)
    np.testing.assert_array_equal(f(x), x + [1, 2, 3])
    weights *= 2
    np.testing.assert_array_equal(f(x), 2 * x + [1, 2, 3])
    BIAS = np.array([5.0, 5.0, 5.0])
    np.testing.assert_array_equal(f(x), 2 * x + 5)
    weights = np.zeros(3)
    np.testing.assert_array_equal(f(x), [5, 5, 5])
    assert len(f.specializations) == 1
    BIAS = np.array([1.0, 2.0, 3.0])


def test_lambda_made_anew_compiles_nothing():
    w = np.array([1.0, 2.0])
    counts = set()
    for k in range(5):
        target = float(k)
        f = graphc.compile(lambda w: ((w - target) ** 2).sum())
        value, gradient = graphc.value_and_grad(lambda w: ((w - target) ** 2).sum())(w)
        assert f(w) == value == ((w - k) ** 2).sum()
        np.testing.assert_array_equal(gradient, 2 * (w - k))
        counts.add(tuple(map(id, f.specializations)))
    assert len(counts) == 1


def test_python_int_becomes_symbolic():
    f = graphc.compile(lambda x, n: x * n + n)
    x = np.arange(3.0, dtype=np.float32)
    for n in (3, 4, 5, 0, -1, 1000):
        got = f(x, n)
        np.testing.assert_array_equal(got, x * n + n)
        assert got.dtype == np.float32
    assert len(f.specializations) == 2


def test_python_int_that_decides_a_loop_stays_static():
    def f(x, n):
        for _ in range(n):
            x = x * 2
        return x

    compiled = graphc.compile(f)
    for n in (1, 2, 3):
        np.testing.assert_array_equal(compiled(np.ones(2), n), f(np.ones(2), n))
    assert len(compiled.specializations) == 3


def test_two_threads_in_one_function():
    f = graphc.compile(lambda x: np.exp(x @ x.T).sum(axis=0) + np.sin(x).sum())
    rng = np.random.default_rng(0)
    inputs = [rng.normal(size=(40, 40)) * 0.1 for _ in range(4)]
    expected = [f.__wrapped__(x) for x in inputs]
    failures = []

    def work(k):
        for _ in range(50):
            if not np.allclose(f(inputs[k]), expected[k], rtol=1e-12):
                failures.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_call_after_fork():
    f = graphc.compile(lambda x: np.tanh(x @ x).sum())
    x = np.eye(64) * 0.5
    before = f(x)
    child = os.fork()
    if child == 0:
        ok = f(x) == before and f(x.astype(np.float32)) == pytest.approx(before, rel=1e-5)
        os._exit(0 if ok else 1)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_complex_value_through_a_gradient():
    def f(x):
        z = np.exp(1j * x) * (2 + 1j)
        return np.real(z * z).sum() + np.abs(z).sum()

    x = np.array([0.3, -1.2])
    compiled = graphc.compile(graphc.grad(f))
    eps = 1e-6
    for k in range(2):
        shift = np.eye(2)[k] * eps
        slope = (f(x + shift) - f(x - shift)) / (2 * eps)
        np.testing.assert_allclose(compiled(x)[k], slope, rtol=1e-7)
    z = np.array([1 + 2j, -0.5j])
    gradient = graphc.grad(lambda z: (np.abs(z) ** 2).sum())(z)
    np.testing.assert_allclose(gradient, 2 * z.conj(), rtol=1e-12)


class Norm:
    """Batch norm with running statistics, the way a user writes it."""

    def __init__(self, size):
        self.mean = np.zeros(size)
        self.count = np.array(0)

    def __call__(self, x):
        batch_mean = x.mean(axis=0)
        self.mean[...] = 0.9 * self.mean + 0.1 * batch_mean
        self.count += 1
        return x - batch_mean


def test_state_written_inside_a_differentiated_function():
    x = np.random.default_rng(0).normal(size=(6, 3))

    def run(transform):
        norm = Norm(3)

        def loss(w):
            return (norm(x * w) ** 2).sum()

        step = transform(lambda w: graphc.value_and_grad(loss)(w))
        results = [step(np.array([1.0, 2.0, 3.0])) for _ in range(3)]
        return norm, results

    norm, results = run(graphc.compile)
    by_hand = Norm(3)
    for _ in range(3):
        by_hand(x * np.array([1.0, 2.0, 3.0]))
    np.testing.assert_allclose(norm.mean, by_hand.mean, rtol=1e-13)
    assert norm.count == 3
    centered = x - x.mean(axis=0)
    np.testing.assert_allclose(
        results[0][1], 2 * np.array([1.0, 2.0, 3.0]) * (centered**2).sum(axis=0), rtol=1e-12
    )
    with graphc.eager():
        eager_norm, _ = run(lambda f: f)
    np.testing.assert_allclose(eager_norm.mean, by_hand.mean, rtol=1e-13)


def test_graph_written_to_json_and_read_back():
    def f(w, x):
        last, ys = graphc.scan(lambda c, r: (np.tanh(c + r @ w), c), np.zeros(2), x)
        return graphc.grad(lambda v: (np.sin(v) * ys.sum()).sum())(last)

    graph = graphc.compile(f).lower(np.ones((3, 2)), graphc.spec(("steps", 3))).graph
    again = from_json(to_json(graph))
    assert again == graph
    assert str(again) == str(graph)
