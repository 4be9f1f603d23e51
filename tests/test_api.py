"""The public face: what `graphc.compile` and its companions promise beyond values."""

import dataclasses
import inspect
import subprocess
import sys
from collections import namedtuple

import numpy as np
import pytest

import graphc

Pair = namedtuple("Pair", "left right")
SCALE = 3
RATE = 0.5


@dataclasses.dataclass
class Params:
    w: np.ndarray
    name: str = "w"


def test_wraps_what_it_compiles():
    @graphc.compile
    def predict(x: np.ndarray, *, scale: float = 2.0) -> np.ndarray:
        """Scale x."""
        return x * scale

    assert predict.__name__ == "predict"
    assert predict.__doc__ == "Scale x."
    assert str(inspect.signature(predict)) == (
        "(x: numpy.ndarray, *, scale: float = 2.0) -> numpy.ndarray"
    )
    np.testing.assert_array_equal(predict(np.ones(2)), [2, 2])
    np.testing.assert_array_equal(predict(np.ones(2), scale=3.0), [3, 3])
    np.testing.assert_array_equal(predict(x=np.ones(2), scale=4.0), [4, 4])
    with pytest.raises(TypeError):
        predict(np.ones(2), 5.0)
    with pytest.raises(TypeError):
        predict(np.ones(2), rate=5.0)


def test_keyword_and_position_share_a_specialisation():
    f = graphc.compile(lambda x, y=1.5, *rest: x * y + sum(rest))
    assert f(np.float64(2.0)) == 3.0
    assert f(np.float64(2.0), 2.5) == 5.0
    assert f(np.float64(2.0), y=2.5) == 5.0
    assert f(np.float64(2.0), 2.0, 1.0, 10.0) == 15.0
    assert len(f.specializations) == 3


def test_methods_and_attributes():
    class Model:
        gain = np.array([2.0, 4.0])

        def __init__(self):
            self.w = np.ones(2)
            self.steps = np.array(0)
            self.history = []

        def forward(self, x):
            return (self.w * x * self.gain).sum()

        @property
        def doubled(self):
            return self.w * 2

        @graphc.compile
        def step(self, x):
            loss, gradient = graphc.value_and_grad(lambda w: (w * x * self.gain).sum())(self.w)
            self.w = self.doubled - self.w - 0.1 * gradient
            self.steps += 1
            return loss

    model, other = Model(), Model()
    steps = model.steps
    assert model.step(np.ones(2)) == 6.0
    np.testing.assert_allclose(model.w, [0.8, 0.6])
    assert model.steps == 1
    assert model.steps is steps
    np.testing.assert_array_equal(other.w, [1, 1])
    other.step(np.ones(2))
    np.testing.assert_allclose(other.w, [0.8, 0.6])
    assert len(Model.step.specializations) == 1
    assert "kernel" in str(model.step.explain(np.ones(2)))


def test_static_attribute_must_not_change():
    class Counter:
        def __init__(self):
            self.t = 0

        @graphc.compile
        def step(self, x):
            self.t += 1
            return x * 2

    counter = Counter()
    with pytest.raises(graphc.TraceError, match="0-d array") as caught:
        counter.step(np.ones(2))
    assert "self.t += 1" in str(caught.value)
    assert counter.t == 0


def test_nested_compiled_functions_are_traced_through():
    @graphc.compile
    def inner(x):
        return np.sin(x) * 2

    @graphc.compile
    def outer(x):
        return inner(x) + graphc.grad(lambda v: inner(v).sum())(x)

    x = np.arange(3.0)
    np.testing.assert_allclose(outer(x), 2 * np.sin(x) + 2 * np.cos(x), rtol=1e-14)
    assert len(inner.specializations) == 0
    assert outer.explain(x).native_calls == 1


