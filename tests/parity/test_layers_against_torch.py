"""Layers of `graphc.nn` against those of ``torch.nn``, whose state dicts they load.

Runs where PyTorch is installed (``make parity``).
"""

import numpy as np
import pytest

import graphc
from graphc import nn
from tests.parity.torch_pairs import drawn, tensor, torch


def as_list(results):
    """The arrays or tensors of nested tuples."""
    if isinstance(results, tuple | list):
        return [x for part in results for x in as_list(part)]
    return [] if results is None else [results]


def compare(ours, theirs, arrays, steps=1, atol=2e-5, **options):
    """Results, and gradients by parameters and inputs, with the same weights; then buffers."""
    ours.load_state_dict({k: v.detach().numpy() for k, v in theirs.state_dict().items()})
    assert sorted(ours.state_dict()) == sorted(theirs.state_dict())
    parameters = [name for name, _ in ours.named_parameters()]
    assert parameters == [name for name, _ in theirs.named_parameters()]
    floating = [k for k, x in enumerate(arrays) if x.dtype.kind == "f"]

    @graphc.compile
    def run(model, *xs):
        def loss(model, *xs):
            results = as_list(model(*xs, **options))
            return sum((r * np.sin(np.arange(r.size)).astype(r.dtype).reshape(r.shape)).sum()
                       for r in results), results  # fmt: skip

        chosen = (0, *(k + 1 for k in floating))
        (_, results), grads = graphc.value_and_grad(loss, chosen, has_aux=True)(model, *xs)
        return results, list(grads[0].parameters()), list(grads[1:])

    for _ in range(steps):
        results, by_model, by_arrays = run(ours, *arrays)
        theirs.zero_grad()
        tensors = [tensor(x, k in floating) for k, x in enumerate(arrays)]
        wanted = as_list(theirs(*tensors, **options))
        total = sum((r * torch.sin(torch.arange(r.numel(), dtype=torch.float64)).to(r.dtype)
                     .reshape(r.shape)).sum() for r in wanted)  # fmt: skip
        total.backward()
        for found, expected in zip(results, wanted, strict=True):
            np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-5, atol=atol)
        for name, found, parameter in zip(parameters, by_model, theirs.parameters(), strict=True):
            expected = parameter.grad.numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=10 * atol, err_msg=name)
        for k, found in zip(floating, by_arrays, strict=True):
            expected = tensors[k].grad
            expected = np.zeros(found.shape) if expected is None else expected.numpy()
            np.testing.assert_allclose(found, expected, rtol=1e-4, atol=10 * atol)
    state = theirs.state_dict()
    for name, found in ours.state_dict().items():
        np.testing.assert_allclose(found, state[name].numpy(), rtol=1e-5, atol=atol, err_msg=name)


@pytest.mark.parametrize("bias", [True, False])
def test_linear(bias):
    compare(nn.Linear(5, 3, bias), torch.nn.Linear(5, 3, bias), drawn((2, 4, 5)))


@pytest.mark.parametrize("padding_idx", [None, 1])
def test_embedding(padding_idx):
    indices = np.array([[0, 1], [4, 1]])
    ours, theirs = (m.Embedding(5, 3, padding_idx=padding_idx) for m in (nn, torch.nn))
    compare(ours, theirs, [indices])


@pytest.mark.parametrize("options", [{}, {"momentum": None}, {"affine": False, "eps": 1e-2},
                                     {"track_running_stats": False}])  # fmt: skip
@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 5), (3, 4, 2, 5)])
def test_batch_norm(shape, options):
    kind = "BatchNorm2d" if len(shape) == 4 else "BatchNorm1d"
    ours, theirs = getattr(nn, kind)(4, **options), getattr(torch.nn, kind)(4, **options)
    compare(ours, theirs, drawn(shape), steps=3)
    ours.eval()
    theirs.eval()
    compare(ours, theirs, drawn(shape, seed=4))


@pytest.mark.parametrize("options", [{}, {"elementwise_affine": False}, {"bias": False}])
def test_layer_norm(options):
    compare(nn.LayerNorm((3, 5), **options), torch.nn.LayerNorm((3, 5), **options),
            drawn((2, 4, 3, 5)))  # fmt: skip


@pytest.mark.parametrize("options", [
    {}, {"num_layers": 2, "bidirectional": True}, {"batch_first": True, "bias": False},
])  # fmt: skip
@pytest.mark.parametrize("kind", ["RNN", "RNN relu", "LSTM", "GRU"])
def test_recurrent(kind, options):
    kind, _, nonlinearity = kind.partition(" ")
    options = {**options, "nonlinearity": nonlinearity} if nonlinearity else options
    ours, theirs = (getattr(m, kind)(4, 6, **options) for m in (nn, torch.nn))
    compare(ours, theirs, drawn((5, 3, 4)))


