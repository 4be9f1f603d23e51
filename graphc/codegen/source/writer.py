"""Kernels -> Python source: readable, formatted, commented with the user's lines."""

from __future__ import annotations

import keyword
import re
from collections.abc import Hashable
from dataclasses import dataclass, replace

from graphc.codegen.source.places import named_places, variables
from graphc.codegen.source.scalar import (
    HELPERS,
    ExpressionWriter,
    dtype_of_parts,
    size_text,
    type_name,
)
from graphc.codegen.words.step_layout import PRINT_FAILED
from graphc.indexing import replace_atoms
from graphc.ir import Graph, Node
from graphc.loops import (
    CONVOLUTIONS,
    Accumulate,
    Assign,
    Buffer,
    Check,
    Combine,
    Comment,
    Expr,
    For,
    If,
    Kernel,
    Let,
    Local,
    Require,
    Stmt,
    Stop,
    Store,
    Tile,
)
from graphc.lower.collapse import map_sizes, statement_sizes, statements
from graphc.lower.reduction import combined
from graphc.types import Dim, Size

WIDTH = 100
ROW_FUNCTIONS = frozenset(["sort_row", "argsort_row"])
"""Templates that are functions of segments of their operands."""
NATIVE = ROW_FUNCTIONS | frozenset(
    [
        "buffer",
        "pointers",
        "integers",
        "address",
        "call_print",
        "gemm",
        "product",
        *CONVOLUTIONS,
        "call_routine",
        "part_start",
        "part_stop",
        "segment",
    ]
)
TYPES = frozenset(
    [
        "boolean",
        *(f"int{bits}" for bits in (8, 16, 32, 64)),
        *(f"uint{bits}" for bits in (8, 16, 32, 64)),
        "float32",
        "float64",
        "complex64",
        "complex128",
    ]
)
_KEPT = (
    HELPERS
    | NATIVE
    | TYPES
    | frozenset(keyword.kwlist)
    | {"table", "sizes", "lo", "hi", "range", "math", "cmath", "abs", "error"}
)


@dataclass(frozen=True, slots=True)
class Function:
    """One generated function: its source, and what it needs passed.

    `sizes` are in the order of the kernel's ``sizes`` array;
    `slots` the buffers, in the order of its table.
    """

    name: str
    text: str
    used: frozenset[str]
    sizes: tuple[Size, ...]
    slots: tuple[Buffer, ...]

    @property
    def key(self) -> str:
        """The text with its own names numbered: equal for kernels that do the same."""
        numbers: dict[str, str] = {}

        def rename(match: re.Match[str]) -> str:
            name = match.group()
            if name in _KEPT:
                return name
            return numbers.setdefault(name, f"v{len(numbers)}")

        return re.sub(r"(?<![\w.])[A-Za-z_]\w*", rename, self.text.split("(", 1)[1])


def sort_key(name: str) -> tuple[str, int]:
    """Names in order of their letters, then their number."""
    match = re.search(r"\d+$", name)
    return (name[: match.start()], int(match.group())) if match else (name, -1)


