"""Generated source -> LLVM's text, through Numba: it types and lowers, and optimises nothing.

Imported only when something must be compiled; `graphc.codegen.target` makes native code of the
text, and `graphc.codegen.contexts` is what Numba compiles for.
"""

from __future__ import annotations

from functools import cache
from types import FunctionType

from graphc.codegen.contexts import KernelCompiler, contexts, kernel_target
from graphc.codegen.intrinsics.memory import KERNEL, distinct_scopes
from graphc.codegen.intrinsics.numba_names import compiler, global_compiler_lock
from graphc.codegen.intrinsics.parts import hinted


@cache
def _refresh() -> None:
    """Have the contexts know what the modules of graphc have registered."""
    for context in contexts():
        context.refresh()


def llvm_text(function: FunctionType, symbol: str) -> str:
    """The LLVM module of a generated kernel, with C's convention, under the name `symbol`."""
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    flags.error_model = "numpy"
    flags.nrt = False
    with global_compiler_lock, kernel_target():
        _refresh()
        result = compiler.compile_extra(
            *contexts(),
            function,
            KERNEL.args,
            KERNEL.return_type,
            flags,
            {},
            pipeline_class=KernelCompiler,
        )
        library = result.library
        if not library._finalized:
            library.finalize()
        text = distinct_scopes(hinted(str(library._final_module)))
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
