"""``.graphc`` files: what is loaded is what was exported; what is damaged is refused."""

import copy
import functools
import inspect
import io
import json
import pickle
import re
import resource
import time
import zipfile
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.exporting import archive
from graphc.exporting.c.library import write_library
from graphc.loading.module import Loaded
from graphc.testing import check_grads
from tests.exporting.c_library import Library

F32 = np.float32
Pair = namedtuple("Pair", "left right")


@dataclass
class Point:
    x: np.ndarray
    y: float


class Net(nn.Module):
    def __init__(self):
        self.layers = [nn.Linear(4, 8), nn.Linear(8, 3)]
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        return self.layers[1](nn.relu(self.norm(self.layers[0](x))))


def loaded(tmp_path, function, *args, **options):
    path = tmp_path / "f.graphc"
    graphc.export(function, *args, path=path, **options)
    return graphc.load(path)


def test_trees_of_arguments_and_results(tmp_path):
    def function(point, pair, *rest, scale=2.0, **named):
        total = point.x * point.y + pair.left[0] * scale + rest[0] + named["z"]
        return Pair(total, {"k": (total.shape[0], [None, True, "text"]), 3: 1.5})

    x = np.arange(3.0)
    args = Point(x, 2.0), Pair([x], x), x
    again = loaded(tmp_path, function, *args, kwargs={"z": x})
    wanted = function(*args, z=x)
    for result in (again(*args, z=x), again(*args, scale=2.0, z=x)):
        assert (result.left == wanted.left).all()
        assert result.right == wanted.right
        assert type(result.right[3]) is float
    half = again(*args, scale=1.0, z=x)
    assert (half.left == function(*args, scale=1.0, z=x).left).all()


def test_kinds_of_results_and_dtypes(tmp_path):
    def function(x, z):
        return x.sum(), x > 0, float(x.shape[0]), z * 2j, x.astype(np.int8), x[0]

    args = np.array([1.0, -2.0, 3.0], F32), np.array([1 + 2j])
    again = loaded(tmp_path, function, *args)
    for result, wanted in zip(again(*args), function(*args), strict=True):
        assert type(result) is type(wanted)
        assert np.asarray(result).dtype == np.asarray(wanted).dtype
        np.testing.assert_array_equal(result, wanted)


def test_named_axes_take_any_size(tmp_path):
    model = Net().eval()
    again = loaded(tmp_path, model, graphc.spec(("batch", 4), F32))
    for size in (1, 2, 7):
        x = np.random.default_rng(size).standard_normal((size, 4)).astype(F32)
        np.testing.assert_allclose(again(x), model(x), 1e-6, 1e-6)
    with pytest.raises(
        graphc.ShapeError, match=r"x is float32\[2, 5\], wanted float32\[batch, 4\]"
    ):
        again(np.ones((2, 5), F32))
    with pytest.raises(graphc.DTypeError, match="x has dtype float64, wanted float32"):
        again(np.ones((2, 4)))
    with pytest.raises(TypeError, match="argument"):
        again()


def train_step(model, optimizer, x, y):
    loss, grads = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
    optimizer.step(model, grads)
    return loss


def test_a_training_step_goes_on_where_it_was(tmp_path):
    model = Net()
    optimizer = graphc.optim.Adam(model, lr=0.01)
    step = graphc.compile(train_step)
    random = np.random.default_rng(0)
    x, y = random.standard_normal((6, 4)).astype(F32), random.integers(0, 3, 6)
    step(model, optimizer, x, y)
    again = loaded(tmp_path, step, model, optimizer, x, y)
    for _ in range(4):
        assert again(x, y) == step(model, optimizer, x, y)
    state = again.state_dict()
    assert (state["model.layers.0.weight"] == model.layers[0].weight).all()
    assert state["optimizer.count"] == 5


