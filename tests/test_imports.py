"""The rooms of the house: each imports only from rooms above it in the list."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "graphc"

# Each may import from those before it. A module `loops_text` belongs to the room `loops`.
# Rooms that are named but not built yet are here, so that their place is known.
ROOMS = (
    "errors",
    "operators",
    "config",
    "stages",
    "options",
    "threads",
    "files",
    "types",
    "ir",
    "loops",
    "ops",
    "verify",
    "adjoint",
    "interp",
    "debug",
    "tangent",
    "batch",
    "trace",
    "frames",
    "syntax",
    "functions",
    "rewrite",
    "simplify",
    "remat",
    "indexing",
    "fuse",
    "layout",
    "lower",
    "memory",
    "codegen",
    "cache",
    "objects",
    "runtime",
    "tune",
    "build",
    "pipeline",
    "specialize",
    "transform",
    "report",
    "exporting",
    "api",
    "control",
    "random",
    "testing",
    "nn",
    "optim",
    "training",
    "loading",
    "cli",
)
LAZY = {"cupy", "llvmlite", "matplotlib", "networkx", "numba", "onnx", "rich", "scipy"}
HEAVY = ("llvmlite", "matplotlib", "networkx", "numba", "optree", "scipy")
CUDA = ("numba.cuda", "cupy", "nvmath")
SECONDS = 0.25

FILES = sorted(PACKAGE.rglob("*.py"))


def module_name(path):
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in FILES}


def room(module):
    """The number of a module's room; the package itself stands above all."""
    parts = module.split(".")
    if len(parts) == 1 or parts[1] == "__main__":
        return len(ROOMS)
    name = parts[1]
    name = name if name in ROOMS else name.split("_")[0]
    assert name in ROOMS, f"{module} has no place in ROOMS yet: put it below all that it imports"
    return ROOMS.index(name)


def is_type_checking(node):
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports(path):
    """(imported module, line, is inside a function) for what runs, not for types alone."""
    found = []

    def visit(node, inside):
        if is_type_checking(node):
            for child in node.orelse:
                visit(child, inside)
            return
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno, inside) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            for alias in node.names:
                assert alias.name != "*", f"{path}:{node.lineno}: star import"
                whole = f"{node.module}.{alias.name}"
                found.append((whole if whole in MODULES else node.module, node.lineno, inside))
        inside = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            visit(child, inside)

    visit(ast.parse(path.read_text()), False)
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_only_from_rooms_above(module):
    here = room(module)
    for target, line, _ in imports(MODULES[module]):
        if target.split(".")[0] == "graphc":
            assert room(target) <= here, f"{MODULES[module]}:{line} imports {target}"
            assert target != "graphc" or module == "graphc", (
                f"{MODULES[module]}:{line} imports the package itself"
            )


@pytest.mark.parametrize("module", MODULES)
def test_imports_stand_at_the_top(module):
    for target, line, inside in imports(MODULES[module]):
        assert not inside or target.split(".")[0] in LAZY, (
            f"{MODULES[module]}:{line} imports {target} inside a function"
        )


@pytest.mark.parametrize("module", MODULES)
def test_only_code_generation_knows_cuda(module):
    for target, line, _ in imports(MODULES[module]):
        assert not target.startswith(CUDA) or module.startswith("graphc.codegen.cuda"), (
            f"{MODULES[module]}:{line} imports {target}"
        )


def test_no_two_modules_import_each_other():
    graph = {
        module: {target for target, _, _ in imports(path) if target in MODULES and target != module}
        for module, path in MODULES.items()
    }
    # A package that only gathers its modules' names is no station on the way of a cycle.
    packages = {module for module, path in MODULES.items() if path.name == "__init__.py"}
    graph = {m: {t for t in ts if t not in packages} for m, ts in graph.items()}
    finished = set()

    def visit(module, trail):
        assert module not in trail, " -> ".join([*trail[trail.index(module) :], module])
        if module not in finished:
            for target in graph[module]:
                visit(target, [*trail, module])
            finished.add(module)

    for module in graph:
        visit(module, [])


def fresh_process(code):
    """What `code` prints in a process that keeps its bytecode, as a user's does."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    return done.stdout.strip()


def test_importing_graphc_is_light():
    loaded = fresh_process(f"import sys, graphc; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


def test_importing_graphc_is_quick():
    # The process's own CPU time: other tests run beside this one. A slow machine needs longer for
    # NumPy, too, which is part of it.
    code = (
        "import time; start = time.process_time(); import numpy; first = time.process_time(); "
        "import graphc; print(first - start, time.process_time() - start)"
    )
    runs = [tuple(map(float, fresh_process(code).split())) for _ in range(7)]
    numpy_alone, both = (min(column) for column in zip(*runs, strict=True))
    assert both < max(SECONDS, 4 * numpy_alone)
