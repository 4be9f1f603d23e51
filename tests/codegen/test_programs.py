"""Whole executables: strided inputs, checks, loops, effects, threads, a fork."""

import itertools
import math
import os
import threading

import numpy as np
import pytest

from graphc import build as runtime
from graphc import ops
from graphc.errors import Location, OutOfBoundsError, UnsupportedError
from graphc.interp import evaluate
from graphc.ir import Note, close
from graphc.types import TOKEN, Dim

from .graphs import softmax, tensor, training_step

RNG = np.random.default_rng(7)
N = Dim.symbol("n")


def same(graph, arrays, sizes=None, layouts=(), rtol=1e-12):
    executable = runtime.build(graph, layouts)
    expected = evaluate(graph, [np.array(array) for array in arrays], sizes)
    for actual, wanted in zip(executable.run(arrays, sizes), expected, strict=True):
        if wanted is not None:
            assert actual.dtype == wanted.dtype
            assert actual.shape == wanted.shape
            np.testing.assert_allclose(actual, wanted, rtol=rtol, atol=1e-12)
    return executable


BASE = RNG.standard_normal((12, 12))
VIEWS = {
    "steps": BASE[::3, ::-2],
    "transposed": BASE[:6, :4].T,
    "repeated": np.broadcast_to(BASE[0, :6], (4, 6)),
    "contiguous": np.ascontiguousarray(BASE[:4, :6]),
}


@pytest.mark.parametrize("layout", ["strided", "C"])
def test_any_strides(layout):
    x = tensor("float64", 4, 6)
    product = ops.matmul(x, ops.transpose(x, (1, 0)))
    graph = close([x], [ops.exp(x), ops.sum_(x, (1,)), product, x])
    executable = runtime.build(graph, [layout])
    for view in VIEWS.values():
        for actual, wanted in zip(executable.run([view]), evaluate(graph, [view]), strict=True):
            np.testing.assert_allclose(actual, wanted)


@pytest.mark.parametrize("layout", ["strided", "C"])
def test_a_strided_argument_is_written(layout):
    x = tensor("float64", 4, 6)
    executable = runtime.build(close([x], [ops.multiply(x, x)], written=[0]), [layout])
    array = BASE.copy()
    view = array[::3, ::-2]
    (result,) = executable.run([view])
    assert result is view
    np.testing.assert_allclose(view, VIEWS["steps"] ** 2)
    np.testing.assert_array_equal(array[1::3], BASE[1::3])


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (1, 1), (7, 1), (3, 1000)])
def test_one_executable_for_every_size(shape):
    x = tensor("float64", N, Dim.symbol("m"))
    executable = runtime.build(close([x], [softmax(x), ops.sum_(x, (0,)), ops.sum_(x, (0, 1))]))
    for size in [shape, (4, 5)]:
        array = RNG.standard_normal(size)
        if 0 in size:
            array = array.reshape(size)
        sizes = dict(zip("nm", size, strict=True))
        with np.errstate(all="ignore"):
            peak = array.max(1, keepdims=True) if array.size else array[:, :0]
            weights = np.exp(array - peak) if array.size else array
            wanted = weights / weights.sum(1, keepdims=True) if array.size else array
        results = executable.run([array], sizes)
        np.testing.assert_allclose(results[0], wanted)
        np.testing.assert_allclose(results[1], array.sum(0), atol=1e-12)
        np.testing.assert_allclose(results[2], array.sum(), atol=1e-12)


def test_zero_dimensional_values_and_scalars():
    x, y = tensor("float64"), tensor("int32")
    graph = close([x, y], [ops.sin(x), ops.add(y, y), ops.cast(y, x.dtype)])
    same(graph, [np.array(0.5), np.array(3, np.int32)])
    results = runtime.build(graph).run([0.5, np.int32(3)])
    assert [result.shape for result in results] == [(), (), ()]


def test_sums_are_as_accurate_as_numpys():
    array = RNG.random(1_000_003).astype(np.float32)
    x = tensor("float32", N)
    executable = runtime.build(close([x], [ops.sum_(x, (0,))]))
    exact = array.astype(np.float64).sum()
    ours = executable.run([array], {"n": array.size})[0]
    assert abs(ours - exact) <= abs(array.sum() - exact) + np.spacing(np.float32(exact))
    y = tensor("float64", N)
    executable = runtime.build(close([y], [ops.sum_(y, (0,))]))
    errors = []
    for seed in range(60):
        doubles = np.random.default_rng(seed).standard_normal(100_003)
        exact = math.fsum(doubles)
        total = executable.run([doubles], {"n": doubles.size})[0]
        errors.append((abs(total - exact), abs(doubles.sum() - exact)))
    ours, numpys = np.mean(errors, axis=0)
    assert ours <= numpys


