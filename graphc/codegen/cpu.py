"""Generated source -> native code, through Numba. Imported on the first compile only.

Kernels with equal text are compiled once in a process. A kernel is a plain Numba function without
wrappers, called through its address with Numba's own convention; a step is a C function.
"""

from __future__ import annotations

import ctypes
import importlib
import linecache
import threading
from pathlib import Path
from types import FunctionType
from typing import Any

import llvmlite.binding

from graphc.codegen.native import ENTRY, KERNEL, STEP
from graphc.codegen.numba_names import cfunc, njit
from graphc.codegen.step import Module

BLAS = ("sgemm", "dgemm", "cgemm", "zgemm")
_SPECIAL = {
    "gamma": "__pyx_fuse_1gamma",
    "gammaln": "gammaln",
    "psi": "__pyx_fuse_1psi",
    "erfinv": "__pyx_fuse_0erfinv",
}

_kernels: dict[str, tuple[Any, int]] = {}
_lock = threading.RLock()


def capsule_address(capsule: Any) -> int:
    """The C pointer in a capsule of a Cython module."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def blas_address(name: str) -> int:
    """The address of SciPy's BLAS routine `name`."""
    module = importlib.import_module("scipy.linalg.cython_blas")
    return capsule_address(module.__pyx_capi__[name])


def _link_special(text: str) -> None:
    """Make SciPy's special functions that `text` calls known to the linker."""
    wanted = [name for name in _SPECIAL if f"special_{_PUBLIC.get(name, name)}(" in text]
    if "polygamma(" in text and "gamma" not in wanted:
        wanted.append("gamma")
    if not wanted:
        return
    special = importlib.import_module("scipy.special.cython_special")
    for name in wanted:
        address = capsule_address(special.__pyx_capi__[_SPECIAL[name]])
        llvmlite.binding.add_symbol(f"graphc_special_{name}", address)


_PUBLIC = {"psi": "digamma"}


def _address(dispatcher: Any) -> int:
    (compiled,) = dispatcher.overloads.values()
    return int(compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name))


def compile_kernel(function: FunctionType, text: str) -> int:
    """The address of a kernel; `text` is its source without its name."""
    found = _kernels.get(text)
    if found is None:
        _link_special(text)
        dispatcher = njit(
            KERNEL, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
        )(function)
        found = _kernels[text] = (dispatcher, _address(dispatcher))
    return found[1]


class CompiledModule:
    """The native code of a generated module: the entry, and the table of constants' kernels."""

    def __init__(self, module: Module, path: Path) -> None:
        source = module.source
        namespace: dict[str, Any] = {"__name__": f"graphc_generated.{path.stem}"}
        code = compile(source, str(path), "exec")
        linecache.checkcache(str(path))
        exec(code, namespace)
        with _lock:
            self.kernels = [compile_kernel(namespace[f.name], f.key) for f in module.kernels]
            *bodies, entry = module.steps
            for name in bodies:
                namespace[name] = njit(
                    STEP, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
                )(namespace[name])
            self._entry = cfunc(ENTRY, error_model="numpy")(namespace[entry])
        self.call = ctypes.CFUNCTYPE(
            ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
        )(int(self._entry.address))
