"""Containers of the caller's, read, changed and returned: the same as without compiling."""

import copy
import itertools
import queue
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque
from dataclasses import dataclass

import numpy as np
import pytest

import graphc
import graphc.errors as errors
from tests.trace.harness import assert_same, same

X = np.arange(4.0)


class History(list):
    pass


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


@dataclass(slots=True)
class Pair:
    a: object


class Holder:
    def __init__(self, held):
        self.held = held


def with_total(items):
    history = History(items)
    history.total = X.copy()
    return history


def move(held, x):
    held.rotate(1)
    held.appendleft(x * len(held))
    return x + held[0] + held[-1]


def count(held, x):
    held["a"] += 1
    held["b"] += 2
    return x * held["a"]


def group(held, x):
    held["k"].append(x * 2)
    return x + len(held["k"])


def accumulate(held, x):
    held["k"] += x
    return held["k"] * 2


def reorder(held, x):
    held["c"] = x * 2
    held.move_to_end("a")
    return x


def add(held, x):
    held.add(len(held))
    return x * len(held)


def extend(held, x):
    held.append(len(held))
    return x * held[0]


def grow(held, x):
    held.total = held.total + x
    held.append(x)
    return held.total * len(held)


def replace(held, x):
    held.a = held.a + x
    return x


CASES = {
    "deque": (lambda: deque([X.copy(), X * 2]), move),
    "deque with maxlen": (lambda: deque([X.copy(), X * 2], maxlen=3), move),
    "Counter": (lambda: Counter(a=3), count),
    "defaultdict of lists": (lambda: defaultdict(list, k=[1.0]), group),
    "defaultdict of arrays": (lambda: defaultdict(lambda: np.zeros(4)), accumulate),
    "OrderedDict": (lambda: OrderedDict(a=X.copy(), b=1.0), reorder),
    "set": (lambda: {7}, add),
    "bytearray": (lambda: bytearray(b"ab"), extend),
    "array": (lambda: array("i", [3]), extend),
    "class of list": (lambda: with_total([X.copy()]), grow),
    "dataclass with slots": (lambda: Pair(X.copy()), replace),
}


def _captured(function, held):
    return lambda _, x: function(held, x)


def _attribute(function, held):
    holder = Holder(held)
    return lambda _, x: function(holder.held, x)


def _plain(held):
    """What a container holds, as dicts and lists, which `assert_same` compares."""
    if isinstance(held, dict):
        return dict(held)
    if isinstance(held, Pair):
        return [held.a]
    return [sorted(held) if isinstance(held, set) else list(held), getattr(held, "total", None)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("way", [_captured, _attribute])
def test_changes_happen_once_at_each_call(name, way):
    make, change = CASES[name]
    plain, held = make(), make()
    function = way(change, plain)
    compiled = graphc.compile(way(change, held))
    for _ in range(3):
        assert_same(compiled(0.0, X), function(0.0, X), "result")
        assert type(held) is type(plain)
        assert_same(_plain(held), _plain(plain), name)


@pytest.mark.parametrize("name", ["deque", "Counter", "defaultdict of lists", "class of list"])
def test_changed_arguments(name):
    make, change = CASES[name]
    plain, held = make(), make()
    compiled = graphc.compile(change)
    for _ in range(3):
        assert_same(compiled(held, X), change(plain, X), "result")
        assert_same(_plain(held), _plain(plain), name)


def test_a_form_for_another_container_adds_no_key():
    compiled = graphc.compile(lambda held, x: x * len(held))
    compiled({"a": X}, X)
    other = defaultdict(list, b=[1.0])
    compiled(other, X)
    assert list(other) == ["b"]


@pytest.mark.parametrize("kind", [deque, set, bytearray])
def test_a_container_that_changes_in_a_loop(kind):
    def f(x):
        held = kind()
        for k in range(200):
            x = np.sin(x) + 0.1
            (held.add if kind is set else held.append)(k)
        return x, len(held)

    same(f, X)


def test_a_deque_that_moves_in_a_loop_is_kept_as_a_loop():
    def f(x):
        last = deque([x, x], maxlen=2)
        for _ in range(200):
            x = np.sin(x) + last[0]
            last.append(x * 0.1)
        return x, last

    same(f, X)
    assert not graphc.compile(f).explain(X).unrolled


def test_lists_that_grow_in_a_differentiated_function():
    def f(x, seen, by_name):
        def loss(p, seen):
            seen.append(p.sum())
            by_name.pop("old")
            by_name["new"] = p * 2
            return (p**2).sum()

        return graphc.grad(loss)(x, seen)

    seen, by_name = [1.0], {"old": X, "kept": X}
    np.testing.assert_array_equal(graphc.compile(f)(X, seen, by_name), 2 * X)
    assert_same(seen, [1.0, np.float64(6.0)], "seen")
    assert_same(by_name, {"kept": X, "new": 2 * X}, "by_name")


def test_containers_and_objects_as_results():
    def f(x):
        history = with_total([x])
        slotted = Slotted(x * 3)
        named = defaultdict(list, a=[x])
        fresh = {1, 2}, bytearray(b"a"), Counter(a=x), OrderedDict(a=x), Holder([x])
        return history, slotted.a, named, deque([x], maxlen=2), fresh

    compiled = graphc.compile(f)
    got, expected = compiled(X), f(X)
    assert_same(got[0].total, expected[0].total, "total")
    assert got[3].maxlen == 2
    assert got[2].default_factory is list
    assert_same(list(map(type, got[4])), list(map(type, expected[4])), "types")
    for found, wanted in zip(got, expected, strict=True):
        assert_same(found, wanted, "result")
    got[4][0].add(3)
    assert compiled(X)[4][0] == {1, 2}


def test_what_has_a_stand_in_is_returned_itself():
    def double(x):
        return x * 2

    held, pair = [X], Pair(X)

    def f(x):
        kept = defaultdict(float, a=x)
        return double, Holder, held, pair, np, np.float32, np.exp, np.sum, int, kept

    got = graphc.compile(f)(X)
    expected = (double, Holder, held, pair, np, np.float32, np.exp)
    assert all(found is wanted for found, wanted in zip(got, expected, strict=False))
    assert got[7:9] == (np.sum, int)
    assert got[9].default_factory is float


def test_an_object_with_slots_as_a_result():
    made = graphc.compile(lambda x: Slotted(x * 2))(X)
    np.testing.assert_array_equal(made.a, X * 2)
    assert not hasattr(made, "b")


def filled_queue():
    made = queue.Queue()
    made.put(1)
    return made


@pytest.mark.parametrize(
    "make",
    [
        lambda: UserDict(a=1),
        lambda: ChainMap({"a": 1}),
        filled_queue,
        itertools.count,
        lambda: iter([1, 2]),
        lambda: memoryview(b"ab"),
        lambda: {Holder(X)},
        lambda: {lambda x: x},
    ],
)
def test_what_no_guard_can_see_is_refused(make):
    held = make()
    with pytest.raises(errors.TraceError, match="list"):
        graphc.compile(lambda x: (held, x * 2)[1])(X)


def test_a_copy_of_a_counter_in_an_argument_does_not_count_twice():
    held = Counter(a=3)
    compiled = graphc.compile(lambda held, x: x * held["a"])
    compiled.explain(held, X)
    graphc.grad(lambda x, held: (x * held["a"]).sum())(X, copy.copy(held))
    assert held == Counter(a=3)
    np.testing.assert_array_equal(compiled(held, X), 3 * X)
