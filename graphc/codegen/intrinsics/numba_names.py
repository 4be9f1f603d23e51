"""The names of Numba that graphc uses, typed as `Any`: its own annotations cover only a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numba.core.cgutils
import numba.core.codegen as _codegen
import numba.core.compiler as _compiler
import numba.core.compiler_lock as _compiler_lock
import numba.core.registry as _registry
import numba.core.typing.templates as _templates
import numba.extending as _extending

njit: Any = numba.njit
compiler: Any = _compiler
global_compiler_lock: Any = _compiler_lock.global_compiler_lock
cpu_target: Any = _registry.cpu_target
CPUCodeLibrary: Any = _codegen.CPUCodeLibrary
JITCPUCodegen: Any = _codegen.JITCPUCodegen
types: Any = numba.types
cgutils: Any = numba.core.cgutils
AbstractTemplate: Any = _templates.AbstractTemplate
infer_global: Any = _templates.infer_global
signature: Any = _templates.signature
models: Any = _extending.models
register_model: Any = _extending.register_model
Rule = Callable[..., Any]


def intrinsic(rule: Rule) -> Any:
    """Numba's `intrinsic`."""
    return _extending.intrinsic(rule)


def intrinsic_of_literals(rule: Rule) -> Any:
    """Numba's `intrinsic`, given constants as literal types."""
    return _extending.intrinsic(prefer_literal=True)(rule)


def lower_builtin(*signature_: Any) -> Callable[[Rule], Any]:
    """Numba's `lower_builtin`."""
    factory: Any = _extending.lower_builtin
    decorate: Callable[[Rule], Any] = factory(*signature_)
    return decorate


def register_jitable(function: Rule) -> Any:
    """Numba's `register_jitable`."""
    return _extending.register_jitable(function)
