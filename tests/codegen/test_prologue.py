"""Groups that make the left operand of a product: one kernel, the same numbers, reasons if not."""

import numpy as np
import pytest

import graphc


def arrays(*shapes, dtype=np.float32):
    random = np.random.default_rng(3)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def kernels(function, *args):
    return [kernel.name for _, kernel in function.lower(*args).kernels]


def fixed(function, *args):
    """Compiled for these sizes, whatever others it was compiled for before."""
    specs = [graphc.spec(array.shape, array.dtype) for array in args]
    return graphc.compile(function).lower(*specs).compile()


def reasons(function, *args):
    return [str(entry) for entry in function.explain(*args).apart]


def agree(compiled, function, *args, rtol=2e-4, atol=2e-4):
    results, expected = compiled(*args), function(*args)
    if not isinstance(expected, tuple):
        results, expected = (results,), (expected,)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected, strict=True):
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=rtol, atol=atol)


SIZES = [(5, 4, 3), (2, 1, 7), (64, 100, 33), (500, 300, 128), (301, 257, 65)]


def softmax(s):
    e = np.exp(s - s.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def normal(x):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + 1e-3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("before", [np.tanh, softmax, normal], ids=lambda f: f.__name__)
def test_what_makes_the_left_operand_runs_in_the_products_kernel(before, sizes, dtype):
    m, k, n = sizes
    x, w = arrays((m, k), (k, n), dtype=dtype)

    def layer(x, w):
        return before(x) @ w

    compiled = graphc.compile(layer)
    *_, name = kernels(compiled, x, w)
    assert name.endswith("_product") or k == 1
    agree(compiled, layer, x, w)
    agree(fixed(layer, x, w), layer, x, w)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_before_and_after_the_product(sizes):
    m, k, n = sizes
    x, w, b = arrays((m, k), (k, n), (n,))

    def layer(x, w, b):
        return softmax(np.tanh(x) @ w + b)

    compiled = graphc.compile(layer)
    (name,) = kernels(compiled, x, w, b)
    assert name.startswith("tanh_product_") or k == 1  # then no sum, and so no product
    agree(compiled, layer, x, w, b)
    agree(fixed(layer, x, w, b), layer, x, w, b)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_operand_is_a_result_too_and_others_are_made_with_it(sizes):
    m, k, n = sizes
    x, w, column = arrays((m, k), (k, n), (m, 1))

    def layer(x, w, column):
        h = np.tanh(x) * column
        return h, h @ w, np.exp(h).sum(axis=1), h.T @ h

    compiled = graphc.compile(layer)
    assert k == 1 or any(name.endswith("_product") for name in kernels(compiled, x, w, column))
    agree(compiled, layer, x, w, column, atol=1e-3)
    agree(fixed(layer, x, w, column), layer, x, w, column, atol=1e-3)


@pytest.mark.parametrize("sizes", [(6, 4, 4), (300, 64, 64)], ids=str)
def test_what_follows_reads_the_same_rows_of_the_operand(sizes):
    m, k, n = sizes
    x, w = arrays((m, k), (k, n))

    def block(x, w):
        h = np.tanh(x)
        return np.maximum(h @ w, 0) + h

    compiled = graphc.compile(block)
    assert len(kernels(compiled, x, w)) == 1
    agree(compiled, block, x, w)
    agree(fixed(block, x, w), block, x, w)


@pytest.mark.parametrize("sizes", [(6, 4, 4), (300, 64, 64)], ids=str)
def test_what_follows_reads_other_rows_of_the_operand(sizes):
    m, k, n = sizes
    x, w = arrays((m, k), (k, n))

    def block(x, w):
        h = np.tanh(x)
        return h @ w + h[::-1], np.tanh(h @ w) * h[0] + h[2, 1]

    agree(graphc.compile(block), block, x, w)
    agree(fixed(block, x, w), block, x, w)


def test_a_part_of_the_rows_and_joined_axes():
    x, w = arrays((300, 8, 16), (128, 64))

    def joined(x, w):
        return np.tanh(x).reshape(300, 128) @ w

    compiled = graphc.compile(joined)
    agree(compiled, joined, x, w)

    def other_rows(x, w):
        h = np.tanh(x).reshape(300, 128)
        return h[::-1] @ w, h.reshape(600, 64) @ w[:64], h[:, :64] @ w[:64], h[10:20] @ w

    agree(graphc.compile(other_rows), other_rows, x, w)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda x: np.tanh(x) @ np.tanh(x), "at once, as its other operand"),
        (lambda x: np.tanh(x).T @ x, "reads tanh in another order"),
        (lambda x: (np.tanh(x) @ x, np.tanh(x).sum(axis=0)), "reduces all rows"),
        (lambda x: np.exp(x / x.sum()) @ x, None),
        (lambda x: (x / (x @ x)[0, 0]) @ x, None),
        (lambda x: np.tanh(x)[::-1] @ x, None),
        (lambda x: (np.tanh(x) @ x, np.tanh(x) @ x.T, np.tanh(x) @ (x + 1)), "another product"),
        (lambda x: np.tanh(x) @ (x @ np.tanh(x)), "computed by another kernel"),
    ],
)
@pytest.mark.parametrize("size", [20, 200])
def test_what_can_not_run_before_is_right_and_says_why(function, reason, size):
    (x,) = arrays((size, size))
    x = x / 10
    compiled = graphc.compile(function)
    agree(compiled, function, x, atol=1e-3)
    agree(fixed(function, x), function, x, atol=1e-3)
    if reason is not None:
        assert any(reason in text for text in reasons(compiled, x))


