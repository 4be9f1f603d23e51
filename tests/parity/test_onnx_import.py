"""Imported ONNX models beside ONNX Runtime: networks, and the recurrent operators' options.

Runs where ONNX Runtime is installed (``make parity``).
"""

from itertools import product

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.loading.onnx.model import load_onnx
from tests.onnx.building import data, decoder, mlp, node, port, random, transformer

onnxruntime = pytest.importorskip("onnxruntime")


def theirs(model, *inputs):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_inputs()]
    return session.run(None, dict(zip(names, inputs, strict=True)))


def agree(model, *inputs, rtol=1e-5, atol=1e-5):
    found = load_onnx(model)(*inputs)
    found = found if isinstance(found, tuple) else (found,)
    for ours, right in zip(found, theirs(model, *inputs), strict=True):
        assert ours.dtype == right.dtype
        assert ours.shape == right.shape
        np.testing.assert_allclose(ours, right, rtol=rtol, atol=atol)


def test_a_network_of_two_layers():
    agree(mlp(), random(5, 4))


@pytest.mark.parametrize("shape", [(2, 5, 8), (1, 1, 8)])
def test_a_transformer_block(shape):
    agree(transformer(), random(*shape))


def test_a_decoder_block_of_any_length():
    bytes_ = decoder()
    model, rng = load_onnx(bytes_), np.random.default_rng(0)
    for batch, steps in ((2, 5), (3, 5), (3, 6), (4, 9), (1, 12)):
        tokens = rng.integers(0, 11, (batch, steps))
        wanted = theirs(bytes_, tokens)[0]
        np.testing.assert_allclose(model(tokens), wanted, rtol=1e-4, atol=1e-5)


def test_resnet18():
    """The network of ``examples/resnet.py``; statistics of batch norm as after training."""
    from bench.networks.graphc_resnet import resnet
    from bench.networks.onnx_resnet import resnet18_model

    graphc.random.seed(0)
    network = resnet(16)
    rng = np.random.default_rng(0)
    state = {
        name: array + (rng.random(array.shape) * 0.2 - 0.1).astype(array.dtype)
        for name, array in network.state_dict().items()
    }
    network.load_state_dict(state)
    model = resnet18_model(network.state_dict())
    x = rng.standard_normal((2, 3, 32, 32), np.float32)
    wanted = theirs(model, x)[0]
    assert np.abs(wanted).max() > 1e-3
    assert np.abs(wanted - network.state_dict()["fc.bias"]).max() > 1e-3
    imported = load_onnx(model)
    np.testing.assert_allclose(imported(x), wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(graphc.compile(network.eval())(x), wanted, rtol=1e-4, atol=1e-5)
    names = {name for name in network.state_dict() if "num_batches" not in name}
    assert set(imported.state_dict()) == names


GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
STEPS, BATCH, INPUT, HIDDEN = 5, 3, 2, 4


def recurrent(kind, direction, options=(), seed=0, **attributes):
    """A model of one recurrent node; `options` are names of operands besides x, W and R."""
    count = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * HIDDEN
    weights = {
        "W": random(count, rows, INPUT, seed=seed),
        "R": random(count, rows, HIDDEN, seed=seed + 1, scale=0.4),
        "B": random(count, 2 * rows, seed=seed + 2),
        "lengths": np.array([5, 2, 3], np.int32),
        "h": random(count, BATCH, HIDDEN, seed=seed + 3),
        "c": random(count, BATCH, HIDDEN, seed=seed + 4),
        "P": random(count, 3 * HIDDEN, seed=seed + 5),
    }
    order = ["B", "lengths", "h", *(["c", "P"] if kind == "LSTM" else [])]
    operands = ["x", "W", "R", *(name if name in options else "" for name in order)]
    outputs = ["y", "yh", *(["yc"] if kind == "LSTM" else [])]
    made = node(kind, operands, outputs, hidden_size=HIDDEN, direction=direction, **attributes)
    ports = [port("y", None), *(port(name, None) for name in outputs[1:])]
    kept = {name: weights[name] for name in ("W", "R", *options)}
    return data([made], [port("x", [STEPS, BATCH, INPUT])], ports, kept)


@pytest.mark.parametrize(
    ("kind", "direction"), list(product(GATES, ("forward", "reverse", "bidirectional")))
)
@pytest.mark.parametrize("options", [(), ("B", "h"), ("B", "lengths")], ids=str)
def test_recurrent_operators(kind, direction, options):
    agree(recurrent(kind, direction, options), random(STEPS, BATCH, INPUT, seed=9))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "options", "attributes"),
    [
        ("LSTM", ("B", "h", "c", "P"), {}),
        ("LSTM", ("B", "P", "lengths"), {}),
        ("LSTM", ("B",), {"clip": 0.3}),
        ("GRU", ("B",), {"linear_before_reset": 1}),
        ("GRU", ("B", "h", "lengths"), {"linear_before_reset": 1}),
        ("RNN", ("B",), {"clip": 0.5}),
    ],
    ids=str,
)
def test_options_of_recurrent_operators(kind, options, attributes, direction):
    agree(recurrent(kind, direction, options, **attributes), random(STEPS, BATCH, INPUT, seed=9))


