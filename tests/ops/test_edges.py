"""Derivatives where functions have corners, poles and ties, and what NaN does to them."""

import numpy as np
import pytest
from op_checks import as_tuple, check_derivatives, gradient_at, graph_of, projected, run

from graphc import ops
from graphc.adjoint import differentiate
from graphc.errors import OutOfBoundsError, ShapeError
from graphc.interp import evaluate
from graphc.ir import close, fresh_input, inline
from graphc.simplify.algebra import simplify
from graphc.types import DTYPES, Dim, TensorType
from graphc.verify import verify

INF, NAN = np.inf, np.nan


def vector(*values):
    return np.array(values, dtype=float)


def gradients(build, *arrays):
    """The gradients of the sum of ``build`` by all arguments."""

    def total(*values):
        out = build(*values)
        return ops.sum_(out, range(out.ndim))

    graph = graph_of(total, arrays)
    gradient = differentiate(graph, range(len(arrays)))
    return evaluate(gradient, [*arrays, np.float64(1)])


def like(x, number):
    return ops.full_like(x, number)


EDGES = [
    # name, build, points, order, derivative
    ("abs", ops.absolute, vector(0, -0.0, 2, -2), 1, [0, 0, 1, -1]),
    ("abs", ops.absolute, vector(0, 2), 2, [0, 0]),
    ("sign", ops.sign, vector(0, 2), 1, [0, 0]),
    ("x**0", lambda x: ops.power(x, like(x, 0)), vector(0, 2, -1), 1, [0, 0, 0]),
    ("x**1", lambda x: ops.power(x, like(x, 1)), vector(0, 2), 2, [0, 0]),
    ("x**2", lambda x: ops.power(x, like(x, 2)), vector(0, -3), 1, [0, -6]),
    ("x**2", lambda x: ops.power(x, like(x, 2)), vector(0, -3), 2, [2, 2]),
    ("x**2", lambda x: ops.power(x, like(x, 2)), vector(0, -3), 3, [0, 0]),
    ("x**3", lambda x: ops.power(x, like(x, 3)), vector(0, -1), 3, [6, 6]),
    ("0**y", lambda y: ops.power(like(y, 0), y), vector(0, 1, 2.5), 1, [0, 0, 0]),
    ("0**y", lambda y: ops.power(like(y, 0), y), vector(1, 2.5), 2, [0, 0]),
    ("0**-y", lambda y: ops.power(like(y, 0), y), vector(-1), 1, [-INF]),
    ("sqrt", ops.sqrt, vector(0, 4), 1, [INF, 0.25]),
    ("0*sqrt", lambda x: ops.multiply(like(x, 0), ops.sqrt(x)), vector(0), 1, [0]),
    ("log", ops.log, vector(0), 1, [INF]),
    ("xlogx", lambda x: ops.xlogy(x, x), vector(1), 2, [1]),
    ("logaddexp", lambda x: ops.logaddexp(x, x), vector(-INF, INF, 3), 1, [1, 1, 1]),
    ("softplus", ops.softplus, vector(0, 800, -800), 1, [0.5, 1, 0]),
    ("softplus", ops.softplus, vector(0), 2, [0.25]),
    ("expit", ops.expit, vector(800, -800), 1, [0, 0]),
    ("floor", ops.floor, vector(1, 1.5), 1, [0, 0]),
    ("square", ops.square, vector(NAN), 1, [NAN]),
    ("exp", ops.exp, vector(NAN), 1, [NAN]),
    ("abs of nan", ops.absolute, vector(NAN), 1, [NAN]),
    ("maximum", lambda x: ops.maximum(x, like(x, 0)), vector(0, 1, -1, NAN), 1, [0.5, 1, 0, NAN]),
    ("minimum", lambda x: ops.minimum(x, like(x, 0)), vector(0, 1, -1, NAN), 1, [0.5, 0, 1, NAN]),
    ("maximum inf", lambda x: ops.maximum(x, like(x, 0)), vector(INF, -INF), 1, [1, 0]),
    ("fmax", lambda x: ops.fmax(x, like(x, NAN)), vector(0, NAN), 1, [1, NAN]),
    ("fmax", lambda x: ops.fmax(x, like(x, 1)), vector(1, 2, 0, NAN), 1, [0.5, 1, 0, 0]),
    ("fmin", lambda x: ops.fmin(like(x, 1), x), vector(1, 2, 0, NAN), 1, [0.5, 0, 1, 0]),
    ("hypot", lambda x: ops.hypot(x, like(x, 0)), vector(0, 3, -3), 1, [0, 1, -1]),
    ("copysign", lambda x: ops.copysign(x, like(x, -1)), vector(0, -0.0, 2, -2), 1, [-1, 1, -1, 1]),
    ("heaviside", lambda x: ops.heaviside(x, x), vector(0, 1), 1, [1, 0]),
    ("max", lambda x: ops.max_(x, (0,)), vector(1, 3, 3, 2), 1, [0, 0.5, 0.5, 0]),
    ("max", lambda x: ops.max_(x, (0,)), vector(3, 3, 3), 1, [1 / 3] * 3),
    ("max of nan", lambda x: ops.max_(x, (0,)), vector(1, NAN), 1, [NAN, NAN]),
    ("min", lambda x: ops.min_(x, (0,)), vector(1, 1, 3), 1, [0.5, 0.5, 0]),
    ("prod", lambda x: ops.prod(x, (0,)), vector(2, 0, 5), 1, [0, 10, 0]),
    ("prod", lambda x: ops.prod(x, (0,)), vector(0, 0, 5), 1, [0, 0, 0]),
    ("prod", lambda x: ops.prod(x, (0,)), vector(0, 0, 5), 2, [5, 5, 0]),
    ("prod", lambda x: ops.prod(x, (0,)), vector(2, 3), 2, [1, 1]),
    ("prod", lambda x: ops.prod(x, (0,)), vector(7), 1, [1]),
    ("stopped", lambda x: ops.multiply(x, ops.stop_gradient(x)), vector(3), 1, [3]),
    ("stopped", lambda x: ops.multiply(x, ops.stop_gradient(x)), vector(3), 2, [0]),
    ("marked", lambda x: ops.multiply(x, ops.mark(x, 1)), vector(3), 2, [2]),
]


