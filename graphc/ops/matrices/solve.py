"""Linear equations and determinants, by the routines that NumPy calls: gesv and getrf.

Derivatives: M. B. Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation (2008). Cotangents are C-linear functionals, so transposes are plain.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphc.errors import ShapeError
from graphc.ir import Cotangents, Driver, Graph, Node, Op, Value, make
from graphc.loops import (
    Apply,
    Assign,
    Cast,
    Const,
    Expr,
    If,
    Index,
    Let,
    Local,
    Position,
    Select,
    Stmt,
    Template,
)
from graphc.loops_program import Leading, ProgramBuilder
from graphc.ops.arrays.shape import broadcast_to, reshape, zeros
from graphc.ops.batching import batch_leading
from graphc.ops.elementwise.complex_ import complex_, imag, to_complex
from graphc.ops.elementwise.pointwise import add, multiply, negative
from graphc.ops.matrices.decomposition import (
    BOOL,
    INT32,
    INT64,
    LETTERS,
    by_numpy,
    columns,
    deliver,
    matrices,
    number,
    square,
)
from graphc.ops.matrices.products import matmul, matrix_transpose
from graphc.ops.matrices.triangle import identity, lower, upper
from graphc.ops.registry import register
from graphc.types import Type, real_dtype

Types = tuple[Type, ...]
Attributes = dict[str, Any]
SINGULAR = "Singular matrix"


# --- solve: attr checked --------------------------------------------------------------------------


def _infer_solve(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    square("solve", types[0])
    a, b = matrices("solve", *types)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"solve: {a} and {b} do not fit: wanted (..., n, n) and (..., n, k)")
    return (b,)


def _solve_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    a, _ = node.inputs
    by_b = solve(matrix_transpose(a), g, checked=node["checked"])
    return negative(matmul(by_b, matrix_transpose(node.out()))), by_b


def _solve_program(node: Node, builder: ProgramBuilder) -> None:
    n, count = node.inputs[1].shape[-2:]
    matrix = columns(builder, node, 0, "matrix")
    right = columns(builder, node, 1, "right")
    pivots = builder.scratch("pivots", INT64, (n,))
    routine = LETTERS[node.out().dtype.name] + "gesv"
    lead = Leading(n)
    given = (n, count, matrix, lead, pivots, right, lead)
    if node["checked"]:
        builder.call(routine, *given, problem=SINGULAR)
        deliver(builder, 0, right, (n, count))
        return
    info = builder.scratch("info", INT64, (1,))
    builder.add(builder.store(info, (0,), Const(0, INT64)))
    builder.call(routine, *given, info)
    dtype = node.out().dtype
    regular = Apply("equal", (builder.load(info, 0), Const(0, INT64)), BOOL)

    def element(index: Index) -> list[Stmt]:
        row, column = index
        found = builder.load(right, column, row)
        return [builder.result(0, index, Select(regular, found, Const(np.nan, dtype), dtype))]

    builder.add(*builder.nest((n, count), element))


def _evaluate_solve(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    if node["checked"]:
        return by_numpy(np.linalg.solve, *arrays)
    a, b = arrays
    x = np.empty_like(b)
    for place in np.ndindex(*a.shape[:-2]):
        try:
            x[place] = np.linalg.solve(a[place], b[place])
        except np.linalg.LinAlgError:
            x[place] = np.nan
    return (x,)


SOLVE = register(
    Op(
        "solve",
        _infer_solve,
        _evaluate_solve,
        _solve_vjp,
        Template("program", _solve_program),
        attributes={"checked": "bool"},
        batch=batch_leading,
    )
)


def solve(a: Value, b: Value, *, checked: bool = True) -> Value:
    """x in ``a @ x = b``, of (*batch, n, n) and (*batch, n, k).

    Args:
        a: matrices.
        b: right sides.
        checked: whether a singular matrix raises, rather than give NaN.

    Raises:
        ShapeError, DTypeError: they do not fit.
        LinAlgError: at run time, a matrix is singular.
    """
    return make(SOLVE, (a, b), {"checked": checked}).out()


def inverse_matrix(a: Value, *, checked: bool = True) -> Value:
    """The inverse of square matrices; see `solve`.

    Raises:
        LinAlgError: at run time, a matrix is singular.
    """
    return solve(a, identity(a.shape[:-2], a.shape[-1], a.dtype), checked=checked)


# --- solve_triangular: attrs lower, unit ----------------------------------------------------------


def _infer_triangular(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    square("solve_triangular", types[0])
    a, b = matrices("solve_triangular", *types)
    if a.shape[-1] != b.shape[-2]:
        raise ShapeError(f"solve_triangular: {a} and {b} do not fit")
    return (b,)


def _evaluate_triangular(driver: Driver, node: Node, arrays: list[Any]) -> tuple[Any, ...]:
    """Substitution, row by row; a zero on the diagonal gives inf or NaN."""
    a, b = arrays
    n = a.shape[-1]
    x = np.array(b)
    for row in range(n) if node["lower"] else reversed(range(n)):
        known = slice(0, row) if node["lower"] else slice(row + 1, n)
        x[..., row, :] -= (a[..., row : row + 1, known] @ x[..., known, :])[..., 0, :]
        x[..., row, :] /= a[..., row, row, None]
    return (x,)


def _triangular_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    (g,) = cotangents
    assert g is not None
    a, _ = node.inputs
    by_b = solve_triangular(matrix_transpose(a), g, lower=not node["lower"])
    by_a = negative(matmul(by_b, matrix_transpose(node.out())))
    return lower(by_a) if node["lower"] else upper(by_a), by_b


def _triangular_program(node: Node, builder: ProgramBuilder) -> None:
    """By rows X = A^-1 B is by columns X' = B' A'^-1, with the other triangle."""
    n, count = node.inputs[1].shape[-2:]
    dtype = node.out().dtype
    matrix = builder.scratch("matrix", dtype, (n, n))
    builder.add(
        *builder.nest(
            (n, n), lambda index: [builder.store(matrix, index, builder.element(0, index))]
        ),
        *builder.nest(
            (n, count), lambda index: [builder.result(0, index, builder.element(1, index))]
        ),
    )
    one = number(builder, "one", 1, dtype)
    triangle = "U" if node["lower"] else "L"
    lead = Leading(n)
    builder.call(
        LETTERS[dtype.name] + "trsm",
        *("R", triangle, "N", "N", count, n, one, matrix, lead, builder.output(0), Leading(count)),
    )


