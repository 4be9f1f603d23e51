"""Random numbers: the published generator, the same numbers everywhere, and their distributions."""

import warnings

import numpy as np
import pytest
import scipy.stats

import graphc
from graphc import ops, specialize
from graphc import random as draws
from graphc.build import build
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.types import DTYPES, TensorType

KEY = draws.key(2024)

# Known answers of Threefry-2x32 with 20 rounds, from the authors' Random123: key, counter, block.
PUBLISHED = [
    ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
    ((0xFFFFFFFF, 0xFFFFFFFF), (0xFFFFFFFF, 0xFFFFFFFF), (0x1CB996FC, 0xBB002BE7)),
    ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
]


def test_published_vectors_at_every_width():
    graph = op_graph(4)
    for count in (1, 7, 64):
        for key, counter, block in PUBLISHED:
            words = [np.full(count, word, np.uint32) for word in (*key, *counter)]
            wanted = np.full(count, (block[0] << 32) | block[1], np.uint64)
            executable = build(graph(count))
            np.testing.assert_array_equal(executable.run(words)[0], wanted)
            np.testing.assert_array_equal(evaluate(graph(count), words)[0], wanted)


def op_graph(operands):
    def made(count):
        type_ = TensorType(DTYPES["uint32"], (count,))
        inputs = [fresh_input(type_) for _ in range(operands)]
        return close(inputs, [ops.threefry2x32(*inputs)])

    return made


def test_keys():
    np.testing.assert_array_equal(draws.key(7), np.array([0, 7], np.uint32))
    np.testing.assert_array_equal(draws.key(-1), np.array([0xFFFFFFFF] * 2, np.uint32))
    np.testing.assert_array_equal(draws.key(5 << 32 | 9), np.array([5, 9], np.uint32))
    keys = draws.split(KEY, 100)
    assert keys.shape == (100, 2)
    assert keys.dtype == np.uint32
    assert len({tuple(key) for key in keys}) == 100
    np.testing.assert_array_equal(draws.split(KEY, 3), keys[:3])


DRAWN = [
    lambda key: draws.split(key, 5),
    lambda key: draws.uniform(key, (40, 30), np.float32),
    lambda key: draws.uniform(key, (1001,), minval=-2, maxval=np.arange(1001.0)),
    lambda key: draws.normal(key, (33, 3)),
    lambda key: draws.normal(key, (70_000,), np.float32),
    lambda key: draws.bernoulli(key, 0.3, (100,)),
    lambda key: draws.randint(key, (1000,), -5, 17),
    lambda key: draws.randint(key, (10,), 0, 2**40),
    lambda key: draws.randint(key, (10,), 3, 3, np.uint32),
    lambda key: draws.categorical(key, np.log([[0.1, 0.9], [0.5, 0.5]]), shape=(7, 2)),
    lambda key: draws.uniform(key, (0, 3)),
    lambda key: draws.uniform(key),
    lambda key: draws.permutation(key, 70),
]


