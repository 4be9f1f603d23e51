"""np.fft against NumPy."""

import numpy as np
import pytest

import graphc
from graphc.errors import DTypeError
from tests.trace.arrays import sample
from tests.trace.harness import assert_same, same, traced

fft = np.fft
KINDS = ["float32", "float64", "complex64", "complex128", "int32", "bool"]
ULPS = 64
ONE_AXIS = {name: getattr(fft, name) for name in ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")}
SEVERAL = {
    name: getattr(fft, name)
    for name in (
        "fft2", "ifft2", "fftn", "ifftn", "rfft2", "irfft2", "rfftn", "irfftn",
    )
}  # fmt: skip
OF_REAL = {"rfft", "ihfft", "rfft2", "rfftn"}


def takes(name, dtype):
    return name not in OF_REAL or not dtype.startswith("complex")


def closely(function, *arrays):
    return same(function, *arrays, ulps=ULPS)


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", ONE_AXIS)
def test_one_axis(name, dtype):
    if not takes(name, dtype):
        with pytest.raises(DTypeError, match="takes real numbers"):
            traced(lambda x: ONE_AXIS[name](x), sample((4,), dtype))
        return
    function = ONE_AXIS[name]
    for shape in ((6,), (7,), (2, 5), (3, 0, 4)):
        closely(lambda x: function(x), sample(shape, dtype))
    x = sample((4, 6), dtype)
    closely(lambda x: (function(x, 5), function(x, 8), function(x, 1), function(x, n=2)), x)
    closely(lambda x: (function(x, axis=0), function(x.T), function(x[:, ::-2], 3)), x)
    for norm in ("backward", "ortho", "forward"):
        closely(lambda x, norm=norm: (function(x, norm=norm), function(x, 5, 0, norm)), x)


@pytest.mark.parametrize("dtype", ["float64", "float32", "complex128"])
@pytest.mark.parametrize("name", SEVERAL)
def test_several_axes(name, dtype):
    if not takes(name, dtype):
        return
    function = SEVERAL[name]
    x = sample((2, 4, 5), dtype)
    closely(lambda x: function(x), x)
    closely(lambda x: (function(x, (3, 6), axes=(1, 0)), function(x, axes=(-1, 1))), x)
    closely(lambda x: (function(x, (4, -1), axes=(2, 0)), function(x, norm="ortho")), x)
    closely(lambda x: function(x, norm="forward"), x)


@pytest.mark.parametrize("n", [*range(1, 65), 97, 128, 1000, 1024])
def test_lengths(n):
    """Compiled: passes of every small factor, and the convolution of other lengths."""
    x = sample((2, n), "complex128")
    assert_same(graphc.compile(lambda x: fft.fft(x))(x), fft.fft(x), "result", 16)
    y = sample((2, n))
    closely(lambda x, y: (fft.rfft(y), fft.irfft(x, n)), x, y)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 7, 64, 97])
def test_lengths_compiled_of_every_kind(n):
    x, y = sample((2, n), "complex128"), sample((2, n))

    def each(x, y):
        return fft.fft(x), fft.ifft(x), fft.rfft(y), fft.irfft(x, n), fft.hfft(x, n)

    assert_same(graphc.compile(each)(x, y), each(x, y), "result", 16)


@pytest.mark.parametrize("n", [4099, 8192, 65536])
def test_long_lengths(n):
    for dtype in ("complex128", "complex64"):
        x = sample((n,), dtype)
        assert_same(graphc.compile(lambda x: fft.fft(x))(x), fft.fft(x), "result", 16)


def test_the_error_is_small():
    """The root of the mean square error, in units of the last place of the results'."""
    for n in (64, 1000, 1024, 4099, 65536):
        x = sample((n,), "complex128")
        exact = np.fft.fft(x.astype(np.clongdouble))
        found = graphc.compile(lambda x: fft.fft(x))(x)
        error = np.sqrt(np.mean(np.abs(found - exact) ** 2) / np.mean(np.abs(exact) ** 2))
        assert error < 0.5 * np.log2(n) * np.finfo(np.float64).eps


