"""Several turns of a loop with a tiny body in one call: what a turn costs besides is shared.

The turns stand one after another, and LLVM puts the kernels in their place, so that a state may
stay in registers from turn to turn. They are no loop: what a kernel says of its buffers holds for
one turn, in which they have not changed places.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from graphc.codegen.words.step_layout import TABLE_FIRST
from graphc.lower import Loop
from graphc.lower.launch import Launch
from graphc.memory import MemoryPlan
from graphc.types import Size

TURNS = 8
"""Turns in one call."""

SEVERAL = "_times"
"""How the name of a function of several turns ends."""

MOST_LINKED = 16
"""A body of more kernels calls them."""

TINY_FLOPS, TINY_BYTES = 256, 4096
"""What the kernels of a tiny body compute at most, and the bytes of their buffers."""


def is_small(plan: MemoryPlan) -> bool:
    """Whether a body is a few kernels of one chunk, which are linked to it."""
    steps = plan.steps
    return 0 < len(steps) <= MOST_LINKED and all(
        isinstance(step, Launch)
        and step.kernel.chunks == 1
        and not step.kernel.finish
        and step.kernel.name != "print"
        for step in steps
    )


def is_tiny(plan: MemoryPlan) -> bool:
    """Whether a body is over so soon that what a turn costs besides counts."""
    if not is_small(plan):
        return False
    flops: Size = 0
    nbytes: Size = 0
    for step in plan.steps:
        if isinstance(step, Launch):
            flops, nbytes = flops + step.kernel.flops, nbytes + step.kernel.nbytes
    if not isinstance(flops, int) or not isinstance(nbytes, int):
        return False
    return flops <= TINY_FLOPS and nbytes <= TINY_BYTES


def several_turns(step: Loop, name: str, text: str) -> str:
    """The function of `TURNS` turns of the body `name`, whose source is `text`."""
    moves = [(TABLE_FIRST + word, TABLE_FIRST + source) for word, source in step.rotation.moves]
    moved = sorted({word for move in moves for word in move})
    used = {int(word) for word in re.findall(r"\btable\[(\d+)\]", text)}
    _, *body, _ = re.sub(r"\btable\[(\d+)\]", r"word_\1", text).rstrip().split("\n")
    held = used.union(moved)
    lines = [f"    word_{word} = table[{word}]" for word in sorted(held)]
    for number in range(TURNS):
        lines += body
        lines += [f"    moved_{word} = word_{source}" for word, source in moves]
        lines += [f"    word_{word} = moved_{word}" for word, _ in moves]
        lines += [f"    {line}" for line in _next_rows(step, held)] if number + 1 < TURNS else []
    lines += ["", *(f"    table[{word}] = word_{word}" for word in moved), "    return 0"]
    head = f"# {TURNS} turns of {name}\ndef {name}{SEVERAL}(table, constants, sizes):"
    return "\n".join([head, *(line.rstrip() for line in lines)]) + "\n"


def _next_rows(step: Loop, held: Collection[int]) -> list[str]:
    """Statements that let the words in `held` point to the next turn's rows."""
    region, body = step.node.regions[0], step.body
    inputs = len(region.inputs)
    strides: dict[int, Size] = {}
    for k in range(step.n_carry, step.n_carry + step.n_xs):
        strides[k] = region.inputs[k].tensor.nbytes
    for k in body.rows:
        strides[k] = strides[inputs + body.made[k]] = step.values[k].tensor.nbytes
    for k in range(step.n_carry, len(region.outputs)):
        if k in body.made:
            strides[inputs + body.made[k]] = region.outputs[k].tensor.nbytes
    sign = "-" if step.reverse else ""
    return [
        f"word_{TABLE_FIRST + k} = at(word_{TABLE_FIRST + k}, {sign}{stride})"
        for k, stride in strides.items()
        if TABLE_FIRST + k in held
    ]
