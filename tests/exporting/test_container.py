"""Graphs through JSON and back: equal, and anything that is no such file refused."""

import copy
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphc import ops
from graphc.errors import ExportError, Location
from graphc.exporting.container import from_json, to_json
from graphc.interp import evaluate
from graphc.ir import Graph, Note, close, fresh_input, make
from graphc.types import DTYPES, Dim, TensorType, floordiv, mod

F64, INT64 = DTYPES["float64"], DTYPES["int64"]
N, M = Dim.symbol("n"), Dim.symbol("m")
MATRIX = TensorType(F64, (N, 3))


def everything():
    """A graph with a loop, symbolic sizes, a token, a write, constants and the user's lines."""
    c, x, k = (fresh_input(TensorType(F64, (3,))) for _ in range(3))
    body = close([c, x, k], [ops.sin(ops.add(ops.multiply(c, x), k)), c], names=["c", "x", "k"])
    state, xs = fresh_input(TensorType(F64, (3,))), fresh_input(MATRIX)
    last, ys = ops.scan(body, [state], [xs], [ops.constant(np.arange(3.0))], N, reverse=True)
    quotient, rest = ops.divmod_(last, state)
    odd = ops.constant(np.array([np.nan, -0.0, np.inf]))
    token = ops.debug_print("{} \u2713", [rest], ops.token())
    wide = ops.reshape(ops.broadcast_to(ys, (2, N, 3)), (6 * N,))
    notes = {
        last.node: Note(Location("model.py", 3, 4, 9, "step"), "hidden"),
        rest.node: Note(None, "rest"),
    }
    return close(
        [state, xs],
        [ops.add(quotient, odd), wide, ops.size_value(floordiv(N * M + 1, 2)), token],
        written=(0, None, None, None),
        names=["state", "xs"],
        notes=notes,
    )


def test_a_graph_comes_back_equal():
    graph = everything()
    back = from_json(to_json(graph))
    assert back == graph
    assert all(a.node is b.node for a, b in zip(back.outputs, graph.outputs, strict=True))
    assert back.names == graph.names
    assert dict(back.notes) == dict(graph.notes)
    scan = next(node for node in back.nodes if node.op.name == "scan")
    assert scan.regions[0].names == ("c", "x", "k")
    assert to_json(back) == to_json(graph)


def test_it_computes_the_same():
    graph = everything()
    arrays = [np.array([0.5, 1.0, 2.0]), np.ones((4, 3))]
    for a, b in zip(
        evaluate(from_json(to_json(graph)), arrays, {"m": 3}),
        evaluate(graph, arrays, {"m": 3}),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "value", [0.0, -0.0, 1.5, np.nan, np.inf, -np.inf, 5e-324, True, 7, 2**62, 1 + 2j, -0.0j]
)
def test_constants_keep_every_bit(value):
    constant = ops.constant(value)
    graph = Graph((), (constant,))
    assert from_json(to_json(graph)).outputs == (constant,)


SIZES = st.recursive(
    st.integers(0, 9) | st.sampled_from([N, M]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda pair: pair[0] + pair[1]),
        st.tuples(inner, inner).map(lambda pair: pair[0] * pair[1]),
        st.tuples(inner, st.integers(1, 5)).map(lambda pair: floordiv(*pair)),
        st.tuples(inner, st.integers(1, 5)).map(lambda pair: mod(*pair)),
    ),
    max_leaves=6,
)


@given(SIZES)
def test_sizes_come_back_in_normal_form(size):
    graph = Graph((), (ops.size_value(size), ops.iota(size)))
    assert from_json(to_json(graph)) == graph


def test_a_chain_of_20_000_is_no_matter_of_recursion():
    x = fresh_input(TensorType(F64, ()))
    value = x
    for _ in range(20_000):
        value = ops.sin(value)
    graph = close([x], [value])
    assert from_json(to_json(graph)) == graph


def test_a_size_of_the_loop_ir_is_not_written():
    odd = Dim.symbol(("loop", 1))
    with pytest.raises(ExportError, match="can't be written"):
        to_json(Graph((), (ops.iota(odd),)))


# --- what is refused ------------------------------------------------------------------------------


def document():
    return json.loads(to_json(everything()))


def changed(path, value):
    """The file with the field at `path` replaced (removed, when `value` is ...)."""
    data = document()
    place = data
    for key in path[:-1]:
        place = place[key]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(data)


def node_of(op):
    return next(k for k, node in enumerate(document()["graph"]["nodes"]) if node["op"] == op)


SCAN, BROADCAST, SIZE = node_of("scan"), node_of("broadcast_to"), node_of("size")
CONSTANT, DIVMOD, PRINT = node_of("constant"), node_of("divmod"), node_of("print")
RESHAPE = node_of("reshape")
NODES = ("graph", "nodes")

