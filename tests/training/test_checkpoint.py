"""Checkpoints: whole or not at all; damaged ones are refused."""

import json
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from safetensors.numpy import save_file

import graphc
from graphc import training
from graphc.training import checkpoint

ARRAYS = {
    "w": np.arange(6, dtype=np.float32).reshape(2, 3),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "count": np.array(3, np.int64),
    "empty": np.zeros((0, 2)),
    "key": np.array([1, 2], np.uint32),
}


@pytest.fixture
def path(tmp_path):
    place = tmp_path / "model.safetensors"
    training.save(place, ARRAYS, {"epoch": 3, "loss": 0.1})
    return place


def test_round_trip(path):
    arrays, header = training.load(path)
    assert header == {"epoch": 3, "loss": 0.1}
    assert sorted(arrays) == sorted(ARRAYS)
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        assert arrays[name].shape == array.shape
        np.testing.assert_array_equal(arrays[name], array)
    assert os.listdir(path.parent) == [path.name]


def test_the_one_before_is_kept(path):
    training.save(path, {"w": np.zeros(1)}, {"epoch": 4})
    assert training.load(path)[1] == {"epoch": 4}
    assert training.load(checkpoint.previous(path))[1]["epoch"] == 3
    assert len(os.listdir(path.parent)) == 2


def test_damage_is_noticed(path):
    training.save(path, ARRAYS, {})
    whole = path.read_bytes()
    places = [0, 3, 9, 40, len(whole) // 2, len(whole) - 1]
    damaged = [whole[:k] + bytes([whole[k] ^ 0x55]) + whole[k + 1 :] for k in places]
    damaged += [whole[:-5], whole[:10], b"", whole + b"more"]
    for data in damaged:
        path.write_bytes(data)
        with pytest.raises(graphc.StateError, match="previous") as caught:
            training.load(path)
        assert path.name in str(caught.value)


def test_other_files_are_refused(tmp_path):
    place = tmp_path / "weights.safetensors"
    save_file({"w": np.ones(2)}, place)
    with pytest.raises(graphc.StateError, match="no checkpoint of graphc's"):
        training.load(place)
    about = {"format": "graphc-checkpoint-99", "digest": "", "header": {}}
    save_file({"w": np.ones(2)}, place, metadata={"graphc": json.dumps(about)})
    with pytest.raises(graphc.StateError, match="graphc-checkpoint-99"):
        training.load(place)
    with pytest.raises(FileNotFoundError, match="there is no checkpoint"):
        training.load(tmp_path / "none.safetensors")


def test_a_full_disk_leaves_the_old_one(path, monkeypatch):
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        training.save(path, {"w": np.zeros(9)}, {})
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_file_limit_leaves_the_old_one(path):
    """A process that may write only small files: the system's own error, not one made up."""
    before = path.read_bytes()
    program = f"""
        import resource, signal
        import numpy as np
        from graphc import training
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            training.save({str(path)!r}, {{"w": np.zeros(100_000)}}, {{}})
        except OSError as error:
            print("refused", error.errno)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("refused")
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_no_such_folder(tmp_path):
    with pytest.raises(FileNotFoundError):
        training.save(tmp_path / "none" / "a.safetensors", ARRAYS, {})


def test_a_checkpoint_of_another_model(tmp_path):
    class Net(graphc.nn.Module):
        def __init__(self, size):
            self.w = np.ones(size)

        def forward(self, x):
            return x * self.w.sum()

    place = tmp_path / "a.safetensors"
    first, second = Net(2), Net(3)
    loss = lambda p: p.mean()  # noqa: E731
    graphc.fit(first, loss, graphc.optim.SGD(first), np.ones(4), 1, checkpoint=place)
    with pytest.raises(graphc.StateError, match=r"misshapen: w is \(2,\), wanted \(3,\)"):
        graphc.fit(second, loss, graphc.optim.SGD(second), np.ones(4), 2, checkpoint=place)
    third = Net(2)
    with pytest.raises(graphc.StateError, match="missing"):
        graphc.fit(third, loss, graphc.optim.Adam(third), np.ones(4), 2, checkpoint=place)
    np.testing.assert_array_equal(third.w, 1)