def test_sums_of_infinities_and_nan():
    x = tensor("float64", N)
    executable = runtime.build(close([x], [ops.sum_(x, (0,)), ops.max_(x, (0,))]))
    for special in (np.inf, -np.inf, np.nan):
        array = np.ones(1000)
        array[500] = special
        total, largest = executable.run([array], {"n": 1000})
        np.testing.assert_equal(total, array.sum())
        np.testing.assert_equal(largest, array.max())


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_positions_of_ties_and_nan(name):
    array = np.array([[1.0, 3.0, 3.0], [np.nan, 5.0, np.nan], [2.0, np.nan, 9.0], [0, 0, 0]])
    x = tensor("float64", 4, 3)
    build = getattr(ops, name)
    same(close([x], [build(x, (0,)), build(x, (1,)), build(x, (0, 1))]), [array])


def test_sizes_may_have_the_names_of_anything_else():
    names = ("rows", "table", "lambda_", "float32", "x", "sin_0", "range")
    for first, second in itertools.pairwise(names):
        x = tensor("float64", Dim.symbol(first), Dim.symbol(second))
        y = ops.sin(ops.matmul(x, ops.transpose(x, (1, 0))))
        graph = close([x], [y, softmax(x)], names=["x"])
        same(graph, [RNG.standard_normal((3, 4))], {first: 3, second: 4})


def test_a_size_with_the_name_of_a_loop_variable_is_refused():
    with pytest.raises(UnsupportedError, match="'i0'"):
        runtime.build(close([x := tensor("float64", Dim.symbol("i0"))], [ops.sin(x)]))


# --- checks ---------------------------------------------------------------------------------------


def test_an_index_out_of_bounds_names_the_users_line_and_leaves_arguments_alone():
    x, index = tensor("float64", 5, 3), tensor("int64", 4)
    taken = ops.gather(x, [index], (0,))
    doubled = ops.scatter_add(x, taken, [index], (0,))
    line = Note(Location("user.py", 12))
    graph = close(
        [x, index],
        [doubled, ops.sum_(taken, (0,))],
        written=[0, None],
        notes={taken.node: line, doubled.node: line},
    )
    executable = runtime.build(graph)
    array = RNG.standard_normal((5, 3))
    kept = array.copy()
    for wrong in (5, -6):
        with pytest.raises(OutOfBoundsError, match=r"out of bounds for an axis of size 5") as error:
            executable.run([array, np.array([0, wrong, 1, 2])])
        assert error.value.location is not None
        assert error.value.location.line == 12
        assert str(wrong) in str(error.value)
        np.testing.assert_array_equal(array, kept)
    executable.run([array, np.array([0, -1, 4, 0])])
    expected = evaluate(graph, [kept, np.array([0, -1, 4, 0])])[0]
    np.testing.assert_allclose(array, expected)


# --- loops ----------------------------------------------------------------------------------------


def scan_body():
    carry, x, factor = tensor("float64", 3), tensor("float64", 3), tensor("float64")
    scaled = ops.multiply(carry, ops.broadcast_to(factor, (3,)))
    return close([carry, x, factor], [ops.add(scaled, x), ops.sin(carry)])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_scan(length, reverse):
    carry, xs, factor = tensor("float64", 3), tensor("float64", N, 3), tensor("float64")
    outputs = ops.scan(scan_body(), [carry], [xs], [factor], N, reverse=reverse)
    arrays = [RNG.standard_normal(3), RNG.standard_normal((length, 3)), np.array(0.5)]
    same(close([carry, xs, factor], outputs), arrays, {"n": length})


def test_nested_scan():
    carry, x, factor = tensor("float64", 3), tensor("float64", 3), tensor("float64")
    repeated = ops.broadcast_to(ops.reshape(x, (1, 3)), (4, 3))
    inner = ops.scan(scan_body(), [carry], [repeated], [factor], 4)
    body = close([carry, x, factor], [inner[0], ops.sum_(inner[1], (0,))])
    carry, xs, factor = tensor("float64", 3), tensor("float64", N, 3), tensor("float64")
    graph = close([carry, xs, factor], ops.scan(body, [carry], [xs], [factor], N))
    arrays = [RNG.standard_normal(3), RNG.standard_normal((4, 3)), np.array(0.5)]
    same(graph, arrays, {"n": 4})


