"""Graphs as ONNX models: their form, names and files, by ONNX's own checker and evaluator."""

import sys
from importlib import metadata

import numpy as np
import onnx
import pytest

import graphc
from graphc import nn, ops
from graphc.errors import BackendError, ExportError
from graphc.exporting.onnx import onnx_model, write_onnx
from graphc.exporting.onnx.builder import OPSETS
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.types import Dim
from tests.onnx.models import agree, checked, kinds, lowered, ports, reference, tensor

RNG = np.random.default_rng(7)
X = RNG.normal(size=(5, 4)).astype(np.float32)
W = RNG.normal(size=(4, 3)).astype(np.float32)
BATCH = graphc.spec(("batch", 4), np.float32)


def layer(x, w):
    return np.maximum(x @ w, 0)


# --- the form of a model --------------------------------------------------------------------------


def test_weights_are_initialisers_and_sizes_are_named():
    model = checked(lowered(layer, BATCH, W), constants={1: W})
    assert ports(model.graph.input) == [("x", ("batch", 4))]
    assert ports(model.graph.output) == [("y0", ("batch", 3))]
    assert [item.name for item in model.graph.initializer] == ["w"]
    np.testing.assert_array_equal(onnx.numpy_helper.to_array(model.graph.initializer[0]), W)
    agree(reference(model, X), [layer(X, W)], rtol=1e-6)
    agree(reference(model, X[:2]), [layer(X[:2], W)], rtol=1e-6)


def test_the_model_says_what_made_it_and_each_node_the_users_line():
    model = checked(lowered(layer, X, W), name="layer")
    assert (model.producer_name, model.producer_version) == ("graphc", metadata.version("graphc"))
    assert model.graph.name == "layer"
    assert [entry.version for entry in model.opset_import] == [21]
    for node in model.graph.node:
        assert node.doc_string.startswith("test_export.py:")
        assert node.doc_string.endswith("return np.maximum(x @ w, 0)")
        assert "/" not in node.doc_string.split(":")[0]


def test_nodes_are_named_after_what_they_come_from():
    model = checked(lowered(lambda x: np.sin(np.cos(x)), X))
    assert [(node.name, list(node.output)) for node in model.graph.node] == [
        ("cos", ["cos"]),
        ("y0", ["y0"]),
    ]


def test_names_are_readable_and_told_apart():
    graph = lowered(lambda x, y: (x + y, x - y), X, X + 1)
    model = checked(graph, inputs=["model.conv 1/weight", "sin"], outputs=["y:0", "y:0"])
    assert [port.name for port in model.graph.input] == ["model.conv_1_weight", "sin"]
    assert [port.name for port in model.graph.output] == ["y_0", "y_0_1"]
    names = [name for node in model.graph.node for name in node.output]
    assert len(set(names)) == len(names)


def test_one_output_twice_and_an_input_as_output():
    x = fresh_input(tensor("float32", 5, 4))
    graph = close([x], [x, x, ops.sin(x), ops.sin(x)])
    agree(reference(checked(graph, inputs=["x"]), X), [X, X, np.sin(X), np.sin(X)], rtol=1e-6)


def test_what_is_written_to_an_argument_is_a_further_output():
    def step(x, state):
        state += x.sum(axis=0)
        return state * 2

    model = checked(lowered(step, X, W[:, 0]), outputs=["doubled"])
    assert {port.name for port in model.graph.output} == {"state_out", "doubled"}
    found = dict(
        zip([p.name for p in model.graph.output], reference(model, X, W[:, 0]), strict=True)
    )
    np.testing.assert_allclose(found["state_out"], W[:, 0] + X.sum(axis=0), rtol=1e-6)
    np.testing.assert_allclose(found["doubled"], 2 * found["state_out"])


def test_equal_computations_and_constants_are_one():
    x = fresh_input(tensor("float64", 3))
    graph = close([x], [ops.cbrt(x), ops.hypot(x, x)])
    model = checked(graph, inputs=["x"])
    assert kinds(model).count("Abs") == 1
    values = [onnx.numpy_helper.to_array(item).tobytes() for item in model.graph.initializer]
    assert len(set(values)) == len(values)


def test_no_node_is_left_that_nothing_reads():
    graph = lowered(lambda x, w: graphc.nn.softmax(x @ w), X, W)
    assert kinds(checked(graph)) == ["MatMul", "Softmax"]


@pytest.mark.parametrize("opset", OPSETS)
def test_every_opset(opset):
    def predict(x, w):
        h = nn.softmax(layer(x, w))
        return h.max(axis=0), h.sum(axis=1), np.argsort(h), nn.log_softmax(x[:, ::-1].reshape(-1))

    model = checked(lowered(predict, BATCH, W), constants={1: W}, opset=opset)
    assert model.opset_import[0].version == opset
    agree(reference(model, X), predict(X, W), rtol=1e-5)


# --- patterns that ONNX says better ---------------------------------------------------------------


