"""np.linalg against NumPy."""

import subprocess
import sys

import numpy as np
import pytest

import graphc
from graphc.errors import DomainError, LinAlgError, UnsupportedError
from tests.trace.arrays import sample
from tests.trace.harness import same, traced

linalg = np.linalg
KINDS = ["float32", "float64", "complex64", "complex128", "int32", "bool"]
ULPS = 256
"""Of the largest element: rounding times the condition of these small matrices."""


def matrix(shape, dtype="float64", seed=0):
    return sample(shape, dtype, seed)


def square(shape, dtype="float64", seed=0):
    """Matrices that are far from singular."""
    return (matrix(shape, dtype, seed) + 4 * np.eye(shape[-1])).astype(
        "int32" if dtype == "bool" else dtype
    )


def hermitian(shape, dtype="float64"):
    a = square(shape, dtype)
    return (a @ np.conj(np.swapaxes(a, -1, -2))).astype(a.dtype)


def closely(function, *arrays):
    return same(function, *arrays, ulps=ULPS)


SHAPES = [(3, 3), (1, 1), (2, 3, 3), (0, 0), (0, 3, 3), (2, 0, 0), (2, 1, 4, 4)]
SQUARE = {
    "inv": lambda a: linalg.inv(a),
    "det": lambda a: linalg.det(a),
    "slogdet": lambda a: linalg.slogdet(a),
    "solve": lambda a: linalg.solve(a, a + 1),
    "power 0": lambda a: linalg.matrix_power(a, 0),
    "power 1": lambda a: linalg.matrix_power(a, 1),
    "power 3": lambda a: linalg.matrix_power(a, 3),
    "power 5": lambda a: linalg.matrix_power(a, 5),
    "power -2": lambda a: linalg.matrix_power(a, -2),
}
HERMITIAN = {
    "cholesky": lambda a: linalg.cholesky(a),
    "cholesky upper": lambda a: linalg.cholesky(a, upper=True),
    "eigvalsh": lambda a: linalg.eigvalsh(a),
    "eigvalsh U": lambda a: linalg.eigvalsh(a, "U"),
    "eigh": lambda a: linalg.eigh(a),
    "eigh u": lambda a: linalg.eigh(a, "u"),
    "svd": lambda a: linalg.svd(a, hermitian=True),
    "svd values": lambda a: linalg.svd(a, compute_uv=False, hermitian=True),
    "pinv": lambda a: linalg.pinv(a, hermitian=True),
}
ANY = {
    "qr": lambda a: linalg.qr(a),
    "qr complete": lambda a: linalg.qr(a, mode="complete"),
    "qr r": lambda a: linalg.qr(a, "r"),
    "svd": lambda a: linalg.svd(a),
    "svd reduced": lambda a: linalg.svd(a, full_matrices=False),
    "svdvals": lambda a: (linalg.svdvals(a), linalg.svd(a, compute_uv=False)),
    "pinv": lambda a: linalg.pinv(a),
    "pinv rtol": lambda a: (
        linalg.pinv(a, rtol=None),
        linalg.pinv(a, 0.1),
        linalg.pinv(a, rtol=0.1),
    ),
    "rank": lambda a: linalg.matrix_rank(a),
}


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("name", SQUARE)
def test_square_matrices(name, dtype):
    for shape in SHAPES:
        closely(SQUARE[name], square(shape, dtype))


@pytest.mark.parametrize("dtype", KINDS[:5])
@pytest.mark.parametrize("name", HERMITIAN)
def test_hermitian_matrices(name, dtype):
    for shape in SHAPES:
        closely(HERMITIAN[name], hermitian(shape, dtype))


@pytest.mark.parametrize("dtype", KINDS[:5])
@pytest.mark.parametrize("name", ANY)
def test_any_matrices(name, dtype):
    for shape in [(4, 3), (3, 4), (3, 3), (1, 3), (3, 1), (2, 3, 2), (0, 3), (3, 0), (0, 2, 3)]:
        if name == "rank" and 0 in shape[-2:]:
            continue
        closely(ANY[name], matrix(shape, dtype))


