"""``graphc``: the commands, what each takes, and how it ends.

Exit codes: 0, done; 1, it failed, with a line on standard error that says why; 2, wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from graphc.cli import files, machine
from graphc.errors import GraphcError

FILE = "a .graphc or .onnx file"

EXAMPLES = """
examples:
  graphc inspect model.graphc               what it takes, gives and holds
  graphc view model.graphc -o page.html     a page with its graph
  graphc build model.graphc -o lib          a C library in the folder lib
  graphc run model.graphc --input x.npy     its results for arrays in files
  graphc bench model.graphc --size n=64     how long a call takes
  graphc cache info                         how large the cache of compiled code is
  graphc doctor                             what this machine has, and what is missing

A file is made in Python: graphc.export(function, *arguments, path="model.graphc").
"""


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        "graphc",
        description="Functions that graphc exported: look at them, build C libraries, run them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"graphc {version('graphc')}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, action: Any, text: str, more: str = "") -> argparse.ArgumentParser:
        made = commands.add_parser(
            name,
            help=text[0].lower() + text[1:].rstrip("."),
            description=text,
            epilog=more,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        made.set_defaults(action=action)
        return made

    _add_files(command)
    _add_machine(command)
    return top


def _add_files(command: Any) -> None:
    inspect = command("inspect", files.inspect, "What a file takes, gives and holds.")
    inspect.add_argument("file", help=FILE)
    inspect.add_argument("--graph", action="store_true", help="print the graph, too")
    inspect.add_argument("--json", action="store_true", help="as JSON")

    view = command("view", files.view, "Write a page that shows the graph of a file.")
    view.add_argument("file", help=FILE)
    view.add_argument("-o", "--output", required=True, metavar="PAGE.html")

    build = command(
        "build",
        files.build,
        "Build a C library from a file.",
        "The folder gets a shared and a static library, a header, CMakeLists.txt and main.c,\n"
        "which calls it once. The state's arrays are passed by the program, unless embedded.",
    )
    build.add_argument("file", help=FILE)
    build.add_argument("-o", "--output", required=True, metavar="DIR", help="a folder, or X.so")
    build.add_argument("--name", default="", help="what the functions are called: NAME_run, ...")
    build.add_argument(
        "--cpu", default="native", help="native, x86-64-v2, x86-64-v3, x86-64-v4, generic"
    )
    build.add_argument("--embed", action="store_true", help="hold the weights in the library")
    build.add_argument("--link", default="", help="lapack: let the library call LAPACK")

    run = command(
        "run",
        files.run,
        "Run a file on arrays.",
        "Inputs are given in order, or by their names: --input x.npy --input params.W1=w.npy\n"
        "Without -o, results are printed; with -o y.npz, all are kept there, by their names, and\n"
        "the arrays that the function writes, its state too. The file itself stays as it is.",
    )
    run.add_argument("file", help=FILE)
    run.add_argument("--input", action="append", default=[], metavar="[NAME=]X.npy", dest="inputs")
    run.add_argument("-o", "--output", metavar="Y.npy|Y.npz")
    run.add_argument("--json", action="store_true", help="print the results as JSON")

    bench = command("bench", files.bench, "Time calls of a file, on random arrays.")
    bench.add_argument("file", help=FILE)
    bench.add_argument(
        "--size", action="append", default=[], metavar="NAME=N", help="the size of a named axis"
    )
    bench.add_argument("--seconds", type=float, default=2.0, help="how long to time (2)")
    bench.add_argument("--threads", type=int, default=None, help="threads at most (one a core)")
    bench.add_argument("--json", action="store_true", help="as JSON")


def _add_machine(command: Any) -> None:
    cache = command("cache", machine.cache, "The cache of compiled code on disk.")
    cache.add_argument("what", choices=("info", "clear"), help="its size, or forget it")
    cache.add_argument("--json", action="store_true", help="as JSON")
    doctor = command("doctor", machine.doctor, "What this machine has, and what is missing.")
    doctor.add_argument("--json", action="store_true", help="as JSON")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    given = parser().parse_args(arguments)
    try:
        code: int = given.action(given)
    except BrokenPipeError:
        return 0
    except MemoryError:
        print(f"graphc {given.command}: there is not enough memory", file=sys.stderr)
        return 1
    except (GraphcError, OSError, ValueError, TypeError) as error:
        print(f"graphc {given.command}: {error}", file=sys.stderr)
        return 1
    return code
