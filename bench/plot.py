"""The figures as bars: one panel a workload, the shorter the better."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.machine import Machine
from bench.rounds import Comparison

OURS, THEIRS, BOUND, INK, FAINT = "#B4472E", "#9FB3CC", "#3D7A50", "#2B2F36", "#EEF0F3"
SHOWN = 3.2
"""Bars are cut at this many times the quickest peer's, and say so."""


def draw(comparisons: Sequence[Comparison], machine: Machine, target: Path) -> Path:
    """Draw the median step of every peer, and the machine's bound, to a PNG file."""
    columns = min(2, len(comparisons))
    rows = -(-len(comparisons) // columns)
    figure = Figure(figsize=(5.2 * columns, 0.9 + 2.15 * rows), layout="constrained")
    figure.suptitle(
        f"One whole step, float32, {machine.threads} threads, {machine.cpu}: shorter is better",
        fontsize=11,
        color=INK,
    )
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, comparison in zip(panels, comparisons, strict=False):
        _panel(axes, comparison, machine)
    for axes in panels[len(comparisons) :]:
        axes.set_axis_off()
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=160)
    return target


def _panel(axes: Axes, comparison: Comparison, machine: Machine) -> None:
    rows = sorted(comparison.rows, key=lambda row: row.median, reverse=True)
    quickest = min(row.median for row in rows)
    divisor, unit = (1e-6, "µs") if quickest < 1e-3 else (1e-3, "ms")
    limit = SHOWN * quickest / divisor
    for place, row in enumerate(rows):
        value = row.median / divisor
        ours = row.peer == "graphc"
        shown = min(value, limit)
        axes.barh(place, shown, height=0.66, color=OURS if ours else THEIRS)
        text = f"{value:.3g} {unit}" if value < 1000 else f"{value:,.0f} {unit}"
        cut = value > limit
        axes.text(
            shown - 0.02 * limit if cut else shown + 0.02 * limit,
            place,
            f"{text} »" if cut else text,
            ha="right" if cut else "left",
            va="center",
            fontsize=8,
            color=INK if not (cut and ours) else "white",
            weight="bold" if ours else "normal",
        )
    bound = machine.bound(comparison.workload, comparison.small) / divisor
    axes.axvline(bound, color=BOUND, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.set_yticks(range(len(rows)), [row.peer for row in rows], fontsize=9)
    for label in axes.get_yticklabels():
        if label.get_text() == "graphc":
            label.set(color=OURS, weight="bold")
    axes.set_title(comparison.workload.name, loc="left", fontsize=10, weight="bold", color=INK)
    axes.set_title(
        f"bound {bound:.2f} {unit}" if bound < 10 else f"bound {bound:.0f} {unit}",
        loc="right",
        fontsize=8,
        color=BOUND,
    )
    axes.set_xlim(0, limit * 1.16)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=7)
    axes.grid(axis="x", color=FAINT)
    axes.set_axisbelow(True)
