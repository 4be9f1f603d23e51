"""The ResNet-18 of ``examples/resnet.py`` from a PyTorch state dict: logits, losses, statistics.

Runs where PyTorch is installed (``make parity``).
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import nn, optim
from tests.parity.torch_pairs import torch

F = torch.nn.functional


def example():
    path = Path(__file__).parents[2] / "examples" / "resnet.py"
    spec = importlib.util.spec_from_file_location("resnet_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Block(torch.nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        conv = torch.nn.Conv2d
        self.conv1 = conv(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(outputs)
        self.conv2 = conv(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(outputs)
        self.shortcut = torch.nn.Sequential()
        if stride != 1 or inputs != outputs:
            self.shortcut = torch.nn.Sequential(
                conv(inputs, outputs, 1, stride=stride, bias=False), torch.nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        inputs = 64
        for number, outputs in enumerate((64, 128, 256, 512)):
            blocks = [
                Block(inputs, outputs, 1 if number == 0 else 2),
                Block(outputs, outputs, 1),
            ]
            setattr(self, f"layer{number + 1}", torch.nn.Sequential(*blocks))
            inputs = outputs
        self.fc = torch.nn.Linear(512, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(F.avg_pool2d(x, 4).view(x.shape[0], -1))


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
