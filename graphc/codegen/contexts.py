"""A target of Numba's for kernels: it knows numbers, loops, `math` and `cmath`, and nothing else.

Numba's own CPU target loads all that it can compile (strings, lists, `numpy.linalg` and, for that,
SciPy): some 0.3 s of a first call. A kernel has scalars and addresses only. The code of this target
is neither optimised nor loaded by Numba, and its compiler has the passes that kernels need.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from graphc.codegen.intrinsics.numba_names import (
    CPUCodeLibrary,
    CPUContext,
    CPUTargetOptions,
    Dispatcher,
    JITCPUCodegen,
    TargetDescriptor,
    TypingContext,
    cmath_lowering,
    cmath_typing,
    compiler,
    jit,
    math_lowering,
    math_typing,
    pass_manager,
    target_extension,
    typed_passes,
    types,
    untyped_passes,
)

NAME = "graphc"
"""What Numba calls the target."""

PASSES = (
    untyped_passes.TranslateByteCode,
    untyped_passes.FixupArgs,
    untyped_passes.IRProcessing,
    typed_passes.NopythonTypeInference,
    typed_passes.NativeLowering,
    typed_passes.NoPythonBackend,
)
"""Of Numba's passes those without which a kernel can't be compiled: no closures, no rewrites, no
static single assignment, which LLVM makes better: a name in a kernel has one type."""


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


class _Typing(TypingContext):  # type: ignore[misc]
    def init(self) -> None:
        super().init()
        self._signatures: dict[Any, Any] = {}

    def load_additional_registries(self) -> None:
        self.install_registry(cmath_typing.registry)
        self.install_registry(math_typing.registry)

    def resolve_function_type(self, function: Any, args: Any, keywords: Any) -> Any:
        """The signature of a call; Numba's own goes through all overloads at each one."""
        if keywords or not all(isinstance(each, types.Type) for each in args):
            return super().resolve_function_type(function, args, keywords)
        found = self._signatures.get((function, args))
        if found is None:
            found = super().resolve_function_type(function, args, keywords)
            self._signatures[function, args] = found
        return found


class _Context(CPUContext):  # type: ignore[misc]
    def init(self) -> None:
        super().init()
        self._internal_codegen = _PlainCodegen(NAME)

    def load_additional_registries(self) -> None:
        self.install_registry(cmath_lowering.registry)
        self.install_registry(math_lowering.registry)

    def post_lowering(self, module: Any, library: Any) -> None:
        """Nothing: Numba's own links its memory manager, which kernels do without."""

    def get_executable(self, *given: Any) -> object:
        """What stands for a compiled function, which is not loaded here: each needs its own."""
        return object()


class _Descriptor(TargetDescriptor):  # type: ignore[misc]
    options = CPUTargetOptions

    @cached_property
    def typing_context(self) -> Any:
        return _Typing()

    @cached_property
    def target_context(self) -> Any:
        return _Context(self.typing_context, NAME)


class _Target(target_extension.CPU):  # type: ignore[misc]
    """What is written for any target, or for the CPU, is for this one too."""


class _Dispatcher(Dispatcher):  # type: ignore[misc]
    """A helper function that kernels call: it is linked into them, and has no address."""

    targetdescr = _Descriptor(NAME)

    def add_overload(self, result: Any) -> None:
        """Keep what was compiled; Numba's own would have Python call it."""
        self.overloads[tuple(result.signature.args)] = result


class KernelCompiler(compiler.CompilerBase):  # type: ignore[misc]
    """Numba's compiler with `PASSES` only."""

    def define_pipelines(self) -> list[Any]:
        """One pipeline; there is no other way if it fails."""
        manager = pass_manager("kernel")
        for number, each in enumerate(PASSES):
            manager.add_pass(each, f"pass {number}")
        manager.finalize()
        return [manager]


def _jit(*given: Any, **options: Any) -> Any:
    """How Numba compiles helper functions that kernels call."""
    options.pop("target", None)
    return jit(*given, _target=NAME, **options)


target_extension.target_registry[NAME] = _Target
target_extension.dispatcher_registry[_Target] = _Dispatcher
target_extension.jit_registry[_Target] = _jit


def kernel_target() -> Any:
    """A context manager: within it Numba compiles for this target."""
    return target_extension.target_override(NAME)


def contexts() -> tuple[Any, Any]:
    """The typing context and the target context, to be used within `kernel_target`."""
    descriptor = _Dispatcher.targetdescr
    return descriptor.typing_context, descriptor.target_context
