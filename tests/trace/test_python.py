"""Python around NumPy: closures, globals, comprehensions, classes, containers, numbers."""

import dataclasses
import functools
import math
from collections import namedtuple

import numpy as np
import pytest
from numpy import sin as imported_sin
from numpy.linalg import norm

from graphc.trace.call_code import MISS
from tests.trace.arrays import sample
from tests.trace.harness import same, traced, traced_call

WEIGHT = np.array([1.0, 2.0, 3.0])
RATE = 0.5
FLAG = "double"
Pair = namedtuple("Pair", ["left", "right"])


@dataclasses.dataclass
class State:
    weight: np.ndarray
    step: int
    rate: float = 0.1


class Model:
    def __init__(self):
        self.weight = sample((3,))
        self.layers = [sample((3, 3)), sample((3, 2), seed=1)]
        self.rate = 0.5
        self.name = "model"

    def forward(self, x):
        h = x * self.weight * self.rate
        for layer in self.layers:
            h = self.activate(h @ layer)
        return h

    @staticmethod
    def activate(x):
        return np.maximum(x, 0)

    @property
    def norm(self):
        return np.sqrt((self.weight**2).sum())

    def __call__(self, x):
        return self.forward(x)

    def update(self, x):
        self.weight -= x
        self.layers[0][...] *= 2


def activate(x, kind="relu"):
    table = {"relu": lambda v: np.maximum(v, 0), "tanh": np.tanh}
    return table[kind](x)


def test_closures_and_defaults():
    scale, offset = sample((3,)), 2.0

    def f(x, *rest, factor=3, **named):
        def inner(v):
            return v * scale + offset

        return inner(x) * factor + sum(rest) + named["extra"]

    same(f, sample((3,)), 1.0, 2, extra=4.0)
    same(f, sample((3,)), factor=2.5, extra=sample((3,)))


def test_globals():
    same(lambda x: x * WEIGHT + RATE, sample((3,)))
    same(lambda x: x * 2 if FLAG == "double" else x, sample((3,)))
    same(lambda x: (imported_sin(x), norm(x), math.pi * x), sample((3,)))


def test_changed_captures_are_read_again():
    weight = np.array([1.0, 2.0])
    holder = {"rate": 0.5, "mode": "add"}

    def f(x):
        return x * weight * holder["rate"] if holder["mode"] == "add" else x

    x = sample((2,))
    call = traced_call(f, (x,))
    weight[:] = 5
    holder["rate"] = 2.0
    np.testing.assert_array_equal(call(f, (x,)), f(x))
    holder["mode"] = "other"
    assert call(f, (x,)) is MISS
    assert call(f, (sample((3,)),)) is MISS
    assert call(f, (sample((2,), "float32"),)) is MISS
    assert call(f, (x, x)) is MISS
    assert call(f, (2.0,)) is MISS


def test_global_changed(monkeypatch):
    def f(x):
        return x * RATE

    call = traced_call(f, (sample((3,)),))
    monkeypatch.setitem(globals(), "RATE", 3.0)
    np.testing.assert_array_equal(call(f, (sample((3,)),)), sample((3,)) * 3.0)
    monkeypatch.setitem(globals(), "RATE", 3)
    assert call(f, (sample((3,)),)) is MISS


def test_a_new_lambda_of_the_same_code_fits():
    def make(scale):
        return lambda x: x * scale

    call = traced_call(make(2.0), (sample((3,)),))
    np.testing.assert_array_equal(call(make(5.0), (sample((3,)),)), sample((3,)) * 5)


def test_comprehensions_and_lambdas():
    def f(x, ys):
        squares = [v**2 for v in ys]
        table = {name: np.sum(v) for name, v in zip("ab", squares, strict=True)}
        total = sum(v.sum() for v in squares)
        added = functools.reduce(lambda a, b: a + b, ys, x)
        return squares, table, total, added, list(map(abs, ys)), sorted(table)

    same(f, sample((3,)), [sample((3,), seed=1), sample((3,), seed=2)])


def test_static_control_flow():
    def f(x, n, mode, verbose=False):
        for k in range(n):
            if k % 2 == 0:
                x = x + k
            elif mode == "skip":
                continue
            else:
                x = x * 2
        while n > 0:
            n -= 1
            x = x - 1
        try:
            x = activate(x, mode)
        except KeyError:
            x = -x
        return None if verbose else (x, n, mode)

    same(f, sample((3,)), 4, "skip")
    same(f, sample((3,)), 3, "tanh")
    same(f, sample((3,)), 3, "tanh", verbose=True)


def test_containers():
    def f(tree):
        return {
            "sum": tree["a"][0] + tree["a"][1]["b"],
            "pair": Pair(tree["pair"].right, tree["pair"].left),
            "none": None,
            "static": (1, "text", True, 2.5, [tree["pair"].left]),
            "same": tree["a"],
        }

    same(f, {"a": [sample((2,)), {"b": 2.5}], "pair": Pair(sample((3,)), 1)})
    same(lambda p: p.left @ p.right, Pair(sample((3,)), sample((3,))))
    same(lambda: (1, 2.0, "x", None, [], {}, (), True))
    same(lambda x: x, (sample((2,)), [1, {"k": None}]))