SOLVE_TRIANGULAR = register(
    Op(
        "solve_triangular",
        _infer_triangular,
        _evaluate_triangular,
        _triangular_vjp,
        Template("program", _triangular_program),
        attributes={"lower": "bool"},
        batch=batch_leading,
    )
)


def solve_triangular(a: Value, b: Value, *, lower: bool) -> Value:
    """x in ``a @ x = b``, of which only the lower or upper triangle of a is read.

    Where the diagonal has a zero the results are inf or NaN.

    Raises:
        ShapeError, DTypeError: they do not fit.
    """
    return make(SOLVE_TRIANGULAR, (a, b), {"lower": lower}).out()


# --- slogdet --------------------------------------------------------------------------------------


def _infer_slogdet(types: Types, attrs: Attributes, regions: tuple[Graph, ...]) -> Types:
    a = square("slogdet", types[0])
    sign = a.with_shape(a.shape[:-2])
    return (sign, sign.with_dtype(real_dtype(a.dtype)))


def _slogdet_vjp(driver: Driver, node: Node, cotangents: Cotangents) -> Cotangents:
    """d log det A = tr(A^-1 dA): its real part moves the logarithm, its imaginary part the sign."""
    by_sign, by_logarithm = cotangents
    (a,) = node.inputs
    share = by_logarithm
    if a.dtype.kind == "c":
        share = None if share is None else to_complex(share)
        if by_sign is not None:
            turned = imag(multiply(by_sign, node.out(0)))
            turned = complex_(zeros(turned.tensor), turned)
            share = turned if share is None else add(share, turned)
    if share is None:
        return (None,)
    column = broadcast_to(reshape(share, (*share.shape, 1, 1)), a.shape)
    return (multiply(column, inverse_matrix(matrix_transpose(a))),)


def _slogdet_program(node: Node, builder: ProgramBuilder) -> None:
    """The sign from the row exchanges and the diagonal; 0 and -inf where a pivot is 0."""
    (a,) = node.inputs
    n, dtype = a.shape[-1], a.dtype
    real = real_dtype(dtype)
    matrix = columns(builder, node, 0, "matrix")
    # Words of 32 bits, two of each pivot: what LAPACK's integers are is known when it runs.
    pivots = builder.scratch("pivots", INT32, (2 * n + 2,))
    info = builder.scratch("info", INT64, (1,))
    builder.add(
        builder.store(pivots, (1,), Const(0, INT32)),
        builder.store(info, (0,), Const(0, INT64)),
    )
    builder.call(LETTERS[dtype.name] + "getrf", n, n, matrix, Leading(n), pivots, info)
    sign, logarithm = Local("sign_0", dtype), Local("log_0", real)
    wide = Apply("equal", (builder.load(pivots, 1), Const(0, INT32)), BOOL)

    def step(index: Any) -> list[Stmt]:
        (k,) = index
        element = builder.load(matrix, k, k)
        modulus = Apply("absolute", (element,), real)
        size: Expr = Apply("complex", (modulus, Const(0.0, real)), dtype)
        size = size if dtype.kind == "c" else modulus
        turn = Apply("divide", (element, size), dtype)
        pivot = Select(wide, builder.load(pivots, 2 * k), builder.load(pivots, k), INT32)
        moved = Apply("not_equal", (pivot, Cast(Position(k + 1, INT64), INT32)), BOOL)
        minus = Apply("negative", (sign,), dtype)
        return [
            Assign("sign_0", Apply("multiply", (sign, turn), dtype)),
            Assign("sign_0", Select(moved, minus, sign, dtype)),
            Assign("log_0", Apply("add", (logarithm, Apply("log", (modulus,), real)), real)),
        ]

    regular = Apply("equal", (builder.load(info, 0), Const(0, INT64)), BOOL)
    builder.add(
        Let("sign_0", Const(1.0, dtype)),
        Let("log_0", Const(0.0, real)),
        If(
            regular,
            tuple(builder.nest((n,), step)),
            (Assign("sign_0", Const(0.0, dtype)), Assign("log_0", Const(-np.inf, real))),
        ),
        builder.result(0, (), sign),
        builder.result(1, (), logarithm),
    )


SLOGDET = register(
    Op(
        "slogdet",
        _infer_slogdet,
        lambda driver, node, arrays: by_numpy(np.linalg.slogdet, *arrays),
        _slogdet_vjp,
        Template("program", _slogdet_program),
        batch=batch_leading,
    )
)


def slogdet(a: Value) -> tuple[Value, Value]:
    """The sign and the natural logarithm of the modulus of determinants; 0 and -inf of 0.

    Its derivative raises LinAlgError at run time where a matrix is singular.
    """
    sign, logarithm = make(SLOGDET, (a,)).outputs
    return sign, logarithm
