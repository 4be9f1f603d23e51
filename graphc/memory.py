"""Where each buffer lies: liveness over the schedule, one arena, writes in place.

    Place := input k | output k | arena at an offset | constant k       # of the step's tables

Offsets are expressions of the symbolic sizes, all multiples of 64 bytes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.indexing import contiguous_strides, whole
from graphc.ir import Value
from graphc.loops import (
    Accumulate,
    Apply,
    Assign,
    Buffer,
    Cast,
    Check,
    Combine,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Load,
    Require,
    Select,
    Stmt,
    Store,
    Tile,
)
from graphc.lower import Launch, Loop, Lowered
from graphc.lower.collapse import collapse
from graphc.lower.launch import Step
from graphc.types import Dim, Size, TensorType, floordiv, product

ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buffer lies: in the `number`-th input, output or constant, or in the arena."""

    kind: str
    number: int = 0
    offset: Size = 0


@dataclass(slots=True)
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


def aligned(size: Size) -> Size:
    """`size` rounded up to the alignment."""
    return floordiv(size + (ALIGNMENT - 1), ALIGNMENT) * ALIGNMENT


def schedule(steps: Sequence[Step], late: Callable[[Step], bool]) -> list[Step]:
    """`steps` in an order that keeps dependencies and runs those that are `late` last.

    Of those that are ready the first that is not late runs next; a late one only when none is.
    """
    writer: dict[Any, int] = {}
    readers: dict[Any, list[int]] = {}
    after: list[set[int]] = [set() for _ in steps]
    users: list[list[int]] = [[] for _ in steps]
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
    for number, others in enumerate(after):
        for other in others:
            users[other].append(number)
    waiting = [len(others) for others in after]
    ready = [(late(step), number) for number, step in enumerate(steps) if not waiting[number]]
    heapq.heapify(ready)
    order: list[Step] = []
    while ready:
        _, number = heapq.heappop(ready)
        order.append(steps[number])
        for user in users[number]:
            waiting[user] -= 1
            if not waiting[user]:
                heapq.heappush(ready, (late(steps[user]), user))
    return order


def may_fail(step: Step) -> bool:
    """Whether a check in `step` can stop the call."""
    if isinstance(step, Loop):
        return any(map(may_fail, step.plan.steps))
    return bool(step.kernel.sites)


