"""A step that is run from Python, launch by launch, each with its time: for `profile`.

A step is a plain function of words (`graphc.codegen.words`), so its text runs in Python as it is;
its kernels and the bodies of its loops are the native ones.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Sequence
from typing import Any

from graphc.codegen.source.module import write_module
from graphc.codegen.words import memory, steps
from graphc.runtime.executable import Executable


class Words(int):
    """An address whose words are read and written by subscripts."""

    def __getitem__(self, place: int) -> int:
        return memory.word(self, place)

    def __setitem__(self, place: int, value: int) -> None:
        memory.set_word(self, place, value)


class TimedStep:
    """The step of an executable; `seconds[k]` is what step k of its memory plan took."""

    def __init__(self, executable: Executable, fast: bool = False) -> None:
        module = write_module(executable.memory, "profile", fast, stamps=True)
        self.seconds = [0.0] * len(executable.memory.steps)
        self.spent = 0
        self.functions: dict[tuple[int, int], Any] = {}
        namespace: dict[str, Any] = {
            "any_overlap": steps.any_overlap,
            "at": steps.at,
            "byte": memory.byte,
            "call_step": self.call_step,
            "copy_memory": memory.copy_memory,
            "cycles": memory.cycles,
            "interrupted": lambda *_: 0,
            "launch": self.launch,
            "launch_chunks": self.launch_chunks,
            "stack_words": lambda count: Words(memory.stack_words(count)),
            "stamp": self.stamp,
        }
        exec(compile(module.steps["step"], "<step>", "exec"), namespace)
        self.step: Callable[[Words, Words, Words], int] = namespace["step"]

    def __call__(self, table: int, constants: int, sizes: int) -> int:
        self.seconds = [0.0] * len(self.seconds)
        self.spent = 0
        return self.step(Words(table), Words(constants), Words(sizes))

    def stamp(self, number: int) -> None:
        """Book what the calls since the last stamp took."""
        self.seconds[number] += self.spent * 1e-9
        self.spent = 0

    def call(self, kind: Any, address: int, arguments: Sequence[int]) -> int:
        """Call a C function of words, and count its time."""
        key = (address, len(arguments))
        if key not in self.functions:
            taken = [ctypes.c_int64] * len(arguments)
            self.functions[key] = ctypes.PYFUNCTYPE(kind, *taken)(address)
        function = self.functions[key]
        start = time.perf_counter_ns()
        status = function(*arguments)
        self.spent += time.perf_counter_ns() - start
        return int(status)

    def launch(self, kernel: int, buffers: Sequence[int], sizes: Sequence[int]) -> int:
        kept = _array(buffers), _array(sizes)
        given = (*(ctypes.addressof(x) for x in kept), 0, 1)
        return self.call(ctypes.c_int32, kernel, given)

    def launch_chunks(
        self,
        run: int,
        pool: int,
        threads: int,
        kernel: int,
        buffers: Sequence[int],
        sizes: Sequence[int],
        chunks: int,
        finish: int,
    ) -> int:
        kept = _array(buffers), _array(sizes)
        given = (pool, kernel, *(ctypes.addressof(x) for x in kept), chunks, finish, threads)
        return self.call(ctypes.c_int64, run, given)

    def call_step(self, step: int, table: int, constants: int, sizes: int) -> int:
        return self.call(ctypes.c_int32, step, (table, constants, sizes))


def _array(words: Sequence[int]) -> Any:
    return (ctypes.c_int64 * max(len(words), 1))(*words)
