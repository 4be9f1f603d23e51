"""The native caller of a compiled form: a built-in function that guards, runs and delivers.

Its code is `graphc.codegen.words.caller`, one function for all forms. Here the forms are written:
the tables that say what the arguments must be, and what the results are. Where the interpreter's
objects are not laid out as that code reads them (a free-threaded build), there is no native caller,
and each call takes the Python path.
"""

from __future__ import annotations

import ctypes
import sys
import sysconfig
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from graphc.codegen.words import caller_layout as layout
from graphc.ir import Graph
from graphc.objects import c_address, words_functions
from graphc.runtime import blocks
from graphc.threads import held_while_forking
from graphc.trace.inputs import Passed
from graphc.types import TensorType

SHORT = 1 << 15
"""Bytes that a step may touch, at most, to run with the interpreter's lock held."""

MOST_RECORDS = 1024
"""Sizes, and strides, that a form remembers: more than its table names are at hand when they
return."""

_FASTCALL = 0x80
_NUMBERS = {
    "f8": layout.NEW_FLOAT,
    "c16": layout.NEW_COMPLEX,
    "b1": layout.NEW_BOOL,
    "i8": layout.NEW_INT,
}


_remembering = threading.Lock()
held_while_forking(_remembering)


class _Definition(ctypes.Structure):
    """``PyMethodDef``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


class _Form(np.ndarray):
    """The table of a form, which keeps what it points to."""

    held: Any = None


def _words(address: int, count: int) -> Any:
    return (ctypes.c_int64 * count).from_address(address)


@cache
def available() -> bool:
    """Whether objects are laid out as the native caller reads them."""
    if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    if ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return False
    array = np.zeros((2, 3), np.float32)
    found, shape = _words(id(array), layout.ARRAY_HANDLER + 1), array.ctypes.shape
    handler: Any = _numpy(305)
    handler.restype, handler.argtypes = ctypes.c_void_p, ()
    capsule = handler()
    ctypes.pythonapi.Py_DecRef(ctypes.c_void_p(capsule))
    values = (1.5, np.float64(1.5))
    bits = np.float64(1.5).view(np.int64)
    return (
        found[layout.TYPE] == id(np.ndarray)
        and found[layout.ARRAY_DATA] == array.ctypes.data
        and found[layout.ARRAY_NDIM] & 0xFFFFFFFF == 2
        and list(_words(found[layout.ARRAY_SHAPE], 2)) == list(shape)
        and list(_words(found[layout.ARRAY_STRIDES], 2)) == list(array.strides)
        and found[layout.ARRAY_DTYPE] == id(array.dtype)
        and found[layout.ARRAY_FLAGS] & 0xFFFFFFFF == array.flags.num
        and found[layout.ARRAY_HANDLER] == capsule
        and all(_words(id(v), 3)[layout.SCALAR_VALUE] == bits for v in values)
    )


def _numpy(number: int) -> Any:
    """A function of NumPy's C interface, by its number in ``__multiarray_api.h``."""
    capsule: Any = np._core.multiarray._ARRAY_API  # type: ignore[attr-defined]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, (ctypes.py_object, ctypes.c_char_p)
    table = pointer(capsule, None)
    return ctypes.PYFUNCTYPE(None)(_words(table, number + 1)[number])


