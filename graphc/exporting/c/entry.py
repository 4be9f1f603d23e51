"""The public functions of a library, as LLVM's text: they fill the step's tables and call it.

    int32_t NAME_run(sizes..., arrays..., void *workspace)
    int32_t NAME_run_parallel(sizes..., arrays..., void *workspace, parallel, void *context)
    int64_t NAME_workspace_size(sizes...)
    const char *NAME_message(int32_t status), *NAME_version(void), *NAME_signature(void)

The tables are on the stack: nothing is allocated, and threads may call at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphc.codegen.source.module import Module
from graphc.codegen.words import library as words
from graphc.codegen.words.step_layout import LAUNCH, OVERLAP, RECORD_WORDS, TABLE_FIRST
from graphc.exporting.bounds import Window
from graphc.exporting.c.interface import Interface
from graphc.exporting.c.llvm_lines import DIVISION, Lines
from graphc.ir import Value
from graphc.trace.context import SizeGuard
from graphc.types import Size, product

BAD_SIZE, NULL, UNFIT, PARALLEL_FAILED = -1, -2, -3, -4
"""A size is negative; an address is 0; the sizes are not those that the library was made for; the
caller's `parallel` did not run all that it was given."""

CHECK = "graphc_library_results_overlap"
"""The function that compares results with the other arrays."""

TASK = "graphc_library_task"
"""The function that runs some chunks of a kernel, for the caller's threads."""

HEADER = 8 * RECORD_WORDS
ALIGNMENT = 64


@dataclass(frozen=True, slots=True)
class Parts:
    """What a library is made of beside its kernels.

    Attributes:
        slots: the step's inputs and outputs.
        places: for each array of the interface, its place among them.
        embedded: the bytes of inputs that the library holds, by their places.
        functions: the symbols of the table of constants' functions, in its order.
        arrays: the constants' bytes.
        relations: the guards, as text.
        named: the symbols of native functions, by the names that the module has for them.
    """

    module: Module
    step: str
    slots: int
    places: Sequence[int]
    embedded: Mapping[int, bytes]
    functions: Sequence[str]
    arrays: Sequence[Value]
    named: Mapping[str, str]
    arena: Size
    guards: Sequence[SizeGuard]
    windows: Sequence[Window]
    relations: Sequence[str]
    messages: Mapping[int, str]
    version: str


def entry_text(interface: Interface, parts: Parts) -> str:
    """LLVM's text of the public functions."""
    declared = dict.fromkeys([*parts.functions])
    lines = [DIVISION, f"declare i64 @{parts.step}(i64, i64, i64)"]
    lines += [f"declare i32 @{name}(ptr, ptr, i64, i64)" for name in declared]
    lines += [f"declare i64 @{symbol}()" for symbol in dict.fromkeys(parts.named.values())]
    lines += [f"declare i64 @{name}(i64, i64, i64)" for name in (TASK, CHECK)]
    lines += [_constant(f"array_{k}", value.node["data"]) for k, value in enumerate(parts.arrays)]
    lines += [_constant(f"embedded_{k}", data) for k, data in parts.embedded.items()]
    lines += [
        _run(interface, parts),
        _serial(interface),
        _workspace(interface, parts),
        *_texts(interface, parts),
    ]
    return "\n".join(lines)


def _parameters(interface: Interface) -> list[str]:
    return [
        *(f"i64 %size_{name}" for name in interface.sizes),
        *(f"ptr %array_{k}" for k in range(len(interface.arrays))),
        "ptr %workspace",
    ]