def test_strides_and_batches():
    x = sample((4, 6, 8), "complex128")
    compiled = graphc.compile(lambda x: (fft.fft(x, axis=0), fft.fft(x, axis=1), fft.fft(x)))
    plain = (fft.fft(x, axis=0), fft.fft(x, axis=1), fft.fft(x))
    assert_same(compiled(x), plain, "result", 16)
    turned = x[::-1, ::2, ::-1].T
    plain = tuple(fft.fft(turned, axis=k) for k in (0, 1, 2))
    assert_same(compiled(turned), plain, "result", 16)
    rows = graphc.compile(lambda x: fft.fft(x))
    for count in (1, 3, 200, 0, 7):
        x = sample((count, 16), "complex128")
        assert_same(rows(x), fft.fft(x), "result", 16)
    many = graphc.compile(lambda x: fft.fft(x))
    for shape in ((3, 5, 4), (2, 6, 4), (0, 3, 4), (7, 0, 4), (1, 1, 4)):
        x = sample(shape, "complex128")
        assert_same(many(x), fft.fft(x), "result", 16)
        fresh = graphc.compile(lambda x: fft.fft(x))
        assert_same(fresh(x), fft.fft(x), "result", 16)
    for n in (5, 6, 7):
        x = sample((2, n), "complex128")
        assert_same(rows(x), fft.fft(x), "result", 16)


def test_threads_give_the_same_bits():
    x = sample((300, 256), "complex128")
    one = graphc.compile(lambda x: fft.fft(x), threads=1)(x)
    many = graphc.compile(lambda x: fft.fft(x), threads=4)(x)
    np.testing.assert_array_equal(one, many)
    assert_same(one, fft.fft(x), "result", 16)


def test_out():
    x = sample((3, 4), "complex128")
    closely(lambda x, y: (fft.fft(x, out=y), y), x, np.zeros((3, 4), complex))
    closely(lambda x, y: fft.ifftn(x, out=y), x, np.zeros((3, 4), complex))


def test_frequencies():
    for n in (1, 2, 5, 8):
        same(lambda n: (fft.fftfreq(n), fft.rfftfreq(n), fft.fftfreq(n, 0.1)), n)
        same(lambda n, d: (fft.fftfreq(n, d), fft.rfftfreq(n, d=d)), n, 0.25)
    same(lambda x: fft.fftfreq(len(x)) * x, sample((5,)))
    same(lambda x: fft.fftfreq(x), 2.5)


def test_shifts():
    for shape in ((5,), (4,), (3, 4), (0, 2)):
        x = sample(shape)
        same(lambda x: (fft.fftshift(x), fft.ifftshift(x)), x)
    x = sample((3, 4))
    same(lambda x: (fft.fftshift(x, 0), fft.ifftshift(x, axes=(1,)), fft.fftshift(x, (0, 1))), x)


def test_mistakes():
    x = sample((3, 4))
    same(lambda x: fft.fft(x, 0), x)
    same(lambda x: fft.fft(x, -3), x)
    same(lambda x: fft.fft(x, axis=2), x)
    same(lambda x: fft.fft(x, norm="other"), x)
    same(lambda x: fft.fft(x[:, :0]), x)
    same(lambda x: fft.irfft(x[:, :1]), x)
    same(lambda x: fft.fftn(x, (3, 4), axes=(0,)), x)
    same(lambda x: fft.fft(x[0, 0]), x)


def test_derivatives_compiled():
    x = sample((2, 6))
    weights = sample((2, 4), seed=1)
    cases = [
        lambda x: np.sum(np.abs(fft.fft(x)) ** 2),
        lambda x: np.sum(np.abs(fft.rfft(x)) * weights),
        lambda x: np.sum(np.abs(fft.rfft(x, 7)) * weights),
        lambda x: np.sum(fft.irfft(fft.rfft(x) ** 2, 6) ** 2),
        lambda x: np.sum(np.abs(fft.fft2(x)) ** 3),
        lambda x: np.sum(fft.hfft(x + 1j * x, 7) ** 2),
    ]
    direction = sample((2, 6), seed=5)
    for function in cases:
        gradient = graphc.grad(function)(x)
        step = 1e-6
        expected = (function(x + step * direction) - function(x - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6)