class _Planner:
    def __init__(self, lowered: Lowered) -> None:
        self.lowered = lowered
        self.graph = lowered.fused.graph
        self.strided = lowered.fused.strided
        self.steps: list[Step] = []
        self.same: dict[Any, Any] = {}
        self.places: dict[Any, Place] = {}
        self.constants: list[Value] = []
        self.functions: list[str] = []
        self.last: dict[Any, int] = {}
        self.sizes: dict[Any, Size] = {}
        self.finals: list[Step] = []
        outputs = lowered.outputs
        written = [k for k, target in enumerate(self.graph.written) if target is not None]
        self.replacing = {outputs[k] for k in written if k in outputs}

    def find(self, key: Any) -> Any:
        while key in self.same:
            key = self.same[key]
        return key

    def run(self) -> MemoryPlan:
        lowered = self.lowered
        self.steps = schedule(lowered.steps, self.is_late)
        for step in self.steps:
            if isinstance(step, Loop):
                step.plan = plan_memory(step.body)
        self.fix_known_places()
        self.place_outputs()
        self.elide_copies()
        self.steps += self.finals
        arena = self.place_in_arena()
        places = {key: self.places[self.find(key)] for key in self.all_keys()}
        return MemoryPlan(lowered, self.steps, places, arena, self.constants, self.functions)

    def is_late(self, step: Step) -> bool:
        """Whether a step writes what replaces an argument."""
        return any(key in self.replacing for key in step.writes)

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
            if isinstance(step, Loop):
                for value in step.plan.constants:
                    if value not in self.places:
                        self.places[value] = Place("constant", len(self.constants))
                        self.constants.append(value)
                for name in step.plan.functions:
                    self.add_function(name)
            else:
                for buffer in step.kernel.buffers:
                    if buffer.role == "function":
                        self.add_function(buffer.key[1])

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
            self.finals.append(self.copy_back(key, argument, k))

    def may_write_early(self, argument: Value, key: Any) -> bool:
        """Whether what replaces an argument may be written straight into it."""
        writers = [n for n, step in enumerate(self.steps) if key in step.writes]
        readers = [n for n, step in enumerate(self.steps) if argument in step.reads]
        if not writers:
            return False
        first = writers[0]
        # A call that is refused changes nothing: no check may come after the first write.
        if any(isinstance(self.steps[n], Loop) for n in writers) or self.may_fail_from(first):
            return False
        for number in readers:
            if number > first:
                return False
            if number == first:
                step = self.steps[number]
                if not isinstance(step, Launch) or not in_place(step.kernel, argument, key):
                    return False
        return True

    def may_fail_from(self, number: int) -> bool:
        """Whether a step from `number` on can stop the call."""
        return any(may_fail(step) for step in self.steps[number:])

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
            if not (isinstance(step, Launch) and step.elidable):
                kept.append(step)
                continue
            source, result = (self.find(buffer.key) for buffer in step.kernel.buffers[:2])
            if not self.may_join(source, result, numbers[id(step)], uses):
                kept.append(step)
                continue
            self.join(source, result, uses)
        self.steps = kept[::-1]

    def may_join(
        self, source: Any, result: Any, number: int, uses: dict[Any, tuple[int, int]]
    ) -> bool:
        """Whether `result` may be built in the memory of `source`, which is read last here."""
        if source == result or uses[source][1] > number:
            return False
        held, wanted = self.places.get(source), self.places.get(result)
        if held is not None and wanted is not None:
            return held == wanted
        if held is not None or source in self.lowered.outputs.values():
            return False
        if wanted is None or wanted.kind != "input":
            return True
        # The argument is now written as early as `source` is: nothing may read it later.
        first = uses[source][0]
        if self.may_fail_from(first):
            return False
        argument = self.graph.inputs[wanted.number]
        last = uses.get(argument, (0, -1))[1]
        step = self.steps[first]
        return last < first or (last == first and isinstance(step, Launch) and step.elidable)

    def join(self, source: Any, result: Any, uses: dict[Any, tuple[int, int]]) -> None:
        """Give both one buffer."""
        if source in self.places and result in self.places:
            return
        self.same[source] = result
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
            for value in (*step.node.inputs, *step.node.outputs):
                if isinstance(value.type, TensorType):
                    found.setdefault(self.find(value), value.tensor.nbytes)
            for pair, value in zip(step.carries, step.node.outputs, strict=False):
                if pair is not None:
                    for key in pair:
                        found[key] = value.tensor.nbytes
            found[step.arena] = step.plan.arena
        return found

    def place_in_arena(self) -> Size:
        """Place what has no place yet; a buffer's memory is used again after its last reader."""
        sizes = self.buffer_bytes()
        uses = self.uses()
        free: list[tuple[Size, Size]] = []
        end: Size = 0
        held: dict[Any, tuple[Size, Size]] = {}
        ends: dict[int, list[Any]] = {}
        for key, (_, last) in uses.items():
            ends.setdefault(last, []).append(key)
        for number, step in enumerate(self.steps):
            for key in dict.fromkeys(self.find(key) for key in step.writes):
                if key in self.places:
                    continue
                size = aligned(sizes[key])
                operand = self.operand_to_replace(step, key, number, uses, held, sizes)
                if operand is not None:
                    held[key] = held.pop(operand)
                    self.places[key] = self.places[operand]
                    continue
                slot = _best(free, size)
                if slot is None:
                    slot = (end, size)
                    end = end + size
                else:
                    free.remove(slot)
                held[key] = slot
                self.places[key] = Place("arena", 0, slot[0])
            for key in ends.get(number, ()):
                if key in held:
                    free.append(held.pop(key))
        return end

    def operand_to_replace(
        self,
        step: Step,
        key: Any,
        number: int,
        uses: dict[Any, tuple[int, int]],
        held: dict[Any, tuple[Size, Size]],
        sizes: dict[Any, Size],
    ) -> Any:
        """An operand that dies in `step` and whose memory the result `key` may take."""
        if not isinstance(step, Launch) or (
            isinstance(key, tuple) and key[0] in ("row", "partial")
        ):
            return None
        made = made_by_tiles(step.kernel.body)
        for operand in dict.fromkeys(self.find(k) for k in [*step.reads, *made]):
            dies = operand in held and uses[operand][1] == number and operand != key
            fits = dies and sizes[operand] == sizes[key]
            if fits and in_place(step.kernel, operand, key, self.find):
                return operand
        return None