class KernelWriter:
    """Writes one kernel; `slot_of` says which buffers share memory."""

    def __init__(self, kernel: Kernel, name: str, slot_of: dict[str, int], fast: bool) -> None:
        self.kernel = kernel
        self.name = name
        self.slot_of = slot_of
        self.expressions = ExpressionWriter(fast)
        self.lines: list[str] = []

    def write(self, print_numbers: dict[Node, int]) -> Function:
        self.print_numbers = print_numbers
        sizes = self.size_names()
        parameters = dict(self.kernel.parameters)
        values = tuple(parameters.get(name, Dim.symbol(name)) for name in sizes)
        sizes = self.rename_sizes(sizes)
        self.name_places(sizes)
        self.line(0, f"def {self.name}(table, sizes, lo, hi):")
        for number, name in enumerate(sizes):
            self.line(1, f"{name} = sizes[{number}]")
        count = len(set(self.slot_of.values()))
        slots: dict[int, Buffer] = {}
        for buffer in self.kernel.buffers:
            slot = self.slot_of[buffer.name]
            slots.setdefault(slot, buffer)
            if buffer.role == "function":
                self.line(1, f"{buffer.name} = table[{slot}]")
                continue
            dtype = self.expressions.cast_name(buffer.dtype)
            self.line(1, f"{buffer.name} = buffer(table, {slot}, {count}, {dtype})")
        if self.kernel.sites:
            self.line(1, f"error = buffer(table, {count}, {count + 1}, int64)")
            self.expressions.used.add("int64")
        if self.kernel.finish:
            self.line(1, "if lo < 0:")
            self.body(self.kernel.finish, 2)
            self.line(2, "return 0")
        self.body(self.kernel.body, 1)
        self.line(1, "return 0")
        ordered = tuple(slots[slot] for slot in sorted(slots))
        text = "\n".join(self.lines) + "\n"
        return Function(self.name, text, frozenset(self.expressions.used), values, ordered)

    def size_names(self) -> tuple[str, ...]:
        """The symbolic sizes that the body uses and no statement sets."""
        body = (*self.kernel.body, *self.kernel.finish)
        used = {name for stmt in body for size in statement_sizes(stmt) for name in variables(size)}
        bound: set[str] = set()
        for stmt in statements(body):
            if isinstance(stmt, For):
                bound.add(stmt.index)
            elif isinstance(stmt, Check) or (
                isinstance(stmt, Let) and stmt.name.startswith(("stop_", "place_"))
            ):
                bound.add(stmt.name)
        return tuple(sorted(used - bound - {"lo", "hi"}, key=sort_key))

    def rename_sizes(self, sizes: tuple[str, ...]) -> tuple[str, ...]:
        """Names for the sizes that nothing else in the function has."""
        taken = self.taken()
        new = {name: f"size_{name}" for name in sizes if name in taken}
        if new:
            atoms_: dict[Hashable, Size] = {name: Dim.symbol(n) for name, n in new.items()}

            def renamed(size: Size) -> Size:
                return replace_atoms(size, atoms_)

            body = tuple(map_sizes(stmt, renamed) for stmt in self.kernel.body)
            finish = tuple(map_sizes(stmt, renamed) for stmt in self.kernel.finish)
            self.kernel = replace(self.kernel, body=body, finish=finish)
        return tuple(new.get(name, name) for name in sizes)

    def taken(self) -> frozenset[str]:
        """The names that are in use."""
        names = _KEPT | {buffer.name for buffer in self.kernel.buffers} | {self.name, "buffer"}
        return names.union(_bound((*self.kernel.body, *self.kernel.finish)))

    def name_places(self, sizes: tuple[str, ...]) -> None:
        """Give names to places that loops name more than once."""
        known, taken = {*sizes, "lo", "hi"}, self.taken() | set(sizes)
        body = named_places(self.kernel.body, known, taken)
        finish = named_places(self.kernel.finish, known, taken)
        self.kernel = replace(self.kernel, body=body, finish=finish)

    def line(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def body(self, body: tuple[Stmt, ...], depth: int) -> None:
        for stmt in body:
            self.statement(stmt, depth)

    def expr(self, expr: Expr) -> str:
        text = self.expressions.write(expr)
        return text[1:-1] if _wrapped(text) else text

    def statement(self, stmt: Stmt, depth: int) -> None:
        match stmt:
            case For():
                self.loop(stmt, depth)
            case If():
                self.line(depth, f"if {self.expr(stmt.condition)}:")
                self.body(stmt.then, depth + 1)
                if stmt.otherwise:
                    self.line(depth, "else:")
                    self.body(stmt.otherwise, depth + 1)
            case Let() | Assign():
                self.line(depth, f"{stmt.name} = {self.expr(stmt.value)}")
            case Check():
                self.check(stmt, depth)
            case Require():
                self.line(depth, f"if not ({self.expr(stmt.condition)}):")
                self.line(depth + 1, f"return {stmt.site + 1}")
            case Stop():
                self.line(depth, f"if {self.expr(stmt.condition)}:")
                self.line(depth + 1, "break")
            case Store():
                (offset,) = stmt.index
                place = f"{stmt.buffer.name}[{size_text(offset)}]"
                self.line(depth, f"{place} = {self.expr(stmt.value)}")
            case Accumulate():
                self.accumulate(stmt, depth)
            case Combine():
                self.combine(stmt, depth)
            case Tile():
                self.tile(stmt, depth)
            case Comment():
                self.line(depth, f"# {stmt.text}")

    def loop(self, stmt: For, depth: int) -> None:
        bounds = size_text(stmt.stop)
        dtype = dtype_of_parts(stmt)
        if dtype is not None:
            part, first, last = (f"{word}_of_{stmt.index}" for word in ("part", "first", "last"))
            name = self.expressions.cast_name(dtype)
            given = f"{part}, {size_text(stmt.start)}, {bounds}, {name}"
            self.line(depth, f"for {part} in range(2):")
            depth += 1
            self.line(depth, f"{first} = {self.expressions.call('part_start', given)}")
            self.line(depth, f"{last} = {self.expressions.call('part_stop', given)}")
            bounds = f"{first}, {last}"
        elif stmt.start != 0 or stmt.step != 1:
            bounds = f"{size_text(stmt.start)}, {bounds}"
        if stmt.step != 1:
            bounds += f", {stmt.step}"
        self.line(depth, f"for {stmt.index} in range({bounds}):")
        self.body(stmt.body, depth + 1)

    def check(self, stmt: Check, depth: int) -> None:
        extent = size_text(stmt.extent)
        self.line(depth, f"{stmt.name} = {self.expr(stmt.value)}")
        self.line(depth, f"if {stmt.name} < 0:")
        self.line(depth + 1, f"{stmt.name} += {extent}")
        if stmt.site is None:
            return
        self.line(depth, f"if {stmt.name} < 0 or {stmt.name} >= {extent}:")
        self.line(depth + 1, f"error[0] = {self.expr(stmt.value)}")
        self.line(depth + 1, f"error[1] = {extent}")
        self.line(depth + 1, f"return {stmt.site + 1}")

    def accumulate(self, stmt: Accumulate, depth: int) -> None:
        (offset,) = stmt.index
        place = f"{stmt.buffer.name}[{size_text(offset)}]"
        current = Local(place, stmt.buffer.dtype)
        self.line(depth, f"{place} = {self.expr(combined(stmt.combine, current, stmt.value))}")

    def combine(self, stmt: Combine, depth: int) -> None:
        current = Local(stmt.name, stmt.value.dtype)
        free = {
            "add": "add_reassociated",
            "multiply": "multiply_reassociated",
            "maximum": "maximum",
            "minimum": "minimum",
        }
        if stmt.value.dtype.kind == "f" and stmt.combine in free:
            value = self.expr(stmt.value)
            text = self.expressions.call(free[stmt.combine], stmt.name, value)
        else:
            text = self.expr(combined(stmt.combine, current, stmt.value))
        self.line(depth, f"{stmt.name} = {text}")

    def tile(self, stmt: Tile, depth: int) -> None:
        if stmt.template == "print":
            *values, (routine, _) = stmt.operands
            self.expressions.used |= {"pointers", "address", "call_print"}
            self.line(depth, f"values = pointers({len(values)})")
            for number, (buffer, offset) in enumerate(values):
                place = f"address({buffer.name}, {size_text(offset)})"
                self.line(depth, f"values[{number}] = {place}")
            self.expressions.used.add("integers")
            self.line(depth, f"extents = integers({len(stmt.sizes)})")
            for number, size in enumerate(stmt.sizes):
                self.line(depth, f"extents[{number}] = {size_text(size)}")
            number = self.print_numbers[stmt.options[0]]
            self.line(depth, f"if call_print({routine.name}, {number}, values, extents) != 0:")
            self.line(depth + 1, f"return {PRINT_FAILED}")
            return
        if stmt.template in ROW_FUNCTIONS:
            self.on_segments(stmt, depth)
            return
        if stmt.template == "product":
            self.product(stmt, depth)
            return
        if stmt.template == "routine":
            self.routine(stmt, depth)
            return
        if stmt.template in CONVOLUTIONS:
            self.convolution(stmt, depth)
            return
        (a, a_offset), (b, b_offset), (c, c_offset), (routine, _) = stmt.operands
        m, n, k, lead_a, lead_b, transpose_a, transpose_b = map(size_text, stmt.sizes)
        (dtype,) = stmt.options
        self.expressions.used |= {"gemm", "address", dtype}
        self.line(depth, f"gemm({routine.name}, {dtype}, {m}, {n}, {k},")
        self.line(depth, f"     address({a.name}, {size_text(a_offset)}), {lead_a}, {transpose_a},")
        self.line(depth, f"     address({b.name}, {size_text(b_offset)}), {lead_b}, {transpose_b},")
        self.line(depth, f"     address({c.name}, {size_text(c_offset)}))")

    def on_segments(self, stmt: Tile, depth: int) -> None:
        """A template that is a function of segments of its operands, and of sizes."""
        given = [f"segment({buffer.name}, {size_text(at)})" for buffer, at in stmt.operands]
        given += [size_text(size) for size in stmt.sizes]
        self.expressions.used |= {stmt.template, "segment"}
        self.line(depth, f"{stmt.template}({', '.join(given)})")

    def product(self, stmt: Tile, depth: int) -> None:
        places = [f"address({buffer.name}, {size_text(at)})" for buffer, at in stmt.operands]
        rows, columns, inner, *strides, c_row = map(size_text, stmt.sizes)
        dtype, hints = stmt.options
        self.expressions.used |= {"product", "address", dtype}
        self.line(depth, f"product({dtype}, {hints}, {rows}, {columns}, {inner},")
        self.line(depth, f"        {places[0]}, {strides[0]}, {strides[1]},")
        self.line(depth, f"        {places[1]}, {strides[2]}, {strides[3]},")
        self.line(depth, f"        {places[2]}, {c_row})")

    def convolution(self, stmt: Tile, depth: int) -> None:
        places = [f"address({buffer.name}, {size_text(at)})" for buffer, at in stmt.operands]
        dtype, hints = stmt.options
        self.expressions.used |= {stmt.template, "address", dtype}
        indent = " " * (len(stmt.template) + 1)
        self.line(depth, f"{stmt.template}({dtype}, {hints},")
        self.line(depth, f"{indent}{', '.join(places)},")
        self.line(depth, f"{indent}{', '.join(map(size_text, stmt.sizes))})")

    def routine(self, stmt: Tile, depth: int) -> None:
        """The call of a Fortran routine: its arguments in order, letters as their codes."""
        name, *forms = stmt.options
        *places, (routine, _) = stmt.operands
        pointers, integers = iter(places), iter(stmt.sizes)
        taken: list[str] = []
        for form in forms:
            if form == "address":
                buffer, offset = next(pointers)
                taken.append(f"address({buffer.name}, {size_text(offset)})")
            elif form == "integer":
                size = next(integers)
                taken.append(f"int64({size})" if isinstance(size, int) else size_text(size))
            elif form == "leading":
                size = next(integers)
                if isinstance(size, int):
                    taken.append(f"int64({max(size, 1)})")
                else:
                    taken.append(f"max({size_text(size)}, 1)")
            else:
                taken.append(f"uint8({ord(form)})")
        letters = [form for form in forms if len(form) == 1]
        self.expressions.used |= {"call_routine", "address", "int64"}
        self.expressions.used |= {"uint8"} if letters else set()
        self.line(depth, f"# {name}" + (f" with {', '.join(letters)}" if letters else ""))
        lead = " " * (len("call_routine") + 1)
        line = f"call_routine({routine.name}, ("
        for text in [*(f"{text}, " for text in taken[:-1]), f"{taken[-1]}))"]:
            if len(line) + len(text) + 4 * depth > WIDTH:
                self.line(depth, line.rstrip())
                line = lead
            line += text
        self.line(depth, line)


def _wrapped(text: str) -> bool:
    """Whether one pair of parentheses encloses the whole text."""
    if not text.startswith("("):
        return False
    level = 0
    for position, character in enumerate(text):
        level += (character == "(") - (character == ")")
        if level == 0:
            return position == len(text) - 1
    return False


def _bound(body: tuple[Stmt, ...]) -> set[str]:
    """The names that statements set."""
    found: set[str] = set()
    for stmt in statements(body):
        if isinstance(stmt, Let | Assign | Check):
            found.add(stmt.name)
        elif isinstance(stmt, For):
            found.add(stmt.index)
    return found


def describe(graph: Graph, kernel: Kernel) -> list[str]:
    """Comment lines for a kernel: the nodes in it and the user's lines that they came from."""
    lines: list[str] = []
    names = [node.op.name for node in kernel.nodes]
    head = ", ".join(names) if names else kernel.name
    while len(head) > WIDTH - 2:
        cut = head.rfind(", ", 0, WIDTH - 2)
        if cut < 0:
            break
        lines.append(f"# {head[: cut + 1]}")
        head = head[cut + 2 :]
    lines.append(f"# {head}")
    seen: dict[str, None] = {}
    for node in kernel.nodes:
        location = graph.location(node)
        if location is not None:
            file = location.file.replace("\\", "/").rsplit("/", 1)[-1]
            text = f"#   {file}:{location.line}: {location.text.strip()}"
            seen[" ".join(text.splitlines())] = None  # a name may hold a line's end
    return lines + list(seen)


__all__ = ["Function", "KernelWriter", "describe", "type_name"]
