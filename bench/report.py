"""The figures as tables, and as files in ``bench/results``."""

from __future__ import annotations

import datetime
import json
import platform
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.calls import Call
from bench.machine import Machine
from bench.rounds import Comparison, Row

RESULTS = Path(__file__).parent / "results"

COLUMNS = (
    "peer",
    "first, s",
    "again, s",
    "best, µs",
    "median, µs",
    "× best",
    "× median",
    "of bound",
    "faults",
    "kernels",
)


def ratio(comparison: Comparison, row: Row, figure: str) -> float | None:
    """The quickest other peer's time divided by this row's; None where there is no other."""
    others = [getattr(other, figure) for other in comparison.rows if other is not row]
    return min(others) / getattr(row, figure) if others else None


def figures(comparison: Comparison, machine: Machine) -> list[dict[str, Any]]:
    """The numbers of the table, one dict a peer, the quickest first; times in seconds."""
    bound = machine.bound(comparison.workload, comparison.small)
    found = []
    for row in sorted(comparison.rows, key=lambda row: row.median):
        found.append(
            {
                "peer": row.peer,
                "first": row.first,
                "again": row.again,
                "import": row.import_seconds,
                "best": row.best,
                "median": row.median,
                "ratio_best": ratio(comparison, row, "best"),
                "ratio_median": ratio(comparison, row, "median"),
                "of_bound": bound / row.best,
                "faults": statistics.median(row.faults),
                "kernels": row.kernels,
                "error": row.error,
                "rounds": [
                    [min(samples), statistics.median(samples), len(samples)]
                    for samples in row.rounds
                ],
            }
        )
    return found


def cells(entry: dict[str, Any]) -> list[str]:
    """One row of the table as text, in the order of `COLUMNS`."""

    def times(value: float | None) -> str:
        return "" if value is None else f"{value:.2f}"

    return [
        entry["peer"],
        f"{entry['first']:.3f}",
        f"{entry['again']:.3f}",
        _micro(entry["best"]),
        _micro(entry["median"]),
        times(entry["ratio_best"]),
        times(entry["ratio_median"]),
        f"{100 * entry['of_bound']:.0f} %",
        f"{entry['faults']:.1f}",
        "" if entry["kernels"] is None else str(entry["kernels"]),
    ]


def _micro(seconds: float) -> str:
    value = seconds * 1e6
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def verdict(comparison: Comparison) -> str:
    """Where graphc stands against what is wanted, by the median; empty without a comparison."""
    row = comparison.row("graphc")
    reached = ratio(comparison, row, "median") if row else None
    if reached is None:
        return ""
    wanted = comparison.workload.wanted
    return f"graphc {reached:.2f}× the best peer; wanted {wanted:g}×" + (
        "" if reached >= wanted else ", not reached"
    )


def heading(comparison: Comparison, machine: Machine) -> str:
    """What the workload is, and its bound."""
    workload, sizes = comparison.workload, comparison.workload.sizes(comparison.small)
    text = f"{workload.name}: {workload.text}" + (" (small)" if comparison.small else "")
    bound = _micro(machine.bound(workload, comparison.small))
    return (
        f"{text}\n{workload.flops(*sizes):,} operations, {workload.least(*sizes):,} bytes at "
        f"least; bound {bound} µs"
    )


def notes(comparison: Comparison) -> list[str]:
    """Peers that are not in the table, and why."""
    return [f"{peer} is not installed: {why}" for peer, why in comparison.absent.items()] + [
        f"{peer} failed: {why}" for peer, why in comparison.failed.items()
    ]


def table(comparison: Comparison, machine: Machine) -> str:
    """One workload for a terminal."""
    rows = [list(COLUMNS), *(cells(entry) for entry in figures(comparison, machine))]
    widths = [max(len(row[k]) for row in rows) for k in range(len(COLUMNS))]
    lines = [heading(comparison, machine)]
    for row in rows:
        padded = [f"{text:>{width}}" for text, width in zip(row, widths, strict=True)]
        lines.append(f"  {row[0]:<{widths[0]}}  " + "  ".join(padded[1:]))
    return "\n".join([*lines, *(f"  {note}" for note in notes(comparison)), verdict(comparison)])


def markdown(comparison: Comparison, machine: Machine) -> str:
    """One workload for a Markdown file."""
    title, detail = heading(comparison, machine).split("\n")
    lines = [f"## {title}", "", detail + ".", "", "| " + " | ".join(COLUMNS) + " |"]
    lines.append("|---|" + "---:|" * (len(COLUMNS) - 1))
    for entry in figures(comparison, machine):
        lines.append("| " + " | ".join(cells(entry)) + " |")
    told = [*notes(comparison), verdict(comparison)]
    return "\n".join([*lines, "", *(f"{line}." for line in told if line), ""])


LEGEND = """\
first: from NumPy arrays to the first result, in a process with an empty compile cache; imports are
not counted. again: the same in a second process. best and median: one step. ×: the quickest other
peer's time divided by this one's. of bound: the bound's time divided by the best. faults: page
faults a step."""


def machine_text(machine: Machine) -> str:
    """The machine in two lines."""
    rates = ", ".join(
        f"{rate / 1e9:.0f} at {size / 2**20:g} MB" for size, rate in machine.bandwidth
    )
    return (
        f"{machine.cpu}, {machine.cores} cores, {machine.threads} threads, "
        f"{' '.join(machine.vectors)}; peak {machine.flops / 1e9:.0f} GFLOP/s,\n"
        f"GB/s read and written: {rates}; a NumPy call {machine.call * 1e6:.2f} µs"
    )


def _today() -> str:
    return datetime.date.today().isoformat()


def stem(machine: Machine, folder: Path) -> Path:
    """The name of today's files, without what follows the last dot."""
    return folder / f"{_today()}-{machine.label()}"


def save(
    comparisons: Sequence[Comparison],
    machine: Machine,
    calls: Sequence[Call],
    call_table: str,
    folder: Path,
    note: str = "",
) -> Path:
    """Write ``<date>-<machine>.json`` and ``.md``; the path of the latter."""
    target = stem(machine, folder).with_suffix(".md")
    versions = {"python": platform.python_version()}
    for comparison in comparisons:
        for row in comparison.rows:
            versions |= row.versions
    content = {
        "date": _today(),
        "note": note,
        "machine": asdict(machine),
        "versions": versions,
        "workloads": {
            comparison.workload.name: {
                "text": comparison.workload.text,
                "small": comparison.small,
                "wanted": comparison.workload.wanted,
                "bound": machine.bound(comparison.workload, comparison.small),
                "peers": figures(comparison, machine),
                "absent": comparison.absent,
                "failed": comparison.failed,
            }
            for comparison in comparisons
        },
        "calls": [call._asdict() for call in calls],
    }
    folder.mkdir(parents=True, exist_ok=True)
    target.with_suffix(".json").write_text(json.dumps(content, indent=1) + "\n")
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    parts = [f"# {_today()}", "", machine_text(machine) + ".", "", told + ".", "", LEGEND, ""]
    parts += [note, ""] if note else []
    parts += [markdown(comparison, machine) for comparison in comparisons]
    parts += ["```text", call_table, "```", ""] if calls else []
    target.write_text("\n".join(parts))
    return target
