"""Arrays in Fortran order, and reductions of transposed ones: the loops follow the memory."""

import numpy as np
import pytest

import graphc

RANDOM = np.random.default_rng(0)
SHAPES = [(5, 4), (7, 3), (1, 3), (3, 1), (0, 4), (4, 0), (200, 300)]
FUNCTIONS = {
    "sum 0": lambda x: x.sum(axis=0),
    "sum 1": lambda x: x.sum(axis=1),
    "all": lambda x: (x.sum(), x.T.any(), (x > 0).all()),
    "sin": lambda x: np.sin(x * 1.0),
    "product": lambda x: (x * 2).T @ x,
    "flat": lambda x: x.reshape(-1) + 1,
    "itself": lambda x: (x, x[1:, ::-1], x.argmax() if x.size else 0),
}


def agree(found, wanted, tolerance):
    if isinstance(wanted, tuple):
        for pair in zip(found, wanted, strict=True):
            agree(*pair, tolerance)
        return
    assert np.asarray(found).dtype == np.asarray(wanted).dtype
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int16", "complex128"])
def test_fortran_order_and_c_order_in_turn(name, dtype):
    function = FUNCTIONS[name]
    compiled = graphc.compile(function)
    for shape in SHAPES:
        x = (RANDOM.normal(size=shape) * 4).astype(dtype)
        for array in (np.asfortranarray(x), x, np.asfortranarray(x)[:, ::-1]):
            agree(compiled(array), function(array), 1e-3 if dtype == "float32" else 1e-9)


@pytest.mark.parametrize("axis", [0, 1, 2, (0, 2), (0, 1), (1, 2), None])
@pytest.mark.parametrize("order", [(1, 2, 0), (2, 1, 0), (0, 2, 1)])
def test_reductions_of_any_transposition(axis, order):
    x = RANDOM.normal(size=(3, 4, 5))
    for array in (x, np.asfortranarray(x)):
        for name in ("sum", "prod", "max", "min"):

            def function(x, name=name):
                return getattr(x.transpose(order), name)(axis=axis)

            agree(graphc.compile(function)(array), function(array), 1e-12)


def test_an_array_in_fortran_order_is_written():
    def function(x):
        x[1:] *= 2
        return x.sum(axis=0)

    x = np.asfortranarray(RANDOM.normal(size=(3, 4)))
    expected = x.copy(order="F")
    agree(graphc.compile(function)(x), function(expected), 1e-12)
    agree(x, expected, 1e-12)


def test_gradients_and_sizes_that_vary():
    step = graphc.compile(graphc.grad(lambda x: (np.tanh(x).sum(axis=0) ** 2).sum()))
    for shape in ((3, 4), (5, 2), (6, 6)):
        x = RANDOM.normal(size=shape)
        np.testing.assert_allclose(step(np.asfortranarray(x)), step(x), rtol=1e-12)


def test_verify_and_the_report_see_the_array_as_it_is():
    checked = graphc.compile(lambda x: x.sum(axis=0), verify=True)
    x = np.asfortranarray(RANDOM.normal(size=(3, 4)))
    agree(checked(x), x.sum(axis=0), 1e-12)
    assert "float64[3, 4]" in str(checked.explain(x))


def softmax(x):
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


POINTWISE = {
    "one": lambda x, y: np.exp(x),
    "two": lambda x, y: np.exp(x) * 2 + np.sin(x),
    "with a row": lambda x, y: np.exp(x) + y[0],
    "softmax": lambda x, y: softmax(x),
    "and its sum": lambda x, y: (np.exp(x), np.exp(x).sum(axis=0), np.tanh(np.exp(x)).max()),
    "with another order": lambda x, y: np.exp(x) + y,
    "turned": lambda x, y: np.exp(x).T * 2 - x.T,
    "scalars": lambda x, y: np.where(x > x.mean(), x, y.sum()),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_what_is_computed_of_fortran_arrays(name):
    function = POINTWISE[name]
    compiled = graphc.compile(function)
    for shape in ((5, 4), (3, 7), (1, 4), (4, 1), (0, 3), (60, 50)):
        x, y = np.asfortranarray(RANDOM.normal(size=shape)), RANDOM.normal(size=(5, *shape))[1]
        if shape[0]:
            agree(compiled(x, y), function(x, y), 1e-12)
        z = np.asfortranarray(RANDOM.normal(size=(2, *shape)))
        if name in ("one", "two", "turned"):
            agree(compiled(z, y), function(z, y), 1e-12)


@pytest.mark.parametrize("name", ["one", "two", "with a row", "and its sum"])
def test_one_kernel_that_follows_the_memory(name):
    x, y = np.asfortranarray(RANDOM.normal(size=(60, 50))), RANDOM.normal(size=(60, 50))
    compiled = graphc.compile(POINTWISE[name]).lower(x, y).compile()
    report = graphc.compile(POINTWISE[name]).explain(x, y)
    assert len(report.kernels) == 1
    found = compiled(x, y)
    assert (found[0] if isinstance(found, tuple) else found).flags.f_contiguous


def test_a_long_chain_of_fortran_arrays():
    def function(x):
        y = x
        for k in range(200):
            y = np.sin(y) + k * x
        return y, y.sum(axis=0)

    x = np.asfortranarray(RANDOM.normal(size=(4, 3)))
    agree(graphc.compile(function)(x), function(x), 1e-9)


def test_transposed_beside_what_is_the_same_along_an_axis():
    def function(x, y):
        turned = np.broadcast_to(x, (4, 5)).T * np.broadcast_to(y, (5, 4))
        return turned.sum(axis=0), turned.sum(axis=1), (turned * 2).T, turned.max()

    compiled = graphc.compile(function)
    for shapes in [((5,), (4,)), ((4, 1), (5, 1)), ((1, 1), (1, 1)), ((), ()), ((1, 5), (1, 4))]:
        x, y = (RANDOM.normal(size=shape) for shape in shapes)
        agree(compiled(x, y), function(x, y), 1e-12)


def test_gradient_of_a_product_of_a_row_and_a_column():
    def loss(a, b):
        product = np.einsum("ij,jk->ki", a, b)
        return np.tanh(product).sum() + np.tanh(product.sum(axis=1)).sum()

    compiled = graphc.compile(lambda a, b: graphc.grad(loss, (0, 1))(a, b))
    for rows, columns in ((5, 7), (9, 4), (1, 3), (3, 1)):
        a, b = RANDOM.normal(size=(rows, 1)), RANDOM.normal(size=(1, columns))
        with graphc.eager():
            expected = graphc.grad(loss, (0, 1))(a, b)
        agree(compiled(a, b), expected, 1e-12)


def test_single_elements_transposed_again_and_again():
    def function(x, y):
        z = (x.T + y).T * (y.T - x)
        return z.sum(), (z.T * np.tanh(x.T)).sum(axis=0), np.swapaxes(z * y.T, 0, 1).max()

    compiled = graphc.compile(lambda x, y: graphc.value_and_grad(lambda x: function(x, y)[0])(x))
    x, y = RANDOM.normal(size=(2, 1, 1))
    agree(graphc.compile(function)(x, y), function(x, y), 1e-12)
    agree(compiled(x, y)[0], function(x, y)[0], 1e-12)
