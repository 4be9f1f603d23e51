"""What the program of an op is written with: loops over one matrix or row, and library routines.

    program(node, builder) writes what computes the op's results at one place of the batch.

An argument of a routine is an integer, which is passed by reference, a `Buffer`, an `Address` in
one, or one letter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np

from graphc.loops import Buffer, Expr, Index, Stmt
from graphc.types import Shape, Size


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a buffer's element at an offset."""

    buffer: Buffer
    offset: Size


@dataclass(frozen=True, slots=True)
class Leading:
    """A leading dimension: an integer that is at least 1."""

    size: Size


Argument: TypeAlias = Size | str | Buffer | Address | Leading


class ProgramBuilder(Protocol):
    """Gathers the statements of a program."""

    def element(self, operand: int, index: Index) -> Expr:
        """The element of an operand at `index` of the matrix or row at hand."""
        ...

    def constant(self, array: np.ndarray) -> Buffer:
        """A table of constants."""
        ...

    def scratch(self, name: str, dtype: np.dtype, shape: Shape) -> Buffer:
        """Memory for the time of one place of the batch; each element is set before it is read."""
        ...

    def load(self, buffer: Buffer, *index: Size) -> Expr:
        """An element of scratch or constants."""
        ...

    def store(self, buffer: Buffer, index: Index, value: Expr) -> Stmt:
        """A statement that sets an element of scratch."""
        ...

    def result(self, output: int, index: Index, value: Expr) -> Stmt:
        """A statement that sets an element of a result, at `index` of the matrix or row at hand."""
        ...

    def output(self, output: int) -> Address:
        """Where the matrix or row of a result begins: it lies there by rows."""
        ...

    def nest(self, shape: Shape, body: Callable[[Index], Sequence[Stmt]]) -> list[Stmt]:
        """Loops over `shape`; they are not added yet, and may be part of others."""
        ...

    def add(self, *statements: Stmt) -> None:
        """Add statements."""
        ...

    def call(self, routine: str, *arguments: Argument, problem: str = "") -> None:
        """Add the call of a Fortran routine of BLAS or LAPACK, named with its type letter.

        With a `problem`, the routine has a last argument ``info``: where it is not 0 afterwards,
        the program stops with a `LinAlgError` that says `problem`.
        """
        ...
