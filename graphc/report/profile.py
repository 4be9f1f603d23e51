"""How long each kernel of a compiled function takes: a report that prints, and the same as data."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphc.ir import Graph
from graphc.lower import Branch, Loop
from graphc.lower.launch import Launch, Step
from graphc.report.explain import line_of
from graphc.report.roofline import Roofline, roofline
from graphc.runtime.timed import TimedStep
from graphc.types import evaluate_size

MOST_ENTRIES = 30
"""Kernels of which the printed report shows lines; the data hold all."""


@dataclass(frozen=True, slots=True)
class KernelTime:
    """What one kernel took, or a loop or branch with all kernels in it.

    Attributes:
        name: of the function in the generated source; of a loop, ``loop`` and its kernels.
        seconds: of its quickest run.
        flops: arithmetic operations of one run.
        nbytes: bytes of the buffers that it reads and writes, each counted once.
        least: seconds that the machine needs for these at least; the larger of the two. Of a
            branch both bodies count, though one runs.
        lines: the user's lines that it comes from, as ``file:line: text``.
    """

    name: str
    seconds: float
    flops: int
    nbytes: int
    least: float
    lines: tuple[str, ...]

    @property
    def roofline(self) -> float:
        """The share of what the machine can do that it reaches."""
        return self.least / self.seconds if self.seconds else 0.0


@dataclass(frozen=True, slots=True)
class Profile:
    """The report of `CompiledFunction.profile`; ``str()`` of it is a table, the slowest first.

    Kernels with the same code are one line of it.

    Attributes:
        name: the function's.
        kernels: in the order in which they run.
        seconds: of the quickest whole run of the native step.
        machine: what the machine can do at most, as measured.
    """

    name: str
    kernels: tuple[KernelTime, ...]
    seconds: float
    machine: Roofline

    def __str__(self) -> str:
        total = sum(kernel.seconds for kernel in self.kernels)
        by_name: dict[str, list[KernelTime]] = {}
        for kernel in self.kernels:
            by_name.setdefault(kernel.name, []).append(kernel)
        groups = sorted(by_name.values(), key=lambda group: -_sum(group, "seconds"))
        lines = [
            f"{self.name}: {_seconds(self.seconds)} a step; {len(self.kernels)} kernels one by one "
            f"{_seconds(total)}; the machine: {self.machine.flops / 1e9:.0f} GFLOP/s, "
            f"{self.machine.bandwidth[-1][1] / 1e9:.0f} GB/s of memory",
            "",
            f"  {'kernel':<30} {'runs':>4} {'time':>9} {'share':>6} {'GFLOP/s':>8} {'GB/s':>6} "
            f"{'roofline':>8}",
        ]
        for group in groups[:MOST_ENTRIES]:
            spent = max(_sum(group, "seconds"), 1e-12)
            name = group[0].name if len(group[0].name) <= 30 else f"{group[0].name[:27]}..."
            lines.append(
                f"  {name:<30} {len(group):>4} {_seconds(spent):>9} {spent / total:>6.1%} "
                f"{_sum(group, 'flops') / spent / 1e9:>8.1f} "
                f"{_sum(group, 'nbytes') / spent / 1e9:>6.1f} {_sum(group, 'least') / spent:>8.0%}"
            )
            lines += [f"      {line}" for line in group[0].lines[:1]]
        if len(groups) > MOST_ENTRIES:
            rest = sum(_sum(group, "seconds") for group in groups[MOST_ENTRIES:])
            lines.append(f"  and {len(groups) - MOST_ENTRIES} more, {_seconds(rest)}")
        return "\n".join(lines)


def _sum(kernels: Sequence[KernelTime], field: str) -> float:
    return float(sum(getattr(kernel, field) for kernel in kernels))


def _seconds(value: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-6:.3g} µs"


def profile(
    name: str, form: Any, arrays: Sequence[Any], sizes: Mapping[str, int], repeats: int
) -> Profile:
    """Run the kernels of `form` one by one, on copies of `arrays`.

    Args:
        form: a `graphc.specialize.Specialization`.
        arrays: the inputs of its graph.
    """
    executable, options = form.executable, form.options
    copies = [array.copy(order="K") if hasattr(array, "copy") else array for array in arrays]
    timed = TimedStep(executable, options.precision == "fast")
    runs, whole = [], []
    for _ in range(repeats):
        executable.run(copies, sizes, step=timed)
        runs.append(timed.seconds)
        started = time.perf_counter()
        executable.run(copies, sizes)
        whole.append(time.perf_counter() - started)
    best = [min(taken) for taken in zip(*runs, strict=True)]
    machine = roofline(options.threads)
    known = {
        id(kernel): (label, launched.graph)
        for (label, kernel), launched in zip(
            executable.kernels, executable.module.launches, strict=True
        )
    }
    kernels = tuple(
        _entry(step, seconds, known, sizes, machine)
        for step, seconds in zip(executable.memory.steps, best, strict=True)
    )
    return Profile(name, kernels, min(whole), machine)


def _entry(
    step: Step,
    seconds: float,
    known: Mapping[int, tuple[str, Graph]],
    sizes: Mapping[str, int],
    machine: Roofline,
) -> KernelTime:
    launches, turns = _inside(step, sizes)
    flops = turns * sum(evaluate_size(launch.kernel.flops, sizes) for launch in launches)
    nbytes = turns * sum(evaluate_size(launch.kernel.nbytes, sizes) for launch in launches)
    names = [known[id(launch.kernel)][0] for launch in launches]
    name = names[0] if isinstance(step, Launch) else f"{_kind(step)} of {', '.join(names)}"
    least = turns * sum(_least(launch, sizes, machine) for launch in launches)
    found = [
        known[id(launch.kernel)][1].location(node)
        for launch in launches
        for node in launch.kernel.nodes
    ]
    lines = dict.fromkeys(line_of(place) for place in found if place is not None)
    return KernelTime(name, seconds, flops, nbytes, least, tuple(lines))


def _least(launch: Launch, sizes: Mapping[str, int], machine: Roofline) -> float:
    kernel = launch.kernel
    itemsize = max(
        (b.dtype.itemsize for b in kernel.buffers if b.role in ("write", "update")), default=4
    )
    flops, nbytes = (evaluate_size(size, sizes) for size in (kernel.flops, kernel.nbytes))
    return machine.seconds(flops, nbytes, itemsize)


def _kind(step: Step) -> str:
    return "branch" if isinstance(step, Branch) else "loop"


def _inside(step: Step, sizes: Mapping[str, int]) -> tuple[list[Launch], int]:
    """The launches of a step, those of loops in it and of both bodies of a branch included.

    And how often they run at least.
    """
    if isinstance(step, Launch):
        return [step], 1
    turns = 1
    if isinstance(step, Loop) and step.length is not None:
        turns = evaluate_size(step.length, sizes)
    launches = [
        launch
        for body in step.bodies
        for inner in body.plan.steps
        for launch in _inside(inner, sizes)[0]
    ]
    return launches, turns
