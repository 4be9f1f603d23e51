"""Loops that end where they have found what they look for: any, all, arg-max, arg-min."""

import numpy as np
import pytest

import graphc
from graphc.errors import OutOfBoundsError

LENGTHS = (0, 1, 16, 17, 127, 128, 129, 1023, 1024, 1025, 5000, 300_000)


def fixed(function, *args):
    """Compiled for these sizes, whatever others it was compiled for before."""
    return graphc.compile(function).lower(*args).compile()


def any_and_all(x):
    return x.any(), x.all(), (~x).any(), np.logical_and(x.any(), x.all())


@pytest.mark.parametrize("length", LENGTHS)
def test_any_and_all_wherever_the_hit_is(length):
    compiled, static = graphc.compile(any_and_all), None
    for hit in {None, 0, 1, 100, 128, 1023, 1024, length // 2, length - 1}:
        x = np.zeros(length, bool)
        if hit is not None and 0 <= hit < length:
            x[hit] = True
        static = static or fixed(any_and_all, x)
        for y in (x, ~x):
            assert compiled(y) == any_and_all(y) == static(y)


def positions(x):
    return x.argmax(), x.argmin(), (x > 3).argmax(), x.max() > 3


@pytest.mark.parametrize("dtype", ["float32", "float64", "int8", "uint16", "int64"])
@pytest.mark.parametrize("length", LENGTHS[1:])
def test_positions_wherever_they_are(length, dtype):
    compiled, static = graphc.compile(positions), None
    for hit in {0, 1, 127, 128, 1024, length // 2, length - 1}:
        x = np.ones(length, dtype)
        if hit < length:
            x[hit:] = 5  # ties: the first counts
            x[-1] = 0 if hit % 2 else 5
        static = static or fixed(positions, x)
        assert compiled(x) == positions(x) == static(x)
        if x.dtype.kind == "f":
            x[length // 3] = np.nan
            x[length // 2] = np.nan
            assert compiled(x) == positions(x) == static(x)
            x[:] = np.inf
            assert compiled(x) == positions(x)
            x[:] = -np.inf
            assert compiled(x) == positions(x)


@pytest.mark.parametrize("shape", [(3, 1000), (1000, 3), (5, 17, 200), (2, 3, 5), (40, 40_000)])
@pytest.mark.parametrize("axis", [-1, 0, None])
def test_rows_and_columns(shape, axis):
    random = np.random.default_rng(0)

    def function(x):
        y = x * 2
        return y.argmax(axis=axis), y.argmin(axis=axis), (y > 5).any(axis=axis), y.all(axis=axis)

    compiled = graphc.compile(function)
    for low, high in ((0, 3), (-1000, 1000), (0, 1)):
        x = random.integers(low, high, shape).astype(np.float32)
        for found, wanted in zip(compiled(x), function(x), strict=True):
            np.testing.assert_array_equal(found, wanted)


def test_an_index_out_of_bounds_behind_the_hit_is_still_found():
    compiled = graphc.compile(lambda x, i: x[i].any())
    x, i = np.ones(5, bool), np.zeros(10_000, int)
    assert compiled(x, i)
    i[-1] = 5
    with pytest.raises(OutOfBoundsError):
        compiled(x, i)


def test_beside_a_sum_all_elements_are_read():
    compiled = graphc.compile(lambda x: (x.sum(), (x > 0).any(), (x + 1).max()))
    x = np.arange(5000.0)
    assert compiled(x) == (x.sum(), True, 5000.0)


def test_the_loop_stops():
    source = graphc.compile(lambda x: x.any()).lower(np.zeros(5000, bool)).source
    assert "break" in source
    source = graphc.compile(lambda x: (x.any(), x.sum())).lower(np.zeros(5000, bool)).source
    assert "break" not in source
