"""Functions and losses of `graphc.nn` against ``torch.nn.functional``.

Runs where PyTorch is installed (``make parity``).
"""

import numpy as np
import pytest

from graphc import nn
from tests.parity.torch_pairs import compare, drawn, tensor, torch

F = torch.nn.functional

EDGES = np.array([-90, -20, -3, -1, -0.5, -1e-6, 0, 1e-6, 0.5, 1, 3, 19, 21, 90], np.float32)

ACTIVATIONS = [
    (nn.relu, F.relu, {}),
    (nn.sigmoid, torch.sigmoid, {}),
    (nn.tanh, torch.tanh, {}),
    (nn.gelu, F.gelu, {}),
    (nn.gelu, F.gelu, {"approximate": "tanh"}),
    (nn.silu, F.silu, {}),
    (nn.softplus, F.softplus, {}),
    (nn.softplus, F.softplus, {"beta": 2.0, "threshold": 3.0}),
    (nn.leaky_relu, F.leaky_relu, {}),
    (nn.leaky_relu, F.leaky_relu, {"negative_slope": 0.3}),
    (nn.elu, F.elu, {}),
    (nn.elu, F.elu, {"alpha": 0.5}),
]


@pytest.mark.parametrize(("ours", "theirs", "options"), ACTIVATIONS)
def test_activations(ours, theirs, options):
    compare(lambda x: ours(x, **options), lambda x: theirs(x, **options), [EDGES])


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_along_an_axis(name, dim):
    (x,) = drawn((3, 4, 5))
    compare(lambda x: getattr(nn, name)(x, dim), lambda x: getattr(F, name)(x, dim), [30 * x])


@pytest.mark.parametrize(("dim", "keepdim"), [(0, False), (-1, True), ((0, 2), False)])
def test_logsumexp(dim, keepdim):
    (x,) = drawn((3, 4, 5))
    compare(
        lambda x: nn.logsumexp(x, dim, keepdim),
        lambda x: torch.logsumexp(x, dim, keepdim),
        [30 * x],
    )


def test_one_hot():
    labels = np.array([[0, 2], [1, 1]])
    for count in (-1, 3, 5):
        wanted = F.one_hot(tensor(labels), count).numpy()
        found = nn.one_hot(labels, count)
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("padding_idx", [None, 0, -2])
def test_embedding(padding_idx):
    (table,) = drawn((5, 3))
    indices = np.array([[0, 3], [3, 4], [2, 0]])
    compare(
        lambda i, w: nn.embedding(i, w, padding_idx),
        lambda i, w: F.embedding(i, w, padding_idx=padding_idx),
        [indices, table],
    )


