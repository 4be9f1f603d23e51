"""Every op of the registry, exported, under ONNX Runtime.

Runs where ONNX Runtime is installed (``make parity``).
"""

import numpy as np
import pytest
from op_checks import graph_of
from op_samples import NO_SAMPLE, POINTWISE, SAMPLES, pointwise

from graphc import ops
from graphc.errors import ExportError
from graphc.exporting.onnx.builder import OPSETS
from graphc.exporting.onnx.rules.refused import REASONS
from graphc.interp import evaluate
from graphc.ir import close, fresh_input, make
from graphc.ops import OPS
from graphc.types import DTYPES
from tests.onnx.models import agree, reference, tensor
from tests.parity.onnx_runtime import model_of, run, runtime, session

# Ops that ONNX Runtime has no CPU kernel for, of float64: ONNX's own evaluator stands in.
NO_KERNEL = {"convolve", "convolve_weights"}

# Ops that are exact to so many units in the last place of 1, not of small results: the runtime's
# Sigmoid is a polynomial, and the sum of a logaddexp may cancel.
TO_UNITS_OF_ONE = {"expit": 2, "logaddexp": 1}


# --- every op of the registry ---------------------------------------------------------------------


def edges(dtype):
    if dtype.kind == "f":
        plain = [0, 1, 0.5, 1.5, 2.5, 3.7, 6, 100, 1e-8, 1e-3, 0.45, 20, np.inf]
        return np.array([*plain, *(-x for x in plain), -0.0, np.nan], dtype)
    if dtype.kind == "b":
        return np.array([True, False])
    info = np.iinfo(dtype)
    found = [0, 1, 2, 3, 7, info.max, info.max - 1, info.max // 2 + 1]
    signed = [-1, -2, -7, info.min, info.min + 1] if dtype.kind == "i" else []
    return np.array([*found, *signed], dtype)


def operands(entry, dtype):
    """The edges, with each other if there are two operands."""
    row = edges(dtype)
    count = getattr(entry.function, "nin", None) or max(len(entry.domains), 1)
    if entry.domains == (None,) and not isinstance(entry.function, np.ufunc):
        count = 1
    return [a.ravel() for a in np.meshgrid(*[row] * count)]


POINTWISE_CASES = [
    (name, dtype)
    for name, entry in POINTWISE.items()
    for dtype in DTYPES
    if np.dtype(dtype).kind in entry.kinds and name not in REASONS
    if np.dtype(dtype).kind != "c"
]


@pytest.mark.parametrize(("name", "dtype"), POINTWISE_CASES)
def test_pointwise(name, dtype):
    arrays = operands(POINTWISE[name], np.dtype(dtype))
    graph = graph_of(pointwise(name), arrays)
    found = run(model_of(graph), *arrays)
    units = TO_UNITS_OF_ONE.get(name, 0)
    atol = units * np.finfo(dtype).eps if units else 0
    agree(found, evaluate(graph, arrays), rtol=3e-6 if dtype == "float32" else 2e-14, atol=atol)


REAL_SAMPLES = [
    (name, k)
    for name, samples in SAMPLES.items()
    for k, sample in enumerate(samples)
    if name not in REASONS and not any(np.iscomplexobj(array) for array in sample.arrays)
]


@pytest.mark.parametrize(("name", "k"), REAL_SAMPLES)
def test_sample(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    if any(value.dtype.kind == "c" for value in graph.outputs):
        with pytest.raises(ExportError, match="complex"):
            model_of(graph)
        return
    model = model_of(graph)
    found = (reference if name in NO_KERNEL else run)(model, *arrays)
    agree(found, evaluate(graph, arrays), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NO_KERNEL)
def test_what_has_no_kernel_has_none(name):
    sample = SAMPLES[name][0]
    model = model_of(graph_of(sample.build, sample.arrays))
    with pytest.raises(runtime.capi.onnxruntime_pybind11_state.NotImplemented):
        session(model)
    single = [array.astype(np.float32) for array in sample.arrays]
    graph = graph_of(sample.build, single)
    agree(run(model_of(graph), *single), evaluate(graph, single), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", REASONS)
def test_what_onnx_cannot_say_says_why(name):
    if name in NO_SAMPLE:
        graph = graph_of_effect(name)
    elif name in POINTWISE:
        entry = POINTWISE[name]
        dtype = np.float64 if "f" in entry.kinds else np.complex128
        graph = graph_of(pointwise(name), [np.ones(3, dtype)] * max(len(entry.domains), 1))
    else:
        sample = SAMPLES[name][0]
        graph = graph_of(sample.build, [np.asarray(array) for array in sample.arrays])
    with pytest.raises(ExportError, match=REASONS[name] + "|no complex numbers"):
        model_of(graph)


def graph_of_effect(name):
    x = fresh_input(tensor("bool"))
    token = ops.token()
    if name == "print":
        token = ops.debug_print("{}", [x], token)
    elif name == "breakpoint":
        token = ops.breakpoint_if(x, [], "here", token)
    return close([x], [x, token])


def test_no_op_is_left_out():
    own = {name for name, op in OPS.items() if not op.infer.__module__.startswith("graphc.")}
    seen = {name for name, _ in POINTWISE_CASES} | {name for name, _ in REAL_SAMPLES}
    checks = {"require", "require_division", "require_finite", "require_bounds"}
    assert seen | set(REASONS) | checks == set(OPS) - own
    assert not seen & set(REASONS)


@pytest.mark.parametrize("name", ["require", "require_division", "require_finite"])
def test_a_check_stops_the_model(name):
    x, holds = fresh_input(tensor("float64", 3)), fresh_input(tensor("bool", 3))
    graph = close([x, holds], [make(OPS[name], (x, holds), {"problem": "not so"}).out()])
    model = model_of(graph)
    assert model.graph.node[-1].doc_string.endswith("# not so")
    rows = np.arange(3.0)
    agree(run(model, rows, np.ones(3, bool)), [rows])
    with pytest.raises(Exception, match="out of data bounds"):
        run(model, rows, np.array([True, False, True]))


@pytest.mark.parametrize("build", [ops.scatter, ops.scatter_add])
def test_an_index_out_of_bounds_stops_the_model(build):
    x, v, i = (fresh_input(tensor(d, n)) for d, n in (("float64", 3), ("float64", 2), ("int64", 2)))
    written = model_of(close([x, v, i], [build(x, v, (i,), (0,))]))
    read = model_of(close([x, i], [ops.gather(x, (i,), (0,))]))
    for outside in (3, -4):
        with pytest.raises(Exception, match=r"invalid indice|out of data bounds"):
            run(written, np.zeros(3), np.ones(2), np.array([0, outside]))
        with pytest.raises(Exception, match="out of data bounds"):
            run(read, np.zeros(3), np.array([0, outside]))


SINCE = {"threefry2x32": 18, "scatter": 18, "scatter_add": 16, "scatter_reduce": 16}


@pytest.mark.parametrize("opset", [number for number in OPSETS if number != 21])
def test_every_opset_of_what_it_has(opset):
    """One sample of each op: it runs, or its refusal names the opset that it needs."""
    assert set(SINCE) <= set(SAMPLES)
    for name, k in REAL_SAMPLES:
        if k or name in NO_KERNEL:
            continue
        arrays = [np.asarray(array) for array in SAMPLES[name][0].arrays]
        graph = graph_of(SAMPLES[name][0].build, arrays)
        if opset < SINCE.get(name, OPSETS[0]):
            with pytest.raises(ExportError, match=f"from opset {SINCE[name]} on"):
                model_of(graph, opset=opset)
            continue
        model = model_of(graph, opset=opset)
        agree(run(model, *arrays), evaluate(graph, arrays), rtol=1e-12, atol=1e-14)