def test_what_is_loaded_is_a_module(tmp_path):
    model = Net().eval()
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(F32)
    again = loaded(tmp_path, model, graphc.spec(("n", 4), F32))
    assert again.state_dict().keys() == model.state_dict().keys() - {"norm.num_batches_tracked"}
    assert {n for n, _ in again.named_parameters()} == {n for n, _ in model.named_parameters()}

    def loss(m, x):
        return (m(x) ** 2).sum()

    ours, theirs = graphc.grad(loss)(again, x), graphc.grad(loss)(model, x)
    np.testing.assert_allclose(
        getattr(ours.layers, "0").weight, theirs.layers[0].weight, 1e-5, 1e-6
    )
    np.testing.assert_allclose(graphc.vmap(again)(x[:, None])[:, 0], model(x), 1e-5, 1e-6)
    compiled = graphc.compile(lambda m, x: m(x) + 1, threads=1)
    np.testing.assert_allclose(compiled(again, x), model(x) + 1, 1e-5, 1e-6)
    optimizer = graphc.optim.SGD(again, lr=0.005)
    before = loss(again, x)
    optimizer.step(again, graphc.grad(loss)(again, x))
    assert loss(again, x) < before
    once_more = loaded(tmp_path, again, graphc.spec(("n", 4), F32))
    np.testing.assert_allclose(once_more(x), again(x), 1e-6, 1e-6)
    with graphc.eager():
        np.testing.assert_allclose(again(x), once_more(x), 1e-5, 1e-5)


def test_derivatives_to_second_order(tmp_path):
    again = loaded(tmp_path, lambda x: np.tanh(x @ x.T).sum(axis=0), np.ones((3, 3)))
    check_grads(again, (np.random.default_rng(0).standard_normal((3, 3)),), order=2)


def loops(x):
    def body(carry, row):
        return np.tanh(carry + row), carry.sum()

    carry, sums = graphc.scan(body, x[0] * 0, x)
    return graphc.cond(sums[-1] > 0, lambda c: c * 2, lambda c: c - 1, carry), sums


def test_loops_of_named_length(tmp_path):
    again = loaded(tmp_path, loops, graphc.spec(("steps", 3), np.float64))
    for steps in (2, 6):
        x = np.random.default_rng(steps).standard_normal((steps, 3))
        for result, wanted in zip(again(x), loops(x), strict=True):
            np.testing.assert_allclose(result, wanted, 1e-12)


def test_sizes_that_were_decided_are_kept(tmp_path):
    def function(x):
        return x * 2 if x.shape[0] > 10 else x

    again = loaded(tmp_path, function, graphc.spec(("n",), np.float64))
    assert again(np.ones(11))[0] == 2
    with pytest.raises(graphc.ShapeError, match="was exported for sizes where n > 10"):
        again(np.ones(3))


def test_effects_come_in_order(tmp_path, capfd):
    def function(x):
        graphc.debug_print("first {}", x.sum())
        graphc.debug_print("second")
        return x

    again = loaded(tmp_path, function, np.ones(2))
    graphc.compile(lambda x: again(x) + again(x))(np.ones(2))
    assert capfd.readouterr().out.split("\n")[:4] == ["first 2.0", "second"] * 2


def test_arguments_that_are_written(tmp_path):
    def function(x, y):
        x[1:] += y
        return x.sum()

    again = loaded(tmp_path, function, np.ones(3), np.ones(2))
    x = np.ones(3)
    assert again(x, np.array([1.0, 2.0])) == 6
    assert x.tolist() == [1, 2, 3]


def test_names_that_modules_have(tmp_path):
    forward, graph = np.arange(3.0), np.ones(3)
    again = loaded(tmp_path, lambda x: x + forward * graph, np.ones(3))
    assert again(np.ones(3)).tolist() == [1, 2, 3]
    assert set(again.state_dict()) == {"forward_", "graph_"}


class Sets:
    def __init__(self):
        self.last = np.ones(3)

    def run(self, x):
        self.last = x
        return x * 2


def test_what_files_do_not_hold_is_refused(tmp_path):
    with pytest.raises(graphc.ExportError, match=r"run sets self.last to something new"):
        graphc.export(Sets().run, np.ones(3), path=tmp_path / "x.graphc")
    with pytest.raises(graphc.ExportError, match=r"'\.pt' is no form"):
        graphc.export(np.sin, np.ones(3), path=tmp_path / "x.pt")
    with pytest.raises(graphc.ExportError, match="x is a slice: files hold"):
        graphc.export(lambda x: 1, slice(2), path=tmp_path / "x.graphc")
    with pytest.raises(graphc.ExportError, match="can't be loaded"):
        graphc.load(tmp_path / "x.pt")
    with pytest.raises(FileNotFoundError):
        graphc.load(tmp_path / "x.graphc")
    assert not list(tmp_path.iterdir())


W = np.full(4, 10.0)


def plus_global(x):
    return x * W


def called_like_it(W):
    return plus_global(W + 1)


