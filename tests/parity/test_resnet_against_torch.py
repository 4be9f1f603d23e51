"""The ResNet-18 of ``examples/resnet.py`` from a PyTorch state dict: logits, losses, statistics.

Runs where PyTorch is installed (``make parity``).
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import graphc
from bench.networks.torch_resnet import ResNet
from graphc import nn, optim
from tests.parity.torch_pairs import torch

F = torch.nn.functional


def example():
    path = Path(__file__).parents[2] / "examples" / "resnet.py"
    spec = importlib.util.spec_from_file_location("resnet_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pair(dtype):
    torch.manual_seed(0)
    theirs = ResNet().to(dtype)
    ours = example().resnet18().to(np.float64 if dtype == torch.float64 else np.float32)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def batches(dtype, count=10):
    rng = np.random.default_rng(0)
    images = rng.standard_normal((count, 8, 3, 32, 32)).astype(dtype)
    return images, rng.integers(0, 10, (count, 8))


def test_logits_of_a_state_dict():
    ours, theirs = pair(torch.float32)
    (images,), _ = batches(np.float32, 1)
    theirs.eval()
    ours.eval()
    predict = graphc.compile(lambda model, x: model(x))
    with torch.no_grad():
        wanted = theirs(torch.from_numpy(images)).numpy()
    np.testing.assert_allclose(predict(ours, images), wanted, rtol=1e-5, atol=1e-5)


# In float32 single ReLUs whose input is zero but for rounding fall to different sides in the two:
# 2e-3 of a gradient each. In float64 none does, and ten steps agree to the last digits.
@pytest.mark.parametrize(
    ("dtype", "rate", "tolerance"), [("float64", 0.01, 1e-9), ("float32", 0.001, 5e-3)]
)
def test_ten_steps_of_training(dtype, rate, tolerance):
    ours, theirs = pair(getattr(torch, dtype))
    images, labels = batches(dtype)
    opt = optim.SGD(ours, rate, momentum=0.9)
    reference = torch.optim.SGD(theirs.parameters(), rate, momentum=0.9)

    @graphc.compile
    def step(model, opt, x, y):
        loss, grads = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        opt.step(model, grads)
        return loss

    before = len(step.specializations)
    losses, expected = [], []
    for x, y in zip(images, labels, strict=True):
        losses.append(step(ours, opt, x, y))
        reference.zero_grad()
        loss = F.cross_entropy(theirs(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        reference.step()
        expected.append(loss.item())
    np.testing.assert_allclose(losses[:2], expected[:2], rtol=1e-6)
    np.testing.assert_allclose(losses, expected, rtol=tolerance)
    assert len(step.specializations) == before + 1
    state = theirs.state_dict()
    for name, buffer in ours.named_buffers():
        wanted = state[name].numpy()
        np.testing.assert_allclose(buffer, wanted, rtol=tolerance, atol=tolerance, err_msg=name)
