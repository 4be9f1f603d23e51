"""The commands that read a file: ``inspect``, ``view``, ``build``, ``run``, ``bench``."""

from __future__ import annotations

import html
import io
import json
import re
import tempfile
import time
import zipfile
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from graphc.api import compile, export, spec
from graphc.errors import ExportError
from graphc.exporting import archive
from graphc.exporting.program import ExportedProgram
from graphc.exporting.structure import leaves_in, paths_of
from graphc.files import whole_file
from graphc.loading.load import load
from graphc.loading.module import Loaded, arguments_from
from graphc.report import view as pictures
from graphc.threads import load_rooms
from graphc.types import TensorType, evaluate_size, symbols


def program_in(path: str) -> ExportedProgram:
    """The program in a file; of an ONNX model, that of its module.

    Raises:
        ExportError: it is no such file.
    """
    if Path(path).suffix == ".graphc":
        return archive.read(path)
    if Path(path).suffix != ".onnx":
        raise ExportError(f"{path}: give a .graphc or an .onnx file")
    model = load(path)
    unknown = [one.name for one in model.inputs if one.shape is None]
    if unknown:
        raise ExportError(f"{path}: the model does not say what shape {unknown[0]} has")
    specs = [spec(_axes(one.name, one.shape or ()), one.dtype) for one in model.inputs]
    with tempfile.TemporaryDirectory() as folder:
        name = re.sub(r"\W+", "_", Path(path).stem)
        export(model, *specs, path=f"{folder}/{name}.graphc")
        return archive.read(f"{folder}/{name}.graphc")


def _axes(name: str, shape: Sequence[int | str | None]) -> list[int | str]:
    """The shape of a model's input as a spec has it; an axis without a name is one of its own."""
    return [
        size if isinstance(size, int) else re.sub(r"\W", "_", size or f"{name}_axis{k}")
        for k, size in enumerate(shape)
    ]


# --- inspect --------------------------------------------------------------------------------------


def inspect(given: Namespace) -> int:
    """Print what a file takes, gives and holds."""
    program = program_in(given.file)
    found = described(program)
    if given.json:
        print(json.dumps(found))
        return 0
    print(f"{found['name']}: {found['operations']} operations, {found['parameters']} parameters")
    for title in ("arguments", "state", "results"):
        print(f"{title}:" if found[title] else f"{title}: none")
        for line in found[title]:
            marks = ", written" if line.get("written") else ""
            print(f"  {line['name']}: {line['type']}{marks}")
    if found["sizes"]:
        print(f"sizes: {', '.join(found['sizes'])}")
    for relation in found["guards"]:
        print(f"  must fulfil {relation}")
    counts = sorted(found["ops"].items(), key=lambda item: -item[1])
    print(f"ops: {', '.join(f'{name} {count}' for name, count in counts)}")
    if given.graph:
        print(program.graph)
    return 0


def described(program: ExportedProgram) -> dict[str, Any]:
    """What a program takes, gives and holds, as data."""
    graph = program.graph
    written = {target for target in graph.written if target is not None}
    ops: dict[str, int] = {}
    for node in graph.nodes:
        if node.op.name != "parameter":
            ops[node.op.name] = ops.get(node.op.name, 0) + 1
    results = zip(program.output_names(), program.outputs, strict=True)
    return {
        "name": program.name,
        "operations": sum(ops.values()),
        "parameters": sum(
            array.size for k, array in program.state.items() if k not in program.buffers
        ),
        "arguments": [
            {"name": path, "type": str(type_), "written": number in written}
            for path, type_, number in arguments_of(program)
        ],
        "state": [
            {"name": graph.names[k], "type": str(graph.inputs[k].type), "written": k in written}
            for k in program.state
        ],
        "results": [{"name": n, "type": str(graph.outputs[k].type)} for n, k in results],
        "sizes": sorted(program.sizes),
        "guards": program.guard_texts(),
        "ops": ops,
    }


