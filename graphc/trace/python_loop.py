"""Python's ``for`` statement in traced code: kept as a loop of the graph where it can be.

The iterator that stands for ``range(n)``, an array, or an ``enumerate`` or ``zip`` of such, gives
the first turn (or turns) as plain Python would. Then it compares what the last turn has left with
what it was given: if the next turn can be one of many alike, that turn's state (`loop_state`) is
replaced by parameters and its position by a traced int, and what the body makes of them becomes the
body of a `scan` that runs all further turns. The loop then ends at once, its state set to what the
scan gives.

A turn that does not fit (a branch on the position, a type that changes) is no error: the function
is traced again, and this loop then runs one turn more before it tries, or all of them while tracing
(`LoopPlan`).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from graphc.errors import Location, UnsupportedError
from graphc.loops import Template
from graphc.trace.context import Trace
from graphc.trace.liveness import LoopSite, live_names
from graphc.trace.loop_state import Key, Slot, State, described, same_static, set_local, state_of
from graphc.trace.loop_turn import Turn, assigned, is_number
from graphc.trace.sizes import wrap_size
from graphc.trace.values import is_traced
from graphc.types import Size

WORTH = 300
"""Operations from which on a loop of known length is kept: fewer run fused, and compile soon."""

TEMPLATE = 16
"""What an operation counts that is never fused with another turn's."""

TURNS_BEFORE = 4
"""Turns that run while tracing before a loop is given up as one."""

MOST_OPERATIONS = 50_000
"""Operations that a loop which runs while tracing may come to."""

LoopKey = tuple[Any, int]


@dataclass(slots=True)
class LoopPlan:
    """What earlier tracings have found out about a loop.

    Attributes:
        first: turns that run as plain Python before one is tried as the body.
        unrolled: why it can't be kept; "" while it is not known.
        moving: keys of numbers that change, though the turns before have left them alone.
        operations: what its turns have come to while tracing, at most.
    """

    first: int = 1
    unrolled: str = ""
    moving: set[Key] = field(default_factory=set)
    operations: int = 0


@dataclass(frozen=True, slots=True)
class UnrolledLoop:
    """A Python loop that ran while tracing: its line, why, and how many operations it came to."""

    location: Location
    reason: str
    operations: int


class Retrace(BaseException):
    """A turn did not fit: the plan of its loop has changed, and the function is traced again."""


