"""PyTorch, eager: modules, functions, autograd, `torch.optim`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench.networks import HEADS, torch_resnet
from bench.peers import Step
from bench.workloads import EPSILON, LAYERS, PRODUCTS, RATE, TURNS, parameters

VERSIONS = ("torch",)

torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads())))


def _unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
    return function


def _tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.tensor(array).requires_grad_(grad)


def _scalar(inputs: Mapping[str, np.ndarray], compiled: Callable[..., Any]) -> Step:
    w, x, y = _tensor(inputs["w"], True), _tensor(inputs["x"]), _tensor(inputs["y"])
    optimizer = torch.optim.SGD([w], lr=RATE)
    loss_of = compiled(lambda: (w * x - y) ** 2)
    return _training(optimizer, loss_of, lambda: {"w": w})


def _training(
    optimizer: torch.optim.Optimizer,
    loss_of: Callable[[], torch.Tensor],
    state: Callable[[], Mapping[str, torch.Tensor]],
) -> Step:
    def step() -> float:
        optimizer.zero_grad()
        loss = loss_of()
        loss.backward()
        optimizer.step()
        return loss.item()

    def results(loss: float) -> dict[str, np.ndarray]:
        arrays = {name: value.detach().numpy() for name, value in state().items()}
        return {"loss": np.float32(loss), **arrays}

    return Step(step, results)


def network(inputs: Mapping[str, np.ndarray]) -> nn.Sequential:
    """The network with the parameters of `inputs`."""
    modules: list[nn.Module] = []
    for k in range(1, len(LAYERS)):
        layer = nn.Linear(LAYERS[k - 1], LAYERS[k])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(inputs[f"W{k}"].T))
            layer.bias.copy_(torch.tensor(inputs[f"b{k}"]))
        modules += [layer, nn.ReLU() if k < len(LAYERS) - 1 else nn.Sigmoid()]
    return nn.Sequential(*modules)


def named(model: nn.Sequential) -> dict[str, torch.Tensor]:
    """The network's parameters by the names and in the layout of the inputs."""
    found = {}
    for k, layer in enumerate(model[::2], start=1):
        found |= {f"W{k}": layer.weight.T, f"b{k}": layer.bias}
    return found


def _mlp(inputs: Mapping[str, np.ndarray], compiled: Callable[..., Any]) -> Step:
    model = network(parameters(inputs))
    x, y = _tensor(inputs["x"]), _tensor(inputs["y"])
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    loss_of = compiled(lambda: functional.mse_loss(model(x), y))
    return _training(optimizer, loss_of, lambda: named(model))


def _gradients(loss_of: Callable[..., torch.Tensor], values: dict[str, torch.Tensor]) -> Step:
    wanted = [value for value in values.values() if value.requires_grad]
    names = [f"grad_{name}" for name, value in values.items() if value.requires_grad]

    def step() -> tuple[float, tuple[torch.Tensor, ...]]:
        loss = loss_of(*values.values())
        return loss.item(), torch.autograd.grad(loss, wanted)

    def results(out: tuple[float, tuple[torch.Tensor, ...]]) -> dict[str, np.ndarray]:
        arrays = [grad.numpy() for grad in out[1]]
        return {"loss": np.float32(out[0])} | dict(zip(names, arrays, strict=True))

    return Step(step, results)


def chained(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """The loss of `chain`."""
    v = torch.tanh(x * w) + 1
    return torch.sum(v * x / (1 + torch.exp(-v)))


def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss of `softmaxce`."""
    return functional.cross_entropy(logits, labels)


def normalised(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """The loss of `layernorm`."""
    y = functional.layer_norm(x, x.shape[1:], scale, shift, EPSILON)
    return torch.mean(functional.gelu(y, approximate="tanh") ** 2)


def cells(
    Wx: torch.Tensor, Wh: torch.Tensor, b: torch.Tensor, h: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    """The loss of `elman`."""
    for row in x:
        h = torch.tanh(row @ Wx + h @ Wh + b)
    return torch.mean(h * h)


def multiplied(h: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
    """The loss of `matscan`."""
    for _ in range(PRODUCTS):
        h = h @ A
    return torch.sum(h * h)


def _stencil(inputs: Mapping[str, np.ndarray]) -> Step:
    a, b = _tensor(inputs["a"]), _tensor(inputs["b"])

    def step() -> None:
        for _ in range(TURNS):
            b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
            a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])

    return Step(step, lambda _: {"a": a.numpy(), "b": b.numpy()})


def attended(
    x: torch.Tensor, W: torch.Tensor, b: torch.Tensor, Wo: torch.Tensor, bo: torch.Tensor
) -> torch.Tensor:
    """The loss of `attention`."""
    batch, steps, width = x.shape
    parts = (x @ W + b).view(batch, steps, 3, HEADS, width // HEADS)
    q, k, v = parts.permute(2, 0, 3, 1, 4)
    y = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
    return torch.mean((y @ Wo + bo) ** 2)


def _resnet(kind: str, inputs: Mapping[str, np.ndarray], compiled: Callable[..., Any]) -> Step:
    given = {name: _tensor(array) for name, array in inputs.items()}
    x, labels = given.pop("x"), given.pop("labels")
    model = torch_resnet.ResNet(len(given["conv1.weight"])).to(x.dtype)
    model.load_state_dict(given, strict=False)  # but for the counts of batches
    if kind == "resnet_infer":
        model.eval()
        call = compiled(model)

        def infer() -> torch.Tensor:
            with torch.no_grad():
                return call(x)

        return Step(infer, lambda logits: {"logits": logits.numpy()})
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)
    loss_of = compiled(lambda: functional.cross_entropy(model(x), labels))

    def state() -> dict[str, torch.Tensor]:
        return {name: x for name, x in model.state_dict().items() if name in inputs}

    return _training(optimizer, loss_of, state)


_LOSSES = {
    "attention": attended,
    "chain": chained,
    "softmaxce": cross_entropy,
    "layernorm": normalised,
    "elman": cells,
    "matscan": multiplied,
}


def build(
    kind: str, inputs: Mapping[str, np.ndarray], compiled: Callable[..., Any] = _unchanged
) -> Step:
    """The step of a workload; `compiled` is put around the loss function."""
    if kind == "stencil":
        return _stencil(inputs)
    if kind == "scalar":
        return _scalar(inputs, compiled)
    if kind == "mlp":
        return _mlp(inputs, compiled)
    if kind.startswith("resnet"):
        return _resnet(kind, inputs, compiled)
    values = {name: _tensor(array, array.dtype.kind == "f") for name, array in inputs.items()}
    return _gradients(compiled(_LOSSES[kind]), values)
