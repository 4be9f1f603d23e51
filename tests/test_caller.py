"""The native caller: what it accepts, what it gives and owns; the Python path beside it."""

import gc
import subprocess
import sys
import threading
import tracemalloc

import numpy as np
import pytest

import graphc

FLOATS = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)


def native(function, *args):
    """The results of three calls of a compiled function, the last two native, and the form."""
    compiled = graphc.compile(function)
    results = [compiled(*args) for _ in range(3)]
    form = compiled.specializations[0]
    assert form.caller is not None
    assert len(form.caller._records) == 1
    return results, form


def refuse(*_):
    raise AssertionError("the call took the Python path")


def only_native(compiled, monkeypatch):
    """From now on a call that is not native fails."""
    for form in compiled.specializations:
        monkeypatch.setattr(form.executable, "run", refuse)


@pytest.mark.parametrize(
    ("function", "args"),
    [
        pytest.param(lambda x: x + 1, (FLOATS,), id="array"),
        pytest.param(lambda x: x.sum(), (FLOATS,), id="scalar"),
        pytest.param(lambda x: x[0, 0] > 0, (FLOATS,), id="bool scalar"),
        pytest.param(lambda a, b: a * b, (2.5, 1.5), id="floats"),
        pytest.param(lambda a, b: a * b, (2.5 + 1j, 1.5), id="complex"),
        pytest.param(lambda a, b: a < b, (2.5, 1.5), id="bool"),
        pytest.param(lambda a, x: a * x, (np.float32(3), FLOATS), id="numpy scalar"),
        pytest.param(lambda a, b: a - b, (np.int8(3), np.complex64(2 + 1j)), id="numpy scalars"),
        pytest.param(lambda x: (x, x.T, x * 2, [x.sum(), {"a": x[0]}]), (FLOATS,), id="nested"),
        pytest.param(lambda x: x * 2, (np.float64(3.5).reshape(()),), id="no axes"),
        pytest.param(lambda x: x * 2, (np.zeros((3, 0)),), id="no elements"),
        pytest.param(lambda x: x * 2, (FLOATS.T,), id="transposed"),
        pytest.param(lambda x: x * 2, (FLOATS[::-1, ::2],), id="strided"),
        pytest.param(lambda x, s: x.reshape(s, -1) + s, (FLOATS, 2), id="int"),
        pytest.param(lambda x: np.outer(x, x), (np.arange(300.0),), id="large"),
    ],
)
def test_the_same_kinds_as_the_python_path(function, args):
    (first, *later), _ = native(function, *args)
    for result in later:
        assert repr(result) == repr(first)
        for ours, theirs in zip(leaves(result), leaves(first), strict=True):
            assert type(ours) is type(theirs)
            if isinstance(ours, np.ndarray):
                assert ours.flags.num == theirs.flags.num
                assert ours.strides == theirs.strides
                assert (ours.base is None) == (theirs.base is None)
                np.testing.assert_array_equal(ours, theirs)


def leaves(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [leaf for item in value for leaf in leaves(item)]
    return [value]


def noted(array):
    """A copy whose dtype is equal, but another object."""
    array = array.copy()
    array.dtype = np.dtype(array.dtype, metadata={"note": 1})
    return array


def test_the_later_calls_are_native(monkeypatch):
    compiled = graphc.compile(lambda x, s: (x * s).sum())
    compiled(FLOATS, 2.0)
    only_native(compiled, monkeypatch)
    assert compiled(FLOATS, 3.0) == pytest.approx((FLOATS * 3).sum(), abs=1e-6)
    with pytest.raises(AssertionError, match="Python path"):
        compiled(noted(FLOATS), 3.0)


class Sub(np.ndarray):
    """A subclass."""


def changed(array, **flags):
    array = array.copy()
    array.setflags(**flags)
    return array


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(FLOATS.astype(np.float64), id="dtype"),
        pytest.param(FLOATS[:2], id="shape"),
        pytest.param(FLOATS[0], id="rank"),
        pytest.param(np.asfortranarray(FLOATS), id="order"),
        pytest.param(changed(FLOATS, write=False), id="read-only"),
        pytest.param(np.float32(2), id="scalar"),
        pytest.param(2.5, id="number"),
        pytest.param(3, id="int"),
    ],
)
def test_another_argument_is_another_form(other):
    compiled = graphc.compile(lambda x: x * 2)
    for _ in range(2):
        np.testing.assert_array_equal(compiled(FLOATS), FLOATS * 2)
        np.testing.assert_array_equal(compiled(other), other * 2)
        assert type(compiled(other)) is type(other * 2)


