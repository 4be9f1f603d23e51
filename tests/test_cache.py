"""The disk cache: what a second process needs, and what faults do to it, in real processes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from graphc import cache

ROOT = Path(__file__).parents[1]

PROGRAM = """
import json, sys, warnings
import numpy as np

with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import graphc

    @graphc.compile
    def f(x, w):
        return graphc.value_and_grad(lambda x: np.sum(np.tanh(x @ w) ** 2))(x)

    x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    w = np.linspace(0, 1, 20, dtype=np.float32).reshape(4, 5)
    value, gradient = f(x, w)
    h = np.tanh(x @ w)
    np.testing.assert_allclose(value, (h**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(gradient, (2 * h * (1 - h**2)) @ w.T, rtol=1e-4, atol=1e-6)
    {more}
loaded = [name for name in ("numba", "scipy") if name in sys.modules]
print(json.dumps({{"loaded": loaded, "said": [str(item.message) for item in said]}}))
"""


def start(folder, more="", **options):
    environment = os.environ | {"GRAPHC_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM.format(more=more)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)


def run(folder, more="", **options):
    return finish(start(folder, more, **options))


def objects(folder):
    return sorted(p for p in Path(folder, "objects").rglob("*") if p.is_file() and not p.suffix)


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A folder in which a process has kept its code."""
    folder = tmp_path_factory.mktemp("warm")
    first = run(folder)
    assert "numba" in first["loaded"]
    assert not first["said"]
    assert objects(folder)
    return folder


def copied(folder, tmp_path):
    subprocess.run(["cp", "-r", f"{folder}/.", tmp_path], check=True)
    return tmp_path


def test_a_second_process_compiles_nothing(warm):
    before = {path: path.stat().st_mtime_ns for path in objects(warm)}
    second = run(warm)
    assert second == {"loaded": [], "said": []}
    assert {path: path.stat().st_mtime_ns for path in objects(warm)} == before


def test_cache_false_keeps_nothing(tmp_path):
    more = "graphc.compile(cache=False)(lambda x: np.expm1(x) * 3)(x)"
    run(tmp_path)
    count = len(objects(tmp_path))
    assert "numba" in run(tmp_path, more)["loaded"]
    assert len(objects(tmp_path)) == count


def test_six_processes_on_one_cold_cache(warm, tmp_path):
    for process in [start(tmp_path) for _ in range(6)]:
        assert finish(process)["said"] == []
    names = [path.name for path in objects(tmp_path)]
    assert names == [path.name for path in objects(warm)]
    assert not list(tmp_path.rglob("*.part"))
    assert run(tmp_path)["loaded"] == []


KILLED = """
import os, signal
from pathlib import Path
from graphc import cache
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
{patch}
graphc.compile(lambda x: np.log1p(x * x) - 2)(x)
"""


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param("Path.replace = die", id="before the rename"),
        pytest.param("Path.open = die", id="before the write"),
        pytest.param("cache.put = die", id="holding the lock"),
    ],
)
def test_a_process_killed_while_it_writes(tmp_path, patch):
    process = start(tmp_path, more=KILLED.format(patch=patch).replace("\n", "\n    "))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL
    for path in objects(tmp_path):
        assert path.read_bytes()[: len(cache.MAGIC)] == cache.MAGIC
    after = "graphc.compile(lambda x: np.log1p(x * x) - 2)(x)"
    assert run(tmp_path, after)["said"] == []
    assert run(tmp_path, after)["loaded"] == []


