"""Simplification: what becomes what, exactly; and what must stay."""

import numpy as np
import pytest

from graphc import ops
from graphc.adjoint import differentiate
from graphc.errors import Location, VerificationError
from graphc.interp import evaluate
from graphc.ir import Note, close, fresh_input, inline
from graphc.rewrite import Rules, rewrite
from graphc.simplify.algebra import simplify
from graphc.types import DTYPES, Dim, TensorType
from graphc.verify import verify

F32, F64, INT32, INT64 = (DTYPES[name] for name in ("float32", "float64", "int32", "int64"))
BOOL, C128, UINT8 = DTYPES["bool"], DTYPES["complex128"], DTYPES["uint8"]
N = Dim.symbol("n")

x = fresh_input(TensorType(F64, (3, 4)))
y = fresh_input(TensorType(F64, (3, 4)))
i = fresh_input(TensorType(INT32, (3, 4)))
u = fresh_input(TensorType(UINT8, (3, 4)))
b = fresh_input(TensorType(BOOL, (3, 4)))
z = fresh_input(TensorType(C128, (3, 4)))
f = fresh_input(TensorType(F32, (3, 4)))
v = fresh_input(TensorType(F64, (4,)))
s = fresh_input(TensorType(F64, (N, 4)))
INPUTS = [x, y, i, u, b, z, f, v, s]
UNIT, ZERO, MINUS_ZERO = (ops.full_like(x, number) for number in (1.0, 0.0, -0.0))
NAN, HALF = ops.full_like(x, np.nan), ops.full_like(x, 0.5)


def simplified(value):
    """The simplified form of one value over the inputs above."""
    (result,) = inline(simplify(verify(close(INPUTS, [value]))), INPUTS)
    return result