def test_a_subclass_is_refused_as_before():
    compiled = graphc.compile(lambda x: x * 2)
    compiled(FLOATS)
    compiled(FLOATS)
    with pytest.raises(graphc.DTypeError):
        compiled(FLOATS.view(Sub))


def test_a_misaligned_array():
    raw = np.zeros(4 * 12 + 1, np.uint8)[1:].view(np.float32)
    raw[...] = FLOATS.ravel()
    compiled = graphc.compile(lambda x: x * 2)
    for array in (FLOATS.ravel(), raw, FLOATS.ravel(), raw):
        np.testing.assert_array_equal(compiled(array), FLOATS.ravel() * 2)


def test_an_equal_dtype_that_is_another_object():
    compiled = graphc.compile(lambda x: x * 2)
    for given in (FLOATS, noted(FLOATS), FLOATS):
        np.testing.assert_array_equal(compiled(given), FLOATS * 2)
    assert len(compiled.specializations) == 1


def test_symbolic_sizes(monkeypatch):
    compiled = graphc.compile(lambda x, y: x @ y + x.shape[0])
    compiled.lower(graphc.spec(("n", "k"), "f4"), graphc.spec(("k", 3), "f4")).compile()
    shapes = [(n, k) for n in (1, 2, 5) for k in (1, 4)]
    for _ in range(3):
        for n, k in shapes:
            x, y = np.ones((n, k), np.float32), np.ones((k, 3), np.float32)
            np.testing.assert_array_equal(compiled(x, y), np.full((n, 3), k + n))
        only_native(compiled, monkeypatch)
    assert len(compiled.specializations) == 1
    monkeypatch.undo()
    with pytest.raises(graphc.ShapeError):
        compiled(np.ones((2, 3), np.float32), np.ones((2, 3), np.float32))


def test_more_sizes_than_the_form_has_places_for():
    compiled = graphc.compile(lambda x: x.sum() + x.shape[0])
    compiled.lower(graphc.spec(("n",), "f4")).compile()
    for _ in range(3):
        for n in range(1, 30):
            assert compiled(np.ones(n, np.float32)) == 2 * n
    assert len(compiled.specializations) == 1
    assert len(compiled.specializations[0].caller._records) == 29


def any_size(function):
    """The function, compiled for one argument of any size, and its form."""
    compiled = graphc.compile(function)
    compiled.lower(graphc.spec(("n",), "f8")).compile()
    return compiled, compiled.specializations[0]


def test_old_sizes_are_forgotten(monkeypatch):
    monkeypatch.setattr("graphc.runtime.caller.MOST_RECORDS", 20)
    monkeypatch.setattr("graphc.runtime.executable.MOST_PLANS", 20)
    compiled, form = any_size(lambda x: x + x.shape[0])
    for n in [*range(1, 100), *range(1, 100)]:
        np.testing.assert_array_equal(compiled(np.ones(n)), np.full(n, 1.0 + n))
        assert len(form.caller._records) <= 20
        assert len(form.executable._plans) <= 20


def test_sizes_that_another_call_runs_with_are_not_forgotten(monkeypatch):
    monkeypatch.setattr("graphc.runtime.caller.MOST_RECORDS", 8)
    started, go_on, results = threading.Event(), threading.Event(), []

    class Waiting(str):
        def format(self, *values):
            started.set()
            go_on.wait()
            return ""

    def shown(x):
        graphc.cond(x[0] > 0, lambda: graphc.debug_print(Waiting("{}"), x[0]), lambda: None)
        return np.cumsum(x)

    go_on.set()  # the format is tried while tracing, too
    compiled, form = any_size(shown)
    for _ in range(2):
        compiled(np.ones(9))
    go_on.clear()
    thread = threading.Thread(target=lambda: results.append(compiled(np.ones(9))), daemon=True)
    started.clear()
    thread.start()
    started.wait()
    for n in range(10, 40):
        compiled(np.zeros(n))
    kept = list(form.caller._records)
    go_on.set()
    thread.join()
    assert (9,) in kept
    assert len(kept) < 12
    np.testing.assert_array_equal(results[0], np.cumsum(np.ones(9)))
    for n in range(40, 50):
        compiled(np.zeros(n))
    assert (9,) not in form.caller._records


