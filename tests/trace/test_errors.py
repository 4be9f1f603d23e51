"""Bad input: the class, the user's line with a caret, and what to write instead."""

import os
import re
import statistics
from pathlib import Path

import numpy as np
import pytest

import graphc
import graphc.errors as errors
from tests.trace.arrays import sample
from tests.trace.harness import same, traced, traced_call

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


def branch_in_try(x):
    try:
        if x.sum() > 0:
            return x * 2
    except Exception:
        pass
    return x


def number_in_try(x):
    try:
        scale = int(x[0])
    except TypeError:
        scale = 0
    return x * scale


def unsupported_in_try(x):
    try:
        return np.unique(x)
    except Exception:
        return x


def selection_in_try(x):
    try:
        return x[x > 1].sum()
    except Exception:
        return x


def draw_in_try(x):
    try:
        return x + np.random.rand(3)
    except TypeError:
        return x


def branch_in_try_in_a_loop(x):
    total = 0.0
    for k in range(400):
        try:
            total = total + (1 if x[k % 3] > 0 else 2)
        except Exception:
            total = total * 0
    return total


@pytest.mark.parametrize(
    "function",
    [
        branch_in_try,
        number_in_try,
        unsupported_in_try,
        selection_in_try,
        draw_in_try,
        branch_in_try_in_a_loop,
    ],
)
def test_a_refusal_that_user_code_catches_fails_all_the_same(function):
    with pytest.raises(errors.GraphcError, match="`except` around it") as caught:
        traced(function, sample((3,)))
    assert caught.value.location.function.endswith(function.__name__)
    with graphc.eager():
        x = np.array([1.0, 2.0, 2.0])
        if function not in (unsupported_in_try, selection_in_try, draw_in_try):
            np.testing.assert_array_equal(graphc.compile(function)(x), function(x))


def test_a_traced_number_is_no_key():
    def f(x):
        try:
            return {1.0: x * 2}[x[0]]
        except (TypeError, KeyError):
            return x

    with pytest.raises(errors.TraceError, match="unhashable"):
        traced(f, sample((3,)))
    with graphc.eager():
        np.testing.assert_array_equal(graphc.compile(f)(np.ones(3)), np.full(3, 2.0))


def test_a_catch_in_a_loop_that_can_run_while_tracing_is_no_error():
    table = [1.0, 2.0] * 200

    def f(x):
        total = 0.0
        for k in range(400):
            try:
                total = total + np.sin(x[0]) * table[k]
            except Exception:
                total = total * 0
        return total

    same(f, sample((3,)))


def test_a_scalar_is_not_iterable():
    def f(x):
        try:
            return sum(x[0])
        except TypeError:
            return x

    same(f, sample((3,)))


def test_a_catch_of_what_numpy_raises_too_is_no_error():
    def f(x):
        try:
            return x @ np.ones(7)
        except ValueError:
            return x * 2

    same(f, sample((3,)))


def test_a_size_that_must_be_static_in_a_try():
    def f(x):
        try:
            return x * [0.0, 1.0, 2.0, 3.0, 4.0, 5.0][len(x)]
        except Exception:
            return x * 0

    compiled = graphc.compile(f)
    for count in (2, 3, 4):
        np.testing.assert_array_equal(compiled(np.ones(count)), f(np.ones(count)))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: str(x[0]),
        lambda x: [repr(x)],
        lambda x: f"loss {x.sum()}",
        lambda x: f"chosen {x[x > 0]}",
        lambda x: "{} and {}".format(1, x[0]),  # noqa: UP032
        lambda x: "%s" % x[0],  # noqa: UP031
        lambda x: {str(x[0]): x},
        lambda x: {f"key {x[0]}": x},
        lambda x: {("a", f"{x[0]}"): x},
        lambda x: {f"a {x[0]}"},
        lambda x: 1.0 if str(x[0]) == "1.0" else 2.0,
        lambda x: graphc.debug_print(f"x is {x}"),
    ],
)
def test_a_string_made_of_a_traced_value_is_no_result(make):
    with pytest.raises(errors.TraceError, match=r"graphc\.debug_print") as caught:
        traced(make, sample((3,)))
    assert caught.value.location.function.endswith("<lambda>")


def test_a_string_made_of_a_traced_value_is_no_key_of_the_callers():
    held, names = {}, set()

    def f(x):
        held[f"at {x[0]}"] = x
        names.add(f"at {x[0]}")
        return x

    with pytest.raises(errors.TraceError, match=r"graphc\.debug_print"):
        graphc.compile(f)(sample((3,)))
    assert held == {}
    assert names == set()


def test_printing_while_tracing_goes_on(capsys):
    def f(x):
        print(x, f"{x[0]}", "a %s" % x[0], [x], str(x), repr(x))  # noqa: UP031
        return x * 2

    traced(f, sample((3,)))
    shown = capsys.readouterr().out
    assert shown.count("<traced float64[3]>") == 4
    assert shown.count("<traced float64[]>") == 2


def if_statement(x):
    if x[0] > 0:
        return x
    return -x


def while_statement(x):
    while x[0] < 10:
        x = x * 2
    return x


def assertion(x):
    assert x[0] > 0, "negative"
    return x


def on_two_lines(x):
    return (
        x[0] > 0
        and x[1] > 0
    )  # fmt: skip


@pytest.mark.parametrize(
    ("function", "hint"),
    [
        (if_statement, r"np\.where.*graphc\.cond"),
        (while_statement, r"graphc\.while_loop"),
        (assertion, "assert"),
        (on_two_lines, r"\(a > 0\) & \(b > 0\)"),
        (lambda x: 1 if x[0] > 0 else 2, r"np\.where.*graphc\.cond"),
        (lambda x: 0 < x[0] < 1, r"\(0 < x\[0\]\) & \(x\[0\] < 1\)"),
        (lambda x: x[0] > 0 or x[1] > 0, r"\|"),
        (lambda x: not x[0], r"np\.logical_not"),
        (lambda x: x[0] in (1, 2), r"np\.isin"),
        (lambda x: max(x[0], x[1]), r"np\.maximum"),
        (lambda x: min(x), r"np\.minimum.*x\.min\(\)"),
        (lambda x: sorted(x), r"np\.sort"),
        (lambda x: any(x > 0), r"np\.any"),
        (lambda x: 1 if x > 0 else 2, r"\.any\(\) or \.all\(\)"),
        (lambda x: 1 if x == None else 2, "x is None"),  # noqa: E711
        (lambda x: [k + 1 for k in range(int(x[0]))], r"graphc\.fori_loop.*graphc\.while_loop"),
        (lambda x: [k + 1 for k in range(x[0])], r"graphc\.fori_loop.*graphc\.while_loop"),
        (lambda x: [1, 2, 3][x[0]], r"np\.array\(table\)"),
        (lambda x: np.zeros(int(x[0])), "shape must not depend"),
        (lambda x: eval("1 if x[0] else 2", {}, {"x": x}), r"np\.where.*graphc\.cond"),
    ],
)
def test_what_to_write_instead_of_a_branch(function, hint):
    with pytest.raises(errors.TraceError) as caught:
        traced(function, sample((3,)))
    assert re.search(hint, caught.value.hint)
