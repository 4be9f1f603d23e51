"""Random graphs: forward against reverse mode, mapped against a loop, evaluated and compiled."""

import numpy as np
import pytest

from graphc import build as runtime
from graphc.adjoint import differentiate
from graphc.batch import batch
from graphc.interp import evaluate
from graphc.ir import Graph
from graphc.simplify.algebra import simplify
from graphc.tangent import push_forward
from graphc.types import is_inexact
from graphc.verify import verify

from ..codegen.random_graphs import Maker, arrays_for

EXAMPLES = 3


def drawn(seed):
    """A random graph without writes, and arrays for it."""
    graph = Maker(seed, (3, 4, 5), exact=False).graph(12)
    graph = verify(Graph(graph.inputs, graph.outputs))
    return graph, arrays_for(graph, np.random.default_rng(seed), {})


def close_to(actual, expected):
    np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(300, 360))
def test_forward_is_reverse_transposed(seed):
    graph, arrays = drawn(seed)
    rng = np.random.default_rng(seed)
    wrt = [k for k, value in enumerate(graph.inputs) if is_inexact(value.dtype)]
    outputs = [value for value in graph.outputs if is_inexact(value.dtype)]
    directions = [rng.normal(size=graph.inputs[k].shape) for k in wrt]
    weights = [rng.normal(size=value.shape) for value in outputs]
    pushed = verify(push_forward(graph, wrt))
    found = evaluate(pushed, [*arrays, *directions])
    tangents = found[len(graph.outputs) :]
    pulled = evaluate(verify(differentiate(graph, wrt)), [*arrays, *weights])
    forward = sum((w * t).sum() for w, t in zip(weights, tangents, strict=True))
    reverse = sum((g * d).sum() for g, d in zip(pulled, directions, strict=True))
    close_to(forward, reverse)
    if seed % 3 == 0:
        compiled = runtime.build(simplify(pushed)).run([*arrays, *directions])
        for actual, expected in zip(compiled, found, strict=True):
            close_to(actual, expected)


@pytest.mark.parametrize("seed", range(400, 460))
def test_mapped_is_a_loop(seed):
    graph, arrays = drawn(seed)
    rng = np.random.default_rng(seed)
    mapped = [bool(flag) for flag in rng.integers(0, 2, len(arrays))]
    given = [
        np.stack([rng.permutation(a.reshape(-1)).reshape(a.shape) for _ in range(EXAMPLES)])
        if flag
        else a
        for a, flag in zip(arrays, mapped, strict=True)
    ]
    many, flags = batch(graph, mapped, EXAMPLES)
    runs = [evaluate(verify(many), given)]
    if seed % 3 == 0:
        runs.append(runtime.build(simplify(many)).run([a.copy() for a in given]))
    for k in range(EXAMPLES):
        rows = [a[k] if flag else a for a, flag in zip(given, mapped, strict=True)]
        for run in runs:
            for actual, flag, expected in zip(run, flags, evaluate(graph, rows), strict=True):
                close_to(actual[k] if flag else actual, expected)
