"""Routines of LAPACK: from NumPy's own library and, with 32-bit integers, from SciPy's wrappers."""

import subprocess
import sys

import numpy as np
import pytest
from matrix_samples import MATRIX_SAMPLES
from op_checks import graph_of, same

from graphc import build as runtime
from graphc.codegen.tiles import blas
from graphc.errors import BackendError, LinAlgError
from graphc.interp import evaluate

CASES = [(name, k) for name, samples in MATRIX_SAMPLES.items() for k in range(len(samples))]


@pytest.fixture
def only_scipy(monkeypatch):
    monkeypatch.setattr(blas, "_bundled", lambda: ())
    blas.routine.cache_clear()
    yield
    blas.routine.cache_clear()


@pytest.mark.parametrize(("name", "k"), CASES)
def test_samples_by_scipy(name, k, only_scipy):
    sample = MATRIX_SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    results = zip(runtime.build(graph).run(arrays), evaluate(graph, arrays), strict=True)
    for actual, wanted in results:
        same(np.asarray(actual), wanted, sample.ulps)


def test_failures_by_scipy(only_scipy):
    solve = MATRIX_SAMPLES["solve"][0]
    arrays = [np.ones((3, 3)), np.ones((3, 2))]
    with pytest.raises(LinAlgError, match="Singular matrix"):
        runtime.build(graph_of(solve.build, arrays)).run(arrays)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_row_exchanges_by_scipy(size, only_scipy):
    """They come back as 32-bit integers here, as 64-bit ones from NumPy's library."""
    build = MATRIX_SAMPLES["slogdet"][0].build
    rng = np.random.default_rng(size)
    for _ in range(5):
        array = rng.normal(size=(size, size))
        sign, logarithm = runtime.build(graph_of(build, [array])).run([array])
        expected = np.linalg.slogdet(array)
        assert sign == expected.sign
        np.testing.assert_allclose(logarithm, expected.logabsdet, rtol=1e-12, atol=1e-12)


def test_a_routine_that_nobody_has():
    with pytest.raises(BackendError, match="has the routine dnothing"):
        blas.routine("dnothing")


def test_numpy_brings_them():
    code = (
        "import sys; from graphc.codegen.tiles.blas import routine; "
        "found = [routine(name) for name in ('dgesv', 'zheevd', 'sgesdd', 'cgelsd', 'dtrsm')]; "
        "print(all(found), 'scipy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    if not blas._bundled():
        pytest.skip("this NumPy has no library of its own")
    assert done.stdout.strip() == "True False"
