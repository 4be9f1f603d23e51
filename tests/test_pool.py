"""The pool of threads: the same results whatever runs the chunks; forks, callers, failures."""

import ctypes
import os
import threading
import time

import numpy as np
import pytest

from graphc import objects
from graphc.runtime import pool

KERNEL = """
from graphc.codegen.intrinsics.imports import buffer
from numba import int64

def kernel(table, sizes, lo, hi):
    out = buffer(table, 0, 1, int64)
    turns = sizes[0]
    failing = sizes[1]
    if lo < 0:
        out[sizes[2]] = 100
        return 0
    for chunk in range(lo, hi):
        if chunk >= failing:
            out[0] = chunk
            return 7
        value = chunk
        for _ in range(turns):
            value = (value * 1103515245 + 12345) % 1000003
        out[chunk] += value + 1
    return 0
"""


@pytest.fixture(scope="module")
def launch():
    def namespace():
        found = {}
        exec(KERNEL, found)
        return found

    (kernel,) = objects.addresses([objects.Native("kernel", "kernel", KERNEL)], namespace)
    run = ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * 7)(pool.run_address())
    threads_of_process = pool.pool_address()

    def call(chunks, threads, turns=100, failing=1 << 40, finish=False):
        """The chunks' results, the finish's mark behind them, and the status."""
        out = np.zeros(max(chunks, 1) + 1, np.int64)
        table = (ctypes.c_void_p * 1)(out.ctypes.data)
        sizes = (ctypes.c_int64 * 3)(turns, failing, chunks)
        places = ctypes.addressof(table), ctypes.addressof(sizes)
        return out, run(threads_of_process, kernel, *places, chunks, int(finish), threads)

    return call


@pytest.mark.parametrize("chunks", [0, 1, 2, 3, 17, 64, 1000])
@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("finish", [False, True])
def test_each_chunk_once(launch, chunks, threads, finish):
    expected, _ = launch(chunks, 1)
    found, status = launch(chunks, threads, finish=finish)
    assert status == 0
    np.testing.assert_array_equal(found[:chunks], expected[:chunks])
    assert found[chunks] == (100 if finish else 0)


def test_several_threads_take_part(launch):
    everywhere, here = time.process_time(), time.thread_time()
    for _ in range(10):
        launch(64, 2, turns=200_000)
    everywhere, here = time.process_time() - everywhere, time.thread_time() - here
    assert everywhere - here > 0.1 * everywhere  # seconds of the processor, on loaded machines too


def test_the_first_failure_is_told(launch):
    for _ in range(100):
        out, status = launch(64, 3, failing=20, finish=True)
        assert status == 7
        assert out[0] == 20
        assert out[64] == 0  # not finished


def test_many_callers_at_once(launch):
    expected, _ = launch(33, 1)
    wrong = []

    def caller():
        for _ in range(2000):
            found, status = launch(33, 2)
            if status or not np.array_equal(found, expected):
                wrong.append(found)

    threads = [threading.Thread(target=caller) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_after_a_fork(launch):
    expected, _ = launch(64, 2)
    for _ in range(10):
        child = os.fork()
        if child == 0:
            good = all(np.array_equal(launch(64, 2)[0], expected) for _ in range(50))
            os._exit(0 if good else 1)
        assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(launch(64, 2)[0], expected)


def test_workers_sleep_when_there_is_nothing_to_do(launch):
    launch(64, 2)
    time.sleep(0.05)
    cpu = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - cpu < 0.05
    expected, _ = launch(64, 1)
    np.testing.assert_array_equal(launch(64, 2)[0], expected)


def test_how_many_threads(monkeypatch):
    monkeypatch.delenv("GRAPHC_THREADS", raising=False)
    assert pool.thread_count() == len(os.sched_getaffinity(0))
    monkeypatch.setenv("GRAPHC_THREADS", "3")
    assert pool.thread_count() == 3
    assert pool.thread_count(5) == 5
    for wrong in ("abc", "-1", "0", "1.5"):
        monkeypatch.setenv("GRAPHC_THREADS", wrong)
        with pytest.raises(ValueError, match="GRAPHC_THREADS"):
            pool.thread_count()
