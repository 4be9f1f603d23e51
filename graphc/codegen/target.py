"""LLVM's text -> object code -> addresses: our own pass pipeline, target machine and loader.

Uses llvmlite alone, so that what is in the cache is loaded without Numba. Threads may use all of it
at once.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, cast

import llvmlite.binding

from graphc.errors import BackendError

binding: Any = llvmlite.binding


@cache
def _ready() -> None:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


@cache
def host() -> tuple[str, str]:
    """The name and the features of this machine's processor, as LLVM calls them."""
    features = binding.get_host_cpu_features().flatten()
    return binding.get_host_cpu_name(), features


PROCESSORS = {
    "generic": ("generic", ""),
    "x86-64-v2": ("x86-64-v2", "+sse4.2"),
    "x86-64-v3": ("x86-64-v3", "+avx,+avx2,+fma,+bmi,+bmi2,+f16c,+lzcnt,+movbe"),
    "x86-64-v4": ("x86-64-v4", "+avx,+avx2,+fma,+avx512f,+avx512bw,+avx512dq,+avx512vl"),
}
"""Processors to compile for that are not this machine's: LLVM's name, and what code asks for."""

_chosen: ContextVar[str] = ContextVar("processor", default="native")


@contextmanager
def compiling_for(processor: str) -> Iterator[None]:
    """Code that is generated within is for a processor: ``native``, or one of `PROCESSORS`."""
    token = _chosen.set(processor)
    try:
        yield
    finally:
        _chosen.reset(token)


def processor() -> tuple[str, str]:
    """The name and the features of the processor that code is generated for."""
    return host() if _chosen.get() == "native" else PROCESSORS[_chosen.get()]


def has_feature(feature: str) -> bool:
    """Whether the processor that code is generated for has a feature, as LLVM calls it."""
    return f"+{feature}" in processor()[1].split(",")


def multiplies_and_adds() -> bool:
    """Whether that processor has an instruction for ``a * b + c`` rounded once."""
    return has_feature("fma") or not binding.get_process_triple().startswith(("x86", "i"))


def vector_bytes() -> int:
    """The size of the vectors of the processor that code is generated for."""
    return 64 if has_feature("avx512f") else 32 if has_feature("avx2") else 16


def _machine(level: int) -> Any:
    _ready()
    name, features = host()
    triple = binding.get_process_triple()
    target = binding.Target.from_triple(triple)
    # LLVM prefers 256-bit vectors on many processors that are faster with 512. Position-independent
    # objects read their constants through offsets that are wrong when many share a loader.
    return target.create_target_machine(
        cpu=name,
        features=f"{features},-prefer-256-bit",
        opt=level,
        reloc="static",
        codemodel="jitdefault",
        jit=True,
    )


@cache
def _unlocked(name: str) -> Callable[..., Any]:
    """A function of llvmlite's without the lock that it puts around every call.

    LLVM may work in several threads, each in a context of its own; with the lock, Numba would wait
    for it all the while.
    """
    locked = getattr(binding.ffi.lib, name)
    return cast("Callable[..., Any]", getattr(locked, "_cfn", locked))


def _library_machine(level: int) -> Any:
    """The machine that objects of libraries are for: their code may be put anywhere."""
    _ready()
    name, features = processor()
    wide = ",-prefer-256-bit" if has_feature("avx512f") else ""
    target = binding.Target.from_triple(binding.get_process_triple())
    return target.create_target_machine(
        cpu=name, features=f"{features}{wide}", opt=level, reloc="pic", codemodel="default"
    )


def _optimised(
    text: str, symbols: Collection[str], level: int, machine: Any = None
) -> tuple[Any, Any]:
    """The target machine and the optimised module, in a context of its own."""
    machine = machine or _machine(level)
    module = binding.parse_assembly(text, binding.create_context())
    module.verify()
    module.triple = machine.triple
    module.data_layout = str(machine.target_data)
    for function in module.functions:
        if not function.is_declaration and function.name not in symbols:
            function.linkage = "internal"
    options = binding.create_pipeline_tuning_options(speed_level=level)
    options.loop_vectorization = options.slp_vectorization = level >= 2
    builder = binding.create_pass_builder(machine, options)
    _unlocked("LLVMPY_RunNewModulePassManager")(builder.getModulePassManager(), module, builder)
    return machine, module


def _emitted(machine: Any, module: Any) -> bytes:
    """The object of a module."""
    with binding.ffi.OutputString() as error:
        emit = _unlocked("LLVMPY_TargetMachineEmitToMemory")
        buffer = emit(machine, module, 1, error)
        if not buffer:
            raise BackendError(f"LLVM can't make an object: {error}")
    library = binding.ffi.lib
    try:
        return ctypes.string_at(
            library.LLVMPY_GetBufferStart(buffer), library.LLVMPY_GetBufferSize(buffer)
        )
    finally:
        library.LLVMPY_DisposeMemoryBuffer(buffer)


def object_code(text: str, symbol: str, level: int = 3) -> tuple[bytes, list[str]]:
    """The object of an LLVM module whose one public function is `symbol`, and what it links to.

    Args:
        text: the module, not optimised.
        level: 0 to 3, as ``clang -O``; loops are vectorised from 2 on.
    """
    machine, module = _optimised(text, (symbol,), level)
    return _emitted(machine, module), _externals(module)


def _externals(module: Any) -> list[str]:
    return sorted(
        function.name
        for function in module.functions
        if function.is_declaration and not function.name.startswith("llvm.")
    )


def library_object(text: str, symbols: Collection[str], level: int = 3) -> bytes:
    """The object of a library whose public functions are `symbols`, for `processor`."""
    return _emitted(*_optimised(text, symbols, level, _library_machine(level)))


def assembly(text: str, symbol: str, level: int = 3) -> str:
    """The machine code of an LLVM module, as text."""
    machine, module = _optimised(text, (symbol,), level)
    return str(machine.emit_assembly(module))


class Loader:
    """Puts object code into this process. Threads may use it at once."""

    def __init__(self) -> None:
        machine = _machine(3)
        empty = binding.parse_assembly("")
        empty.triple = machine.triple
        self._engine = binding.create_mcjit_compiler(empty, machine)
        self._lock = threading.Lock()

    def load(self, data: bytes, symbol: str, externals: list[str]) -> int:
        """The address of `symbol` in an object.

        Raises:
            BackendError: the object needs a function that this process does not have.
        """
        for name in externals:
            if binding.address_of_symbol(name) is None:
                raise BackendError(f"the native function {name} is not in this process")
        with self._lock:
            self._engine.add_object_file(binding.ObjectFileRef.from_data(data))
            self._engine.finalize_object()
            return int(self._engine.get_function_address(symbol))


@cache
def loader() -> Loader:
    """The loader of this process."""
    return Loader()
