"""What a call costs beyond the native work: a trivial compiled function of 1 to 8 small arrays."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import graphc

COUNTS = tuple(range(1, 9))
BASE, ARGUMENT, RESULT = 1e-6, 0.15e-6, 0.5e-6
"""Seconds that a call, an array argument and an array result may cost."""

WIDTHS = (9, 9, 13, 9)


class Call(NamedTuple):
    """Seconds of a call with `count` arrays: written in place, and with a new array as result."""

    count: int
    in_place: float
    result: float

    @property
    def allowed(self) -> tuple[float, float]:
        """Seconds that each of the two may take."""
        cost = BASE + ARGUMENT * self.count
        return cost, cost + RESULT


def _in_place(first, *rest):
    for array in rest:
        first += array


def _result(first, *rest):
    for array in rest:
        first = first + array
    return first + 1


def _seconds(function: Callable[..., object], arrays: list[np.ndarray]) -> float:
    best, number = np.inf, 2000
    function(*arrays)
    for _ in range(40):
        started = time.perf_counter()
        for _ in range(number):
            function(*arrays)
        best = min(best, time.perf_counter() - started)
    return best / number


def measure(counts: tuple[int, ...] = COUNTS) -> list[Call]:
    """The best of several runs for each number of arguments."""
    found = []
    for count in counts:
        in_place, result = graphc.compile(_in_place), graphc.compile(_result)
        arrays = [np.zeros(4, np.float32) for _ in range(count)]
        found.append(Call(count, _seconds(in_place, arrays), _seconds(result, arrays)))
    return found


def table(calls: list[Call]) -> str:
    """The figures and what is allowed, in microseconds."""
    lines = ["call overhead, µs   in place  allowed   new result  allowed"]
    for call in calls:
        inside, result = call.allowed
        cells = (call.in_place, inside, call.result, result)
        texts = [f"{1e6 * cell:{width}.2f}" for cell, width in zip(cells, WIDTHS, strict=True)]
        lines.append(
            f"  {call.count} array{'s' if call.count > 1 else ' '}        " + "".join(texts)
        )
    return "\n".join(lines)