class PythonLoop:
    """The iterator of one ``for`` statement, run once."""

    def __init__(self, trace: Trace, frame: FrameType, site: LoopSite, items: Any) -> None:
        self.trace, self.frame, self.site, self.items = trace, frame, site, items
        self.length: Size = items.length
        self.turns: int = trace.hint(items.length)
        self.position: Size = 0
        self.plan: LoopPlan = trace.capture.policy.loops.setdefault(self.key, LoopPlan())
        self.before = State({}, {})
        self.operations = len(trace.notes)
        self.turn: Turn | None = None
        self.ended = False

    @property
    def key(self) -> LoopKey:
        return (self.site.code, self.site.offset)

    def __iter__(self) -> PythonLoop:
        return self

    def __next__(self) -> Any:
        if self.turn is not None:
            return self._after(self.turn)
        made = len(self.trace.notes) - self.operations
        self.plan.operations = max(self.plan.operations, made)
        if self.position == self.length:
            raise StopIteration
        assert isinstance(self.position, int)
        kept = not self.ended and self._may_be_kept()
        if kept and self.position >= self.plan.first - 1:
            state = state_of(self.frame, self._live(), self.trace.capture)
            if self._fits(state):
                self.turn = Turn(self, state)
                return self.turn.item(0)
            self.before = state
        kept = kept and self.trace.holds(">=", self.length, TURNS_BEFORE + 2)
        if not kept or self.position > TURNS_BEFORE:
            self.length = self.trace.static(self.length)
        self._check_size(made)
        self.position += 1
        return self.items.at(self.position - 1)

    def give_up(self, reason: str, at_once: bool = True) -> None:
        """Unroll this loop in the next tracing; or first try after one turn more."""
        self.plan.first += 1
        if at_once or self.plan.first > TURNS_BEFORE:
            self.plan.unrolled = reason

    # --- whether to try ---

    def _live(self) -> frozenset[str]:
        targets = set(_names(self.site.targets))
        return live_names(self.site.code, self.site.offset) - targets

    def _may_be_kept(self) -> bool:
        assert isinstance(self.position, int)
        if self.plan.unrolled or self.turns - self.position < 3:
            return False
        if self.position == 0 or not isinstance(self.length, int):
            return True
        made = itertools.islice(self.trace.notes, self.operations, None)
        cost = sum(TEMPLATE if isinstance(node.op.lower, Template) else 1 for node in made)
        return cost / self.position * self.turns >= WORTH

    def _fits(self, state: State) -> bool:
        """Whether the last turn has left state of the kind that it was given."""
        assert isinstance(self.position, int)
        if self.position < self.plan.first:
            return False
        grown = state.grown(self.before)
        reason = _difference(self.before.without(grown), state.without(grown))
        if reason and self.position >= TURNS_BEFORE:
            self.plan.unrolled = reason
        return not reason

    def _check_size(self, made: int) -> None:
        if made < MOST_OPERATIONS or not self.plan.unrolled:
            return
        raise UnsupportedError(
            f"this loop of {self.length} turns can't be kept as a loop ({self.plan.unrolled}), and "
            f"{self.position} turns have come to {made} operations",
            location=Location(self.site.code.co_filename, self.frame.f_lineno or 0),
            hint="Write it with graphc.fori_loop or graphc.scan, or make each turn alike.",
        )

    # --- after a turn with a traced position ---

    def _after(self, turn: Turn) -> Any:
        state = state_of(self.frame, self._live(), self.trace.capture)
        reason = turn.end(state)
        assert isinstance(self.position, int)
        if reason and turn.halves == 1 and self.turns - self.position >= 4:
            return turn.second_half()  # arrays that change places each turn do so twice
        if reason:
            turn.leave()
            self.give_up(reason, at_once=False)
            self.trace.is_void = True
            raise Retrace
        self.turn = None
        self.position = self.position + turn.finish()
        self.ended = True
        self.trace.kept_loops.add(self.key)
        last = self.items.at(wrap_size(self.position - 1, self.trace))
        _assign(self.frame, self.site.targets, last)
        return self.__next__()


def _names(targets: Any) -> list[str]:
    if isinstance(targets, tuple):
        return [name for target in targets for name in _names(target)]
    return [] if targets is None else [targets]


def _assign(frame: FrameType, targets: Any, item: Any) -> None:
    """Set the loop's variables to `item`, as its last turn has."""
    for name, part in assigned(targets, item):
        set_local(frame, name, part)


def _difference(before: dict[Key, Slot], after: dict[Key, Slot]) -> str:
    """Why the state is not of one kind; "" if it is."""
    if before.keys() != after.keys():
        key = next(iter(before.keys() ^ after.keys()))
        return f"{described(key)} is not there in each turn"
    for key, slot in after.items():
        old, new = before[key].leaf, slot.leaf
        if is_number(old) and (type(new) is type(old) or is_traced(new)):
            continue
        if not is_traced(new) and not is_traced(old):
            if not same_static(old, new):
                return f"{described(key)} changes"
            continue
        if is_traced(new) and is_traced(old) and type(old) is type(new):
            continue
        return f"{described(key)} changes its kind"
    return ""


def unrolled_loops(plans: Mapping[LoopKey, LoopPlan]) -> list[UnrolledLoop]:
    """The loops that could not be kept."""
    found = []
    for (code, offset), plan in plans.items():
        if plan.unrolled:
            lines = list(code.co_positions())
            line = lines[offset // 2][0] or code.co_firstlineno
            location = Location(code.co_filename, line, function=code.co_qualname)
            found.append(UnrolledLoop(location, plan.unrolled, plan.operations))
    return found


def blamed(loops: list[PythonLoop], kept: set[LoopKey]) -> PythonLoop:
    """Of the loops whose turn was left by an error or a break, the one that is not to be kept.

    The innermost that has never been kept: one that has been is not what does not fit.
    """
    for loop in reversed(loops):
        if loop.key not in kept:
            return loop
    return loops[0]
