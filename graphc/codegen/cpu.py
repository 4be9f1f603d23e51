"""Generated source -> LLVM's text, through Numba: it types and lowers, and optimises nothing.

Imported only when something must be compiled; `graphc.codegen.target` makes native code of the
text. What is used of Numba's internals is all here: a code library that leaves its module as it
is, and the CPU context with such libraries.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

from graphc.codegen.native import KERNEL, STEP
from graphc.codegen.numba_names import (
    CPUCodeLibrary,
    JITCPUCodegen,
    compiler,
    cpu_target,
    global_compiler_lock,
    types,
)
from graphc.codegen.parts import hinted

SIGNATURES = {"kernel": KERNEL, "step": STEP}
"""The kinds of generated functions."""


class _PlainLibrary(CPUCodeLibrary):  # type: ignore[misc]
    """A library that is neither optimised nor loaded."""

    def _optimize_functions(self, module: Any) -> None:
        module.data_layout = self._codegen._data_layout

    def _optimize_final_module(self) -> None:
        return

    def _finalize_specific(self) -> None:
        return


class _PlainCodegen(JITCPUCodegen):  # type: ignore[misc]
    _library_class = _PlainLibrary

    def _add_module(self, module: Any) -> None:
        return


@cache
def _contexts() -> tuple[Any, Any]:
    """Numba's typing context, and its CPU context with libraries of ours."""
    typing_context = cpu_target.typing_context
    context = cpu_target.target_context
    typing_context.refresh()
    context.refresh()
    return typing_context, context.subtarget(
        _internal_codegen=_PlainCodegen("graphc"), get_executable=lambda *_: None
    )


def llvm_text(function: FunctionType, kind: str, symbol: str) -> str:
    """The LLVM module of a generated function, with C's convention, under the name `symbol`.

    Args:
        kind: a key of `SIGNATURES`.
    """
    signature = SIGNATURES[kind]
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    with global_compiler_lock:
        typing_context, context = _contexts()
        result = compiler.compile_extra(
            typing_context, context, function, signature.args, signature.return_type, flags, {}
        )
        library = result.library
        if not library._finalized:
            library.finalize()
        text = hinted(str(library._final_module))
    return text + _adapter(signature, result.fndesc.llvm_func_name, symbol)


def _adapter(signature: Any, name: str, symbol: str) -> str:
    """A function of C's convention that calls one of Numba's.

    Numba's is ``i32 f(result*, error**, arguments)``.
    """
    kinds = ["ptr" if isinstance(arg, types.CPointer) else "i64" for arg in signature.args]
    taken = ", ".join(f"{kind} %argument{k}" for k, kind in enumerate(kinds))
    given = f"i{signature.return_type.bitwidth}"
    return f"""
define {given} @{symbol}({taken}) {{
  %result = alloca {given}
  %error = alloca ptr
  %raised = call i32 @"{name}"(ptr %result, ptr %error, {taken})
  %value = load {given}, ptr %result
  ret {given} %value
}}
"""
