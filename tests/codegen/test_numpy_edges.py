"""Where NumPy's own rule is not the obvious one."""

import numpy as np
import pytest

import graphc

LARGE = [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**70), 300, -1]
COMPARISONS = [np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal]


def same(actual, expected):
    assert type(actual) is type(expected)
    assert actual.dtype == expected.dtype
    np.testing.assert_array_equal(actual, expected)
    if actual.dtype.kind == "f":
        signs = (np.copysign(1.0, np.where(np.isnan(x), 1.0, x)) for x in (actual, expected))
        np.testing.assert_array_equal(*signs)


def agree(function, *args):
    """The same result compiled, or the same built-in exception."""
    with np.errstate(all="ignore"):
        try:
            expected = function(*args)
        except (ValueError, OverflowError) as error:
            kind = ValueError if isinstance(error, ValueError) else OverflowError
            with pytest.raises(kind):
                graphc.compile(function)(*args)
            return
    same(graphc.compile(function)(*args), expected)


# --- comparisons with ints of any size ------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int64", "uint64"])
@pytest.mark.parametrize("value", LARGE)
def test_an_array_and_an_int_of_any_size(dtype, value):
    x = np.array([0, 1, 100]).astype(dtype)
    for function in COMPARISONS:
        agree(lambda x, function=function: function(x, value), x)
        agree(lambda x, function=function: function(value, x), x)
    agree(lambda x: x[1] < value, x)


def test_unsigned_and_signed_arrays_compare_exactly():
    unsigned = np.array([2**64 - 1, 2**63, 2**63 + 1, 0, 5], np.uint64)
    signed = np.array([-1, -(2**63), 2**63 - 1, 0, 5])
    x, y = (part.ravel() for part in np.meshgrid(unsigned, signed))
    for function in COMPARISONS:
        agree(lambda x, y, function=function: function(x, y), x, y)
        agree(lambda x, y, function=function: function(y, x), x, y)


def test_python_ints_of_any_size():
    @graphc.compile
    def function(x, n):
        return x + (n < 2**64), round(n * 0.5) < 2**64, round(n * 0.5) <= -(2**90)

    for n in (3, 4, 5):
        first, below, above = function(np.arange(3), n)
        np.testing.assert_array_equal(first, [1, 2, 3])
        assert below is True
        assert above is False


# --- reductions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0)])
@pytest.mark.parametrize("name", ["max", "min", "argmax", "argmin", "ptp", "sum", "prod", "any"])
@pytest.mark.parametrize("axis", [0, 1, None])
def test_reductions_over_an_empty_axis(shape, name, axis):
    agree(lambda x: getattr(np, name)(x, axis=axis), np.zeros(shape))


@pytest.mark.parametrize("axis", [0, -1, 1, -2, (0,), (), None])
@pytest.mark.parametrize(
    "name",
    ["max", "min", "argmax", "argmin", "ptp", "sum", "prod", "any", "all", "mean", "var"],
)
@pytest.mark.parametrize("x", [np.float64(3), np.array(2)], ids=["scalar", "array"])
def test_axes_of_a_scalar(name, axis, x):
    if name.startswith("arg") and isinstance(axis, tuple):
        return
    agree(lambda x: getattr(np, name)(x, axis=axis), x)


# --- signed zeros and infinities ------------------------------------------------------------------

SPECIAL = np.array([-np.inf, -0.0, 0.0, np.inf, np.nan, -1.0, 4.0, 2.0])


@pytest.mark.parametrize("shape", [(1,), (2,), (1, 3), (3, 1), (1, 1), (300,), (2, 300), ()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128])
def test_a_sum_starts_from_zero(shape, dtype):
    x = np.full(shape, -0.0).astype(dtype)
    for axis in (None, (), 0, -1):
        agree(lambda x, axis=axis: x.sum(axis=axis).real, x)
        agree(lambda x, axis=axis: x.sum(axis=axis, keepdims=True).real, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_root_is_the_power_of_one_half(dtype):
    x = SPECIAL.astype(dtype)
    agree(lambda x: np.power(x, 0.5), x)
    agree(lambda x: x**0.5, x)
    agree(lambda x: x ** np.full(8, 0.5), x)
    agree(lambda x: np.power(x, np.float64(0.5)), x)
    for scalar in x:
        agree(lambda x: x**0.5, scalar)


@pytest.mark.parametrize("exponent", [2, -1, 0, 1, 3, -2, -0.5, 1.5])
def test_powers_of_special_values(exponent):
    agree(lambda x: x**exponent, SPECIAL)
    agree(lambda x: np.power(x, exponent), SPECIAL)


@pytest.mark.parametrize("exponent", [1, 2, 3])
def test_small_powers_of_large_complex_numbers(exponent):
    x = np.array([1e200 + 1e200j, np.inf + 1j, 2 - 1j])
    agree(lambda x: np.power(x, exponent).real, x)
    agree(lambda x: np.power(x, exponent).imag, x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [np.maximum, np.minimum])
def test_the_larger_of_special_values(function, dtype):
    x, y = (part.ravel().astype(dtype) for part in np.meshgrid(SPECIAL, SPECIAL))
    compiled = graphc.compile(lambda x, y: function(x, y))
    actual, expected = compiled(x, y), function(x, y)
    np.testing.assert_array_equal(actual, expected)
    if np.signbit(np.maximum(dtype(0.0), dtype(-0.0))):  # x86: the second of the two
        known = ~np.isnan(expected)
        np.testing.assert_array_equal(np.signbit(actual)[known], np.signbit(expected)[known])
