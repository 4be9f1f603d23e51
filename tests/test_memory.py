"""Where buffers lie: lifetimes, writes in place, arguments written directly or through a copy."""

import numpy as np
import pytest

from graphc import build as runtime
from graphc import ops
from graphc.interp import evaluate
from graphc.ir import close
from graphc.types import Dim

from .codegen.graphs import tensor, training_step


def compiled(graph, arrays, sizes=None):
    """Run compiled; check against the evaluator; return the executable."""
    executable = runtime.build(graph)
    expected = evaluate(graph, [array.copy() for array in arrays], sizes)
    given = [array.copy() for array in arrays]
    for k, (actual, wanted) in enumerate(zip(executable.run(given, sizes), expected, strict=True)):
        np.testing.assert_allclose(actual, wanted)
        if graph.written[k] is not None:
            assert actual is given[graph.written[k]]
    return executable


def names(executable):
    return [kernel.name for _, kernel in executable.kernels]


def test_memory_is_used_again_after_its_last_reader():
    w = tensor("float64", 16, 16)
    x = w
    for _ in range(6):
        x = ops.matmul(ops.tanh(x), w)
    executable = runtime.build(close([w], [x]))
    assert executable.arena_bytes() <= 2 * 16 * 16 * 8


def test_a_result_takes_the_memory_of_an_operand_that_dies():
    x, w = tensor("float64", 16, 16), tensor("float64", 16, 16)
    y = ops.matmul(ops.exp(ops.matmul(x, w)), w)
    assert runtime.build(close([x, w], [y])).arena_bytes() == 16 * 16 * 8


def test_an_argument_is_written_in_place():
    x, y = tensor("float64", 8), tensor("float64", 8)
    graph = close([x, y], [ops.add(x, y)], written=[0])
    executable = compiled(graph, [np.arange(8.0), np.ones(8)])
    assert names(executable) == ["add"]
    assert executable.arena_bytes() == 0


def test_a_shift_reads_the_old_values():
    x = tensor("float64", 8)
    part = ops.slice_(x, (0,), (7,), (1,))
    graph = close([x], [ops.update(x, part, (1,), (1,))], written=[0])
    compiled(graph, [np.arange(8.0)])


def test_a_flip_of_an_argument_goes_through_a_copy():
    x = tensor("float64", 8)
    executable = compiled(close([x], [ops.flip(x, (0,))], written=[0]), [np.arange(8.0)])
    assert names(executable) == ["copy", "copy"]


def test_a_chain_of_writes_works_in_the_argument():
    x, y = tensor("float64", 8), tensor("float64", 3)
    first = ops.update(x, ops.add(ops.slice_(x, (2,), (3,), (1,)), y), (2,), (1,))
    second = ops.update(first, ops.multiply(ops.slice_(first, (0,), (3,), (1,)), y), (0,), (2,))
    executable = compiled(close([x, y], [second], written=[0]), [np.arange(8.0), np.arange(3.0)])
    assert "copy" not in names(executable)


def test_an_argument_that_is_not_written_stays_as_it_was():
    x, y = tensor("float64", 8), tensor("float64", 3)
    graph = close([x, y], [ops.update(x, y, (2,), (1,))])
    arrays = [np.arange(8.0), np.zeros(3)]
    runtime.build(graph).run(arrays)
    np.testing.assert_array_equal(arrays[0], np.arange(8.0))


def test_two_arguments_change_places():
    x, y = tensor("float64", 4), tensor("float64", 4)
    compiled(close([x, y], [y, x], written=[0, 1]), [np.arange(4.0), np.ones(4)])


def test_a_value_returned_twice_gives_two_arrays():
    x = tensor("float64", 4)
    value = ops.sin(x)
    first, second, same = runtime.build(close([x], [value, value, x])).run([np.arange(4.0)])
    assert not np.shares_memory(first, second)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(same, np.arange(4.0))


def test_bytes_are_known_before_the_first_run_for_every_size():
    x = tensor("float64", Dim.symbol("n"), 4)
    y = ops.matmul(ops.exp(x), ops.transpose(x, (1, 0)))
    executable = runtime.build(close([x], [ops.tanh(y), ops.sum_(y, (0,))]))
    assert executable.arena_bytes({"n": 64}) > executable.arena_bytes({"n": 8}) > 0


def test_parameters_of_a_training_step_are_written_without_copies():
    executable = runtime.build(training_step())
    assert all(kernel.name != "argument" for _, kernel in executable.kernels)
    writers = {b.name for _, k in executable.kernels for b in k.buffers if b.role == "write"}
    assert "argument" not in writers


@pytest.mark.parametrize("size", [0, 1, 5])
def test_overlapping_arguments_are_copied_first(size):
    x, y = tensor("float64", Dim.symbol("n")), tensor("float64", Dim.symbol("n"))
    executable = runtime.build(close([x, y], [ops.add(x, y)], written=[0]))
    array = np.arange(size + 1.0)
    expected = array[:size] + array[1:]
    executable.run([array[:size], array[1:]], {"n": size})
    np.testing.assert_array_equal(array[:size], expected)