@pytest.mark.parametrize(
    ("kind", "names", "alpha", "beta"),
    [
        ("RNN", ["LeakyRelu"], [0.3], []),
        ("RNN", ["HardSigmoid"], [0.3], [0.4]),
        ("RNN", ["Softsign"], [], []),
        ("GRU", ["HardSigmoid", "Softsign"], [0.3], [0.4]),
        ("LSTM", ["HardSigmoid", "Relu", "Tanh"], [0.3], [0.4]),
        ("LSTM", ["Sigmoid", "ScaledTanh", "ThresholdedRelu"], [1.2, 0.1], [0.7]),
    ],
    ids=str,
)
def test_activations_of_recurrent_operators(kind, names, alpha, beta):
    attributes = {"activations": names}
    attributes |= {"activation_alpha": alpha} if alpha else {}
    attributes |= {"activation_beta": beta} if beta else {}
    model = recurrent(kind, "forward", ("B", "h"), **attributes)
    agree(model, random(STEPS, BATCH, INPUT, seed=9))


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("kind", ["Conv", "ConvTranspose", "MaxPool", "AveragePool"])
def test_windows(kind, axes, auto_pad):
    image = (9, 8, 7)[:axes]
    attributes = {"strides": [2, 1, 2][:axes], "auto_pad": auto_pad}
    if auto_pad == "NOTSET":
        attributes["pads"] = [1, 0, 1][:axes] + [0, 1, 1][:axes]
    weights = {}
    if "Conv" in kind:
        attributes["group"] = 2
        weights = {"w": random(4, 2, *(3, 2, 3)[:axes], seed=1), "b": random(4, seed=2)}
        if auto_pad in ("NOTSET", "VALID"):
            attributes["dilations"] = [1, 2, 1][:axes]
    else:
        attributes["kernel_shape"] = [3, 2, 3][:axes]
    made = node(kind, ["x", *weights], "y", **attributes)
    model = data([made], [port("x", [2, 4, *image])], [port("y", None)], weights)
    agree(model, random(2, 4, *image))


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("count_include_pad", [0, 1])
def test_average_pooling_at_the_edge(ceil_mode, count_include_pad):
    attributes = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    made = node(
        "AveragePool",
        "x",
        "y",
        ceil_mode=ceil_mode,
        count_include_pad=count_include_pad,
        **attributes,
    )
    agree(data([made], [port("x", [1, 2, 8, 7])], [port("y", None)]), random(1, 2, 8, 7))


@pytest.mark.parametrize("training", [0, 1])
def test_batch_normalisation(training):
    weights = {name: random(3, seed=k) for k, name in enumerate(("s", "b", "m"))}
    weights["v"] = np.abs(random(3, seed=5)) + 0.5
    made = node(
        "BatchNormalization",
        ["x", *weights],
        ["y"] + ["m2", "v2"] * training,
        training_mode=training,
        epsilon=1e-3,
        momentum=0.7,
    )
    outputs = [port(name, None) for name in made.output]
    agree(data([made], [port("x", [4, 3, 5])], outputs, weights), random(4, 3, 5, seed=7))


def test_a_layer_of_graphc_and_its_onnx_node_give_the_same():
    """`graphc.nn.LSTM`, whose gates are in PyTorch's order, beside the operator."""
    graphc.random.seed(1)
    layer = nn.LSTM(INPUT, HIDDEN)

    def ordered(array):
        into, forget, cell, out = np.split(array, 4)
        return np.concatenate([into, out, forget, cell])

    weights = {
        "W": ordered(layer.weight_ih_l0)[None],
        "R": ordered(layer.weight_hh_l0)[None],
        "B": np.concatenate([ordered(layer.bias_ih_l0), ordered(layer.bias_hh_l0)])[None],
    }
    made = node("LSTM", ["x", *weights], ["y"], hidden_size=HIDDEN)
    model = data([made], [port("x", ["steps", "batch", INPUT])], [port("y", None)], weights)
    x = random(STEPS, BATCH, INPUT, seed=3)
    found = load_onnx(model)(x)
    np.testing.assert_allclose(found[:, 0], layer(x)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found, theirs(model, x)[0], rtol=1e-5, atol=1e-6)