@pytest.mark.parametrize("dtype", KINDS)
def test_solve(dtype):
    a = square((3, 3), dtype)
    many = square((2, 3, 3), dtype)
    closely(linalg_solve, a, matrix((3,), dtype))
    closely(linalg_solve, a, matrix((3, 2), dtype))
    closely(linalg_solve, many, matrix((3,), dtype))
    closely(linalg_solve, many, matrix((3, 2), dtype))
    closely(linalg_solve, a, matrix((5, 3, 2), dtype))
    closely(linalg_solve, many, matrix((4, 1, 3, 0), dtype))


def linalg_solve(a, b):
    return linalg.solve(a, b)


def test_dtypes_meet():
    a, b = square((3, 3), "float32"), matrix((3,), "complex64")
    closely(linalg_solve, a, b)
    closely(linalg_solve, a, matrix((3,), "int32"))
    closely(linalg_solve, a, [1.0, 2.0, 3.0])


@pytest.mark.parametrize("layout", ["F", "steps", "negative", "transposed"])
def test_strides(layout):
    wide = matrix((8, 10))
    a = {
        "F": np.asfortranarray(square((4, 4))),
        "steps": wide[::2, ::3],
        "negative": wide[3::-1, 7:3:-1],
        "transposed": square((4, 4)).T,
    }[layout]
    for function in (linalg.inv, linalg.det, linalg.eigvalsh):
        closely(lambda a, function=function: function(a), a)
        closely(lambda a, function=function: function(a.T), a)
        closely(lambda a, function=function: function(a[1:, :3]), a)


def test_names_of_the_results():
    a = hermitian((3, 3))

    def named(a):
        return linalg.eigh(a).eigenvalues, linalg.svd(a).S, linalg.qr(a).R, linalg.slogdet(a).sign

    closely(named, a)
    compiled = graphc.compile(lambda a: (linalg.eigh(a), linalg.slogdet(a), linalg.svd(a)))
    plain = (linalg.eigh(a), linalg.slogdet(a), linalg.svd(a))
    assert [type(result) for result in compiled(a)] == [type(result) for result in plain]


# --- eig ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3, 3), (2, 4, 4), (0, 0)])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_eig(shape, dtype):
    closely(lambda a: (linalg.eig(a), linalg.eigvals(a)), square(shape, dtype))


def test_eig_of_a_real_matrix_is_refused():
    with pytest.raises(UnsupportedError, match="depends on data") as caught:
        traced(lambda a: linalg.eigvals(a), matrix((3, 3)))
    assert "np.linalg.eigvals(a.astype(complex))" in str(caught.value)


# --- least squares --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", KINDS[:5])
@pytest.mark.parametrize("shape", [(5, 3), (3, 3), (3, 5), (0, 3), (3, 0)])
def test_lstsq(shape, dtype):
    a = matrix(shape, dtype)
    for other in ((shape[0],), (shape[0], 2), (shape[0], 0)):
        b = matrix(other, dtype, seed=3)
        closely(lambda a, b: linalg.lstsq(a, b), a, b)
        closely(lambda a, b: linalg.lstsq(a, b, rcond=0.3)[::2], a, b)


def test_lstsq_of_less_than_full_rank():
    a = matrix((5, 2)) @ matrix((2, 3))
    b = matrix((5,), seed=1)
    found = graphc.compile(lambda a, b: linalg.lstsq(a, b)[::2])(a, b)
    expected = linalg.lstsq(a, b)[::2]
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-12)
    assert found[1] == expected[1] == 2
    with pytest.raises(DomainError, match="less than full rank"):
        graphc.compile(lambda a, b: linalg.lstsq(a, b))(a, b)


# --- norms ----------------------------------------------------------------------------------------

ORDERS = [
    "None",
    "'fro'",
    "'nuc'",
    "1",
    "-1",
    "2",
    "-2",
    "np.inf",
    "-np.inf",
    "0",
    "3",
    "2.5",
    "-3",
    "'other'",
    "'f'",
]


def written(text):
    """A function whose constants are in its text: a float from a closure would be data."""
    return eval(f"lambda x: linalg.{text}", {"linalg": linalg, "np": np})


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int32"])
@pytest.mark.parametrize("ord", ORDERS)
def test_norms(ord, dtype):
    for shape in ((4,), (3, 4), (1, 1)):
        closely(written(f"norm(x, {ord})"), matrix(shape, dtype))
    cube = matrix((2, 3, 4), dtype)
    for axis in (0, -1, (0, 2), (2, 0), (-1, 1)):
        closely(written(f"norm(x, {ord}, {axis})"), cube)
        closely(written(f"norm(x, {ord}, {axis}, keepdims=True)"), cube)
    if ord != "'other'":
        closely(written(f"matrix_norm(x, ord={ord})"), cube)
        closely(written(f"matrix_norm(x, ord={ord}, keepdims=True)"), cube)
        closely(written(f"vector_norm(x[0, 0], ord={ord})"), cube)


