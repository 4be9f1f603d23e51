"""Groups attached to matrix products: one kernel, the same numbers, writes in place in order."""

import numpy as np
import pytest

import graphc


def arrays(*shapes, dtype=np.float32):
    random = np.random.default_rng(3)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def kernels(function, *args):
    return [kernel.name for _, kernel in function.lower(*args).kernels]


SIZES = [(5, 4, 3), (64, 100, 33), (500, 300, 128)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_bias_and_activation_run_in_the_products_kernel(sizes, dtype):
    m, k, n = sizes
    x, w, b, column = arrays((m, k), (k, n), (n,), (m, 1), dtype=dtype)

    def layer(x, w, b, column):
        y = np.tanh(x @ w + b)
        return y, y * 2, y + column

    compiled = graphc.compile(layer)
    (name,) = kernels(compiled, x, w, b, column)
    assert name.startswith("product")
    for result, expected in zip(compiled(x, w, b, column), layer(x, w, b, column), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_rows_are_reduced_in_the_products_kernel(sizes):
    m, k, n = sizes
    x, w = arrays((m, k), (k, n))

    def attention(x, w):
        scores = x @ w
        scores = np.exp(scores - scores.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)

    compiled = graphc.compile(attention)
    assert len(kernels(compiled, x, w)) == 1
    np.testing.assert_allclose(compiled(x, w), attention(x, w), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_sums_over_the_products_rows(sizes):
    m, k, n = sizes
    x, w = arrays((m, k), (k, n))

    def sums(x, w):
        y = np.maximum(x @ w, 0)
        return y, y.sum(axis=0), np.mean(y * y), y.sum(axis=1)

    compiled = graphc.compile(sums)
    assert kernels(compiled, x, w)[0].startswith("product_maximum")
    for result, expected in zip(compiled(x, w), sums(x, w), strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_an_update_in_place_comes_after_every_read_of_the_old_values(sizes):
    m, k, n = sizes
    x, w, g = arrays((m, k), (k, n), (m, n))

    def step(x, w, g):
        dx = g @ w.T
        w -= 0.1 * (x.T @ g)
        return dx, w @ w.T

    compiled = graphc.compile(step)
    assert any(name.startswith("product_") for name in kernels(compiled, x, w, g))
    expected_w, got_w = w.copy(), w.copy()
    expected = step(x, expected_w, g)
    results = compiled(x, got_w, g)
    np.testing.assert_allclose(got_w, expected_w, rtol=1e-4, atol=1e-4)
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(result, wanted, rtol=1e-3, atol=5e-3)


def test_a_product_of_the_array_that_is_replaced():
    (w,) = arrays((64, 64))

    def power(w):
        w[:] = w @ w + w

    expected, got = w.copy(), w.copy()
    power(expected)
    compiled = graphc.compile(power)
    compiled(got)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: (x @ w) + (x @ w).T,
        lambda x, w: (x @ w)[::-1] * 2 + (x @ w),
        lambda x, w: np.tanh(x @ w)[:, ::-1] + x @ w,
        lambda x, w: np.exp((x @ w) / (x @ w).sum()),
        lambda x, w: (x @ w) + (w @ x) * (x @ x),
        lambda x, w: np.tanh(np.tanh(x @ w) @ w + x @ w),
        lambda x, w: (x @ w) + (x @ w)[3],
        lambda x, w: (x @ w).reshape(-1)[5:20] + (x @ w)[0, :15],
    ],
)
@pytest.mark.parametrize("size", [20, 200])
def test_what_reads_other_rows_is_right_too(function, size):
    x, w = arrays((size, size), (size, size))
    x, w = x / 10, w / 10
    result = graphc.compile(function)(x, w)
    np.testing.assert_allclose(result, function(x, w), rtol=2e-3, atol=1e-3)


def test_symbolic_sizes():
    def layer(x, w, b):
        y = np.maximum(x @ w + b, 0)
        return y, y.sum(axis=0)

    specs = [graphc.spec(shape) for shape in (("m", "k"), ("k", "n"), ("n",))]
    compiled = graphc.compile(layer).lower(*specs).compile()
    for m, k, n in [(1, 1, 1), (0, 3, 4), (3, 0, 4), (70, 20, 33), (600, 100, 40)]:
        x, w, b = arrays((m, k), (k, n), (n,), dtype=np.float64)
        for result, expected in zip(compiled(x, w, b), layer(x, w, b), strict=True):
            np.testing.assert_allclose(result, expected, rtol=1e-9, atol=1e-9)


def test_the_same_bits_for_any_number_of_threads():
    x, w = arrays((700, 200), (200, 150))

    def work(x, w):
        y = np.tanh(x @ w)
        return y, y.sum(axis=0), y.sum()

    one, two = (graphc.compile(work, threads=threads)(x, w) for threads in (1, 2))
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)
