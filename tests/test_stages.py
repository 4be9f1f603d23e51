"""``GRAPHC_DEBUG=2``: each stage of a compilation on standard error, and short reprs."""

import numpy as np

import graphc

STAGES = ("traced", "simplified", "fused", "kernels", "memory")


def body(x):
    total, _ = graphc.scan(lambda c, a: (np.sin(c) + a, None), np.zeros(()), x)
    chosen = graphc.cond(total > 0, lambda: x * 2.0, lambda: np.cumsum(x))
    return np.exp(x - 1.0).sum() * chosen


def test_each_stage_is_printed_once(monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_DEBUG", "2")
    graphc.compile(body, cache=False)(np.ones(300))
    text = capsys.readouterr().err
    heads = [line for line in text.splitlines() if line.startswith("---")]
    assert heads == [f"--- body: {stage} ---" for stage in STAGES]
    fused, kernels, memory = (text.split(f": {stage} ---")[1] for stage in STAGES[2:])
    assert "exp: float64[300] (point)" in fused
    assert "test_stages.py:" in fused
    assert "scan: float64[] (by itself)" in fused
    assert "scan, 300 times\n  kernel sin_add" in kernels
    assert "cond, else\n  kernel" in kernels
    assert "= exp(" in kernels
    assert "arena " in memory
    assert "<parameter:0 float64[300]>: input 0" in memory


def test_nothing_is_printed_otherwise(monkeypatch, capsys):
    monkeypatch.setenv("GRAPHC_DEBUG", "1")
    graphc.compile(body, cache=False)(np.ones(31))
    assert capsys.readouterr().err == ""


def test_kernels_and_memory_have_short_reprs():
    lowered = graphc.compile(body).lower(np.ones(300))
    assert "<kernel " in repr(lowered.kernels)
    assert len(repr(lowered.kernels)) < 100 * len(lowered.kernels)
    assert repr(lowered.memory).startswith("<memory plan of ")
    assert len(repr(lowered.memory)) < 100