def test_norms_of_nothing():
    for ord in ("None", "1", "2", "np.inf", "'nuc'", "-1", "-2"):
        closely(written(f"norm(x, {ord})"), np.zeros((0, 3)))
        closely(written(f"norm(x, {ord})"), np.zeros((0,)))


def test_an_order_that_depends_on_data_is_refused():
    with pytest.raises(UnsupportedError, match="depend on data"):
        traced(lambda x, order: linalg.norm(x, order), matrix((3,)), 1.5)


def test_norm_mistakes():
    x = matrix((2, 3, 4))
    same(lambda x: linalg.norm(x, 2), x)
    same(lambda x: linalg.norm(x, axis=(0, 0)), x)
    same(lambda x: linalg.norm(x, axis="x"), x)
    same(lambda x: linalg.norm(x, axis=3), x)


@pytest.mark.parametrize("dtype", KINDS[:5])
@pytest.mark.parametrize("p", ["None", "2", "-2", "1", "-1", "np.inf", "-np.inf", "'fro'"])
def test_cond(p, dtype):
    closely(written(f"cond(x, {p})"), square((3, 3), dtype))
    closely(written(f"cond(x, {p})"), square((2, 3, 3), dtype))


def test_cond_of_singular_matrices():
    a = np.stack((np.ones((2, 2)), np.eye(2), np.array([[1.0, np.nan], [0, 1]])))
    for p in ("1", "np.inf", "'fro'"):
        closely(written(f"cond(x, {p})"), a)
    closely(lambda a: linalg.cond(a), a[1:2])
    closely(lambda a: linalg.cond(a), np.zeros((2, 2)))
    closely(lambda a: linalg.cond(a), np.zeros((0, 2)))
    closely(lambda a: linalg.cond(a), matrix((3, 2)))


def test_rank():
    low = matrix((4, 2)) @ matrix((2, 4))
    same(lambda a: linalg.matrix_rank(a), low)
    same(lambda a: linalg.matrix_rank(a, 0.5), low)
    same(lambda a: linalg.matrix_rank(a, rtol=0.1), low)
    same(lambda a: linalg.matrix_rank(a @ a.T, hermitian=True), low)
    same(lambda a: linalg.matrix_rank(a), np.stack((low, np.eye(4))))
    same(lambda a, t: linalg.matrix_rank(a, t), np.stack((low, np.eye(4))), np.array([0.1, 2]))
    same(lambda a: (linalg.matrix_rank(a[0]), linalg.matrix_rank(0 * a[0])), low)


# --- products and parts ---------------------------------------------------------------------------


def test_multi_dot():
    a, b, c, d = (matrix(s) for s in ((3, 4), (4, 10), (10, 2), (2, 5)))
    closely(lambda *x: linalg.multi_dot(x), a, b)
    closely(lambda *x: linalg.multi_dot(x), a, b, c)
    closely(lambda *x: linalg.multi_dot(x), a, b, c, d)
    closely(lambda *x: linalg.multi_dot(x), a[0], b, c, d)
    closely(lambda *x: linalg.multi_dot(x), a, b, c[:, 0])
    closely(lambda *x: linalg.multi_dot(x), a[0], b, c[:, 0])
    closely(lambda *x: linalg.multi_dot(x, out=np.zeros((3, 2))), a, b, c)
    same(lambda *x: linalg.multi_dot(x), a)
    same(lambda *x: linalg.multi_dot(x), a, b[None], c)


def test_tensors():
    a, b = matrix((2, 3, 6)), matrix((2, 3))
    closely(lambda a, b: linalg.tensorsolve(a, b), a, b)
    closely(lambda a, b: linalg.tensorsolve(a, b, axes=(0,)), matrix((6, 2, 3)), b)
    closely(lambda a: linalg.tensorinv(a), a)
    closely(lambda a: linalg.tensorinv(a, ind=1), matrix((6, 2, 3)))
    same(lambda a, b: linalg.tensorsolve(a, b), matrix((2, 3, 5)), b)
    same(lambda a: linalg.tensorinv(a, ind=0), a)


