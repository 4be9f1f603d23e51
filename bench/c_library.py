"""``python -m bench.c_library``: a training step as a C library beside the same step from Python.

The digits network (784-128-64-10, batches of 64, SGD with momentum) of ``examples/export_c``: the C
program trains, then Python does, in turn, and each says how long its quickest step took; on one
thread, then on all cores, where the C program uses OpenMP. The losses of both must agree.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import machine

EXAMPLE = Path(__file__).parents[1] / "examples" / "export_c" / "export.py"
ROUNDS = 3


def from_python(folder: str, threads: str) -> dict[str, float]:
    """The quickest step and the last loss of the example, in a process of its own."""
    code = (
        f"import runpy; found = runpy.run_path({str(EXAMPLE)!r})['main']({folder!r});"
        "print('FOUND', found['microseconds'], found['losses'][-1])"
    )
    environment = {**os.environ, "GRAPHC_THREADS": threads}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    best, loss = re.findall(r"FOUND ([\d.]+) ([\d.]+)", done.stdout)[0]
    return {"best": float(best), "loss": float(loss)}


def from_c(folder: Path, threads: str) -> dict[str, float]:
    """The same of the C program."""
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "active"}
    done = subprocess.run(
        ["./digits"], cwd=folder, capture_output=True, text=True, check=True, env=environment
    )
    best = float(re.findall(r"([\d.]+) microseconds", done.stdout)[0])
    return {"best": best, "loss": float(re.findall(r"loss ([\d.]+)", done.stdout)[-1])}


def main() -> None:
    """Print the quickest step of each, in microseconds."""
    print(*machine.describe())
    spec = importlib.util.spec_from_file_location("export_c", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    for threads in dict.fromkeys(("1", str(os.cpu_count()))):
        with tempfile.TemporaryDirectory() as out:
            flags = ("-fopenmp",) if threads != "1" else ()
            folder = Path(out) / "export_c"
            python = [from_python(out, threads)]
            subprocess.run([*example.BUILD, *flags], cwd=folder, check=True)
            c = [from_c(folder, threads)]
            for _ in range(ROUNDS - 1):
                python.append(from_python(out, threads))
                c.append(from_c(folder, threads))
        one, other = (min(run["best"] for run in runs) for runs in (python, c))
        apart = abs(python[0]["loss"] - c[0]["loss"])
        print(
            f"{threads} threads: {one:.0f} µs from Python, {other:.0f} µs in C "
            f"({one / other:.2f}×); losses after 20 epochs differ by {apart:.1e}"
        )


if __name__ == "__main__":
    main()
