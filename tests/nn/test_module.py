"""`graphc.nn.Module`: its arrays as a pytree, in compiled code and out of it."""

import copy
import pickle

import numpy as np
import pytest

import graphc
from graphc import nn


class Affine(nn.Module):
    def __init__(self, inputs, outputs):
        rng = np.random.default_rng(inputs + 10 * outputs)
        self.weight = rng.standard_normal((outputs, inputs)).astype(np.float32)
        self.bias = np.zeros(outputs, np.float32)
        self.scale = 1.0
        self.register_buffer("mean", np.zeros((), np.float32))
        self.steps = np.zeros((), np.int64)
        self.seen = []

    def forward(self, x):
        self.steps += 1
        y = self.scale * (x @ self.weight.T) + self.bias
        self.mean[...] = 0.9 * self.mean + 0.1 * y.mean()
        return y


class Net(nn.Module):
    def __init__(self):
        self.layers = [Affine(3, 4), Affine(4, 2)]
        self.parts = {"head": Affine(2, 2)}
        self.tied = self.parts["head"]

    def forward(self, x):
        for layer in self.layers:
            x = nn.relu(layer(x))
        return self.tied(self.parts["head"](x))


X = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)


def loss(net, x):
    return (net(x) ** 2).mean()


def step(net, x):
    value, grads = graphc.value_and_grad(loss)(net, x)
    for parameter, gradient in zip(net.parameters(), grads.parameters(), strict=True):
        parameter -= 0.1 * gradient
    return value


def test_names():
    net = Net()
    parameters = [name for name, _ in net.named_parameters()]
    assert parameters == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.1.weight",
        "layers.1.bias",
        "parts.head.weight",
        "parts.head.bias",
    ]
    assert [name for name, _ in net.named_buffers()][:2] == ["layers.0.mean", "layers.0.steps"]
    assert [name for name, _ in net.named_modules()] == [
        "",
        "layers.0",
        "layers.1",
        "parts.head",
    ]
    assert len(net.state_dict()) == 16  # tied names are both there, as in PyTorch
    assert sum(array.size for array in net.parameters()) == 32


def test_the_inputs_of_a_graph_have_the_names_of_the_state_dict():
    inner = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 2))
    model = nn.Sequential(nn.Linear(2, 3), inner)
    graph = graphc.compile(lambda model, x: model(x)).lower(model, np.ones((4, 2))).graph
    assert set(graph.names) == {"x", *(f"model.{name}" for name, _ in model.named_parameters())}


def test_the_modules_of_a_sequential_can_be_donated():
    model = nn.Sequential(nn.Linear(2, 3))
    weight = model[0].weight
    grown = graphc.compile(lambda model: model[0].weight * 2, donate="model")(model)
    assert grown is weight


def test_repr():
    assert repr(Net()) == (
        "Net(\n"
        "  (layers.0): Affine()\n"
        "  (layers.1): Affine()\n"
        "  (parts.head): Affine()\n"
        "  (tied): Affine()\n"
        ")  # 32 parameters"
    )


def test_a_compiled_step_writes_what_the_plain_one_does():
    compiled, plain = Net(), Net()
    before = [id(array) for array in compiled.parameters()]
    run = graphc.compile(step)
    for _ in range(3):
        first, second = run(compiled, X), step(plain, X)
        np.testing.assert_allclose(first, second, rtol=1e-5)
        compiled.layers[0].seen.append(float(first))
    assert [id(array) for array in compiled.parameters()] == before
    assert len(run.specializations) == 1
    for (name, one), two in zip(
        compiled.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6, err_msg=name)
    assert compiled.tied.steps == 6
    assert compiled.layers[0].mean != 0


def test_gradients_by_finite_differences():
    net = Net()
    for module in net.modules():
        module.to(np.float64)
    grads = graphc.grad(loss)(net, X)
    direction = np.random.default_rng(1)
    for (name, parameter), gradient in zip(net.named_parameters(), grads.parameters(), strict=True):
        v = direction.standard_normal(parameter.shape)
        start = parameter.copy()
        parameter[...] = start + 1e-6 * v
        above = loss(net, X)
        parameter[...] = start - 1e-6 * v
        below = loss(net, X)
        parameter[...] = start
        slope = (above - below) / 2e-6
        np.testing.assert_allclose((gradient * v).sum(), slope, rtol=1e-5, err_msg=name)


def test_what_has_no_derivative_is_none():
    net = Net()
    net.layers[0].freeze()
    grads = graphc.grad(loss)(net, X)
    assert isinstance(grads, Net)
    assert grads.layers[0].weight is None
    assert grads.layers[1].weight.shape == (2, 4)
    assert grads.layers[1].mean is None
    assert grads.layers[1].steps is None
    assert grads.layers[1].scale == 1.0
    assert grads.parts["head"].weight is grads.tied.weight
    net.unfreeze()
    assert graphc.grad(loss)(net, X).layers[0].weight is not None


