"""einsum against NumPy."""

import numpy as np
import pytest

import graphc
from graphc.errors import ShapeError
from tests.trace.arrays import sample
from tests.trace.harness import same, traced

SIZES = {"i": 2, "j": 3, "k": 4, "l": 5, "b": 2, "h": 3}
CASES = """
ij,jk->ik  ij,jk  ij,kj->ik  ji,jk->ik  ij,ij->ij  ij,ij->i  ij,ij->  ij,ij  ij->ji  ji  ij->i
ij->j  ij->  ij  ii->i  ii  iij->ij  iji->j  iii->i  i->  i,j->ij  i,i  i,i->i  i,j  ij,j->i
ij,j  ,ij->ij  ,->  bij,bjk->bik  bij,jk->bik  bhik,bhjk->bhij  bij,kj->bik  bij,bij->b
bij,bkj->ik  ij,jk,kl->il  i,i,i->  ij,jk,ik->  ij,jk,ki  i,ij,j->  ij,kl->ijkl  ij,kl->
ii,jj->ij  iij,jk->ik  ijk->kji  ijk->ik  ...ij,...jk->...ik  ...i->...  ...ii->...i  i...->...
...,...  i...j->j...i
""".split()  # noqa: SIM905


def operands(subscripts, dtype="float64"):
    terms = subscripts.split("->")[0].split(",")
    arrays = []
    for seed, term in enumerate(terms):
        shape = []
        for part in term.replace("...", "."):
            shape += [2, 3] if part == "." else [SIZES[part]]
        arrays.append(sample(tuple(shape), dtype, seed))
    return arrays


@pytest.mark.parametrize("subscripts", CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32", "int32", "complex128"])
def test_subscripts(subscripts, dtype):
    same(lambda *x: np.einsum(subscripts, *x), *operands(subscripts, dtype), ulps=64)


@pytest.mark.parametrize("subscripts", ["ij,jk->ik", "ij,ij", "ij->i", "ii", "ij,jk,kl->il"])
def test_bool(subscripts):
    same(lambda *x: np.einsum(subscripts, *x), *operands(subscripts, "bool"))


def test_sizes_of_one_are_repeated():
    a, b = sample((2, 1)), sample((3, 4), seed=1)
    same(lambda a, b: np.einsum("ij,jk->ik", a, b), a, b)
    same(lambda a, b: np.einsum("ij,jk->ijk", a, b), a, b)
    same(lambda a, b: np.einsum("ij,kj->ik", a, b), a, b)
    same(lambda a, b: np.einsum("ij,ik->jk", a[:1], b), a, b)
    same(lambda a: np.einsum("ij->ij", a), a)


def test_other_ways_to_call():
    a, b = sample((2, 3)), sample((3, 4), seed=1)
    same(lambda a, b: np.einsum(a, [0, 1], b, [1, 2]), a, b, ulps=16)
    same(lambda a, b: np.einsum(a, [0, 1], b, [1, 2], [2, 0]), a, b, ulps=16)
    same(lambda a, b: np.einsum(a, [..., 0], [0, ...]), a, b)
    same(lambda a, b: np.einsum("ij, jk -> ki", a, b, optimize=True), a, b, ulps=16)
    same(lambda a, b: np.einsum("ij,jk->ik", a, b, out=np.zeros((2, 4))), a, b, ulps=16)
    same(lambda a, b: np.einsum("ij,jk", a.astype(np.float32), b), a, b, ulps=16)
    same(lambda a, x: np.einsum("ij,->ij", a, x), a, 2.5)


def test_permutation_is_a_view():
    def write(x):
        y = np.einsum("ijk->kij", x)
        y[0] = 7
        return x

    same(write, sample((2, 3, 4)))


def test_empty():
    same(lambda a, b: np.einsum("ij,jk->ik", a, b), np.zeros((2, 0)), np.zeros((0, 3)))
    same(lambda a: np.einsum("ij->i", a), np.zeros((2, 0)))


@pytest.mark.parametrize(
    "subscripts", ["ij,jk->il", "ij,jj->ijj", "ijk,jk", "i,jk", "ij", "ij,jk,kl", "i$,jk", "ij,kk"]
)
def test_mistakes(subscripts):
    same(lambda a, b: np.einsum(subscripts, a, b), sample((2, 3)), sample((3, 4)))


def test_mismatch_names_the_operand():
    with pytest.raises(ShapeError, match="operand 1 has size 4 for subscript 'j'"):
        traced(lambda a, b: np.einsum("ij,kj->ik", a, b), sample((2, 3)), sample((3, 4)))


def scaled_diagonal(x):
    np.einsum("ii->i", x)[:] *= 2
    return x


def diagonal_of_three(x):
    y = np.einsum("iji->ji", x)
    y[1] = [7, 8]
    return x, y


def space_diagonal(x):
    np.einsum("iii->i", x)[1:] += 5
    return x


def seen_later(x):
    d, e = np.einsum("ii->i", x), np.diagonal(x, 1)
    x[0] = 3
    return d * 1, e * 1


def through_a_slice(x):
    np.einsum("ii->i", x[1:, 1:].T)[...] = 0
    return x


def through_an_ellipsis(x):
    np.einsum("...ii->...i", x)[1] = 4
    return x


@pytest.mark.parametrize(
    ("function", "shape"),
    [
        (scaled_diagonal, (3, 3)),
        (diagonal_of_three, (2, 3, 2)),
        (space_diagonal, (3, 3, 3)),
        (seen_later, (3, 4)),
        (through_a_slice, (4, 4)),
        (through_an_ellipsis, (2, 3, 3)),
    ],
)
def test_a_diagonal_is_a_view(function, shape):
    if function is seen_later:
        same(lambda x: (np.diagonal(x, -1), np.diag(x, 2)), sample(shape))
        shape = (4, 4)
    same(function, sample(shape))


def test_a_diagonal_of_an_argument_is_a_view_of_it():
    x = np.zeros((3, 3))
    d, e = graphc.compile(lambda x: (np.einsum("ii->i", x), x.diagonal(1)))(x)
    assert d.base is not None
    assert e.flags.writeable is False
    d[:] = 1
    assert np.array_equal(x, np.eye(3))


def test_numpys_diagonal_is_read_only():
    def write(x):
        x.diagonal()[0] = 1

    with pytest.raises(ValueError, match="read-only"):
        graphc.compile(write)(np.zeros((2, 2)))


def test_arguments_that_share_memory_and_a_diagonal():
    def write(x, y):
        np.einsum("ii->i", x)[:] = y
        return x

    def outcome(function):
        block = np.arange(16.0)
        return function(block.reshape(4, 4), block[1:5]).copy(), block

    for found, wanted in zip(outcome(graphc.compile(write)), outcome(write), strict=True):
        assert np.array_equal(found, wanted)


def test_an_axis_of_one_beside_another_size_after_both_varied():
    def f(a, b):
        return np.einsum("ij,jk->ik", a, b)

    compiled = graphc.compile(f)
    for left, right in (((2, 3), (3, 4)), ((5, 4), (4, 2)), ((3, 1), (5, 2)), ((3, 5), (1, 2))):
        a, b = np.ones(left), np.arange(float(right[0] * right[1])).reshape(right)
        np.testing.assert_array_equal(compiled(a, b), f(a, b))
