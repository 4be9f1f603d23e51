"""Checks at run time: what they raise, where, and that a refused call changes nothing."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.errors import DomainError
from graphc.interp import evaluate
from graphc.ir import close
from graphc.memory import schedule
from graphc.memory.schedule import may_fail

from .graphs import tensor

BASE = np.array([1, 2, -3])
NEGATIVE = "Integers to negative integer powers are not allowed."


# --- integers to negative powers ------------------------------------------------------------------


def power(x, y):
    return x**y


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.int64])
def test_a_negative_exponent_of_an_array(dtype):
    compiled = graphc.compile(lambda x, y: x**y)
    x = BASE.astype(dtype)
    np.testing.assert_array_equal(compiled(x, x * 0 + 3), x**3)
    with pytest.raises(DomainError, match=NEGATIVE) as caught:
        compiled(x, np.array([1, 1, -1], dtype))
    assert "lambda x, y: x**y" in str(caught.value)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x**-1,
        lambda x: np.power(x, np.int64(-2)),
        lambda x: np.power(x, np.array([1, -1, 2])),
        lambda x: np.power(3, x),
        lambda x: (x > 0) ** -1,
    ],
)
def test_a_negative_exponent_is_a_value_error(function):
    for raised in (function, graphc.compile(function)):
        with pytest.raises(ValueError, match=NEGATIVE):
            raised(BASE)


def test_a_negative_python_exponent():
    compiled = graphc.compile(power)
    for exponent in (2, 3, 5):
        np.testing.assert_array_equal(compiled(BASE, exponent), BASE**exponent)
    with pytest.raises(DomainError, match=NEGATIVE):
        compiled(BASE, -4)
    np.testing.assert_array_equal(compiled(BASE, 7), BASE**7)


def test_nothing_to_a_negative_power_is_nothing():
    assert graphc.compile(lambda x: x**-1)(BASE[:0]).shape == (0,)
    assert graphc.compile(power)(BASE[:0], BASE[:1] * -1).shape == (0,)


def test_the_evaluator_raises_the_same():
    x = tensor("int64", 3)
    graph = close([x], [ops.power(x, x)])
    with pytest.raises(DomainError, match=NEGATIVE):
        evaluate(graph, [BASE])
    with pytest.raises(DomainError, match=NEGATIVE):
        runtime.build(graph).run([BASE])


# --- a refused call changes nothing ---------------------------------------------------------------


def write_then_read(x, y, i, j):
    x += 1
    return (x * 0 + y)[j] + i.sum()


def two_scatters(x, y, i, j):
    x[i] = 1
    y[j] = x[i]


def scatter_into_what_was_added(x, y, i, j):
    x[i] += 1
    y += x
    y[j] *= 2


def read_between_writes(x, y, i, j):
    x += y
    z = x[i]
    x *= 2
    y[j] = z.sum()
    return x[j]


def gradient_between_writes(x, y, i, j):
    y -= 0.5
    x -= graphc.grad(lambda x: (x[j] ** 2).sum())(x)


WRITERS = [
    write_then_read,
    two_scatters,
    scatter_into_what_was_added,
    read_between_writes,
    gradient_between_writes,
]


@pytest.mark.parametrize("function", WRITERS)
def test_an_index_out_of_bounds_leaves_arguments_alone(function):
    compiled = graphc.compile(function)
    i, j, far = np.array([0, 1]), np.array([3, -4]), np.array([0, 9])
    x, y = np.zeros(4), np.arange(4.0)
    with pytest.raises(IndexError, match="index 9"):
        compiled(x, y, i, far)
    np.testing.assert_array_equal(x, np.zeros(4))
    np.testing.assert_array_equal(y, np.arange(4.0))
    plain_x, plain_y = x.copy(), y.copy()
    if function is not gradient_between_writes:
        np.testing.assert_array_equal(compiled(x, y, i, j), function(plain_x, plain_y, i, j))
        np.testing.assert_array_equal(x, plain_x)
        np.testing.assert_array_equal(y, plain_y)


def test_a_negative_power_leaves_arguments_alone():
    @graphc.compile
    def step(x, n, k):
        x += 1
        n[...] = n**k
        return x.sum()

    x, n = np.zeros(3), BASE.copy()
    with pytest.raises(ValueError, match=NEGATIVE):
        step(x, n, np.array([1, 1, -1]))
    np.testing.assert_array_equal(x, np.zeros(3))
    np.testing.assert_array_equal(n, BASE)


def test_a_check_in_a_loop_leaves_arguments_alone():
    @graphc.compile
    def step(x, y, i):
        x += 1
        total, _ = graphc.scan(lambda carry, k: (carry + y[k], carry), y[0], i)
        return total

    x, y = np.zeros(3), np.arange(3.0)
    with pytest.raises(IndexError):
        step(x, y, np.array([0, 1, 7]))
    np.testing.assert_array_equal(x, np.zeros(3))
    assert step(x, y, np.array([0, 1, 2])) == 3
    np.testing.assert_array_equal(x, np.ones(3))


def test_scatters_write_in_place():
    """Every index is checked first, so that no copy of an argument is needed."""
    x, y = tensor("float64", 4), tensor("float64", 5)
    i = tensor("int64", 2)
    ones = ops.full(tensor("float64", 2).tensor, 1)
    first = ops.scatter(x, ones, (i,), (0,))
    second = ops.scatter(y, ones, (i,), (0,))
    executable = runtime.build(close([x, y, i], [first, second], written=[0, 1]))
    names = [kernel.name for _, kernel in executable.kernels]
    assert names == ["check", "check", "scatter", "scatter"]


def test_late_steps_wait_for_checks_alone():
    x, y, k = tensor("float64", 4, 4), tensor("float64", 4, 4), tensor("int64", 3)
    outputs = [ops.exp(ops.matmul(x, y)), ops.sin(x), ops.gather(x, [k], [0]), ops.matmul(y, y)]
    steps = runtime.build(close([x, y, k], outputs)).lowered.steps
    checks = [step for step in steps if may_fail(step)]
    assert len(checks) == 1
    for number, chosen in enumerate(steps):
        order = schedule(steps, lambda step, chosen=chosen: step is chosen)
        assert sorted(map(id, order)) == sorted(map(id, steps))
        if chosen not in checks:
            assert order.index(chosen) > order.index(checks[0]), number
    without = [step for step in steps if step not in checks]
    for chosen in without:
        made = {key for step in without for key in step.writes}
        if not made & set(chosen.reads):
            assert schedule(without, lambda step, chosen=chosen: step is chosen)[0] is chosen


def test_what_reads_arguments_alone_runs_right_before_it_is_needed():
    x, w = tensor("float64", 8, 8), tensor("float64", 8, 8)
    turned = ops.sin(ops.transpose(w, (1, 0)))
    y = x
    for _ in range(3):
        y = ops.matmul(y, x)
    graph = close([x, w], [ops.matmul(y, turned)])
    steps = runtime.build(graph).memory.steps
    names = [step.kernel.name for step in steps]
    assert names.index("sin") == len(names) - 2