def test_containers_are_written():
    def f(params, history):
        params["w"] = params["w"] - 0.1
        params["b"] -= 1
        params["new"] = params["w"].sum()
        history.append(params["b"].copy())
        history[0] = 5.0
        del params["old"]

    same(f, {"w": sample((3,)), "b": sample((2,)), "old": 1.0}, [1.0, 2.0])


def test_dataclass():
    def f(state):
        state.weight = state.weight * state.rate
        new = dataclasses.replace(state, rate=state.rate * 2)
        return new, State(state.weight + 1, 2)

    same(f, State(sample((3,)), 1))


def test_objects():
    def f(model, x):
        model.update(x.sum())
        return model(x), model.norm, model.name

    same(f, Model(), sample((3,)))
    same(lambda x: Model.activate(x), sample((3,)))
    model = Model()
    same(lambda x: model.forward(x) + model.rate, sample((3,)))


def test_partial_and_method():
    model = Model()
    assert_close = np.testing.assert_array_equal
    assert_close(traced(functools.partial(activate, kind="tanh"), WEIGHT), np.tanh(WEIGHT))
    assert_close(traced(model.forward, WEIGHT), model.forward(WEIGHT))


def test_python_numbers_in_and_out():
    same(lambda a, b: (a * b, a + 1, a > b, a, b, -a, a == a, abs(a), a**2), 2.5, 1.5)
    same(lambda a: (float(a), complex(a), a * 1j), 2.5)
    same(lambda x: (float(x[0]), float(x.sum()) * 2, float(np.mean(x)) + 1), sample((3,)))
    same(lambda a, b: (a, b, a + b), 2, True)
    same(lambda n, x: (x * n, x[:n], np.zeros(n), n + 1, n * 2.5), 2, sample((3,)))
    same(lambda x: (len(x), x.shape[0] * 2, x.size / 2, x.ndim, range(len(x))[-1]), sample((3, 4)))
    same(lambda x: (round(x[0], 2), round(x[1]), round(float(x[0]))), np.array([1.234, 5.678]))


def test_math_on_traced_numbers():
    def f(a, x):
        return (
            math.exp(a), math.sqrt(a), math.log(a), math.log(a, 2), math.sin(a), math.pow(a, 3),
            math.atan2(a, 2), math.isnan(a), math.tanh(x.sum()), math.hypot(a, 3.0), math.pi,
            math.floor(2.5), math.prod(x.shape), math.sqrt(len(x)), math.log1p(a), math.degrees(a),
        )  # fmt: skip

    same(f, 1.5, sample((3,)))


def test_types_and_isinstance():
    def f(x, a, s):
        return (
            isinstance(x, np.ndarray), isinstance(a, float), isinstance(a, int),
            isinstance(s, np.float32), isinstance(s, np.floating), isinstance(x, (list, tuple)),
            np.float32(a), np.float64(x), np.int64(s), np.bool_(a > 1), np.float32(2.5),
            x.dtype == np.float64, np.dtype("f4") == s.dtype,
        )  # fmt: skip

    same(f, sample((3,)), 2.5, np.float32(1.5))


def test_kinds():
    def f(x, s, a):
        return x[0] + a, s * a, s * x, x.sum() * s, a * 2, s + 1, x[:1] * s, x[0] > a, s == s

    same(f, sample((3,)), np.float32(1.5), 2.5)
    same(f, sample((3,), "float32"), np.float64(1.5), 2.5)
    same(f, sample((3,), "int32"), np.int64(3), 2.5)
    same(lambda x: (x + 1, x * x, np.exp(x), -x, x[()], x.sum(), x.T), np.array(2.5))
    same(lambda x, y: (x + y, np.add(x, 1), x > y), np.array(2.5), np.array(1, np.int32))


@pytest.mark.parametrize("value", [5, True, "a", None, np.float32, slice(1), math.pi])
def test_static_arguments_are_guards(value):
    def f(x, v):
        return x

    call = traced_call(f, (sample((2,)), value))
    assert call(f, (sample((2,)), value)) is not MISS
    if not isinstance(value, float):
        assert call(f, (sample((2,)), "other")) is MISS


def test_recursion_and_nested_functions():
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    same(lambda x: power(x, 5), sample((3,)))


def test_generators_and_star():
    def f(*xs, **named):
        first, *rest = xs
        return first, sum(rest), {key: value * 2 for key, value in named.items()}

    same(f, 1.0, sample((2,)), sample((2,)), k=sample((2,)))

    def produce(x):
        def parts():
            for row in x:
                yield row * 2

        return list(parts()), np.stack(list(parts())), sum(row.sum() for row in parts())

    same(produce, sample((3, 4)))


def test_deep_chain():
    def f(x):
        for _ in range(3000):
            x = x + 1
        return x

    same(f, sample((2,)))


def test_dtypes_and_types_are_found_in_either():
    def f(x):
        kinds = (np.float32, np.float64)
        found = [x.dtype in kinds, np.float64 == x.dtype, x.dtype not in kinds, x.dtype == "f8"]
        return x * [1 if yes else 0 for yes in found].count(1)

    same(f, np.ones(2))
