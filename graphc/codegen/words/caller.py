"""The native caller: from a call's arguments to its results, without the interpreter between.

It is the body of a built-in function, ``PyObject *call(PyObject *self, PyObject *const *arguments,
Py_ssize_t count)``, whose `self` is an array of int64, the *form*: the table of what the arguments
must be and of what the results are. One function serves all forms. It gives

    the tuple of results    # None for those that are written to an argument
    None                    # the call does not fit the form: nothing has happened
    [status, word*]         # the step has failed; the words of its error record
    NULL                    # an exception is set: there is no memory

`graphc.runtime.caller` writes forms and makes the built-ins; `caller_layout` says what is where.
"""

from __future__ import annotations

from graphc.codegen.words import caller_layout as at
from graphc.codegen.words import step_layout as step
from graphc.codegen.words.blocks import give, take
from graphc.codegen.words.memory import (
    byte,
    call,
    call_doubles,
    call_int,
    half_word,
    set_half_word,
    set_word,
    stack_words,
    word,
)

_SCALAR_WORDS = 2
_SYMBOL_WORDS = at.MOST_SYMBOLS
_OBJECT_WORDS = at.MOST_POINTERS
_VALUE_WORDS = at.MOST_POINTERS * _SCALAR_WORDS
_TABLE_WORDS = at.MOST_POINTERS + step.TABLE_FIRST
_MEMORY_WORDS = at.STACK_ARENA


def _axes_fit(form: int, axes: int, rank: int, sizes: int, symbols: int) -> int:
    """Whether `sizes` are those of the form; symbols get their values."""
    for axis in range(rank):
        wanted, size = word(form, axes + axis), word(sizes, axis)
        if wanted >= 0:
            if size != wanted:
                return False
        elif wanted & 1:
            set_word(symbols, (-1 - wanted) >> 1, size)
        elif word(symbols, (-2 - wanted) >> 1) != size:
            return False
    return True


def _array_fits(form: int, place: int, array: int, symbols: int) -> int:
    """Whether an array has the dtype, flags, shape and strides of the argument at `place`."""
    if word(array, at.ARRAY_DTYPE) != word(form, place + at.ARGUMENT_DTYPE):
        return False
    flags = half_word(array, at.ARRAY_FLAGS) & word(form, place + at.FLAG_MASK)
    rank = word(form, place + at.RANK)
    if flags != word(form, place + at.FLAGS) or half_word(array, at.ARRAY_NDIM) != rank:
        return False
    axes = word(form, place + at.AXES)
    if not _axes_fit(form, axes, rank, word(array, at.ARRAY_SHAPE), symbols):
        return False
    if word(form, place + at.STRIDED) == 0:
        return True
    return _axes_fit(form, axes + rank, rank, word(array, at.ARRAY_STRIDES), symbols)


def _arguments_fit(form: int, interface: int, arguments: int, symbols: int, table: int) -> int:
    """Whether the arguments are those of the form; their data go to the step's table."""
    inputs = word(form, at.INPUT_COUNT)
    place = word(form, at.ARGUMENTS)
    for number in range(word(form, at.ARGUMENT_COUNT)):
        item = word(arguments, number)
        if word(item, at.TYPE) != word(form, place + at.ARGUMENT_TYPE):
            return False
        kind = word(form, place + at.ARGUMENT_KIND)
        data = item + 8 * at.SCALAR_VALUE
        if kind == at.ARRAY:
            if not _array_fits(form, place, item, symbols):
                return False
            data = word(item, at.ARRAY_DATA)
        elif kind == at.SIZE:
            size = call(word(interface, at.LONG_AS), (item,))
            if size == -1 and call(word(interface, at.ERROR_OCCURRED), ()) != 0:
                call(word(interface, at.ERROR_CLEAR), ())
                return False
            if word(form, word(form, place + at.AXES)) & 1:
                set_word(symbols, (-1 - word(form, word(form, place + at.AXES))) >> 1, size)
            elif word(symbols, (-2 - word(form, word(form, place + at.AXES))) >> 1) != size:
                return False
        if number < inputs:
            set_word(table, step.TABLE_FIRST + number, data)
        place += at.ARGUMENT_WORDS
    return True


