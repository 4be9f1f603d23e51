"""``donate``: results in the storage of arguments, wherever no copy is needed for that."""

import numpy as np
import pytest

import graphc


def updated(w, g):
    return w - 0.5 * g


def test_a_result_takes_the_storage_of_its_argument_at_every_call():
    step = graphc.compile(updated, donate="w")
    w, g = np.ones((30, 20)), np.ones((30, 20))
    first = step(w, g)
    assert first is w
    np.testing.assert_array_equal(first, np.full((30, 20), 0.5))
    assert step(first, g) is w, "the native caller, too"
    np.testing.assert_array_equal(w, np.zeros((30, 20)))


def test_without_it_arguments_keep_theirs():
    w = np.ones(3)
    assert graphc.compile(updated)(w, np.ones(3)) is not w
    np.testing.assert_array_equal(w, np.ones(3))


def test_pytrees_sizes_and_names():
    step = graphc.compile(
        lambda params, rate: {k: v - rate * v for k, v in params.items()}, donate=("params",)
    )
    for n in (3, 5, 0, 1):
        params = {"a": np.ones(n), "b": np.ones((2, n), np.float32)}
        new = step(params=params, rate=1.0)
        assert new is not params
        for name, array in params.items():
            assert new[name] is array
            np.testing.assert_array_equal(array, np.zeros_like(array))


class Model:
    def __init__(self):
        self.w = np.arange(3.0)


def test_attributes_that_are_rebound():
    def step(model):
        model.w = model.w - 1

    model = Model()
    before = model.w
    graphc.compile(step, donate="model")(model)
    assert model.w is before
    np.testing.assert_array_equal(before, [-1, 0, 1])


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda w: w[::-1] + 1, [[4, 3, 2, 1]]),  # every element is read after one is written
        (lambda w: np.cumsum(w)[::-1] + w, [[6, 4, 3, 3]]),
        (lambda w: (w + 1, w - 1), [[1, 2, 3, 4], [-1, 0, 1, 2]]),
        (lambda w: (w + 1, 1 + w), [[1, 2, 3, 4], [1, 2, 3, 4]]),
        (lambda w: (w, w - 1), [[0, 1, 2, 3], [-1, 0, 1, 2]]),
        (lambda w: (w[1:], w - 1), [[1, 2, 3], [-1, 0, 1, 2]]),
        (lambda w: (w + 1, w.sum()), [[1, 2, 3, 4], 6]),
        (lambda w: w.copy(), [[0, 1, 2, 3]]),
        (lambda w: w.astype(np.float32), [[0, 1, 2, 3]]),
        (lambda w: (w * 2)[1:], [[2, 4, 6]]),
    ],
)
def test_results_are_what_they_are_without(function, expected):
    for _ in range(2):
        found = graphc.compile(function, donate="w")(np.arange(4.0))
        found = found if isinstance(found, tuple) else (found,)
        for result, wanted in zip(found, expected, strict=True):
            np.testing.assert_array_equal(result, wanted)


def test_an_argument_that_is_handed_back_is_not_written():
    def step(params):
        return params, params["a"] + 1

    params = {"a": np.zeros(3)}
    same, new = graphc.compile(step, donate="params")(params)
    assert same is params
    assert new is not params["a"]
    np.testing.assert_array_equal(params["a"], np.zeros(3))


def test_arguments_that_can_not_give_their_storage():
    add = graphc.compile(lambda w, x: w + x, donate="w")
    fixed = np.arange(4.0)
    fixed.flags.writeable = False
    strided = np.arange(8.0)[::2]
    for w in (fixed, strided):
        before = w.copy()
        assert add(w, np.ones(4)) is not w
        np.testing.assert_array_equal(w, before)
    shared = np.arange(4.0)
    np.testing.assert_array_equal(add(shared, shared), [0, 2, 4, 6])
    overlap = np.arange(5.0)
    np.testing.assert_array_equal(add(overlap[1:], overlap[:-1]), [1, 3, 5, 7])


def test_a_captured_array_that_is_the_donated_one():
    table = np.arange(3.0)

    def step(w):
        return w + 1, table * 2

    first, second = graphc.compile(step, donate="w")(table)
    np.testing.assert_array_equal(first, [1, 2, 3])
    np.testing.assert_array_equal(second, [0, 2, 4])


@pytest.mark.parametrize("options", [{"verify": True}, {"debug": "nan"}])
def test_checked_calls(options):
    step = graphc.compile(updated, donate="w", **options)
    np.testing.assert_array_equal(step(np.ones(3), np.ones(3)), [0.5, 0.5, 0.5])


def test_a_donation_saves_the_memory_of_the_result():
    step = graphc.compile(updated, donate="w")
    report = step.explain(np.ones(1000), np.ones(1000))
    assert "in the storage of w" in str(report)
