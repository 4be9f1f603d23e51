"""The names of Numba that graphc uses, typed as `Any`: its own annotations cover only a part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numba.core.cgutils
import numba.core.codegen as _codegen
import numba.core.compiler as _compiler
import numba.core.compiler_lock as _compiler_lock
import numba.core.compiler_machinery as _machinery
import numba.core.cpu as _cpu
import numba.core.decorators as _decorators
import numba.core.descriptors as _descriptors
import numba.core.dispatcher as _dispatcher
import numba.core.target_extension as _target_extension
import numba.core.typed_passes as _typed_passes
import numba.core.typing.cmathdecl as _cmath_typing
import numba.core.typing.context as _typing
import numba.core.typing.mathdecl as _math_typing
import numba.core.typing.templates as _templates
import numba.core.untyped_passes as _untyped_passes
import numba.cpython.builtins
import numba.cpython.cmathimpl as _cmath_lowering
import numba.cpython.mathimpl as _math_lowering
import numba.cpython.numbers
import numba.cpython.rangeobj
import numba.cpython.tupleobj
import numba.extending as _extending

njit: Any = numba.njit
compiler: Any = _compiler
global_compiler_lock: Any = _compiler_lock.global_compiler_lock
target_extension: Any = _target_extension
pass_manager: Any = _machinery.PassManager
typed_passes: Any = _typed_passes
untyped_passes: Any = _untyped_passes
jit: Any = _decorators.jit
Dispatcher: Any = _dispatcher.Dispatcher
TargetDescriptor: Any = _descriptors.TargetDescriptor
TypingContext: Any = _typing.Context
CPUContext: Any = _cpu.CPUContext
CPUTargetOptions: Any = _cpu.CPUTargetOptions
cmath_typing: Any = _cmath_typing
math_typing: Any = _math_typing
cmath_lowering: Any = _cmath_lowering
math_lowering: Any = _math_lowering
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