def _plan(form: int, symbols: int) -> int:
    """The plan for these sizes; 0 if there is none yet."""
    count = word(form, at.SYMBOL_COUNT)
    for number in range(word(form, at.PLAN_COUNT)):
        plan = word(form, at.PLANS + number)
        same = True
        for symbol in range(count):
            same = same and word(plan, at.SYMBOLS + symbol) == word(symbols, symbol)
        if same:
            return plan
    return 0


def _new_array(interface: int, dtype: int, rank: int, shape: int, size: int) -> int:
    """A new array, in a block of the store if it is large; 0 if there is no memory."""
    create, type_ = word(interface, at.ARRAY_NEW), word(interface, at.ARRAY_TYPE)
    if size < at.POOLED:
        call(word(interface, at.INCREMENT), (dtype,))
        return call(create, (type_, dtype, rank, shape, 0, 0, 0, 0))
    store = word(interface, at.STORE)
    block = take(store, size)
    if block == 0:
        call(word(interface, at.NO_MEMORY), ())
        return 0
    call(word(interface, at.INCREMENT), (dtype,))
    array = call(create, (type_, dtype, rank, shape, 0, block, at.NEW_FLAGS, 0))
    if array == 0:
        give(store, block)
        return array
    call(word(interface, at.INCREMENT), (word(interface, at.HANDLER),))
    set_word(array, at.ARRAY_HANDLER, word(interface, at.HANDLER))
    set_half_word(array, at.ARRAY_FLAGS, half_word(array, at.ARRAY_FLAGS) | at.OWNED)
    return array


def _drop(interface: int, objects: int, count: int) -> int:
    """Let the first `count` objects go, those that are there."""
    for number in range(count):
        if word(objects, number) != 0:
            call(word(interface, at.DECREMENT), (word(objects, number),))
    return 0


def _make_outputs(
    form: int, plan: int, interface: int, table: int, objects: int, scalars: int
) -> int:
    """Make the new arrays, and point the step's table at where results go; False: no memory."""
    count = word(form, at.OUTPUT_COUNT)
    place = word(form, at.OUTPUTS)
    layout = at.SYMBOLS + word(form, at.SYMBOL_COUNT)
    first = step.TABLE_FIRST + word(form, at.INPUT_COUNT)
    for number in range(count):
        kind = word(form, place + at.OUTPUT_KIND)
        set_word(objects, number, 0)
        data = scalars + 8 * _SCALAR_WORDS * number
        if kind == at.NEW_ARRAY:
            dtype, rank = word(form, place + at.OUTPUT_DTYPE), word(form, place + at.OUTPUT_RANK)
            size, shape = word(plan, layout), word(plan, layout + 1)
            array = _new_array(interface, dtype, rank, shape, size)
            if array == 0:
                _drop(interface, objects, number)
                return False
            set_word(objects, number, array)
            data = word(array, at.ARRAY_DATA)
        set_word(table, first + number, data)
        place += at.OUTPUT_WORDS
        layout += 2
    return True


def _scalar(interface: int, kind: int, dtype: int, data: int) -> int:
    """A new scalar or number with the value at `data`; 0 if there is no memory."""
    if kind == at.NEW_SCALAR:
        return call(word(interface, at.SCALAR_NEW), (data, dtype, 0))
    if kind == at.NEW_FLOAT:
        return call_doubles(word(interface, at.FLOAT_FROM), (word(data, 0),))
    if kind == at.NEW_COMPLEX:
        return call_doubles(word(interface, at.COMPLEX_FROM), (word(data, 0), word(data, 1)))
    if kind == at.NEW_INT:
        return call(word(interface, at.LONG_FROM), (word(data, 0),))
    return call(word(interface, at.BOOL_FROM), (byte(data),))


