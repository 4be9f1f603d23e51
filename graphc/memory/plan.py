"""Where each buffer lies: liveness over the schedule, one arena, writes in place.

    Place := input k | output k | arena at an offset | constant k       # of the step's tables

Offsets are expressions of the symbolic sizes, all multiples of 64 bytes.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from graphc.indexing import contiguous_strides, whole
from graphc.ir import Value
from graphc.loops import Buffer, For, Kernel, Load, Stmt, Store
from graphc.lower import Branch, Launch, Loop, Lowered
from graphc.lower.collapse import collapse
from graphc.lower.launch import Step
from graphc.lower.overlap import made_by_tiles, overwrites
from graphc.memory.arena import Tenancy, place_tenancies
from graphc.memory.carries import rotate
from graphc.memory.schedule import may_fail, schedule
from graphc.types import Dim, Size, floordiv, product

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buffer lies: in the `number`-th input, output or constant, or in the arena."""

    kind: str
    number: int = 0
    offset: Size = 0


@dataclass(slots=True, repr=False)
class MemoryPlan:
    """The schedule with every buffer placed.

    Attributes:
        steps: what runs, in order; copies that are not needed are gone.
        places: where each key's buffer lies.
        arena: bytes of scratch memory.
        constants: the graph constants, in the order of the step's table of constants.
        functions: the native functions in it, after the constants.
    """

    lowered: Lowered
    steps: list[Step]
    places: dict[Any, Place]
    arena: Size
    constants: list[Value]
    functions: list[str]

    def __repr__(self) -> str:
        return f"<memory plan of {len(self.places)} buffers, arena {self.arena} bytes>"

    def __str__(self) -> str:
        lines = [f"arena {self.arena} bytes"]
        for key, place in self.places.items():
            where = f"byte {place.offset}" if place.kind == "arena" else place.number
            name = " ".join(map(str, key)) if isinstance(key, tuple) else key
            lines.append(f"  {name}: {place.kind} {where}")
        return "\n".join(lines)


def aligned(size: Size) -> Size:
    """`size` rounded up to the alignment."""
    return floordiv(size + (ALIGNMENT - 1), ALIGNMENT) * ALIGNMENT


