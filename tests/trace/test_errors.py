"""Bad input: the class, the user's line with a caret, and what to write instead."""

import os
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

import graphc.errors as errors
from tests.trace.arrays import sample
from tests.trace.harness import traced, traced_call

GOLDEN = Path(__file__).parents[1] / "golden" / "trace_errors.txt"


def mismatched(x, y):
    return np.exp(x) + y


def product(x, y):
    return np.tanh(x @ y)


def branch(x, y):
    if x.sum() > 0:
        return x
    return y


def chained(x, y):
    return 0 < x[0, 0] < 1


def sampled(x, y):
    return x + np.random.normal(size=3)


def uncovered(x, y):
    return np.frompyfunc(abs, 1, 1)(x)


def selected(x, y):
    return x[x > 0].sum()


def converted(x, y):
    return int(x[0, 0])


def counted(x, y):
    return sum(range(x.sum()))


def foreign(x, y):
    return statistics.mean(x[0])


def joined(x, y):
    return np.concatenate([x, y], axis=1)


def reshaped(x, y):
    return x.reshape(5, -1)


def bounded(x, y):
    return x[3]


def casting(x, y):
    z = np.zeros(4, dtype=int)
    z += x[0]
    return z


def bits(x, y):
    return x & 1


def einsummed(x, y):
    return np.einsum("ij,jk->ik", x, y)


CASES = {
    mismatched: errors.ShapeError,
    product: errors.ShapeError,
    branch: errors.TraceError,
    chained: errors.TraceError,
    sampled: errors.TraceError,
    uncovered: errors.UnsupportedError,
    selected: errors.UnsupportedError,
    converted: errors.TraceError,
    counted: errors.TraceError,
    foreign: errors.TraceError,
    joined: errors.ShapeError,
    reshaped: errors.ShapeError,
    bounded: errors.OutOfBoundsError,
    casting: errors.DTypeError,
    bits: errors.DTypeError,
    einsummed: errors.ShapeError,
}


def message(function):
    with pytest.raises(CASES[function]) as caught:
        traced(function, sample((3, 4)), sample((2, 5)))
    text = str(caught.value).replace(str(Path(__file__).parents[2]) + "/", "")
    return f"{type(caught.value).__name__}: {text}"


@pytest.mark.parametrize("function", CASES, ids=lambda f: f.__name__)
def test_class_line_and_caret(function):
    text = message(function)
    assert "tests/trace/test_errors.py" in text
    assert f"in {function.__name__}" in text
    assert "^" in text


def test_messages_read_well():
    text = "\n\n".join(message(function) for function in CASES) + "\n"
    text = "\n".join(_without_line(line) for line in text.splitlines()) + "\n"
    if os.environ.get("GRAPHC_GOLDEN") == "write":
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def _without_line(line):
    """`line` without the line number, which changes."""
    head, found, rest = line.partition('", line ')
    return head + found + "…" + rest.lstrip("0123456789") if found else line


@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda x: float(x), "only 0-dimensional"),
        (lambda x: int(x.sum()), "int"),
        (lambda x: bool(x.sum() > 0), "bool"),
        (lambda x: bytes(x), "bytes"),
        (lambda x: range(x[0]), "range"),
        (lambda x: [1, 2, 3][x[0]], "index"),
        (lambda x: x[0] and 1, "branch"),
        (lambda x: not x[0], "branch"),
        (lambda x: x[0] in (1, 2), "branch"),
        (lambda x: 1.0 in x, "branch"),
        (lambda x: sorted([x[0], x[1]]), "branch"),
        (lambda x: max(x[0], x[1]), "branch"),
        (lambda x: {x[0]: 1}, "unhashable"),
        (lambda x: f"{x[0]:.3f}", "format"),
        (lambda x: x.tolist(), "tolist"),
        (lambda x: memoryview(x), ""),
        (lambda x: np.random.rand(3) + x, "graphc.random"),
        (lambda x: np.random.default_rng(0), "graphc.random"),
    ],
)
def test_needs_a_number(use, name):
    with pytest.raises(TypeError, match=name):
        traced(use, sample((3,)))