def arguments_of(program: ExportedProgram) -> Iterator[tuple[str, TensorType, int | None]]:
    """Each leaf of the arguments: its path, its type, and the input that it is."""
    for one in program.parameters:
        for leaf, path in paths_of(one.tree, one.name):
            yield path, program.leaf_types[leaf], program.leaves[leaf]


# --- view and build -------------------------------------------------------------------------------


def view(given: Namespace) -> int:
    """Write a page with the graph's picture, what it takes and gives, and its text."""
    program = program_in(given.file)
    found = described(program)
    place = Path(given.output)
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "graph.svg"
        pictures.draw(program.graph, drawn, results=program.output_names(), title=program.name)
        picture = drawn.read_text().partition("<svg")[2]
    rows = "".join(
        f"<tr><td>{title}</td><td>{html.escape(line['name'])}</td>"
        f"<td><code>{html.escape(line['type'])}</code>"
        f"{', written' if line.get('written') else ''}</td></tr>"
        for title in ("arguments", "state", "results")
        for line in found[title]
    )
    page = PAGE.format(
        name=html.escape(program.name),
        picture=f"<svg{picture}",
        rows=rows,
        graph=html.escape(str(program.graph)),
    )
    with whole_file(place) as file:
        file.write(page.encode())
    print(place)
    return 0


PAGE = """<!DOCTYPE html>
<meta charset="utf-8">
<title>{name}</title>
<style>
body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 70em; color: #222; }}
.picture {{ overflow: auto; max-height: 90vh; border: 1px solid #ddd; }}
td {{ padding: 0.1em 1.5em 0.1em 0; vertical-align: top; }}
pre {{ background: #f6f7f9; padding: 1em; overflow-x: auto; }}
</style>
<h1>{name}</h1>
<table>{rows}</table>
<div class="picture">{picture}</div>
<pre>{graph}</pre>
"""


def build(given: Namespace) -> int:
    """Build a C library."""
    program = program_in(given.file)
    if given.name:
        program = replace(program, name=given.name)
    library = load_rooms("graphc.exporting.c.library")
    place = Path(given.output)
    library.write_library(program, place, cpu=given.cpu, link=given.link, embed=given.embed)
    print(place)
    return 0


# --- run and bench --------------------------------------------------------------------------------


def run(given: Namespace) -> int:
    """Run a file on arrays that are in files: its results, and the arguments that it writes."""
    program = program_in(given.file)
    names = [path for path, _, _ in arguments_of(program)]
    arrays = _inputs(given.inputs, names)
    args, named = arguments_from(program, arrays)
    result = Loaded(program)(*args, **named)  # it writes to `arrays`, and to the state's arrays
    leaves = dict(leaves_in(program.result, result))
    found = {name: leaves[number] for number, name in enumerate(program.output_names())}
    written = {
        f"{name} (written)" if name in found else name: array
        for name, array in _written(program, arrays)
    }
    if given.output or given.json:
        found |= written
    if given.output:
        _save(Path(given.output), found)
    elif given.json:
        print(json.dumps({name: _jsonable(array) for name, array in found.items()}))
    else:
        for name, array in found.items():
            print(f"{name} = {np.asarray(array)}")
        if written:
            print(f"{len(written)} arrays were written: -o FILE.npz keeps them")
    return 0


