"""A step's table of addresses, and what its status means.

table  := arena, error record, inputs*, outputs*
status := DONE | OVERLAP | LAUNCH * (1 + number of the launch) + problem
problem := 1 + number of the kernel's site | PRINT_FAILED | INTERRUPTED
"""

from __future__ import annotations

TABLE_ARENA, TABLE_RECORD, TABLE_FIRST = 0, 1, 2
"""Places in the table; the inputs come first, at `TABLE_FIRST`."""

RECORD_WORDS = 8
"""Words of the error record: of an index out of bounds, the index and the size of its axis."""

DONE = 0

OVERLAP = 1
"""Nothing was done: an input that is written overlaps another."""

LAUNCH = 256
"""A launch's number is counted in these, so that a problem fits below."""

PRINT_FAILED = 255
INTERRUPTED = 254