@pytest.mark.parametrize("dtype", ["float64", "complex128", "int32"])
def test_parts(dtype):
    x, y = matrix((4, 3), dtype), matrix((4, 3), dtype, seed=1)
    same(lambda x, y: linalg.cross(x, y), x, y)
    same(lambda x, y: linalg.cross(x.T, y.T, axis=0), x, y)
    same(lambda x, y: linalg.cross(x, y[0]), x, y)
    same(lambda x, y: linalg.cross(x[:, :2], y), x, y)
    same(lambda x, y: (linalg.outer(x[0], y[1]), linalg.matmul(x, y.T)), x, y)
    same(lambda x, y: linalg.outer(x, y[0]), x, y)
    cube = matrix((2, 3, 4), dtype)
    same(lambda x: (linalg.diagonal(x), linalg.diagonal(x, offset=-1)), cube)
    same(lambda x: (linalg.trace(x), linalg.trace(x, offset=1), linalg.trace(x[0])), cube)
    same(lambda x: linalg.matrix_transpose(x), cube)
    same(lambda x, y: linalg.vecdot(x, y), x, y)


# --- mistakes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*SQUARE, *HERMITIAN])
def test_matrices_that_are_not_square(name):
    function = {**SQUARE, **HERMITIAN}[name]
    same(function, matrix((3, 4)))
    same(function, matrix((3,)))
    with pytest.raises(LinAlgError) as caught:
        traced(function, matrix((2, 3, 4)))
    assert "test_linear_algebra.py" in str(caught.value)


def test_shapes_that_do_not_fit():
    same(lambda a, b: linalg.solve(a, b), square((3, 3)), matrix((4,)))
    same(lambda a, b: linalg.solve(a, b), square((2, 3, 3)), matrix((4, 3, 1)))
    same(lambda a, b: linalg.lstsq(a, b), matrix((3, 3)), matrix((4,)))
    same(lambda a, b: linalg.lstsq(a, b), matrix((2, 3, 3)), matrix((3,)))
    same(lambda a: linalg.qr(a), matrix((3,)))
    same(lambda a: linalg.qr(a, "other"), matrix((3, 3)))
    same(lambda a: linalg.eigh(a, "other"), matrix((3, 3)))
    same(lambda a: linalg.matrix_power(a, 1.5), matrix((3, 3)))


SINGULAR = np.array([[1.0, 2.0], [2.0, 4.0]])
FAILURES = {
    "solve": (lambda a: linalg.solve(a, a), SINGULAR, "Singular matrix"),
    "inv": (lambda a: linalg.inv(a), SINGULAR, "Singular matrix"),
    "batch": (lambda a: linalg.inv(a), np.stack((np.eye(2), SINGULAR)), "Singular matrix"),
    "cholesky": (lambda a: linalg.cholesky(a), -np.eye(3), "not positive definite"),
    "eigh": (lambda a: linalg.eigh(a), np.full((3, 3), np.nan), "did not converge"),
    "svd": (lambda a: linalg.svd(a), np.full((3, 3), np.nan), "SVD did not converge"),
    "eig": (lambda a: linalg.eig(a), np.full((3, 3), np.nan + 0j), "did not converge"),
}


@pytest.mark.parametrize("name", FAILURES)
def test_failures(name):
    function, a, message = FAILURES[name]
    with np.errstate(all="ignore"):
        try:
            expected = function(a)
        except linalg.LinAlgError:
            expected = None
    compiled = graphc.compile(function)
    if expected is not None:
        np.testing.assert_equal(compiled(a), expected)
        return
    for _ in range(2):
        with pytest.raises(LinAlgError, match=message) as caught:
            compiled(a)
        assert isinstance(caught.value, linalg.LinAlgError)
        assert "test_linear_algebra.py" in str(caught.value)


def test_a_singular_matrix_writes_nothing():
    def step(total, a):
        total += 1
        total[0] = linalg.solve(a, total[0])

    compiled = graphc.compile(step)
    total = np.ones((2, 2))
    compiled(total, np.eye(2))
    before = total.copy()
    with pytest.raises(LinAlgError, match="Singular matrix"):
        compiled(total, SINGULAR)
    np.testing.assert_array_equal(total, before)


