"""`graphc.optim`: the rules, compiled and plain, in place and pure, with groups and schedules."""

import copy

import numpy as np
import pytest

import graphc
from graphc import nn, optim

RULES = {
    "sgd": lambda p: optim.SGD(p, 0.01),
    "momentum": lambda p: optim.SGD(p, 0.003, momentum=0.9, weight_decay=1e-2),
    "nesterov": lambda p: optim.SGD(p, 0.003, momentum=0.9, nesterov=True),
    "adam": lambda p: optim.Adam(p, 0.05, weight_decay=1e-2),
    "adamw": lambda p: optim.AdamW(p, optim.cosine(0.05, 10, warmup=2)),
    "rmsprop": lambda p: optim.RMSprop(p, momentum=0.5, centered=True),
    "adagrad": lambda p: optim.Adagrad(p, lr_decay=0.1, initial_accumulator_value=0.1),
}


class Net(nn.Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.first = rng.standard_normal((4, 3)).astype(np.float32)
        self.rest = [np.ones(4, np.float32), rng.standard_normal(4).astype(np.float32)]
        self.again = self.first
        self.register_buffer("calls", np.zeros((), np.float32))

    def forward(self, x):
        self.calls += 1
        return np.tanh(x @ self.first.T * self.rest[0]) @ self.rest[1] + self.again.sum()


X = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


def train(net, opt, x):
    loss, grads = graphc.value_and_grad(lambda m: (m(x) ** 2).mean())(net)
    opt.step(net, grads)
    return loss


@pytest.mark.parametrize("rule", RULES)
def test_compiled_and_plain_steps_are_the_same(rule):
    found = []
    for run in (train, graphc.compile(train)):
        net = Net()
        opt = RULES[rule](net)
        arrays = [id(x) for x in [*net.parameters(), *opt.state_dict()]]
        losses = [run(net, opt, X) for _ in range(4)]
        assert arrays[:3] == [id(x) for x in net.parameters()]
        assert opt.count == 4
        assert losses[-1] < losses[0]
        found.append([*net.parameters(), *opt.state_dict().values(), losses])
    for plain, compiled in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_pure_form(rule):
    net, params = Net(), {"w": Net().first.copy(), "b": [Net().rest[0].copy()]}
    opt = RULES[rule](params)
    grads = {"w": np.ones((4, 3), np.float32), "b": [np.full(4, -2, np.float32)]}
    state = opt.init(params)
    pure, update = params, graphc.compile(lambda p, g, s: opt.update(p, g, s))
    for _ in range(3):
        pure, state = update(pure, grads, state)
    np.testing.assert_array_equal(params["w"], net.first)
    assert state["count"] == 3
    assert opt.count == 0
    for _ in range(3):
        opt.step(params, grads)
    np.testing.assert_allclose(pure["w"], params["w"], rtol=1e-5)
    np.testing.assert_allclose(pure["b"][0], params["b"][0], rtol=1e-5)


def test_groups():
    net = Net()
    start = net.state_dict()
    groups = [(net.rest, {"lr": 0.0}), ({"w": net.first}, {"momentum": 0.5})]
    opt = optim.SGD(groups, lr=0.1)
    run = graphc.compile(train)
    run(net, opt, X)
    np.testing.assert_array_equal(net.rest[0], start["rest.0"])
    assert not np.array_equal(net.first, start["first"])
    assert sorted(opt.state_dict()) == ["count", "slots.2.velocity"]
    with pytest.raises(graphc.DomainError, match="a group sets"):
        optim.SGD([(net.rest, {"rate": 0.1})], lr=0.1)


def test_options_may_change_between_steps():
    params = [np.ones(3)]
    opt = optim.SGD(params, lr=1.0)
    step = graphc.compile(lambda opt, p, g: opt.step(p, g))
    step(opt, params, [np.ones(3)])
    opt.options["lr"] = 0.5
    step(opt, params, [np.ones(3)])
    np.testing.assert_array_equal(params[0], -0.5)
    assert len(step.specializations) == 1


def test_a_schedule_sees_the_steps_taken():
    seen = []

    def rate(step):
        seen.append(int(step))
        return 1.0 if step < 1 else 0.25

    params = [np.zeros(2)]
    opt = optim.SGD(params, lr=rate)
    for _ in range(3):
        opt.step(params, [np.ones(2)])
    assert seen == [0, 1, 2]
    np.testing.assert_array_equal(params[0], -1.5)


def test_what_has_no_gradient_stays():
    net = Net().freeze()
    opt = optim.Adam(net)
    before = net.state_dict()
    opt.step(net, None)
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    params = {"a": np.ones(2), "b": np.ones(2), "n": np.arange(3)}
    optim.SGD(params, 1.0).step(params, {"a": np.ones(2)})
    np.testing.assert_array_equal(params["a"], 0)
    np.testing.assert_array_equal(params["b"], 1)


def test_bad_input_changes_nothing():
    params = {"a": np.ones(2), "b": np.ones(3)}
    opt = optim.SGD(params, 1.0)
    with pytest.raises(graphc.ShapeError, match=r"\['b'\] is \(3,\).*\(4,\)"):
        opt.step(params, {"a": np.ones(2), "b": np.ones(4)})
    with pytest.raises(graphc.ShapeError, match="nothing for"):
        opt.step(params, {"a": np.ones(2), "c": np.ones(4)})
    with pytest.raises(graphc.ShapeError, match="1 parameters for the state of 2"):
        opt.step({"a": params["a"]}, {"a": np.ones(2)})
    np.testing.assert_array_equal(params["a"], 1)
    assert opt.count == 0
    with pytest.raises(graphc.DTypeError, match="can't be written in place"):
        optim.SGD([1.0], 1.0).step([1.0], [2.0])
    with pytest.raises(graphc.DomainError, match="lr=-1"):
        optim.Adam(params, -1)
    with pytest.raises(graphc.DomainError, match="betas"):
        optim.Adam(params, betas=(0.9, 1.0))
    with pytest.raises(graphc.DomainError, match="momentum"):
        optim.SGD(params, 1.0, nesterov=True)


def test_state_dict():
    net, other = Net(), Net()
    opt, copied = optim.Adam(net), optim.Adam(other)
    run = graphc.compile(train)
    run(net, opt, X)
    other.load_state_dict(net.state_dict())
    copied.load_state_dict(opt.state_dict())
    run(net, opt, X)
    run(other, copied, X)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(one, two)
    with pytest.raises(graphc.StateError, match=r"missing: slots\.0\.velocity"):
        optim.SGD(net, momentum=0.9).load_state_dict(opt.state_dict())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping(dtype):
    grads = {"a": np.array([3.0, 0], dtype), "b": [np.array(4.0, dtype), np.arange(2)]}
    clipped = graphc.compile(optim.clip_by_global_norm)(grads, 1.0)
    assert clipped["a"].dtype == dtype
    np.testing.assert_allclose(clipped["a"], [0.6, 0], rtol=1e-5)
    np.testing.assert_array_equal(optim.clip_by_global_norm(grads, 10.0)["b"][0], 4)
    assert optim.global_norm({}) == 0


def test_complex_parameters():
    params = [np.array([1 + 1j])]
    opt = optim.RMSprop(params, lr=1.0, alpha=0.0)
    opt.step(params, [np.array([3 + 4j])])
    np.testing.assert_allclose(params[0], 1 + 1j - (3 + 4j) / 5)


def test_groups_as_pytorch_writes_them():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    groups = [{"params": model[0], "lr": 0.5}, {"params": model[1]}]
    pairs = [(model[0], {"lr": 0.5}), (model[1], {})]
    for written in (groups, pairs):
        opt = optim.SGD(written, 0.1, momentum=0.9)
        assert opt.groups.options == [{"lr": 0.5}, {}]
        assert "2 groups, 4 arrays" in repr(opt)


def test_an_option_is_set_among_the_options():
    opt = optim.SGD(nn.Linear(2, 1), 0.1)
    with pytest.raises(AttributeError, match=r"options\['lr'\] = 0.5"):
        opt.lr = 0.5
    opt.options["lr"] = 0.5
    assert "lr=0.5" in repr(opt)


def test_groups_do_not_follow_a_copy():
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    opt = optim.SGD([(model[1], {"lr": 1.0}), (model[0], {"lr": 0.0})])
    apart = copy.deepcopy(model)
    with pytest.raises(graphc.ShapeError, match="arrays of its groups"):
        opt.step(apart, apart)
    both, own = copy.deepcopy((model, opt))
    before = both[0].weight.copy()
    own.step(both, copy.deepcopy(both))
    np.testing.assert_array_equal(both[0].weight, before)
    np.testing.assert_array_equal(both[1].weight, 0)
