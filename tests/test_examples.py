"""The examples run, print what they found, and find what they should."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from graphc.ops import OPS

EXAMPLES = Path(__file__).parents[1] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture(scope="module")
def example():
    """Loads an example by name, as a module of its own."""
    loaded = {}

    def load(name):
        if name not in loaded:
            spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
            loaded[name] = importlib.util.module_from_spec(spec)
            sys.modules[name] = loaded[name]
            spec.loader.exec_module(loaded[name])
        return loaded[name]

    yield load
    for name in loaded:
        del sys.modules[name]


def is_picture(path):
    data = Path(path).read_bytes()
    return data.startswith(b"\x89PNG") and len(data) > 5000


def test_all_examples_are_tested():
    assert NAMES == [
        "autoencoder",
        "computational_graph",
        "define_by_run",
        "mlp_digits",
        "own_op",
        "pinn",
        "resnet",
        "rnn",
        "scalar_regression",
        "serve_onnx",
        "transformer",
        "worked_example",
    ]


def test_an_example_runs_as_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, EXAMPLES / "computational_graph.py", "--out", tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "f(4, 1, 3) = 9" in done.stdout
    assert "x: 4 -> 3.7" in done.stdout


def test_worked_example(example, capsys):
    found = example("worked_example").main()
    assert found["before"] == pytest.approx(1.326, abs=1e-15)
    assert found["loss"] == pytest.approx(0.674**2 / 2, abs=1e-15)
    assert found["after"] == pytest.approx(1.6191548740856, abs=1e-13)
    # By hand: the error is -0.674, and both hidden units are active.
    error, x, w2 = -0.674, np.array([0.9, 1.0]), np.array([0.5, 0.6])
    np.testing.assert_allclose(found["gradients"]["W1"], error * np.outer(w2, x), rtol=1e-13)
    np.testing.assert_allclose(found["gradients"]["b1"], error * w2, rtol=1e-13)
    np.testing.assert_allclose(found["gradients"]["w2"], error * np.array([0.58, 1.06]), rtol=1e-13)
    np.testing.assert_allclose(found["gradients"]["b2"], error, rtol=1e-13)
    printed = capsys.readouterr().out
    assert "1.6191548740856" in printed
    assert "1.618296" in printed


def test_computational_graph(example, tmp_path, capsys):
    found = example("computational_graph").main(tmp_path)
    assert found["value"] == 9
    assert [float(gradient) for gradient in found["gradients"]] == [3, -3, 3]
    assert found["stepped"]["x"] == pytest.approx(3.7, abs=1e-15)
    assert is_picture(found["picture"])


def test_scalar_regression(example, tmp_path, capsys):
    found = example("scalar_regression").main(tmp_path)
    # One epoch takes the distance to 2 times (1 - 0.02)(1 - 0.08)(1 - 0.18).
    factor = 0.98 * 0.92 * 0.82
    expected = 2 - factor ** np.arange(101)
    np.testing.assert_allclose(found["path"], expected, atol=1e-13)
    assert found["w"] == pytest.approx(2, abs=1e-12)
    assert found["losses"] == sorted(found["losses"], reverse=True)
    assert is_picture(found["picture"])


def test_define_by_run(example, capsys):
    found = example("define_by_run").main()
    printed = capsys.readouterr().out
    for stage in ("hidden, before ReLU", "hidden, after ReLU", "output, after ReLU"):
        assert printed.count(stage) == 1
    stages = found["stages"]
    assert stages["hidden, before ReLU"].shape == (5,)
    assert stages["output, before ReLU"].shape == (2,)
    for layer in ("hidden", "output"):
        before, after = stages[f"{layer}, before ReLU"], stages[f"{layer}, after ReLU"]
        np.testing.assert_array_equal(after, np.maximum(before, 0))
        assert np.any(before < 0)
        assert np.any(before > 0)
    assert found["apart"] < 1e-14

    # The backward pass of the second network, written out.
    start, (x, y) = found["start"], found["data"]
    before = x @ start["W1"] + start["b1"]
    hidden = np.maximum(before, 0)
    error = hidden @ start["W2"] + start["b2"] - y
    delta = 2 * error / error.size
    inner = (delta @ start["W2"].T) * (before > 0)
    expected = {
        "W1": x.T @ inner,
        "b1": inner.sum(axis=0),
        "W2": hidden.T @ delta,
        "b2": delta.sum(axis=0),
    }
    assert found["before"] == pytest.approx(np.mean(error**2), rel=1e-13)
    assert found["after"] < found["before"]
    for name, gradient in expected.items():
        np.testing.assert_allclose(found["grads"][name], gradient, rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(
            found["params"][name], start[name] - 0.1 * gradient, rtol=1e-12, atol=1e-15
        )


def test_mlp_digits(example, tmp_path, capsys):
    found = example("mlp_digits").main(tmp_path)
    assert found["accuracy"] >= 0.97
    assert found["apart"] < 1e-5
    assert 1 <= found["kernels"] <= 40
    assert np.mean(found["losses"][-1]) < 0.1 < np.mean(found["losses"][0])
    assert all(is_picture(path) for path in found["pictures"])
    printed = capsys.readouterr().out
    assert f"accuracy: {100 * found['accuracy']:.1f} %" in printed
    assert "kernels per step:" in printed


def test_resnet(example, tmp_path, capsys):
    found = example("resnet").main(tmp_path)
    assert found["accuracy"] >= 0.985
    assert all(is_picture(path) for path in found["pictures"])
    assert f"held-out accuracy: {found['accuracy']:.2%}" in capsys.readouterr().out


def test_transformer(example, tmp_path, capsys):
    module = example("transformer")
    found = module.main(tmp_path, steps=200, length=40)
    assert found["bits"] < 4  # that of each character alone: 4.7
    assert found["sample"].startswith("def ")
    assert len(found["sample"]) == 44
    assert all(is_picture(path) for path in found["pictures"])
    assert found["sample"] in capsys.readouterr().out


def test_rnn(example, tmp_path):
    found = example("rnn").main(tmp_path)
    # The last value, repeated, is 0.13 of a deviation off after a step, and 1.4 after fifty.
    assert found["errors"][0] < 0.03
    assert found["errors"][49] < 0.5
    assert all(is_picture(path) for path in found["pictures"])


def test_autoencoder(example, tmp_path):
    found = example("autoencoder").main(tmp_path, epochs=100)
    assert found["agreement"] > 0.8
    assert found["history"]["validation_loss"][-1] < 22
    assert all(is_picture(path) for path in found["pictures"])


def test_pinn(example, tmp_path):
    module = example("pinn")
    x = np.array([-0.5, 0.25])
    np.testing.assert_allclose(module.exact(x, np.zeros(2)), -np.sin(np.pi * x), atol=1e-9)
    found = module.main(tmp_path, steps=2000)
    assert found["error"] < 0.05
    assert all(is_picture(path) for path in found["pictures"])


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_examples_in_the_readme_print_what_they_say(tmp_path, number):
    before, output = (
        (EXAMPLES.parent / "README.md").read_text().split("```text\n")[number - 1 :][:2]
    )
    code = before.split("```python\n")[-1].split("```")[0]
    output = output.split("```")[0]
    script = tmp_path / "readme.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.stdout == output, done.stderr


def test_the_picture_in_the_readme(tmp_path):
    text = (EXAMPLES.parent / "README.md").read_text()
    example, drawing = (block.split("```")[0] for block in text.split("```python\n")[1:3])
    script = tmp_path / "readme.py"
    script.write_text(example + drawing)
    subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, check=True)
    assert is_picture(tmp_path / "out" / "step.png")


def test_serve_onnx(example, tmp_path, capsys):
    found = example("serve_onnx").main(tmp_path, epochs=2)
    assert found["apart"] < 1e-4
    assert found["accuracy"] > 0.9
    assert found["answers"] == found["labels"]
    assert (tmp_path / "digits.onnx").exists()


@pytest.fixture
def registry():
    """The ops; those that a test adds are taken out after it, for other tests go over all."""
    before = set(OPS)
    yield OPS
    for name in set(OPS) - before:
        del OPS[name]


def test_own_op(example, capsys, registry):
    value, gradient, rows, kernels = example("own_op").main()
    sums = np.array([-1.5, -1.0, 4.0])
    soft = sums / (1 + np.abs(sums))
    assert value == pytest.approx((soft**2).sum())
    by_sum = 2 * soft / (1 + np.abs(sums)) ** 2
    np.testing.assert_allclose(gradient, np.append(by_sum, 0) + np.append(0, by_sum))
    np.testing.assert_array_equal(rows, [[1, 3], [7, 9]])
    assert kernels == 1
    assert {"softsign_of_example", "pair_sums_of_example"} <= set(registry)
    assert "both modes agree" in capsys.readouterr().out
