"""Functions, losses and layers: derivatives to second order, errors, compiled and not."""

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.testing import check_grads

RNG = np.random.default_rng(0)
X = RNG.standard_normal((4, 3))

SMOOTH = {
    "sigmoid": nn.sigmoid,
    "gelu": nn.gelu,
    "gelu tanh": lambda x: nn.gelu(x, "tanh"),
    "silu": nn.silu,
    "softplus": nn.softplus,
    "elu": nn.elu,
    "leaky_relu": nn.leaky_relu,
    "softmax": nn.softmax,
    "log_softmax": lambda x: nn.log_softmax(x, 0),
    "logsumexp": lambda x: nn.logsumexp(x, -1),
    "batch_norm": lambda x: nn.batch_norm(x, None, None, training=True),
    "layer_norm": lambda x: nn.layer_norm(x, 3),
    "attention": lambda x: nn.attention(x, x, x, is_causal=True),
    "cross_entropy": lambda x: nn.cross_entropy(x, np.array([0, 2, 1, 1]), label_smoothing=0.1),
    "huber_loss": lambda x: nn.huber_loss(x, np.zeros((4, 3)), delta=0.3),
    "logits": lambda x: nn.binary_cross_entropy_with_logits(x, np.eye(4, 3)),
}


@pytest.mark.parametrize("name", SMOOTH)
def test_derivatives(name):
    check_grads(SMOOTH[name], (X,), order=2)


@pytest.mark.parametrize("name", SMOOTH)
def test_compiled_and_plain_are_the_same(name):
    for dtype in (np.float32, np.float64):
        x = X.astype(dtype)
        plain, compiled = SMOOTH[name](x), graphc.compile(SMOOTH[name])(x)
        if name not in ("logits", "huber_loss"):  # whose targets are float64
            assert compiled.dtype == plain.dtype == dtype
        np.testing.assert_allclose(compiled, plain, rtol=2e-5, atol=1e-6)


def test_saturated_values_and_their_derivatives():
    x = np.array([-1e4, -100, 0, 100, 1e4])
    slope = graphc.grad(lambda x: nn.sigmoid(x).sum())(x)
    np.testing.assert_allclose(slope, [0, 0, 0.25, 0, 0], atol=1e-30)
    assert graphc.grad(lambda x: nn.relu(x).sum())(x).tolist() == [0, 0, 0, 1, 1]
    assert np.isnan(nn.relu(np.array([np.nan]))).all()
    for f in (nn.silu, nn.softplus, nn.gelu, nn.elu):
        assert np.isfinite(f(x)).all()
        assert np.isfinite(graphc.grad(lambda x, f=f: f(x).sum())(x)).all()
    assert nn.logsumexp(np.full(3, -np.inf), 0) == -np.inf


LABELS = np.array([0, 2, 1, 1])

