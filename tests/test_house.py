"""House rules that a machine can check."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "graphc"
LINES = 500
HOMES = ("work", "root", "home", "Users", "mnt", "opt")
MACHINE_PATH = re.compile(rf"(?<![\w.])/(?:{'|'.join(HOMES)})/[\w.-]+|[A-Z]:\\Users\\")
PICTURES = {".png", ".svg", ".npz", ".graphc"}

FILES = sorted(PACKAGE.rglob("*.py"))


def label(path):
    return str(path.relative_to(ROOT))


def committed():
    """The files of the repository: those that git tracks, or all in a copy without git."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else []
    files = [ROOT / name for name in names] or [
        path
        for folder in ("graphc", "tests", "examples", "docs", "bench")
        for path in (ROOT / folder).rglob("*")
        if "__pycache__" not in path.parts
    ]
    return [path for path in files if path.is_file() and path.suffix not in PICTURES]


def is_public(node):
    return not node.name.startswith("_")


def is_overload(node):
    return any(ast.unparse(mark).endswith("overload") for mark in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=label)
def test_public_names_have_docstrings(path):
    tree = ast.parse(path.read_text())
    bare = [
        f"{label(path)}:{node.lineno} {node.name}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and is_public(node)
        and not is_overload(node)
        and ast.get_docstring(node) is None
    ]
    assert not bare
    assert ast.get_docstring(tree), f"{label(path)} does not say what it holds"


@pytest.mark.parametrize("path", FILES, ids=label)
def test_files_are_read_in_one_sitting(path):
    lines = len(path.read_text().splitlines())
    assert lines <= LINES


def test_no_file_names_a_place_on_one_machine():
    found = []
    for path in committed():
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
            if MACHINE_PATH.search(line):
                found.append(f"{label(path)}:{number}: {line.strip()}")
    assert not found


def test_the_search_for_places_finds_them():
    for home in HOMES:
        assert MACHINE_PATH.search(f'open("/{home}/someone/data.npy")')
    assert not MACHINE_PATH.search("np.float32 / work_size, a/home/b, x /work")
