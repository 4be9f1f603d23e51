"""Least squares and inverses of any rank, by the routines that NumPy calls: gelsd and gesdd.

Derivative: G. H. Golub and V. Pereyra, The differentiation of pseudo-inverses and nonlinear least
squares problems whose variables separate, SIAM J. Numer. Anal. 10 (1973).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import DTypeError, ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import (
    Apply,
    Cast,
    Const,
    Expr,
    Index,
    Let,
    Local,
    Select,
    Stmt,
    Template,
)
from graphc.loops_program import Leading, ProgramBuilder
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.complex_ import conjugate
from graphc.ops.elementwise.pointwise import add, negative, subtract
from graphc.ops.matrices.decomposition import (
    BLOCK,
    BOOL,
    INT64,
    LETTERS,
    by_numpy,
    columns,
    matrices,
    number,
)
from graphc.ops.matrices.factor import check_least, smaller
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.ops.matrices.spectral import decompose, svdvals
from graphc.ops.matrices.triangle import adjoint, identity
from graphc.ops.registry import register
from graphc.types import Size, TensorType, Type, real_dtype

Types = tuple[Type, ...]
Attributes = dict[str, Any]
SMALL, LEVELS = 25, 32
"""LAPACK's size of a smallest subproblem, and the levels of halving above it, at most."""


