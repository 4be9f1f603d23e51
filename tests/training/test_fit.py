"""`graphc.fit`: the loop, its data, callbacks, and resuming to the same bits."""

import inspect
import subprocess
import sys

import numpy as np
import pytest

import graphc
from graphc import nn, optim, training


class Net(nn.Module):
    def __init__(self):
        rng = np.random.default_rng(0)
        self.first = rng.standard_normal((8, 2)).astype(np.float32)
        self.second = rng.standard_normal(8).astype(np.float32)
        self.register_buffer("batches", np.zeros((), np.int64))

    def forward(self, x):
        if self.training:
            self.batches += 1
            noise = graphc.random.normal(graphc.random.next_key(), x.shape, np.float32)
            x = x + np.float32(0.01) * noise
        return np.tanh(x @ self.first.T) @ self.second


def squares(predicted, target):
    return ((predicted - target) ** 2).mean()


RNG = np.random.default_rng(1)
X = RNG.standard_normal((50, 2)).astype(np.float32)
Y = (X[:, 0] * X[:, 1]).astype(np.float32)


def made():
    graphc.random.seed(5)
    net = Net()
    return net, optim.Adam(net, lr=0.02)


def state(net, opt):
    return [*net.state_dict().values(), *opt.state_dict().values()]


def test_it_learns_and_measures():
    net, opt = made()
    history = graphc.fit(
        net,
        squares,
        opt,
        (X, Y),
        epochs=15,
        validation=(X[:7], Y[:7]),
        metrics={"error": lambda p, y: np.abs(p - y).mean()},
        batch_size=16,
    )
    assert history.names == ["loss", "seconds", "validation_loss", "validation_error"]
    assert len(history) == 15
    assert history["loss"][-1] < 0.7 * history["loss"][0]
    assert net.batches == 15 * 4
    assert net.training
    net.eval()
    np.testing.assert_allclose(
        history["validation_loss"][-1], squares(net(X[:7]), Y[:7]), rtol=1e-4
    )


def test_the_mean_loss_counts_examples():
    params = nn.Module()
    params.w = np.zeros((), np.float64)
    params.forward = None

    class Constant(nn.Module):
        def __init__(self):
            self.w = np.zeros(1)

        def forward(self, x):
            return x * 1.0 + 0 * self.w.sum()

    net = Constant()
    x = np.arange(5.0)
    history = graphc.fit(
        net, lambda p: p.mean(), optim.SGD(net, 0.0), x, 1, batch_size=2, shuffle=False
    )
    np.testing.assert_allclose(history["loss"], [2.0])


