"""What the native caller reads, in words of 8 bytes. See `graphc.codegen.words.caller`.

interface := addresses of the interpreter's and NumPy's functions and objects  # one a process
form      := HEAD, place of a plan*, argument*, output*, axis*                 # one a form
plan      := sizes, arena, release, users, value of a symbol*, (bytes, shape)* # one a size
"""

# The objects' own layouts. They are part of the binary interfaces of CPython (with its lock) and of
# NumPy (PyArrayObject_fields, since 1.22); `graphc.runtime.caller` compares them before it uses
# them.
TYPE = 1
SCALAR_VALUE = 2
ARRAY_DATA, ARRAY_NDIM, ARRAY_SHAPE, ARRAY_STRIDES = 2, 3, 4, 5
ARRAY_DTYPE, ARRAY_FLAGS, ARRAY_HANDLER = 7, 8, 11

CONTIGUOUS, OWNED, ALIGNED, WRITEABLE = 0x1, 0x4, 0x100, 0x400
NEW_FLAGS = CONTIGUOUS | ALIGNED | WRITEABLE

INTERFACE = (
    "none",
    "array_type",
    "handler",
    "store",
    "increment",
    "decrement",
    "tuple_new",
    "tuple_set",
    "list_new",
    "list_set",
    "long_from",
    "long_as",
    "error_occurred",
    "error_clear",
    "no_memory",
    "float_from",
    "complex_from",
    "bool_from",
    "array_new",
    "scalar_new",
    "lock_release",
    "lock_take",
)
"""The words of the interface, by name."""

(
    NONE,
    ARRAY_TYPE,
    HANDLER,
    STORE,
    INCREMENT,
    DECREMENT,
    TUPLE_NEW,
    TUPLE_SET,
    LIST_NEW,
    LIST_SET,
    LONG_FROM,
    LONG_AS,
    ERROR_OCCURRED,
    ERROR_CLEAR,
    NO_MEMORY,
    FLOAT_FROM,
    COMPLEX_FROM,
    BOOL_FROM,
    ARRAY_NEW,
    SCALAR_NEW,
    LOCK_RELEASE,
    LOCK_TAKE,
) = range(len(INTERFACE))

# A form's head.
FORM_INTERFACE, ARGUMENT_COUNT, INPUT_COUNT, OUTPUT_COUNT, SYMBOL_COUNT = 0, 1, 2, 3, 4
STEP, CONSTANTS, ARGUMENTS, OUTPUTS, PLAN_COUNT = 5, 6, 7, 8, 9
PLANS = 10
MOST_PLANS = 8
FORM_HEAD = PLANS + MOST_PLANS

# An argument: its kind and type; an array's dtype, flags, rank, axes, and whether strides follow.
ARGUMENT_WORDS = 8
ARGUMENT_KIND, ARGUMENT_TYPE, ARGUMENT_DTYPE, FLAG_MASK, FLAGS, RANK, AXES, STRIDED = range(8)
ARRAY, SCALAR, SIZE = 0, 1, 2
"""Kinds of arguments: an array; a NumPy scalar or a Python number; a Python int that is a size.

An axis is its size; or ``-1 - 2 * symbol`` where it gives a symbol its value, ``-2 - 2 * symbol``
where it must have it.
"""

# An output: its kind, dtype, rank.
OUTPUT_WORDS = 4
OUTPUT_KIND, OUTPUT_DTYPE, OUTPUT_RANK = range(3)
NEW_ARRAY, NEW_SCALAR, NEW_FLOAT, NEW_COMPLEX, NEW_BOOL, NEW_INT, WRITTEN, NOTHING = range(8)
"""Kinds of outputs; a written one is the argument (its rank is the number), a token None."""

# A plan. Its users are the calls that run with it now.
SIZES, ARENA, RELEASES, USERS, SYMBOLS = 0, 1, 2, 3, 4

MOST_SYMBOLS = 64
MOST_POINTERS = 512
"""Arguments and outputs that a caller can pass."""

STACK_ARENA = 512
"""Words of scratch memory on the stack: larger arenas are blocks of the store."""

POOLED = 1 << 16
"""Bytes from which a result is a block of the store."""