def test_freezing_makes_another_form():
    net = Net()
    gradient = graphc.compile(graphc.grad(loss))
    gradient(net, X)
    net.layers[1].freeze()
    assert gradient(net, X).layers[1].weight is None


def test_captured_module():
    net = Net()

    @graphc.compile
    def predict(x):
        return net(x)

    np.testing.assert_allclose(predict(X), copy.deepcopy(net)(X), rtol=1e-5)
    net.layers[0].weight[...] = 0
    net.layers[0].bias[...] = 0
    assert net.tied.steps == 2
    np.testing.assert_allclose(predict(X), 0, atol=1e-7)


def test_attributes_set_inside_are_set():
    class Counter(nn.Module):
        def __init__(self):
            self.weight = np.ones(3)
            self.last = np.zeros(3)

        def forward(self, x):
            self.last = self.weight * x
            self.total = self.last.sum()
            return self.total

    def plain(module, x):
        return graphc.value_and_grad(lambda m: m(x))(module)

    for run in (plain, graphc.compile(plain)):
        module = Counter()
        value, grads = run(module, np.arange(3.0))
        assert value == module.total == 3
        np.testing.assert_array_equal(module.last, [0, 1, 2])
        np.testing.assert_array_equal(grads.weight, [0, 1, 2])


def test_other_transformations():
    net = Net().to(np.float64)
    x = X.astype(np.float64)
    tangent = Net().to(np.float64)
    _, slope = graphc.jvp(lambda m: loss(m, x), (net,), (tangent,))
    grads = graphc.grad(loss)(net, x)
    pairs = zip(grads.parameters(), tangent.parameters(), strict=True)
    np.testing.assert_allclose(slope, sum((g * t).sum() for g, t in pairs))
    with pytest.raises(graphc.TraceError, match="all examples share"):
        graphc.vmap(lambda row: net(row[None])[0])(x)


def test_module_made_while_tracing():
    @graphc.compile
    def run(x):
        net = Affine(3, 2)
        return net(x), sum(p.sum() for p in net.parameters())

    with pytest.raises(graphc.TraceError, match="random"):
        run(X)  # NumPy's generator would be drawn from while tracing only

    class Scale(nn.Module):
        def __init__(self, factor):
            self.factor = factor

        def forward(self, x):
            return self.factor * x

    @graphc.compile
    def scaled(factor, x):
        scale = Scale(factor)
        return graphc.grad(lambda m: m(x).sum())(scale)

    grads = scaled(np.ones(3), np.arange(3.0))
    assert isinstance(grads, Scale)
    np.testing.assert_array_equal(grads.factor, [0, 1, 2])


def test_state_dict_round_trip():
    net, other = Net(), Net()
    for array in net.parameters():
        array += 1
    state = net.state_dict()
    arrays = list(other.parameters())
    other.load_state_dict(state)
    assert all(one is two for one, two in zip(arrays, other.parameters(), strict=True))
    for name, array in other.state_dict().items():
        np.testing.assert_array_equal(array, state[name])
        assert not any(array is own for own in other.parameters())


def test_a_state_dict_of_another_network_is_refused_whole():
    net = Net()
    state = net.state_dict()
    before = net.state_dict()
    del state["layers.0.bias"]
    state["layers.1.weight"] = np.zeros((7, 7), np.float32)
    state["extra"] = np.zeros(1)
    state["tied.steps"] = np.float64(0.5)
    with pytest.raises(graphc.StateError) as caught:
        net.load_state_dict(state)
    text = str(caught.value)
    assert "missing: layers.0.bias (4,)" in text
    assert "unexpected: extra (1,)" in text
    assert "misshapen: layers.1.weight is (7, 7), wanted (2, 4)" in text
    assert "wrong kind: tied.steps is float64, wanted int64" in text
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    del state["tied.steps"], state["layers.1.weight"]
    net.load_state_dict(state, strict=False)


def test_modes_conversion_and_copies():
    net = Net()
    assert not net.eval().layers[0].training
    assert net.train().layers[0].training
    assert net.to(np.float64).tied.weight.dtype == np.float64
    assert net.tied.weight is net.parts["head"].weight
    assert net.layers[0].steps.dtype == np.int64
    with pytest.raises(graphc.DTypeError, match="int64"):
        net.to(np.int64)
    seen = []
    net.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Affine", "Affine", "Affine", "Net"]


def test_a_module_without_forward():
    with pytest.raises(NotImplementedError, match="Module has no method forward"):
        nn.Module()(1)


def test_pickle():
    module = nn.Module()
    module.weight = np.ones(2)
    (array,) = pickle.loads(pickle.dumps(module)).parameters()
    assert array.sum() == 2


def test_names_of_pytorch_say_what_to_write():
    for name, hint in (("ModuleList", "a list of modules"), ("CrossEntropyLoss", "cross_entropy")):
        with pytest.raises(AttributeError, match=hint):
            getattr(nn, name)
    with pytest.raises(AttributeError, match=r"no attribute 'nothing'$"):
        nn.nothing  # noqa: B018
