"""What the tests of ops share: building graphs, finite differences, and a reader of expressions."""

import numpy as np
import scipy.special

from graphc import ops
from graphc.adjoint import differentiate
from graphc.interp import evaluate
from graphc.ir import close, fresh_input, inline
from graphc.loops import (
    SCALAR_FUNCTIONS,
    Apply,
    Cast,
    Checked,
    Const,
    Guarded,
    Load,
    Position,
    Select,
)
from graphc.simplify.algebra import simplify
from graphc.tangent import push_forward
from graphc.types import TensorType, evaluate_size, is_inexact, substitute, supported_dtype
from graphc.verify import verify

STEP = 1e-3


def type_of(array):
    return TensorType(supported_dtype(array.dtype), array.shape)


def graph_of(build, arrays):
    """The verified graph of ``build(*values)``, which gives a value or several."""
    inputs = [fresh_input(type_of(array)) for array in arrays]
    return verify(close(inputs, as_tuple(build(*inputs))))


def as_tuple(outputs):
    return tuple(outputs) if isinstance(outputs, tuple | list) else (outputs,)


def run(build, *arrays):
    """The results of ``build`` on arrays, by the evaluator."""
    return evaluate(graph_of(build, arrays), arrays)


def same(actual, expected, ulps=0):
    """Equal values, dtype and shape, NaN equal to NaN; to `ulps` of the largest, where given."""
    expected = np.asarray(expected)
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    if ulps and expected.dtype.kind in "fc":
        finite = np.abs(np.where(np.isfinite(expected), expected, 0)).max(initial=0)
        tolerance = ulps * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance * finite)
        return
    np.testing.assert_array_equal(actual, expected)


# --- derivatives ----------------------------------------------------------------------------------


def random_like(rng, type_):
    values = rng.uniform(0.5, 1.5, type_.shape) * rng.choice([-1.0, 1.0], type_.shape)
    if type_.dtype.kind == "c":
        values = values + 1j * rng.uniform(0.5, 1.5, type_.shape)
    return values.astype(type_.dtype)


def projected(values, rng):
    """A real number that every inexact value of `values` has a random share in."""
    total = ops.constant(np.float64(0))
    for value in values:
        if not isinstance(value.type, TensorType) or not is_inexact(value.dtype):
            continue
        weight = ops.constant(random_like(rng, value.tensor))
        share = ops.real(ops.sum_(ops.multiply(value, weight), range(value.ndim)))
        total = ops.add(total, ops.cast(share, np.dtype("float64")))
    return total