# --- options that have changed with the opset, and operators with many of them --------------------


def single(kind, inputs, weights=None, opset=20, results=("float32",), **attributes):
    """A model of one node: arrays that are its inputs by name, and others that are its weights."""
    names = [f"y{k}" for k in range(len(results))]
    order = [*inputs, *(weights or {})]
    made = node(kind, order, names, **attributes)
    outputs = [port(name, None, dtype) for name, dtype in zip(names, results, strict=True)]
    ports = [port(name, list(array.shape), array.dtype) for name, array in inputs.items()]
    found = data([made], ports, outputs, weights, opset=opset)
    return found, list(inputs.values())


X = random(2, 3, 4, 5)
INTS = np.array([[7, -7, 5], [-5, 9, -9]])
CASES = {
    "softmax 11": single("Softmax", {"x": X}, opset=11, axis=1),
    "softmax 13": single("Softmax", {"x": X}, axis=1),
    "log softmax 9": single("LogSoftmax", {"x": X}, opset=9),
    "clip 6": single("Clip", {"x": X}, opset=9, min=-0.5, max=0.3),
    "slice 9": single("Slice", {"x": X}, opset=9, starts=[1, -3], ends=[9, -1], axes=[1, 3]),
    "slice back": single(
        "Slice",
        {"x": X},
        {
            "s": np.array([3, -1]),
            "e": np.array([-(2**63), 1]),
            "a": np.array([3, 2]),
            "t": np.array([-1, -2]),
        },
    ),
    "pad 2": single("Pad", {"x": X}, opset=9, pads=[0, 1, 0, -1, 0, 0, 2, 1], value=0.5),
    "squeeze 11": single("Squeeze", {"x": X[:, :1]}, opset=11, axes=[1]),
    "unsqueeze 11": single("Unsqueeze", {"x": X}, opset=11, axes=[0, 4]),
    "sum 11": single("ReduceSum", {"x": X}, opset=11, axes=[1, -1], keepdims=0),
    "split 11": single("Split", {"x": X}, opset=11, results=("float32",) * 2, axis=3, split=[2, 3]),
    "top k 10": single(
        "TopK", {"x": X}, {"k": np.array([2])}, opset=10, axis=2, results=("float32", "int64")
    ),
    "upsample 9": single(
        "Upsample", {"x": X}, {"s": np.float32([1, 1, 2, 3])}, opset=9, mode="nearest"
    ),
    "resize 10": single(
        "Resize", {"x": X}, {"s": np.float32([1, 1, 2, 1.5])}, opset=10, mode="linear"
    ),
    "batch norm 9": single(
        "BatchNormalization",
        {"x": X},
        {
            "s": random(3),
            "b": random(3, seed=1),
            "m": random(3, seed=2),
            "v": np.ones(3, np.float32),
        },
        opset=9,
    ),
    "gemm 7": single(
        "Gemm",
        {"a": random(3, 2), "b": random(4, 3), "c": random(1, 4)},
        opset=9,
        transA=1,
        transB=1,
        alpha=0.5,
        beta=2.0,
    ),
    "div of integers": single("Div", {"a": INTS, "b": np.array([2, 2, -3])}, results=("int64",)),
    "mod of integers": single("Mod", {"a": INTS, "b": np.array([2, 3, -4])}, results=("int64",)),
    "fmod": single("Mod", {"a": X, "b": np.abs(X) + 0.5}, fmod=1),
    "pow of mixed types": single("Pow", {"a": np.abs(X), "b": np.array(3)}),
    "instance norm": single(
        "InstanceNormalization", {"x": X}, {"s": random(3), "b": random(3, seed=1)}
    ),
    "group norm": single(
        "GroupNormalization",
        {"x": random(2, 4, 5)},
        {"s": random(4), "b": random(4, seed=1)},
        opset=21,
        num_groups=2,
    ),
    "lrn": single("LRN", {"x": X}, size=3, alpha=0.02),
    "lp norm": single("LpNormalization", {"x": X}, p=1, axis=2),
    "one hot": single(
        "OneHot", {"i": np.array([0, -1, 5])}, {"d": np.array(3), "v": np.float32([2, 7])}
    ),
    "cumsum": single("CumSum", {"x": X}, {"axis": np.array(1)}, exclusive=1, reverse=1),
    "einsum": single(
        "Einsum", {"a": random(2, 3, 4), "b": random(2, 4, 5)}, equation="bij, bjk -> bik"
    ),
    "depth to space": single("DepthToSpace", {"x": random(1, 8, 2, 3)}, blocksize=2, mode="CRD"),
    "trilu": single("Trilu", {"x": X}, {"k": np.array(-1)}, upper=0),
    "hardmax 11": single("Hardmax", {"x": X}, opset=11, axis=2),
    "lp pool": single("LpPool", {"x": X}, kernel_shape=[2, 3], strides=[1, 2], p=3),
}


