"""Exported models under ONNX Runtime: every op of the registry, networks, and training steps.

Runs where ONNX Runtime is installed (``make parity``).
"""

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_checks import graph_of, same
from op_samples import NO_SAMPLE, POINTWISE, SAMPLES, pointwise

import graphc
from graphc import nn, ops, optim
from graphc.errors import ExportError
from graphc.exporting.onnx.builder import OPSETS
from graphc.exporting.onnx.rules.refused import REASONS
from graphc.interp import evaluate
from graphc.ir import close, fresh_input, make
from graphc.ops import OPS
from graphc.types import DTYPES, Dim
from graphc.verify import verify
from tests.codegen.random_graphs import Maker, arrays_for
from tests.functions.test_generated import ALL, function_of, outcome, programs
from tests.onnx.models import agree, checked, feeds, reference, tensor

runtime = pytest.importorskip("onnxruntime")
runtime.set_default_logger_severity(4)

# Ops that ONNX Runtime has no CPU kernel for, of float64: ONNX's own evaluator stands in.
NO_KERNEL = {"convolve", "convolve_weights"}

# Ops that are exact to so many units in the last place of 1, not of small results: the runtime's
# Sigmoid is a polynomial, and the sum of a logaddexp may cancel.
TO_UNITS_OF_ONE = {"expit": 2, "logaddexp": 1}


def session(model):
    return runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])


def run(model, *arrays):
    return session(model).run(None, feeds(model, arrays))


def model_of(graph, **options):
    return checked(graph, inputs=[f"x{k}" for k in range(len(graph.inputs))], **options)


# --- every op of the registry ---------------------------------------------------------------------


