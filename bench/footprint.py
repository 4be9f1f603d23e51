"""``python -m bench.footprint``: by how much three training steps raise a process's peak.

Of a ResNet-18. Each peer runs in a fresh process: the network and the optimizer are made, then the
steps run, and the kernel is asked for the peak (VmHWM). graphc runs twice: compiling, and with what
was compiled kept on disk. Then its steps run once more with all else in place: what they add is the
arena, which ``explain`` foretells.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.settings import environment
from bench.workloads import WORKLOADS

STEPS = 3
MIB = 1 << 20


def status(field: str) -> int:
    """A size of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(field)


def raised(call: Callable[[], Any]) -> int:
    """By how many bytes `STEPS` calls raise the peak above what is in memory before."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = status("VmRSS")
    for _ in range(STEPS):
        call()
    return status("VmHWM") - before


def run(peer: str) -> dict[str, int]:
    """The figures of this process."""
    module = importlib.import_module(f"bench.peers.{peer}")
    inputs = WORKLOADS["resnet"].make()
    if peer != "graphc":
        return {"raised": raised(module.build("resnet", inputs).call)}
    from graphc.runtime import blocks  # noqa: PLC0415

    arguments = module._arguments("resnet", inputs)
    found = {"raised": raised(lambda: module.resnet(*arguments))}
    blocks.trim()
    found["again"] = raised(lambda: module.resnet(*arguments))
    return found | {"foretold": module.resnet.explain(*arguments).arena_bytes}


def text_of(peer: str, found: dict[str, int]) -> str:
    """A line of the table."""
    text = f"{peer:<20} peak raised by {found['raised'] / MIB:6.1f} MiB"
    if "foretold" in found:
        text += (
            f"; the steps alone {found['again'] / MIB:.1f}, foretold {found['foretold'] / MIB:.1f}"
        )
    return text


def main() -> int:
    """Run each peer and print what it took."""
    if len(sys.argv) > 1:
        print(json.dumps(run(sys.argv[1])))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        settings = environment(len(os.sched_getaffinity(0)), Path(folder))
        for name in ("torch", "graphc, compiling", "graphc, compiled"):
            command = [sys.executable, "-m", "bench.footprint", name.split(",")[0]]
            done = subprocess.run(command, env=settings, capture_output=True, text=True, check=True)
            print(text_of(name, json.loads(done.stdout)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
