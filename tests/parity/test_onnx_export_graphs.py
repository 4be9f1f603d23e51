"""Exported graphs of many ops, and of any dtype, under ONNX Runtime.

Runs where ONNX Runtime is installed (``make parity``).
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_checks import graph_of, same

import graphc
from graphc import ops
from graphc.errors import ExportError
from graphc.interp import evaluate
from graphc.types import DTYPES, Dim
from graphc.verify import verify
from tests.codegen.random_graphs import Maker, arrays_for
from tests.functions.test_generated import ALL, function_of, outcome, programs
from tests.onnx.models import agree
from tests.parity.onnx_runtime import in_models_order, model_of, run

# --- ops on arrays, of every dtype ----------------------------------------------------------------

PLACE = ((1, 0), (2, 2), (1, 2))


def cumulated(combine, reverse=False):
    return lambda x, y: ops.cumulate(x, combine, 0, reverse)


OF_EVERY_DTYPE = {
    "sum": ("biuf", lambda x, y: ops.sum_(x, (0,))),
    "prod": ("biuf", lambda x, y: ops.prod(x, (1,))),
    "max": ("biuf", lambda x, y: ops.max_(x, (0, 1))),
    "min": ("biuf", lambda x, y: ops.min_(x, (1,))),
    "argmax": ("biuf", lambda x, y: ops.argmax(x, (0,))),
    "argmin": ("biuf", lambda x, y: ops.argmin(x, (0, 1))),
    "sort": ("biuf", lambda x, y: ops.sort(x)),
    "argsort": ("biuf", lambda x, y: ops.argsort(x)),
    "search": ("biuf", lambda x, y: ops.search(ops.reshape(ops.sort(y), (4,)), x, True)),
    "matmul": ("biuf", lambda x, y: ops.matmul(ops.transpose(x, (1, 0)), x)),
    "select": (
        "biuf",
        lambda x, y: ops.select(ops.less(x, ops.flip(x, (0,))), x, ops.flip(x, (0,))),
    ),
    "concatenate": ("biuf", lambda x, y: ops.concatenate([x, y], 0)),
    "slice": ("biuf", lambda x, y: ops.slice_(x, *PLACE)),
    "update": (
        "biuf",
        lambda x, y: ops.update(x, ops.slice_(x, (0, 0), (2, 2), (1, 1)), *PLACE[::2]),
    ),
    "embed": ("biuf", lambda x, y: ops.embed(x, (5, 6), (1, 2), (1, 1))),
    "embed apart": ("biuf", lambda x, y: ops.embed(x, (7, 4), (6, 0), (-3, 1))),
    "skew": ("biuf", lambda x, y: ops.skew(x)),
    "gather": ("biuf", lambda x, y: ops.gather(x, (ops.constant([2, -1]),), (0,))),
    "scatter": ("biuf", lambda x, y: ops.scatter(x, *written_twice(y))),
    "scatter_add": ("biuf", lambda x, y: ops.scatter_add(x, *written_twice(y))),
    "scatter_max": ("biuf", lambda x, y: ops.scatter_reduce(x, *written_twice(y), "maximum")),
    "scatter_multiply": ("iuf", lambda x, y: ops.scatter_reduce(x, *written_twice(y), "multiply")),
    "cumulate add": ("iuf", cumulated("add", True)),
    "cumulate multiply": ("iuf", cumulated("multiply")),
    "cumulate maximum": ("biuf", cumulated("maximum", True)),
    "cumulate minimum": ("biuf", cumulated("minimum")),
    "cumulate and": ("biu", cumulated("and")),
    "cumulate or": ("biu", cumulated("or", True)),
    **{
        f"cast to {name}": ("biuf", lambda x, y, name=name: ops.cast(x, DTYPES[name]))
        for name in DTYPES
        if not name.startswith("complex")
    },
}


def written_twice(values):
    """Values for three rows, of which two are one."""
    rows = ops.concatenate([values, values, values], 0)
    return rows, (ops.constant([2, 0, -1]),), (0,)


@pytest.mark.parametrize("dtype", [name for name in DTYPES if not name.startswith("complex")])
def test_arrays_of_every_dtype(dtype):
    kind = np.dtype(dtype).kind
    rows = np.array([[3, 1, 0, 2], [1, 1, 5, 0], [2, 7, 1, 1]])
    if kind in "if":
        rows[0] = -rows[0]
    x, y = rows.astype(dtype), np.array([[1, 4, 1, 0]]).astype(dtype)
    if kind == "f":
        x[1, 2] = np.nan
    for name, (kinds, build) in OF_EVERY_DTYPE.items():
        has_nan = kind == "f" and name.startswith("cast to") and "float" not in name
        if kind not in kinds or has_nan:
            continue
        graph = graph_of(build, [x, y])
        for actual, expected in zip(
            run(model_of(graph), x, y), evaluate(graph, [x, y]), strict=True
        ):
            same(actual, expected, ulps=4)


def test_whole_floats_of_every_integer_dtype():
    x = np.array([-300.0, -1.0, 0.0, 1.9, 127.0, 255.0, 70000.0])
    for name in DTYPES:
        if np.dtype(name).kind in "iu" and name != "uint64":
            graph = graph_of(lambda x, name=name: ops.cast(x, DTYPES[name]), [x])
            agree(run(model_of(graph), x), [x.astype(np.int64).astype(name)])


# --- graphs of many ops ---------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_random_graphs(seed):
    graph = verify(Maker(seed, (3, 4, 5), exact=False).graph(12))
    arrays = arrays_for(graph, np.random.default_rng(seed), {})
    expected = in_models_order(graph, evaluate(graph, arrays))
    agree(run(model_of(graph), *arrays), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(100, 130))
def test_random_graphs_of_symbolic_sizes(seed):
    dims = (Dim.symbol("n"), 3, Dim.symbol("m"))
    graph = verify(Maker(seed, dims, exact=False).graph(9))
    model = model_of(graph)
    for sizes in ({"n": 2, "m": 5}, {"n": 1, "m": 1}, {"n": 4, "m": 3}):
        arrays = arrays_for(graph, np.random.default_rng(seed), sizes)
        expected = in_models_order(graph, evaluate(graph, arrays, sizes))
        agree(run(model, *arrays), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "call"), ALL)
def test_functions_of_numpy(name, call):
    """A call of each function of NumPy that graphc has, on generated arrays."""

    @settings(max_examples=2, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def compare(data):
        text, arguments = data.draw(programs(name, call))
        plain = {key: np.array(array, order="C") for key, array in arguments.items()}
        function = function_of(text, plain)
        if (
            outcome(function, plain)[1] is None
            and outcome(graphc.compile(function), plain)[1] is None
        ):
            same_in_onnx(function, list(plain.values()))

    compare()


UNSAID = "no complex numbers|computes nothing|no axis of an input|bits of a float|linear algebra"


def same_in_onnx(function, arrays):
    """The model of a call agrees with the evaluator; or it is refused for a known reason."""
    compiled = graphc.compile(function)
    graph = compiled.lower(*arrays).graph
    try:
        model = model_of(graph)
    except ExportError as error:
        if not re.search(UNSAID, error.message):
            raise
        return
    given_arrays = [np.array(array) for array in compiled._inputs(tuple(arrays), {})[1][0]]
    for actual, expected in zip(
        run(model, *given_arrays),
        in_models_order(graph, evaluate(graph, given_arrays)),
        strict=True,
    ):
        same(actual, expected, ulps=64)
