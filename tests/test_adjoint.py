"""The reverse loop: sums of cotangents, unused inputs, depth, notes, and ops without a rule."""

import numpy as np
import pytest

from graphc import ops
from graphc.adjoint import differentiate, gradients
from graphc.errors import Location, UnsupportedError
from graphc.interp import evaluate
from graphc.ir import Note, Op, close, format_graph, fresh_input, make
from graphc.types import DTYPES, TensorType
from graphc.verify import verify

F64, INT64 = DTYPES["float64"], DTYPES["int64"]
VECTOR = TensorType(F64, (3,))
X = np.array([0.5, -1.0, 2.0])
ONES = np.ones(3)


def gradient(build, positions=(0,), types=(VECTOR,)):
    inputs = [fresh_input(type_) for type_ in types]
    out = build(*inputs)
    outputs = out if isinstance(out, tuple) else (out,)
    return verify(differentiate(close(inputs, outputs), positions))


def test_cotangents_of_several_uses_add_up():
    graph = gradient(lambda x: ops.add(ops.multiply(x, x), ops.sin(x)))
    np.testing.assert_allclose(evaluate(graph, [X, ONES])[0], 2 * X + np.cos(X))


def test_several_outputs_have_their_own_cotangents():
    graph = gradient(lambda x: (ops.sin(x), ops.multiply(x, x), x))
    (found,) = evaluate(graph, [X, ONES, 2 * ONES, 3 * ONES])
    np.testing.assert_allclose(found, np.cos(X) + 4 * X + 3)


def test_an_input_that_is_not_used_gets_zeros():
    graph = gradient(lambda x, y: ops.sin(x), (0, 1), (VECTOR, VECTOR))
    by_x, by_y = evaluate(graph, [X, X, ONES])
    np.testing.assert_allclose(by_x, np.cos(X))
    np.testing.assert_array_equal(by_y, np.zeros(3))


def test_integer_outputs_have_no_cotangent():
    graph = gradient(lambda x: (ops.argmax(x, (0,)), ops.sum_(x, (0,))))
    assert [value.type for value in graph.inputs] == [VECTOR, TensorType(F64, ())]
    np.testing.assert_array_equal(evaluate(graph, [X, np.float64(2)])[0], [2, 2, 2])


def test_integers_on_the_way_stop_the_derivative():
    def build(x):
        whole = ops.cast(ops.cast(x, INT64), F64)
        return ops.multiply(x, whole)

    np.testing.assert_array_equal(evaluate(gradient(build), [X, ONES])[0], [0, -1, 2])


def test_no_path_is_none():
    x, y = fresh_input(VECTOR), fresh_input(VECTOR)
    assert gradients([ops.sin(x)], [ops.zeros(VECTOR)], [y]) == [None]


def test_an_op_without_a_rule_names_itself_and_the_line():
    mystery = Op("mystery", lambda types, attrs, regions: types, lambda d, n, arrays: tuple(arrays))
    x = fresh_input(VECTOR)
    out = make(mystery, (x,)).out()
    notes = {out.node: Note(Location("model.py", 12))}
    with pytest.raises(UnsupportedError, match=r"mystery has no derivative[^$]*model\.py"):
        gradients([out], [ops.zeros(VECTOR)], [x], notes)


def test_the_users_lines_reach_the_gradient():
    x = fresh_input(VECTOR)
    out = ops.tanh(x)
    note = Note(Location("model.py", 7))
    notes = {out.node: note}
    (found,) = gradients([out], [ops.full(VECTOR, 1)], [x], notes)
    assert found is not None
    assert notes[found.node] == note


@pytest.mark.parametrize("order", [1, 2, 3])
def test_powers_of_x_to_third_order(order):
    x = fresh_input(VECTOR)
    graph = close([x], [ops.sum_(ops.multiply(x, ops.multiply(x, x)), (0,))])
    for _ in range(order):
        step = differentiate(graph, [0])
        y = fresh_input(VECTOR)
        (found,) = gradients([inlined(graph, y)], [ops.constant(1.0)], [y])
        graph = close([y], [ops.sum_(found, (0,))])
    (value,) = evaluate(step, [X, np.float64(1)])
    np.testing.assert_allclose(value, [3 * X**2, 6 * X, 6 * ONES][order - 1])


def inlined(graph, value):
    from graphc.ir import inline

    (out,) = inline(graph, [value])
    return out


def test_a_chain_of_20_000_is_no_matter_of_recursion():
    x = fresh_input(TensorType(F64, ()))
    value = x
    for _ in range(5_000):
        value = ops.multiply(ops.sin(value), value)
    graph = close([x], [value])
    gradient_graph = verify(differentiate(graph, [0]))
    assert len(gradient_graph.nodes) > 20_000
    assert format_graph(gradient_graph).count("\n") > 20_000