@cache
def _interface() -> np.ndarray:
    """The words that the native caller takes from the interpreter and from NumPy."""
    python: Any = ctypes.pythonapi
    found = {
        "none": id(None),
        "array_type": id(np.ndarray),
        "handler": id(blocks.handler()),
        "store": blocks.store(),
        "increment": c_address(python.Py_IncRef),
        "decrement": c_address(python.Py_DecRef),
        "tuple_new": c_address(python.PyTuple_New),
        "tuple_set": c_address(python.PyTuple_SetItem),
        "list_new": c_address(python.PyList_New),
        "list_set": c_address(python.PyList_SetItem),
        "long_from": c_address(python.PyLong_FromLongLong),
        "long_as": c_address(python.PyLong_AsLongLong),
        "error_occurred": c_address(python.PyErr_Occurred),
        "error_clear": c_address(python.PyErr_Clear),
        "no_memory": c_address(python.PyErr_NoMemory),
        "float_from": c_address(python.PyFloat_FromDouble),
        "complex_from": c_address(python.PyComplex_FromDoubles),
        "bool_from": c_address(python.PyBool_FromLong),
        "array_new": c_address(_numpy(94)),
        "scalar_new": c_address(_numpy(60)),
        "lock_release": c_address(python.PyEval_SaveThread),
        "lock_take": c_address(python.PyEval_RestoreThread),
    }
    return np.array([found[name] for name in layout.INTERFACE], np.int64)


@cache
def _definition() -> _Definition:
    (address,) = words_functions("caller", ["run"])
    return _Definition(b"run", address, _FASTCALL, None)