def test_carries_that_change_places():
    a, b = tensor("float64", 2), tensor("float64", 2)
    body = close([a, b], [b, ops.add(a, b)])
    a, b = tensor("float64", 2), tensor("float64", 2)
    graph = close([a, b], ops.scan(body, [a, b], [], [], 7))
    same(graph, [np.zeros(2), np.ones(2)])


# --- effects --------------------------------------------------------------------------------------


def test_prints_come_in_order(capfd):
    x = tensor("float64", N)
    first = ops.debug_print("first {}", [x], ops.token())
    second = ops.debug_print("second {} {}", [ops.multiply(x, x), ops.sum_(x, (0,))], first)
    executable = runtime.build(close([x], [ops.sin(x), second]))
    results = executable.run([np.array([1.0, 2.0])], {"n": 2})
    assert results[1] is None
    assert capfd.readouterr().out == "first [1. 2.]\nsecond [1. 4.] 3.0\n"


def test_prints_in_a_loop(capfd):
    token = close([], [ops.token()]).outputs[0].type
    assert token == TOKEN
    x = tensor("float64")
    from graphc.ir import fresh_input

    carried = fresh_input(TOKEN)
    body = close([carried, x], [ops.debug_print("{}", [x], carried)])
    xs = tensor("float64", 3)
    executable = runtime.build(close([xs], ops.scan(body, [ops.token()], [xs], [], 3)))
    executable.run([np.array([1.0, 2.0, 3.0])])
    assert capfd.readouterr().out == "1.0\n2.0\n3.0\n"


def test_an_error_while_printing_is_raised():
    x = tensor("float64")
    executable = runtime.build(close([x], [ops.debug_print("{:q}", [x], ops.token())]))
    with pytest.raises(ValueError, match="format"):
        executable.run([np.array(1.0)])


# --- calls ----------------------------------------------------------------------------------------


def test_two_threads_in_one_executable():
    x, w = tensor("float64", 32, 32), tensor("float64", 32, 32)
    executable = runtime.build(close([x, w], [ops.exp(ops.tanh(ops.matmul(ops.sin(x), w)))]))
    wrong = []

    def work(seed):
        rng = np.random.default_rng(seed)
        a, b = rng.standard_normal((32, 32)), rng.standard_normal((32, 32))
        wanted = np.exp(np.tanh(np.sin(a) @ b))
        for _ in range(300):
            if not np.allclose(executable.run([a, b])[0], wanted):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_call_after_fork():
    x = tensor("float64", 4)
    executable = runtime.build(close([x], [ops.exp(ops.sin(x))]))
    executable.run([np.ones(4)])
    child = os.fork()
    if child == 0:
        (result,) = executable.run([np.ones(4)])
        os._exit(0 if np.allclose(result, np.exp(np.sin(1))) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_a_training_step_runs_in_one_native_call():
    graph = training_step(batch=8, widths=(20, 16, 5))
    executable = runtime.build(graph)
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal(value.shape).astype(np.float32) for value in graph.inputs[:5]]
    arrays.append(rng.integers(0, 5, 8))
    expected = evaluate(graph, [array.copy() for array in arrays])
    results = executable.run(arrays)
    for actual, wanted in zip(results, expected, strict=True):
        np.testing.assert_allclose(actual, wanted, rtol=2e-5, atol=1e-6)
    losses = [executable.run(arrays)[0] for _ in range(50)]
    assert losses[-1] < 0.5 * losses[0]
    assert executable.native_calls == 1


def test_equal_kernels_are_compiled_once():
    a, b = tensor("float64", 5), tensor("float64", 900)
    executable = runtime.build(close([a, b], [ops.sin(a), ops.sin(b)]))
    assert len(executable.kernels) == 2
    assert len({name for name, _ in executable.kernels}) == 1


def test_the_generated_module_is_a_file():
    x = tensor("float64", 5)
    executable = runtime.build(close([x], [ops.sin(x)]), name="demo")
    assert executable.path.read_text() == executable.source
    assert executable.path.name.startswith("demo")
