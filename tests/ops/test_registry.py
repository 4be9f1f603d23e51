"""Every op of the registry, against NumPy, finite differences and its own scalar expressions."""

import itertools

import numpy as np
import pytest
from op_checks import check_derivatives, expression_value, graph_of, run, same
from op_samples import NO_SAMPLE, POINTWISE, SAMPLES, pointwise

from graphc.exporting.container import from_json, to_json
from graphc.interp import evaluate
from graphc.ir import INPUT, PARAMETER
from graphc.loops import Const, Element, Elementwise, IndexMap, Load
from graphc.ops import OPS
from graphc.simplify.algebra import simplify

CORE = ("add", "multiply", "divide", "exp", "log", "power", "tanh", "sqrt", "maximum", "hypot")
DTYPES_OF = {
    "b": [np.bool_],
    "i": [np.int8, np.int32, np.int64],
    "u": [np.uint8, np.uint64],
    "f": [np.float32, np.float64],
    "c": [np.complex64, np.complex128],
}
ALL_SAMPLES = [(name, k) for name, samples in SAMPLES.items() for k in range(len(samples))]
DTYPES_TESTED = [
    (name, dtype)
    for name, entry in POINTWISE.items()
    for kind in entry.kinds
    for dtype in DTYPES_OF[kind]
]
ZERO_OF_EITHER_SIGN = {
    "masked_multiply",
    "absorbing_multiply",
    "maximum",
    "minimum",
    "fmax",
    "fmin",
}
POSITIVE_OPERANDS = {"left_shift", "right_shift"}


def test_every_op_has_a_sample():
    sampled = {*POINTWISE, *SAMPLES, *NO_SAMPLE}
    assert {name for name in OPS if OPS[name] not in (INPUT, PARAMETER)} == sampled


def test_what_has_no_sample_has_a_reason():
    assert all(len(reason) > 10 for reason in NO_SAMPLE.values())
    assert not set(NO_SAMPLE) & {*POINTWISE, *SAMPLES}


