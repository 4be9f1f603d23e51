"""Ufuncs and Python's operators: dtypes, kinds, broadcasting, out= and where=."""

import operator

import numpy as np
import pytest
import scipy.special

from graphc.errors import DTypeError
from tests.trace.arrays import DTYPES, sample, shapes, strided
from tests.trace.harness import same

BINARY = [
    operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
    operator.pow, operator.lt, operator.le, operator.eq, operator.ne, operator.gt, operator.ge,
    operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift, divmod,
    np.maximum, np.minimum, np.fmax, np.arctan2, np.hypot, np.logaddexp, np.copysign,
    np.logical_and, np.logical_xor, np.gcd, np.fmod, np.heaviside, np.float_power, np.nextafter,
]  # fmt: skip
UNARY = [
    np.exp, np.log, np.sqrt, np.sin, np.tanh, np.abs, np.negative, np.sign, np.square, np.floor,
    np.ceil, np.rint, np.isnan, np.isfinite, np.logical_not, np.invert, np.reciprocal, np.expm1,
    np.log1p, np.cbrt, np.signbit, np.deg2rad, np.degrees, np.positive, np.fabs, np.conj, np.modf,
    np.frexp, np.arctan, np.exp2, np.log2, np.log10, np.trunc, operator.neg, operator.pos, abs,
    operator.invert,
]  # fmt: skip
NUMBERS = [True, 2, -3, 2.5, np.float32(1.5), np.float64(-0.5), np.int32(3), np.uint8(7)]


def covered(function, *args):
    """`same`, but for float16 and the ordering of complex numbers, which graphc refuses."""
    try:
        same(function, *args, ulps=8)
    except DTypeError as error:
        if "float16" not in error.message and "complex128)" not in error.message:
            raise


def name(function):
    return getattr(function, "__name__", str(function))


@pytest.mark.parametrize("function", BINARY, ids=name)
def test_binary(function):
    for first in DTYPES:
        for second in DTYPES:
            a, b = sample((3, 4), first), sample((4,), second, 1)
            if function in (operator.pow, operator.lshift, operator.rshift):
                b = np.abs(b).astype(second)
            covered(lambda a, b: function(a, b), a, b)


@pytest.mark.parametrize("function", BINARY, ids=name)
def test_arrays_with_numbers(function):
    for dtype in ("bool", "int32", "uint8", "float32", "float64"):
        x = sample((3,), dtype)
        for number in NUMBERS:
            if number < 0 and function in (operator.pow, operator.lshift, operator.rshift):
                continue
            covered(lambda x, n: function(x, n), x, number)
            covered(lambda x: function(x, number), x)
            if np.all(x >= 0) or function is not operator.pow:
                covered(lambda x, n: function(n, x), np.abs(x), number)
            covered(lambda x, n: function(x[0], n), np.abs(x), number)


@pytest.mark.parametrize("function", UNARY, ids=name)
def test_unary(function):
    for dtype in DTYPES:
        covered(lambda x: function(x), sample((3, 4), dtype))
        covered(lambda x: function(x[0]), sample((3,), dtype))
    for shape in shapes():
        covered(lambda x: function(x), sample(shape))


@pytest.mark.parametrize(
    "function",
    [operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.mod,
     operator.pow, operator.lt, operator.eq, operator.ge, divmod],
    ids=name,
)  # fmt: skip
def test_python_numbers(function):
    for first in (2.5, -1.5, 3.0):
        for second in (2.0, 3, True):
            same(lambda a: function(a, second), first)
            same(lambda a, b: (function(a, b), function(b, a)), abs(first), float(second))
    same(lambda a: (a + 1j, a * (1 + 2j), -a, +a, abs(a), (a + 1j).real), 2.5)
    same(lambda a, x: (a * 2 + x, (a > 1) * x, a**2 * x), 2.5, sample((3,), "float32"))


def test_python_int_is_weak():
    x = sample((3,), "float32")
    same(lambda x, n: (x * n, x / n, x**n, n - x), x, 3)
    same(lambda x, n: (x * n, x / n), sample((3,), "int8"), 3)
    same(lambda x: x + 300, sample((3,), "uint8"))
    same(lambda x: (x < 300, x > -1, x == 256), sample((3,), "uint8"))


