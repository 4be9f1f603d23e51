"""`profile`: every kernel is timed, nothing is changed, and the machine's limits are plausible."""

import numpy as np
import pytest

import graphc
from graphc.report.roofline import Roofline, roofline


@graphc.compile
def step(w, x):
    loss, grad = graphc.value_and_grad(lambda w: np.mean(np.tanh(x @ w) ** 2))(w)
    w -= 0.1 * grad
    return loss


def arguments():
    rng = np.random.default_rng(0)
    return rng.standard_normal((300, 200)), rng.standard_normal((400, 300))


def test_each_kernel_has_its_time_and_work():
    w, x = arguments()
    before = w.copy()
    report = step.profile(w, x, repeats=3)
    np.testing.assert_array_equal(w, before)
    explained = step.explain(w, x)
    assert [k.name for k in report.kernels] == [k.name for k in explained.kernels]
    assert sum(k.flops for k in report.kernels) == explained.flops
    assert sum(k.nbytes for k in report.kernels) == explained.nbytes
    assert all(k.seconds > 0 for k in report.kernels)
    assert 0.2 < sum(k.seconds for k in report.kernels) / report.seconds < 3
    products = [k for k in report.kernels if k.flops > 2 * 400 * 300 * 200 - 1]
    assert all(0.02 < k.roofline < 2 for k in products)
    text = str(report)
    assert "test_profile.py" in text
    assert "roofline" in text


def test_equal_kernels_are_one_line():
    @graphc.compile
    def two(x, y):
        return x @ x, y @ y

    x = np.ones((100, 100))
    report = two.profile(x, x + 1)
    assert len(report.kernels) == 2
    assert str(report).count("product") == 1


def test_loops_and_branches():
    @graphc.compile
    def looped(h, A, flag):
        for _ in range(300):
            h = np.tanh(h @ A)
        return graphc.cond(flag, np.sin, np.cos, h), h

    h, A = np.ones((20, 20)), np.eye(20)
    report = looped.profile(h, A, np.array(True))
    (loop,) = [k for k in report.kernels if k.name.startswith("loop")]
    assert loop.flops >= 299 * 2 * 20**3
    assert any(k.name.startswith("branch") for k in report.kernels)

    @graphc.compile
    def until(x):
        return graphc.while_loop(lambda x: x < 100, lambda x: x * 2, x)

    kernels = until.profile(np.float64(1)).kernels
    assert [k.seconds > 0 for k in kernels if k.name.startswith("loop")] == [True]


def test_symbolic_sizes_strides_and_methods():
    class Holder:
        @graphc.compile
        def scaled(self, x):
            return np.sum(x, axis=0) * 2

    holder = Holder()
    for size in (3, 50, 7):
        report = holder.scaled.profile(np.ones((size, 40)).T)
        assert report.kernels
    with pytest.raises(ValueError, match="repeats=0"):
        step.profile(*arguments(), repeats=0)


def test_the_machine():
    found = roofline(1)
    assert 1e8 < found.flops < 1e13
    assert all(1e8 < rate < 1e13 for _, rate in found.bandwidth)
    assert found is roofline(1)
    ideal = Roofline(1e9, ((1 << 20, 1e9), (1 << 26, 1e9)))
    assert ideal.seconds(2_000_000, 4) == pytest.approx(2e-3)
    assert ideal.seconds(2, 4_000_000) == pytest.approx(4e-3)