def _infer_lstsq(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    a, b = matrices("lstsq", *types[:2])
    tolerance = types[2]
    assert isinstance(tolerance, TensorType)
    *batch, m, n = a.shape
    k = check_least("lstsq", m, n, attrs["k"])
    real_ = real_dtype(a.dtype)
    if b.shape[-2] != m or tolerance.shape != tuple(batch):
        raise ShapeError(f"lstsq: {a}, {b} and a tolerance {tolerance} do not fit")
    if tolerance.dtype != real_:
        raise DTypeError(f"lstsq: a tolerance for {a} is {real_.name}, not {tolerance.dtype.name}")
    x = a.with_shape((*batch, n, b.shape[-1]))
    return x, TensorType(INT64, tuple(batch)), TensorType(real_, (*batch, k))


def _evaluate_lstsq(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    a, b, tolerance = arrays
    *batch, m, n = a.shape
    count, k = b.shape[-1], min(m, n)
    x = np.zeros((*batch, n, count), a.dtype)
    rank = np.zeros(tuple(batch), INT64)
    values = np.zeros((*batch, k), tolerance.dtype)
    for place in np.ndindex(*batch):
        found = by_numpy(np.linalg.lstsq, a[place], b[place], rcond=float(tolerance[place]))
        x[place], _, rank[place], values[place] = found
    return x, rank, values


def _lstsq_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """Of ``x = P b`` with the pseudo-inverse P of a, whose rank does not change nearby."""
    a, b, tolerance = node.inputs
    by_x, _, by_values = cotangents
    by_a: Value | None = None
    by_b: Value | None = None
    if by_x is not None:
        inverse = pseudo_inverse(a, tolerance, node["k"])
        by_b = matmul(matrix_transpose(inverse), by_x)
        by_a = _pseudo_inverse_cotangent(a, inverse, matmul(by_x, matrix_transpose(b)))
    if by_values is not None:
        values = svdvals(a, node["k"]).node
        assert values.op.vjp is not None
        (more,) = values.op.vjp(driver, values, (by_values,))
        by_a = more if by_a is None or more is None else add(by_a, more)
    return by_a, by_b, None


def _pseudo_inverse_cotangent(a: Value, inverse: Value, g: Value) -> Value:
    """``dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P``, transposed."""
    batch = a.shape[:-2]
    m, n = a.shape[-2:]
    rest_m = subtract(identity(batch, m, a.dtype), matmul(a, inverse))
    rest_n = subtract(identity(batch, n, a.dtype), matmul(inverse, a))
    transposed, turned = matrix_transpose(inverse), matrix_transpose(g)
    first = negative(matmul(matmul(transposed, g), transposed))
    second = matmul(matmul(rest_m, turned), matmul(inverse, adjoint(inverse)))
    third = matmul(matmul(adjoint(inverse), inverse), matmul(turned, rest_n))
    return add(first, conjugate(add(second, third)))


def _lstsq_program(node: Node, builder: ProgramBuilder) -> None:
    """gelsd takes b, and leaves x, in columns of the larger size, one of them at least."""
    a, b, _ = node.inputs
    m, n = a.shape[-2:]
    count, k = b.shape[-1], node["k"]
    dtype, letter, real_ = a.dtype, LETTERS[a.dtype.name], real_dtype(a.dtype)
    longest = m + n - k
    matrix = columns(builder, node, 0, "matrix")
    right = builder.scratch("right", dtype, (count + 1, longest))
    zero = Const(0, dtype)
    builder.add(
        *builder.nest((count + 1, longest), lambda at: [builder.store(right, at, zero)]),
        *builder.nest(
            (m, count),
            lambda at: [builder.store(right, (at[1], at[0]), builder.element(1, at))],
        ),
    )
    values = builder.scratch("values", real_, (k,))
    tolerance = builder.scratch("tolerance", real_, (1,))
    rank = builder.scratch("rank", INT64, (1,))
    builder.add(
        builder.store(tolerance, (0,), builder.element(2, ())),
        builder.store(rank, (0,), Const(0, INT64)),
    )
    levels = _levels(k)
    words = builder.scratch("words", INT64, (k * (3 * levels + 11) + 1,))
    divided = k * (2 * SMALL + 8 * levels)
    spaces: tuple[Any, ...]
    if dtype.kind == "f":
        room = (
            12 * k + divided + k * (count + 1) + (SMALL + 1) ** 2 + BLOCK * (m + n + count + 1) + 1
        )
        spaces = (builder.scratch("work", dtype, (room,)), room)
    else:
        room = 2 * k + k * (count + 1) + BLOCK * (m + n + count + 1) + k * k + 1
        more = 10 * (m + n) + divided + 3 * SMALL * (count + 1) + (SMALL + 1) ** 2
        more = more + (m + n) * (2 + count) + 2 * count + 3
        work = builder.scratch("work", dtype, (room,))
        spaces = (work, room, builder.scratch("real_work", real_, (more,)))
    builder.call(
        letter + "gelsd",
        *(m, n, Leading(count), matrix, Leading(m), right, Leading(longest)),
        *(values, tolerance, rank, *spaces, words),
        problem="SVD did not converge in Linear Least Squares",
    )
    builder.add(
        *builder.nest(
            (n, count),
            lambda at: [builder.result(0, at, builder.load(right, at[1], at[0]))],
        ),
        builder.result(1, (), builder.load(rank, 0)),
        *builder.nest((k,), lambda at: [builder.result(2, at, builder.load(values, *at))]),
    )


def _levels(k: Size) -> int:
    """How often a problem of size `k` is halved."""
    if not isinstance(k, int):
        return LEVELS
    return max(0, int(np.log2(max(k, 1) / (SMALL + 1))) + 1) + 1


LSTSQ = register(
    Op(
        "lstsq",
        _infer_lstsq,
        _evaluate_lstsq,
        _lstsq_vjp,
        Template("program", _lstsq_program),
        attributes={"k": "size"},
        batch=batch_leading,
    )
)


def lstsq(
    a: Value, b: Value, tolerance: Value, k: Size | None = None
) -> tuple[Value, Value, Value]:
    """The shortest x with the least ``|a x - b|``, the rank of a (int64) and its singular values.

    Args:
        a: matrices (*batch, m, n).
        b: right sides (*batch, m, columns).
        tolerance: real (*batch): singular values up to so much of the largest count as 0.
        k: the smaller of m and n, where they are symbolic.

    Raises:
        LinAlgError: at run time, it does not converge.
    """
    k = smaller(*a.shape[-2:]) if k is None else k
    x, rank, values = make(LSTSQ, (a, b, tolerance), {"k": k}).outputs
    return x, rank, values


# --- pinv: attr k ---------------------------------------------------------------------------------


def _infer_pinv(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    (a,) = matrices("pinv", types[0])
    tolerance = types[1]
    assert isinstance(tolerance, TensorType)
    *batch, m, n = a.shape
    check_least("pinv", m, n, attrs["k"])
    if tolerance != TensorType(real_dtype(a.dtype), tuple(batch)):
        raise ShapeError(f"pinv: {a} and a tolerance {tolerance} do not fit")
    return (a.with_shape((*batch, n, m)),)


def _pinv_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    return _pseudo_inverse_cotangent(node.inputs[0], node.out(), g), None


def _pinv_program(node: Node, builder: ProgramBuilder) -> None:
    """By rows v diag(1 / s) u^H is by columns conj(u) diag(1 / s) conj(v^H), a product by BLAS."""
    a = node.inputs[0]
    m, n = a.shape[-2:]
    k, dtype, real_ = node["k"], a.dtype, real_dtype(a.dtype)
    u, values, vh = decompose(node, builder, "reduced", k)

    def conjugated(x: Expr) -> Expr:
        return Apply("conjugate", (x,), dtype) if dtype.kind == "c" else x

    def inverse(row: Size) -> Expr:
        value = builder.load(values, row)
        bound = Apply("multiply", (builder.element(1, ()), builder.load(values, 0)), real_)
        small = Apply("less_equal", (value, bound), BOOL)
        quotient = Apply("divide", (Const(1.0, real_), value), real_)
        return Select(small, Const(0.0, real_), quotient, real_)

    def scaled(at: Index) -> list[Stmt]:
        factor = Local("inverse_0", real_)
        whole = Cast(factor, dtype) if dtype.kind == "c" else factor
        product = Apply("multiply", (conjugated(builder.load(u, *at)), whole), dtype)
        return [Let("inverse_0", inverse(at[0])), builder.store(u, at, product)]

    def turned(at: Index) -> list[Stmt]:
        return [builder.store(vh, at, conjugated(builder.load(vh, *at)))]

    builder.add(*builder.nest((k, m), scaled))
    if dtype.kind == "c":
        builder.add(*builder.nest((n, k), turned))
    one, zero = number(builder, "one", 1, dtype), number(builder, "zero", 0, dtype)
    builder.call(
        LETTERS[dtype.name] + "gemm",
        *("N", "N", m, n, k, one, u, Leading(m), vh, Leading(k), zero),
        *(builder.output(0), Leading(m)),
    )


PINV = register(
    Op(
        "pinv",
        _infer_pinv,
        lambda driver, node, arrays: by_numpy(np.linalg.pinv, *arrays),
        _pinv_vjp,
        Template("program", _pinv_program),
        attributes={"k": "size"},
        batch=batch_leading,
    )
)


def pseudo_inverse(a: Value, tolerance: Value, k: Size | None = None) -> Value:
    """The Moore-Penrose inverse of matrices.

    Args:
        a: matrices (*batch, m, n).
        tolerance: real (*batch): singular values up to so much of the largest count as 0.
        k: the smaller of m and n, where they are symbolic.

    Raises:
        LinAlgError: at run time, the singular values do not converge.
    """
    k = smaller(*a.shape[-2:]) if k is None else k
    return make(PINV, (a, tolerance), {"k": k}).out()