@pytest.mark.parametrize("number", range(len(DRAWN)))
def test_the_same_numbers_compiled_or_not_and_for_any_threads(number):
    draw = DRAWN[number]
    plain = draw(KEY)
    with graphc.eager():
        np.testing.assert_allclose(draw(KEY), plain, rtol=1e-6)
    for threads in (1, 2, 3):
        found = graphc.compile(lambda key: draw(key), threads=threads)(KEY)
        assert type(found) is type(plain)
        assert found.dtype == plain.dtype
        np.testing.assert_array_equal(found, plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_distributions(dtype):
    count = 200_000
    unit = draws.uniform(KEY, count, dtype)
    assert unit.min() >= 0
    assert unit.max() < 1
    assert scipy.stats.kstest(unit, "uniform").pvalue > 1e-3
    bell = draws.normal(KEY, (count,), dtype)
    assert np.isfinite(bell).all()
    assert scipy.stats.kstest(bell, "norm").pvalue > 1e-3
    bounds = draws.uniform(KEY, (count,), dtype, -3, 5)
    assert bounds.dtype == dtype
    assert bounds.min() >= -3
    assert bounds.max() < 5


def test_whole_numbers():
    found = draws.randint(KEY, (100_000,), -3, 10)
    assert found.dtype == np.int64
    counts = np.bincount(found + 3, minlength=13)
    assert len(counts) == 13
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    hits = draws.bernoulli(KEY, np.full(100_000, 0.3)).mean()
    assert abs(hits - 0.3) < 0.01
    logits = np.log([0.2, 0.5, 0.3])
    chosen = draws.categorical(KEY, logits, shape=(100_000,))
    assert scipy.stats.chisquare(np.bincount(chosen), [20_000, 50_000, 30_000]).pvalue > 1e-3


def test_permutations():
    found = draws.permutation(KEY, 10_000)
    np.testing.assert_array_equal(np.sort(found), np.arange(10_000))
    assert abs(np.corrcoef(found, np.arange(10_000))[0, 1]) < 0.05
    x = np.arange(24.0).reshape(4, 6)
    rows, columns = draws.permutation(KEY, x), draws.permutation(KEY, x, axis=1)
    np.testing.assert_array_equal(rows, x[draws.permutation(KEY, 4)])
    np.testing.assert_array_equal(columns, x[:, draws.permutation(KEY, 6)])
    assert draws.permutation(KEY, 0).shape == (0,)
    firsts = [draws.permutation(key, 4)[0] for key in draws.split(KEY, 400)]
    assert scipy.stats.chisquare(np.bincount(firsts, minlength=4)).pvalue > 1e-3


def test_split_keys_do_not_go_together():
    keys = draws.split(KEY, 2)
    first, second = (draws.normal(key, (50_000,)) for key in keys)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.02
    lagged = np.corrcoef(first[:-1], first[1:])[0, 1]
    assert abs(lagged) < 0.02


def test_inside_compiled_code_and_loops():
    @graphc.compile
    def walk(key, turns):
        x = np.zeros(3)
        for _ in range(50):
            keys = graphc.random.split(key)
            key = keys[0]
            x = x + graphc.random.normal(keys[1], (3,)) * turns
        return x

    def plain(key, turns):
        x = np.zeros(3)
        for _ in range(50):
            keys = draws.split(key)
            key = keys[0]
            x = x + draws.normal(keys[1], (3,)) * turns
        return x

    np.testing.assert_allclose(walk(KEY, 2.0), plain(KEY, 2.0), rtol=1e-12)


def test_derivatives_by_the_bounds():
    def mean(high):
        return draws.uniform(KEY, (1000,), maxval=high).mean()

    unit = draws.uniform(KEY, (1000,)).mean()
    np.testing.assert_allclose(graphc.grad(mean)(2.0), unit, rtol=1e-12)


def test_the_default_key_moves_on():
    @graphc.compile
    def draw():
        return graphc.random.normal(graphc.random.next_key(), (2,))

    graphc.random.seed(3)
    first = [draw(), draw(), draws.normal(draws.next_key(), (2,))]
    graphc.random.seed(3)
    second = [draws.normal(draws.next_key(), (2,)) for _ in range(3)]
    np.testing.assert_allclose(first, second, rtol=1e-12)
    assert len({tuple(item) for item in first}) == 3


def test_errors():
    with pytest.raises(graphc.DTypeError, match="a key is an array of uint32"):
        draws.uniform(np.zeros(2), (3,))
    with pytest.raises(graphc.ShapeError, match=r"a key is uint32\[2\]"):
        draws.uniform(draws.split(KEY), (3,))
    with pytest.raises(graphc.DTypeError, match="gives floats"):
        draws.normal(KEY, (3,), np.int32)
    with pytest.raises(graphc.DTypeError, match="32 or 64 bits"):
        draws.randint(KEY, (3,), 0, 2, np.int8)
    with pytest.raises(graphc.ShapeError, match="broadcast"):
        draws.uniform(KEY, (3,), maxval=np.ones(4))
    with pytest.raises(TypeError):
        draws.key(0.5)


def test_each_function_counts_its_own_forms(monkeypatch):
    monkeypatch.setattr(specialize, "_registry", {})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(11, 14):
            draws.split(KEY, n)
            draws.uniform(KEY, (n,))
            draws.normal(KEY, (n,))
            draws.bernoulli(KEY, 0.5, (n,))


def test_shapes_are_nothing_to_warn_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for size in range(20, 32):
            draws.uniform(draws.key(0), (size, 3))
