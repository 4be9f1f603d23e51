"""Accuracy, special values and machine code of the polynomial elementary functions.

`exhaustive_vecmath.py` goes through every float32.
"""

import re

import numpy as np
import pytest

from bench.vecmath import assembly

from .vecmath_errors import (
    FUNCTIONS,
    float32_errors,
    float32_errors_at,
    float64_error,
    special_differences,
)

BOUND = 2.0
POINTS = [
    0.0,
    0.25,
    1 / 3,
    0.3466,
    0.5,
    np.sqrt(0.5),
    0.98,
    1.0,
    1.25,
    np.sqrt(2),
    2.0,
    10.0,
    1000.0,
]
LIMITS = [16.6, 36.7, 80.0, 87.33, 88.72, 89.0, 103.97, 104.0, 126.0, 127.0, 128.0, 149.0, 150.0]
LIMITS += [708.39, 709.78, 710.0, 744.44, 745.13, 746.0, 1022.0, 1023.0, 1024.0, 1074.0, 1075.0]
TURNS = [np.pi * k / 4 for k in (1, 2, 3, 4, 5, 11, 44, 1000, 10**6)]
# The float64 nearest to a zero of cos, relative to its size (J.-M. Muller, Elementary Functions).
HARDEST = 6381956970095103.0 * 2.0**797


def edges(dtype):
    """Where functions change: thresholds and their neighbours, subnormals, the ends."""
    info = np.finfo(dtype)
    values = [*POINTS, *LIMITS, *TURNS, info.max, info.tiny, info.smallest_subnormal, 1e22, 2e36]
    values += [2.0**k for k in range(-60, 61)] + [10.0**k for k in range(-30, 31)]
    if dtype == "float64":
        values += [HARDEST, 1e300]
    near = np.array(values, dtype)
    zero, end = np.zeros(1, dtype), info.max
    for _ in range(3):
        near = np.concatenate([near, np.nextafter(near, end), np.nextafter(near, zero)])
    subnormal = info.smallest_subnormal * np.arange(1, 40, dtype=dtype)
    ends = np.array([np.inf, np.nan], dtype)
    found = np.unique(np.concatenate([near, subnormal, info.tiny - subnormal, ends]))
    return np.concatenate([found, -found])


def spread(count):
    """float64 of every magnitude, and where functions have their structure."""
    random = np.random.default_rng(7)
    patterns = random.integers(0, 2**64, count, dtype=np.uint64).view(np.float64)
    ranges = [(-1, 1), (-20, 20), (0.5, 1.5), (-750, 710), (-0.8, -0.1), (0.1, 0.7), (-1076, 1024)]
    uniform = [random.uniform(low, high, count) for low, high in ranges]
    small = random.uniform(-1, 1, count) * 2.0 ** random.uniform(-60, 0, count)
    return np.concatenate([patterns, small, *uniform])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_errors(name):
    worst, place, wrong, example = float32_errors(name, 5, 4099)
    assert worst < BOUND, place
    assert wrong == 0, example


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32_edges(name):
    worst, place, wrong, example = float32_errors_at(name, edges("float32"))
    assert worst < BOUND, place
    assert wrong == 0, example


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float64_errors(name):
    x = np.concatenate([edges("float64"), spread(300)])
    worst, place = float64_error(name, x)
    assert worst < BOUND, place


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_special_values_are_as_in_numpy(name, dtype):
    x = edges(dtype)
    if dtype == "float64":
        x = np.concatenate([x, spread(1000)])
    assert special_differences(name, x).size == 0


def test_expit_does_not_underflow_early():
    worst, place = float64_error("expit", np.linspace(-745, -700, 200))
    assert worst < BOUND, place


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_loops_vectorise(name, dtype):
    text = assembly(f"vector_{name}", dtype)
    called = re.findall(r"^\s*callq?\s+(\S+)", text, re.MULTILINE)
    assert not called
    if "zmm" in text or "ymm" in text:
        packed = re.findall(r"vfn?m(?:add|sub)\w+p[sd]\s.*[yz]mm", text)
        assert len(packed) > 4
