"""A Python function as a graph, with the call code that feeds it and delivers its results.

    Program := graph, inputs, call source

The call code is generated Python: it fetches what the function read, checks the guards (and returns
``MISS`` when one fails, before anything has happened), runs the graph, and builds the result: new
arrays, views of the caller's arrays, scalars, numbers, containers, attributes that were assigned.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphc.errors import GraphcError, Location, TraceError
from graphc.ir import INPUT, Graph, Value, close, topological
from graphc.trace.call_code import MISS, evaluate, guarded
from graphc.trace.capture import Capture, Policy
from graphc.trace.containers import stores
from graphc.trace.context import Respecialize, SizeGuard, Trace, tracing
from graphc.trace.donation import donations
from graphc.trace.inputs import Input, Passed, all_passed
from graphc.trace.kinds import has_identity
from graphc.trace.objects import ObjectProxy, attribute_stores
from graphc.trace.python_loop import Retrace, UnrolledLoop, blamed, unrolled_loops
from graphc.trace.rebinding import ABSENT, check_rebinding
from graphc.trace.results import container_expression
from graphc.trace.sharing import Block
from graphc.trace.sizes import TracedSize
from graphc.trace.sources import readable
from graphc.trace.substitute import original
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar, is_traced
from graphc.trace.views import PickStep, WindowStep


@dataclass(slots=True, eq=False)
class Program:
    """A traced function: its graph, what feeds it, and the source of its call code.

    Attributes:
        graph: closed; inputs in the order of `inputs`.
        inputs: the graph's inputs; a trailing token input has none.
        layouts: of each input: ``C``, ``F`` (Fortran), ``strided``, ``packed`` (copied for a call).
        constants: the objects that the call code names ``k[...]``.
        source: of the function ``call(fn, args, kwargs)``.
        passed: what the native caller is given.
        kinds: what each output becomes: ``array``, ``scalar`` (NumPy's), ``number`` (Python's).
        stores: statements that put back what was assigned: entries, attributes, globals.
        sizes: the integers met (axes and Python ints), by source, which may become symbolic.
        symbolic: the names of symbolic sizes, with their values in the traced call.
        guards: relations between sizes.
        unrolled: Python loops that ran while tracing.
        donated: positions of the outputs that are made in the storage of a donated argument.
        trace: the tracing (in eager mode it holds the values).
    """

    graph: Graph
    inputs: list[Input]
    layouts: tuple[str, ...]
    constants: list[Any]
    source: str
    sizes: dict[tuple[str, int | None], int]
    symbolic: dict[str, int]
    guards: list[SizeGuard]
    unrolled: list[UnrolledLoop]
    donated: tuple[int, ...]
    trace: Trace
    outputs: list[Value]
    symbols: dict[tuple[str, int | None], str]
    fetches: list[str]
    conditions: list[str]
    arguments: str
    labels: dict[str, str]
    passed: list[Passed]
    kinds: list[str]
    stores: list[str]

    @property
    def written(self) -> tuple[int, ...]:
        """Positions in `inputs` of arrays that are written."""
        return tuple(target for target in self.graph.written if target is not None)

    def keep_donated(self, kept: Collection[int]) -> None:
        """Make the donated outputs that are not in `kept` as new arrays."""
        targets = [
            None if k in self.donated and k not in kept else target
            for k, target in enumerate(self.graph.written)
        ]
        self.graph = dataclasses.replace(self.graph, written=tuple(targets))
        self.donated = tuple(k for k in self.donated if k in kept)

    def described_guards(self) -> list[str]:
        """What a call must fulfil to run this program, in the user's names."""
        lines = [line for line in self.conditions if line.startswith("if not ")]
        return [self._described(line[len("if not (") : -len("): return MISS")]) for line in lines]

    def _described(self, guard: str) -> str:
        named = re.sub(r"\bv\d+\b", lambda found: self.labels.get(found[0], found[0]), guard)
        return re.sub(r"\bk\[(\d+)\]", lambda found: repr(self.constants[int(found[1])]), named)

    def inputs_of(self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The graph's input arrays and sizes for a call, or MISS where a guard fails."""
        sizes = ", ".join(f"{name!r}: {name}" for name in self.symbolic)
        lines = [*self.conditions, f"return ({self.arguments}), {{{sizes}}}"]
        return evaluate("fits", lines, self.constants, fn, args, kwargs)

    def measure(
        self, fn: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> dict[tuple[str, int | None], int] | None:
        """The sizes of a call at the sources in `sizes`; None where it has another structure."""
        keys = list(self.sizes)
        values = ", ".join(
            source if axis is None else f"{source}.shape[{axis}]" for source, axis in keys
        )
        ranks: dict[str, int] = {}
        for source, axis in keys:
            ranks[source] = max(ranks.get(source, -1), -1 if axis is None else axis)
        checks = [
            f"if type({source}) is not int: return None"
            if rank < 0
            else f"if {source}.ndim != {rank + 1}: return None"
            for source, rank in ranks.items()
        ]
        lines = [*self.fetches, *checks, f"return ({values}{',' if keys else ''})"]
        found = evaluate("measure", lines, self.constants, fn, args, kwargs)
        return None if found is None or found is MISS else dict(zip(keys, found, strict=True))


def trace_program(
    fn: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    policy: Policy,
    blocks: Sequence[Block] = (),
    names: Sequence[str] = (),
    eager: bool = False,
) -> Program:
    """Trace ``fn(*args, **kwargs)``.

    Args:
        names: the parameters' names, for error messages.
        eager: tracers carry their values, so that a branch on one works.

    Raises:
        Respecialize: a symbolic size must be static.
        GraphcError: what can't be traced.
    """
    while True:
        found = _trace_once(fn, args, kwargs, policy, blocks, names, eager)
        if found is not None:
            return found


def _trace_once(
    fn: Any,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    policy: Policy,
    blocks: Sequence[Block],
    names: Sequence[str],
    eager: bool,
) -> Program | None:
    """The program, or None where a Python loop asks for another tracing."""
    trace = Trace(values={} if eager else None)
    with tracing(trace):
        capture = Capture(trace, policy, list(blocks))
        trace.capture = capture
        function = capture.wrap(fn, "fn")
        capture.require(f"len(args) == {len(args)}")
        wrapped = [
            capture.wrap(arg, f"args[{k}]", f"argument {names[k]!r}" if k < len(names) else "")
            for k, arg in enumerate(args)
        ]
        named = {}
        if kwargs:
            capture.require(f"tuple(kwargs) == {capture.constant(tuple(kwargs))}")
            named = {
                key: capture.wrap(item, f"kwargs[{key!r}]", f"argument {key!r}")
                for key, item in kwargs.items()
            }
        else:
            capture.require("not kwargs")
        try:
            result = function(*wrapped, **named)
        except Retrace:
            return None
        except Respecialize:
            raise
        except Exception as error:
            if not trace.open_loops:
                raise
            blamed(trace.open_loops, trace.kept_loops).give_up(str(error).split("\n")[0])
            return None
        if trace.refusals and not trace.is_void:
            _give_up_swallowed(trace)
            return None
        if trace.open_loops:
            blamed(trace.open_loops, trace.kept_loops).give_up("it is left by break or return")
        if trace.open_loops or trace.is_void:
            return None
        try:
            return _Builder(trace, capture, names).build(result)
        except GraphcError as error:
            raise _located_at(error, fn) from None


def _give_up_swallowed(trace: Trace) -> None:
    """Raise the first refusal that user code has caught, or give up the loop it was raised in.

    Uncompiled there would have been no error, so what came after it is another way.
    """
    first = trace.refusals[0]
    if not isinstance(first.error, GraphcError):
        raise first.error
    if first.open_loops:
        blamed(list(first.open_loops), trace.kept_loops).give_up(first.error.message)
        return
    first.error.hint += (
        " An `except` around it has caught this error, which would have compiled another way than "
        "uncompiled code goes."
    )
    raise first.error


def _refuse_leaks(outputs: Sequence[Value], inputs: Sequence[Input]) -> None:
    """Raise TraceError if a result reads what exists only inside a vmap, scan or the like."""
    known = {item.value.node for item in inputs}
    if any(node.op is INPUT and node not in known for node in topological(outputs)):
        raise TraceError(
            "a value of one step or example is kept outside the function that was given it (in "
            "an attribute, a list, a global or a nonlocal), in a scan, vmap or the like",
            hint="Return it from that function instead, or carry it.",
        )


def _located_at(error: GraphcError, fn: Any) -> GraphcError:
    """`error` with the line of the function's definition, if it has none."""
    code = getattr(fn, "__code__", None)
    if error.location is None and code is not None:
        error.location = Location(code.co_filename, code.co_firstlineno, function=code.co_qualname)
    return error


class _Builder:
    """Writes the call code for one tracing."""

    def __init__(self, trace: Trace, capture: Capture, names: Sequence[str]) -> None:
        self.trace = trace
        self.names = names
        self.capture = capture
        self.outputs: list[Value] = []
        self.positions: dict[tuple[Value, str], int] = {}
        self.kinds: dict[int, str] = {}
        self.storages: dict[int, int] = {}
        self.delivery: list[str] = []
        self.memo: dict[int, tuple[Any, str]] = {}
        self.written: list[int | None] = []
        self.handed: list[str] = []

    def build(self, result: Any) -> Program:
        inputs = self.capture.inputs
        for position, item in enumerate(inputs):
            if item.storage is not None and item.storage.value != item.value:
                self.outputs.append(item.storage.value)
                self.written.append(position)
        stores = self._stores()
        delivered = self._deliver(result)
        self.written += [None] * (len(self.outputs) - len(self.written))
        arrays = {
            number: value
            for number, value in enumerate(self.outputs)
            if self.written[number] is None and self.kinds.get(number, "array") == "array"
        }
        donated = donations(self.capture, self.names, arrays, {*self.written}, self.handed)
        for number, place in donated.items():
            self.written[number] = place
        if self.trace.token is not None:
            self.outputs.append(self.trace.token)
            self.written.append(None)
        keep = self._needed()
        _refuse_leaks(self.outputs, inputs)
        graph = close(
            [inputs[k].value for k in keep],
            self.outputs,
            written=[None if w is None else keep.index(w) for w in self.written],
            names=[self._readable(inputs[k].source) for k in keep],
            notes=self.trace.notes,
        )
        kept = [inputs[k] for k in keep]
        for number, item in enumerate(kept):
            # The guard on the pattern of strides holds for arrays in Fortran order only.
            strided = item.layout == "strided" and number not in graph.written
            if strided and item.original.flags.f_contiguous and item.original.flags.aligned:
                item.layout = "F"
        passed = all_passed(kept, inputs, self.capture.symbols)
        kinds = [self.kinds.get(position, "array") for position in range(len(self.outputs))]
        return Program(
            graph=graph,
            inputs=kept,
            layouts=tuple(item.layout for item in kept),
            constants=self.capture.constants,
            source=self._source(kept, passed, stores, delivered),
            sizes=self.capture.sizes,
            symbolic=dict(self.trace.hints),
            guards=self.trace.guards,
            unrolled=unrolled_loops(self.capture.policy.loops),
            donated=tuple(donated),
            trace=self.trace,
            outputs=self.outputs,
            symbols=self.capture.symbols,
            fetches=[self.capture.statements[k] for k in sorted(self.capture.structural)],
            conditions=self._conditions(),
            arguments=self._arguments(kept),
            labels={name: self._readable(name) for name in self.capture.fetches},
            passed=passed,
            kinds=kinds,
            stores=stores,
        )

    def _needed(self) -> list[int]:
        """Positions of the inputs that an output depends on, is written to, or gives a size."""
        used = set(topological(self.outputs))
        return [
            k
            for k, item in enumerate(self.capture.inputs)
            if item.value.node in used or k in self.written
        ]

    def _readable(self, source: str) -> str:
        cells = {cell.expression: cell.name for cell in self.capture.cells.values()}
        return readable(source, self.capture.fetches, self.names, cells)

    # --- results ---

    def _output(self, value: Value, kind: str = "array") -> str:
        """An expression for an output: an array, a NumPy scalar or a Python number."""
        if (value, kind) not in self.positions:
            self.positions[value, kind] = len(self.outputs)
            self.kinds[len(self.outputs)] = kind
            self.outputs.append(value)
        return f"o[{self.positions[value, kind]}]"

    def _local(self, expression: str) -> str:
        name = f"r{len(self.delivery)}"
        self.delivery.append(f"{name} = {expression}")
        return name

    def _deliver(self, value: Any) -> str:
        """An expression for `value`, a result of the traced function, in the call code."""
        if id(value) in self.memo:
            return self.memo[id(value)][1]
        expression = self._expression(value)
        proxy = issubclass(type(value), ObjectProxy)
        shared = is_traced(value) or proxy or has_identity(value)
        if shared or hasattr(type(value), "__graphc_deliver__"):
            expression = self._local(expression)
            self.memo[id(value)] = (value, expression)
        return expression

    def _expression(self, value: Any) -> str:
        kind = type(value)
        if kind is TracedArray:
            return self._array(value)
        if kind is TracedScalar:
            return self._output(value.value, "scalar")
        if kind is TracedNumber:
            return self._output(value.value, "number")
        if kind is TracedSize:
            return f"resolve({self.capture.constant(value.dim)})"
        if isinstance(value, np.ndarray):
            return f"{self.capture.constant(value)}.copy()"
        if issubclass(kind, ObjectProxy):
            return self._object(value)
        if hasattr(kind, "__graphc_deliver__"):
            return self._deliver(value.__graphc_deliver__())
        held = has_identity(value) or isinstance(value, type)
        source = self.capture.source_of(value) if held else ""
        if source:
            return self._handed(source)
        self.trace.refuse_texts(value)
        made = container_expression(self.capture, value, self._deliver)
        if made:
            return made
        if hasattr(value, "__next__"):
            raise TraceError(
                f"the function returns a {kind.__name__}, whose values exist only while tracing",
                hint="Return a list or a tuple.",
            )
        return self.capture.constant(original(value))

    def _object(self, value: ObjectProxy) -> str:
        """The caller's object, or a new one like it with some attributes of its own."""
        source = value._graphc_source
        if not value._graphc_changed:
            return self._handed(source)
        changes = value.__graphc_changes__().items()
        named = ", ".join(f"{name!r}: {self._deliver(item)}" for name, item in changes)
        return f"like_instance({source}, {{{named}}})"

    def _array(self, value: TracedArray) -> str:
        storage, path = value.storage, value.path
        base = storage.source
        if len(path) == 1 and (id(storage), path[0]) in self.capture.block_sources:
            return self.capture.block_sources[id(storage), path[0]]
        if any(isinstance(step, PickStep | WindowStep) for step in path):
            return self._output(value.value)
        if base is None:
            if id(storage) not in self.storages:
                self.storages[id(storage)] = len(self.outputs)
                self.outputs.append(storage.value)
                self.memo[id(storage)] = (storage, "")
            base = f"o[{self.storages[id(storage)]}]"
        if storage.source is not None:
            self._handed(storage.source)
        if not path:
            return str(base)
        return f"replay({base}, {self.capture.constant(path)}, resolve)"

    def _handed(self, source: Any) -> str:
        """An expression for what the caller holds already."""
        self.handed.append(str(source))
        return str(source)

    def _stores(self) -> list[str]:
        """Statements that put back what traced code assigned: entries, fields, attributes."""
        lines = stores(self.capture, self._deliver)
        for namespace in self.capture.namespaces.values():
            for name, item in namespace.rebound().items():
                old = namespace.original.get(name, ABSENT)
                check_rebinding("global", name, old, item, namespace.codes)
                lines.append(f"{namespace.source}[{name!r}] = {self._deliver(item)}")
        for cell in self.capture.cells.values():
            if cell.copy.cell_contents is not cell.before:
                check_rebinding(
                    "nonlocal", cell.name, cell.before, cell.copy.cell_contents, cell.codes
                )
                lines.append(f"{cell.expression} = {self._deliver(cell.copy.cell_contents)}")
        return lines + attribute_stores(self.capture.objects, self._deliver)

    # --- the call code ---

    def _conditions(self, chosen: Sequence[int] | None = None) -> list[str]:
        """The statements that fetch and guard, or those `chosen`; then sizes and their guards."""
        statements = self.capture.statements
        lines = list(statements) if chosen is None else [statements[k] for k in chosen]
        lines += [f"{name} = {e}" for name, e in self.capture.size_sources.items()]
        for guard in self.trace.guards:
            test = f"({guard.left}) {guard.relation} ({guard.right})"
            wanted = "" if guard.outcome else "not "
            lines.append(f"if not ({wanted}({test})): return MISS")
        return lines

    def _arguments(self, kept: Sequence[Input]) -> str:
        return "".join(f"{self._argument(item)}, " for item in kept)

    def _source(
        self,
        kept: Sequence[Input],
        passed: Sequence[Passed],
        stores: Sequence[str],
        result: str,
    ) -> str:
        """Fetch and guard, call the native caller; where it declines, guard the rest and run."""
        statements, native = self.capture.statements, self.capture.native_guards
        first = [line for k, line in enumerate(statements) if k not in native]
        rest = self._conditions(sorted(native))
        convert = {"scalar": "[()]", "number": ".item()"}
        lines = ["def call(fn, args, kwargs, k=k, native=native, run=run, fail=fail):"]
        lines += guarded(first, 1)
        lines.append(f"    o = native({', '.join(item.source for item in passed)})")
        lines += ["    if type(o) is not tuple:", "        if o is not None: fail(o[0], o[1:])"]
        lines += guarded(rest, 2)
        sizes = ", ".join(f"{name!r}: {name}" for name in self.capture.size_sources)
        lines.append(f"        o = run(({self._arguments(kept)}), {{{sizes}}}, MISS)")
        lines.append("        if o is MISS: return MISS")
        lines += [
            f"        o[{position}] = o[{position}]{convert[kind]}"
            for position, kind in self.kinds.items()
            if kind in convert
        ]
        if any("resolve" in line for line in [*self.delivery, *stores, result]):
            lines += [f"    {name} = {e}" for name, e in self.capture.size_sources.items()]
            lines.append(f"    resolve = resolver({{{sizes}}})")
        lines += [f"    {line}" for line in self.delivery]
        lines += [f"    {line}" for line in stores]
        lines.append(f"    return {result}")
        return "\n".join(lines) + "\n"

    def _argument(self, item: Input) -> str:
        if item.kind in ("array", "block"):
            return item.source
        dtype = item.value.dtype
        return f"asarray({item.source}, {self.capture.constant(dtype)})"
