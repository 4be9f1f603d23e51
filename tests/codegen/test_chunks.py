"""Kernels in many chunks give what one chunk gives, for any sizes."""

import numpy as np
import pytest

from graphc import build as runtime
from graphc import ops
from graphc.interp import evaluate
from graphc.ir import close
from graphc.lower import chunk
from graphc.types import Dim, evaluate_size
from graphc.verify import verify

from .graphs import softmax, tensor
from .random_graphs import Maker, arrays_for
from .test_random_graphs import check

N, M = Dim.symbol("n"), Dim.symbol("m")
SIZES = ({"n": 1, "m": 1}, {"n": 7, "m": 300}, {"n": 301, "m": 5}, {"n": 0, "m": 3})


@pytest.fixture
def tiny_chunks(monkeypatch):
    """Chunks of one position, or of one unit of them."""
    monkeypatch.setattr(chunk, "LEAST", 1)
    monkeypatch.setattr(chunk, "_BYTE", 0)


def most_chunks(executable, sizes):
    return max(evaluate_size(kernel.chunks, sizes) for _, kernel in executable.kernels)


@pytest.mark.usefixtures("tiny_chunks")
@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed):
    graph = verify(Maker(seed, (3, 4, 5), exact=False).graph(12))
    executable = runtime.build(graph)
    check(graph, executable, arrays_for(graph, np.random.default_rng(seed), {}), {})


@pytest.mark.usefixtures("tiny_chunks")
@pytest.mark.parametrize("seed", range(200, 220))
def test_random_graphs_of_symbolic_sizes(seed):
    graph = verify(Maker(seed, (N, 3, M), exact=False).graph(9))
    executable = runtime.build(graph)
    for sizes in ({"n": 4, "m": 2}, {"n": 300, "m": 7}, {"n": 5, "m": 300}):
        check(graph, executable, arrays_for(graph, np.random.default_rng(seed), sizes), sizes)


def _normalised(x):
    mean = ops.divide(ops.sum_(x, (1,), keepdims=True), ops.constant(3.0, x.dtype))
    return ops.subtract(x, ops.broadcast_to(mean, x.shape))


def _mean_and_columns(x, y):
    """A row kernel with sums over its rows, and one over everything."""
    probabilities = softmax(x)
    product_ = ops.multiply(probabilities, y)
    return [product_, ops.sum_(product_, (0,)), ops.sum_(probabilities, (0, 1))]


def _mean_beside_rows(x, y):
    """A scalar made from totals of a row kernel, and one that uses it in another loop."""
    probabilities = softmax(x)
    total = ops.sum_(ops.multiply(probabilities, y), (0, 1))
    mean = ops.multiply(total, ops.constant(0.25, x.dtype))
    both = ops.add(mean, ops.sqrt(ops.sum_(probabilities, (0, 1))))
    scaled = ops.multiply(y, ops.broadcast_to(both, y.shape))
    return [probabilities, mean, both, scaled]


PROGRAMS = {
    "scalars after rows": _mean_beside_rows,
    "a mean of rows": lambda x, y: [
        ops.divide(ops.sum_(ops.max_(ops.add(x, y), (1,)), (0,)), ops.constant(3.0, x.dtype))
    ],
    "pointwise": lambda x, y: [ops.tanh(ops.add(x, y)), ops.multiply(x, y)],
    "rows": lambda x, y: [softmax(x)],
    "rows and columns": _mean_and_columns,
    "columns": lambda x, y: [ops.sum_(ops.multiply(x, y), (0,))],
    "everything": lambda x, y: [ops.sum_(ops.exp(x), (0, 1)), ops.multiply(x, y)],
    "scaled total": lambda x, y: [ops.sqrt(ops.absolute(ops.sum_(ops.multiply(x, y), (0, 1))))],
    "extremes": lambda x, y: [ops.max_(ops.reshape(x, (N * M,)), (0,)), ops.min_(y, (0, 1))],
    "places": lambda x, y: [ops.argmax(ops.reshape(x, (N * M,)), (0,))],
    "product": lambda x, y: [ops.prod(ops.add(x, ops.full_like(x, 0.5)), (0, 1))],
    "logic": lambda x, y: [ops.any_(ops.less(x, y), (0, 1)), ops.all_(ops.less(x, y), (0,))],
    "a scalar beside": lambda x, y: [ops.add(x, y), ops.sum_(x, (1,)), ops.sum_(y, (0,))],
    "transposed": lambda x, y: [ops.transpose(ops.add(x, y), (1, 0))],
}


