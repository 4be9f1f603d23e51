"""Where the states of a loop lie from turn to turn.

The body's step finds state k through word k of its table, and makes the next state in place, in a
fresh buffer behind a further word, or passes on another state. After a turn addresses move among
the words, always in the same way; nothing is copied. Where the number of turns is known, the
addresses start such that each state ends in the loop's result. A state that the loop also
stacks, as each turn finds it, lies in the rows of that stack instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from graphc.lower.launch import Loop


@dataclass(frozen=True, slots=True)
class Rotation:
    """The moves of a loop's addresses.

    Attributes:
        start: for each word of the body's table, the key of its buffer in the first turn.
        moves: (word, the word whose address it has in the next turn), where these differ.
        loose: the states that may end elsewhere than in the loop's result.
        alone: the states that are made in the memory of no other state.
    """

    start: Mapping[int, Any]
    moves: tuple[tuple[int, int], ...]
    loose: frozenset[int]
    alone: frozenset[int]


def next_words(sources: Mapping[int, int], fresh: Iterable[int]) -> dict[int, int]:
    """For each word the one whose address it has in the next turn.

    Args:
        sources: for the word of each state, the word behind which its next value is.
        fresh: the words of buffers that a turn writes anew.

    >>> next_words({0: 2, 1: 0}, [2])  # a state is made anew, and the old one is kept beside it
    {0: 2, 1: 0, 2: 1}
    """
    taken = {source: word for word, source in sources.items()}
    moves = dict(sources)
    for word in fresh:
        free = word
        while free in taken:
            free = taken[free]
        moves[word] = free
    return moves


def cycles(moves: Mapping[int, int]) -> list[list[int]]:
    """The words in groups among which addresses move, each in the order of the moves."""
    found: list[list[int]] = []
    seen: set[int] = set()
    for word in moves:
        cycle: list[int] = []
        while word not in seen:
            seen.add(word)
            cycle.append(word)
            word = moves[word]
        if cycle:
            found.append(cycle)
    return found


def rotate(step: Loop) -> Rotation:
    """Choose where the states of a loop start, its body being planned; sets `step.scratch`."""
    body, count = step.body, len(step.node.regions[0].inputs)
    sources: dict[int, int] = {}
    fresh: list[int] = []
    for k in step.states:
        if k in body.rows:
            continue
        if k in body.passed:
            sources[k] = body.passed[k]
            continue
        if not body.makes_anew(k):
            sources[k] = k
            continue
        sources[k] = count + body.made[k]
        fresh.append(sources[k])
    moves = next_words(sources, fresh)
    start: dict[int, Any] = {}
    loose: set[int] = set()
    alone: set[int] = set()
    states = set(sources)
    for cycle in cycles(moves):
        members = [word for word in cycle if word in states]
        if len(members) == 1:
            alone.update(members)
        known = step.length if isinstance(step.length, int) else None
        if known is None and len(cycle) > 1:
            loose.update(members)
        for place, word in enumerate(cycle):
            # The address that starts at a word is at the one `turns` before it in the end.
            last = cycle[(place - (known or 0)) % len(cycle)]
            key = step.results[last] if last in states else None
            if key is None or (len(members) > 1 and known is None):
                key = ("carry", step.node, word)
                step.scratch[key] = members[0]
            start[word] = key
    pairs = tuple((word, source) for word, source in moves.items() if word != source)
    return Rotation(start, pairs, frozenset(loose), frozenset(alone | set(body.rows)))