def test_an_argument_called_like_a_captured_array(tmp_path):
    x = np.arange(4.0)
    again = loaded(tmp_path, called_like_it, np.ones(4))
    assert (again(x) == called_like_it(x)).all()
    nested = {"a.b": np.ones(3), "a": {"b": np.full(3, 2.0)}}
    again = loaded(tmp_path, lambda d: d["a.b"] + 10 * d["a"]["b"], nested)
    assert again(nested).tolist() == [21, 21, 21]


class Named(nn.Module):
    def __init__(self):
        self.name, self.name_ = np.arange(3.0), np.full(3, 10.0)
        self._call = np.ones(3)

    def forward(self, x):
        return x + self.name - self.name_ * self._call


def test_attributes_that_a_loaded_module_has_itself(tmp_path):
    model = Named()
    again = loaded(tmp_path, model, np.ones(3))
    assert (again(np.ones(3)) == model(np.ones(3))).all()
    once_more = loaded(tmp_path, again, np.ones(3))
    assert (once_more(np.ones(3)) == model(np.ones(3))).all()


def test_exported_again_it_takes_the_same(tmp_path):
    def function(x, y=2.0, axes=(0,)):
        return Pair(x * y, x.sum(axis=axes))

    first = loaded(tmp_path, function, graphc.spec(("n",), np.float64))
    second = loaded(tmp_path, first, graphc.spec(("n",), np.float64))
    assert str(inspect.signature(second)) == "(x, y=2.0, axes=(0,))"
    assert second(np.ones(4), y=3.0).left.tolist() == [3, 3, 3, 3]
    assert second(x=np.ones(4)).right == 4
    part = functools.partial(lambda a, b: a - b, np.ones(6))
    again = loaded(tmp_path, loaded(tmp_path, part, np.ones(6)), np.ones(6))
    assert again(np.zeros(6)).tolist() == [1] * 6


def test_compiled_pickled_and_copied(tmp_path):
    model = nn.Linear(3, 2)
    x = np.ones((4, 3), F32)
    again = loaded(tmp_path, model, graphc.spec(("n", 3), F32))
    for other in (
        graphc.compile(again, threads=1),
        pickle.loads(pickle.dumps(again)),
        copy.deepcopy(again),
    ):
        np.testing.assert_allclose(other(x), model(x), 1e-6)


def test_sizes_of_what_is_not_needed(tmp_path):
    again = loaded(tmp_path, lambda x: np.zeros(x.shape[0]), graphc.spec(("n",), np.float64))
    assert again(np.ones(6)).shape == (6,)
    again = loaded(tmp_path, lambda x, y: {"n": x.shape[0], "y": y}, graphc.spec(("n",), F32), 1.5)
    assert again(np.ones(9, F32), 2.5) == {"n": 9, "y": 2.5}


def test_training_mode_is_told(tmp_path):
    model = nn.Sequential(nn.Linear(3, 2), nn.Dropout(0.5))
    with pytest.warns(RuntimeWarning, match=r"in training mode: a call writes captured.*eval"):
        loaded(tmp_path, model, graphc.spec(("n", 3), F32))
    again = loaded(tmp_path, model.eval(), graphc.spec(("n", 3), F32))
    assert repr(again) == "Loaded f(x: float32[n, 3]) -> result: float32[n, 2]  # 8 parameters"


def test_moments_are_buffers(tmp_path):
    model = Net()
    optimizer = graphc.optim.Adam(model)
    x, y = np.ones((4, 4), F32), np.zeros(4, np.int64)
    again = loaded(tmp_path, train_step, model, optimizer, x, y)
    names = {name.removeprefix("model.") for name, _ in again.named_parameters()}
    assert names == {name for name, _ in model.named_parameters()}


def test_sizes_to_trace_with(tmp_path):
    table = np.arange(32.0)
    with pytest.raises(ValueError, match="broadcast"):
        loaded(tmp_path, lambda x: x + table[: x.shape[0]], graphc.spec(("n",), np.float64))
    again = loaded(
        tmp_path, lambda x: x + table[: x.shape[0]], graphc.spec(("n",), np.float64), sizes={"n": 5}
    )
    assert again(np.zeros(7))[-1] == 6
    with pytest.raises(graphc.ShapeError):
        again(np.zeros(40))


