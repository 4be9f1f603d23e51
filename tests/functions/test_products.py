"""Matrix and tensor products against NumPy."""

import numpy as np
import pytest

from graphc.errors import ShapeError
from tests.trace.arrays import DTYPES, sample, strided
from tests.trace.harness import same, traced

MATMUL = [
    ((3, 4), (4, 2)),
    ((4,), (4, 2)),
    ((3, 4), (4,)),
    ((4,), (4,)),
    ((2, 3, 4), (4, 5)),
    ((2, 3, 4), (2, 4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (5, 4, 2)),
    ((2, 3, 4), (4,)),
    ((4,), (2, 4, 5)),
    ((1, 1), (1, 1)),
    ((3, 0), (0, 4)),
    ((0, 3), (3, 4)),
    ((2, 0, 3), (3, 4)),
]


@pytest.mark.parametrize(("left", "right"), MATMUL, ids=str)
def test_matmul(left, right):
    same(lambda a, b: (a @ b, np.matmul(a, b)), sample(left), sample(right, seed=1), ulps=16)
    a, b = sample(left, "float32"), sample(right, "float32", 1)
    same(lambda a, b: a @ b, a, b, ulps=16)


@pytest.mark.parametrize(("left", "right"), MATMUL[:6], ids=str)
def test_dot(left, right):
    same(lambda a, b: (np.dot(a, b), a.dot(b)), sample(left), sample(right, seed=1), ulps=16)


@pytest.mark.parametrize("first", DTYPES)
@pytest.mark.parametrize("second", DTYPES)
def test_dtypes(first, second):
    a, b = sample((3, 4), first), sample((4, 2), second, 1)
    same(lambda a, b: (a @ b, np.dot(a, b), a[0] @ b[:, 0]), a, b, ulps=16)


def test_strides_and_in_place():
    for x in strided().values():
        same(lambda x, y: (x @ x.T, x.T @ x, y @ x), x, sample((2, 3)), ulps=16)

    def in_place(x, y):
        x @= y
        np.matmul(x, y, out=x)
        return np.dot(x, y, out=x)

    same(in_place, sample((3, 3)), sample((3, 3), seed=1), ulps=32)
    same(lambda x, y: np.matmul(x, y, dtype=np.float64), sample((2, 2), "float32"), np.eye(2))


def test_lists_and_numbers():
    x = sample((3,))
    same(lambda x: (x @ [1, 2, 3], [1.0, 2, 3] @ x, np.dot(x, [1, 2, 3])), x)
    same(lambda x, a: (np.dot(x, a), np.dot(a, 2), np.dot(2, x), np.inner(x, a)), x, 1.5)
    same(lambda x, a: (np.dot(x, a), np.outer(x, 2)), sample((3,), "float32"), 1.5)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (5, 6)),
        ((3,), (4,)),
        ((2, 3, 4), (3, 4, 5)),
        ((3, 4), (3,)),
        ((), (3,)),
        ((3,), ()),
    ],
    ids=str,
)
def test_mismatch(left, right):
    a, b = sample(left), sample(right)
    same(lambda a, b: a @ b, a, b)
    with pytest.raises(ShapeError) as caught:
        traced(lambda a, b: a @ b, a, b)
    assert "a @ b" in str(caught.value)
    assert f"float64[{', '.join(map(str, left))}]" in str(caught.value)
    if left and right:
        same(lambda a, b: np.dot(a, b), a, b)
    same(lambda a: a @ 2, a)
    same(lambda a: 2.0 @ a, a)


def test_dot_of_many_axes():
    a, b = sample((2, 3, 4)), sample((5, 4, 6), seed=1)
    same(lambda a, b: (np.dot(a, b), np.inner(a, a), np.vdot(a, a)), a, b, ulps=16)
    same(lambda a, b: np.dot(a, b[:, :3]), a, b)
    same(lambda a: np.inner(a, a[..., :2]), a)


def test_vdot_inner_outer():
    for dtype in ("float64", "complex128", "int32"):
        a, b = sample((3, 4), dtype), sample((3, 4), dtype, 1)
        same(lambda a, b: (np.vdot(a, b), np.inner(a, b), np.outer(a, b[0])), a, b, ulps=16)
        same(lambda a, b: (np.vecdot(a, b), np.vecdot(a, b, axis=0)), a, b, ulps=16)
        same(lambda a, b: (np.matvec(a, b[0]), np.vecmat(b[:, 0], a)), a, b, ulps=16)
    same(lambda a: np.outer(a, a, out=np.zeros((3, 3))), sample((3,)))
    same(lambda a: np.vdot(a, a[:2]), sample((3,)))
    same(lambda a: np.multiply.outer(a, a[:2]), sample((3,)))


def test_tensordot():
    a, b = sample((2, 3, 4)), sample((4, 3, 5), seed=1)
    same(lambda a, b: np.tensordot(a, b, axes=1), a, b, ulps=16)
    same(lambda a, b: np.tensordot(a, b, axes=([1, 2], [1, 0])), a, b, ulps=16)
    same(lambda a, b: np.tensordot(a, b, axes=(-1, 0)), a, b, ulps=16)
    same(lambda a, b: np.tensordot(a, a, axes=3), a, b, ulps=16)
    same(lambda a, b: np.tensordot(a, b, axes=0), a, b)
    same(lambda a, b: np.tensordot(a, b, axes=2), a, b)
    same(lambda a, b: np.tensordot(a, b, axes=([0, 1], [0])), a, b)


@pytest.mark.parametrize("left", [(), (3,), (2, 3), (2, 1, 3)])
@pytest.mark.parametrize("right", [(), (2,), (3, 2), (1, 2, 2)])
def test_kron(left, right):
    for dtype in ("float64", "int32", "complex64", "bool"):
        same(lambda x, y: np.kron(x, y), sample(left, dtype), sample(right, dtype, 1))


@pytest.mark.parametrize("left", [(3,), (2,), (4, 3), (4, 2)])
@pytest.mark.parametrize("right", [(3,), (2,), (4, 3), (1, 2), (4,)])
def test_cross(left, right):
    same(lambda x, y: np.cross(x, y), sample(left), sample(right, seed=1))
    same(lambda x, y: np.cross(x, y), sample(left, "int32"), sample(right, "complex128", 1))
    if len(left) == len(right) == 2:
        same(lambda x, y: np.cross(x.T, y, axisa=0, axisc=0), sample(left), sample(right))
