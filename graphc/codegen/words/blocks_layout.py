"""Where the store of blocks keeps what, in words of 8 bytes. See `graphc.codegen.words.blocks`."""

IDLE, LIMIT, GIVEN = 0, 1, 2
"""Bytes of idle blocks, how many there may be, and blocks given back since the last trimming."""

ALLOCATE, RELEASE, ADVISE = 3, 4, 5
"""Addresses of ``malloc``, ``free`` and ``madvise`` (0: there is none)."""

HELD = 6
"""Bytes of all blocks that the store has, idle or not."""

CLASSES = 8
"""The first class: each has the address of its first idle block, their number, and the least
number since the last trimming."""

CLASS_WORDS = 3
HEAD, COUNT, LEAST = 0, 1, 2
CLASS_COUNT = 8 * 48

WORDS = CLASSES + CLASS_WORDS * CLASS_COUNT

HEADER = 8
"""Words before a block: what ``malloc`` gave, the block's bytes, its class, the next idle one."""

RAW, CAPACITY, CLASS, NEXT = -8, -7, -6, -5