def edges(dtype):
    if dtype.kind == "f":
        plain = [0, 1, 0.5, 1.5, 2.5, 3.7, 6, 100, 1e-8, 1e-3, 0.45, 20, np.inf]
        return np.array([*plain, *(-x for x in plain), -0.0, np.nan], dtype)
    if dtype.kind == "b":
        return np.array([True, False])
    info = np.iinfo(dtype)
    found = [0, 1, 2, 3, 7, info.max, info.max - 1, info.max // 2 + 1]
    signed = [-1, -2, -7, info.min, info.min + 1] if dtype.kind == "i" else []
    return np.array([*found, *signed], dtype)


def operands(entry, dtype):
    """The edges, with each other if there are two operands."""
    row = edges(dtype)
    count = getattr(entry.function, "nin", None) or max(len(entry.domains), 1)
    if entry.domains == (None,) and not isinstance(entry.function, np.ufunc):
        count = 1
    return [a.ravel() for a in np.meshgrid(*[row] * count)]


POINTWISE_CASES = [
    (name, dtype)
    for name, entry in POINTWISE.items()
    for dtype in DTYPES
    if np.dtype(dtype).kind in entry.kinds and name not in REASONS
    if np.dtype(dtype).kind != "c"
]


@pytest.mark.parametrize(("name", "dtype"), POINTWISE_CASES)
def test_pointwise(name, dtype):
    arrays = operands(POINTWISE[name], np.dtype(dtype))
    graph = graph_of(pointwise(name), arrays)
    found = run(model_of(graph), *arrays)
    units = TO_UNITS_OF_ONE.get(name, 0)
    atol = units * np.finfo(dtype).eps if units else 0
    agree(found, evaluate(graph, arrays), rtol=3e-6 if dtype == "float32" else 2e-14, atol=atol)


REAL_SAMPLES = [
    (name, k)
    for name, samples in SAMPLES.items()
    for k, sample in enumerate(samples)
    if name not in REASONS and not any(np.iscomplexobj(array) for array in sample.arrays)
]


@pytest.mark.parametrize(("name", "k"), REAL_SAMPLES)
def test_sample(name, k):
    sample = SAMPLES[name][k]
    arrays = [np.asarray(array) for array in sample.arrays]
    graph = graph_of(sample.build, arrays)
    if any(value.dtype.kind == "c" for value in graph.outputs):
        with pytest.raises(ExportError, match="complex"):
            model_of(graph)
        return
    model = model_of(graph)
    found = (reference if name in NO_KERNEL else run)(model, *arrays)
    agree(found, evaluate(graph, arrays), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NO_KERNEL)
def test_what_has_no_kernel_has_none(name):
    sample = SAMPLES[name][0]
    model = model_of(graph_of(sample.build, sample.arrays))
    with pytest.raises(runtime.capi.onnxruntime_pybind11_state.NotImplemented):
        session(model)
    single = [array.astype(np.float32) for array in sample.arrays]
    graph = graph_of(sample.build, single)
    agree(run(model_of(graph), *single), evaluate(graph, single), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", REASONS)
def test_what_onnx_cannot_say_says_why(name):
    if name in NO_SAMPLE:
        graph = graph_of_effect(name)
    elif name in POINTWISE:
        entry = POINTWISE[name]
        dtype = np.float64 if "f" in entry.kinds else np.complex128
        graph = graph_of(pointwise(name), [np.ones(3, dtype)] * max(len(entry.domains), 1))
    else:
        sample = SAMPLES[name][0]
        graph = graph_of(sample.build, [np.asarray(array) for array in sample.arrays])
    with pytest.raises(ExportError, match=REASONS[name] + "|no complex numbers"):
        model_of(graph)


def graph_of_effect(name):
    x = fresh_input(tensor("bool"))
    token = ops.token()
    if name == "print":
        token = ops.debug_print("{}", [x], token)
    elif name == "breakpoint":
        token = ops.breakpoint_if(x, [], "here", token)
    return close([x], [x, token])


def test_no_op_is_left_out():
    own = {name for name, op in OPS.items() if not op.infer.__module__.startswith("graphc.")}
    seen = {name for name, _ in POINTWISE_CASES} | {name for name, _ in REAL_SAMPLES}
    checks = {"require", "require_division", "require_finite", "require_bounds"}
    assert seen | set(REASONS) | checks == set(OPS) - own
    assert not seen & set(REASONS)


@pytest.mark.parametrize("name", ["require", "require_division", "require_finite"])
def test_a_check_stops_the_model(name):
    x, holds = fresh_input(tensor("float64", 3)), fresh_input(tensor("bool", 3))
    graph = close([x, holds], [make(OPS[name], (x, holds), {"problem": "not so"}).out()])
    model = model_of(graph)
    rows = np.arange(3.0)
    agree(run(model, rows, np.ones(3, bool)), [rows])
    with pytest.raises(Exception, match="out of data bounds"):
        run(model, rows, np.array([True, False, True]))


@pytest.mark.parametrize("build", [ops.scatter, ops.scatter_add])
def test_an_index_out_of_bounds_stops_the_model(build):
    x, v, i = (fresh_input(tensor(d, n)) for d, n in (("float64", 3), ("float64", 2), ("int64", 2)))
    written = model_of(close([x, v, i], [build(x, v, (i,), (0,))]))
    read = model_of(close([x, i], [ops.gather(x, (i,), (0,))]))
    for outside in (3, -4):
        with pytest.raises(Exception, match=r"invalid indice|out of data bounds"):
            run(written, np.zeros(3), np.ones(2), np.array([0, outside]))
        with pytest.raises(Exception, match="out of data bounds"):
            run(read, np.zeros(3), np.array([0, outside]))


SINCE = {"threefry2x32": 18, "scatter": 18, "scatter_add": 16, "scatter_reduce": 16}


@pytest.mark.parametrize("opset", [number for number in OPSETS if number != 21])
def test_every_opset_of_what_it_has(opset):
    """One sample of each op: it runs, or its refusal names the opset that it needs."""
    assert set(SINCE) <= set(SAMPLES)
    for name, k in REAL_SAMPLES:
        if k or name in NO_KERNEL:
            continue
        arrays = [np.asarray(array) for array in SAMPLES[name][0].arrays]
        graph = graph_of(SAMPLES[name][0].build, arrays)
        if opset < SINCE.get(name, OPSETS[0]):
            with pytest.raises(ExportError, match=f"from opset {SINCE[name]} on"):
                model_of(graph, opset=opset)
            continue
        model = model_of(graph, opset=opset)
        agree(run(model, *arrays), evaluate(graph, arrays), rtol=1e-12, atol=1e-14)


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
    agree(run(model_of(graph), *arrays), evaluate(graph, arrays), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(100, 130))
def test_random_graphs_of_symbolic_sizes(seed):
    dims = (Dim.symbol("n"), 3, Dim.symbol("m"))
    graph = verify(Maker(seed, dims, exact=False).graph(9))
    model = model_of(graph)
    for sizes in ({"n": 2, "m": 5}, {"n": 1, "m": 1}, {"n": 4, "m": 3}):
        arrays = arrays_for(graph, np.random.default_rng(seed), sizes)
        expected = evaluate(graph, arrays, sizes)
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
        run(model, *given_arrays), evaluate(graph, given_arrays), strict=True
    ):
        same(actual, expected, ulps=64)


# --- networks -------------------------------------------------------------------------------------

RNG = np.random.default_rng(3)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def network(module, x, *, others=(), spec=None, rtol=1e-4, atol=1e-5):
    """The model of a network, its weights in it, gives what the network gives."""
    forward = graphc.compile(lambda module, x: module(x))
    graph = forward.lower(module, spec or x).graph
    arrays = forward._inputs((module, x), {})[1][0]
    number = graph.names.index("x")
    weights = {k: np.array(array) for k, array in enumerate(arrays) if k != number}
    forward.clear_cache()  # The code of the lambda is one for all networks.
    model = checked(graph, constants=weights)
    assert [port.name for port in model.graph.input] == ["x"]
    for images in (x, *others):
        expected = forward(module, images)
        agree(
            run(model, images), expected if isinstance(expected, tuple) else [expected], rtol, atol
        )
    return model


def test_a_multilayer_perceptron():
    module = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), nn.Softmax(-1))
    batch = graphc.spec(("batch", 4), np.float32)
    network(module, normal(5, 4), others=[normal(1, 4), normal(17, 4)], spec=batch)