def _run(interface: Interface, parts: Parts) -> str:
    taken = [*_parameters(interface), "ptr %parallel", "ptr %context"]
    write = Lines({name: f"%size_{name}" for name in interface.sizes})
    _check(write, interface, parts)
    given = parts.slots
    table = write.value(f"alloca [{given + TABLE_FIRST} x i64], align 64")
    base = write.value("ptrtoint ptr %workspace to i64")
    start = write.value(f"and i64 {write.value(f'add i64 {base}, {ALIGNMENT - 1}')}, -{ALIGNMENT}")
    words_ = [write.value(f"add i64 {start}, {HEADER}"), start, *(["0"] * given)]
    for number, place in enumerate(parts.places):
        words_[TABLE_FIRST + place] = write.value(f"ptrtoint ptr %array_{number} to i64")
    for place in parts.embedded:
        words_[TABLE_FIRST + place] = f"ptrtoint (ptr @embedded_{place} to i64)"
    _fill(write, table, words_)
    pool = write.value(f"alloca [{words.WORDS} x i64], align 64")
    callers = [write.value(f"ptrtoint ptr {name} to i64") for name in ("%parallel", "%context")]
    _fill(write, pool, [*callers, f"ptrtoint (ptr @{TASK} to i64)", "0"])
    constants = _constants(write, parts, pool)
    sizes = write.value(f"alloca [{max(len(parts.module.sizes), 1)} x i64], align 64")
    _fill(write, sizes, [write.size(size) for size in parts.module.sizes])
    addresses = [write.value(f"ptrtoint ptr {x} to i64") for x in (table, constants, sizes)]
    status = write.value(f"call i64 @{parts.step}({', '.join(f'i64 {x}' for x in addresses)})")
    failed = write.value(f"getelementptr i64, ptr {pool}, i64 {words.FAILED}")
    _unless(write, f"icmp eq i64 {write.value(f'load i64, ptr {failed}')}, 0", "parallel_failed")
    write.add(f"ret i32 {write.value(f'trunc i64 {status} to i32')}")
    head = f"define i32 @{interface.name}_run_parallel({', '.join(taken)}) {{"
    ends = [f"{name}:\n  ret i32 {code}" for name, code in _REFUSALS.items()]
    return "\n".join([head, *write.lines, *ends, "}"])


_REFUSALS = {
    "bad_size": BAD_SIZE,
    "null": NULL,
    "unfit": UNFIT,
    "overlap": OVERLAP,
    "parallel_failed": PARALLEL_FAILED,
}


def _check(write: Lines, interface: Interface, parts: Parts) -> None:
    """Refuse negative sizes, addresses that are 0, and sizes that the code is not for."""
    for name in interface.sizes:
        _unless(write, f"icmp sge i64 %size_{name}, 0", "bad_size")
    for guard in parts.guards:
        relation = {"==": "eq", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}[guard.relation]
        left, right = write.size(guard.left), write.size(guard.right)
        holds = write.value(f"icmp {relation} i64 {left}, {right}")
        _unless(write, f"icmp eq i1 {holds}, {'true' if guard.outcome else 'false'}", "unfit")
    _check_windows(write, parts)
    for number, array in enumerate(interface.arrays):
        count = product(array.type.shape)
        if count == 0:
            continue
        there = write.value(f"icmp ne ptr %array_{number}, null")
        if not isinstance(count, int):
            empty = write.value(f"icmp eq i64 {write.size(count)}, 0")
            there = write.value(f"or i1 {there}, {empty}")
        _unless(write, f"icmp eq i1 {there}, true", "null")
    _unless(write, "icmp ne ptr %workspace, null", "null")
    _check_results(write, interface, parts)


def _check_windows(write: Lines, parts: Parts) -> None:
    """Refuse sizes for which a window would reach outside its array."""
    for window in parts.windows:
        least, greatest = map(write.size, window.ends)
        size, extent = write.size(window.size), write.size(window.extent)
        empty = write.value(f"icmp eq i64 {size}, 0")
        above = write.value(f"icmp sge i64 {least}, 0")
        below = write.value(f"icmp slt i64 {greatest}, {extent}")
        inside = write.value(f"and i1 {above}, {below}")
        _unless(write, f"or i1 {empty}, {inside}", "unfit")


def _check_results(write: Lines, interface: Interface, parts: Parts) -> None:
    """Refuse results that lie on other arrays, or in the workspace."""
    arrays = [(array.type, f"%array_{k}") for k, array in enumerate(interface.arrays)]
    first = sum(array.role != "output" for array in interface.arrays)
    if first == len(arrays):
        return
    places: list[str] = []
    for type_, name in (arrays[:first]) + [(None, "%workspace")] + arrays[first:]:
        size = parts.arena + (HEADER + ALIGNMENT) if type_ is None else type_.nbytes
        start = write.value(f"ptrtoint ptr {name} to i64")
        places += [start, write.value(f"add i64 {start}, {write.size(size)}")]
    table = write.value(f"alloca [{len(places)} x i64], align 64")
    _fill(write, table, places)
    address = write.value(f"ptrtoint ptr {table} to i64")
    given = f"i64 {address}, i64 {first + 1}, i64 {len(places) // 2}"
    overlap = write.value(f"call i64 @{CHECK}({given})")
    _unless(write, f"icmp eq i64 {overlap}, 0", "overlap")