BECOMES = {
    "x * 1": (ops.multiply(x, UNIT), x),
    "1 * x": (ops.multiply(UNIT, x), x),
    "x * -1": (ops.multiply(x, ops.full_like(x, -1)), ops.negative(x)),
    "i * 0": (ops.multiply(i, ops.full_like(i, 0)), ops.full_like(i, 0)),
    "b * True": (ops.multiply(b, ops.full_like(b, True)), b),
    "x / 1": (ops.divide(x, UNIT), x),
    "x / 2": (ops.divide(x, ops.full_like(x, 2.0)), ops.multiply(x, HALF)),
    "x - 0.0": (ops.subtract(x, ZERO), x),
    "x + -0.0": (ops.add(x, MINUS_ZERO), x),
    "-0.0 + x": (ops.add(MINUS_ZERO, x), x),
    "i + 0": (ops.add(i, ops.full_like(i, 0)), i),
    "b + False": (ops.add(b, ops.full_like(b, False)), b),
    "x + -y": (ops.add(x, ops.negative(y)), ops.subtract(x, y)),
    "-x + y": (ops.add(ops.negative(x), y), ops.subtract(y, x)),
    "x - -y": (ops.subtract(x, ops.negative(y)), ops.add(x, y)),
    "-x * -y": (ops.multiply(ops.negative(x), ops.negative(y)), ops.multiply(x, y)),
    "--x": (ops.negative(ops.negative(x)), x),
    "abs(-x)": (ops.absolute(ops.negative(x)), ops.absolute(x)),
    "x**1": (ops.power(x, UNIT), x),
    "x**2": (ops.power(x, ops.full_like(x, 2)), ops.square(x)),
    "x**0": (ops.power(x, ZERO), UNIT),
    "x**-1": (ops.power(x, ops.full_like(x, -1)), ops.reciprocal(x)),
    "x**3": (ops.power(x, ops.full_like(x, 3)), ops.multiply(ops.square(x), x)),
    "i**2": (ops.power(i, ops.full_like(i, 2)), ops.square(i)),
    "select true": (ops.select(ops.full_like(b, True), x, y), x),
    "select false": (ops.select(ops.full_like(b, False), x, y), y),
    "select same": (ops.select(b, x, x), x),
    "select not": (ops.select(ops.logical_not(b), x, y), ops.select(b, y, x)),
    "select twice": (ops.select(b, ops.select(b, x, y), NAN), ops.select(b, x, NAN)),
    "masked finite": (ops.masked_multiply(x, HALF), ops.multiply(x, HALF)),
    "masked cast": (
        ops.masked_multiply(x, ops.cast(b, F64)),
        ops.multiply(x, ops.cast(b, F64)),
    ),
    "masked one": (ops.masked_multiply(UNIT, y), y),
    "masked two": (
        ops.masked_multiply(ops.full_like(x, 3.0), y),
        ops.multiply(ops.full_like(x, 3.0), y),
    ),
    "masked zero": (ops.masked_multiply(ZERO, y), ZERO),
    "cast twice": (ops.cast(ops.cast(f, F64), F32), f),
    "cast there and on": (ops.cast(ops.cast(i, INT64), C128), ops.cast(ops.cast(i, INT64), C128)),
    "cast bool": (ops.cast(ops.cast(b, INT32), F64), ops.cast(b, F64)),
    "real of complex": (ops.real(ops.complex_(x, y)), x),
    "imag of complex": (ops.imag(ops.complex_(x, y)), y),
    "conj conj": (ops.conjugate(ops.conjugate(z)), z),
    "mark": (ops.mark(x, 4), x),
    "stop": (ops.sin(ops.stop_gradient(x)), ops.sin(x)),
    "transposes": (ops.transpose(ops.transpose(x, (1, 0)), (1, 0)), x),
    "reshapes": (ops.reshape(ops.reshape(x, (12,)), (3, 4)), x),
    "broadcasts": (
        ops.broadcast_to(ops.broadcast_to(v, (3, 4)), (2, 3, 4)),
        ops.broadcast_to(v, (2, 3, 4)),
    ),
    "keep leading": (ops.keep_axes(v, (0,), (3, 4)), ops.broadcast_to(v, (3, 4))),
    "slice of embed": (
        ops.slice_(ops.embed(x, (7, 4), (5, 0), (-2, 1)), (5, 0), (3, 4), (-2, 1)),
        x,
    ),
    "slices": (
        ops.slice_(ops.slice_(x, (2, 0), (3, 4), (-1, 1)), (1, 1), (2, 2), (1, 2)),
        ops.slice_(x, (1, 1), (2, 2), (-1, 2)),
    ),
    "flips": (ops.flip(ops.flip(s, (0,)), (0,)), s),
    "slice of concatenate": (
        ops.slice_(ops.concatenate((x, y), 0), (3, 1), (2, 2), (1, 1)),
        ops.slice_(y, (0, 1), (2, 2), (1, 1)),
    ),
    "slice of symbolic concatenate": (
        ops.slice_(ops.concatenate((s, x), 0), (N, 0), (3, 4), (1, 1)),
        x,
    ),
    "slice of update": (
        ops.slice_(ops.update(s, x, (0, 0), (2, 1)), (0, 0), (3, 4), (2, 1)),
        x,
    ),
    "update twice": (
        ops.update(ops.update(s, x, (0, 0), (1, 1)), y, (0, 0), (1, 1)),
        ops.update(s, y, (0, 0), (1, 1)),
    ),
    "sum of zeros": (ops.sum_(ZERO, (0,)), ops.full(TensorType(F64, (4,)), 0)),
    "constants": (
        ops.add(x, ops.exp(ops.add(UNIT, MINUS_ZERO))),
        ops.add(x, ops.full_like(x, np.exp(1.0))),
    ),
    "matrix of constants": (
        ops.matmul(ops.constant(np.eye(2)), ops.constant(np.ones((2, 2)))),
        ops.constant(np.ones((2, 2))),
    ),
    "max over one": (
        ops.max_(ops.reshape(x, (3, 1, 4)), (1,)),
        x,
    ),
}


@pytest.mark.parametrize("name", BECOMES)
def test_it_becomes(name):
    before, after = BECOMES[name]
    assert simplified(before) == after


