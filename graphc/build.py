"""A graph -> an `Executable`: fuse, lower, plan the memory, write the module, compile it.

This module imports neither Numba nor SciPy: `graphc.objects` does where something must be compiled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from graphc.codegen.source.module import Module, write_module
from graphc.fuse.groups import fuse
from graphc.fuse.text import format_fused
from graphc.fuse.values import Fused
from graphc.ir import Graph, Node
from graphc.layout import layout
from graphc.lower import Lowered, lower
from graphc.lower.text import format_steps
from graphc.memory import MemoryPlan, Place, plan_memory
from graphc.objects import Native, addresses, module_namespace, write_source
from graphc.options import Options
from graphc.runtime.executable import CompiledModule, Executable
from graphc.runtime.pool import core_count, thread_count
from graphc.stages import show
from graphc.tune import library_products
from graphc.types import evaluate_size

STEP_LEVEL = 1
"""How much a step is optimised: it only launches kernels."""

KERNEL_LEVELS = {"fast": 1, "default": 3, "full": 3}
"""How much kernels are optimised, by the option ``optimize``; from 2 on loops are vectorised."""


def emit(plan: MemoryPlan, name: str, precision: str = "strict") -> Module:
    """Write the generated module for a memory plan."""
    return write_module(plan, name, precision == "fast")


def compile_module(module: Module, name: str, options: Options) -> CompiledModule:
    """Write the module's file, and load or compile its functions."""
    level = KERNEL_LEVELS[options.optimize]
    path = write_source(module.source, name)
    *bodies, entry = module.steps.items()

    def body(name: str, text: str) -> Native:
        """A loop's body: linked with its kernels where they are small."""
        if name not in module.linked:
            return Native(name, "words", text, STEP_LEVEL)
        parts = [text, *(function.key for function in module.linked[name])]
        return Native(name, "linked", "\n".join(parts), level)

    wanted = [
        *(Native(function.name, "kernel", function.key, level) for function in module.kernels),
        *(body(name, text) for name, text in bodies),
        Native(entry[0], "words", entry[1], STEP_LEVEL),
    ]
    namespace = partial(module_namespace, module.source, path)
    *functions, call = addresses(wanted, namespace, options.cache)
    return CompiledModule(tuple(functions), call, path, thread_count(options.threads))


def build(
    graph: Graph,
    layouts: Sequence[str] = (),
    name: str = "graph",
    stages: dict[str, float] | None = None,
    options: Options | None = None,
) -> Executable:
    """Compile `graph`.

    Args:
        graph: what to compute.
        layouts: for each input ``"C"`` (contiguous), ``"F"`` (its transpose is, and is what the
            graph takes: `graphc.simplify.turn`), or ``"strided"``; all contiguous by default.
        name: what the generated file is called.
        stages: gains the seconds that each pass takes.
        options: how; the defaults of `graphc.compile` where None.

    With ``GRAPHC_DEBUG=2`` what each stage made is written to standard error.

    Raises:
        UnsupportedError: an op can't be compiled, with the user's line.
    """
    chosen = options or Options()
    times: dict[str, float] = {} if stages is None else stages

    def timed(stage: str, action: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = action()
        times[stage] = times.get(stage, 0.0) + time.perf_counter() - start
        return result

    strided = frozenset(k for k, kind in enumerate(layouts) if kind == "strided")
    fused: Fused = timed("fuse", lambda: fuse(graph, strided))
    if chosen.optimize == "full":
        fused = timed("tune", lambda: _tuned(fused, chosen))
    fused = timed("layout", lambda: layout(fused))
    show(f"{name}: fused", fused, format_fused)
    lowered: Lowered = timed("lower", lambda: lower(fused))
    show(f"{name}: kernels", lowered.steps, format_steps)
    plan: MemoryPlan = timed("memory", lambda: plan_memory(lowered))
    show(f"{name}: memory", plan)
    module: Module = timed("emit", lambda: emit(plan, name, chosen.precision))
    compiled = timed("compile", lambda: compile_module(module, name, chosen))
    turned = frozenset(k for k, kind in enumerate(layouts) if kind == "F")
    return Executable(graph, plan, module, compiled, times, turned)


def _planned(graph: Graph, layouts: Sequence[str]) -> MemoryPlan:
    """The memory plan of `graph`, which is not compiled."""
    strided = frozenset(k for k, kind in enumerate(layouts) if kind == "strided")
    return plan_memory(lower(layout(fuse(graph, strided))))


def planned_bytes(graph: Graph, layouts: Sequence[str], sizes: Mapping[str, int]) -> int:
    """The bytes of scratch memory that a call of `graph` would need, without compiling it."""
    return evaluate_size(_planned(graph, layouts).arena, sizes)


def made_in_place(graph: Graph, layouts: Sequence[str]) -> list[int]:
    """The outputs that are made where the input lies that they replace: no copy is needed."""
    plan = _planned(graph, layouts)
    return [
        k
        for k, key in plan.lowered.outputs.items()
        if (target := graph.written[k]) is not None and plan.places[key] == Place("input", target)
    ]


def _tuned(fused: Fused, options: Options) -> Fused:
    """`fused` with the products that BLAS computes faster named."""
    cores = core_count()
    plain = replace(options, optimize="default", threads=cores)

    def one(graph: Graph, library: bool) -> Executable:
        alone = fuse(graph, frozenset())
        products = [unit for unit in alone.units if isinstance(unit, Node)]
        alone = replace(alone, library=dict.fromkeys(products, library))
        plan = plan_memory(lower(alone))
        module = emit(plan, "product")
        return Executable(graph, plan, module, compile_module(module, "product", plain), {})

    return replace(fused, library=library_products(fused, one, cores, options.cache))
