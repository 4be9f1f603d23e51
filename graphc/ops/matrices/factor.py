"""Cholesky and QR factors, by the routines that NumPy calls: potrf, geqrf and orgqr.

Derivatives: I. Murray, Differentiation of the Cholesky decomposition (arXiv:1602.07527, 2016);
S. F. Walter and L. Lehmann, Algorithmic differentiation of linear algebra functions with
application in optimum experimental design (arXiv:1001.1654, 2010).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError, UnsupportedError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import Template
from graphc.loops_program import Leading, ProgramBuilder
from graphc.ops.arrays.shape import full_like, zeros
from graphc.ops.arrays.slicing import concatenate, slice_
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.complex_ import conjugate
from graphc.ops.elementwise.pointwise import add, multiply, subtract
from graphc.ops.matrices.decomposition import (
    BLOCK,
    LETTERS,
    by_numpy,
    columns,
    deliver,
    matrices,
    square,
)
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.ops.matrices.solve import solve_triangular
from graphc.ops.matrices.triangle import (
    adjoint,
    diagonal_only,
    hermitian_cotangent,
    lower,
    real_part,
    upper,
)
from graphc.ops.registry import register
from graphc.types import Size, Type

Types = tuple[Type, ...]
Attributes = dict[str, Any]


def halved(x: Value) -> Value:
    """``x / 2``."""
    return multiply(x, full_like(x, 0.5))


# --- cholesky -------------------------------------------------------------------------------------


def _infer_cholesky(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    return (square("cholesky", types[0]),)


def _cholesky_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """``L^-T P conj(L)^-1``, P the lower half of ``L^T g``; all on the triangle that is read."""
    (g,) = cotangents
    assert g is not None
    factor = node.out()
    product = lower(matmul(matrix_transpose(factor), lower(g)))
    half = subtract(product, halved(diagonal_only(product)))
    transposed = matrix_transpose(factor)
    left = solve_triangular(transposed, half, lower=False)
    # y = left conj(L)^-1, from L^H y^T = left^T
    right = solve_triangular(adjoint(factor), matrix_transpose(left), lower=False)
    return (hermitian_cotangent(matrix_transpose(right), is_lower=True),)


def _cholesky_program(node: Node, builder: ProgramBuilder) -> None:
    (a,) = node.inputs
    n = a.shape[-1]
    matrix = columns(builder, node, 0, "matrix")
    problem = "Matrix is not positive definite"
    builder.call(LETTERS[a.dtype.name] + "potrf", "L", n, matrix, Leading(n), problem=problem)
    deliver(builder, 0, matrix, (n, n), "lower")


CHOLESKY = register(
    Op(
        "cholesky",
        _infer_cholesky,
        lambda driver, node, arrays: by_numpy(np.linalg.cholesky, *arrays),
        _cholesky_vjp,
        Template("program", _cholesky_program),
        batch=batch_leading,
    )
)


def cholesky(a: Value) -> Value:
    """The lower factor L of ``a = L L^H``; only the lower triangle of a is read.

    The derivative, too, is by the lower triangle: each element below the diagonal stands for itself
    and for the one above.

    Raises:
        LinAlgError: at run time, a matrix is not positive definite.
    """
    return make(CHOLESKY, (a,)).out()


# --- qr: attrs mode, k ----------------------------------------------------------------------------


def _infer_qr(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (a,) = matrices("qr", *types)
    *batch, m, n = a.shape
    k = check_least("qr", m, n, attrs["k"])
    mode = attrs["mode"]
    if mode == "r":
        return (a.with_shape((*batch, k, n)),)
    inner = m if mode == "complete" else k
    return (a.with_shape((*batch, m, inner)), a.with_shape((*batch, inner, n)))


def check_least(name: str, m: Size, n: Size, k: Size) -> Size:
    """`k`, which is the smaller of two sizes.

    Raises:
        ShapeError: it is not.
    """
    known = isinstance(m, int) and isinstance(n, int)
    if k != (min(m, n) if known else k) or k not in (m, n):  # type: ignore[type-var]
        raise ShapeError(f"{name}: {k} is not the smaller of {m} and {n}")
    return k


def _qr_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (a,) = node.inputs
    m, n = a.shape[-2:]
    k, mode = node["k"], node["mode"]
    by_q, by_r = (None, cotangents[0]) if mode == "r" else cotangents
    q, r = node.outputs if mode == "reduced" or (mode, m) == ("complete", k) else qr(a, k=k)
    if mode == "complete" and m != k:
        if by_q is not None:
            raise UnsupportedError(
                "qr with mode='complete' has no derivative by q: the columns beyond the rank of a "
                "matrix are not determined by it",
                hint="Use mode='reduced'.",
            )
        by_r = None if by_r is None else _part(by_r, k, n)
    by_q = zeros(q.tensor) if by_q is None else by_q
    by_r = zeros(r.tensor) if by_r is None else by_r
    if k == n:
        return (_tall_cotangent(q, r, by_q, by_r),)
    # a = [x y], q u = x, v = q^H y
    y = _columns(a, m, n)
    by_v = _columns(by_r, m, n)
    by_q = add(by_q, matmul(conjugate(y), adjoint(by_v)))
    by_x = _tall_cotangent(q, _part(r, m, m), by_q, _part(by_r, m, m))
    return (concatenate((by_x, matmul(conjugate(q), by_v)), a.ndim - 1),)


def _part(x: Value, rows: Size, count: Size) -> Value:
    """The first rows and columns of matrices."""
    return slice_(x, (0,) * x.ndim, (*x.shape[:-2], rows, count), (1,) * x.ndim)


def _columns(x: Value, start: Size, stop: Size) -> Value:
    """Some columns of matrices."""
    begin = (*(0 for _ in x.shape[:-1]), start)
    return slice_(x, begin, (*x.shape[:-1], stop - start), (1,) * x.ndim)


def _tall_cotangent(q: Value, r: Value, by_q: Value, by_r: Value) -> Value:
    """For q (m, n) and square r, in terms of the gradients ``conj(by_q)`` and ``conj(by_r)``.

    ``(G_q + q S) r^-H``, S the Hermitian matrix with the upper triangle of ``G_r r^H - q^H G_q``.
    """
    gradient_q, gradient_r = conjugate(by_q), conjugate(by_r)
    product = upper(subtract(matmul(gradient_r, adjoint(r)), matmul(adjoint(q), gradient_q)))
    both = add(product, adjoint(product))
    both = subtract(both, real_part(diagonal_only(product)))
    total = add(gradient_q, matmul(q, both))
    # z = total r^-H, from conj(r) z^T = total^T
    solved = solve_triangular(conjugate(r), matrix_transpose(total), lower=False)
    return conjugate(matrix_transpose(solved))


def _qr_program(node: Node, builder: ProgramBuilder) -> None:
    (a,) = node.inputs
    m, n = a.shape[-2:]
    k, mode, dtype = node["k"], node["mode"], a.dtype
    letter = LETTERS[dtype.name]
    matrix = columns(builder, node, 0, "matrix")
    factors = builder.scratch("factors", dtype, (k,))
    room = BLOCK * (m + n + 1)
    work = builder.scratch("work", dtype, (room,))
    lead = Leading(m)
    problem = "Incorrect argument found while performing QR factorization"
    builder.call(letter + "geqrf", m, n, matrix, lead, factors, work, room, problem=problem)
    rows = k if mode != "complete" else m
    deliver(builder, 0 if mode == "r" else 1, matrix, (rows, n), "upper")
    if mode == "r":
        return
    inner = m if mode == "complete" else k
    made = matrix
    if inner != n:
        made = builder.scratch("reflectors", dtype, (inner, m))
        builder.add(
            *builder.nest((k, m), lambda at: [builder.store(made, at, builder.load(matrix, *at))])
        )
    generate = letter + ("orgqr" if dtype.kind == "f" else "ungqr")
    builder.call(generate, m, inner, k, made, lead, factors, work, room, problem=problem)
    deliver(builder, 0, made, (m, inner))


def _evaluate_qr(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    return by_numpy(np.linalg.qr, *arrays, mode=node["mode"])


QR = register(
    Op(
        "qr",
        _infer_qr,
        _evaluate_qr,
        _qr_vjp,
        Template("program", _qr_program),
        attributes={"mode": "str", "k": "size"},
        batch=batch_leading,
    )
)


def qr(a: Value, mode: str = "reduced", k: Size | None = None) -> tuple[Value, ...]:
    """q and r of ``a = q r``; r alone by mode ``r``; by ``complete``, q is square.

    The derivative is that of a matrix whose first columns are independent.

    Args:
        a: matrices (*batch, m, n).
        mode: ``reduced``, ``complete`` or ``r``.
        k: the smaller of m and n, where they are symbolic.

    Raises:
        UnsupportedError: by its derivative, of q by mode ``complete`` where m > n.
    """
    k = smaller(*a.shape[-2:]) if k is None else k
    return make(QR, (a,), {"mode": mode, "k": k}).outputs


def smaller(m: Size, n: Size) -> Size:
    """The smaller of two sizes.

    Raises:
        ShapeError: that is not known.
    """
    if isinstance(m, int) and isinstance(n, int):
        return min(m, n)
    if m != n:
        raise ShapeError(f"which of {m} and {n} is smaller is not known")
    return m
