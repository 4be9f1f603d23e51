"""The bench: its figures, its check of values, its files."""

import json
import re

import numpy as np
import pytest

from bench import calls, check, machine, plot, report, settings
from bench.__main__ import main, parse
from bench.peers import numpy as by_hand
from bench.rounds import Comparison, Row, compare
from bench.workloads import WORKLOADS

MACHINE = machine.Machine(
    cpu="Example CPU 9",
    cores=2,
    threads=2,
    vectors=("avx2",),
    flops=1e11,
    bandwidth=((2**16, 1e11), (2**20, 5e10), (2**28, 1e10)),
    call=1e-7,
)

WRONG = """
from bench.peers import Step, numpy as right

VERSIONS = ("numpy",)

def build(kind, inputs):
    step = right.build(kind, inputs)
    def results(out):
        found = dict(step.results(out))
        name = max(found)
        found[name] = found[name] * 1.01
        return found
    return Step(step.call, results)
"""


def row(peer, seconds, **rest):
    return Row(peer, {}, 0.1, 1.0, 0.5, 0.0, [[seconds, 2 * seconds]] * 3, [0.0] * 3, **rest)


@pytest.fixture
def wrong_peer(tmp_path, monkeypatch):
    """A peer that is off by a hundredth in one result."""
    (tmp_path / "mistaken").mkdir()
    (tmp_path / "mistaken" / "peer.py").write_text(WRONG)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return "mistaken.peer"


BY_HAND = [name for name, workload in WORKLOADS.items() if workload.reference == "numpy"]
"""The others are compared with PyTorch, in ``tests/parity``."""


@pytest.mark.parametrize("name", [name for name in BY_HAND if name != "stencil"])
def test_hand_written_gradients_agree_with_differences(name):
    workload = WORKLOADS[name]
    inputs = {
        key: array.astype(np.float64) if array.dtype.kind == "f" else array
        for key, array in workload.make(small=True).items()
    }
    found = check.reference(workload, inputs)
    rng = np.random.default_rng(1)
    for key in found:
        field = key.removeprefix("grad_")
        if field not in inputs:
            continue
        direction = rng.standard_normal(inputs[field].shape)
        gradient = found[key] if key != field else (inputs[field] - found[key]) / 0.1
        losses = []
        for sign in (1, -1):
            moved = {**inputs, field: inputs[field] + sign * 1e-6 * direction}
            losses.append(check.reference(workload, moved)["loss"])
        assert np.sum(gradient * direction) == pytest.approx(
            (losses[0] - losses[1]) / 2e-6, rel=1e-4, abs=1e-7
        )


def test_inputs_are_the_same_each_time_and_float32():
    for workload in WORKLOADS.values():
        first, second = workload.make(small=True), workload.make(small=True)
        for name, array in first.items():
            np.testing.assert_array_equal(array, second[name])
            wide = workload.name in ("stencil", "matscan")
            expected = np.float64 if wide else np.float32
            assert array.dtype == (np.int64 if name == "labels" else expected)


@pytest.mark.parametrize("name", BY_HAND)
def test_graphc_computes_what_the_reference_does(name):
    graphc_peer = pytest.importorskip("bench.peers.graphc")
    workload = WORKLOADS[name]
    inputs = workload.make(small=True)
    step = graphc_peer.build(workload.kind, inputs)
    found = step.results(step.call())
    assert check.compare(workload, inputs, check.reference(workload, inputs), found, "graphc") < 1
    assert graphc_peer.kernels(workload.kind, inputs) >= 1


@pytest.mark.parametrize("name", BY_HAND)
def test_every_result_is_compared(name):
    workload = WORKLOADS[name]
    inputs = workload.make(small=True)
    expected = check.reference(workload, inputs)
    for key in expected:
        step = by_hand.build(workload.kind, inputs)
        found = dict(step.results(step.call()))
        check.compare(workload, inputs, expected, found, "numpy")
        at = (0,) * np.ndim(found[key])
        found[key] = np.array(found[key])
        found[key][at] += 0.01 * np.abs(expected[key] - inputs.get(key, 0)).max()
        with pytest.raises(check.Mismatch, match=f"{name}: {key} of numpy is off by"):
            check.compare(workload, inputs, expected, found, "numpy")
        found[key][at] = np.nan
        with pytest.raises(check.Mismatch):
            check.compare(workload, inputs, expected, found, "numpy")


