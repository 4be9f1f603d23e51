"""The addresses of SciPy's BLAS and LAPACK routines. SciPy is imported on first use."""

from __future__ import annotations

import ctypes
from typing import Any

from graphc.threads import load_rooms


def capsule_address(capsule: Any) -> int:
    """The C pointer in a capsule of a Cython module."""
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype = ctypes.c_char_p
    api.PyCapsule_GetName.argtypes = [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    return int(api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule)))


def routine_address(name: str) -> int | None:
    """The address of SciPy's BLAS or LAPACK routine `name`; None where it has none."""
    for library in ("cython_blas", "cython_lapack"):
        module: Any = load_rooms(f"scipy.linalg.{library}")
        if name in module.__pyx_capi__:
            return capsule_address(module.__pyx_capi__[name])
    return None