def test_modules_beside_arrays_are_refused(tmp_path):
    pair = {"model": nn.Linear(3, 2), "x": np.ones((2, 3), F32)}
    with pytest.raises(graphc.ExportError, match=r"pair\.x is an array beside a module"):
        loaded(tmp_path, lambda pair: pair["model"](pair["x"]), pair)
    with pytest.raises(TypeError, match="takes no option 'cpu'; it takes name"):
        loaded(tmp_path, lambda x: x, np.ones(3), cpu="generic")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        graphc.export(lambda x: x, np.ones(3), path=tmp_path / "none" / "x.graphc")


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "f.graphc"
    link.symlink_to(tmp_path / "real" / "f.graphc")
    assert loaded(tmp_path, lambda x: x * 2, np.ones(3))(np.ones(3)).tolist() == [2, 2, 2]
    assert link.is_symlink()


# --- damaged files --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def data():
    model = Net()
    optimizer = graphc.optim.SGD(model, lr=0.1, momentum=0.9)
    args = model, optimizer, graphc.spec(("n", 4), F32), graphc.spec(("n",), np.int64)
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        graphc.export(train_step, *args, path=f"{folder}/f.graphc")
        return open(f"{folder}/f.graphc", "rb").read()


def changed(data, name, change):
    """The file with one part changed, its digest and checksum made right."""
    parts = {
        info.filename: zipfile.ZipFile(io.BytesIO(data)).read(info)
        for info in zipfile.ZipFile(io.BytesIO(data)).infolist()
    }
    parts[name] = change(parts[name])
    header = json.loads(parts["graphc.json"])
    for part in header["digests"]:
        header["digests"][part] = archive._digest(parts[part])
    parts["graphc.json"] = json.dumps(header).encode()
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as written:
        for part, content in parts.items():
            written.writestr(part, content)
    return file.getvalue()


def edited(data, name, edit):
    def change(content):
        document = json.loads(content)
        edit(document)
        return json.dumps(document).encode()

    return changed(data, name, change)


def set_version(major, minor):
    return lambda header: header.update(version=[major, minor])


SUM = {"floordiv": [[[1, [f"s{k}"]] for k in range(12)], 1]}
DEEP = json.loads('{"list": [' * 60 + '{"static": 1}' + "]}" * 60)


def node(change):
    return lambda document: change(document["graph"]["nodes"][0])


EDITS = {
    "newer major": ("graphc.json", set_version(2, 0), r"version \[2, 0\]"),
    "newer minor": ("graphc.json", set_version(1, 9), r"version \[1, 9\]"),
    "no version": ("graphc.json", lambda h: h.update(version="1"), "version '1'"),
    "another format": ("graphc.json", lambda h: h.update(format="other"), "format is 'other'"),
    "no leaves": ("graphc.json", lambda h: h["leaves"].clear(), "each an argument"),
    "wrong leaf": ("graphc.json", lambda h: h["leaves"][0].update(input=999), "no input 999"),
    "wrong type": (
        "graphc.json",
        lambda h: h["leaves"][0].update(type=["float64", [3, 4]]),
        "the graph takes",
    ),
    "no tree": ("graphc.json", lambda h: h.update(result={"pickle": 1}), "no tree"),
    "a deep tree": ("graphc.json", lambda h: h.update(result=DEEP), "nested deeper"),
    "an unknown op": ("graph.json", node(lambda n: n.update(op="exec")), "no op named"),
    "a cycle": ("graph.json", node(lambda n: n.update(inputs=[[500, 0]])), "does not stand before"),
    "a wrong shape": ("graph.json", node(lambda n: n["types"][0][1].append(7)), "the file says"),
    "a huge input": (
        "graph.json",
        lambda g: g["graph"]["inputs"][-1][1].append(1 << 50),
        "the graph takes|does not take|the file says",
    ),
    "code for a file's name": (
        "graph.json",
        lambda g: next(n for n in g["graph"]["nodes"] if n.get("note", [0, 0])[1])["note"][
            1
        ].__setitem__(0, "a.py\n__import__('os').abort()\n#"),
        "characters that are not printed",
    ),
    "code for a size's name": (
        "graph.json",
        lambda g: g["graph"]["inputs"][-1][1].append([[1, ["n+__import__('os').abort()"]]]),
        "no name of a size",
    ),
    "a bomb of a size": (
        "graph.json",
        lambda g: g["graph"]["inputs"][-1][1].append([[1, [SUM] * 9]]),
        "more than 50 terms",
    ),
    "another name": ("graphc.json", lambda h: h["state"][0].update(name="x"), "no array 'x'"),
}


