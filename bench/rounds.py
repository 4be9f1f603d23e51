"""The comparison: one process a peer, in turn, over several rounds.

Only one peer runs at a time. The others are stopped (SIGSTOP), so that no thread of theirs spins
beside the one that is timed; each round begins with untimed steps. Rounds go round all peers, so
that what else the machine does hits all alike.

Each peer starts twice: first with an empty compile cache, for its first call and for the values
that are compared; then again with what the first process left there, and that one is timed.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench import check
from bench.settings import cores, environment
from bench.workloads import WORKLOADS, Workload


class PeerMissing(Exception):
    """A package of the peer is not installed."""


class PeerFailed(Exception):
    """The peer raised, or its process ended."""


@dataclass(slots=True)
class Row:
    """What was measured of one peer.

    Attributes:
        peer: its name.
        versions: of the packages that matter.
        import_seconds: to import it.
        first: seconds of the first call, with an empty compile cache.
        again: seconds of the first call of a second process.
        error: largest difference from the reference, as a share of the largest element.
        rounds: for each round, the seconds of each sample.
        faults: for each round, page faults of one step.
        kernels: launched by one step, where the peer can say.
    """

    peer: str
    versions: dict[str, str]
    import_seconds: float
    first: float
    again: float
    error: float
    rounds: list[list[float]] = field(default_factory=list)
    faults: list[float] = field(default_factory=list)
    kernels: int | None = None

    @property
    def best(self) -> float:
        """Seconds of the quickest sample."""
        return min(min(samples) for samples in self.rounds)

    @property
    def median(self) -> float:
        """The median, over rounds, of the median sample of each."""
        return statistics.median(statistics.median(samples) for samples in self.rounds)


@dataclass(slots=True)
class Comparison:
    """What was measured of one workload; `absent` and `failed` say which peers are not in it."""

    workload: Workload
    small: bool
    rows: list[Row] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def row(self, peer: str) -> Row | None:
        """The row of a peer."""
        return next((row for row in self.rows if row.peer == peer), None)


class Process:
    """A `bench.worker`, stopped unless it has something to do."""

    def __init__(
        self, peer: str, workload: Workload, small: bool, threads: int, cache: Path
    ) -> None:
        command = [sys.executable, "-m", "bench.worker", peer, workload.name]
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            command + ["--small"] * small,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=environment(threads, cache),
            cwd=Path(__file__).parents[1],
        )
        os.sched_setaffinity(self._process.pid, cores(threads))
        self._peer = peer
        self.ready = self._read()
        if "missing" in self.ready:
            self.close()
            raise PeerMissing(self.ready["missing"])

    def ask(self, command: str) -> dict[str, Any]:
        """Send a command and wait for its answer.

        Raises:
            PeerFailed: the peer raised.
        """
        assert self._process.stdin is not None
        os.kill(self._process.pid, signal.SIGCONT)
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            self._errors.seek(0)
            told = self._errors.read().strip().splitlines()
            self.close()
            raise PeerFailed(told[-1] if told else f"ended with {self._process.returncode}")
        os.kill(self._process.pid, signal.SIGSTOP)
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            self.close()
            raise PeerFailed(answer["failed"])
        return answer

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        self._errors.close()


def compare(
    name: str,
    peers: Iterable[str],
    *,
    threads: int = 2,
    rounds: int = 15,
    seconds: float = 0.15,
    small: bool = False,
    tell: Callable[[str], None] = lambda text: None,
) -> Comparison:
    """Check and time one workload.

    Raises:
        check.Mismatch: a peer computes something else.
    """
    workload = WORKLOADS[name]
    inputs = workload.make(small)
    expected = check.reference(workload, inputs)
    comparison = Comparison(workload, small)
    folder = Path(tempfile.mkdtemp(prefix="graphc-bench-"))
    processes: dict[str, Process] = {}
    try:
        for peer in peers:
            if peer in workload.without:
                continue
            tell(f"{name}: {peer}")
            try:
                row, process = _start(peer, workload, small, threads, folder / peer)
            except PeerMissing as missing:
                comparison.absent[peer] = str(missing)
                continue
            except PeerFailed as failed:
                comparison.failed[peer] = str(failed)
                continue
            processes[peer] = process
            with np.load(folder / peer / "results.npz") as found:
                row.error = check.compare(workload, inputs, expected, found, peer)
            comparison.rows.append(row)
        for number in range(rounds):
            tell(f"{name}: round {number + 1} of {rounds}")
            for row in comparison.rows:
                answer = processes[row.peer].ask(f"round {seconds}")
                row.rounds.append(answer["samples"])
                row.faults.append(answer["faults"])
        for row in comparison.rows:
            row.kernels = processes[row.peer].ask("kernels")["kernels"]
    finally:
        for process in processes.values():
            process.close()
        shutil.rmtree(folder, ignore_errors=True)
    return comparison


def _start(
    peer: str, workload: Workload, small: bool, threads: int, folder: Path
) -> tuple[Row, Process]:
    """The peer's first process, which ends, and its second, which is ready for rounds."""
    folder.mkdir(parents=True)
    cold = Process(peer, workload, small, threads, folder / "cache")
    first = cold.ask(f"first {folder / 'results.npz'}")["seconds"]
    cold.close()
    again = Process(peer, workload, small, threads, folder / "cache")
    second = again.ask(f"first {folder / 'again.npz'}")["seconds"]
    versions, imported = again.ready["versions"], again.ready["import_seconds"]
    return Row(peer, versions, imported, first, second, 0.0), again
