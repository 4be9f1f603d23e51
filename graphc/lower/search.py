"""Loops that only look for something end where it is found.

A loop that does nothing but ``or`` and ``and`` bools, or takes the least of rising positions at
which a condition holds, runs block by block; after each it stops if later elements can't matter::

    for block_0 in range(0, n, SEARCH):
        stop_1 = minimum(block_0 + SEARCH, n)
        for i0 in range(block_0, stop_1): found_0 |= x[i0] == best
        if found_0:
            for i0 in range(block_0, stop_1):
                least = minimum(least, i0 if x[i0] == best else huge)
                if x[i0] == best: break
        if found_0: break
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from graphc.indexing import split_linear
from graphc.loops import (
    Apply,
    Combine,
    Const,
    Expr,
    For,
    If,
    Let,
    Local,
    Position,
    Select,
    Stmt,
    Stop,
)
from graphc.types import DTYPES, Dim, Size

SEARCH = 1024
"""Elements between two looks at whether the loop may end."""

LEAST = 128
"""The same where a position is looked for, one element after another, in the last block."""

SHORT = 16
"""Elements up to which a loop is left as it is."""

_BOOL, _INT64 = DTYPES["bool"], DTYPES["int64"]
_NOWHERE = np.iinfo(np.int64).max

Fresh = Callable[[str], str]


def stop_early(body: Sequence[Stmt], fresh: Fresh) -> tuple[Stmt, ...]:
    """`body` with its searching loops in blocks; `fresh` makes names."""
    result: list[Stmt] = []
    for stmt in body:
        match stmt:
            case For():
                searched = _searched(stmt, fresh)
                result += searched or [replace(stmt, body=stop_early(stmt.body, fresh))]
            case If():
                arms = (stop_early(stmt.then, fresh), stop_early(stmt.otherwise, fresh))
                result.append(If(stmt.condition, *arms))
            case _:
                result.append(stmt)
    return tuple(result)


@dataclass(frozen=True, slots=True)
class _Target:
    """One of the things looked for: the loop's statement, and the condition that ends the search.

    `least`: the statement takes the least of positions, by a loop of its own where there are any.
    """

    stmt: Combine
    condition: Expr
    least: bool


def _searched(loop: For, fresh: Fresh) -> list[Stmt] | None:
    """The loop in blocks; None if it does anything else than search, or is short."""
    short = isinstance(loop.stop, int) and loop.start == 0 and loop.stop <= SHORT
    if short or loop.step != 1:
        return None
    lets = [stmt for stmt in loop.body if isinstance(stmt, Let)]
    known = {stmt.name: stmt.value for stmt in lets}
    combines = [stmt for stmt in loop.body if isinstance(stmt, Combine)]
    targets = [_target(stmt, known, loop.index) for stmt in combines]
    if len(lets) + len(targets) < len(loop.body) or not targets or None in targets:
        return None
    return _in_blocks(loop, lets, [target for target in targets if target is not None], fresh)


def _target(stmt: Combine, known: dict[str, Expr], index: str) -> _Target | None:
    if stmt.combine == "or" and stmt.value.dtype == _BOOL:
        return _Target(stmt, Local(stmt.name, _BOOL), False)
    if stmt.combine == "and" and stmt.value.dtype == _BOOL:
        return _Target(stmt, Apply("invert", (Local(stmt.name, _BOOL),), _BOOL), False)
    chosen = _resolved(stmt.value, known)
    if stmt.combine != "minimum" or not isinstance(chosen, Select):
        return None
    place, nowhere = _resolved(chosen.then, known), _resolved(chosen.otherwise, known)
    if not isinstance(place, Position) or place.dtype != _INT64:
        return None
    factor, _ = split_linear(place.index, index)
    rises = isinstance(factor, int) and factor > 0
    if not rises or not isinstance(nowhere, Const) or nowhere.value != _NOWHERE:
        return None
    return _Target(stmt, chosen.condition, True)


def _resolved(expr: Expr, known: dict[str, Expr]) -> Expr:
    while isinstance(expr, Local) and expr.name in known:
        expr = known[expr.name]
    return expr


def _in_blocks(loop: For, lets: list[Let], targets: list[_Target], fresh: Fresh) -> list[Stmt]:
    before: list[Stmt] = []
    look: list[Stmt] = list(lets)
    then: list[Stmt] = []
    ends: Expr | None = None
    start, stop = fresh("block"), fresh("stop")
    begin, end = Dim.symbol(start), Dim.symbol(stop)
    for target in targets:
        finished = target.condition
        if target.least:
            name = fresh("found")
            before.append(Let(name, Const(False, _BOOL)))
            look.append(Combine(name, "or", target.condition))
            finished = Local(name, _BOOL)
            again = For(loop.index, begin, end, (*lets, target.stmt, Stop(target.condition)))
            then.append(If(finished, (again,)))
        else:
            look.append(target.stmt)
        ends = finished if ends is None else Apply("bitwise_and", (ends, finished), _BOOL)
    assert ends is not None
    last: Size = loop.stop
    step = LEAST if any(target.least for target in targets) else SEARCH
    limits = (Position(begin + step, _INT64), Position(last, _INT64))
    inner: list[Stmt] = [
        Let(stop, Apply("minimum", limits, _INT64)),
        For(loop.index, begin, end, tuple(look)),
        *then,
        Stop(ends),
    ]
    return [*before, For(start, loop.start, last, tuple(inner), step)]