def test_pytrees_keep_their_kinds():
    @graphc.compile
    def f(tree, pair, params):
        return {
            "list": [tree["a"] * 2, None, "text"],
            "pair": Pair(pair.right, pair.left + 1),
            "params": Params(params.w * 2, params.name),
            "shape": tree["a"].shape,
            "flag": tree["flag"],
            "number": pair.left * 2,
            "scalar": tree["a"].sum(),
        }

    tree = {"a": np.ones(3), "flag": True}
    arguments = (tree, Pair(2.0, np.arange(2)), Params(np.ones(1)))
    got, wanted = f(*arguments), f.__wrapped__(*arguments)
    assert list(got) == list(wanted)
    assert type(got["pair"]) is Pair
    assert type(got["params"]) is Params
    assert got["params"].name == "w"
    assert got["shape"] == (3,)
    assert got["flag"] is True
    assert got["list"][1:] == [None, "text"]
    assert type(got["number"]) is float
    assert type(got["scalar"]) is np.float64
    np.testing.assert_array_equal(got["params"].w, [2])


def test_entries_of_arguments_may_be_replaced():
    @graphc.compile
    def step(params, log):
        params["w"] = params["w"] * 2
        params["new"] = params["w"] + 1
        log.append(params["w"].sum())
        return params

    params, log = {"w": np.ones(2)}, []
    assert step(params, log) is params
    np.testing.assert_array_equal(params["w"], [2, 2])
    np.testing.assert_array_equal(params["new"], [3, 3])
    assert log == [4.0]


def test_arguments_and_results_are_the_callers_arrays():
    @graphc.compile
    def f(x, y):
        x += 1
        return x, y, y[::2], np.asarray(x), y.copy()

    x, y = np.zeros(3), np.arange(4.0)
    same_x, same_y, part, alias, copy = f(x, y)
    assert same_x is x
    assert same_y is y
    assert alias is x
    assert part.base is y or part.base is y.base
    assert not np.shares_memory(copy, y)


def test_read_only_argument_that_is_written():
    @graphc.compile
    def f(x):
        x[0] = 1

    x = np.zeros(2)
    f(x)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        f(x)
    x.flags.writeable = True
    f(x)


def test_static_globals_are_guards():
    global SCALE, RATE
    f = graphc.compile(lambda x: x * SCALE * RATE)
    assert f(2.0) == 3.0
    SCALE = 5
    assert f(2.0) == 5.0
    RATE = 1.0
    assert f(2.0) == 10.0
    assert len(f.specializations) == 2
    SCALE, RATE = 3, 0.5


