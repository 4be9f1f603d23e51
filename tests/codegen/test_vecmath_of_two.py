"""power, arctan2 and hypot: errors against mpmath, and NumPy's values at every edge."""

import mpmath
import numpy as np
import pytest

from bench.vecmath import NUMPY_OF_TWO, compiled

BOUND = 2.0
EXACT = {"power": mpmath.power, "arctan2": mpmath.atan2, "hypot": mpmath.hypot}
EDGES = [0.0, 0.5, 1.0, 2.0, 3.0, 7.0, 1 / 3, 1 - 2.0**-53, 1 + 2.0**-52, 1e16, 2.0**53 + 2]
EDGES += [2.0**53 - 1, 1e154, 1e-160, 1e300, 1e308, 1e-300, 2.2e-308, 1e-310, 5e-324]
EDGES += [np.inf, np.nan]


def every_pair():
    edges = np.array([*EDGES, *(-x for x in EDGES)])
    return [grid.ravel() for grid in np.meshgrid(edges, edges)]


def samples(count):
    random = np.random.default_rng(3)
    bits = random.integers(0, 2**64, (2, count), dtype=np.uint64).view(np.float64)
    near = 10 ** random.uniform(-300, 300, count)
    pairs = [
        every_pair(),
        bits,
        (random.uniform(0, 3, count), random.uniform(-30, 30, count)),
        (10 ** random.uniform(-30, 30, count), random.uniform(-10, 10, count)),
        (random.uniform(-5, 5, count), np.round(random.uniform(-300, 300, count))),
        (1 + random.normal(size=count) * 1e-5, random.normal(size=count) * 3e7),
        (10 ** random.uniform(-308, 308, count), 10 ** random.uniform(-308, 308, count)),
        (near, random.choice([1023.9999, -1074.5, -1022, 1000], count) / np.log2(near)),
    ]
    return [np.concatenate(parts) for parts in zip(*pairs, strict=True)]


def computed(name, dtype, x, y):
    with np.errstate(all="ignore"):
        x, y = x.astype(dtype), y.astype(dtype)
        wanted = NUMPY_OF_TWO[name](x, y)
    out = np.empty_like(x)
    compiled(f"vector_{name}", dtype, 2)(x, y, out)
    return x, y, out, wanted


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NUMPY_OF_TWO)
def test_special_values_are_as_in_numpy(name, dtype):
    x, y, out, wanted = computed(name, dtype, *samples(2000))
    nan = np.isnan(wanted) & np.isnan(out)
    both_finite = np.isfinite(wanted) & np.isfinite(out)
    same = (both_finite | (wanted == out)) & (np.signbit(wanted) == np.signbit(out))
    wrong = ~(nan | same)
    assert not wrong.any(), (x[wrong][:5], y[wrong][:5], out[wrong][:5], wanted[wrong][:5])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", NUMPY_OF_TWO)
def test_errors(name, dtype):
    digits, least = (24, -149) if dtype == "float32" else (53, -1074)
    x, y, out, _ = computed(name, dtype, *samples(300))
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(out) & (x != 0) & (y != 0)
    assert known.sum() > 1000
    with mpmath.workprec(300):
        for a, b, value in zip(
            x[known].tolist(), y[known].tolist(), out[known].tolist(), strict=True
        ):
            exact = EXACT[name](mpmath.mpf(a), mpmath.mpf(b))
            unit = mpmath.mpf(2) ** max(mpmath.frexp(exact)[1] - digits, least)
            assert abs(value - exact) < BOUND * unit, (a, b, value)


def dense_pairs(count):
    random = np.random.default_rng(5)
    base = 10 ** random.uniform(-38, 38, count)
    pairs = [
        random.integers(0, 2**32, (2, count), dtype=np.uint32).view(np.float32),
        (base, random.uniform(-130, 130, count) / np.log2(base)),
        (1 + random.normal(size=count) * 1e-4, random.normal(size=count) * 3e5),
        (10 ** random.uniform(-45, -37, count), random.uniform(-3, 3, count)),
        random.uniform(-1, 1, (2, count)),
        random.uniform(0.9, 1, (2, count)),
        random.uniform(-1e-37, 1e-37, (2, count)),
    ]
    with np.errstate(invalid="ignore"):  # signalling NaN among the bits
        return [np.concatenate(parts).astype(np.float32) for parts in zip(*pairs, strict=True)]


@pytest.mark.parametrize(("name", "bound"), [("power", 1.0), ("arctan2", 2.0)])
def test_float32_errors_of_many_pairs(name, bound):
    # The reference is NumPy in float64, whose own error is below 2**-27 of these units.
    x, y = dense_pairs(100_000)
    out = np.empty_like(x)
    compiled(f"vector_{name}", "float32", 2)(x, y, out)
    with np.errstate(all="ignore"):
        exact = NUMPY_OF_TWO[name](x.astype(np.float64), y.astype(np.float64))
        rounded = exact.astype(np.float32)
    known = np.isfinite(rounded)
    np.testing.assert_array_equal(out[~known], rounded[~known])
    exponent = np.frexp(exact[known])[1] - 24
    unit = 2.0 ** np.maximum(exponent, -149)
    errors = np.abs(out[known] - exact[known]) / unit
    assert known.sum() > 400_000
    assert errors.max() < bound, (x[known][errors.argmax()], y[known][errors.argmax()])
