"""What is the same for all peers: threads, and a compile cache that starts empty."""

from __future__ import annotations

import os
from pathlib import Path

PEERS = ("graphc", "numpy", "torch", "inductor", "jax", "numba", "pytensor")

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "GRAPHC_THREADS",
)
"""Variables that set a number of threads; XLA goes by the cores that it may run on."""


PINNED = (
    "ATEN_CPU_CAPABILITY",
    "MKL_ENABLE_INSTRUCTIONS",
    "NPY_DISABLE_CPU_FEATURES",
    "NUMBA_CPU_FEATURES",
    "NUMBA_CPU_NAME",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "XLA_FLAGS",
)
"""Variables that are not handed on: each library chooses its code for the CPU that it finds.

A pinned OpenBLAS core type alone can halve the speed of NumPy, SciPy, graphc and PyTensor.
"""


def environment(threads: int, cache: Path) -> dict[str, str]:
    """The environment of a peer's process; all that it compiles is kept under `cache`."""
    flags = f"floatX=float32,mode=NUMBA,base_compiledir={cache / 'pytensor'}"
    kept = {name: value for name, value in os.environ.items() if name not in PINNED}
    return {
        **kept,
        **dict.fromkeys(THREADS, str(threads)),
        "GRAPHC_CACHE_DIR": str(cache / "graphc"),
        "JAX_PLATFORMS": "cpu",
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "PYTENSOR_FLAGS": flags,
        "TORCHINDUCTOR_CACHE_DIR": str(cache / "inductor"),
    }


def cores(threads: int) -> list[int]:
    """The cores that every peer is bound to."""
    return sorted(os.sched_getaffinity(0))[:threads]


def module_of(peer: str) -> str:
    """The module of a peer; a name with a dot is a module already."""
    return peer if "." in peer else f"bench.peers.{peer}"
