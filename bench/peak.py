"""Peak float32 arithmetic of one core: fused multiply-adds on registers, nothing else.

A matrix product would understate it: BLAS libraries differ by a tenth and more.
"""

from __future__ import annotations

import ctypes
import time

import llvmlite.binding as llvm

ACCUMULATORS = 12
"""Independent sums: two units with a latency of four cycles need eight."""

TRIPS = 200_000


def _assembly(width: int) -> str:
    kind, fma = f"<{width} x float>", f"@llvm.fma.v{width}f32"
    numbers = range(ACCUMULATORS)
    start = ", ".join(["float 0.0"] * width)
    phis = [f"  %a{k} = phi {kind} [<{start}>, %entry], [%b{k}, %loop]" for k in numbers]
    steps = [f"  %b{k} = call {kind} {fma}({kind} %a{k}, {kind} %x, {kind} %y{k})" for k in numbers]
    given = [
        f"  %q{k} = getelementptr {kind}, ptr %data, i64 {k + 1}\n"
        f"  %y{k} = load {kind}, ptr %q{k}, align 4"
        for k in numbers
    ]
    stores = [f"  store {kind} %b{k}, ptr %q{k}, align 4" for k in numbers]
    return "\n".join(
        [
            f"declare {kind} {fma}({kind}, {kind}, {kind})",
            "define void @peak(i64 %trips, ptr %data) {",
            "entry:",
            f"  %x = load {kind}, ptr %data, align 4",
            *given,
            "  br label %loop",
            "loop:",
            "  %n = phi i64 [0, %entry], [%m, %loop]",
            *phis,
            *steps,
            "  %m = add i64 %n, 1",
            "  %more = icmp slt i64 %m, %trips",
            "  br i1 %more, label %loop, label %done",
            "done:",
            *stores,
            "  ret void",
            "}",
        ]
    )


def flops(width: int, seconds: float = 1.0) -> float:
    """Operations a second of one core with vectors of `width` floats, the best of many runs."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    module = llvm.parse_assembly(_assembly(width))
    module.verify()
    with llvm.create_mcjit_compiler(module, machine) as engine:
        engine.finalize_object()
        run = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)(
            engine.get_function_address("peak")
        )
        data = (ctypes.c_float * (width * (ACCUMULATORS + 1)))()
        address, best, end = ctypes.addressof(data), float("inf"), time.perf_counter() + seconds
        while time.perf_counter() < end:
            started = time.perf_counter()
            run(TRIPS, address)
            best = min(best, time.perf_counter() - started)
    return 2 * width * ACCUMULATORS * TRIPS / best
