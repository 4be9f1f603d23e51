"""``graphc cache`` and ``graphc doctor``."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import platform
import shutil
from argparse import Namespace
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from graphc import cache as disk
from graphc.codegen import target
from graphc.codegen.tiles import blas
from graphc.errors import BackendError
from graphc.runtime.pool import core_count, thread_count

NEEDED = ("numpy", "numba", "llvmlite", "scipy", "networkx", "safetensors", "filelock")
OPTIONAL = {
    "matplotlib": "pictures of graphs: pip install matplotlib",
    "rich": "progress bars of graphc.fit: pip install rich",
    "onnx": "ONNX models: pip install 'graphc[onnx]'",
    "onnxruntime": "runs ONNX models elsewhere: pip install onnxruntime",
    "numba_cuda": "GPUs: pip install 'graphc[cuda]'",
}


def cache(given: Namespace) -> int:
    """The size of the cache, or clear it."""
    if given.what == "clear":
        count = disk.clear()
        print(json.dumps({"removed": count}) if given.json else f"{count} entries removed")
        return 0
    found = disk.info()
    if given.json:
        print(json.dumps(found, default=str))
        return 0
    for name, value in found.items():
        print(f"{name}: {f'{value / (1 << 20):.1f} MiB' if name == 'bytes' else value}")
    return 0


def doctor(given: Namespace) -> int:
    """What there is; 1 where something is missing without which nothing runs."""
    found = examine()
    if given.json:
        print(json.dumps(found))
    else:
        for title, lines in _shown(found):
            print(title)
            for line in lines:
                print(f"  {line}")
    return 1 if found["missing"] else 0


def examine() -> dict[str, Any]:
    """What the machine has, as data."""
    name, features = target.host()
    chosen = [one[1:] for one in features.split(",") if one[1:] in _FEATURES and one[0] == "+"]
    versions = {one: _version(one) for one in NEEDED}
    return {
        "graphc": version("graphc"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "optional": {one: _version(one) for one in OPTIONAL},
        "processor": {
            "name": name,
            "features": chosen,
            "vector_bytes": target.vector_bytes(),
            "cores": core_count(),
            "threads": thread_count(None),
        },
        "blas": _blas(),
        "c_compiler": _compiler(),
        "cuda": _cuda(),
        "cache": {key: str(value) for key, value in disk.info().items()},
        "environment": {k: v for k, v in os.environ.items() if k.startswith("GRAPHC_")},
        "missing": [one for one, found in versions.items() if found is None],
    }


_FEATURES = ("sse4.2", "avx", "avx2", "fma", "avx512f", "avx512bw", "neon", "sve")


def _version(name: str) -> str | None:
    """The version of a package; None where it is not there."""
    try:
        return version(name.replace("_", "-"))
    except PackageNotFoundError:
        return None


def _blas() -> str | None:
    try:
        blas.routine("dgemm")
    except BackendError:
        return None
    return "of NumPy or SciPy"


def _compiler() -> str | None:
    library: Any = importlib.import_module("graphc.exporting.c.library")
    found: list[str] | None = library.compiler()
    return None if found is None else " ".join(found)


def _cuda() -> str:
    if shutil.which("nvidia-smi") is None:
        return "no device"
    if importlib.util.find_spec("numba_cuda") is None:
        return "a device, but no numba-cuda: pip install 'graphc[cuda]'"
    return "a device; this version compiles for the CPU only"


def _shown(found: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Titles and lines."""
    processor = found["processor"]
    packages = [f"{k} {v or 'MISSING: pip install ' + k}" for k, v in found["packages"].items()]
    optional = [
        f"{name} {there}" if there else f"{name} is not there ({OPTIONAL[name]})"
        for name, there in found["optional"].items()
    ]
    tools = [
        f"BLAS: {found['blas'] or 'none: products of complex numbers and solvers need SciPy'}",
        f"C compiler: {found['c_compiler'] or 'none: C libraries are written, but not linked'}",
        f"CUDA: {found['cuda']}",
    ]
    return [
        (f"graphc {found['graphc']}, Python {found['python']}, {found['platform']}", []),
        ("packages", packages),
        ("optional", optional),
        (
            "processor",
            [
                f"{processor['name']}: {' '.join(processor['features'])}",
                f"vectors of {processor['vector_bytes']} bytes, {processor['cores']} cores, "
                f"{processor['threads']} threads",
            ],
        ),
        ("tools", tools),
        ("cache", [f"{key}: {value}" for key, value in found["cache"].items()]),
        ("environment", [f"{k}={v}" for k, v in found["environment"].items()] or ["nothing set"]),
        (
            f"missing: {', '.join(found['missing'])}" if found["missing"] else "all is there",
            [],
        ),
    ]
