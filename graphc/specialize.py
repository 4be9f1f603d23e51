"""Specialisations: the compiled forms of one function, and the choice among them at each call."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType
from typing import Any

import numpy as np

from graphc import config, pipeline
from graphc.debug import check_finite, verify_outputs
from graphc.errors import Location, MemoryLimitError
from graphc.options import Options
from graphc.specialize_text import describe_change, describe_form
from graphc.threads import after_fork, held_while_forking
from graphc.trace.call_code import MISS, CallCode, compile_call, declined
from graphc.trace.capture import Policy
from graphc.trace.context import UNUSUAL, Respecialize, user_location
from graphc.trace.program import Program, trace_program
from graphc.trace.sharing import Block, overlapping, shared_blocks

MANY = 8

LONG = 500
"""Operations of a loop that ran while tracing from which on a warning says so: they take a second
to compile, and each further thousand another half."""

SEGMENTS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32)
"""In how many segments a gradient is recomputed, tried in this order to keep a memory limit."""


class _Mode(threading.local):
    """Whether this thread runs compiled functions as plain NumPy."""

    eager: bool = config.disabled()


_mode = _Mode()
if _mode.eager:
    UNUSUAL.append("GRAPHC_DISABLE")


def is_eager() -> bool:
    """Whether compiled functions run as plain NumPy now."""
    return _mode.eager


@contextmanager
def eager(enabled: bool = True) -> Iterator[None]:
    """Within the block nothing is compiled: decorated functions run as plain NumPy.

    Transformations such as `graphc.grad` work on tracers that carry their values, so ``print``,
    ``pdb``, ``float()`` and ``if`` work. ``GRAPHC_DISABLE=1`` does the same for a whole process.

    >>> import numpy as np, graphc
    >>> with graphc.eager():
    ...     float(graphc.grad(lambda x: x * x if x > 0 else -x)(3.0))
    6.0
    """
    before = _mode.eager
    block = object()
    _mode.eager = enabled
    UNUSUAL.append(block)
    try:
        yield
    finally:
        UNUSUAL.remove(block)
        _mode.eager = before


@dataclass(slots=True, eq=False)
class Specialization:
    """One compiled form of a function: for some types, layouts and static values."""

    program: Program
    executable: Any
    stages: dict[str, float]
    options: Options
    name: str
    call: CallCode = field(init=False)
    caller: Any = field(init=False)

    def __post_init__(self) -> None:
        # A written array beside strided ones may overlap in ways that the native check can't see.
        program, executable = self.program, self.executable
        strided = bool(program.written) and {"strided", "packed"} & {*program.layouts}
        checked = bool(strided) or self.options.verify or self.options.debug is not None
        self.caller = None
        if not checked and "packed" not in program.layouts:
            self.caller = executable.caller(program.passed, program.kinds, tuple(program.symbolic))
        native = declined if self.caller is None else self.caller.call
        run = self._checked_run if checked else self._run
        self.call = compile_call(
            program.source, program.constants, self.name, run, native, executable.fail
        )

    def _run(self, arrays: tuple[Any, ...], sizes: dict[str, int], miss: Any) -> Any:
        """The graph's outputs for a call that the native caller did not take.

        It takes the next one with these sizes.
        """
        outputs = self.executable.run(arrays, sizes, miss)
        if outputs is not miss and self.caller is not None:
            self.caller.remember(arrays, sizes)
        return outputs

    def fits(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
        """Whether a call would run this form."""
        found = self.program.inputs_of(fn, args, kwargs)
        return found is not MISS and not overlapping(found[0], self.program.written)

    def _checked_run(self, arrays: tuple[Any, ...], sizes: dict[str, int], miss: Any) -> Any:
        """The graph's outputs, or `miss` where an array that is written overlaps another."""
        program = self.program
        if overlapping(arrays, program.written):
            return miss
        if self.options.debug == "nan":
            check_finite(program.graph, arrays, sizes)
        if self.options.verify:
            return verify_outputs(program.graph, self.executable, arrays, sizes)
        return self.executable.run(arrays, sizes)

    def __repr__(self) -> str:
        return f"Specialization({describe_form(self.program)})"


