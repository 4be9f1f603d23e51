"""What a step runs: launches of kernels, and loops that run a step of their own.

Step   := Launch | Loop
Launch := kernel, elidable          # a copy that is dropped when it may work in place
Loop   := node, body, operands, results
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphc.ir import Node
from graphc.loops import Kernel
from graphc.types import Size

if TYPE_CHECKING:
    from graphc.lower.driver import Lowered


@dataclass(slots=True, eq=False)
class Launch:
    """One kernel, run once. `tokens` are the effects it must come after and gives."""

    kernel: Kernel
    elidable: bool = False
    order: tuple[Any, ...] = ()

    @property
    def reads(self) -> list[Any]:
        return [b.key for b in self.kernel.buffers if b.role in ("read", "update")]

    @property
    def writes(self) -> list[Any]:
        return [b.key for b in self.kernel.buffers if b.role in ("write", "update", "row")]


@dataclass(slots=True, eq=False)
class Loop:
    """A scan: its body is a step of its own, run `length` times in the native step.

    `operands` are (key, offset) of the node's tensor inputs; `results` the keys of its outputs.
    `carries` are scratch keys, two for each carry, which the steps write in turn.
    """

    node: Node
    body: Lowered
    operands: list[tuple[Any, Size] | None]
    results: list[Any]
    carries: list[tuple[Any, Any] | None]
    arena: Any
    order: tuple[Any, ...] = ()
    plan: Any = field(default=None)

    @property
    def reads(self) -> list[Any]:
        return [operand[0] for operand in self.operands if operand is not None]

    @property
    def writes(self) -> list[Any]:
        scratch = [key for pair in self.carries if pair is not None for key in pair]
        return [key for key in self.results if key is not None] + scratch + [self.arena]


Step: TypeAlias = Launch | Loop