STAYS = {
    "x + 0.0": ops.add(x, ZERO),
    "x - -0.0": ops.subtract(x, MINUS_ZERO),
    "x * 0": ops.multiply(x, ZERO),
    "x - x": ops.subtract(x, x),
    "x / x": ops.divide(x, x),
    "x / 3": ops.divide(x, ops.full_like(x, 3.0)),
    "x / 0": ops.divide(x, ZERO),
    "x / 2**-1074": ops.divide(x, ops.full_like(x, 5e-324)),
    "z * 1": ops.multiply(z, ops.full_like(z, 1)),
    "z + 0": ops.add(z, ops.full_like(z, 0)),
    "masked by nan": ops.masked_multiply(x, NAN),
    "masked by select": ops.masked_multiply(x, ops.select(b, UNIT, NAN)),
    "absorbing": ops.absorbing_multiply(x, NAN),
    "cast that loses": ops.cast(ops.cast(x, F32), F64),
    "cast int64 by float64": ops.cast(ops.cast(ops.cast(x, INT64), F64), INT64),
    "cast of negative": ops.cast(ops.cast(i, F64), UINT8),
    "x**4": ops.power(x, ops.full_like(x, 4)),
    "x**0.5": ops.power(x, HALF),
    "i**-1": ops.power(i, ops.full_like(i, -1)),
    "sum of one": ops.sum_(ops.reshape(x, (3, 1, 4)), (1,)),
    "sum of broadcast": ops.sum_(ops.broadcast_to(v, (3, 4)), (0,)),
    "slice across": ops.slice_(ops.concatenate((x, y), 0), (2, 0), (2, 4), (1, 1)),
    "other slice of embed": ops.slice_(
        ops.embed(x, (7, 4), (5, 0), (-2, 1)), (1, 0), (3, 4), (2, 1)
    ),
    "integer power that raises": ops.power(ops.constant(np.int64(2)), ops.constant(np.int64(-1))),
    "large constant": ops.exp(ops.constant(np.arange(1000.0))),
}


@pytest.mark.parametrize("name", STAYS)
def test_it_stays(name):
    assert simplified(STAYS[name]) == STAYS[name]


def test_an_index_out_of_bounds_among_constants_is_left_to_run_time():
    bad = ops.gather(ops.constant(np.ones(3)), [ops.constant(np.array([5]))], (0,))
    assert simplified(bad) == bad


def test_marks_stay_for_a_graph_that_will_be_differentiated():
    graph = close([x], [ops.multiply(ops.stop_gradient(x), ops.mark(x, 1))])
    assert simplify(graph, differentiable=True) == graph