def test_in_double_precision():
    module = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 3)).to(np.float64)
    network(module, RNG.normal(size=(5, 4)), rtol=1e-12, atol=1e-14)


def resnet():
    path = Path(__file__).parents[2] / "examples" / "resnet.py"
    spec = importlib.util.spec_from_file_location("resnet_example", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ResNet((1, 1, 1, 1), 4, 1)


def test_a_residual_network():
    module = resnet()
    module.eval()
    images = graphc.spec(("batch", 1, 32, 32), np.float32)
    model = network(module, normal(2, 1, 32, 32), others=[normal(3, 1, 32, 32)], spec=images)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 12
    assert kinds.count("Relu") == 9
    assert kinds.count("Transpose") == 1  # of the last layer's weight


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
def test_a_recurrent_network(layer):
    class Network(nn.Module):
        def __init__(self):
            self.layer = layer(3, 4, num_layers=2)

        def forward(self, x):
            return self.layer(x)[0]

    time = graphc.spec(("time", "batch", 3), np.float32)
    model = network(Network(), normal(5, 2, 3), others=[normal(9, 1, 3)], spec=time)
    assert [node.op_type for node in model.graph.node].count("Scan") == 2


class Block(nn.Module):
    def __init__(self, causal=False):
        self.attention = nn.MultiHeadAttention(8, 2)
        self.first, self.last = nn.LayerNorm(8), nn.LayerNorm(8)
        self.wide, self.narrow = nn.Linear(8, 16), nn.Linear(16, 8)

    def forward(self, x):
        h = self.first(x)
        x = x + self.attention(h, h, h)[0]
        return x + self.narrow(nn.gelu(self.wide(self.last(x))))


def test_a_transformer():
    tokens = graphc.spec(("time", "batch", 8), np.float32)
    network(Block(), normal(4, 3, 8), others=[normal(7, 1, 8)], spec=tokens)


class Causal(nn.Module):
    def __init__(self):
        self.project = nn.Linear(8, 24)

    def forward(self, x):
        q, k, v = np.split(self.project(x), 3, axis=-1)
        return nn.attention(q, k, v, is_causal=True)


def test_causal_attention():
    tokens = graphc.spec(("batch", "time", 8), np.float32)
    network(Causal(), normal(2, 5, 8), others=[normal(1, 300, 8)], spec=tokens)


def test_an_embedding_checks_its_tokens():
    model = network(nn.Embedding(11, 4), RNG.integers(0, 11, (3, 5)))
    with pytest.raises(Exception, match="out of"):
        run(model, np.full((3, 5), 11))


# --- training steps -------------------------------------------------------------------------------


def train(module, optimizer, x, y, turns=4, rtol=2e-3, atol=1e-4):
    """A model of a whole step, fed with its own outputs, trains as the compiled step does."""

    @graphc.compile
    def step(model, optimizer, x, y):
        loss, gradients = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        optimizer.step(model, gradients)
        return loss

    graph = step.lower(module, optimizer, x, y).graph
    model = checked(graph, outputs=["loss"])
    state = feeds(model, [np.array(a) for a in step._inputs((module, optimizer, x, y), {})[1][0]])
    names = [port.name for port in model.graph.output]
    running = session(model)
    for _ in range(turns):
        found = dict(zip(names, running.run(None, state), strict=True))
        np.testing.assert_allclose(found["loss"], step(module, optimizer, x, y), rtol)
        state |= {name: found[f"{name}_out"] for name in state if f"{name}_out" in found}
    after = step._inputs((module, optimizer, x, y), {})[1][0]
    for (name, actual), expected in zip(state.items(), after, strict=True):
        np.testing.assert_allclose(actual, expected, rtol, atol, err_msg=name)


LABELS = np.array([0, 1, 2, 1, 0])


def test_training_with_sgd():
    module = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    train(module, optim.SGD(module, 0.1, momentum=0.9), normal(5, 4), LABELS)


def test_training_with_adam():
    module = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3))
    train(module, optim.Adam(module), normal(5, 4), LABELS)