def truncated(data):
    return data[: len(data) // 2]


def emptied(data):
    return b""


def flipped(data):
    return data[:-100] + bytes([data[-100] ^ 4]) + data[-99:]


def foreign(data):
    return b"something else altogether" * 20


@pytest.mark.parametrize("damage", [truncated, emptied, flipped, foreign])
def test_a_damaged_entry_is_made_anew(warm, tmp_path, damage):
    folder = copied(warm, tmp_path)
    whole = {path: path.read_bytes() for path in objects(folder)}
    for path, data in whole.items():
        path.write_bytes(damage(data))
    assert run(folder)["loaded"] != []
    for path in whole:
        assert path.read_bytes() != damage(whole[path])
    assert run(folder) == {"loaded": [], "said": []}


def test_an_entry_in_the_place_of_another_is_not_taken_for_it(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    for kind, key in (("objects", "01"), ("objects", "02"), ("products", "01")):
        assert cache.put(kind, key, b"payload of " + kind.encode() + key.encode())
        assert cache.get(kind, key) == b"payload of " + kind.encode() + key.encode()
    cache.path_of("objects", "02").replace(cache.path_of("objects", "01"))
    assert cache.get("objects", "01") is None
    cache.path_of("products", "01").replace(cache.path_of("objects", "01"))
    assert cache.get("objects", "01") is None


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes")
def test_a_pipe_in_the_place_of_an_entry_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    path = cache.path_of("objects", "01")
    path.parent.mkdir(parents=True)
    os.mkfifo(path)
    assert cache.get("objects", "01") is None
    assert cache.put("objects", "01", b"payload")
    assert cache.get("objects", "01") == b"payload"


def test_no_lock_stays(warm, tmp_path, monkeypatch):
    assert not list(warm.rglob("*.lock"))
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    old, new = tmp_path / "old.lock", tmp_path / "new.lock"
    for path in (old, new):
        path.touch()
    os.utime(old, (1000, 1000))  # of a process that was killed
    cache.put("objects", "01", b"payload")
    assert (old.exists(), new.exists()) == (False, True)


def said_once(result):
    (message,) = result["said"]
    assert "can't be kept" in message
    assert "GRAPHC_CACHE_DIR" in message


def test_a_folder_that_cannot_be_made(tmp_path):
    file = tmp_path / "file"
    file.write_text("in the way")
    said_once(run(file / "cache"))


@pytest.mark.parametrize("size", [0, 16])
def test_a_full_disk(tmp_path, size):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
    program = limit + f"exec({PROGRAM.format(more='')!r})"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"GRAPHC_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    said_once(json.loads(result.stdout))
    assert objects(tmp_path) == []
    assert not list(tmp_path.rglob("*.part"))


def test_a_read_only_folder_serves_and_is_left_alone(warm, tmp_path):
    folder = copied(warm, tmp_path / "inner")
    assert run(folder)["loaded"] == []
    more = "graphc.compile(lambda x: np.expm1(x) * 5)(x)"
    drop = "" if os.geteuid() else _as_nobody(tmp_path)
    subprocess.run(["chmod", "-R", "a+rX,a-w", folder], check=True)
    try:
        said_once(run(folder, drop + more))
    finally:
        subprocess.run(["chmod", "-R", "u+w", folder], check=True)


def _as_nobody(folder):
    """A statement that gives up root, whom no folder refuses."""
    for path in (folder, *folder.parents):
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    ready = "import filelock, os; graphc.compile(lambda x: np.expm1(x) * 3, cache=False)(x)"
    return f"{ready}; os.setuid(65534); "


def test_a_folder_that_goes_away(tmp_path):
    more = f"import shutil; shutil.rmtree({str(tmp_path)!r}); graphc.compile(lambda x: x * 7)(x)"
    assert run(tmp_path, more)["said"] == []
    assert len(objects(tmp_path)) >= 1


def test_a_folder_cleared_while_an_entry_is_written(tmp_path, monkeypatch, recwarn):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    replace = Path.replace

    def late(self, target):
        cache.clear()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", late)
    assert cache.put("objects", "01", b"payload")
    monkeypatch.undo()
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    assert cache.get("objects", "01") is None
    assert cache.put("objects", "01", b"payload")
    assert cache.get("objects", "01") == b"payload"
    assert not recwarn


def test_info_and_clear(warm, tmp_path, monkeypatch):
    folder = copied(warm, tmp_path)
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(folder))
    found = cache.info()
    assert found["folder"] == str(folder)
    assert found["entries"] > len(objects(folder))  # the sources beside the objects
    assert found["bytes"] > 1000
    assert cache.clear() == found["entries"]
    assert cache.info()["entries"] == 0


def test_the_longest_unused_go_first(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cache, "LIMIT", 2500)
    for number in range(3):
        key = f"{number:02}"
        cache.put("objects", key, bytes(1000))
        os.utime(cache.path_of("objects", key), (1000 + number, 1000 + number))
    monkeypatch.setattr(cache, "_trimmed", set())
    cache.put("objects", "99", b"new")
    assert cache.get("objects", "00") is None
    assert cache.get("objects", "02") == bytes(1000)
    assert cache.get("objects", "99") == b"new"


def test_a_key_has_no_neighbours():
    assert cache.digest("ab", "c") != cache.digest("a", "bc")
