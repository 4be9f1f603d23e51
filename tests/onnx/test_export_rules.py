"""The rules of ops: that each has one, what ONNX leaves open, and the page that lists them."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from graphc import ops
from graphc.exporting.onnx.coverage import page
from graphc.exporting.onnx.rules.refused import REASONS
from graphc.exporting.onnx.rules.table import RULES
from graphc.exporting.onnx.views import View
from graphc.interp import evaluate
from graphc.ir import close, fresh_input
from graphc.ops import OPS
from graphc.types import Dim
from tests.onnx.models import agree, checked, lowered, reference, tensor

PAGE = Path(__file__).parents[2] / "docs" / "onnx-export.md"


def test_every_op_has_a_rule_and_every_rule_an_op():
    assert set(RULES) >= set(OPS) - own_ops()
    assert set(REASONS) <= set(RULES) <= set(OPS)


def own_ops():
    """Ops that other tests of this process registered."""
    return {name for name, op in OPS.items() if not op.infer.__module__.startswith("graphc.")}


def test_the_page_is_what_the_command_prints():
    assert PAGE.read_text() == page()


def exported(build, *arrays, rtol=1e-12):
    """ONNX's evaluator and graphc's agree on a graph."""
    arrays = [np.asarray(array) for array in arrays]
    inputs = [fresh_input(tensor(array.dtype, *array.shape)) for array in arrays]
    found = build(*inputs)
    graph = close(inputs, found if isinstance(found, tuple) else (found,))
    model = checked(graph, inputs=[f"x{k}" for k in range(len(arrays))])
    agree(reference(model, *arrays), evaluate(graph, arrays), rtol=rtol)


# --- what ONNX leaves open ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["scatter", "scatter_add"])
def test_repeated_indices(name):
    x, values = np.zeros((4, 2)), np.arange(12.0).reshape(6, 2)
    build = getattr(ops, name)
    exported(lambda x, v, i: build(x, v, (i,), (0,)), x, values, [1, 1, -3, 0, 1, 3])
    exported(lambda x, v, i: build(x, v, (i,), (1,)), x, np.arange(12.0).reshape(3, 4), [1, 0, -1])


@pytest.mark.parametrize("combine", ["maximum", "minimum", "multiply"])
def test_a_nan_that_is_combined(combine):
    x, values = np.array([1.0, np.nan, 3.0]), np.array([np.nan, 2.0, 5.0, -5.0])
    exported(lambda x, v, i: ops.scatter_reduce(x, v, (i,), (0,), combine), x, values, [0, 1, 2, 2])


def test_nan_in_maxima_and_places():
    x = np.array([[1.0, np.nan, 3.0], [np.nan, 7.0, np.nan], [4.0, 4.0, 1.0]])
    for build in (ops.max_, ops.min_, ops.argmax, ops.argmin):
        exported(lambda x, build=build: build(x, (1,)), x)
        exported(lambda x, build=build: build(x, (0, 1)), x)


def test_ties_go_to_the_first():
    for dtype in (np.float32, np.int64, np.uint8, np.uint64, np.bool_):
        x = np.array([[0, 1, 1, 0], [1, 0, 0, 1]]).astype(dtype)
        exported(lambda x: (ops.argmax(x, (1,)), ops.argmin(x, (1,)), ops.argsort(x)), x)


def test_the_largest_integers_keep_their_order():
    top = np.array([2**64 - 1, 0, 2**63, 2**63 - 1], np.uint64)
    exported(
        lambda x: (ops.sort(x), ops.max_(x, (0,)), ops.min_(x, (0,)), ops.argmax(x, (0,))), top
    )
    exported(lambda x: (ops.argmax(x, (0,)), ops.argmin(x, (0,))), np.array([2**53, 2**53 + 1]))


def test_integers_divided_by_zero_and_by_minus_one():
    for dtype in (np.int8, np.int32, np.int64, np.uint8):
        info = np.iinfo(dtype)
        edges = np.array([info.min, info.max, 0, 1, 7, dtype(-1 & info.max)], dtype)
        edges = np.append(edges, np.array([-1, -7], np.int64).astype(dtype))
        x, y = (a.ravel() for a in np.meshgrid(edges, edges))
        exported(lambda x, y: (ops.floor_divide(x, y), ops.remainder(x, y), ops.fmod(x, y)), x, y)


def test_a_known_divisor_needs_no_guard():
    graph = lowered(lambda x: (x // 3, x % -3), np.arange(-5, 5))
    model = checked(graph)
    assert not any(node.op_type == "Equal" and "-1" in node.name for node in model.graph.node)
    x = np.arange(-5, 5)
    agree(reference(model, x), [x // 3, x % -3])


def test_shifts_by_more_places_than_there_are():
    x = np.array([1, -1, 100, -100, 127, -128], np.int8)
    for places in (0, 1, 7, 8, 100):
        exported(
            lambda x, n: (ops.left_shift(x, n), ops.right_shift(x, n)), x, np.full_like(x, places)
        )


def test_powers_of_integers_are_exact():
    x = np.array([3, -3, 10, 0, 1], np.int64)
    exported(ops.power, x, np.array([39, 39, 18, 0, 2**40]))
    exported(lambda x: ops.power(x, ops.full_like(x, 13)), x)


def test_a_negative_power_of_an_integer_stops_the_model():
    x, y = (fresh_input(tensor("int64", 2)) for _ in range(2))
    model = checked(close([x, y], [ops.power(x, y)]), inputs=["x", "y"])
    agree(reference(model, [2, 3], [1, 2]), [np.array([2, 9])])
    with pytest.raises(IndexError):
        reference(model, [2, 3], [1, -2])


def test_rounding_is_half_to_even():
    exported(lambda x: (ops.rint(x), ops.trunc(x)), np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.7]))


def test_floats_become_small_integers_modulo_their_size():
    x = np.array([300.7, -1.5, 127.0, -129.0, 65537.0])
    inputs = [fresh_input(tensor("float64", 5))]
    for dtype in ("int8", "uint8", "int16", "uint16"):
        graph = close(inputs, [ops.cast(inputs[0], np.dtype(dtype))])
        expected = np.trunc(x).astype(np.int64).astype(dtype)
        agree(reference(checked(graph, inputs=["x"]), x), [expected])


# --- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "size", "step"),
    [
        ((1, 0), (2, 4), (1, 1)),
        ((0, 3), (5, 2), (1, -3)),
        ((4, 1), (5, 3), (-1, 1)),
        ((4, 0), (3, 2), (-2, 2)),
        ((2, 2), (0, 1), (1, 1)),
        ((4, 3), (1, 1), (-1, -1)),
        ((0, 0), (5, 4), (1, 1)),
    ],
)
def test_slices_updates_and_their_transpose(start, size, step):
    x, value = np.arange(20.0).reshape(5, 4), -1 - np.arange(float(np.prod(size))).reshape(size)
    exported(lambda x: ops.slice_(x, start, size, step), x)
    exported(lambda x, v: ops.update(x, v, start, step), x, value)
    exported(lambda v: ops.embed(v, (5, 4), start, step), value)


def test_updates_at_symbolic_places():
    n = Dim.symbol("n")
    x, v = fresh_input(tensor("float64", n, 3)), fresh_input(tensor("float64", 1, 3))
    row = ops.update(x, v, (n - 1, 0), (1, 1))
    other = ops.update(x, ops.slice_(x, (0, 0), (n, 1), (1, 1)), (0, 2), (1, 1))
    back = ops.update(x, x, (n - 1, 0), (-1, 1))
    graph = close([x, v], [row, other, back, ops.embed(v, (n, 3), (n // 2, 0), (1, 1))])
    model = checked(graph, inputs=["x", "v"])
    for count in (1, 4):
        arrays = [np.arange(3.0 * count).reshape(count, 3), -np.ones((1, 3))]
        agree(reference(model, *arrays), evaluate(graph, arrays))


def test_empty_arrays_and_arrays_without_axes():
    exported(lambda x: (ops.reshape(x, (4, 0)), ops.sum_(x, (0,))), np.zeros((2, 0)))
    exported(lambda x: (ops.any_(x, (0,)), ops.all_(x, (0,))), np.zeros(0, bool))
    exported(lambda x: (ops.sin(x), ops.reshape(x, (1, 1)), ops.broadcast_to(x, (2, 0))), 1.5)


# --- chains of reshapes and transposes ------------------------------------------------------------


def moved(view, array):
    for kind, detail in view.steps():
        array = array.reshape(detail) if kind == "reshape" else array.transpose(detail)
    return array


def test_views_of_random_chains_are_what_the_chain_makes():
    rng = np.random.default_rng(0)
    for _ in range(500):
        shape = tuple(int(n) for n in rng.choice([1, 1, 2, 3], size=rng.integers(1, 5)))
        array = expected = np.arange(np.prod(shape)).reshape(shape)
        view = View(shape)
        for _ in range(rng.integers(1, 6)):
            if rng.random() < 0.5:
                axes = tuple(int(k) for k in rng.permutation(expected.ndim))
                view, expected = view.transposed(axes), expected.transpose(axes)
            else:
                wanted = [n for n in expected.shape if n != 1]
                for _ in range(rng.integers(0, 3)):
                    wanted.insert(int(rng.integers(0, len(wanted) + 1)), 1)
                view, expected = view.reshaped(tuple(wanted)), expected.reshape(wanted)
        np.testing.assert_array_equal(moved(view, array), expected)
        assert len(view.steps()) <= 3


def test_moves_that_undo_each_other_are_none():
    n = Dim.symbol("n")
    view = View((n, 4, 5)).reshaped((n, 1, 4, 5)).transposed((1, 2, 0, 3))
    assert view.steps() == (("transpose", (1, 0, 2)), ("reshape", (1, 4, n, 5)))
    assert view.transposed((2, 0, 1, 3)).reshaped((n, 4, 5)).steps() == ()
    for axes in itertools.permutations(range(3)):
        shape = tuple((1, 4, 5)[axis] for axis in axes)
        assert len(View((1, 4, 5)).transposed(axes).reshaped(shape).steps()) <= 1


def test_a_transpose_with_an_axis_of_one_is_one_node():
    x = fresh_input(tensor("float32", 2, 1, 3))
    model = checked(close([x], [ops.transpose(x, (2, 1, 0))]), inputs=["x"])
    assert [node.op_type for node in model.graph.node] == ["Transpose"]


def test_chains_of_thousands_are_walked_without_recursion():
    x = value = fresh_input(tensor("float64", 3))
    for _ in range(1000):
        row = ops.reshape(value, (3, 1))
        value = ops.reshape(ops.transpose(row, (1, 0)), (3,))
    for _ in range(3000):
        value = ops.sin(value)
    model = checked(close([x], [value]), inputs=["x"])
    assert [node.op_type for node in model.graph.node] == ["Sin"] * 3000
