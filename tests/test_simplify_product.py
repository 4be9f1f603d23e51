"""Products of one row, of one column and outer products become loops that fuse."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.simplify.algebra import simplify
from graphc.types import DTYPES, Dim, TensorType
from graphc.verify import verify

N = Dim.symbol("n")


def product(dtype, a_shape, b_shape, a_turned=False, b_turned=False):
    """``a @ b``, an operand that is `turned` being the transpose of what is given."""
    shapes = [a_shape, b_shape]
    inputs = []
    operands = []
    for shape, turned in zip(shapes, (a_turned, b_turned), strict=True):
        given = (*shape[:-2], shape[-1], shape[-2]) if turned else shape
        inputs.append(fresh_input(TensorType(DTYPES[dtype], given)))
        operands.append(ops.matrix_transpose(inputs[-1]) if turned else inputs[-1])
    return verify(close(inputs, [ops.matmul(*operands)]))


SHAPES = {
    "outer": ((6, 1), (1, 5)),
    "one row": ((1, 40), (40, 7)),
    "one column": ((7, 40), (40, 1)),
    "inner product": ((1, 300), (300, 1)),
    "batch of rows": ((3, 2, 1, 9), (3, 2, 9, 4)),
    "batch of columns": ((3, 5, 9), (3, 9, 1)),
    "batch of outer products": ((3, 5, 1), (3, 1, 4)),
    "symbolic rows": ((N, 9), (9, 1)),
    "symbolic inner size": ((1, N), (N, 4)),
    "no inner size": ((1, 0), (0, 4)),
    "no columns": ((1, 3), (3, 0)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("turned", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("name", SHAPES)
def test_it_is_no_product_any_more(name, turned, dtype):
    graph = product(dtype, *SHAPES[name], *turned)
    simple = verify(simplify(graph))
    assert not any(node.op.name == "matmul" for node in simple.nodes)
    generator = np.random.default_rng(8)
    for number in (1, 33):
        shapes = [tuple(number if size == N else size for size in v.shape) for v in graph.inputs]
        arrays = [generator.standard_normal(shape).astype(dtype) for shape in shapes]
        wide = product("float64", *SHAPES[name], *turned)
        (expected,) = evaluate(wide, [array.astype("float64") for array in arrays], {"n": number})
        (actual,) = runtime.build(simple).run(arrays, {"n": number})
        assert actual.dtype == dtype
        tolerance = 2e-5 if dtype == "float32" else 1e-13
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "complex128"])
@pytest.mark.parametrize("shapes", [((4, 3), (3, 2)), ((1, 3), (3, 4))])
def test_other_products_stay(shapes, dtype):
    graph = product(dtype, *shapes)
    stays = shapes[0][0] != 1 or dtype in ("int64", "complex128")
    found = any(node.op.name == "matmul" for node in simplify(graph).nodes)
    assert found is stays


def test_nan_and_infinity_spread_as_in_a_product():
    graph = product("float32", (1, 3), (3, 4))
    row = np.array([[0, np.inf, 1]], np.float32)
    matrix = np.array([[np.nan, np.inf, 1, 1], [1, 1, 0, -1], [1, 2, 3, 4]], np.float32)
    with np.errstate(invalid="ignore"):
        (actual,) = runtime.build(simplify(graph)).run([row, matrix])
        np.testing.assert_array_equal(actual, row @ matrix)


def test_a_long_row_is_as_exact_as_in_a_plain_product():
    generator = np.random.default_rng(3)
    row = generator.standard_normal((1, 5000)).astype(np.float32)
    matrix = generator.standard_normal((5000, 30)).astype(np.float32)
    exact = row.astype(np.float64) @ matrix
    (actual,) = runtime.build(simplify(product("float32", row.shape, matrix.shape))).run(
        [row, matrix]
    )
    scale = np.abs(row).astype(np.float64) @ np.abs(matrix)
    assert (np.abs(actual - exact) / scale).max() < 1e-6


def test_a_step_of_one_sample_updates_its_weights_where_it_computes_their_gradient():
    def loss(weights, bias, x, y):
        return np.mean((np.maximum(x @ weights + bias, 0) - y) ** 2)

    @graphc.compile
    def step(weights, bias, x, y):
        value, (by_weights, by_bias) = graphc.value_and_grad(loss, argnums=(0, 1))(
            weights, bias, x, y
        )
        weights -= 0.1 * by_weights
        bias -= 0.1 * by_bias
        return value

    generator = np.random.default_rng(0)
    x, y = generator.standard_normal((1, 40)), generator.standard_normal((1, 9))
    weights, bias = generator.standard_normal((40, 9)), generator.standard_normal(9)
    error = np.maximum(x @ weights + bias, 0) - y
    delta = 2 / 9 * error * (x @ weights + bias > 0)
    expected = weights - 0.1 * x.T @ delta, bias - 0.1 * delta[0]
    assert step(weights, bias, x, y) == pytest.approx(np.mean(error**2))
    np.testing.assert_allclose(weights, expected[0])
    np.testing.assert_allclose(bias, expected[1])
    assert len(step.explain(weights, bias, x, y).kernels) <= 4
