"""Views that write through, copies that do not, overlapping arguments, and buffers filled."""

import numpy as np

from tests import helpers_module
from tests.trace.arrays import sample
from tests.trace.harness import same


def fill(target, value):
    target[:] = value


def scale(x, by):
    x *= by
    return x


def test_helpers_write_to_arguments():
    def f(x, y):
        fill(x[0], y.sum())
        scale(x.T, 2)
        buffer = np.zeros(4)
        fill(buffer, x[1])
        return buffer, scale(x[1:], y[0])

    same(f, sample((3, 4)), sample((2,)))


def test_views_see_writes():
    def f(x):
        row, flat, transposed = x[1], x.reshape(-1), x.T
        copied, taken = x.copy(), x[[1]]
        row[0] = 10
        flat[5] = 20
        transposed[0] = 30
        x += 1
        return row, flat, transposed, copied, taken

    same(f, sample((3, 4)))


def test_view_of_view():
    def f(x):
        y = x[1:][:, ::2]
        z = y.T[::-1]
        z[0] = 7
        y += 3
        w = z.reshape(-1)
        w[0] = -1
        return y, z, w

    same(f, sample((3, 4)))


def test_fresh_buffers():
    def f(x):
        out = np.empty((len(x), 2))
        for k in range(len(x)):
            out[k, 0] = x[k]
            out[k, 1:] = x[k] ** 2
        history = [out.copy()]
        out[0] = 0
        history.append(out)
        return history, out

    same(f, sample((3,)))


def test_swaps():
    def f(x):
        x[0], x[1] = x[1].copy(), x[0].copy()
        a, b = x[2], x[0]
        x[2], x[0] = b, a
        return x

    same(f, sample((3, 4)))


def test_self_overlap():
    def f(x):
        x[1:] = x[:-1]
        x[:-1] += x[1:]
        x[::-1] -= x

    same(f, sample((5,)))


def test_same_array_twice():
    def f(x, y):
        x += 1
        y *= 2
        return x, y

    x = sample((3,))
    plain = x.copy()
    f(plain, plain)
    from tests.trace.harness import traced

    traced(f, x, x)
    np.testing.assert_array_equal(x, plain)


def test_casts_on_writing():
    def f(x, y):
        x[:] = y
        x[0] = True
        return x

    for target in ("int32", "uint8", "float32", "bool", "complex128"):
        same(f, sample((3,), target), np.array([1.7, 2.2, 0.0]))


def test_returned_views_are_of_the_caller():
    from tests.trace.harness import traced

    x = sample((3, 4))
    row, flat, whole = traced(lambda x: (x[1], x.reshape(-1), x), x)
    assert whole is x
    row[0] = 99
    flat[0] = 77
    assert x[1, 0] == 99
    assert x[0, 0] == 77


def test_shared_results():
    from tests.trace.harness import traced

    def f(x):
        y = x + 1
        return y, y, y[0], y.T

    a, b, row, transposed = traced(f, sample((3, 4)))
    assert a is b
    row[0] = 5
    assert a[0, 0] == 5
    assert transposed[0, 0] == 5


def test_writes_with_views_out_of_order():
    def f(x, n):
        x[:, 0] = n
        x.T[1, 1:] = x[1:, 0] * 2
        x.reshape(2, 2, 3)[1, 1] = 0
        return x.sum()

    same(f, sample((4, 3)), 2.0)


def test_helper_of_another_module():
    def f(x):
        helpers_module.double_in_place(x[1:])
        return helpers_module.fill(x, 3)

    same(f, sample((3,)))
