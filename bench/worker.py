"""One peer, one workload, one process: reads a command a line, answers with a line of JSON.

``python -m bench.worker PEER WORKLOAD [--small]``. Commands:

- ``first FILE``: build the step, run it once, write its results to FILE;
- ``round SECONDS``: time steps for about that long;
- ``kernels``: how many kernels a step launches, or null.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from bench.peers import Step
from bench.settings import module_of
from bench.workloads import WORKLOADS, Workload

SAMPLE = 100e-6
"""A sample is as many steps as fill this many seconds, so that the clock costs nothing."""

MINIMUM = 3
"""Samples of a round, however slow a step is."""

WARM = 0.3
"""Share of a round that goes before it untimed: caches and thread pools wake up."""


class Worker:
    """The state behind the commands."""

    def __init__(self, peer: str, workload: Workload, small: bool) -> None:
        started = time.perf_counter()
        self.module = importlib.import_module(module_of(peer))
        self.import_seconds = time.perf_counter() - started
        self.kind = workload.kind
        self.inputs = workload.make(small)
        self.step: Step | None = None
        self.batch = 1

    def versions(self) -> dict[str, str]:
        """The versions of the packages that the peer names, and seconds to import it."""
        return {name: metadata.version(name) for name in self.module.VERSIONS}

    def first(self, target: str) -> dict[str, Any]:
        """Seconds from NumPy arrays to the first result: building, compiling, one step."""
        started = time.perf_counter()
        step = self.module.build(self.kind, self.inputs)
        value = step.call()
        seconds = time.perf_counter() - started
        results = step.results(value)
        np.savez(target, **{name: np.asarray(array) for name, array in results.items()})
        self.step = step
        return {"seconds": seconds}

    def round(self, seconds: float) -> dict[str, Any]:
        """Seconds of each sample, for one step, and page faults for one step."""
        assert self.step is not None
        call = self.step.call
        gc.collect()
        started = time.perf_counter()
        steps = 0
        while steps == 0 or time.perf_counter() - started < WARM * seconds:
            call()
            steps += 1
        each = (time.perf_counter() - started) / steps
        self.batch = max(self.batch, int(SAMPLE / each))
        samples = []
        gc.disable()
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        started = time.perf_counter()
        while len(samples) < MINIMUM or time.perf_counter() - started < seconds:
            before = time.perf_counter()
            for _ in range(self.batch):
                call()
            samples.append((time.perf_counter() - before) / self.batch)
        faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults
        gc.enable()
        return {"samples": samples, "faults": faults / (len(samples) * self.batch)}

    def kernels(self) -> dict[str, Any]:
        """The number of kernels, where the peer can say."""
        count = getattr(self.module, "kernels", None)
        return {"kernels": count(self.kind, self.inputs) if count else None}


def _answer(worker: Worker, command: str) -> dict[str, Any]:
    name, *arguments = command.strip().split(maxsplit=1)
    if name == "first":
        return worker.first(*arguments)
    if name == "round":
        return worker.round(float(arguments[0]))
    if name == "kernels":
        return worker.kernels()
    raise ValueError(f"no command {name!r}")


def main(peer: str, workload: str, small: bool) -> None:
    """Serve commands until the input ends. What a library prints goes to the error stream."""
    with os.fdopen(os.dup(1), "w", buffering=1) as answers:
        os.dup2(2, 1)
        try:
            worker = Worker(peer, WORKLOADS[workload], small)
        except ImportError as error:
            answers.write(json.dumps({"missing": str(error)}) + "\n")
            return
        ready = {"versions": worker.versions(), "import_seconds": worker.import_seconds}
        answers.write(json.dumps(ready) + "\n")
        for line in sys.stdin:
            try:
                answer = _answer(worker, line)
            except Exception as error:
                lines = str(error).strip().splitlines()
                answer = {"failed": f"{type(error).__name__}: {lines[0] if lines else ''}"}
            answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    sys.path.insert(0, str(Path.cwd()))
    main(sys.argv[1], sys.argv[2], "--small" in sys.argv[3:])
