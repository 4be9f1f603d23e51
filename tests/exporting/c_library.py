"""C libraries in tests: built, called through ctypes by what their own signature says."""

import ctypes
import json
from pathlib import Path

import numpy as np

import graphc
from graphc.exporting.container import read_type
from graphc.types import evaluate_size

PARALLEL = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p
)
TASK = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


class Library:
    """A library, its functions by name."""

    def __init__(self, path, name):
        self.path, self.name = Path(path), name
        self.library = ctypes.CDLL(str(path))
        for text in ("message", "version", "signature"):
            getattr(self.library, f"{name}_{text}").restype = ctypes.c_char_p
        self.workspace = getattr(self.library, f"{name}_workspace_size")
        self.workspace.restype = ctypes.c_int64
        self.signature = json.loads(getattr(self.library, f"{name}_signature")())
        self.sizes = self.signature["sizes"]
        self.arrays = self.signature["arrays"]

    def message(self, status):
        return getattr(self.library, f"{self.name}_message")(status).decode()

    def state(self):
        """The first values of the state, by C name, from the file beside the library."""
        header = self.path.with_suffix(".h")
        data = self.path.with_suffix(".bin").read_bytes()
        found = {}
        for line in header.read_text().splitlines():
            parts = line.split()
            if len(parts) == 3 and "_OFFSET_" in parts[1]:
                name = parts[1].split("_OFFSET_")[1]
                (entry,) = [one for one in self.arrays if one["name"] == name]
                type_ = read_type(entry["type"], "")
                count = int(np.prod(type_.shape, dtype=int))
                array = np.frombuffer(data, type_.dtype, count, int(parts[2]))
                found[name] = array.reshape(type_.shape).copy()
        return found

    def run(self, sizes=None, parallel=None, workspace=None, **given):
        """The status and the results by name; `given` are inputs and state."""
        sizes = sizes or {}
        arrays = dict(given)
        for entry in self.arrays:
            if entry["role"] == "output":
                type_ = read_type(entry["type"], "")
                shape = [evaluate_size(size, sizes) for size in type_.shape]
                arrays[entry["name"]] = np.empty(shape, type_.dtype)
        addresses = [
            None if arrays[e["name"]] is None else ctypes.c_void_p(arrays[e["name"]].ctypes.data)
            for e in self.arrays
        ]
        numbers = [ctypes.c_int64(sizes[name]) for name in self.sizes]
        if workspace is None:
            workspace = np.full(max(self.workspace(*numbers), 1), 0xA5, np.uint8)
        call = getattr(self.library, f"{self.name}_run_parallel")
        task = PARALLEL(parallel) if parallel else None
        status = call(
            *numbers, *addresses, ctypes.c_void_p(workspace.ctypes.data), task, ctypes.c_void_p(0)
        )
        return status, {e["name"]: arrays[e["name"]] for e in self.arrays if e["role"] == "output"}


def built(folder, function, *args, name="f", **options):
    """The library of a function."""
    path = Path(folder) / f"{name}.so"
    graphc.export(function, *args, path=path, name=name, **options)
    return Library(path, name)
