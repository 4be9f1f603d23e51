"""The workloads: what each computes, on which inputs, and the least work that it can be.

Every workload is one whole step. An input that the step updates is a result under the same name;
other results are ``loss`` and ``grad_<input>``. All is float32, but for `stencil` and `matscan`,
which are float64; labels are int64.
"""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from bench import networks

Arrays = dict[str, np.ndarray]

RATE = 0.1
"""Learning rate of the workloads that update parameters."""

EPSILON = 1e-5
"""Added to the variance of layer norm."""

LAYERS = (784, 128, 64, 10)

ELEMENTARY = 20
"""Operations that exp, log or tanh counts for: a polynomial with its range reduction."""


@dataclass(frozen=True, slots=True)
class Workload:
    """One row of the comparison.

    Attributes:
        name: on the command line.
        kind: which function of a peer builds it; the three sizes of the network share one.
        text: what it computes, for the table.
        shape: sizes that `inputs`, `flops` and `least` take.
        small: sizes for a quick look.
        inputs: (rng, *shape) -> named arrays.
        flops: (*shape) -> arithmetic operations that no way of computing it avoids.
        least: (*shape) -> bytes that must be read and written at least, each once.
        wanted: how many times faster than the best peer graphc is to be.
        tolerance: allowed difference between results, as a share of the largest element.
        without: the peers that do not take part: they have no loops, or unroll them.
        reference: the peer that is right, in float64.
    """

    name: str
    kind: str
    text: str
    shape: tuple[int, ...]
    small: tuple[int, ...]
    inputs: Callable[..., Arrays]
    flops: Callable[..., int]
    least: Callable[..., int]
    wanted: float
    tolerance: float = 1e-4
    without: tuple[str, ...] = ("numba",)
    reference: str = "numpy"

    def make(self, small: bool = False) -> Arrays:
        """The seeded inputs: the same in every process."""
        rng = np.random.default_rng(zlib.crc32(self.name.encode()))
        return self.inputs(rng, *self.sizes(small))

    def sizes(self, small: bool = False) -> tuple[int, ...]:
        """The sizes of a full or a small run."""
        return self.small if small else self.shape