@pytest.mark.parametrize(
    ("build", "points", "order", "expected"),
    [case[1:] for case in EDGES],
    ids=[f"{case[0]}-{case[3]}" for case in EDGES],
)
def test_derivatives_at_edges(build, points, order, expected):
    np.testing.assert_array_equal(gradient_at(build, points, order=order), expected)


def test_both_operands_of_a_tie_get_half():
    for build in (ops.maximum, ops.minimum, ops.fmax, ops.fmin):
        for gradient in gradients(build, vector(2), vector(2)):
            np.testing.assert_array_equal(gradient, [0.5])


def test_hypot_is_flat_at_the_origin_and_arctan2_is_undefined():
    for gradient in gradients(ops.hypot, vector(0), vector(0)):
        np.testing.assert_array_equal(gradient, [0])
    for gradient in gradients(ops.arctan2, vector(0), vector(0)):
        np.testing.assert_array_equal(gradient, [NAN])


BAD_AT_ZERO = {
    "sqrt": ops.sqrt,
    "log": ops.log,
    "reciprocal": ops.reciprocal,
    "x/x": lambda x: ops.divide(x, x),
    "x**x": lambda x: ops.power(x, x),
    "x**-0.5": lambda x: ops.power(x, like(x, -0.5)),
    "arctan2": lambda x: ops.arctan2(x, x),
    "hypot": lambda x: ops.hypot(x, x),
    "logit": ops.logit,
    "xlogy": lambda x: ops.xlogy(x, x),
    "entr": ops.entr,
    "log2": ops.log2,
    "log10": ops.log10,
    "log1p": lambda x: ops.log1p(ops.subtract(x, like(x, 1))),
    "cbrt": ops.cbrt,
    "arcsin": lambda x: ops.arcsin(ops.add(x, like(x, 1))),
    "arccosh": lambda x: ops.arccosh(ops.add(x, like(x, 1))),
    "arctanh": lambda x: ops.arctanh(ops.add(x, like(x, 1))),
    "gammaln": ops.gammaln,
    "digamma": ops.digamma,
    "erfinv": lambda x: ops.erfinv(ops.add(x, like(x, 1))),
    "log(sqrt)": lambda x: ops.log(ops.sqrt(x)),
    "exp(1/x)": lambda x: ops.exp(ops.reciprocal(x)),
    "remainder": lambda x: ops.remainder(like(x, 1), x),
    "logaddexp": lambda x: ops.logaddexp(ops.log(x), ops.log(x)),
}


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("name", BAD_AT_ZERO)
def test_where_keeps_the_branch_not_taken_out_of_the_gradient(name, order):
    """``where(x > 0, f(x), x**3)`` at 0, where f has no derivative, is that of ``x**3``."""

    def build(x):
        cube = ops.multiply(x, ops.square(x))
        positive = ops.greater(x, like(x, 0))
        return ops.select(positive, BAD_AT_ZERO[name](x), cube)

    assert gradient_at(build, vector(0), order=order) == [0, 0, 6][order - 1]


