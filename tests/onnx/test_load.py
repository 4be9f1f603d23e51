"""`load_onnx`: what the module holds, how it is called, compiled, differentiated and mapped."""

import copy
import linecache
import pickle
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import graphc
from graphc import nn, optim
from graphc.errors import DTypeError, ExportError, ShapeError
from graphc.loading.onnx.model import load_onnx
from tests.onnx.building import data, decoder, mlp, node, port, proto, random, transformer


def reference(model, x):
    """The network of `mlp` by hand."""
    state = model.state_dict()
    h = np.tanh(x @ state["fc1.weight"].T + state["fc1.bias"])
    return h @ state["fc2.weight"].T + state["fc2.bias"]


def test_initialisers_are_parameters_by_their_names():
    model = load_onnx(mlp())
    assert isinstance(model, nn.Module)
    names = ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    assert [name for name, _ in model.named_parameters()] == names
    assert list(model.buffers()) == []
    text = "OnnxModel(x: float32[batch, 4] -> y: float32[batch, 3])  # 67 parameters"
    assert repr(model) == text


def test_a_call_gives_what_the_network_computes():
    model = load_onnx(mlp())
    x = random(5, 4)
    found = model(x)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, reference(model, x), rtol=1e-5, atol=1e-6)
    with graphc.eager():
        np.testing.assert_allclose(model(x), found, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model(x=x), found)
    np.testing.assert_allclose(model(x.tolist()), found)


def test_inputs_and_outputs_say_their_types():
    model = load_onnx(mlp())
    assert [(one.name, one.dtype, one.shape, one.static) for one in model.inputs] == [
        ("x", np.dtype(np.float32), ("batch", 4), False)
    ]
    assert str(model.outputs[0]) == "y: float32[batch, 3]"


def test_another_batch_compiles_nothing_once_it_is_symbolic():
    model = load_onnx(mlp())
    for batch in (5, 3, 7, 11, 2):
        x = random(batch, 4, seed=batch)
        np.testing.assert_allclose(model(x), reference(model, x), rtol=1e-5, atol=1e-6)
    assert len(model._program.compiled.specializations) == 2


def test_shapes_computed_of_shapes_stay_symbolic():
    model = load_onnx(transformer())
    for batch, steps in ((2, 5), (3, 5), (3, 6), (4, 7), (9, 2)):
        x = random(batch, steps, 8, seed=batch)
        found = model(x)
        with graphc.eager():
            np.testing.assert_allclose(model(x), found, rtol=1e-4, atol=1e-5)
    assert len(model._program.compiled.specializations) == 3


def test_masks_and_positions_computed_of_shapes_stay_symbolic():
    model = load_onnx(decoder())
    rng = np.random.default_rng(0)
    for batch, steps in ((2, 5), (3, 5), (3, 6), (4, 9), (1, 12), (1, 1)):
        tokens = rng.integers(0, 11, (batch, steps))
        found = model(tokens)
        with graphc.eager():
            np.testing.assert_allclose(model(tokens), found, rtol=1e-4, atol=1e-5)
    assert len(model._program.compiled.specializations) <= 4


def test_small_integers_that_shapes_are_made_of_are_no_state():
    model = load_onnx(transformer())
    assert all(array.dtype == np.float32 for array in model.state_dict().values())


def test_integers_that_data_are_looked_up_with_are_buffers():
    weights = {"table": random(6, 3), "indices": np.array([2, 0, 5])}
    nodes = [node("Gather", ["table", "indices"], "rows"), node("Add", ["rows", "x"], "y")]
    model = load_onnx(data(nodes, [port("x", [3, 3])], [port("y", [3, 3])], weights))
    assert [name for name, _ in model.named_buffers()] == ["indices"]
    x = random(3, 3, seed=1)
    np.testing.assert_allclose(model(x), weights["table"][[2, 0, 5]] + x, rtol=1e-6)
    model.load_state_dict({"table": weights["table"], "indices": np.array([1, 1, 1])})
    np.testing.assert_allclose(model(x), weights["table"][[1, 1, 1]] + x, rtol=1e-6)


def test_names_that_a_module_has_get_a_mark():
    names = ["forward", "training", "_private", "1/odd name:0"]
    weights = {name: np.float32([k + 1]) for k, name in enumerate(names)}
    model = load_onnx(
        data([node("Sum", ["x", *names], "y")], [port("x", [1])], [port("y", [1])], weights)
    )
    assert list(model.state_dict()) == ["forward_", "training_", "_private_", "1/odd name:0"]
    assert model(np.zeros(1, np.float32)) == [10]
    assert graphc.grad(lambda m: m(np.zeros(1, np.float32)).sum())(model).forward_ == [1]