@pytest.mark.parametrize("shape", [(6, 3), (4, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm(shape, training):
    x, mean, weight, bias = drawn(shape, 3, 3, 3)
    var = np.abs(mean) + 0.5
    compare(
        lambda x, w, b: nn.batch_norm(x, mean.copy(), var.copy(), w, b, training, 0.2, 1e-3),
        lambda x, w, b: F.batch_norm(
            x, tensor(mean), tensor(var), w, b, training, momentum=0.2, eps=1e-3
        ),
        [x, weight, bias],
        atol=3e-5,
    )
    if training:
        running = mean.copy(), var.copy()
        wanted = tensor(mean), tensor(var)
        nn.batch_norm(x, *running, training=True, momentum=0.3)
        F.batch_norm(tensor(x), *wanted, training=True, momentum=0.3)
        for one, two in zip(running, wanted, strict=True):
            np.testing.assert_allclose(one, two.numpy(), rtol=1e-5)


@pytest.mark.parametrize("shape", [(5,), (4, 5)])
def test_layer_norm(shape):
    x, weight, bias = drawn((3, 4, 5), shape, shape)
    compare(
        lambda x, w, b: nn.layer_norm(x, shape, w, b, 1e-3),
        lambda x, w, b: F.layer_norm(x, shape, w, b, 1e-3),
        [x, weight, bias],
    )
    compare(lambda x: nn.layer_norm(x, shape), lambda x: F.layer_norm(x, shape), [x])


MASKS = {
    "none": None,
    "bool": np.random.default_rng(3).random((4, 6)) < 0.7,
    "empty row": np.arange(4)[:, None] + np.zeros(6) > 0,
    "heads": np.random.default_rng(3).random((2, 1, 4, 6)) < 0.7,
    "added": drawn((4, 6), seed=5)[0],
}


@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("scale", [None, 0.3])
def test_attention(mask, scale):
    q, k, v = drawn((2, 3, 4, 8), (2, 3, 6, 8), (2, 3, 6, 5))
    mask = MASKS[mask]
    theirs = None if mask is None else tensor(mask)
    compare(
        lambda q, k, v: nn.attention(q, k, v, mask, scale=scale),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, theirs, scale=scale),
        [q, k, v],
    )


def test_causal_attention():
    q, k, v = drawn((3, 5, 8), (3, 5, 8), (3, 5, 8))
    compare(
        lambda q, k, v: nn.attention(q, k, v, is_causal=True),
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        [q, k, v],
    )


def test_dropout():
    x = np.ones((100, 100), np.float32)
    dropped = nn.dropout(x, 0.3)
    assert abs(float((dropped == 0).mean()) - 0.3) < 0.02
    np.testing.assert_allclose(dropped[dropped != 0], 1 / 0.7, rtol=1e-6)
    assert not nn.dropout(x, 1.0).any()
    assert nn.dropout(x, 0.3, training=False) is x
    np.testing.assert_array_equal(nn.dropout(x, 0.0), x)


# --- losses ---------------------------------------------------------------------------------------

REDUCTIONS = ["mean", "sum", "none"]
REGRESSIONS = [
    (nn.mse_loss, F.mse_loss, {}),
    (nn.l1_loss, F.l1_loss, {}),
    (nn.huber_loss, F.huber_loss, {}),
    (nn.huber_loss, F.huber_loss, {"delta": 0.4}),
]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("ours", "theirs", "options"), REGRESSIONS)
def test_regression_losses(ours, theirs, options, reduction):
    x, y = drawn((4, 3), (4, 3))
    x[0] = y[0]
    options = {"reduction": reduction, **options}
    compare(lambda x, y: ours(x, y, **options), lambda x, y: theirs(x, y, **options), [x, y])


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_losses(weighted, reduction):
    x, weight = drawn((4, 3), (3,))
    y = np.random.default_rng(2).random((4, 3)).astype(np.float32)
    y[0] = [0, 1, 0]
    weight = np.abs(weight) if weighted else None
    other = None if weight is None else tensor(weight)
    inside = 1 / (1 + np.exp(-3 * x))
    compare(
        lambda x: nn.binary_cross_entropy(x, y, weight, reduction),
        lambda x: F.binary_cross_entropy(x, tensor(y), other, reduction=reduction),
        [inside],
        rtol=3e-5,
    )
    extremes = np.array([[0, 1, 0, 1, 1e-13, 1 - 6e-8, 1e-30, 0.5]], np.float32)
    sure = np.array([[0, 1, 1, 0, 1, 0, 0.5, 1]], np.float32)
    compare(
        lambda x: nn.binary_cross_entropy(x, sure, None, reduction),
        lambda x: F.binary_cross_entropy(x, tensor(sure), None, reduction=reduction),
        [extremes],
        rtol=3e-5,
    )
    compare(
        lambda x: nn.binary_cross_entropy_with_logits(x, y, weight, reduction, weight),
        lambda x: F.binary_cross_entropy_with_logits(
            x, tensor(y), other, reduction=reduction, pos_weight=other
        ),
        [30 * x],
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(4,), (6, 4), (3, 4, 2, 5)])
def test_cross_entropy(shape, weighted, smoothing, reduction):
    x, weight = drawn(shape, (4,))
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 4, () if len(shape) == 1 else (shape[0], *shape[2:]))
    if labels.ndim:
        labels[0] = -100 if labels.ndim == 1 else 1
    weight = np.abs(weight) if weighted else None
    other = None if weight is None else tensor(weight)
    options = {"reduction": reduction, "label_smoothing": smoothing}
    ignored = {"ignore_index": 1} if labels.ndim > 1 else {}
    compare(
        lambda x: nn.cross_entropy(x, labels, weight, **options, **ignored),
        lambda x: F.cross_entropy(x, tensor(labels), other, **options, **ignored),
        [5 * x],
    )
    axis = 0 if len(shape) == 1 else 1
    shares = np.exp(drawn(shape, seed=3)[0])
    shares /= shares.sum(axis=axis, keepdims=True)
    compare(
        lambda x, y: nn.cross_entropy(x, y, weight, **options),
        lambda x, y: F.cross_entropy(x, y, other, **options),
        [5 * x, shares],
    )
