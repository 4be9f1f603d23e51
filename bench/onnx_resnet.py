"""``python -m bench.onnx_resnet``: an imported ResNet-18 beside ONNX Runtime.

One model file, batches of 8 images of 32×32, inference; in turn in one process, with equally many
threads. Results are compared first.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime

import graphc
from bench.machine import describe
from bench.networks.graphc_resnet import resnet
from bench.networks.onnx_resnet import resnet18_model
from graphc.loading.onnx.model import load_onnx

ROUNDS = 60
TARGET = 1.3


def settled(model: Any) -> Any:
    """`model` for inference, its batch norms' statistics those of images, not zeros and ones."""
    random = np.random.default_rng(1)
    train = graphc.compile(lambda model, x: model(x))
    for _ in range(20):
        train(model, random.standard_normal((8, 3, 32, 32), np.float32))
    return model.eval()


def session(data: bytes, threads: int) -> Any:
    """ONNX Runtime with a number of threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def main() -> None:
    """Print the best and the median of both, in milliseconds, and how they compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    cpu, cores, _ = describe()
    threads = int(os.environ.get("GRAPHC_THREADS", cores))
    os.environ["GRAPHC_THREADS"] = str(threads)
    data = resnet18_model(settled(resnet(64)).state_dict(), 8)
    x = np.random.default_rng(0).standard_normal((8, 3, 32, 32), np.float32)
    ours, theirs = load_onnx(data), session(data, threads)
    apart = np.abs(ours(x) - theirs.run(None, {"x": x})[0]).max()
    calls: dict[str, Callable[[], Any]] = {
        "graphc": lambda: ours(x),
        f"ONNX Runtime {onnxruntime.__version__}": lambda: theirs.run(None, {"x": x}),
    }
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            call()  # the pool of the other one may still spin
            started = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - started)
    scale = np.abs(ours(x)).max()
    print(f"{cpu}, {threads} threads; ResNet-18, batch 8, 32×32")
    print(f"largest difference {apart:.1e}, of logits up to {scale:.2f}")
    for name, times in seconds.items():
        print(f"{name:22} best {min(times) * 1e3:6.2f} ms  median {np.median(times) * 1e3:6.2f} ms")
    first, second = seconds.values()
    best, median = min(first) / min(second), np.median(first) / np.median(second)
    verdict = "within" if median <= TARGET else "not within"
    print(f"graphc takes {best:.2f}× (best), {median:.2f}× (median): {verdict} {TARGET}×")


if __name__ == "__main__":
    main()
