"""Why neighbours are apart: one reason for each edge between two kernels, none within one."""

import numpy as np
import pytest

import graphc
from graphc import build as runtime
from graphc import ops
from graphc.fuse.values import kind_of
from graphc.ir import close
from graphc.lower.launch import Launch
from graphc.types import TensorType

from .codegen.graphs import tensor

RANDOM = np.random.default_rng(0)
INTEGERS = np.arange(12).reshape(3, 4)


def normal(*shape, dtype=np.float64):
    return RANDOM.standard_normal(shape).astype(dtype)


def arrays(*shapes):
    return [normal(*shape) for shape in shapes]


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mlp(w1, b1, w2, b2, x, y):
    def loss(w1, b1, w2, b2):
        hidden = np.maximum(x @ w1 + b1, 0)
        return np.mean((softmax(hidden @ w2 + b2) - y) ** 2)

    weights = (w1, b1, w2, b2)
    value, gradients = graphc.value_and_grad(loss, argnums=(0, 1, 2, 3))(*weights)
    return value, [w - 0.1 * g for w, g in zip(weights, gradients, strict=True)]


def layer_norm(x, scale):
    centred = x - x.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * scale


def whole_norm(x):
    return np.tanh(x / np.sqrt((x * x).sum()))[::-1]


def batched(x, w):
    return np.tanh(softmax(np.sin(x) @ np.cos(w)) @ np.exp(x)).sum(axis=0)


def integers(i):
    return (i * 2) @ (i.T + 1) * 3 + 1


def scatters(x, i):
    y = np.exp(x)
    y[i] += np.sin(x[i])
    y[1:3] = np.tanh(y[1:3])
    return y * 2, y.T


def scanned(x, w):
    def body(carry, row):
        carry = np.tanh(carry @ w + row)
        return carry, carry.sum() / softmax(carry @ w.T)

    last, rows = graphc.scan(body, np.sin(x[0]), np.cos(x))
    return last * 2, rows[::-1].sum(axis=1)


def reductions(x):
    a = np.exp(x).sum(axis=0)
    b = (x * a).max(axis=1)
    c = (b[:, None] - x).sum()
    return np.sqrt(c) * x, x.argmax(axis=1) + b.argmin(), (x.sum(axis=0) / b.sum()).prod()


def recomputed(x):
    small = x + 1
    return small.T @ np.sin(small), (small[::-1] * 2).sum(axis=0), np.exp(small).sum()


def copies(x):
    y = np.tanh(x)
    return y, y, y.T, y[::2], y.reshape(-1)[::-1], (np.stack([y, y.T + 1]) @ y)[0]


def pieces(x, y):
    both = np.concatenate([np.exp(x), np.sin(y)], axis=0)
    return np.where(both > both.mean(), both, both[::-1]), np.tile(both, 2)


def products(x, w):
    h = np.tanh(x)
    z = h @ w
    return softmax(z), z.T * 2, (z @ w).sum(), (h @ w.T)[::-1], np.maximum(z, 0) @ z, z.sum(axis=0)


def printed(x):
    y = np.exp(x)
    graphc.debug_print("{}", y)
    return y.sum() * y


def long_chain(x):
    y = x
    for k in [*range(130)]:  # over a list: nothing is kept as a loop
        y = np.sin(y) * x + k
    return y


PROGRAMS = {
    "mlp": (
        mlp,
        normal(50, 30),
        normal(30),
        normal(30, 5),
        normal(5),
        normal(64, 50),
        normal(64, 5),
    ),
    "mlp of odd sizes": (
        mlp,
        normal(1, 3),
        normal(3),
        normal(3, 1),
        normal(1),
        normal(1, 1),
        normal(1, 1),
    ),
    "softmax": (softmax, normal(7, 300)),
    "softmax of one": (softmax, normal(1, 1)),
    "layer norm": (layer_norm, normal(9, 64), normal(64)),
    "the norm of all": (whole_norm, normal(100_000)),
    "batched products": (batched, normal(4, 6, 6), normal(6, 6)),
    "large batched products": (batched, normal(4, 100, 100), normal(100, 100)),
    "every other column": (lambda x: np.sin(x)[:, ::2] @ x[:20] + 1, normal(40, 40)),
    "products of integers": (integers, INTEGERS),
    "complex product": (lambda z: np.exp(z) @ (z * 2) + 1, normal(3, 3) * 1j),
    "matrix times vector": (lambda x: np.tanh(np.exp(x) @ np.sin(x[0])) + 1, normal(40, 40)),
    "scatters": (scatters, normal(6, 3), np.array([4, 0])),
    "scan": (scanned, normal(5, 3), normal(3, 3)),
    "chained reductions": (reductions, normal(8, 5)),
    "chained reductions of none": (lambda x: np.exp(x).sum(axis=0) * 2, normal(0, 5)),
    "cheap and computed again": (recomputed, normal(40, 40)),
    "copies": (copies, normal(4, 4)),
    "pieces": (pieces, normal(3, 5), normal(1, 5)),
    "products": (products, normal(20, 20), normal(20, 20)),
    "products that are split": (products, normal(300, 300), normal(300, 300)),
    "print": (printed, normal(6)),
    "a long chain": (long_chain, normal(3)),
}


def steps_of(lowered):
    """A step and the steps inside it."""
    yield lowered
    for part in lowered.steps:
        if not isinstance(part, Launch):
            for body in getattr(part, "bodies", None) or (part.body,):
                yield from steps_of(body.lowered)


def computed(node):
    tensor = any(isinstance(type_, TensorType) for type_ in node.types)
    return node.op.name == "print" or (
        tensor and kind_of(node.out()) in ("point", "reduce", "template")
    )