def _unless(write: Lines, test: str, label: str) -> None:
    holds = write.value(test)
    write.count += 1
    further = f"further_{write.count}"
    write.add(f"br i1 {holds}, label %{further}, label %{label}")
    write.lines.append(f"{further}:")


def _constants(write: Lines, parts: Parts, pool: str) -> str:
    """The table of constants, on the stack: functions, constant arrays, native functions."""
    found = [f"ptrtoint (ptr @{name} to i64)" for name in parts.functions]
    found += [f"ptrtoint (ptr @array_{k} to i64)" for k in range(len(parts.arrays))]
    for name in parts.module.functions:
        if name == "pool":
            found.append(write.value(f"ptrtoint ptr {pool} to i64"))
        elif name in ("threads", "signals"):
            found.append("1")
        else:
            found.append(f"ptrtoint (ptr @{parts.named[name]} to i64)")
    table = write.value(f"alloca [{max(len(found), 1)} x i64], align 64")
    _fill(write, table, found)
    return table


def _fill(write: Lines, table: str, values: Sequence[str]) -> None:
    for place, value in enumerate(values):
        where = write.value(f"getelementptr i64, ptr {table}, i64 {place}")
        write.add(f"store i64 {value}, ptr {where}")


def _serial(interface: Interface) -> str:
    taken = ", ".join(_parameters(interface))
    return (
        f"define i32 @{interface.name}_run({taken}) {{\n"
        f"  %status = call i32 @{interface.name}_run_parallel({taken}, ptr null, ptr null)\n"
        "  ret i32 %status\n}"
    )


def _workspace(interface: Interface, parts: Parts) -> str:
    write = Lines({name: f"%size_{name}" for name in interface.sizes})
    total = write.size(parts.arena + (HEADER + ALIGNMENT))
    write.add(f"ret i64 {total}")
    taken = ", ".join(f"i64 %size_{name}" for name in interface.sizes)
    head = f"define i64 @{interface.name}_workspace_size({taken}) {{"
    return "\n".join([head, *write.lines, "}"])


def _texts(interface: Interface, parts: Parts) -> list[str]:
    """The functions that give texts."""
    known = {
        0: "done",
        OVERLAP: "an array that is written overlaps another; nothing was done",
        BAD_SIZE: "a size is negative; nothing was done",
        NULL: "the address of an array, or of the workspace, is NULL; nothing was done",
        UNFIT: _unfit(parts.relations),
        PARALLEL_FAILED: "parallel did not run every chunk; results and what is written are not "
        "complete",
        **parts.messages,
    }
    texts = [*known.values(), "no status of this library", parts.version, interface.signature()]
    name = interface.name
    lines = []
    for number, text in enumerate(texts):
        data = text.encode() + b"\0"
        lines.append(f"@text_{number} = internal constant [{len(data)} x i8] c{_quoted(data)}")
    cases = " ".join(f"i32 {status}, label %case_{k}" for k, status in enumerate(known))
    lines += [
        f"define ptr @{name}_message(i32 %status) {{",
        f"  switch i32 %status, label %other [ {cases} ]",
        *(f"case_{k}:\n  ret ptr @text_{k}" for k in range(len(known))),
        f"other:\n  ret ptr @text_{len(known)}\n}}",
        f"define ptr @{name}_version() {{\n  ret ptr @text_{len(known) + 1}\n}}",
        f"define ptr @{name}_signature() {{\n  ret ptr @text_{len(known) + 2}\n}}",
    ]
    return lines


def _constant(name: str, data: bytes) -> str:
    """A constant array, of one byte at least."""
    data = data or b"\0"
    kind = f"internal constant [{len(data)} x i8]"
    return f"@{name} = {kind} c{_quoted(data)}, align {ALIGNMENT}"


def _unfit(relations: Sequence[str]) -> str:
    text = ", ".join(relations)
    wanted = f": they must fulfil {text}" if text else ""
    return f"the library was not made for these sizes{wanted}; nothing was done"


def _quoted(data: bytes) -> str:
    return '"' + "".join(f"\\{byte:02X}" for byte in data) + '"'


def status_of(launch: int, problem: int) -> int:
    """The status of a kernel's problem, by the numbers of both."""
    return LAUNCH * (1 + launch) + 1 + problem