def test_out_and_where():
    x, y = sample((3, 4)), sample((3, 4), seed=1)

    def into(x, y):
        np.add(x, y, out=y)
        np.multiply(x, 2, out=y[0])
        np.exp(x[0], y[1])
        np.subtract(x, y, out=y, where=x > 0)
        return y

    same(into, x, y, ulps=8)
    same(lambda x, y: np.add(x, 1, dtype=np.float32), x, y)
    same(lambda x, y: np.add(x, y, out=np.zeros((3, 4), int)), x, y)
    same(lambda x, y: np.add(x, y, out=np.zeros((4,))), x, y)
    same(lambda x, y: np.add(x, y, out=np.zeros((2, 3, 4))), x, y)
    same(lambda x, y: np.divmod(x, y, out=(x, y)), x, y)
    same(lambda x, y: np.add(x, y, where=x > 0, out=np.ones((3, 4))), x, y)


def test_in_place():
    def f(x, y):
        x += 1
        x *= y
        x[1:] -= y[1:]
        x[:, 0] /= 2
        y **= 2
        y //= 3
        return x

    same(f, sample((3, 4)), np.abs(sample((3, 4), seed=1)))

    def narrow(x):
        x += 1
        x *= 2
        return x

    same(narrow, sample((3,), "float32"))
    same(narrow, sample((3,), "int32"))

    def widens(x):
        x += 0.5

    same(widens, sample((3,), "int32"))
    same(widens, sample((), "float32"))

    def scalars(x):
        a = x[0]
        a += 1
        return a, x

    same(scalars, sample((3,)))


def test_lists_of_traced():
    same(
        lambda x, a: (np.exp([x, x]), np.add([a, 1], [2, a]), np.maximum(x, [a, 1, 2])),
        sample((3,)),
        2.5,
    )
    same(lambda x: [1, 2, 3] + x, sample((3,)))
    same(lambda x: x * (1, 2, 3), sample((3,)))


def test_broadcast_and_mismatch():
    a, b = sample((3, 1)), sample((4,))
    same(lambda a, b: (a + b, b + a, a[0] + b, a + b[:0]), a, b)
    same(lambda a, b: a + b, sample((3, 4)), sample((3,)))
    same(lambda a, b: np.logaddexp(a, b), sample((2, 2)), sample((3,)))


def test_strides():
    for x in strided().values():
        same(lambda x: (x + 1, np.exp(x), x * x[0], x > 0), x, ulps=8)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scipy_special(dtype):
    special = scipy.special
    x = np.abs(sample((5,), dtype)) + np.asarray(0.25, dtype)
    same(
        lambda x: (special.expit(x), special.erf(x), special.gammaln(x), special.psi(x)), x, ulps=32
    )
    same(lambda x: (special.xlogy(x, x), special.log_expit(x), special.erfc(x)), x, ulps=32)
    same(lambda x: special.expit(x[0]), x, ulps=32)


def test_add_at():
    def f(x, i, v):
        np.add.at(x, i, v)
        np.add.at(x[:, 1], i[:2], 1.0)
        np.subtract.at(x, (i, i), v)
        np.add.at(x, slice(0, 2), 3)

    same(f, sample((4, 3)), np.array([0, 1, 0]), 2.0)
    same(f, sample((4, 3)), np.array([0, -1, 2]), sample((3,)))


def test_powers_with_ways_of_their_own():
    x = np.array([-np.inf, -0.0, 0.0, 4.0, np.inf, np.nan])
    same(lambda x: (x**0.5, x**-1, x**2, x**-1.0, x**2.0, x**3, x**0), x)
    same(lambda x: (x**2, x**2.0, x**0.5, x**3), np.array([1, 2, 3], np.int32))


def test_plus_gives_a_copy():
    def f(x):
        y = +x
        y[0] = 5
        return y

    same(f, sample((3,)))


STRANGERS = [None, "a", b"a", ..., int, {"a": 1}, frozenset({1}), range(3), [1.5, 2]]


@pytest.mark.parametrize("other", STRANGERS, ids=repr)
@pytest.mark.parametrize("compare", [operator.eq, operator.ne], ids=lambda c: c.__name__)
def test_equality_with_what_is_no_number(compare, other):
    for x in (sample((3,)), sample(()), np.float32(1.5), 2.5, np.arange(3)):
        if np.ndim(x) == 0 or not isinstance(other, list):
            same(lambda x: (compare(x, other), compare(other, x)), x)


def test_the_other_operand_may_compare_itself():
    class Ours:
        def __eq__(self, other):
            return "ours"

    assert same(lambda x: Ours() == x, 1.5) == "ours"


@pytest.mark.parametrize("other", [None, "a"])
def test_order_with_what_is_no_number_is_refused(other):
    same(lambda x: x < other, sample((3,)))