class _Planner:
    """Places the buffers of one schedule; `kept`: inputs of a body that it hands on as they are."""

    def __init__(self, lowered: Lowered, inner: bool, kept: Collection[int]) -> None:
        self.lowered = lowered
        self.inner = inner
        self.kept = kept
        self.graph = lowered.fused.graph
        self.strided = lowered.fused.strided
        self.steps: list[Step] = []
        self.same: dict[Any, Any] = {}
        self.places: dict[Any, Place] = {}
        self.constants: list[Value] = []
        self.functions: list[str] = []
        self.readers: dict[Any, list[int]] = {}
        self.writers: dict[Any, list[int]] = {}
        self.finals: list[Step] = []
        outputs = lowered.outputs
        self.replaced = {
            outputs[k]: self.graph.inputs[target]
            for k, target in enumerate(self.graph.written)
            if target is not None and k in outputs
        }

    def find(self, key: Any) -> Any:
        while key in self.same:
            key = self.same[key]
        return key

    def run(self) -> MemoryPlan:
        lowered = self.lowered
        for step in lowered.steps:
            if isinstance(step, Loop | Branch):
                for body in step.bodies:
                    body.plan = plan_memory(body.lowered, inner=True, kept=body.unwritten)
            if isinstance(step, Loop):
                step.rotation = rotate(step)
        self.steps = schedule(lowered.steps, self.is_late, self.replaced)
        for number, step in enumerate(self.steps):
            for key in dict.fromkeys(step.reads):
                self.readers.setdefault(key, []).append(number)
            for key in dict.fromkeys(step.writes):
                self.writers.setdefault(key, []).append(number)
        self.fix_known_places()
        self.place_outputs()
        self.elide_copies()
        self.steps += self.finals
        arena = self.place_in_arena()
        places = {key: self.places[self.find(key)] for key in self.all_keys()}
        return MemoryPlan(lowered, self.steps, places, arena, self.constants, self.functions)

    def is_late(self, step: Step) -> bool:
        """Whether a step writes what replaces an argument."""
        return any(key in self.replaced for key in step.writes)

    def all_keys(self) -> list[Any]:
        keys: dict[Any, None] = {}
        for step in self.steps:
            for key in [*step.reads, *step.writes]:
                keys[key] = None
            if isinstance(step, Launch):
                for buffer in step.kernel.buffers:
                    keys[buffer.key] = None
        for key in self.lowered.outputs.values():
            keys[key] = None
        return list(keys)

    def fix_known_places(self) -> None:
        """Inputs, constants and native functions."""
        for value in self.graph.inputs:
            self.places[value] = Place("input", value.node["number"])
        for key in self.all_keys():
            known = key in self.places or not isinstance(key, Value)
            if not known and key.node.op.name == "constant":
                self.places[key] = Place("constant", len(self.constants))
                self.constants.append(key)
        for step in self.steps:
            if isinstance(step, Launch):
                for buffer in step.kernel.buffers:
                    if buffer.role == "function":
                        self.add_function(buffer.key[1])
                continue
            for body in step.bodies:
                for value in body.plan.constants:
                    if value not in self.places:
                        self.places[value] = Place("constant", len(self.constants))
                        self.constants.append(value)
                for name in body.plan.functions:
                    self.add_function(name)

    def add_function(self, name: str) -> None:
        if name not in self.functions:
            self.functions.append(name)
        self.places[("function", name)] = Place("function", self.functions.index(name))

    def uses(self) -> dict[Any, tuple[int, int]]:
        """First and last step in which each key's buffer is used."""
        found: dict[Any, tuple[int, int]] = {}
        for number, step in enumerate(self.steps):
            for key in [*step.reads, *step.writes]:
                root = self.find(key)
                first, _ = found.get(root, (number, number))
                found[root] = (first, number)
        return found

    # --- outputs and written arguments ---

    def place_outputs(self) -> None:
        for k, key in self.lowered.outputs.items():
            target = self.graph.written[k]
            if target is None:
                self.places[key] = Place("output", k)
                continue
            argument = self.graph.inputs[target]
            if target not in self.strided and self.may_write_early(argument, key):
                self.places[key] = Place("input", target)
                continue
            if self.inner:
                self.places[key] = Place("output", k)
                continue
            self.finals.append(self.copy_back(key, argument, k))

    def may_write_early(self, argument: Value, key: Any) -> bool:
        """Whether what replaces an argument may be written straight into it."""
        writers = self.writers.get(key)
        if not writers or argument.node["number"] in self.kept:
            return False
        # A call that is refused changes nothing: no check may come after the first write.
        return not self.may_fail_from(writers[0]) and self.overwrites_late(argument, key)

    def overwrites_late(self, argument: Value, key: Any) -> bool:
        """Whether `argument` is read only before `key`, in its memory, is written."""
        writers = self.writers[key]
        first = writers[0]
        reading = [number for number in self.readers.get(argument, ()) if number >= first]
        if any(not overwrites(self.steps[n], argument, key, self.find) for n in reading):
            return False
        # What is read later must not have been changed: by the copy that is to be dropped alone.
        copy = self.steps[first]
        copied = isinstance(copy, Launch) and copy.elidable and first in reading
        return reading in ([], [first]) or (copied and writers == reading and len(reading) == 2)

    def may_fail_from(self, number: int) -> bool:
        """Whether a step from `number` on can stop the call, while arguments are not written yet.

        A body writes the loop's own arrays, or arguments where nothing in the loop can fail.
        """
        return not self.inner and any(may_fail(step) for step in self.steps[number:])

    def copy_back(self, key: Any, argument: Value, number: int) -> Step:
        """A kernel that copies a finished value into the caller's array."""
        shape = argument.shape
        index, bounds = whole(shape)
        strides = contiguous_strides(shape)
        target = strides
        if argument.node["number"] in self.strided:
            target = tuple(
                Dim.symbol(f"stride{argument.node['number']}_{axis}") for axis in range(len(shape))
            )
        dtype = argument.dtype
        source = Buffer("result", key, "read", dtype, shape, strides)
        place = ("argument", argument.node["number"])
        buffer = Buffer("argument", place, "write", dtype, shape, target)
        self.places[place] = Place("input", argument.node["number"])
        stmt: Stmt = Store(buffer, index, Load(source, index, dtype))
        for name, size in reversed(list(bounds.items())):
            stmt = For(name, 0, size, (stmt,))
        kernel = Kernel("copy", (source, buffer), tuple(collapse([stmt])))
        return Launch(kernel)

    # --- copies that may work in place ---

    def elide_copies(self) -> None:
        kept: list[Step] = []
        uses = self.uses()
        numbers = {id(step): number for number, step in enumerate(self.steps)}
        # Last first: the end of a chain of writes knows the argument that it replaces.
        for step in reversed(self.steps):
            if isinstance(step, Loop | Branch):
                self.join_states(step, numbers[id(step)], uses)
            if not (isinstance(step, Launch) and step.elidable):
                kept.append(step)
                continue
            source, result = (self.find(buffer.key) for buffer in step.kernel.buffers[:2])
            if not self.may_join(source, result, numbers[id(step)], uses):
                kept.append(step)
                continue
            self.join(source, result, uses)
        self.steps = kept[::-1]

    def join_states(
        self, step: Loop | Branch, number: int, uses: dict[Any, tuple[int, int]]
    ) -> None:
        """Let what a loop starts from be made where the loop works, if nothing else reads it."""
        for k in step.states:
            operand, result = step.operands[k], step.results[k]
            assert operand is not None
            source, result = self.find(operand[0]), self.find(result)
            if source in self.places or not overwrites(step, source, result, self.find):
                continue
            if self.may_join(source, result, number, uses):
                self.join(source, result, uses)

    def may_join(
        self, source: Any, result: Any, number: int, uses: dict[Any, tuple[int, int]]
    ) -> bool:
        """Whether `result` may be built in the memory of `source`, which is read last here."""
        if source == result or not self.last_read(source, result, number, uses):
            return False
        held, wanted = self.places.get(source), self.places.get(result)
        if held is not None and wanted is not None:
            return held == wanted
        if held is not None or source in self.lowered.outputs.values():
            return False
        if wanted is None or wanted.kind != "input":
            return True
        # The argument is now written as early as `source` is: nothing may read it later.
        if self.may_fail_from(uses[source][0]):
            return False
        return self.overwrites_late(self.graph.inputs[wanted.number], source)

    def last_read(
        self, source: Any, result: Any, number: int, uses: dict[Any, tuple[int, int]]
    ) -> bool:
        """Whether step `number` is the last to read `source`, but for one that overwrites it."""
        last = uses[source][1]
        if last <= number:
            return True
        between = (step for step in self.steps[number + 1 : last])
        if any(source in map(self.find, [*step.reads, *step.writes]) for step in between):
            return False
        step = self.steps[last]
        writes = isinstance(step, Launch) and result in map(self.find, step.writes)
        return writes and overwrites(step, source, result, self.find)

    def join(self, source: Any, result: Any, uses: dict[Any, tuple[int, int]]) -> None:
        """Give both one buffer."""
        if source in self.places and result in self.places:
            return
        self.same[source] = result
        self.writers[result] = sorted({*self.writers.pop(source, ()), *self.writers[result]})
        first = uses.pop(source)[0]
        uses[result] = (min(first, uses[result][0]), uses[result][1])

    # --- the arena ---

    def buffer_bytes(self) -> dict[Any, Size]:
        """Bytes of each key's buffer."""
        found: dict[Any, Size] = {}
        for step in self.steps:
            if isinstance(step, Launch):
                for buffer in step.kernel.buffers:
                    size = product(buffer.shape) * buffer.dtype.itemsize
                    found.setdefault(self.find(buffer.key), size)
                continue
            for key, value in zip(step.results, step.node.outputs, strict=True):
                if key is not None:
                    found.setdefault(self.find(key), value.tensor.nbytes)
            for body in step.bodies:
                found[body.arena] = body.plan.arena
            if isinstance(step, Loop):
                for key, number in step.scratch.items():
                    found[key] = step.node.outputs[number].tensor.nbytes
        return found

    def place_in_arena(self) -> Size:
        """Place what has no place yet; a buffer's memory is used again after its last reader."""
        sizes = self.buffer_bytes()
        uses = self.uses()
        tenancies: list[Tenancy] = []
        held: dict[Any, Tenancy] = {}
        ends: dict[int, list[Any]] = {}
        for key, (_, last) in uses.items():
            ends.setdefault(last, []).append(key)
        for number, step in enumerate(self.steps):
            for key in dict.fromkeys(self.find(key) for key in step.writes):
                if key in self.places:
                    continue
                operand = self.operand_to_replace(step, key, number, uses, held, sizes)
                if operand is None:
                    tenancies.append(Tenancy(aligned(sizes[key]), number))
                    held[key] = tenancies[-1]
                else:
                    held[key] = held.pop(operand)
                held[key].keys.append(key)
                self.places[key] = Place("arena", 0)
            for key in ends.get(number, ()):
                if key in held:
                    held.pop(key).last = number
        end = place_tenancies(tenancies, len(self.steps))
        for tenancy in tenancies:
            for key in tenancy.keys:
                self.places[key] = Place("arena", 0, tenancy.offset)
        return end

    def operand_to_replace(
        self,
        step: Step,
        key: Any,
        number: int,
        uses: dict[Any, tuple[int, int]],
        held: dict[Any, Tenancy],
        sizes: dict[Any, Size],
    ) -> Any:
        """An operand that dies in `step` and whose memory the result `key` may take."""
        if isinstance(key, tuple) and key[0] in ("row", "partial"):
            return None
        made = made_by_tiles(step.kernel.body) if isinstance(step, Launch) else []
        for operand in dict.fromkeys(self.find(k) for k in [*step.reads, *made]):
            dies = operand in held and uses[operand][1] == number and operand != key
            fits = dies and sizes[operand] == sizes[key]
            if fits and overwrites(step, operand, key, self.find):
                return operand
        return None


def plan_memory(lowered: Lowered, *, inner: bool = False, kept: Collection[int] = ()) -> MemoryPlan:
    """Place every buffer of a schedule.

    Args:
        lowered: what runs.
        inner: it is the body of a loop or branch; what replaces an input is made in the place of
            that input or in an output of the body.
        kept: inputs that are not written, for the loop hands them on as they are.
    """
    return _Planner(lowered, inner, kept).run()