@dataclass(slots=True, eq=False)
class Specializations:
    """All compiled forms of one function under one set of options.

    `known`: how many of them there are before a size that is another becomes symbolic.
    """

    name: str
    options: Options
    entries: list[Specialization] = field(default_factory=list)
    known: int = 1
    lock: Any = field(default_factory=threading.RLock)
    pinned: set[tuple[str, int | None]] = field(default_factory=set)
    warned: bool = False
    warned_of: set[Location] = field(default_factory=set)

    def call(
        self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any], names: Sequence[str]
    ) -> Any:
        """Run the form that fits the call; make it first if there is none."""
        for entry in self.entries:
            result = entry.call(fn, args, kwargs)
            if result is not MISS:
                return result
        entry = self.find(fn, args, kwargs, names)
        result = entry.call(fn, args, kwargs)
        if result is MISS:
            raise AssertionError(
                f"the new specialisation of {self.name} does not fit the call it was made for:\n"
                f"{entry.program.source}"
            )
        return result

    def find(
        self,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        names: Sequence[str],
        axes: Mapping[int, tuple[int | str, ...]] | None = None,
    ) -> Specialization:
        """The form for a call: an existing one, or a new one, traced, compiled, put in front.

        Args:
            axes: names of the axes of arrays that stand for a `spec`, by the arrays' ids.
        """
        with self.lock:
            if axes is None:
                for entry in self.entries:
                    if entry.fits(fn, args, kwargs):
                        return entry
            entry = self._make(fn, args, kwargs, names, axes or {})
            if axes is None:
                self.adopt(entry)
            return entry

    def adopt(self, entry: Specialization) -> None:
        """Put a form in front of the others."""
        with self.lock:
            if entry not in self.entries:
                self._warn(entry)
                self.entries.insert(0, entry)

    def _make(
        self,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        names: Sequence[str],
        axes: Mapping[int, tuple[int | str, ...]],
    ) -> Specialization:
        started = time.perf_counter()
        program = self._fitting(fn, args, kwargs, names, axes)
        if program.donated:
            program.keep_donated(pipeline.made_in_place(program.graph, program.layouts))
        self._warn_of_long_loops(program)
        stages = {"trace": time.perf_counter() - started}
        executable = pipeline.compile_graph(
            program.graph, program.layouts, self.name, self.options, stages
        )
        started = time.perf_counter()
        entry = Specialization(program, executable, stages, self.options, self.name)
        stages["call code"] = time.perf_counter() - started
        return entry

    def _fitting(
        self,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        names: Sequence[str],
        axes: Mapping[int, tuple[int | str, ...]],
    ) -> Program:
        """The program for a call that recomputes as little as ``memory_limit`` allows.

        Raises:
            MemoryLimitError: it is too small, however much is recomputed.
        """
        limit = self.options.memory_limit
        if limit is None:
            return self.trace(fn, args, kwargs, names, axes)
        found: dict[int, int] = {}
        for segments in SEGMENTS:
            program = self.trace(fn, args, kwargs, names, axes, segments)
            needed = pipeline.planned_bytes(program.graph, program.layouts, program.symbolic)
            if needed <= limit:
                return program
            found[segments] = needed
        least = min(found.values())
        raise MemoryLimitError(
            f"memory_limit={limit} can't be kept: a call of {self.name} needs {found[1]} bytes of "
            f"scratch memory, and {least} where its gradients recompute the most that pays",
            hint=f"Give memory_limit={least}, smaller arguments, or graphc.checkpoint where the "
            "memory goes.",
        )

    def trace(
        self,
        fn: Any,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        names: Sequence[str],
        axes: Mapping[int, tuple[int | str, ...]],
        segments: int = 1,
    ) -> Program:
        """The program for a call: sizes that vary symbolic, arguments that share memory joined."""
        chosen = self._varying(fn, args, kwargs)
        blocks: list[Block] = []
        while True:
            donate = self.options.donate
            policy = Policy(chosen, dict(axes), segments=segments, donate=donate)
            try:
                program = trace_program(fn, args, kwargs, policy, blocks, names)
            except Respecialize as request:
                stuck = {key for key, name in chosen.items() if name in request.names}
                if request.lasting:
                    self.pinned |= stuck
                chosen = {key: name for key, name in chosen.items() if key not in stuck}
                axes = _without(axes, request.names)
                continue
            found = _shared(program)
            if not found:
                return program
            blocks += found

    def _varying(
        self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[tuple[str, int | None], str]:
        """Names for the sizes that differ from those of the form used last.

        None under a memory limit: what fits is known for numbers only.
        """
        if len(self.entries) < self.known or self.options.memory_limit is not None:
            return {}
        last = self.entries[0].program
        now = measured(last, fn, args, kwargs)
        if now is None:
            return {}
        names: dict[int, str] = {}
        chosen: dict[tuple[str, int | None], str] = {}
        symbolic = set(last.symbols)
        for key, size in last.sizes.items():
            if key in self.pinned or (now[key] == size and key not in symbolic):
                continue
            chosen[key] = names.setdefault(now[key], f"n{len(names)}")
        return chosen

    def _warn(self, entry: Specialization) -> None:
        if self.warned or len(self.entries) < MANY:
            return
        self.warned = True
        detail = describe_change(self.entries[0].program, entry.program)
        message = (
            f"{self.name} has been compiled {len(self.entries) + 1} times. What changed last: "
            f"{detail}. Pass what varies as an array or a float, or name axes with graphc.spec."
        )
        location = user_location()
        if location is None:
            warnings.warn(message, RuntimeWarning, stacklevel=2)
        else:
            warnings.warn_explicit(message, RuntimeWarning, location.file, location.line)

    def _warn_of_long_loops(self, program: Program) -> None:
        """Warn, at its line, of a Python loop that made many operations while tracing."""
        for loop in program.unrolled:
            if loop.operations < LONG or loop.location in self.warned_of:
                continue
            self.warned_of.add(loop.location)
            warnings.warn_explicit(
                f"this loop ran while tracing and came to {loop.operations} operations, which take "
                f"long to compile. It is not kept as a loop, because: {loop.reason}. Choose in it "
                "with np.where or graphc.cond, split it into two nested loops, or write it with "
                "graphc.fori_loop.",
                RuntimeWarning,
                loop.location.file,
                loop.location.line,
            )


def _without(
    axes: Mapping[int, tuple[int | str, ...]], names: frozenset[str]
) -> dict[int, tuple[int | str, ...]]:
    """`axes` where the sizes called `names` are static after all (-1: as the array has it)."""
    return {
        key: tuple(-1 if size in names else size for size in shape) for key, shape in axes.items()
    }


def measured(
    program: Program, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[tuple[str, int | None], int] | None:
    """The sizes of a call at the sources of `program`; None if it has another structure."""
    try:
        return program.measure(fn, args, kwargs)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        return None


def _shared(program: Program) -> list[Block]:
    """The groups of the program's input arrays that share memory where one is written."""
    numbers = [k for k, item in enumerate(program.inputs) if item.kind == "array"]
    written = [place for place, k in enumerate(numbers) if k in program.written]
    return shared_blocks([program.inputs[k].original for k in numbers], written)


def run_eagerly(fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Call `fn` on tracers that carry their values; nothing is compiled."""
    program = trace_program(fn, args, kwargs, Policy(), eager=True)

    def run(arrays: tuple[Any, ...], sizes: dict[str, int], miss: Any) -> list[Any]:
        outputs: list[Any] = []
        for value, target in zip(program.outputs, program.graph.written, strict=True):
            result = np.array(program.trace.concrete(value))
            if target is not None:
                arrays[target][...] = result
                result = arrays[target]
            outputs.append(result)
        return outputs

    return compile_call(program.source, program.constants, "eager", run)(fn, args, kwargs)


# --- which functions share their specialisations --------------------------------------------------

_registry: dict[Any, Specializations] = {}
_registry_lock = threading.Lock()
held_while_forking(_registry_lock)


@after_fork
def _renew_locks() -> None:
    """The threads that made forms, and held these locks, are not in the child of a fork."""
    for forms in _registry.values():
        forms.lock = threading.RLock()


def fingerprint(fn: Any) -> Any:
    """What decides the compiled code of a callable: its code, not the object made from it."""
    if isinstance(fn, FunctionType):
        return (fn.__code__, fn.__module__)
    if isinstance(fn, MethodType):
        return ("method", fingerprint(fn.__func__))
    if isinstance(fn, partial):
        return ("partial", fingerprint(fn.func), len(fn.args), tuple(fn.keywords))
    own: Callable[[], Any] | None = getattr(fn, "__graphc_fingerprint__", None)
    if own is not None:
        return own()
    return ("object", _Identity(fn))


@dataclass(frozen=True, slots=True, eq=False)
class _Identity:
    """A key that is equal for the same object only, and keeps it alive."""

    target: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.target is other.target

    def __hash__(self) -> int:
        return id(self.target)


def specializations_of(
    fn: Any, name: str, options: Options, *, many: bool = False
) -> Specializations:
    """The compiled forms of `fn`, shared by all functions with its code.

    With `many`, as of a function whose arguments are shapes, nobody is warned how many there are.
    """
    key = (fingerprint(fn), options)
    with _registry_lock:
        if key not in _registry:
            _registry[key] = Specializations(name, options)
            _registry[key].warned = many
        return _registry[key]