@pytest.mark.parametrize("name", [*BECOMES, *STAYS])
def test_values_keep_every_bit(name):
    value = BECOMES[name][0] if name in BECOMES else STAYS[name]
    if name in ("integer power that raises", "x**2", "x**3", "i**-1"):
        return
    rng = np.random.default_rng(5)
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e-310])
    arrays = []
    for placeholder in INPUTS:
        shape = tuple(5 if size == N else size for size in placeholder.shape)
        array = rng.normal(size=shape) * 3
        if placeholder.dtype.kind == "f":
            array.flat[: special.size // 2] = rng.choice(special, special.size // 2)
        arrays.append(array.astype(placeholder.dtype))
    graph = close(INPUTS, [value])
    (before,), (after,) = evaluate(graph, arrays), evaluate(simplify(graph), arrays)
    assert before.dtype == after.dtype
    np.testing.assert_array_equal(after, before)
    if before.dtype.kind == "f" and "masked" not in name:
        defined = ~np.isnan(before)
        np.testing.assert_array_equal(np.signbit(after[defined]), np.signbit(before[defined]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_cube_is_within_two_units_in_the_last_place(dtype):
    finfo = np.finfo(dtype)
    special = [0.0, np.inf, np.nan, finfo.tiny, finfo.smallest_subnormal, finfo.max, 1.0]
    special += [float(finfo.tiny) ** (1 / 3) * factor for factor in (0.1, 0.9, 1.1)]
    drawn = np.exp(np.random.default_rng(3).uniform(-60, 60, 5000)) * np.linspace(-1, 1, 5000)
    array = np.concatenate([special, np.negative(special), drawn]).astype(dtype)
    cube = fresh_input(TensorType(np.dtype(dtype), array.shape))
    graph = close([cube], [ops.power(cube, ops.full_like(cube, 3))])
    (actual,) = evaluate(simplify(graph), [array])
    assert simplify(graph) != graph
    with np.errstate(over="ignore"):
        expected = (array.astype("longdouble") ** 3).astype(dtype)
    np.testing.assert_array_equal(np.signbit(actual[:7]), np.signbit(expected[:7]))
    np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(expected))
    normal = np.isfinite(expected)
    np.testing.assert_array_max_ulp(actual[normal], expected[normal], 2)


# --- the driver -----------------------------------------------------------------------------------


def test_a_rule_that_changes_a_type_is_refused():
    graph = close([x], [ops.sin(x)])
    with pytest.raises(VerificationError, match="other types"):
        rewrite(graph, Rules((("sin", lambda node: ops.sum_(node.out(), (0,))),)))


def test_rules_that_go_round_in_circles_are_refused():
    there = Rules((("sin", lambda node: ops.cos(node.inputs[0])),))
    back = Rules((("cos", lambda node: ops.sin(node.inputs[0])),))
    with pytest.raises(VerificationError, match="did not end"):
        rewrite(close([x], [ops.sin(x)]), there + back)


def test_an_op_of_two_outputs_can_be_rewritten():
    quotient, rest = ops.divmod_(x, y)
    split = Rules(
        (("divmod", lambda node: (ops.floor_divide(*node.inputs), ops.remainder(*node.inputs))),)
    )
    graph = rewrite(close([x, y], [ops.add(quotient, rest)]), split)
    assert {node.op.name for node in graph.nodes} == {
        "parameter", "floor_divide", "remainder", "add",
    }  # fmt: skip


def test_the_users_lines_are_carried_along():
    out = ops.add(x, ops.negative(ops.sin(y)))
    note = Note(Location("model.py", 5))
    graph = close([x, y], [out], notes={out.node: note}, names=["x", "y"])
    result = simplify(graph)
    assert result.outputs[0].node.op.name == "subtract"
    assert result.notes[result.outputs[0].node] == note
    assert result.names == ("x", "y")


def test_a_chain_of_20_000_is_no_matter_of_recursion():
    value = x
    for _ in range(10_000):
        value = ops.sin(ops.add(value, MINUS_ZERO))
    assert len(simplify(close([x], [value])).nodes) == 10_001


# --- loops ----------------------------------------------------------------------------------------


def scalar():
    return fresh_input(TensorType(F64, ()))


def test_what_a_loop_does_not_need_is_dropped():
    used, unused, fixed, item, spare, constant, idle = (scalar() for _ in range(7))
    body = close(
        [used, unused, fixed, item, spare, constant, idle],
        [
            ops.multiply(used, ops.add(item, fixed)),
            ops.sin(ops.add(unused, spare)),
            fixed,
            ops.add(used, constant),
            ops.cos(used),
        ],
    )
    starts = [scalar() for _ in range(3)]
    xs = [fresh_input(TensorType(F64, (N,))) for _ in range(2)]
    constants = [scalar(), scalar()]
    results = ops.scan(body, starts, xs, constants, N)
    inputs = [*starts, *xs, *constants]
    graph = close(inputs, [results[0], results[2], results[3]])
    small = verify(simplify(graph))
    (loop,) = (node for node in small.nodes if node.op.name == "scan")
    assert (loop["n_carry"], loop["n_xs"]) == (1, 1)
    assert len(loop.inputs) == 4
    assert len(loop.types) == 2
    assert small.outputs[1] == small.inputs[2]
    arrays = [np.float64(k) for k in (2, 3, 4)] + [np.arange(5.0), np.ones(5)]
    arrays += [np.float64(1), np.float64(2)]
    pairs = zip(evaluate(small, arrays), evaluate(graph, arrays), strict=True)
    for a, b in pairs:
        np.testing.assert_array_equal(a, b)


def test_bodies_are_simplified():
    carry, item = scalar(), scalar()
    body = close([carry, item], [ops.negative(ops.negative(ops.multiply(carry, item)))])
    start, xs = scalar(), fresh_input(TensorType(F64, (N,)))
    graph = simplify(close([start, xs], ops.scan(body, [start], [xs], [], N)))
    assert [node.op.name for node in graph.nodes[-1].regions[0].nodes[-1:]] == ["multiply"]


def test_a_gradient_runs_its_loop_forward_once():
    carry, item = scalar(), scalar()
    body = close([carry, item], [ops.sin(ops.multiply(carry, item)), ops.square(carry)])
    start, xs = scalar(), fresh_input(TensorType(F64, (N,)))
    last, ys = ops.scan(body, [start], [xs], [], N)
    forward = close([start, xs], [ops.add(last, ops.sum_(ys, (0,)))])
    inputs = [fresh_input(value.type) for value in forward.inputs]
    seed = ops.constant(1.0)
    both = close(
        inputs,
        [*inline(forward, inputs), *inline(differentiate(forward, [0, 1]), [*inputs, seed])],
    )
    result = verify(simplify(both))
    assert sum(node.op.name == "scan" for node in both.nodes) == 3
    assert sum(node.op.name == "scan" for node in result.nodes) == 2
    arrays = [np.float64(0.3), np.array([1.0, -2.0, 0.5])]
    for a, b in zip(evaluate(result, arrays), evaluate(both, arrays), strict=True):
        np.testing.assert_array_equal(a, b)