def test_a_small_run_gives_figures(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("bench.__main__.measure", lambda threads, fresh: MACHINE)
    options = "chain --peers graphc,numpy,nowhere.peer --small --repeat 2 --seconds 0.02"
    assert main([*options.split(), "--save", "--plot", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "nowhere.peer is not installed" in printed
    for peer in ("graphc", "numpy"):
        (line,) = re.findall(rf"^  {peer}  .*$", printed, re.MULTILINE)
        cells = line.replace(" %", "%").split()
        assert all(float(cell.rstrip("%")) >= 0 for cell in cells[1:])
        assert float(cells[3]) <= float(cells[4])
    assert re.search(r"graphc \d+\.\d\d× the best peer; wanted 2×", printed)

    (saved,) = tmp_path.glob("*.json")
    content = json.loads(saved.read_text())
    peers = {entry["peer"]: entry for entry in content["workloads"]["chain"]["peers"]}
    assert peers["graphc"]["kernels"] >= 1
    assert peers["graphc"]["median"] > 0
    assert content["machine"]["cpu"] == "Example CPU 9"
    assert content["versions"]["numpy"] == np.__version__
    assert "| graphc |" in saved.with_suffix(".md").read_text()
    assert len(list(tmp_path.glob("*.png"))) == 1


def test_a_wrong_value_fails_the_run(wrong_peer, capsys, monkeypatch):
    monkeypatch.setattr("bench.__main__.measure", lambda threads, fresh: MACHINE)
    assert main(["softmaxce", "--peers", f"numpy,{wrong_peer}", "--small", "--repeat", "1"]) == 1
    assert "values differ: softmaxce: loss of mistaken.peer is off" in capsys.readouterr().err


def test_a_peer_that_raises_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "peer.py").write_text(
        "VERSIONS = ()\ndef build(kind, inputs):\n    raise ValueError('no such kind')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    comparison = compare("scalar", ["broken.peer"], small=True, rounds=1)
    assert comparison.failed == {"broken.peer": "ValueError: no such kind"}
    assert comparison.rows == []


def test_ratios_are_to_the_quickest_other():
    comparison = Comparison(WORKLOADS["chain"], small=False)
    comparison.rows += [row("graphc", 1e-3), row("jax", 3e-3), row("numpy", 9e-3)]
    found = {entry["peer"]: entry for entry in report.figures(comparison, MACHINE)}
    assert found["graphc"]["ratio_best"] == pytest.approx(3)
    assert found["jax"]["ratio_median"] == pytest.approx(1 / 3)
    assert report.verdict(comparison) == "graphc 3.00× the best peer; wanted 2×"
    comparison.rows[1] = row("jax", 1.5e-3)
    assert report.verdict(comparison).endswith("not reached")


def test_bound_is_the_largest_of_arithmetic_bytes_and_call():
    assert MACHINE.bound(WORKLOADS["scalar"]) == MACHINE.call
    mlp = WORKLOADS["mlp1024"]
    assert MACHINE.bound(mlp) == pytest.approx(mlp.flops(1024) / MACHINE.flops)
    assert MACHINE.bytes_per_second(2**18) == pytest.approx(7.5e10)
    softmaxce = WORKLOADS["softmaxce"]
    assert MACHINE.bound(softmaxce) > softmaxce.least(4096, 1000) / 5e10


def test_plot_of_many(tmp_path):
    comparisons = []
    for name in WORKLOADS:
        comparison = Comparison(WORKLOADS[name], small=False)
        comparison.rows += [row("graphc", 2e-3), row("jax", 3e-3), row("numpy", 1.0)]
        comparisons.append(comparison)
    assert plot.draw(comparisons, MACHINE, tmp_path / "bars.png").stat().st_size > 10_000


def test_peers_choose_their_code_for_the_cpu(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Prescott")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    found = settings.environment(2, tmp_path)
    assert "OPENBLAS_CORETYPE" not in found
    assert found["OMP_NUM_THREADS"] == found["GRAPHC_THREADS"] == "2"


def test_call_table():
    measured = [calls.Call(1, 1e-6, 2e-6), calls.Call(8, 3e-6, 4e-6)]
    assert measured[0].allowed == pytest.approx((1.15e-6, 1.65e-6))
    lines = calls.table(measured).splitlines()
    assert lines[1].split() == ["1", "array", "1.00", "1.15", "2.00", "1.65"]


def test_options(capsys):
    assert parse([]).workloads == [*WORKLOADS, "calls"]
    with pytest.raises(SystemExit):
        parse(["nothing"])
    assert "no workload nothing" in capsys.readouterr().err
