"""Forward mode of every op: against finite differences, and against reverse mode."""

import numpy as np
import pytest
from op_checks import check_tangents, graph_of, random_like, type_of
from op_samples import POINTWISE, SAMPLES, Sample, pointwise
from test_registry import ALL_SAMPLES, CORE, DIFFERENTIABLE, sample_id

from graphc import ops
from graphc.errors import UnsupportedError
from graphc.interp import evaluate
from graphc.ir import Op, close, fresh_input, make
from graphc.tangent import _driver, _transposed, push_forward, tangents
from graphc.types import is_inexact


@pytest.mark.parametrize(("name", "is_complex"), DIFFERENTIABLE)
def test_pointwise_tangents(name, is_complex):
    entry = POINTWISE[name]
    rng = np.random.default_rng(3)
    arrays = [rng.uniform(*domain, size=(3, 2)) for domain in entry.domains]
    if is_complex:
        arrays = [array + 1j * rng.uniform(0.3, 0.8, size=(3, 2)) for array in arrays]
    check_tangents(pointwise(name), arrays, order=3 if name in CORE else 2)


NO_FORWARD = {"custom_vjp": "its derivative is given for reverse mode only"}


def test_what_has_no_forward_mode_says_so():
    for name in NO_FORWARD:
        sample = SAMPLES[name][0]
        graph = graph_of(sample.build, [np.asarray(array) for array in sample.arrays])
        with pytest.raises(UnsupportedError, match="forward mode"):
            push_forward(graph, sample.wrt)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_sample_tangents(name, k):
    if name in NO_FORWARD:
        return
    sample = SAMPLES[name][k]
    wrt = list(sample.wrt) if sample.wrt is not None else None
    if any(np.asarray(array).dtype.kind in "fc" for array in sample.arrays) and wrt != []:
        rtol = 1e-5 if name == "solve" else 1e-6  # differences of a steep function
        check_tangents(sample.build, sample.arrays, sample.order, wrt, rtol=rtol)


# The value of `spacing` is that of the dtype.
OF_ANY_PRECISION = [case for case in DIFFERENTIABLE if case[0] != "spacing"]


@pytest.mark.parametrize(("name", "is_complex"), OF_ANY_PRECISION)
def test_single_precision_stays_single(name, is_complex):
    entry = POINTWISE[name]
    dtype = np.complex64 if is_complex else np.float32
    arrays = [np.full(2, np.mean(domain)).astype(dtype) for domain in entry.domains]
    wide = [array.astype(np.complex128 if is_complex else np.float64) for array in arrays]
    single = push_forward(graph_of(pointwise(name), arrays), range(len(arrays)))
    double = push_forward(graph_of(pointwise(name), wide), range(len(wide)))
    found = evaluate(single, [*arrays, *arrays])
    for actual, expected in zip(found, evaluate(double, [*wide, *wide]), strict=True):
        if actual.dtype.kind in "fc":
            assert actual.dtype.itemsize * 2 == expected.dtype.itemsize
        np.testing.assert_allclose(actual, expected, rtol=2e-4, atol=2e-5)


TIES = {
    "maximum": (ops.maximum, [np.array([1.0, 2, 0]), np.array([1.0, 1, 3])], [1.5, 1, 2]),
    "minimum": (ops.minimum, [np.array([1.0, 2, 0]), np.array([1.0, 1, 3])], [1.5, 2, 1]),
    "max": (lambda x: ops.max_(x, (0,)), [np.array([3.0, 1, 3])], 1.0),
    "absolute": (ops.absolute, [np.array([0.0, -2, 3])], [0, -1, 1]),
    "prod": (lambda x: ops.prod(x, (0,)), [np.array([2.0, 0, 5])], 10.0),
    "power": (ops.power, [np.array([0.0, 0]), np.array([1.0, 2])], [1, 0]),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_and_edges_are_those_of_reverse_mode(name):
    build, arrays, expected = TIES[name]
    graph = push_forward(graph_of(build, arrays), range(len(arrays)))
    ones = [np.full(a.shape, 1.0 + k) for k, a in enumerate(arrays)]
    found = evaluate(graph, [*arrays, *ones])[-1]
    np.testing.assert_array_equal(found, expected)


def test_a_zero_tangent_meets_no_nan():
    x = np.array([0.0, 4.0])
    graph = push_forward(graph_of(ops.sqrt, [x]), [0])
    np.testing.assert_array_equal(evaluate(graph, [x, np.array([0.0, 1.0])])[1], [0.0, 0.25])


def test_no_dependence_is_none():
    x, y = (fresh_input(type_of(np.zeros(3))) for _ in range(2))
    assert tangents([ops.sin(x), ops.argmax(y, (0,))], [y], [y]) == [None, None]


def test_an_op_without_a_rule_names_itself():
    mystery = Op("mystery", lambda types, attrs, regions: types, lambda d, n, arrays: tuple(arrays))
    x = fresh_input(type_of(np.zeros(3)))
    with pytest.raises(UnsupportedError, match="mystery has no derivative"):
        tangents([make(mystery, (x,)).out()], [x], [x])


def test_a_chain_of_5_000_is_walked_once():
    x = fresh_input(type_of(np.zeros(())))
    value = x
    for _ in range(5_000):
        value = ops.multiply(ops.sin(value), value)
    graph = push_forward(close([x], [value]), [0])
    assert len(graph.nodes) < 60_000


def test_the_tangent_of_a_scan_stores_no_steps():
    sample = SAMPLES["scan"][0]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = push_forward(graph_of(sample.build, arrays), [0, 2, 3])
    loops = [node for node in graph.nodes if node.op.name == "scan"]
    joint = max(loops, key=lambda node: len(node.types))
    assert joint["n_carry"] == 3
    assert len(joint.types) == 3 + 2


def test_every_sample_agrees_with_the_transpose_of_its_rule():
    """Explicit rules, too, are what the default would make of `vjp`."""
    explicit = {name for name, op in ops.OPS.items() if op.jvp is not None and not op.regions}
    explicit -= {"closed_over"}
    assert {"select", "concatenate", "update", "scatter", "scatter_add"} <= explicit
    rng = np.random.default_rng(0)
    for name in sorted(explicit):
        for sample in SAMPLES.get(name, ()):
            _compare(name, sample, rng)


def _compare(name: str, sample: Sample, rng):
    arrays = [np.asarray(array) for array in sample.arrays]
    inputs = [fresh_input(type_of(array)) for array in arrays]
    build = sample.build(*inputs)
    outputs = build if isinstance(build, tuple) else (build,)
    node = outputs[0].node
    assert node.op.name == name
    seeds = [
        ops.constant(random_like(rng, value.tensor)) if is_inexact(value.dtype) else None
        for value in node.inputs
    ]
    direct = tangents(outputs, inputs, seeds)
    default = _transposed(_driver(), node, tuple(seeds))
    graph = close(inputs, [*direct, *default])
    found = evaluate(graph, arrays)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-14)
