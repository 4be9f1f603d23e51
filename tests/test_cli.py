"""The command line: what it prints, writes, and how it ends."""

import json
import subprocess
import sys

import numpy as np
import pytest

import graphc
from graphc import nn
from graphc.cli.main import main
from tests.exporting.c_library import Library

F32 = np.float32


def step(params, x):
    params["w"] -= 0.5 * x.sum(axis=0)
    return {"loss": (x @ params["w"]).sum(), "size": x.shape[0]}


@pytest.fixture
def file(tmp_path):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    path = tmp_path / "model.graphc"
    graphc.export(model, graphc.spec(("batch", 4), F32), path=path)
    return path


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "step.graphc"
    args = {"w": np.ones(3)}, graphc.spec(("n", 3), np.float64)
    graphc.export(step, *args, path=path)
    return path


def test_inspect(file, written, capsys):
    assert main(["inspect", str(file)]) == 0
    text = capsys.readouterr().out
    assert "model: " in text
    assert "67 parameters" in text
    assert "x: float32[batch, 4]" in text
    assert "2.weight: float32[3, 8]" in text
    assert "result: float32[batch, 3]" in text
    assert main(["inspect", str(written), "--graph"]) == 0
    text = capsys.readouterr().out
    assert "params.w: float64[3], written" in text
    assert "params.w := " in text
    assert main(["inspect", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["parameters"] == 67
    assert found["sizes"] == ["batch"]


def test_run(file, written, tmp_path, capsys):
    x = np.random.default_rng(0).standard_normal((5, 4)).astype(F32)
    np.save(tmp_path / "x.npy", x)
    wanted = graphc.load(file)(x)
    assert main(["run", str(file), "--input", str(tmp_path / "x.npy"), "--json"]) == 0
    np.testing.assert_allclose(json.loads(capsys.readouterr().out)["result"], wanted, 1e-6)
    out = tmp_path / "y.npy"
    assert main(["run", str(file), "--input", f"x={tmp_path / 'x.npy'}", "-o", str(out)]) == 0
    assert (np.load(out) == wanted).all()
    np.save(tmp_path / "w.npy", np.arange(3.0))
    np.save(tmp_path / "z.npy", np.ones((2, 3)))
    inputs = ["--input", f"x={tmp_path / 'z.npy'}", "--input", str(tmp_path / "w.npy")]
    assert main(["run", str(written), *inputs, "-o", str(tmp_path / "all.npz")]) == 0
    found = np.load(tmp_path / "all.npz")
    assert found["loss"] == 2 * (np.arange(3) - 1).sum()
    assert found["params.w"].tolist() == [-1, 0, 1]
    assert main(["run", str(written), *inputs]) == 0
    text = capsys.readouterr().out
    assert "loss = 0.0" in text
    assert "1 arrays were written" in text


def test_run_of_results_that_json_and_npz_have_no_name_for(tmp_path, capsys):
    def function(file, x):
        x += 1
        return {"file": file / 0, "x": x.sum(), "z": file * 1j}

    path, ones = tmp_path / "f.graphc", str(tmp_path / "ones.npy")
    np.save(ones, np.ones(2))
    graphc.export(function, np.ones(2), np.ones(2), path=path)
    command = ["run", str(path), "--input", ones, "--input", ones]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "file": ["inf", "inf"], "x": 4, "z": [[0, 1], [0, 1]], "x (written)": [2, 2],
    }  # fmt: skip
    assert main([*command, "-o", str(tmp_path / "o.npz")]) == 0
    assert np.load(tmp_path / "o.npz")["x (written)"].tolist() == [2, 2]
    assert main([*command, "-o", str(tmp_path / "o.txt")]) == 1


def test_onnx_models(tmp_path, capsys):
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    path = tmp_path / "net.onnx"
    graphc.export(model, graphc.spec(("batch", 4), F32), path=path)
    assert main(["inspect", str(path)]) == 0
    assert "x: float32[batch, 4]" in capsys.readouterr().out
    np.save(tmp_path / "x.npy", np.ones((2, 4), F32))
    assert main(["run", str(path), "--input", str(tmp_path / "x.npy"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["result"]
    np.testing.assert_allclose(found, model(np.ones((2, 4), F32)), 1e-5)
    assert main(["build", str(path), "-o", str(tmp_path / "lib"), "--embed"]) == 0
    assert (tmp_path / "lib" / "net.h").exists()


def test_build(file, tmp_path, capsys):
    folder = tmp_path / "lib"
    command = ["build", str(file), "-o", str(folder), "--name", "net", "--cpu", "generic"]
    assert main([*command, "--embed"]) == 0
    names = {path.name for path in folder.iterdir()}
    assert names == {"net.o", "net.h", "libnet.so", "libnet.a", "main.c", "CMakeLists.txt"}
    x = np.ones((2, 4), F32)
    status, results = Library(folder / "libnet.so", "net").run({"batch": 2}, x=x)
    assert status == 0
    np.testing.assert_allclose(results["result"], graphc.load(file)(x), 1e-5)


def test_view(file, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["view", str(file), "-o", str(page)]) == 0
    text = page.read_text()
    assert text.startswith("<!DOCTYPE html>")
    assert "<svg" in text
    assert "matmul" in text
    assert {path.name for path in tmp_path.iterdir()} == {"page.html", "model.graphc"}


def test_bench(file, capsys):
    command = ["bench", str(file), "--size", "batch=7", "--seconds", "0.05"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sizes"] == {"batch": 7}
    assert 0 < found["best_seconds"] <= found["median_seconds"]
    assert found["calls"] >= 3
    assert main(command) == 0
    assert "GFLOP/s" in capsys.readouterr().out


def test_cache(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path / "cache"))
    graphc.compile(lambda x: x * 2 + 41)(np.ones(3))
    assert main(["cache", "info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["folder"] == str(tmp_path / "cache")
    assert found["bytes"] >= 0
    assert main(["cache", "clear"]) == 0
    assert "entries removed" in capsys.readouterr().out
    assert main(["cache", "info"]) == 0
    assert "entries: 0" in capsys.readouterr().out


def test_doctor(monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_THREADS", "1")
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "numba 0." in text
    assert "GRAPHC_THREADS=1" in text
    assert "1 threads" in text
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CC", raising=False)
    assert main(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["c_compiler"] is None
    assert found["missing"] == []


FAILURES = {
    "no file": (["inspect", "none.graphc"], "No such file"),
    "no such form": (["inspect", "x.pt"], "give a .graphc or an .onnx file"),
    "an input is missing": (["run", "FILE"], "missing x; it takes x"),
    "an input too many": (["run", "FILE", "--input", "X", "--input", "X"], "not used"),
    "an unknown input": (["run", "FILE", "--input", "z=x.npy"], "there is no input 'z'"),
    "another size": (["bench", "FILE", "--size", "n=3"], "one of ['batch']"),
    "no time": (["bench", "FILE", "--seconds", "nan"], "give a number of seconds"),
    "no name": (["build", "FILE", "-o", "DIR", "--name", "m"], "no name for functions in C"),
    "another shape": (["run", "FILE", "--input", "WRONG"], "wanted float32[batch, 4]"),
    "no such cpu": (["build", "FILE", "-o", "DIR", "--cpu", "z80"], "cpu='z80'"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures_end_with_1_and_say_why(name, file, tmp_path, capsys):
    command, message = FAILURES[name]
    np.save(tmp_path / "x.npy", np.ones((2, 4), F32))
    np.save(tmp_path / "wrong.npy", np.ones((2, 3), F32))
    given = {"FILE": file, "X": tmp_path / "x.npy", "WRONG": tmp_path / "wrong.npy"}
    given["DIR"] = tmp_path / "lib"
    assert main([str(given.get(word, word)) for word in command]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"graphc {command[0]}: ")
    assert message in error


def test_wrong_usage_ends_with_2(capsys):
    for command in ([], ["nonsense"], ["build", "x"], ["cache", "burn"]):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 2


def test_help_teaches():
    command = [sys.executable, "-m", "graphc", "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "graphc build model.graphc -o lib" in text
    assert 'graphc.export(function, *arguments, path="model.graphc")' in text