def test_weights_are_read_at_each_call_and_kept_by_state_dicts():
    model, other = load_onnx(mlp()), load_onnx(mlp())
    x = random(2, 4)
    before = model(x)
    getattr(model, "fc2.bias")[...] += 1
    np.testing.assert_allclose(model(x), before + 1, rtol=1e-5)
    other.load_state_dict(model.state_dict())
    np.testing.assert_array_equal(other(x), model(x))
    # Models of one graph share what is compiled.
    assert other._program.compiled.specializations == model._program.compiled.specializations


@pytest.mark.parametrize("way", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_have_arrays_of_their_own(way):
    model, x = load_onnx(transformer()), random(2, 3, 8)
    before = model(x)
    copied = way(model)
    np.testing.assert_array_equal(copied(x), before)
    assert copied.listing == model.listing
    getattr(copied, "norm1.bias")[...] += 1
    assert (copied(x) != before).any()
    np.testing.assert_array_equal(model(x), before)


# --- gradients, maps, training --------------------------------------------------------------------


def test_gradients_by_parameters_against_differences():
    model = load_onnx(mlp("float64"))
    x = random(3, 4, dtype=np.float64)

    def loss(model, x):
        return (model(x) ** 2).sum()

    gradient = graphc.grad(loss)(model, x)
    for name, array in model.named_parameters():
        place = np.unravel_index(array.size // 2, array.shape)
        kept, step = array[place], 1e-6
        array[place] = kept + step
        above = loss(model, x)
        array[place] = kept - step
        below = loss(model, x)
        array[place] = kept
        assert getattr(gradient, name)[place] == pytest.approx(
            (above - below) / (2 * step), rel=1e-5
        )


@pytest.mark.parametrize("build", [mlp, transformer])
def test_gradients_by_inputs_against_differences(build):
    model = load_onnx(build(dtype="float64"))
    x = random(*((2, 4) if build is mlp else (2, 3, 8)), dtype=np.float64)
    graphc.testing.check_grads(lambda x: model(x), (x,), order=2 if build is mlp else 1)


def test_a_model_is_mapped():
    model = load_onnx(transformer(dtype="float64"))
    x = random(4, 2, 3, 8, dtype=np.float64)
    np.testing.assert_allclose(
        graphc.vmap(model)(x), np.stack([model(one) for one in x]), rtol=1e-9
    )


def test_a_model_inside_compiled_code_and_inside_a_module():
    class Doubled(nn.Module):
        def __init__(self):
            self.inner = load_onnx(mlp())

        def forward(self, x):
            return 2 * self.inner(x)

    model, x = Doubled(), random(2, 4)
    wanted = 2 * reference(model.inner, x)
    np.testing.assert_allclose(graphc.compile(model)(x), wanted, rtol=1e-5, atol=1e-6)
    inner = graphc.compile(lambda x: 2 * model.inner(x=x))
    np.testing.assert_allclose(inner(x), wanted, rtol=1e-5, atol=1e-6)
    assert "inner.fc1.weight" in model.state_dict()


def test_an_imported_model_is_trained():
    model = load_onnx(mlp())
    x, labels = random(32, 4), np.arange(32) % 3
    opt = optim.Adam(model, lr=0.03)
    history = graphc.fit(model, nn.cross_entropy, opt, (x, labels), epochs=30, batch_size=16)
    assert history["loss"][-1] < 0.6 * history["loss"][0]


# --- inputs ---------------------------------------------------------------------------------------


def test_inputs_that_shapes_are_made_of_are_static():
    ports = [port("x", ["n"]), port("shape", [2], "int64")]
    model = load_onnx(data([node("Reshape", ["x", "shape"], "y")], ports, [port("y", ["a", "b"])]))
    assert [one.static for one in model.inputs] == [False, True]
    x = random(6)
    for shape in ((2, 3), (3, 2), (-1, 1)):
        np.testing.assert_array_equal(model(x, np.array(shape)), x.reshape(shape))
        np.testing.assert_array_equal(model(x, shape), x.reshape(shape))
    inside = graphc.compile(lambda x: model(x, (3, 2)))
    np.testing.assert_array_equal(inside(x), x.reshape(3, 2))
    by_size = graphc.compile(lambda x: model(x, (x.shape[0], 1)))
    for count in (6, 4, 8):
        assert by_size(random(count)).shape == (count, 1)
    with pytest.raises(ExportError, match="'shape' has to be known while tracing"):
        graphc.compile(lambda x, shape: model(x, shape))(x, np.array([2, 3]))


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ((), TypeError, "the input 'x' is missing"),
        ((random(2, 4), random(2, 4)), TypeError, "2 were given"),
        ((random(2, 4, dtype=np.float64),), DTypeError, "was given float64"),
        ((random(2, 5),), ShapeError, r"given an array of shape \(2, 5\)"),
        ((random(4),), ShapeError, "an array of 1 axes"),
    ],
    ids=str,
)
def test_inputs_that_do_not_fit(given, error, message):
    model = load_onnx(mlp())
    with pytest.raises(error, match=message):
        model(*given)
    if error is not TypeError:
        with pytest.raises(error, match=message):
            graphc.compile(lambda *x: model(*x))(*given)
    with pytest.raises(TypeError, match="'z' is given twice or is no input"):
        model(random(2, 4), z=1)


