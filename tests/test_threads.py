"""Results do not depend on the number of threads, bit for bit; and large kernels have chunks."""

import threading

import numpy as np
import pytest

import graphc


def chained(x, w):
    v = np.tanh(x * w) + 1
    return np.sum(v * x / (1 + np.exp(-v)))


def normalised(x, scale, shift):
    centred = x - x.mean(axis=1, keepdims=True)
    y = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True) + 1e-5) * scale + shift
    return np.mean(np.tanh(y) * y)


def sums(x):
    return x.sum(), x.sum(axis=0), x.max(axis=0), x.min(), x.prod(axis=1), np.argmax(x, axis=1)


def products(x, w):
    return np.maximum(x @ w, 0), x.T @ x, np.sum(np.tanh(x @ w), axis=0)


def floats(rng, *shape, dtype=np.float32):
    return rng.normal(size=shape).astype(dtype)


CASES = {
    "chain": lambda r, t: (
        graphc.value_and_grad(chained, argnums=(0, 1)),
        floats(r, 300_001, dtype=t),
        floats(r, 300_001, dtype=t),
    ),
    "layer norm": lambda r, t: (
        graphc.value_and_grad(normalised, argnums=(0, 1, 2)),
        floats(r, 701, 333, dtype=t),
        floats(r, 333, dtype=t),
        floats(r, 333, dtype=t),
    ),
    "sums": lambda r, t: (sums, floats(r, 1001, 257, dtype=t)),
    "products": lambda r, t: (products, floats(r, 515, 130, dtype=t), floats(r, 130, 257, dtype=t)),
}


def leaves(result):
    if isinstance(result, tuple):
        return [leaf for item in result for leaf in leaves(item)]
    return [np.asarray(result)]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_same_bits(case, dtype):
    function, *arguments = CASES[case](np.random.default_rng(0), dtype)
    alone = graphc.compile(lambda *a: function(*a), threads=1)
    expected = leaves(alone(*arguments))
    assert any(kernel.chunks != 1 for _, kernel in alone.specializations[0].executable.kernels)
    for threads in (2, 3, 7):
        several = graphc.compile(lambda *a: function(*a), threads=threads)
        for _ in range(5):
            for found, wanted in zip(leaves(several(*arguments)), expected, strict=True):
                assert found.tobytes() == wanted.tobytes()


def test_many_python_threads_at_once():
    function, *arguments = CASES["layer norm"](np.random.default_rng(1), np.float32)
    compiled = graphc.compile(lambda *a: function(*a))
    expected = [leaf.tobytes() for leaf in leaves(compiled(*arguments))]
    wrong = []

    def caller():
        for _ in range(20):
            if [leaf.tobytes() for leaf in leaves(compiled(*arguments))] != expected:
                wrong.append(threading.current_thread())

    callers = [threading.Thread(target=caller) for _ in range(8)]
    for thread in callers:
        thread.start()
    for thread in callers:
        thread.join()
    assert not wrong