def test_float16_is_refused():
    with pytest.raises(TypeError):
        graphc.compile(lambda a: linalg.inv(a))(np.eye(2, dtype=np.float16))


# --- compiled -------------------------------------------------------------------------------------


def test_derivatives_compiled():
    a, b = hermitian((3, 3)), matrix((3,))
    cases = [
        lambda a: np.sum(linalg.solve(a, b) ** 2),
        lambda a: linalg.slogdet(a)[1],
        lambda a: linalg.det(a),
        lambda a: linalg.norm(a, 2) + linalg.norm(a, "nuc") + linalg.norm(a, -2),
        lambda a: np.sum(linalg.cholesky(a) ** 3),
        lambda a: np.sum(linalg.qr(a)[1] ** 3),
        lambda a: np.sum(linalg.eigvalsh(a) ** 3),
        lambda a: np.sum(linalg.pinv(a[:, :2]) ** 3),
        lambda a: np.sum(linalg.lstsq(a[:, :2], b)[0] ** 3) + linalg.lstsq(a[:, :2], b)[1][0],
        lambda a: np.sum(linalg.matrix_power(a, -2)),
    ]
    direction = matrix((3, 3), seed=5)
    for function in cases:
        gradient = graphc.grad(function)(a)
        step = 1e-6
        expected = (function(a + step * direction) - function(a - step * direction)) / (2 * step)
        np.testing.assert_allclose(np.sum(gradient * direction), expected, rtol=1e-6, atol=1e-7)


def test_sizes_of_the_call():
    """A second size makes the axes symbolic."""
    functions = [
        lambda a: linalg.inv(a @ a.T + np.eye(len(a))),
        lambda a: linalg.svd(a, full_matrices=False),
        lambda a: linalg.svd(a),
        lambda a: linalg.qr(a),
        lambda a: linalg.eigh(a @ a.T),
        lambda a: linalg.lstsq(a, a[:, 0])[0],
    ]
    for function in functions:
        compiled = graphc.compile(function)
        for rows, count in ((5, 3), (6, 2), (7, 3), (40, 35), (9, 1)):
            a = matrix((rows, count))
            found, expected = compiled(a), function(a)
            if not isinstance(expected, tuple):
                found, expected = (found,), (expected,)
            for one, other in zip(found, expected, strict=True):
                scale = np.abs(other).max()
                if rows > count and function is functions[4]:
                    continue  # eigenvectors of 0 are free
                np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-9 * scale)


def test_scipy_is_not_imported(tmp_path):
    code = """
import sys
import numpy as np
import graphc

f = graphc.compile(lambda a: np.linalg.svd(np.linalg.inv(a))[1])
print(f(np.eye(3) * 2), "scipy" in sys.modules)
"""
    results = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env={"GRAPHC_CACHE_DIR": str(tmp_path), "PATH": ""},
        )
        results.append(done.stdout.strip())
    assert results[1] == "[0.5 0.5 0.5] False"


def test_derivatives_at_equal_values():
    """By the values they are right; by vectors that are not determined they are no number."""
    identity = np.eye(3)
    np.testing.assert_allclose(
        graphc.grad(lambda a: np.sum(np.exp(linalg.eigvalsh(a))))(identity), np.e * identity
    )
    np.testing.assert_allclose(graphc.grad(lambda a: linalg.norm(a, "nuc"))(identity), identity)
    total = np.ones((3, 3))
    found = graphc.grad(lambda a: np.sum(linalg.pinv(a) * total))(identity)
    np.testing.assert_allclose(found, -total, atol=1e-14)

    def exponential(a):
        w, v = linalg.eigh(a)
        return np.sum((v * np.exp(w)) @ v.T * total)

    found = graphc.grad(exponential)(identity)
    assert np.isnan(found).any()


def test_derivatives_of_a_singular_matrix():
    with pytest.raises(LinAlgError, match="Singular matrix"):
        graphc.grad(lambda a: linalg.det(a))(SINGULAR)
    u, _, vh = linalg.svd(SINGULAR)
    found = graphc.grad(lambda a: linalg.norm(a, 2))(SINGULAR)
    np.testing.assert_allclose(found, np.outer(u[:, 0], vh[0]), atol=1e-14)
