"""Loops and branches in a step: they run the steps of their bodies with tables of their own.

A table's words point to the operands and results of one turn. States work in the loop's result, or
move among a few buffers by moving addresses (`graphc.memory.carries`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphc.codegen.source.scalar import size_text
from graphc.codegen.source.turns import SEVERAL, TURNS, is_tiny, several_turns
from graphc.codegen.words.step_layout import TABLE_ARENA, TABLE_FIRST, TABLE_RECORD
from graphc.lower import Branch, Loop
from graphc.lower.launch import Body
from graphc.memory import MemoryPlan
from graphc.types import Size

if TYPE_CHECKING:
    from graphc.codegen.source.module import _ModuleWriter


def region_lines(
    writer: _ModuleWriter, step: Loop | Branch, plan: MemoryPlan, which: int
) -> list[str]:
    """The lines of one loop or branch, the `which`-th of its step."""
    region = _Region(writer, step, plan, which)
    return region.loop(step) if isinstance(step, Loop) else region.branch(step)


class _Region:
    """Writes one loop or branch; its names end in its number."""

    def __init__(
        self, writer: _ModuleWriter, step: Loop | Branch, plan: MemoryPlan, which: int
    ) -> None:
        self.writer = writer
        self.step = step
        self.plan = plan
        self.which = which
        self.table = f"inner_{which}"
        self.uses("at", "stack_words", "call_step")

    def uses(self, *names: str) -> None:
        self.writer.module.step_names.update(names)

    def operand(self, k: int) -> str:
        """The address of an operand."""
        operand = self.step.operands[k]
        assert operand is not None
        itemsize = self.step.values[k].dtype.itemsize
        return self.writer.pointer(operand[0], self.plan, operand[1], itemsize)

    def address(self, key: Any) -> str:
        return self.writer.pointer(key, self.plan)

    def word(self, number: int) -> str:
        """A word of the body's table."""
        return f"{self.table}[{TABLE_FIRST + number}]"

    def bytes(self, k: int) -> Size:
        return self.step.values[k].tensor.nbytes

    def copy(self, target: str, source: str, k: int) -> list[str]:
        """Statements that put state k at another address, if it is another."""
        if target == source:
            return []
        self.uses("copy_memory")
        return [f"copy_memory({target}, {source}, {self.writer.number(self.bytes(k))})"]

    def body(self, body: Body) -> str:
        """Write a body's step; its name."""
        return self.writer.step(body.plan, entry=False)

    def call(self, name: str) -> str:
        """The call of a step."""
        number = list(self.writer.module.steps).index(name)
        return f"status = call_step(constants[STEP_{number}], {self.table}, constants, sizes)"

    def prepare(self, width: int) -> list[str]:
        return [
            f"{self.table} = stack_words({TABLE_FIRST + width})",
            f"{self.table}[{TABLE_RECORD}] = table[{TABLE_RECORD}]",
        ]

    # --- loops ---

    def loop(self, step: Loop) -> list[str]:
        region = step.node.regions[0]
        inputs, turn = len(region.inputs), f"turn_{self.which}"
        name = self.body(step.body)
        self.uses("cycles", "interrupted")
        lines = self.prepare(inputs + len(step.body.made))
        lines.append(f"{self.table}[{TABLE_ARENA}] = {self.address(step.body.arena)}")
        lines += [f"since_{self.which} = stack_words(1)", f"since_{self.which}[0] = cycles()"]
        for word, key in step.rotation.start.items():
            lines.append(f"{self.word(word)} = {self.address(key)}")
        for k in step.states:
            if k in step.body.rows:
                lines += self.first_row(step, k)
                continue
            lines += self.copy(self.address(step.rotation.start[k]), self.operand(k), k)
        for k in range(step.n_carry + step.n_xs, inputs):
            if step.operands[k] is not None:
                lines.append(f"{self.word(k)} = {self.operand(k)}")
        turns = [*self.rows(step), self.call(name), *self.moves(step), *self.poll(turn)]
        if step.length is not None and is_tiny(step.body.plan):
            lines += [f"{turn} = 0", *self.many_turns(step, name, turn)]
            head = f"while {turn} < {self.writer.number(step.length)}:"
            note = f"# {size_text(step.length)} times the body, {TURNS} in a call"
            turns.append(f"{turn} += 1")
        elif step.length is not None:
            head = f"for {turn} in range({self.writer.number(step.length)}):"
            note = f"# {size_text(step.length)} times the body"
        else:
            assert step.test is not None
            self.uses("byte")
            head = f"while byte({self.word(step.test)}) != 0:"
            note = "# as long as its condition is true, the body"
            lines.append(f"{turn} = 0")
            turns.append(f"{turn} += 1")
        lines += [head, *(f"    {line}" for line in turns), *self.ends(step)]
        return [f"    {note}", *(f"    {line}" for line in lines)]

    def many_turns(self, step: Loop, name: str, turn: str) -> list[str]:
        """The turns of a loop that are run several in a call: all but some of the last."""
        assert step.length is not None
        several, module = f"{name}{SEVERAL}", self.writer.module
        text = several_turns(step, name, module.steps[name])
        module.steps[several] = f"{text}\n{module.steps[name]}"
        module.linked[several] = module.linked[name]
        self.writer.parts.append(text.rstrip())
        turns = [*self.rows(step), self.call(several), *self.poll(f"({turn} + {TURNS - 1})")]
        return [
            f"while {turn} + {TURNS} < {self.writer.number(step.length)}:",
            *(f"    {line}" for line in turns),
            f"    {turn} += {TURNS}",
        ]

    def rows(self, step: Loop) -> list[str]:
        """Let the table point to this turn's rows of the xs and ys."""
        region = step.node.regions[0]
        turn, place = f"turn_{self.which}", f"place_{self.which}"
        lines: list[str] = []
        for k in range(step.n_carry, step.n_carry + step.n_xs):
            stride = self.writer.number(region.inputs[k].tensor.nbytes)
            lines.append(f"{self.word(k)} = at({self.operand(k)}, {place} * {stride})")
        for k in step.body.rows:
            lines += self.next_row(step, k)
        for k in range(step.n_carry, len(region.outputs)):
            if k not in step.body.made:
                continue
            stride = self.writer.number(region.outputs[k].tensor.nbytes)
            result = self.address(step.results[k])
            word = self.word(len(region.inputs) + step.body.made[k])
            lines.append(f"{word} = at({result}, {place} * {stride})")
        if not lines:
            return []
        assert step.length is not None
        last = f"{self.writer.number(step.length)} - 1 - {turn}"
        return [f"{place} = {last if step.reverse else turn}", *lines]

    def row(self, step: Loop, k: int, place: str) -> str:
        """The address of a row of the stack in which state k lies."""
        stack = self.address(step.results[step.body.rows[k]])
        return f"at({stack}, {place} * {self.writer.number(self.bytes(k))})"

    def first_row(self, step: Loop, k: int) -> list[str]:
        """Put the first value of state k on its row; into the result where there is no turn."""
        length = step.length
        assert length is not None
        self.uses("copy_memory")
        first = f"({self.writer.number(length)} - 1)" if step.reverse else "0"
        row, result = self.row(step, k, first), self.address(step.results[k])
        if isinstance(length, int):
            return self.copy(row if length else result, self.operand(k), k)
        target = f"start_{self.which}_{k}"
        chosen = f"{row} if {self.writer.number(length)} > 0 else {result}"
        return [f"{target} = {chosen}", *self.copy(target, self.operand(k), k)]

    def next_row(self, step: Loop, k: int) -> list[str]:
        """Let a turn find state k on its row, and make the next on the row after it."""
        assert step.length is not None
        turn, place = f"turn_{self.which}", f"place_{self.which}"
        word = self.word(len(step.node.regions[0].inputs) + step.body.made[k])
        after = self.row(step, k, f"({place} {'-' if step.reverse else '+'} 1)")
        more = f"{turn} + 1 < {self.writer.number(step.length)}"
        return [
            f"{self.word(k)} = {self.row(step, k, place)}",
            f"{word} = {after} if {more} else {self.address(step.results[k])}",
        ]

    def moves(self, step: Loop) -> list[str]:
        """Move the addresses of states that are made in other buffers."""
        lines = []
        for number, (_, source) in enumerate(step.rotation.moves):
            lines.append(f"moved_{self.which}_{number} = {self.word(source)}")
        for number, (word, _) in enumerate(step.rotation.moves):
            lines.append(f"{self.word(word)} = moved_{self.which}_{number}")
        return lines

    def poll(self, turn: str) -> list[str]:
        look = ", ".join(self.writer.function(name) for name in ("poll", "signals"))
        return [
            "if status == 0:",
            f"    status = interrupted({look}, {turn}, since_{self.which})",
            "if status != 0:",
            "    return status",
        ]

    def ends(self, step: Loop) -> list[str]:
        """Copy the states that did not end in the loop's results."""
        lines: list[str] = []
        for k in sorted(step.rotation.loose):
            target = self.address(step.results[k])
            copy = self.copy(target, self.word(k), k)
            lines += [f"if {self.word(k)} != {target}:", *(f"    {line}" for line in copy)]
        return lines

    # --- branches ---

    def branch(self, step: Branch) -> list[str]:
        inputs = len(step.values)
        calls = [self.call(self.body(body)) for body in step.bodies]
        self.uses("byte")
        lines = self.prepare(inputs + max(len(body.made) for body in step.bodies))
        for k in range(step.n_states, inputs):
            if step.operands[k] is not None:
                lines.append(f"{self.word(k)} = {self.operand(k)}")
        key, offset = step.condition
        condition = self.writer.pointer(key, self.plan, offset, 1)
        for head, body, call in zip(
            (f"if byte({condition}) != 0:", "else:"), step.bodies, calls, strict=True
        ):
            arm = [f"{self.table}[{TABLE_ARENA}] = {self.address(body.arena)}"]
            for k, number in body.made.items():
                key = step.results[k]
                if key is None:
                    continue
                result = self.address(key)
                arm.append(f"{self.word(inputs + number)} = {result}")
                if k in step.states and not body.makes_anew(k):
                    arm += [f"{self.word(k)} = {result}", *self.copy(result, self.operand(k), k)]
                elif k in step.states:
                    arm.append(f"{self.word(k)} = {self.operand(k)}")
            lines += [head, *(f"    {line}" for line in [*arm, call])]
        lines += ["if status != 0:", "    return status"]
        return ["    # the branch that is taken", *(f"    {line}" for line in lines)]