def _written(
    program: ExportedProgram, arrays: Sequence[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays that a program writes: arguments, and its state."""
    written = {target for target in program.graph.written if target is not None}
    for array, (name, _, number) in zip(arrays, arguments_of(program), strict=True):
        if number in written:
            yield name, array
    for number, array in program.state.items():
        if number in written:
            yield program.graph.names[number], array


def _jsonable(array: Any) -> Any:
    """An array as JSON has it: numbers that are not finite as text, complex ones as pairs."""
    value = np.asarray(array)
    if value.dtype.kind == "c":
        return _jsonable(np.stack([value.real, value.imag], axis=-1))
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        shown = [one if np.isfinite(one) else str(one) for one in value.ravel().tolist()]
        return np.array(shown, object).reshape(value.shape).tolist()
    return value.tolist()


def _inputs(given: Sequence[str], names: Sequence[str]) -> list[np.ndarray]:
    """The arrays for `names`: those given by name, then the others in order."""
    found: dict[str, np.ndarray] = {}
    rest: list[str] = []
    for text in given:
        name, equals, path = text.partition("=")
        if equals and name in names:
            found[name] = np.load(path, allow_pickle=False)
        elif equals and not Path(text).exists():
            raise ValueError(f"there is no input {name!r}; it takes {', '.join(names)}")
        else:
            rest.append(text)
    for name in names:
        if name not in found and rest:
            found[name] = np.load(rest.pop(0), allow_pickle=False)
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"missing {', '.join(missing)}; it takes {', '.join(names)}")
    if rest:
        raise ValueError(f"{', '.join(rest)} not used; it takes {', '.join(names)}")
    return [found[name] for name in names]


def _save(place: Path, results: Mapping[str, Any]) -> None:
    if place.suffix == ".npy" and len(results) != 1:
        raise ValueError(f"{place}: there are {len(results)} results: give a .npz file")
    if place.suffix not in (".npy", ".npz"):
        raise ValueError(f"{place}: give a .npy or a .npz file")
    data = io.BytesIO()
    if place.suffix == ".npy":
        np.save(data, next(iter(results.values())), allow_pickle=False)
    else:
        with zipfile.ZipFile(data, "w") as parts:
            for name, array in results.items():
                with parts.open(f"{name}.npy", "w") as part:
                    np.lib.format.write_array(part, np.asarray(array), allow_pickle=False)
    with whole_file(place) as file:
        file.write(data.getvalue())


def bench(given: Namespace) -> int:
    """Time calls on random arrays."""
    program = program_in(given.file)
    module = Loaded(program)
    if not 0 < given.seconds < 3600:
        raise ValueError(f"--seconds {given.seconds}: give a number of seconds")
    sizes = dict(program.sizes)
    for text in given.size:
        name, _, number = text.partition("=")
        if name not in sizes or not number.isdigit():
            raise ValueError(f"--size {text}: give NAME=N for one of {sorted(sizes)}")
        sizes[name] = int(number)
    args, named = arguments_from(program, _random_arrays(program, sizes))
    call = compile(Loaded.forward, threads=given.threads)
    started = time.perf_counter()
    call(module, *args, **named)
    first = time.perf_counter() - started
    times: list[float] = []
    while sum(times) < given.seconds or len(times) < 3:
        started = time.perf_counter()
        call(module, *args, **named)
        times.append(time.perf_counter() - started)
    report = call.explain(module, *args, **named)
    found = {
        "best_seconds": min(times),
        "median_seconds": float(np.median(times)),
        "calls": len(times),
        "first_seconds": first,
        "sizes": sizes,
        "flops": report.flops,
        "peak_bytes": report.peak_bytes,
    }
    if given.json:
        print(json.dumps(found))
    else:
        print(
            f"best {1e6 * min(times):.1f} µs, median {1e6 * float(np.median(times)):.1f} µs of "
            f"{len(times)} calls; the first, compiling, {first:.2f} s"
        )
        print(f"{report.flops / min(times) / 1e9:.1f} GFLOP/s, {len(report.kernels)} kernels")
    return 0


def _random_arrays(program: ExportedProgram, sizes: Mapping[str, int]) -> list[np.ndarray]:
    """Arrays of the types that a program takes; integers are zeros, which are labels and places."""
    random = np.random.default_rng(0)
    arrays = []
    for path, type_, _ in arguments_of(program):
        unknown = {name for size in type_.shape for name in symbols(size)} - sizes.keys()
        if unknown:
            raise ValueError(f"{path}: give --size for {sorted(unknown)}")
        shape = [evaluate_size(size, sizes) for size in type_.shape]
        if type_.dtype.kind in "fc":
            arrays.append(random.standard_normal(shape).astype(type_.dtype))
        else:
            arrays.append(np.zeros(shape, type_.dtype))
    return arrays
