"""The addresses of BLAS and LAPACK routines: of NumPy's own library, else SciPy's.

Neither is imported until asked for.

NumPy's wheels bring an OpenBLAS that NumPy has loaded already; its routines take 64-bit integers.
Generated code passes every integer by reference to 64 bits, of which a routine of 32-bit integers
reads the lower half, so it need not know which it calls.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path

import numpy as np

from graphc.codegen.tiles import scipy_functions
from graphc.errors import BackendError

SYMBOLS = ("scipy_{}_64_", "{}_64_", "scipy_{}_", "{}_")
"""What builds of OpenBLAS call the routine of a name."""


@cache
def _bundled() -> tuple[ctypes.CDLL, ...]:
    """The BLAS libraries in NumPy's own wheel."""
    package = Path(np.__file__).parent
    folders = (package.parent / "numpy.libs", package / ".dylibs", package / ".libs")
    found = [path for folder in folders for path in sorted(folder.glob("*blas*"))]
    loaded = []
    for path in found:
        try:
            loaded.append(ctypes.CDLL(str(path)))
        except OSError:
            continue
    return tuple(loaded)


@cache
def routine(name: str) -> int:
    """The address of the Fortran routine `name`, such as ``sgemm`` or ``dgesv``.

    Raises:
        BackendError: neither NumPy nor SciPy brings it.

    >>> routine("sgemm") != 0
    True
    """
    if sys.byteorder != "little":
        raise BackendError("BLAS can be called on little-endian machines only")
    for library in _bundled():
        for pattern in SYMBOLS:
            try:
                function = getattr(library, pattern.format(name))
            except AttributeError:
                continue
            return ctypes.cast(function, ctypes.c_void_p).value or 0
    address = scipy_functions.routine_address(name)
    if address is None:
        raise BackendError(f"neither NumPy's library nor SciPy has the routine {name}")
    return address
