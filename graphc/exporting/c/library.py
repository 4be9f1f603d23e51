"""An object and its header -> a C library: shared, static, or both in a folder with an example."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
import warnings
from pathlib import Path

import numpy as np

from graphc.errors import ExportError
from graphc.exporting.c.header import cmake, header
from graphc.exporting.c.interface import Interface
from graphc.exporting.c.main_c import example
from graphc.exporting.c.object import Object, make_object
from graphc.exporting.program import ExportedProgram
from graphc.files import whole_file

COMPILERS = ("cc", "gcc", "clang")
SHARED = ".so"
"""The suffix of a path that is a shared library; others are folders."""

ALIGNMENT = 64


def write_library(
    program: ExportedProgram,
    path: Path,
    *,
    cpu: str = "native",
    link: str = "",
    embed: bool = False,
) -> None:
    """Write a program as a C library.

    A path that ends in ``.so`` is a shared library, with its header beside it. Any other is a
    folder: shared and static library, object, header, ``CMakeLists.txt``, ``main.c``; and, where
    the program has state, its first values in ``NAME.bin``. NAME is the program's.

    Args:
        cpu: what the code is for: ``"native"``, this machine; ``"x86-64-v3"`` (AVX2 and FMA),
            ``"x86-64-v2"``, ``"x86-64-v4"``; ``"generic"``, any, without an instruction that
            multiplies and adds: slow.
        embed: the library holds the state itself, where it is only read; else it is passed.
        link: ``"lapack"`` lets the library call LAPACK, which the program then links to.

    Raises:
        ExportError: the program can't be a library, or the linker fails: nothing is left behind.
    """
    made = make_object(program, program.name, cpu, link, embed)
    if path.suffix == SHARED and not path.is_dir():
        _write_shared(made, path, program, link)
    else:
        _write_folder(made, path, program, link)


def _write_shared(made: Object, path: Path, program: ExportedProgram, link: str) -> None:
    data, text = _state_and_header(made.interface, program)
    with tempfile.TemporaryDirectory() as folder:
        built = _shared(made, Path(folder), link)
        files = {path.with_suffix(".h"): text.encode()}
        if data:
            files[path.with_suffix(".bin")] = data
        if built is None:
            files[path.with_suffix(".o")] = made.data
        else:
            files[path] = built.read_bytes()
        for place, content in files.items():
            with whole_file(place) as file:
                file.write(content)
    if built is None:
        _warn(path.with_suffix(".o"), path.name, link)


def _write_folder(made: Object, path: Path, program: ExportedProgram, link: str) -> None:
    name = made.interface.name
    data, text = _state_and_header(made.interface, program)
    above = next(one for one in (path, *path.resolve().parents) if one.is_dir())
    with tempfile.TemporaryDirectory(prefix=".graphc-", dir=above) as part:
        folder = Path(part)
        (folder / f"{name}.o").write_bytes(made.data)
        (folder / f"{name}.h").write_text(text)
        (folder / "CMakeLists.txt").write_text(cmake(name, link))
        (folder / "main.c").write_text(example(made.interface, bool(data), program.sizes))
        if data:
            (folder / f"{name}.bin").write_bytes(data)
        built = _shared(made, folder, link)
        has_archive = _archive(folder, name)
        path.mkdir(parents=True, exist_ok=True)
        made_here = {file.name for file in folder.iterdir()}
        for stale in {f"lib{name}.so", f"lib{name}.a", f"{name}.bin"} - made_here:
            (path / stale).unlink(missing_ok=True)
        for file in sorted(folder.iterdir()):
            os.replace(file, path / file.name)
    if built is None:
        _warn(path / f"{name}.o", f"lib{name}.so", link)
    elif not has_archive:
        warnings.warn(
            f"there is no archiver here (AR, ar), so there is no lib{name}.a, which CMakeLists.txt "
            f"asks for. Where there is one: ar rcs lib{name}.a {name}.o",
            RuntimeWarning,
            stacklevel=2,
        )


def _state_and_header(seen: Interface, program: ExportedProgram) -> tuple[bytes, str]:
    """The state's first values, one array after another at multiples of 64 bytes; the header."""
    by_path = {program.graph.names[k]: array for k, array in program.state.items()}
    data = bytearray()
    offsets: dict[str, int] = {}
    for array in seen.state:
        data += bytes(-len(data) % ALIGNMENT)
        offsets[array.name] = len(data)
        data += np.ascontiguousarray(by_path[array.path]).tobytes()
    return bytes(data), header(seen, offsets, len(data), program.guard_texts())


def compiler() -> list[str] | None:
    """A C compiler's command: the variable CC, or one of the usual; None where there is none."""
    given = shlex.split(os.environ.get("CC", ""))
    commands = [given] if given else [[name] for name in COMPILERS]
    return next((one for one in commands if shutil.which(one[0])), None)


def _shared(made: Object, folder: Path, link: str) -> Path | None:
    """The shared library; None where there is no compiler.

    Raises:
        ExportError: the linker fails, as it does where a symbol is missing.
    """
    cc = compiler()
    if cc is None:
        return None
    name = made.interface.name
    source, target = folder / f"{name}.o", folder / f"lib{name}.so"
    source.write_bytes(made.data)
    command = [*cc, "-shared", "-Wl,-z,defs", str(source), "-o", str(target), *_libraries(link)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExportError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return target


def _archive(folder: Path, name: str) -> bool:
    """Make the static library; whether there is a program for that.

    Raises:
        ExportError: it fails.
    """
    tool = shutil.which(os.environ.get("AR", "ar"))
    if tool is None:
        return False
    command = [tool, "rcs", f"lib{name}.a", f"{name}.o"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExportError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return True


def _libraries(link: str) -> list[str]:
    return ["-llapack", "-lblas", "-lm"] if link == "lapack" else ["-lm"]


def _warn(source: Path, target: str, link: str) -> None:
    libraries = " ".join(_libraries(link))
    warnings.warn(
        f"there is no C compiler here (CC, {', '.join(COMPILERS)}), so nothing was linked. "
        f"{source} and its header are written; where there is one, link with: "
        f"cc -shared {source.name} -o {target} {libraries}",
        RuntimeWarning,
        stacklevel=2,
    )
