"""An exported program as one object file: its kernels, its step and its public functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import numpy as np

from graphc import ops
from graphc.codegen import linked, target
from graphc.codegen.cpu import llvm_text as kernel_text
from graphc.codegen.source.module import Module, write_module
from graphc.codegen.words import compiler, library
from graphc.errors import ExportError
from graphc.exporting.bounds import windows
from graphc.exporting.c.entry import CHECK, TASK, Parts, entry_text, status_of
from graphc.exporting.c.interface import PUBLIC, Interface, interface
from graphc.exporting.program import ExportedProgram
from graphc.fuse.groups import fuse
from graphc.ir import Graph, Node, Value
from graphc.layout import layout
from graphc.lower import lower
from graphc.memory import MemoryPlan, plan_memory
from graphc.objects import module_namespace, write_source
from graphc.rewrite import Rules, rewrite

binding: Any = target.binding
OWN: dict[str, Any] = {"launcher": library.launcher, "poll": library.poll}
"""Functions that a library brings, in place of the process's."""

LEVEL = 3


@dataclass(frozen=True, slots=True)
class Object:
    """The code of a library, and what a program sees of it."""

    data: bytes
    interface: Interface
    source: str


def make_object(
    program: ExportedProgram,
    name: str,
    processor: str = "native",
    link: str = "",
    embed: bool = False,
) -> Object:
    """Compile a program for a processor.

    Args:
        processor: ``native``, or one of `graphc.codegen.target.PROCESSORS`.
        link: ``"lapack"`` where its routines may be called.
        embed: hold the state, which must not be written, in the object.

    Raises:
        ExportError: it prints, writes to what is embedded, or needs LAPACK, which `link` does not
            name.
        UnsupportedError: an op can't be compiled.
    """
    if processor != "native" and processor not in target.PROCESSORS:
        known = ", ".join(["native", *target.PROCESSORS])
        raise ExportError(f"cpu={processor!r} is not known", hint=f"Give one of {known}.")
    embedded = _embedded(program) if embed else {}
    order = [number for number in _order(program) if number not in embedded]
    seen = interface(program, name, order)
    with target.compiling_for(processor):
        graph = rewrite(program.graph, _COMPLEX)
        fused = layout(replace(fuse(graph, frozenset()), blas=False))
        plan = plan_memory(lower(fused))
        module = write_module(plan, name)
        _refuse(module, link)
        text = _whole_text(module, plan, seen, order, program, embedded)
        public = [f"{name}_{one}" for one in PUBLIC]
        return Object(target.library_object(text, public, LEVEL), seen, module.source)


def _order(program: ExportedProgram) -> list[int]:
    """The graph's inputs as they are passed: the arguments' leaves, then the state."""
    leaves = [number for number in program.leaves if number is not None]
    return [*leaves, *program.state]


def _embedded(program: ExportedProgram) -> dict[int, bytes]:
    """The bytes of the state's arrays, by the numbers of the inputs.

    Raises:
        ExportError: one is written.
    """
    names = program.graph.names
    written = [names[k] for k in program.graph.written if k is not None and k in program.state]
    if written:
        raise ExportError(
            f"{program.name} writes to {written[0]} of its state, which can't be embedded",
            hint="Leave embed=True out: the state is then passed by the program.",
        )
    return {k: np.ascontiguousarray(array).tobytes() for k, array in program.state.items()}


def _refuse(module: Module, link: str) -> None:
    """Refuse what a library can't do.

    Raises:
        ExportError: names the operation and the user's line.
    """
    if link not in ("", "lapack"):
        raise ExportError(f"link={link!r} is not known", hint='Give link="lapack", or nothing.')
    for node, graph in _nodes(module):
        if node in module.prints:
            raise ExportError(
                f"{node.op.name} can't be in a C library: it calls back into Python",
                location=graph.location(node),
            )
    routines = [name for name in module.functions if name not in (*OWN, *_PLACES)]
    if not routines or link == "lapack":
        return
    for launched in module.launches:
        called = {b.name for b in launched.kernel.buffers if b.role == "function"}
        if called & set(routines):
            node = launched.kernel.nodes[0]
            raise ExportError(
                f"{node.op.name} calls {', '.join(sorted(called))} of LAPACK",
                location=launched.graph.location(node),
                hint='Give link="lapack", and link the program to LAPACK.',
            )