def test_strides_that_vary_share_a_form(monkeypatch):
    base = np.arange(60.0).reshape(6, 10)
    compiled = graphc.compile(lambda x: x * 2)
    views = [base[:3, :4], np.arange(21.0).reshape(3, 7)[:, :4]]
    for view in views:
        np.testing.assert_array_equal(compiled(view), view * 2)
    only_native(compiled, monkeypatch)
    for view in views:
        np.testing.assert_array_equal(compiled(view), view * 2)


def test_a_huge_int_is_no_size():
    compiled = graphc.compile(lambda x, n: x + n)
    for n in (2, 3, 4):
        compiled(np.zeros(3), n)
    assert compiled(np.zeros(3), 5)[0] == 5
    with pytest.raises((OverflowError, graphc.GraphcError)):
        compiled(np.zeros(3, np.int8), 1 << 80)


def test_arguments_that_overlap():
    compiled = graphc.compile(lambda x, y: np.add(x, y, out=x))
    compiled(np.zeros(3), np.ones(3))
    for _ in range(2):
        base, plain = np.arange(5.0), np.arange(5.0)
        compiled(base[:3], base[1:4])
        plain[:3] += plain[1:4].copy()
        np.testing.assert_array_equal(base, plain)
    array = np.ones(3)
    np.testing.assert_array_equal(compiled(array, np.ones(3)), [2, 2, 2])


def test_an_index_out_of_bounds_is_told_as_before():
    compiled = graphc.compile(lambda x, i: x[i])
    index = np.array([0, 2])
    assert compiled(np.arange(3.0), index)[1] == 2
    index[1] = 7
    for _ in range(2):
        with pytest.raises(IndexError, match="index 7 is out of bounds for an axis of size 3"):
            compiled(np.arange(3.0), index)


def test_wrong_arguments_of_the_built_in():
    _, form = native(lambda x: x + 1, FLOATS)
    assert form.caller.call() is None
    assert form.caller.call(FLOATS, FLOATS) is None
    assert form.caller.call(None) is None
    with pytest.raises(TypeError):
        form.caller.call(x=FLOATS)


def test_reference_counts_are_left_as_they_were():
    x, y, s = FLOATS.copy(), np.ones(4, np.float32), 1234.5
    compiled = graphc.compile(
        lambda x, y, s: (x * y, (x * s).sum(), s * 2.0, np.outer(x, x), np.add(y, 0, out=y))
    )
    held = [x, y, s, x.dtype, np.dtype(np.float32), np.ndarray, np.float32, float]
    for _ in range(4):
        compiled(x, y, s)
    before = [sys.getrefcount(item) for item in held]
    none = sys.getrefcount(None)
    for _ in range(1000):
        compiled(x, y, s)
    assert [sys.getrefcount(item) for item in held] == before
    assert abs(sys.getrefcount(None) - none) < 100
    results = compiled(x, y, s)
    assert [sys.getrefcount(results[k]) for k in range(4)] == [2, 2, 2, 2]
    assert results[4] is y


def test_reference_counts_after_failures():
    x, index, y = np.arange(3.0), np.array([9]), np.arange(5.0)
    lookup = graphc.compile(lambda x, i: (x * 2, x[i]))
    lookup(x, np.array([1]))
    add = graphc.compile(lambda x, y: np.add(x, y, out=x))
    add(x, x.copy())
    held = [x, index, y, x.dtype]
    before = []
    for turn in range(100):
        with pytest.raises(IndexError):
            lookup(x, index)
        add(y[:3], y[1:4])
        if turn == 10:
            gc.collect()
            before = [sys.getrefcount(item) for item in held]
    gc.collect()
    assert [sys.getrefcount(item) for item in held] == before


