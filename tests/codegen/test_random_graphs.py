"""Random graphs give the same compiled and evaluated, whatever was fused or done in place."""

import numpy as np
import pytest

from graphc import build as runtime
from graphc.interp import evaluate
from graphc.types import Dim
from graphc.verify import verify

from .random_graphs import Maker, arrays_for


def check(graph, executable, arrays, sizes):
    expected = evaluate(graph, [array.copy() for array in arrays], sizes)
    given = [array.copy() for array in arrays]
    results = executable.run(given, sizes)
    for result, wanted, target in zip(results, expected, graph.written, strict=True):
        assert result.dtype == wanted.dtype
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-9)
        if target is not None:
            assert result is given[target]
    kept = set(range(len(arrays))) - {target for target in graph.written if target is not None}
    for k in kept:
        np.testing.assert_array_equal(given[k], arrays[k])


@pytest.mark.parametrize("seed", range(40))
def test_static_sizes(seed):
    graph = verify(Maker(seed, (3, 4, 5), exact=False).graph(12))
    executable = runtime.build(graph)
    check(graph, executable, arrays_for(graph, np.random.default_rng(seed), {}), {})


@pytest.mark.parametrize("seed", range(100, 125))
def test_symbolic_sizes(seed):
    dims = (Dim.symbol("n"), 3, Dim.symbol("m"))
    graph = verify(Maker(seed, dims, exact=False).graph(9))
    executable = runtime.build(graph)
    for sizes in ({"n": 4, "m": 2}, {"n": 2, "m": 7}, {"n": 5, "m": 300}):
        check(graph, executable, arrays_for(graph, np.random.default_rng(seed), sizes), sizes)
