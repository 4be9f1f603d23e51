"""Ordinary networks: written as ONNX, read again, the same outputs and gradients."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import nn

F32 = np.float32


def example(name):
    path = Path(__file__).parents[2] / "examples" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recurrent(nn.Module):
    def __init__(self):
        self.lstm, self.head = nn.LSTM(5, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        self.embedding = nn.Embedding(11, 16)
        self.attention = nn.MultiHeadAttention(16, 4, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(16), nn.LayerNorm(16)
        self.feed = nn.Sequential(nn.Linear(16, 32), nn.GELU(), nn.Linear(32, 16))

    def forward(self, tokens):
        x = self.embedding(tokens)
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.feed(self.norm2(x))


def mlp():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))


def resnet():
    return example("resnet").ResNet((1, 1, 1, 1), 8)


NETWORKS = {
    "mlp": (mlp, ("batch", 6), F32),
    "resnet": (resnet, ("batch", 3, 32, 32), F32),
    "lstm": (Recurrent, ("batch", 7, 5), F32),
    "transformer": (Transformer, ("batch", 9), np.int64),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_goes_to_onnx_and_back(name, tmp_path):
    make, shape, dtype = NETWORKS[name]
    graphc.random.seed(0)
    model = make().eval()
    path = tmp_path / "model.onnx"
    graphc.export(model, graphc.spec(shape, dtype), path=path)
    again = graphc.load(path)
    random = np.random.default_rng(1)
    for batch in (2, 3):
        size = (batch, *shape[1:])
        x = random.integers(0, 11, size) if dtype is np.int64 else random.standard_normal(size)
        x = x.astype(dtype)
        np.testing.assert_allclose(again(x), model(x), 1e-4, 2e-5)

    def loss(m):
        return (m(x) ** 2).mean()

    ours = {n: np.asarray(g) for n, g in graphc.grad(loss)(again).named_parameters()}
    theirs = {n: np.asarray(g) for n, g in graphc.grad(loss)(model).named_parameters()}
    assert theirs.keys() <= ours.keys()
    for weight, gradient in theirs.items():
        scale = max(np.abs(gradient).max(), 1e-3)
        np.testing.assert_allclose(ours[weight], gradient, rtol=0, atol=2e-4 * scale)
    twice = tmp_path / "twice.onnx"
    graphc.export(again, graphc.spec(shape, dtype), path=twice)
    np.testing.assert_allclose(graphc.load(twice)(x), model(x), 1e-4, 2e-5)


class Normed(nn.Module):
    def __init__(self):
        self.a, self.norm, self.b = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)

    def forward(self, x):
        return self.b(nn.relu(self.norm(self.a(x))))


def test_constants_and_statistics_that_come_back_are_not_trained(tmp_path):
    model = Normed().eval()
    graphc.export(model, graphc.spec(("batch", 4), F32), path=tmp_path / "m.onnx")
    again = graphc.load(tmp_path / "m.onnx")
    assert {n for n, _ in again.named_parameters()} == {n for n, _ in model.named_parameters()}


def test_a_step_that_writes_its_weights_takes_them(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")

    def step(model, optimizer, x, y):
        loss, grads = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        optimizer.step(model, grads)
        return {"loss": loss}

    model = nn.Linear(4, 3)
    optimizer = graphc.optim.SGD(model, lr=0.1, momentum=0.9)
    path = tmp_path / "step.onnx"
    specs = graphc.spec(("n", 4), F32), graphc.spec(("n",), np.int64)
    graphc.export(step, model, optimizer, *specs, path=path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    weights = [one.name for one in session.get_overridable_initializers()]
    names = [one.name for one in session.get_outputs()]
    assert names[0] == "loss"
    assert {f"{name}_out" for name in weights} == set(names[1:])
    x = np.random.default_rng(0).standard_normal((6, 4)).astype(F32)
    y = np.array([0, 1, 2, 0, 1, 2])
    state = {}
    for _ in range(4):
        loss, *made = session.run(names, {"x": x, "y": y, **state})
        state = dict(zip((name.removesuffix("_out") for name in names[1:]), made, strict=True))
        wanted = step(model, optimizer, x, y)["loss"]
        np.testing.assert_allclose(loss, wanted, 1e-5)