def test_eager_and_disable():
    seen = []

    @graphc.compile
    def f(x):
        seen.append(float(x.sum()) if isinstance(x, np.ndarray) else x)
        return x * 2 if x.sum() > 0 else -x

    with graphc.eager():
        np.testing.assert_array_equal(f(np.ones(2)), [2, 2])
        np.testing.assert_array_equal(graphc.grad(lambda x: f(x).sum())(np.ones(2)), [2, 2])
    with pytest.raises(graphc.TraceError):
        f(np.ones(2))
    code = (
        "import graphc, numpy as np, sys\n"
        "f = graphc.compile(lambda x: x * 2 if x[0] > 0 else x)\n"
        "print(f(np.ones(1)), graphc.grad(lambda x: x * x if x > 0 else x)(3.0))\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"GRAPHC_DISABLE": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["[2.]", "6.0", "False"]


def test_derivatives_nest_in_and_out_of_compile():
    def f(x):
        return np.exp(np.sin(x)) * x**3

    expected = [
        float(f(0.7)),
        float(graphc.grad(f)(0.7)),
        float(graphc.grad(graphc.grad(f))(0.7)),
        float(graphc.grad(graphc.grad(graphc.grad(f)))(0.7)),
    ]
    eps = 1e-5
    slope = (f(0.7 + eps) - f(0.7 - eps)) / (2 * eps)
    assert expected[1] == pytest.approx(slope, rel=1e-9)
    compiled = graphc.compile(graphc.grad(graphc.compile(graphc.grad(graphc.compile(f)))))
    assert compiled(0.7) == pytest.approx(expected[2], rel=1e-13)
    inside = graphc.compile(lambda x: graphc.grad(lambda v: graphc.grad(f)(v) * v)(x))
    assert inside(0.7) == pytest.approx(expected[2] * 0.7 + expected[1], rel=1e-12)


def test_nested_gradients_are_not_confused():
    # d/dx [x * d/dy (x * y)] at y = x, with x in the inner function a constant: d/dx x^2 = 2x
    outer = graphc.grad(lambda x: x * graphc.grad(lambda y: x * y)(x))
    assert outer(3.0) == 6.0
    assert graphc.grad(lambda a, b: a * b * b, argnums=1)(2.0, 3.0) == 12.0
    assert graphc.grad(lambda a, b: a * b * b, argnums=(0, 1))(2.0, 3.0) == (9.0, 12.0)
    gradient, aux = graphc.grad(lambda a: (a * a, {"a": a + 1}), has_aux=True)(2.0)
    assert (gradient, aux) == (4.0, {"a": 3.0})
    value, gradient = graphc.value_and_grad(lambda a: (a * a, a + 1), has_aux=True)(2.0)
    assert (value, gradient) == ((4.0, 3.0), 4.0)


def test_gradient_of_a_tree_skips_what_has_none():
    tree = {"w": np.ones(2, np.float32), "n": np.arange(2), "tag": "x", "inner": [np.float64(2.0)]}
    gradient = graphc.grad(lambda t: (t["w"] * t["n"]).sum() * t["inner"][0])(tree)
    assert gradient["n"] is None
    assert gradient["tag"] is None
    assert gradient["w"].dtype == np.float32
    np.testing.assert_array_equal(gradient["w"], [0, 2])
    assert type(gradient["inner"][0]) is np.float64


@pytest.mark.parametrize(
    ("function", "argument", "error", "text"),
    [
        (lambda x: x * 2, np.ones(2), graphc.ShapeError, "scalar loss"),
        (lambda x: x.sum(), np.arange(3), graphc.DTypeError, "floating"),
        (lambda x: (x * 1j).sum(), np.ones(2), graphc.DTypeError, "real"),
        (lambda x: (x.sum(), x), np.ones(2), graphc.TraceError, "has_aux"),
        (lambda x: None, np.ones(2), graphc.TraceError, "None"),
    ],
)
def test_gradients_refused(function, argument, error, text):
    with pytest.raises(error, match=text):
        graphc.grad(function)(argument)


def test_options_are_checked():
    with pytest.raises(ValueError, match="precision"):
        graphc.compile(lambda x: x, precision="loose")
    with pytest.raises(ValueError, match="donate"):
        graphc.compile(lambda x: x, donate=("y",))
    with pytest.raises(graphc.BackendError, match="cuda"):
        graphc.compile(lambda x: x, target="cuda")
    with pytest.raises(TypeError):
        graphc.compile(3)


def test_verify_and_debug_nan():
    checked = graphc.compile(lambda x: np.log(x).sum(), verify=True)
    assert checked(np.ones(3)) == 0.0

    @graphc.compile(debug="nan")
    def f(x, out):
        out += 1
        return np.sqrt(x - 1).sum()

    out = np.zeros(1)
    assert f(np.ones(3) * 2, out) == 3.0
    with pytest.raises(graphc.NonFiniteError, match="sqrt") as caught:
        f(np.zeros(3), out)
    assert "test_api.py" in str(caught.value)
    assert out == 1.0
    backward = graphc.compile(graphc.grad(lambda x: np.sqrt(x).sum()), debug="nan")
    with pytest.raises(graphc.NonFiniteError, match=r"np.sqrt\(x\)|sqrt"):
        backward(np.zeros(2))


def test_refused_call_changes_nothing():
    @graphc.compile
    def f(x, y, index):
        x += 1
        return x + y, y[index]

    x = np.zeros(3)
    with pytest.raises(graphc.ShapeError):
        f(x, np.ones(4), np.array([0]))
    np.testing.assert_array_equal(x, 0)
    assert len(f.specializations) == 0
    f(x, np.ones(3), np.array([0]))
    np.testing.assert_array_equal(x, 1)
    with pytest.raises(IndexError, match="out of bounds"):
        f(x, np.ones(3), np.array([3]))
    np.testing.assert_array_equal(x, 1)
    f(x, np.ones(3), np.array([-1]))
    np.testing.assert_array_equal(x, 2)


def test_warning_after_many_specialisations():
    f = graphc.compile(lambda x, name: x * len(name))
    for k in range(8):
        f(np.ones(1), "a" * k)
    with pytest.warns(RuntimeWarning, match="has been compiled 9 times") as said:
        f(np.ones(1), "a" * 8)
    assert said[0].filename == __file__
    assert "What changed last: name is now 'aaaaaaaa'; it was 'aaaaaaa'." in str(said[0].message)


def test_the_warning_names_a_list_that_grows():
    class Model:
        def __init__(self):
            self.history = []

        @graphc.compile
        def step(self, x):
            self.history.append(x.sum())
            return x

    model = Model()
    for _ in range(8):
        model.step(np.ones(2))
    with pytest.warns(RuntimeWarning, match=r"the length of self\.history is now 8; it was 7"):
        model.step(np.ones(2))


@pytest.mark.parametrize(
    ("last", "change"),
    [
        (np.ones((3, 4), "c8"), "x is now complex64[3, 4], C-contiguous; it was uint32[2, 2], C"),
        (np.ones((2, 2), "u4").T[:, ::-1], "x is now uint32[2, 2], not contiguous; it was uint32"),
        (np.asfortranarray(np.ones((2, 2), "u4")), "x is now uint32[2, 2], Fortran-contiguous;"),
        (2.5, "x is now a Python float; it was uint32[2, 2], C-contiguous. Pass"),
        (np.float64(2.5), "x is now a NumPy float64; it was"),
    ],
    ids=["dtype", "strides", "order", "number", "scalar"],
)
def test_the_warning_says_in_words_what_changed(last, change):
    # A function warns once, and functions of equal code are one: each needs a code of its own.
    f = graphc.compile(eval(f"lambda x: x + {len(change)}"))
    for dtype in ("f4", "f8", "i2", "i4", "i8", "u1", "u2", "u4"):
        f(np.ones((2, 2), dtype))
    with pytest.warns(RuntimeWarning, match="has been compiled 9 times") as said:
        f(last)
    assert f"What changed last: {change}" in str(said[0].message)


def test_lower_and_explain():
    @graphc.compile
    def step(w, x):
        loss, gradient = graphc.value_and_grad(lambda w: (np.tanh(x @ w) ** 2).sum())(w)
        w -= 0.1 * gradient
        return loss

    w, x = np.ones((3, 2)), np.ones((4, 3))
    lowered = step.lower(w, x)
    np.testing.assert_array_equal(w, 1)
    text = str(lowered.graph)
    assert "tanh" in text
    assert "w := " in text
    assert "test_api.py" in lowered.source
    report = step.explain(w, x)
    assert report.native_calls == 1
    assert report.arena_bytes > 0
    assert {"trace", "simplify"} <= set(report.seconds)
    assert any("tanh" in kernel.operations for kernel in report.kernels)
    assert "kernel" in str(report)


def test_long_chains_trace_differentiate_and_print():
    def f(x):
        for _ in [None] * 20_000:  # over a list: nothing is kept as a loop
            x = np.sin(x)
        return x.sum()

    program = graphc.specialize.trace_program(
        graphc.grad(f), (np.ones(2),), {}, graphc.specialize.Policy()
    )
    assert len(program.graph.nodes) > 40_000
    assert str(program.graph).count("cos") >= 20_000
    assert len(graphc.pipeline.prepare(program.graph, {}).nodes) > 40_000


def test_clear_cache_forgets_the_compiled_forms():
    f = graphc.compile(lambda x: x + 2)
    f(np.ones(2))
    assert len(f.specializations) == 1
    f.clear_cache()
    assert len(f.specializations) == 0
    np.testing.assert_array_equal(f(np.ones(2)), [3, 3])