def test_training_a_convolutional_network_with_dropout():
    """The random bits of dropout are the same, too."""
    module = nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 4, 3, groups=2),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(16, 3),
    )
    train(module, optim.SGD(module, 0.1), normal(5, 1, 12, 12), LABELS)


def test_training_with_any_batch():
    """One model of a step, with sizes of the batch of its own."""
    module = LastState()
    optimizer = optim.SGD(module, 0.1)

    @graphc.compile
    def step(model, optimizer, x, y):
        loss, gradients = graphc.value_and_grad(lambda m: nn.cross_entropy(m(x), y))(model)
        optimizer.step(model, gradients)
        return loss

    x = graphc.spec(("time", "batch", 4), np.float32)
    y = graphc.spec(("batch",), np.int64)
    graph = step.lower(module, optimizer, x, y).graph
    model = checked(graph, outputs=["loss"])
    for time, batch in ((7, 5), (3, 2), (1, 1)):
        example = (module, optimizer, normal(time, batch, 4), RNG.integers(0, 3, batch))
        state = feeds(model, [np.array(a) for a in step._inputs(example, {})[1][0]])
        loss = dict(
            zip([p.name for p in model.graph.output], session(model).run(None, state), strict=True)
        )
        np.testing.assert_allclose(loss["loss"], step(*example), 1e-4)


class LastState(nn.Module):
    def __init__(self):
        self.layer, self.head = nn.LSTM(4, 8), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.layer(x)[0][-1])


def test_training_a_recurrent_network():
    module = LastState()
    train(module, optim.SGD(module, 0.1), normal(7, 5, 4), LABELS)


# --- loops, sizes and random numbers --------------------------------------------------------------


def same_as_compiled(function, *arrays, rtol=1e-6, **options):
    compiled = graphc.compile(function)
    model = checked(compiled.lower(*arrays).graph, **options)
    expected = compiled(*arrays)
    agree(run(model, *arrays), expected if isinstance(expected, tuple) else [expected], rtol)
    return model