@pytest.mark.usefixtures("tiny_chunks")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name, dtype):
    x, y = tensor(dtype, N, M), tensor(dtype, N, M)
    graph = verify(close([x, y], PROGRAMS[name](x, y)))
    executable = runtime.build(graph)
    generator = np.random.default_rng(1)
    for sizes in SIZES:
        shape = (sizes["n"], sizes["m"])
        if 0 in shape and name in ("extremes", "places", "a mean of rows"):
            continue
        arrays = [generator.standard_normal(shape).astype(dtype) for _ in range(2)]
        if name == "product":
            arrays[0] = np.abs(arrays[0]) ** 0.01 / 1.5
        expected = evaluate(graph, arrays, sizes)
        for actual, wanted in zip(executable.run(arrays, sizes), expected, strict=True):
            rtol = 1e-4 if dtype == "float32" else 1e-11
            np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=rtol)
    assert most_chunks(executable, SIZES[2]) > 1


@pytest.mark.usefixtures("tiny_chunks")
def test_the_first_of_equal_elements_and_nan_are_found_across_chunks():
    x = tensor("float32", 5000)
    executable = runtime.build(close([x], [ops.argmax(x, (0,)), ops.max_(x, (0,))]))
    assert most_chunks(executable, {}) > 3
    array = np.zeros(5000, np.float32)
    assert executable.run([array])[0] == 0
    array[[1111, 2222, 4999]] = 3
    assert executable.run([array])[0] == 1111
    array[[3333, 4444]] = np.nan
    place, largest = executable.run([array])
    assert place == 3333
    assert np.isnan(largest)


@pytest.mark.usefixtures("tiny_chunks")
def test_a_long_sum_over_chunks_is_as_exact_as_over_one():
    generator = np.random.default_rng(2)
    for dtype, tolerance in (("float32", 1e-7), ("float64", 4e-16)):
        x = tensor(dtype, 100_000)
        executable = runtime.build(close([x], [ops.sum_(x, (0,))]))
        assert most_chunks(executable, {}) > 1
        array = (1 + generator.random(100_000)).astype(dtype)
        exact = array.astype("longdouble").sum()
        (actual,) = executable.run([array])
        assert abs(actual - exact) <= tolerance * exact


@pytest.mark.usefixtures("tiny_chunks")
def test_an_overflow_in_one_chunk_is_one_of_the_sum():
    x = tensor("float64", 4000)
    executable = runtime.build(close([x], [ops.sum_(x, (0,))]))
    array = np.ones(4000)
    array[[3, 4]] = np.finfo("float64").max
    assert executable.run([array])[0] == np.inf


@pytest.mark.usefixtures("tiny_chunks")
def test_a_scalar_updated_beside_an_array_is_updated_once():
    x, w = tensor("float64", 4000), tensor("float64")
    scaled = ops.multiply(x, ops.broadcast_to(w, (4000,)))
    graph = close([x, w], [scaled, ops.add(w, w)], written=[0, 1])
    executable = runtime.build(graph)
    x_, w_ = np.ones(4000), np.array(3.0)
    executable.run([x_, w_])
    assert w_ == 6
    assert set(x_) == {3}


def test_small_work_is_one_chunk_and_large_work_many():
    for shape, many in (((8, 8), False), ((4096, 1000), True), ((3, 5_000_000), True)):
        x = tensor("float32", *shape)
        executable = runtime.build(close([x], [softmax(x), ops.sum_(x, (0, 1))]))
        assert (most_chunks(executable, {}) > 1) is many


def test_partial_results_do_not_outweigh_the_work():
    """Sums over few long rows are not split: each chunk would hold a row."""
    x = tensor("float32", 8, 1_000_000)
    executable = runtime.build(close([x], [ops.sum_(x, (0,))]))
    assert most_chunks(executable, {}) == 1


@pytest.mark.parametrize("extent", [1, 7, 1000, 123_457, 10**8])
@pytest.mark.parametrize("each", [1, 1000, 10**9])
@pytest.mark.parametrize("unit", [1, 128])
def test_chunks_cover_the_loop(extent, each, unit):
    found = chunk.choose_chunks(extent, each, unit)
    symbolic = chunk.choose_chunks(N, each, unit)
    size = {"n": extent}
    for chunks in filter(None, [found, symbolic]):
        grain, count = (evaluate_size(size_, size) for size_ in (chunks.grain, chunks.count))
        assert grain % unit == 0
        assert (count - 1) * grain < extent <= count * grain
    assert found is None or 1 < found.count <= chunk.MOST_CHUNKS