_PLACES = ("pool", "threads", "signals")


def _nodes(module: Module) -> Iterator[tuple[Node, Graph]]:
    for launched in module.launches:
        for node in launched.kernel.nodes:
            yield node, launched.graph


def _whole_text(
    module: Module,
    plan: MemoryPlan,
    seen: Interface,
    order: list[int],
    program: ExportedProgram,
    embedded: Mapping[int, bytes],
) -> str:
    """LLVM's text of the whole library."""
    namespace = module_namespace(module.source, write_source(module.source, seen.name))
    *bodies, entry = module.steps
    texts: dict[str, str] = {}
    functions = []
    for number, function in enumerate(module.kernels):
        functions.append(f"graphc_kernel_{number}")
        texts[functions[-1]] = kernel_text(namespace[function.name], functions[-1])
    for number, body in enumerate(bodies):
        functions.append(f"graphc_body_{number}")
        maker = linked.llvm_text if body in module.linked else compiler.llvm_text
        texts[functions[-1]] = maker(namespace[body], functions[-1])
    step = "graphc_step"
    texts[step] = compiler.llvm_text(namespace[entry], step)
    named = {}
    for name in module.functions:
        if name in OWN:
            named[name] = f"graphc_library_{name}"
            texts[named[name]] = compiler.llvm_text(OWN[name], named[name])
        elif name not in _PLACES:
            named[name] = f"{name}_"  # as Fortran compilers call it
    plain: dict[str, Any] = {TASK: library.task, CHECK: library.results_overlap}
    texts |= {symbol: compiler.llvm_text(one, symbol) for symbol, one in plain.items()}
    graph = plan.lowered.fused.graph
    outputs = [len(graph.inputs) + k for k in program.outputs]
    parts = Parts(
        module=module,
        step=step,
        slots=len(graph.inputs) + len(graph.outputs),
        places=[*order, *outputs],
        embedded=embedded,
        functions=functions,
        arrays=module.arrays,
        named=named,
        arena=plan.arena,
        guards=program.guards,
        windows=list(windows(program.graph)),
        relations=program.guard_texts(),
        messages=dict(_messages(module)),
        version=f"{seen.name}, made by graphc {version('graphc')}",
    )
    return _joined(entry_text(seen, parts), texts)


def _joined(entry: str, texts: Mapping[str, str]) -> str:
    """One module of all: what is not called from outside is its own."""
    whole = binding.parse_assembly(entry)
    for symbol, text in texts.items():
        part = binding.parse_assembly(text)
        for function in part.functions:
            if not function.is_declaration and function.name != symbol:
                function.linkage = "internal"
        for variable in part.global_variables:
            if not variable.is_declaration:
                variable.linkage = "internal"
        whole.link_in(part)
    return str(whole)


def _messages(module: Module) -> Iterator[tuple[int, str]]:
    """What each status of a step means."""
    for number, launched in enumerate(module.launches):
        for problem, site in enumerate(launched.kernel.sites):
            node = site.node
            text = site.problem or "an index is out of bounds"
            place = launched.graph.location(node) if node is not None else None
            if place is not None:
                text += f" ({place.short})"
            yield status_of(number, problem), text


# --- products of complex numbers ------------------------------------------------------------------


def _complex_product(node: Node) -> Value | None:
    """A product of complex matrices as a sum: BLAS is not there."""
    a, b = node.inputs
    if a.dtype.kind != "c":
        return None
    *batch, rows, inner = a.shape
    columns = b.shape[-1]
    shape = (*batch, rows, inner, columns)
    left = ops.broadcast_to(ops.reshape(a, (*batch, rows, inner, 1)), shape)
    right = ops.broadcast_to(ops.reshape(b, (*batch, 1, inner, columns)), shape)
    return ops.sum_(ops.multiply(left, right), (len(batch) + 1,))


_COMPLEX = Rules((("matmul", _complex_product),))
