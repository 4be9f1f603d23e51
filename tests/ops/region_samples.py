"""Samples of the ops with regions: branches, and loops of any number of turns."""

import numpy as np

from graphc import ops
from graphc.ir import close, fresh_input
from graphc.types import DTYPES, TensorType

T3 = TensorType(DTYPES["float64"], (3,))
COUNT = TensorType(DTYPES["int64"], ())
BOOL = TensorType(DTYPES["bool"], ())


def choose(condition, state, x):
    """``state * x, sin(x)`` or ``state, state + x``."""
    s, y = fresh_input(T3), fresh_input(T3)
    then = close([s, y], [ops.multiply(s, y), ops.sin(y)])
    otherwise = close([s, y], [s, ops.add(s, y)])
    return ops.cond(condition, [state], [x], then, otherwise)


def chosen(condition, state, x):
    return (state * x, np.sin(x)) if condition else (state, state + x)


def repeat(limit, c, k, most=0):
    """``c, n -> sin(c) * k + 1, n + 1`` as long as ``n < limit``, from n = 0."""
    p, state, n, factor, last = (fresh_input(t) for t in (BOOL, T3, COUNT, T3, COUNT))
    turned = ops.add(ops.multiply(ops.sin(state), factor), ops.full_like(state, 1))
    after = ops.add(n, ops.constant(1))
    body = close([p, state, n, factor, last], [ops.less(after, last), turned, after])
    zero = ops.constant(np.int64(0))
    start = [ops.less(zero, limit), c, zero]
    return ops.while_loop(body, start, [k, limit], most)[1:]


def repeated(limit, c, k, most=0):
    for _ in range(limit):
        c = np.sin(c) * k + 1
    return c, np.int64(max(limit, 0))


ROW, FACTOR = np.array([0.5, -1.0, 2.0]), np.array([0.9, 1.1, -0.7])


def region_samples(sample):
    """The samples, made with the record `sample`."""
    return {
        "cond": [
            sample(choose, (np.True_, ROW, FACTOR), chosen, (1, 2), 3),
            sample(choose, (np.False_, ROW, FACTOR), chosen, (1, 2)),
        ],
        "while": [
            sample(repeat, (np.int64(5), ROW, FACTOR), repeated, (1, 2)),
            sample(repeat, (np.int64(0), ROW, FACTOR), repeated, (1, 2)),
            sample(repeat, (np.int64(100), ROW, FACTOR / 2), repeated, (1, 2), 1),
            sample(
                lambda *values: repeat(*values, most=7),
                (np.int64(6), ROW, FACTOR),
                repeated,
                (1, 2),
            ),
        ],
        "limited": [
            sample(lambda n: ops.limited(n, 3, "too many"), (np.int64(3),), lambda n: n, ()),
        ],
    }