@pytest.mark.parametrize("name", BAD_AT_ZERO)
def test_simplification_keeps_it_out_too(name):
    def build(x):
        positive = ops.greater(x, like(x, 0))
        return ops.sum_(ops.select(positive, BAD_AT_ZERO[name](x), ops.square(x)), (0,))

    points = vector(0, -2)
    gradient = simplify(differentiate(graph_of(build, [points]), [0]))
    np.testing.assert_array_equal(evaluate(gradient, [points, np.float64(1)])[0], [0, -4])


def test_the_loser_of_a_repeated_write_gets_no_cotangent():
    index = np.array([1, 0, 1, -2])
    base, values = vector(9, 9, 9), vector(1, 2, 3, 4)
    build = lambda b, v, i: ops.scatter(b, v, (i,), (0,))  # noqa: E731
    (result,) = run(build, base, values, index)
    np.testing.assert_array_equal(result, [2, 4, 9])
    graph = graph_of(lambda b, v, i: ops.sum_(build(b, v, i), (0,)), [base, values, index])
    by_base, by_values = evaluate(
        differentiate(graph, [0, 1]), [base, values, index, np.float64(1)]
    )
    np.testing.assert_array_equal(by_base, [0, 0, 1])
    np.testing.assert_array_equal(by_values, [0, 1, 0, 1])


@pytest.mark.parametrize("position", [3, -4])
def test_an_index_out_of_bounds_is_refused(position):
    x, index = vector(1, 2, 3), np.array([0, position])
    with pytest.raises(OutOfBoundsError, match=f"index {position} .* axis 0 with size 3"):
        run(lambda x, i: ops.gather(x, (i,), (0,)), x, index)
    for write in (ops.scatter, ops.scatter_add):
        with pytest.raises(IndexError):
            run(lambda x, v, i, write=write: write(x, v, (i,), (0,)), x, vector(1, 2), index)


@pytest.mark.parametrize("reduce", [ops.max_, ops.min_, ops.argmax, ops.argmin])
def test_the_largest_of_nothing_is_refused(reduce):
    with pytest.raises(ShapeError, match="no element"):
        run(lambda x: reduce(x, (0,)), np.zeros((0, 3)))
    (result,) = run(lambda x: reduce(x, (1,)), np.zeros((0, 3)))
    assert result.shape == (0,)


# --- symbolic sizes -------------------------------------------------------------------------------

N = Dim.symbol("n")


def symbolic(build, arrays, types):
    inputs = [fresh_input(type_) for type_ in types]
    graph = verify(close(inputs, as_tuple(build(*inputs))))
    return graph, evaluate(graph, arrays)


F64 = DTYPES["float64"]
SYMBOLIC = {
    "prod": lambda x: ops.prod(x, (0,)),
    "prod of both": lambda x: ops.prod(x, (0, 1)),
    "max": lambda x: ops.max_(x, (0,)),
    "flip": lambda x: ops.flip(x, (0,)),
    "slice": lambda x: ops.slice_(x, (1, 0), (N - 1, 3), (1, 1)),
    "embed": lambda x: ops.embed(x, (N + 2, 3), (1, 0), (1, 1)),
    "concatenate": lambda x: ops.concatenate((x, ops.sin(x)), 0),
    "matmul": lambda x: ops.matmul(x, ops.matrix_transpose(x)),
    "reshape": lambda x: ops.reshape(x, (3 * N,)),
    "broadcast": lambda x: ops.multiply(x, ops.broadcast_to(ops.sum_(x, (0,)), (N, 3))),
    "update": lambda x: ops.update(x, ops.slice_(x, (0, 0), (1, 3), (1, 1)), (N - 1, 0), (1, 1)),
    "iota": lambda x: ops.gather(x, (ops.iota(N),), (0,)),
    "scatter": lambda x: ops.scatter(ops.sin(x), x, (ops.iota(N),), (0,)),
}


