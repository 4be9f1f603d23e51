"""Places that a loop's body names more than once get a name: ``offset = 40 * i0 + i1``.

Equal index expressions, and those that differ by a constant, are computed once a turn. The code is
the same in the end; there is less of it to read, and for Numba to translate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import replace

from graphc.indexing import atoms
from graphc.loops import For, If, Let, Position, Stmt
from graphc.lower.collapse import map_sizes, statement_sizes
from graphc.types import DTYPES, Dim, Size


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
    bases = (_parted(size)[0] for inner in loop.body for size in statement_sizes(inner))
    counts = Counter(base for base in bases if isinstance(base, Dim) and not _is_name(base))
    return [
        base
        for base, count in counts.items()
        if count > 1 and loop.index in (found := variables(base)) and found <= known
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


def variables(size: Size) -> set[str]:
    """Every variable of a size, those inside // and % included."""
    return {atom for atom in atoms(size) if isinstance(atom, str)}