def test_a_small_product_does_not_take_threads_from_the_group_before_it():
    x, w = arrays((128, 3000), (3000, 2))

    def layer(x, w):
        return np.exp(np.tanh(x) * np.sin(x)) @ w

    compiled = graphc.compile(layer)
    assert "it splits among more threads" in str(reasons(compiled, x, w))
    agree(compiled, layer, x, w, atol=1e-2)


@pytest.mark.parametrize("size", [20, 200])
def test_updates_in_place_come_after_every_read_of_the_old_values(size):
    x, w, v = arrays((size, size), (size, size), (size, size))
    x, w, v = x / 10, w / 10, v / 10

    def made(x, w, v):
        x[:] = np.tanh(x)
        return x @ w

    def replaced(x, w, v):
        x[:] = np.tanh(x) @ w + x

    def narrow(x, w, v):
        x[:] = np.tanh(x.reshape(-1)[: size * (size // 2)].reshape(size, -1)) @ w[: size // 2] + 1

    def weights(x, w, v):
        g = np.tanh(x * 2) @ w.T
        w -= 0.1 * (x.T @ v)
        x *= 2
        return g

    def right(x, w, v):
        w[:] = np.tanh(x) @ w + w

    for function in (made, replaced, narrow, weights, right):
        got = [a.copy() for a in (x, w, v)]
        expected = [a.copy() for a in (x, w, v)]
        result, wanted = graphc.compile(function)(*got), function(*expected)
        for left, other in zip(got, expected, strict=True):
            np.testing.assert_allclose(left, other, rtol=2e-4, atol=2e-4)
        if wanted is not None:
            np.testing.assert_allclose(result, wanted, rtol=2e-4, atol=2e-4)


def test_what_is_made_before_the_product_takes_the_place_of_the_argument():
    x, w = arrays((300, 64), (64, 64))

    def step(x, w):
        x[:] = np.tanh(x)
        return x @ w

    assert kernels(graphc.compile(step), x, w) == ["tanh_product"]


def test_checked_indices_in_both_groups():
    x, w, b = arrays((300, 64), (40, 50), (50,))
    rows = np.arange(300) % 300
    columns = np.arange(50) % 50

    def pick(x, w, b, rows, columns):
        return np.tanh(x[rows][:, :40]) @ w + b[columns]

    compiled = graphc.compile(pick)
    agree(compiled, pick, x, w, b, rows, columns)
    for wrong in ((np.full(300, 300), columns), (rows, np.full(50, -51))):
        with pytest.raises(IndexError):
            compiled(x, w, b, *wrong)


def test_symbolic_sizes():
    def layer(x, w, b):
        h = softmax(x) + 1
        return h @ w + b, np.tanh(x) @ w

    specs = [graphc.spec(shape) for shape in (("m", "k"), ("k", "n"), ("n",))]
    compiled = graphc.compile(layer).lower(*specs).compile()
    for m, k, n in [(1, 1, 1), (0, 3, 4), (5, 4, 3), (70, 20, 33), (600, 100, 40)]:
        x, w, b = arrays((m, k), (k, n), (n,), dtype=np.float64)
        agree(compiled, layer, x, w, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sizes", [(0, 3, 4), (4, 0, 3), (4, 3, 0), (4, 3, 1), (2, 2, 2)], ids=str)
def test_small_and_empty_products(sizes):
    m, k, n = sizes
    x, w, b = arrays((m, k), (k, n), (n,))

    def layer(x, w, b):
        return np.tanh(x) @ w, np.maximum(np.exp(x) @ w + b, 0)

    agree(graphc.compile(layer), layer, x, w, b)
    agree(fixed(layer, x, w, b), layer, x, w, b)


def test_gradients():
    x, w, v, y = arrays((200, 60), (60, 50), (50, 30), (200, 30))

    def loss(w, v, x, y):
        p = softmax(np.tanh(np.tanh(x) @ w) @ v)
        return -(y * np.log(p)).mean()

    value, gradients = graphc.value_and_grad(loss, argnums=(0, 1, 2))(w, v, x, y)
    w, v, x, y = (a.astype(np.float64) for a in (w, v, x, y))
    np.testing.assert_allclose(value, loss(w, v, x, y), rtol=1e-4)
    random = np.random.default_rng(5)
    step = 1e-6
    for number, gradient in enumerate(gradients):
        direction = random.standard_normal(gradient.shape)
        moved = [[w, v, x], [w, v, x]]
        for sign, arguments in zip((1, -1), moved, strict=True):
            arguments[number] = arguments[number] + sign * step * direction
        slope = (loss(*moved[0], y) - loss(*moved[1], y)) / (2 * step)
        np.testing.assert_allclose((gradient * direction).sum(), slope, rtol=2e-3, atol=1e-5)


def test_the_same_bits_for_any_number_of_threads():
    x, w, b = arrays((700, 200), (200, 150), (150,))

    def work(x, w, b):
        h = softmax(x)
        y = h @ w + b
        return h, y, y.sum(axis=0), np.tanh(x) @ w

    one, *others = (graphc.compile(work, threads=threads)(x, w, b) for threads in (1, 2, 3))
    for other in others:
        for left, right in zip(one, other, strict=True):
            np.testing.assert_array_equal(left, right)