def test_scan_both_ways_and_within_a_scan():
    def inner(total, row):
        return graphc.scan(lambda c, x: (c + x, np.sin(c)), total, row)

    def outer(x):
        total, rows = graphc.scan(inner, x[0, 0] * 0, x)
        return total, rows, *graphc.scan(lambda c, r: (c * r, c), x[0], x, reverse=True)

    same_as_compiled(outer, RNG.normal(size=(3, 4)) + 1)


def test_a_scan_over_nothing_and_loops_of_data():
    def loops(x, n):
        state, seen = graphc.scan(lambda c, _: (c * 2, c), x, None, length=4)
        counted = graphc.while_loop(
            lambda s: s[0] < n, lambda s: (s[0] + 1, np.cos(s[1]) + state), (n * 0, x)
        )
        return state, seen, *counted

    for n in (0, 5):
        same_as_compiled(loops, RNG.normal(size=3), np.array(n))


def test_branches_that_read_around_them():
    def branch(x, flag):
        y = np.sin(x)
        return graphc.cond(flag, lambda v: v + y, lambda v: (v * y).sum() + v, x)

    for flag in (True, False):
        same_as_compiled(branch, RNG.normal(size=3), np.array(flag))


def test_the_gradient_of_a_loop():
    def loss(x):
        return graphc.scan(lambda c, row: (np.sin(c * row), c), x[0], x)[0].sum()

    same_as_compiled(graphc.grad(loss), RNG.normal(size=(4, 3)), rtol=1e-10)


def test_random_numbers_are_the_same():
    def draw(key):
        first, second = graphc.random.split(key)
        return (
            graphc.random.uniform(first, (4,)),
            graphc.random.normal(second, (4,)),
            graphc.random.randint(first, (5,), 0, 1000),
            graphc.random.permutation(second, 6),
            graphc.random.bernoulli(first, 0.3, (7,)),
        )

    same_as_compiled(draw, graphc.random.key(11), rtol=1e-12)


def test_running_results_along_a_symbolic_axis():
    n = Dim.symbol("n")
    x = fresh_input(tensor("float64", n, 3))
    found = [ops.cumulate(x, kind, 0, kind == "maximum") for kind in ("add", "multiply", "maximum")]
    graph = close([x], [*found, ops.sort(ops.transpose(x, (1, 0))), ops.prod(x, (0,))])
    model = model_of(graph)
    for count in (1, 4):
        array = RNG.normal(size=(count, 3))
        for actual, expected in zip(run(model, array), evaluate(graph, [array]), strict=True):
            same(actual, expected, ulps=8)


def test_symbolic_sizes_that_are_zero():
    n = Dim.symbol("n")
    x = fresh_input(tensor("float64", n, 4))
    flat = ops.reshape(x, (n * 4,))
    found = [flat, ops.reshape(x, (n * 2, 2)), ops.flip(x, (0,)), ops.sum_(x, (0,)), ops.sort(x)]
    graph = close(
        [x], [*found, ops.concatenate([x, x], 0), ops.matmul(x, ops.transpose(x, (1, 0)))]
    )
    model = model_of(graph)
    for count in (0, 3):
        array = RNG.normal(size=(count, 4))
        agree(run(model, array), evaluate(graph, [array]), rtol=1e-12)


def test_a_convolution_with_symbolic_and_negative_padding():
    n = Dim.symbol("n")
    x, w = (
        fresh_input(tensor("float32", 1, 1, 1, n, 6)),
        fresh_input(tensor("float32", 1, 2, 1, 2, 2)),
    )
    wide = ops.convolve(x, w, low=(0, -1), high=(n, 2))
    graph = close([x, w], [wide, ops.convolve(x, w, low=(1, -2), high=(-1, 0))])
    model = model_of(graph)
    for count in (3, 5):
        arrays = [normal(1, 1, 1, count, 6), normal(1, 2, 1, 2, 2)]
        agree(run(model, *arrays), evaluate(graph, arrays), rtol=1e-4, atol=1e-6)
