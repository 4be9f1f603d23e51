"""``python -m bench [workload…]``: graphc beside its peers. ``--help`` lists the options."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from bench import calls, report
from bench.check import Mismatch
from bench.machine import Machine, measure
from bench.rounds import Comparison, compare
from bench.settings import PEERS
from bench.workloads import WORKLOADS


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "workloads", nargs="*", metavar="workload", help=f"of {', '.join(WORKLOADS)}, calls"
    )
    parser.add_argument("--peers", default=",".join(PEERS), help="comma-separated: %(default)s")
    parser.add_argument("--threads", type=int, default=2, help="for every peer: %(default)s")
    parser.add_argument("--repeat", type=int, default=15, help="rounds: %(default)s")
    parser.add_argument("--seconds", type=float, default=0.15, help="of a round: %(default)s")
    parser.add_argument("--small", action="store_true", help="small sizes, to try the bench")
    parser.add_argument("--measure", action="store_true", help="measure the machine anew")
    parser.add_argument("--save", action="store_true", help="write JSON and Markdown")
    parser.add_argument("--plot", action="store_true", help="draw bars")
    parser.add_argument("--out", type=Path, default=report.RESULTS, help="where both write to")
    parser.add_argument("--note", default="", help="a line for the saved file")
    options = parser.parse_args(arguments)
    unknown = set(options.workloads) - {*WORKLOADS, "calls"}
    if unknown:
        parser.error(f"no workload {', '.join(sorted(unknown))}")
    options.workloads = options.workloads or [*WORKLOADS, "calls"]
    return options


def tell(text: str) -> None:
    """Progress, on one line of a terminal."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def run(options: argparse.Namespace) -> tuple[Machine, list[Comparison], list[calls.Call]]:
    """Measure and print everything that was asked for.

    Raises:
        Mismatch: a peer computes something else.
    """
    peers = [peer for peer in options.peers.split(",") if peer]
    tell("measuring the machine")
    machine = measure(options.threads, options.measure)
    tell("")
    print(report.machine_text(machine), "\n", report.LEGEND, "\n", sep="")
    comparisons, overhead = [], []
    for name in options.workloads:
        if name == "calls":
            overhead = call_overhead() if "graphc" in peers else []
            continue
        comparison = compare(
            name,
            peers,
            threads=options.threads,
            rounds=options.repeat,
            seconds=options.seconds,
            small=options.small,
            tell=tell,
        )
        tell("")
        print(report.table(comparison, machine), "\n", flush=True)
        comparisons.append(comparison)
    if overhead:
        print(calls.table(overhead))
    return machine, comparisons, overhead


def call_overhead() -> list[calls.Call]:
    """What a call costs; empty, with the reason told, when graphc can't run."""
    try:
        return calls.measure()
    except Exception as error:
        print(f"calls failed: {type(error).__name__}: {error}\n")
        return []


def main(arguments: list[str] | None = None) -> int:
    """Run; 1 when values differ or a peer failed."""
    options = parse(arguments)
    try:
        machine, comparisons, overhead = run(options)
    except Mismatch as mismatch:
        tell("")
        print(f"values differ: {mismatch}", file=sys.stderr)
        return 1
    if options.save:
        told = calls.table(overhead)
        written = report.save(comparisons, machine, overhead, told, options.out, options.note)
        print(f"saved: {written}")
    if options.plot:
        draw(comparisons, machine, options.out)
    return int(any(comparison.failed for comparison in comparisons))


def draw(comparisons: list[Comparison], machine: Machine, folder: Path) -> None:
    """Draw the bars; matplotlib is needed for this only."""
    from bench import plot  # noqa: PLC0415

    target = report.stem(machine, folder).with_suffix(".png")
    print(f"drawn: {plot.draw(comparisons, machine, target)}")


if __name__ == "__main__":
    sys.exit(main())