def test_arguments_that_are_no_arrays():
    with pytest.raises(errors.DTypeError, match="object"):
        traced(lambda x: x, np.array([object()], dtype=object))
    with pytest.raises(errors.DTypeError, match="float16"):
        traced(lambda x: x, np.zeros(3, np.float16))
    with pytest.raises(errors.DTypeError, match="<U1"):
        traced(lambda x: x, np.array(["a"]))
    with pytest.raises(errors.DTypeError, match="MaskedArray"):
        traced(lambda x: x, np.ma.masked_array([1.0]))
    with pytest.raises(errors.DTypeError, match="byte order"):
        traced(lambda x: x, np.zeros(3, np.dtype(">f8" if np.little_endian else "<f8")))
    with pytest.raises(errors.TraceError, match="set"):
        traced_call_named({1, 2})
    with pytest.raises(errors.TraceError, match="generator"):
        traced_call_named(k for k in range(3))


def traced_call_named(value):
    from graphc.trace.capture import Policy
    from graphc.trace.program import trace_program

    return trace_program(lambda x: x, (value,), {}, Policy(), names=("x",))


def test_a_generator_is_no_result():
    with pytest.raises(errors.TraceError, match="list or a tuple"):
        traced(lambda x: (row for row in x), sample((3,)))


def test_an_error_changes_nothing():
    def f(x, params):
        x += 1
        params["a"] = x
        return x @ np.ones(7)

    x, params = sample((3,)), {"a": 1.0}
    with pytest.raises(errors.ShapeError):
        traced(f, x, params)
    np.testing.assert_array_equal(x, sample((3,)))
    assert params == {"a": 1.0}


def test_static_attribute_assigned():
    class Counter:
        def __init__(self):
            self.steps = 0

        def __call__(self, x):
            self.steps += 1
            return x

    counter = Counter()
    with pytest.raises(errors.TraceError, match=r"0-d array"):
        traced(lambda x: counter(x), sample((3,)))
    assert counter.steps == 0


def test_a_traced_value_that_outlives_its_tracing():
    kept = []
    traced_call(lambda x: kept.append(x) or x, (sample((3,)),))
    if kept:
        with pytest.raises((RuntimeError, errors.TraceError)):
            kept[0] + 1


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (lambda x, y: x[0] @ y[0], "np.outer"),
        (lambda x, y: x.T @ y, "Slice|last axis|transposed"),
        (lambda x, y: x @ x, r"b\.T|a\.T"),
        (lambda x, y: x.reshape(5, 2), "-1"),
        (lambda x, y: np.concatenate([x, y[0]]), "None"),
        (lambda x, y: np.concatenate([x, y], axis=1), "axis="),
        (lambda x, y: np.stack([x, y]), "np.concatenate"),
        (lambda x, y: np.einsum("ijk,jk", x, y), "one letter"),
        (lambda x, y: np.einsum("ij,jk", x, y), "another letter"),
        (lambda x, y: x.__setitem__(0, y[0]), "x\\[:n\\] = value"),
        (lambda x, y: x.__setitem__([0, 1], y), "broadcasts"),
        (lambda x, y: x + y, "last on"),
        (lambda x, y: np.polynomial.polynomial.polyval(2.0, x), "lowest power"),
        (lambda x, y: np.frompyfunc(abs, 1, 1)(x), "np.vectorize"),
        (lambda x, y: np.require(x), "np.ascontiguousarray"),
        (lambda x, y: np.lib.stride_tricks.as_strided(x, (2,)), "sliding_window_view"),
    ],
)
def test_what_to_write_instead(function, hint):
    with pytest.raises(errors.GraphcError) as caught:
        traced(function, sample((3, 4)), sample((2, 5)))
    assert re.search(hint, caught.value.hint), caught.value.hint