def read_by(node):
    """The computed nodes that `node` reads, through views."""
    found, stack = set(), [v.node for v in node.inputs if isinstance(v.type, TensorType)]
    while stack:
        other = stack.pop()
        if computed(other):
            found.add(other)
        else:
            stack += [v.node for v in other.inputs if isinstance(v.type, TensorType)]
    return found


def contents(part):
    nodes = part.kernel.nodes if isinstance(part, Launch) else (part.node,)
    return {node for node in nodes if computed(node)}


@pytest.fixture(scope="module", params=PROGRAMS)
def executable(request):
    function, *args = PROGRAMS[request.param]
    compiled = graphc.compile(function)
    compiled.explain(*args)
    return compiled.specializations[-1].executable


def test_each_edge_between_kernels_has_one_reason(executable):
    entries = executable.apart
    edges = [(entry.producer, entry.consumer) for entry in entries if entry.consumer is not None]
    assert len(set(edges)) == len(edges)
    for lowered in steps_of(executable.lowered):
        kernels = [contents(part) for part in lowered.steps]
        for reader in {node for kernel in kernels for node in kernel}:
            for source in read_by(reader):
                made = any(source in kernel for kernel in kernels)
                together = any({source, reader} <= kernel for kernel in kernels)
                assert ((source, reader) in edges) == (made and not together)


def test_no_entry_is_within_a_kernel_and_each_says_why(executable):
    kernels = [
        (contents(part), lowered)
        for lowered in steps_of(executable.lowered)
        for part in lowered.steps
    ]
    for entry in executable.apart:
        assert entry.reason
        assert "{" not in entry.reason
        assert not any({entry.producer, entry.consumer} <= nodes for nodes, _ in kernels)
        if entry.consumer is None:
            assert "copy" in entry.reason
            continue
        (readers,) = [nodes for nodes, _ in kernels if entry.consumer in nodes][:1]
        seen, stack = set(), [entry.consumer]
        while stack:
            found = read_by(stack.pop()) - seen
            seen |= found
            stack += found & readers
        assert entry.producer in seen


def test_what_kernels_load_of_others_has_an_entry(executable):
    """Seen from the buffers: what a kernel loads and another stores is somewhere a producer."""
    for lowered in steps_of(executable.lowered):
        launches = [part for part in lowered.steps if isinstance(part, Launch)]
        for part in launches:
            for buffer in part.kernel.buffers:
                node = getattr(buffer.key, "node", None)
                if buffer.role != "read" or node is None or not computed(node):
                    continue
                entries = [e for e in executable.apart if e.producer is node]
                consumers = {entry.consumer for entry in entries}
                copied = any(isinstance(key, tuple) for key in part.writes)
                assert copied or consumers & contents(part), f"{node} into {part.kernel.name}"


@pytest.mark.parametrize(
    ("name", "producer", "consumer", "reason"),
    [
        ("products of integers", "matmul", "multiply", "integers"),
        ("complex product", "exp", "matmul", "BLAS"),
        ("batched products", "exp", "matmul", "batch"),
        ("batched products", "sin", "matmul", "not made by the rows"),
        ("every other column", "sin", "matmul", "copied first"),
        ("cheap and computed again", "sin", "matmul", "whole right operand"),
        ("scatters", "exp", "scatter", "scatter has a kernel"),
        ("scatters", "scatter", "update", "part of an array"),
        ("scan", "sin", "scan", "a loop is a step"),
        ("the norm of all", "sqrt", "divide", "whole reduction"),
        ("a long chain", "sin", "multiply", "at most 100"),
        ("copies", "tanh", "add", "add is computed where it is used"),
    ],
)
def test_reasons(name, producer, consumer, reason):
    function, *args = PROGRAMS[name]
    compiled = graphc.compile(function)
    compiled.clear_cache()  # sizes are known, whatever was compiled before
    entries = compiled.explain(*args).apart
    found = [e.reason for e in entries if (e.producer, e.consumer) == (producer, consumer)]
    assert any(reason in text for text in found), [str(entry) for entry in entries]


def test_the_report_shows_the_lines_of_both_ends():
    report = graphc.compile(whole_norm).explain(normal(100_000))
    (entry,) = report.apart
    assert [line.split(": ", 1)[1] for line in entry.lines] == [
        "return np.tanh(x / np.sqrt((x * x).sum()))[::-1]"
    ]
    printed = str(report)
    assert f"{entry.producer} -> {entry.consumer}: {entry.reason}" in printed
    assert printed.count(entry.lines[0]) >= 2


def test_the_report_on_many_alike_is_short():
    held = [normal(3) for _ in range(101)]
    report = graphc.compile(lambda held: [np.exp(x) for x in held]).explain(held)
    assert len(report.kernels) == 101
    assert str(report).count("\n") < 20
    assert "exp (101 times)" in str(report)
    assert "and 85 more)" in str(report)


def test_the_report_on_many_that_differ_says_where_all_are():
    held = [normal(k + 1) for k in range(40)]
    report = graphc.compile(lambda held: [np.exp(x) for x in held]).explain(held)
    assert "and 10 more: see .kernels" in str(report)


def test_a_copied_result_and_a_print():
    x = tensor("float64", 4, 4)
    y = ops.tanh(x)
    token = ops.debug_print("{}", [ops.exp(x)], ops.token())
    executable = runtime.build(close([x], [y, ops.transpose(y, (1, 0)), token]))
    found = {entry.names: entry.reason for entry in executable.apart}
    assert found == {
        ("tanh", "the result"): "result 2 of 3 is a copy of it",
        ("exp", "print"): "what is printed is handed over as whole arrays",
    }
