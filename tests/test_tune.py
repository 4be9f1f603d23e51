"""``optimize="full"``: products are measured, the choice is kept, and both ways are right."""

import json

import numpy as np
import pytest

import graphc
from graphc import cache, tune


def network(x, w, v):
    return np.maximum(x @ w, 0) @ v.T


@pytest.fixture
def arguments():
    random = np.random.default_rng(0)
    shapes = ((70, 40), (40, 50), (30, 50))
    return [random.standard_normal(shape).astype(np.float32) for shape in shapes]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHC_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tune, "_known", {})
    return tmp_path


def kept(folder):
    found = {}
    for path in (folder / "choices").glob("*/*"):
        if not path.suffix:
            choice = json.loads(cache.get("choices", path.name))
            found[json.dumps(json.loads(choice["product"])[1])] = choice
    return found


def test_each_shape_is_measured_once_and_kept(folder, arguments, monkeypatch):
    expected = network(*arguments)
    first = graphc.compile(lambda *a: network(*a), optimize="full")
    np.testing.assert_allclose(first(*arguments), expected, rtol=1e-4, atol=1e-4)
    choices = kept(folder)
    assert sorted(choices) == ["[[70, 40], [40, 50]]", "[[70, 50], [50, 30]]"]
    for choice in choices.values():
        assert set(choice["seconds"]) == {"generated", "library"}
        assert all(0 < seconds < 10 for seconds in choice["seconds"].values())
    assert "tune" in first.specializations[0].stages

    def unwanted(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(tune, "_times", unwanted)
    monkeypatch.setattr(tune, "_known", {})  # as in another process
    again = graphc.compile(lambda *a: network(*a) + 0, optimize="full")
    np.testing.assert_allclose(again(*arguments), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("library", [False, True])
def test_the_choice_is_followed(folder, arguments, monkeypatch, library):
    times = {"generated": 1.0, "library": 0.5 if library else 0.95}
    monkeypatch.setattr(tune, "_times", lambda *_: times)
    compiled = graphc.compile(lambda *a: network(*a), optimize="full")
    compiled.clear_cache()  # both choices have this code
    np.testing.assert_allclose(compiled(*arguments), network(*arguments), rtol=1e-4, atol=1e-4)
    source = compiled.specializations[0].executable.source
    assert ("gemm(" in source) == library
    assert ("product(" in source) != library


def test_without_full_nothing_is_measured(folder, arguments, monkeypatch):
    graphc.compile(lambda *a: network(*a))(*arguments)
    assert not kept(folder)


def test_symbolic_sizes_and_vectors_are_left_to_the_rules(folder, arguments):
    compiled = graphc.compile(lambda x, w: x @ w, optimize="full")
    x, w, _ = arguments
    for rows in (70, 1, 31):
        np.testing.assert_allclose(compiled(x[:rows], w), x[:rows] @ w, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(compiled(x[:0], w), x[:0] @ w)
    assert list(kept(folder)) == ["[[70, 40], [40, 50]]"]