@pytest.mark.parametrize("name", CASES)
def test_operators(name):
    model, inputs = CASES[name]
    agree(model, *inputs)


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize(
    "coordinates", ["half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"]
)
@pytest.mark.parametrize("by", ["scales", "sizes"])
def test_resizing(mode, coordinates, by):
    operands = {"scales": np.float32([1, 1, 1.5, 2]), "sizes": np.array([2, 3, 3, 9])}
    made = node(
        "Resize",
        ["x", "", "scales" if by == "scales" else "", "sizes" if by == "sizes" else ""],
        "y",
        mode=mode,
        coordinate_transformation_mode=coordinates,
    )
    weights = {by: operands[by]}
    model = data([made], [port("x", ["n", 3, 4, 5])], [port("y", None)], weights, opset=19)
    agree(model, X, rtol=1e-4)


def test_a_batch_that_is_resized_stays_symbolic():
    made = node("Resize", ["x", "", "scales"], "y", mode="linear")
    weights = {"scales": np.float32([1, 1, 2, 2])}
    bytes_ = data([made], [port("x", ["n", 3, 4, 5])], [port("y", None)], weights, opset=19)
    model = load_onnx(bytes_)
    for batch in (2, 3, 5, 4):
        x = random(batch, 3, 4, 5, seed=batch)
        np.testing.assert_allclose(model(x), theirs(bytes_, x)[0], rtol=1e-4, atol=1e-5)
    assert len(model._program.compiled.specializations) == 2


def test_a_quantised_layer():
    """As quantising tools write it: weights and activations as integers, and back."""
    weights = {
        "xs": np.float32(0.02),
        "xz": np.uint8(128),
        "wq": np.random.default_rng(0).integers(-128, 128, (4, 3), np.int8),
        "ws": np.float32([0.01, 0.02, 0.03]),
        "wz": np.int8([0, 0, 0]),
    }
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], "q"),
        node("DequantizeLinear", ["q", "xs", "xz"], "d"),
        node("DequantizeLinear", ["wq", "ws", "wz"], "w", axis=1),
        node("MatMul", ["d", "w"], "y"),
    ]
    agree(data(nodes, [port("x", [2, 4])], [port("y", None)], weights), random(2, 4))


@pytest.mark.parametrize("dynamic", [False, True])
def test_a_quantised_convolution(dynamic):
    rng = np.random.default_rng(0)
    w = rng.integers(-100, 100, (2, 3, 3, 3), np.int8)
    if dynamic:
        nodes = [
            node("DynamicQuantizeLinear", "x", ["q", "s", "z"]),
            node("ConvInteger", ["q", "w", "z"], "i", pads=[1, 1, 1, 1]),
            node("Cast", "i", "f", to=1),
            node("Mul", ["f", "s"], "y"),
        ]
        agree(data(nodes, [port("x", list(X.shape))], [port("y", None)], {"w": w}), X, atol=1e-3)
        return
    weights = {
        "xs": np.float32(0.03),
        "xz": np.uint8(120),
        "w": w,
        "ws": np.float32([0.01, 0.02]),
        "wz": np.int8([0, 0]),
        "ys": np.float32(0.4),
        "yz": np.uint8(100),
    }
    nodes = [
        node("QuantizeLinear", ["x", "xs", "xz"], "q"),
        node("QLinearConv", ["q", *weights], "i", pads=[1, 1, 1, 1]),
        node("DequantizeLinear", ["i", "ys", "yz"], "y"),
    ]
    agree(data(nodes, [port("x", list(X.shape))], [port("y", None)], weights), X)


@pytest.mark.parametrize(
    "attributes", [{}, {"is_causal": 1}, {"scale": 0.3}, {"softcap": 2.0}], ids=str
)
def test_the_attention_operator(attributes):
    operands = {name: random(2, 3, 5, 8, seed=k) for k, name in enumerate("qkv")}
    model, inputs = single("Attention", operands, opset=23, **attributes)
    agree(model, *inputs)