class Caller:
    """The native caller of one form.

    Attributes:
        call: the built-in; see `graphc.codegen.words.caller` for what it gives.
    """

    def __init__(
        self,
        executable: Any,
        passed: Sequence[Passed],
        kinds: Sequence[str],
        sizes: Sequence[str],
    ) -> None:
        self._executable = executable
        self._keep: list[Any] = [_interface(), executable]
        self._symbols: list[str | tuple[int, int]] = list(sizes)
        self._records: dict[tuple[int, ...], list[np.ndarray]] = {}
        self._places: list[tuple[int, ...]] = []
        self._turn = 0
        self.form = self._write(executable, passed, kinds)
        create = ctypes.pythonapi.PyCFunction_NewEx
        create.restype = ctypes.py_object
        create.argtypes = (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
        self.form.held = (self._keep, self._records)
        self.call: Callable[..., Any] = create(ctypes.addressof(_definition()), self.form, None)

    def _write(self, executable: Any, passed: Sequence[Passed], kinds: Sequence[str]) -> _Form:
        graph: Graph = executable.graph
        arguments: list[int] = []
        axes: list[list[int]] = []
        defined: set[Any] = set()
        for number, item in enumerate(passed):
            codes = [self._axis(axis, defined) for axis in item.axes]
            if item.strided:
                self._symbols += [(number, axis) for axis in range(len(item.axes))]
                codes += [self._axis((number, axis), defined) for axis in range(len(item.axes))]
            axes.append(codes)
            self._keep += [item.type, item.dtype]
            kind = {"array": layout.ARRAY, "scalar": layout.SCALAR, "size": layout.SIZE}[item.kind]
            dtype = 0 if item.dtype is None else id(item.dtype)
            rank = len(item.axes)
            known = [kind, id(item.type), dtype, item.mask, item.flags, rank, 0, int(item.strided)]
            arguments += known
        outputs: list[int] = []
        for value, kind_, target in zip(graph.outputs, kinds, graph.written, strict=True):
            outputs += self._output(value, kind_, target)
        first = layout.FORM_HEAD
        second = first + len(arguments)
        place = second + len(outputs)
        for number, codes in enumerate(axes):
            arguments[layout.ARGUMENT_WORDS * number + layout.AXES] = place
            place += len(codes)
        head = [0] * layout.FORM_HEAD
        head[layout.FORM_INTERFACE] = _interface().ctypes.data
        head[layout.ARGUMENT_COUNT] = len(passed)
        head[layout.INPUT_COUNT] = len(graph.inputs)
        head[layout.OUTPUT_COUNT] = len(graph.outputs)
        head[layout.SYMBOL_COUNT] = len(self._symbols)
        head[layout.STEP] = executable.step
        head[layout.CONSTANTS] = executable.constants_address
        head[layout.ARGUMENTS] = first
        head[layout.OUTPUTS] = second
        words = [*head, *arguments, *outputs, *(code for codes in axes for code in codes)]
        return np.array(words, np.int64).view(_Form)

    def _axis(self, axis: Any, defined: set[Any]) -> int:
        if isinstance(axis, int):
            return axis
        symbol = self._symbols.index(axis)
        if axis in defined:
            return -2 - 2 * symbol
        defined.add(axis)
        return -1 - 2 * symbol

    def _output(self, value: Any, kind: str, target: int | None) -> list[int]:
        if not isinstance(value.type, TensorType):
            return [layout.NOTHING, 0, 0, 0]
        if target is not None:
            return [layout.WRITTEN, 0, target, 0]
        dtype = value.type.dtype
        self._keep.append(dtype)
        number = layout.NEW_ARRAY
        if kind != "array":
            number = layout.NEW_SCALAR if kind == "scalar" else _NUMBERS[dtype.str[1:]]
        return [number, id(dtype), value.ndim, 0]

    def remember(self, arrays: Sequence[Any], sizes: Mapping[str, int]) -> None:
        """From now on calls with these sizes, and strides, are native.

        Not if another thread, or a call that this one came in the midst of, remembers now: then
        the next call does.
        """
        if not _remembering.acquire(blocking=False):
            return
        try:
            self._remember(arrays, sizes)
        finally:
            _remembering.release()

    def _remember(self, arrays: Sequence[Any], sizes: Mapping[str, int]) -> None:
        values = tuple(
            sizes[symbol] if isinstance(symbol, str) else arrays[symbol[0]].strides[symbol[1]]
            for symbol in self._symbols
        )
        if values in self._places:
            return
        if values not in self._records:
            if len(self._records) >= MOST_RECORDS:
                self._forget()
            self._records[values] = self._record(values, arrays, sizes)
        place = self._turn % layout.MOST_PLANS
        self._turn += 1
        self._places[place : place + 1] = [values]
        self.form[layout.PLANS + place] = self._records[values][0].ctypes.data
        self.form[layout.PLAN_COUNT] = len(self._places)

    def _forget(self) -> None:
        """Drop the records that the form does not name and no call runs with.

        A call that runs in another thread counts itself in its record before it lets go of the
        interpreter's lock.
        """
        for values in [values for values in self._records if values not in self._places]:
            if self._records[values][0][layout.USERS] == 0:
                del self._records[values]

    def _record(
        self, values: tuple[int, ...], arrays: Sequence[Any], sizes: Mapping[str, int]
    ) -> list[np.ndarray]:
        """The words of a plan, and what they point to."""
        plan = self._executable.plan_for(arrays, sizes)
        head = [plan.sizes_address, plan.arena, int(self._is_long(arrays, plan)), 0]
        words = [*head, *values]
        shapes = [np.array(shape or [0], np.int64) for shape in plan.shapes]
        for shape, nbytes in zip(shapes, plan.nbytes, strict=True):
            words += [nbytes, shape.ctypes.data]
        return [np.array(words, np.int64), plan.sizes, *shapes]

    def _is_long(self, arrays: Sequence[Any], plan: Any) -> bool:
        """Whether a step may take so long that other Python threads should run meanwhile."""
        touched = plan.arena + sum(plan.nbytes) + sum(getattr(a, "nbytes", 8) for a in arrays)
        return bool(touched > SHORT or self._executable.has_loops)


def make_caller(
    executable: Any, passed: Sequence[Passed], kinds: Sequence[str], sizes: Sequence[str]
) -> Caller | None:
    """The native caller of a form; None where calls take the Python path.

    That is where the interpreter is another, or the form has more arguments or sizes than the
    caller's tables take.
    """
    graph: Graph = executable.graph
    rank = sum(len(item.axes) for item in passed if item.strided)
    unread = passed[len(graph.inputs) :]
    pointers = max(len(passed), len(graph.inputs) + len(graph.outputs))
    if not available() or pointers > layout.MOST_POINTERS:
        return None
    if len(sizes) + rank > layout.MOST_SYMBOLS or any(item.strided for item in unread):
        return None
    return Caller(executable, passed, kinds, sizes)
