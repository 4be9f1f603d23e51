"""graphc: a JIT-compiled graph compiler for plain NumPy functions.

>>> import numpy as np, graphc
>>> @graphc.compile
... def norm(x):
...     return np.sqrt((x * x).sum())
>>> norm(np.array([3.0, 4.0]))
np.float64(5.0)
>>> graphc.grad(norm)(np.array([3.0, 4.0]))
array([0.6, 0.8])

============== ====================================================================================
compiling      `compile`, `spec`, `eager`
derivatives    `grad`, `value_and_grad`, `vjp`, `jvp`, `jacobian`, `hessian`
other maps     `vmap`, `checkpoint`, `stop_gradient`, `custom_vjp`, `operation`
control flow   `cond`, `scan`, `while_loop`, `fori_loop`, `debug_print`,
               `breakpoint_if`
networks       `nn`: modules, layers, losses; `optim`: optimizers; `fit`, `training`: the loop
files          `export`, `load`: portable files, C libraries, ONNX models
modules        `random`: numbers that depend on a key; `testing`: `check_grads`
errors         `GraphcError`, and under it `BackendError`, `CacheError`, `DTypeError`,
               `DivisionError`, `DomainError`, `ExportError`, `LinAlgError`, `MemoryLimitError`,
               `NonFiniteError`, `OutOfBoundsError`, `ShapeError`, `StateError`,
               `TraceError`, `UnsupportedError`, `VerificationError`
============== ====================================================================================

A compiled function has ``lower``, ``explain``, ``specializations`` and ``clear_cache``; a graph is
drawn by ``graphc.report.view.draw``. ``docs/api.md`` lists all of it with a sentence each.
"""

from graphc import functions as functions
from graphc import nn, optim, random, testing, training
from graphc.api import compile, export, spec
from graphc.control import breakpoint_if, cond, debug_print, fori_loop, scan, while_loop
from graphc.errors import (
    BackendError,
    CacheError,
    DivisionError,
    DomainError,
    DTypeError,
    ExportError,
    GraphcError,
    LinAlgError,
    MemoryLimitError,
    NonFiniteError,
    OutOfBoundsError,
    ShapeError,
    StateError,
    TraceError,
    UnsupportedError,
    VerificationError,
)
from graphc.loading.load import load
from graphc.specialize import eager
from graphc.training import fit
from graphc.transform import (
    checkpoint,
    custom_vjp,
    grad,
    hessian,
    jacobian,
    jvp,
    operation,
    stop_gradient,
    value_and_grad,
    vjp,
    vmap,
)

__all__ = [
    "BackendError",
    "CacheError",
    "DTypeError",
    "DivisionError",
    "DomainError",
    "ExportError",
    "GraphcError",
    "LinAlgError",
    "MemoryLimitError",
    "NonFiniteError",
    "OutOfBoundsError",
    "ShapeError",
    "StateError",
    "TraceError",
    "UnsupportedError",
    "VerificationError",
    "breakpoint_if",
    "checkpoint",
    "compile",
    "cond",
    "custom_vjp",
    "debug_print",
    "eager",
    "export",
    "fit",
    "fori_loop",
    "grad",
    "hessian",
    "jacobian",
    "jvp",
    "load",
    "nn",
    "operation",
    "optim",
    "random",
    "scan",
    "spec",
    "stop_gradient",
    "testing",
    "training",
    "value_and_grad",
    "vjp",
    "vmap",
    "while_loop",
]

__version__ = "0.1.0"
