"""The store of blocks: results and arenas recycled, what bounds it, and arrays like any other."""

import ctypes
import gc
import os
import resource
import sys
import threading

import numpy as np
import pytest

import graphc
from graphc.codegen.words import blocks as code
from graphc.codegen.words import blocks_layout, caller_layout
from graphc.runtime import blocks

MEGABYTE = 1 << 20
BIG = np.ones(4 * MEGABYTE, np.float32)


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt


@pytest.fixture
def store():
    gc.collect()
    blocks.trim()
    yield blocks
    gc.collect()
    blocks.trim()


def compiled(function, *args):
    made = graphc.compile(function)
    for _ in range(3):
        made(*args)
    return made


def test_no_page_faults_once_results_are_dropped(store):
    f = compiled(lambda x, w: (np.tanh(x * w), x - w), BIG, BIG)
    before = faults()
    for _ in range(20):
        f(BIG, BIG)
    assert faults() - before <= 4


def test_no_page_faults_of_arenas(store):
    x = np.ones((1000, 1000), np.float32)
    f = compiled(lambda x: (np.tanh(x @ x) @ x).sum(), x)
    assert f.explain(x).arena_bytes > MEGABYTE
    before = faults()
    for _ in range(10):
        f(x)
    assert faults() - before <= 4


def test_a_result_is_an_array_as_any_other(store):
    f = compiled(lambda x: x * 2, BIG)
    result, plain = f(BIG), BIG * 2
    assert result.flags.num == plain.flags.num
    assert result.flags.owndata
    assert result.base is None
    assert result.ctypes.data % 64 == 0
    assert result.strides == plain.strides
    result.resize(2 * result.size, refcheck=False)
    np.testing.assert_array_equal(result[: plain.size], plain)
    assert not result[plain.size :].any()
    result.resize(10, refcheck=False)
    np.testing.assert_array_equal(result, plain[:10])


def test_a_block_comes_back_with_the_last_view(store):
    f = compiled(lambda x: x * 2, BIG)
    store.trim()
    held = store.held_bytes()
    result = f(BIG)
    view = result[5:8].reshape(3, 1)
    used = store.held_bytes() - store.idle_bytes()
    assert used >= held + BIG.nbytes
    del result
    assert store.held_bytes() - store.idle_bytes() == used
    f(BIG)
    np.testing.assert_array_equal(view, [[2], [2], [2]])
    del view
    assert store.held_bytes() - store.idle_bytes() < used


def test_small_results_are_plain(store):
    x = np.ones(caller_layout.POOLED // 4 - 1, np.float32)
    f = compiled(lambda x: x * 2, x)
    before = store.held_bytes()
    results = [f(x) for _ in range(10)]
    assert store.held_bytes() == before
    assert len(results) == 10


def test_results_that_are_kept_never_share(store):
    f = compiled(lambda x, s: x * s, BIG[:20_000], 1.0)
    results = [f(BIG[:20_000], float(k)) for k in range(50)]
    for k, result in enumerate(results):
        assert (result == k).all()


def test_idle_memory_is_given_back(store):
    f = compiled(lambda x: x * 2, BIG)
    results = [f(BIG) for _ in range(8)]
    del results
    assert store.idle_bytes() >= 8 * BIG.nbytes
    f.clear_cache()
    assert store.idle_bytes() == 0


def test_what_nobody_needs_is_trimmed(store):
    f = compiled(lambda x: x * 2, BIG)
    results = [f(BIG) for _ in range(8)]
    del results
    small = np.ones(caller_layout.POOLED // 4, np.float32)
    g = compiled(lambda x: x * 2, small)
    for _ in range(2 * code.EPOCH):
        g(small)
    assert store.idle_bytes() < BIG.nbytes


def test_a_burst_of_callers_leaves_few_arenas(store):
    x = np.ones((400, 400))
    f = compiled(lambda x: (np.tanh(x @ x) @ x).sum(), x)
    arena = f.explain(x).arena_bytes
    assert arena > MEGABYTE
    gate = threading.Barrier(32)

    def work():
        gate.wait()
        f(x)

    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    small = np.ones(caller_layout.POOLED // 4, np.float32)
    g = compiled(lambda x: x * 2, small)
    for _ in range(2 * code.EPOCH):
        g(small)
    assert store.idle_bytes() < 2 * arena


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_after_a_fork(store):
    f = compiled(lambda x: x * 2, BIG)
    kept = f(BIG)
    child = os.fork()
    if child == 0:
        good = (f(BIG) == 2).all() and (kept == 2).all()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (kept == 2).all()


def test_threads_take_and_give_blocks(store):
    x = np.ones(50_000)
    f = compiled(lambda x, s: x * s, x, 1.0)
    wrong = []

    def work(number):
        held = []
        for turn in range(200):
            held.append((f(x, float(turn)), turn))
            if len(held) > number:
                result, expected = held.pop(0)
                if not (result == expected).all():
                    wrong.append(turn)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    "function",
    [
        pytest.param(lambda x: (x * 2, x.sum(), x * 3), id="a result"),
        pytest.param(lambda x: (np.tanh(x.T @ x) @ x.T).sum(), id="the arena"),
    ],
)
def test_no_memory(store, function):
    x = np.ones((300, 300))
    f = compiled(function, x)
    store.trim()
    held, count = store.held_bytes(), sys.getrefcount(x)
    words = (ctypes.c_int64 * blocks_layout.WORDS).from_address(store.store())
    allocate = words[blocks_layout.ALLOCATE]
    # A function that gives a null pointer.
    words[blocks_layout.ALLOCATE] = ctypes.cast(
        ctypes.pythonapi.PyErr_Occurred, ctypes.c_void_p
    ).value
    try:
        for _ in range(3):
            with pytest.raises(MemoryError):
                f(x)
    finally:
        words[blocks_layout.ALLOCATE] = allocate
    assert store.held_bytes() == held
    assert sys.getrefcount(x) == count
    f(x)