@pytest.mark.parametrize("name", EDITS)
def test_edited_files_are_refused(data, name):
    part, edit, message = EDITS[name]
    with pytest.raises(graphc.ExportError, match=message):
        archive.from_bytes(edited(data, part, edit))


def test_windows_are_checked_without_the_guards_of_a_file(tmp_path):
    graphc.export(
        lambda x: x[-10:] * 2, graphc.spec(("n",), np.float64), path=tmp_path / "f.graphc"
    )
    whole = (tmp_path / "f.graphc").read_bytes()
    program = archive.from_bytes(edited(whole, "graphc.json", lambda h: h["guards"].clear()))
    assert not program.guards
    module = Loaded(program)
    for size in (20, 30, 10):
        assert module(np.arange(float(size)))[0] == 2 * (size - 10)
    with pytest.raises(graphc.ShapeError, match="outside an axis of size 5"):
        module(np.arange(5.0))
    write_library(program, tmp_path / "f.so")
    library = Library(tmp_path / "f.so", program.name)
    assert library.run({"n": 12}, x=np.arange(12.0))[0] == 0
    assert library.run({"n": 5}, x=np.arange(5.0))[0] == -3


def test_an_older_minor_version_loads(data, monkeypatch):
    monkeypatch.setattr(archive, "MINOR", 3)
    assert archive.from_bytes(data).name == "train_step"


def test_a_bomb_is_refused_and_nothing_allocated(data):
    header = json.dumps({"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}})
    bomb = len(header).to_bytes(8, "little") + header.encode()
    with pytest.raises(graphc.ExportError):
        archive.from_bytes(changed(data, "state.safetensors", lambda _: bomb))
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as written:
        for part in ("graphc.json", "graph.json", "state.safetensors"):
            written.writestr(part, b" " * (1 << 20))
    with pytest.raises(graphc.ExportError, match="compressed"):
        archive.from_bytes(file.getvalue())


def mutations(data, count):
    """Truncated files, flipped bits, edited JSON whose digests are right."""
    random = np.random.default_rng(7)
    names = ("graphc.json", "graph.json")
    for number in range(count):
        kind = number % 3
        if kind == 0:
            yield data[: random.integers(0, len(data))]
        elif kind == 1:
            flipped = bytearray(data)
            for place in random.integers(0, len(data), 1 + number % 2):
                flipped[place] ^= 1 << int(random.integers(0, 8))
            yield bytes(flipped)
        else:
            yield edited(data, names[number % 2], lambda d: mutate(d, random))


def mutate(document, random):
    """Change one value somewhere in JSON data."""
    spots = []

    def walk(item):
        pairs = item.items() if isinstance(item, dict) else enumerate(item)
        for key, value in pairs:
            spots.append((item, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(document)
    choice, key = spots[random.integers(0, len(spots))]
    values = [None, -1, 0, 1 << 62, "x", [], {}, True, [[1, ["n"]]], 3.5]
    value = values[random.integers(0, len(values))]
    if isinstance(choice, list) and random.random() < 0.3:
        choice.pop(key)
    elif isinstance(choice, dict) and random.random() < 0.3:
        del choice[key]
    else:
        choice[key] = value


def test_a_thousand_mutated_files(data):
    """Each is loaded, to a program that can be written again, or refused; none is slow."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused = right = 0
    whole = archive.from_bytes(data)
    for mutated in mutations(data, 1000):
        start = time.perf_counter()
        try:
            found = archive.from_bytes(mutated)
        except graphc.ExportError:
            refused += 1
        else:
            right += 1
            assert archive.to_bytes(found)
            if mutated[: len(data) // 2] == data[: len(data) // 2]:
                assert found.graph == whole.graph
        assert time.perf_counter() - start < 5
    assert refused + right == 1000
    assert refused > 800
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 200 * 1024


def test_other_programs_read_the_format(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "format.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    assert "graphc." not in code.replace("graphc.json", "").replace(".graphc", "")
    monkeypatch.chdir(tmp_path)
    graphc.export(nn.Linear(3, 2), graphc.spec(("n", 3), F32), path="model.graphc")
    exec(compile(code, "format.md", "exec"), {})
    printed = capsys.readouterr().out
    assert "takes ['float32', [[[1, ['n']]], 3]]" in printed
    assert "matmul" in printed
    assert "holds weight F32 [2, 3]" in printed