def test_nothing_leaks():
    compiled = graphc.compile(lambda x: (x * 2, x.sum(), float(2) * x[0, 0], np.outer(x, x)))
    large = graphc.compile(lambda x: x * 2)
    array = np.ones(1 << 16)
    tracemalloc.start()
    try:
        for turn in range(3000):
            if turn == 1000:
                before = tracemalloc.get_traced_memory()[0]
            compiled(FLOATS)
            large(array)
        assert tracemalloc.get_traced_memory()[0] - before < 4096
    finally:
        tracemalloc.stop()


def test_threads_at_once():
    compiled = graphc.compile(lambda x, s: (x * s, (x + s).sum()))
    arrays = [np.full((200, 200), k, np.float64) for k in range(4)]
    compiled(arrays[0], 1.0)
    wrong = []

    def work(number):
        for turn in range(300):
            product, total = compiled(arrays[number], float(turn))
            if product[7, 7] != number * turn or total != 40_000 * (number + turn):
                wrong.append((number, turn))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_form_dropped_while_it_runs():
    compiled = graphc.compile(lambda x: np.tanh(x).sum())
    x = np.ones(200_000)
    wanted = compiled(x)
    results = []

    def work():
        for _ in range(30):
            results.append(compiled(x))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        compiled.clear_cache()
        gc.collect()
    for thread in threads:
        thread.join()
    assert results == [wanted] * 60


def test_a_print_that_calls_a_compiled_function():
    inner = graphc.compile(lambda x: x + 1)

    class Shown(str):
        def format(self, *values):
            return f"{inner(np.asarray(values[0]))}"

    outer = graphc.compile(lambda x: (graphc.debug_print("{}", x), x * 2)[1])
    for _ in range(3):
        assert outer(np.float64(2)) == 4


def test_a_generator_and_recursion():
    step = graphc.compile(lambda x: x * 0.5)

    def halves(x):
        while x > 1:
            x = step(x)
            yield x

    assert list(halves(8.0)) == [4.0, 2.0, 1.0]

    def depth(n):
        return n if n == 0 else float(step(2.0)) + depth(n - 1)

    assert depth(200) == 200.0


def test_eager_blocks_are_looked_at_in_every_call(capsys):
    @graphc.compile
    def f(x):
        print("the body")
        return x + 1

    def runs(expected):
        assert f(np.zeros(1)) == 1
        assert capsys.readouterr().out.count("the body") == expected

    runs(1)
    for _ in range(2):
        runs(0)
        with graphc.eager():
            runs(1)
            with graphc.eager(False):
                runs(0)
            runs(1)


WITHOUT = """
import sysconfig
real = sysconfig.get_config_var
sysconfig.get_config_var = lambda name: 1 if name == "Py_GIL_DISABLED" else real(name)
import numpy as np, graphc
f = graphc.compile(lambda x, s: (x * s, (x * s).sum(), s * 2.0, s > 1.0))
x = np.arange(6.0).reshape(2, 3)
for _ in range(3):
    product, total, twice, more = f(x, 1.5)
    assert (product == x * 1.5).all() and total == 22.5 and twice == 3.0 and more is True
    assert type(total) is np.float64 and type(twice) is float
assert f.specializations[0].caller is None
f(x.T, 1.5)
g = graphc.compile(lambda x: np.tanh(np.outer(x, x) @ np.outer(x, x)))
g(np.ones(100))
"""


def test_the_python_path_where_objects_are_laid_out_otherwise():
    subprocess.run([sys.executable, "-c", WITHOUT], check=True)


def test_too_many_arguments_for_the_tables():
    many = [np.ones(2) for _ in range(600)]
    compiled = graphc.compile(lambda *arrays: sum(arrays))
    for _ in range(2):
        np.testing.assert_array_equal(compiled(*many), [600, 600])
    assert compiled.specializations[0].caller is None


AT_EXIT = """
import numpy as np, graphc
f = graphc.compile(lambda x: x * 2)
x = np.ones(1 << 20)
for _ in range(3):
    kept = f(x)
class Late:
    def __del__(self):
        self.held = None
late = Late()
late.held, late.self = f(x), late
"""


def test_results_that_outlive_the_modules():
    subprocess.run([sys.executable, "-c", AT_EXIT], check=True)
