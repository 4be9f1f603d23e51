"""The pages that set graphc beside PyTorch and JAX: both columns run, and agree where they can."""

import numpy as np
import pytest

import graphc
from tests.pages import columns, run


def both(page):
    blocks = [block for pair in columns(page) for block in pair if block is not None]
    return run(blocks, page)


def test_from_pytorch():
    found = both("from-pytorch.md")
    logits = found["torch_model"](found["torch"].from_numpy(found["images"]))
    np.testing.assert_allclose(found["logits"], logits.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_a_tensor_in_place_of_an_array_is_told_what_to_be():
    torch = pytest.importorskip("torch")
    with pytest.raises(graphc.TraceError, match=r"x\.numpy\(\)"):
        graphc.compile(lambda x: x + 1)(torch.ones(2))


def test_a_data_loader_of_pytorch():
    torch = pytest.importorskip("torch")
    x, y = torch.ones(6, 2), torch.zeros(6, 1)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=4)
    model = graphc.nn.Linear(2, 1)
    history = graphc.fit(model, graphc.nn.mse_loss, graphc.optim.SGD(model, 0.1), data, epochs=3)
    assert history["loss"][-1] < history["loss"][0]


def test_from_jax():
    found = both("from-jax.md")
    x = np.linspace(-1, 1, 3)
    theirs, ours = found["jax"].hessian(found["jax_f"])(x), found["graphc"].hessian(found["f"])(x)
    np.testing.assert_allclose(ours, np.asarray(theirs), rtol=1e-5)
    h, A = np.ones((2, 3), np.float32), np.eye(3, dtype=np.float32)
    for one, other in zip(found["power"](h, A), found["jax_power"](h, A), strict=True):
        np.testing.assert_allclose(one, np.asarray(other), rtol=1e-4)
    x = np.arange(6.0, dtype=np.float32) ** 2
    wanted = np.asarray(found["jax_smooth"](found["jnp"].asarray(x)))
    found["smooth"](x)
    np.testing.assert_allclose(x, wanted)