def test_resuming_gives_the_same_bits(tmp_path):
    path = tmp_path / "training.safetensors"
    whole = made()
    graphc.fit(*whole[:1], squares, whole[1], (X, Y), 6, batch_size=16)
    first = made()
    graphc.fit(first[0], squares, first[1], (X, Y), 2, batch_size=16, checkpoint=path)
    again = made()
    graphc.random.seed(99)
    history = graphc.fit(again[0], squares, again[1], (X, Y), 6, batch_size=16, checkpoint=path)
    assert len(history) == 6
    for one, two in zip(state(*whole), state(*again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_an_interrupted_epoch_is_done_again(tmp_path):
    path = tmp_path / "training.safetensors"
    whole = made()
    graphc.fit(whole[0], squares, whole[1], (X, Y), 3, batch_size=16)

    class Broken(list):
        def __iter__(self):
            yield from list.__iter__(self[:2])
            raise KeyboardInterrupt

    def interrupt(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    first = made()
    with pytest.raises(KeyboardInterrupt):
        graphc.fit(
            first[0], squares, first[1], (X, Y), 3, callbacks=[interrupt], batch_size=16,
            checkpoint=path,
        )  # fmt: skip
    again = made()
    graphc.fit(again[0], squares, again[1], (X, Y), 3, batch_size=16, checkpoint=path)
    for one, two in zip(state(*whole), state(*again), strict=True):
        np.testing.assert_array_equal(one, two)


def test_early_stopping_and_its_state(tmp_path):
    path = tmp_path / "training.safetensors"

    def run(epochs, checkpoint):
        net, opt = made()
        opt.options["lr"] = 0.0 if checkpoint is None else 0.5
        stopping = training.EarlyStopping("loss", patience=2)
        history = graphc.fit(
            net, squares, opt, (X, Y), epochs, callbacks=[stopping], checkpoint=checkpoint,
            shuffle=False,
        )  # fmt: skip
        return net, stopping, history

    net, stopping, history = run(50, path)
    assert len(history) < 50
    assert stopping.waited == 3
    assert min(history["loss"]) == stopping.best
    state = {k.removeprefix("best."): v for k, v in stopping.state_dict().items()}
    np.testing.assert_array_equal(net.first, state["first"])
    _, again, _ = run(len(history), path)
    assert (again.waited, again.best) == (stopping.waited, stopping.best)
    with pytest.raises(graphc.DomainError, match="no measure 'validation_loss'"):
        graphc.fit(*made()[:1], squares, made()[1], (X, Y), 1, callbacks=[training.EarlyStopping()])


def test_any_iterable_of_batches():
    class Loader:
        def __iter__(self):
            for start in range(0, 50, 10):
                yield X[start : start + 10], Y[start : start + 10]

    net, opt = made()
    history = graphc.fit(net, squares, opt, Loader(), 3)
    assert len(history) == 3
    assert net.batches == 15
    with pytest.raises(graphc.TraceError, match="used up after one epoch"):
        graphc.fit(net, squares, opt, iter(Loader()), 3)


def test_bad_input():
    net, opt = made()
    before = state(net, opt)
    with pytest.raises(graphc.ShapeError, match=r"\(50, 2\), \(49,\)"):
        graphc.fit(net, squares, opt, (X, Y[:-1]), 1)
    with pytest.raises(graphc.DomainError, match="no examples"):
        graphc.fit(net, squares, opt, (X[:0], Y[:0]), 1)
    with pytest.raises(graphc.DomainError, match="batch_size"):
        graphc.fit(net, squares, opt, (X, Y), 1, batch_size=0)
    with pytest.raises(graphc.TraceError, match="the data is a int"):
        graphc.fit(net, squares, opt, 3, 1)
    for one, two in zip(before, state(net, opt), strict=True):
        np.testing.assert_array_equal(one, two)


def test_a_loss_that_is_no_number_ends_the_training(tmp_path):
    path = tmp_path / "training.safetensors"
    net, opt = made()
    graphc.fit(net, squares, opt, (X, Y), 1, checkpoint=path)
    kept = path.read_bytes()
    bad = Y.copy()
    bad[3] = np.nan
    with pytest.raises(graphc.NonFiniteError, match="epoch 2"):
        graphc.fit(net, squares, opt, (X, bad), 2, checkpoint=path, batch_size=len(X))
    assert path.read_bytes() == kept
    before = graphc.training.load(path)[0]
    for name, array in {**net.state_dict()}.items():
        np.testing.assert_array_equal(array, before[f"model/{name}"])
    for name, array in opt.state_dict().items():
        np.testing.assert_array_equal(array, before[f"optimizer/{name}"])
    net, opt = made()

    def steep(predicted, target):
        return np.exp(1e4 * (1 + abs(predicted))).mean()

    with pytest.raises(graphc.NonFiniteError, match=r"np\.exp\(1e4"):
        graphc.fit(net, steep, opt, (X, Y), 1, debug="nan")


def test_history_draws(tmp_path):
    history = training.History([{"loss": 1.0, "seconds": 1.0}, {"loss": 0.5, "accuracy": 0.9}])
    assert history["accuracy"] == [None, 0.9]
    with pytest.raises(KeyError, match="there is loss, seconds, accuracy"):
        history["mae"]
    assert repr(history) == "History of 2 epochs; the last: loss 0.5, accuracy 0.9"
    history.plot(tmp_path / "history.png", title="two epochs")
    assert (tmp_path / "history.png").stat().st_size > 5000


def test_progress_lines(capsys):
    net, opt = made()
    graphc.fit(net, squares, opt, (X, Y), 2, progress=True)
    assert capsys.readouterr().err.count("epoch 2/2  loss") == 1


class Normed(nn.Module):
    def __init__(self):
        self.conv = nn.Conv2d(1, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 16, 3)

    def forward(self, x):
        return self.head(nn.relu(self.norm(self.conv(x))).reshape(len(x), -1))


def test_resuming_with_a_smaller_last_batch_in_another_process(tmp_path):
    """The forms of both sizes are those of a run that was never interrupted."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((100, 1, 4, 4)).astype(np.float32)
    y = rng.integers(0, 3, 100)
    np.savez(tmp_path / "data.npz", x=x, y=y)
    script = tmp_path / "train.py"
    script.write_text(
        "import sys\nimport numpy as np\nimport graphc\nfrom graphc import nn, optim\n"
        + inspect.getsource(Normed)
        + """
path, *ends = sys.argv[1:]
data = np.load(sys.argv[1] + ".npz")
graphc.random.seed(0)
model = Normed()
opt = optim.Adam(model, 0.01)
graphc.fit(model, nn.cross_entropy, opt, (data["x"], data["y"]), int(ends[0]),
           batch_size=32, checkpoint=path + ends[1])
print([float(np.abs(p).sum()) for p in model.state_dict().values()])
"""
    )

    def run(epochs, name):
        command = [sys.executable, script, str(tmp_path / "data"), str(epochs), name]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    whole = run(4, "whole")
    run(2, "parts")
    assert run(4, "parts") == whole


def test_arguments_that_are_something_else():
    net, opt = made()
    for arguments, options, match in (
        ((net, opt, squares, (X, Y), 1), {}, "loss is a Adam"),
        ((net, "squares", opt, (X, Y), 1), {}, "loss is a str"),
        ((net, squares, opt, (X, Y), 1), {"callbacks": training.EarlyStopping()}, "callbacks"),
        ((net, squares, opt, (X, Y), 1), {"metrics": [squares]}, "metrics is a list"),
        ((net, squares, opt, (X, Y), 1), {"validation": 0.2}, "validation is a float"),
    ):
        with pytest.raises(graphc.TraceError, match=match):
            graphc.fit(*arguments, **options)
    net.freeze()
    with pytest.raises(graphc.DomainError, match="no parameters to train"):
        graphc.fit(net, squares, opt, (X, Y), 1)
    stopping = training.EarlyStopping("accuracy", mode="max")
    net, opt = made()
    with pytest.raises(graphc.DomainError, match="validation_accuracy"):
        graphc.fit(
            net,
            squares,
            opt,
            (X, Y),
            1,
            validation=(X, Y),
            metrics={"accuracy": squares},
            callbacks=[stopping],
        )


class Tensor:
    """What another library passes: it becomes an array."""

    def __init__(self, array):
        self.array = array

    def __len__(self):
        return len(self.array)

    def __array__(self, dtype=None, copy=None):
        return self.array


def test_tensors_of_another_library():
    net, opt = made()
    graphc.fit(net, squares, opt, [(Tensor(X), Tensor(Y))], 1)
    graphc.fit(net, squares, opt, (Tensor(X), Tensor(Y)), 1)


def test_a_checkpoint_of_another_network_is_named(tmp_path):
    path = tmp_path / "training.safetensors"
    net, opt = made()
    graphc.fit(net, squares, opt, (X, Y), 1, checkpoint=path)
    other = nn.Linear(X.shape[1], 7)
    with pytest.raises(graphc.StateError, match="another training") as caught:
        graphc.fit(other, squares, optim.SGD(other, 0.1), (X, Y), 2, checkpoint=path)
    assert str(path) in str(caught.value)
    assert "Delete the file" in str(caught.value)


def test_a_training_that_was_ended_stays_so(tmp_path):
    def stop(epoch):
        if epoch.number == 3:
            epoch.stop()

    for _ in range(2):
        net, opt = made()
        history = graphc.fit(
            net, squares, opt, (X, Y), 10, callbacks=[stop], checkpoint=tmp_path / "c.safetensors"
        )
        assert len(history) == 3


def test_the_best_arrays_are_back_at_the_end():
    net, opt = made()
    stopping = training.EarlyStopping("loss", patience=5, mode="max")
    graphc.fit(net, squares, opt, (X, Y), 3, callbacks=[stopping])
    for name, array in net.state_dict().items():
        np.testing.assert_array_equal(array, stopping.state[name])


def test_what_can_not_be_kept_or_measured_is_refused_first(tmp_path):
    class Complex(nn.Module):
        def __init__(self):
            self.w = np.ones(2, np.complex128)

        def forward(self, x):
            return np.abs(x * self.w).sum(axis=1)

    net = Complex()
    with pytest.raises(graphc.StateError, match="complex128"):
        graphc.fit(net, squares, optim.SGD(net, 0.1), (X, Y), 1, checkpoint=tmp_path / "c")
    np.testing.assert_array_equal(net.w, np.ones(2))
    net, opt = made()
    with pytest.raises(graphc.DomainError, match="a metric is called seconds"):
        graphc.fit(net, squares, opt, (X, Y), 1, metrics={"seconds": squares})
