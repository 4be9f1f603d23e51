"""Every op mapped over examples against a Python loop: all mixes of mapped operands, and nested."""

import itertools

import numpy as np
import pytest
from op_checks import as_tuple, type_of
from op_samples import POINTWISE, SAMPLES, pointwise
from test_registry import ALL_SAMPLES, DTYPES_OF, arity_of, sample_id

from graphc.batch import batch, batched
from graphc.errors import UnsupportedError
from graphc.interp import evaluate
from graphc.ir import INPUT, PARAMETER, Op, close, fresh_input, make
from graphc.ops import OPS
from graphc.verify import verify

EXAMPLES = 3
NO_RULE = {
    "constant": "it has no operands",
    "iota": "it has no operands",
    "size": "it has no operands",
    "token": "it has no operands",
}


def test_every_op_has_a_batch_rule_or_a_reason():
    without = {n for n, op in OPS.items() if op.batch is None and op not in (INPUT, PARAMETER)}
    assert without == set(NO_RULE)


SCALED = {"cholesky", "search"}
"""Ops of matrices or rows of a kind that a permutation of the elements does not keep."""


def check_mapped(build, arrays, scaled=False):
    """`build` mapped over copies of `arrays` that differ, for all mixes of mapped operands."""
    rng = np.random.default_rng(5)
    arrays = [np.asarray(array) for array in arrays]
    copies = [stacked(array, rng, scaled) for array in arrays]
    inputs = [fresh_input(type_of(array)) for array in arrays]
    graph = close(inputs, as_tuple(build(*inputs)))
    for mapped in itertools.product([False, True], repeat=len(arrays)):
        given = [
            many if flag else one for one, many, flag in zip(arrays, copies, mapped, strict=True)
        ]
        many, flags = batch(graph, mapped, EXAMPLES)
        assert any(flags) <= any(mapped)
        results = evaluate(verify(many), given)
        for k in range(EXAMPLES):
            rows = [array[k] if flag else array for array, flag in zip(given, mapped, strict=True)]
            expected = evaluate(graph, rows)
            for result, flag, wanted in zip(results, flags, expected, strict=True):
                equal(result[k] if flag else result, wanted)


def stacked(array, rng, scaled=False):
    """`EXAMPLES` arrays like `array`: its elements in another order, or multiples of it.

    So operands stay of their kind: indices valid, matrices positive definite.
    """
    if scaled:
        return np.stack([array * (number + 1) for number in range(EXAMPLES)])
    flat = [rng.permutation(array.reshape(-1)) for _ in range(EXAMPLES)]
    return np.stack(flat).reshape(EXAMPLES, *array.shape)


def equal(actual, expected):
    actual = np.asarray(actual)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if actual.dtype.kind in "fc":
        np.testing.assert_allclose(actual, expected, rtol=1e-13, atol=1e-14)
    else:
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("shape", [(), (2,), (0,), (2, 1, 3)])
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_ops_mapped(name, shape):
    entry = POINTWISE[name]
    rng = np.random.default_rng(1)
    kind = next(kind for kind in "fciub" if kind in entry.kinds)
    dtype = DTYPES_OF[kind][-1]
    arrays = [(1 + 4 * rng.random(shape)).astype(dtype) for _ in range(arity_of(entry))]
    with np.errstate(all="ignore"):
        check_mapped(pointwise(name), arrays)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_samples_mapped(name, k):
    sample = SAMPLES[name][k]
    check_mapped(sample.build, sample.arrays, name in SCALED)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_samples_mapped_twice(name, k):
    """Two levels of examples, mapped over each operand in turn by the outer and the inner."""
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    if not arrays:
        return
    rng = np.random.default_rng(6)
    inputs = [fresh_input(type_of(array)) for array in arrays]
    graph = close(inputs, as_tuple(sample.build(*inputs)))
    for outer, inner in itertools.product(range(len(arrays)), repeat=2):
        once = [k == inner for k in range(len(arrays))]
        twice = [k == outer for k in range(len(arrays))]
        first, flags = batch(graph, once, EXAMPLES, [True] * len(graph.outputs))
        both, outer_flags = batch(first, twice, EXAMPLES, flags)
        scaled = name in SCALED
        given = [stacked(a, rng, scaled) if k == inner else a for k, a in enumerate(arrays)]
        given[outer] = stacked(given[outer], rng, scaled)
        results = evaluate(verify(both), given)
        for i, j in itertools.product(range(EXAMPLES), repeat=2):
            rows = [array[i] if k == outer else array for k, array in enumerate(given)]
            rows = [array[j] if k == inner else array for k, array in enumerate(rows)]
            for result, flag, wanted in zip(
                results, outer_flags, evaluate(graph, rows), strict=True
            ):
                assert flag
                equal(result[i, j], wanted)


@pytest.mark.parametrize("size", [0, 1])
def test_no_examples_and_one(size):
    x = fresh_input(type_of(np.zeros((2, 3))))
    graph = close([x], [OPS_BUILD(x)])
    many, _ = batch(graph, [True], size)
    xs = np.arange(6.0 * size).reshape(size, 2, 3)
    (found,) = evaluate(many, [xs])
    assert found.shape == (size, 2)
    np.testing.assert_allclose(found, np.sin(xs).sum(axis=2))


def OPS_BUILD(x):
    return make(OPS["sum"], (make(OPS["sin"], (x,)).out(),), {"axes": (1,)}).out()


def test_prints_come_once_for_each_example(capsys):
    x = fresh_input(type_of(np.zeros(2)))
    token = make(OPS["token"]).out()
    printed = make(OPS["print"], (x, token), {"format": "x {}"}).out()
    graph = close([x], [printed])
    many, flags = batch(graph, [True], 2)
    assert flags == [False]
    evaluate(verify(many), [np.array([[1.0, 2], [3, 4]])])
    assert capsys.readouterr().out == "x [1. 2.]\nx [3. 4.]\n"


def test_a_carry_that_all_examples_share_stays_shared():
    sample = SAMPLES["scan"][0]
    arrays = [np.asarray(array) for array in sample.arrays]
    inputs = [fresh_input(type_of(array)) for array in arrays]
    graph = close(inputs, sample.build(*inputs))
    _, flags = batch(graph, [True, False, False, False], EXAMPLES)
    assert flags == [True, False, True]


def test_an_op_without_a_rule_names_itself():
    mystery = Op("mystery", lambda types, attrs, regions: types, lambda d, n, arrays: tuple(arrays))
    x, xs = fresh_input(type_of(np.zeros(2))), fresh_input(type_of(np.zeros((3, 2))))
    with pytest.raises(UnsupportedError, match="mystery can't be mapped"):
        batched([make(mystery, (x,)).out()], {x: xs}, 3)
