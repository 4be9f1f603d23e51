"""Which local variables a function may still read from a point of its bytecode on.

The usual backward analysis: a variable is live where some path from there reads it before it is
set. Variables that closures share are always live.
"""

from __future__ import annotations

import dis
import re
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

_LOCAL = re.compile(r"(LOAD|STORE|DELETE)_FAST")
_NEVER_GO_ON = {
    "RETURN_VALUE",
    "RETURN_CONST",
    "RAISE_VARARGS",
    "RERAISE",
    "JUMP_FORWARD",
    "JUMP_BACKWARD",
    "JUMP_BACKWARD_NO_INTERRUPT",
    "JUMP_ABSOLUTE",
}
_PREFIXES = {"EXTENDED_ARG", "CACHE", "NOP"}


@dataclass(frozen=True, slots=True)
class LoopSite:
    """A ``for`` statement in bytecode.

    Attributes:
        code: of the function that it stands in.
        offset: of its ``FOR_ITER`` instruction.
        targets: the names that each turn sets: a name, a tuple of such (nested), or None where it
            is set elsewhere than in a variable.
    """

    code: CodeType
    offset: int
    targets: Any


@cache
def _instructions(code: CodeType) -> tuple[dis.Instruction, ...]:
    return tuple(found for found in dis.get_instructions(code) if found.opname not in _PREFIXES)


@cache
def loop_after(code: CodeType, offset: int) -> LoopSite | None:
    """The ``for`` statement whose iterator the instruction at `offset` makes; None for any other.

    A comprehension is none, nor is a loop in a generator or a coroutine.
    """
    if code.co_flags & (0x20 | 0x80 | 0x100 | 0x200) or code.co_name.startswith("<listcomp"):
        return None
    if code.co_name in ("<setcomp>", "<dictcomp>", "<genexpr>"):
        return None
    found = _instructions(code)
    for number, instruction in enumerate(found[:-2]):
        if instruction.offset != offset:
            continue
        loop = found[number + 1]
        if instruction.opname != "GET_ITER" or loop.opname != "FOR_ITER":
            return None
        body = [step for step in found[number + 2 :] if step.offset < loop.argval]
        if any(step.opname in ("LIST_APPEND", "SET_ADD", "MAP_ADD") for step in body):
            return None
        targets, _ = _targets(found, number + 2)
        return LoopSite(code, loop.offset, targets[0])
    return None


def _targets(found: tuple[dis.Instruction, ...], number: int) -> tuple[list[Any], int]:
    """What the instruction at `number` stores what is on the stack to, and where that ends.

    A list, for newer interpreters store two with one instruction.
    """
    instruction = found[number]
    if instruction.opname == "UNPACK_SEQUENCE":
        items: list[Any] = []
        number += 1
        while len(items) < int(instruction.argval):
            more, number = _targets(found, number)
            items += more
        return [tuple(items)], number
    stored: list[Any] = [name for action, name in _accesses(instruction) if action == "STORE"]
    if not stored:
        stored = [instruction.argval if instruction.opname == "STORE_DEREF" else None]
    return stored, number + 1


@cache
def live_names(code: CodeType, offset: int) -> frozenset[str]:
    """The variables that may be read from the instruction at `offset` on, before they are set."""
    found = _instructions(code)
    place = {instruction.offset: number for number, instruction in enumerate(found)}
    after = _successors(code, found, place)
    live: list[frozenset[str]] = [frozenset()] * len(found)
    changed = True
    while changed:
        changed = False
        for number in range(len(found) - 1, -1, -1):
            names = frozenset[str]().union(*(live[k] for k in after[number]))
            for action, name in reversed(_accesses(found[number])):
                names = names | {name} if action == "LOAD" else names - {name}
            if names != live[number]:
                live[number] = names
                changed = True
    shared = frozenset((*code.co_cellvars, *code.co_freevars))
    return live[place[offset]] | shared


def _accesses(instruction: dis.Instruction) -> list[tuple[str, str]]:
    """The local variables that an instruction reads and sets, in order."""
    actions = _LOCAL.findall(instruction.opname)
    names = instruction.argval if isinstance(instruction.argval, tuple) else (instruction.argval,)
    return list(zip(actions, names, strict=False))


def _successors(
    code: CodeType, found: tuple[dis.Instruction, ...], place: dict[int, int]
) -> list[list[int]]:
    """The instructions that may follow each, handlers of exceptions among them."""
    entries: Any = getattr(dis.Bytecode(code), "exception_entries", ())
    result: list[list[int]] = []
    for number, instruction in enumerate(found):
        following = []
        if instruction.opname not in _NEVER_GO_ON and number + 1 < len(found):
            following.append(number + 1)
        if instruction.opcode in dis.hasjrel or instruction.opcode in dis.hasjabs:
            following.append(_at_or_after(place, instruction.argval))
        following += [
            _at_or_after(place, entry.target)
            for entry in entries
            if entry.start <= instruction.offset < entry.end
        ]
        result.append(following)
    return result


def _at_or_after(place: dict[int, int], offset: int) -> int:
    """The number of the instruction at `offset`, or of the next one where a prefix stands there."""
    while offset not in place:
        offset += 2
    return place[offset]
