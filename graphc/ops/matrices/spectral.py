"""Eigenvalues and singular values, by the routines that NumPy calls: syevd, heevd, gesdd, geev.

Derivatives: M. B. Giles (2008) and J. Townsend, Differentiating the singular value decomposition
(2016), for complex matrices with the phase of each vector free. Vectors of equal values are not
determined: a cotangent of them that is not 0 gives inf or NaN, and no number that is made up.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from graphc.errors import UnsupportedError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Buffer, Cast, Index, Stmt, Template, compare
from graphc.loops_program import Leading, ProgramBuilder
from graphc.ops.arrays.shape import broadcast_to, full_like, reshape, zeros
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.complex_ import complex_, conjugate, imag, real, to_complex
from graphc.ops.elementwise.pointwise import (
    add,
    masked_multiply,
    multiply,
    reciprocal,
    select,
    subtract,
)
from graphc.ops.matrices.decomposition import (
    BLOCK,
    INT64,
    LETTERS,
    by_numpy,
    columns,
    deliver,
    deliver_vector,
    matrices,
    square,
)
from graphc.ops.matrices.factor import check_least, halved, smaller
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.ops.matrices.solve import solve
from graphc.ops.matrices.triangle import (
    adjoint,
    diagonal,
    hermitian_cotangent,
    on_diagonal,
    with_diagonal,
)
from graphc.ops.registry import register
from graphc.types import Shape, Size, TensorType, Type, real_dtype

Types = tuple[Type, ...]
Attributes = dict[str, Any]
NOT_CONVERGED = "Eigenvalues did not converge"


def _as_rows(x: Value, shape: Shape) -> Value:
    """Each matrix has the vector `x` as every row."""
    return broadcast_to(reshape(x, (*x.shape[:-1], 1, x.shape[-1])), shape)


def _as_columns(x: Value, shape: Shape) -> Value:
    """Each matrix has the vector `x` as every column."""
    return broadcast_to(reshape(x, (*x.shape, 1)), shape)


def _inverse_differences(x: Value) -> Value:
    """``1 / x`` off the diagonal of matrices, 0 on it."""
    same = on_diagonal(x.shape)
    return select(same, full_like(x, 0), reciprocal(select(same, full_like(x, 1), x)))


def _like(x: Value, dtype: np.dtype) -> Value:
    """The real `x` in a real or complex dtype."""
    return to_complex(x) if dtype.kind == "c" else x


def scaled(x: Value, factors: Value) -> Value:
    """The columns of `x` times real `factors`."""
    return masked_multiply(x, _as_rows(_like(factors, x.dtype), x.shape))


# --- eigh: attrs lower, vectors -------------------------------------------------------------------


def _infer_eigh(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    a = square("eigh", types[0])
    values = TensorType(real_dtype(a.dtype), a.shape[:-1])
    return (values, a) if attrs["vectors"] else (values,)


def _evaluate_eigh(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    triangle = "L" if node["lower"] else "U"
    function = np.linalg.eigh if node["vectors"] else np.linalg.eigvalsh
    return by_numpy(function, *arrays, UPLO=triangle)


def _eigh_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """``V (diag(g_w) + F * (V^H G_v)) V^H``, F the inverse differences ``1 / (w_j - w_i)``."""
    (a,) = node.inputs
    by_values = cotangents[0]
    by_vectors = cotangents[1] if node["vectors"] else None
    values, vectors = node.outputs if node["vectors"] else eigh(a, lower=node["lower"])
    inner: Value | None = None
    if by_values is not None:
        inner = with_diagonal(_like(by_values, a.dtype))
    if by_vectors is not None:
        differences = subtract(_as_rows(values, a.shape), _as_columns(values, a.shape))
        inverse = _like(_inverse_differences(differences), a.dtype)
        turned = masked_multiply(matmul(adjoint(vectors), conjugate(by_vectors)), inverse)
        inner = turned if inner is None else add(inner, turned)
    assert inner is not None
    gradient = matmul(matmul(vectors, inner), adjoint(vectors))
    # The gradient of a Hermitian matrix is Hermitian: its other part moves nothing.
    gradient = halved(add(gradient, adjoint(gradient)))
    return (hermitian_cotangent(conjugate(gradient), is_lower=node["lower"]),)


def _eigh_program(node: Node, builder: ProgramBuilder) -> None:
    (a,) = node.inputs
    n, dtype, letter = a.shape[-1], a.dtype, LETTERS[a.dtype.name]
    real_, vectors = real_dtype(dtype), node["vectors"]
    matrix = columns(builder, node, 0, "matrix")
    values = builder.scratch("values", real_, (n,))
    integers = 5 * n + 3
    square_ = n * n if vectors else 0
    job, triangle = "V" if vectors else "N", "L" if node["lower"] else "U"
    words = builder.scratch("words", INT64, (integers,))
    if dtype.kind == "f":
        room = 2 * square_ + (BLOCK + 6) * n + 1
        work = builder.scratch("work", dtype, (room,))
        spaces: tuple[Any, ...] = (work, room, words, integers)
    else:
        room, more = square_ + (BLOCK + 2) * n + 1, 2 * square_ + 5 * n + 1
        work = builder.scratch("work", dtype, (room,))
        other = builder.scratch("real_work", real_, (more,))
        spaces = (work, room, other, more, words, integers)
    routine = letter + ("syevd" if dtype.kind == "f" else "heevd")
    start = (job, triangle, n, matrix, Leading(n), values)
    builder.call(routine, *start, *spaces, problem=NOT_CONVERGED)
    deliver_vector(builder, 0, values, n)
    if vectors:
        deliver(builder, 1, matrix, (n, n))


EIGH = register(
    Op(
        "eigh",
        _infer_eigh,
        _evaluate_eigh,
        _eigh_vjp,
        Template("program", _eigh_program),
        attributes={"lower": "bool", "vectors": "bool"},
        batch=batch_leading,
    )
)


def eigh(a: Value, *, lower: bool = True) -> tuple[Value, Value]:
    """Eigenvalues, ascending, and eigenvectors of Hermitian matrices, of which a triangle is read.

    The derivative is by that triangle: each element off the diagonal stands for itself and for the
    one across.

    Raises:
        LinAlgError: at run time, the eigenvalues do not converge.
    """
    values, vectors = make(EIGH, (a,), {"lower": lower, "vectors": True}).outputs
    return values, vectors


def eigvalsh(a: Value, *, lower: bool = True) -> Value:
    """The eigenvalues of Hermitian matrices, ascending; see `eigh`."""
    return make(EIGH, (a,), {"lower": lower, "vectors": False}).out()


# --- svd: attrs mode (reduced, full, values), k ---------------------------------------------------


def _infer_svd(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (a,) = matrices("svd", *types)
    *batch, m, n = a.shape
    k = check_least("svd", m, n, attrs["k"])
    values = TensorType(real_dtype(a.dtype), (*batch, k))
    if attrs["mode"] == "values":
        return (values,)
    rows, count = (m, n) if attrs["mode"] == "full" else (k, k)
    return a.with_shape((*batch, m, rows)), values, a.with_shape((*batch, count, n))


def _evaluate_svd(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    mode = node["mode"]
    options = {"full_matrices": mode == "full", "compute_uv": mode != "values"}
    return by_numpy(np.linalg.svd, *arrays, **options)


def _svd_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (a,) = node.inputs
    m, n = a.shape[-2:]
    k, mode = node["k"], node["mode"]
    by_u, by_s, by_vh = (None, cotangents[0], None) if mode == "values" else cotangents
    if mode == "full":
        for cotangent, size in ((by_u, m), (by_vh, n)):
            if cotangent is not None and size != k:
                raise UnsupportedError(
                    "svd with full_matrices=True has no derivative by the vectors beyond the "
                    "smaller size: they are not determined by the matrix",
                    hint="Use full_matrices=False.",
                )
    u, s, vh = (
        node.outputs if mode == "reduced" or (m == n == k and mode == "full") else svd(a, k=k)
    )
    gradient_u = zeros(u.tensor) if by_u is None else conjugate(by_u)
    gradient_v = zeros(adjoint(vh).tensor) if by_vh is None else matrix_transpose(by_vh)
    gradient_s = zeros(s.tensor) if by_s is None else by_s
    only_values = by_u is None and by_vh is None
    return (conjugate(_svd_gradient(u, s, vh, gradient_u, gradient_s, gradient_v, only_values)),)


def _svd_gradient(
    u: Value, s: Value, vh: Value, by_u: Value, by_s: Value, by_v: Value, only_values: bool
) -> Value:
    """The gradient by a = u diag(s) vh, given those by u, s and v; see Townsend (2016)."""
    dtype = u.dtype
    k = s.shape[-1]
    shape = (*s.shape, k)
    inner = with_diagonal(_like(by_s, dtype))
    if only_values:
        return matmul(matmul(u, inner), vh)
    # E_ij = s_j^2 - s_i^2, factored so that close values keep their digits.
    right, left = _as_rows(s, shape), _as_columns(s, shape)
    inverse = _inverse_differences(multiply(subtract(right, left), add(right, left)))
    inverse = _like(inverse, dtype)
    overlap_u, overlap_v = matmul(adjoint(u), by_u), matmul(vh, by_v)
    skew_u = masked_multiply(subtract(overlap_u, adjoint(overlap_u)), inverse)
    skew_v = masked_multiply(subtract(overlap_v, adjoint(overlap_v)), inverse)
    inner = add(inner, multiply(skew_u, _like(right, dtype)))
    inner = add(inner, multiply(_like(left, dtype), skew_v))
    inverse_s = reciprocal(s)
    if dtype.kind == "c":
        phase = halved(subtract(imag(diagonal(overlap_u)), imag(diagonal(overlap_v))))
        phase = masked_multiply(phase, inverse_s)
        inner = add(inner, with_diagonal(complex_(zeros(phase.tensor), phase)))
    total = matmul(matmul(u, inner), vh)
    if u.shape[-2] != k:
        beyond = subtract(by_u, matmul(u, overlap_u))
        total = add(total, matmul(scaled(beyond, inverse_s), vh))
    if vh.shape[-1] != k:
        beyond = subtract(by_v, matmul(adjoint(vh), overlap_v))
        total = add(total, matmul(u, adjoint(scaled(beyond, inverse_s))))
    return total


def _identity_element(builder: ProgramBuilder, made: Buffer, at: Index) -> list[Stmt]:
    """Sets an element of an identity matrix."""
    return [builder.store(made, at, Cast(compare("equal", *at), made.dtype))]


def decompose(
    node: Node, builder: ProgramBuilder, mode: str, k: Size
) -> tuple[Buffer, Buffer, Buffer]:
    """Scratch buffers with u, the singular values and v^H of operand 0, matrices by columns."""
    a = node.inputs[0]
    m, n = a.shape[-2:]
    dtype, letter = a.dtype, LETTERS[a.dtype.name]
    real_, vectors = real_dtype(dtype), mode != "values"
    rows, count = (m, n) if mode == "full" else (k, k)
    matrix = columns(builder, node, 0, "matrix")
    values = builder.scratch("values", real_, (k,))
    u = builder.scratch("left", dtype, (rows, m) if vectors else (1, 1))
    vh = builder.scratch("right", dtype, (n, count) if vectors else (1, 1))
    words = builder.scratch("words", INT64, (8 * k + 1,))
    if mode == "full" and (k == 0 or not isinstance(k, int)):
        # Of an empty matrix LAPACK sets no vectors.
        for made, size in ((u, m), (vh, n)):
            builder.add(*builder.nest((size, size), partial(_identity_element, builder, made)))
    job = {"reduced": "S", "full": "A", "values": "N"}[mode]
    pairs: Size = k * k if vectors else 0
    spaces: tuple[Any, ...]
    if dtype.kind == "f":
        room = 4 * pairs + 8 * k + (BLOCK + 2) * (m + n) + 1
        spaces = (builder.scratch("work", dtype, (room,)), room)
    else:
        room = 2 * pairs + 2 * k + (BLOCK + 2) * (m + n) + 1
        more: Size = 7 * k + 1
        if vectors:
            more = 5 * k * k + 7 * k + 2 * k * (m + n) + 1
        work = builder.scratch("work", dtype, (room,))
        spaces = (work, room, builder.scratch("real_work", real_, (more,)))
    builder.call(
        letter + "gesdd",
        *(job, m, n, matrix, Leading(m), values, u, Leading(m if vectors else 1)),
        *(vh, Leading(count if vectors else 1), *spaces, words),
        problem="SVD did not converge",
    )
    return u, values, vh


def _svd_program(node: Node, builder: ProgramBuilder) -> None:
    m, n = node.inputs[0].shape[-2:]
    k, mode = node["k"], node["mode"]
    u, values, vh = decompose(node, builder, mode, k)
    if mode == "values":
        deliver_vector(builder, 0, values, k)
        return
    deliver_vector(builder, 1, values, k)
    rows, count = (m, n) if mode == "full" else (k, k)
    for output, made, size in ((0, u, (m, rows)), (2, vh, (count, n))):
        deliver(builder, output, made, size)


SVD = register(
    Op(
        "svd",
        _infer_svd,
        _evaluate_svd,
        _svd_vjp,
        Template("program", _svd_program),
        attributes={"mode": "str", "k": "size"},
        batch=batch_leading,
    )
)


def svd(a: Value, *, full: bool = False, k: Size | None = None) -> tuple[Value, Value, Value]:
    """u, s and v^H of ``a = u diag(s) v^H``, s descending; with `full`, u and v are square.

    Args:
        a: matrices (*batch, m, n).
        full: whether to complete the vectors to a basis.
        k: the smaller of m and n, where they are symbolic.

    Raises:
        LinAlgError: at run time, it does not converge.
        UnsupportedError: by its derivative, of vectors beyond the k-th.
    """
    k = smaller(*a.shape[-2:]) if k is None else k
    u, s, vh = make(SVD, (a,), {"mode": "full" if full else "reduced", "k": k}).outputs
    return u, s, vh


def svdvals(a: Value, k: Size | None = None) -> Value:
    """The singular values of matrices, descending; see `svd`."""
    k = smaller(*a.shape[-2:]) if k is None else k
    return make(SVD, (a,), {"mode": "values", "k": k}).out()


# --- eig, of complex matrices: attr vectors -------------------------------------------------------


def _infer_eig(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    a = square("eig", types[0])
    values = a.with_shape(a.shape[:-1])
    return (values, a) if attrs["vectors"] else (values,)


def _evaluate_eig(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    return by_numpy(np.linalg.eig if node["vectors"] else np.linalg.eigvals, *arrays)


def _eig_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """``V^-H (diag(G_w) + (V^H G_v - V^H V Re diag(V^H G_v)) * F) V^H``.

    F has the inverse differences ``1 / conj(w_j - w_i)``. Vectors have length 1; their phases are
    free.
    """
    (a,) = node.inputs
    by_values = cotangents[0]
    by_vectors = cotangents[1] if node["vectors"] else None
    values, vectors = node.outputs if node["vectors"] else eig(a)
    inner: Value | None = None
    if by_values is not None:
        inner = with_diagonal(conjugate(by_values))
    if by_vectors is not None:
        conjugated = conjugate(values)
        differences = subtract(_as_rows(conjugated, a.shape), _as_columns(conjugated, a.shape))
        overlap = matmul(adjoint(vectors), conjugate(by_vectors))
        lengths = to_complex(real(diagonal(overlap)))
        grown = multiply(matmul(adjoint(vectors), vectors), _as_rows(lengths, a.shape))
        turned = masked_multiply(subtract(overlap, grown), _inverse_differences(differences))
        inner = turned if inner is None else add(inner, turned)
    assert inner is not None
    return (conjugate(solve(adjoint(vectors), matmul(inner, adjoint(vectors)))),)


def _eig_program(node: Node, builder: ProgramBuilder) -> None:
    (a,) = node.inputs
    n, dtype, letter = a.shape[-1], a.dtype, LETTERS[a.dtype.name]
    vectors = node["vectors"]
    matrix = columns(builder, node, 0, "matrix")
    values = builder.scratch("values", dtype, (n,))
    none = builder.scratch("none", dtype, (1,))
    right = builder.scratch("right", dtype, (n, n)) if vectors else none
    room = (BLOCK + 2) * n + n * n + 1
    work = builder.scratch("work", dtype, (room,))
    other = builder.scratch("real_work", real_dtype(dtype), (2 * n + 1,))
    builder.call(
        letter + "geev",
        *("N", "V" if vectors else "N", n, matrix, Leading(n), values, none, 1),
        *(right, Leading(n if vectors else 1), work, room, other),
        problem=NOT_CONVERGED,
    )
    deliver_vector(builder, 0, values, n)
    if vectors:
        deliver(builder, 1, right, (n, n))


EIG = register(
    Op(
        "eig",
        _infer_eig,
        _evaluate_eig,
        _eig_vjp,
        Template("program", _eig_program),
        attributes={"vectors": "bool"},
        batch=batch_leading,
    )
)


def eig(a: Value) -> tuple[Value, Value]:
    """The eigenvalues and eigenvectors of complex matrices.

    Raises:
        LinAlgError: at run time, the eigenvalues do not converge.
    """
    values, vectors = make(EIG, (a,), {"vectors": True}).outputs
    return values, vectors


def eigvals(a: Value) -> Value:
    """The eigenvalues of complex matrices; see `eig`."""
    return make(EIG, (a,), {"vectors": False}).out()