def made_by_tiles(body: Iterable[Stmt]) -> list[Any]:
    """The keys of what products in `body` compute."""
    found: list[Any] = []
    for stmt in body:
        if isinstance(stmt, For):
            found += made_by_tiles(stmt.body)
        elif isinstance(stmt, If):
            found += made_by_tiles((*stmt.then, *stmt.otherwise))
        elif isinstance(stmt, Tile) and stmt.template == "product":
            found.append(stmt.operands[-1][0].key)
    return found


def _best(free: list[tuple[Size, Size]], size: Size) -> tuple[Size, Size] | None:
    """The smallest free slot that is known to hold `size` bytes and is not much too large."""
    best: tuple[Size, int] | None = None
    for offset, room in free:
        if room == size:
            return offset, room
        if isinstance(room, Dim) or isinstance(size, Dim) or not room >= size > 0:
            continue
        if best is None or room < best[1]:
            best = (offset, room)
    return best


def plan_memory(lowered: Lowered) -> MemoryPlan:
    """Place every buffer of a schedule."""
    return _Planner(lowered).run()


# --- reading and writing the same memory ----------------------------------------------------------


def in_place(
    kernel: Kernel, source: Any, result: Any, find: Callable[[Any], Any] = lambda key: key
) -> bool:
    """Whether `result` may lie in the memory of `source`, which `kernel` reads.

    True if every element of the source is read at the place where the result is written, and
    no read comes after the first write.
    """
    if any(b.role == "function" for b in kernel.buffers):
        return False
    targets = [b for b in kernel.buffers if find(b.key) == result]
    if any(b.role != "write" for b in targets):
        return False
    sources = [b for b in kernel.buffers if find(b.key) == source]
    if any(b.dtype != t.dtype for b in sources for t in targets):
        return False
    events: list[tuple[str, Any]] = []
    _events((*kernel.body, *kernel.finish), source, result, find, events)
    loads = [place for kind, place in events if kind == "load"]
    stores = [place for kind, place in events if kind == "store"]
    if not stores:
        return False
    if any(place != stores[0] for place in loads + stores):
        return False
    first_store = next(n for n, (kind, _) in enumerate(events) if kind == "store")
    return not any(kind == "load" for kind, _ in events[first_store:])


def _events(
    body: Iterable[Stmt],
    source: Any,
    result: Any,
    find: Callable[[Any], Any],
    events: list[tuple[str, Any]],
) -> None:
    def reads(expr: Expr) -> None:
        match expr:
            case Load():
                if find(expr.buffer.key) in (source, result):
                    events.append(("load", expr.index))
            case Apply():
                for argument in expr.arguments:
                    reads(argument)
            case Select():
                for part in (expr.condition, expr.then, expr.otherwise):
                    reads(part)
            case Cast():
                reads(expr.operand)

    for stmt in body:
        match stmt:
            case Tile():
                # It reads and writes anywhere: no place equals another. What it makes of the source
                # comes before all that is read of it; a left operand that is a result is made here.
                *read, made = (find(buffer.key) for buffer, _ in stmt.operands)
                known = {source} if read[:1] == [result] else {source, result}
                events += [("load", object()) for key in read if key in known]
                events += [("store", object())] * (made == result)
            case For():
                _events(stmt.body, source, result, find, events)
            case Require():
                reads(stmt.condition)
            case If():
                reads(stmt.condition)
                _events(stmt.then, source, result, find, events)
                _events(stmt.otherwise, source, result, find, events)
            case Let() | Assign() | Combine() | Check():
                reads(stmt.value)
            case Store() | Accumulate():
                reads(stmt.value)
                if find(stmt.buffer.key) == result:
                    events.append(("store", stmt.index))
