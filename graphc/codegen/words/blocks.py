"""The store of blocks: memory of results and arenas, kept for the next call when it is let go.

Fresh pages are the dearest thing on the machine: a block keeps its pages. Sizes are rounded up to
an eighth of a power of two, and each such class has a list of idle blocks, the warmest first. Two
things bound what lies idle: `LIMIT` bytes in all, and a trimming after every `EPOCH` blocks given
back, which frees the blocks that nobody needed since the trimming before (the working set of the
magazines in Bonwick and Adams, "Magazines and Vmem", USENIX 2001).

`reserve`, `reserve_clear`, `resize` and `give_back` are NumPy's memory handler (NEP 49), so that an
array in a block owns its memory as any other does. All are called with the interpreter's lock held.
"""

from __future__ import annotations

from graphc.codegen.words.blocks_layout import (
    ADVISE,
    ALLOCATE,
    CAPACITY,
    CLASS,
    CLASS_COUNT,
    CLASS_WORDS,
    CLASSES,
    COUNT,
    GIVEN,
    HEAD,
    HELD,
    IDLE,
    LEAST,
    LIMIT,
    NEXT,
    RAW,
    RELEASE,
)
from graphc.codegen.words.memory import (
    call,
    clear_bytes,
    copy_memory,
    highest_bit,
    set_word,
    word,
)

EPOCH = 4096
SMALLEST = 4096
HUGE = 1 << 22
"""Bytes from which large pages are asked for, as NumPy does."""

_PAGE = 4096
_LARGE_PAGES = 14


def release(store: int, block: int) -> int:
    """Give a block back to the system."""
    set_word(store, HELD, word(store, HELD) - word(block, CAPACITY))
    call(word(store, RELEASE), (word(block, RAW),))
    return 0


def take(store: int, size: int) -> int:
    """A block of at least `size` bytes, at a multiple of 64; 0 if there is no memory."""
    size = max(size, SMALLEST)
    step = 1 << (highest_bit(size) - 3)
    capacity = (size + step - 1) & -step
    highest = highest_bit(capacity)
    number = 8 * highest + ((capacity >> (highest - 3)) & 7)
    if number >= CLASS_COUNT:
        return 0
    place = CLASSES + CLASS_WORDS * number
    block = word(store, place + HEAD)
    if block != 0:
        count = word(store, place + COUNT) - 1
        set_word(store, place + HEAD, word(block, NEXT))
        set_word(store, place + COUNT, count)
        set_word(store, place + LEAST, min(count, word(store, place + LEAST)))
        set_word(store, IDLE, word(store, IDLE) - capacity)
        return block
    raw = call(word(store, ALLOCATE), (capacity + 128,))
    if raw == 0:
        return 0
    block = (raw + 64 + 63) & -64
    set_word(block, RAW, raw)
    set_word(block, CAPACITY, capacity)
    set_word(block, CLASS, place)
    set_word(store, HELD, word(store, HELD) + capacity)
    if capacity >= HUGE and word(store, ADVISE) != 0:
        first = (block + _PAGE - 1) & -_PAGE
        call(word(store, ADVISE), (first, (block + capacity - first) & -_PAGE, _LARGE_PAGES))
    return block


def trim(store: int, all_idle: int) -> int:
    """Release the blocks that were idle since the last trimming, or all idle ones."""
    for number in range(CLASS_COUNT):
        place = CLASSES + CLASS_WORDS * number
        surplus = word(store, place + LEAST)
        if all_idle != 0:
            surplus = word(store, place + COUNT)
        while surplus > 0:
            block = word(store, place + HEAD)
            set_word(store, place + HEAD, word(block, NEXT))
            set_word(store, place + COUNT, word(store, place + COUNT) - 1)
            set_word(store, IDLE, word(store, IDLE) - word(block, CAPACITY))
            release(store, block)
            surplus -= 1
        set_word(store, place + LEAST, word(store, place + COUNT))
    set_word(store, GIVEN, 0)
    return 0


def give(store: int, block: int) -> int:
    """A block is used no more."""
    capacity = word(block, CAPACITY)
    if word(store, IDLE) + capacity > word(store, LIMIT):
        release(store, block)
        return 0
    place = word(block, CLASS)
    set_word(block, NEXT, word(store, place + HEAD))
    set_word(store, place + HEAD, block)
    set_word(store, place + COUNT, word(store, place + COUNT) + 1)
    set_word(store, IDLE, word(store, IDLE) + capacity)
    given = word(store, GIVEN) + 1
    set_word(store, GIVEN, given)
    if given >= EPOCH:
        trim(store, 0)
    return 0


def reserve(store: int, size: int) -> int:
    """NumPy's ``malloc(ctx, size)``."""
    return take(store, size)


def reserve_clear(store: int, count: int, size: int) -> int:
    """NumPy's ``calloc(ctx, count, size)``."""
    block = take(store, count * size)
    if block != 0:
        clear_bytes(block, count * size)
    return block


def resize(store: int, block: int, size: int) -> int:
    """NumPy's ``realloc(ctx, block, size)``."""
    if block == 0:
        return take(store, size)
    capacity = word(block, CAPACITY)
    if size <= capacity:
        return block
    larger = take(store, size)
    if larger != 0:
        copy_memory(larger, block, capacity)
        give(store, block)
    return larger


def give_back(store: int, block: int, size: int) -> int:
    """NumPy's ``free(ctx, block, size)``."""
    if block != 0:
        give(store, block)
    return 0


def trim_all(store: int) -> int:
    """Release all idle blocks."""
    return trim(store, 1)
