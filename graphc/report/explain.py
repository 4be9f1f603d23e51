"""What a call of a compiled function runs: a report that prints, and the same as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from graphc.errors import Location
from graphc.ir import Graph, Node
from graphc.types import TensorType, evaluate_size

if TYPE_CHECKING:
    from graphc.lower.apart import Apart


MOST_ENTRIES = 30
"""Kernels, or pairs that are apart, of which the printed report shows lines; the data hold all."""

MOST_LINES = 2
"""The user's lines that it shows of each."""

MOST_NAMES = 16
"""Inputs, or relations between sizes, that it names."""


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One kernel of the native step.

    Attributes:
        name: of the function in the generated source.
        operations: names of the graph nodes fused into it, in order.
        nodes: those nodes.
        lines: the user's lines that they come from, as ``file:line: text``.
        flops: arithmetic operations of one run.
        nbytes: bytes of the buffers that it reads and writes, each counted once.
        chunks: into how many parts its work is split, for several threads.
    """

    name: str
    operations: tuple[str, ...]
    nodes: tuple[Node, ...]
    lines: tuple[str, ...]
    flops: int
    nbytes: int
    chunks: int


@dataclass(frozen=True, slots=True)
class ApartReport:
    """Two neighbours that were not fused.

    Attributes:
        producer: the operation whose result is stored by one kernel and loaded by another.
        consumer: the operation that reads it, or ``the result``.
        reason: why one kernel does not hold both.
        nodes: the two nodes of the graph; None for the result.
        lines: the user's lines that they come from, as ``file:line: text``, each once.
    """

    producer: str
    consumer: str
    reason: str
    nodes: tuple[Node, Node | None]
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The report of `CompiledFunction.explain`; ``str()`` of it is a table.

    Attributes:
        name: the function's.
        inputs: the graph's inputs as ``name: type``; symbolic axes by name.
        kernels: what one native call launches, in order.
        seconds: time that each stage of tracing and compiling took.
        arena_bytes: scratch memory of one call, known before it runs.
        peak_bytes: what a call holds at its peak: arguments, results and scratch memory.
        native_calls: calls from Python into native code in one step.
        apart: the neighbours that different kernels compute, and why.
        guards: relations between sizes that this form relies on.
        unrolled: Python loops that ran while tracing, as ``file:line: text: reason``.
        donated: the arguments, or leaves of them, in whose storage a result is made.
        source_file: the file that holds the generated source.
    """

    name: str
    inputs: tuple[str, ...]
    kernels: tuple[KernelReport, ...]
    seconds: Mapping[str, float]
    arena_bytes: int
    peak_bytes: int
    native_calls: int
    apart: tuple[ApartReport, ...]
    guards: tuple[str, ...]
    unrolled: tuple[str, ...]
    donated: tuple[str, ...]
    source_file: str

    @property
    def flops(self) -> int:
        """Arithmetic operations of one step."""
        return sum(kernel.flops for kernel in self.kernels)

    @property
    def nbytes(self) -> int:
        """Bytes that the kernels of one step read and write, each buffer once a kernel."""
        return sum(kernel.nbytes for kernel in self.kernels)

    def __str__(self) -> str:
        total = sum(self.seconds.values())
        calls = "call" if self.native_calls == 1 else "calls"
        count = len(self.kernels)
        lines = [
            f"{self.name}({_listed(self.inputs, MOST_NAMES)})",
            f"  {count} kernel{'' if count == 1 else 's'} in {self.native_calls} native {calls} "
            f"a step, {_quantity(self.flops)}FLOP, {_quantity(self.nbytes)}B moved, "
            f"arena {_quantity(self.arena_bytes)}B, peak {_quantity(self.peak_bytes)}B",
            f"  compiled in {total:.3f} s: "
            + ", ".join(f"{stage} {spent:.3f}" for stage, spent in self.seconds.items()),
            "",
            f"  {'kernel':<28} {'FLOP':>8} {'bytes':>8} {'chunks':>6}  fused operations",
        ]
        lines += _kernels(self.kernels)
        if self.donated:
            lines += ["", f"  results in the storage of {', '.join(self.donated)}"]
        lines += _not_fused(self.apart)
        if self.unrolled:
            lines += ["", "  Python loops that ran while tracing:"]
            lines += _first([[f"    {entry}"] for entry in self.unrolled], "unrolled")
        if self.guards:
            lines += ["", f"  for sizes where {_listed(self.guards, MOST_NAMES)}"]
        lines += ["", f"  source: {self.source_file}"]
        return "\n".join(lines)