BROKEN = {
    "format": (("format",), "onnx"),
    "no version": (("version",), ...),
    "newer version": (("version",), 2),
    "version as a bool": (("version",), True),
    "no nodes": (NODES, ...),
    "nodes no list": (NODES, {}),
    "unknown field": (("graph", "extra"), 1),
    "unknown op": ((*NODES, 0, "op"), "os.system"),
    "op no text": ((*NODES, 0, "op"), ["add"]),
    "op of an open input": ((*NODES, SIZE, "op"), "input"),
    "forward reference": ((*NODES, 0, "inputs"), [[30, 0]]),
    "its own output": ((*NODES, DIVMOD, "inputs", 0), [2 + DIVMOD, 0]),
    "negative reference": ((*NODES, DIVMOD, "inputs", 0), [-1, 0]),
    "no such output": ((*NODES, DIVMOD, "inputs", 0), [0, 1]),
    "reference no list": ((*NODES, DIVMOD, "inputs", 0), 0),
    "reference of bools": ((*NODES, DIVMOD, "inputs", 0), [False, 0]),
    "too few operands": ((*NODES, DIVMOD, "inputs"), [[0, 0]]),
    "too many operands": ((*NODES, RESHAPE, "inputs"), [[0, 0], [0, 0]]),
    "a token for an array": ((*NODES, DIVMOD, "inputs", 0), [2 + node_of("token"), 0]),
    "an effect without token": ((*NODES, PRINT, "inputs", 1), [0, 0]),
    "wrong types": ((*NODES, DIVMOD, "types", 0), ["float32", [3]]),
    "unknown dtype": ((*NODES, DIVMOD, "types", 0), ["object", [3]]),
    "negative size": (("graph", "inputs", 0), ["float64", [-3]]),
    "input of another type": (("graph", "inputs", 0), ["float64", [4]]),
    "missing attribute": ((*NODES, BROADCAST, "attrs", "shape"), ...),
    "unknown attribute": ((*NODES, DIVMOD, "attrs", "shape"), 1),
    "attribute of another kind": ((*NODES, BROADCAST, "attrs", "shape"), "abc"),
    "attribute a bare list": ((*NODES, BROADCAST, "attrs", "shape"), [1, 2]),
    "attribute of two kinds": ((*NODES, SIZE, "attrs", "size"), {"dim": 1, "float": "0x1p0"}),
    "bool for a size": ((*NODES, SIZE, "attrs", "size"), True),
    "short data": ((*NODES, CONSTANT, "attrs", "data"), {"bytes": "AAAA"}),
    "bad base64": ((*NODES, CONSTANT, "attrs", "data"), {"bytes": "?"}),
    "bad float": ((*NODES, CONSTANT, "attrs", "data"), {"float": "x"}),
    "unknown attribute dtype": ((*NODES, CONSTANT, "attrs", "dtype"), {"dtype": "object"}),
    "division by 0": ((*NODES, SIZE, "attrs", "size"), {"dim": [[1, [{"mod": [1, 0]}]]]}),
    "atom of another kind": ((*NODES, SIZE, "attrs", "size"), {"dim": [[1, [3.5]]]}),
    "negative length": ((*NODES, SCAN, "attrs", "length"), -1),
    "too many carries": ((*NODES, SCAN, "attrs", "n_carry"), 9),
    "reverse no bool": ((*NODES, SCAN, "attrs", "reverse"), 1),
    "no region": ((*NODES, SCAN, "regions"), []),
    "region where none is": ((*NODES, DIVMOD, "regions"), [document()["graph"]]),
    "broken region": ((*NODES, SCAN, "regions", 0, "outputs"), []),
    "output that is not there": (("graph", "outputs", 0), [99, 0]),
    "no such input written": (("graph", "written", 0), 7),
    "written of another type": (("graph", "written"), [None, 0, None, None]),
    "written twice": (("graph", "written"), [0, None, 0, None]),
    "written too short": (("graph", "written"), [0]),
    "names too short": (("graph", "names"), ["state"]),
    "name no text": (("graph", "names", 0), 3),
    "note too short": ((*NODES, DIVMOD, "note"), ["rest"]),
    "line no integer": ((*NODES, DIVMOD, "note"), ["", ["f.py", "1", 0, 0, ""]]),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused(name):
    path, value = BROKEN[name]
    text = changed(path, value)
    assert text != json.dumps(document())
    with pytest.raises(ExportError):
        from_json(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "null",
        "[]",
        '"graphc-graph"',
        "NaN",
        '{"format": "a", "format": "b"}',
        "[" * 100_000,
        "1" * 10_000,
    ],
    ids=range(9),
)
def test_what_is_no_such_json_is_refused(text):
    with pytest.raises(ExportError):
        from_json(text)


def test_the_message_says_where():
    with pytest.raises(ExportError, match=rf"graph\.nodes\[{DIVMOD}\].*no op named 'eval'"):
        from_json(changed((*NODES, DIVMOD, "op"), "eval"))
    with pytest.raises(ExportError, match=r"version 2 .* can't be read"):
        from_json(changed(("version",), 2))


def test_regions_nested_too_deep_are_refused():
    scan = document()["graph"]["nodes"][SCAN]
    inner = scan
    for _ in range(80):
        nested = copy.deepcopy(scan)
        nested["regions"][0]["nodes"] = [inner]
        inner = nested
    data = document()
    data["graph"]["nodes"][SCAN] = inner
    with pytest.raises(ExportError):
        from_json(json.dumps(data))


def test_every_attribute_of_every_op_is_declared():
    for node in everything().nodes:
        if node.op.name != "parameter":
            assert {name for name, _ in node.attrs} == set(node.op.attributes)
    with pytest.raises(ExportError):
        to_json(Graph((), (make(ops.OPS["size"], (), {"size": (object(),)}).out(),)))