def test_a_convolution_of_a_network_is_conv_alone():
    layers = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False), nn.ReLU())
    x = RNG.normal(size=(2, 4, 5, 5)).astype(np.float32)
    model = checked(lowered(lambda m, x: m(x), layers, x))
    assert kinds(model) == ["Conv", "Relu"]
    (convolution, _) = model.graph.node
    attributes = {a.name: onnx.helper.get_attribute_value(a) for a in convolution.attribute}
    assert attributes == {
        "group": 2,
        "pads": [1, 1, 1, 1],
        "strides": [1, 1],
        "dilations": [1, 1],
        "kernel_shape": [3, 3],
    }
    agree(reference(model, x, layers[0].weight), [layers(x)], rtol=1e-4, atol=1e-6)


def test_a_layer_is_matmul_and_add_without_expand():
    linear = nn.Linear(4, 3)
    graph = lowered(lambda m, x: m(x), linear, BATCH)
    assert kinds(checked(graph)) == ["Transpose", "MatMul", "Add"]


def test_the_windows_of_a_pooling_are_joined_by_max():
    x = RNG.normal(size=(2, 3, 8, 8)).astype(np.float32)
    x[0, 0, 3, 3] = np.nan
    model = checked(lowered(lambda x: nn.max_pool2d(x, 2), x))
    assert kinds(model) == ["Slice", "Slice", "Max", "Slice", "Slice", "Max"]
    agree(reference(model, x), [nn.max_pool2d(x, 2)])


def test_what_only_looks_like_max_is_none():
    graph = lowered(lambda x, y: np.where((x > y) | np.isnan(y), x, y), X, X[::-1].copy())
    assert "Max" not in kinds(checked(graph))


def test_softmax_over_any_axis():
    for axis in (0, 1, -1):
        graph = lowered(lambda x, axis=axis: nn.softmax(x, axis), X)
        assert kinds(checked(graph)) == ["Softmax"]
        agree(reference(checked(graph), X), [nn.softmax(X, axis)], rtol=1e-6)
        graph = lowered(lambda x, axis=axis: nn.log_softmax(x, axis), X)
        assert kinds(checked(graph)) == ["LogSoftmax"]


def test_what_only_looks_like_softmax_is_none():
    def other(x):
        p = np.exp(x - x.max(axis=1, keepdims=True))
        return p / p.sum(axis=0, keepdims=True)

    graph = lowered(other, X)
    assert "Softmax" not in kinds(checked(graph))
    agree(reference(checked(graph), X), [other(X)], rtol=1e-6)


def test_loops_and_branches_are_scan_loop_and_if():
    def run(x, flag):
        carry, ys = graphc.scan(lambda c, row: (c + row, c * row), x[0], x)
        total = graphc.while_loop(lambda t: (t < 50).all(), lambda t: 2 * t + 1, np.abs(carry))
        counted = graphc.fori_loop(0, 3, lambda k, t: t + k, carry)
        return ys, total, graphc.cond(flag, np.sin, np.cos, counted)

    model = checked(lowered(run, X, np.True_))
    assert {"Scan", "Loop", "If"} <= set(kinds(model))
    for flag in (True, False):
        agree(reference(model, X, np.bool_(flag)), run(X, np.bool_(flag)), rtol=1e-5)


# --- sizes ----------------------------------------------------------------------------------------


