"""Whole networks as workloads: their states, and how much arithmetic they are.

The ResNet-18 is that of ``examples/resnet.py``. Its state is made here, under the names of a
PyTorch state dict, for every peer the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

STAGES = 4
BLOCKS = 2
CLASSES = 10
HEADS = 8

Convolution = tuple[str, int, int, int, int, int]
"""Name, inputs, outputs, size of the kernel, stride, and places along a side of its results."""


def convolutions(width: int, size: int) -> Iterator[Convolution]:
    """The convolutions of a ResNet-18 for images of `size`, in order."""
    yield "conv1", 3, width, 3, 1, size
    inputs = width
    for stage in range(STAGES):
        outputs = width * 2**stage
        for block in range(BLOCKS):
            stride = 2 if stage > 0 and block == 0 else 1
            size //= stride
            name = f"layer{stage + 1}.{block}"
            yield f"{name}.conv1", inputs, outputs, 3, stride, size
            yield f"{name}.conv2", outputs, outputs, 3, 1, size
            if stride != 1 or inputs != outputs:
                yield f"{name}.shortcut.0", inputs, outputs, 1, stride, size
            inputs = outputs


NORMS = {"conv1": "bn1", "conv2": "bn2", "0": "1"}
"""The batch norm that follows a convolution, by the last parts of their names."""


def resnet_state(rng: np.random.Generator, width: int, size: int) -> dict[str, np.ndarray]:
    """A state dict, float32: random weights, and statistics as after some training."""
    state: dict[str, np.ndarray] = {}
    for name, inputs, outputs, kernel, _, _ in convolutions(width, size):
        shape = (outputs, inputs, kernel, kernel)
        scale = np.sqrt(2 / (inputs * kernel * kernel))
        state[f"{name}.weight"] = rng.standard_normal(shape) * scale
        head, _, last = name.rpartition(".")
        norm = f"{head}.{NORMS[last]}" if head else NORMS[last]
        state[f"{norm}.weight"] = 1 + 0.1 * rng.standard_normal(outputs)
        state[f"{norm}.bias"] = 0.1 * rng.standard_normal(outputs)
        state[f"{norm}.running_mean"] = 0.1 * rng.standard_normal(outputs)
        state[f"{norm}.running_var"] = 1 + rng.random(outputs)
    features = width * 2 ** (STAGES - 1)
    state["fc.weight"] = rng.standard_normal((CLASSES, features)) / np.sqrt(features)
    state["fc.bias"] = np.zeros(CLASSES)
    return {name: array.astype(np.float32) for name, array in state.items()}


def resnet(rng: np.random.Generator, batch: int, width: int, size: int) -> dict[str, np.ndarray]:
    """Images, labels and the state."""
    x = rng.standard_normal((batch, 3, size, size)).astype(np.float32)
    labels = rng.integers(0, CLASSES, batch)
    return {"x": x, "labels": labels, **resnet_state(rng, width, size)}


def resnet_flops(batch: int, width: int, size: int) -> int:
    """Of the convolutions and the last layer, forward."""
    total = 2 * batch * width * 2 ** (STAGES - 1) * CLASSES
    for _, inputs, outputs, kernel, _, side in convolutions(width, size):
        total += 2 * batch * inputs * outputs * kernel**2 * side**2
    return total


def resnet_step_flops(batch: int, width: int, size: int) -> int:
    """Forward and both gradients; nobody asks for that by the images."""
    first = 2 * batch * 3 * width * 9 * size**2
    return 3 * resnet_flops(batch, width, size) - first


def parameters(width: int, size: int) -> int:
    """Elements of the parameters."""
    rng = np.random.default_rng(0)
    state = resnet_state(rng, width, size)
    return sum(array.size for name, array in state.items() if ".running" not in name)


def attention(
    rng: np.random.Generator, batch: int, steps: int, width: int
) -> dict[str, np.ndarray]:
    """A layer norm, joint projections to queries, keys and values, and the last projection."""

    def normal(*shape: int, scale: float) -> np.ndarray:
        return (rng.standard_normal(shape) * scale).astype(np.float32)

    return {
        "x": normal(batch, steps, width, scale=1),
        "W": normal(width, 3 * width, scale=width**-0.5),
        "b": normal(3 * width, scale=0.1),
        "Wo": normal(width, width, scale=width**-0.5),
        "bo": normal(width, scale=0.1),
    }


def attention_flops(batch: int, steps: int, width: int) -> int:
    """Four products of the width, and two of the scores, forward and both gradients."""
    return 3 * 2 * batch * steps * width * (4 * width + 2 * steps)


def attention_bytes(batch: int, steps: int, width: int) -> int:
    """Inputs and gradients, once each."""
    return 4 * 2 * (batch * steps * width + 4 * width * width)
