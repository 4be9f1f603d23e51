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
