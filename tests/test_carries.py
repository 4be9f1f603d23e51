"""Where the states of loops lie: written in place, moved by address, copied once at most."""

import numpy as np
import pytest

import graphc
from graphc.build import build
from graphc.interp import evaluate
from graphc.memory.carries import cycles, next_words


def checked(function, *arrays):
    """Run compiled and by the evaluator; the executable."""
    executable = build(graphc.compile(function).lower(*[np.array(a) for a in arrays]).graph)
    expected = evaluate(executable.graph, [np.array(a) for a in arrays])
    given = [np.array(a) for a in arrays]
    found = executable.run(given)
    for k, (actual, wanted) in enumerate(zip(found, expected, strict=True)):
        np.testing.assert_allclose(actual, wanted, rtol=1e-12)
        target = executable.graph.written[k]
        if target is not None:
            np.testing.assert_allclose(given[target], wanted, rtol=1e-12)
    return executable


def names(executable):
    return [kernel.name for _, kernel in executable.kernels]


def sweep(source, target):
    target[1:-1, 1:-1] = 0.25 * (
        source[:-2, 1:-1] + source[2:, 1:-1] + source[1:-1, :-2] + source[1:-1, 2:]
    )


def stencil(a, b):
    def turn(carry, _):
        a, b = carry
        sweep(a, b)
        sweep(b, a)
        return (a, b), None

    return graphc.scan(turn, (a, b), length=5)[0]


def stencil_in_place(a, b):
    def turn(carry, _):
        sweep(a, b)
        sweep(b, a)
        return carry, None

    graphc.scan(turn, (), length=5)


GRID = np.random.default_rng(0).random((9, 7))


def test_a_stencil_copies_nothing_in_its_loop():
    executable = checked(stencil, GRID, GRID + 1)
    assert names(executable) == ["add_multiply_update"] * 2
    assert executable.arena_bytes() == 0
    assert executable.source.count("copy_memory(") == 2  # the first values, into the results


def test_a_stencil_in_the_callers_arrays_copies_nothing():
    executable = checked(stencil_in_place, GRID, GRID + 1)
    assert names(executable) == ["add_multiply_update"] * 2
    assert executable.arena_bytes() == 0
    assert "copy_memory" not in executable.source


def test_what_a_loop_starts_from_is_made_in_its_result():
    def function(x):
        return graphc.scan(lambda c, _: (np.sin(c), None), np.exp(x), length=3)[0]

    executable = checked(function, GRID)
    assert "copy_memory" not in executable.source
    assert executable.arena_bytes() == 0


def test_states_change_places_without_a_copy():
    def function(x, y):
        return graphc.scan(lambda c, _: ((c[1], c[0]), None), (x, y), length=7)[0]

    executable = checked(function, GRID, GRID + 1)
    assert names(executable) == []
    assert executable.source.count("copy_memory(") == 2


@pytest.mark.parametrize("turns", ["", ".", "..", "...", "....", "....."])
def test_a_history_moves_by_address(turns):
    def function(x, y, z):
        def turn(carry, _):
            a, b, c = carry
            return (b, c, a @ b + c), a

        return graphc.scan(turn, (x, y, z), length=len(turns))  # static: no symbolic length

    square = GRID[:5, :5]
    executable = checked(function, square, square + 1, square - 1)
    # The kernels are the product and the stacked row; no state is copied in a turn.
    assert sorted(names(executable)) == ["copy", "product_add"]


@pytest.mark.parametrize("length", [0, 1, 2, 5])
def test_a_symbolic_number_of_turns(length):
    def function(x, y, steps):
        def turn(carry, step):
            a, b = carry
            return (b, np.tanh(a @ b) * step), b[0, 0]

        return graphc.scan(turn, (x, y), steps)

    compiled = graphc.compile(function)
    square = GRID[:5, :5]
    for count in (3, 4, length, 7):
        steps = np.arange(1.0, count + 1)
        carry = square, square + 1
        rows = []
        for step in steps:
            rows.append(carry[1][0, 0])
            carry = carry[1], np.tanh(carry[0] @ carry[1]) * step
        found, ys = compiled(square, square + 1, steps)
        np.testing.assert_allclose(found[0], carry[0])
        np.testing.assert_allclose(found[1], carry[1])
        np.testing.assert_allclose(ys, rows)


