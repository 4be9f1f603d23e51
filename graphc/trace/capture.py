"""What a traced function reads from outside, and where a later call finds it again.

Everything read has a *source*: a statement of the generated call code that fetches it, starting
from ``fn`` (the function as called now) and ``args``. Arrays and floats become inputs of the graph,
everything else a guard that later calls check.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from types import (
    BuiltinFunctionType,
    CellType,
    CodeType,
    FunctionType,
    MethodType,
    ModuleType,
)
from typing import Any

import numpy as np

from graphc.errors import DTypeError, TraceError
from graphc.ir import fresh_input
from graphc.trace.containers import (
    Container,
    wrap_contents,
    wrap_dataclass,
    wrap_dict,
    wrap_sequence,
)
from graphc.trace.context import Trace, located, user_location
from graphc.trace.inputs import Input
from graphc.trace.kinds import (
    CONTENTS_TYPES,
    STATIC_TYPES,
    draws_at_random,
    has_identity,
    is_foreign,
    is_moving,
    is_user_class,
    is_user_object,
    supported_array,
)
from graphc.trace.namespaces import Globals, Module, class_stand_in
from graphc.trace.objects import object_proxy
from graphc.trace.sharing import Block
from graphc.trace.sizes import TracedSize
from graphc.trace.substitute import NUMPY, is_numpy, random_stand_in, substitute
from graphc.trace.values import TracedArray, TracedNumber, TracedScalar, is_traced
from graphc.trace.views import Step, Storage, StridedStep, is_packed, stride_pattern
from graphc.types import DTYPES, Dim, TensorType, supported_dtype


@dataclass(slots=True)
class Policy:
    """Which sizes are symbolic: by source, ``(source, axis)``, axis None for a Python int.

    `axes` names the axes of arrays that stand for a spec, by the arrays' ids; `loops` keeps from
    one tracing to the next what is known of Python loops (`graphc.trace.python_loop`). Gradients
    recompute all but the last of `segments` of what they are taken through. Results may take the
    storage of the arguments that `donate` names.
    """

    symbols: dict[tuple[str, int | None], str] = field(default_factory=dict)
    axes: dict[int, tuple[int | str, ...]] = field(default_factory=dict)
    loops: dict[Any, Any] = field(default_factory=dict)
    segments: int = 1
    donate: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Cell:
    """A closure cell, its traced copy, what the copy held at first, and the code that has it."""

    original: CellType
    copy: CellType
    expression: str
    name: str
    before: Any = None
    codes: list[CodeType] = field(default_factory=list)


class Capture:
    """Wraps what the function reads; collects inputs, guards and fetching statements."""

    def __init__(self, trace: Trace, policy: Policy, blocks: list[Block]) -> None:
        self.trace = trace
        self.policy = policy
        self.statements: list[str] = []
        self.native_guards: set[int] = set()
        self.structural: set[int] = set()
        self.constants: list[Any] = []
        self.inputs: list[Input] = []
        self.containers: list[Container] = []
        self.objects: list[Any] = []
        self.sizes: dict[tuple[str, int | None], int] = {}
        self.size_sources: dict[str, str] = {}
        self.symbols: dict[tuple[str, int | None], str] = {}
        self._blocks = {
            id(member): (block, k) for block in blocks for k, member in enumerate(block.members)
        }
        self._block_inputs: dict[int, Input] = {}
        self.fetches: dict[str, str] = {}
        self._memo: dict[int, tuple[Any, Any, str]] = {}
        self.namespaces: dict[int, Globals] = {}
        self.cells: dict[int, Cell] = {}
        self.block_sources: dict[tuple[int, Step], str] = {}
        self._constant_positions: dict[int, int] = {}
        self._required: set[str] = set()

    # --- statements of the call code ---

    def constant(self, value: Any) -> str:
        """An expression for a Python object kept with the specialisation."""
        position = self._constant_positions.setdefault(id(value), len(self.constants))
        if position == len(self.constants):
            self.constants.append(value)
        return f"k[{position}]"

    def fetch(self, expression: str) -> str:
        """A local variable that holds the value of `expression`."""
        name = f"v{len(self.fetches)}"
        self.fetches[name] = expression
        self.structural.add(len(self.statements))
        self.statements.append(f"{name} = {expression}")
        return name

    def require(self, condition: str, native: bool = False, structural: bool = False) -> None:
        """A guard: a call for which `condition` is false needs another specialisation.

        `native`: the native caller looks at it, too; see `graphc.trace.inputs`. `structural`: what
        it fails for must not be read on, for to look up a key may add it.
        """
        if condition in self._required and not structural:
            return
        self._required.add(condition)
        if native:
            self.native_guards.add(len(self.statements))
        if structural:
            self.structural.add(len(self.statements))
        self.statements.append(f"if not ({condition}): return MISS")

    # --- wrapping ---

    def wrap(self, value: Any, expression: str, what: str = "") -> Any:
        """What traced code sees in place of `value`, which a call finds by `expression`."""
        if is_traced(value):
            return value
        if id(value) in self._memo:
            _, wrapped, source = self._memo[id(value)]
            self.require(f"{self.fetch(expression)} is {source}")
            return wrapped
        source = self.fetch(expression)
        wrapped = self._wrap(value, source, what)
        if has_identity(value):
            self.remember(value, wrapped, source)
        return wrapped

    def _wrap(self, value: Any, source: str, what: str) -> Any:
        try:
            if isinstance(value, np.ndarray):
                return self._array(value, source)
            if isinstance(value, np.generic):
                return self._scalar(value, source)
        except DTypeError as error:
            error.message = f"{what}: {error.message}" if what else error.message
            raise located(error) from None
        if isinstance(value, enum.Enum) or value is NotImplemented:
            return self._same(value, source)
        if type(value) in (float, complex):
            return self._number(value, source)
        if type(value) is int and (source, None) in self.policy.symbols:
            return self._symbolic_int(value, source)
        if isinstance(value, STATIC_TYPES):
            return self._static(value, source)
        if isinstance(value, dict):
            return wrap_dict(self, value, source)
        if isinstance(value, list | tuple | deque):
            return wrap_sequence(self, value, source)
        if isinstance(value, partial):
            return self._partial(value, source)
        if isinstance(value, ModuleType):
            return self._module(value, source)
        if isinstance(value, np.vectorize):
            return self._vectorized(value, source)
        if is_numpy(value):
            self.require(f"{source} is {self.constant(value)}")
            return substitute(value)
        if hasattr(type(value), "__graphc_rewrap__"):
            return value.__graphc_rewrap__(self, source)
        if isinstance(value, FunctionType):
            return self.function(value, source)
        if isinstance(value, MethodType):
            self.require(f"type({source}) is {self.constant(MethodType)}")
            owner = self.wrap(value.__self__, f"{source}.__self__")
            return MethodType(self.wrap(value.__func__, f"{source}.__func__"), owner)
        if draws_at_random(value):
            return random_stand_in(value)
        if isinstance(value, CONTENTS_TYPES) and not what.startswith("argument"):
            return wrap_contents(self, value, source)
        if isinstance(value, type) and is_user_class(value):
            self.require(f"{source} is {self.constant(value)}")
            return class_stand_in(value, source, self)
        if isinstance(value, type | BuiltinFunctionType) or not is_user_object(value):
            if is_moving(value):
                name = what or "what the function captures"
                raise TraceError(
                    f"{name} is a {type(value).__name__}, whose state would be read and changed "
                    "while tracing only",
                    location=user_location(),
                    hint="Pass lists, dicts, deques or arrays; take from an iterator or a queue "
                    "outside and pass that in.",
                )
            if what and not isinstance(value, type) and not callable(value):
                raise TraceError(
                    f"{what} is a {type(value).__name__}, which is neither an array, a number nor "
                    "a container of them",
                    location=user_location(),
                    hint="Pass an array of it, as in x.numpy() or np.asarray(x)."
                    if hasattr(value, "__array__")
                    else "Pass arrays, numbers, strings, None, functions, or dicts, lists, tuples "
                    "and dataclasses of these.",
                )
            return self._same(value, source)
        return self._object(value, source)

    def _same(self, value: Any, source: str) -> Any:
        self.require(f"{source} is {self.constant(value)}")
        return value

    def _static(self, value: Any, source: str) -> Any:
        if value is None or value is True or value is False or value is Ellipsis:
            self.require(f"{source} is {value!r}")
        elif type(value) is int:
            self.require(f"type({source}) is int and {source} == {value!r}")
            self.sizes[source, None] = value
        else:
            held = self.constant(value)
            self.require(f"type({source}) is type({held}) and {source} == {held}")
        return value

    def array(self, value: np.ndarray) -> Any:
        """An array met without a source (in a library's state): fetched by identity."""
        return self.kept(value)

    def _array(self, value: np.ndarray, source: str) -> TracedArray:
        dtype = supported_array(value)
        if id(value) in self._blocks:
            return self._block_member(value, source)
        named = self.policy.axes.get(id(value), (None,) * value.ndim)
        shape = tuple(
            self._axis(source, axis, size, named[axis]) for axis, size in enumerate(value.shape)
        )
        layout = "C" if value.flags.c_contiguous and value.flags.aligned else "strided"
        if is_packed(value):
            layout = "packed"
        held = self.constant(value.dtype)
        flags = f"{source}.flags"
        if layout == "C":
            placed = f"(flags := {flags}).c_contiguous and flags"
        else:
            pattern = self.constant(stride_pattern(value))
            placed = f"stride_pattern({source}) == {pattern} and {flags}"
        self.require(
            f"type({source}) is {self.constant(type(value))} and "
            f"({source}.dtype is {held} or {source}.dtype == {held}) and "
            f"{placed}.writeable is {value.flags.writeable}",
            native=True,
        )
        if all(isinstance(size, int) for size in shape):
            self.require(f"{source}.shape == {shape}", native=True)
        else:
            self.require(f"{source}.ndim == {value.ndim}", native=True)
            for axis, size in enumerate(shape):
                if isinstance(size, int):
                    self.require(f"{source}.shape[{axis}] == {size}", native=True)
        graph_value = fresh_input(TensorType(dtype, shape))
        storage = Storage(graph_value, source, not value.flags.writeable, contiguous=layout == "C")
        storage.packed = layout == "packed"
        self._add(Input(source, "array", graph_value, layout, storage, value))
        # Those of a packed array count in parts of an element; only how they relate matters.
        part = 1 if storage.packed else value.itemsize
        scale = value.itemsize if storage.packed else 1
        strides = tuple(stride * scale // part for stride in value.strides)
        return TracedArray(storage, (), strides, self.trace)

    def _axis(self, source: str, axis: int, size: int, named: int | str | None) -> Any:
        self.sizes[source, axis] = size
        name = self.policy.symbols.get((source, axis)) if named is None else named
        if name is None or isinstance(name, int):
            return size
        self.symbols[source, axis] = name
        return self._symbol(name, f"{source}.shape[{axis}]", size)

    def _symbol(self, name: str, expression: str, size: int) -> Dim:
        if name in self.size_sources:
            self.require(f"{self.size_sources[name]} == {expression}", native=True)
        else:
            self.size_sources[name] = expression
            self.trace.hints[name] = size
        return Dim.symbol(name)

    def _symbolic_int(self, value: int, source: str) -> TracedSize:
        self.require(f"type({source}) is int", native=True)
        self.sizes[source, None] = value
        name = self.symbols[source, None] = self.policy.symbols[source, None]
        return TracedSize(self._symbol(name, source, value), self.trace)

    def _block_member(self, value: np.ndarray, source: str) -> TracedArray:
        block, member = self._blocks[id(value)]
        key = id(block.flat)
        if key not in self._block_inputs:
            graph_value = fresh_input(TensorType(block.flat.dtype, block.flat.shape))
            storage = Storage(graph_value, source, readonly=not value.flags.writeable)
            self._block_inputs[key] = Input("", "block", graph_value, "C", storage, block.flat)
            self._block_inputs[key].original = (block, {})
        shared = self._block_inputs[key]
        shared.original[1][member] = source
        if len(shared.original[1]) == len(block.members):
            sources = ", ".join(shared.original[1][k] for k in range(len(block.members)))
            held = self.constant(block.layout)
            shared.source = self.fetch(f"flat_block(({sources},), {held})")
            self.require(f"{shared.source} is not None")
            assert shared.storage is not None
            shared.storage.source = shared.source
            self._add(shared)
        assert shared.storage is not None
        step = StridedStep(block.offsets[member], value.shape, block.strides[member])
        self.block_sources[id(shared.storage), step] = source
        return TracedArray(shared.storage, (step,), block.strides[member], self.trace)

    def _scalar(self, value: np.generic, source: str) -> TracedScalar:
        dtype = supported_dtype(value.dtype)
        self.require(f"type({source}) is {self.constant(type(value))}", native=True)
        graph_value = fresh_input(TensorType(dtype, ()))
        self._add(Input(source, "scalar", graph_value, "C", None, np.asarray(value)))
        return TracedScalar(graph_value, self.trace)

    def _number(self, value: float | complex, source: str) -> TracedNumber:
        kind = type(value)
        self.require(f"type({source}) is {kind.__name__}", native=True)
        dtype = DTYPES["float64" if kind is float else "complex128"]
        graph_value = fresh_input(TensorType(dtype, ()))
        self._add(Input(source, "number", graph_value, "C", None, np.asarray(value, dtype)))
        return TracedNumber(graph_value, kind, self.trace)

    def _add(self, new: Input) -> None:
        self.inputs.append(new)
        if self.trace.values is not None:
            flat = new.original[0].flat if new.kind == "block" else new.original
            self.trace.values[new.value] = np.array(flat)

    def _object(self, value: Any, source: str) -> Any:
        if dataclasses.is_dataclass(value):
            return wrap_dataclass(self, value, source)
        self.require(f"type({source}) is {self.constant(type(value))}")
        proxy = object_proxy(value, source, self)
        self.objects.append(proxy)
        return proxy

    def _partial(self, value: Any, source: str) -> Any:
        self.require(f"type({source}) is {self.constant(partial)}")
        function = self.wrap(value.func, f"{source}.func")
        args = self.wrap(value.args, f"{source}.args")
        return partial(function, *args, **self.wrap(value.keywords, f"{source}.keywords"))

    def _vectorized(self, value: Any, source: str) -> Any:
        self.require(f"type({source}) is {self.constant(np.vectorize)}")
        options = {
            name: self.wrap(getattr(value, name), f"{source}.{name}")
            for name in ("otypes", "excluded", "signature")
        }
        function = self.wrap(value.pyfunc, f"{source}.pyfunc")
        return substitute(np.vectorize)(function, **options)

    def _module(self, value: ModuleType, source: str) -> Any:
        self.require(f"{source} is {self.constant(value)}")
        if value is np:
            return NUMPY
        stand_in = substitute(value)
        if stand_in is not value or is_foreign(value.__name__):
            return stand_in
        return Module(value, source, self)

    # --- functions ---

    def function(self, value: FunctionType, source: str) -> FunctionType:
        """A copy of a Python function that sees substituted globals and traced cells."""
        if isinstance(value.__globals__, Globals):
            return value
        if is_foreign(value.__module__ or ""):
            return self._same(value, source)  # type: ignore[no-any-return]
        self.require(f"{source}.__code__ is {self.constant(value.__code__)}")
        namespace = self.namespaces.get(id(value.__globals__))
        if namespace is None:
            namespace = Globals(value.__globals__, f"{source}.__globals__", self)
            self.namespaces[id(value.__globals__)] = namespace
        namespace.codes.append(value.__code__)
        closure = tuple(
            self._cell(cell, f"{source}.__closure__[{position}].cell_contents", value, position)
            for position, cell in enumerate(value.__closure__ or ())
        )
        copied = FunctionType(value.__code__, namespace, value.__name__, None, closure)
        self.remember(value, copied, source)
        if value.__defaults__:
            copied.__defaults__ = self.wrap(value.__defaults__, f"{source}.__defaults__")
        if value.__kwdefaults__:
            copied.__kwdefaults__ = self.wrap(value.__kwdefaults__, f"{source}.__kwdefaults__")
        copied.__qualname__ = value.__qualname__
        copied.__dict__.update({k: v for k, v in value.__dict__.items() if k != "__wrapped__"})
        return copied

    def _cell(
        self, cell: CellType, expression: str, function: FunctionType, position: int
    ) -> CellType:
        if id(cell) in self.cells:
            self.cells[id(cell)].codes.append(function.__code__)
            return self.cells[id(cell)].copy
        try:
            contents = cell.cell_contents
        except ValueError:
            return cell
        copied = CellType()
        name = function.__code__.co_freevars[position]
        held = self.cells[id(cell)] = Cell(cell, copied, expression, name)
        held.codes.append(function.__code__)
        copied.cell_contents = held.before = self.wrap(contents, expression)
        return copied

    def remember(self, value: Any, wrapped: Any, source: str) -> None:
        """Let `wrapped` be what traced code sees wherever it meets `value`."""
        self._memo[id(value)] = (value, wrapped, source)

    def known(self, value: Any) -> Any:
        """The stand-in for `value` if traced code has met it, else `value`."""
        return self._memo[id(value)][1] if id(value) in self._memo else value

    def source_of(self, wrapped: Any) -> str:
        """Where a call finds what `wrapped` stands for; "" where it is none of the caller's."""
        return next((held[2] for held in self._memo.values() if held[1] is wrapped), "")

    def holds(self, wrapped: Any) -> bool:
        """Whether `wrapped` stands for an object of the caller's."""
        return bool(self.source_of(wrapped))

    def kept(self, value: Any) -> Any:
        """`value`, an object that the specialisation keeps, wrapped."""
        return self.wrap(value, self.constant(value))
