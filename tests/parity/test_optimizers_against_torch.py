"""The optimizers of `graphc.optim` against ``torch.optim``: parameters after ten steps.

Runs where PyTorch is installed (``make parity``).
"""

import numpy as np
import pytest

import graphc
from graphc import optim

torch = pytest.importorskip("torch")

SHAPES = [(3, 4), (4,), ()]

CASES = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.7), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "betas": (0.8, 0.9), "weight_decay": 0.3}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.05, "alpha": 0.5, "eps": 1e-4, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.9}),
    ("RMSprop", {"lr": 0.05, "momentum": 0.5, "centered": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {"lr": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
]


def drawn(seed, dtype):
    rng = np.random.default_rng(seed)
    return [np.asarray(rng.standard_normal(shape), dtype) for shape in SHAPES]


def compared(opt, reference, params, tensors, steps):
    step = graphc.compile(lambda opt, params, grads: opt.step(params, grads))
    for number in range(steps):
        grads = drawn(number + 1, params[0].dtype)
        step(opt, params, grads)
        for tensor, gradient in zip(tensors, grads, strict=True):
            tensor.grad = torch.from_numpy(gradient.copy())
        reference.step()
    for array, tensor in zip(params, tensors, strict=True):
        wanted = tensor.detach().numpy()
        tolerance = 1e-5 if array.dtype == np.float32 else 1e-12
        np.testing.assert_allclose(array, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), CASES)
def test_ten_steps(name, options, dtype):
    params = drawn(0, dtype)
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in params]
    opt = getattr(optim, name)(params, **options)
    compared(opt, getattr(torch.optim, name)(tensors, **options), params, tensors, 10)


def test_defaults_are_those_of_torch():
    for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
        tensors = [torch.zeros(2, requires_grad=True)]
        wanted = getattr(torch.optim, name)(tensors).defaults
        found = getattr(optim, name)([np.zeros(2)]).options
        assert {key: wanted[key] for key in found} == found, name


def test_groups():
    params = drawn(0, np.float32)
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in params]
    opt = optim.Adam([(params[:1], {"lr": 0.5}), (params[1:], {"weight_decay": 0.1})], lr=0.01)
    groups = [{"params": tensors[:1], "lr": 0.5}, {"params": tensors[1:], "weight_decay": 0.1}]
    compared(opt, torch.optim.Adam(groups, lr=0.01), params, tensors, 5)


def test_cosine_schedule():
    params = drawn(0, np.float64)
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in params]
    reference = torch.optim.SGD(tensors, lr=0.3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(reference, T_max=7, eta_min=0.1)
    rates = []
    rate = optim.cosine(0.3, 7, final=0.1)
    for number in range(7):
        rates.append((float(rate(number)), reference.param_groups[0]["lr"]))
        reference.step()
        schedule.step()
    np.testing.assert_allclose(*np.transpose(rates), rtol=1e-12)


def test_clipping():
    grads = drawn(3, np.float32)
    tensors = [torch.from_numpy(array.copy()).requires_grad_() for array in grads]
    for tensor, gradient in zip(tensors, grads, strict=True):
        tensor.grad = torch.from_numpy(gradient.copy())
    for most in (0.5, 100.0):
        torch.nn.utils.clip_grad_norm_(tensors, most)
        clipped = optim.clip_by_global_norm(grads, most)
        for array, tensor in zip(clipped, tensors, strict=True):
            np.testing.assert_allclose(array, tensor.grad.numpy(), rtol=1e-5)
        grads = clipped
