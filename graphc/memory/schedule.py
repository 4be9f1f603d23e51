"""The order of steps: dependencies first, then what lets results take the memory of operands."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from graphc.lower.launch import Branch, Launch, Loop, Step


def schedule(
    steps: Sequence[Step],
    late: Callable[[Step], bool],
    replaced: Mapping[Any, Any] | None = None,
) -> list[Step]:
    """`steps` in an order that keeps dependencies, with those that are `late` after all checks.

    Of those that are ready the first runs next; a late one only when none is, until no step is left
    that can stop the call. From then on it runs at once: what it reads is free for others then. A
    step that may work in the memory of what it reads waits for the other readers, where it can.

    Args:
        replaced: for the key of a result, that of the argument whose memory it may take.
    """
    after = _dependencies(steps)
    users: list[list[int]] = [[] for _ in steps]
    for number, others in enumerate(after):
        for other in others:
            users[other].append(number)
    hindered, hinders = _hindrances(steps, replaced or {})
    waiting = [len(others) for others in after]
    done = [False] * len(steps)
    checks = {number for number, step in enumerate(steps) if may_fail(step)}
    waits = [late(step) for step in steps]

    def priority(number: int) -> tuple[int, bool, int]:
        rank = 1
        if waits[number] and checks:
            rank = 2
        elif waits[number] and not hindered[number]:
            rank = 0
        return rank, hindered[number] > 0, number

    ready = [priority(number) for number in range(len(steps)) if not waiting[number]]
    heapq.heapify(ready)
    first = {n for n, others in enumerate(after) if not others and n not in checks and not waits[n]}
    order: list[int] = []
    while ready:
        number = heapq.heappop(ready)[2]
        if done[number]:
            continue
        done[number] = True
        order.append(number)
        if number in checks:
            checks.remove(number)
            if not checks:
                ready = [priority(n) for n in dict.fromkeys(n for *_, n in ready) if not done[n]]
                heapq.heapify(ready)
        for other in hinders[number]:
            hindered[other] -= 1
            if not hindered[other] and not waiting[other] and not done[other]:
                heapq.heappush(ready, priority(other))
        for user in users[number]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, priority(user))
    needed = [[*users[number], *hinders[number]] for number in range(len(steps))]
    return [steps[number] for number in _sunk(order, first, needed)]


def _sunk(order: Sequence[int], first: Collection[int], needed: list[list[int]]) -> list[int]:
    """`order` with each step of `first` right before the first of those that need it done.

    These read arguments alone, so that nothing lives longer for their waiting; what they make lives
    shorter, as a copy of weights that only the backward pass reads.
    """
    place = {number: k for k, number in enumerate(order)}
    before: dict[int, list[int]] = {}
    for number in order:
        if number in first and needed[number]:
            before.setdefault(min(place[other] for other in needed[number]), []).append(number)
    moved = {number for numbers in before.values() for number in numbers}
    sunk: list[int] = []
    for k, number in enumerate(order):
        sunk += before.get(k, ())
        if number not in moved:
            sunk.append(number)
    return sunk


def _dependencies(steps: Sequence[Step]) -> list[set[int]]:
    """For each step those that must run before it."""
    writer: dict[Any, int] = {}
    readers: dict[Any, list[int]] = {}
    after: list[set[int]] = [set() for _ in steps]
    for number, step in enumerate(steps):
        for key in [*step.reads, *step.order]:
            if key in writer:
                after[number].add(writer[key])
            readers.setdefault(key, []).append(number)
        for key in [*step.writes, *step.order]:
            if key in writer:
                after[number].add(writer[key])
            after[number].update(r for r in readers.get(key, ()) if r != number)
            writer[key] = number
            readers[key] = []
    return after


def _hindrances(
    steps: Sequence[Step], replaced: Mapping[Any, Any]
) -> tuple[list[int], list[list[int]]]:
    """For each step how many others read what it would like to overwrite; and the converse."""
    readers: dict[Any, list[int]] = {}
    for number, step in enumerate(steps):
        for key in dict.fromkeys(step.reads):
            readers.setdefault(key, []).append(number)
    hindered = [0] * len(steps)
    hinders: list[list[int]] = [[] for _ in steps]
    for number, step in enumerate(steps):
        wanted = {replaced[key] for key in step.writes if key in replaced}
        wanted.update(overwritten(step))
        for other in dict.fromkeys(r for key in wanted for r in readers.get(key, ())):
            if other != number:
                hindered[number] += 1
                hinders[other].append(number)
    return hindered, hinders


def overwritten(step: Step) -> list[Any]:
    """The keys of operands in whose memory a step may make its results."""
    if isinstance(step, Launch):
        return [step.kernel.buffers[0].key] if step.elidable else []
    states = (step.operands[k] for k in step.states)
    return [state[0] for state in states if state is not None]


def may_fail(step: Step) -> bool:
    """Whether a check in `step` can stop the call."""
    if isinstance(step, Loop | Branch):
        return any(may_fail(inner) for body in step.bodies for inner in body.plan.steps)
    return bool(step.kernel.sites)
