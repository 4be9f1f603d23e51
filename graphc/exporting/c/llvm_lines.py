"""Expressions of symbolic sizes as LLVM's text: for the function that a C program calls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from graphc.types import FloorDiv, Mod, Size

DIVISION = """
define internal i64 @floor_divide(i64 %a, i64 %b) {
  %quotient = sdiv i64 %a, %b
  %rest = srem i64 %a, %b
  %some = icmp ne i64 %rest, 0
  %signs = xor i64 %a, %b
  %apart = icmp slt i64 %signs, 0
  %below = and i1 %some, %apart
  %one = zext i1 %below to i64
  %floor = sub i64 %quotient, %one
  ret i64 %floor
}
"""


class Lines:
    """Writes instructions; `names` are the registers of the symbolic sizes."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self.lines: list[str] = []
        self.count = 0
        self.known: dict[Size, str] = {}

    def value(self, instruction: str) -> str:
        """The register of what an instruction gives."""
        self.count += 1
        name = f"%v{self.count}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def add(self, line: str) -> None:
        """An instruction that gives nothing."""
        self.lines.append(f"  {line}")

    def size(self, size: Size) -> str:
        """The register, or the number, of a size."""
        if isinstance(size, int):
            return str(size)
        if size not in self.known:
            self.known[size] = self._size(size)
        return self.known[size]

    def _size(self, size: Any) -> str:
        total = "0"
        for monomial, coefficient in size.terms:
            term = str(coefficient)
            for atom in monomial:
                term = self.value(f"mul i64 {term}, {self._atom(atom)}")
            total = self.value(f"add i64 {total}, {term}")
        return total

    def _atom(self, atom: Any) -> str:
        if isinstance(atom, str):
            return self.names[atom]
        assert isinstance(atom, FloorDiv | Mod)
        left, right = self.size(atom.numerator), self.size(atom.denominator)
        quotient = self.value(f"call i64 @floor_divide(i64 {left}, i64 {right})")
        if isinstance(atom, FloorDiv):
            return quotient
        whole = self.value(f"mul i64 {quotient}, {right}")
        return self.value(f"sub i64 {left}, {whole}")
