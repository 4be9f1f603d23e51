"""Loops whose last elements are one masked step."""

import re

import numpy as np
import pytest

import graphc
from bench import tails
from graphc.codegen import target
from graphc.codegen.cpu import llvm_text


def shifted(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e, e.sum(axis=-1)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_trip_count(dtype):
    tanh, rows = graphc.compile(np.tanh), graphc.compile(shifted)
    tanh.lower(graphc.spec(("n",), dtype)).compile()
    rows.lower(graphc.spec(("m", "n"), dtype)).compile()
    random = np.random.default_rng(0)
    tolerance = 64 * np.finfo(dtype).eps
    for n in (*range(1, 36), 63, 64, 65, 127, 130):
        x = random.normal(size=(3, n)).astype(dtype)
        np.testing.assert_allclose(tanh(x[0]), np.tanh(x[0]), rtol=tolerance)
        for found, wanted in zip(rows(x), shifted(x), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=tolerance)


@pytest.mark.parametrize("n", [5, 7, 31, 100])
def test_known_trip_counts(n):
    x = np.random.default_rng(n).normal(size=(40, n)).astype("float32")
    rows = graphc.compile(shifted)
    assert "part_start" in rows.lower(x).source
    for found, wanted in zip(rows(x), shifted(x), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp(x)", "sum(tanh(x))"])
def test_the_last_elements_are_masked(name, dtype):
    if "+avx512f" not in target.host()[1]:
        pytest.skip("masks are registers of AVX-512")
    kernel = tails.namespace(tails.source(name, dtype))["kernel"]
    text = target.assembly(llvm_text(kernel, "rows"), "rows")
    assert re.search(r"vmovup[sd]\s.*\{%k", text)