def test_sizes_are_computed_from_the_inputs_shapes():
    n = Dim.symbol("n")
    x = fresh_input(tensor("float64", n, 4))
    flat = ops.reshape(x, (n * 4,))
    half = ops.slice_(flat, (0,), (n * 2,), (2,))
    odd = ops.slice_(flat, ((n - 3) // 2 + 2,), ((n * 3) % 5,), (1,))
    graph = close([x], [half, odd, ops.iota(n * n + 1), ops.size_value(n // 2), ops.flip(x, (0,))])
    model = checked(graph, inputs=["x"])
    for count in (0, 1, 2, 5, 8):
        array = RNG.normal(size=(count, 4))
        if (count - 3) // 2 + 2 + count * 3 % 5 <= count * 4:
            agree(reference(model, array), evaluate(graph, [array]))


def test_a_size_known_from_a_weight_alone():
    n = Dim.symbol("n")
    x, w = fresh_input(tensor("float64", 3)), fresh_input(tensor("float64", n))
    graph = close([x, w], [ops.add(ops.sum_(w, (0,)), ops.cast(ops.size_value(n), w.dtype))])
    model = checked(graph, inputs=["x", "w"], constants={1: np.ones(6)})
    agree(reference(model, np.zeros(3)), [np.float64(12)])


def test_an_int_that_became_symbolic_is_refused_by_name():
    raised = graphc.compile(lambda x, n: x**n)
    raised(X, 2)
    raised(X, 3)
    graph = raised.lower(X, 3).graph
    with pytest.raises(ExportError, match="size n0 is no axis of an input") as caught:
        checked(graph)
    assert "test_export.py" in str(caught.value)


# --- what can't be written ------------------------------------------------------------------------


def refused(function, *arguments, **options):
    with pytest.raises(ExportError) as caught:
        checked(lowered(function, *arguments), **options)
    return str(caught.value)


def test_a_refusal_names_the_op_its_types_and_the_users_line():
    message = refused(lambda x: np.linalg.inv(x @ x.T), X.astype(np.float64))
    assert message.startswith("solve(float64[5, 5], float64[5, 5]) can't be written in ONNX: ")
    assert "no linear algebra" in message
    assert "np.linalg.inv(x @ x.T)" in message
    assert "^" in message


def test_a_refusal_within_a_loop_names_the_line_there():
    def body(carry, row):
        shown = np.nextafter(carry, row)  # this line
        return shown, shown

    message = refused(lambda x: graphc.scan(body, x[0], x), X)
    assert "nextafter" in message
    assert "# this line" in message


def test_effects_are_refused():
    def shown(x):
        graphc.debug_print("{}", x)
        return x + 1

    message = refused(shown, X)
    assert "computes and does nothing else" in message
    assert "Take graphc.debug_print" in message


def test_complex_numbers_are_refused_where_they_are_made_and_where_they_come_in():
    assert "no complex numbers" in refused(lambda x: np.abs(np.fft.rfft(x)), X)
    message = refused(lambda z: z * 2, X.astype(np.complex64))
    assert "input z is complex64[5, 4]" in message
    assert "lambda z: z * 2" in message


def test_an_op_of_ones_own_is_refused():
    from graphc.ir import Op, make

    own = Op("mine", lambda types, attrs, regions: types, lambda driver, node, arrays: arrays)
    x = fresh_input(tensor("float64", 3))
    with pytest.raises(ExportError, match=r"mine\(float64\[3\]\).*op of your own"):
        checked(close([x], [make(own, (x,)).out()]), inputs=["x"])


def test_what_came_with_a_later_opset_says_so():
    message = refused(lambda x: x & 3, np.arange(4), opset=17)
    assert message.startswith("bitwise_and(int64[4], int64[4]) can't be written in ONNX: ")
    assert "from opset 18 on, and the model is for 17" in message
    assert "opset=18" in message


@pytest.mark.parametrize("opset", [12, 24, None, "21"])
def test_other_opsets_are_refused(opset):
    with pytest.raises(ExportError, match="13 to 23"):
        checked(lowered(layer, X, W), opset=opset)


def test_names_and_constants_must_fit():
    graph = lowered(layer, X, W)
    with pytest.raises(ExportError, match="1 names for the 2 inputs"):
        checked(graph, inputs=["x"])
    with pytest.raises(ExportError, match="2 names for the 1 results"):
        checked(graph, outputs=["a", "b"])
    with pytest.raises(ExportError, match=r"input w is float32\[4, 3\].*float64\[4, 3\]"):
        checked(graph, constants={1: W.astype(np.float64)})
    with pytest.raises(ExportError, match=r"float32\[3, 4\]"):
        checked(graph, constants={1: W.T})


def test_a_function_that_computes_nothing_is_refused():
    with pytest.raises(ExportError, match="computes nothing"):
        checked(lowered(lambda x: x.T, X))


# --- files ----------------------------------------------------------------------------------------

NAMES = {"name": "layer", "input_names": ["x", "w"], "output_names": ["y"]}


def test_a_written_model_is_the_model(tmp_path):
    graph = lowered(layer, X, W)
    path = tmp_path / "layer.onnx"
    write_onnx(path, graph, constants={1: W}, **NAMES)
    assert onnx.load(path) == onnx_model(graph, constants={1: W}, **NAMES)
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
    assert {item.name for item in tmp_path.iterdir()} == {"layer.onnx", "plain"}
    write_onnx(str(path), graph, constants={}, **NAMES)
    assert len(onnx.load(path).graph.input) == 2


def test_a_write_that_fails_leaves_the_file_that_was_there(tmp_path, monkeypatch):
    path = tmp_path / "layer.onnx"
    path.write_bytes(b"before")

    def broken(*arguments):
        raise OSError("no space")

    monkeypatch.setattr("graphc.exporting.onnx.model.os.replace", broken)
    with pytest.raises(OSError, match="no space"):
        write_onnx(path, lowered(layer, X, W), constants={}, **NAMES)
    with pytest.raises(ExportError):
        write_onnx(path, lowered(layer, X, W), constants={}, opset=3, **NAMES)
    assert [(item.name, item.read_bytes()) for item in tmp_path.iterdir()] == [
        ("layer.onnx", b"before")
    ]


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(BackendError, match=r"pip install 'graphc\[onnx\]'"):
        onnx_model(lowered(layer, X, W), constants={}, **NAMES)


def test_a_model_that_no_file_holds_is_refused(monkeypatch):
    monkeypatch.setattr("graphc.exporting.onnx.model.LARGEST", 40)
    with pytest.raises(ExportError, match="the weights have 48 bytes"):
        onnx_model(lowered(layer, X, W), constants={1: W}, **NAMES)
