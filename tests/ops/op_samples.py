"""A sample of every op: how to build it, what on, and what NumPy says it gives."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as special
from attention_samples import samples as attention_samples
from convolution_samples import samples as convolution_samples
from matrix_samples import MATRIX_SAMPLES
from region_samples import region_samples
from sample import Sample

from graphc import ops
from graphc.ir import Value, close, fresh_input, make
from graphc.ops import OPS
from graphc.types import DTYPES, TensorType

RNG = np.random.default_rng(20)


# --- pointwise: NumPy's function, kinds of operands, and where each operand's derivative is taken -

ANYWHERE = (-1.9, 1.9)
POSITIVE = (0.4, 2.5)
INSIDE = (-0.9, 0.9)
ABOVE_ONE = (1.3, 3.0)
NOWHERE = None


@dataclass(frozen=True)
class Pointwise:
    """`domains` has an interval for each operand by which there is a derivative, else None."""

    function: Any
    kinds: str
    domains: tuple


def p(function, kinds, *domains):
    return Pointwise(function, kinds, domains)


def join(re, im):
    result = np.empty(np.shape(re), np.result_type(re.dtype, np.complex64))
    result.real, result.imag = re, im
    return result


def masked(g, d):
    return np.where(g == 0, np.zeros_like(g), g * d)


def absorbed(x, y):
    return np.where((x == 0) | (y == 0), np.zeros_like(x), x * y)


POINTWISE = {
    "add": p(np.add, "biufc", ANYWHERE, ANYWHERE),
    "subtract": p(np.subtract, "iufc", ANYWHERE, ANYWHERE),
    "multiply": p(np.multiply, "biufc", ANYWHERE, ANYWHERE),
    "divide": p(np.true_divide, "fc", ANYWHERE, POSITIVE),
    "negative": p(lambda x: -x, "iufc", ANYWHERE),
    "reciprocal": p(np.reciprocal, "iufc", POSITIVE),
    "square": p(np.square, "iufc", ANYWHERE),
    "masked_multiply": p(masked, "fc", POSITIVE, ANYWHERE),
    "absorbing_multiply": p(absorbed, "fc", ANYWHERE, ANYWHERE),
    "power": p(np.power, "ufc", POSITIVE, ANYWHERE),
    "floor_divide": p(np.floor_divide, "iuf", (5.1, 5.4), (1.2, 1.25)),
    "remainder": p(np.remainder, "iuf", (5.1, 5.4), (-1.25, -1.2)),
    "fmod": p(np.fmod, "iuf", (-5.4, -5.1), (1.2, 1.25)),
    "absolute": p(np.absolute, "biufc", POSITIVE),
    "sign": p(np.sign, "iufc", POSITIVE),
    "rint": p(np.rint, "fc", (0.6, 0.9)),
    "floor": p(np.floor, "f", (0.6, 0.9)),
    "ceil": p(np.ceil, "f", (0.6, 0.9)),
    "trunc": p(np.trunc, "f", (0.6, 0.9)),
    "copysign": p(np.copysign, "f", POSITIVE, (-2, -1)),
    "nextafter": p(np.nextafter, "f", POSITIVE, POSITIVE),
    "spacing": p(np.spacing, "f", (1.2, 1.8)),
    "signbit": p(np.signbit, "f", NOWHERE),
    "heaviside": p(np.heaviside, "f", POSITIVE, ANYWHERE),
    "sqrt": p(np.sqrt, "fc", POSITIVE),
    "cbrt": p(np.cbrt, "f", (-2, -1)),
    "exp": p(np.exp, "fc", ANYWHERE),
    "exp2": p(np.exp2, "fc", ANYWHERE),
    "expm1": p(np.expm1, "fc", ANYWHERE),
    "expit": p(special.expit, "f", ANYWHERE),
    "log": p(np.log, "fc", POSITIVE),
    "log2": p(np.log2, "fc", POSITIVE),
    "log10": p(np.log10, "fc", POSITIVE),
    "log1p": p(np.log1p, "fc", POSITIVE),
    "logaddexp": p(np.logaddexp, "f", ANYWHERE, ANYWHERE),
    "logaddexp2": p(np.logaddexp2, "f", ANYWHERE, ANYWHERE),
    "sin": p(np.sin, "fc", ANYWHERE),
    "cos": p(np.cos, "fc", ANYWHERE),
    "tan": p(np.tan, "fc", INSIDE),
    "arcsin": p(np.arcsin, "fc", INSIDE),
    "arccos": p(np.arccos, "fc", INSIDE),
    "arctan": p(np.arctan, "fc", ANYWHERE),
    "arctan2": p(np.arctan2, "f", ANYWHERE, POSITIVE),
    "hypot": p(np.hypot, "f", ANYWHERE, POSITIVE),
    "deg2rad": p(np.deg2rad, "f", ANYWHERE),
    "rad2deg": p(np.rad2deg, "f", ANYWHERE),
    "sinh": p(np.sinh, "fc", ANYWHERE),
    "cosh": p(np.cosh, "fc", ANYWHERE),
    "tanh": p(np.tanh, "fc", ANYWHERE),
    "arcsinh": p(np.arcsinh, "fc", ANYWHERE),
    "arccosh": p(np.arccosh, "fc", ABOVE_ONE),
    "arctanh": p(np.arctanh, "fc", INSIDE),
    "maximum": p(np.maximum, "biufc", ANYWHERE, ANYWHERE),
    "minimum": p(np.minimum, "biufc", ANYWHERE, ANYWHERE),
    "fmax": p(np.fmax, "biufc", ANYWHERE, ANYWHERE),
    "fmin": p(np.fmin, "biufc", ANYWHERE, ANYWHERE),
    "equal": p(np.equal, "biufc", NOWHERE),
    "not_equal": p(np.not_equal, "biufc", NOWHERE),
    "less": p(np.less, "biufc", NOWHERE),
    "less_equal": p(np.less_equal, "biufc", NOWHERE),
    "greater": p(np.greater, "biufc", NOWHERE),
    "greater_equal": p(np.greater_equal, "biufc", NOWHERE),
    "logical_and": p(np.logical_and, "biufc", NOWHERE),
    "logical_or": p(np.logical_or, "biufc", NOWHERE),
    "logical_xor": p(np.logical_xor, "biufc", NOWHERE),
    "logical_not": p(np.logical_not, "biufc", NOWHERE),
    "isnan": p(np.isnan, "biufc", NOWHERE),
    "isinf": p(np.isinf, "biufc", NOWHERE),
    "isfinite": p(np.isfinite, "biufc", NOWHERE),
    "bitwise_and": p(np.bitwise_and, "biu", NOWHERE),
    "bitwise_or": p(np.bitwise_or, "biu", NOWHERE),
    "bitwise_xor": p(np.bitwise_xor, "biu", NOWHERE),
    "invert": p(np.invert, "biu", NOWHERE),
    "left_shift": p(np.left_shift, "iu", NOWHERE),
    "right_shift": p(np.right_shift, "iu", NOWHERE),
    "bitwise_count": p(np.bitwise_count, "iu", NOWHERE),
    "gcd": p(np.gcd, "iu", NOWHERE),
    "lcm": p(np.lcm, "iu", NOWHERE),
    "complex": p(join, "f", ANYWHERE, ANYWHERE),
    "real": p(np.real, "c", ANYWHERE),
    "imag": p(np.imag, "c", ANYWHERE),
    "conjugate": p(np.conjugate, "c", ANYWHERE),
    "erf": p(special.erf, "f", ANYWHERE),
    "erfc": p(special.erfc, "f", ANYWHERE),
    "erfinv": p(special.erfinv, "f", INSIDE),
    "ndtr": p(special.ndtr, "f", ANYWHERE),
    "logit": p(special.logit, "f", (0.15, 0.85)),
    "log_expit": p(special.log_expit, "f", ANYWHERE),
    "xlogy": p(special.xlogy, "f", ANYWHERE, POSITIVE),
    "xlog1py": p(special.xlog1py, "f", ANYWHERE, POSITIVE),
    "entr": p(special.entr, "f", POSITIVE),
    "gamma": p(special.gamma, "f", ABOVE_ONE),
    "gammaln": p(special.gammaln, "f", ABOVE_ONE),
    "digamma": p(special.digamma, "f", ABOVE_ONE),
    "divmod": p(np.divmod, "iuf", (5.1, 5.4), (1.2, 1.25)),
    "modf": p(np.modf, "f", (0.6, 0.9)),
    "frexp": p(np.frexp, "f", (1.2, 1.8)),
}


def pointwise(name):
    """A builder of the op `name` of one dtype."""

    def build(*values):
        outputs = make(OPS[name], values).outputs
        return outputs if len(outputs) > 1 else outputs[0]

    return build


# --- the others -----------------------------------------------------------------------------------


def normal(*shape):
    return RNG.normal(size=shape)


def integers(low, high, *shape):
    return RNG.integers(low, high, shape)


X = normal(3, 4)
CUBE = normal(2, 3, 4)
ROWS, COLUMNS = integers(-3, 3, 5), integers(-4, 4, 5)
REPEATED = np.array([1, -1, 1, 0, 2])
POSITIONS = integers(0, 2, 2, 2)


def updated(x, index, value):
    result = x.copy()
    result[index] = value
    return result


def added(x, index, value):
    result = x.copy()
    np.add.at(result, index, value)
    return result


def combined(ufunc, x, index, value):
    result = x.copy()
    ufunc.at(result, index, value)
    return result


def embedded(x):
    result = np.zeros((7, 4))
    result[5::-2] = x
    return result


def loop_body() -> Any:
    """``c, n -> sin(c * x + k), n + 1; y = c * k``."""
    c, n, x, k = (fresh_input(t) for t in (T3, TensorType(DTYPES["int64"], ()), T3, T3))
    new = ops.sin(ops.add(ops.multiply(c, x), k))
    return close([c, n, x, k], [new, ops.add(n, ops.constant(1)), ops.multiply(c, k)])


T3 = TensorType(DTYPES["float64"], (3,))


def scan(c: Value, n: Value, xs: Value, k: Value, reverse: bool = False) -> tuple[Value, ...]:
    return ops.scan(loop_body(), [c, n], [xs], [k], xs.shape[0], reverse=reverse)


def scanned(c, n, xs, k, reverse=False):
    ys = np.empty_like(xs)
    for step in reversed(range(len(xs))) if reverse else range(len(xs)):
        ys[step] = c * k
        c = np.sin(c * xs[step] + k)
    return c, np.int64(n + len(xs)), ys


def recurred(factors, terms):
    result = terms.copy()
    for k in range(1, terms.shape[1]):
        result[:, k] += factors[:, k] * result[:, k - 1]
    return result


def flat_argmax(x):
    moved = np.moveaxis(x, 1, 0)
    return np.argmax(moved.reshape(3, -1), axis=1)


def checkpointed(x, y):
    inputs = [fresh_input(x.type), fresh_input(y.type)]
    inner = ops.sin(ops.multiply(*inputs))
    body = close(inputs, [ops.cos(inner), ops.argmax(inner, (0,))])
    return ops.checkpoint(body, [x, y])


def with_own_derivative(x, n, y):
    """``sin(x) * y``, a result without derivative, and the derivative as a user would give it."""
    own = [fresh_input(value.type) for value in (x, n, y)]
    result = ops.multiply(ops.sin(own[0]), own[2])
    primal = close(own, [result, own[1]])
    forward = close(own, [result, own[1], ops.cos(own[0]), ops.sin(own[0]), own[2]])
    taken = [fresh_input(x.type) for _ in range(4)]
    cosine, sine, factor, g = taken
    pulled = [ops.multiply(g, ops.multiply(cosine, factor)), ops.multiply(g, sine)]
    return ops.custom_vjp(primal, forward, close(taken, pulled), (0, 2), (x, n, y))


ZERO_ROW = np.array([[1.5, 0.0, 2.0, -1.0], [0.0, 3.0, 0.0, 2.0], [1.0, 2.0, 3.0, 4.0]])
TIED = np.array([[2.0, np.nan, -0.0, 1.0, 0.0, 2.0], [-np.inf, 1.0, np.nan, np.inf, 0.0, 1.0]])
CROSSED = np.stack([TIED, TIED[:, ::-1]], -1).view(complex)[..., 0]
LADDER = np.array([-np.inf, 0.0, 1.0, 1.0, 2.0, np.inf, np.nan])
LOOP = (normal(3), np.int64(5), normal(4, 3), normal(3))

# Threefry-2x32 with 20 rounds: the known answers of Random123, a column each.
THREEFRY = np.array(
    [
        [0, 0xFFFFFFFF, 0x13198A2E],
        [0, 0xFFFFFFFF, 0x03707344],
        [0, 0xFFFFFFFF, 0x243F6A88],
        [0, 0xFFFFFFFF, 0x85A308D3],
    ],
    np.uint32,
)
BLOCKS = np.array([0x6B20015999BA4EFE, 0x1CB996FCBB002BE7, 0xC4923A9C483DF7A0], np.uint64)

SAMPLES = {
    "threefry2x32": [Sample(ops.threefry2x32, tuple(THREEFRY), lambda *words: BLOCKS, ())],
    "select": [
        Sample(ops.select, (X > 0, X, 2 * X), lambda c, x, y: np.where(c, x, y), (1, 2), 3),
    ],
    "cast": [
        Sample(lambda x: ops.cast(x, DTYPES["float32"]), (X,), lambda x: x.astype(np.float32), ()),
        Sample(lambda x: ops.cast(x, DTYPES["complex128"]), (X,), lambda x: x.astype(complex)),
        Sample(lambda x: ops.cast(x, DTYPES["float64"]), (X + 2j * X,), np.real),
        Sample(lambda x: ops.cast(x, DTYPES["int8"]), (50 * X,), lambda x: x.astype(np.int8), ()),
        Sample(lambda x: ops.cast(x, DTYPES["bool"]), (X + 0j,), lambda x: x.astype(bool), ()),
    ],
    "ldexp": [Sample(ops.ldexp, (X, integers(-3, 3, 3, 4)), np.ldexp)],
    "polygamma": [
        Sample(lambda x: ops.polygamma(2, x), (X**2 + 1,), lambda x: special.polygamma(2, x)),
    ],
    "constant": [
        Sample(lambda: ops.constant(X), (), lambda: X),
        Sample(lambda: ops.constant(np.asfortranarray(X)), (), lambda: X),
        Sample(lambda: ops.constant(np.float32(2)), (), lambda: np.float32(2)),
    ],
    "iota": [Sample(lambda: ops.iota(4), (), lambda: np.arange(4))],
    "size": [Sample(lambda: ops.size_value(4), (), lambda: np.int64(4))],
    "broadcast_to": [
        Sample(
            lambda x: ops.broadcast_to(x, (5, 3, 4)),
            (normal(3, 1),),
            lambda x: np.broadcast_to(x, (5, 3, 4)),
        ),
        Sample(lambda x: ops.broadcast_to(x, (0, 2)), (normal(1, 1),), lambda x: np.zeros((0, 2))),
    ],
    "sum": [
        Sample(lambda x: ops.sum_(x, (0, 2)), (CUBE,), lambda x: x.sum(axis=(0, 2)), order=3),
        Sample(lambda x: ops.sum_(x, (1,)), (np.zeros((2, 0)),), lambda x: np.zeros(2)),
        Sample(lambda x: ops.sum_(x, (0,)), (X > 0,), lambda x: (x > 0).any(axis=0)),
    ],
    "reshape": [Sample(lambda x: ops.reshape(x, (2, 6)), (X,), lambda x: x.reshape(2, 6))],
    "transpose": [
        Sample(
            lambda x: ops.transpose(x, (2, 0, 1)), (CUBE,), lambda x: np.transpose(x, (2, 0, 1))
        ),
    ],
    "slice": [
        Sample(
            lambda x: ops.slice_(x, (0, 1, 3), (2, 1, 2), (1, 2, -3)),
            (CUBE,),
            lambda x: x[:, 1:2, 3::-3],
        ),
        Sample(lambda x: ops.slice_(x, (0, 0), (0, 4), (1, 1)), (X,), lambda x: x[:0]),
        Sample(lambda x: ops.flip(x, (1,)), (X,), np.fliplr),
    ],
    "embed": [Sample(lambda x: ops.embed(x, (7, 4), (5, 0), (-2, 1)), (X,), embedded)],
    "concatenate": [
        Sample(
            lambda x, y, z: ops.concatenate((x, y, z), 1),
            (X, normal(3, 1), normal(3, 0)),
            lambda x, y, z: np.hstack((x, y, z)),
        ),
    ],
    "prod": [
        Sample(lambda x: ops.prod(x, (1,)), (X,), lambda x: x.prod(axis=1), order=3),
        Sample(lambda x: ops.prod(x, (1,)), (ZERO_ROW,), lambda x: x.prod(axis=1), order=3),
        Sample(lambda x: ops.prod(x, (0, 2)), (CUBE,), lambda x: x.prod(axis=(0, 2))),
        Sample(lambda x: ops.prod(x, (0,)), (np.zeros((0, 2)),), lambda x: np.ones(2)),
        Sample(lambda x: ops.prod(x, (0,)), (X + 1j,), lambda x: x.prod(axis=0)),
    ],
    "max": [Sample(lambda x: ops.max_(x, (0, 2)), (CUBE,), lambda x: x.max(axis=(0, 2)))],
    "min": [Sample(lambda x: ops.min_(x, (1,)), (CUBE,), lambda x: x.min(axis=1))],
    "argmax": [
        Sample(lambda x: ops.argmax(x, (0, 2)), (CUBE,), flat_argmax),
        Sample(lambda x: ops.argmax(x, (0,)), (np.array([1, np.nan, 2, np.nan]),), np.argmax),
    ],
    "argmin": [Sample(lambda x: ops.argmin(x, (1,)), (CUBE,), lambda x: x.argmin(axis=1))],
    "any": [Sample(lambda x: ops.any_(x, (1,)), (CUBE > 0,), lambda x: x.any(axis=1))],
    "all": [Sample(lambda x: ops.all_(x, (0, 1)), (CUBE > 0,), lambda x: x.all(axis=(0, 1)))],
    "gather": [
        Sample(lambda x, i: ops.gather(x, (i,), (0,)), (X, ROWS), lambda x, i: x[i]),
        Sample(
            lambda x, i, j: ops.gather(x, (i, j), (0, 1)),
            (X, ROWS, COLUMNS),
            lambda x, i, j: x[i, j],
        ),
        Sample(
            lambda x, i: ops.gather(x, (i,), (1,)),
            (CUBE, POSITIONS),
            lambda x, i: np.moveaxis(x[:, i], 0, 2),
        ),
        Sample(lambda x, i: ops.gather(x, (i,), (0,)), (X, np.int64(-1)), lambda x, i: x[-1]),
    ],
    "scatter_add": [
        Sample(
            lambda x, v, i: ops.scatter_add(x, v, (i,), (0,)),
            (X, normal(5, 4), REPEATED),
            lambda x, v, i: added(x, i, v),
        ),
        Sample(
            lambda x, v, i: ops.scatter_add(x, v, (i,), (1,)),
            (X, normal(5, 3), REPEATED),
            lambda x, v, i: added(x.T, i, v).T,
        ),
    ],
    "scatter": [
        Sample(
            lambda x, v, i: ops.scatter(x, v, (i,), (0,)),
            (X, normal(5, 4), REPEATED),
            lambda x, v, i: updated(x, i, v),
        ),
        Sample(
            lambda x, v, i, j: ops.scatter(x, v, (i, j), (1, 0)),
            (X, normal(5), REPEATED, REPEATED),
            lambda x, v, i, j: updated(x, (j, i), v),
        ),
    ],
    "scatter_reduce": [
        Sample(
            lambda x, v, i, c=combine: ops.scatter_reduce(x, v, (i,), (0,), c),
            (X, normal(5, 4), REPEATED),
            lambda x, v, i, u=ufunc: combined(u, x, i, v),
        )
        for combine, ufunc in (
            ("multiply", np.multiply),
            ("maximum", np.maximum),
            ("minimum", np.minimum),
        )
    ]
    + [
        Sample(
            lambda x, v, i: ops.scatter_reduce(x, v, (i,), (0,), "and"),
            (X > -1, normal(5, 4) > 0, REPEATED),
            lambda x, v, i: combined(np.logical_and, x, i, v),
        ),
    ],
    "update": [
        Sample(
            lambda x, v: ops.update(x, v, (2, 1), (-2, 2)),
            (X, normal(2, 2)),
            lambda x, v: updated(x, np.s_[2::-2, 1::2], v),
        ),
    ],
    "sort": [
        Sample(ops.sort, (CUBE,), lambda x: np.sort(x, axis=-1), order=3),
        Sample(ops.sort, (TIED,), lambda x: np.sort(x, kind="stable"), ()),
        Sample(ops.sort, (CROSSED,), lambda x: np.sort(x, kind="stable"), ()),
        Sample(ops.sort, (normal(2, 200),), lambda x: np.sort(x, axis=-1), ()),
        Sample(ops.sort, (np.zeros((3, 0)),), lambda x: x),
    ],
    "argsort": [
        Sample(ops.argsort, (TIED,), lambda x: np.argsort(x, kind="stable")),
        Sample(ops.argsort, (CROSSED,), lambda x: np.argsort(x, kind="stable")),
        Sample(ops.argsort, (np.tile(TIED, 20),), lambda x: np.argsort(x, kind="stable")),
    ],
    "search": [
        Sample(lambda a, v: ops.search(a, v, False), (LADDER, TIED), np.searchsorted),
        Sample(
            lambda a, v: ops.search(a, v, True),
            (LADDER, TIED),
            lambda a, v: np.searchsorted(a, v, "right"),
        ),
        Sample(lambda a, v: ops.search(a, v, True), (LADDER[:0], np.float64(1)), np.searchsorted),
    ],
    "cumulate": [
        Sample(lambda x: ops.cumulate(x, "add", 1), (CUBE,), lambda x: x.cumsum(1), order=3),
        Sample(
            lambda x: ops.cumulate(x, "multiply", 1, True),
            (ZERO_ROW,),
            lambda x: x[:, ::-1].cumprod(1)[:, ::-1],
            order=3,
        ),
        Sample(lambda x: ops.cumulate(x, "multiply", 0), (X + 1j,), lambda x: x.cumprod(0)),
        Sample(
            lambda x: ops.cumulate(x, "maximum", 2), (CUBE,), lambda x: np.maximum.accumulate(x, 2)
        ),
        Sample(
            lambda x: ops.cumulate(x, "minimum", 0, True),
            (CUBE,),
            lambda x: np.minimum.accumulate(x[::-1])[::-1],
        ),
        Sample(lambda x: ops.cumulate(x, "and", 0), (X > -1,), np.logical_and.accumulate),
        Sample(
            lambda x: ops.cumulate(x, "or", 1), (X > 1,), lambda x: np.logical_or.accumulate(x, 1)
        ),
        Sample(lambda x: ops.cumulate(x, "add", 1), (np.zeros((2, 0)),), lambda x: x.cumsum(1)),
    ],
    "recurrence": [
        Sample(lambda a, b: ops.recurrence(a, b, 1), (X, normal(3, 4)), recurred, order=3),
        Sample(
            lambda a, b: ops.recurrence(a, b, 0, True),
            (X, normal(3, 4)),
            lambda a, b: recurred(a[::-1].T, b[::-1].T).T[::-1],
        ),
    ],
    "unskew": [
        Sample(
            ops.unskew,
            (CUBE.reshape(2, 6, 2),),
            lambda x: np.stack([x[:, :5, 0], x[:, 1:, 1]], -1),
            order=3,
        ),
    ],
    "skew": [
        Sample(
            ops.skew,
            (CUBE.reshape(2, 6, 2),),
            lambda x: np.stack(
                [np.pad(x[..., 0], ((0, 0), (0, 1))), np.pad(x[..., 1], ((0, 0), (1, 0)))], -1
            ),
            order=3,
        ),
    ],
    "matmul": [
        Sample(ops.matmul, (X, normal(4, 2)), lambda a, b: a @ b, order=3),
        Sample(ops.matmul, (CUBE, normal(2, 4, 1)), lambda a, b: a @ b),
        Sample(ops.matmul, (X + 1j, X.T - 2j), lambda a, b: a @ b),
        Sample(ops.matmul, (np.zeros((2, 0)), np.zeros((0, 3))), lambda a, b: np.zeros((2, 3))),
        Sample(ops.matmul, (X > 0, X.T > 0.5), lambda a, b: (a.astype(int) @ b.astype(int)) > 0),
    ],
    "mark": [Sample(lambda x: ops.mark(x, 3), (X,), lambda x: x)],
    "barrier": [Sample(lambda x, y: ops.barrier(x, [y]), (X, CUBE), lambda x, y: x, (0,))],
    "closed_over": [Sample(ops.closed_over, (X,), lambda x: x, ())],
    "checkpoint": [
        Sample(
            checkpointed,
            (X, X.T.reshape(3, 4)),
            lambda x, y: (np.cos(np.sin(x * y)), np.argmax(np.sin(x * y), axis=0)),
            order=3,
        ),
    ],
    "custom_vjp": [
        Sample(with_own_derivative, (X, ROWS, X + 1), lambda x, n, y: (np.sin(x) * y, n), (0, 2)),
    ],
    "stop_gradient": [Sample(ops.stop_gradient, (X,), lambda x: x, ())],
    "scan": [
        Sample(scan, LOOP, scanned, (0, 2, 3), 3),
        Sample(
            lambda *values: scan(*values, reverse=True),
            LOOP,
            lambda *arrays: scanned(*arrays, reverse=True),
            (0, 2, 3),
        ),
        Sample(scan, (LOOP[0], LOOP[1], np.zeros((0, 3)), LOOP[3]), scanned, (0, 2, 3)),
    ],
}
SAMPLES |= region_samples(Sample)

SAMPLES |= MATRIX_SAMPLES

SAMPLES |= convolution_samples(Sample)

SAMPLES |= attention_samples(Sample)

NO_SAMPLE = {
    "token": "holds no data: tested with print",
    "print": "gives no data: tested by what it prints",
    "breakpoint": "gives no data: tested by when it stops",
}
