"""Exported networks, training steps and loops under ONNX Runtime.

Runs where ONNX Runtime is installed (``make parity``).
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from op_checks import same

import graphc
from graphc import nn, ops, optim
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.types import Dim
from tests.onnx.models import agree, checked, feeds, tensor
from tests.parity.onnx_runtime import model_of, run, session

# --- networks -------------------------------------------------------------------------------------

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def network(module, x, *, others=(), spec=None, rtol=1e-4, atol=1e-5):
    """The model of a network, its weights in it, gives what the network gives."""
    forward = graphc.compile(lambda module, x: module(x))
    graph = forward.lower(module, spec or x).graph
    arrays = forward._inputs((module, x), {})[1][0]
    number = graph.names.index("x")
    weights = {k: np.array(array) for k, array in enumerate(arrays) if k != number}
    forward.clear_cache()  # The code of the lambda is one for all networks.
    model = checked(graph, constants=weights)
    assert [port.name for port in model.graph.input] == ["x"]
    for images in (x, *others):
        expected = forward(module, images)
        agree(
            run(model, images), expected if isinstance(expected, tuple) else [expected], rtol, atol
        )
    return model


def test_a_multilayer_perceptron():
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax(-1))
    batch = graphc.spec(("batch", 4), np.float32)
    network(module, normal(5, 4), others=[normal(1, 4), normal(17, 4)], spec=batch)


def test_in_double_precision():
    module = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3)).to(np.float64)
    network(module, RNG.normal(size=(5, 4)), rtol=1e-12, atol=1e-14)


def resnet():
    path = Path(__file__).parents[2] / "examples" / "resnet.py"
    spec = importlib.util.spec_from_file_location("resnet_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ResNet((1, 1, 1, 1), 4, 1)


def test_a_residual_network():
    module = resnet()
    module.eval()
    images = graphc.spec(("batch", 1, 32, 32), np.float32)
    model = network(module, normal(2, 1, 32, 32), others=[normal(3, 1, 32, 32)], spec=images)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 12
    assert kinds.count("Relu") == 9
    assert kinds.count("Transpose") == 1  # of the last layer's weight


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_network(layer):
    class Network(nn.Module):
        def __init__(self):
            self.layer = layer(3, 4, num_layers=2)

        def forward(self, x):
            return self.layer(x)[0]

    time = graphc.spec(("time", "batch", 3), np.float32)
    model = network(Network(), normal(5, 2, 3), others=[normal(9, 1, 3)], spec=time)
    assert [node.op_type for node in model.graph.node].count("Scan") == 2


class Block(nn.Module):
    def __init__(self, causal=False):
        self.attention = nn.MultiHeadAttention(8, 2)
        self.first, self.last = nn.LayerNorm(8), nn.LayerNorm(8)
        self.wide, self.narrow = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        h = self.first(x)
        x = x + self.attention(h, h, h)[0]
        return x + self.narrow(nn.gelu(self.wide(self.last(x))))


def test_a_transformer():
    tokens = graphc.spec(("time", "batch", 8), np.float32)
    network(Block(), normal(4, 3, 8), others=[normal(7, 1, 8)], spec=tokens)


class Causal(nn.Module):
    def __init__(self):
        self.project = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = np.split(self.project(x), 3, axis=-1)
        return nn.attention(q, k, v, is_causal=True)


def test_causal_attention():
    tokens = graphc.spec(("batch", "time", 8), np.float32)
    network(Causal(), normal(2, 5, 8), others=[normal(1, 300, 8)], spec=tokens)


def test_an_embedding_checks_its_tokens():
    model = network(nn.Embedding(11, 4), RNG.integers(0, 11, (3, 5)))
    with pytest.raises(Exception, match="out of"):
        run(model, np.full((3, 5), 11))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("axis", [0, 1])
def test_softmax_of_what_is_not_finite(axis, dtype):
    inf, nan = np.inf, np.nan
    rows = [[1, 2, -inf], [-inf] * 3, [inf, 1, 2], [nan, 1, 2], [1e38, -1e38, 0], [inf, inf, 1]]
    x = np.array(rows, dtype)
    for function in (nn.softmax, nn.log_softmax):
        graph = graphc.compile(lambda x, f=function: f(x, axis)).lower(x).graph
        agree(run(checked(graph), x), evaluate(graph, [x]), rtol=1e-6)


# --- training steps -------------------------------------------------------------------------------


def train(module, optimizer, x, y, turns=4, rtol=2e-3, atol=1e-4):
    """A model of a whole step, fed with its own outputs, trains as the compiled step does."""

    @graphc.compile
    def step(model, optimizer, x, y):
        loss, gradients = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        optimizer.step(model, gradients)
        return loss

    graph = step.lower(module, optimizer, x, y).graph
    model = checked(graph, outputs=["loss"])
    state = feeds(model, [np.array(a) for a in step._inputs((module, optimizer, x, y), {})[1][0]])
    names = [port.name for port in model.graph.output]
    running = session(model)
    for _ in range(turns):
        found = dict(zip(names, running.run(None, state), strict=True))
        np.testing.assert_allclose(found["loss"], step(module, optimizer, x, y), rtol)
        state |= {name: found[f"{name}_out"] for name in state if f"{name}_out" in found}
    after = step._inputs((module, optimizer, x, y), {})[1][0]
    for (name, actual), expected in zip(state.items(), after, strict=True):
        np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=name)


LABELS = np.array([0, 1, 2, 1, 0])


def test_training_with_sgd():
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    train(module, optim.SGD(module, 0.1, momentum=0.9), normal(5, 4), LABELS)


def test_training_with_adam():
    module = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3))
    train(module, optim.Adam(module), normal(5, 4), LABELS)


def test_training_a_convolutional_network_with_dropout():
    """The random bits of dropout are the same, too."""
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(16, 3),
    )
    train(module, optim.SGD(module, 0.1), normal(5, 1, 12, 12), LABELS)


def test_training_with_any_batch():
    """One model of a step, with sizes of the batch of its own."""
    module = LastState()
    optimizer = optim.SGD(module, 0.1)

    @graphc.compile
    def step(model, optimizer, x, y):
        loss, gradients = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        optimizer.step(model, gradients)
        return loss

    x = graphc.spec(("time", "batch", 4), np.float32)
    y = graphc.spec(("batch",), np.int64)
    graph = step.lower(module, optimizer, x, y).graph
    model = checked(graph, outputs=["loss"])
    for time, batch in ((7, 5), (3, 2), (1, 1)):
        example = (module, optimizer, normal(time, batch, 4), RNG.integers(0, 3, batch))
        state = feeds(model, [np.array(a) for a in step._inputs(example, {})[1][0]])
        loss = dict(
            zip([p.name for p in model.graph.output], session(model).run(None, state), strict=True)
        )
        np.testing.assert_allclose(loss["loss"], step(*example), 1e-4)


class LastState(nn.Module):
    def __init__(self):
        self.layer, self.head = nn.LSTM(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][-1])


def test_training_a_recurrent_network():
    module = LastState()
    train(module, optim.SGD(module, 0.1), normal(7, 5, 4), LABELS)


# --- loops, sizes and random numbers --------------------------------------------------------------


def same_as_compiled(function, *arrays, rtol=1e-6, **options):
    compiled = graphc.compile(function)
    model = checked(compiled.lower(*arrays).graph, **options)
    expected = compiled(*arrays)
    agree(run(model, *arrays), expected if isinstance(expected, tuple) else [expected], rtol)
    return model


def test_scan_both_ways_and_within_a_scan():
    def inner(total, row):
        return graphc.scan(lambda c, x: (c + x, np.sin(c)), total, row)

    def outer(x):
        total, rows = graphc.scan(inner, x[0, 0] * 0, x)
        return total, rows, *graphc.scan(lambda c, r: (c * r, c), x[0], x, reverse=True)

    same_as_compiled(outer, RNG.normal(size=(3, 4)) + 1)


def test_a_scan_over_nothing_and_loops_of_data():
    def loops(x, n):
        state, seen = graphc.scan(lambda c, _: (c * 2, c), x, None, length=4)
        counted = graphc.while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, np.cos(s[1]) + state), (n * 0, x)
        )
        return state, seen, *counted

    for n in (0, 5):
        same_as_compiled(loops, RNG.normal(size=3), np.array(n))


def test_branches_that_read_around_them():
    def branch(x, flag):
        y = np.sin(x)
        return graphc.cond(flag, lambda v: v + y, lambda v: (v * y).sum() + v, x)

    for flag in (True, False):
        same_as_compiled(branch, RNG.normal(size=3), np.array(flag))


def test_the_gradient_of_a_loop():
    def loss(x):
        return graphc.scan(lambda c, row: (np.sin(c * row), c), x[0], x)[0].sum()

    same_as_compiled(graphc.grad(loss), RNG.normal(size=(4, 3)), rtol=1e-10)


def test_random_numbers_are_the_same():
    def draw(key):
        first, second = graphc.random.split(key)
        return (
            graphc.random.uniform(first, (4,)),
            graphc.random.normal(second, (4,)),
            graphc.random.randint(first, (5,), 0, 1000),
            graphc.random.permutation(second, 6),
            graphc.random.bernoulli(first, 0.3, (7,)),
        )

    same_as_compiled(draw, graphc.random.key(11), rtol=1e-12)


def test_running_results_along_a_symbolic_axis():
    n = Dim.symbol("n")
    x = fresh_input(tensor("float64", n, 3))
    found = [ops.cumulate(x, kind, 0, kind == "maximum") for kind in ("add", "multiply", "maximum")]
    graph = close([x], [*found, ops.sort(ops.transpose(x, (1, 0))), ops.prod(x, (0,))])
    model = model_of(graph)
    for count in (1, 4):
        array = RNG.normal(size=(count, 3))
        for actual, expected in zip(run(model, array), evaluate(graph, [array]), strict=True):
            same(actual, expected, ulps=8)


def test_symbolic_sizes_that_are_zero():
    n = Dim.symbol("n")
    x = fresh_input(tensor("float64", n, 4))
    flat = ops.reshape(x, (n * 4,))
    found = [flat, ops.reshape(x, (n * 2, 2)), ops.flip(x, (0,)), ops.sum_(x, (0,)), ops.sort(x)]
    graph = close(
        [x], [*found, ops.concatenate([x, x], 0), ops.matmul(x, ops.transpose(x, (1, 0)))]
    )
    model = model_of(graph)
    for count in (0, 3):
        array = RNG.normal(size=(count, 4))
        agree(run(model, array), evaluate(graph, [array]), rtol=1e-12)


def test_a_convolution_with_symbolic_and_negative_padding():
    n = Dim.symbol("n")
    x, w = (
        fresh_input(tensor("float32", 1, 1, 1, n, 6)),
        fresh_input(tensor("float32", 1, 2, 1, 2, 2)),
    )
    wide = ops.convolve(x, w, low=(0, -1), high=(n, 2))
    graph = close([x, w], [wide, ops.convolve(x, w, low=(1, -2), high=(-1, 0))])
    model = model_of(graph)
    for count in (3, 5):
        arrays = [normal(1, 1, 1, count, 6), normal(1, 2, 1, 2, 2)]
        agree(run(model, *arrays), evaluate(graph, arrays), rtol=1e-4, atol=1e-6)
