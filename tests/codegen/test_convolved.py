"""Groups in the kernels of convolutions: one kernel, the same numbers, whatever the pixels."""

import numpy as np
import pytest

import graphc
from graphc import nn


def arrays(*shapes, dtype=np.float32):
    random = np.random.default_rng(3)
    return [random.standard_normal(shape).astype(dtype) for shape in shapes]


def kernels(function, *args):
    return [kernel.name for _, kernel in function.lower(*args).kernels]


def block(x, w, mean, scale, bias, residual, **options):
    column = (slice(None), *[None] * (w.ndim - 2))
    y = nn.conv2d(x, w, **options) if w.ndim == 4 else nn.conv1d(x, w, **options)
    y = (y - mean[column]) * scale[column] + bias[column]
    return nn.relu(y + residual)


CASES = {
    "one chunk": ((2, 3, 8, 8), (4, 3, 3, 3), {"padding": 1}),
    "many chunks": ((8, 16, 20, 20), (24, 16, 3, 3), {"padding": 1}),
    "chunks that end inside images": ((5, 16, 19, 17), (32, 16, 3, 3), {}),
    "strided": ((4, 32, 33, 31), (32, 32, 3, 3), {"stride": (2, 3), "padding": (1, 0)}),
    "groups": ((4, 32, 24, 24), (64, 8, 3, 3), {"groups": 4, "padding": 1}),
    "depthwise": ((2, 16, 24, 24), (16, 1, 3, 3), {"groups": 16}),
    "one image": ((1, 32, 40, 40), (32, 32, 3, 3), {"padding": 2, "dilation": 2}),
    "one channel": ((8, 64, 40, 40), (1, 64, 3, 3), {}),
    "one channel of one image": ((1, 64, 80, 80), (1, 64, 3, 3), {}),
    "one pixel": ((300, 64, 3, 3), (64, 64, 3, 3), {}),
    "one row of pixels": ((20, 64, 3, 30), (64, 64, 3, 3), {}),
    "1-D": ((16, 32, 200), (48, 32, 5), {"padding": 2}),
    "no image": ((0, 3, 8, 8), (4, 3, 3, 3), {}),
    "no channel": ((2, 3, 8, 8), (0, 3, 3, 3), {}),
}


def case(name, dtype):
    shape, weights, options = CASES[name]
    x, w = arrays(shape, weights, dtype=dtype)
    out = weights[0]
    mean, scale, bias = arrays((out,), (out,), (out,), dtype=dtype)
    plain = nn.conv2d(x, w, **options) if len(weights) == 4 else nn.conv1d(x, w, **options)
    (residual,) = arrays(plain.shape, dtype=dtype)
    return (x, w, mean, scale, bias, residual), options


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:.*has been compiled 9 times")
def test_scale_shift_residual_and_relu_run_in_the_kernel(name, dtype):
    args, options = case(name, dtype)
    compiled = graphc.compile(lambda *args: block(*args, **options))
    tolerance = {np.float32: 2e-4, np.float64: 1e-11}[dtype]
    np.testing.assert_allclose(compiled(*args), block(*args, **options), tolerance, tolerance)
    if args[-1].size:
        (kernel,) = kernels(compiled, *args)
        assert kernel.startswith("convolve_subtract_to_select")


@pytest.mark.filterwarnings("ignore:.*has been compiled 9 times")
@pytest.mark.parametrize("sizes", [(2, 9, 11), (7, 20, 20), (3, 1, 1), (0, 5, 5)], ids=str)
def test_sizes_known_at_the_call_only(sizes):
    images, height, width = sizes
    (w, mean, scale, bias) = arrays((24, 8, 3, 3), (24,), (24,), (24,))
    x, residual = arrays((images, 8, height, width), (images, 24, height, width))

    @graphc.compile
    def compiled(x, w, mean, scale, bias, residual):
        return block(x, w, mean, scale, bias, residual, padding=1)

    other = arrays((4, 8, 13, 15), (4, 24, 13, 15))
    third = arrays((5, 8, 14, 10), (5, 24, 14, 10))
    for images_, added in (other, third, (x, residual)):
        expected = block(images_, w, mean, scale, bias, added, padding=1)
        result = compiled(images_, w, mean, scale, bias, added)
        np.testing.assert_allclose(result, expected, 1e-4, 1e-4)


def test_what_is_read_later_is_stored():
    x, w, b = arrays((4, 16, 20, 20), (24, 16, 3, 3), (24,))

    def layer(x, w, b):
        y = nn.conv2d(x, w)
        z = np.tanh(y + b[:, None, None])
        return y, z, z * y

    compiled = graphc.compile(layer)
    for result, expected in zip(compiled(x, w, b), layer(x, w, b), strict=True):
        np.testing.assert_allclose(result, expected, 1e-4, 1e-4)
    assert any(name.startswith("convolve_") for name in kernels(compiled, x, w, b))


def test_images_that_are_written_are_read_first():
    x, w = arrays((4, 16, 24, 24), (16, 16, 3, 3))

    def step(x, w):
        x += nn.relu(nn.conv2d(x, w, padding=1))
        return x.sum()

    expected_x, got_x = x.copy(), x.copy()
    expected, got = step(expected_x, w), graphc.compile(step)(got_x, w)
    np.testing.assert_allclose(got_x, expected_x, 1e-4, 1e-4)
    np.testing.assert_allclose(got, expected, 1e-3)


APART = {
    "reads rows backwards": (lambda y: y[:, :, ::-1] * 2, "other pixels"),
    "pools": (lambda y: np.tanh(nn.max_pool2d(y, 2)), "does not walk the pixels of the images"),
    "a number for each row": (lambda y: y * np.arange(22.0)[:, None], "rows of an image"),
    "reduces": (lambda y: (y * 2, (y * 2).sum(axis=(0, 2, 3))), "reduced"),
}


@pytest.mark.parametrize("name", APART)
def test_what_walks_other_pixels_has_a_kernel_of_its_own(name):
    after, reason = APART[name]
    x, w = arrays((24, 16, 24, 24), (24, 16, 3, 3), dtype=np.float64)

    def layer(x, w):
        return after(nn.conv2d(x, w))

    compiled = graphc.compile(layer)
    expected, result = layer(x, w), compiled(x, w)
    if not isinstance(expected, tuple):
        expected, result = (expected,), (result,)
    for a, b in zip(result, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-9)
    assert len(kernels(compiled, x, w)) > 1
    assert reason in str(compiled.explain(x, w))


def test_results_do_not_depend_on_threads():
    args, options = case("chunks that end inside images", np.float32)
    results = [
        graphc.compile(lambda *args: block(*args, **options), threads=threads)(*args)
        for threads in (1, 2, 3)
    ]
    assert all((results[0] == other).all() for other in results[1:])


def test_gradients_through_it():
    args, options = case("groups", np.float64)

    def loss(*args):
        return (block(*args, **options) ** 2).sum()

    compiled = graphc.grad(loss, argnums=(0, 1, 2, 3, 4, 5))(*args)
    with graphc.eager():
        expected = graphc.grad(loss, argnums=(0, 1, 2, 3, 4, 5))(*args)
    for a, b in zip(compiled, expected, strict=True):
        np.testing.assert_allclose(a, b, 1e-9, 1e-8)
