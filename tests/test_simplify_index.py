"""Writes by index that become comparisons: which do, and that they give the same."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.errors import OutOfBoundsError
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.simplify.algebra import simplify
from graphc.types import DTYPES, Dim, TensorType
from graphc.verify import verify

N = Dim.symbol("n")
INT64 = DTYPES["int64"]


def tensor(shape, dtype="float64"):
    return fresh_input(TensorType(DTYPES[dtype], shape))


def zeros(*shape, number=0.0):
    return ops.full(TensorType(DTYPES["float64"], shape), number)


def along(shape, axis):
    """The positions along `axis`, in `shape`."""
    lengths = tuple(size if k == axis else 1 for k, size in enumerate(shape))
    return ops.broadcast_to(ops.reshape(ops.iota(shape[axis]), lengths), shape)


LABELS, PAIRS = tensor((5,), "int64"), tensor((5, 3), "int64")
ANY_SIZE = tensor((N,), "int64")
NUMBER = tensor((), "int64")

CASES = {
    "label of each row": (zeros(5, 7), tensor((5,)), [ops.iota(5), LABELS], (0, 1)),
    "label of each column": (zeros(7, 5), tensor((5,)), [LABELS, ops.iota(5)], (0, 1)),
    "axes in another order": (zeros(5, 7), tensor((5,)), [LABELS, ops.iota(5)], (1, 0)),
    "rows of symbolic number": (zeros(N, 7), tensor((N,)), [ops.iota(N), ANY_SIZE], (0, 1)),
    "one place": (zeros(9), tensor(()), [NUMBER], (0,)),
    "one row": (zeros(9, 4), tensor((4,)), [NUMBER], (0,)),
    "a rest in the middle": (zeros(5, 4, 7), tensor((5, 4)), [ops.iota(5), LABELS], (0, 2)),
    "a diagonal": (zeros(5, 5), tensor((5,)), [ops.iota(5), ops.iota(5)], (0, 1)),
    "along an axis": (
        zeros(5, 7, 3),
        tensor((5, 3)),
        [along((5, 3), 0), PAIRS, along((5, 3), 1)],
        (0, 1, 2),
    ),
    "axes exchanged": (
        zeros(3, 5, 7, number=2.5),
        tensor((5, 3)),
        [along((5, 3), 1), along((5, 3), 0), PAIRS],
        (0, 1, 2),
    ),
}


def built(name, write):
    base, values, indices, axes = CASES[name]
    return closed(write(base, values, indices, axes))


def closed(value):
    inputs = [operand for operand in value.node.inputs if operand.node.op.name == "input"]
    return verify(close(list(dict.fromkeys(inputs)), [value]))


def names(graph):
    return {node.op.name for node in graph.nodes}


@pytest.mark.parametrize("write", [ops.scatter, ops.scatter_add])
@pytest.mark.parametrize("name", CASES)
def test_one_write_a_row_is_a_selection(name, write):
    graph = built(name, write)
    simple = verify(simplify(graph))
    assert "select" in names(simple)
    assert not names(simple) & {"scatter", "scatter_add"}
    generator = np.random.default_rng(4)
    sizes = {"n": 6}
    arrays = []
    for value in graph.inputs:
        shape = tuple(6 if size == N else size for size in value.shape)
        integers = generator.integers(-5, 5, shape)
        arrays.append(integers if value.dtype == INT64 else generator.standard_normal(shape))
    (expected,) = evaluate(graph, arrays, sizes)
    (actual,) = runtime.build(simple).run(arrays, sizes)
    np.testing.assert_array_equal(actual, expected)


STAY = {
    "a base that is no constant": (tensor((5, 7)), tensor((5,)), [ops.iota(5), LABELS], (0, 1)),
    "indices that may repeat": (zeros(7), tensor((5,)), [LABELS], (0,)),
    "two free axes": (zeros(5, 7), tensor((5,)), [LABELS, LABELS], (0, 1)),
    "some of the rows": (zeros(6, 7), tensor((5,)), [ops.iota(5), LABELS], (0, 1)),
}


@pytest.mark.parametrize("name", STAY)
def test_other_writes_stay(name):
    assert "scatter_add" in names(simplify(closed(ops.scatter_add(*STAY[name]))))


def _picked(x, labels):
    x = x - x.max(axis=1, keepdims=True)
    return np.mean(x[np.arange(len(labels)), labels])


@pytest.mark.parametrize("label", [7, -8])
def test_a_label_out_of_bounds_is_refused_and_nothing_is_written(label):
    @graphc.compile
    def update(x, labels):
        loss, gradient = graphc.value_and_grad(_picked)(x, labels)
        x -= gradient
        return loss

    x = np.random.default_rng(0).standard_normal((300, 7))
    before, labels = x.copy(), np.zeros(300, np.int64)
    labels[123] = label
    with pytest.raises(OutOfBoundsError, match="7"):
        update(x, labels)
    np.testing.assert_array_equal(x, before)
    labels[123] = -7
    update(x, labels)
    assert (x != before).any()


def test_cross_entropy_with_its_gradient_takes_at_most_two_kernels():
    def cross_entropy(logits, labels):
        logits = logits - logits.max(axis=1, keepdims=True)
        log_sums = np.log(np.exp(logits).sum(axis=1))
        return np.mean(log_sums - logits[np.arange(len(labels)), labels])

    step = graphc.compile(lambda *args: graphc.value_and_grad(cross_entropy)(*args))
    logits = np.random.default_rng(1).standard_normal((64, 10))
    labels = np.random.default_rng(2).integers(0, 10, 64)
    _, gradient = step(logits, labels)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = exponentials / exponentials.sum(axis=1, keepdims=True)
    expected[np.arange(64), labels] -= 1
    np.testing.assert_allclose(gradient, expected / 64, atol=1e-15)
    assert len(step.explain(logits, labels).kernels) <= 2
