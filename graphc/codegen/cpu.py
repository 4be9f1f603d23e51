"""Generated source -> LLVM's text, through Numba: it types and lowers, and optimises nothing.

Imported only when something must be compiled; `graphc.codegen.target` makes native code of the
text. What is used of Numba's internals is all here: a code library that leaves its module as it
is, and the CPU context with such libraries.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType
from typing import Any

from graphc.codegen.intrinsics.memory import KERNEL
from graphc.codegen.intrinsics.numba_names import (
    CPUCodeLibrary,
    JITCPUCodegen,
    compiler,
    cpu_target,
    global_compiler_lock,
)
from graphc.codegen.intrinsics.parts import hinted


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


def llvm_text(function: FunctionType, symbol: str) -> str:
    """The LLVM module of a generated kernel, with C's convention, under the name `symbol`."""
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    with global_compiler_lock:
        typing_context, context = _contexts()
        result = compiler.compile_extra(
            typing_context, context, function, KERNEL.args, KERNEL.return_type, flags, {}
        )
        library = result.library
        if not library._finalized:
            library.finalize()
        text = hinted(str(library._final_module))
    return text + _adapter(result.fndesc.llvm_func_name, symbol)


def _adapter(name: str, symbol: str) -> str:
    """A function of C's convention that calls one of Numba's.

    Numba's is ``i32 f(result*, error**, arguments)``.
    """
    return f"""
define i32 @{symbol}(ptr %table, ptr %sizes, i64 %lo, i64 %hi) {{
  %result = alloca i32
  %error = alloca ptr
  %raised = call i32 @"{name}"(ptr %result, ptr %error, ptr %table, ptr %sizes, i64 %lo, i64 %hi)
  %status = load i32, ptr %result
  ret i32 %status
}}
"""
