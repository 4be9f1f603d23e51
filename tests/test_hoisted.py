"""What leaves a loop, what its gradient keeps, kernels linked to bodies: the same values."""

import numpy as np
import pytest

import graphc
from graphc import ops
from graphc.adjoint import differentiate
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.ops.control.residuals import residuals
from graphc.simplify.algebra import simplify
from graphc.types import DTYPES, TensorType
from graphc.verify import verify

RNG = np.random.default_rng(5)
F64 = DTYPES["float64"]


def tensor(*shape):
    return fresh_input(TensorType(F64, shape))


def scans(graph):
    return [node for node in graph.nodes if node.op.name == "scan"]


def names(graph):
    return [node.op.name for node in graph.nodes]


def check(graph, expected_body, length=5):
    """Simplified, the graph has a loop with the ops `expected_body`, and gives the same values."""
    small = verify(simplify(graph))
    (loop,) = scans(small)
    assert [n for n in names(loop.regions[0]) if n != "parameter"] == expected_body
    arrays = [RNG.normal(size=value.type.shape) for value in graph.inputs]
    for found, wanted in zip(evaluate(small, arrays), evaluate(graph, arrays), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_product_of_each_turns_rows_is_one_before_the_loop(reverse):
    h, x, w = tensor(2, 4), tensor(2, 3), tensor(3, 4)
    body = close([h, x, w], [ops.sin(ops.add(h, ops.matmul(x, w)))])
    start, xs = tensor(2, 4), tensor(5, 2, 3)
    results = ops.scan(body, [start], [xs], [w], 5, reverse=reverse)
    check(close([start, xs, w], results), ["add", "sin"])


def test_what_is_the_same_in_all_turns_is_computed_once():
    h, w = tensor(3), tensor(3)
    body = close([h, w], [ops.multiply(h, ops.sin(w))])
    start = tensor(3)
    check(close([start, w], ops.scan(body, [start], [], [w], 5)), ["multiply"])


def sums(read, reverse=False):
    """A loop that sums ``x.T @ y`` of its turns' x and y; its state y turns."""
    total, y, x = tensor(3, 4), tensor(2, 4), tensor(2, 3)
    added = ops.add(total, ops.matmul(ops.matrix_transpose(x), y))
    after = ops.sin(y)
    outputs = [added, after, total] if read else [added, after]
    starts, xs = [tensor(3, 4), tensor(2, 4)], tensor(5, 2, 3)
    results = ops.scan(close([total, y, x], outputs), starts, [xs], [], 5, reverse=reverse)
    return close([*starts, xs], results)


@pytest.mark.parametrize("reverse", [False, True])
def test_a_sum_of_products_is_one_after_the_loop(reverse):
    check(sums(False, reverse), ["sin"])


def test_a_sum_that_a_turn_reads_stays():
    check(sums(True), ["transpose", "matmul", "add", "sin"])


def test_two_products_into_one_sum_both_leave():
    total, y, x = tensor(3, 4), tensor(2, 4), tensor(2, 3)
    left = ops.matrix_transpose(x)
    terms = ops.add(ops.matmul(left, y), ops.matmul(left, ops.cos(y)))
    body = close([total, y, x], [ops.add(terms, total), ops.sin(y)])
    starts, xs = [tensor(3, 4), tensor(2, 4)], tensor(5, 2, 3)
    results = ops.scan(body, starts, [xs], [], 5)
    check(close([*starts, xs], results), ["sin", "cos"])


@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_an_elman_network_and_its_gradient(length):
    def loss(wx, wh, b, h, xs):
        def cell(h, x):
            h = np.tanh(x @ wx + h @ wh + b)
            return h, h.sum()

        h, sums = graphc.scan(cell, h, xs)
        return (h * h).sum() + sums.sum()

    def plain(wx, wh, b, h, xs):
        total = 0.0
        for x in xs:
            h = np.tanh(x @ wx + h @ wh + b)
            total += h.sum()
        return (h * h).sum() + total

    shapes = ((3, 4), (4, 4), (4,), (2, 4), (length, 2, 3))
    arguments = [RNG.normal(size=shape) for shape in shapes]
    assert graphc.compile(loss)(*arguments) == pytest.approx(plain(*arguments))
    found = graphc.grad(loss, argnums=(0, 1, 2, 3, 4))(*arguments)
    for k, gradient in enumerate(found):
        direction = RNG.normal(size=shapes[k])
        moved = [
            [a + sign * 1e-6 * direction if j == k else a for j, a in enumerate(arguments)]
            for sign in (1, -1)
        ]
        slope = (plain(*moved[0]) - plain(*moved[1])) / 2e-6
        assert (gradient * direction).sum() == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_the_gradient_keeps_the_function_and_not_the_arithmetic():
    h, w = tensor(2, 2), tensor(2, 2)
    backward = differentiate(close([h, w], [ops.tanh(ops.matmul(h, w))]), [0, 1])
    assert [value.node.op.name for value in residuals(backward, 2)] == ["tanh"]
    arithmetic = differentiate(close([h, w], [ops.multiply(ops.add(h, w), h)]), [0, 1])
    assert residuals(arithmetic, 2) == []


def test_states_that_change_places_in_linked_kernels():
    """The buffers of one turn are those of the next in another order."""

    def turn(carry, _):
        a, b, c = carry
        return (b, c, a @ b - 0.5 * c), a.sum()

    def function(a, b, c):
        return graphc.scan(turn, (a, b, c), length=31)

    a, b, c = RNG.normal(size=(3, 3, 3)) * 0.4
    found, sums = graphc.compile(function)(a, b, c)
    states, expected = (a, b, c), []
    for _ in range(31):
        states, total = turn(states, None)
        expected.append(total)
    np.testing.assert_allclose(sums, expected, rtol=1e-9)
    np.testing.assert_allclose(np.array(found), np.array(states), rtol=1e-9)


def test_small_kernels_are_linked_to_their_body():
    function = graphc.compile(lambda h, w: graphc.scan(lambda h, _: (h @ w, h), h, length=9))
    source = function.lower(np.eye(3), np.eye(3)).source
    body = source[source.index("def body_0") : source.index("def step")]
    assert "run_kernel(" in body
    assert "launch(" not in body


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 3, 3), (2, 7, 3), (4, 1, 5), (8, 4, 4)])
def test_products_of_a_few_elements(shape, dtype):
    m, n, k = shape
    a, b = RNG.normal(size=(k, m)).astype(dtype).T, RNG.normal(size=(k, n)).astype(dtype)
    product = graphc.compile(lambda a, b: a @ b)
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-5 if dtype == "float32" else 1e-13)
    a[0] = np.nan
    np.testing.assert_allclose(product(a, b), a @ b, rtol=1e-5 if dtype == "float32" else 1e-13)


def test_a_reshape_of_whole_rows_is_read_in_place():
    def function(x):
        rows = graphc.scan(lambda c, x: (c, np.sin(x)), (), x)[1]
        return rows.reshape(20, 3).T @ rows.reshape(20, 3)

    x = RNG.normal(size=(5, 4, 3))
    kernels = [kernel.name for _, kernel in graphc.compile(function).lower(x).kernels]
    assert sum("copy" in name for name in kernels) <= 1
    rows = np.sin(x).reshape(20, 3)
    np.testing.assert_allclose(graphc.compile(function)(x), rows.T @ rows)