# --- lines ----------------------------------------------------------------------------------------


def test_reports_and_errors_name_nodes_as_lines():
    model = load_onnx(mlp())
    lines = model.listing.splitlines()
    assert lines == [
        "h = Gemm(x, fc1.weight, fc1.bias, transB=1)",
        "a = Tanh(h)",
        "y = Gemm(a, fc2.weight, fc2.bias, transB=1)",
    ]
    report = str(graphc.compile(model).explain(random(2, 4)))
    assert all(line in report for line in lines)
    wrong = load_onnx(
        data([node("MatMul", ["x", "x"], "y")], [port("x", ["a", "b"])], [port("y", ["a", "b"])])
    )
    with pytest.raises(ShapeError, match=r"node '-> y' \(MatMul\)") as caught:
        wrong(random(2, 3))
    assert caught.value.location.text == "y = MatMul(x, x)"
    assert caught.value.location.text == linecache.getline(caught.value.location.file, 1).strip()


# --- what a file may hold -------------------------------------------------------------------------


def functions_model():
    """A function of the model's own with an attribute, which calls another."""
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    scaled = node("LeakyRelu", "a", "b")
    reference = helper.make_attribute("alpha", 0.0)
    reference.ClearField("f")
    reference.ref_attr_name = "slope"
    scaled.attribute.append(reference)
    inner = helper.make_function("own", "Bent", ["a"], ["b"], [scaled], opsets, ["slope"])
    call = helper.make_node("Bent", ["p"], ["q"], domain="own", slope=0.25)
    twice = helper.make_function(
        "own", "Twice", ["p"], ["r"], [call, node("Add", ["q", "q"], "r")], opsets
    )
    nodes = [helper.make_node("Twice", ["x"], ["y"], domain="own")]
    return data(
        nodes, [port("x", [3])], [port("y", [3])], functions=[inner, twice], domains=["own"]
    )


def test_a_models_own_functions():
    model = load_onnx(functions_model())
    np.testing.assert_allclose(model(np.float32([-2, 0, 3])), [-1, 0, 6])


def external(location, **entries):
    made = proto(
        [node("Add", ["x", "w"], "y")], [port("x", [4])], [port("y", [4])], {"w": random(4)}
    )
    tensor = made.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return made.SerializeToString()


def test_weights_in_a_file_of_their_own(tmp_path):
    w = random(4, seed=3)
    (tmp_path / "weights.bin").write_bytes(b"\0" * 8 + w.tobytes())
    (tmp_path / "model.onnx").write_bytes(external("weights.bin", offset=8, length=16))
    model = load_onnx(tmp_path / "model.onnx")
    np.testing.assert_array_equal(model(np.zeros(4, np.float32)), w)


@pytest.mark.parametrize(
    ("location", "entries", "message"),
    [
        ("../weights.bin", {}, "no file in the model's folder"),
        ("{outside}/weights.bin", {}, "no file in the model's folder"),
        ("link.bin", {}, "no file in the model's folder"),
        ("missing.bin", {}, "no file in the model's folder"),
        ("inside.bin", {"offset": 4}, "takes 16 bytes"),
        ("inside.bin", {"length": 2**40}, "takes 16 bytes"),
        ("inside.bin", {"offset": -8}, "takes 16 bytes"),
        ("inside.bin", {"offset": "x"}, "is no number"),
    ],
)
def test_weights_elsewhere_are_refused(tmp_path, location, entries, message):
    outside, folder = tmp_path, tmp_path / "folder"
    folder.mkdir()
    (outside / "weights.bin").write_bytes(bytes(16))
    (folder / "inside.bin").write_bytes(bytes(16))
    (folder / "link.bin").symlink_to(outside / "weights.bin")
    path = folder / "model.onnx"
    path.write_bytes(external(location.format(outside=outside), **entries))
    with pytest.raises(ExportError, match=message):
        load_onnx(path)
    with pytest.raises(ExportError, match="lies in another file"):
        load_onnx(path.read_bytes())


def test_other_sources():
    with pytest.raises(TypeError, match=r"not from a ModelProto; .*SerializeToString"):
        load_onnx(proto([node("Relu", "x", "y")], [port("x", [3])], [port("y", [3])]))


def test_without_the_package_onnx_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(graphc.BackendError, match=r"pip install 'graphc\[onnx\]'"):
        load_onnx(b"")