def check_derivatives(build, arrays, order=2, wrt=None, seed=0, rtol=1e-6):
    """Derivatives of `build` against central differences of the order below, up to `order`.

    The simplified gradient must agree with the plain one, too.
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(array) for array in arrays]
    if wrt is None:
        wrt = [k for k, array in enumerate(arrays) if is_inexact(array.dtype)]
    graph = graph_of(lambda *values: projected(as_tuple(build(*values)), rng), arrays)
    for level in range(1, order + 1):
        gradient = verify(differentiate(graph, wrt))
        found = evaluate(gradient, [*arrays, np.float64(1)])
        simpler = evaluate(verify(simplify(gradient)), [*arrays, np.float64(1)])
        for plain, simple in zip(found, simpler, strict=True):
            # Sums may be in another order: by how much that shows is up to the BLAS of the machine.
            finite = np.abs(np.where(np.isfinite(plain), plain, 0)).max(initial=1.0)
            np.testing.assert_allclose(
                simple, plain, rtol=1e-13, atol=1e-13 * finite, err_msg="simplify changed it"
            )
        directions = {k: random_like(rng, type_of(arrays[k])) for k in wrt}

        def along(distance, directions=directions, graph=graph):
            moved = [a + distance * directions.get(k, 0) for k, a in enumerate(arrays)]
            moved = [m.astype(a.dtype) for m, a in zip(moved, arrays, strict=True)]
            return float(evaluate(graph, moved)[0])

        near = along(STEP) - along(-STEP)
        far = along(2 * STEP) - along(-2 * STEP)
        expected = (8 * near - far) / (12 * STEP)
        pairs = zip(found, directions.values(), strict=True)
        actual = sum(np.sum(g * u).real for g, u in pairs)
        scale = max(1.0, abs(expected))
        assert abs(actual - expected) <= rtol * scale, (level, actual, expected)
        if level < order:
            graph = _next_level(gradient, wrt, len(arrays), rng)


def check_tangents(build, arrays, order=2, wrt=None, seed=0, rtol=1e-6):
    """Tangents of `build` against central differences, and against reverse mode, up to `order`.

    Each level pushes forward the level below; reverse mode of it must agree.
    """
    rng = np.random.default_rng(seed)
    arrays = [np.asarray(array) for array in arrays]
    if wrt is None:
        wrt = [k for k, array in enumerate(arrays) if is_inexact(array.dtype)]
    graph = graph_of(lambda *values: projected(as_tuple(build(*values)), rng), arrays)
    for level in range(1, order + 1):
        directions = {k: random_like(rng, type_of(arrays[k])) for k in wrt}
        pushed = verify(push_forward(graph, wrt))
        value, tangent = evaluate(pushed, [*arrays, *directions.values()])
        np.testing.assert_array_equal(value, evaluate(graph, arrays)[0])
        simpler = evaluate(verify(simplify(pushed)), [*arrays, *directions.values()])[1]
        np.testing.assert_allclose(simpler, tangent, rtol=1e-12, atol=1e-12)

        def along(distance, directions=directions, graph=graph):
            moved = [a + distance * directions.get(k, 0) for k, a in enumerate(arrays)]
            moved = [m.astype(a.dtype) for m, a in zip(moved, arrays, strict=True)]
            return float(evaluate(graph, moved)[0])

        near = along(STEP) - along(-STEP)
        far = along(2 * STEP) - along(-2 * STEP)
        expected = (8 * near - far) / (12 * STEP)
        scale = max(1.0, abs(expected))
        assert abs(tangent - expected) <= rtol * scale, (level, tangent, expected)
        found = evaluate(verify(differentiate(graph, wrt)), [*arrays, np.float64(1)])
        pairs = zip(found, directions.values(), strict=True)
        reverse = sum(np.sum(g * u).real for g, u in pairs)
        np.testing.assert_allclose(tangent, reverse, rtol=1e-9, atol=1e-9)
        if level < order:
            inputs = [fresh_input(value.type) for value in graph.inputs]
            seeds = [ops.constant(direction) for direction in directions.values()]
            graph = close(inputs, inline(pushed, [*inputs, *seeds])[1:])


def _next_level(gradient, wrt, count, rng):
    inputs = [fresh_input(value.type) for value in gradient.inputs[:count]]
    results = inline(gradient, [*inputs, ops.constant(np.float64(1))])
    return close(inputs, [projected(results, rng)])


def gradient_at(build, *arrays, order=1):
    """The `order`-th derivative of ``sum(build(x, ...))`` by its first argument."""

    def total(*values):
        out = build(*values)
        return ops.sum_(out, range(out.ndim))

    graph = graph_of(total, arrays)
    for _ in range(order):
        gradient = differentiate(graph, [0])
        inputs = [fresh_input(value.type) for value in graph.inputs]
        seed = ops.constant(np.ones((), graph.outputs[0].dtype))
        (found,) = inline(gradient, [*inputs, seed])
        graph = close(inputs, [ops.sum_(found, range(found.ndim))])
    inputs = [fresh_input(value.type) for value in graph.inputs]
    (found,) = evaluate(close(inputs, inline(gradient, [*inputs, seed])), arrays)
    return found


# --- scalar expressions, read by NumPy ------------------------------------------------------------


def joined(re, im):
    result = np.empty(np.broadcast(re, im).shape, np.result_type(re.dtype, np.complex64))
    result.real, result.imag = re, im
    return result


OWN_FUNCTIONS = {
    "complex": joined,
    "real": np.real,
    "imag": np.imag,
    "frexp_mantissa": lambda x: np.frexp(x)[0],
    "frexp_exponent": lambda x: np.frexp(x)[1],
    "polygamma": lambda order, x: scipy.special.polygamma(order, x),
}


def scalar_function(name):
    found = OWN_FUNCTIONS.get(name) or getattr(np, name, None)
    return found or getattr(scipy.special, name)


def expression_value(expression, arrays):
    """The value of a Loop IR expression over whole arrays, or at one index of them."""
    match expression:
        case Const(value, dtype):
            return np.asarray(value).astype(dtype)
        case Position(index, dtype):
            return np.asarray(known(index, arrays)).astype(dtype)
        case Load(buffer, index, dtype):
            array = arrays[buffer]
            assert array.dtype == dtype
            return array if index is None else array[tuple(known(i, arrays) for i in index)]
        case Cast(operand, dtype):
            return expression_value(operand, arrays).astype(dtype)
        case Select(condition, then, otherwise, dtype):
            assert condition.dtype == np.bool_
            assert then.dtype == otherwise.dtype == dtype
            chosen = expression_value(condition, arrays)
            if chosen.ndim == 0:
                return expression_value(then if chosen else otherwise, arrays)
            branches = (expression_value(branch, arrays) for branch in (then, otherwise))
            return np.where(chosen, *branches)
        case Guarded(condition, operand, _, dtype):
            assert operand.dtype == dtype
            assert expression_value(condition, arrays).all()
            return expression_value(operand, arrays)
        case Apply(function, arguments, dtype):
            assert arguments[-1].dtype.kind in SCALAR_FUNCTIONS[function] or function == "ldexp"
            values = [expression_value(argument, arrays) for argument in arguments]
            result = np.asarray(scalar_function(function)(*values))
            if function != "polygamma":
                assert result.dtype == dtype, (function, result.dtype, dtype)
            return result.astype(dtype)
    raise AssertionError(expression)


def known(index, arrays):
    """An index that is a number, after reading what it depends on."""

    def read(atom):
        if not isinstance(atom, Checked):
            return None
        position = int(expression_value(atom.value, arrays))
        extent = evaluate_size(atom.extent, {})
        assert -extent <= position < extent
        return position + extent if position < 0 else position

    value = substitute(index, read)
    assert isinstance(value, int)
    return value
