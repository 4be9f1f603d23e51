"""Nested loops over contiguous elements become one loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from graphc.indexing import atoms, linear, map_index, replace_atoms, split_linear
from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Buffer,
    Cast,
    Check,
    Combine,
    Expr,
    For,
    If,
    Let,
    Load,
    Require,
    Select,
    Stmt,
    Stop,
    Store,
    Tile,
)
from graphc.types import Dim, Size


def collapse(body: Sequence[Stmt]) -> list[Stmt]:
    """`body` with buffers indexed by one offset, and loops joined where the offsets allow it.

    Loops and branches that do nothing are dropped: what was in them may all have moved outwards.
    """
    return join_loops(flatten(body))


def flatten(body: Sequence[Stmt]) -> list[Stmt]:
    """`body` with buffers indexed by one offset, without loops and branches that do nothing."""
    return [_flatten(stmt) for stmt in prune(body)]


def join_loops(body: Sequence[Stmt]) -> list[Stmt]:
    """`body`, whose buffers are indexed by offsets, with loops joined."""
    return [_collapse(stmt) for stmt in body]


def prune(body: Sequence[Stmt]) -> tuple[Stmt, ...]:
    """`body` without loops and branches that hold no statement."""
    kept: list[Stmt] = []
    for stmt in body:
        match stmt:
            case For():
                inner = prune(stmt.body)
                if inner:
                    kept.append(replace(stmt, body=inner))
            case If():
                then, otherwise = prune(stmt.then), prune(stmt.otherwise)
                if then:
                    kept.append(If(stmt.condition, then, otherwise))
                elif otherwise:
                    negated = Apply("invert", (stmt.condition,), stmt.condition.dtype)
                    kept.append(If(negated, otherwise))
            case _:
                kept.append(stmt)
    return tuple(kept)


def _flatten(stmt: Stmt) -> Stmt:
    """Index every buffer by its offset in elements."""

    def change(buffer: Buffer, index: tuple[Size, ...]) -> tuple[Size, ...]:
        return (linear(index, buffer.strides),)

    return map_statement(stmt, lambda expr: _flat_expr(expr), change)


def _flat_expr(expr: Expr) -> Expr:
    match expr:
        case Load():
            return replace(expr, index=(linear(expr.index, expr.buffer.strides),))
        case Apply():
            return replace(expr, arguments=tuple(map(_flat_expr, expr.arguments)))
        case Select():
            arms = _flat_expr(expr.then), _flat_expr(expr.otherwise)
            return Select(_flat_expr(expr.condition), *arms, expr.dtype)
        case Cast():
            return replace(expr, operand=_flat_expr(expr.operand))
    return expr


def map_statement(
    stmt: Stmt,
    change: Callable[[Expr], Expr],
    place: Callable[[Buffer, tuple[Size, ...]], tuple[Size, ...]],
) -> Stmt:
    """`stmt` with `change` applied to its expressions and `place` to the indices it stores at."""

    def many(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(map_statement(inner, change, place) for inner in body)

    match stmt:
        case For():
            return replace(stmt, body=many(stmt.body))
        case If():
            return If(change(stmt.condition), many(stmt.then), many(stmt.otherwise))
        case Let() | Assign() | Combine() | Check():
            return replace(stmt, value=change(stmt.value))
        case Require():
            return replace(stmt, condition=change(stmt.condition))
        case Store() | Accumulate():
            return replace(stmt, index=place(stmt.buffer, stmt.index), value=change(stmt.value))
    return stmt


def _collapse(stmt: Stmt) -> Stmt:
    if not isinstance(stmt, For):
        return stmt
    body = tuple(map(_collapse, stmt.body))
    stmt = replace(stmt, body=body)
    if len(body) != 1 or stmt.step != 1:
        return stmt
    inner = body[0]
    if not isinstance(inner, For) or inner.step != 1 or inner.start != 0:
        return stmt
    if any(isinstance(s, Tile) for s in inner.body):
        return stmt
    if stmt.index in atoms(inner.stop) or not _joinable(inner.body, stmt.index, inner):
        return stmt

    def drop(size: Size) -> Size:
        return replace_atoms(size, {stmt.index: 0})

    joined = tuple(
        map_statement(s, lambda e: map_index(e, drop), lambda b, index: tuple(map(drop, index)))
        for s in inner.body
    )
    return For(inner.index, stmt.start * inner.stop, stmt.stop * inner.stop, joined)


def _joinable(body: tuple[Stmt, ...], outer: str, inner: For) -> bool:
    """Whether the two loop variables occur only as ``outer * extent + inner``."""

    def fits(size: Size) -> bool:
        found = atoms(size)
        if outer not in found and inner.index not in found:
            return True
        outer_factor, rest = split_linear(size, outer)
        inner_factor, _ = split_linear(rest, inner.index)
        if outer_factor is None or inner_factor is None:
            return False
        return bool(outer_factor == inner_factor * inner.stop)

    return all(fits(size) for stmt in body for size in statement_sizes(stmt))


def map_sizes(stmt: Stmt, change: Callable[[Size], Size]) -> Stmt:
    """`stmt` with `change` applied to every index expression in it."""

    def many(body: tuple[Stmt, ...]) -> tuple[Stmt, ...]:
        return tuple(map_sizes(inner, change) for inner in body)

    match stmt:
        case For():
            start, stop = change(stmt.start), change(stmt.stop)
            return replace(stmt, start=start, stop=stop, body=many(stmt.body))
        case Require() | Stop():
            return replace(stmt, condition=map_index(stmt.condition, change))
        case If():
            condition = map_index(stmt.condition, change)
            return If(condition, many(stmt.then), many(stmt.otherwise))
        case Let() | Assign() | Combine():
            return replace(stmt, value=map_index(stmt.value, change))
        case Check():
            value = map_index(stmt.value, change)
            return replace(stmt, value=value, extent=change(stmt.extent))
        case Store() | Accumulate():
            index = tuple(map(change, stmt.index))
            return replace(stmt, index=index, value=map_index(stmt.value, change))
        case Tile():
            operands = tuple((buffer, change(offset)) for buffer, offset in stmt.operands)
            return replace(stmt, operands=operands, sizes=tuple(map(change, stmt.sizes)))
    return stmt


def statement_sizes(stmt: Stmt) -> list[Size]:
    """Every index expression in a statement."""
    found: list[Size] = []

    def note(size: Size) -> Size:
        found.append(size)
        return size

    map_sizes(stmt, note)
    return found


def statements(body: tuple[Stmt, ...]) -> list[Stmt]:
    """Every statement, nested ones included."""
    found: list[Stmt] = []
    for stmt in body:
        found.append(stmt)
        if isinstance(stmt, For):
            found += statements(stmt.body)
        elif isinstance(stmt, If):
            found += statements(stmt.then) + statements(stmt.otherwise)
    return found


def pass_extents(body: tuple[Stmt, ...]) -> tuple[tuple[Stmt, ...], tuple[tuple[str, Size], ...]]:
    """`body` with the known extents of its flat loops as named parameters.

    A flat loop gains nothing from knowing its extent, and kernels that differ in it only are
    compiled once.
    """
    parameters: dict[str, Size] = {}
    result: list[Stmt] = []
    for stmt in body:
        flat = isinstance(stmt, For) and not any(isinstance(s, For | Tile) for s in stmt.body)
        if isinstance(stmt, For) and flat and isinstance(stmt.stop, int) and stmt.start == 0:
            name = f"count{len(parameters)}"
            parameters[name] = stmt.stop
            stmt = replace(stmt, stop=Dim.symbol(name))
        elif isinstance(stmt, For | Let | Assign | Tile):
            return body, ()
        result.append(stmt)
    return tuple(result), tuple(parameters.items())