def test_both_states_become_one():
    def function(x, y):
        return graphc.scan(lambda c, _: ((c[0], c[0] + c[1]), None), (x, y), length=4)[0]

    checked(function, GRID, GRID + 1)

    def twice(x, y):
        return graphc.scan(lambda c, _: ((c[1], c[1]), c[0]), (x, y), length=4)

    checked(twice, GRID, GRID + 1)


def test_one_array_as_the_start_of_two_states():
    def function(x):
        def turn(carry, _):
            a, b = carry
            a[1:] = b[:-1] * 2
            return (a, b + 1), None

        return graphc.scan(turn, (x, x), length=3)[0]

    checked(function, GRID)


def test_crossed_starts_of_written_arguments():
    def function(x, y):
        (a, b), _ = graphc.scan(lambda c, _: ((c[0] + 1, c[1] * 2), None), (y, x), length=3)
        x[...] = a
        y[...] = b

    checked(function, GRID, GRID + 1)


def test_an_argument_read_after_the_loop_keeps_its_value_until_then():
    def function(x):
        old = x * 1.0
        (a, _), _ = graphc.scan(lambda c, _: ((c[0] + 1, c[1]), None), (x, x), length=3)
        result = x + a
        x[...] = a
        return result, old

    checked(function, GRID)


def test_a_check_in_the_loop_leaves_arguments_as_they_were():
    @graphc.compile
    def function(x, index):
        def turn(carry, k):
            x[k] = x[k] + 1
            return carry, None

        graphc.scan(turn, (), index)

    x = np.zeros(4)
    function(x, np.array([0, 3]))
    np.testing.assert_array_equal(x, [1, 0, 0, 1])
    with pytest.raises(graphc.OutOfBoundsError):
        function(x, np.array([1, 4]))
    np.testing.assert_array_equal(x, [1, 0, 0, 1])


def test_nested_loops_work_in_the_outer_state():
    def function(x):
        def outer(carry, _):
            carry, _ = graphc.scan(lambda c, _: (np.sin(c) + 0.1, None), carry, length=3)
            return carry, None

        return graphc.scan(outer, x, length=4)[0]

    executable = checked(function, GRID)
    assert executable.source.count("copy_memory(") == 1


def test_writes_that_read_their_neighbours_go_through_a_buffer():
    def function(x):
        x[1:] = x[:-1] + 1
        x[::2] = x[::2] * 2
        x[1:4] = x[3:0:-1]

    checked(function, np.arange(9.0))


def test_one_kernel_writes_parts_of_two_arrays():
    def function(x, y, z):
        product = z * 2 + 1
        x[1:] = product
        y[:-1] = product - z
        return product

    executable = checked(function, np.arange(5.0), np.ones(5), np.arange(4.0))
    assert names(executable) == ["multiply_to_update"]


def test_words_move_in_cycles():
    moves = next_words({0: 1, 1: 3, 2: 2}, [3])
    assert moves == {0: 1, 1: 3, 2: 2, 3: 0}
    assert cycles(moves) == [[0, 1, 3], [2]]


def plates(a, b):
    for _ in range(1000):
        b[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
        a[1:-1, 1:-1] = 0.25 * (b[:-2, 1:-1] + b[2:, 1:-1] + b[1:-1, :-2] + b[1:-1, 2:])


def test_a_stencil_of_plain_python_works_in_its_arguments():
    a, b = np.random.default_rng(1).random((2, 12, 15))
    function = graphc.compile(plates)
    lowered = function.lower(a, b)
    assert {kernel.name for _, kernel in lowered.kernels} == {"add_multiply_update"}
    assert "copy_memory" not in lowered.source
    assert function.explain(a, b).arena_bytes == 0
    x, y = a.copy(), b.copy()
    plates(x, y)
    function(a, b)
    np.testing.assert_array_equal(a, x)
    np.testing.assert_array_equal(b, y)