def _results(form: int, interface: int, arguments: int, objects: int, scalars: int) -> int:
    """The tuple of results; 0 if there is no memory."""
    count = word(form, at.OUTPUT_COUNT)
    place = word(form, at.OUTPUTS)
    for number in range(count):
        kind = word(form, place + at.OUTPUT_KIND)
        if kind == at.WRITTEN or kind == at.NOTHING:
            given = word(interface, at.NONE)
            if kind == at.WRITTEN:
                given = word(arguments, word(form, place + at.OUTPUT_RANK))
            call(word(interface, at.INCREMENT), (given,))
            set_word(objects, number, given)
        elif kind != at.NEW_ARRAY:
            data = scalars + 8 * _SCALAR_WORDS * number
            made = _scalar(interface, kind, word(form, place + at.OUTPUT_DTYPE), data)
            set_word(objects, number, made)
            if made == 0:
                _drop(interface, objects, count)
                return made
        place += at.OUTPUT_WORDS
    results = call(word(interface, at.TUPLE_NEW), (count,))
    if results == 0:
        _drop(interface, objects, count)
        return results
    for number in range(count):
        call_int(word(interface, at.TUPLE_SET), (results, number, word(objects, number)))
    return results


def _failure(interface: int, status: int, record: int) -> int:
    """The list that says why the step has failed: its status and its error record."""
    made = call(word(interface, at.LIST_NEW), (1 + step.RECORD_WORDS,))
    if made == 0:
        return made
    for number in range(1 + step.RECORD_WORDS):
        value = status
        if number > 0:
            value = word(record, number - 1)
        item = call(word(interface, at.LONG_FROM), (value,))
        if item == 0:
            call(word(interface, at.DECREMENT), (made,))
            return item
        call_int(word(interface, at.LIST_SET), (made, number, item))
    return made


def _nothing(interface: int) -> int:
    none = word(interface, at.NONE)
    call(word(interface, at.INCREMENT), (none,))
    return none


def _run_plan(
    form: int,
    plan: int,
    interface: int,
    arguments: int,
    table: int,
    objects: int,
    scalars: int,
    memory: int,
) -> int:
    """What the call gives; `memory` is scratch for small arenas."""
    store = word(interface, at.STORE)
    size = 8 * step.RECORD_WORDS + word(plan, at.ARENA)
    pooled = size > 8 * at.STACK_ARENA
    if pooled:
        memory = take(store, size)
        if memory == 0:
            call(word(interface, at.NO_MEMORY), ())
            return memory
    if not _make_outputs(form, plan, interface, table, objects, scalars):
        if pooled:
            give(store, memory)
        return 0
    set_word(table, step.TABLE_ARENA, memory + 8 * step.RECORD_WORDS)
    set_word(table, step.TABLE_RECORD, memory)
    code, constants, sizes = word(form, at.STEP), word(form, at.CONSTANTS), word(plan, at.SIZES)
    if word(plan, at.RELEASES) != 0:
        thread = call(word(interface, at.LOCK_RELEASE), ())
        status = call_int(code, (table, constants, sizes))
        call(word(interface, at.LOCK_TAKE), (thread,))
    else:
        status = call_int(code, (table, constants, sizes))
    if status == step.DONE:
        result = _results(form, interface, arguments, objects, scalars)
    else:
        _drop(interface, objects, word(form, at.OUTPUT_COUNT))
        overlap = status == step.OVERLAP
        result = _nothing(interface) if overlap else _failure(interface, status, memory)
    if pooled:
        give(store, memory)
    return result


def run(self: int, arguments: int, count: int) -> int:
    """The built-in's body: see above."""
    form = word(self, at.ARRAY_DATA)
    interface = word(form, at.FORM_INTERFACE)
    symbols = stack_words(_SYMBOL_WORDS)
    table = stack_words(_TABLE_WORDS)
    if count != word(form, at.ARGUMENT_COUNT):
        return _nothing(interface)
    if not _arguments_fit(form, interface, arguments, symbols, table):
        return _nothing(interface)
    plan = _plan(form, symbols)
    if plan == 0:
        return _nothing(interface)
    objects = stack_words(_OBJECT_WORDS)
    scalars = stack_words(_VALUE_WORDS)
    memory = stack_words(_MEMORY_WORDS)
    set_word(plan, at.USERS, word(plan, at.USERS) + 1)
    result = _run_plan(form, plan, interface, arguments, table, objects, scalars, memory)
    set_word(plan, at.USERS, word(plan, at.USERS) - 1)
    return result
