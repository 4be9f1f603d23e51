"""The form of a sample of an op."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Sample:
    """An op on arrays, NumPy's results on them, and by which arguments to differentiate.

    `ulps`: units in the last place of the largest element by which other ways to compute it differ.
    """

    build: Any
    arrays: tuple
    expected: Any
    wrt: tuple | None = None
    order: int = 2
    ulps: int = 0
