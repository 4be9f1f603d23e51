"""`If`, `Loop` and `Scan` of imported models: decided while tracing, and by data."""

import numpy as np
import pytest

import graphc
from graphc.errors import ExportError
from graphc.loading.onnx.model import load_onnx
from tests.onnx.building import data, node, port, proto, random


def graph(nodes, inputs, outputs, weights=None):
    return proto(nodes, inputs, outputs, weights).graph


def choosing(condition):
    """``relu(x) if condition else -x * w``, both branches reading names from outside."""
    first = graph([node("Relu", "x", "p")], [], [port("p", [3], "float64")])
    second = graph(
        [node("Neg", "x", "n"), node("Mul", ["n", "w"], "q")], [], [port("q", [3], "float64")]
    )
    chosen = node("If", "c", "y", then_branch=first, else_branch=second)
    weights = {"w": random(3, seed=5, dtype=np.float64)}
    nodes = [*condition, chosen]
    return data(nodes, [port("x", [3], "float64")], [port("y", [3], "float64")], weights)


POSITIVE = [
    node("ReduceSum", "x", "total", keepdims=0),
    node("Constant", [], "zero", value_float=0.0),
    node("CastLike", ["zero", "total"], "zero1"),
    node("Greater", ["total", "zero1"], "c"),
]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_branch_by_data(sign):
    model = load_onnx(choosing(POSITIVE))
    x = sign * np.array([3.0, -1.0, 2.0])
    w = model.w
    np.testing.assert_allclose(model(x), np.maximum(x, 0) if sign > 0 else -x * w)
    graphc.testing.check_grads(lambda x: model(x), (x,), order=1)
    gradient = graphc.grad(lambda m: m(x).sum())(model).w
    np.testing.assert_allclose(gradient, 0 * x if sign > 0 else -x)


def test_a_branch_decided_while_tracing_leaves_the_other_out():
    size = [
        node("Size", "x", "count"),
        node("Constant", [], "two", value_int=2),
        node("Greater", ["count", "two"], "c"),
    ]
    model = load_onnx(choosing(size))
    x = random(3, dtype=np.float64)
    np.testing.assert_array_equal(model(x), np.maximum(x, 0))
    lowered = graphc.compile(model).lower(x)
    assert "cond" not in str(lowered.graph)
    assert "cond" in str(graphc.compile(load_onnx(choosing(POSITIVE))).lower(x).graph)


def looping(inputs, operands, more, dtype="float64", rows=True):
    """A loop that halves and adds w; `more` are nodes that compute the condition ``go``."""
    body = graph(
        [
            node("Mul", ["s", "half"], "h"),
            node("Add", ["h", "w"], "t"),
            node("Cast", "i", "step", to=11),
            node("Add", ["t", "step"], "row"),
            *more,
        ],
        [port("i", [], "int64"), port("going", [], "bool"), port("s", [2], dtype)],
        [
            port("go", [], "bool"),
            port("t", [2], dtype),
            *([port("row", [2], dtype)] if rows else []),
        ],
    )
    outputs = ["y", *(["rows"] if rows else [])]
    nodes = [node("Loop", operands, outputs, body=body)]
    weights = {"w": random(2, seed=5, dtype=np.float64), "half": np.array([0.5])}
    ports = [port(name, None, dtype) for name in outputs]
    return load_onnx(data(nodes, [port("x", [2], dtype), *inputs], ports, weights))


def by_hand(x, w, turns):
    rows = []
    for turn in range(turns):
        x = x * 0.5 + w
        rows.append(x + turn)
    return x, np.array(rows)


@pytest.mark.parametrize("turns", [1, 5, 40])
def test_a_loop_whose_length_is_known(turns):
    model = looping([port("n", [], "int64")], ["n", "", "x"], [node("Identity", "going", "go")])
    assert [one.static for one in model.inputs] == [False, True]
    x = random(2, dtype=np.float64)
    for found, right in zip(model(x, turns), by_hand(x, model.w, turns), strict=True):
        np.testing.assert_allclose(found, right)
    graphc.testing.check_grads(lambda x: model(x, turns), (x,), order=1)


BELOW = [
    node("ReduceSum", "t", "total", keepdims=0),
    node("Constant", [], "limit32", value_float=3.0),
    node("CastLike", ["limit32", "total"], "limit"),
    node("Less", ["total", "limit"], "go"),
]


def test_a_loop_that_data_end():
    model = looping([], ["", "", "x"], BELOW, rows=False)
    model.w[...] = [0.9, 0.8]
    x, turns = np.array([0.1, 0.2]), 0
    wanted = x
    while True:
        wanted, turns = wanted * 0.5 + model.w, turns + 1
        if not wanted.sum() < 3:
            break
    assert turns > 2
    np.testing.assert_allclose(model(x), wanted)
    capped = looping([port("n", [], "int64")], ["n", "", "x"], BELOW, rows=False)
    capped.w[...] = model.w
    np.testing.assert_allclose(capped(x, 2), by_hand(x, model.w, 2)[0])


def test_a_loop_that_collects_as_long_as_data_let_it_is_refused():
    model = looping([], ["", "", "x"], BELOW)
    with pytest.raises(ExportError, match="how many rows it gives depends on data"):
        model(random(2, dtype=np.float64))


def test_a_scan_along_axes_in_both_directions():
    body = graph(
        [
            node("Mul", ["s", "half"], "h"),
            node("Add", ["h", "a"], "t"),
            node("Sub", ["t", "b"], "r"),
        ],
        [port("s", [2], "float64"), port("a", [2], "float64"), port("b", [2], "float64")],
        [port("t", [2], "float64"), port("r", [2], "float64")],
        {"half": np.array([0.5])},
    )
    made = node(
        "Scan",
        ["s0", "xs", "xs"],
        ["last", "rows"],
        body=body,
        num_scan_inputs=2,
        scan_input_axes=[1, 1],
        scan_input_directions=[0, 1],
        scan_output_axes=[1],
        scan_output_directions=[1],
    )
    ports = [port("s0", [2], "float64"), port("xs", [2, "steps"], "float64")]
    outputs = [port("last", [2], "float64"), port("rows", [2, "steps"], "float64")]
    model = load_onnx(data([made], ports, outputs))
    for steps in (4, 6, 7):
        s, xs = random(2, dtype=np.float64), random(2, steps, seed=1, dtype=np.float64)
        rows, state = [], s
        for k in range(steps):
            state = state * 0.5 + xs[:, k]
            rows.append(state - xs[:, steps - 1 - k])
        last, found = model(s, xs)
        np.testing.assert_allclose(last, state)
        np.testing.assert_allclose(found, np.stack(rows[::-1], axis=1))
        assert len(model._program.compiled.specializations) <= 2
