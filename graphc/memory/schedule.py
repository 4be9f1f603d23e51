"""The order of steps: dependencies first, then what lets results take the memory of operands."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphc.lower.launch import Branch, Launch, Loop, Step


def schedule(
    steps: Sequence[Step],
    late: Callable[[Step], bool],
    replaced: Mapping[Any, Any] | None = None,
) -> list[Step]:
    """`steps` in an order that keeps dependencies and runs those that are `late` last.

    Of those that are ready the first that is not late runs next; a late one only when none is. A
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

    def priority(number: int) -> tuple[bool, bool, int]:
        return late(steps[number]), hindered[number] > 0, number

    ready = [priority(number) for number in range(len(steps)) if not waiting[number]]
    heapq.heapify(ready)
    order: list[Step] = []
    while ready:
        number = heapq.heappop(ready)[2]
        if done[number]:
            continue
        done[number] = True
        order.append(steps[number])
        for other in hinders[number]:
            hindered[other] -= 1
            if not hindered[other] and not waiting[other] and not done[other]:
                heapq.heappush(ready, priority(other))
        for user in users[number]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, priority(user))
    return order


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
