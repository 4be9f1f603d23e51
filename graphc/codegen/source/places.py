"""Places that a loop's body names more than once get a name: ``offset = 40 * i0 + i1``.

Equal index expressions, and those that differ by a constant, are computed once a turn. The code is
the same in the end; there is less of it to read, and for Numba to translate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import replace

from graphc.indexing import atoms, map_index
from graphc.loops import (
    Accumulate,
    Assign,
    Check,
    Combine,
    For,
    If,
    Let,
    Position,
    Require,
    Stmt,
    Stop,
    Store,
    Tile,
)
from graphc.types import DTYPES, Dim, Size


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


def named_places(
    body: tuple[Stmt, ...], known: Collection[str], taken: Collection[str]
) -> tuple[Stmt, ...]:
    """`body` with the index expressions of its loops named.

    Args:
        known: the names of sizes that are set before the body.
        taken: names that are in use.
    """
    return _Namer(taken).body(body, frozenset(known))


class _Namer:
    """Hands out names: `offset`, `offset2`, `offset3`."""

    def __init__(self, taken: Collection[str]) -> None:
        self.taken = set(taken)
        self.count = 0

    def name(self) -> str:
        while True:
            self.count += 1
            name = "offset" if self.count == 1 else f"offset{self.count}"
            if name not in self.taken:
                return name

    def body(self, body: tuple[Stmt, ...], known: frozenset[str]) -> tuple[Stmt, ...]:
        return tuple(self.statement(stmt, known) for stmt in body)

    def statement(self, stmt: Stmt, known: frozenset[str]) -> Stmt:
        match stmt:
            case For():
                return self.loop(stmt, known)
            case If():
                then, otherwise = self.body(stmt.then, known), self.body(stmt.otherwise, known)
                return replace(stmt, then=then, otherwise=otherwise)
        return stmt

    def loop(self, stmt: For, known: frozenset[str]) -> For:
        known |= {stmt.index}
        names = {base: self.name() for base in _shared(stmt, known)}
        body = stmt.body
        if names:

            def change(size: Size) -> Size:
                base, constant = _parted(size)
                return Dim.symbol(names[base]) + constant if base in names else size

            int64 = DTYPES["int64"]
            lets = tuple(Let(name, Position(base, int64)) for base, name in names.items())
            body = lets + tuple(map_sizes(inner, change) for inner in body)
        return replace(stmt, body=self.body(body, known | set(names.values())))


def _shared(loop: For, known: frozenset[str]) -> list[Size]:
    """What several index expressions of a loop have in common that depends on its position."""
    counts: Counter[Size] = Counter()

    def note(size: Size) -> Size:
        base, _ = _parted(size)
        if isinstance(base, Dim) and not _is_name(base):
            counts[base] += 1
        return size

    for inner in loop.body:
        map_sizes(inner, note)
    return [
        base
        for base, count in counts.items()
        if count > 1 and loop.index in (found := _names(base)) and found <= known
    ]


def _parted(size: Size) -> tuple[Size, int]:
    """A size without its constant, and the constant."""
    if isinstance(size, int):
        return 0, size
    constant = sum(coefficient for monomial, coefficient in size.terms if monomial == ())
    return size - constant, constant


def _is_name(base: Dim) -> bool:
    """Whether a size is one name as it stands."""
    (monomial, coefficient), *others = base.terms
    return not others and coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], str)


def _names(base: Size) -> set[str]:
    """Every variable of a size, those inside // and % included."""
    return {atom for atom in atoms(base) if isinstance(atom, str)}
