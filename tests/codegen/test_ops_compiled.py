"""Every op compiled, at the edges of every dtype, against the evaluator."""

import numpy as np
import pytest
from op_checks import graph_of, same
from op_samples import POINTWISE, SAMPLES, pointwise
from test_registry import ALL_SAMPLES, DTYPES_TESTED, arity_of, operands

from graphc import build as runtime
from graphc.interp import evaluate
from graphc.ops import OPS
from graphc.simplify.algebra import simplify

# What is compared more loosely, and why.
LOOSE = {
    "digamma": 16.0,
    "power": 1e3,  # complex: parts of a result that cancel have few digits in NumPy too
    "ndtr": 8,  # float32: three roundings
    "log": 64,  # complex64: near 1, where NumPy's own last digits differ
}
UNDEFINED = {("reciprocal", "complex64"), ("reciprocal", "complex128")}  # 1 / 0 has any NaN part


def ulps(actual, wanted):
    """The largest distance in units of the last place; integers count as far apart."""
    assert actual.dtype == wanted.dtype
    assert actual.shape == wanted.shape
    if actual.dtype.kind not in "fc":
        return 0.0 if np.array_equal(actual, wanted) else np.inf
    if actual.dtype.kind == "c":
        return max(ulps(actual.real, wanted.real), ulps(actual.imag, wanted.imag))
    if actual.size == 0:
        return 0.0
    with np.errstate(all="ignore"):
        same = (actual == wanted) | (np.isnan(actual) & np.isnan(wanted))
        least = np.finfo(actual.dtype).tiny
        unit = np.spacing(np.maximum(np.abs(wanted), least))
        distance = np.where(same, 0.0, np.abs(actual - wanted) / unit)
    return float(np.max(np.where(np.isnan(distance), np.inf, distance)))


def check(graph, arrays, allowed=4.0):
    results = runtime.build(graph).run(arrays)
    for actual, wanted in zip(results, evaluate(graph, arrays), strict=True):
        if wanted is not None:
            assert ulps(np.asarray(actual), np.asarray(wanted)) <= allowed


@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_at_the_edges_of_every_dtype(name):
    for other, dtype in DTYPES_TESTED:
        kind = np.dtype(dtype).kind
        if other != name or (name == "power" and kind == "i"):
            continue
        arrays = operands(name, dtype, arity_of(POINTWISE[name]))
        if (name, np.dtype(dtype).name) in UNDEFINED:
            arrays = [array[array != 0] for array in arrays]
        if name == "power" and kind == "c":
            graph = graph_of(pointwise(name), arrays)
            results = zip(runtime.build(graph).run(arrays), evaluate(graph, arrays), strict=True)
            for actual, wanted in results:
                eps = np.finfo(actual.dtype).eps
                np.testing.assert_allclose(actual, wanted, rtol=8 * eps, atol=0)
            continue
        allowed = LOOSE.get(name, 4.0) if kind in "fc" else 0.0
        check(graph_of(pointwise(name), arrays), arrays, allowed)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES)
def test_samples(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    if OPS[name].lower is None:
        graph = simplify(graph)
    if not sample.ulps:
        check(graph, arrays, 16.0)
        return
    results = zip(runtime.build(graph).run(arrays), evaluate(graph, arrays), strict=True)
    for actual, wanted in results:
        same(np.asarray(actual), wanted, sample.ulps)


@pytest.mark.parametrize(
    "target", ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool"]
)
@pytest.mark.parametrize("source", ["float32", "float64"])
def test_casts_of_floats_in_range(source, target):
    from graphc import ops
    from graphc.types import DTYPES

    values = [0.0, -0.0, 0.9, 1.5, 100.0, 127.0]
    if target[0] != "u":
        values += [-1.0, -1.9, -100.0, -128.0]
    if target.endswith("64"):
        values += [2.0**40, 2.0**62] + ([2.0**63] if target[0] == "u" else [-(2.0**63)])
    array = np.array(values, source)
    check(graph_of(lambda x: ops.cast(x, DTYPES[target]), [array]), [array])


def test_casts_of_nan_and_infinities_give_the_least_integer():
    from graphc import ops
    from graphc.types import DTYPES

    array = np.array([np.nan, np.inf, -np.inf, 1e30])
    for target in ("int32", "int64"):
        check(graph_of(lambda x, t=target: ops.cast(x, DTYPES[t]), [array]), [array])