def _normal(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.standard_normal(shape).astype(np.float32)


def _scalar(rng: np.random.Generator) -> Arrays:
    return {name: np.array(value, np.float32) for name, value in (("w", 0.5), ("x", 1.5), ("y", 2))}


def _network(rng: np.random.Generator, batch: int) -> Arrays:
    arrays = {"x": _normal(rng, batch, LAYERS[0])}
    arrays["y"] = np.eye(LAYERS[-1], dtype=np.float32)[rng.integers(0, LAYERS[-1], batch)]
    for k in range(1, len(LAYERS)):
        rows, columns = LAYERS[k - 1], LAYERS[k]
        arrays[f"W{k}"] = _normal(rng, rows, columns) * np.float32(np.sqrt(2 / rows))
        arrays[f"b{k}"] = _normal(rng, columns) * np.float32(0.1)
    return arrays


def parameters(inputs: Mapping[str, np.ndarray]) -> Arrays:
    """The parameters among the network's inputs: ``W1, b1, W2, …``."""
    return {name: array for name, array in inputs.items() if name[0] in "Wb"}


_WEIGHTS = sum(a * b for a, b in itertools.pairwise(LAYERS))
_PARAMETERS = _WEIGHTS + sum(LAYERS[1:])


def _network_flops(batch: int) -> int:
    """Three products a layer, but for the gradient by the data, which nobody asks for."""
    return 2 * batch * (3 * _WEIGHTS - LAYERS[0] * LAYERS[1]) + 2 * _PARAMETERS


def _network_bytes(batch: int) -> int:
    return 4 * (2 * _PARAMETERS + batch * (LAYERS[0] + LAYERS[-1]))


def _chain(rng: np.random.Generator, size: int) -> Arrays:
    return {"x": _normal(rng, size), "w": _normal(rng, size)}


def _logits(rng: np.random.Generator, rows: int, classes: int) -> Arrays:
    return {"logits": _normal(rng, rows, classes), "labels": rng.integers(0, classes, rows)}


def _rows(rng: np.random.Generator, rows: int, columns: int) -> Arrays:
    return {
        "x": _normal(rng, rows, columns),
        "scale": 1 + np.float32(0.1) * _normal(rng, columns),
        "shift": np.float32(0.1) * _normal(rng, columns),
    }


TURNS = 100
"""Turns of the stencil: each writes both arrays."""

PRODUCTS = 10_000
"""Turns of `matscan`."""


def _plates(rng: np.random.Generator, rows: int, columns: int) -> Arrays:
    return {"a": rng.random((rows, columns)), "b": rng.random((rows, columns))}


def _elman(rng: np.random.Generator, turns: int, batch: int, size: int) -> Arrays:
    return {
        "Wx": _normal(rng, size, size) / np.float32(np.sqrt(size)),
        "Wh": _normal(rng, size, size) / np.float32(np.sqrt(size)),
        "b": _normal(rng, size) * np.float32(0.1),
        "h": _normal(rng, batch, size),
        "x": _normal(rng, turns, batch, size),
    }


def _matrices(rng: np.random.Generator, size: int) -> Arrays:
    turning = np.linalg.qr(rng.standard_normal((size, size)))[0]
    return {"h": rng.standard_normal((size, size)), "A": turning * 0.9999}


def _mlp(batch: int, wanted: float) -> Workload:
    return Workload(
        name=f"mlp{batch}",
        kind="mlp",
        text=f"784-128-64-10, ReLU, ReLU, sigmoid, mean squared error, SGD, batch {batch}",
        shape=(batch,),
        small=(min(batch, 8),),
        inputs=_network,
        flops=_network_flops,
        least=_network_bytes,
        wanted=wanted,
    )


_NETWORKS = ("numba", "numpy", "jax", "pytensor")
"""Peers that come with no layers of networks."""

WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            name="scalar",
            kind="scalar",
            text="one weight: (w·x − y)² and its SGD step",
            shape=(),
            small=(),
            inputs=_scalar,
            flops=lambda: 7,
            least=lambda: 20,
            wanted=1.2,
        ),
        _mlp(1, 1.3),
        _mlp(64, 1.5),
        _mlp(1024, 1.0),
        Workload(
            name="chain",
            kind="chain",
            text="v = tanh(x·w) + 1; sum of v·x / (1 + exp(−v)); both gradients; 2 M elements",
            shape=(2_000_000,),
            small=(1000,),
            inputs=_chain,
            flops=lambda size: size * (2 * ELEMENTARY + 18),
            least=lambda size: 4 * 4 * size,
            wanted=2.0,
        ),
        Workload(
            name="softmaxce",
            kind="softmaxce",
            text="cross-entropy of 4096×1000 logits, and its gradient",
            shape=(4096, 1000),
            small=(16, 10),
            inputs=_logits,
            flops=lambda rows, classes: rows * classes * (ELEMENTARY + 5),
            least=lambda rows, classes: 4 * 2 * rows * classes,
            wanted=1.5,
        ),
        Workload(
            name="layernorm",
            kind="layernorm",
            text="layer norm, scale, shift, tanh-GELU, mean square of 4096×1024; all gradients",
            shape=(4096, 1024),
            small=(8, 16),
            inputs=_rows,
            flops=lambda rows, columns: rows * columns * (ELEMENTARY + 45),
            least=lambda rows, columns: 4 * 2 * rows * columns,
            wanted=2.0,
        ),
        Workload(
            name="stencil",
            kind="stencil",
            text=f"{TURNS} times two five-point stencils, a to b and b to a, 1000×1000 float64",
            shape=(1000, 1000),
            small=(20, 30),
            inputs=_plates,
            flops=lambda rows, columns: TURNS * 2 * 4 * rows * columns,
            least=lambda rows, columns: 4 * 8 * rows * columns,
            wanted=0.77,
            without=("inductor", "pytensor"),
        ),
        Workload(
            name="elman",
            kind="elman",
            text="64 Elman cells, batch 16, hidden 128; loss and all gradients",
            shape=(64, 16, 128),
            small=(5, 3, 8),
            inputs=_elman,
            flops=lambda turns, batch, size: turns * 6 * 2 * batch * size * size,
            least=lambda turns, batch, size: 4 * 2 * (turns * batch * size + 2 * size * size),
            wanted=1.5,
            without=("numba", "pytensor"),
        ),
        Workload(
            name="matscan",
            kind="matscan",
            text=f"h = h A, 3×3 float64, {PRODUCTS} times; sum and both gradients",
            shape=(3,),
            small=(3,),
            inputs=_matrices,
            flops=lambda size: PRODUCTS * 3 * 2 * size**3,
            least=lambda size: 8 * 4 * size * size,
            wanted=5.0,
            without=("inductor", "numba", "pytensor"),
        ),
        Workload(
            name="attention",
            kind="attention",
            text="self-attention of 8 heads, 4×256×256, with its projections; all gradients",
            shape=(4, 256, 256),
            small=(2, 6, 16),
            inputs=networks.attention,
            flops=networks.attention_flops,
            least=networks.attention_bytes,
            wanted=0.67,
            without=("numba", "pytensor"),
        ),
        Workload(
            name="resnet_infer",
            kind="resnet_infer",
            text="ResNet-18, 8 images of 32×32, inference",
            shape=(8, 64, 32),
            small=(2, 4, 32),
            inputs=networks.resnet,
            flops=networks.resnet_flops,
            least=lambda batch, width, size: 4 * networks.parameters(width, size),
            wanted=0.67,
            without=_NETWORKS,
            reference="torch",
        ),
        Workload(
            name="resnet",
            kind="resnet",
            text="ResNet-18, 8 images of 32×32, a training step: cross-entropy, SGD, momentum",
            shape=(8, 64, 32),
            small=(2, 4, 32),
            inputs=networks.resnet,
            flops=networks.resnet_step_flops,
            least=lambda batch, width, size: 5 * 4 * networks.parameters(width, size),
            wanted=0.67,
            tolerance=0.1,  # single ReLUs of float32 fall to the other side
            without=_NETWORKS,
            reference="torch",
        ),
    )
}
