"""Plain functions of words: as native code they give what they give as Python."""

import ctypes
import itertools

import pytest

from graphc import objects
from graphc.codegen.words import blocks, blocks_layout
from graphc.codegen.words import memory as words
from graphc.codegen.words.compiler import llvm_text
from graphc.codegen.words.memory import (
    byte,
    clear_bytes,
    copy_memory,
    half_word,
    highest_bit,
    set_half_word,
    set_word,
    stack_words,
    word,
)
from graphc.errors import UnsupportedError
from graphc.runtime import blocks as store_of_process

LIMIT = 10


def collatz(n: int) -> int:
    steps = 0
    while n != 1:
        n = 3 * n + 1 if n & 1 else n >> 1
        steps += 1
    return steps


def arithmetic(a: int, b: int) -> int:
    total = 0
    for k in range(min(LIMIT, abs_(b))):
        if k == 3 or (a < 0 and not b > 5):
            total += (a * k - b) & 255
        elif k >= blocks_layout.HEADER:
            return -total
        else:
            total -= max(a, k) << 2 | 1
    return total if a <= b else total + 1


def exchanged(a: int, b: int) -> int:
    a, b = b, a
    return 10 * a + b


def decided(a: int, b: int) -> int:
    return (a or b or 7) * 1000 + (a and b and 5) * 10 + (a or not b)


def abs_(a: int) -> int:
    return -a if a < 0 else a


def only_what_is_needed(a: int, b: int) -> int:
    return (a != 0 and words.word) or b == 0  # refused: words.word is no integer


def guarded_load(address: int, place: int) -> int:
    if address != 0 and word(address, place) == 7:
        return 1
    return 0


def memory(a: int, b: int) -> int:
    made = stack_words(LIMIT)
    other = stack_words(LIMIT)
    clear_bytes(made, 8 * 10)
    set_word(made, 1, a)
    set_half_word(made, 2, b)
    copy_memory(other, made, 8 * 10)
    total = word(other, 1) + half_word(other, 2) + byte(other + 8)
    return total + highest_bit(abs_(a) + 1) + (made & 63)


def native(function):
    key = f"test {function.__name__}"
    found = objects.addresses(
        [objects.Native(function.__name__, "words", key)], function.__globals__.copy, keep=False
    )
    count = function.__code__.co_argcount
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * count)(found[0])


def test_loops_and_branches():
    compiled = native(collatz)
    for n in range(1, 300):
        assert compiled(n) == collatz(n)


def test_arithmetic():
    compiled = native(arithmetic)
    for a, b in itertools.product((-70, -1, 0, 1, 3, 6, 100), repeat=2):
        assert compiled(a, b) == arithmetic(a, b)


@pytest.mark.parametrize("function", [exchanged, decided])
def test_names_and_truth(function):
    compiled = native(function)
    for a, b in itertools.product((-3, 0, 1, 6), repeat=2):
        assert compiled(a, b) == int(function(a, b))


def test_memory():
    compiled = native(memory)
    for a, b in itertools.product((-5, 0, 7, 1 << 40), (-(1 << 31), -1, 0, 9)):
        assert compiled(a, b) == memory(a, b)


def test_and_does_not_look_further():
    compiled = native(guarded_load)
    held = (ctypes.c_int64 * 3)(1, 7, 2)
    assert compiled(0, 5) == guarded_load(0, 5) == 0
    for place in range(3):
        address = ctypes.addressof(held)
        assert compiled(address, place) == guarded_load(address, place) == (place == 1)


def chained(a: int) -> int:
    return 0 < a < 3


def divided(a: int) -> int:
    return a // 2


def text(a: int) -> int:
    return len("a") + a


@pytest.mark.parametrize("function", [chained, divided, text, only_what_is_needed])
def test_what_is_not_in_the_grammar(function):
    with pytest.raises(UnsupportedError, match=function.__name__):
        llvm_text(function, "f")


def test_the_store_in_python():
    """The code of the store, run as Python on a store of its own."""
    words_ = (ctypes.c_int64 * blocks_layout.WORDS)()
    store, real = ctypes.addressof(words_), store_of_process.store()
    for place in (blocks_layout.ALLOCATE, blocks_layout.RELEASE):
        words_[place] = word(real, place)
    words_[blocks_layout.LIMIT] = 1 << 20

    sizes = [1, 4096, 4097, 5000, 100_000, 1 << 19]
    taken = [blocks.take(store, size) for size in sizes]
    for block, size in zip(taken, sizes, strict=True):
        assert block % 64 == 0
        capacity = word(block, blocks_layout.CAPACITY)
        assert max(size, 4096) <= capacity <= max(size, 4096) * 9 / 8
        ctypes.memset(block, 1, size)
    assert taken[0] != taken[1]
    for block in taken:
        blocks.give_back(store, block, 0)
    assert words_[blocks_layout.IDLE] == words_[blocks_layout.HELD] > 0
    assert blocks.take(store, 100_000) == taken[4]
    assert blocks.resize(store, taken[4], 90_000) == taken[4]
    larger = blocks.resize(store, taken[4], 200_000)
    assert byte(larger + 99_999) == 1
    cleared = blocks.reserve_clear(store, 1000, 100)
    assert cleared == taken[4]
    assert byte(cleared) == byte(cleared + 99_999) == 0

    # Beyond the limit a block goes back to the system.
    huge = blocks.take(store, 1 << 21)
    held = words_[blocks_layout.HELD]
    blocks.give(store, huge)
    assert words_[blocks_layout.HELD] < held

    # What nobody needs between two trimmings is released.
    blocks.give(store, larger)
    blocks.give(store, cleared)
    blocks.trim(store, 0)
    blocks.trim(store, 0)
    assert words_[blocks_layout.IDLE] == words_[blocks_layout.HELD] == 0
    assert blocks.take(store, 1 << 62) == 0
