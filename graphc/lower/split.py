"""Loops whose body is another at some positions become several loops that are plain.

``if i < n`` of a joined array is two loops, before n and from n on; ``x[i % n]`` of a repeated one
is a loop over the repetitions, with one over x inside. The order of the positions is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace

from graphc.indexing import atoms, map_index, replace_atoms, simplify, split_linear
from graphc.loops import Apply, Expr, For, If, Let, Position, Stmt
from graphc.lower.collapse import map_statement, statement_sizes
from graphc.types import DTYPES, Dim, FloorDiv, Mod, Size, floordiv, mod

MOST = 60
"""Statements of the loops that one becomes: bounds what LLVM has to do."""

_INT64 = DTYPES["int64"]

Fresh = Callable[[str], str]


# --- positions divided by a size ------------------------------------------------------------------


def split_divided(body: Sequence[Stmt], fresh: Fresh) -> list[Stmt]:
    """`body` with two loops for each whose variable is divided by a part of its extent."""
    return [_split_divided(stmt, fresh) for stmt in body]


def _split_divided(stmt: Stmt, fresh: Fresh) -> Stmt:
    if not isinstance(stmt, For):
        return stmt
    part = _part(stmt)
    if part is None:
        return replace(stmt, body=tuple(split_divided(stmt.body, fresh)))
    outer = fresh("i")
    bounds = {stmt.index: part, outer: floordiv(stmt.stop, part)}
    place: dict[Hashable, Size] = {stmt.index: Dim.symbol(outer) * part + Dim.symbol(stmt.index)}

    def change(size: Size) -> Size:
        return simplify(replace_atoms(size, place), bounds)

    body = tuple(
        map_statement(
            inner, lambda e: map_index(e, change), lambda b, index: tuple(map(change, index))
        )
        for inner in stmt.body
    )
    inside = For(stmt.index, 0, part, body)
    return _split_divided(For(outer, 0, bounds[outer], (inside,)), fresh)


def _part(loop: For) -> Size | None:
    """What the loop's variable is divided by, where its extent is a multiple of that."""
    variable = Dim.symbol(loop.index)
    inner = [
        size for stmt in loop.body if isinstance(stmt, For) for size in (stmt.start, stmt.stop)
    ]
    if loop.start != 0 or loop.step != 1 or any(loop.index in atoms(size) for size in inner):
        return None
    for stmt in loop.body:
        for size in statement_sizes(stmt):
            for atom in atoms(size):
                if not isinstance(atom, FloorDiv | Mod) or atom.numerator != variable:
                    continue
                part = atom.denominator
                if part not in (1, loop.stop) and mod(loop.stop, part) == 0:
                    return part
    return None


# --- branches on the position ---------------------------------------------------------------------


def split_branches(body: Sequence[Stmt], fresh: Fresh) -> tuple[Stmt, ...]:
    """`body` with one loop for each arm of branches that compare the position with a size."""
    result: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, For):
            stmt = replace(stmt, body=split_branches(stmt.body, fresh))
            pieces = _pieces(stmt, fresh, [MOST])
            count = sum(len(piece.body) for piece in pieces if isinstance(piece, For))
            result += pieces if count <= MOST else [stmt]
        else:
            result.append(stmt)
    return tuple(result)


def _pieces(loop: For, fresh: Fresh, room: list[int]) -> list[Stmt]:
    """The loops that `loop` becomes, in order; those without positions are left out.

    `room` counts down: once it is used up there are too many loops, and none is split any more.
    """
    if isinstance(loop.start, int) and isinstance(loop.stop, int) and loop.start >= loop.stop:
        return []
    found = _branch(loop) if room[0] > 0 else None
    if found is None:
        room[0] -= 1
        return [loop]
    place, limit = found
    branch = loop.body[place]
    assert isinstance(branch, If)
    lets: list[Stmt] = []
    middle = _clamped(limit, loop.start, loop.stop, lets, fresh)
    before, after = loop.body[:place], loop.body[place + 1 :]
    first = replace(loop, stop=middle, body=(*before, *branch.then, *after))
    second = replace(loop, start=middle, body=(*before, *branch.otherwise, *after))
    return [*lets, *_pieces(first, fresh, room), *_pieces(second, fresh, room)]


def _branch(loop: For) -> tuple[int, Size] | None:
    """A branch of the loop's own body on its position, and where the first arm ends."""
    if loop.step != 1:
        return None
    for number, stmt in enumerate(loop.body):
        if not isinstance(stmt, If) or not isinstance(stmt.condition, Apply):
            continue
        if stmt.condition.function != "less":
            continue
        left, right = stmt.condition.arguments
        if not isinstance(left, Position) or not isinstance(right, Position):
            continue
        factor, rest = split_linear(left.index - right.index, loop.index)
        if factor == 1 and not _varies(rest, loop):
            return number, -1 * rest
    return None


def _varies(size: Size, loop: For) -> bool:
    """Whether `size` may differ between the loop's positions."""
    inside = {stmt.name for stmt in loop.body if hasattr(stmt, "name")}
    return any(not isinstance(a, str) or a == loop.index or a in inside for a in atoms(size))


def _clamped(limit: Size, start: Size, stop: Size, lets: list[Stmt], fresh: Fresh) -> Size:
    """`limit` within the loop's positions, as a variable where it is not known."""
    if isinstance(limit, int) and isinstance(start, int) and isinstance(stop, int):
        return min(max(limit, start), stop)
    clamped: Expr = Position(limit, _INT64)
    for function, bound in (("maximum", start), ("minimum", stop)):
        clamped = Apply(function, (clamped, Position(bound, _INT64)), _INT64)
    name = fresh("stop")
    lets.append(Let(name, clamped))
    return Dim.symbol(name)
