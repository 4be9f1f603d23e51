"""What is called: an `Executable` holds native code for one graph, its memory and its errors.

This module imports neither Numba nor SciPy: `graphc.objects` does where something must be compiled.
"""

from __future__ import annotations

import ctypes
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from graphc.codegen.source.module import Launched, Module
from graphc.codegen.tiles import blas
from graphc.codegen.words.step_layout import (
    INTERRUPTED,
    LAUNCH,
    OVERLAP,
    PRINT_FAILED,
    RECORD_WORDS,
)
from graphc.errors import GraphcError, OutOfBoundsError
from graphc.ir import Graph, Node
from graphc.loops import Kernel, Site
from graphc.lower import Lowered
from graphc.lower.apart import Apart, neighbours_apart
from graphc.memory import MemoryPlan
from graphc.runtime import blocks, pool, signals
from graphc.runtime.caller import Caller, make_caller
from graphc.trace.inputs import Passed
from graphc.types import TensorType, evaluate_size, symbols

HEADER = 8 * RECORD_WORDS
"""Bytes before the arena: the error record."""

MOST_PLANS = 1024
"""Plans that are kept; then all are made anew as they are needed."""

_STEP = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)


@dataclass(frozen=True, slots=True)
class CompiledModule:
    """The native code of a generated module.

    Attributes:
        functions: addresses of its kernels, then of the steps of its loops.
        step: the address of the step: ``int32 step(table, constants, sizes)``.
        path: the file of its source.
        threads: how many run a kernel's chunks at most.
    """

    functions: tuple[int, ...]
    step: int
    path: Path
    threads: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a call needs for one set of sizes: computed once, then only read.

    Attributes:
        sizes: the step's int64 array.
        arena: bytes of scratch memory.
        shapes: the shape of each output that is made anew (None: no array, or an argument).
        nbytes: the bytes of each.
    """

    sizes: np.ndarray
    sizes_address: int
    arena: int
    shapes: tuple[tuple[int, ...] | None, ...]
    nbytes: tuple[int, ...]


class Executable:
    """Native code for one graph. Threads may call it at once; see `build`.

    Attributes:
        graph: what it computes.
        source: the generated module.
        path: the file that the module was written to.
        kernels: (function name, kernel) of each launch, in order.
        stages: seconds that each pass took.
        turned: numbers of the inputs of which the graph takes the transpose.
        native_calls: native calls a run makes.
    """

    native_calls = 1

    def __init__(
        self,
        graph: Graph,
        plan: MemoryPlan,
        module: Module,
        compiled: CompiledModule,
        stages: dict[str, float],
        turned: frozenset[int] = frozenset(),
    ) -> None:
        self.graph = graph
        self.memory = plan
        self.module = module
        self.source = module.source
        self.path = compiled.path
        self.stages = stages
        self.turned = turned
        self.compiled = compiled
        self.step = compiled.step
        self._run = _STEP(compiled.step)
        self._strided = sorted(plan.lowered.fused.strided)
        self._symbols = self._find_symbols()
        self._plans: dict[Any, Plan] = {}
        self._written = graph.written
        self._raised: deque[BaseException] = deque()
        self._keep: list[Any] = []
        self._constants = self._make_constants()
        self.constants_address = self._constants.ctypes.data
        self._blank = np.zeros((), np.uint8)
        self._input_types = [
            value.type.dtype if isinstance(value.type, TensorType) else None
            for value in graph.inputs
        ]
        self._output_types = [
            value.type.dtype if isinstance(value.type, TensorType) else None
            for value in graph.outputs
        ]

    @property
    def kernels(self) -> tuple[tuple[str, Kernel], ...]:
        return tuple(self.module.records)

    @property
    def apart(self) -> tuple[Apart, ...]:
        """Neighbours that different kernels compute, and why."""
        return neighbours_apart(self.lowered)

    @property
    def has_loops(self) -> bool:
        """Whether the graph has loops, or calls back: how long a step takes is not known."""
        return bool(self.module.prints) or len(self.module.steps) > 1

    @property
    def lowered(self) -> Lowered:
        return self.memory.lowered

    def _find_symbols(self) -> list[str]:
        found: set[str] = set()
        for size in [*self.module.sizes, self.memory.arena]:
            found |= symbols(size)
        for value in self.graph.outputs:
            if isinstance(value.type, TensorType):
                for size in value.shape:
                    found |= symbols(size)
        return sorted(name for name in found if not name.startswith("stride"))

    def _make_constants(self) -> np.ndarray:
        """The table of kernels, constant arrays and native functions."""
        addresses = list(self.compiled.functions)
        for value in self.module.arrays:
            node = value.node
            array = np.frombuffer(node["data"], node["dtype"]).copy()
            self._keep.append(array)
            addresses.append(array.ctypes.data)
        for name in self.module.functions:
            addresses.append(self._function(name))
        return np.array(addresses or [0], np.uintp)

    def _function(self, name: str) -> int:
        if name == "print":
            callback = _PRINT(self._print)
            self._keep.append(callback)
            return ctypes.cast(callback, ctypes.c_void_p).value or 0
        if name == "poll":
            return signals.poll_address()
        if name == "signals":
            return signals.signals_address()
        if name == "launcher":
            return pool.run_address()
        if name == "pool":
            return pool.pool_address()
        if name == "threads":
            return self.compiled.threads
        return blas.routine(name)

    # --- sizes ---

    def prepare(self, sizes: Mapping[str, int], strides: tuple[int, ...] = ()) -> Plan:
        """The plan for symbolic `sizes` (and, where inputs are strided, their strides)."""
        key = (tuple(sizes.get(name) for name in self._symbols), strides)
        found = self._plans.get(key)
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans = {}
            found = self._plans[key] = self._plan(sizes, strides)
        return found

    def plan_for(self, arrays: Sequence[Any], sizes: Mapping[str, int]) -> Plan:
        """The plan for a call with these inputs."""
        strides = tuple(
            step // arrays[number].itemsize
            for number in self._strided
            for step in arrays[number].strides
        )
        return self.prepare(sizes, strides)

    def _plan(self, sizes: Mapping[str, int], strides: tuple[int, ...]) -> Plan:
        known = dict(sizes)
        flat = iter(strides)
        for number in self._strided:
            value = self.graph.inputs[number]
            for axis in range(value.ndim):
                known[f"stride{number}_{axis}"] = next(flat)
        values = [evaluate_size(size, known) for size in self.module.sizes]
        array = np.array(values or [0], np.int64)
        shapes = tuple(
            tuple(evaluate_size(size, known) for size in value.shape)
            if isinstance(value.type, TensorType) and target is None
            else None
            for value, target in zip(self.graph.outputs, self._written, strict=True)
        )
        arena = evaluate_size(self.memory.arena, known)
        nbytes = tuple(
            0 if shape is None or dtype is None else math.prod(shape) * dtype.itemsize
            for shape, dtype in zip(shapes, self._output_types, strict=True)
        )
        return Plan(array, array.ctypes.data, arena, shapes, nbytes)

    def arena_bytes(self, sizes: Mapping[str, int] | None = None) -> int:
        """Bytes of scratch memory that one call uses."""
        return evaluate_size(self.memory.arena, sizes or {})

    # --- calls ---

    def caller(
        self, passed: Sequence[Passed], kinds: Sequence[str], sizes: Sequence[str]
    ) -> Caller | None:
        """The native caller of a form of this graph; None where calls take the Python path.

        Args:
            passed: what a call hands over; the graph's inputs first.
            kinds: what each output becomes: ``array``, ``scalar`` or ``number``.
            sizes: the names of the symbolic sizes.
        """
        return make_caller(self, passed, kinds, sizes)

    def run(
        self,
        arrays: Sequence[Any],
        sizes: Mapping[str, int] | None = None,
        overlap: Any = None,
        step: Callable[[int, int, int], int] | None = None,
    ) -> Any:
        """The outputs for `arrays`, one for each input of the graph; None for tokens.

        An output that replaces input j is written into ``arrays[j]`` and is that array.

        Args:
            overlap: what to return, with nothing run, where an array that is written overlaps
                another; None: run on copies and write afterwards.
            step: what to run in place of the native step.

        Raises:
            OutOfBoundsError: an index outside its axis, with the user's line.
        """
        inputs = list(arrays)
        apart: list[int] = []
        for number, array in enumerate(arrays):
            if number in self.turned:
                array = inputs[number] = array.T
            if array is None:
                inputs[number] = self._blank
            elif not isinstance(array, np.ndarray):
                inputs[number] = np.asarray(array, self._input_types[number])
            elif not array.flags.c_contiguous and number not in self._strided:
                inputs[number] = np.ascontiguousarray(array).reshape(array.shape)
                apart.append(number)
        plan = self.plan_for(inputs, sizes or {})
        outputs = self._call(plan, inputs, step or self._run)
        if outputs is None:
            if overlap is not None:
                return overlap
            outputs = self._call_on_copies(inputs, sizes or {})
        for number, target in enumerate(self._written):
            if target is not None and target in apart:
                np.copyto(arrays[target], inputs[target])
                outputs[number] = arrays[target]
        return outputs

    def _call(
        self, plan: Plan, inputs: list[np.ndarray], step: Callable[[int, int, int], int]
    ) -> list[Any] | None:
        """The outputs, or None where an input that is written overlaps another."""
        outputs: list[Any] = []
        made: list[np.ndarray] = []
        for shape, dtype, target in zip(
            plan.shapes, self._output_types, self._written, strict=True
        ):
            if shape is not None:
                array = np.empty(shape, dtype)
                outputs.append(array)
                made.append(array)
            else:
                outputs.append(None if target is None else inputs[target])
                made.append(self._blank)
        with blocks.scratch(plan.arena + HEADER) as start:
            pointers = [start + HEADER, start, *(a.ctypes.data for a in [*inputs, *made])]
            table = np.array(pointers, np.uintp)
            status = step(table.ctypes.data, self.constants_address, plan.sizes_address)
            if status == OVERLAP:
                return None
            if status:
                self.fail(status, list((ctypes.c_int64 * RECORD_WORDS).from_address(start)))
        return outputs

    def _call_on_copies(self, inputs: list[np.ndarray], sizes: Mapping[str, int]) -> list[Any]:
        """Overlapping arguments: run on copies, then write to the arguments one after another.

        The copies have strides of their own.
        """
        copies = [np.array(array) for array in inputs]
        outputs = self._call(self.plan_for(copies, sizes), copies, self._run)
        assert outputs is not None
        for number, target in enumerate(self._written):
            if target is not None:
                np.copyto(inputs[target], outputs[number])
                outputs[number] = inputs[target]
        return outputs

    def fail(self, status: int, record: Sequence[int]) -> NoReturn:
        """Raise what a non-zero status, and the words of the error record, mean."""
        number, code = divmod(status, LAUNCH)
        if code == INTERRUPTED:
            signals.raise_fetched()
        if code == PRINT_FAILED and self._raised:
            raise self._raised.pop()
        launched: Launched = self.module.launches[number - 1]
        site: Site | None = launched.site(code - 1)
        if site is None:
            raise GraphcError(f"the native step stopped with status {status}")
        location = launched.graph.location(site.node) if site.node is not None else None
        if site.problem:
            error = site.node.op.error if site.node is not None else None
            raise (error or site.error)(site.problem, location=location)
        index, extent = record[:2]
        raise OutOfBoundsError(
            f"index {index} is out of bounds for an axis of size {extent}", location=location
        )

    def _print(self, number: int, values: Any, extents: Any) -> int:
        """Called by the native step: print, or start the debugger."""
        try:
            node: Node = self.module.prints[number]
            arrays: list[Any] = []
            position = 0
            for k, value in enumerate(node.inputs[:-1]):
                count = value.ndim
                shape = tuple(extents[position + axis] for axis in range(count))
                position += count
                nbytes = int(np.prod(shape, dtype=np.int64)) * value.dtype.itemsize
                data = ctypes.string_at(values[k], nbytes)
                arrays.append(np.frombuffer(data, value.dtype).reshape(shape))
            node.op.evaluate(_NO_DRIVER, node, [*arrays, None])
        except BaseException as error:  # it may not cross the native frame
            self._raised.append(error)
            return 1
        return 0


_NO_DRIVER: Any = None
"""Ops that call back into Python have no regions."""

_PRINT = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_int64, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int64)
)
