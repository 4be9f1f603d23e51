"""``python -m bench.folding``: what batch norm costs where its network only infers.

A ResNet-18 with its batch norms, one that has none, and the products of all weights with a number
for each output channel: what folding the norms into the weights would have to do at each call,
since weights are arguments that a call may find changed. In turn, on one machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import graphc
from bench.networks.graphc_resnet import resnet
from graphc import nn

ROUNDS = 60


class Same(nn.Module):
    """A layer that gives what it gets."""

    def forward(self, x: Any) -> Any:
        """`x` itself."""
        return x


def without_norms(module: nn.Module) -> nn.Module:
    """`module`, its batch norms replaced in place."""
    for name, child in list(vars(module).items()):
        if isinstance(child, nn.BatchNorm2d):
            setattr(module, name, Same())
        elif isinstance(child, nn.Module):
            without_norms(child)
    return module


def infer(model: Any, x: Any) -> Any:
    """The logits of `x`."""
    return model(x)


def scale(weights: Any, scales: Any) -> Any:
    """Every weight times the number of its output channel."""
    return [w * s for w, s in zip(weights, scales, strict=True)]


def main() -> None:
    """Print the best and the median of each, in milliseconds."""
    random = np.random.default_rng(0)
    x = random.standard_normal((8, 3, 32, 32), np.float32)
    normed, plain = resnet(64).eval(), without_norms(resnet(64)).eval()
    weights = [w for w in normed.parameters() if w.ndim > 1]
    scales = [np.ones((len(w), *[1] * (w.ndim - 1)), np.float32) for w in weights]
    inference, scaling = graphc.compile(infer), graphc.compile(scale)
    calls: dict[str, Callable[[], Any]] = {
        "with batch norm": lambda: inference(normed, x),
        "without": lambda: inference(plain, x),
        "weights scaled": lambda: scaling(weights, scales),
    }
    times: dict[str, list[float]] = {name: [] for name in calls}
    for round_ in range(ROUNDS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if round_:
                times[name].append(1e3 * (time.perf_counter() - start))
    for name, taken in times.items():
        print(f"{name:>16}: best {min(taken):6.2f} ms, median {np.median(taken):6.2f}")


if __name__ == "__main__":
    main()
