"""What a compiled function runs, as a printable report and as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Explanation:
    """placeholder"""

    text: str

    def __str__(self) -> str:
        return self.text


def explain(name: str, form: Any) -> Explanation:
    return Explanation(name)
