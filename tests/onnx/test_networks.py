"""Networks from ONNX, convolutional and recurrent: derivatives, maps, compiled or not."""

import numpy as np
import pytest

import graphc
from graphc.loading.onnx.model import load_onnx
from tests.onnx.building import data, node, port, random

STEPS, BATCH, INPUT, HIDDEN = 4, 3, 2, 3
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def recurrent(kind, direction="bidirectional", lengths=False, **attributes):
    count = 2 if direction == "bidirectional" else 1
    rows = GATES[kind] * HIDDEN
    weights = {
        "W": random(count, rows, INPUT, seed=1, dtype=np.float64),
        "R": random(count, rows, HIDDEN, seed=2, dtype=np.float64, scale=0.4),
        "B": random(count, 2 * rows, seed=3, dtype=np.float64),
        **({"lengths": np.array([4, 1, 3], np.int32)} if lengths else {}),
    }
    outputs = ["y", "last", *(["cell"] if kind == "LSTM" else [])]
    made = node(
        kind, ["x", *weights], outputs, hidden_size=HIDDEN, direction=direction, **attributes
    )
    ports = [port(name, None, "float64") for name in outputs]
    return data([made], [port("x", ["steps", BATCH, INPUT], "float64")], ports, weights)


@pytest.mark.parametrize("lengths", [False, True])
@pytest.mark.parametrize("kind", GATES)
def test_recurrent_networks_compiled_and_not(kind, lengths):
    model = load_onnx(recurrent(kind, lengths=lengths))
    for steps in (4, 5, 6):
        x = random(steps, BATCH, INPUT, seed=steps, dtype=np.float64)
        found = model(x)
        with graphc.eager():
            for ours, plain in zip(found, model(x), strict=True):
                np.testing.assert_allclose(ours, plain, rtol=1e-9, atol=1e-12)
        if lengths:
            assert (found[0][1:, :, 1] == 0).all()
            np.testing.assert_allclose(found[1][0, 1], found[0][0, 0, 1])
    assert len(model._program.compiled.specializations) == 2


@pytest.mark.parametrize("kind", GATES)
def test_gradients_of_recurrent_networks(kind):
    model = load_onnx(recurrent(kind, lengths=True))
    x = random(STEPS, BATCH, INPUT, dtype=np.float64)
    graphc.testing.check_grads(lambda x: model(x)[:2], (x,), order=1)

    def loss(model):
        return sum((part**2).sum() for part in model(x))

    gradient = graphc.grad(loss)(model)
    assert gradient.lengths is None
    for name in ("W", "R", "B"):
        array, place, step = getattr(model, name), (1, 0, 1)[-getattr(model, name).ndim :], 1e-6
        kept = array[place]
        array[place] = kept + step
        above = loss(model)
        array[place] = kept - step
        below = loss(model)
        array[place] = kept
        assert getattr(gradient, name)[place] == pytest.approx(
            (above - below) / (2 * step), rel=1e-4
        )


def convolutional():
    """Convolutions with uneven padding, a shortcut, batch norm, pooling, a classifier."""
    weights = {
        "c1": random(4, 2, 3, 3, seed=1, dtype=np.float64, scale=0.3),
        "b1": random(4, seed=2, dtype=np.float64),
        "c2": random(4, 2, 3, 3, seed=3, dtype=np.float64, scale=0.3),
        "scale": random(4, seed=4, dtype=np.float64),
        "bias": random(4, seed=5, dtype=np.float64),
        "mean": random(4, seed=6, dtype=np.float64),
        "var": np.abs(random(4, seed=7, dtype=np.float64)) + 0.5,
        "w": random(3, 4, seed=8, dtype=np.float64),
    }
    nodes = [
        node("Conv", ["x", "c1", "b1"], "a", pads=[1, 0, 1, 2], strides=[1, 1]),
        node("Conv", ["a", "c2"], "b", pads=[1, 1, 1, 1], group=2),
        node("BatchNormalization", ["b", "scale", "bias", "mean", "var"], "n"),
        node("Add", ["a", "n"], "s"),
        node("LeakyRelu", "s", "r", alpha=0.1),
        node("AveragePool", "r", "p", kernel_shape=[2, 2], strides=[2, 2], pads=[0, 0, 1, 1]),
        node("GlobalAveragePool", "p", "g"),
        node("Flatten", "g", "f"),
        node("Gemm", ["f", "w"], "y", transB=1),
    ]
    ports = [port("x", ["n", 2, "h", "w_"], "float64"), port("y", ["n", 3], "float64")]
    return data(nodes, ports[:1], ports[1:], weights)


def test_a_convolutional_network_of_any_size():
    model = load_onnx(convolutional())
    for batch, size in ((2, 6), (3, 6), (2, 8), (4, 7)):
        x = random(batch, 2, size, size, seed=size, dtype=np.float64)
        found = model(x)
        with graphc.eager():
            np.testing.assert_allclose(found, model(x), rtol=1e-9)
    graphc.testing.check_grads(lambda x: model(x), (x,), order=1)
    images = random(3, 2, 2, 6, 6, dtype=np.float64)
    each = np.stack([model(one) for one in images])
    np.testing.assert_allclose(graphc.vmap(lambda x: model(x))(images), each, rtol=1e-9)


def test_weights_among_constants_are_no_constants_of_the_code():
    """Exporters that fold leave weights as `Constant`: large ones stay arrays beside the code."""
    from onnx import numpy_helper

    w = random(80, 70)
    nodes = [
        node("Constant", [], "w", value=numpy_helper.from_array(w)),
        node("MatMul", ["x", "w"], "y"),
    ]
    model = load_onnx(data(nodes, [port("x", ["n", 80])], [port("y", ["n", 70])]))
    x = random(3, 80, seed=1)
    np.testing.assert_allclose(model(x), x @ w, rtol=1e-4, atol=1e-4)
    assert len(graphc.compile(model).lower(x).graph.inputs) == 2
