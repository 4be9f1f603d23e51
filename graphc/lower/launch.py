"""What a step runs: launches of kernels, and loops and branches that run steps of their own.

Step   := Launch | Loop | Branch
Launch := kernel, elidable          # a copy that is dropped when it may work in place
Loop   := body, length | test, operands, results
Branch := condition, bodies, operands, results
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from graphc.ir import Node, Value
from graphc.loops import Kernel
from graphc.types import Size

if TYPE_CHECKING:
    from graphc.lower.driver import Lowered

Operand: TypeAlias = "tuple[Any, Size] | None"
"""The key of the buffer that a tensor lies in and its offset in elements; None for a token."""


@dataclass(slots=True, eq=False)
class Launch:
    """One kernel, run once. `tokens` are the effects it must come after and gives."""

    kernel: Kernel
    elidable: bool = False
    order: tuple[Any, ...] = ()

    @property
    def reads(self) -> list[Any]:
        return [b.key for b in self.kernel.buffers if b.role in ("read", "update", "part")]

    @property
    def writes(self) -> list[Any]:
        return [b.key for b in self.kernel.buffers if b.role in ("write", "update", "part", "row")]


@dataclass(slots=True)
class Body:
    """A region as a step of its own.

    Attributes:
        lowered: its kernels. What makes a state has the state's input as the one that it replaces.
        made: for each output of the region that the step makes, its number among the step's.
        passed: for each state that a turn hands on, the state that it was.
        arena: the key of its scratch memory.
        rows: for each state of which a result of the loop is the stack, that result.
        plan: where its buffers lie, once that is known.
    """

    lowered: Lowered
    made: dict[int, int]
    passed: dict[int, int]
    arena: Any
    rows: dict[int, int] = field(default_factory=dict)
    plan: Any = field(default=None)

    @property
    def unwritten(self) -> set[int]:
        """The states whose memory the step does not write: a later turn, or a result, has it."""
        return {*self.passed.values(), *self.rows}

    def makes_anew(self, k: int) -> bool:
        """Whether the next state k is made in a buffer other than that of this one."""
        place = self.plan.places.get(self.lowered.outputs.get(self.made[k]))
        return place is not None and place.kind != "input"


@dataclass(slots=True, eq=False)
class Loop:
    """A body that runs `length` times, or as long as the state number `test` is true.

    The inputs of the node are states, xs with a leading axis, constants; its results are the last
    states, then the stacked ys. What the body makes of a state becomes the state of the next turn.

    Attributes:
        operands: the node's inputs.
        results: the keys of its outputs, None for tokens.
        scratch: keys of further buffers that states lie in, with the state of that size.
        rotation: where states lie in each turn, once the body is planned.
    """

    node: Node
    body: Body
    n_carry: int
    n_xs: int
    length: Size | None
    reverse: bool
    test: int | None
    operands: list[Operand]
    results: list[Any]
    order: tuple[Any, ...] = ()
    scratch: dict[Any, int] = field(default_factory=dict)
    rotation: Any = field(default=None)

    @property
    def reads(self) -> list[Any]:
        return [operand[0] for operand in self.operands if operand is not None]

    @property
    def writes(self) -> list[Any]:
        results = [key for key in self.results if key is not None]
        return [*results, *self.scratch, self.body.arena]

    @property
    def bodies(self) -> tuple[Body, ...]:
        return (self.body,)

    @property
    def values(self) -> tuple[Value, ...]:
        """The operands, as the graph has them."""
        return self.node.inputs

    @property
    def states(self) -> list[int]:
        """The states that are tensors."""
        return [k for k in range(self.n_carry) if self.operands[k] is not None]

    @property
    def overwritable(self) -> Collection[int]:
        """The states whose result may lie in the memory of the operand."""
        return self.rotation.alone  # type: ignore[no-any-return]


@dataclass(slots=True, eq=False)
class Branch:
    """Two bodies, of which the first runs where the condition holds, else the second.

    The inputs of the node are the condition, `n_states` states, other operands; its results are
    what becomes of the states, then others.
    """

    node: Node
    bodies: tuple[Body, ...]
    n_states: int
    condition: tuple[Any, Size]
    operands: list[Operand]
    results: list[Any]
    order: tuple[Any, ...] = ()

    @property
    def reads(self) -> list[Any]:
        found = [operand[0] for operand in self.operands if operand is not None]
        return [self.condition[0], *found]

    @property
    def writes(self) -> list[Any]:
        results = [key for key in self.results if key is not None]
        return [*results, *(body.arena for body in self.bodies)]

    @property
    def values(self) -> tuple[Value, ...]:
        """The operands, as the graph has them."""
        return self.node.inputs[1:]

    @property
    def states(self) -> list[int]:
        """The states that are tensors."""
        return [k for k in range(self.n_states) if self.operands[k] is not None]

    @property
    def overwritable(self) -> Collection[int]:
        """The states whose result may lie in the memory of the operand."""
        return [k for k in self.states if not any(body.makes_anew(k) for body in self.bodies)]


Step: TypeAlias = Launch | Loop | Branch
