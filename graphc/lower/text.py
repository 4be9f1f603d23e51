"""The text form of what a step runs."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import indent

from graphc.loops_text import format_kernel
from graphc.lower.launch import Branch, Launch, Loop, Step


def format_steps(steps: Sequence[Step]) -> str:
    """Kernels as loop IR, in order, those of loops and branches under their heads."""
    return "\n".join(map(_step, steps))


def _step(step: Step) -> str:
    if isinstance(step, Launch):
        return format_kernel(step.kernel)
    if isinstance(step, Loop):
        turns = "as long as its test holds" if step.length is None else f"{step.length} times"
        return f"{step.node.op.name}, {turns}\n{_body(step.body.lowered.steps)}"
    then, otherwise = (_body(body.lowered.steps) for body in step.bodies)
    assert isinstance(step, Branch)
    return f"{step.node.op.name}, where it holds\n{then}\n{step.node.op.name}, else\n{otherwise}"


def _body(steps: Sequence[Step]) -> str:
    return indent(format_steps(steps), "  ")
