"""What shares a loop nest, and what does not."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.errors import UnsupportedError
from graphc.interp import evaluate
from graphc.ir import Op, close, make
from graphc.ops import OPS
from graphc.types import Dim

from .codegen.graphs import softmax, tensor, training_step


def kernels(graph, arrays=None, sizes=None):
    """The kernels of a graph, after checking what they compute."""
    executable = runtime.build(graph)
    if arrays is not None:
        expected = evaluate(graph, [array.copy() for array in arrays], sizes)
        for actual, wanted in zip(executable.run(arrays, sizes), expected, strict=True):
            np.testing.assert_allclose(actual, wanted, rtol=1e-6)
    return executable.kernels


def normal(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def test_a_chain_is_one_kernel():
    x, y = tensor("float64", 5, 7), tensor("float64", 7)
    z = ops.tanh(ops.add(ops.exp(x), ops.broadcast_to(y, (5, 7))))
    assert len(kernels(close([x, y], [z]), [normal(5, 7), normal(7)])) == 1


@pytest.mark.parametrize("shape", [(5, 300), (1, 1), (3, 1), (1, 9)])
def test_softmax_is_one_kernel(shape):
    x = tensor("float64", Dim.symbol("n"), Dim.symbol("m"))
    sizes = {"n": shape[0], "m": shape[1]}
    assert len(kernels(close([x], [softmax(x)]), [normal(*shape)], sizes)) == 1


def test_a_bias_gradient_shares_the_loop_that_stores_its_operand():
    x, y = tensor("float64", 6, 4), tensor("float64", 6, 4)
    z = ops.multiply(ops.sin(x), y)
    found = kernels(close([x, y], [z, ops.sum_(z, (0,))]), [normal(6, 4), normal(6, 4)])
    assert len(found) == 1


def test_a_reduction_takes_in_what_is_before_and_after_it():
    x = tensor("float64", 50, 8)
    mean = ops.multiply(ops.sum_(ops.square(x), (0, 1)), ops.constant(1 / 400))
    assert len(kernels(close([x], [ops.sqrt(mean)]), [normal(50, 8)])) == 1


def test_siblings_share_a_kernel():
    x = tensor("float64", 9)
    assert len(kernels(close([x], [ops.sin(x), ops.exp(x)]), [normal(9)])) == 1


def test_views_and_constants_cost_no_kernel():
    x = tensor("float64", 4, 6)
    y = ops.flip(ops.transpose(x, (1, 0)), (0,))
    z = ops.add(ops.reshape(y, (24,)), ops.full(ops.reshape(y, (24,)).tensor, 2))
    assert len(kernels(close([x], [z]), [normal(4, 6)])) == 1


def test_transposed_operands_of_a_product_are_not_copied():
    x, y = tensor("float64", 4, 6), tensor("float64", 5, 6)
    z = ops.matmul(ops.transpose(ops.transpose(x, (1, 0)), (1, 0)), ops.transpose(y, (1, 0)))
    found = kernels(close([x, y], [z]), [normal(4, 6), normal(5, 6)])
    assert [kernel.name for _, kernel in found] == ["product"]


def test_a_result_needed_before_and_after_a_product_is_made_in_its_kernel():
    x, w = tensor("float64", 4, 4), tensor("float64", 4, 4)
    y = ops.exp(x)
    z = ops.add(ops.matmul(y, w), y)
    executable = runtime.build(close([x, w], [z]))
    assert [kernel.name for _, kernel in executable.kernels] == ["exp_product_add"]


def test_a_reason_is_given_for_neighbours_that_are_apart():
    x = tensor("float64", 6)
    total = ops.sum_(ops.sin(x), (0,))
    y = ops.tanh(ops.flip(ops.exp(ops.add(x, ops.broadcast_to(total, (6,)))), (0,)))
    executable = runtime.build(close([x], [y]))
    assert any("other positions" in entry.reason for entry in executable.apart)


def test_a_training_step_has_few_kernels():
    executable = runtime.build(training_step())
    products = [kernel for _, kernel in executable.kernels if kernel.name.startswith("product")]
    assert len(products) == 5
    assert len(executable.kernels) <= 12


def test_a_kernel_of_many_operations_is_split():
    x, y = tensor("float64", 3), tensor("float64", 3)
    z = x
    for _ in range(150):
        z = ops.add(ops.multiply(z, y), x)
    found = kernels(close([x, y], [z]), [np.full(3, 0.5), np.full(3, 0.25)])
    assert 2 < len(found) < 8


def test_an_op_without_a_lowering_is_refused():
    sin = OPS["sin"]
    op = Op("unheard_of", sin.infer, sin.evaluate)
    x = tensor("float64", 3)
    with pytest.raises(UnsupportedError, match="unheard_of"):
        runtime.build(close([x], [make(op, [x]).out()]))


def test_a_scalar_made_from_totals_leaves_the_kernel_of_the_rows():
    """softmax, the mean of what it weighs, and a root of that: nothing is read twice."""
    x, y = tensor("float64", 6, 300), tensor("float64", 6, 300)
    weighed = ops.multiply(softmax(x), y)
    mean = ops.multiply(ops.sum_(weighed, (0, 1)), ops.constant(1 / 1800))
    root = ops.sqrt(ops.absolute(mean))
    graph = close([x, y], [weighed, mean, root])
    assert len(kernels(graph, [normal(6, 300), normal(6, 300)])) == 1
    assert len(kernels(close([x, y], [weighed, root]), [normal(6, 300), normal(6, 300)])) == 1


def test_what_reads_such_a_scalar_in_a_loop_is_another_kernel():
    x = tensor("float64", 6, 300)
    rows = softmax(x)
    total = ops.sqrt(ops.sum_(ops.multiply(rows, rows), (0, 1)))
    scaled = ops.multiply(rows, ops.broadcast_to(total, rows.shape))
    assert len(kernels(close([x], [scaled, total]), [normal(6, 300)])) == 2


def test_layer_norm_with_its_gradients_is_one_kernel():
    def loss(x, scale, shift):
        centred = x - x.mean(axis=1, keepdims=True)
        variance = np.mean(centred**2, axis=1, keepdims=True)
        y = centred / np.sqrt(variance + 1e-5) * scale + shift
        return np.mean((0.5 * y * (1 + np.tanh(y + 0.044715 * y**3))) ** 2)

    step = graphc.compile(graphc.value_and_grad(loss, argnums=(0, 1, 2)))
    arguments = normal(40, 30), 1 + normal(30) / 10, normal(30)
    assert len(step.explain(*arguments).kernels) == 1
    value, gradients = step(*arguments)
    np.testing.assert_allclose(value, loss(*arguments))
    for number, gradient in enumerate(gradients):
        direction = np.random.default_rng(9).standard_normal(gradient.shape)
        ends = []
        for sign in (1, -1):
            moved = list(arguments)
            moved[number] = moved[number] + sign * 1e-6 * direction
            ends.append(loss(*moved))
        expected = (ends[0] - ends[1]) / 2e-6
        np.testing.assert_allclose((gradient * direction).sum(), expected, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize(("count", "expected"), [(1000, 1), (100_000, 2)])
def test_a_long_array_divided_by_its_sum_is_two_kernels_that_threads_share(count, expected):
    x = tensor("float64", count)
    total = ops.sum_(ops.square(x), (0,))
    y = ops.multiply(x, ops.broadcast_to(ops.reciprocal(ops.sqrt(total)), (count,)))
    graph = close([x], [y])
    found = kernels(graph, [normal(count)])
    assert len(found) == expected
    assert all((kernel.chunks > 1) is (expected > 1) for _, kernel in found)
    reasons = [entry.reason for entry in runtime.build(graph).apart]
    assert any("whole reduction" in reason for reason in reasons) is (expected > 1)


# --- what a breaker found -------------------------------------------------------------------------


def shifted(z):
    return (z * z - z.sum(1, keepdims=True)).mean()


def by_labels(z):
    rows = z - np.log(np.exp(z).sum(1, keepdims=True))
    return -rows[np.arange(len(z)), np.zeros(len(z), int)].mean()


def scaled(z):
    return (z * z - z.sum(1, keepdims=True)).sum() * (1.0 / len(z))


@pytest.mark.parametrize("loss", [shifted, by_labels, scaled])
def test_scalars_of_totals_when_the_rows_are_symbolic(loss):
    random = np.random.default_rng(0)
    compiled = graphc.compile(graphc.value_and_grad(loss))
    for rows in (3, 4, 100, 1, 5000):
        z = random.normal(size=(rows, 3))
        value, gradient = compiled(z)
        with graphc.eager():
            wanted, slope = graphc.value_and_grad(loss)(z)
        np.testing.assert_allclose(value, wanted, rtol=1e-10)
        np.testing.assert_allclose(gradient, slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    "product",
    [
        lambda w: w @ np.ones((3, 3)),
        lambda w: np.full((3, 3), 2.5) @ w,
        lambda w: w @ np.broadcast_to(np.float64(3), (3, 5)),
        lambda w: np.ones((2, 3)) @ w.T @ np.zeros((3, 7)),
        lambda w: (w * 1j) @ np.ones((3, 3)),
    ],
)
def test_products_with_a_constant_filling(product):
    w = np.arange(9.0).reshape(3, 3)
    np.testing.assert_allclose(graphc.compile(product)(w), product(w))