REFUSED = {
    "labels out of range": (IndexError, lambda: nn.cross_entropy(X, LABELS + 1), "outside 0 ... 3"),
    "negative labels": (IndexError, lambda: nn.cross_entropy(X, LABELS - 1), "outside"),
    "labels of floats": (TypeError, lambda: nn.cross_entropy(X, LABELS * 1.0), "integers"),
    "labels in a list": (TypeError, lambda: nn.cross_entropy(X, [0, 2, 1, 1]), "not a list"),
    "input in a list": (TypeError, lambda: nn.Linear(3, 2)([[1.0, 2, 3]]), "not a list"),
    "probabilities of ints": (TypeError, lambda: nn.cross_entropy(X, X.astype(int)), "floating"),
    "labels of another length": (ValueError, lambda: nn.cross_entropy(X, LABELS[:3]), "(3,)"),
    "no examples": (ValueError, lambda: nn.cross_entropy(X[:0], LABELS[:0]), "empty batch"),
    "no numbers": (ValueError, lambda: nn.mse_loss(X[:0], X[:0]), "empty batch"),
    "reduction": (ValueError, lambda: nn.mse_loss(X, X, "average"), "'average'"),
    "shapes": (ValueError, lambda: nn.mse_loss(X[:, 0], X[:, :1]), "(4,), the target (4, 1)"),
    "weights": (ValueError, lambda: nn.cross_entropy(X, LABELS, X), "weight is (4, 3)"),
    "integers": (TypeError, lambda: nn.cross_entropy(X.astype(int), LABELS), "floating"),
    "probability": (ValueError, lambda: nn.binary_cross_entropy(X, X), "outside 0 ... 1"),
    "row": (IndexError, lambda: nn.embedding(np.array([5]), X), "outside 0 ... 4"),
    "index": (TypeError, lambda: nn.embedding(X, X), "float64"),
    "padding": (ValueError, lambda: nn.embedding(LABELS, X, 4), "padding_idx=4"),
    "class": (IndexError, lambda: nn.one_hot(LABELS, 2), "outside 0 ... 2"),
    "one value": (ValueError, lambda: nn.batch_norm(X[:1], None, None, training=True), "one value"),
    "statistics": (ValueError, lambda: nn.batch_norm(X, None, None), "running_mean"),
    "channels": (ValueError, lambda: nn.BatchNorm1d(5)(X), "5 channels"),
    "axes": (ValueError, lambda: nn.BatchNorm2d(3)(X), "4 axes"),
    "last axis": (ValueError, lambda: nn.Linear(4, 2)(X), "wanted (..., 4)"),
    "normalized": (ValueError, lambda: nn.LayerNorm(4)(X), "not how it ends"),
    "attention": (ValueError, lambda: nn.attention(X, X[:, :2], X), "do not fit"),
    "heads": (ValueError, lambda: nn.MultiHeadAttention(8, 3), "num_heads=3"),
    "recurrent": (ValueError, lambda: nn.LSTM(3, 4)(X[:, None], (X, X)), "state is (4, 3)"),
    "dropout": (ValueError, lambda: nn.Dropout(1.5), "1.5"),
    "approximation": (ValueError, lambda: nn.gelu(X, "fast"), "'fast'"),
    "module": (TypeError, lambda: nn.Sequential(nn.ReLU(), "tanh"), "str"),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_bad_input(case, compiled):
    kind, function, text = REFUSED[case]
    with pytest.raises(kind) as caught:
        (graphc.compile(function) if compiled else function)()
    assert text in str(caught.value)
    if isinstance(caught.value, graphc.GraphcError) and caught.value.location is not None:
        assert caught.value.location.file == __file__


def test_layers_named_in_a_model_run_compiled_and_plain():
    graphc.random.seed(1)
    net = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Dropout(0.5), nn.Linear(8, 2)
    )
    assert repr(net) == (
        "Sequential(\n"
        "  (0): Linear(in_features=3, out_features=8, bias=True)\n"
        "  (1): BatchNorm1d(8, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True)\n"
        "  (2): GELU(approximate='none')\n"
        "  (3): Dropout(p=0.5)\n"
        "  (4): Linear(in_features=8, out_features=2, bias=True)\n"
        ")  # 66 parameters"
    )
    run = graphc.compile(lambda net, x: net(x))
    x = X.astype(np.float32)
    assert not np.array_equal(run(net, x), run(net, x))
    net.eval()
    np.testing.assert_allclose(run(net, x), net(x), rtol=1e-5)
    np.testing.assert_array_equal(run(net, x), run(net, x))
    assert len(run.specializations) == 2
    assert len(net) == 5
    assert net[-1] is list(net)[4]


def test_batches_of_other_sizes_run_without_compiling():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3))

    @graphc.compile
    def step(net, x, labels):
        loss = lambda net: nn.cross_entropy(net(x), labels)  # noqa: E731
        return graphc.value_and_grad(loss)(net)

    for size in (8, 5, 4, 3, 6):
        value, grads = step(net, RNG.standard_normal((size, 3)).astype(np.float32),
                            RNG.integers(0, 3, size))  # fmt: skip
        assert np.isfinite(value)
        assert grads[0].weight.shape == (4, 3)
    assert len(step.specializations) <= 2
    with pytest.raises(graphc.DomainError, match="empty batch"):
        step(net.eval(), np.zeros((0, 3), np.float32), np.zeros(0, np.int64))


@pytest.mark.parametrize("pool", [nn.max_pool2d, nn.avg_pool2d])
def test_windows_beyond_images_of_several_sizes(pool):
    compiled = graphc.compile(lambda x: pool(x, 2, ceil_mode=True))
    for n in (7, 8, 9, 11):
        x = np.random.default_rng(n).standard_normal((1, 2, n, n))
        np.testing.assert_array_equal(compiled(x), pool(x, 2, ceil_mode=True))