def _not_fused(apart: Sequence[ApartReport]) -> list[str]:
    """The lines on neighbours that are apart; those that read the same are counted."""
    counted: dict[tuple[str, str, str, tuple[str, ...]], int] = {}
    for entry in apart:
        key = (entry.producer, entry.consumer, entry.reason, entry.lines)
        counted[key] = counted.get(key, 0) + 1
    entries = []
    for (producer, consumer, reason, places), times in counted.items():
        repeated = f" ({times} times)" if times > 1 else ""
        head = f"    {producer} -> {consumer}{repeated}: {reason}"
        entries.append([head, *(f"        {place}" for place in places[:MOST_LINES])])
    return ["", "  not fused:", *_first(entries, "apart")] if entries else []


def _kernels(kernels: Sequence[KernelReport]) -> list[str]:
    """The lines on kernels; those that read the same are counted."""
    counted: dict[tuple[Any, ...], int] = {}
    for kernel in kernels:
        key = (
            f"  {kernel.name:<28} {_quantity(kernel.flops):>8} {_quantity(kernel.nbytes):>8} "
            f"{kernel.chunks:>6}  {_listed(kernel.operations) or '(copy)'}",
            kernel.lines[:MOST_LINES],
        )
        counted[key] = counted.get(key, 0) + 1
    entries = []
    for (text, places), times in counted.items():
        repeated = f" ({times} times)" if times > 1 else ""
        entries.append([f"{text}{repeated}", *(f"  {'':<28} {place}" for place in places)])
    return _first(entries, "kernels")


def _first(entries: Sequence[list[str]], attribute: str) -> list[str]:
    """The lines of the first entries, and where all of them are."""
    lines = [line for entry in entries[:MOST_ENTRIES] for line in entry]
    more = len(entries) - MOST_ENTRIES
    return [*lines, f"    and {more} more: see .{attribute}"] if more > 0 else lines


def _quantity(number: float) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= limit:
            return f"{number / limit:.1f} {unit}"
    return f"{number} "


def _listed(names: Sequence[str], most: int = 8) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, and {len(names) - most} more"


def line_of(location: Location) -> str:
    """A line of the user's: the file without its folder, the number, and the text."""
    return f"{location.short}: {location.text.strip()}"


def _apart_report(entry: Apart) -> ApartReport:
    lines = dict.fromkeys(line_of(location) for location in entry.lines if location is not None)
    nodes = (entry.producer, entry.consumer)
    return ApartReport(*entry.names, entry.reason, nodes, tuple(lines))


def _donated(program: Any) -> list[str]:
    targets = [program.graph.written[k] for k in program.donated]
    return [program.graph.names[target] for target in targets]


def _passed_bytes(graph: Graph, sizes: Mapping[str, int]) -> int:
    """Bytes of the arguments, and of the results that are no argument."""
    results = [x for x, target in zip(graph.outputs, graph.written, strict=True) if target is None]
    tensors = [x.type for x in (*graph.inputs, *results) if isinstance(x.type, TensorType)]
    return sum(evaluate_size(type_.nbytes, sizes) for type_ in tensors)


def explain(name: str, form: Any, sizes: Mapping[str, int]) -> Explanation:
    """The report on `form`, a `graphc.specialize.Specialization`, for a call of these sizes."""
    executable, program = form.executable, form.program
    kernels = []
    for launched, (label, kernel) in zip(
        executable.module.launches, executable.kernels, strict=True
    ):
        found = [launched.graph.location(node) for node in kernel.nodes]
        lines = dict.fromkeys(line_of(location) for location in found if location is not None)
        kernels.append(
            KernelReport(
                name=label,
                operations=tuple(node.op.name for node in kernel.nodes),
                nodes=kernel.nodes,
                lines=tuple(lines),
                flops=evaluate_size(kernel.flops, sizes),
                nbytes=evaluate_size(kernel.nbytes, sizes),
                chunks=evaluate_size(kernel.chunks, sizes),
            )
        )
    guards = tuple(
        f"{'' if guard.outcome else 'not '}{guard.left} {guard.relation} {guard.right}"
        for guard in program.guards
    )
    return Explanation(
        name=name,
        inputs=tuple(
            f"{label}: {value.type}"
            for label, value in zip(program.graph.names, program.graph.inputs, strict=True)
        ),
        kernels=tuple(kernels),
        seconds=dict(form.stages),
        arena_bytes=executable.arena_bytes(sizes),
        peak_bytes=executable.arena_bytes(sizes) + _passed_bytes(program.graph, sizes),
        native_calls=executable.native_calls,
        apart=tuple(_apart_report(entry) for entry in executable.apart),
        guards=guards,
        unrolled=tuple(f"{line_of(loop.location)}: {loop.reason}" for loop in program.unrolled),
        donated=tuple(_donated(program)),
        source_file=str(executable.path),
    )
