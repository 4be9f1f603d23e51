"""The examples that end in C are built, run, and find what Python finds."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(folder):
    name = f"{folder}_example"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / folder / "export.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(*command, cwd):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("threads", [(), ("-fopenmp",)], ids=["serial", "openmp"])
def test_a_network_trains_from_c_alone(threads, tmp_path):
    module = example("export_c")
    found = module.main(tmp_path)
    warnings = ("-Wall", "-Wextra", "-Werror")
    run(*module.BUILD, *warnings, *threads, cwd=found["folder"])
    printed = run("./digits", cwd=found["folder"])
    losses = [float(x) for x in re.findall(r"loss ([\d.]+)", printed)]
    np.testing.assert_allclose(losses, found["losses"], rtol=0, atol=1e-5)
    accuracy = float(re.search(r"accuracy: ([\d.]+)", printed)[1])
    assert accuracy == pytest.approx(100 * found["accuracy"], abs=0.06)
    assert accuracy > 95
    objects = [found["folder"] / name for name in module.OBJECTS]
    assert all(path.stat().st_size < 2 << 20 for path in objects)


def test_a_single_static_binary(tmp_path):
    module = example("edge_inference")
    found = module.main(tmp_path, epochs=3)
    assert found["accuracy"] > 0.9
    run(*module.BUILD, "-Wall", "-Wextra", "-Werror", cwd=found["folder"])
    binary = found["folder"] / "classify"
    assert "INTERP" not in run("readelf", "-l", binary, cwd=tmp_path)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    binary.rename(moved / "classify")
    printed = run("./classify", *found["pictures"], cwd=moved)
    lines = [re.fullmatch(r".*pgm: (\d) \(([\d.]+)\)", line) for line in printed.splitlines()]
    assert len(lines) == 10
    for line, expected in zip(lines, found["expected"], strict=True):
        assert int(line[1]) == expected.argmax()
        assert float(line[2]) == pytest.approx(expected.max(), abs=0.02)  # pixels are bytes
    broken = subprocess.run(["./classify", "none.pgm"], cwd=moved, capture_output=True, text=True)
    assert broken.returncode == 1
    assert "no PGM picture" in broken.stderr