def edges(dtype):
    """Values of `dtype` where functions go wrong."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([0, 1, 2, 3, 7, 12, info.max, info.max - 1, info.min], dtype)
    special = [0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, 2.5, -3.0, 40.0, np.inf, -np.inf, np.nan]
    info = np.finfo(dtype)
    special += [0.2, 0.3, 0.62, 0.65, 0.7, -40.0, 1e-3, float(info.eps), float(info.tiny)]
    values = np.array(special)
    if dtype.kind == "c":
        finite = np.array([1, -2, 0.5, -0.25])
        values = np.array([a + 1j * b for a, b in itertools.product(finite, finite)] + [0, 2, 1j])
    return values.astype(dtype)


def operands(name, dtype, arity):
    values = edges(dtype)
    grid = np.meshgrid(*[values] * arity, indexing="ij")
    arrays = [part.ravel() for part in grid]
    if name in POSITIVE_OPERANDS:
        arrays[1] = arrays[1] % np.array(np.dtype(dtype).itemsize * 8, dtype)
    return arrays


def arity_of(entry):
    return entry.function.nin if isinstance(entry.function, np.ufunc) else len(entry.domains)


@pytest.mark.parametrize(("name", "dtype"), DTYPES_TESTED)
def test_pointwise_gives_what_numpy_gives(name, dtype):
    entry = POINTWISE[name]
    arrays = operands(name, dtype, arity_of(entry))
    with np.errstate(all="ignore"):
        expected = entry.function(*arrays)
    results = run(pointwise(name), *arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for actual, wanted in zip(results, expected, strict=True):
        same(actual, wanted)


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 0, 2), (3, 5)])
@pytest.mark.parametrize("name", POINTWISE)
def test_pointwise_keeps_every_shape(name, shape):
    entry = POINTWISE[name]
    kind = next(kind for kind in "fciub" if kind in entry.kinds)
    dtype = DTYPES_OF[kind][-1]
    arrays = [np.full(shape, 3, dtype) for _ in range(arity_of(entry))]
    with np.errstate(all="ignore"):
        expected = entry.function(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    for actual, wanted in zip(run(pointwise(name), *arrays), expected, strict=True):
        same(actual, wanted)


@pytest.mark.parametrize(("name", "dtype"), DTYPES_TESTED)
def test_the_scalar_expression_means_the_same(name, dtype):
    entry = POINTWISE[name]
    arrays = operands(name, dtype, arity_of(entry))
    graph = graph_of(pointwise(name), arrays)
    node = graph.outputs[0].node
    loads = tuple(Load(k, None, array.dtype) for k, array in enumerate(arrays))
    expected = evaluate(graph, arrays)
    for value, expression, wanted in zip(
        node.outputs, node.op.lower.expressions, expected, strict=True
    ):
        with np.errstate(all="ignore"):
            actual = expression_value(expression(node, loads), arrays)
        actual = np.broadcast_to(actual, wanted.shape)
        assert actual.dtype == value.dtype
        if actual.dtype.kind in "fc":
            tolerance = 8 * np.finfo(actual.dtype).eps
            np.testing.assert_allclose(actual, wanted, rtol=tolerance, atol=0)
            if actual.dtype.kind == "f" and name not in ZERO_OF_EITHER_SIGN:
                zero = wanted == 0
                np.testing.assert_array_equal(np.signbit(actual[zero]), np.signbit(wanted[zero]))
        else:
            np.testing.assert_array_equal(actual, wanted)


DIFFERENTIABLE = [
    (name, "c" in kind)
    for name, entry in POINTWISE.items()
    if entry.domains != (None,)
    for kind in entry.kinds
    if kind in "fc"
]


@pytest.mark.parametrize(("name", "is_complex"), DIFFERENTIABLE)
def test_pointwise_derivatives(name, is_complex):
    entry = POINTWISE[name]
    rng = np.random.default_rng(3)
    arrays = [rng.uniform(*domain, size=(3, 2)) for domain in entry.domains]
    if is_complex:
        arrays = [array + 1j * rng.uniform(0.3, 0.8, size=(3, 2)) for array in arrays]
    check_derivatives(pointwise(name), arrays, order=3 if name in CORE else 2)


def sample_id(value):
    return value if isinstance(value, str) else str(value)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_samples_give_what_numpy_gives(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    expected = sample.expected(*arrays)
    expected = expected if isinstance(expected, tuple) else (expected,)
    results = run(sample.build, *arrays)
    for actual, wanted in zip(results, expected, strict=True):
        same(actual, wanted, sample.ulps)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_sample_derivatives(name, k):
    sample = SAMPLES[name][k]
    wrt = list(sample.wrt) if sample.wrt is not None else None
    if any(np.asarray(array).dtype.kind in "fc" for array in sample.arrays) and wrt != []:
        check_derivatives(sample.build, sample.arrays, sample.order, wrt)


@pytest.mark.parametrize(("name", "k"), ALL_SAMPLES, ids=sample_id)
def test_samples_survive_files_and_simplification(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    back = from_json(to_json(graph))
    assert back == graph
    assert all(a.node is b.node for a, b in zip(back.outputs, graph.outputs, strict=True))
    results = zip(evaluate(simplify(graph), arrays), evaluate(graph, arrays), strict=True)
    for simpler, plain in results:
        if name == "matmul" and plain.dtype.kind == "f":
            # A product of one row or column becomes a sum, whose order is another.
            np.testing.assert_allclose(simpler, plain, rtol=4 * np.finfo(plain.dtype).eps)
            continue
        same(simpler, plain, sample.ulps)


PLACED = [
    (name, k)
    for name, k in ALL_SAMPLES
    if isinstance(OPS[name].lower, IndexMap | Element) and name != "constant"
]


@pytest.mark.parametrize(("name", "k"), PLACED, ids=sample_id)
def test_each_element_is_read_from_its_place(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    (expected,) = evaluate(graph, arrays)
    node = graph.outputs[0].node
    if not node.inputs or not isinstance(node.op.lower, IndexMap | Element):
        return
    for index in np.ndindex(expected.shape):
        if isinstance(node.op.lower, IndexMap):
            found = arrays[0][node.op.lower.source(node, index)]
        else:
            element = node.op.lower.expression(
                node, index, lambda k, place: Load(k, place, arrays[k].dtype)
            )
            found = expression_value(element, arrays)
        assert found == expected[index]


def test_small_constants_are_inlined():
    graph = graph_of(lambda: SAMPLES["constant"][2].build(), ())
    node = graph.outputs[0].node
    assert node.op.lower.expression(node, (), None) == Const(2.0, np.dtype("float32"))


def test_ops_lower_in_a_known_way():
    without = {name for name, op in OPS.items() if op.lower is None}
    assert without == {"token", "checkpoint", "custom_vjp"}  # gone once a graph is simplified
    assert all(isinstance(OPS[name].lower, Elementwise) for name in POINTWISE)


UFUNC_NAMES = {
    name: ufunc.__name__ for name, ufunc in vars(np).items() if isinstance(ufunc, np.ufunc)
}
OTHER_NAMES = {
    "degrees": "rad2deg by another name",
    "radians": "deg2rad by another name",
    "fabs": "absolute, of floats",
    "float_power": "power, in float64 or complex128",
    "positive": "the operand itself",
    "isnat": "dates, which graphc has no dtype for",
    "matvec": "matmul with an axis added",
    "vecmat": "matmul with an axis added",
    "vecdot": "a product and a sum",
}


@pytest.mark.parametrize("name", sorted(set(UFUNC_NAMES.values())))
def test_every_numpy_ufunc_has_an_op(name):
    assert (name in OPS) != (name in OTHER_NAMES)


def test_dtype_and_shape_mistakes_are_refused():
    x, y = np.zeros(3), np.zeros(4)
    with pytest.raises(ValueError, match="shapes"):
        run(pointwise("add"), x, y)
    with pytest.raises(TypeError, match="does not take"):
        run(pointwise("add"), x, x.astype(np.float32))
    with pytest.raises(TypeError, match="does not take"):
        run(pointwise("gcd"), x, x)
    with pytest.raises(ValueError, match="operands"):
        run(pointwise("sin"), x, x)