@pytest.mark.parametrize("name", SYMBOLIC)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_symbolic_sizes_are_as_known_ones(name, size):
    build = SYMBOLIC[name]
    array = np.random.default_rng(1).normal(size=(size, 3))

    def gradient_graph(type_):
        x = fresh_input(type_)
        out = build(x)
        total = ops.sum_(ops.multiply(out, ops.sin(out)), range(out.ndim))
        return verify(differentiate(close([x], [total]), [0]))

    graph = gradient_graph(TensorType(F64, (N, 3)))
    (found,) = evaluate(graph, [array, np.float64(1)])
    (simpler,) = evaluate(simplify(graph), [array, np.float64(1)])
    np.testing.assert_array_equal(simpler, found)

    direction = np.random.default_rng(2).normal(size=(size, 3))

    def along(distance):
        x = fresh_input(TensorType(F64, (N, 3)))
        out = build(x)
        total = ops.sum_(ops.multiply(out, ops.sin(out)), range(out.ndim))
        return evaluate(close([x], [total]), [array + distance * direction])[0]

    up, down = along(1e-5), along(-1e-5)
    np.testing.assert_allclose(np.sum(found * direction), (up - down) / 2e-5, rtol=1e-6)


# --- effects --------------------------------------------------------------------------------------


def test_print_prints_once_and_in_order(capsys):
    x = fresh_input(TensorType(F64, ()))
    first = ops.debug_print("a {}", [x], ops.token())
    second = ops.debug_print("b {:.1f}", [ops.sin(x)], first)
    graph = simplify(verify(close([x], [ops.cos(x), second])))
    evaluate(graph, [np.float64(0)])
    assert capsys.readouterr().out == "a 0.0\nb 0.0\n"


def printing_loop():
    """A scan that prints its carry, and its body: ``c -> c * x``."""
    c, t, x = fresh_input(TensorType(F64, ())), ops.token(), fresh_input(TensorType(F64, ()))
    token = fresh_input(t.type)
    after = ops.debug_print("{:.0f}", [c], token)
    body = close([c, token, x], [ops.multiply(c, x), after])
    start, xs = fresh_input(TensorType(F64, ())), fresh_input(TensorType(F64, (3,)))
    last, done = ops.scan(body, [start, ops.token()], [xs], [], 3)
    return start, xs, last, done


def test_a_loop_carries_a_token_and_its_gradient_prints_nothing(capsys):
    start, xs, last, done = printing_loop()
    forward = close([start, xs], [last, done])
    arrays = [np.float64(2), vector(3, 4, 5)]
    assert evaluate(verify(forward), arrays)[0] == 120
    assert capsys.readouterr().out == "2\n6\n24\n"
    inputs = [fresh_input(value.type) for value in forward.inputs]
    derivative = inline(
        differentiate(close([start, xs], [last]), [0, 1]), [*inputs, like(inputs[0], 1)]
    )
    both = verify(close(inputs, [*inline(forward, inputs), *derivative]))
    for graph in (both, verify(simplify(both))):
        _, _, by_start, by_xs = evaluate(graph, arrays)
        assert by_start == 60
        np.testing.assert_array_equal(by_xs, [40, 30, 24])
    assert capsys.readouterr().out.split() == ["2", "6", "24"] * 2
    loops = [node for node in simplify(both).nodes if node.op.name == "scan"]
    assert len(loops) == 2


# --- complex --------------------------------------------------------------------------------------


def test_real_functions_of_complex_numbers():
    def build(z):
        return ops.add(ops.absolute(ops.multiply(z, z)), ops.angle(ops.exp(z)))

    check_derivatives(build, [np.array([1 + 2j, -0.5 + 0.3j])], order=3)


def test_the_convention_is_c_linear():
    z = np.array([3 + 4j])
    (by_abs,) = gradients(ops.absolute, z)
    np.testing.assert_allclose(by_abs, np.conj(z) / 5)
    (by_real,) = gradients(ops.real, z)
    (by_imag,) = gradients(ops.imag, z)
    np.testing.assert_array_equal(by_real, [1])
    np.testing.assert_array_equal(by_imag, [-1j])
    np.testing.assert_array_equal(gradients(ops.absolute, np.zeros(1, complex))[0], [0])


def test_projection_has_a_share_of_every_output():
    rng = np.random.default_rng(0)
    graph = graph_of(lambda x, y: projected([x, y], rng), [vector(1, 2), vector(3)])
    for gradient in evaluate(
        differentiate(graph, [0, 1]), [vector(1, 2), vector(3), np.float64(1)]
    ):
        assert np.all(gradient != 0)