def test_recurrent_with_a_first_state():
    shape = (4, 3, 6)
    x, h, c = drawn((5, 3, 4), shape, shape)
    for kind, state in (("LSTM", (h, c)), ("GRU", h)):
        ours = getattr(nn, kind)(4, 6, 2, bidirectional=True)
        theirs = getattr(torch.nn, kind)(4, 6, 2, bidirectional=True)
        ours.load_state_dict(theirs.state_dict())
        given = tuple(map(tensor, state)) if kind == "LSTM" else tensor(state)
        for found, wanted in zip(
            as_list(ours(x, state)), as_list(theirs(tensor(x), given)), strict=True
        ):
            np.testing.assert_allclose(found, wanted.detach().numpy(), rtol=1e-4, atol=1e-5)
    single = nn.RNN(4, 6)(x[:, 0])
    assert [r.shape for r in single] == [(5, 6), (1, 6)]


@pytest.mark.parametrize("options", [{}, {"bias": False}, {"kdim": 5, "vdim": 7}])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multi_head_attention(batch_first, options):
    ours = nn.MultiHeadAttention(8, 2, batch_first=batch_first, **options)
    theirs = torch.nn.MultiheadAttention(8, 2, batch_first=batch_first, **options)
    sizes = options.get("kdim", 8), options.get("vdim", 8)
    arrays = drawn((3, 3, 8), (3, 3, sizes[0]), (3, 3, sizes[1]))
    compare(ours, theirs, arrays)
    ours.load_state_dict(theirs.state_dict())
    added = drawn((3, 3), seed=6)[0]
    causal = ~np.tri(3, dtype=bool)
    left_out = np.array([[False, False, True]] * 3)
    q, k, v = arrays
    for ours_given, weights in (
        ({"attn_mask": added}, True),
        ({"attn_mask": added, "average_attn_weights": False}, True),
        ({"attn_mask": causal}, False),
        ({"key_padding_mask": left_out}, False),
        ({"key_padding_mask": left_out}, True),
    ):
        given = {n: tensor(x) if isinstance(x, np.ndarray) else x for n, x in ours_given.items()}
        wanted = theirs(*map(tensor, arrays), need_weights=weights, **given)
        found = ours(q, k, v, need_weights=weights, **ours_given)
        for one, two in zip(as_list(found), as_list(wanted), strict=True):
            np.testing.assert_allclose(one, two.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_sequential_and_activations():
    pairs = [(m.Sequential(m.Linear(4, 6), m.ReLU(), m.Flatten(), m.Linear(18, 5), m.GELU(),
                           m.Tanh(), m.Sigmoid(), m.Softmax(dim=-1)))
             for m in (nn, torch.nn)]  # fmt: skip
    compare(*pairs, drawn((2, 3, 4)))


def test_first_values_have_torch_s_spread():
    torch.manual_seed(0)
    for make in (
        lambda m: m.Linear(200, 300),
        lambda m: m.Embedding(300, 200),
        lambda m: m.LSTM(100, 100),
    ):
        for ours, theirs in zip(make(nn).parameters(), make(torch.nn).parameters(), strict=True):
            assert ours.dtype == np.float32
            np.testing.assert_allclose(ours.std(), theirs.std().item(), rtol=0.15)
            np.testing.assert_allclose(np.abs(ours).max(), theirs.abs().max().item(), rtol=0.3)


def test_initialisers():
    shape = (60, 50, 3, 3)
    theirs = torch.nn.init
    pairs = [
        (nn.init.xavier_uniform(shape, 2.0), theirs.xavier_uniform_, {"gain": 2.0}),
        (nn.init.xavier_normal(shape), theirs.xavier_normal_, {}),
        (nn.init.he_uniform(shape), theirs.kaiming_uniform_, {}),
        (
            nn.init.he_normal(shape, 0.2, "fan_out"),
            theirs.kaiming_normal_,
            {"a": 0.2, "mode": "fan_out"},
        ),
        (
            nn.init.he_normal(shape, nonlinearity="relu"),
            theirs.kaiming_normal_,
            {"nonlinearity": "relu"},
        ),
        (nn.init.orthogonal(shape, 3.0), theirs.orthogonal_, {"gain": 3.0}),
    ]
    for found, fill, options in pairs:
        wanted = fill(torch.empty(shape), **options)
        np.testing.assert_allclose(found.std(), wanted.std().item(), rtol=0.03)
    matrix = nn.init.orthogonal((60, 450), 3.0)
    np.testing.assert_allclose(matrix @ matrix.T, 9 * np.eye(60), atol=1e-4)