def test_a_path_without_a_file():
    with pytest.raises(FileNotFoundError, match=r"no file 'nowhere\.onnx'"):
        load_onnx("nowhere.onnx")


def half(name="w"):
    return numpy_helper.from_array(np.ones(3, np.float16), name)


@pytest.mark.parametrize(
    ("nodes", "inputs", "opset", "message"),
    [
        ([node("Unique", "x", "y")], [port("x", [3])], 20, "depends on data"),
        (
            [node("Cast", "x", "y", to=TensorProto.FLOAT16)],
            [port("x", [3])],
            20,
            "element type float16",
        ),
        ([node("StringNormalizer", "x", "y")], [port("x", [3])], 20, "texts are not supported"),
        ([node("Relu", "x", "y")], [port("x", [3])], 99, "graphc reads 1 to 28"),
        ([node("Relu", "z", "y")], [port("x", [3])], 20, "z"),
        ([node("Relu", "y", "y")], [port("x", [3])], 20, "y"),
    ],
)
def test_what_is_not_supported_is_refused(nodes, inputs, opset, message):
    with pytest.raises(ExportError, match=message):
        load_onnx(data(nodes, inputs, [port("y", [3])], opset=opset))


def test_shapes_that_depend_on_data_are_refused_when_they_are_met():
    model = load_onnx(
        data([node("NonZero", "x", "y")], [port("x", [3])], [port("y", None, "int64")])
    )
    with pytest.raises(
        ExportError, match=r"node '-> y' \(NonZero\): the shape of the result depends"
    ):
        model(random(3))


def test_halves_are_refused_when_loading():
    made = proto([node("Add", ["x", "w"], "y")], [port("x", [3])], [port("y", [3])])
    made.graph.initializer.append(half())
    with pytest.raises(ExportError, match="'w' has the element type float16") as caught:
        load_onnx(made.SerializeToString())
    assert "Convert the model to float32" in str(caught.value)


def test_an_unknown_operator_is_refused_when_loading():
    made = proto(
        [helper.make_node("Mystery", ["x"], ["y"], domain="com.example", name="n1")],
        [port("x", [3])],
        [port("y", [3])],
        domains=["com.example"],
    )
    with pytest.raises(
        ExportError, match=r"node 'n1' \(com.example.Mystery\): the operator is not"
    ):
        load_onnx(made.SerializeToString())


def test_a_function_that_calls_itself_is_refused():
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    call = helper.make_node("Again", ["a"], ["b"], domain="own")
    again = helper.make_function("own", "Again", ["a"], ["b"], [call], opsets)
    nodes = [helper.make_node("Again", ["x"], ["y"], domain="own")]
    made = data(nodes, [port("x", [3])], [port("y", [3])], functions=[again], domains=["own"])
    with pytest.raises(ExportError, match=r"nest more than|recurs"):
        load_onnx(made)


def test_running_statistics_are_buffers_as_in_a_layer():
    weights = {name: np.abs(random(3, seed=k)) + 0.5 for k, name in enumerate("sbmv")}
    nodes = [node("BatchNormalization", ["x", *weights], "y")]
    model = load_onnx(data(nodes, [port("x", ["n", 3])], [port("y", ["n", 3])], weights))
    assert [name for name, _ in model.named_parameters()] == ["s", "b"]
    assert [name for name, _ in model.named_buffers()] == ["m", "v"]
    x = random(4, 3)
    gradient = graphc.grad(lambda m: (m(x) ** 2).sum())(model)
    assert gradient.m is None
    assert gradient.s.shape == (3,)


def test_models_whose_constants_differ_do_not_share_code(tmp_path):
    """Two files that name the same external shape, which is another in each folder."""
    found = []
    for shape in ((2, 3), (3, 2)):
        nodes = [node("Reshape", ["x", "shape"], "y")]
        made = proto(nodes, [port("x", [6])], [port("y", None)], {"shape": np.array(shape)})
        tensor = made.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="shape.bin")
        folder = tmp_path / str(shape[0])
        folder.mkdir()
        (folder / "shape.bin").write_bytes(np.array(shape).tobytes())
        (folder / "m.onnx").write_bytes(made.SerializeToString())
        found.append(load_onnx(folder / "m.onnx")(random(6)).shape)
    assert found == [(2, 3), (3, 2)]


def test_names_that_modules_have_stay_apart():
    names = ("train", "train_", "inputs", "inputs_")
    weights = {name: np.full(1, 10.0**k, np.float32) for k, name in enumerate(names)}
    nodes = [node("Sum", list(names), "y")]
    model = load_onnx(proto(nodes, [], [port("y", [1])], weights).SerializeToString())
    assert model()[0] == 1111
    assert len(model.state_dict()) == 4
